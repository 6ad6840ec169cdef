"""Walks as sequences of silhouettes, whatever they are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.types import IntArray, UInt8Array

SIZE = (64, 44)
"""Rows and columns of a silhouette, as `reid_ros.silhouette.SIZE`."""
NORMAL, BAG, COAT = 'normal', 'bag', 'coat'
CONDITIONS = (NORMAL, BAG, COAT)

Rules = Literal['views', 'retrieval']


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of n walks.

    Attributes:
        people: (n,) int64.
        views: (n,) int64 degrees, or any number that names a camera.
        conditions: n words, such as 'normal'.
        walks: (n,) int64: which of the person's walks in that condition.
    """

    people: IntArray
    views: IntArray
    conditions: tuple[str, ...]
    walks: IntArray

    def __len__(self) -> int:
        return len(self.people)

    def of(self, rows: IntArray) -> Labels:
        """Of some of the walks."""
        return Labels(
            self.people[rows],
            self.views[rows],
            tuple(self.conditions[row] for row in rows.tolist()),
            self.walks[rows],
        )


class Walks(Protocol):
    """Walks whose person is known."""

    @property
    def labels(self) -> Labels:
        """Of each walk."""

    @property
    def lengths(self) -> IntArray:
        """(n,) frames of each, at least 1; files are all read for it."""

    def length(self, row: int) -> int:
        """Frames that one walk has."""

    def frames(self, row: int, which: IntArray) -> UInt8Array:
        """(t, 64, 44) 0 to 255, the frames of one walk with these numbers."""


@dataclass(frozen=True, slots=True)
class Question:
    """Some walks that are searched among others.

    Attributes:
        name: the condition of the probes.
        probes, gallery: (n,) rows of the walks.
    """

    name: str
    probes: IntArray
    gallery: IntArray


@dataclass(frozen=True, slots=True)
class GaitTrial:
    """What is scored: whose walk is each probe?

    Attributes:
        walks: all of them.
        questions: at least one.
        rules: 'views' compares each view of the probes with each other view of the gallery, as in
            CASIA-B; 'retrieval' with the whole gallery, as in Gait3D.
    """

    walks: Walks
    questions: tuple[Question, ...]
    rules: Rules = 'views'

    def __post_init__(self) -> None:
        for question in self.questions:
            if not len(question.probes) or not len(question.gallery):
                raise DataError(
                    f'{question.name}: {len(question.probes)} probes and {len(question.gallery)} '
                    'walks in the gallery: nothing to score'
                )
        if not self.questions:
            raise DataError('no probe: nothing to score')


class Joined:
    """Several sources as one; their people differ."""

    def __init__(self, sources: Sequence[Walks]) -> None:
        """Join; labels of people become 0, 1, ... without gaps."""
        if not sources:
            raise DataError('data.train: names no set; nothing to learn from')
        self._sources = list(sources)
        self._ends = np.cumsum([len(source.labels) for source in sources])
        people = []
        first = 0
        for source in sources:
            dense = np.unique(source.labels.people, return_inverse=True)[1].reshape(-1)
            people.append(dense.astype(np.int64) + first)
            first += int(dense.max(initial=-1)) + 1
        self.labels = Labels(
            np.concatenate(people),
            np.concatenate([source.labels.views for source in sources]),
            tuple(word for source in sources for word in source.labels.conditions),
            np.concatenate([source.labels.walks for source in sources]),
        )
        self.people = first

    @property
    def lengths(self) -> IntArray:
        """(n,) frames of each, at least 1; files are all read for it."""
        return np.concatenate([source.lengths for source in self._sources])

    def length(self, row: int) -> int:
        """Frames that one walk has."""
        source, at = self._place(row)
        return source.length(at)

    def frames(self, row: int, which: IntArray) -> UInt8Array:
        """(t, 64, 44) 0 to 255, the frames of one walk with these numbers."""
        source, at = self._place(row)
        return source.frames(at, which)

    def _place(self, row: int) -> tuple[Walks, int]:
        number = int(np.searchsorted(self._ends, row, 'right'))
        begin = int(self._ends[number - 1]) if number else 0
        return self._sources[number], row - begin
