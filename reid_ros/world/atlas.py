"""All textures of a place in one picture, each at several sizes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from reid_ros.types import DoubleArray, IntArray, UInt8Array

_GUTTER = 2
_WIDTH = 4096
_MOST_LEVELS = 7


class Atlas:
    """Textures packed so that one look-up table serves all.

    Attributes:
        image: (h, w, 3) uint8 BGR; pixel (1, 1) is the colour of nothing.
        solid: (h, w) uint8, 0 where a texture has a hole.
        deepest: (n,) the last level of each texture; each level halves the one before.
        where: (n, levels, 4) left, top, width and height of each level in the image, pixels.
    """

    def __init__(self, pictures: Sequence[tuple[UInt8Array, UInt8Array | None]]) -> None:
        levels = [_levels(*picture) for picture in pictures]
        self.deepest: IntArray = np.array([len(each) - 1 for each in levels], np.int64)
        sizes = [
            (k, n, *image.shape[:2])
            for k, each in enumerate(levels)
            for n, (image, _) in enumerate(each)
        ]
        width = max(_WIDTH, *(size[3] + 2 * _GUTTER for size in sizes))
        self.where: DoubleArray = np.zeros((len(levels), _MOST_LEVELS, 4))
        # Tallest first, in rows.
        x, y, tall = 8, 0, 8
        for k, n, high, wide in sorted(sizes, key=lambda size: (-size[2], size[0], size[1])):
            if x + wide + 2 * _GUTTER > width:
                x, y, tall = 0, y + tall, 0
            tall = max(tall, high + 2 * _GUTTER)
            self.where[k, n] = (x + _GUTTER, y + _GUTTER, wide, high)
            x += wide + 2 * _GUTTER
        self.image = np.full((y + tall, width, 3), 40, np.uint8)
        self.solid = np.full((y + tall, width), 255, np.uint8)
        for k, n, high, wide in sizes:
            left, top = (int(number) for number in self.where[k, n, :2])
            part = (
                slice(top - _GUTTER, top + high + _GUTTER),
                slice(left - _GUTTER, left + wide + _GUTTER),
            )
            image, solid = levels[k][n]
            self.image[part] = _edged(image)
            if solid is not None:
                self.solid[part] = _edged(solid)


def _edged(image: UInt8Array) -> UInt8Array:
    """With its border repeated, so that no neighbour shines in."""
    result: UInt8Array = cv2.copyMakeBorder(
        image, _GUTTER, _GUTTER, _GUTTER, _GUTTER, cv2.BORDER_REPLICATE
    )
    return result


def _levels(
    image: UInt8Array, solid: UInt8Array | None
) -> list[tuple[UInt8Array, UInt8Array | None]]:
    levels: list[tuple[UInt8Array, UInt8Array | None]] = [(image, solid)]
    while len(levels) < _MOST_LEVELS and min(image.shape[:2]) >= 4:
        size = ((image.shape[1] + 1) // 2, (image.shape[0] + 1) // 2)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        if solid is not None:
            solid = cv2.resize(solid, size, interpolation=cv2.INTER_AREA)
        levels.append((image, solid))
    return levels
