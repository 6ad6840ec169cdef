"""Silhouettes before a fixed camera without a network: what differs from the empty place.

Each pixel has a running mean and variance (Wren et al., Pfinder, PAMI 1997), learnt where no box
is: people who stand for minutes do not become background. Shadows keep the colour of the floor and
are left out near the feet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reid_ros.silhouette import MIN_HEIGHT_PX, Silhouettes, around, made
from reid_ros.types import BoolArray, FloatArray, Frame

RATE = 0.05
"""Share of the newest frame in the background, once that is known."""
FIRST = 20
"""Frames over which the mean is a plain one; a pixel seen so often is known."""
KNOWN = 3
"""Frames without a person that a pixel needs before anything can be told from it."""
LEAST_STD = 5.0
"""Grey values; a quieter camera is not believed."""
FAR = 3.5
"""Deviations from the mean at which a pixel is one half likely to be somebody."""
SHADOW = (0.45, 0.97)
"""A shadow's brightness, as a share of the background's."""
TINT = 0.035
"""Largest change of a shadow's colour, as a share of the brightness."""
FLOOR = 0.65
"""Of what is looked at, from above: shadows lie below, and grey clothes before a white wall, which
no pixel tells from a shadow, above."""
MOVED = 0.5
"""Share of pixels outside all boxes that change at once when the light or the camera does."""
CLOSE = 0.03
"""Gaps that are closed, as a share of the box' height."""


@dataclass
class _Place:
    """One camera's background.

    Attributes:
        mean, square: (h, w, 3) float32, of pixels and of their squares.
        seen: (h, w) float32, frames in which nobody stood there, up to FIRST.
    """

    mean: FloatArray
    square: FloatArray
    seen: FloatArray

    @staticmethod
    def empty(shape: tuple[int, ...]) -> _Place:
        """Of images of that shape, nothing known yet."""
        zeros = [np.zeros(shape, np.float32) for _ in range(2)]
        return _Place(zeros[0], zeros[1], np.zeros(shape[:2], np.float32))


class Background:
    """Silhouettes of people before fixed cameras.

    A camera that moves has no background: its silhouettes are 'empty'. So are those of the first
    frames, and of people who have stood in one place since the first frame.
    """

    def __init__(self, min_height_px: int = MIN_HEIGHT_PX) -> None:
        """Know nothing yet.

        Args:
            min_height_px: lower boxes are 'small'.
        """
        self._places: dict[str, _Place] = {}
        self._least = min_height_px

    def look(self, wanted: Sequence[tuple[Frame, FloatArray]]) -> list[Silhouettes]:
        """Silhouettes of each frame's (k, 4) boxes, and learn from the frames.

        Args:
            wanted: frames of any cameras, of each camera in the order of time, with everybody's
                boxes; frames without boxes teach most.
        """
        return [self._look(frame, boxes) for frame, boxes in wanted]

    def _look(self, frame: Frame, boxes: FloatArray) -> Silhouettes:
        shape = frame.image.shape
        if frame.ego is not None:
            self._places.pop(frame.camera, None)
            return Silhouettes.none(len(boxes))
        place = self._places.get(frame.camera)
        if place is None or place.mean.shape != shape:
            place = self._places[frame.camera] = _Place.empty(shape)
        height, width = shape[:2]
        image = frame.image.astype(np.float32)
        regions = around(boxes, width, height)
        masks = []
        for x0, y0, x1, y1 in regions.astype(int).tolist():
            part = slice(y0, y1), slice(x0, x1)
            masks.append(_somebody(image[part], place, part))
        result = made(masks, regions, boxes, (width, height), self._least)
        self._learn(frame.camera, image, regions)
        return result

    def _learn(self, camera: str, image: FloatArray, regions: FloatArray) -> None:
        """Add what is outside all boxes; begin anew where most of that has changed."""
        place = self._places[camera]
        free = np.ones(image.shape[:2], np.uint8)
        for x0, y0, x1, y1 in regions.astype(int).tolist():
            free[y0:y1, x0:x1] = 0
        known = (place.seen >= KNOWN) & (free > 0)
        number = np.count_nonzero(known)
        if number:
            moved = (_distance(image, place.mean, place.square) > FAR) & known
            if np.count_nonzero(moved) > MOVED * number:
                place = self._places[camera] = _Place.empty(image.shape)
        place.seen += free
        for count in range(1, FIRST + 1):
            rows = place.seen == count if count < FIRST else place.seen >= FIRST
            now = (rows & (free > 0)).astype(np.uint8)
            if now.any():
                rate = max(1.0 / count, RATE)
                cv2.accumulateWeighted(image, place.mean, rate, now)
                cv2.accumulateWeighted(image * image, place.square, rate, now)
        np.minimum(place.seen, FIRST, out=place.seen)


def _distance(image: FloatArray, mean: FloatArray, square: FloatArray) -> FloatArray:
    """(h, w) by how many deviations the colour of a pixel is another one."""
    variance = np.maximum(square - mean * mean, LEAST_STD**2)
    result: FloatArray = np.sqrt(((image - mean) ** 2 / variance).mean(axis=2))
    return result


def _somebody(image: FloatArray, place: _Place, part: tuple[slice, slice]) -> FloatArray:
    """(h, w) 0 to 1: how likely it is that a pixel shows somebody.

    Args:
        image: (h, w, 3) part of the image.
        place: the background.
        part: which part.
    """
    mean = place.mean[part]
    away = _distance(image, mean, place.square[part])
    dark = _shadow(image, mean)
    dark[: round(FLOOR * len(dark))] = False
    away[dark | (place.seen[part] < KNOWN)] = 0.0
    side = max(3, round(CLOSE * len(image)) | 1)
    soft = np.clip(away / (2 * FAR), 0.0, 1.0).astype(np.float32)
    soft = cv2.medianBlur(soft, 3)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    result: FloatArray = cv2.morphologyEx(soft, cv2.MORPH_CLOSE, kernel)
    return result


def _shadow(image: FloatArray, mean: FloatArray) -> BoolArray:
    """(h, w) whether a pixel is the background in less light (Horprasert et al., 1999)."""
    length = np.maximum((mean * mean).sum(axis=2), 1.0)
    share = (image * mean).sum(axis=2) / length
    tint = np.linalg.norm(image - share[..., None] * mean, axis=2) / np.sqrt(length)
    result: BoolArray = (share > SHADOW[0]) & (share < SHADOW[1]) & (tint < TINT)
    return result
