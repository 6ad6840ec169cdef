"""Boxes as arrays: overlap, clipping, suppression, and the geometry of a letterboxed image.

A box is x0 y0 x1 y1 in pixels; arrays of them are (n, 4) float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.types import BoolArray, FloatArray, IntArray

CROWDED = 0.3
"""A box of which a neighbour covers more than this may swap its track with the neighbour, and may
end where the neighbour begins."""


def area(boxes: FloatArray) -> FloatArray:
    """(n,) area; a box turned inside out has none."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    result: FloatArray = size[:, 0] * size[:, 1]
    return result


def intersection(a: FloatArray, b: FloatArray) -> FloatArray:
    """(n, m) area that each of a (n, 4) shares with each of b (m, 4)."""
    width = np.minimum(a[:, None, 2], b[None, :, 2])
    width -= np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3])
    height -= np.maximum(a[:, None, 1], b[None, :, 1])
    np.maximum(width, 0, out=width)
    width *= np.maximum(height, 0, out=height)
    result: FloatArray = width
    return result


def iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """(n, m) intersection over union; 0 where both are empty."""
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    result: FloatArray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result


def coverage(a: FloatArray, b: FloatArray) -> FloatArray:
    """(n, m) share of each of a that lies inside each of b; 0 where a is empty."""
    shared = intersection(a, b)
    own = np.broadcast_to(area(a)[:, None], shared.shape)
    result: FloatArray = np.divide(shared, own, out=np.zeros_like(shared), where=own > 0)
    return result


def cover(boxes: FloatArray) -> FloatArray:
    """(n, n) share of each box that lies inside each other one; 0 on the diagonal."""
    result = coverage(boxes, boxes)
    np.fill_diagonal(result, 0.0)
    return result


def crowded(cover: FloatArray) -> BoolArray:
    """(n,) True where another box covers much of one.

    Args:
        cover: (n, n) what `cover` says of the boxes.
    """
    result: BoolArray = cover.max(axis=1, initial=0.0) > CROWDED
    return result


def clip(boxes: FloatArray, width: int, height: int) -> FloatArray:
    """(n, 4) the boxes' parts inside an image of width x height pixels."""
    limit = np.array([width, height, width, height], boxes.dtype)
    result: FloatArray = np.minimum(np.maximum(boxes, 0), limit)
    return result


def inside(box: FloatArray, width: int, height: int) -> tuple[int, int, int, int]:
    """x0 y0 x1 y1, the whole pixels of one (4,) box inside an image of width x height pixels."""
    x0, x1 = np.clip(np.round(box[[0, 2]]), 0, width).astype(np.int64).tolist()
    y0, y1 = np.clip(np.round(box[[1, 3]]), 0, height).astype(np.int64).tolist()
    return x0, y0, x1, y1


def claimed(boxes: FloatArray, scores: FloatArray, true: FloatArray, least: float) -> IntArray:
    """Which true box each takes, -1 = none; the surest take the one that they overlap most.

    Nobody else may have it then, as in the scores of PASCAL VOC and CUHK-SYSU.

    Args:
        boxes: (n, 4).
        scores: (n,).
        true: (m, 4).
        least: overlap that it takes.

    Returns:
        (n,) rows of `true`.
    """
    result = np.full(len(boxes), -1, np.int64)
    overlap = iou(boxes, true)
    for row in np.argsort(-scores, kind='stable').tolist() if len(true) else ():
        best = int(overlap[row].argmax())
        if overlap[row, best] >= least:
            overlap[:, best] = -1.0
            result[row] = best
    return result


def nms(boxes: FloatArray, scores: FloatArray, threshold: float, most: int = 0) -> IntArray:
    """Rows of the boxes that no better box overlaps by more than the threshold, best first.

    Equal scores keep the order of the rows, so the answer does not depend on the machine.

    Args:
        boxes: (n, 4).
        scores: (n,).
        threshold: intersection over union above which the weaker box goes.
        most: stop after so many boxes; 0 = no limit.
    """
    order = np.argsort(-scores, kind='stable')
    kept: list[int] = []
    ranked = boxes[order]
    for start in range(0, len(order), _BLOCK):
        block = ranked[start : start + _BLOCK]
        alive = np.logical_not(_collide(block, ranked[kept], threshold).any(axis=1))
        free = np.logical_not(_collide(block, block, threshold))
        while len(kept) < most or not most:
            i = int(alive.argmax())
            if not alive[i]:
                break
            kept.append(start + i)
            alive &= free[i]
            alive[i] = False
    result: IntArray = order[kept]
    return result


# The whole square of overlaps of a crowded image would cost more than all else together.
_BLOCK = 128


def _collide(a: FloatArray, b: FloatArray, threshold: float) -> BoolArray:
    """(n, m) whether the intersection over union is above the threshold, without dividing."""
    total = area(a)[:, None] + area(b)[None, :]
    total *= threshold / (1.0 + threshold)
    result: BoolArray = intersection(a, b) > total
    return result


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How an image lies inside a network's input: input = image * scale + offset.

    Attributes:
        scale_x, scale_y: input pixels per image pixel.
        offset_x, offset_y: where the image's corner lies in the input, pixels.
        width, height: size of the image, pixels.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    width: int
    height: int

    def to_image(self, boxes: FloatArray) -> FloatArray:
        """(n, 4) boxes of the input as boxes of the image, clipped to it."""
        offset = np.array([self.offset_x, self.offset_y] * 2, np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        return clip((boxes - offset) / scale, self.width, self.height)

    def to_input(self, boxes: FloatArray) -> FloatArray:
        """(n, 4) boxes of the image as boxes of the input."""
        offset = np.array([self.offset_x, self.offset_y] * 2, np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        result: FloatArray = boxes * scale + offset
        return result


def letterbox(width: int, height: int, into_width: int, into_height: int, fit: str) -> Letterbox:
    """Where an image of width x height comes to lie in an input.

    Args:
        width, height: size of the image, pixels.
        into_width, into_height: size of the input, pixels.
        fit: 'letterbox_topleft', 'letterbox_centre' (both keep the aspect ratio) or 'stretch'.
    """
    if fit == 'stretch':
        return Letterbox(into_width / width, into_height / height, 0.0, 0.0, width, height)
    ratio = min(into_width / width, into_height / height)
    # The network sees whole pixels, so the scale is that of the rounded size, not the ratio.
    across = max(1, min(into_width, round(width * ratio)))
    down = max(1, min(into_height, round(height * ratio)))
    x = y = 0
    if fit == 'letterbox_centre':
        x, y = (into_width - across) // 2, (into_height - down) // 2
    return Letterbox(across / width, down / height, float(x), float(y), width, height)
