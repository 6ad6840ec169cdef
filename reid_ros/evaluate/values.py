"""Rows of truth and of results, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.types import AnyArray, BoolArray, DoubleArray, IntArray, ReidError


class EvaluateError(ReidError):
    """Truth or results that cannot be scored: says where and what to do."""


def checked(kind: str, length: int, columns: dict[str, AnyArray]) -> None:
    """Refuse columns that are not (length,), or boxes that are not finite (length, 4).

    Raises:
        ValueError: names the column and its shape.
        EvaluateError: a box is not finite.
    """
    for name, column in columns.items():
        shape = (length, 4) if name == 'boxes' else (length,)
        if column.shape != shape:
            raise ValueError(f'{kind}: {name} has shape {column.shape}, expected {shape}')
    wrong = np.flatnonzero(~np.isfinite(columns['boxes']).all(axis=1))
    if len(wrong):
        raise EvaluateError(
            f'{kind}: the box of row {wrong[0]} (of {length}) is {columns["boxes"][wrong[0]]}: '
            'boxes are four finite pixel coordinates'
        )


@dataclass(frozen=True, slots=True)
class Boxes:
    """Who is where in which image: one row per box, in any order.

    Attributes:
        camera: (n,) int64, number of the camera.
        frame: (n,) int64, number or stamp of the image: the same for truth and results.
        ids: (n,) int64, number of the person (or track), over all cameras.
        boxes: (n, 4) float64 pixels, corners x0 y0 x1 y1.
        ignored: (n,) bool, of truth: a result on this box is neither right nor wrong, and
            nobody misses it. None = no row.
    """

    camera: IntArray
    frame: IntArray
    ids: IntArray
    boxes: DoubleArray
    ignored: BoolArray | None = None

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in ('camera', 'frame', 'ids', 'boxes')}
        if self.ignored is not None:
            columns['ignored'] = self.ignored
        checked('Boxes', len(self.ids), columns)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: AnyArray) -> Boxes:
        """Some of the rows: their numbers, or a mask."""
        ignored = None if self.ignored is None else self.ignored[rows]
        return Boxes(
            self.camera[rows], self.frame[rows], self.ids[rows], self.boxes[rows], ignored
        )

    @staticmethod
    def none() -> Boxes:
        """No box at all."""
        numbers = np.empty(0, np.int64)
        return Boxes(numbers, numbers, numbers, np.empty((0, 4)))


@dataclass(frozen=True, slots=True)
class People:
    """Who truly is where: one row per person and image.

    Attributes:
        camera, frame, ids, boxes: as in Boxes.
        stamp_ns: (n,) int64, time of the image.
        visible: (n,) float64, 0 to 1, share of the person that can be seen.
    """

    camera: IntArray
    frame: IntArray
    ids: IntArray
    boxes: DoubleArray
    stamp_ns: IntArray
    visible: DoubleArray

    def __post_init__(self) -> None:
        names = ('camera', 'frame', 'ids', 'boxes', 'stamp_ns', 'visible')
        checked('People', len(self.ids), {name: getattr(self, name) for name in names})

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: AnyArray) -> People:
        """Some of the rows: their numbers, or a mask."""
        return People(
            self.camera[rows], self.frame[rows], self.ids[rows], self.boxes[rows],
            self.stamp_ns[rows], self.visible[rows],
        )  # fmt: skip

    def as_boxes(self, least_visible: float = 0.0) -> Boxes:
        """The rows for tracking scores; people of whom less can be seen are ignored."""
        return Boxes(self.camera, self.frame, self.ids, self.boxes, self.visible < least_visible)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a run published: one row per track that was seen in an image.

    Attributes:
        camera, frame, boxes: as in Boxes.
        stamp_ns: (n,) int64, time of the image.
        tracks: (n,) int64, number of the track within its camera.
        persons: (n,) int64, number of the person over all cameras, 0 = undecided.
        confirmed: (n,) bool, False while the person is provisional or undecided.
    """

    camera: IntArray
    frame: IntArray
    boxes: DoubleArray
    stamp_ns: IntArray
    tracks: IntArray
    persons: IntArray
    confirmed: BoolArray

    def __post_init__(self) -> None:
        names = ('camera', 'frame', 'boxes', 'stamp_ns', 'tracks', 'persons', 'confirmed')
        checked('Answers', len(self.tracks), {name: getattr(self, name) for name in names})

    def __len__(self) -> int:
        return len(self.tracks)

    def take(self, rows: AnyArray) -> Answers:
        """Some of the rows: their numbers, or a mask."""
        return Answers(
            self.camera[rows], self.frame[rows], self.boxes[rows], self.stamp_ns[rows],
            self.tracks[rows], self.persons[rows], self.confirmed[rows],
        )  # fmt: skip

    def as_boxes(self) -> Boxes:
        """The rows that name a person, for tracking scores."""
        named = self.persons > 0
        return Boxes(self.camera[named], self.frame[named], self.persons[named], self.boxes[named])
