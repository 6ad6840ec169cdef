"""A frame with what is true and what was said, as a small picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reid_ros.report.draw import Shown, draw
from reid_ros.types import FloatArray, Frame, UInt8Array

WIDTH = 480  # pixels
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Marked:
    """What is marked on a frame.

    Attributes:
        truth: (n, 4) float32 pixels, boxes of the true people.
        focus: row of truth that the picture is about.
        boxes: (m, 4) float32 pixels, boxes of the run.
        persons: number of each of them, 0 = undecided.
    """

    truth: FloatArray
    focus: int
    boxes: FloatArray
    persons: list[int]


def picture(frame: Frame, marked: Marked) -> bytes:
    """JPEG of the whole frame, WIDTH pixels wide or less; b'' where it cannot be made."""
    scale = min(1.0, WIDTH / frame.image.shape[1])
    size = (
        max(1, round(frame.image.shape[1] * scale)),
        max(1, round(frame.image.shape[0] * scale)),
    )
    image: UInt8Array = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
    if frame.order == 'rgb':
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    labels = [f'#{person}' if person else '' for person in marked.persons]
    draw(
        image,
        Shown(marked.boxes * scale, marked.persons, labels, np.zeros(len(labels), np.bool_)),
    )
    for row, box in enumerate(marked.truth * scale):
        x0, y0, x1, y1 = (round(float(v)) for v in box)
        if row == marked.focus:  # white between black: seen on every ground
            cv2.rectangle(image, (x0 - 3, y0 - 3), (x1 + 3, y1 + 3), BLACK, 3)
            cv2.rectangle(image, (x0 - 3, y0 - 3), (x1 + 3, y1 + 3), WHITE, 1)
        else:
            cv2.rectangle(image, (x0, y0), (x1, y1), WHITE, 1)
    fine, jpeg = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return jpeg.tobytes() if fine else b''
