"""A robot follows one person in a closed loop: real tracks, identities, target and speeds.

Geometry alone (`bench.wireframe`): true boxes as a detector would disturb them, vectors that tell
who somebody is but for look-alikes. So it measures what tracking, identity and following lose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reid_ros import ego
from reid_ros.bench.wireframe import Figures, Looks, detected, figures
from reid_ros.calibration import Calibration, Condition, Spread
from reid_ros.config import (
    CameraConfig,
    Config,
    ModelConfig,
    TargetConfig,
    TopologyConfig,
)
from reid_ros.follow import FollowConfig, Follower
from reid_ros.lens import Pose, View
from reid_ros.pipeline import Pipeline
from reid_ros.target import Look, Target
from reid_ros.types import Detections, Event, Frame, IntArray, Sightings
from reid_ros.whereabouts import Whereabouts, places
from reid_ros.world.rig import Camera
from reid_ros.world.routes import Floor
from reid_ros.world.scenario import SCENARIOS, START_NS
from reid_ros.world.seeds import Split, generator
from reid_ros.world.world import World

NS = 1_000_000_000
STEP_S = 0.05
"""Of the controller and of the robot's motion."""
ROBOT_M = 0.3
"""Radius of the robot, metres."""
MAP, OWN = 'map', 'robot'
SEEN = 0.5
"""Of whom less can be seen in every camera need not be found."""
GONE_S, BACK_S = 1.0, 3.0
"""A return begins after so long out of sight, and should end locked within so long."""
STAYS_S = 0.5
"""And counts where the person stays in sight for so long."""
ASKED_S = 3.0
"""Somebody whose choice has ended chooses again after so long."""
DRIFT_M, DRIFT_RAD = 0.05, 0.02
"""What the robot's pose errs by, slowly."""
LOOKS = Calibration(
    Condition(Spread(18.0, 3.0, 1000), Spread(85.0, 12.0, 1000)),
    Condition(Spread(18.0, 3.0, 1000), Spread(85.0, 12.0, 1000)),
)
"""Of the vectors, by construction; look-alikes are 37 degrees apart."""


def chase_world(seed: int, seconds: float, split: Split = 'test', **changes: Any) -> World:
    """Eight people who come and go, two pairs of them in the same clothes, two fixed cameras.

    Args:
        changes: of the scenario.
    """
    usual = {'people': 8, 'at_once': 5, 'look_alikes': 2, 'absence_s': 8.0, 'rate_hz': 10.0}
    scenario = SCENARIOS['robot'].custom(
        **{'name': 'chase', 'seconds': seconds, **usual, **changes}
    )
    return World(scenario, seed, split)


@dataclass(slots=True)
class Score:
    """What one run came to; times in seconds.

    Attributes:
        seed: of the world.
        total: length.
        visible: the target at least half in view of a camera.
        locked: the target was said to be locked.
        right: of `visible`, locked on the target.
        wrong: locked while the last box aimed at was somebody else's.
        misplaced: locked with a place more than a metre from the target.
        returns, found: times the target came back into sight; of these locked within three
            seconds.
        waits: seconds until that, of each that was found.
        released: how often the choice ended by itself.
        chosen: how often somebody chose.
        nearest_m: least distance between robot and target.
        pushed_m: least distance while the robot drove forward.
        error_m: median error of the place.
        driven_m: way of the robot.
    """

    seed: int
    total: float = 0.0
    visible: float = 0.0
    locked: float = 0.0
    right: float = 0.0
    wrong: float = 0.0
    misplaced: float = 0.0
    returns: int = 0
    found: int = 0
    waits: list[float] = field(default_factory=list)
    released: int = 0
    chosen: int = 0
    nearest_m: float = np.inf
    pushed_m: float = np.inf
    error_m: float = 0.0
    driven_m: float = 0.0


class Chase:
    """One run.

    Args:
        world: people, place and cameras; its robot is driven here.
        drive: how the robot follows.
        target: settings of the target but for mode and person.
    """

    def __init__(
        self,
        world: World,
        drive: FollowConfig | None = None,
        target: TargetConfig | None = None,
    ) -> None:
        self.world = world
        self.score = Score(world.seed)
        self._floor = Floor(world.place)
        self._rng = generator(world.split, 'chase', world.seed)
        moments = np.arange(0.0, world.scenario.seconds + STEP_S, STEP_S)
        steps = [path.at(moments) for path in world.walks.people]
        self._xy = np.stack([step.xy for step in steps], axis=1)
        self._present = np.stack([step.present for step in steps], axis=1)
        self._tall = np.array([person.body.stature for person in world.people])
        numbers = [person.number for person in world.people]
        alike = [
            (numbers.index(person.look_alike_of), k)
            for k, person in enumerate(world.people)
            if person.look_alike_of
        ]
        self._looks = Looks(len(world.people), alike, self._rng)
        names = tuple(camera.name for camera in world.cameras)
        config = Config(
            model=ModelConfig(detector='none', appearance='none'),
            camera_names=names,
            cameras={name: CameraConfig(detections='table') for name in names},
            topology=TopologyConfig(overlap=tuple(world.overlap), transit=tuple(world.transit)),
        )
        self._config = config
        self._pipeline = Pipeline(config, calibration=LOOKS)
        self._blank = {c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in world.cameras}
        self._settings = target or TargetConfig()
        self.target = Target(self._settings)
        self._way = Whereabouts()
        self._choice = self.target.choice
        self._follower = Follower(drive or FollowConfig())
        self._whom = self._whose()
        self._base, self._heading = self._start()
        self._told: dict[str, tuple[int, Pose]] = {}
        self._drift = np.zeros(3)
        self._aimed: int | None = None  # who truly is in the box aimed at last
        self._place: tuple[float, np.ndarray[Any, Any]] | None = None
        self._spread = 0.0
        self._shares: dict[str, tuple[float, float]] = {}
        self._asked_s: float | None = 0.0
        self._hidden_s = self._seen_s = 0.0
        self._awaited: float | None = None
        self._errors: list[float] = []

    def run(self, tell: Callable[[int], None] = lambda steps: None) -> Score:
        """Play the whole world; `tell` hears of each step."""
        end = self.world.scenario.seconds
        due = [camera.phase / camera.rate_hz for camera in self.world.cameras]
        now, index = 0.0, [0] * len(due)
        while now < end:
            for k, camera in enumerate(self.world.cameras):
                if due[k] <= now:
                    self._see(camera, index[k], now)
                    index[k] += 1
                    due[k] += 1 / camera.rate_hz
            self._drive(now)
            self._judge(now)
            tell(1)
            now += STEP_S
        self.score.error_m = float(np.median(self._errors)) if self._errors else np.nan
        return self.score

    # -- the world -------------------------------------------------------------------------------

    def _whose(self) -> int:
        """Follow somebody who comes and goes most, with a look-alike where there is one."""
        people = self.world.people
        double = {person.look_alike_of for person in people} - {0}
        visits = [len(path.visits()) for path in self.world.walks.people]
        rank = [(people[k].number in double, visits[k], -k) for k in range(len(people))]
        return max(range(len(people)), key=lambda k: rank[k])

    def _spots(self, now: float) -> tuple[Any, Any]:
        row = min(round(now / STEP_S), len(self._present) - 1)
        return self._xy[row], self._present[row]

    def _start(self) -> tuple[Any, float]:
        """Where the robot waits: in the middle of the floor, looking at the target's door."""
        grid = self._floor.grid(0.4)
        middle = np.array(self.world.place.size) / 2
        free = grid[self._floor.clearance(grid) > 0.6]
        spot = free[int(np.argmin(np.linalg.norm(free - middle, axis=1)))]
        begin = self.world.walks.people[self._whom].visits()[0][0]
        away = self.world.walks.people[self._whom].at(begin + 1.0).xy[0] - spot
        return spot, float(np.arctan2(away[1], away[0]))

    def _view(self, camera: Camera) -> View:
        x, y = (float(value) for value in self._base)
        return camera.view(Pose.planar(x, y, self._heading) if camera.moving else None)

    def _told_view(self, camera: Camera) -> View:
        """As the robot believes it to be: its own pose errs."""
        if not camera.moving:
            return camera.fixed_view
        x, y = self._base + self._drift[:2]
        return camera.view(Pose.planar(float(x), float(y), self._heading + self._drift[2]))

    def _see(self, camera: Camera, index: int, now: float) -> None:
        """One image: people, boxes, persons, target."""
        spots, present = self._spots(now)
        view = self._view(camera)
        seen = figures(view, spots, self._tall, present, self.world.place.obstacles)
        mine = np.flatnonzero(seen.persons == self._whom)
        self._shares[camera.name] = (now, float(seen.visible[mine[0]]) if len(mine) else 0.0)
        found, owner = detected(seen, view.width, view.height, self._looks, self._rng)
        stamp = START_NS + round(now * NS)
        told = self._told_view(camera)
        warp = None
        if camera.moving and camera.name in self._told:
            warp = ego.between(camera.lens, self._told[camera.name][1], told.pose)
        self._told[camera.name] = (stamp, told.pose)
        image = self._blank[camera.name]
        frame = Frame(
            camera.name, stamp, image, index, detections=found, ego=warp,
            view=None if camera.moving else told,
        )  # fmt: skip
        moment = self._pipeline.step([frame])
        self._aim(moment.sightings[0], moment.events, told, camera, seen, (found, owner), now)

    def _aim(
        self,
        sightings: Sightings,
        events: Sequence[Event],
        view: View,
        camera: Camera,
        seen: Figures,
        boxes: tuple[Detections, IntArray],
        now: float,
    ) -> None:
        spots = places(sightings.boxes, view.lens, view.pose, view.height, 1.7)
        away = np.linalg.norm((spots.positions - view.pose.position)[:, :2], axis=1)
        look = Look(sightings, away, spots, MAP, camera.moving)
        truth = _owners(sightings, boxes, seen)
        if self._asked_s is not None and now >= self._asked_s:
            self._choose(sightings, truth)
        aims = self.target.step([look], events, {}, now)
        if self.target.choice != self._choice:
            self._choice = self.target.choice
            self._way = Whereabouts()
        for aim in aims:
            self._aimed = int(truth[aim.row])
            spot, covariance = spots.positions[aim.row], spots.covariances[aim.row]
            known = self._way.at(sightings.stamp_ns) is not None
            if (known or spots.sure[aim.row]) and self._way.add(
                sightings.stamp_ns, spot, covariance
            ):
                estimate = self._way.at(sightings.stamp_ns)
                if estimate is not None:
                    self._place = (now, estimate.position)
                    self._spread = float(np.sqrt(np.linalg.eigvalsh(estimate.spread)[-1]))
        if self.target.state == 'released' and self._asked_s is None:
            self.score.released += 1
            self._asked_s = now + ASKED_S

    def _choose(self, sightings: Sightings, truth: Any) -> None:
        """Somebody chooses the target, by the number that it truly bears now."""
        for row in np.flatnonzero(truth == self._whom).tolist():
            if sightings.confirmed[row] and sightings.persons[row]:
                settings = self._settings
                self.target.configure(
                    TargetConfig('id', str(sightings.persons[row]), settings.lost_timeout_s)
                )
                self.target.release()
                self._asked_s = None
                self.score.chosen += 1
                return

    # -- the robot -------------------------------------------------------------------------------

    def _drive(self, now: float) -> None:
        place, spread = None, 0.0
        if self.target.locked(now) and self._place is not None and now - self._place[0] < 0.5:
            place = self._ahead(self._place[1] - self._drift[:2])
            spread = self._spread
        speed = self._follower.step(place, STEP_S, spread)
        ahead = np.array([np.cos(self._heading), np.sin(self._heading)])
        wanted = self._base + speed.forward * STEP_S * ahead
        if self._free(wanted, now):
            self.score.driven_m += float(np.linalg.norm(wanted - self._base))
            if speed.forward > 0.05:
                spots, _ = self._spots(now)
                away = float(np.linalg.norm(spots[self._whom] - wanted))
                self.score.pushed_m = min(self.score.pushed_m, away)
            self._base = wanted
        self._heading += speed.turn * STEP_S
        noise = self._rng.standard_normal(3) * [DRIFT_M, DRIFT_M, DRIFT_RAD]
        self._drift = 0.995 * self._drift + 0.1 * noise

    def _ahead(self, spot: Any) -> tuple[float, float]:
        """A place, seen from the base; round furniture as far as the way is, as Nav2 would go."""
        way = self._floor.route(self._base, spot)
        steps = np.diff(np.vstack([self._base, way]), axis=0)
        lengths = np.linalg.norm(steps, axis=1)
        bearing = np.arctan2(steps[0, 1], steps[0, 0]) - self._heading - self._drift[2]
        far = float(lengths.sum())
        return far * float(np.cos(bearing)), far * float(np.sin(bearing))

    def _free(self, spot: Any, now: float) -> bool:
        """Whether the robot fits there: a base has bumpers, as the follower knows no obstacle."""
        spots, present = self._spots(now)
        others = present.copy()
        others[self._whom] = False
        near = np.linalg.norm(spots[others] - spot, axis=1)
        before = np.linalg.norm(spots[others] - self._base, axis=1)
        blocked = bool(((near < ROBOT_M + 0.3) & (near < before)).any())
        return not blocked and float(self._floor.clearance(spot[None])[0]) > ROBOT_M

    # -- the score -------------------------------------------------------------------------------

    def _judge(self, now: float) -> None:
        score = self.score
        locked = self.target.locked(now)
        visible = any(now - at < 0.25 and share >= SEEN for at, share in self._shares.values())
        spots, present = self._spots(now)
        if not score.chosen:
            return  # nobody was chosen yet
        score.total += STEP_S
        away = float(np.linalg.norm(spots[self._whom] - self._base))
        if present[self._whom]:
            score.nearest_m = min(score.nearest_m, away)
        right = locked and self._aimed == self._whom
        if locked:
            score.locked += STEP_S
            score.wrong += STEP_S * (not right)
            if self._place is not None:
                error = float(np.linalg.norm(self._place[1] - spots[self._whom]))
                self._errors.append(error)
                score.misplaced += STEP_S * (error > 1.0)
        if visible:
            score.visible += STEP_S
            score.right += STEP_S * right
        self._return(now, visible, right)

    def _return(self, now: float, visible: bool, right: bool) -> None:
        """Note when the target comes back into sight, and when it is locked again."""
        score = self.score
        if not visible:
            self._hidden_s += STEP_S
            if self._hidden_s >= GONE_S:
                self._awaited, self._seen_s = None, 0.0
            return
        if self._hidden_s >= GONE_S and self._awaited is None:
            self._awaited, self._seen_s = now, 0.0
        self._hidden_s = 0.0
        self._seen_s += STEP_S
        if self._awaited is None:
            return
        waited = now - self._awaited
        if right:
            score.returns, score.found = score.returns + 1, score.found + (waited <= BACK_S)
            score.waits.append(waited)
            self._awaited = None
        elif waited > BACK_S:
            score.returns += 1
            self._awaited = None


def _owners(sightings: Sightings, boxes: tuple[Detections, IntArray], seen: Figures) -> IntArray:
    """(n,) who truly is in each box, -1 = nobody, or a box that was predicted."""
    found, owner = boxes
    result = np.full(len(sightings), -1, np.int64)
    for row, box in enumerate(sightings.boxes):
        same = np.flatnonzero((found.boxes == box).all(axis=1))  # a track takes the box as it is
        if len(same) and owner[same[0]] >= 0:
            result[row] = seen.persons[owner[same[0]]]
    return result
