"""How far a build is, of what TensorRT says about its phases."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

FIRST = 0.9
Tell = Callable[[float, str], None]
"""Takes a share from 0 to 1, which never falls, and what is being done."""


@dataclass(slots=True)
class _Phase:
    name: str
    parent: str
    steps: int
    done: int = 0


class Phases:
    """Joins phases within phases to one share.

    Phases without a parent follow one another, and nobody says how many they will be: the first
    takes most of the bar, each further one half of what is left. A phase within another lies in
    the step that its parent is at.
    """

    def __init__(self, tell: Tell | None) -> None:
        self._tell = tell
        self._open: dict[str, _Phase] = {}
        self._base, self._span = 0.0, FIRST
        self._shown = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins."""
        self._open[name] = _Phase(name, parent or '', max(1, steps))
        self._say(name)

    def step(self, name: str, number: int) -> None:
        """Step `number`, counted from 0, of a phase is done."""
        phase = self._open.get(name)
        if phase:
            phase.done = min(phase.steps, max(phase.done, number + 1))
            self._say(name)

    def finish(self, name: str) -> None:
        """A phase ends, also before its last step."""
        phase = self._open.pop(name, None)
        if phase and phase.parent not in self._open:
            self._base += self._span
            self._span = (1.0 - self._base) / 2
            self._say(name)

    def share(self) -> float:
        """From 0 to 1."""
        tops = [p for p in self._open.values() if p.parent not in self._open]
        return self._base + self._span * (self._within(tops[-1]) if tops else 0.0)

    def _within(self, phase: _Phase) -> float:
        inner = [p for p in self._open.values() if p.parent == phase.name and p is not phase]
        part = max((self._within(p) for p in inner), default=0.0)
        return min(1.0, (phase.done + part) / phase.steps)

    def _say(self, name: str) -> None:
        # A parent's step may be told before its child ends; the bar must not run back.
        self._shown = max(self._shown, self.share())
        if self._tell:
            self._tell(self._shown, name)


_watcher: ContextVar[Tell | None] = ContextVar('watcher', default=None)


@contextlib.contextmanager
def watched(tell: Tell) -> Iterator[None]:
    """Whatever is loaded within, however deep, tells `tell` how far the build of its engine is.

    Builds are rare and lie far below those who have a screen or a log.
    """
    token = _watcher.set(tell)
    try:
        yield
    finally:
        _watcher.reset(token)


def watcher() -> Tell | None:
    """Who is told of builds here, None where nobody is."""
    return _watcher.get()


def in_steps(say: Callable[[str], None], step: float = 0.1) -> Tell:
    """A tell for a log: one line at the beginning of a build and at every step of its share.

    Args:
        say: takes a line.
        step: share between lines.
    """
    last: dict[str, int] = {}

    def tell(share: float, what: str) -> None:
        name = what.partition(':')[0]
        reached = int(share / step + 1e-9)
        if reached > last.get(name, -1):
            last[name] = reached
            say(f'building the TensorRT engine of {name}: {100 * share:.0f} %')

    return tell
