"""Where people show themselves: the ground before each camera."""

from __future__ import annotations

from collections.abc import Sequence

from reid_ros.types import DoubleArray
from reid_ros.world.rig import GRID_M, Camera, glimpsed, seen
from reid_ros.world.routes import Floor

_STEP_M = 0.3


def stages(floor: Floor, cameras: Sequence[Camera]) -> list[DoubleArray]:
    """(n, 2) floor points that each fixed camera sees well; all there are without such a one."""
    points = floor.grid(_STEP_M)
    fields = [points[seen(camera, points)] for camera in cameras if not camera.moving]
    return [cells for cells in fields if len(cells)] or [points]


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
