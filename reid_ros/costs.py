"""What work costs and how often it is asked for, learnt while it goes on."""

from __future__ import annotations

import math

MEMORY_S = 2.0
"""Seconds over which it is counted how much work comes in."""
FADE = 0.95
"""What an experience of a cost counts for after the next one."""
DOUBT_PER_S = 0.02
"""By how much a cost that is not seen any more is taken to be less, each second: some day it is
tried again, so that a bad moment does not count for ever."""


class Cost:
    """Seconds that a batch takes: a fixed part, and one for each item; learnt as they pass."""

    def __init__(self) -> None:
        self._began = False
        self._sums = [0.0] * 5
        self._seen_s = 0.0

    def learn(self, items: int, seconds: float, now_s: float) -> None:
        """A batch took so long; the first one is left aside, for there networks warm up."""
        self._seen_s = now_s
        if not self._began:
            self._began = True
            return
        new = (1.0, items, seconds, items * items, items * seconds)
        self._sums = [FADE * old + one for old, one in zip(self._sums, new)]

    def of(self, items: float, now_s: float | None = None) -> float:
        """What a batch takes; 0 where there is no experience.

        Args:
            items: in the batch.
            now_s: an experience of long before this is doubted; None doubts nothing.
        """
        weight, number, spent, squares, products = self._sums
        if not weight or not number or items <= 0:
            return 0.0
        mean, each = number / weight, spent / number
        spread = squares / weight - mean * mean
        if spread > 0.01 * mean * mean:
            slope = (products / weight - mean * spent / weight) / spread
            each = min(max(slope, 0.0), each)
        result = spent / weight - each * mean + each * items
        if now_s is not None:
            result *= math.exp(-DOUBT_PER_S * max(now_s - self._seen_s - MEMORY_S, 0.0))
        return result

    def each(self, now_s: float | None = None) -> float:
        """What an item takes in a batch of the usual size."""
        weight, number = self._sums[:2]
        if not weight or not number:
            return 0.0
        return self.of(number / weight, now_s) / (number / weight)


class Rate:
    """How often something happens, per second, over the last seconds."""

    def __init__(self, memory_s: float = MEMORY_S) -> None:
        self._memory_s = memory_s
        self._sum = self._last_s = 0.0
        self._began_s: float | None = None

    def add(self, now_s: float, number: float = 1.0) -> None:
        """It happened so often."""
        if self._began_s is None:
            self._began_s = self._last_s = now_s
        self._sum = self._sum * self._left(now_s) + number
        self._last_s = now_s

    def per_s(self, now_s: float) -> float:
        """How often a second."""
        if self._began_s is None:
            return 0.0
        filled = 1.0 - math.exp(-(now_s - self._began_s) / self._memory_s)
        return self._sum * self._left(now_s) / (self._memory_s * max(filled, 0.2))

    def _left(self, now_s: float) -> float:
        return math.exp(-max(now_s - self._last_s, 0.0) / self._memory_s)
