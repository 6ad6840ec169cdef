"""Where people stand: from a box, the camera's lens and, where it is known, its pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.lens import Lens, Pose
from reid_ros.types import BoolArray, DoubleArray, FloatArray

# One standard deviation: a box's edges, as shares of its width and height, and a person's height.
EDGE_X, EDGE_Y, HEIGHT_M = 0.05, 0.03, 0.1
# Beyond it one pixel is metres on the ground.
FARTHEST_M = 50.0
# Pixels from the image's lower border within which feet count as cut off.
BORDER_PX = 2.0


@dataclass(frozen=True)
class Places:
    """Positions of the people in one image.

    Attributes:
        positions: (n, 3) float64, metres: on the ground, or the middle of the body where the
            height gave the distance.
        covariances: (n, 3, 3) float64, square metres.
        sure: (n,) bool, whether the position rests on feet that are seen on the ground.
    """

    positions: DoubleArray
    covariances: DoubleArray
    sure: BoolArray


def on_ground(boxes: FloatArray, lens: Lens, pose: Pose, height: int) -> Places:
    """Where the middle of each box's lower edge meets the plane z = 0.

    Args:
        boxes: (n, 4) pixels.
        pose: of the optical frame in the frame of the ground.
        height: of the image, pixels.
    """
    box = boxes.astype(np.float64)
    size = np.maximum(box[:, 2:] - box[:, :2], 1.0)
    feet = np.column_stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]])
    positions, valid = _meet(feet, lens, pose)
    spread = size * (EDGE_X, EDGE_Y)
    across, _ = _meet(feet + np.column_stack([spread[:, 0], 0 * spread[:, 0]]), lens, pose)
    along, _ = _meet(feet + np.column_stack([0 * spread[:, 1], spread[:, 1]]), lens, pose)
    a, b = across - positions, along - positions
    covariances = a[:, :, None] * a[:, None, :] + b[:, :, None] * b[:, None, :]
    sure = valid & (box[:, 3] < height - BORDER_PX)
    return Places(positions, covariances, sure)


def _meet(points: DoubleArray, lens: Lens, pose: Pose) -> tuple[DoubleArray, BoolArray]:
    origin = pose.position
    rays = lens.rays(points) @ pose.rotation.T
    falling = rays[:, 2] * origin[2] < -1e-9
    distance = np.where(falling, -origin[2] / np.where(falling, rays[:, 2], 1.0), 0.0)
    positions: DoubleArray = origin + distance[:, None] * rays
    near = np.linalg.norm(positions - origin, axis=1) < FARTHEST_M
    return positions, falling & near


def by_height(boxes: FloatArray, lens: Lens, person_m: float) -> Places:
    """The middle of each body in the optical frame, were everybody person_m tall."""
    box = boxes.astype(np.float64)
    tall = np.maximum(box[:, 3] - box[:, 1], 1.0)
    depth = lens.matrix[1, 1] * person_m / tall
    rays = lens.rays(np.column_stack([(box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2]))
    positions = rays * depth[:, None]
    wide = np.maximum(box[:, 2] - box[:, 0], 1.0)
    along = positions * np.hypot(HEIGHT_M / person_m, np.sqrt(2) * EDGE_Y)
    covariances = along[:, :, None] * along[:, None, :]
    covariances[:, 0, 0] += (EDGE_X * wide / lens.matrix[0, 0] * depth) ** 2
    covariances[:, 1, 1] += (EDGE_Y * tall / lens.matrix[1, 1] * depth) ** 2
    return Places(positions, covariances, np.zeros(len(box), bool))
