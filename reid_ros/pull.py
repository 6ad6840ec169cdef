"""Download a model: resumed, verified, renamed into place only when whole."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from reid_ros import card
from reid_ros.types import ReidError

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and their number in the end, 0 where that is unknown."""

_BLOCK = 1 << 16
_PAUSE_S = 0.5
_INTERRUPTED = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
)


class PullError(ReidError):
    """A download that did not give the file; says why and what to do."""


@dataclass
class Bar:
    """A progress bar on one line of a terminal, or one line at the end of a log.

    Attributes:
        stream: where it is drawn.
        width: characters of the bar.
    """

    stream: TextIO
    width: int = 30
    _next_s: float = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Draw, at most ten times a second."""
        now = time.monotonic()
        if not self.stream.isatty() or (now < self._next_s and done != total):
            return
        self._next_s = now + 0.1
        share = done / total if total else 0.0
        filled = round(share * self.width)
        amount = f'{done / 1e6:.1f} of {total / 1e6:.1f} MB' if total else f'{done / 1e6:.1f} MB'
        bar = '#' * filled + '-' * (self.width - filled)
        self.stream.write(f'\r[{bar}] {share:4.0%} {amount} ')
        self.stream.flush()

    def close(self) -> None:
        """End the line."""
        if self.stream.isatty():
            self.stream.write('\n')


def pull(
    url: str,
    target: Path,
    *,
    sha256: str = '',
    progress: Progress | None = None,
    timeout_s: float = 30.0,
    tries: int = 5,
) -> Path:
    """Bring a file here; where it already is, nothing is sent.

    What came before an interruption lies in `<target>.part` and is continued next time, provided
    that the checksum is known: without one nobody could tell two versions apart.

    Args:
        url: http or https.
        target: where the file is to lie.
        sha256: checksum that it must have, '' takes what comes.
        progress: told about every block.
        timeout_s: seconds without a byte after which the connection is given up.
        tries: connections that may fail one after the other without a new byte.

    Raises:
        PullError: refused by the server, interrupted too often, or another file than expected.
    """
    if not url.startswith(('http://', 'https://')):
        raise PullError(f'{url!r} is no http or https address')
    if target.is_file() and (not sha256 or card.sha256(target) == sha256):
        return target
    part = target.with_name(target.name + '.part')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not sha256:
            part.unlink(missing_ok=True)
        _fetch(url, part, progress or (lambda done, total: None), timeout_s, tries)
        _verify(url, part, sha256)
        os.replace(part, target)
    except OSError as error:
        raise PullError(f'{error.filename or part}: {error.strerror or error}') from error
    return target


def _fetch(url: str, part: Path, progress: Progress, timeout_s: float, tries: int) -> None:
    failures = 0
    while True:
        before = _size(part)
        try:
            if _receive(url, part, progress, timeout_s):
                return
            reason = 'the connection ended early'
        except urllib.error.HTTPError as error:
            error.close()
            whole = (error.headers.get('Content-Range') or '').rpartition('/')[2]
            if error.code == 416 and whole == str(before):
                return
            if error.code == 416 and before:
                part.unlink()
                reason = 'the file on the server has changed'
            elif error.code < 500 and error.code not in (408, 429):
                raise PullError(
                    f'{url}: the server answers {error.code} {error.reason}: has the file moved? '
                    "Find it by hand and use 'reid_ros models pull --url'"
                ) from error
            else:
                reason = f'the server answers {error.code} {error.reason}'
        except _INTERRUPTED as error:
            reason = str(getattr(error, 'reason', '') or error or type(error).__name__)
        failures = 1 if _size(part) > before else failures + 1
        if failures >= tries:
            raise PullError(
                f'{url}: {reason}; {_size(part)} bytes are here: run the command again to go on'
            )
        time.sleep(min(_PAUSE_S * 2 ** (failures - 1), 8.0))


def _receive(url: str, part: Path, progress: Progress, timeout_s: float) -> bool:
    """Read one answer into the part; whether the file is whole."""
    offset = _size(part)
    headers = {'User-Agent': 'reid_ros', 'Accept-Encoding': 'identity'}
    if offset:
        headers['Range'] = f'bytes={offset}-'
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        start, total = _range(answer, offset)
        if start != offset and start != 0:
            raise http.client.HTTPException(f'asked for byte {offset}, was sent byte {start}')
        with part.open('ab' if start else 'wb') as file:
            done = start
            progress(done, total)
            while block := answer.read(_BLOCK):
                file.write(block)
                done += len(block)
                progress(done, total)
            file.flush()
            os.fsync(file.fileno())
    return not total or done == total


def _range(answer: http.client.HTTPResponse, offset: int) -> tuple[int, int]:
    """First byte that the answer brings, and the length of the whole file, 0 = unknown."""
    length = int(answer.headers.get('Content-Length') or 0)
    if answer.status != 206:
        return 0, length
    span = (answer.headers.get('Content-Range') or '').removeprefix('bytes ')
    first, _, rest = span.partition('-')
    total = rest.partition('/')[2]
    if not first.isdigit():
        return offset, offset + length if length else 0
    return int(first), int(total) if total.isdigit() else 0


def _verify(url: str, part: Path, sha256: str) -> None:
    if sha256:
        real = card.sha256(part)
        if real != sha256:
            part.unlink()
            raise PullError(
                f'{url} has another file than expected (sha256 {real}, expected {sha256}); it was '
                'deleted. If the file was renewed on purpose, mend sha256 in the card'
            )
        return
    with part.open('rb') as file:
        begin = file.read(256).lstrip().lower()
    if begin.startswith((b'<!doctype', b'<html', b'<?xml')):
        part.unlink()
        raise PullError(f'{url} is a web page and no model: use the address of the file itself')


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
