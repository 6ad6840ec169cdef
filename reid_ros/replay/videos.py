"""Video files and webcams -> frames."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from reid_ros.replay.source import SourceError
from reid_ros.types import Frame

SUFFIXES = (
    '.3gp', '.avi', '.flv', '.h264', '.h265', '.hevc', '.m2ts', '.m4v', '.mjpeg', '.mjpg', '.mkv',
    '.mov', '.mp4', '.mpeg', '.mpg', '.mts', '.ogv', '.ts', '.vob', '.webm', '.wmv', '.y4m',
)  # fmt: skip
FALLBACK_HZ = 25.0
_DEVICE = re.compile(r'(?:/dev/video)?(\d+)')


class Video:
    """A video file.

    Frames are stamped by the container, from 0 for the first; where its times do not advance,
    by the nominal rate.

    Args:
        path: the file.
        camera: name of the camera.
        start_ns: stamp of the first frame.
        rate_hz: frames per second that stamp the frames; 0 takes the container's times.

    Raises:
        SourceError: there is no such file, or no frame of it can be decoded.
    """

    live = False

    def __init__(
        self, path: str | Path, camera: str, start_ns: int = 0, rate_hz: float = 0.0
    ) -> None:
        self.camera, self.place, self.start_ns = camera, str(path), start_ns
        self.notes: list[str] = []
        if not Path(path).is_file():
            raise SourceError(f'{path}: no such file')
        capture = self._open()
        try:
            fine, image = capture.read()
            if not fine or image is None:
                raise SourceError(
                    f'{path}: not one frame can be decoded: play it with another program, and '
                    f'convert it, e.g. ffmpeg -i {Path(path).name} -c:v libx264 out.mp4'
                )
            rate = float(capture.get(cv2.CAP_PROP_FPS))
            count = float(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        finally:
            capture.release()
        self._trusted = not rate_hz
        rate = rate_hz or rate
        self.rate_hz = rate if math.isfinite(rate) and 0.1 <= rate <= 1000 else 0.0
        self.length = int(count) if math.isfinite(count) and 0 < count < 1e9 else 0
        if not self.rate_hz:
            self.notes.append(f'says no frame rate: {FALLBACK_HZ:g} per second is assumed')
            self.rate_hz = FALLBACK_HZ

    def _open(self) -> Any:
        capture = cv2.VideoCapture(self.place)
        if not capture.isOpened():
            raise SourceError(
                f'{self.place}: cannot be opened as a video: it is no video, it is cut off '
                'before its index, or its codec is missing from this OpenCV'
            )
        return capture

    @property
    def duration_ns(self) -> int:
        """Nominal length, 0 where the container does not say."""
        return round(self.length / self.rate_hz * 1e9)

    def frames(self) -> Iterator[Frame]:
        """The frames in order; what cannot be decoded ends them with a note."""
        capture = self._open()
        period = round(1e9 / self.rate_hz)
        index, first_ms, last, trusted, untrusted = 0, 0.0, 0, self._trusted, 0
        try:
            while True:
                fine, image = capture.read()
                if not fine or image is None:
                    break
                now_ms = float(capture.get(cv2.CAP_PROP_POS_MSEC))
                if index == 0:
                    first_ms, stamp = now_ms, 0
                else:
                    stamp = round((now_ms - first_ms) * 1e6)
                    trusted = trusted and last < stamp
                    untrusted += not trusted and self._trusted
                    if not trusted:  # not summed up, so that no rounding adds up
                        stamp = (
                            last + period if self._trusted else round(index * 1e9 / self.rate_hz)
                        )
                last = stamp
                yield Frame(self.camera, self.start_ns + stamp, image, index)
                index += 1
        finally:
            capture.release()
        if untrusted > 2:  # many containers repeat their very last time
            self.notes.append(
                f'its own times stand still: its last {untrusted} frames were stamped by the rate '
                f'of {self.rate_hz:g} per second'
            )
        self._say_what_is_missing(index)

    def _say_what_is_missing(self, number: int) -> None:
        # Some containers only estimate their number of frames: a few are no damage.
        if number < self.length - max(2, self.length // 100):
            self.notes.append(
                f'cut off or damaged: {number} of {self.length} frames could be decoded, '
                'and those were used'
            )


def device(place: str) -> int | None:
    """The number of a webcam, from `0` or `/dev/video0`; None where place names a file."""
    match = _DEVICE.fullmatch(place)
    return int(match[1]) if match and not Path(place).is_file() else None


class Webcam:
    """A local camera, stamped on arrival; of its frames the newest is used.

    Raises:
        SourceError: it cannot be opened.
    """

    live = True
    length = 0
    duration_ns = 0

    def __init__(self, place: str, camera: str) -> None:
        number = device(place)
        self.camera, self.place = camera, place
        self.notes: list[str] = []
        self._capture = cv2.VideoCapture(number if number is not None else place)
        if not self._capture.isOpened():
            raise SourceError(
                f'webcam {place} cannot be opened: is it connected (ls /dev/video*), free, and '
                'are you in the group video?'
            )
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate_hz = rate if math.isfinite(rate) and 0.1 <= rate <= 1000 else 0.0

    def frames(self) -> Iterator[Frame]:
        """The frames as they come, until the camera is unplugged."""
        index = 0
        try:
            while True:
                fine, image = self._capture.read()
                if not fine or image is None:
                    self.notes.append(f'stopped sending after {index} frames')
                    return
                yield Frame(self.camera, time.time_ns(), image, index)
                index += 1
        finally:
            self._capture.release()
