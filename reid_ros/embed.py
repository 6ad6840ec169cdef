"""Which tracks are worth a look, and the unit vectors of their crops."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from reid_ros import boxes as geometry
from reid_ros.card import Card
from reid_ros.config import EmbedConfig
from reid_ros.images import frames_batch, normalise
from reid_ros.types import AnyArray, BoolArray, Detections, FloatArray, Frame, IntArray, Tracks

NS = 1_000_000_000
FIRST_CROPS = 8
"""A new track is looked at this often before it counts as settled."""
FIRST_PERIOD_S = 0.1
"""Seconds between the looks at a new, improving or soon hidden track."""
CUT = 0.3
"""What is left of the quality where the image cuts a person: halves of two people look alike."""
BETTER = 1.25
"""A crop of this many times the best quality so far is clearly better."""
LEARN_QUALITY = 0.3
"""Crops of lower quality are compared but not learnt."""
GATE = 0.15
"""Crops of lower quality are not embedded at all."""
NEAR = (0.03, 0.3)
"""A neighbour that covers this share of a box is about to hide it: the last clean crops."""
FULL_HEIGHT_PX = 128.0
"""Half the height of a network's input: less is blurred by enlarging it."""


def quality(
    tracks: Tracks,
    width: int,
    height: int,
    min_height_px: int,
    cover: FloatArray | None = None,
) -> FloatArray:
    """(n,) 0 to 1, how well each track's box shows one whole person; 0 where it is predicted.

    The product of: height against 128 pixels, the part not covered by people who stand nearer
    (their box ends lower), a penalty where the image cuts the box, one for a shape that is no
    standing person, and the detector's score.

    Args:
        tracks: of one image.
        width, height: of the image, pixels.
        min_height_px: lower boxes have no quality.
        cover: what `boxes.cover` says of the tracks' boxes; None asks it.
    """
    boxes = tracks.boxes
    n = len(boxes)
    result = np.zeros(n, np.float32)
    seen = np.flatnonzero(tracks.detection >= 0)
    if not len(seen):
        return result
    boxes = boxes[seen]
    sides = boxes[:, 2:] - boxes[:, :2]
    tall = sides[:, 1]
    covered = np.zeros(len(seen), np.float32)
    if len(seen) > 1:
        share = geometry.cover(boxes) if cover is None else cover[np.ix_(seen, seen)]
        nearer = boxes[None, :, 3] > boxes[:, None, 3]
        covered = np.where(nearer, share, 0.0).max(axis=1)
    margin = 0.01 * tall
    cut_low = boxes[:, 3] > height - margin
    cut_side = (boxes[:, 0] < margin) | (boxes[:, 2] > width - margin)
    shape = sides[:, 0] / np.maximum(tall, 1.0)
    value = np.sqrt(np.minimum(tall / FULL_HEIGHT_PX, 1.0)) * (1.0 - covered)
    value *= np.where(cut_low, CUT, 1.0) * np.where(cut_side, CUT, 1.0)
    value *= np.where((shape > 0.2) & (shape < 0.8), 1.0, 0.7)
    value *= np.clip(tracks.scores[seen], 0.0, 1.0)
    value[tall < min_height_px] = 0.0
    result[seen] = value
    return result


NEW, HIDING, BETTER_NOW, YOUNG = 8.0, 4.0, 1.0, 2.0
"""How urgent it is to look at a track that nobody looked at yet, that is about to be hidden, that
shows itself better than ever, or that was looked at once, in periods for which another has waited.
"""


@dataclass(slots=True)
class _Looked:
    count: int = 0
    best: float = 0.0
    near: bool = False
    last_ns: int = -(1 << 62)
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Tracks of one camera that are due for a vector.

    Attributes:
        rows: (k,) of the tracks.
        urgency: (k,) float32, the higher the sooner.
        fresh: (k,) bool, False where the same was asked for before, and not given.
    """

    rows: IntArray
    urgency: FloatArray
    fresh: BoolArray


class Schedule:
    """Says which tracks of one camera are due for a vector.

    A track is due when it is new, when a clearly better crop arrives, once when a neighbour begins
    to hide it, and otherwise once a period. All by stamps, so a replay asks for the
    same crops.
    """

    def __init__(self, config: EmbedConfig) -> None:
        self._config = config
        self._looked: dict[int, _Looked] = {}
        self._near: dict[int, bool] = {}

    def due(
        self,
        tracks: Tracks,
        qualities: FloatArray,
        stamp_ns: int,
        cover: FloatArray | None = None,
    ) -> IntArray:
        """Rows of the tracks to embed now; they count as looked at."""
        rows = self.wanted(tracks, qualities, stamp_ns, cover).rows
        self.look(tracks, qualities, stamp_ns, rows)
        return rows

    def wanted(
        self,
        tracks: Tracks,
        qualities: FloatArray,
        stamp_ns: int,
        cover: FloatArray | None = None,
    ) -> Wanted:
        """The tracks that are due; those that are not given to `look` stay due."""
        for number in tracks.ended.tolist():
            self._looked.pop(number, None)
        candidates = np.flatnonzero((qualities >= GATE) & tracks.confirmed)
        rows: list[int] = []
        urgency: list[float] = []
        fresh: list[bool] = []
        self._near.clear()
        if len(candidates):
            share = geometry.cover(tracks.boxes) if cover is None else cover
            most = share[candidates].max(axis=1)
            crowded = (most > NEAR[0]) & (most < NEAR[1])
            numbers = tracks.ids.tolist()
            for row, near in zip(candidates.tolist(), crowded.tolist()):
                looked = self._looked.setdefault(numbers[row], _Looked())
                value = float(qualities[row])
                if self._is_due(looked, value, stamp_ns, near):
                    rows.append(row)
                    urgency.append(self._urgency(looked, value, stamp_ns, near))
                    fresh.append(not looked.waits)
                    looked.waits = True
                    self._near[row] = near
                else:
                    looked.near = near
        return Wanted(
            np.array(rows, np.int64), np.array(urgency, np.float32), np.array(fresh, np.bool_)
        )

    def look(self, tracks: Tracks, qualities: FloatArray, stamp_ns: int, rows: IntArray) -> None:
        """Tracks that were just wanted get their vectors."""
        for row in rows.tolist():
            looked = self._looked[int(tracks.ids[row])]
            looked.count += 1
            looked.best = max(looked.best, float(qualities[row]))
            looked.near, looked.last_ns, looked.waits = self._near[row], stamp_ns, False

    def _is_due(self, looked: _Looked, value: float, stamp_ns: int, near: bool) -> bool:
        waited_s = (stamp_ns - looked.last_ns) / NS
        if waited_s >= self._config.period_s:
            return True
        hurry = looked.count < FIRST_CROPS or value > BETTER * looked.best
        hurry = hurry or (near and not looked.near)
        return hurry and waited_s >= FIRST_PERIOD_S

    def _urgency(self, looked: _Looked, value: float, stamp_ns: int, near: bool) -> float:
        if not looked.count:
            return NEW
        result = (stamp_ns - looked.last_ns) / NS / max(self._config.period_s, FIRST_PERIOD_S)
        if near and not looked.near:
            result += HIDING
        if value > BETTER * looked.best:
            result += BETTER_NOW
        return result + YOUNG * max(1.0 - looked.count / FIRST_CROPS, 0.0)


class Encoder(Protocol):
    """What turns crops into vectors: a network (`model.Model`), or what is built in.

    Attributes:
        card: says what the crops must look like and how long the vectors are.
        path: file of the network, or of the card where there is none.
        provider: what runs it.
        fallback_reason: why that is not what was asked for, '' where it is.
    """

    card: Card
    path: Path
    provider: str
    fallback_reason: str

    @property
    def checksum(self) -> str:
        """Says which vectors can be compared."""

    def infer(self, batch: AnyArray) -> list[AnyArray]:
        """Vectors, (n, d) first, of the n crops that `images.normalise` made ready."""


class Embedder:
    """Crops of people to unit vectors, one batch over all cameras."""

    def __init__(self, model: Encoder) -> None:
        self.model = model

    def vectors(self, wanted: Sequence[tuple[Frame, FloatArray]]) -> list[FloatArray]:
        """(k, d) float32 unit vectors of each frame's (k, 4) boxes; nan where a network fails."""
        spec = self.model.card.input
        counts = [len(boxes) for _, boxes in wanted]
        total = sum(counts)
        if not total:
            return [np.empty((0, 0), np.float32) for _ in wanted]
        batch = frames_batch(wanted, spec)
        output = np.asarray(self.model.infer(normalise(batch, spec))[0], np.float32)
        output = output.reshape(total, -1)
        lengths = np.linalg.norm(output, axis=1, keepdims=True)
        with np.errstate(invalid='ignore', divide='ignore'):
            unit = output / lengths
        ends = np.cumsum(counts)[:-1]
        return [np.ascontiguousarray(part) for part in np.split(unit, ends)]


class Glances:
    """Vectors of one frame's detections, each made when it is first asked for.

    Attributes:
        frame, boxes: the image and the (n, 4) detections in it.
        spent_s: seconds that calling it took.
    """

    def __init__(
        self,
        frame: Frame,
        found: Detections,
        embedder: Embedder | None,
        allowed: Callable[[int], int] | None = None,
    ) -> None:
        """Nothing was looked at yet.

        Args:
            frame: the image.
            found: the detections in it.
            embedder: makes the vectors; None where nobody does.
            allowed: how many of so many may be made when called; None: all.
        """
        self.frame, self.boxes = frame, found.boxes
        self._allowed = allowed
        self.spent_s = 0.0
        self._embedder = embedder
        self._vectors = found.vectors
        self._has = np.full(len(found), found.vectors is not None, np.bool_)

    def __call__(self, rows: IntArray) -> FloatArray:
        """(k, d) vectors of the detections in rows; of NaN where that is not allowed."""
        start = time.perf_counter()
        some = rows
        if self._allowed is not None:
            some = self.missing(rows)
            some = some[: self._allowed(len(some))] if len(some) else some
        result = look_at(self._embedder, [self], [some])[0]
        if self._allowed is not None:
            result = self._with_gaps(rows)
        self.spent_s += time.perf_counter() - start
        return result

    def _with_gaps(self, rows: IntArray) -> FloatArray:
        if self._vectors is None and self._embedder is not None:
            length = self._embedder.model.card.output.vector
            self._vectors = np.full((len(self._has), length), np.nan, np.float32)
        return self.known(rows)

    def missing(self, rows: IntArray) -> IntArray:
        """The rows that have no vector yet."""
        result: IntArray = rows[~self._has[rows]]
        return result

    def fill(self, rows: IntArray, vectors: FloatArray) -> None:
        """Remember the vectors of rows."""
        if self._vectors is None:
            self._vectors = np.full((len(self._has), vectors.shape[1]), np.nan, np.float32)
        self._vectors[rows] = vectors
        self._has[rows] = True

    def known(self, rows: IntArray) -> FloatArray:
        """(k, d) the vectors of rows; (k, 0) where no row ever had one."""
        if self._vectors is None:
            return np.empty((len(rows), 0), np.float32)
        result: FloatArray = self._vectors[rows]
        return result


def look_at(
    embedder: Embedder | None, glances: Sequence[Glances], rows: Sequence[IntArray]
) -> list[FloatArray]:
    """(k, d) vectors of some detections of each frame; those not known yet in one batch."""
    if embedder is not None:
        missing = [glance.missing(wanted) for glance, wanted in zip(glances, rows)]
        wanted = [(g.frame, g.boxes[some]) for g, some in zip(glances, missing)]
        for glance, some, vectors in zip(glances, missing, embedder.vectors(wanted)):
            if len(some):
                glance.fill(some, vectors)
    return [glance.known(wanted) for glance, wanted in zip(glances, rows)]
