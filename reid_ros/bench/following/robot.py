"""The robot of a chase: a base with bumpers that nearly knows where it is."""

from __future__ import annotations

import numpy as np

from reid_ros.lens import Pose
from reid_ros.types import DoubleArray
from reid_ros.world.crowd import ROBOT_APART_M
from reid_ros.world.live import Base
from reid_ros.world.routes import Floor

ROBOT_M = 0.3
"""Radius of the robot, metres."""
DRIFT_M, DRIFT_RAD = 0.05, 0.02
"""What the robot's pose errs by, slowly."""
STEP_S = 0.05
"""Of the controller and of the robot's motion."""


class Robot:
    """Moves, and is stopped by furniture and by whoever stands before it.

    Args:
        floor: where it is.
        base: where it begins.
        rng: of what its pose errs by.

    Attributes:
        base: where it truly is, and how fast it goes.
        driven_m: its way so far.
    """

    def __init__(self, floor: Floor, base: Base, rng: np.random.Generator) -> None:
        self.base = base
        self.driven_m = 0.0
        self._floor, self._rng = floor, rng
        self._drift = np.zeros(3)

    @property
    def told(self) -> Pose:
        """Where it believes to be."""
        b, (x, y, turned) = self.base, self._drift.tolist()
        return Pose.planar(b.x + x, b.y + y, b.heading + turned)

    def drive(self, forward: float, turn: float, others: DoubleArray) -> None:
        """Go on for STEP_S.

        Args:
            forward: m/s.
            turn: rad/s, to the left.
            others: (n, 2) metres, where people stand.
        """
        heading = self.base.heading
        wanted = Base(self.base.x, self.base.y, heading, forward, turn).after(STEP_S)
        if not self._free(np.array([wanted.x, wanted.y]), others):
            wanted = Base(self.base.x, self.base.y, heading + turn * STEP_S, 0.0, turn)
        self.driven_m += abs(wanted.forward) * STEP_S
        self.base = wanted
        noise = self._rng.standard_normal(3) * [DRIFT_M, DRIFT_M, DRIFT_RAD]
        self._drift = 0.995 * self._drift + 0.1 * noise

    def ahead(self, spot: DoubleArray) -> tuple[float, float]:
        """x forward and y left, metres, of a place in the map as the robot knows it.

        Round furniture it is as far as the way is, and the way's beginning gives the direction,
        as Nav2 would go.
        """
        at = np.array([self.base.x, self.base.y])
        way = self._floor.route(at, spot - self._drift[:2])
        steps = np.diff(np.vstack([at, way]), axis=0)
        far = float(np.linalg.norm(steps, axis=1).sum())
        bearing = float(np.arctan2(steps[0, 1], steps[0, 0])) - self.base.heading - self._drift[2]
        return far * float(np.cos(bearing)), far * float(np.sin(bearing))

    def _free(self, spot: DoubleArray, others: DoubleArray) -> bool:
        """Whether it may go there: the follower knows no obstacle, a base has bumpers."""
        near = np.linalg.norm(others - spot, axis=1)
        before = np.linalg.norm(others - [self.base.x, self.base.y], axis=1)
        blocked = bool(((near < ROBOT_APART_M) & (near < before)).any())
        return not blocked and float(self._floor.clearance(spot[None])[0]) > ROBOT_M


def waiting(floor: Floor) -> Base:
    """A robot that waits in the middle of the floor, looking along the longer side."""
    grid = floor.grid(0.4)
    size = np.array(floor.size)
    free = grid[floor.clearance(grid) > 0.6]
    x, y = free[int(np.argmin(np.linalg.norm(free - size / 2, axis=1)))].tolist()
    return Base(x, y, 0.0 if size[0] >= size[1] else np.pi / 2)
