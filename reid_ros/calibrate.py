"""Fits the scores to a site: pairs that cannot be one person, and pairs within a track.

Nobody has to label anything. Two people whom one camera shows side by side are two people; so are
two whom cameras without common ground show at once. A track that no neighbour ever covered is one
person. What footage cannot tell, how alike one person looks to two cameras, stays as it was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reid_ros import boxes as geometry
from reid_ros.calibration import Calibration, CalibrationError, Condition, Spread, angles
from reid_ros.config import TopologyConfig
from reid_ros.embed import LEARN_QUALITY
from reid_ros.pipeline import Pipeline
from reid_ros.report.recorder import CameraRecord
from reid_ros.scene import APART, AT_ONCE_NS, Observation
from reid_ros.topology import Topology
from reid_ros.types import FloatArray, Frame, Moment

CROPS = 4
"""Vectors that a track needs to take part."""
LEAST_PAIRS = 3
"""Fewer pairs than this say nothing."""
PRIOR = 6
"""The old calibration counts as this many observations."""
FEW = 20
"""Fewer people than this do not make a spread smaller: look-alikes may simply not have come by."""


@dataclass(slots=True)
class _Track:
    camera: str
    vectors: list[FloatArray] = field(default_factory=list)
    covered: bool = False

    def mean(self) -> FloatArray:
        total = np.sum(np.stack(self.vectors), axis=0)
        result: FloatArray = total / max(float(np.linalg.norm(total)), 1e-12)
        return result


Key = tuple[str, int, int]  # camera, times its clock was reset, track


@dataclass(frozen=True, slots=True)
class Findings:
    """What footage says of a site.

    Attributes:
        calibration: the fitted one.
        same_pairs: pairs of people seen side by side by one camera.
        cross_pairs: pairs of people seen at once by cameras without common ground.
        tracks: uncovered tracks that were compared with themselves.
    """

    calibration: Calibration
    same_pairs: int
    cross_pairs: int
    tracks: int


class Collector:
    """Takes the place of a pipeline and of a recorder in a run, and keeps pairs of tracks."""

    def __init__(
        self, pipeline: Pipeline, topology: TopologyConfig, cameras: Sequence[CameraRecord]
    ) -> None:
        self.cameras: Mapping[str, CameraRecord] = {c.name: c for c in cameras}
        self._pipeline = pipeline
        self._topology = Topology(topology, self.cameras)
        self._tracks: dict[Key, _Track] = {}
        self._resets: dict[str, int] = {}
        self._pairs: set[tuple[Key, Key]] = set()
        self._shown: dict[str, tuple[int, list[Key]]] = {}

    def step(self, frames: Sequence[Frame]) -> Moment:
        """Collect what one moment shows; identifies nobody."""
        for observation in self._pipeline.observe(frames):
            self._take(observation)
        return Moment([])

    def reset_camera(self, camera: str) -> None:
        """The camera's clock jumped back: its track numbers mean others now."""
        self._pipeline.reset_camera(camera)
        self._resets[camera] = self._resets.get(camera, 0) + 1
        self._shown.pop(camera, None)

    def names(self) -> Mapping[int, str]:
        """Nobody has a name here."""
        return {}

    def add(self, frames: Sequence[Frame], moment: Moment, names: Mapping[int, str]) -> None:
        """Nothing is recorded."""

    def _take(self, observation: Observation) -> None:
        camera, tracks = observation.camera, observation.tracks
        reset = self._resets.get(camera, 0)
        keys = [(camera, reset, number) for number in tracks.ids.tolist()]
        seen = np.flatnonzero((tracks.detection >= 0) & tracks.confirmed).tolist()
        crowded = observation.crowded
        for row in seen:
            track = self._tracks.setdefault(keys[row], _Track(camera))
            track.covered = track.covered or bool(crowded[row])
        for row, vector, quality in zip(
            observation.rows.tolist(), observation.vectors, observation.qualities.tolist()
        ):
            track = self._tracks[keys[row]]
            if quality >= LEARN_QUALITY and not track.covered and np.isfinite(vector).all():
                track.vectors.append(vector)
        cover = geometry.cover(tracks.boxes)
        for i, first in enumerate(seen):
            for second in seen[i + 1 :]:
                if max(cover[first, second], cover[second, first]) <= APART:
                    self._pairs.add((keys[first], keys[second]))
        self._shown[camera] = (observation.stamp_ns, [keys[row] for row in seen])
        self._across(camera)

    def _across(self, camera: str) -> None:
        stamp_ns, mine = self._shown[camera]
        for other, (other_ns, theirs) in self._shown.items():
            if other == camera or self._topology.overlap(camera, other):
                continue
            if abs(stamp_ns - other_ns) < AT_ONCE_NS:
                self._pairs.update((min(a, b), max(a, b)) for a in mine for b in theirs)

    def fit(self, base: Calibration) -> Findings:
        """The calibration of the site, with the old one as a prior.

        Raises:
            CalibrationError: the footage shows too few people at once.
        """
        known = {k: t for k, t in self._tracks.items() if len(t.vectors) >= CROPS}
        means = {key: track.mean() for key, track in known.items()}
        same: list[float] = []
        cross: list[float] = []
        who: dict[bool, set[Key]] = {True: set(), False: set()}
        for first, second in sorted(self._pairs):
            if first in means and second in means:
                alike = first[0] == second[0]
                angle = float(angles(means[first] @ means[second]))
                (same if alike else cross).append(angle)
                who[alike] |= {first, second}
        if len(same) < LEAST_PAIRS and len(cross) < LEAST_PAIRS:
            raise CalibrationError(
                f'the footage has {len(same)} pairs of people side by side, and at least '
                f'{LEAST_PAIRS} are needed (two tracks of {CROPS} clear crops each, seen at '
                'once): record longer, while several people are in view'
            )
        within = [own for t in known.values() if len(t.vectors) >= 2 * CROPS for own in _own(t)]
        tracks = sum(len(t.vectors) >= 2 * CROPS for t in known.values())
        old_same, old_cross = base.same_camera, base.cross_camera
        fitted = Calibration(
            Condition(
                _pooled(old_same.genuine, within, tracks),
                _pooled(old_same.impostor, same, len(who[True])),
            ),
            Condition(old_cross.genuine, _pooled(old_cross.impostor, cross, len(who[False]))),
        )
        return Findings(fitted, len(same), len(cross), tracks)


def _own(track: _Track) -> list[float]:
    """Angles of the later crops of a track to the mean of its earlier ones."""
    half = len(track.vectors) // 2
    early = np.sum(np.stack(track.vectors[:half]), axis=0)
    early /= max(float(np.linalg.norm(early)), 1e-12)
    result: list[float] = angles(np.stack(track.vectors[half:]) @ early).tolist()
    return result


def _pooled(old: Spread, values: Sequence[float], independent: int) -> Spread:
    """One sample of the old observations (at most six) and the new ones.

    Pairs share people, so they count as many as there are people (tracks) in them. The shape of
    the left side, which takes hundreds of people to see, stays the old one.
    """
    if len(values) < LEAST_PAIRS:
        return old
    new = Spread.of(values, max(independent, LEAST_PAIRS))
    n0, n1 = min(old.n, PRIOR), new.n
    n = n0 + n1
    mean = (n0 * old.mean + n1 * new.mean) / n
    spread = n0 * (old.sd**2 + (old.mean - mean) ** 2) + n1 * (new.sd**2 + (new.mean - mean) ** 2)
    sd = math.sqrt(spread / n)
    sd = max(sd, old.sd) if n1 < FEW else sd
    return Spread(round(mean, 2), round(sd, 2), n, old.left)
