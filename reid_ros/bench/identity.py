"""Who is who over all cameras, in the worlds of the standard suite: vectors beside vectors.

All contenders see the same images and the same boxes, which are the true ones disturbed as a
detector would disturb them. The oracle's vectors tell who somebody is, so what it loses is lost
by tracking and identity, not by looks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reid_ros.bench.contenders import Contender, Oracle, settings
from reid_ros.evaluate.identity import over_time
from reid_ros.evaluate.tracking import tracking
from reid_ros.evaluate.values import Answers, Boxes, People
from reid_ros.moments import Moments
from reid_ros.pipeline import Pipeline
from reid_ros.report.ledger import Ledger
from reid_ros.types import AnyArray, Detections, FloatArray, Frame, Moment
from reid_ros.world.scenario import SUITE, named
from reid_ros.world.seeds import Split, generator
from reid_ros.world.values import Shot
from reid_ros.world.world import World

SEEDS = (101, 102)
"""Of the committed results; nothing was ever chosen on them."""
LEAST_VISIBLE = 0.3
"""Of whom less can be seen counts neither for nor against."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one contender did in one world.

    Attributes:
        contender, world, seed: which.
        people, cameras, images, sightings: of the world; sightings are true boxes.
        idf1, hota, assa: percent, with identities applied back to the start of their tracks.
        live_idf1: percent, with what was known at the time.
        switches: IDSW over all cameras.
        handover, handovers: percent right of so many.
        reacquired, returns: percent right of so many.
        confirm_s: median time to a confirmed number, None where nobody got one.
        confirmed: percent of found sightings with a confirmed number.
        wrong: percent of found sightings with a confirmed number that is not the person's.
        another: the same with a number that somebody else bears more often: the rest are second
            numbers of one person.
        persons: numbers given.
        duplicates: boxes of one image that share a number with another.
        confused: pairs of people in one image who got one number.
        apart: boxes whose number is at the same moment in a camera that sees other ground.
    """

    contender: str
    world: str
    seed: int
    people: int
    cameras: int
    images: int
    sightings: int
    idf1: float
    hota: float
    assa: float
    live_idf1: float
    switches: int
    handover: float
    handovers: int
    reacquired: float
    returns: int
    confirm_s: float | None
    confirmed: float
    wrong: float
    another: float
    persons: int
    duplicates: int
    confused: int
    apart: int


@dataclass
class Kept:
    """Rows as they come, made to columns at the end."""

    columns: list[list[AnyArray]] = field(default_factory=list)

    def add(self, *values: AnyArray) -> None:
        """Add rows."""
        self.columns.append([np.asarray(value) for value in values])

    def column(self, number: int, kind: Any, width: int | None = None) -> Any:
        """(n,) or (n, width) of everything."""
        shape = (0,) if width is None else (0, width)
        parts = [np.empty(shape, kind), *(row[number] for row in self.columns)]
        return np.concatenate(parts).astype(kind)


class Witness:
    """Who truly was where, image by image."""

    def __init__(self) -> None:
        self._kept = Kept()

    def see(self, camera: int, shot: Shot) -> None:
        """Take in an image of a camera, by its number."""
        n, truth = len(shot.truth), shot.truth
        self._kept.add(
            np.full(n, camera), np.full(n, shot.frame.stamp_ns), truth.persons, truth.boxes,
            truth.visible,
        )  # fmt: skip

    def people(self) -> People:
        """Everything, as scores want it."""
        kept, stamps = self._kept, self._kept.column(1, np.int64)
        return People(
            kept.column(0, np.int64), stamps, kept.column(2, np.int64),
            kept.column(3, np.float64, 4), stamps, kept.column(4, np.float64),
        )  # fmt: skip


class Run:
    """One pipeline in one world."""

    def __init__(
        self, world: World, contender: Contender, pipeline: Pipeline | None = None
    ) -> None:
        """Begin; pipeline None: that of the contender, who is given the boxes."""
        self.contender = contender
        self.truth = contender.truth(world)
        self.pipeline = pipeline or Pipeline(
            settings(world),
            None,
            contender.embedder,
            calibration=contender.calibration,
            walks=contender.walks(self.truth),
            gait_calibration=contender.gait_calibration,
        )
        self._numbers = {camera.name: i for i, camera in enumerate(world.cameras)}
        self._ledger = Ledger()
        self._kept = Kept()
        self._merges: list[tuple[int, int, int]] = []
        self._moment = 0

    def step(self, frames: Sequence[Frame]) -> None:
        """One moment."""
        moment = self.pipeline.step(frames)
        self._ledger.add(self._moment, moment.sightings, moment.events)
        self._note(moment)
        self._moment += 1

    def _note(self, moment: Moment) -> None:
        for event in moment.events:
            if event.kind == 'merged' and event.previous:
                self._merges.append((event.stamp_ns, event.previous, event.person))
        for found in moment.sightings:
            seen = ~found.predicted
            n = int(seen.sum())
            self._kept.add(
                np.full(n, self._numbers[found.camera]),
                np.full(n, found.stamp_ns),
                found.boxes[seen],
                found.tracks[seen],
                found.persons[seen],
                found.confirmed[seen],
                np.full(n, self._moment),
            )

    def answers(self) -> Answers:
        """What was published at the time."""
        kept = self._kept
        stamps = kept.column(1, np.int64)
        return Answers(
            kept.column(0, np.int64), stamps, kept.column(2, np.float64, 4), stamps,
            kept.column(3, np.int64), kept.column(4, np.int64), kept.column(5, np.bool_),
        )  # fmt: skip

    def hindsight(self) -> Boxes:
        """The same with what was known at the end."""
        answers, moments = self.answers(), self._kept.column(6, np.int64)
        names = {number: name for name, number in self._numbers.items()}
        persons = np.array(
            [
                self._ledger.person(names[camera], track, moment)
                for camera, track, moment in zip(
                    answers.camera.tolist(), answers.tracks.tolist(), moments.tolist()
                )
            ],
            np.int64,
        )
        return dataclasses.replace(answers, persons=persons).as_boxes()

    def row(self, world: World, people: People) -> Row:
        """The scores."""
        answers, truth = self.answers(), people.as_boxes(LEAST_VISIBLE)
        scores = tracking(truth, self.hindsight()).as_json()
        live = tracking(truth, answers.as_boxes()).as_json()
        over = over_time(
            people,
            answers,
            least_visible=LEAST_VISIBLE,
            apart=_apart(world),
            merges=self._merges,
        )
        shares = over.shares
        return Row(
            contender=self.contender.name,
            world=world.scenario.name,
            seed=world.seed,
            people=len(world.people),
            cameras=len(world.cameras),
            images=len(world),
            sightings=shares.sightings,
            idf1=scores['IDF1'],
            hota=scores['HOTA'],
            assa=scores['AssA'],
            live_idf1=live['IDF1'],
            switches=int(scores['IDSW']),
            handover=100 * over.handover.accuracy,
            handovers=over.handover.times,
            reacquired=100 * over.reacquired.accuracy,
            returns=over.reacquired.times,
            confirm_s=over.confirmed.median_s,
            confirmed=100 * shares.confirmed / max(shares.found, 1),
            wrong=100 * shares.wrong / max(shares.found, 1),
            another=100 * shares.another / max(shares.found, 1),
            persons=len(self.pipeline.gallery),
            duplicates=over.clashes.duplicates,
            confused=over.clashes.confused,
            apart=over.clashes.apart,
        )


def _apart(world: World) -> list[tuple[int, int]]:
    """Pairs of cameras that are known to see no common ground."""
    groups = [set(text.split()) for text in world.overlap]
    names = [camera.name for camera in world.cameras]
    return [
        (i, j)
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if not any({names[i], names[j]} <= group for group in groups)
    ]


def watch(
    world: World,
    contenders: Sequence[Contender],
    tell: Callable[[int], None] = lambda images: None,
) -> list[Row]:
    """Every contender in one world: same images, same boxes."""
    runs = [Run(world, contender) for contender in contenders]
    oracle = Oracle(world)
    numbers = {camera.name: i for i, camera in enumerate(world.cameras)}
    moments: Moments[Frame] = Moments(list(numbers))
    vectors: dict[tuple[str, int], FloatArray] = {}
    truth = Witness()

    def step() -> None:
        for frames in moments.ready():
            for run in runs:
                run.step(_given(frames, run.contender, vectors))
            for frame in frames:
                del vectors[frame.camera, frame.index]

    for shot in world.shots():
        name, index = shot.frame.camera, shot.frame.index
        found = world.detected(shot)
        for run in runs:
            if run.truth is not None:
                run.truth.add(shot, found.rows)
        rng = generator(world.split, 'oracle', world.scenario.name, world.seed, name, index)
        vectors[name, index] = oracle(shot, found.rows, rng)
        moments.push(dataclasses.replace(shot.frame, detections=found.detections))
        truth.see(numbers[name], shot)
        step()
        tell(1)
    for name in numbers:
        moments.close(name)
    step()
    people = truth.people()
    return [run.row(world, people) for run in runs]


def _given(
    frames: Sequence[Frame], contender: Contender, vectors: dict[tuple[str, int], FloatArray]
) -> Sequence[Frame]:
    """The frames as a contender gets them: with the oracle's vectors, and what view it has."""
    result = []
    for frame in frames:
        if not contender.ground:
            frame = dataclasses.replace(frame, view=None)
        if contender.embedder is not None or not contender.looks:
            result.append(frame)
            continue
        found = frame.detections or Detections.none()
        given = Detections(found.boxes, found.scores, vectors[frame.camera, frame.index])
        result.append(dataclasses.replace(frame, detections=given))
    return result


def suite(
    contenders: Sequence[Contender],
    names: Sequence[str] = SUITE,
    seeds: Sequence[int] = SEEDS,
    split: Split = 'test',
    tell: Callable[[int], None] = lambda images: None,
) -> list[Row]:
    """Every contender in every world.

    Raises:
        WorldError: a scenario that does not exist.
    """
    rows: list[Row] = []
    for scenario in [named(name) for name in names]:
        for seed in seeds:
            rows += watch(World(scenario, seed, split), contenders, tell)
    return rows


def means(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Each contender over all worlds: every world counts the same, and counts are added."""
    result = []
    for name in dict.fromkeys(row.contender for row in rows):
        own = [row for row in rows if row.contender == name]
        one: dict[str, Any] = {'contender': name, 'worlds': len(own)}
        for share in ('idf1', 'hota', 'assa', 'live_idf1', 'confirmed', 'wrong', 'another'):
            one[share] = float(np.mean([getattr(row, share) for row in own]))
        for share, count in (('handover', 'handovers'), ('reacquired', 'returns')):
            times = [getattr(row, count) for row in own]
            right = [getattr(row, share) * n for row, n in zip(own, times)]
            one[share] = float(sum(right) / sum(times)) if sum(times) else None
            one[count] = sum(times)
        waits = [row.confirm_s for row in own if row.confirm_s is not None]
        one['confirm_s'] = float(np.median(waits)) if waits else None
        for count in ('switches', 'duplicates', 'confused', 'apart'):
            one[count] = sum(getattr(row, count) for row in own)
        result.append(one)
    return result
