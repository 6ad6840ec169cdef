"""The tables of one camera in the order in which they were made, however they arrive."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar('T')

# Later tables that wait for a missing one: two seconds at 30 Hz.
LIMIT = 60
# Runs of a sight node that are remembered.
RUNS = 16
# A run that was replaced is taken up again where its successor says nothing for so long.
PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Ordered(Generic[T]):
    """A table whose turn it is.

    Attributes:
        item: what was put.
        restarted: it is the first of another run of the sight node than the one before.
        missed: tables before it that were given up.
    """

    item: T
    restarted: bool = False
    missed: int = 0


class Order(Generic[T]):
    """One camera's tables, by run of its sight node and number in that run.

    Args:
        wait_s: for which later tables wait for one that is missing.

    Attributes:
        counts: duplicated; late (its turn was given up); lost (given up, and not late yet); stale
            (of a run that another one replaced); restarts.
    """

    def __init__(self, wait_s: float) -> None:
        self.counts: Counter[str] = Counter()
        self._wait_s = wait_s
        self._session: int | None = None
        self._next = 0
        self._waiting: dict[int, tuple[float, T]] = {}
        self._given_up: set[int] = set()
        self._ended: OrderedDict[int, int] = OrderedDict()  # run -> number of its next table
        self._last_s = 0.0

    def put(self, session: int, sequence: int, item: T, now_s: float) -> list[Ordered[T]]:
        """Add a table; returns those whose turn has come."""
        result: list[Ordered[T]] = []
        restarted = False
        if session != self._session:
            if not self._replaces(session, sequence, now_s):
                self.counts['stale'] += 1
                return []
            result = self._end()
            restarted = self._session is not None
            self.counts['restarts'] += restarted
            self._session, self._next = session, sequence
        self._last_s = now_s
        if sequence < self._next or sequence in self._waiting:
            self._refuse(sequence)
            return result
        if sequence == self._next:
            self._next += 1
            return [*result, Ordered(item, restarted), *self._follow()]
        self._waiting[sequence] = (now_s, item)
        if len(self._waiting) > LIMIT:
            result += self._give_up()
        return result

    def due(self, now_s: float) -> list[Ordered[T]]:
        """The tables that have waited long enough for one that is missing."""
        result: list[Ordered[T]] = []
        while self._waiting and now_s - min(at for at, _ in self._waiting.values()) > self._wait_s:
            result += self._give_up()
        return result

    def _replaces(self, session: int, sequence: int, now_s: float) -> bool:
        """Whether a table of another run ends the present one."""
        known = self._ended.get(session)
        if known is None:
            return True
        return now_s - self._last_s > PATIENCE_S and sequence >= known

    def _end(self) -> list[Ordered[T]]:
        """The run is over; what waited in vain is given out."""
        result: list[Ordered[T]] = []
        while self._waiting:
            result += self._give_up()
        if self._session is not None:
            self._ended[self._session] = self._next
            if len(self._ended) > RUNS:
                self._ended.popitem(last=False)
        self._given_up.clear()
        return result

    def _refuse(self, sequence: int) -> None:
        if sequence in self._given_up:
            self._given_up.discard(sequence)
            self.counts['late'] += 1
            self.counts['lost'] -= 1
        else:
            self.counts['duplicated'] += 1

    def _give_up(self) -> list[Ordered[T]]:
        """Go on behind the first gap."""
        first = min(self._waiting)
        missed = first - self._next
        self.counts['lost'] += missed
        # No more than can still be under way: a sight node that nobody heard for hours has many.
        self._given_up.update(range(max(self._next, first - LIMIT), first))
        self._given_up = {n for n in self._given_up if n >= first - 10 * LIMIT}
        self._next = first + 1
        _, item = self._waiting.pop(first)
        return [Ordered(item, missed=missed), *self._follow()]

    def _follow(self) -> list[Ordered[T]]:
        """What waited for the table that was just given out."""
        result: list[Ordered[T]] = []
        while self._next in self._waiting:
            _, item = self._waiting.pop(self._next)
            self._next += 1
            result.append(Ordered(item))
        return result
