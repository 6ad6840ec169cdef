"""Whole pictures and who stands where in them, whatever they are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.train.search.oim import UNKNOWN
from reid_ros.types import BoolArray, FloatArray, IntArray, UInt8Array


@dataclass(frozen=True, slots=True)
class Standing:
    """Who stands where in n pictures.

    Attributes:
        starts: (n + 1,) int64, first box of each picture; the last is the number of boxes.
        boxes: (m, 4) float32 x0 y0 x1 y1, pixels of the pictures as a network sees them.
        people: (m,) int64, UNKNOWN of whom only the box is known.
        cameras: (n,) int64.
        labelled: (n,) whether everybody in a picture has a box; else none has.
    """

    starts: IntArray
    boxes: FloatArray
    people: IntArray
    cameras: IntArray
    labelled: BoolArray

    def __post_init__(self) -> None:
        n, m = len(self.cameras), len(self.people)
        fits = len(self.starts) == n + 1 and self.starts[0] == 0 and self.starts[-1] == m
        if not (fits and self.boxes.shape == (m, 4) and len(self.labelled) == n):
            raise DataError(
                f'{n} pictures, {m} people, boxes {self.boxes.shape} and {len(self.starts)} '
                'starts do not fit each other'
            )

    def __len__(self) -> int:
        return len(self.cameras)

    @property
    def pictures(self) -> IntArray:
        """(m,) number of each box' picture."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def of(self, rows: IntArray) -> Standing:
        """Of some pictures, in this order."""
        spans = [slice(int(self.starts[row]), int(self.starts[row + 1])) for row in rows]
        empty = np.empty(0, np.int64)
        every = np.concatenate([empty, *(np.arange(s.start, s.stop) for s in spans)])
        counts = [s.stop - s.start for s in spans]
        return Standing(
            np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
            self.boxes[every], self.people[every], self.cameras[rows], self.labelled[rows],
        )  # fmt: skip


class Pictures(Protocol):
    """Pictures whose people are known."""

    @property
    def standing(self) -> Standing:
        """Who stands where."""

    def image(self, row: int) -> UInt8Array:
        """(h, w, 3) BGR, as a network sees it."""


@dataclass(frozen=True, slots=True)
class SearchTrial:
    """What is scored: where is each query in its gallery?

    Attributes:
        pictures: all of them.
        queries: (q,) rows of the boxes that are searched.
        gallery: of each query, the pictures in which it is searched; never its own.
    """

    pictures: Pictures
    queries: IntArray
    gallery: Sequence[IntArray]

    def __post_init__(self) -> None:
        if not len(self.queries) or len(self.queries) != len(self.gallery):
            raise DataError(
                f'{len(self.queries)} queries and {len(self.gallery)} galleries: nothing to score'
            )


class Joined:
    """Several sources as one; their people and cameras differ.

    Attributes:
        standing: labels of people are 0, 1, ... without gaps.
        people: how many there are with a label.
    """

    def __init__(self, sources: Sequence[Pictures]) -> None:
        """Join."""
        if not sources:
            raise DataError('data.train: names no set; nothing to learn from')
        self._sources = list(sources)
        parts = [source.standing for source in self._sources]
        self._ends = np.cumsum([len(part) for part in parts])
        people, cameras, starts = [], [], [np.zeros(1, np.int64)]
        first = camera = boxes = 0
        for part in parts:
            own = part.people.copy()
            known = own != UNKNOWN
            own[known] = np.unique(own[known], return_inverse=True)[1].reshape(-1) + first
            first = max(first, int(own.max(initial=-1)) + 1)
            people.append(own)
            cameras.append(part.cameras + camera)
            camera += int(part.cameras.max(initial=-1)) + 1
            starts.append(part.starts[1:] + boxes)
            boxes += len(own)
        self.people = first
        self.standing = Standing(
            np.concatenate(starts),
            np.concatenate([part.boxes for part in parts]),
            np.concatenate(people),
            np.concatenate(cameras),
            np.concatenate([part.labelled for part in parts]),
        )
        if not len(self.standing):
            raise DataError('data.train: its sets hold no picture; nothing to learn from')

    def image(self, row: int) -> UInt8Array:
        """(h, w, 3) BGR, as a network sees it."""
        number = int(np.searchsorted(self._ends, row, 'right'))
        return self._sources[number].image(row - int(self._ends[number - 1] if number else 0))
