"""How long tracking takes per frame, and how well it keeps people apart, beside its peers."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_ros.bench.scenes import Conditions, Shot, scene
from reid_ros.config import TrackConfig
from reid_ros.evaluate import idf1 as evaluate
from reid_ros.evaluate.overlaps import overlaps
from reid_ros.evaluate.values import Boxes
from reid_ros.track import Tracker
from reid_ros.types import DoubleArray, FloatArray, IntArray, Tracks

FRAMES = 450
RATE_HZ = 30.0
_TRACKERS: dict[str, tuple[str, dict[str, Any]]] = {
    'ByteTrack': ('ByteTrackTracker', {}),
    'OC-SORT': ('OCSORTTracker', {}),
    'BoT-SORT': ('BoTSORTTracker', {'enable_cmc': False}),  # there is no image to align
    'C-BIoU': ('CBIoUTracker', {}),
}

_NEEDED = {'trackers': ('trackers', 'supervision'), 'norfair': ('norfair', 'filterpy')}

Answer = tuple[IntArray, FloatArray]
"""(n,) numbers of the tracks seen in a frame, and (n, 4) their boxes."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A tracker under test.

    Attributes:
        name: for people.
        features: what it is given besides boxes.
        prepare: a shot in the form that the tracker takes; not timed.
        build: makes a fresh tracker: a function of a prepared shot; timed.
        read: its answer in our form; not timed.
    """

    name: str
    features: str
    prepare: Callable[[Shot], Any]
    build: Callable[[], Callable[[Any], Any]]
    read: Callable[[Any], Answer]


@dataclass(frozen=True, slots=True)
class Score:
    """What one tracker did in one scene.

    Attributes:
        tracker, features: of the contender.
        people: in the scene.
        frames: of the scene.
        detections: per frame, on average.
        median_ms, mean_ms, p95_ms: time of one frame, in the run with the lowest median.
        idf1: percent, at an overlap of 0.5.
    """

    tracker: str
    features: str
    people: int
    frames: int
    detections: float
    median_ms: float
    mean_ms: float
    p95_ms: float
    idf1: float


def scores(people: Sequence[int], peers: bool, repeats: int) -> list[Score]:
    """Every contender in a scene of each size: 30 Hz, occlusion, 3 % misses, 2 % clutter."""
    found = [ours('motion + ego + appearance'), ours('motion'), *(installed() if peers else ())]
    result: list[Score] = []
    for count in people:
        shots = scene(
            Conditions(people=count, seconds=FRAMES / RATE_HZ, rate_hz=RATE_HZ, dimensions=512)
        )
        result += [score(contender, shots, count, repeats) for contender in found]
    return result


def score(contender: Contender, shots: Sequence[Shot], people: int, repeats: int) -> Score:
    """Run a contender through a scene; the times are those of the best of several runs."""
    runs = [_run(contender, shots) for _ in range(max(repeats, 1))]
    taken_ms, answers = min(runs, key=lambda run: float(np.median(run[0])))
    return Score(
        contender.name,
        contender.features,
        people,
        len(shots),
        float(np.mean([len(shot.detections) for shot in shots])),
        float(np.median(taken_ms)),
        float(taken_ms.mean()),
        float(np.percentile(taken_ms, 95)),
        idf1(shots, answers),
    )


def _run(contender: Contender, shots: Sequence[Shot]) -> tuple[DoubleArray, list[Answer]]:
    step = contender.build()
    taken_ms = np.empty(len(shots))
    answers = []
    for row, shot in enumerate(shots):
        given = contender.prepare(shot)
        start = time.perf_counter()
        answer = step(given)
        taken_ms[row] = (time.perf_counter() - start) * 1e3
        answers.append(contender.read(answer))
    return taken_ms, answers


def answers(contender: Contender, shots: Sequence[Shot]) -> list[Answer]:
    """What a contender says of each frame of a scene."""
    return _run(contender, shots)[1]


def idf1(shots: Sequence[Shot], answers: Sequence[Answer]) -> float:
    """Percent of boxes with the right identity (Ristani et al. 2016), at an overlap of 0.5."""
    seen = overlaps(_boxes([(shot.people, shot.boxes) for shot in shots]), _boxes(answers), 0.5)
    return 100.0 * evaluate.idf1(seen, 0.5).idf1


def _boxes(rows: Sequence[Answer]) -> Boxes:
    """Numbers and boxes of each frame of one camera, as columns."""
    frames = np.repeat(np.arange(len(rows)), [len(ids) for ids, _ in rows])
    ids = np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in rows)])
    boxes = np.concatenate([np.empty((0, 4)), *(boxes for _, boxes in rows)])
    return Boxes(np.zeros(len(ids), np.int64), frames, ids.astype(np.int64), boxes)


def ours(features: str) -> Contender:
    """Our tracker with some of 'motion', 'ego' and 'appearance'."""
    ego, appearance = 'ego' in features, 'appearance' in features
    config = TrackConfig(appearance=appearance)

    def build() -> Callable[[Shot], Tracks]:
        tracker = Tracker(config)

        def step(shot: Shot) -> Tracks:
            return tracker.step(
                shot.detections,
                shot.stamp_ns,
                ego=shot.ego if ego else None,
                vectors=shot.vectors if appearance else None,
            )

        return step

    def read(tracks: Tracks) -> Answer:
        seen = tracks.confirmed & ~tracks.predicted
        return tracks.ids[seen].astype(np.int64), tracks.boxes[seen]

    return Contender('reid_ros', features, lambda shot: shot, build, read)


def installed(rate_hz: float = RATE_HZ, memories_s: Sequence[float] = (1.0,)) -> list[Contender]:
    """The peers that are installed, with their own defaults.

    Args:
        rate_hz: nominal frame rate that they are told.
        memories_s: how long those of `trackers` keep a lost track, seconds; their default is 1,
            ours is 2.
    """
    result = []
    if _there('trackers'):
        version = importlib.metadata.version('trackers')
        for name, (kind, settings) in _TRACKERS.items():
            for memory_s in memories_s:
                label = f'trackers {version} {name}' + f', {memory_s:g} s' * (memory_s != 1.0)
                # They count it in frames of a nominal 30 Hz.
                given = {**settings, 'lost_track_buffer': round(30 * memory_s)}
                result.append(_of_trackers(label, kind, given, rate_hz))
    if _there('norfair'):
        result.append(_norfair(f'norfair {importlib.metadata.version("norfair")}'))
    return result


def missing() -> list[str]:
    """The peers that are not installed, or not with what they need."""
    return [name for name in _NEEDED if not _there(name)]


def _there(name: str) -> bool:
    return all(importlib.util.find_spec(part) for part in _NEEDED[name])


def _of_trackers(name: str, kind: str, settings: Mapping[str, Any], rate_hz: float) -> Contender:
    import supervision
    import trackers

    def prepare(shot: Shot) -> Any:
        found = shot.detections
        return supervision.Detections(
            xyxy=found.boxes.astype(np.float64),
            confidence=found.scores.astype(np.float64),
            class_id=np.zeros(len(found), np.int64),
        )

    def build() -> Callable[[Any], Any]:
        update: Callable[[Any], Any] = getattr(trackers, kind)(
            frame_rate=rate_hz, **settings
        ).update
        return update

    def read(found: Any) -> Answer:
        if found.tracker_id is None:
            return np.empty(0, np.int64), np.empty((0, 4), np.float32)
        sure = found.tracker_id >= 0
        return found.tracker_id[sure].astype(np.int64), found.xyxy[sure].astype(np.float32)

    return Contender(name, 'motion', prepare, build, read)


def _norfair(name: str) -> Contender:
    import norfair

    def prepare(shot: Shot) -> Any:
        found = shot.detections
        return [
            norfair.Detection(box.reshape(2, 2).astype(np.float64), np.full(2, score))
            for box, score in zip(found.boxes, found.scores)
        ]

    def build() -> Callable[[Any], Any]:
        tracker = norfair.Tracker(distance_function='iou', distance_threshold=0.7)
        return lambda found: tracker.update(detections=found)

    def read(tracked: Any) -> Answer:
        ids = np.array([one.id for one in tracked], np.int64)
        boxes = [one.estimate.reshape(4) for one in tracked]
        return ids, np.array(boxes, np.float32).reshape(-1, 4)

    return Contender(name, 'motion', prepare, build, read)
