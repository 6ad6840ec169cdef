"""Judges image stamps, thins by rate, and estimates from gaps what never arrived."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Literal

from reid_ros.moments import Order

Verdict = Literal['next', 'back', 'late', 'zero', 'future', 'thinned']
# Enough gaps for a steady median, few enough to follow a camera whose rate is changed.
_GAPS = 31
# A gap of more than this many periods is a pause of the camera, not a loss on the way.
_LONGEST_LOSS = 30


class Stamps:
    """The stamps of one camera, in the order in which its images arrive.

    Args:
        max_rate_hz: most images per second of the stamps' time, 0 = all.
        max_future_s: how far a stamp may lie ahead of the clock.
    """

    def __init__(self, max_rate_hz: float = 0.0, max_future_s: float = 1.0) -> None:
        self._order = Order()
        self._period_ns = int(1e9 / max_rate_hz) if max_rate_hz else 0
        self._due_ns = 0
        self._future_ns = int(max_future_s * 1e9)
        self._gaps: deque[int] = deque(maxlen=_GAPS)
        self._last_ns: int | None = None
        self.missing = 0

    @property
    def period_ns(self) -> float:
        """Usual time between two images, 0 while it is unknown."""
        return median(self._gaps) if len(self._gaps) >= 5 else 0.0

    def judge(self, stamp_ns: int, now_ns: int) -> Verdict:
        """What to do with an image: `next` and `back` are used, before `back` tracks are reset.

        Args:
            stamp_ns: of the image.
            now_ns: the ROS clock.
        """
        if stamp_ns == 0:
            return 'zero'
        if stamp_ns > now_ns + self._future_ns:
            return 'future'
        verdict = self._order.judge(stamp_ns)
        if verdict == 'late':
            return 'late'
        if verdict == 'back':
            self._last_ns, self._due_ns = None, 0
            self._gaps.clear()
        self._count_gap(stamp_ns)
        if self._period_ns:
            # A tenth of a period of jitter must not cost every second image.
            if stamp_ns < self._due_ns - self._period_ns // 10:
                return 'thinned'
            on_time = stamp_ns < self._due_ns + self._period_ns
            self._due_ns = (self._due_ns if on_time else stamp_ns) + self._period_ns
        return verdict

    def _count_gap(self, stamp_ns: int) -> None:
        last, self._last_ns = self._last_ns, stamp_ns
        if last is None:
            return
        gap, period = stamp_ns - last, self.period_ns
        if period and 1.5 * period < gap < _LONGEST_LOSS * period:
            self.missing += round(gap / period) - 1
        elif gap < 0.5 * period:  # a camera that was held up catches up: nothing was lost
            self.missing = max(self.missing - 1, 0)
        self._gaps.append(gap)
