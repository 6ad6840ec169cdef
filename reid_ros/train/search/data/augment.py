"""Random changes of a picture with people, boxes and all."""

from __future__ import annotations

import cv2
import numpy as np

from reid_ros.train.augment import augment as coloured
from reid_ros.train.search.settings import SearchAugmentConfig
from reid_ros.train.settings import AugmentConfig
from reid_ros.types import BoolArray, FloatArray, UInt8Array

LEFT = 0.4
"""Of whom less than this share stays inside the picture, nothing is learnt there."""
LEAST_PX = 4.0
PAD = 114
"""Grey beside a picture, as letterboxes of cards have it."""


def augment(
    image: UInt8Array, boxes: FloatArray, settings: SearchAugmentConfig, draw: np.random.Generator
) -> tuple[UInt8Array, FloatArray, BoolArray]:
    """A picture as another camera might have seen it, and what became of its boxes.

    Args:
        image: (h, w, 3) uint8 BGR, left untouched.
        boxes: (k, 4) x0 y0 x1 y1.
        settings: chances and strengths.
        draw: decides; equal draws change equal pictures alike.

    Returns:
        The picture; (k, 4) boxes, cut at its border; (k,) who is still inside.
    """
    height, width = image.shape[:2]
    # The numbers are drawn in any case, so that one setting does not change what others do.
    drawn = 2 * draw.random(4) - 1
    scale = 1 + drawn[0] * settings.zoom
    mirrored = 0.5 * (drawn[1] + 1) < settings.flip
    # About the middle, then moved; of pixel corners.
    move = drawn[2:] * settings.shift * [width, height]
    x, y = move + 0.5 * (1 - scale) * np.array([width, height])
    across = -scale if mirrored else scale
    x = width - x if mirrored else x
    matrix = np.array(
        [[across, 0, x + 0.5 * across - 0.5], [0, scale, y + 0.5 * scale - 0.5]], np.float64
    )
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    found: UInt8Array = cv2.warpAffine(
        image, matrix, (width, height), flags=flags, borderValue=(PAD, PAD, PAD)
    )  # type: ignore[assignment, unused-ignore]
    found = coloured(found[None], _colours(settings), draw)[0]
    moved = boxes * np.array([across, scale, across, scale]) + np.array([x, y, x, y])
    if mirrored:
        moved = moved[:, [2, 1, 0, 3]]
    inside = np.clip(moved, 0, [width, height, width, height]).astype(np.float32)
    sides, whole = inside[:, 2:] - inside[:, :2], moved[:, 2:] - moved[:, :2]
    kept = (sides.prod(axis=1) >= LEFT * whole.prod(axis=1)) & (sides >= LEAST_PX).all(axis=1)
    return found, inside, kept


def _colours(settings: SearchAugmentConfig) -> AugmentConfig:
    names = ('colour', 'channel', 'grey', 'blur', 'coarse', 'noise', 'jpeg')
    own = {name: getattr(settings, name) for name in names}
    return AugmentConfig(flip=0.0, pad=0, erase=0.0, **own)
