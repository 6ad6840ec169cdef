"""Boxes and labels on a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reid_ros.report.colours import colour, ink
from reid_ros.types import BoolArray, FloatArray, UInt8Array

_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class Shown:
    """What is drawn on one frame.

    Attributes:
        boxes: (n, 4) float32, pixels of the picture that is drawn on.
        persons: number of the person of each box, 0 = undecided.
        labels: text of each box, '' for none.
        predicted: (n,) bool, True where the person was not seen.
    """

    boxes: FloatArray
    persons: list[int]
    labels: list[str]
    predicted: BoolArray


def draw(image: UInt8Array, shown: Shown, caption: str = '') -> None:
    """Draw on a bgr image, in place: seen people by a solid box, predicted ones by a dashed."""
    unit = max(image.shape[:2]) / 960
    thick = max(1, round(2 * unit))
    # Undecided first, so that a known person's box lies on top.
    for i in sorted(range(len(shown.persons)), key=lambda i: shown.persons[i] > 0):
        x0, y0, x1, y1 = (round(float(v)) for v in shown.boxes[i])
        bgr = colour(shown.persons[i])[::-1]
        if shown.predicted[i]:
            _dashed(image, x0, y0, x1, y1, bgr, max(1, thick // 2))
        else:
            cv2.rectangle(
                image, (x0, y0), (x1, y1), bgr, thick if shown.persons[i] else max(1, thick // 2)
            )
        if shown.labels[i]:
            _label(image, x0, y0, shown.labels[i], bgr, ink(shown.persons[i]), unit)
    if caption:
        _label(image, 0, 0, caption, (0, 0, 0), (255, 255, 255), unit)


def _label(
    image: UInt8Array,
    x: int,
    y: int,
    text: str,
    ground: tuple[int, ...],
    letters: tuple[int, ...],
    unit: float,
) -> None:
    scale, weight = max(0.4, 0.6 * unit), max(1, round(1.4 * unit))
    # Hershey fonts know ASCII only; anything else would be drawn as ??.
    plain = text.encode('ascii', 'replace').decode()
    (width, height), base = cv2.getTextSize(plain, _FONT, scale, weight)
    pad = max(2, round(3 * unit))
    tall = height + base + pad
    x = int(np.clip(x, 0, max(0, image.shape[1] - width - 2 * pad)))
    top = y - tall if y - tall >= 0 else min(max(0, y), max(0, image.shape[0] - tall))
    cv2.rectangle(image, (x, top), (x + width + 2 * pad, top + tall), ground, -1)
    cv2.putText(
        image, plain, (x + pad, top + pad // 2 + height), _FONT, scale, letters, weight,
        cv2.LINE_AA,
    )  # fmt: skip


def _dashed(
    image: UInt8Array, x0: int, y0: int, x1: int, y1: int, bgr: tuple[int, ...], thick: int
) -> None:
    dash = 6 * max(1, thick)
    height, width = image.shape[:2]
    for x in range(max(x0, 0), min(x1, width), 2 * dash):
        for y in (y0, y1):
            cv2.line(image, (x, y), (min(x + dash, x1), y), bgr, thick)
    for y in range(max(y0, 0), min(y1, height), 2 * dash):
        for x in (x0, x1):
            cv2.line(image, (x, y), (x, min(y + dash, y1)), bgr, thick)
