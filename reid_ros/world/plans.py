"""What each person wants: to come, to look around here and there, to meet somebody, to leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reid_ros.types import BoolArray, DoubleArray, IntArray
from reid_ros.world.crowd import STEP_S, Crowd, Kind
from reid_ros.world.rig import Camera, glimpsed, seen
from reid_ros.world.routes import Floor
from reid_ros.world.scenario import VISIT_S, Scenario

TALK_M = (0.9, 1.25)  # between people who stand talking
STUCK_S = 2.5
NEAR_M = 0.35  # a corner counts as passed
_OUTSIDE_M = 1.05  # behind a door's wall, where people appear and vanish
_INSIDE_M = 0.8
_LEAVING_S = 8.0  # a walk to the door, planned for


@dataclass
class Mind:
    """What one person is up to.

    Attributes:
        begin_s: when the next stay begins.
        end_s: when this stay should end.
        visit: number of the stay, -1 before the first.
        route: points left to walk to.
        wait_s: seconds left to stand.
        partner: row of the person to talk to, -1 = nobody.
        met: True while both stand and talk.
        leaving: number of the door, -1 = not leaving.
        stations: how many places were looked at in this stay.
    """

    begin_s: float
    end_s: float
    visit: int = -1
    inside: bool = False
    route: list[DoubleArray] = field(default_factory=list)
    wait_s: float = 0.0
    after_s: float = 0.0
    partner: int = -1
    met: bool = False
    patience_s: float = 0.0
    leaving: int = -1
    stations: int = 0
    order: tuple[int, ...] = ()


class Play:
    """Runs a world's people (and robot) step by step, and notes where they were."""

    def __init__(
        self,
        scenario: Scenario,
        people: Sequence[Any],
        floor: Floor,
        cameras: Sequence[Camera],
        rng: np.random.Generator,
    ) -> None:
        self._scenario, self._floor, self._rng = scenario, floor, rng
        self._people = len(people)
        # Indoors one strolls.
        kinds = [Kind(pace=0.88 * float(p.gait.preferred_mps)) for p in people]
        if scenario.robot:
            kinds.append(
                Kind(pace=0.75, speed_up=0.5, slow_down=1.2, turn=0.8, room=0.42, creep=0.0)
            )
        self.crowd = Crowd(floor, kinds, scenario.robot)
        self._stages = _stages(floor, cameras)
        self._groups = _groups(floor, cameras)
        self._minds = self._planned([bool(p.changes) for p in people])
        count = int(np.ceil(scenario.seconds / STEP_S)) + 2
        n = len(kinds)
        self._at = np.full((count, n, 2), -100.0)
        self._heading = np.zeros((count, n))
        self._here = np.zeros((count, n), np.bool_)
        self._visit = np.zeros((count, n), np.int64)
        self._robot_wait_s = 0.0

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
        self._place_robot()
        self._seat()
        for step in range(len(self._at)):
            now_s = step * STEP_S
            if step:
                for row in range(self._people):
                    self._think(row, now_s)
                self._drive()
                self.crowd.step()
            self._at[step], self._heading[step] = self.crowd.at, self.crowd.heading
            self._here[step] = self.crowd.here
            self._visit[step, : self._people] = [max(m.visit, 0) for m in self._minds]

    # -- when people come ----------------------------------------------------------------------

    def _planned(self, changes: list[bool]) -> list[Mind]:
        """First stays, spread evenly over a cycle of stay and absence."""
        s = self._scenario
        visit_s, cycle_s = s.visit_s, s.visit_s + s.absence_s
        minds = []
        ranks = self._rng.permutation(self._people)
        for rank, back in zip(ranks.tolist(), changes):
            passed_s = (rank + self._rng.uniform(0.2, 0.8)) / self._people * cycle_s
            if s.at_once == s.people:
                begin, end = 0.0, s.seconds + 1
            elif passed_s < visit_s:
                begin, end = 0.0, max(visit_s - passed_s, 0.75 * VISIT_S)
            else:
                begin, end = cycle_s - passed_s, cycle_s - passed_s + visit_s
            if back or s.elsewhere:
                # Early enough to leave, stay away and come back.
                latest = max(s.seconds - s.absence_s - VISIT_S - _LEAVING_S, 0.75 * VISIT_S)
                if end > latest:
                    end = latest * self._rng.uniform(0.9, 1.0)
                    begin = min(begin, max(0.0, end - VISIT_S))
            begin = min(begin, max(0.0, s.seconds - VISIT_S - 2.0))
            minds.append(Mind(begin, end))
        return minds

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
        mind.stations, mind.leaving, mind.partner, mind.met = 0, -1, -1, False
        mind.route, mind.wait_s, mind.after_s = [], 0.0, 0.0
        stages = range(len(self._stages))
        if self._scenario.elsewhere and len(self._groups) > 1:
            stages_of = self._groups[(row + mind.visit) % len(self._groups)]
            mind.order = tuple(self._rng.permutation(stages_of).tolist())
        else:
            mind.order = tuple(self._rng.permutation(len(stages)).tolist())

    # -- what people do ------------------------------------------------------------------------

    def _think(self, row: int, now_s: float) -> None:
        mind, crowd = self._minds[row], self.crowd
        if not mind.inside:
            if now_s >= mind.begin_s and now_s <= self._scenario.seconds - VISIT_S + 2.0:
                self._come(row)
            return
        if mind.leaving >= 0 and self._gone(row, now_s):
            return
        if mind.partner >= 0 and self._talk(row):
            return
        if mind.wait_s > 0:
            mind.wait_s -= STEP_S
            return
        if mind.route:
            self._follow(row)
            return
        if now_s >= mind.end_s and mind.stations >= 2:
            self._go_home(row)
        else:
            self._go_on(row, now_s)
        crowd.facing[row] = np.nan

    def _come(self, row: int) -> None:
        mind = self._minds[row]
        self._begin(row)
        first = self._station(row, advance=False)
        door = self._door(first, 0.25)
        x, y, heading = self._floor.doors[door].tolist()
        inward = np.array([np.cos(heading), np.sin(heading)])
        spot = np.array([x, y]) - _OUTSIDE_M * inward
        others = self.crowd.here
        gap = np.linalg.norm(self.crowd.at[others] - np.array([x, y]), axis=1)
        pace = 0.9
        if (gap < 1.7).any() or not self.crowd.enter(row, spot, heading, pace):
            mind.visit -= 1
            mind.inside = False
            return
        mind.end_s = max(mind.end_s, mind.begin_s + 0.75 * VISIT_S)
        inside = np.array([x, y]) + _INSIDE_M * inward
        mind.route = [inside, *self._floor.route(inside, first)]
        mind.after_s = float(self._rng.uniform(0.8, 2.0))
        mind.stations = 1

    def _go_on(self, row: int, now_s: float) -> None:
        """Walk to the next thing worth a look, or to somebody."""
        mind = self._minds[row]
        mind.stations += 1
        if self._rng.random() < 0.4 * self._scenario.meetings and self._meet(row, now_s):
            return
        spot = self._station(row, advance=True)
        mind.route = list(self._floor.route(self.crowd.at[row], spot))
        mind.after_s = float(self._rng.uniform(0.6, 2.6)) if self._rng.random() < 0.55 else 0.0

    def _follow(self, row: int) -> None:
        """Head for the next point of the route; stand when the last is reached."""
        mind, crowd = self._minds[row], self.crowd
        at = crowd.at[row]
        while len(mind.route) > 1:
            near = np.linalg.norm(mind.route[0] - at) < NEAR_M
            if not near and not (mind.leaving < 0 and self._floor.sees(at, mind.route[1])):
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
        self._part(row)
        home = mind.leaving
        spot = self._near_spot(row)
        mind.route = [spot]
        mind.after_s = 0.0
        if home >= 0:
            mind.leaving = -1
            mind.stations = max(mind.stations, 2)

    def _near_spot(self, row: int) -> DoubleArray:
        at = self.crowd.at[row]
        for _ in range(40):
            angle, far = self._rng.uniform(-np.pi, np.pi), self._rng.uniform(0.8, 2.2)
            spot = at + far * np.array([np.cos(angle), np.sin(angle)])
            if self._floor.clearance(spot) > 0.4 and self._floor.sees(at, spot):
                return np.asarray(spot)
        return self._station(row, advance=False)

    # -- coming and going ----------------------------------------------------------------------

    def _door(self, spot: DoubleArray, chance: float) -> int:
        """Mostly the nearest door."""
        doors = self._floor.doors
        if self._rng.random() < chance and not self._scenario.elsewhere:
            return int(self._rng.integers(len(doors)))
        return int(np.argmin(np.linalg.norm(doors[:, :2] - spot, axis=1)))

    def _go_home(self, row: int) -> None:
        mind = self._minds[row]
        at = self.crowd.at[row]
        door = self._door(at, 0.3)
        x, y, heading = self._floor.doors[door].tolist()
        inward = np.array([np.cos(heading), np.sin(heading)])
        inside = np.array([x, y]) + _INSIDE_M * inward
        outside = np.array([x, y]) - (_OUTSIDE_M + 0.1) * inward
        mind.leaving = door
        mind.after_s = 0.0
        mind.route = [*self._floor.route(at, inside), outside]

    def _gone(self, row: int, now_s: float) -> bool:
        """True where somebody is out of the door, or waits for it to be free."""
        mind, crowd = self._minds[row], self.crowd
        x, y, heading = self._floor.doors[mind.leaving].tolist()
        inward = np.array([np.cos(heading), np.sin(heading)])
        depth = float((crowd.at[row] - np.array([x, y])) @ inward)
        if depth < -_OUTSIDE_M + 0.25 and len(mind.route) <= 1:
            crowd.leave(row)
            mind.inside = False
            absence = self._scenario.absence_s * self._rng.uniform(0.9, 1.15)
            mind.begin_s = now_s + absence
            if self._scenario.elsewhere or mind.visit == 0:
                latest = self._scenario.seconds - VISIT_S
                early = now_s + 0.85 * self._scenario.absence_s
                mind.begin_s = min(mind.begin_s, max(latest, early))
            mind.end_s = mind.begin_s + self._scenario.visit_s * self._rng.uniform(0.85, 1.2)
            return True
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
            and self._floor.clearance(crowd.at[k]) > 0.3 and not self._outside(k)
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

    def _outside(self, row: int) -> bool:
        at = self.crowd.at[row]
        return bool((at < 0.2).any() or (at > np.array(self._floor.size) - 0.2).any())

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

    def _station(self, row: int, advance: bool) -> DoubleArray:
        """Somewhere a camera sees well, of the cameras that this stay is for."""
        mind = self._minds[row]
        if advance and len(mind.order) > 1:
            mind.order = (*mind.order[1:], mind.order[0])
        cells = self._stages[mind.order[0]]
        return np.asarray(
            cells[int(self._rng.integers(len(cells)))] + self._rng.uniform(-0.12, 0.12, 2)
        )

    # -- the robot -----------------------------------------------------------------------------

    def _place_robot(self) -> None:
        if not self._scenario.robot:
            return
        cells = self._floor.grid(0.4)
        cells = cells[self._floor.clearance(cells) > 0.7]
        spot = cells[int(self._rng.integers(len(cells)))]
        inward = np.array(self._floor.size) / 2 - spot
        self.crowd.enter(self._people, spot, float(np.arctan2(inward[1], inward[0])), 0.0)
        self._robot_route: list[DoubleArray] = []
        self._robot_patience_s = 0.0

    def _drive(self) -> None:
        """Patrol: drive up to somebody, look for a while, drive on."""
        if not self._scenario.robot:
            return
        crowd, who = self.crowd, self._people
        if self._robot_wait_s > 0:
            self._robot_wait_s -= STEP_S
            return
        at = crowd.at[who]
        route = self._robot_route
        self._robot_patience_s -= STEP_S
        while len(route) > 1 and np.linalg.norm(route[0] - at) < NEAR_M:
            route.pop(0)
        arrived = bool(route) and np.linalg.norm(route[-1] - at) < 0.3
        if route and not arrived and self._robot_patience_s > 0 and crowd.blocked_s[who] < STUCK_S:
            crowd.goal[who], crowd.halt[who] = route[0], len(route) == 1
            return
        self._robot_route = []
        crowd.goal[who] = np.nan
        crowd.blocked_s[who] = 0.0
        people = np.flatnonzero(crowd.here[:who])
        if arrived and self._rng.random() < 0.7:
            self._robot_wait_s = float(self._rng.uniform(1.0, 3.0))
            if len(people):
                away = crowd.at[people] - at
                near = away[int(np.argmin(np.linalg.norm(away, axis=1)))]
                crowd.facing[who] = np.arctan2(near[1], near[0])
            return
        goal = self._robot_goal(at, crowd.at[people])
        self._robot_route = list(self._floor.route(at, goal))
        self._robot_patience_s = 12.0

    def _robot_goal(self, at: DoubleArray, people: DoubleArray) -> DoubleArray:
        cells = self._floor.grid(0.4)
        cells = cells[self._floor.clearance(cells) > 0.6]
        if len(people) and self._rng.random() < 0.7:
            whom = people[int(self._rng.integers(len(people)))]
            away = np.linalg.norm(cells - whom, axis=1)
            good = cells[(away > 1.6) & (away < 3.0)]
            if len(good):
                return np.asarray(good[int(self._rng.integers(len(good)))])
        return np.asarray(cells[int(self._rng.integers(len(cells)))])


def _stages(floor: Floor, cameras: Sequence[Camera]) -> list[DoubleArray]:
    """For each fixed camera the floor points that it sees well; all there are where none does."""
    points = floor.grid(0.3)
    fields = [points[seen(camera, points)] for camera in cameras if not camera.moving]
    return [cells for cells in fields if len(cells)] or [points]


def _groups(floor: Floor, cameras: Sequence[Camera]) -> list[list[int]]:
    """Stages that hang together because their cameras see common ground."""
    points = floor.grid(0.4)
    fixed = [camera for camera in cameras if not camera.moving]
    fixed = [camera for camera in fixed if seen(camera, floor.grid(0.3)).any()]
    fields = [glimpsed(camera, points) for camera in fixed]
    groups: list[list[int]] = []
    for number, sight in enumerate(fields):
        for group in groups:
            if any((fields[k] & sight).any() for k in group):
                group.append(number)
                break
        else:
            groups.append([number])
    return groups or [[0]]
