"""The one person whom a robot follows: surely seen, or not at all; never somebody else."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reid_ros.claim import AT_ONCE_NS, Claim, overrule, somebody_elses, two_places
from reid_ros.config import TargetConfig
from reid_ros.ground import Places
from reid_ros.standing import Standings
from reid_ros.types import BoolArray, DoubleArray, Event, Sightings

NS = 1_000_000_000
OPERATOR = 'operator'
"""Name in the gallery of the person who was enrolled; it survives a restart."""
LEAST_SCORE = 0.5
"""Probability of the person below which a sighting is in doubt: the last look did not fit."""
RELOCK_NS = 200_000_000
"""How long another track must bear the target's number before it is believed."""
VOTES = 3
"""Places that tell whether that track stands where the target can be."""
SETTLED_NS = 3 * NS
"""A body that was followed for less is not known well enough to be found again by its number,
should its track turn out to be somebody else."""
PENDING_NS = NS
"""How long a camera is waited for that showed the target, when its number was merged."""
INSISTS_NS = 5 * NS
"""A number that a track out of reach bears for so long, and no other track, is right after all:
where the target was before was wrong. If the target was not seen for so long, and the number is
borne by a track that was elsewhere then, it is that body's number."""

KEPT_NS = 10 * NS
"""How much longer than the timeout a track is remembered that bore the number."""

State = Literal['off', 'unselected', 'searching', 'locked', 'lost', 'doubt', 'released']
Key = tuple[str, int]
"""Camera and number of a track."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one image shows of people, and where they stand.

    Attributes:
        sightings: of the image.
        distances: (n,) metres from the camera, inf = unknown.
        places: of the rows; None = not known.
        frame: that the places are in.
        asked: whether this camera is asked who is nearest; a robot asks its own.
    """

    sightings: Sightings
    distances: DoubleArray
    places: Places | None = None
    frame: str = ''
    asked: bool = True


@dataclass(frozen=True, slots=True)
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

    A person is chosen once and kept, also while out of sight: a robot that takes the next best
    follows the wrong one. Surely: a confirmed person, in a box that was seen and not predicted,
    whose last look fits, on a track that is where the target can be. Where numbers are merged the
    target takes the other number only with the body that was followed. Where that is not so, or
    the body that was followed turns out to be somebody else, the choice ends and somebody must
    choose again.

    Attributes:
        person: number of the target, 0 = nobody.
        state: off, unselected (nobody fits the choice yet), searching (not seen yet), locked,
            lost, doubt, or released (the choice ended by itself).
        reason: why it is in doubt or released, else ''.
        choice: rises with every choice: whoever is chosen next is somewhere else.
    """

    def __init__(self, config: TargetConfig) -> None:
        self.person = 0
        self.state: State = 'off'
        self.reason = ''
        self.choice = 0
        self._config = config
        self._lock = threading.RLock()  # the worker steps it, the executor configures it
        self.release()

    @property
    def config(self) -> TargetConfig:
        """Mode, person and timeout."""
        return self._config

    def configure(self, config: TargetConfig) -> None:
        """Take other settings; another mode or person is another choice."""
        with self._lock:
            old, self._config = self._config, config
            if (old.mode, old.person_id) != (config.mode, config.person_id):
                self.release()

    def release(self) -> None:
        """Forget whom the mode chose: it chooses anew."""
        with self._lock:
            self._let_go('off' if self._config.mode == 'off' else 'unselected', '')

    def locked(self, now_s: float) -> bool:
        """Whether the target was surely seen within the timeout, and nothing is in doubt since.

        Args:
            now_s: of the clock that `step` is told.
        """
        with self._lock:
            seen = self._seen_s
            timeout = self._config.lost_timeout_s
            # A clock that was set back says nothing about how long ago it was.
            return self.state == 'locked' and seen is not None and 0 <= now_s - seen <= timeout

    def step(
        self,
        looks: Sequence[Look],
        events: Sequence[Event],
        names: Mapping[int, str],
        now_s: float,
    ) -> list[Aim]:
        """The images of one moment in which the target is surely seen, nearest first.

        Args:
            looks: one per image, with the persons as they are after the events.
            events: of the moment.
            names: of the persons.
            now_s: of any clock that goes on without images, for the timeout.
        """
        with self._lock:
            if not looks:
                return []
            self._now_ns = max(look.sightings.stamp_ns for look in looks)
            kept_ns = KEPT_NS + round(self._config.lost_timeout_s * NS)
            for key in [k for k, c in self._claims.items() if self._age(c.borne_ns) > kept_ns]:
                del self._claims[key]
            self._hear(events)
            self._take_over(looks)
            self._choose(looks, names)
            aims = self._aims(looks)
            self._conclude(aims, now_s)
        return sorted(aims, key=lambda aim: float(looks[aim.image].distances[aim.row]))

    def _let_go(self, state: State, reason: str) -> None:
        """Nothing is known of a body that is followed."""
        self.person, self.state, self.reason = 0, state, reason
        self.choice += 1
        self._now_ns = 0
        self._seen_s: float | None = None  # of the last sure sighting, by the caller's clock
        self._sure_ns: int | None = None  # stamp of the same
        self._held_ns = 0  # how long it was surely seen since it was chosen
        self._claims: dict[Key, Claim] = {}
        self._followed: dict[Key, Claim] = {}  # what surely was the target a moment ago
        self._pending: tuple[int, int] | None = None  # a number to take over, and until when
        self._standings = Standings()

    # -- whose number it is ----------------------------------------------------------------------

    def _hear(self, events: Iterable[Event]) -> None:
        """Note what became of the target's number."""
        number = self._pending[0] if self._pending else self.person
        for event in events:
            if not self.person:
                return
            if event.kind == 'merged' and event.previous == number:
                number = event.person
                self._pending = (number, self._now_ns + PENDING_NS)
            elif event.kind in ('expired', 'forgotten') and event.person == number:
                self._let_go('released', f'person {number} is known no more')
            elif event.kind == 'split' and event.previous == number:
                body = self._followed.pop((event.camera, event.track), None)
                young = self._held_ns < SETTLED_NS
                if body is not None and young and self._config.mode == 'nearest':
                    self._let_go('released', f'who was nearest is not person {number}')

    def _take_over(self, looks: Sequence[Look]) -> None:
        """After a merge take the other number with the body that was followed, or let go."""
        if self._pending is None or not self.person:
            return
        number, until_ns = self._pending
        fresh = {
            key for key, body in self._followed.items() if self._age(body.seen_ns) <= PENDING_NS
        }
        for key, look, row in _rows(looks):
            if key in fresh and look.sightings.persons[row] == number:
                self.person, self._pending = number, None
                self._claims = {k: claim for k, claim in self._claims.items() if k in fresh}
                return
        if not fresh or self._now_ns > until_ns:
            self._let_go('released', f'merged with person {number}, who was not followed')

    def _choose(self, looks: Sequence[Look], names: Mapping[int, str]) -> None:
        mode = self._config.mode
        if self.person or self.state == 'released' or mode == 'off':
            return
        if mode == 'nearest':
            self.person = nearest(looks)
        else:
            self.person = chosen(self._config.person_id if mode == 'id' else OPERATOR, names)

    # -- where it surely is ----------------------------------------------------------------------

    def _aims(self, looks: Sequence[Look]) -> list[Aim]:
        for look in looks:
            self._standings.note(look.sightings, look.places, look.frame)
        if not self.person or self._pending is not None:
            return []
        borne: list[tuple[Aim, Key, Claim]] = []
        denied: set[Key] = set()
        index = {id(look): image for image, look in enumerate(looks)}
        for key, look, row in _rows(looks):
            found = look.sightings
            if found.persons[row] == self.person:
                self._borne(key, found.stamp_ns)
            if found.persons[row] != self.person and not found.predicted[row]:
                self._claims.pop(key, None)
                if found.persons[row]:
                    denied.add(key)
            elif sure(found)[row] and found.persons[row] == self.person:
                borne.append((Aim(index[id(look)], row), key, self._claim(key, look, row)))
        aims = []
        overrule(self._recent(), self._now_ns)
        for aim, key, claim in borne:
            if self._believed(claim, denied) and not claim.disputed:
                aims.append(aim)
                self._followed[key] = dataclasses.replace(claim)
        if two_places(self._recent(), self._now_ns):
            return []
        return aims if self.person else []

    def _borne(self, key: Key, stamp_ns: int) -> None:
        """Note that a track bears the number, be it sure or not."""
        claim = self._claims.get(key)
        if claim is not None and 0 <= stamp_ns - claim.borne_ns <= NS:
            claim.borne_ns = stamp_ns
        else:
            self._claims.pop(key, None)

    def _claim(self, key: Key, look: Look, row: int) -> Claim:
        """What is known of a track that bears the number."""
        stamp_ns = look.sightings.stamp_ns
        claim = self._claims.get(key)
        if claim is None or not 0 <= stamp_ns - claim.seen_ns <= NS:
            other = claim is not None and claim.other
            claim = Claim(stamp_ns, stamp_ns, stamp_ns, own=look.asked, other=other)
            self._claims[key] = claim
        claim.seen_ns = stamp_ns
        if look.places is not None and look.places.sure[row]:
            claim.spot = look.places.positions[row, :2]
            claim.spread = float(np.sqrt(np.trace(look.places.covariances[row, :2, :2])))
            claim.frame = look.frame
            claim.denied = self._standings.contradict(key[0], claim.spot, claim.frame, self.person)
            last = self._last()
            if last is not None and not claim.trusted and claim.near + claim.far < VOTES:
                away = claim.apart(last, self._age(last.seen_ns) / NS)
                claim.near += away is False
                claim.far += away is True
        return claim

    def _believed(self, claim: Claim, denied: set[Key]) -> bool:
        """Whether a track that bears the number is the target."""
        claim.other = claim.other or (not claim.trusted and self._besides(claim))
        if not self.person or claim.trusted or claim.other:
            return claim.trusted
        if self._sure_ns is None:  # the first body that bears the chosen number
            claim.trusted = True
        elif claim.near + claim.far >= VOTES and claim.far > claim.near:
            key = max(self._followed, key=lambda k: self._followed[k].seen_ns, default=None)
            if key in denied:  # it still stands there, and is said to be another
                self._let_go('released', 'who was followed is said to be another person')
            claim.trusted = claim.seen_ns - claim.since_ns >= INSISTS_NS
        elif claim.seen_ns - claim.since_ns >= RELOCK_NS:
            claim.trusted = claim.near >= claim.far
        return claim.trusted

    def _last(self) -> Claim | None:
        """The track that was the target last, as it was then."""
        return max(self._followed.values(), key=lambda body: body.seen_ns, default=None)

    def _besides(self, claim: Claim) -> bool:
        """Whether the target was seen since this track bears its number, where that cannot be."""
        sure = [c for c in self._claims.values() if c.trusted and c.seen_ns > claim.since_ns]
        ages = [self._age(one.seen_ns) for one in sure]
        return any(claim.apart(c, age / NS) for c, age in zip(sure, ages) if age < AT_ONCE_NS)

    def _recent(self) -> list[Claim]:
        """The tracks that bear the number now."""
        return [c for c in self._claims.values() if self._age(c.seen_ns) < AT_ONCE_NS]

    def _age(self, stamp_ns: int) -> int:
        return abs(self._now_ns - stamp_ns)

    def _conclude(self, aims: Sequence[Aim], now_s: float) -> None:
        if not self.person:
            return
        if aims:
            gap = NS if self._sure_ns is None else self._age(self._sure_ns)
            self._held_ns += gap if gap < NS else 0
            self._sure_ns, self._seen_s = self._now_ns, now_s
            self.state, self.reason = 'locked', ''
            last = self._last()
            self._followed = {
                key: body
                for key, body in self._followed.items()
                if body is last or self._age(body.seen_ns) <= PENDING_NS
            }
            return
        recent = self._recent()
        unseen = self._sure_ns is not None and self._age(self._sure_ns) >= INSISTS_NS
        if unseen and somebody_elses(self._claims.values(), self._now_ns):
            self._let_go('released', f'person {self.person} is not who was followed')
        elif self._pending is not None:
            self.state, self.reason = 'doubt', f'merged with person {self._pending[0]}'
        elif two_places(recent, self._now_ns):
            self.state, self.reason = 'doubt', 'seen in two places at once'
        elif recent and not any(claim.trusted for claim in recent):
            self.state, self.reason = 'doubt', 'another track bears the number'
        elif recent and all(claim.disputed for claim in recent if claim.trusted):
            self.state, self.reason = 'doubt', 'cameras disagree on who it is'
        elif self._sure_ns is None:
            self.state, self.reason = 'searching', ''
        elif self._age(self._sure_ns) > self._config.lost_timeout_s * NS or not any(
            claim.trusted for claim in self._claims.values()
        ):
            self.state, self.reason = 'lost', ''


def chosen(text: str, names: Mapping[int, str]) -> int:
    """The person of a number or name, 0 where there is none of that name."""
    wanted = text.strip()
    if wanted.isascii() and wanted.isdigit():
        return int(wanted)
    return next((number for number, name in names.items() if name == wanted), 0) if wanted else 0


def sure(found: Sightings) -> BoolArray:
    """(n,) True where it is beyond doubt who is seen."""
    fits = found.person_scores >= LEAST_SCORE
    return found.confirmed & ~found.predicted & (found.persons > 0) & fits


def nearest(looks: Iterable[Look]) -> int:
    """The person nearest to the cameras that are asked; 0 where it is not sure who that is.

    Where no distance is known the tallest in the image is the nearest.
    """
    best: tuple[float, float, int] | None = None
    for _, look, row in _rows(look for look in looks if look.asked):
        found = look.sightings
        if found.predicted[row]:
            continue
        tall = float(found.boxes[row, 3] - found.boxes[row, 1])
        person = int(found.persons[row]) if sure(found)[row] else 0
        this = (float(look.distances[row]), -tall, person)
        best = this if best is None else min(best, this)
    return best[2] if best else 0


def _rows(looks: Iterable[Look]) -> Iterable[tuple[Key, Look, int]]:
    for look in looks:
        for row, track in enumerate(look.sightings.tracks.tolist()):
            yield (look.sightings.camera, track), look, row
