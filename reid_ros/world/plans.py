"""What each person wants: to come, to look around here and there, to meet somebody, to leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reid_ros.types import BoolArray, DoubleArray, IntArray
from reid_ros.world.crowd import STEP_S, Crowd, Kind
from reid_ros.world.doors import Doors
from reid_ros.world.minds import LAST_S, LEAVING_S, SHORT_S, first_stays
from reid_ros.world.patrol import ROBOT, Patrol
from reid_ros.world.place import KINDS
from reid_ros.world.rig import Camera
from reid_ros.world.routes import Floor
from reid_ros.world.scenario import VISIT_S, Scenario
from reid_ros.world.stages import Stage, groups, stages

TALK_M = (0.9, 1.25)  # between people who stand talking
STUCK_S = 2.5
SHOWN_S = 4.0
"""Nobody sets off home who was in full view for less."""
NEAR_M = 0.35  # a corner counts as passed
_FAR_S = 8.0  # with less time left nobody sets off across the whole place
_YIELD_M = 2.3  # so far from the door one waits for who comes in or goes out before
_QUEUE_M = 1.3  # so near the door one goes out first
_BUSY_M = 1.7  # nobody comes in while somebody is so near the door


class Play:
    """Runs a world's people (and robot) step by step, and notes where they were.

    A `driven` robot is where `put` says; another drives about by itself. `steps` were played.
    """

    def __init__(
        self,
        scenario: Scenario,
        people: Sequence[Any],
        floor: Floor,
        cameras: Sequence[Camera],
        rng: np.random.Generator,
        driven: bool = False,
    ) -> None:
        self.steps = 0
        self._scenario, self._floor, self._rng = scenario, floor, rng
        self._people, self._driven = len(people), driven
        self._patrol: Patrol | None = None
        # Indoors one strolls.
        kinds = [Kind(pace=0.88 * float(p.gait.preferred_mps)) for p in people]
        if scenario.robot:
            kinds.append(ROBOT)
        self.crowd = Crowd(floor, kinds, scenario.robot)
        self._doors = Doors(floor, cameras, KINDS[scenario.place].outdoors)
        self._stages = stages(floor, cameras)
        self._stage = Stage(floor, cameras)
        self._groups = groups(floor, cameras)
        self._minds = first_stays(scenario, [bool(p.changes) for p in people], rng)
        count = int(np.ceil(scenario.seconds / STEP_S)) + 2
        n = len(kinds)
        self._at = np.full((count, n, 2), -100.0)
        self._heading = np.zeros((count, n))
        self._here = np.zeros((count, n), np.bool_)
        self._visit = np.zeros((count, n), np.int64)

    def track(self, row: int) -> tuple[DoubleArray, DoubleArray, BoolArray, IntArray]:
        """Of one walker at all steps: (n, 2) places, (n,) headings, presences, stays."""
        return (
            self._at[:, row], self._heading[:, row], self._here[:, row], self._visit[:, row]
        )  # fmt: skip

    def visits(self, row: int) -> int:
        """How often a person came."""
        return self._minds[row].visit + 1

    def run(self) -> None:
        """Play it all."""
        while self.steps < len(self._at):
            self.advance()

    def put(self, at: DoubleArray, heading: float, speed: float) -> None:
        """Say where the driven robot is, metres and radians, and how fast it goes, m/s."""
        crowd, robot = self.crowd, self._people
        crowd.at[robot], crowd.heading[robot], crowd.speed[robot] = at, heading, speed
        crowd.here[robot] = True

    def advance(self) -> None:
        """Play one step of STEP_S."""
        step = self.steps
        if step == 0:
            if self._scenario.robot and not self._driven:
                self._patrol = Patrol(self.crowd, self._floor, self._people, self._rng)
            self._seat()
        else:
            for row in range(self._people):
                self._think(row, step * STEP_S)
            if self._patrol is not None:
                self._patrol.think()
            self.crowd.step()
        self._at[step], self._heading[step] = self.crowd.at, self.crowd.heading
        self._here[step] = self.crowd.here
        self._visit[step, : self._people] = [max(m.visit, 0) for m in self._minds]
        self.steps += 1

    # -- when people come ----------------------------------------------------------------------

    def _seat(self) -> None:
        """Put those on the floor who are there from the start."""
        for row, mind in enumerate(self._minds):
            if mind.begin_s > 0:
                continue
            self._begin(row)
            for _ in range(200):
                spot = self._station(row, advance=False)
                heading = float(self._rng.uniform(-np.pi, np.pi))
                if self.crowd.enter(row, spot, heading, 0.0):
                    break
            else:
                mind.begin_s, mind.visit, mind.inside = 0.5, mind.visit - 1, False

    def _begin(self, row: int) -> None:
        mind = self._minds[row]
        mind.visit += 1
        mind.inside = True
        mind.stations, mind.shown_s, mind.leaving, mind.entering = 0, 0.0, -1, -1
        mind.partner, mind.met = -1, False
        mind.route, mind.wait_s, mind.after_s = [], 0.0, 0.0
        if self._scenario.elsewhere and len(self._groups) > 1:
            mine = self._groups[(row + mind.visit) % len(self._groups)]
            mind.order = tuple(self._rng.permutation(mine).tolist())
        else:
            mind.order = tuple(self._rng.permutation(len(self._stages)).tolist())

    # -- what people do ------------------------------------------------------------------------

    def _think(self, row: int, now_s: float) -> None:
        mind, crowd = self._minds[row], self.crowd
        if not mind.inside:
            if now_s >= mind.begin_s and now_s <= self._scenario.seconds - (
                VISIT_S if mind.back else LAST_S
            ):
                self._come(row)
            return
        mind.shown_s += STEP_S * self._stage.holds(self.crowd.at[row])
        if mind.leaving >= 0 and (self._gone(row, now_s) or self._gives_way(row)):
            return
        if mind.entering >= 0 and self._doors.depth(mind.entering, self.crowd.at[row]) > 0.6:
            mind.entering = -1
        if mind.partner >= 0 and self._talk(row):
            return
        if mind.wait_s > 0:
            mind.wait_s -= STEP_S
            return
        if mind.route:
            self._follow(row)
            return
        if now_s >= mind.end_s and mind.stations >= 1 and mind.shown_s >= SHOWN_S:
            self._go_home(row)
        else:
            self._go_on(row, now_s)
        crowd.facing[row] = np.nan

    def _come(self, row: int) -> None:
        mind, doors = self._minds[row], self._doors
        self._begin(row)
        first = self._station(row, advance=False)
        door = self._door(first, 0.25 if mind.visit == 0 else 0.0)
        way = doors.way_in(door)
        step = way[1] - way[0]
        others = self.crowd.here
        busy = np.linalg.norm(self.crowd.at[others] - doors.at[door], axis=1) < _BUSY_M
        heading = float(np.arctan2(step[1], step[0]))
        if busy.any() or not self.crowd.enter(row, way[0], heading, 0.9):
            mind.visit -= 1
            mind.inside = False
            return
        mind.end_s = max(mind.end_s, mind.begin_s + SHORT_S + 2.0)
        mind.entering = door
        mind.route = [*way[1:], *self._floor.route(way[-1], first)]
        mind.after_s = float(self._rng.uniform(1.5, 3.0))
        mind.stations = 1

    def _go_on(self, row: int, now_s: float) -> None:
        """Walk to the next thing worth a look, or to somebody."""
        mind = self._minds[row]
        mind.stations += 1
        if self._rng.random() < 0.4 * self._scenario.meetings and self._meet(row, now_s):
            return
        spot = self._next_station(row, mind.end_s - now_s)
        mind.route = list(self._floor.route(self.crowd.at[row], spot))
        mind.after_s = float(self._rng.uniform(0.6, 2.6)) if self._rng.random() < 0.55 else 0.0

    def _follow(self, row: int) -> None:
        """Head for the next point of the route; stand when the last is reached."""
        mind, crowd = self._minds[row], self.crowd
        at = crowd.at[row]
        while len(mind.route) > 1:
            near = np.linalg.norm(mind.route[0] - at) < NEAR_M
            short = mind.leaving < 0 and self._within(at) and self._floor.sees(at, mind.route[1])
            if not near and not short:
                break
            mind.route.pop(0)
        last = len(mind.route) == 1
        crowd.goal[row] = mind.route[0]
        crowd.halt[row] = last and (mind.after_s > 0 or mind.partner >= 0)
        if crowd.blocked_s[row] > STUCK_S:
            self._give_up(row)
            return
        reached = 0.18 if crowd.halt[row] else NEAR_M
        if last and mind.leaving < 0 and np.linalg.norm(mind.route[0] - at) < reached:
            mind.route = []
            if crowd.halt[row]:
                crowd.goal[row] = np.nan
                mind.wait_s = mind.after_s
                if mind.partner < 0 and self._rng.random() < 0.6:
                    crowd.facing[row] = crowd.heading[row] + self._rng.uniform(-1.8, 1.8)

    def _give_up(self, row: int) -> None:
        """Somebody is in the way for good: go somewhere else first."""
        mind = self._minds[row]
        self.crowd.blocked_s[row] = 0.0
        if not self._within(self.crowd.at[row]):  # in a doorway: back to its middle
            door = self._doors.nearest(self.crowd.at[row])
            if mind.leaving >= 0:
                mind.route = self._doors.way_out(door)
            else:
                mind.route = [*self._doors.way_in(door)[-2:], *mind.route[-1:]]
            return
        self._part(row)
        spot = self._near_spot(row)
        mind.route = [spot]
        mind.after_s = 0.0
        mind.leaving = -1

    def _near_spot(self, row: int) -> DoubleArray:
        at = self.crowd.at[row]
        for _ in range(40):
            angle, far = self._rng.uniform(-np.pi, np.pi), self._rng.uniform(0.8, 2.2)
            spot = at + far * np.array([np.cos(angle), np.sin(angle)])
            if (
                self._within(spot)
                and self._floor.clearance(spot) > 0.4
                and self._floor.sees(at, spot)
            ):
                return np.asarray(spot)
        return self._station(row, advance=False)

    # -- coming and going ----------------------------------------------------------------------

    def _door(self, spot: DoubleArray, chance: float) -> int:
        """Mostly the nearest door."""
        if self._rng.random() < chance and not self._scenario.elsewhere:
            return int(self._rng.integers(len(self._doors)))
        return self._doors.nearest(spot)

    def _go_home(self, row: int) -> None:
        mind = self._minds[row]
        at = self.crowd.at[row]
        door = self._door(at, 0.0 if mind.back else 0.3)
        way = self._doors.way_out(door)
        mind.leaving, mind.after_s = door, 0.0
        mind.route = [*self._floor.route(at, way[0]), *way[1:]]

    def _gone(self, row: int, now_s: float) -> bool:
        """True where somebody is out of the door; they come back later."""
        mind, crowd, scenario = self._minds[row], self.crowd, self._scenario
        if len(mind.route) > 1 or np.linalg.norm(mind.route[0] - crowd.at[row]) > NEAR_M:
            return False
        crowd.leave(row)
        mind.inside = False
        mind.begin_s = now_s + scenario.absence_s * self._rng.uniform(0.9, 1.15)
        if mind.back and mind.visit == 0:
            early = now_s + 0.7 * scenario.absence_s
            latest = scenario.seconds - LAST_S - LEAVING_S
            mind.begin_s = min(mind.begin_s, max(latest, early))
        stay_s = scenario.visit_s * self._rng.uniform(0.85, 1.2) - LEAVING_S
        mind.end_s = mind.begin_s + max(stay_s, SHORT_S)
        return True

    def _gives_way(self, row: int) -> bool:
        """True where somebody stands before their door: one comes in, or goes out before them."""
        mind, crowd, doors = self._minds[row], self.crowd, self._doors
        door = mind.leaving
        away = float(np.linalg.norm(crowd.at[row] - doors.at[door]))
        depth = doors.depth(door, crowd.at[row])
        if depth < 0.3 or away > _YIELD_M:
            return False
        for other, guest in enumerate(self._minds):
            before = guest.leaving == door and other != row and guest.inside
            if before:
                ahead = float(np.linalg.norm(crowd.at[other] - doors.at[door]))
                before = ahead < min(away, _QUEUE_M) or doors.depth(door, crowd.at[other]) < 0
            if before or (guest.entering == door and guest.inside):
                crowd.goal[row] = np.nan
                return True
        # Who is in the doorway need not go back to its middle.
        aside = away**2 - depth**2
        while len(mind.route) > 2 and depth < 1.0 and aside < 0.16:
            mind.route.pop(0)
        return False

    # -- meeting -------------------------------------------------------------------------------

    def _meet(self, row: int, now_s: float) -> bool:
        """Agree with somebody near to stand and talk; False where nobody has time."""
        mind, crowd = self._minds[row], self.crowd
        free = [
            k
            for k, other in enumerate(self._minds)
            if k != row and other.inside and other.partner < 0 and other.leaving < 0
            and other.stations >= 1 and other.end_s - now_s > 4.0
            and self._floor.clearance(crowd.at[k]) > 0.3 and self._within(crowd.at[k])
        ]  # fmt: skip
        if not free or mind.end_s - now_s < 4.0:
            return False
        away = np.linalg.norm(crowd.at[free] - crowd.at[row], axis=1)
        other = free[int(np.argmin(away + self._rng.uniform(0, 2.0, len(free))))]
        gap = self._rng.uniform(*TALK_M)
        for _ in range(30):
            middle = self._station(row, advance=False)
            angle = self._rng.uniform(-np.pi, np.pi)
            half = 0.5 * gap * np.array([np.cos(angle), np.sin(angle)])
            spots = np.stack((middle - half, middle + half))
            if (self._floor.clearance(spots) < 0.4).any() or not self._floor.sees(*spots):
                continue
            if np.linalg.norm(crowd.at[row] - spots[1]) < np.linalg.norm(crowd.at[row] - spots[0]):
                spots = spots[::-1]
            talk_s = float(self._rng.uniform(3.0, 6.5))
            for who, whom, spot in ((row, other, spots[0]), (other, row, spots[1])):
                guest = self._minds[who]
                guest.partner, guest.met, guest.patience_s = whom, False, 12.0
                guest.wait_s, guest.after_s = 0.0, talk_s
                guest.route = list(self._floor.route(crowd.at[who], spot))
                crowd.facing[who] = np.nan
            return True
        return False

    def _within(self, spot: DoubleArray) -> bool:
        """True where a spot is not behind a door."""
        return bool((spot > 0.2).all() and (spot < np.array(self._floor.size) - 0.2).all())

    def _talk(self, row: int) -> bool:
        """True while somebody stands before, or waits for, the person they meet."""
        mind, crowd = self._minds[row], self.crowd
        other = self._minds[mind.partner]
        if other.partner != row or not other.inside:
            self._part(row)
            return False
        mind.patience_s -= STEP_S
        if mind.patience_s < 0 and not mind.met:
            self._part(row)
            return False
        if mind.route:
            return False
        look = crowd.at[mind.partner] - crowd.at[row]
        crowd.facing[row] = np.arctan2(look[1], look[0])
        if not other.route and not mind.met:
            mind.met = other.met = True
            mind.wait_s = other.wait_s = mind.after_s
        if mind.met:
            mind.wait_s -= STEP_S
            if mind.wait_s <= 0:
                self._part(row)
        return True

    def _part(self, row: int) -> None:
        """Stop meeting; the other stops too."""
        mind = self._minds[row]
        for who in (row, mind.partner):
            if who >= 0:
                guest = self._minds[who]
                if who != row and guest.partner != row:
                    continue
                guest.partner, guest.met, guest.wait_s, guest.route = -1, False, 0.0, []
                self.crowd.facing[who] = np.nan
                self.crowd.goal[who] = np.nan

    def _next_station(self, row: int, left_s: float) -> DoubleArray:
        """Before the next camera; who has little time left stays before this one."""
        if left_s > _FAR_S:
            return self._station(row, advance=True)
        spots = np.stack([self._station(row, advance=False) for _ in range(4)])
        return np.asarray(
            spots[int(np.argmin(np.linalg.norm(spots - self.crowd.at[row], axis=1)))]
        )

    def _station(self, row: int, advance: bool) -> DoubleArray:
        """Somewhere a camera sees well, of the cameras that this stay is for."""
        mind = self._minds[row]
        if advance and len(mind.order) > 1:
            mind.order = (*mind.order[1:], mind.order[0])
        cells = self._stages[mind.order[0]]
        return np.asarray(
            cells[int(self._rng.integers(len(cells)))] + self._rng.uniform(-0.12, 0.12, 2)
        )
