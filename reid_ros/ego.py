"""What a camera's own turn does to its picture."""

from __future__ import annotations

import cv2
import numpy as np

from reid_ros.lens import Lens, Pose
from reid_ros.types import DoubleArray

_GRID = np.stack(np.meshgrid(np.linspace(0.02, 0.98, 6), np.linspace(0.02, 0.98, 5)), axis=-1)


def between(lens: Lens, before: Pose, now: Pose) -> DoubleArray:
    """(3, 3) homography from the pixels of one image to those of a later one, as `Frame.ego`.

    Exact for what is far away: K R K^-1, where R is the camera's turn. How far the camera moved
    is left out, since that shifts each pixel by its own depth: at 0.8 m/s, 10 Hz and 3 m, up to
    the width of a hand; odometry's error in the turn matters more. With a distorted lens no
    homography is exact: the one that fits a grid over the image best is given.

    Args:
        lens: of the camera; its principal point is taken for the middle of the image.
        before, now: poses of the optical frame, in the same axes; both may be drifting ones.
    """
    turn = now.rotation.T @ before.rotation
    matrix = lens.matrix
    plain: DoubleArray = matrix @ turn @ np.linalg.inv(matrix)
    plain /= plain[2, 2]
    if lens.fisheye or not lens.distortion.any():
        return plain
    pixels = _GRID.reshape(-1, 2) * (2 * matrix[:2, 2])
    moved = lens.pixels(lens.rays(pixels) @ turn.T)
    # Beyond the image's edge a lens says nothing; a far turn keeps nothing to fit.
    near = np.abs(moved / (2 * matrix[:2, 2]) - 0.5).max(axis=1) < 0.52
    if int(near.sum()) < 8:
        return plain
    fitted, _ = cv2.findHomography(pixels[near], moved[near], 0)
    if fitted is None:
        return plain
    result: DoubleArray = np.asarray(fitted, np.float64)
    return result
