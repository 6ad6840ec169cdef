"""What an exported network is worth: found again, and how sure, on people of validation sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from reid_ros.calibration import Calibration, CalibrationError
from reid_ros.evaluate.retrieval import Samples, retrieve_vectors
from reid_ros.train.clips import Source, Trial
from reid_ros.train.sampling import even
from reid_ros.types import AnyArray, BoolArray, FloatArray, IntArray, UInt8Array

Run = Callable[[UInt8Array], FloatArray]
"""(n, h, w, 3) crops or (n, t, h, w, 3) clips -> (n, d) vectors of any length."""
GATE = 0.15
"""Crops of lower quality count for nothing, as in `embed`, unless a tracklet has no better."""
TRACKS = 2000
"""Most tracklets of a set that a calibration compares; whole people are left out beyond."""
TWICE = 20
"""Fewer people than this say too little of two tracks of one person in one camera."""
_BATCH = 16  # tracklets


@runtime_checkable
class Graded(Protocol):
    """A source that knows how good its crops are."""

    quality: AnyArray
    """(n, t) 0 to 1."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a network makes of the tracklets of a source.

    Attributes:
        crops: (n, f, d) float32 unit vectors; one of each tracklet for a network of clips.
        weights: (n, f) what each counts, above 0 for at least one of a tracklet.
        people, cameras: (n,) of the source.
    """

    crops: FloatArray
    weights: AnyArray
    people: IntArray
    cameras: IntArray

    @staticmethod
    def of(run: Run, source: Source, frames: int, clip: int = 0) -> Seen:
        """Look at a source.

        Args:
            run: the network.
            source: the tracklets.
            frames: of each that are looked at, evenly spaced.
            clip: frames of a clip for a network of clips; 0 = single crops.
        """
        number = len(source.people)
        rows = [even(int(length), clip or frames) for length in source.lengths.tolist()]
        found = []
        for start in range(0, number, _BATCH):
            some = range(start, min(start + _BATCH, number))
            images = np.stack([source.frames(row, rows[row]) for row in some])
            vectors = run(images if clip else images.reshape(-1, *images.shape[2:]))
            found.append(vectors.reshape(len(some), -1, vectors.shape[1]))
        crops = _unit(np.concatenate(found))
        return Seen(crops, _weights(source, rows, crops.shape[1]), source.people, source.cameras)

    @property
    def vectors(self) -> FloatArray:
        """(n, d) unit vectors of whole tracklets: the means of their crops' by quality."""
        return _unit(np.einsum('nfd,nf->nd', self.crops, self.weights))

    def half(self, second: bool) -> FloatArray:
        """(n, d) unit vectors of the first or second half of each tracklet, by quality."""
        middle = self.crops.shape[1] // 2
        part = slice(middle, None) if second else slice(middle)
        # A half of bad crops alone is still a half.
        weights = self.weights[:, part] + 1e-6
        return _unit(np.einsum('nfd,nf->nd', self.crops[:, part], weights))


def _weights(source: Source, rows: Sequence[IntArray], width: int) -> AnyArray:
    if width == 1 or not isinstance(source, Graded):
        return np.ones((len(rows), width), np.float32)
    quality = np.stack([source.quality[k, chosen] for k, chosen in enumerate(rows)])
    best = quality.max(axis=1, keepdims=True)
    kept = np.where((quality >= GATE) | (quality == best), quality, 0.0)
    weights: AnyArray = np.where(best > 0, kept, 1.0).astype(np.float32)
    return weights


def _unit(vectors: AnyArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: FloatArray = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return result


@dataclass(frozen=True, slots=True)
class Looked:
    """Both sides of a trial as a network sees them; one and the same where they are one source."""

    query: Seen
    gallery: Seen


def look(run: Run, trials: Mapping[str, Trial], frames: int, clip: int = 0) -> dict[str, Looked]:
    """What a network makes of each trial; arguments as of `Seen.of`."""
    result = {}
    for name, trial in trials.items():
        query = Seen.of(run, trial.query, frames, clip)
        same = trial.gallery is trial.query
        gallery = query if same else Seen.of(run, trial.gallery, frames, clip)
        result[name] = Looked(query, gallery)
    return result


def scores(
    trials: Mapping[str, Trial], looked: Mapping[str, Looked]
) -> dict[str, dict[str, float]]:
    """rank-1 and mAP of each trial, percent.

    Raises:
        ProtocolError: a trial whose queries have no answer.
    """
    result = {}
    for name, seen in looked.items():
        query, gallery = (Samples(s.people, s.cameras) for s in (seen.query, seen.gallery))
        found = retrieve_vectors(
            seen.query.vectors, seen.gallery.vectors, query, gallery, trials[name].rules
        ).scores()
        result[name] = {key: round(100 * found[key], 2) for key in ('rank-1', 'mAP')}
    return result


def calibration(trials: Mapping[str, Trial], looked: Mapping[str, Looked]) -> Calibration:
    """What angles between tracks mean, from the people of trials.

    Where hardly anybody was filmed twice by one camera, the two halves of a tracklet stand for
    two tracks of one person before one camera.

    Raises:
        CalibrationError: too few people.
    """
    if not looked:
        raise CalibrationError('data.validation names no set')
    table = _Table()
    for name, seen in looked.items():
        rules = trials[name].rules
        sides = [seen.query] if seen.query is seen.gallery else [seen.query, seen.gallery]
        people = np.concatenate([side.people for side in sides])
        kept = few(
            people, [label for label in (rules.junk, rules.distractor) if label is not None]
        )
        people = np.unique(people[kept], return_inverse=True)[1].reshape(-1) + table.people
        cameras = np.concatenate([side.cameras for side in sides])[kept]
        table.add([side.vectors for side in sides], kept, people, cameras, np.zeros_like(people))
        halves = sides[0].crops.shape[1] > 1 and _twice(people, cameras) < TWICE
        if halves:
            alone = np.arange(len(people))  # each tracklet is compared with itself only
            for second in (False, True):
                parts = [side.half(second) for side in sides]
                table.add(parts, kept, people, cameras, alone, new=not second)
    return Calibration.of(*table.columns)


class _Table:
    """Vectors, people, cameras and sites of several sets, whose people all differ."""

    def __init__(self) -> None:
        self._rows: list[tuple[AnyArray, ...]] = []
        self._base = self._next = self.people = 0

    def add(
        self, vectors: Sequence[FloatArray], kept: BoolArray, people: IntArray, cameras: IntArray,
        sites: IntArray, new: bool = True,
    ) -> None:  # fmt: skip
        """Add rows; `sites` count from 0 in a new group, as in the last one without `new`."""
        if new:
            self._base = self._next
        self._rows.append((np.concatenate(vectors)[kept], people, cameras, sites + self._base))
        self._next = max(self._next, self._base + int(sites.max(initial=-1)) + 1)
        self.people = max(self.people, int(people.max(initial=-1)) + 1)

    @property
    def columns(self) -> list[AnyArray]:
        """As `Calibration.of` takes them."""
        return [np.concatenate(column) for column in zip(*self._rows)]


def few(people: IntArray, nobody: Sequence[int] = ()) -> BoolArray:
    """(n,) which rows: of so many people, evenly chosen, that they have at most TRACKS of them.

    Args:
        people: (n,) whom each row shows.
        nobody: numbers that stand for no person.
    """
    found, counts = np.unique(people[~np.isin(people, nobody)], return_counts=True)
    step = max(1, -(-int(counts.sum()) // TRACKS))
    chosen: BoolArray = np.isin(people, found[::step])
    return chosen


def _twice(people: IntArray, cameras: IntArray) -> int:
    """How many people have two tracklets in one camera."""
    pairs, counts = np.unique(np.stack([people, cameras]), axis=1, return_counts=True)
    return len(np.unique(pairs[0, counts > 1]))
