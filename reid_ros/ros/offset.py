"""How far the clock of another machine is off, from questions and answers.

A question carries the asker's time, the answer that time and the answerer's: were both ways
equally long, the answerer looked at its clock in the middle. The error is half of the time that
the question took at most, so the quickest of the last answers is believed (the clock filter of
NTP: Mills, RFC 5905, section 10).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

NS = 1_000_000_000
# Answers among which the quickest is believed.
KEPT = 16
# Clocks drift by some 50 millionths: after half a minute an answer is 1.5 ms off.
KEEP_NS = 30 * NS
# Within which two answers may differ beyond their errors before a clock must have been set.
SLACK_NS = 2_000_000


@dataclass(frozen=True, slots=True)
class _Answer:
    at_ns: int
    offset_ns: int
    error_ns: int


class Offset:
    """The offset of one machine's clock.

    Attributes:
        answers: how many came.
    """

    def __init__(self) -> None:
        self.answers = 0
        self._last: deque[_Answer] = deque(maxlen=KEPT)

    def hear(self, asked_ns: int, seen_ns: int, heard_ns: int) -> None:
        """Take in one answer.

        Args:
            asked_ns, heard_ns: when the question went and the answer came, by our clock.
            seen_ns: when the other side saw the question, by its clock.
        """
        if heard_ns < asked_ns:  # our own clock was set back meanwhile
            self._last.clear()
            return
        self.answers += 1
        error = (heard_ns - asked_ns) // 2
        new = _Answer(heard_ns, seen_ns - asked_ns - error, error)
        while self._last and not 0 <= heard_ns - self._last[0].at_ns <= KEEP_NS:
            self._last.popleft()
        if any(_differ(new, old) for old in self._last):
            self._last.clear()  # one of the clocks was set
        self._last.append(new)

    @property
    def known(self) -> bool:
        """Whether anything was measured lately."""
        return bool(self._last)

    @property
    def seconds(self) -> float:
        """By how much the other clock is ahead; 0 where nothing is known."""
        return self._best.offset_ns / NS if self._last else 0.0

    @property
    def error_s(self) -> float:
        """Most that `seconds` can be wrong; infinite where nothing is known."""
        return self._best.error_ns / NS if self._last else float('inf')

    def surely_beyond(self, limit_s: float) -> bool:
        """Whether the clock is off by more than a limit, whatever the error."""
        return self.known and abs(self.seconds) - self.error_s > limit_s

    @property
    def _best(self) -> _Answer:
        return min(self._last, key=lambda answer: answer.error_ns)


def _differ(one: _Answer, other: _Answer) -> bool:
    reach = one.error_ns + other.error_ns + SLACK_NS
    return abs(one.offset_ns - other.offset_ns) > reach
