"""Folders of pictures -> frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from reid_ros.replay.encodings import EncodingError, decode_compressed
from reid_ros.replay.source import SourceError
from reid_ros.types import Frame

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm')
DEFAULT_HZ = 10.0
# File names that are times: digits of a time since 1970 in ns, us, ms or s, or decimal seconds.
_UNITS = {19: 1, 16: 1_000, 13: 1_000_000, 10: 1_000_000_000}


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts frame9 before frame10."""
    return [
        (0, int(part)) if part.isdigit() else (1, part.lower())
        for part in re.split(r'(\d+)', name)
        if part
    ]


def stamp_of(stem: str) -> int | None:
    """The time in a file name, nanoseconds; None where it is only a number or a word."""
    if stem.isdigit():
        unit = _UNITS.get(len(stem))
        return int(stem) * unit if unit else None
    match = re.fullmatch(r'(\d+)\.(\d{3,9})', stem)
    if match:
        return int(match[1]) * 1_000_000_000 + int(match[2].ljust(9, '0'))
    return None


class Folder:
    """A folder of pictures, one per frame, sorted by name as people count.

    Stamped by file names where every one of them is a time (see `stamp_of`) and no rate is
    given; otherwise by the rate.

    Args:
        path: the folder.
        camera: name of the camera.
        start_ns: stamp of the first frame.
        rate_hz: frames per second; 0 takes the times in the names, or DEFAULT_HZ.

    Raises:
        SourceError: no such folder, or no picture in it.
    """

    live = False

    def __init__(
        self, path: str | Path, camera: str, start_ns: int = 0, rate_hz: float = 0.0
    ) -> None:
        self.camera, self.place, self.start_ns = camera, str(path), start_ns
        self.notes: list[str] = []
        folder = Path(path)
        if not folder.is_dir():
            raise SourceError(f'{path}: no such folder')
        files = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
        if not files:
            raise SourceError(
                f'{path}: no pictures in this folder ({", ".join(SUFFIXES)}); it holds '
                f'{_contents(folder)}'
            )
        self._files = sorted(files, key=lambda p: natural(p.name))
        self.length = len(self._files)
        self._refuse_if_none_is_readable()
        times = [stamp_of(p.stem) for p in self._files]
        stamps = [time for time in times if time is not None]
        if rate_hz or len(stamps) < len(times) or len(set(stamps)) < len(stamps):
            self.rate_hz = rate_hz or DEFAULT_HZ
            if not rate_hz:
                self.notes.append(
                    f'no times in the file names: {DEFAULT_HZ:g} pictures per second are assumed '
                    '(--rate sets another)'
                )
            self._stamps = [round(i * 1e9 / self.rate_hz) for i in range(self.length)]
        else:
            order = sorted(range(self.length), key=stamps.__getitem__)
            self._files = [self._files[i] for i in order]
            first = stamps[order[0]]
            self._stamps = [stamps[i] - first for i in order]
            span_s = self._stamps[-1] / 1e9
            self.rate_hz = (self.length - 1) / span_s if span_s else 0.0
            self.start_ns += first

    @property
    def duration_ns(self) -> int:
        """From the first picture to one period after the last."""
        return self._stamps[-1] + (round(1e9 / self.rate_hz) if self.rate_hz else 0)

    def _refuse_if_none_is_readable(self) -> None:
        reason = ''
        for path in self._files:
            try:
                decode_compressed(path.read_bytes(), path.suffix[1:])
            except (EncodingError, OSError) as error:
                reason = reason or f'{path.name}: {error}'
            else:
                return
        raise SourceError(f'{self.place}: none of its pictures can be read: {reason}')

    def frames(self) -> Iterator[Frame]:
        """The pictures in order; one that cannot be read is left out and counted."""
        broken: list[str] = []
        for index, (path, stamp) in enumerate(zip(self._files, self._stamps)):
            try:
                image = decode_compressed(path.read_bytes(), path.suffix[1:])
            except (EncodingError, OSError) as error:
                broken.append(f'{path.name}: {error}')
                continue
            yield Frame(self.camera, self.start_ns + stamp, image, index)
        if broken:
            self.notes.append(
                f'{len(broken)} of {self.length} pictures cannot be read and were left out, '
                f'first {broken[0]}'
            )


def _contents(folder: Path) -> str:
    names = sorted(p.name + ('/' if p.is_dir() else '') for p in folder.iterdir())
    return ', '.join(names[:5]) + (' ...' if len(names) > 5 else '') if names else 'nothing'
