"""Detections + stamp (+ ego-motion, + appearance) -> tracks, within one camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reid_ros.boxes import nms
from reid_ros.config import TrackConfig
from reid_ros.kalman import BoxFilter, Outlook, centred, homography
from reid_ros.match import Looks, overlap, pairs
from reid_ros.types import (
    AnyArray,
    BoolArray,
    Detections,
    DoubleArray,
    FloatArray,
    IntArray,
    Tracks,
    UInt32Array,
)

# Chosen on synthetic scenes and on the TUD sequences, never on the clips that the tests score.
_LEAST_LIKENESS = 0.2
_LEAST_LIKENESS_WEAK = 0.4
# By how many standard deviations of its prediction a box is widened before it is compared: after a
# gap or at a low rate it may have gone farther.
_WIDER = 1.25
# What looks that speak against a pair cost more for each second without a sight of the track: the
# longer the gap, the likelier it is somebody else who stands there now.
_DOUBT_PER_S = 2.0
_TWIN_IOU = 0.7  # a detection overlapping a track's by more starts no track of its own
_PROBATION_S = 0.1  # a new track not seen for longer is dropped

_FARTHEST_PX = 1e6

# How many tracks, and which share of them, must be off in one direction until the camera is
# taken to have moved; which part of that it is followed.
_WITNESSES = 5
_AGREEMENT = 0.7
_FOLLOWED = 0.7

_ID, _LAST, _HITS, _CONFIRMED = range(4)
_NONE = np.empty(0, np.int64)


Look = Callable[[IntArray], FloatArray]
"""(k, d) unit vectors of the detections in k rows; a row of NaN where there is none."""


@dataclass(slots=True)
class _Seen:
    """The usable detections of one frame.

    Attributes:
        row: (m,) their rows in the detections given.
        corners: (4, m) float32 x0 y0 x1 y1, pixels.
        measured: (4, m) float64 centres and sizes, pixels.
        scores: (m,) float32.
        strong: (m,) bool, score is high.
        vectors: (k, d) float32 appearance of the detections given, NaN where none, or None.
        look: fetches missing vectors, or None.
    """

    row: IntArray
    corners: FloatArray
    measured: DoubleArray
    scores: FloatArray
    strong: BoolArray
    vectors: FloatArray | None
    look: Look | None


class Tracker:
    """Matches each frame's detections to the tracks of one camera.

    Time comes from the frames, so a bag replayed at any speed gives the same tracks.
    """

    def __init__(self, config: TrackConfig | None = None) -> None:
        self._config = config or TrackConfig()
        self._filter = BoxFilter()
        self._looks = Looks()
        self._book = np.zeros((4, 32), np.int64)
        self._scores = np.zeros(32, np.float32)
        self._next = 1
        self._stamp_ns: int | None = None
        self._before_ns = 0
        self._pan = np.zeros(2)  # pixels per second that all tracks move, where nobody says so

    def configure(self, config: TrackConfig) -> None:
        """Go on with other settings; the tracks stay."""
        self._config = config

    def reset(self) -> None:
        """Forget every track; their numbers are not used again, and any stamp may follow."""
        self._filter.clear()
        self._looks.clear()
        self._stamp_ns = None
        self._pan[:] = 0.0

    def step(
        self,
        detections: Detections,
        stamp_ns: int,
        *,
        ego: DoubleArray | None = None,
        vectors: FloatArray | None = None,
        look: Look | None = None,
    ) -> Tracks:
        """Advance to stamp_ns.

        Args:
            detections: people found in the frame; none is a frame too. Boxes that are not finite
                or have no area are passed over.
            stamp_ns: time of the frame, nanoseconds, not before the last one.
            ego: (3, 3) homography from the pixels of the last frame given to this one's. Without
                it, a motion that most of five tracks or more share is taken for the camera's.
            vectors: (n, d) float32 unit appearance vectors of the detections, a row of NaN where
                there is none. Used where the settings ask for appearance.
            look: asked instead for the vectors of just those detections whose boxes leave doubt;
                most frames ask for none. Such boxes touch others and show parts of two people, so
                how tracks look is told by `learn`, from clear crops.

        Raises:
            ValueError: time runs backwards (`reset` begins anew), or ego is no homography.
        """
        first = self._stamp_ns is None
        ended = self._advance(int(stamp_ns), None if ego is None else homography(ego))
        seen = self._usable(detections, vectors, look)
        match = self._match(seen)
        self._see(match, seen, stamp_ns, ego is None)
        proven = self._proven(match, stamp_ns)
        if not proven.all():
            ended.append(self._keep(proven))
            match = match[proven]
        match = self._begin(match, seen, stamp_ns, first)
        return self._tracks(match, seen, ended)

    def _advance(self, stamp_ns: int, ego: DoubleArray | None) -> list[IntArray]:
        """Bring every track to stamp_ns; the numbers of those that did not live so long."""
        before = self._stamp_ns
        if before is not None and stamp_ns < before:
            raise ValueError(
                f'stamp {stamp_ns} ns lies before the last frame at {before} ns: '
                'give frames in order, or reset() the tracker'
            )
        self._stamp_ns, self._before_ns = stamp_ns, stamp_ns if before is None else before
        ended: list[IntArray] = []
        if not self._filter.n or before is None:
            return ended
        unseen_ns = stamp_ns - self._book[_LAST, : self._filter.n]
        alive = unseen_ns <= self._config.max_age_s * 1e9
        if not alive.all():
            ended.append(self._keep(alive))
        dt_s = (stamp_ns - before) * 1e-9
        self._filter.predict(dt_s)
        if ego is None:
            self._filter.shift(self._pan * dt_s)
        elif self._filter.n:
            ahead = self._filter.warp(ego)
            if not ahead.all():
                ended.append(self._keep(ahead))
        return ended

    def learn(self, numbers: UInt32Array, vectors: FloatArray) -> None:
        """Let (k, d) unit vectors, seen since the last step, count for tracks by their numbers."""
        if not self._config.appearance or not len(numbers):
            return
        self._looks.expect(vectors.shape[1])
        mine = self._book[_ID, : self._filter.n]
        rows = np.searchsorted(mine, numbers)  # numbers rise from row to row
        there = (rows < len(mine)) & np.isfinite(vectors).all(axis=1)
        there[there] &= mine[rows[there]] == numbers[there]
        if there.any():
            self._looks.learn(rows[there], vectors[there])

    def _usable(
        self, detections: Detections, vectors: FloatArray | None, look: Look | None
    ) -> _Seen:
        if not self._config.appearance or not len(detections):
            vectors = look = None
        elif vectors is not None:
            if vectors.ndim != 2 or len(vectors) != len(detections):
                raise ValueError(
                    f'vectors of shape {vectors.shape} for {len(detections)} detections'
                )
            self._looks.expect(vectors.shape[1])
        corners = np.ascontiguousarray(detections.boxes.T)
        usable = (corners[2:] > corners[:2] + 1e-3).all(axis=0)
        usable &= (np.abs(corners) < _FARTHEST_PX).all(axis=0)
        usable &= detections.scores >= self._config.low_score
        row = usable.nonzero()[0]
        scores = detections.scores
        if len(row) < len(scores):
            corners, scores = corners[:, row], scores[row]
        strong = scores >= self._config.high_score
        return _Seen(row, corners, centred(corners), scores, strong, vectors, look)

    def _match(self, seen: _Seen) -> IntArray:
        """(n,) the detection of each track, counted among the usable ones, or -1."""
        n = self._filter.n
        match = np.full(n, -1, np.int64)
        if not n or not len(seen.row):
            return match
        confirmed = self._book[_CONFIRMED, :n] > 0
        weak = ~seen.strong
        free = seen.strong.copy()
        outlook = self._filter.outlook()

        def stage(tracks: BoolArray, columns: BoolArray, least: float) -> None:
            found = columns.nonzero()[0]
            if len(found) and len(rows := tracks.nonzero()[0]):
                i, j = self._pairs(outlook, rows, seen, found, least)
                match[i] = j
                free[j] = False

        stage(confirmed, free, _LEAST_LIKENESS)
        stage(confirmed & (match < 0), weak, _LEAST_LIKENESS_WEAK)
        stage(~confirmed, free, _LEAST_LIKENESS)
        return match

    def _pairs(
        self,
        outlook: Outlook,
        rows: IntArray,
        seen: _Seen,
        found: IntArray,
        least: float,
    ) -> tuple[IntArray, IntArray]:
        """Tracks among rows and detections among found that belong together."""
        # Three times as fast as indexing, for arrays so small.
        margin = _WIDER * outlook.spread.take(rows, axis=1)
        likeness = overlap(
            outlook.corners.take(rows, axis=1), seen.corners.take(found, axis=1), margin
        )

        def fit(i: IntArray, j: IntArray) -> AnyArray:
            return outlook.fit(rows[i], seen.measured.take(found[j], axis=1))

        if seen.vectors is None and seen.look is None:
            i, j = pairs(likeness, least, fit=fit)
        else:
            given = seen.row[found]

            def cost(i: IntArray, j: IntArray) -> AnyArray:
                return self._cost(rows[i], seen, given[j])

            i, j = pairs(likeness, least, cost, self._book[_LAST, rows] < self._before_ns, fit)
        return rows[i], found[j]

    def _cost(self, rows: IntArray, seen: _Seen, given: IntArray) -> AnyArray:
        """(k,) what the looks speak against pairs; fetches the vectors that this takes."""
        if seen.look is not None:
            wanted = np.unique(given[self._looks.known(rows)])
            if seen.vectors is not None:
                wanted = wanted[np.isnan(seen.vectors[wanted, 0])]
            if len(wanted):
                found = seen.look(wanted)
                if seen.vectors is None:
                    count = int(seen.row[-1]) + 1
                    seen.vectors = np.full((count, found.shape[1]), np.nan, np.float32)
                seen.vectors[wanted] = found
        if seen.vectors is None:
            return np.zeros(len(rows), np.float32)
        unseen_s = ((self._stamp_ns or 0) - self._book[_LAST, rows]) * 1e-9
        result = self._looks.cost(rows, seen.vectors, given)
        result *= 1.0 + _DOUBT_PER_S * unseen_s
        return result

    def _see(self, match: IntArray, seen: _Seen, stamp_ns: int, follow: bool) -> None:
        """Note what was seen of each track."""
        rows = (match >= 0).nonzero()[0]
        if not follow or len(rows) < _WITNESSES:
            self._pan[:] = 0.0
        if not len(rows):
            return
        found = match[rows]
        measured = seen.measured.take(found, axis=1)
        if follow and len(rows) >= _WITNESSES:
            self._follow(rows, measured, stamp_ns)
        self._filter.correct(rows, measured)
        book = self._book
        book[_HITS, rows] += book[_LAST, rows] < stamp_ns
        book[_LAST, rows] = stamp_ns
        book[_CONFIRMED, rows] |= book[_HITS, rows] >= self._config.confirm_hits
        self._scores[rows] = seen.scores[found]
        if seen.vectors is not None and seen.look is None:
            clear = seen.strong[found].nonzero()[0]
            self._looks.see(rows[clear], seen.vectors, seen.row[found[clear]], stamp_ns)

    def _follow(self, rows: IntArray, measured: DoubleArray, stamp_ns: int) -> None:
        """Take an error that most tracks share for a motion of the camera."""
        dt_s = (stamp_ns - self._before_ns) * 1e-9
        if dt_s <= 0.0:
            return
        off = self._filter.surprise(rows, measured)
        middle = np.sort(off, axis=1)[:, len(rows) // 2]
        agree = (np.abs(off - middle[:, None]) < np.abs(middle)[:, None]).sum(axis=1)
        middle[agree < max(_WITNESSES, _AGREEMENT * len(rows))] = 0.0
        middle *= _FOLLOWED
        self._filter.shift(middle)
        self._pan += middle / dt_s

    def _proven(self, match: IntArray, stamp_ns: int) -> BoolArray:
        """(n,) bool, False for tracks on probation that were not seen again."""
        n = self._filter.n
        late = stamp_ns - self._book[_LAST, :n] > _PROBATION_S * 1e9
        result: BoolArray = (self._book[_CONFIRMED, :n] > 0) | (match >= 0) | ~late
        return result

    def _begin(self, match: IntArray, seen: _Seen, stamp_ns: int, first: bool) -> IntArray:
        """Start tracks at strong detections that nobody claimed; the longer match."""
        fresh = seen.scores >= max(self._config.new_score, self._config.high_score)
        claimed = match[match >= 0]
        fresh[claimed] = False
        rows = fresh.nonzero()[0]
        if len(rows) and len(claimed):
            rivals = overlap(seen.corners[:, rows], seen.corners[:, claimed])
            rows = rows[rivals.max(axis=1) <= _TWIN_IOU]
        if len(rows) > 1:
            rows = rows[np.sort(nms(seen.corners.T[rows], seen.scores[rows], _TWIN_IOU))]
        if not len(rows):
            return match
        start = self._filter.n
        self._filter.append(seen.measured[:, rows])
        stop = self._filter.n
        if stop > self._book.shape[1]:
            self._book = np.concatenate((self._book, np.zeros((4, stop), np.int64)), axis=1)
            self._scores = np.concatenate((self._scores, np.zeros(stop, np.float32)))
        new = self._book[:, start:stop]
        new[_ID] = np.arange(self._next, self._next + len(rows))
        new[_LAST] = stamp_ns
        new[_HITS] = 1
        # In the very first frame there is nothing that a track could have been seen in before.
        new[_CONFIRMED] = first or self._config.confirm_hits <= 1
        self._scores[start:stop] = seen.scores[rows]
        self._next += len(rows)
        self._looks.begin(start, stop)
        if seen.vectors is not None and seen.look is None:
            self._looks.see(np.arange(start, stop), seen.vectors, seen.row[rows], stamp_ns)
        return np.concatenate((match, rows))

    def _keep(self, kept: BoolArray) -> IntArray:
        """Drop the tracks that are not kept; their numbers."""
        n = self._filter.n
        ended = self._book[_ID, :n][~kept]
        first = int(kept.argmin())
        rest = kept[first:].nonzero()[0] + first
        self._filter.keep(first, rest)
        stop = first + len(rest)
        self._book[:, first:stop] = self._book[:, rest]
        self._scores[first:stop] = self._scores[rest]
        self._looks.keep(first, rest)
        return ended

    def _tracks(self, match: IntArray, seen: _Seen, ended: list[IntArray]) -> Tracks:
        n = self._filter.n
        boxes = self._filter.corners()
        rows = (match >= 0).nonzero()[0]
        found = match[rows]
        boxes[:, rows] = seen.corners[:, found]
        detection = np.full(n, -1, np.int64)
        detection[rows] = seen.row[found]
        return Tracks(
            self._book[_ID, :n].astype(np.uint32),
            np.ascontiguousarray(boxes.T),
            self._scores[:n].copy(),
            detection,
            self._book[_CONFIRMED, :n] > 0,
            np.concatenate((_NONE, *ended)).astype(np.uint32),
        )
