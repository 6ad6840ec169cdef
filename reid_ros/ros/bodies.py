"""One body per person, whichever cameras show them, as ROS4HRI wants it; values only.

A body of ROS4HRI is what is tracked now, and a person has at most one. Tracks of several cameras
that are one person so become one body; whoever is undecided is a body of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reid_ros.types import Sightings

NS = 1_000_000_000
SILENT_NS = NS
"""A camera that sent nothing for so long shows nobody."""
BETTER = 1.25
"""Another camera takes over once it shows a body so much better: no flicker between two."""
REPEAT_NS = NS
"""A person manager drops what it hears of a body that it does not know yet: it is told again."""
CHANGED = 0.05
"""A confidence that differs by more is told at once."""

Key = tuple[str, int]
"""Camera and number of a track."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A body in an image of this moment, that of its best camera.

    Attributes:
        image: index of the image in the moment.
        row: of the body in its sightings.
    """

    image: int
    row: int


@dataclass(frozen=True, slots=True)
class Body:
    """One body.

    Attributes:
        name: never used again.
        person: who it surely is, 0 = undecided or provisional.
        score: probability of the person.
        shown: where its best camera shows it now; None where that camera's image is another
            moment's.
    """

    name: str
    person: int
    score: float
    shown: Shown | None


@dataclass(slots=True)
class _View:
    """One track, as its camera's last image had it."""

    stamp_ns: int
    person: int
    score: float
    confirmed: bool
    worth: float
    shown: Shown | None = None


@dataclass(slots=True)
class _Held:
    """A body: the tracks that are it, and the camera that shows it."""

    number: int
    person: int = 0
    keys: list[Key] = field(default_factory=list)
    best: Key | None = None


class Bodies:
    """Follows tracks from moment to moment. Time comes from the images.

    Attributes:
        count: bodies so far.
    """

    def __init__(self, count: int = 0) -> None:
        """Count: numbers that were used before."""
        self.count = count
        self._views: dict[Key, _View] = {}
        self._bodies: dict[int, _Held] = {}

    def step(self, found: Sequence[Sightings]) -> list[Body]:
        """Everybody who is tracked, after one moment; the longest tracked first."""
        for view in self._views.values():
            view.shown = None
        for image, sightings in enumerate(found):
            self._look(image, sightings)
        if found:
            self._drop(max(sightings.stamp_ns for sightings in found))
        self._group()
        return [self._told(body) for _, body in sorted(self._bodies.items())]

    def _look(self, image: int, found: Sightings) -> None:
        camera = found.camera
        numbers = found.tracks.tolist()
        for key in [k for k in self._views if k[0] == camera and k[1] not in numbers]:
            del self._views[key]
        tall = np.maximum(found.boxes[:, 3] - found.boxes[:, 1], 1.0)
        worth = (tall * found.scores * np.where(found.predicted, 1e-3, 1.0)).tolist()
        for row, number in enumerate(numbers):
            self._views[camera, number] = _View(
                found.stamp_ns,
                int(found.persons[row]),
                float(found.person_scores[row]),
                bool(found.confirmed[row]),
                worth[row],
                Shown(image, row),
            )

    def _drop(self, now_ns: int) -> None:
        self._views = {
            key: view
            for key, view in self._views.items()
            if abs(now_ns - view.stamp_ns) <= SILENT_NS
        }

    def _group(self) -> None:
        """Give every track to a body: those of one person to one, each other to its own."""
        groups: dict[tuple[int, Key | None], list[Key]] = {}
        for key, view in self._views.items():
            alone = key if not view.person else None
            groups.setdefault((view.person, alone), []).append(key)
        old = {key: number for number, body in self._bodies.items() for key in body.keys}
        bearer = {body.person: number for number, body in self._bodies.items() if body.person}
        taken: dict[int, _Held] = {}
        waiting = []
        for (person, _), keys in groups.items():
            number = bearer.get(person, 0)
            held = {old[key] for key in keys if key in old}
            # The body that was the person goes on; also where one camera loses them and another
            # finds them at once.
            if number and (number in held or not (held or self._lives(number))):
                taken[number] = self._kept(number, person, keys)
            else:
                waiting.append((person, keys))
        for person, keys in sorted(waiting, key=lambda group: not group[0]):
            free = [old[key] for key in keys if key in old and old[key] not in taken]
            if free:
                number = min(free)
            else:
                self.count += 1
                number = self.count
            taken[number] = self._kept(number, person, keys)
        self._bodies = taken

    def _lives(self, number: int) -> bool:
        return any(key in self._views for key in self._bodies[number].keys)

    def _kept(self, number: int, person: int, keys: list[Key]) -> _Held:
        before = self._bodies.get(number)
        best = max(keys, key=lambda key: self._views[key].worth)
        last = before.best if before is not None else None
        if last in keys and self._views[best].worth < BETTER * self._views[last].worth:
            best = last
        return _Held(number, person, keys, best)

    def _told(self, body: _Held) -> Body:
        views = [self._views[key] for key in body.keys]
        sure = [view.score for view in views if view.confirmed]
        shown = self._views[body.best].shown if body.best is not None else None
        person = body.person if sure else 0
        return Body(f'b{body.number}', person, max(sure, default=0.0), shown)


@dataclass(frozen=True, slots=True)
class Match:
    """A body is a person, with a confidence; 0 takes it back."""

    body: str
    person: int
    confidence: float


class Matches:
    """What was said about which body is which person, and what is to be said now."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[int, float, int]] = {}

    def step(self, bodies: Mapping[str, tuple[int, float]], now_ns: int) -> list[Match]:
        """What to say at a moment: first what does not hold any more, with confidence 0.

        Args:
            bodies: person, 0 = undecided, and confidence of everybody who is tracked.
            now_ns: stamp of the moment.
        """
        ended = []
        for name, (person, _, _) in list(self._said.items()):
            if bodies.get(name, (0, 0.0))[0] != person:
                del self._said[name]
                ended.append(Match(name, person, 0.0))
        told = []
        for name, (person, score) in bodies.items():
            # A confidence of 0 would say the opposite.
            confidence = min(max(score, 1e-3), 1.0)
            said = self._said.get(name)
            if person and (
                said is None
                or abs(said[1] - confidence) > CHANGED
                or abs(now_ns - said[2]) >= REPEAT_NS
            ):
                self._said[name] = (person, confidence, now_ns)
                told.append(Match(name, person, confidence))
        return ended + told

    def clear(self) -> list[Match]:
        """Take everything back."""
        return self.step({}, 0)
