"""Where people show themselves: the ground before each camera."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid_ros.types import DoubleArray
from reid_ros.world.rig import GRID_M, Camera, glimpsed, seen
from reid_ros.world.routes import Floor

_STEP_M = 0.3


def stages(floor: Floor, cameras: Sequence[Camera]) -> list[DoubleArray]:
    """(n, 2) floor points that each fixed camera sees well; all there are without such a one."""
    points = floor.grid(_STEP_M)
    fields = [points[seen(camera, points)] for camera in cameras if not camera.moving]
    return [cells for cells in fields if len(cells)] or [points]


class Stage:
    """All the ground that fixed cameras see well, to ask often."""

    def __init__(self, floor: Floor, cameras: Sequence[Camera]) -> None:
        self._shape = (int(floor.size[0] / _STEP_M) + 1, int(floor.size[1] / _STEP_M) + 1)
        cells = np.stack(np.meshgrid(*map(np.arange, self._shape), indexing='ij'), axis=-1)
        points: DoubleArray = (cells.reshape(-1, 2).astype(np.float64) + 0.5) * _STEP_M
        fixed = [camera for camera in cameras if not camera.moving]
        shown = np.ones(len(points), np.bool_)
        if fixed:
            shown = np.any([seen(camera, points) for camera in fixed], axis=0)
        self._shown = shown.reshape(self._shape)

    def holds(self, spot: DoubleArray) -> bool:
        """Whether somebody at a spot (2,) is in full view; True anywhere without fixed cameras."""
        x, y = int(spot[0] // _STEP_M), int(spot[1] // _STEP_M)
        inside = 0 <= x < self._shape[0] and 0 <= y < self._shape[1]
        return inside and bool(self._shown[x, y])


def groups(floor: Floor, cameras: Sequence[Camera]) -> list[list[int]]:
    """Numbers of the stages that hang together, because their cameras see common ground."""
    points, fine = floor.grid(GRID_M), floor.grid(_STEP_M)
    fixed = [camera for camera in cameras if not camera.moving and seen(camera, fine).any()]
    fields = [glimpsed(camera, points) for camera in fixed]
    result: list[list[int]] = []
    for number, sight in enumerate(fields):
        for group in result:
            if any((fields[k] & sight).any() for k in group):
                group.append(number)
                break
        else:
            result.append([number])
    return result or [[0]]
