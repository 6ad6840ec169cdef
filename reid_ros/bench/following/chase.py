"""The chase in lockstep: real tracks, identities, target and speeds, before eyes of a choice.

With people of wire it measures what tracking, identity and following lose; with pictures it has
the shipped network, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_ros.bench.following.eyes import Eyes, Frames, Glance, Wire
from reid_ros.bench.following.robot import STEP_S, Robot, waiting
from reid_ros.bench.following.score import Claim, Judge, Score
from reid_ros.config import CameraConfig, Config, ModelConfig, TargetConfig, TopologyConfig
from reid_ros.follow import FollowConfig, Follower
from reid_ros.lens import View
from reid_ros.pipeline import Pipeline
from reid_ros.stature import Statures
from reid_ros.target import Look, Target
from reid_ros.types import DoubleArray, Event, IntArray, Sightings
from reid_ros.whereabouts import Whereabouts, measured
from reid_ros.world.live import LiveWorld
from reid_ros.world.rig import Camera
from reid_ros.world.scenario import SCENARIOS
from reid_ros.world.seeds import Split, generator

MAP = 'map'
ASKED_S = 3.0
"""Somebody whose choice has ended, or was never taken up, chooses again after so long."""
STALE_S = 0.5
"""A place is followed for so long."""
PERSON_M = 1.7


def chase_world(seed: int, seconds: float, split: Split = 'test', **changes: Any) -> LiveWorld:
    """Eight people who come and go, two pairs of them in the same clothes, two fixed cameras.

    Args:
        changes: of the scenario.
    """
    usual = {'people': 8, 'at_once': 5, 'look_alikes': 2, 'absence_s': 6.0, 'rate_hz': 10.0}
    scenario = SCENARIOS['robot'].custom(
        **{'name': 'chase', 'seconds': seconds, **usual, **changes}
    )
    return LiveWorld(scenario, seed, split)


def quarry(world: LiveWorld) -> int:
    """Index of the person who is followed: the first whom somebody else looks like."""
    double = {person.look_alike_of for person in world.people} - {0}
    return min(double) - 1 if double else 0


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to show of one image.

    Attributes:
        now: seconds since the world began.
        camera: that took it.
        image: (h, w, 3) uint8 BGR.
        sightings: what was found.
        target: number of the target, 0 = nobody.
        aimed: row of the sightings that is surely the target, -1 = none.
        locked: whether the target is followed.
        state: of the target, for people.
    """

    now: float
    camera: Camera
    image: Any
    sightings: Sightings
    target: int
    aimed: int
    locked: bool
    state: str


class Asking:
    """When somebody chooses the target: at the start, and again where a choice came to nothing.

    Args:
        score: counts the choices, and those that ended by themselves.
    """

    def __init__(self, score: Score) -> None:
        self._score = score
        self._due_s: float | None = 0.0
        self._chose_s = 0.0

    def due(self, now: float) -> bool:
        """Whether it is time to choose."""
        return self._due_s is not None and now >= self._due_s

    def chose(self, now: float) -> None:
        """Somebody has chosen."""
        self._due_s, self._chose_s = None, now
        self._score.chosen += 1

    def hear(self, state: str, now: float) -> None:
        """Take in the target's state."""
        if state.startswith('released') and self._due_s is None:
            self._score.released += 1
            self._due_s = now + ASKED_S
        elif state == 'searching' and self._score.chosen:
            self._due_s = self._chose_s + ASKED_S
        elif state.startswith(('locked', 'lost', 'doubt')):
            self._due_s = None


class Chase:
    """One run.

    Args:
        world: people, place and cameras; its robot is driven here.
        eyes: what takes its images; None: people of wire.
        drive: how the robot follows.
        target: settings of the target but for mode and person.
        show: hears of every image that was looked at.
        robot: that is driven; None: one that waits in the middle of the floor.
        guided: whether the robot is told where the target truly is, for a recording.
    """

    def __init__(
        self,
        world: LiveWorld,
        eyes: Eyes | None = None,
        drive: FollowConfig | None = None,
        target: TargetConfig | None = None,
        show: Callable[[Any, Scene], None] | None = None,
        robot: Robot | None = None,
        guided: bool = False,
    ) -> None:
        self.world, self.whom = world, quarry(world)
        self._eyes: Eyes = eyes or Wire(world)
        self._show = show
        names = tuple(camera.name for camera in world.cameras)
        config = Config(
            model=ModelConfig(detector='none', appearance=self._eyes.appearance),
            camera_names=names,
            cameras={name: CameraConfig(detections='table') for name in names},
            topology=TopologyConfig(overlap=tuple(world.overlap), transit=tuple(world.transit)),
        )
        own = self._eyes.calibration
        self._pipeline = Pipeline(config, calibration=own) if own else Pipeline.load(config)
        self._settings = target or TargetConfig()
        self.target = Target(self._settings)
        self._way = Whereabouts()
        self._statures = Statures()
        self._choice = self.target.choice
        self._follower = Follower(drive or FollowConfig())
        self.score = Score(world.seed)
        self._asking = Asking(self.score)
        rng = generator(world.split, 'chase', 'robot', world.seed)
        self.robot = robot or Robot(world.floor, waiting(world.floor), rng)
        self._guided = guided
        self._judge = Judge(self.score, self.whom, self._follower.config.keep_m)
        self._frames = Frames()
        self._aimed: int | None = None  # who truly is in the box aimed at last
        self._place: tuple[float, DoubleArray] | None = None
        self._spread = 0.0

    @property
    def place(self) -> DoubleArray | None:
        """(2,) metres, where the target was said to be last."""
        return None if self._place is None else self._place[1]

    @property
    def right(self) -> bool:
        """Whether the box aimed at last truly was the target's."""
        return self._aimed == self.whom

    def visible(self, now: float) -> bool:
        """Whether the target is half in view of a camera."""
        return self._judge.visible(now)

    def run(self, tell: Callable[[int], None] = lambda steps: None) -> Score:
        """Play the whole world; `tell` hears of each step."""
        world = self.world
        due = [camera.phase / camera.rate_hz for camera in world.cameras]
        index = [0] * len(due)
        for step in range(round(world.scenario.seconds / STEP_S)):
            now = step * STEP_S
            world.advance(now, self.robot.base)
            for k, camera in enumerate(world.cameras):
                if due[k] <= now:
                    self._see(camera, index[k], now)
                    index[k] += 1
                    due[k] += 1 / camera.rate_hz
            self._drive(now)
            claim = Claim(self.target.locked(now), self._aimed, self.place)
            self._judge.step(now, STEP_S, claim, world.where(now), self.robot.base)
            tell(1)
        return self._judge.close(self.robot.driven_m)

    # -- seeing ----------------------------------------------------------------------------------

    def _see(self, camera: Camera, index: int, now: float) -> None:
        """One image: boxes, persons, target."""
        base, believed = self.robot.base, self.robot.told
        glance = self._eyes.look(camera, index, now, base, believed)
        self._judge.see(camera.name, now, glance.shares)
        frame, view = self._frames.frame(camera, index, now, believed, glance)
        moment = self._pipeline.step([frame])
        found = moment.sightings[0]
        owners = _owners(found, glance)
        row = self._aim(found, moment.events, view, camera, owners, now)
        if self._show is not None:
            target, reason = self.target, self.target.reason
            locked = target.locked(now)
            state = ('locked' if locked else target.state) + (f': {reason}' if reason else '')
            scene = Scene(now, camera, glance.image, found, target.person, row, locked, state)
            self._show(self, scene)

    def _aim(
        self,
        found: Sightings,
        events: Sequence[Event],
        view: View,
        camera: Camera,
        owners: IntArray,
        now: float,
    ) -> int:
        """Take in what was found; the row of the target, -1 = not surely seen."""
        spots = measured(found, self._statures, PERSON_M, view.lens, view.pose, view.height)
        away = np.linalg.norm((spots.positions - view.pose.position)[:, :2], axis=1)
        look = Look(found, away, spots, MAP, camera.moving)
        if self._asking.due(now):
            self._choose(found, owners, now)
        aims = self.target.step([look], events, {}, now)
        if self.target.choice != self._choice:
            self._choice = self.target.choice
            self._way = Whereabouts()
        for aim in aims:
            self._aimed = int(owners[aim.row])
            spot, covariance = spots.positions[aim.row], spots.covariances[aim.row]
            known = self._way.at(found.stamp_ns) is not None
            if (known or spots.sure[aim.row]) and self._way.add(found.stamp_ns, spot, covariance):
                estimate = self._way.at(found.stamp_ns)
                if estimate is not None:
                    self._place = (now, estimate.position)
                    self._spread = float(np.sqrt(np.linalg.eigvalsh(estimate.spread)[-1]))
        self._asking.hear(self.target.state, now)
        return aims[0].row if aims else -1

    def _choose(self, found: Sightings, owners: IntArray, now: float) -> None:
        """Somebody chooses the target, by the number that it truly bears now."""
        for row in np.flatnonzero(owners == self.whom).tolist():
            if found.confirmed[row] and found.persons[row]:
                number, timeout_s = str(found.persons[row]), self._settings.lost_timeout_s
                self.target.configure(TargetConfig('id', number, timeout_s))
                self.target.release()
                self._asking.chose(now)
                return

    # -- driving ---------------------------------------------------------------------------------

    def _drive(self, now: float) -> None:
        place, spread = None, 0.0
        spots, present = self.world.where(now)
        if self._guided:
            if present[self.whom] and self.visible(now):
                place = self.robot.ahead(spots[self.whom])
        elif self.target.locked(now) and self._place and now - self._place[0] < STALE_S:
            place, spread = self.robot.ahead(self._place[1]), self._spread
        speed = self._follower.step(place, STEP_S, spread)
        present[self.whom] = False  # the follower itself keeps its distance to whom it follows
        self.robot.drive(speed.forward, speed.turn, spots[present])


def _owners(found: Sightings, glance: Glance) -> IntArray:
    """(n,) who truly is in each box, -1 = nobody, or a box that was predicted."""
    result = np.full(len(found), -1, np.int64)
    for row, box in enumerate(found.boxes):
        same = np.flatnonzero((glance.found.boxes == box).all(axis=1))
        if len(same):  # a track takes the box as it is
            result[row] = glance.owners[same[0]]
    return result
