"""How well detectors find people in a film with true boxes for some of its images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from reid_ros.boxes import claimed
from reid_ros.detect import Detector
from reid_ros.evaluate.motfile import MotRows, read_mot
from reid_ros.evaluate.values import EvaluateError
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
        FilmError: a film or truth that cannot be read, a film that ends before its truth,
            an empty truth.
    """
    try:
        people = read_mot(truth)
    except EvaluateError as error:
        raise FilmError(f'{truth} is no MOT text: {error}') from error
    if not len(people.frame):
        raise FilmError(f'{truth} holds no row: nobody can be found or missed')
    by_frame = {int(frame): people.frame == frame for frame in np.unique(people.frame)}
    capture = cv2.VideoCapture(str(film))
    try:
        found = list(_shown(capture, people, by_frame))
    finally:
        capture.release()
    if len(found) != len(by_frame):
        raise FilmError(f'{film} shows {len(found)} of the {len(by_frame)} frames of {truth}')
    return found


def _shown(
    capture: cv2.VideoCapture, people: MotRows, by_frame: Mapping[int, BoolArray]
) -> Iterator[Scene]:
    for number in range(1, max(by_frame) + 1):
        there, image = capture.read()
        if not there:
            return
        if number in by_frame:
            rows = by_frame[number]
            corners = people.corners[rows].astype(np.float32)
            yield Scene(np.asarray(image, np.uint8), corners, people.confidence[rows] == 0)


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
        taken = claimed(found.boxes, found.scores, scene.boxes, RIGHT)
        for row in np.argsort(-found.scores, kind='stable').tolist():
            if taken[row] < 0 or not scene.ignored[taken[row]]:
                sure.append(float(found.scores[row]))
                right.append(bool(taken[row] >= 0))
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
