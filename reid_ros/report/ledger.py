"""Who every track was, with what is known by now and not only at the time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from reid_ros.types import Event, Sightings

_LAST = 1 << 62  # larger than any person: sorts behind all changes of its moment


class Ledger:
    """Remembers the changes, not the rows, so it stays small however long the run is.

    One thread adds; others may ask `person`, `surviving` and `confirmed` meanwhile.
    """

    def __init__(self) -> None:
        # of each track: from which moment on it was which person (0 = undecided)
        self._tracks: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self._merges: dict[int, list[tuple[int, int]]] = {}  # gone -> (moment, surviving)
        self._confirmed: set[int] = set()

    def add(self, moment: int, sightings: Iterable[Sightings], events: Iterable[Event]) -> None:
        """What moment number `moment` found; moments come in order."""
        for event in events:
            if event.kind == 'merged' and event.previous:
                merges = self._merges.setdefault(event.previous, [])
                merges.append((moment, event.person))
                if event.previous in self._confirmed:
                    self._confirmed.add(event.person)
            elif event.kind == 'confirmed':
                self._confirmed.add(event.person)
        for found in sightings:
            self._confirmed.update(found.persons[found.confirmed & (found.persons > 0)].tolist())
            for number, person in zip(found.tracks.tolist(), found.persons.tolist()):
                changes = self._tracks.setdefault((found.camera, number), [])
                if not changes or changes[-1][1] != person:
                    changes.append((moment, person))

    def person(self, camera: str, track: int, moment: int) -> int:
        """Person of a track at a moment, 0 where undecided.

        An identity is applied back to the start of its track or, after a change of identity, to
        the moment when the former one was given up; never forward beyond that. A number that was
        merged is replaced by the surviving one.
        """
        changes = self._tracks.get((camera, track))
        if not changes:
            return 0
        at = max(0, bisect_right(changes, (moment, _LAST)) - 1)
        while at + 1 < len(changes) and not changes[at][1]:
            at += 1
        since, person = changes[at]
        return self.surviving(person, since)

    def surviving(self, person: int, moment: int = 0) -> int:
        """The number under which a person that was seen at a moment is known now."""
        passed = {person}
        while True:
            later = [m for m in self._merges.get(person, ()) if m[0] >= moment]
            if not later or later[0][1] in passed:
                return person
            moment, person = later[0]
            passed.add(person)

    def confirmed(self, person: int) -> bool:
        """Whether a person was ever confirmed, under this number or one merged into it."""
        return person in self._confirmed

    def merged_from(self, person: int) -> list[int]:
        """The numbers that were merged into a person directly."""
        return sorted(
            gone
            for gone, merges in self._merges.items()
            if gone != person and any(into == person for _, into in merges)
        )

    def undecided(self) -> int:
        """Number of tracks that never got a person."""
        return sum(not any(person for _, person in track) for track in self._tracks.values())
