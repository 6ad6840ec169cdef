"""Annotated videos, one per camera, written while the run goes on.

A frame is written a few seconds after it was seen, with what is known by then: a person who is
recognised a second after they came in has their colour from the first frame, and nothing is
decoded twice or kept on disk. The frames that wait are small and take a fixed amount of memory.

The codec is MPEG-4 part 2 ('mp4v'), the only one for .mp4 that every build of OpenCV 4 and 5 can
write; browsers do not play it, players do.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reid_ros.report.draw import Shown, draw
from reid_ros.report.files import OutputError, part
from reid_ros.types import Frame, Sightings, UInt8Array

LONGEST_SIDE = 960
DELAY_NS = 3_000_000_000
MEMORY = 160_000_000  # bytes of waiting frames, all cameras together
FALLBACK_HZ = 25.0
WAITING = 4  # frames that the run may be ahead of the writing thread

# (camera, moment, sightings) -> number of each row's person, label of each row
Known = Callable[[int, Sightings], tuple[list[int], list[str]]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    moment: int
    found: Sightings
    planes: UInt8Array  # I420, half the size of bgr; the video has no more colour anyway
    scale: float


class CameraVideo:
    """The video of one camera; used by the writing thread only."""

    def __init__(self, path: Path, rate_hz: float, memory: int, known: Known) -> None:
        self.path = path
        self._rate_hz, self._memory, self._known = rate_hz, memory, known
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._writer: Any = None
        self._size = (0, 0)
        self._first_ns = 0
        self._written = 0

    def add(self, frame: Frame, moment: int, found: Sightings) -> None:
        """Take a frame in, write the oldest one when it has waited long enough."""
        planes, scale = self._small(frame)
        self._waiting.append(_Waiting(moment, found, planes, scale))
        self._bytes += planes.nbytes
        while self._waiting and (
            self._bytes > self._memory or self._age() > DELAY_NS or self._age() < 0
        ):
            self._write()

    def close(self) -> None:
        """Write what waits and give the file its name.

        Raises:
            OutputError: the file cannot be written.
        """
        while self._waiting:
            self._write()
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            try:
                part(self.path).replace(self.path)
            except OSError as error:
                raise OutputError(f'{self.path}: cannot be written: {error.strerror}') from error

    def drop(self) -> None:
        """Give up the file after an error."""
        self._waiting.clear()
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        with suppress(OSError):
            part(self.path).unlink(missing_ok=True)

    def _age(self) -> int:
        return self._waiting[-1].found.stamp_ns - self._waiting[0].found.stamp_ns

    def _small(self, frame: Frame) -> tuple[UInt8Array, float]:
        """The frame in I420 at the size of the video, and the scale of its boxes."""
        height, width = frame.image.shape[:2]
        if self._size == (0, 0):
            scale = min(1.0, LONGEST_SIDE / max(height, width))
            # I420 halves both sides.
            self._size = (
                max(2, round(width * scale) // 2 * 2),
                max(2, round(height * scale) // 2 * 2),
            )
        wide, high = self._size
        scale = min(wide / width, high / height)
        image = frame.image
        if (wide, high) != (width, height):
            image = cv2.resize(
                image,
                (
                    max(1, min(wide, round(width * scale))),
                    max(1, min(high, round(height * scale))),
                ),
                interpolation=cv2.INTER_AREA if scale < 0.6 else cv2.INTER_LINEAR,
            )
        if image.shape[:2] != (high, wide):  # the camera changed its shape: fill up with black
            image = cv2.copyMakeBorder(
                image, 0, high - image.shape[0], 0, wide - image.shape[1], cv2.BORDER_CONSTANT
            )
        code = cv2.COLOR_RGB2YUV_I420 if frame.order == 'rgb' else cv2.COLOR_BGR2YUV_I420
        return cv2.cvtColor(np.ascontiguousarray(image), code), scale

    def _write(self) -> None:
        if self._writer is None:
            self._open()
        oldest = self._waiting.popleft()
        self._bytes -= oldest.planes.nbytes
        image: UInt8Array = cv2.cvtColor(oldest.planes, cv2.COLOR_YUV2BGR_I420)
        persons, labels = self._known(oldest.moment, oldest.found)
        shown = Shown(oldest.found.boxes * oldest.scale, persons, labels, oldest.found.predicted)
        seconds = (oldest.found.stamp_ns - self._first_ns) / 1e9
        draw(image, shown, f'{oldest.found.camera} {_clock(seconds)}')
        for _ in range(self._repeats(oldest.found.stamp_ns)):
            self._writer.write(image)
            self._written += 1

    def _repeats(self, stamp_ns: int) -> int:
        """How often to write a frame so that the video runs in real time."""
        ahead = round((stamp_ns - self._first_ns) / 1e9 * self._rate_hz) - self._written
        if not -1 <= ahead <= self._rate_hz:  # a long gap or a jump: not worth a frozen picture
            self._first_ns = stamp_ns - round(self._written / self._rate_hz * 1e9)
            return 1
        return max(0, ahead + 1)

    def _open(self) -> None:
        gaps = sorted(
            b.found.stamp_ns - a.found.stamp_ns
            for a, b in pairwise(self._waiting)
            if b.found.stamp_ns > a.found.stamp_ns
        )
        measured = 1e9 / gaps[len(gaps) // 2] if gaps else FALLBACK_HZ
        rate = self._rate_hz or measured
        if gaps and not 0.5 < rate / measured < 2:
            rate = measured
        self._rate_hz = min(120.0, max(0.5, rate))
        self._first_ns = self._waiting[0].found.stamp_ns
        self._writer = cv2.VideoWriter(
            str(part(self.path)), int.from_bytes(b'mp4v', 'little'), self._rate_hz, self._size
        )
        if not self._writer.isOpened():
            raise OutputError(
                f'{self.path}: OpenCV cannot write this video: use --no-video, or an OpenCV with '
                'FFmpeg'
            )


def _clock(seconds: float) -> str:
    whole = max(0.0, seconds)
    return f'{int(whole // 3600)}:{int(whole // 60 % 60):02d}:{whole % 60:04.1f}'


class Videos:
    """Writes the videos of all cameras in a thread of its own."""

    def __init__(self, folder: Path, rates_hz: dict[str, float], known: Known) -> None:
        memory = MEMORY // max(1, len(rates_hz))
        self._cameras = {
            camera: CameraVideo(folder / f'{camera}.mp4', rate, memory, known)
            for camera, rate in rates_hz.items()
        }
        self._queue: queue.Queue[tuple[Frame, int, Sightings] | None] = queue.Queue(WAITING)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name='videos', daemon=True)
        self._thread.start()

    def add(self, frame: Frame, moment: int, found: Sightings) -> None:
        """Hand over a frame; waits while the thread is behind.

        Raises:
            OutputError: a video cannot be written.
        """
        if self._error is not None:
            raise self._error
        self._queue.put((frame, moment, found))

    def close(self) -> None:
        """Write what waits and finish the files.

        Raises:
            OutputError: a video cannot be written.
        """
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        if self._error is not None:
            for camera in self._cameras.values():
                camera.drop()
            raise self._error

    def _run(self) -> None:
        ended = False
        try:
            while (item := self._queue.get()) is not None:
                frame, moment, found = item
                self._cameras[frame.camera].add(frame, moment, found)
            ended = True
            self._finish()
        except Exception as error:  # noqa: BLE001 -- raised again where frames are handed over
            self._error = error
            while not ended and self._queue.get() is not None:
                pass  # nobody may wait for a thread that has ended

    def _finish(self) -> None:
        """Close every video; one that cannot be written does not spoil the others."""
        problem: OutputError | None = None
        for camera in self._cameras.values():
            try:
                camera.close()
            except OutputError as error:
                problem = error
        if problem is not None:
            raise problem
