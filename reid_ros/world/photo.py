"""One person in one image: the neighbourhood, the mask, and what is true of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reid_ros.lens import View
from reid_ros.types import DoubleArray, FloatArray, UInt8Array
from reid_ros.world import raster
from reid_ros.world.figure import Figure
from reid_ros.world.stands import Stand
from reid_ros.world.values import Canvas


@dataclass(frozen=True, slots=True)
class Photo:
    """The neighbourhood of one person in one image.

    Attributes:
        image: (h, w, 3) uint8 BGR, as the camera gives it; (0, 0, 3) where nobody painted it.
        mask: (h, w) uint8, 255 where the person is seen.
        corner: x, y pixels of the neighbourhood's first pixel in the image.
        box: (4,) float32 pixels x0 y0 x1 y1 in the image: the whole person, hidden parts too,
            cut at the image's border.
        visible: 0 to 1, share of the whole person that is seen.
        view_deg: 0 = walks towards the camera, 90 = across, 180 = away.
        time_s: since the walk's first moment.
    """

    image: UInt8Array
    mask: UInt8Array
    corner: tuple[int, int]
    box: FloatArray
    visible: float
    view_deg: float
    time_s: float


def told(
    image: UInt8Array,
    drawn: raster.Drawn,
    view: View,
    corner: tuple[int, int],
    view_deg: float,
    time_s: float,
) -> Photo:
    """What is true of the first figure of a picture."""
    size = np.array([view.width, view.height] * 2, np.float32)
    box: FloatArray = np.clip(drawn.boxes[0] + np.array(corner * 2, np.float32), 0, size)
    mask: UInt8Array = (drawn.labels == 1).astype(np.uint8) * np.uint8(255)
    share = float(drawn.seen[0] / max(float(drawn.whole[0]), 1.0))
    return Photo(image, mask, corner, box, min(share, 1.0), view_deg, time_s)


def outlined(
    canvas: Canvas, stand: Stand, figures: list[Figure], angles: FloatArray, times: DoubleArray
) -> list[Photo]:
    """Somebody who walks alone, without colours, cut out more closely than with them."""
    found = []
    view = stand.view
    limit = np.array([view.width, view.height])
    drawn = raster.outlines(canvas.depth, figures, view, stand.light)
    for one, view_deg, time_s in zip(drawn, angles.tolist(), times.tolist()):
        low = np.clip(np.floor(one.boxes[0, :2]) - 1, 0, limit - 1)
        x0, y0 = low.astype(int).tolist()
        x1, y1 = np.clip(np.ceil(one.boxes[0, 2:]) + 1, low + 1, limit).astype(int).tolist()
        boxes = one.boxes - np.array([x0, y0, x0, y0], np.float32)
        part = replace(one, labels=one.labels[y0:y1, x0:x1], boxes=boxes)
        nothing = np.empty((0, 0, 3), np.uint8)
        found.append(told(nothing, part, view, (x0, y0), view_deg, time_s))
    return found
