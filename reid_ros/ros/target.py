"""The one person whom a robot follows; silent when unsure, never somebody else."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.config import TargetConfig
from reid_ros.types import BoolArray, Event, Sightings


@dataclass(frozen=True)
class Aim:
    """The target as seen in one image.

    Attributes:
        image: index of the image in the moment.
        row: the target's row in its sightings.
    """

    image: int
    row: int


class Target:
    """Chooses the target and tells in which images it is surely seen.

    The nearest person is chosen once and kept, also while out of sight: a robot that takes
    the next best follows the wrong one.

    Surely: a confirmed person, in a box that was seen and not predicted. Time comes in from
    outside (a steady clock), so that a camera that stops also loses the target.
    """

    def __init__(self, config: TargetConfig) -> None:
        self.person = 0
        self._config = config
        self._seen_s: float | None = None
        self._lock = threading.Lock()  # the worker steps it, the executor configures it

    @property
    def config(self) -> TargetConfig:
        """Mode, person and timeout."""
        return self._config

    def configure(self, config: TargetConfig) -> None:
        """Take other settings; another mode or person releases the target."""
        with self._lock:
            old, self._config = self._config, config
            if (old.mode, old.person_id) != (config.mode, config.person_id):
                self._release()

    def release(self) -> None:
        """Follow nobody until the next choice."""
        with self._lock:
            self._release()

    def _release(self) -> None:
        self.person, self._seen_s = 0, None

    def locked(self, now_s: float) -> bool:
        """Whether the target was surely seen within the timeout."""
        seen = self._seen_s
        return seen is not None and now_s - seen <= self._config.lost_timeout_s

    def step(
        self,
        sightings: Sequence[Sightings],
        events: Sequence[Event],
        distances: Sequence[Sequence[float]],
        names: Mapping[int, str],
        now_s: float,
    ) -> list[Aim]:
        """The images of one moment in which the target is surely seen, nearest first.

        Args:
            sightings: of the moment.
            events: of the moment; a merge carries the target over to the person that remains.
            distances: metres to each row of each sightings, inf where unknown.
            names: of the persons.
            now_s: steady clock.
        """
        with self._lock:
            aims = self._aims(sightings, events, distances, names)
            if aims:
                self._seen_s = now_s
        return aims

    def _aims(
        self,
        sightings: Sequence[Sightings],
        events: Sequence[Event],
        distances: Sequence[Sequence[float]],
        names: Mapping[int, str],
    ) -> list[Aim]:
        if self._config.mode == 'off':
            return []
        for event in events:
            if event.kind == 'merged' and event.previous == self.person:
                self.person = event.person
            elif event.kind in ('expired', 'forgotten') and event.person == self.person:
                self._release()
        if self._config.mode == 'id':
            self.person = chosen(self._config.person_id, names)
        elif not self.person:
            self.person = _nearest_person(sightings, distances)
        aims = [
            Aim(i, row)
            for i, found in enumerate(sightings)
            for row in np.flatnonzero(_sure(found) & (found.persons == self.person)).tolist()
            if self.person
        ]
        return sorted(aims, key=lambda aim: distances[aim.image][aim.row])


def chosen(text: str, names: Mapping[int, str]) -> int:
    """The person of a number or name, 0 where there is none of that name."""
    wanted = text.strip()
    if wanted.isascii() and wanted.isdigit():
        return int(wanted)
    return next((number for number, name in names.items() if name == wanted), 0) if wanted else 0


def _sure(found: Sightings) -> BoolArray:
    return found.confirmed & ~found.predicted & (found.persons > 0)


def _nearest_person(sightings: Sequence[Sightings], distances: Sequence[Sequence[float]]) -> int:
    """The nearest sure person; the tallest in the image where no distance is known."""
    best: tuple[float, float, int] | None = None
    for found, far in zip(sightings, distances):
        for row in np.flatnonzero(_sure(found)).tolist():
            tall = float(found.boxes[row, 3] - found.boxes[row, 1])
            this = (float(far[row]), -tall, int(found.persons[row]))
            best = this if best is None else min(best, this)
    return best[2] if best else 0
