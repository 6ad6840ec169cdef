"""Embeddings on disk, found by tracklet and view."""

from __future__ import annotations

import json
import os
import weakref
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reid_ros.types import AnyArray, BoolArray, FloatArray, IntArray, ReidError


class StoreError(ReidError):
    """A store that cannot be written."""


class Store:
    """Embeddings of (row, view) on disk, filled in any order by any number of processes.

    An entry counts when its checksum does: a half-written one, after a crash or where two
    processes wrote at once, is missing.
    """

    def __init__(
        self, folder: Path, shape: tuple[int, int, int], facts: Mapping[str, Any]
    ) -> None:
        """Open or make it.

        Args:
            folder: of this store alone.
            shape: rows, views, length of an embedding.
            facts: what the entries belong to; written down for people.

        Raises:
            StoreError: the folder cannot be written.
        """
        rows, views, width = shape
        self._shape, self._folder = shape, folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            half = folder / f'.facts.{os.getpid()}'
            half.write_text(json.dumps(facts, indent=1), encoding='utf-8')
            half.replace(folder / 'facts.json')
            # Writing by file, not by map: a full disk is then an error and no dead process.
            self._values = _sparse(folder / 'embeddings.f32', rows * views * width * 4)
            self._marks = _sparse(folder / 'checksums.u32', rows * views * 4)
        except OSError as error:
            raise StoreError(f'{folder}: cannot be written ({error.strerror})') from error
        for file in (self._values, self._marks):
            weakref.finalize(self, os.close, file)
        self._read: AnyArray = np.memmap(folder / 'embeddings.f32', '<f4', 'r', shape=shape)
        self._sums: AnyArray = np.memmap(folder / 'checksums.u32', '<u4', 'r', shape=shape[:2])

    def find(self, rows: IntArray, views: IntArray) -> tuple[FloatArray, BoolArray]:
        """(n, width) embeddings and (n,) whether they are there; others are of no meaning."""
        values = np.ascontiguousarray(self._read[rows, views], np.float32)
        sums = self._sums[rows, views]
        return values, np.array([_mark(v) == s for v, s in zip(values, sums)], bool)

    def put(self, rows: IntArray, views: IntArray, values: FloatArray) -> None:
        """Keep (n, width) embeddings.

        Raises:
            StoreError: the disk is full.
        """
        _, count, width = self._shape
        try:
            for row, view, value in zip(rows.tolist(), views.tolist(), values.astype('<f4')):
                place = row * count + view
                _write(self._values, value.tobytes(), place * width * 4)
                _write(self._marks, _mark(value).to_bytes(4, 'little'), place * 4)
        except OSError as error:
            raise StoreError(
                f'{self._folder}: cannot keep answers ({error.strerror}); free space, or set '
                'distil.store to another disk'
            ) from error


def _sparse(path: Path, size: int) -> int:
    """A file that reads as zeros where nothing was written; never shortens what is there."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    if os.fstat(file).st_size < size:
        os.ftruncate(file, size)
    return file


def _write(file: int, content: bytes, place: int) -> None:
    while content:
        done = os.pwrite(file, content, place)
        content, place = content[done:], place + done


def _mark(value: AnyArray) -> int:
    """Checksum of an embedding; never 0, which is what an empty place reads."""
    return zlib.crc32(value.astype('<f4').tobytes()) or 1
