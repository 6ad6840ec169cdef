"""A world that is played while somebody drives its robot: people give way to where it truly is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reid_ros.lens import Pose
from reid_ros.types import BoolArray, DoubleArray, Frame
from reid_ros.world import place as places
from reid_ros.world import raster, walk
from reid_ros.world.backdrop import Backdrop
from reid_ros.world.cast import Person, cast
from reid_ros.world.clutter import Disturbed, disturb
from reid_ros.world.crowd import STEP_S
from reid_ros.world.figure import Figure, figure
from reid_ros.world.paths import RATE_HZ, REACH, Path, Step, blank, smoothed
from reid_ros.world.pictured import in_reach, smear, truth_of
from reid_ros.world.place import KINDS
from reid_ros.world.plans import Play
from reid_ros.world.rig import Camera, cameras, overlaps, transits
from reid_ros.world.routes import Floor
from reid_ros.world.scenario import START_NS, Scenario, WorldError
from reid_ros.world.seeds import Split, generator
from reid_ros.world.values import Shot
from reid_ros.world.walk import skeleton

AHEAD_S = (REACH + 2) / RATE_HZ
"""So far people are played ahead, because their steps are rounded: this late they react."""
_PER_STEP = round(STEP_S * RATE_HZ)
_BACK = 60  # rows before the first new one that its rounding may need
_SHORT_S = 0.02


@dataclass(frozen=True, slots=True)
class Base:
    """The robot at one moment.

    Attributes:
        x, y: metres.
        heading: radians.
        forward: m/s.
        turn: rad/s, to the left.
    """

    x: float
    y: float
    heading: float
    forward: float = 0.0
    turn: float = 0.0

    @property
    def pose(self) -> Pose:
        """In the world."""
        return Pose.planar(self.x, self.y, self.heading)

    def after(self, seconds: float) -> Base:
        """At this speed so many seconds later, or before."""
        heading = self.heading + self.turn * seconds
        middle = self.heading + self.turn * seconds / 2
        way = self.forward * seconds
        x, y = self.x + way * np.cos(middle), self.y + way * np.sin(middle)
        return Base(float(x), float(y), heading, self.forward, self.turn)


@dataclass(slots=True)
class _Walking:
    """One person's path as far as it is known.

    Attributes:
        steps: of the whole world; rows from `done` on are not known yet.
        gaits: of the stays so far.
        heard: steps of the play that were looked at.
        begin: step with which this stay began, -1 = away.
        done: rows that are final.
    """

    steps: Step
    gaits: list[Any] = field(default_factory=list)
    heard: int = 0
    begin: int = -1
    done: int = 0


class LiveWorld:
    """One world with a robot that is driven from outside.

    Whoever drives it calls `advance` as time goes on. People are drawn, placed and painted as in
    `world.World`; the same drives give the same images.

    Attributes:
        scenario, seed, split: what made it.
        place: where it is.
        floor: its ground.
        people: who comes, by number from 1.
        cameras: in the order of their names; the robot's is the last.
        overlap, transit: what `config.TopologyConfig` is to be told of its cameras.
    """

    def __init__(self, scenario: Scenario, seed: int, split: Split = 'test') -> None:
        """Seat nobody yet: that needs to know where the robot stands.

        Raises:
            WorldError: the scenario has no robot, or does not fit into the place.
        """
        if not scenario.robot:
            raise WorldError(f'{scenario.name}: robot: False: nothing can be driven here')
        self.scenario, self.seed, self.split = scenario, seed, split
        self.place = places.draw(self._draws('place'), scenario.place)
        self.people: tuple[Person, ...] = cast(scenario, seed, split)
        self.cameras: tuple[Camera, ...] = cameras(scenario, self.place, seed, split)
        self.overlap = overlaps(self.cameras, self.place)
        self.transit = transits(self.cameras, self.place, scenario.seconds)
        self.floor = Floor(self.place, KINDS[scenario.place].outdoors)
        scenario.fits(self.floor.free_m2)
        rng = generator(split, 'paths', scenario.name, seed)
        self._play = Play(scenario, self.people, self.floor, self.cameras, rng, driven=True)
        self._count = int(np.floor(scenario.seconds * RATE_HZ)) + 1
        self._walking = [_Walking(blank(self._count)) for _ in self.people]
        self._backdrop: Backdrop | None = None

    def advance(self, time_s: float, base: Base) -> None:
        """Let people walk on, until it is known where they are at a time.

        Args:
            time_s: seconds since the world began; not before the last.
            base: the robot then.
        """
        last = int(np.ceil(self.scenario.seconds / STEP_S)) + 1
        until = min(int(np.ceil((time_s + AHEAD_S) / STEP_S)), last)
        before = self._play.steps
        while self._play.steps <= until:
            # People see the robot's way as it goes on now; it may brake meanwhile.
            there = base.after(min(max(self._play.steps * STEP_S - time_s, 0.0), AHEAD_S))
            self._play.put(np.array([there.x, there.y]), there.heading, max(base.forward, 0.0))
            self._play.advance()
        if self._play.steps > before:
            for row, walking in enumerate(self._walking):
                self._hear(row, walking)

    def where(self, time_s: float) -> tuple[DoubleArray, BoolArray]:
        """(p, 2) metres and (p,) presence of everybody."""
        row = min(max(round(time_s * RATE_HZ), 0), self._count - 1)
        spots = np.stack([walking.steps.xy[row] for walking in self._walking])
        return spots, np.array([bool(walking.steps.present[row]) for walking in self._walking])

    def shot(self, camera: Camera, index: int, time_s: float, base: Base, told: Pose) -> Shot:
        """An image; `Frame.ego` is left to whoever knows what was told before.

        Args:
            camera: one of `cameras`.
            index: of the image; its noise depends on it.
            time_s: when, not after the last `advance`.
            base: the robot then.
            told: where the robot believes to be.
        """
        if self._backdrop is None:
            self._backdrop = Backdrop(self.place)
        view = camera.view(base.pose if camera.moving else None)
        canvas = self._backdrop.canvas(view, camera.moving)
        shown: list[tuple[Person, Step]] = []
        for person, walking in zip(self.people, self._walking):
            step = Path(person.number, walking.steps, ()).at(time_s)
            if step.present[0] and in_reach(view, *step.xy[0].tolist()):
                shown.append((person, step))
        figures = [self._figure(person, step) for person, step in shown]
        drawn = raster.draw(canvas, figures, view, self.place.light)
        speed = (0.0, 0.0)
        if camera.moving:
            speed = smear(view, base.after(-_SHORT_S).pose @ camera.pose, _SHORT_S)
        rng = self._draws('sensor', camera.name, index)
        image = camera.sensor.expose(canvas.image, rng, time_s=time_s, velocity=speed)
        stamp = START_NS + round(time_s * 1e9)
        frame = Frame(camera.name, stamp, image, index, view=None if camera.moving else view)
        steps = [step for _, step in shown]
        truth = truth_of([person for person, _ in shown], figures, steps, drawn, view)
        if not camera.moving:
            return Shot(frame, truth, view)
        return Shot(frame, truth, view, base.pose, told)

    def detected(self, shot: Shot) -> Disturbed:
        """What a detector reports of an image: the truth, disturbed; the same every time."""
        rng = self._draws('boxes', shot.frame.camera, shot.frame.index)
        return disturb(shot.truth, shot.view.width, shot.view.height, rng)

    # ------------------------------------------------------------------------------------------

    def _draws(self, *labels: str | int) -> np.random.Generator:
        return generator(self.split, 'world', self.scenario.name, self.seed, *labels)

    def _figure(self, person: Person, step: Step) -> Figure:
        visit = int(step.visit[0])
        gait = self._walking[person.number - 1].gaits[visit]
        moves = skeleton(person.body, gait, step.phase, step.speed, step.time_s)
        x, y = step.xy[0].tolist()
        outfit = person.outfits[int(step.outfit[0])]
        return figure(person.body, outfit, moves, 0, x, y, float(step.heading[0]))

    def _hear(self, row: int, walking: _Walking) -> None:
        """Take over what was played since."""
        _, _, here, visit = self._play.track(row)
        for step in range(walking.heard, self._play.steps):
            number = len(walking.gaits) - 1
            if walking.begin >= 0 and not (here[step] and visit[step] == number):
                self._fill(row, walking, step, final=True)
                walking.begin = -1
            if walking.begin < 0 and here[step]:
                self._begin(row, walking, step, int(visit[step]))
        walking.heard = self._play.steps
        if walking.begin >= 0:
            self._fill(row, walking, walking.heard, final=walking.heard > self._last)

    @property
    def _last(self) -> int:
        return int(np.ceil(self.scenario.seconds / STEP_S)) + 1

    def _begin(self, row: int, walking: _Walking, step: int, visit: int) -> None:
        person, scenario = self.people[row], self.scenario
        while len(walking.gaits) <= visit:
            labels = (scenario.name, self.seed, person.number, len(walking.gaits))
            rng = generator(self.split, 'walk', *labels)
            walking.gaits.append(walk.vary(person.gait, rng))
        first = step * _PER_STEP
        walking.begin, walking.done = step, first
        walking.steps.visit[first:] = visit
        walking.steps.outfit[first:] = 1 if person.changes and visit % 2 else 0

    def _fill(self, row: int, walking: _Walking, end: int, final: bool) -> None:
        """Round the steps up to step `end`, which is not part of the stay or not played yet."""
        begin, steps, done = walking.begin, walking.steps, walking.done
        first = max(begin, (done - _BACK) // _PER_STEP)
        newest = (end - 1) * _PER_STEP
        upto = min(newest if final else newest - REACH - 1, self._count - 1)
        if end - begin < 2 or upto < done:
            return
        at, heading, _, _ = self._play.track(row)
        count = newest - first * _PER_STEP + 1
        xy, turned, speed = smoothed(at[first:end], heading[first:end], count)
        rows, part = slice(done, upto + 1), slice(done - first * _PER_STEP, None)
        long = upto + 1 - done
        steps.xy[rows], steps.heading[rows] = xy[part][:long], turned[part][:long]
        steps.speed[rows] = speed[part][:long]
        person, visit = self.people[row], int(steps.visit[done])
        gait = walking.gaits[visit]
        if done == begin * _PER_STEP:
            phase = visit / 3 + walk.phases(gait, person.body, steps.speed[rows], 1 / RATE_HZ)
        else:
            before = slice(done - 1, upto + 1)
            ways = walk.phases(gait, person.body, steps.speed[before], 1 / RATE_HZ)
            phase = steps.phase[done - 1] + ways[1:]
        steps.phase[rows], steps.present[rows] = phase, True
        walking.done = upto + 1
