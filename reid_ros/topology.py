"""Where cameras stand: which see common ground, and how long it takes to walk between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reid_ros.config import ConfigError, TopologyConfig

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Transit:
    """Nanoseconds that a walk between two cameras takes."""

    least_ns: float
    most_ns: float


class Topology:
    """Answers what one person can do: be in two cameras at once, or get from one to another."""

    def __init__(self, config: TopologyConfig, cameras: Iterable[str]) -> None:
        """Raises ConfigError on a camera that does not exist or a time that is none."""
        self._cameras = set(cameras)
        self._unlisted_overlap = config.unlisted == 'may_overlap'
        self._listed: set[str] = set()
        self._groups: list[set[str]] = []
        for text in config.overlap:
            names = text.split()
            self._known(names, f'topology.overlap {text!r}')
            self._groups.append(set(names))
            self._listed.update(names)
        self._transit: dict[tuple[str, str], Transit] = {}
        for text in config.transit:
            first, second, transit = self._parsed(text)
            self._transit[first, second] = self._transit[second, first] = transit

    @property
    def has_transits(self) -> bool:
        """True where any walking time is known."""
        return bool(self._transit)

    def overlap(self, first: str, second: str) -> bool:
        """True where one person may be in both cameras at the same time."""
        if first == second:
            return False
        if any(first in group and second in group for group in self._groups):
            return True
        return self._unlisted_overlap and not (first in self._listed and second in self._listed)

    def possible(self, first: str, second: str, elapsed_ns: int) -> bool:
        """True where one person can be in the second camera that long after the first."""
        transit = self._transit.get((first, second))
        return transit is None or transit.least_ns <= elapsed_ns <= transit.most_ns

    def _known(self, names: Sequence[str], where: str) -> None:
        for name in names:
            if self._cameras and name not in self._cameras:
                known = ', '.join(sorted(self._cameras))
                raise ConfigError(f'{where}: no camera is called {name!r}; there are {known}')

    def _parsed(self, text: str) -> tuple[str, str, Transit]:
        words = text.split()
        try:
            first, second, *times = words
            least, most = map(float, times)
        except ValueError:
            raise ConfigError(
                f"topology.transit {text!r}: write it as 'hall garage 20 180', two cameras and "
                'the least and most seconds between them'
            ) from None
        if not (0 <= least <= most) or math.isnan(most):
            raise ConfigError(f'topology.transit {text!r}: {least} to {most} s is no range')
        if first == second:
            raise ConfigError(f'topology.transit {text!r}: a walk from a camera to itself')
        self._known([first, second], f'topology.transit {text!r}')
        return first, second, Transit(least * NS, most * NS)
