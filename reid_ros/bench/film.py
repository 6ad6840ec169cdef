"""How well detectors find people in a film with true boxes for some of its images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from reid_ros.boxes import iou
from reid_ros.detect import Detector
from reid_ros.types import BoolArray, FloatArray, Frame, ReidError, UInt8Array

RIGHT = 0.5
"""Overlap from which a box is right."""


class FilmError(ReidError):
    """A film or its truth that cannot be read."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One image and who stands in it.

    Attributes:
        image: (h, w, 3) uint8 BGR.
        boxes: (n, 4) float32 corners, pixels.
        ignored: (n,) whoever counts neither for nor against.
    """

    image: UInt8Array
    boxes: FloatArray
    ignored: BoolArray


@dataclass(frozen=True, slots=True)
class Found:
    """What a detector found.

    Attributes:
        images, people: of the truth.
        score: from which detections count for precision and recall.
        precision, recall: percent.
        average: average precision over all scores, percent: area under the curve.
    """

    images: int
    people: int
    score: float
    precision: float
    recall: float
    average: float


def scenes(film: Path, truth: Path) -> list[Scene]:
    """The images that have a truth.

    Args:
        film: a video.
        truth: MOT text, frames from 1; column 7 is 0 of whoever is ignored.

    Raises:
        FilmError: a file that cannot be read, or a film that ends before its truth.
    """
    try:
        rows = np.loadtxt(truth, delimiter=',', ndmin=2)
    except (OSError, ValueError) as error:
        raise FilmError(f'{truth} is no MOT text: {error}') from error
    by_frame = {int(frame): rows[rows[:, 0] == frame] for frame in np.unique(rows[:, 0])}
    capture = cv2.VideoCapture(str(film))
    try:
        found = list(_shown(capture, by_frame))
    finally:
        capture.release()
    if len(found) != len(by_frame):
        raise FilmError(f'{film} shows {len(found)} of the {len(by_frame)} frames of {truth}')
    return found


def _shown(capture: cv2.VideoCapture, by_frame: Mapping[int, FloatArray]) -> Iterator[Scene]:
    for number in range(1, max(by_frame) + 1):
        there, image = capture.read()
        if not there:
            return
        if number in by_frame:
            rows = by_frame[number]
            corners = np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]]).astype(np.float32)
            yield Scene(np.asarray(image, np.uint8), corners, rows[:, 6] == 0)


def score(detector: Detector, film: Sequence[Scene], least: float) -> Found:
    """How well a detector does.

    The surest box takes the person that it overlaps most, and nobody else may.

    Args:
        detector: its own lowest score bounds the average precision.
        film: of `scenes`.
        least: score from which detections count for precision and recall.
    """
    sure: list[float] = []
    right: list[bool] = []
    for scene in film:
        found = detector.detect([Frame('film', 0, scene.image)])[0]
        overlap = iou(found.boxes, scene.boxes)
        for row in np.argsort(-found.scores, kind='stable').tolist():
            best = int(overlap[row].argmax()) if len(scene.boxes) else -1
            hit = best >= 0 and overlap[row, best] >= RIGHT
            if hit:
                overlap[:, best] = -1.0
                if scene.ignored[best]:
                    continue
            sure.append(float(found.scores[row]))
            right.append(bool(hit))
    people = sum(int((~scene.ignored).sum()) for scene in film)
    order = np.argsort(-np.array(sure), kind='stable')
    hits, scores = np.array(right, bool)[order], np.array(sure)[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    above = scores >= least
    return Found(
        len(film),
        people,
        least,
        100 * float(hits[above].mean()) if above.any() else 0.0,
        100 * float(hits[above].sum()) / max(people, 1),
        100 * float(precision[hits].sum()) / max(people, 1),
    )
