"""What is done to the silhouettes of a walk before they are learnt from: alike for all frames.

Perspective, mirroring and rotation as OpenGait does them (data/transform.py, config of Gait3D).
"""

from __future__ import annotations

import cv2
import numpy as np

from reid_ros.train.gait.settings import GaitAugmentConfig
from reid_ros.types import DoubleArray, UInt8Array

_REACH = 10 / 44
"""Share of the width within which a corner of the perspective's quadrilateral lies."""


def augment(walk: UInt8Array, config: GaitAugmentConfig, draw: np.random.Generator) -> UInt8Array:
    """(t, h, w) a walk, changed as a whole.

    Args:
        walk: (t, h, w) 0 to 255.
        config: chances.
        draw: draws what happens; the same numbers whatever the chances are.
    """
    height, width = walk.shape[1:]
    chances = draw.random(3)
    corners = draw.uniform(0, _REACH, 4) * width
    degrees = float(draw.uniform(-config.degrees, config.degrees))
    if chances[0] < config.flip:
        walk = walk[:, :, ::-1]
    matrix = np.eye(3)
    if chances[1] < config.perspective:
        matrix = _perspective(corners, height, width) @ matrix
    if chances[2] < config.rotate:
        middle = (width / 2, height / 2)
        matrix = np.vstack([cv2.getRotationMatrix2D(middle, degrees, 1.0), (0, 0, 1)]) @ matrix
    if (matrix == np.eye(3)).all():
        return np.ascontiguousarray(walk)
    frames = [
        cv2.warpPerspective(np.ascontiguousarray(frame), matrix, (width, height)) for frame in walk
    ]
    return np.stack(frames).astype(np.uint8)


def _perspective(corners: DoubleArray, height: int, width: int) -> DoubleArray:
    """The map that stretches a quadrilateral within the picture to the whole picture."""
    left, right, bottom_right, bottom_left = corners.tolist()
    inner = [
        (left, 0), (width - right, 0), (width - bottom_right, height), (bottom_left, height)
    ]  # fmt: skip
    outer = [(0, 0), (width, 0), (width, height), (0, height)]
    matrix: DoubleArray = np.asarray(
        cv2.getPerspectiveTransform(np.array(inner, np.float32), np.array(outer, np.float32))
    )
    return matrix
