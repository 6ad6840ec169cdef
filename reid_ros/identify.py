"""Tracks of all cameras over time become persons: open set, one-to-one, cannot-link."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from reid_ros import boxes as geometry
from reid_ros.calibration import Calibration
from reid_ros.config import GalleryConfig, IdentityConfig
from reid_ros.evidence import MARGIN, Match, Scores, matches, scores
from reid_ros.gallery import Gallery, Person
from reid_ros.topology import Topology
from reid_ros.types import BoolArray, DoubleArray, Event, FloatArray, IntArray, Tracks, UInt32Array

NS = 1_000_000_000
AT_ONCE_NS = 250_000_000
"""Two sightings this close in time are at once: nobody changes cameras that fast."""
DECIDE_CROPS = 3
"""Vectors behind a track before it may be taken for a known person."""
CONFIRM_CROPS = 5
"""Vectors behind a person before they may be confirmed."""
LEARN_QUALITY = 0.3
"""Crops of lower quality are compared but not learnt."""
APART = 0.5
"""Two boxes of which neither covers more of the other than this are two people."""
LINK_AGE_NS = 300_000_000
"""A younger track may be a second box on the same person and proves nothing."""
PROVISIONAL_TTL_S = 60.0
"""Unseen provisional persons are dropped after at most this long."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one frame adds.

    Attributes:
        camera, stamp_ns: those of the frame.
        tracks: of the camera after this frame.
        rows: (k,) tracks that got a vector.
        vectors: (k, d) unit vectors.
        qualities: (k,) 0 to 1.
    """

    camera: str
    stamp_ns: int
    tracks: Tracks
    rows: IntArray
    vectors: FloatArray
    qualities: FloatArray


@dataclass(frozen=True, slots=True)
class Identities:
    """Who the tracks of one frame are, in their order.

    Attributes:
        persons: (n,) uint32, 0 = undecided.
        scores: (n,) float32 probability.
        confirmed: (n,) bool.
    """

    persons: UInt32Array
    scores: FloatArray
    confirmed: BoolArray


@dataclass(slots=True)
class _Track:
    camera: str
    number: int
    first_ns: int
    seen_ns: int
    box: FloatArray
    total: FloatArray | None = None
    weight: float = 0.0
    count: int = 0
    recent: deque[FloatArray] = field(default_factory=lambda: deque(maxlen=3))
    fresh: FloatArray | None = None
    fresh_quality: float = 0.0
    person: int = 0
    left: int = 0
    score: float = 0.0
    odd: int = 0
    never: set[int] = field(default_factory=set)

    @property
    def mean(self) -> FloatArray:
        assert self.total is not None
        result: FloatArray = self.total / max(float(np.linalg.norm(self.total)), 1e-12)
        return result

    def age_s(self) -> float:
        return (self.seen_ns - self.first_ns) / NS


@dataclass(slots=True)
class _Left:
    """Where a person was last seen by one camera."""

    stamp_ns: int
    box: FloatArray


class Identifier:
    """Decides, moment by moment, which track is which person.

    Time comes from the frames. The gallery is shared with whoever made this.
    """

    def __init__(
        self,
        gallery: Gallery,
        calibration: Calibration,
        topology: Topology,
        config: IdentityConfig,
        keep: GalleryConfig,
    ) -> None:
        self.gallery = gallery
        self.config = config
        self.keep = keep
        self._calibration = calibration
        self._topology = topology
        self._tracks: dict[str, dict[int, _Track]] = {}
        self._seen: dict[str, list[_Track]] = {}
        self._linked: dict[str, tuple[int, tuple[tuple[int, int], ...]]] = {}
        self._left: dict[int, dict[str, _Left]] = {}
        self._events: list[Event] = []
        self._swept_ns = -(1 << 62)

    def step(self, observations: Sequence[Observation]) -> tuple[list[Identities], list[Event]]:
        """The persons of every observed frame of one moment, and what changed."""
        self._events = []
        for observation in observations:
            self._observe(observation)
        for observation in observations:
            self._forbid(observation.camera, observation.stamp_ns)
        for observation in observations:
            self._decide(observation.camera, observation.stamp_ns)
        for observation in observations:
            self._deepen(observation.camera, observation.stamp_ns)
        if observations:
            self._sweep(max(o.stamp_ns for o in observations))
        return [self._answer(o) for o in observations], self._events

    def reset_camera(self, camera: str) -> None:
        """Forget the tracks of one camera; its persons stay known."""
        self._tracks.pop(camera, None)
        self._seen.pop(camera, None)
        self._linked.pop(camera, None)
        for left in self._left.values():
            left.pop(camera, None)

    # -- what the frame shows ------------------------------------------------------------------

    def _observe(self, observation: Observation) -> None:
        camera, stamp_ns, tracks = observation.camera, observation.stamp_ns, observation.tracks
        known = self._tracks.setdefault(camera, {})
        for number in tracks.ended.tolist():
            self._end(known.pop(number, None), stamp_ns)
        seen = []
        for row, number in enumerate(tracks.ids.tolist()):
            if tracks.detection[row] < 0 or not tracks.confirmed[row]:
                continue
            track = known.get(number)
            if track is None:
                track = known[number] = _Track(
                    camera, number, stamp_ns, stamp_ns, tracks.boxes[row]
                )
            track.seen_ns, track.box = stamp_ns, tracks.boxes[row]
            if track.person:
                self._at(track, stamp_ns)
            seen.append(track)
        self._seen[camera] = seen
        ids = tracks.ids[observation.rows].tolist()
        for number, vector, value in zip(ids, observation.vectors, observation.qualities.tolist()):
            track = known.get(number)
            if track is None or not np.isfinite(vector).all():
                continue
            track.total = vector * value if track.total is None else track.total + vector * value
            track.weight += value
            track.count += 1
            track.fresh, track.fresh_quality = vector, value
            track.recent.append(vector)

    def _at(self, track: _Track, stamp_ns: int) -> None:
        """Note that a bound track's person was seen, or let go of one who was forgotten."""
        if track.person not in self.gallery:
            track.person, track.score = 0, 0.0
            return
        self.gallery[track.person].seen_ns[track.camera] = stamp_ns
        place = self._left.setdefault(track.person, {})
        place[track.camera] = _Left(stamp_ns, track.box)

    def _end(self, track: _Track | None, stamp_ns: int) -> None:
        if track is None or not track.person or track.person not in self.gallery:
            return
        person = track.person
        self.gallery.changed.add(person)
        alive = any(
            t.person == person for tracks in self._tracks.values() for t in tracks.values()
        )
        if not alive:
            self._events.append(Event('lost', person, stamp_ns, track.camera, track.number))

    # -- who cannot be whom --------------------------------------------------------------------

    def _forbid(self, camera: str, stamp_ns: int) -> None:
        """People seen side by side are different people, now and later."""
        seen = [t for t in self._seen[camera] if stamp_ns - t.first_ns >= LINK_AGE_NS]
        if len(seen) < 2:
            return
        state = tuple((t.number, t.person) for t in seen)
        last_ns, last_state = self._linked.get(camera, (-(1 << 62), ()))
        if state == last_state and 0 <= stamp_ns - last_ns < NS // 2:
            return
        self._linked[camera] = (stamp_ns, state)
        boxes = np.stack([t.box for t in seen])
        cover = geometry.coverage(boxes, boxes)
        for i, j in np.argwhere(np.triu((cover <= APART) & (cover.T <= APART), 1)).tolist():
            self._differ(seen[i], seen[j])

    def _differ(self, first: _Track, second: _Track) -> None:
        if first.person and second.person:
            if first.person != second.person:
                self.gallery.cannot_link(first.person, second.person)
        elif first.person:
            second.never.add(first.person)
        elif second.person:
            first.never.add(second.person)

    def _impossible(self, tracks: Sequence[_Track], stamp_ns: int) -> BoolArray:
        """(m, n) True where a track cannot be a person of the gallery."""
        people = list(self.gallery)
        result = np.zeros((len(tracks), len(people)), np.bool_)
        holders = self._holders(stamp_ns)
        for column, person in enumerate(people):
            number = person.number
            for row, track in enumerate(tracks):
                result[row, column] = (
                    number in track.never
                    or any(
                        other is not track
                        and not self._topology.overlap(other.camera, track.camera)
                        for other in holders.get(number, ())
                    )
                    or not self._walkable(person, track.camera, stamp_ns)
                )
        return result

    def _holders(self, stamp_ns: int) -> dict[int, list[_Track]]:
        """The tracks that show each person right now; one that grew odd does not hold."""
        result: dict[int, list[_Track]] = {}
        for seen in self._seen.values():
            for track in seen:
                if track.person and track.odd < 2 and abs(stamp_ns - track.seen_ns) < AT_ONCE_NS:
                    result.setdefault(track.person, []).append(track)
        return result

    def _walkable(self, person: Person, camera: str, stamp_ns: int) -> bool:
        if not person.seen_ns:
            return True
        last = max(person.seen_ns, key=lambda name: person.seen_ns[name])
        return self._topology.possible(last, camera, stamp_ns - person.seen_ns[last])

    def _recent(self, tracks: Sequence[_Track]) -> DoubleArray:
        """(m, n) 1 where a person left the track's camera just before, near its start."""
        people = list(self.gallery)
        result = np.zeros((len(tracks), len(people)))
        for column, person in enumerate(people):
            places = self._left.get(person.number, {})
            for row, track in enumerate(tracks):
                place = places.get(track.camera)
                if place is not None:
                    result[row, column] = _near(place, track)
        return result

    # -- who is it -----------------------------------------------------------------------------

    def _evidence(self, tracks: Sequence[_Track], vectors: FloatArray, stamp_ns: int) -> Scores:
        closeness = self.gallery.closeness(vectors, [t.camera for t in tracks])
        order = {number: i for i, number in enumerate(p.number for p in self.gallery)}
        columns = [order[int(number)] for number in closeness.persons]
        return scores(
            closeness,
            self._calibration,
            self._impossible(tracks, stamp_ns)[:, columns],
            self._recent(tracks)[:, columns],
        )

    def _decide(self, camera: str, stamp_ns: int) -> None:
        """Bind the unbound tracks of one camera to persons, known or new."""
        unbound = [t for t in self._seen[camera] if not t.person]
        ready = [t for t in unbound if t.fresh is not None and self._has_enough(t)]
        found: dict[int, Match] = {}
        if ready and len(self.gallery):
            result = self._evidence(ready, np.stack([t.mean for t in ready]), stamp_ns)
            for row, match in enumerate(matches(result, self.config.false_accept)):
                track = ready[row]
                found[track.number] = match
                if match.column >= 0 and (not match.ambiguous or self._one(result, match)):
                    self._bind(
                        track,
                        int(result.persons[match.column]),
                        result.probability(row, match.column),
                        match.margin,
                        stamp_ns,
                    )
        for track in unbound:
            if not track.person and self._is_new(track, found.get(track.number)):
                self._born(track, stamp_ns)

    def _has_enough(self, track: _Track) -> bool:
        return track.count >= DECIDE_CROPS or track.age_s() >= 2 * self.config.settle_s

    def _is_new(self, track: _Track, match: Match | None) -> bool:
        """True once a track has waited long enough without being anybody."""
        age, settle = track.age_s(), self.config.settle_s
        if track.total is None:
            return age >= 2 * settle
        if match is None:
            return age >= settle and (not len(self.gallery) or not self._has_enough(track))
        if match.ambiguous:
            return False
        return age >= (3 * settle if match.undecided else settle)

    def _one(self, found: Scores, match: Match) -> bool:
        """True where the two best persons may well be one, so that their likeness is no doubt."""
        first, second = int(found.persons[match.column]), int(found.persons[match.rival])
        return self._merged(first, second)

    def _bind(
        self, track: _Track, number: int, score: float, margin: float, stamp_ns: int
    ) -> None:
        person = self.gallery[number]
        for seen in self._seen.values():
            for other in seen:
                rival = other.person == number and other is not track and other.odd >= 2
                if rival and not self._topology.overlap(other.camera, track.camera):
                    self._unbind(other)
        held = any(t.person == number for seen in self._seen.values() for t in seen)
        last = max(person.seen_ns, key=lambda name: person.seen_ns[name], default='')
        previous, track.left = track.left, 0
        track.person, track.score, track.odd = number, score, 0
        for other_number in track.never & {p.number for p in self.gallery}:
            self.gallery.cannot_link(number, other_number)
        kind = 'split' if previous and previous != number else None
        if kind is None:
            kind = 'reacquired' if last == track.camera and not held else 'handover'
            previous = 0
        self._events.append(
            Event(kind, number, stamp_ns, track.camera, track.number, previous, score, margin)  # type: ignore[arg-type]
        )
        self._at(track, stamp_ns)

    def _unbind(self, track: _Track) -> None:
        """A track that no longer looks like its person starts anew from what it shows now."""
        track.left, track.person, track.score, track.odd = track.person, 0, 0.0, 0
        track.total = np.sum(np.stack(list(track.recent)), axis=0) if track.recent else None
        track.count = len(track.recent)
        track.never.add(track.left)

    def _born(self, track: _Track, stamp_ns: int) -> None:
        self._make_room(stamp_ns)
        person = self.gallery.born(track.first_ns)
        previous, track.left = track.left, 0
        track.person, track.score = person.number, 0.5
        for number in track.never & {p.number for p in self.gallery}:
            self.gallery.cannot_link(person.number, number)
        if track.total is not None:
            self.gallery.learn(person.number, track.mean, track.camera, max(track.weight, 1e-3))
            person.crops = track.count
            track.fresh = None
        kind = 'split' if previous else 'born'
        self._events.append(
            Event(kind, person.number, stamp_ns, track.camera, track.number, previous, track.score)  # type: ignore[arg-type]
        )
        self._at(track, stamp_ns)

    # -- is it still so ------------------------------------------------------------------------

    def _deepen(self, camera: str, stamp_ns: int) -> None:
        """Learn from bound tracks; confirm, merge and split their persons."""
        for track in self._seen[camera]:
            if track.fresh is None:
                continue
            if track.person and track.person in self.gallery:
                self._check(track, stamp_ns)
            track.fresh = None
        for track in self._seen[camera]:
            if track.person and track.person in self.gallery:
                self._confirm(track, stamp_ns)

    def _check(self, track: _Track, stamp_ns: int) -> None:
        assert track.fresh is not None
        latest = np.sum(np.stack(list(track.recent)), axis=0)
        latest /= max(float(np.linalg.norm(latest)), 1e-12)
        found = self._evidence([track, track], np.stack([track.fresh, latest]), stamp_ns)
        own = np.flatnonzero(found.persons == track.person)
        column = int(own[0])
        llr = float(found.llr[0, column])
        if np.isfinite(llr):
            track.score = found.probability(0, column)
        if not np.isfinite(llr) or llr > -1.0:
            track.odd = 0
            if track.fresh_quality >= LEARN_QUALITY:
                self.gallery.learn(track.person, track.fresh, track.camera, track.fresh_quality)
        else:
            track.odd += 1
        if track.odd >= 2 and found.llr[1, column] < 0:
            self._leave(track, found, column, stamp_ns)
        elif track.odd == 0:
            self._join(track, stamp_ns)

    def _leave(self, track: _Track, found: Scores, column: int, stamp_ns: int) -> None:
        """Split a track off that now looks like somebody else we know."""
        accepted = found.accepted(self.config.false_accept)[1]
        accepted[column] = False
        if not accepted.any():
            return
        llr = np.where(accepted, found.llr[1], -np.inf)
        best = int(np.argmax(llr))
        others = found.llr[1].copy()
        others[best] = -np.inf
        margin = float(llr[best] - others.max())
        if margin >= MARGIN:
            self._unbind(track)
            score = found.probability(1, best)
            self._bind(track, int(found.persons[best]), score, margin, stamp_ns)

    def _join(self, track: _Track, stamp_ns: int) -> None:
        """Merge the track's person with another who turns out to be the same."""
        person = self.gallery[track.person]
        if (person.confirmed and track.count % 4) or person.crops < CONFIRM_CROPS:
            return
        found = self._person_scores(person.number, stamp_ns)
        if found is None:
            return
        match = matches(found, self.config.false_accept)[0]
        if match.column < 0:
            return
        other = int(found.persons[match.column])
        if match.ambiguous and not self._merged(other, int(found.persons[match.rival])):
            return
        self._merge(person.number, other, track, match.margin, stamp_ns)

    def _person_scores(self, number: int, stamp_ns: int) -> Scores | None:
        """(1, n) evidence that one person is each other, from all of their prototypes."""
        prototypes = self.gallery.prototypes(number)
        if not prototypes or len(self.gallery) < 2:
            return None
        weights = np.array([weight for _, weight, _ in prototypes])
        weights = np.minimum(weights, 3.0) / np.minimum(weights, 3.0).sum()
        closeness = self.gallery.closeness(
            np.stack([vector for _, _, vector in prototypes]), [c for c, _, _ in prototypes]
        )
        shut = np.array([not self._mergeable(number, int(n)) for n in closeness.persons])
        impossible = np.broadcast_to(shut, closeness.same.shape)
        each = scores(closeness, self._calibration, impossible, np.zeros(closeness.same.shape))
        llr = np.where(np.isfinite(each.llr), each.llr, -50.0)
        mean_llr = np.where(shut, -np.inf, weights @ llr)[None]
        return Scores(each.persons, mean_llr, (weights @ each.log_p)[None], each.log_share[:1])

    def _mergeable(self, first: int, second: int) -> bool:
        if first == second or second in self.gallery[first].never:
            return False
        if self.gallery[first].name and self.gallery[second].name:
            return False
        return not any(
            a.person == first
            and b.person == second
            and abs(a.seen_ns - b.seen_ns) < AT_ONCE_NS
            and not self._topology.overlap(a.camera, b.camera)
            for a in self._all_seen()
            if a.person == first
            for b in self._all_seen()
        )

    def _merged(self, first: int, second: int) -> bool:
        """True where the evidence alone would let these two be one person."""
        stamp_ns = max(self.gallery[first].last_ns, self.gallery[second].last_ns)
        found = self._person_scores(first, stamp_ns)
        if found is None:
            return False
        column = int(np.flatnonzero(found.persons == second)[0])
        return bool(found.accepted(self.config.false_accept)[0, column])

    def _merge(self, first: int, second: int, track: _Track, margin: float, stamp_ns: int) -> None:
        into, gone = sorted((first, second), key=self._seniority)
        self.gallery.merge(into, gone)
        for tracks in self._tracks.values():
            for other in tracks.values():
                if other.person == gone:
                    other.person = into
                other.never = {into if n == gone else n for n in other.never}
        places = self._left.setdefault(into, {})
        for camera, place in self._left.pop(gone, {}).items():
            if camera not in places or places[camera].stamp_ns < place.stamp_ns:
                places[camera] = place
        self._events.append(
            Event('merged', into, stamp_ns, track.camera, track.number, gone, track.score, margin)
        )

    def _seniority(self, number: int) -> tuple[bool, bool, int]:
        person = self.gallery[number]
        return not person.name, not person.confirmed, number

    def _confirm(self, track: _Track, stamp_ns: int) -> None:
        person = self.gallery[track.person]
        if person.confirmed or person.crops < CONFIRM_CROPS:
            return
        if (stamp_ns - person.born_ns) / NS >= self.config.confirm_s:
            self.gallery.confirm(person.number)
            self._events.append(
                Event(
                    'confirmed', person.number, stamp_ns, track.camera, track.number,
                    score=track.score,
                )
            )  # fmt: skip

    # -- who is forgotten ----------------------------------------------------------------------

    def _sweep(self, stamp_ns: int) -> None:
        """Drop whom nobody saw for long, about once a second."""
        if 0 <= stamp_ns - self._swept_ns < NS:
            return
        self._swept_ns = stamp_ns
        visible = {t.person for t in self._all_seen()}
        for person in list(self.gallery):
            ttl = self.keep.ttl_s if person.confirmed else min(self.keep.ttl_s, PROVISIONAL_TTL_S)
            if person.number in visible or person.name:
                continue
            if stamp_ns - person.last_ns > ttl * NS:
                self._expire(person, stamp_ns)

    def _make_room(self, stamp_ns: int) -> None:
        if len(self.gallery) < self.keep.max_persons:
            return
        visible = {t.person for t in self._all_seen()}
        others = [p for p in self.gallery if p.number not in visible and not p.name]
        if others:
            self._expire(min(others, key=lambda p: (p.confirmed, p.last_ns)), stamp_ns)

    def _expire(self, person: Person, stamp_ns: int) -> None:
        self.gallery.forget(person.number)
        self._left.pop(person.number, None)
        self._events.append(Event('expired', person.number, stamp_ns))

    def _all_seen(self) -> Iterable[_Track]:
        return (track for seen in self._seen.values() for track in seen)

    # -- the answer ----------------------------------------------------------------------------

    def _answer(self, observation: Observation) -> Identities:
        known = self._tracks[observation.camera]
        n = len(observation.tracks)
        persons = np.zeros(n, np.uint32)
        values = np.zeros(n, np.float32)
        confirmed = np.zeros(n, np.bool_)
        for row, number in enumerate(observation.tracks.ids.tolist()):
            track = known.get(number)
            if track is not None and track.person and track.person in self.gallery:
                persons[row] = track.person
                values[row] = track.score
                confirmed[row] = self.gallery[track.person].confirmed
        return Identities(persons, values, confirmed)


def _near(place: _Left, track: _Track) -> float:
    """1 where somebody who left at a place can have walked to a track's box, else 0."""
    elapsed_s = (track.first_ns - place.stamp_ns) / NS
    if not -0.5 <= elapsed_s <= 5.0:
        return 0.0
    height = max(float(place.box[3] - place.box[1]), 1.0)
    dx = float(track.box[0] + track.box[2] - place.box[0] - place.box[2]) / 2
    dy = float(track.box[3] - place.box[3])
    reach = 1.0 + 1.5 * max(elapsed_s, 0.0)
    return float(np.hypot(dx, dy) / height <= reach)
