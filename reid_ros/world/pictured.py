"""Who is in one picture of a world, as it was drawn."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from reid_ros.lens import Pose, View
from reid_ros.world.cast import Person
from reid_ros.world.figure import Figure
from reid_ros.world.paths import Step
from reid_ros.world.raster import Drawn
from reid_ros.world.values import Truth

NEAR_M = 0.45
"""Somebody nearer to a camera than this is inside of it, and not drawn."""


def in_reach(view: View, x: float, y: float) -> bool:
    """Whether somebody at (x, y) can reach into the picture at all."""
    ends = np.array([[x, y, 0.0], [x, y, 0.9], [x, y, 1.9]])
    seen = view.pose.inside(ends)
    if seen[:, 2].max() < 0.2 or np.hypot(*(view.pose.position[:2] - (x, y))) < NEAR_M:
        return False
    matrix = view.lens.matrix
    z = np.maximum(seen[:, 2], 0.3)
    # A metre to each side, and wide for the lens: a barrel draws in what a pinhole leaves out.
    reach_x = 1.4 * view.width / 2 + matrix[0, 0] / z
    reach_y = 1.4 * view.height / 2 + matrix[1, 1] / z
    inside = (np.abs(seen[:, 0] / z * matrix[0, 0]) < reach_x) & (
        np.abs(seen[:, 1] / z * matrix[1, 1]) < reach_y
    )
    return bool(inside.any())


def smear(view: View, before: Pose, seconds: float) -> tuple[float, float]:
    """Pixels per second by which the middle of a turning camera's picture moves.

    Args:
        view: the camera now.
        before: the pose of its optical frame so many seconds ago.
    """
    x, y, z = view.pose.rotation.T @ before.rotation @ np.array([0.0, 0.0, 1.0])
    matrix = view.lens.matrix
    return float(matrix[0, 0] * x / z / seconds), float(matrix[1, 1] * y / z / seconds)


def truth_of(
    people: Sequence[Person],
    figures: Sequence[Figure],
    steps: Sequence[Step],
    drawn: Drawn,
    view: View,
) -> Truth:
    """The people who are in the picture, hidden or not.

    Args:
        people, figures, steps: of everybody who was drawn; each step is of one moment.
        drawn: what `raster.draw` made of the figures.
        view: the camera.
    """
    boxes = drawn.boxes
    cut = np.clip(boxes, 0, [view.width, view.height] * 2).astype(np.float32)
    kept = np.flatnonzero(
        (drawn.whole > 0) & (cut[:, 2] - cut[:, 0] > 1) & (cut[:, 3] - cut[:, 1] > 1)
    )
    rows = kept.tolist()
    number = np.zeros(256, np.uint8)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    return Truth(
        np.array([people[k].number for k in rows], np.uint32),
        cut[kept],
        np.clip(drawn.seen[kept] / np.maximum(drawn.whole[kept], 1), 0, 1).astype(np.float32),
        np.array([figures[k].ground for k in rows]).reshape(-1, 3),
        np.array([steps[k].heading[0] for k in rows], np.float32),
        np.array([steps[k].outfit[0] for k in rows], np.uint8),
        np.asarray(cv2.LUT(drawn.labels, number), np.uint8),
    )
