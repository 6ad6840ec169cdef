"""What the robot does: it drives up to somebody, looks for a while, and drives on."""

from __future__ import annotations

import numpy as np

from reid_ros.types import DoubleArray
from reid_ros.world.crowd import STEP_S, Crowd, Kind
from reid_ros.world.odometry import MOST_MPS, MOST_RADPS
from reid_ros.world.routes import Floor

ROBOT = Kind(
    pace=0.94 * MOST_MPS, speed_up=0.5, slow_down=1.2, turn=MOST_RADPS, room=0.42, creep=0.0
)
_PASSED_M = 0.35  # a corner of the route counts as passed
_STUCK_S = 2.5
_PATIENCE_S = 12.0  # for one way
_LOOK_M = (2.0, 3.6)  # from the person who is looked at


class Patrol:
    """Decides where the robot, one of the walkers of a crowd, wants to go."""

    def __init__(self, crowd: Crowd, floor: Floor, who: int, rng: np.random.Generator) -> None:
        self._crowd, self._who, self._rng, self._floor = crowd, who, rng, floor
        cells = floor.grid(0.4)
        self._cells = cells[floor.clearance(cells) > 0.6]
        self._route: list[DoubleArray] = []
        self._patience_s = self._wait_s = 0.0
        spot = self._cells[int(rng.integers(len(self._cells)))]
        inward = np.array(floor.size) / 2 - spot
        crowd.enter(who, spot, float(np.arctan2(inward[1], inward[0])), 0.0)

    def think(self) -> None:
        """Set the robot's goal for the next step."""
        crowd, who, route = self._crowd, self._who, self._route
        at = crowd.at[who]
        if self._wait_s > 0:
            self._wait_s -= STEP_S
            self._look(at)
            return
        self._patience_s -= STEP_S
        while len(route) > 1 and np.linalg.norm(route[0] - at) < _PASSED_M:
            route.pop(0)
        arrived = bool(route) and np.linalg.norm(route[-1] - at) < 0.3
        if route and not arrived and self._patience_s > 0 and crowd.blocked_s[who] < _STUCK_S:
            crowd.goal[who], crowd.halt[who] = route[0], len(route) == 1
            return
        self._route = []
        crowd.goal[who] = np.nan
        crowd.blocked_s[who] = 0.0
        people = crowd.at[:who][crowd.here[:who]]
        if arrived and self._rng.random() < 0.8:
            self._wait_s = float(self._rng.uniform(2.0, 5.0))
            return
        self._route = list(self._floor.route(at, self._goal(at, people)))
        self._patience_s = _PATIENCE_S

    def _look(self, at: DoubleArray) -> None:
        """Turn to whoever is nearest and in sight."""
        people = self._crowd.at[: self._who][self._crowd.here[: self._who]]
        away = np.linalg.norm(people - at, axis=1)
        for k in np.argsort(away)[:3].tolist():
            if self._floor.sees(at, people[k]):
                near = people[k] - at
                self._crowd.facing[self._who] = np.arctan2(near[1], near[0])
                return

    def _goal(self, at: DoubleArray, people: DoubleArray) -> DoubleArray:
        """Before somebody, in sight of them and this side of them; or anywhere."""
        cells = self._cells
        if len(people) and self._rng.random() < 0.8:
            whom = people[int(self._rng.integers(len(people)))]
            away = np.linalg.norm(cells - whom, axis=1)
            near = cells[(away > _LOOK_M[0]) & (away < _LOOK_M[1])]
            near = near[np.argsort(np.linalg.norm(near - at, axis=1))[:25]]
            near = near[[self._floor.sees(cell, whom) for cell in near]] if len(near) else near
            cells = near if len(near) else cells
        return np.asarray(cells[int(self._rng.integers(len(cells)))])
