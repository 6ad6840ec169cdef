"""The half of the pipeline that stands beside the cameras: detect, track, embed, see walk."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from reid_ros import boxes
from reid_ros.budget import Allowance
from reid_ros.config import Config, GaitConfig
from reid_ros.detect import Detector
from reid_ros.embed import Embedder, Glances, Schedule, Wanted, look_at, quality
from reid_ros.gait import Gait, Seen
from reid_ros.gather import Gathered
from reid_ros.ground import Places, on_ground
from reid_ros.scene import Observation
from reid_ros.silhouette import SIZE, Silhouettes, Source
from reid_ros.track import Tracker
from reid_ros.types import Detections, DoubleArray, FloatArray, Frame, IntArray, Tracks


class Clock:
    """Seconds spent in each stage of one step."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """What passed since the last lap belongs to a stage."""
        now = time.perf_counter()
        self.laps[name] = now - self._last
        self._last = now

    def move(self, seconds: float, from_: str, to: str) -> None:
        """Seconds counted for one stage belong to another."""
        self.laps[from_] -= seconds
        self.laps[to] += seconds


class Walking(Protocol):
    """What turns silhouettes over time into vectors: `gait.Gaits`.

    Attributes:
        config: how much has to be seen.
    """

    config: GaitConfig

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Of each camera, how often a track had a vector ('') or why it had none."""

    def is_due(self, camera: str, stamp_ns: int, ego: DoubleArray | None = None) -> bool:
        """Whether silhouettes of a frame are wanted; asked once a frame."""

    def step(self, seen: Sequence[Seen]) -> list[Gait]:
        """Take in one moment's frames."""

    def reset_camera(self, camera: str) -> None:
        """Forget the tracks of one camera."""


@dataclass(frozen=True, slots=True)
class Walks:
    """How it is seen how people walk.

    Attributes:
        shapes: gives their silhouettes.
        gaits: makes vectors of them.
    """

    shapes: Source
    gaits: Walking

    def observe(
        self,
        frames: Sequence[Frame],
        tracked: Sequence[Tracks],
        allowance: Allowance | None = None,
    ) -> list[Gait | None]:
        """Of each frame, None where nobody looked: a batch of silhouettes, a batch of vectors."""
        due = [i for i, f in enumerate(frames) if self.gaits.is_due(f.camera, f.stamp_ns, f.ego)]
        rows = [np.flatnonzero(tracked[i].detection >= 0) for i in due]
        if allowance is not None:
            wanted = {frames[i].camera: len(r) for i, r in zip(due, rows)}
            may = allowance.walks(wanted)
            rows = [r for i, r in zip(due, rows) if frames[i].camera in may]
            due = [i for i in due if frames[i].camera in may]
            if not due:
                return [None] * len(frames)
        looked = self.shapes.look([(frames[i], tracked[i].boxes[r]) for i, r in zip(due, rows)])
        seen = [
            Seen(frames[i].camera, frames[i].stamp_ns, tracked[i], _spread(shapes, r, tracked[i]))
            for i, r, shapes in zip(due, rows, looked)
        ]
        result: list[Gait | None] = [None] * len(frames)
        for i, found in zip(due, self.gaits.step(seen)):
            result[i] = found
        return result


def _spread(shapes: Silhouettes, rows: IntArray, tracks: Tracks) -> Silhouettes:
    """The silhouettes of some tracks among all of them."""
    n = len(tracks)
    if len(rows) == n:
        return shapes
    masks, quality = np.zeros((n, *SIZE), np.uint8), np.zeros(n, np.float32)
    masks[rows], quality[rows] = shapes.masks, shapes.quality
    reasons = [''] * n
    for row, reason in zip(rows.tolist(), shapes.reasons):
        reasons[row] = reason
    return Silhouettes(masks, quality, tuple(reasons))


class _Camera:
    """What is remembered of one camera."""

    def __init__(self, config: Config) -> None:
        self.tracker = Tracker(config.track)
        self.schedule = Schedule(config.embed)
        self.gathered = Gathered()
        self.last_ns: int | None = None


class Sight:
    """Frames to tracks with vectors; who they are is decided elsewhere."""

    def __init__(
        self,
        config: Config,
        detector: Detector | None,
        embedder: Embedder | None,
        walks: Walks | None = None,
    ) -> None:
        """Detector None: every frame brings its detections. Embedder, walks None: no vectors."""
        self.config = config
        self.detector = detector
        self.embedder = embedder
        self.walks = walks
        self._cameras: dict[str, _Camera] = {}

    def configure(self, config: Config) -> None:
        """Take over the settings that may change live."""
        self.config = config
        for camera in self._cameras.values():
            camera.tracker.configure(config.track)
        if self.walks is not None:
            self.walks.gaits.config = config.gait

    def reset_camera(self, camera: str) -> None:
        """Forget the tracks of one camera; their numbers are not used again."""
        known = self._cameras.get(camera)
        if self.walks is not None:
            self.walks.gaits.reset_camera(camera)
        if known is not None:
            known.tracker.reset()
            known.schedule = Schedule(self.config.embed)
            known.gathered = Gathered()
            known.last_ns = None

    def observe(
        self,
        frames: Sequence[Frame],
        clock: Clock | None = None,
        allowance: Allowance | None = None,
    ) -> list[Observation]:
        """Tracks of one moment, and vectors of those that are due.

        Args:
            frames: at most one of each camera.
            clock: is told what each stage took.
            allowance: what may be done under load; None: everything.

        Raises:
            ValueError: two frames of one camera, or a stamp that runs backwards; no tracker has
                moved then.
        """
        self._refuse(frames)
        clock = clock or Clock()
        found = self._detect(frames)
        clock.lap('detect')
        glances = [self._glances(*all_, allowance) for all_ in zip(frames, found)]
        tracked = [self._track(*all_) for all_ in zip(frames, found, glances)]
        clock.lap('track')
        observations = self._observed(frames, found, tracked, glances, allowance)
        clock.lap('embed')
        clock.move(sum(glance.spent_s for glance in glances), 'track', 'embed')
        if self.walks is None:
            return observations
        found_gait = self.walks.observe(frames, tracked, allowance)
        observations = [replace(o, gait=gait) for o, gait in zip(observations, found_gait)]
        clock.lap('gait')
        return observations

    def _refuse(self, frames: Sequence[Frame]) -> None:
        if len({frame.camera for frame in frames}) < len(frames):
            raise ValueError('two frames of one camera in one moment')
        for frame in frames:
            known = self._cameras.get(frame.camera)
            if known is not None and known.last_ns is not None and frame.stamp_ns < known.last_ns:
                raise ValueError(
                    f'camera {frame.camera}: stamp {frame.stamp_ns} ns lies before the last frame '
                    f'at {known.last_ns} ns: give frames in order, or reset the camera'
                )

    def _detect(self, frames: Sequence[Frame]) -> list[Detections]:
        own = [frame for frame in frames if frame.detections is None]
        if own and self.detector is None:
            raise ValueError(
                f'camera {own[0].camera} brings no detections and there is no detector: set '
                'model.detector'
            )
        found = iter(self.detector.detect(own) if self.detector and own else ())
        return [next(found) if f.detections is None else f.detections for f in frames]

    def _glances(self, frame: Frame, found: Detections, allowance: Allowance | None) -> Glances:
        if allowance is None:
            return Glances(frame, found, self.embedder)
        return Glances(frame, found, self.embedder, partial(allowance.looks, frame.camera))

    def _track(self, frame: Frame, found: Detections, glance: Glances) -> Tracks:
        camera = self._cameras.get(frame.camera)
        if camera is None:
            camera = self._cameras[frame.camera] = _Camera(self.config)
        camera.last_ns = frame.stamp_ns
        # Of what our own network says, too, only clear views are learnt; the others are asked for.
        ask = self.embedder is not None and (found.vectors is None or frame.detections is None)
        return camera.tracker.step(
            found,
            frame.stamp_ns,
            ego=frame.ego,
            vectors=None if ask else found.vectors,
            look=glance if ask else None,
        )

    def _observed(
        self,
        frames: Sequence[Frame],
        found: Sequence[Detections],
        tracked: Sequence[Tracks],
        glances: Sequence[Glances],
        allowance: Allowance | None,
    ) -> list[Observation]:
        """Vectors and qualities of the tracks that are due."""
        asked: list[Wanted] = []
        values: list[FloatArray] = []
        covers: list[FloatArray] = []
        for frame, tracks in zip(frames, tracked):
            height, width = frame.image.shape[:2]
            cover = boxes.cover(tracks.boxes)
            value = quality(tracks, width, height, self.config.embed.min_height_px, cover)
            schedule = self._cameras[frame.camera].schedule
            asked.append(schedule.wanted(tracks, value, frame.stamp_ns, cover))
            covers.append(cover)
            values.append(value)
        rows = _allowed(frames, tracked, glances, asked, allowance)
        for i, (frame, tracks, glance) in enumerate(zip(frames, tracked, glances)):
            schedule = self._cameras[frame.camera].schedule
            schedule.look(tracks, values[i], frame.stamp_ns, rows[i])
            if self.embedder is None and len(glance.missing(tracks.detection[rows[i]])):
                rows[i] = rows[i][:0]
        wanted = [tracks.detection[due] for tracks, due in zip(tracked, rows)]
        vectors = look_at(self.embedder, glances, wanted)
        for frame, tracks, due, vector in zip(frames, tracked, rows, vectors):
            self._cameras[frame.camera].tracker.learn(tracks.ids[due], vector)
        for i, (frame, own) in enumerate(zip(frames, found)):
            if frame.detections is None and own.vectors is not None and self.embedder is not None:
                gathered = self._cameras[frame.camera].gathered
                vectors[i] = gathered.mean(tracked[i], values[i], own.vectors, rows[i])
            values[i] = values[i][rows[i]]
        places = [_places(frame, tracks) for frame, tracks in zip(frames, tracked)]
        return [
            Observation(frame.camera, frame.stamp_ns, *rest)
            for frame, *rest in zip(frames, tracked, rows, vectors, values, covers, places)
        ]


def _allowed(
    frames: Sequence[Frame],
    tracked: Sequence[Tracks],
    glances: Sequence[Glances],
    asked: Sequence[Wanted],
    allowance: Allowance | None,
) -> list[IntArray]:
    """Of each frame the rows of the tracks that get a vector, of those that are due."""
    if allowance is None:
        return [one.rows for one in asked]
    kept, crops = [], []
    for frame, tracks, glance, one in zip(frames, tracked, glances, asked):
        rows = tracks.detection[one.rows]
        costly = np.isin(rows, glance.missing(rows))
        kept.append(~costly)
        urgent, fresh = one.urgency[costly].tolist(), one.fresh[costly].tolist()
        crops += [(frame.camera, *rest) for rest in zip(urgent, fresh)]
    granted = iter(allowance.crops(crops))
    for mask in kept:
        mask[~mask] = [next(granted) for _ in range(int((~mask).sum()))]
    return [one.rows[mask] for one, mask in zip(asked, kept)]


def _places(frame: Frame, tracks: Tracks) -> Places | None:
    """Where the tracks stand on the floor; None where it is not known how the camera sees it."""
    view = frame.view
    if view is None:
        return None
    return on_ground(tracks.boxes, view.lens, view.pose, frame.image.shape[0])
