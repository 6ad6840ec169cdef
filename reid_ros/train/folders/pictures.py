"""Tracklets of image files; a frame is decoded when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from reid_ros.card import Input
from reid_ros.images import crop_batch
from reid_ros.train.clips import DataError
from reid_ros.types import IntArray, UInt8Array

_JPEG, _JPEG_END = b'\xff\xd8', b'\xff\xd9'


class Track(NamedTuple):
    """Images of one person before one camera.

    Attributes:
        person: as the data set counts; -1 = junk, 0 = a distractor where its rules say so.
        camera: from 0.
        files: at least one, in the order of time, relative to the folder of its `Part`.
    """

    person: int
    camera: int
    files: tuple[str, ...]


class Part(NamedTuple):
    """Tracklets that lie in one folder."""

    folder: Path
    tracks: Sequence[Track]


class Pictures:
    """Tracklets of a folder, brought to one size.

    Attributes:
        people, cameras, lengths: (n,) int64.
    """

    def __init__(self, part: Part, size: tuple[int, int]) -> None:
        """Of a part of a data set; size is height and width, pixels."""
        self._folder = os.fsencode(part.folder)
        self._size = size
        self.people: IntArray = np.array([track.person for track in part.tracks], np.int64)
        self.cameras: IntArray = np.array([track.camera for track in part.tracks], np.int64)
        self.lengths: IntArray = np.array([len(track.files) for track in part.tracks], np.int64)
        self._begins = np.cumsum(self.lengths) - self.lengths
        # One array of bytes, for it travels to worker processes: MARS has a million names.
        self._files = np.array(
            [os.fsencode(file) for track in part.tracks for file in track.files]
        )

    def frames(self, row: int, which: IntArray) -> UInt8Array:
        """(t, h, w, 3) BGR, the frames of one tracklet with these numbers.

        Raises:
            DataError: a file is gone or damaged.
            IndexError: the tracklet has no such frame.
        """
        height, width = self._size
        numbers, back = np.unique(which, return_inverse=True)
        if len(numbers) and not 0 <= numbers[0] <= numbers[-1] < self.lengths[row]:
            raise IndexError(f'frames {numbers[0]} to {numbers[-1]} of {self.lengths[row]}')
        once = np.empty((len(numbers), height, width, 3), np.uint8)
        for pixels, number in zip(once, numbers):
            _fit(_decoded(self.file(row, int(number))), pixels)
        result: UInt8Array = once[back.reshape(-1)]
        return result

    def file(self, row: int, number: int) -> Path:
        """Where a frame of a tracklet lies."""
        name: bytes = self._files[self._begins[row] + number]
        return Path(os.fsdecode(os.path.join(self._folder, name)))


def _decoded(path: Path) -> UInt8Array:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f'{path} cannot be read: {error.strerror}') from error
    # OpenCV 4 decodes a cut JPEG, with grey where the rest is missing.
    cut = data[:2] == _JPEG and _JPEG_END not in data
    image = None if cut or not data else cv2.imdecode(np.frombuffer(data, np.uint8), 1)
    if image is None:
        raise DataError(
            f'{path} is no complete image ({len(data)} bytes): unpack it from the archive again'
        )
    found: UInt8Array = image
    return found


def _fit(image: UInt8Array, out: UInt8Array) -> None:
    """Stretch an image as crops are on a robot; smaller without missing pixels."""
    height, width = out.shape[:2]
    shrinks = image.shape[0] > height and image.shape[1] > width
    spec = Input(height=height, width=width, order='bgr', resize='area' if shrinks else 'linear')
    whole = np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32)
    crop_batch(image, whole, spec, out=out[None])
