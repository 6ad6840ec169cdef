"""How people come into a place and leave it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid_ros.types import DoubleArray
from reid_ros.world.place import RECESS_M
from reid_ros.world.rig import Camera
from reid_ros.world.routes import Floor

INSIDE_M = 0.8
"""Before the threshold: from here one walks freely."""
_BEHIND_M = 1.0
_ASIDE_M = 1.5


class Doors:
    """The doors of a place: behind each is a spot where people appear and vanish unseen.

    Indoors it is behind the leaf at the end of the recess. Outdoors it is behind the wall or the
    fence, on the side to which the fewest cameras look through the gap.

    Attributes:
        at: (d, 2) metres, middles of the thresholds.
        inward: (d, 2) unit vectors.
        inside: (d, 2) metres, before the threshold.
    """

    def __init__(self, floor: Floor, cameras: Sequence[Camera], outdoors: bool) -> None:
        heading = floor.doors[:, 2]
        self.at: DoubleArray = floor.doors[:, :2]
        self.inward: DoubleArray = np.stack((np.cos(heading), np.sin(heading)), axis=1)
        self.inside: DoubleArray = self.at + INSIDE_M * self.inward
        self._heading = heading
        if not outdoors:
            self._ways = [
                np.stack((at - (RECESS_M + 0.45) * inward, at))
                for at, inward in zip(self.at, self.inward)
            ]
            return
        self._ways = []
        for at, inward in zip(self.at, self.inward):
            left = np.array([-inward[1], inward[0]])
            eyes = [c.pose.position[:2] - at for c in cameras if not c.moving]
            side = 1.0 if sum(float(eye @ left) for eye in eyes) >= 0 else -1.0
            behind = at - _BEHIND_M * inward
            self._ways.append(np.stack((behind + side * _ASIDE_M * left, behind, at)))

    def __len__(self) -> int:
        return len(self.at)

    def nearest(self, spot: DoubleArray) -> int:
        """The door nearest to a spot (2,)."""
        return int(np.argmin(np.linalg.norm(self.at - spot, axis=1)))

    def way_in(self, door: int) -> list[DoubleArray]:
        """From where one appears to before the threshold."""
        return [*self._ways[door], self.inside[door]]

    def way_out(self, door: int) -> list[DoubleArray]:
        """From before the threshold to where one vanishes."""
        return self.way_in(door)[::-1]

    def depth(self, door: int, spot: DoubleArray) -> float:
        """Metres from the threshold inward, negative behind it."""
        return float((spot - self.at[door]) @ self.inward[door])
