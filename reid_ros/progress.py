"""Progress of long work: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TextIO

BAR_S = 0.1
LINE_S = 10.0
WIDTH = 28
_WINDOW_S = 5.0  # the rate shown is that of the last seconds


class Progress:
    """Shows how much of something is done, how fast it goes and how long it will take.

    Args:
        stream: where to; None shows nothing.
        total: number of steps, 0 where unknown.
        unit: what is counted.
        bar: a bar that is drawn over; else a line every ten seconds. None asks the stream.
    """

    def __init__(
        self, stream: TextIO | None, total: int = 0, unit: str = 'frames', bar: bool | None = None
    ) -> None:
        self._stream, self._total, self._unit = stream, total, unit
        self._bar = bar if bar is not None else stream is not None and stream.isatty()
        self._done = 0
        self._begun = self._shown = time.perf_counter()
        self._marks = [(self._begun, 0)]
        self._width = 0

    def add(self, number: int) -> None:
        """`number` more steps are done."""
        self._done += number
        now = time.perf_counter()
        if self._stream is None or now - self._shown < (BAR_S if self._bar else LINE_S):
            return
        self._shown = now
        self._marks.append((now, self._done))
        while len(self._marks) > 2 and self._marks[0][0] < now - _WINDOW_S:
            self._marks.pop(0)
        self._show(now)

    def close(self) -> None:
        """Take the bar away; what is printed next stands on a line of its own."""
        if self._stream is not None and self._bar and self._width:
            self._stream.write('\r' + ' ' * self._width + '\r')
            self._stream.flush()
            self._width = 0

    def text(self, now: float) -> str:
        """What is shown at a time of time.perf_counter."""
        first, done = self._marks[0]
        rate = (self._done - done) / (now - first) if now > first else 0.0
        if not self._total:
            return f'{self._done} {self._unit}, {rate:.1f}/s, {_span(now - self._begun)}'
        share = min(1.0, self._done / self._total)
        left = (
            f'{_span((self._total - self._done) / rate)} left'
            if rate and self._done < self._total
            else ''
        )
        counted = f'{self._done}/{self._total} {self._unit}, {rate:.1f}/s'
        words = ', '.join(filter(None, (f'{100 * share:3.0f} %  {counted}', left)))
        if not self._bar:
            return words.strip()
        full = round(share * WIDTH)
        return f'[{"#" * full}{"." * (WIDTH - full)}] {words}'

    def _show(self, now: float) -> None:
        if self._stream is None:
            return
        text = self.text(now)
        if self._bar:
            self._stream.write('\r' + text.ljust(self._width))
            self._width = len(text)
        else:
            self._stream.write(text + '\n')
        self._stream.flush()


def _span(seconds: float) -> str:
    whole = round(max(0.0, seconds))
    if whole >= 3600:
        return f'{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d} h'
    return f'{whole // 60}:{whole % 60:02d}'
