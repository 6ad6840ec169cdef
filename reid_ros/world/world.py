"""A world: people in a place, before cameras; every image of it with its truth."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros import ego
from reid_ros.lens import Pose, View
from reid_ros.types import DoubleArray, Frame, IntArray
from reid_ros.world import place as places
from reid_ros.world import raster
from reid_ros.world.backdrop import Backdrop
from reid_ros.world.cast import Person, cast
from reid_ros.world.clutter import Disturbed, disturb
from reid_ros.world.figure import Figure, figure
from reid_ros.world.paths import Step, Walks, walks
from reid_ros.world.pictured import in_reach, smear, truth_of
from reid_ros.world.rig import Camera, cameras, overlaps, stamps_ns, transits
from reid_ros.world.scenario import START_NS, Scenario
from reid_ros.world.seeds import Split, generator
from reid_ros.world.values import Shot
from reid_ros.world.walk import Skeleton, skeleton

CHUNK = 32
"""Frames for which skeletons are worked out at once."""
_CHUNKS = 12
_SHORT_S = 0.02


@dataclass(frozen=True, slots=True)
class _Moves:
    """What everybody does in some frames of one camera."""

    steps: list[Step]
    skeletons: list[list[Skeleton]]
    rows: list[IntArray]


class World:
    """One world. Any image can be had at any time; the same one is always the same.

    Attributes:
        scenario, seed, split: what made it.
        place: where it is.
        people: who comes, by number from 1.
        cameras: in the order of their names.
        walks: where everybody is.
        overlap, transit: what `config.TopologyConfig` is to be told of its cameras.
    """

    def __init__(self, scenario: Scenario, seed: int, split: Split = 'test') -> None:
        """Work out who walks where; nothing is drawn yet.

        Raises:
            WorldError: the scenario does not fit into the place.
        """
        self.scenario, self.seed, self.split = scenario, seed, split
        self.place = places.draw(self._draws('place'), scenario.place)
        self.people: tuple[Person, ...] = cast(scenario, seed, split)
        self.cameras: tuple[Camera, ...] = cameras(scenario, self.place, seed, split)
        self.walks: Walks = walks(scenario, self.people, self.place, self.cameras, seed, split)
        self.overlap = overlaps(self.cameras, self.place)
        self.transit = transits(self.cameras, self.place, scenario.seconds)
        self.stamps: dict[str, IntArray] = {
            camera.name: stamps_ns(camera, scenario.seconds, self._draws('stamps', camera.name))
            for camera in self.cameras
        }
        self._of = {camera.name: camera for camera in self.cameras}
        self._backdrop: Backdrop | None = None
        self._moves: OrderedDict[tuple[str, int], _Moves] = OrderedDict()

    def __len__(self) -> int:
        """Images of all cameras."""
        return sum(len(stamps) for stamps in self.stamps.values())

    def shots(self, names: Sequence[str] | None = None) -> Iterator[Shot]:
        """Every image of these cameras (None: of all), in the order of the stamps."""
        wanted = [c.name for c in self.cameras] if names is None else list(names)
        due = heapq.merge(
            *(
                [(stamp, rank, i) for i, stamp in enumerate(self.stamps[name].tolist())]
                for rank, name in enumerate(wanted)
            )
        )
        for _, rank, i in due:
            yield self.shot(wanted[rank], i)

    def view(self, name: str, index: int) -> View:
        """One camera at its image `index`."""
        camera = self._of[name]
        return camera.view(self.base(name, index))

    def base(self, name: str, index: int) -> Pose | None:
        """The robot's true pose at an image of a camera that is on it, else None."""
        robot = self.walks.robot
        if robot is None or not self._of[name].moving:
            return None
        return robot.base(self._time_s(name, index))

    def odometry(self, name: str, index: int) -> Pose | None:
        """The robot's pose by odometry at an image of a camera that is on it, else None."""
        robot = self.walks.robot
        if robot is None or not self._of[name].moving:
            return None
        return robot.drifting(self._time_s(name, index))

    def shot(self, name: str, index: int) -> Shot:
        """Image `index` of a camera."""
        camera = self._of[name]
        if self._backdrop is None:
            self._backdrop = Backdrop(self.place)
        view = self.view(name, index)
        canvas = self._backdrop.canvas(view, camera.moving)
        people, figures, steps = self._figures(name, index, view)
        drawn = raster.draw(canvas, figures, view, self.place.light)
        time_s = self._time_s(name, index)
        image = camera.sensor.expose(
            canvas.image,
            self._draws('sensor', name, index),
            time_s=time_s,
            velocity=self._smear(camera, view, time_s),
        )
        frame = Frame(
            name,
            int(self.stamps[name][index]),
            image,
            index,
            ego=self._ego(camera, index),
            # The robot knows its pose by drifting odometry alone.
            view=None if camera.moving else view,
        )
        truth = truth_of(people, figures, steps, drawn, view)
        return Shot(frame, truth, view, self.base(name, index), self.odometry(name, index))

    def detected(self, shot: Shot) -> Disturbed:
        """What a detector reports of an image: the truth, disturbed; the same every time."""
        frame = shot.frame
        rng = self._draws('boxes', frame.camera, frame.index)
        return disturb(shot.truth, shot.view.width, shot.view.height, rng)

    # ------------------------------------------------------------------------------------------

    def _draws(self, *labels: str | int) -> np.random.Generator:
        return generator(self.split, 'world', self.scenario.name, self.seed, *labels)

    def _time_s(self, name: str, index: int) -> float:
        return float(self.stamps[name][index] - START_NS) / 1e9

    def _ego(self, camera: Camera, index: int) -> DoubleArray | None:
        if not camera.moving or not index:
            return None
        before, now = self.odometry(camera.name, index - 1), self.odometry(camera.name, index)
        if before is None or now is None:
            return None
        return ego.between(camera.lens, before @ camera.pose, now @ camera.pose)

    def _smear(self, camera: Camera, view: View, time_s: float) -> tuple[float, float]:
        """Pixels per second by which the middle of a turning camera's picture moves."""
        robot = self.walks.robot
        if robot is None or not camera.moving:
            return 0.0, 0.0
        before = robot.base(time_s - _SHORT_S) @ camera.pose
        return smear(view, before, _SHORT_S)

    def _figures(
        self, name: str, index: int, view: View
    ) -> tuple[list[Person], list[Figure], list[Step]]:
        """Everybody who may be in the picture."""
        moves = self._moves_of(name, index // CHUNK)
        k = index % CHUNK
        people, figures, steps = [], [], []
        for person, step, by_visit, row in zip(
            self.people, moves.steps, moves.skeletons, moves.rows
        ):
            if not step.present[k]:
                continue
            x, y = step.xy[k]
            if not in_reach(view, float(x), float(y)):
                continue
            people.append(person)
            steps.append(step)
            figures.append(
                figure(
                    person.body,
                    person.outfits[int(step.outfit[k])],
                    by_visit[int(step.visit[k])],
                    int(row[k]),
                    float(x),
                    float(y),
                    float(step.heading[k]),
                )
            )
        return people, figures, [_one(step, k) for step in steps]

    def _moves_of(self, name: str, chunk: int) -> _Moves:
        key = (name, chunk)
        known = self._moves.get(key)
        if known is None:
            stamps = self.stamps[name][chunk * CHUNK : (chunk + 1) * CHUNK]
            known = self._moves[key] = self._move((stamps - START_NS) / 1e9)
            if len(self._moves) > _CHUNKS:
                self._moves.popitem(last=False)
        self._moves.move_to_end(key)
        return known

    def _move(self, times: DoubleArray) -> _Moves:
        steps, skeletons, rows = [], [], []
        for person, path in zip(self.people, self.walks.people):
            step = path.at(times)
            where = np.zeros(len(times), np.int64)
            by_visit: list[Skeleton] = []
            for visit, gait in enumerate(path.gaits):
                here = np.flatnonzero(step.present & (step.visit == visit))
                where[here] = np.arange(len(here))
                by_visit.append(
                    skeleton(person.body, gait, step.phase[here], step.speed[here], times[here])
                )
            steps.append(step)
            skeletons.append(by_visit)
            rows.append(where)
        return _Moves(steps, skeletons, rows)


def _one(step: Step, k: int) -> Step:
    """One row of it."""
    return Step(*(getattr(step, name)[k : k + 1] for name in Step.__dataclass_fields__))
