"""For how long nobody has seen a person, although the clocks of cameras may disagree by hours."""

from __future__ import annotations

from collections.abc import Iterable

from reid_ros.gallery import Gallery, Person

NS = 1_000_000_000
PERIOD_NS = NS
"""Between two looks at everybody."""
LATE_NS = 5 * NS
"""A camera whose stamps lie farther back than this has another clock."""
SILENT = 3
"""After so many looks at everybody, a camera that says nothing tells no time any more."""


class Absence:
    """Counts by the newest stamps there are. A silence of all cameras counts, too."""

    def __init__(self) -> None:
        self._begun: dict[str, int] = {}  # stamp of each camera when the last turn began
        self._newest: dict[str, int] = {}
        self._silent: dict[str, int] = {}  # turns for which each camera has said nothing
        self._met: dict[int, int] = {}  # by the newest stamps, of persons in cameras that are late
        self._now_ns = 0
        self._awaited = False  # others, since the last turn

    @property
    def now_ns(self) -> int:
        """The time of the last turn."""
        return self._now_ns

    def see(self, camera: str, stamp_ns: int, persons: Iterable[int]) -> None:
        """Persons are present in an image of a camera."""
        self._begun[camera] = min(self._begun.get(camera, stamp_ns), stamp_ns)
        self._newest[camera] = stamp_ns
        self._silent[camera] = 0
        now_ns = max(self._newest.values())
        if now_ns - stamp_ns > LATE_NS:
            self._met.update(dict.fromkeys(persons, now_ns))

    def due(self) -> bool:
        """Whether a second has passed since the last turn, by the clock of any camera."""
        return bool(self._newest) and (
            not self._now_ns
            or any(at - self._begun[name] >= PERIOD_NS for name, at in self._newest.items())
        )

    def turn(self, gallery: Gallery) -> bool:
        """Begin the next second; False where other cameras must be heard before anybody is judged.

        A camera that comes in with a clock far ahead looks like a long silence of the others.
        """
        last_ns, self._now_ns = self._now_ns, max(self._newest.values())
        self._met = {number: at for number, at in self._met.items() if number in gallery}
        for camera, turns in list(self._silent.items()):
            self._silent[camera] = turns + 1
            if turns >= SILENT:
                for known in (self._silent, self._newest, self._begun):
                    known.pop(camera)
        self._begun = dict(self._newest)
        # Once, and not again: where images are rare, every turn comes late.
        self._awaited = not self._awaited and 0 < last_ns < self._now_ns - LATE_NS
        return not self._awaited

    def of_ns(self, person: Person) -> int:
        """Nanoseconds from the last sighting to the last turn."""
        return self._now_ns - max(person.last_ns, self._met.get(person.number, person.last_ns))
