"""Calibrates vectors on rendered people: whose track is whose is known there.

The worlds are of the split `validation`: a network knows those that it has learnt from better than
it will know anybody else. No benchmark that is published shows them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from reid_ros.bench.contenders import settings
from reid_ros.calibration import Calibration
from reid_ros.embed import LEARN_QUALITY, Embedder
from reid_ros.moments import Moments
from reid_ros.pipeline import Pipeline
from reid_ros.scene import Observation
from reid_ros.sight import Walks
from reid_ros.types import FloatArray, Frame, IntArray
from reid_ros.world.scenario import named
from reid_ros.world.seeds import Split
from reid_ros.world.world import World

CROPS, WALKS = 4, 2
"""Vectors that a track needs to take part, of looks and of gait."""
PURE = 0.9
"""Least share of a track's vectors that must show its person."""
SCENARIOS = ('crossing', 'crowded', 'absence', 'yard', 'robot')
"""Worlds without ordered look-alikes: strangers as they come."""
SEEDS, WALK_SEEDS = (1, 2, 3), (1,)
"""Of the worlds; gait, which looks at every image of everybody, takes the longer."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """Tracks whose person is known.

    Attributes:
        vectors: (n, d) float32 unit mean vectors.
        persons: (n,) int64, different in different worlds.
        cameras: (n,) int64, different in different worlds.
    """

    vectors: FloatArray
    persons: IntArray
    cameras: IntArray

    @staticmethod
    def joined(parts: Sequence[Tracks]) -> Tracks:
        """Tracks of several worlds, whose people and cameras all differ."""
        people, cameras = 0, 0
        result = []
        for part in parts:
            result.append((part.vectors, part.persons + people, part.cameras + cameras))
            people += int(part.persons.max(initial=0)) + 1
            cameras += int(part.cameras.max(initial=0)) + 1
        vectors, persons, places = (np.concatenate(column) for column in zip(*result))
        return Tracks(vectors, persons, places)


@dataclass
class _Track:
    vectors: list[FloatArray] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    persons: list[int] = field(default_factory=list)


def boxed(
    world: World, tell: Callable[[int], None] = lambda images: None
) -> Iterator[tuple[Frame, IntArray]]:
    """Every image with its disturbed boxes, and (n,) the person in each box, 0 = nobody."""
    for shot in world.shots():
        found = world.detected(shot)
        who = np.zeros(len(found.rows), np.int64)
        known = found.rows >= 0
        who[known] = shot.truth.persons[found.rows[known]]
        yield dataclasses.replace(shot.frame, detections=found.detections), who
        tell(1)


def observed(
    pipeline: Pipeline,
    cameras: Sequence[str],
    images: Iterable[tuple[Frame, IntArray]],
    gait: bool = False,
) -> Tracks:
    """The tracks that a pipeline makes of a world's images, each with its person.

    A track that was swapped between people, or of which too few vectors are good, is left out.

    Args:
        pipeline: makes them.
        cameras: of the world.
        images: as of `boxed`.
        gait: whether it is vectors of gait, in place of looks.
    """
    moments: Moments[Frame] = Moments(list(cameras))
    owners: dict[tuple[str, int], IntArray] = {}
    tracks: dict[tuple[str, int], _Track] = {}

    def step() -> None:
        for frames in moments.ready():
            who = {frame.camera: owners.pop((frame.camera, frame.index)) for frame in frames}
            for seen in pipeline.observe(frames):
                for row, vector, quality in _good(seen, gait):
                    key = seen.camera, int(seen.tracks.ids[row])
                    track = tracks.setdefault(key, _Track())
                    track.vectors.append(vector)
                    track.weights.append(quality)
                    track.persons.append(int(who[seen.camera][seen.tracks.detection[row]]))

    for frame, who in images:
        owners[frame.camera, frame.index] = who
        moments.push(frame)
        step()
    for name in cameras:
        moments.close(name)
    step()
    number = {name: i for i, name in enumerate(cameras)}
    least = WALKS if gait else CROPS
    vectors, persons, places = [], [], []
    for (camera, _), track in tracks.items():
        person, count = _most(track.persons)
        if person and len(track.vectors) >= least and count >= PURE * len(track.persons):
            mean = np.average(np.stack(track.vectors), axis=0, weights=track.weights)
            vectors.append(mean / np.linalg.norm(mean))
            persons.append(person)
            places.append(number[camera])
    return Tracks(
        np.array(vectors, np.float32).reshape(len(vectors), -1),
        np.array(persons, np.int64),
        np.array(places, np.int64),
    )


def _good(seen: Observation, gait: bool) -> list[tuple[int, FloatArray, float]]:
    """Rows, vectors and qualities of what identities learn from."""
    if not gait:
        found = zip(seen.rows.tolist(), seen.vectors, seen.qualities.tolist())
        return [one for one in found if one[2] >= LEARN_QUALITY and np.isfinite(one[1]).all()]
    if seen.gait is None:
        return []
    own = seen.gait
    return list(zip(own.rows.tolist(), own.vectors, own.qualities.tolist()))


def _most(persons: Sequence[int]) -> tuple[int, int]:
    """The person who occurs most often, and how often."""
    numbers, counts = np.unique(persons, return_counts=True)
    best = int(np.argmax(counts))
    return int(numbers[best]), int(counts[best])


def fitted(
    embedder: Embedder | None,
    scenarios: Sequence[str] = SCENARIOS,
    seeds: Sequence[int] = (),
    split: Split = 'validation',
    tell: Callable[[int], None] = lambda images: None,
    walks: Callable[[], Walks] | None = None,
) -> tuple[Calibration, Tracks]:
    """The calibration of vectors on rendered people, and the tracks behind it.

    Args:
        embedder: of vectors of looks; None: `walks` are calibrated.
        scenarios, seeds, split: of the worlds; seeds none: SEEDS, or WALK_SEEDS.
        tell: is called with the number of images done.
        walks: makes what sees people walk, anew for each world; their vectors of gait are
            compared in the place of looks.

    Raises:
        WorldError: a scenario that does not exist.
        CalibrationError: too few people were seen well.
    """
    parts = []
    for name in scenarios:
        for seed in seeds or (WALK_SEEDS if walks else SEEDS):
            world = World(named(name), seed, split)
            walking = walks() if walks else None
            pipeline = Pipeline(settings(world), None, embedder, walks=walking)
            cameras = [camera.name for camera in world.cameras]
            parts.append(observed(pipeline, cameras, boxed(world, tell), walking is not None))
    tracks = Tracks.joined(parts)
    return Calibration.of(tracks.vectors, tracks.persons, tracks.cameras), tracks
