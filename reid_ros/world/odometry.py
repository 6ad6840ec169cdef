"""Where the robot is, and where its wheels say it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.lens import Pose
from reid_ros.types import DoubleArray

MOST_MPS = 0.8
MOST_RADPS = 0.8
ERROR = 0.05
"""Default error of the odometry, as a share of what is driven and turned."""


@dataclass(frozen=True, slots=True)
class RobotPath:
    """The base of a robot over time.

    Attributes:
        rate_hz: of the rows below.
        true: (n, 3) float64 x, y metres and heading, radians, not wrapped.
        told: (n, 3) float64 the same by odometry: it begins at the true pose, then drifts.
    """

    rate_hz: float
    true: DoubleArray
    told: DoubleArray

    def __post_init__(self) -> None:
        if self.true.shape != self.told.shape or self.true.ndim != 2 or self.true.shape[1] != 3:
            raise ValueError(f'poses {self.true.shape} and {self.told.shape}, expected (n, 3)')

    @staticmethod
    def of(
        rate_hz: float,
        xy: DoubleArray,
        heading: DoubleArray,
        rng: np.random.Generator,
        error: float = ERROR,
    ) -> RobotPath:
        """A path and an odometry for it that errs by `error` of what is driven and turned."""
        true = np.column_stack([xy, heading])
        return RobotPath(rate_hz, true, _drifted(true, rng, error))

    def base(self, time_s: float) -> Pose:
        """The true pose in the world."""
        return _pose(self.true, time_s * self.rate_hz)

    def drifting(self, time_s: float) -> Pose:
        """The pose by odometry."""
        return _pose(self.told, time_s * self.rate_hz)

    def speed(self, time_s: float) -> tuple[float, float]:
        """Forward speed in m/s and turn in rad/s by odometry."""
        row = int(np.clip(round(time_s * self.rate_hz), 1, len(self.told) - 1))
        step = (self.told[row] - self.told[row - 1]) * self.rate_hz
        heading = self.told[row, 2]
        return float(step[0] * np.cos(heading) + step[1] * np.sin(heading)), float(step[2])


def _drifted(true: DoubleArray, rng: np.random.Generator, error: float) -> DoubleArray:
    """(n, 3) what wheels of slightly wrong size and a slipping base make of a path.

    Each run has its own factors for distance and turn, off by up to `error`; on top comes slip
    that wanders over about a second, as large again.
    """
    step = np.diff(true, axis=0)
    middle = true[:-1, 2] + step[:, 2] / 2
    forward = step[:, 0] * np.cos(middle) + step[:, 1] * np.sin(middle)
    wrong = rng.choice([-1.0, 1.0], 2) * rng.uniform(0.5, 1.0, 2)
    slip = np.zeros((len(step), 2))
    level = np.zeros(2)
    for row, noise in enumerate(rng.standard_normal((len(step), 2))):
        level = 0.98 * level + 0.2 * noise
        slip[row] = level
    factors = 1 + error * (wrong + slip)
    turned = step[:, 2] * factors[:, 1]
    heading = true[0, 2] + np.concatenate([[0.0], np.cumsum(turned)])
    way = forward * factors[:, 0]
    along = heading[:-1] + turned / 2
    x = true[0, 0] + np.concatenate([[0.0], np.cumsum(way * np.cos(along))])
    y = true[0, 1] + np.concatenate([[0.0], np.cumsum(way * np.sin(along))])
    return np.column_stack([x, y, heading])


def _pose(rows: DoubleArray, row: float) -> Pose:
    row = float(np.clip(row, 0, len(rows) - 1))
    low = min(int(row), len(rows) - 2) if len(rows) > 1 else 0
    part = row - low
    x, y, heading = rows[low] * (1 - part) + rows[min(low + 1, len(rows) - 1)] * part
    return Pose.planar(float(x), float(y), float(heading))
