"""What frames add, and what is known of one track."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from reid_ros import boxes as geometry
from reid_ros.ground import Places
from reid_ros.meeting import Spot, Trail, llr
from reid_ros.pace import Gait
from reid_ros.stature import Stature
from reid_ros.types import BoolArray, FloatArray, IntArray, Tracks, UInt32Array

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Observation:
    """What one frame adds.

    Attributes:
        camera, stamp_ns: those of the frame.
        tracks: of the camera after this frame.
        rows: (k,) tracks that got a vector.
        vectors: (k, d) unit vectors.
        qualities: (k,) 0 to 1.
        cover: (n, n) share of each track's box that lies in each other's, 0 on the diagonal;
            None computes it.
        places: where the tracks stand, where that is known.
        gait: how the tracks walk; None where nobody looked.
    """

    camera: str
    stamp_ns: int
    tracks: Tracks
    rows: IntArray
    vectors: FloatArray
    qualities: FloatArray
    cover: FloatArray | None = None
    places: Places | None = None
    gait: Gait | None = None

    @property
    def covered(self) -> FloatArray:
        """(n, n) `cover`, computed where it was not given."""
        return self.cover if self.cover is not None else geometry.cover(self.tracks.boxes)

    @property
    def crowded(self) -> BoolArray:
        """(n,) True where another box covers much of a track's."""
        if len(self.tracks) < 2:
            return np.zeros(len(self.tracks), np.bool_)
        return geometry.crowded(self.covered)


@dataclass(frozen=True, slots=True)
class Identities:
    """Who the tracks of one frame are, in their order.

    Attributes:
        persons: (n,) uint32, 0 = undecided.
        scores: (n,) float32 probability.
        confirmed: (n,) bool.
        gait_persons: (n,) uint32, by gait alone, 0 = undecided.
        gait_scores: (n,) float32, their probability.
    """

    persons: UInt32Array
    scores: FloatArray
    confirmed: BoolArray
    gait_persons: UInt32Array
    gait_scores: FloatArray


@dataclass(slots=True)
class Walked:
    """How a track's person walks.

    Attributes:
        since_ns: silhouettes from before it may be another's.
        total: (d,) sum of the vectors, each times its quality; None before the first.
        weight, count: sum of the qualities and number of the vectors.
        recent: the last two vectors.
        fresh: the vector of this moment, None where there is none.
        learnt: whether the gallery took in one of the vectors.
        odd: how many vectors in a row were unlike the person's.
        person, score: who it is by gait alone, 0 = undecided.
    """

    since_ns: int = -(1 << 62)
    total: FloatArray | None = None
    weight: float = 0.0
    count: int = 0
    recent: deque[FloatArray] = field(default_factory=lambda: deque(maxlen=2))
    fresh: FloatArray | None = None
    fresh_quality: float = 0.0
    learnt: bool = False
    odd: int = 0
    person: int = 0
    score: float = 0.0

    def add(self, vector: FloatArray, quality: float, since_ns: int) -> None:
        """Count one more vector, unless a silhouette behind it may be another's."""
        if since_ns < self.since_ns:
            return
        weighted = vector * np.float32(quality)
        self.total = weighted if self.total is None else self.total + weighted
        self.weight += quality
        self.count += 1
        self.fresh, self.fresh_quality = vector, quality
        self.recent.append(vector)

    def mean(self) -> FloatArray:
        """(d,) unit vector of the whole track; it must have one."""
        if self.total is None:
            raise ValueError('a track without a gait vector has no mean')
        return unit(self.total)

    def latest(self) -> FloatArray:
        """(d,) unit vector of the last two, or of all where the gallery has none of them."""
        if not self.learnt:
            return self.mean()
        return unit(np.sum(np.stack(list(self.recent)), axis=0))

    def again(self) -> Walked:
        """As nobody, from the last two vectors alone."""
        result = Walked(self.since_ns)
        for vector in self.recent:
            result.add(vector, 1.0, self.since_ns)
        result.fresh, result.fresh_quality = self.fresh, self.fresh_quality
        return result


@dataclass(slots=True)
class SeenTrack:
    """One track of one camera, and whom it is taken for.

    Attributes:
        total: (d,) sum of its vectors, each times its quality; None before the first.
        weight, count: sum of the qualities and number of the vectors.
        recent: the last three vectors.
        fresh: the vector of this moment, None where there is none.
        person: number, 0 = undecided.
        left: the person it was taken for before it was split off, else 0.
        risky: True after a neighbour covered it or it was out of sight: it may have been swapped.
        odd: how many vectors in a row looked unlike the person since then.
        never: persons seen beside it.
        refused: persons it was split off from: not as tall as they are.
        trail: where it was on the floor.
        began, spot: where it was first, and last; None where that was never seen.
        stature: how tall its person is.
        walk: how its person walks.
    """

    camera: str
    number: int
    first_ns: int
    seen_ns: int
    box: FloatArray
    total: FloatArray | None = None
    weight: float = 0.0
    count: int = 0
    recent: deque[FloatArray] = field(default_factory=lambda: deque(maxlen=3))
    fresh: FloatArray | None = None
    fresh_quality: float = 0.0
    person: int = 0
    left: int = 0
    score: float = 0.0
    risky: bool = False
    odd: int = 0
    odd_ns: int = 0
    never: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    trail: Trail = field(default_factory=Trail)
    began: Spot | None = None
    spot: Spot | None = None
    stature: Stature = field(default_factory=Stature)
    walk: Walked = field(default_factory=Walked)

    def mean(self) -> FloatArray:
        """(d,) unit vector of the whole track; it must have one."""
        if self.total is None:
            raise ValueError(f'track {self.number} of {self.camera} has no vector')
        return unit(self.total)

    def latest(self) -> FloatArray:
        """(d,) unit vector of the last three crops; it must have one."""
        return unit(np.sum(np.stack(list(self.recent)), axis=0))

    def age_s(self) -> float:
        """Seconds from the first to the last sighting."""
        return (self.seen_ns - self.first_ns) / NS

    def stand(self, places: Places, row: int, crowded: bool) -> None:
        """Take in where it stands, and how tall it is.

        Args:
            places: of the newest image.
            row: of the track.
            crowded: another body may hide the feet or the head.
        """
        if not places.sure[row]:
            return
        position, covariance = places.positions[row], places.covariances[row]
        self.trail.add(self.seen_ns, position, covariance)
        variance = float(covariance[0, 0] + covariance[1, 1]) / 2
        self.spot = Spot(self.seen_ns, float(position[0]), float(position[1]), variance)
        self.began = self.began or self.spot
        if places.tall[row] > 0 and not crowded:
            self.stature.add(self.seen_ns, float(places.tall[row]))

    def add(self, vector: FloatArray, quality: float) -> None:
        """Count one more vector."""
        weighted = vector * np.float32(quality)
        self.total = weighted if self.total is None else self.total + weighted
        self.weight += quality
        self.count += 1
        self.fresh, self.fresh_quality = vector, quality
        self.recent.append(vector)

    def met(self, others: Iterable[SeenTrack]) -> list[tuple[SeenTrack, float]]:
        """The others whose place is known, too, with the evidence that they show the same body."""
        if not self.trail:
            return []
        return [(other, llr(self.trail, other.trail)) for other in others if other.trail]

    def restart(self) -> None:
        """Go on from the last three crops alone, as nobody; gait begins with this moment."""
        self.left, self.person, self.score = self.person, 0, 0.0
        self.odd, self.risky = 0, False
        self.total = np.sum(np.stack(list(self.recent)), axis=0) if self.recent else None
        self.count = len(self.recent)
        self.weight = float(self.count)
        self.walk = Walked(self.seen_ns)
        self.began, self.stature = self.spot, Stature()
        self.refused = set()


def unit(vector: FloatArray) -> FloatArray:
    """A vector at length 1."""
    result: FloatArray = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return result
