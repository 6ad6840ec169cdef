"""Tracklets to learn from or to be scored on, whatever they are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from reid_ros.evaluate.retrieval import Protocol as Rules
from reid_ros.types import IntArray, ReidError, UInt8Array


class DataError(ReidError):
    """Data that is missing, or not laid out as expected."""


class Source(Protocol):
    """Tracklets whose person is known."""

    @property
    def people(self) -> IntArray:
        """(n,) whom each tracklet shows."""

    @property
    def cameras(self) -> IntArray:
        """(n,) who filmed it."""

    @property
    def lengths(self) -> IntArray:
        """(n,) frames it has, at least 1."""

    def frames(self, row: int, which: IntArray) -> UInt8Array:
        """(t, h, w, 3) BGR, the frames of one tracklet with these numbers."""


@runtime_checkable
class Grouped(Protocol):
    """A source some of whose people are hard to tell apart."""

    groups: IntArray
    """(n,) people of one number belong into one batch."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is scored: who among the gallery is each query?

    Attributes:
        query, gallery: one and the same object where everybody is searched among the others.
        rules: which candidates exist for a query.
    """

    query: Source
    gallery: Source
    rules: Rules


class Joined:
    """Several sources as one; people and cameras of different ones differ."""

    def __init__(self, sources: Sequence[Source]) -> None:
        """Join; labels of people become 0, 1, ... without gaps."""
        if not sources:
            raise DataError('data.train: names no set; nothing to learn from')
        self._sources = list(sources)
        counts = [len(source.people) for source in sources]
        self._ends = np.cumsum(counts)
        people, cameras, groups = [], [], []
        p = c = 0
        for source in sources:
            dense = np.unique(source.people, return_inverse=True)[1].reshape(-1)
            people.append(dense + p)
            cameras.append(source.cameras + c)
            alike = source.groups if isinstance(source, Grouped) else source.people
            _, first, group = np.unique(alike, return_index=True, return_inverse=True)
            groups.append(dense[first][group.reshape(-1)] + p)  # the number of one of its people
            p += int(dense.max(initial=-1)) + 1
            c += int(source.cameras.max(initial=-1)) + 1
        self.people: IntArray = np.concatenate(people)
        self.cameras: IntArray = np.concatenate(cameras)
        self.groups: IntArray = np.concatenate(groups)
        self.lengths: IntArray = np.concatenate([source.lengths for source in sources])

    def frames(self, row: int, which: IntArray) -> UInt8Array:
        """(t, h, w, 3) BGR, the frames of one tracklet with these numbers."""
        number = int(np.searchsorted(self._ends, row, 'right'))
        begin = int(self._ends[number - 1]) if number else 0
        return self._sources[number].frames(row - begin, which)
