"""How true a calibration is far out, where few strangers are and all false accepts come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.bench.lineup import Crowd
from reid_ros.calibration import Calibration, angles
from reid_ros.types import DoubleArray, FloatArray

TAILS = (1e-2, 1e-3, 1e-4, 1e-5)
"""Shares of strangers of which the calibration is asked."""


@dataclass(frozen=True, slots=True)
class Tail:
    """How many pairs of strangers really are as close as the calibration says so few are.

    Attributes:
        contender, calibration: whose vectors, and which calibration of them.
        condition: 'same_camera' or 'cross_camera'.
        said, realised: share of the pairs.
        pairs: behind it, of a stranger and somebody enrolled.
        angle_deg: where the share `said` of the pairs really is closer.
        said_deg: where the calibration says so.
    """

    contender: str
    calibration: str
    condition: str
    said: float
    realised: float
    pairs: int
    angle_deg: float
    said_deg: float


def tails(crowd: Crowd, contender: str, label: str, calibration: Calibration) -> list[Tail]:
    """How true the calibration is of strangers whom it has not seen."""
    result = []
    for name, found in impostors(crowd).items():
        condition = getattr(calibration, name)
        ordered = np.sort(found)
        log_p = condition.log_p(ordered)  # rises
        for said in TAILS:
            if said * len(found) < 5:
                continue
            below = int(np.searchsorted(log_p, np.log(said), side='right'))
            grid = np.linspace(0, 180, 18_001)
            place = int(np.searchsorted(condition.log_p(grid), np.log(said), side='right'))
            result.append(
                Tail(
                    contender, label, name, said, below / len(found), len(found),
                    float(ordered[int(said * len(found))]), float(grid[max(place - 1, 0)]),
                )
            )  # fmt: skip
    return result


def impostors(crowd: Crowd) -> dict[str, DoubleArray]:
    """Angles, degrees, of every stranger's tracklet to everybody enrolled, by condition."""
    cosines: FloatArray = crowd.strangers.vectors @ crowd.enrolled.vectors.T
    same = crowd.strangers.cameras[:, None] == crowd.enrolled.cameras[None]
    return {'same_camera': angles(cosines[same]), 'cross_camera': angles(cosines[~same])}
