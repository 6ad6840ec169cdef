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
# Nobody who stands is smaller or taller, metres: a child, and a head's breadth above the tallest.
SMALLEST_M, TALLEST_M = 0.8, 2.3
# Share of a box's height within which an edge counts as cut off where a stature is measured: of
# somebody who always is cut off, only the images whose box shakes inwards would count.
CUT = 0.1


@dataclass(frozen=True)
class Places:
    """Positions of the people in one image.

    Attributes:
        positions: (n, 3) float64, metres: on the ground, or the middle of the body where the
            height gave the distance.
        covariances: (n, 3, 3) float64, square metres.
        sure: (n,) bool, whether the position rests on feet that are seen on the ground.
        tall: (n,) float64, metres from the feet to the top of the head, 0 where that is not seen.
    """

    positions: DoubleArray
    covariances: DoubleArray
    sure: BoolArray
    tall: DoubleArray


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
    tall = _tall(box, lens, pose, positions)
    whole = sure & (box[:, 3] < height - CUT * size[:, 1])
    return Places(positions, covariances, sure, np.where(whole, tall, 0.0))


def _tall(box: DoubleArray, lens: Lens, pose: Pose, feet: DoubleArray) -> DoubleArray:
    """(n,) how high above the ground the ray of the head passes the feet; 0 = it is not seen."""
    heads = np.column_stack([(box[:, 0] + box[:, 2]) / 2, box[:, 1]])
    rays = lens.rays(heads) @ pose.rotation.T
    level = np.linalg.norm(rays[:, :2], axis=1)
    away = np.linalg.norm((feet - pose.position)[:, :2], axis=1)
    tall: DoubleArray = pose.position[2] + away / np.maximum(level, 1e-9) * rays[:, 2]
    seen = box[:, 1] > np.maximum(CUT * (box[:, 3] - box[:, 1]), BORDER_PX)
    return np.where(seen & (tall > SMALLEST_M) & (tall < TALLEST_M), tall, 0.0)


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
    nobody = np.zeros(len(box))
    return Places(positions, covariances, nobody > 0, nobody)
