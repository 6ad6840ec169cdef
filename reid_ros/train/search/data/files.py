"""Pictures that lie in a folder; one is decoded when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from reid_ros.boxes import letterbox
from reid_ros.train.clips import DataError
from reid_ros.train.search.data.pictures import Standing
from reid_ros.train.search.data.world import FIT, fitted
from reid_ros.types import BoolArray, FloatArray, IntArray, UInt8Array
from reid_ros.world.seeds import generator


class Part(NamedTuple):
    """Pictures of a data set.

    Attributes:
        folder: where they lie.
        files: relative to it.
        standing: who stands where, pixels of the files.
    """

    folder: Path
    files: tuple[str, ...]
    standing: Standing

    def of(self, rows: IntArray) -> Part:
        """Some of them, in this order."""
        return Part(
            self.folder, tuple(self.files[row] for row in rows.tolist()), self.standing.of(rows)
        )


class Rows(NamedTuple):
    """Boxes of one picture.

    Attributes:
        boxes: (k, 4) float32 x0 y0 x1 y1, pixels of the file.
        people: (k,) int64, UNKNOWN of whom only the box is known.
        camera: from 0.
    """

    boxes: FloatArray
    people: IntArray
    camera: int


def part(folder: Path, rows: Mapping[str, Rows], labelled: bool = True) -> Part:
    """Pictures and their boxes, by name of the file."""
    counts = [len(one.people) for one in rows.values()]
    empty = np.empty((0, 4), np.float32)
    standing = Standing(
        np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
        np.concatenate([empty, *(one.boxes for one in rows.values())]).astype(np.float32),
        np.concatenate([np.empty(0, np.int64), *(one.people for one in rows.values())]),
        np.array([one.camera for one in rows.values()], np.int64),
        np.full(len(rows), labelled),
    )
    return Part(folder, tuple(rows), standing)


class Files:
    """Pictures of a part, brought to one size.

    Attributes:
        standing: who stands where, pixels of that size.
    """

    def __init__(self, given: Part, size: tuple[int, int]) -> None:
        """Look at the size of each file; nothing is decoded yet.

        Args:
            given: the pictures.
            size: height and width, pixels.

        Raises:
            DataError: a file that is no picture.
        """
        self._given, self._size = given, size
        where = given.standing
        boxes = where.boxes.copy()
        height, width = size
        for row in np.flatnonzero(np.diff(where.starts)).tolist():
            own = slice(int(where.starts[row]), int(where.starts[row + 1]))
            tall, wide = _size(given.folder / given.files[row])
            place = letterbox(wide, tall, width, height, FIT)
            limit = np.array([wide, tall, wide, tall], np.float32)
            boxes[own] = place.to_input(np.clip(boxes[own], 0, limit))
        self.standing = Standing(where.starts, boxes, where.people, where.cameras, where.labelled)

    def image(self, row: int) -> UInt8Array:
        """(h, w, 3) BGR, as a network sees it.

        Raises:
            DataError: the file cannot be read.
        """
        path = self._given.folder / self._given.files[row]
        try:
            found = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        except (OSError, cv2.error) as error:
            raise DataError(f'{path} cannot be read: {error}') from error
        if found is None:
            raise DataError(f'{path} is no picture, or a damaged one: unpack the archive again')
        return fitted(np.asarray(found, np.uint8), self._size, np.empty((0, 4), np.float32))[0]


def _size(path: Path) -> tuple[int, int]:
    """Height and width of a picture, from the first bytes of a JPEG or PNG where they tell."""
    try:
        with path.open('rb') as file:
            head = file.read(32)
            if head[:8] == b'\x89PNG\r\n\x1a\n':
                return int.from_bytes(head[20:24], 'big'), int.from_bytes(head[16:20], 'big')
            if head[:2] == b'\xff\xd8':
                file.seek(2)
                while (mark := file.read(4))[:1] == b'\xff' and len(mark) == 4:
                    # Start of frame: all kinds but the tables of DHT, JPG and DAC.
                    if 0xC0 <= mark[1] <= 0xCF and mark[1] not in (0xC4, 0xC8, 0xCC):
                        body = file.read(5)
                        return int.from_bytes(body[1:3], 'big'), int.from_bytes(body[3:5], 'big')
                    file.seek(int.from_bytes(mark[2:4], 'big') - 2, os.SEEK_CUR)
    except OSError as error:
        raise DataError(f'{path} cannot be read: {error.strerror}') from error
    found = cv2.imread(os.fspath(path))
    if found is None:
        raise DataError(f'{path} is no picture, or a damaged one: unpack the archive again')
    return int(found.shape[0]), int(found.shape[1])


def halves(given: Part, share: float, seed: int, layout: str) -> tuple[Part, Part]:
    """Pictures to learn from, and those that show anybody who is held out.

    Who stands beside them there and has a label is not asked for, and learnt from other pictures.

    Args:
        given: of split 'train'.
        share: of the people who are held out.
        seed: of who.
        layout: name of the data set.

    Raises:
        DataError: nobody, or everybody, would be.
    """
    people = np.unique(given.standing.people)
    people = people[people >= 0]
    number = round(share * len(people))
    if not 0 < number < len(people):
        raise DataError(
            f'held_out: {share} of {len(people)} people is {number}; needs 1 to {len(people) - 1}'
        )
    order = generator('validation', 'held out', layout, seed).permutation(people)
    chosen = np.isin(given.standing.people, order[:number])
    shown: BoolArray = np.zeros(len(given.files), bool)
    shown[given.standing.pictures[chosen]] = True
    return given.of(np.flatnonzero(~shown)), given.of(np.flatnonzero(shown))


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names for an error, some of them where there are many."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(map(repr, names[:most])) + more
