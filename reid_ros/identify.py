"""Tracks of all cameras over time become persons: open set, one-to-one, cannot-link."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid_ros import patience
from reid_ros.absence import Absence
from reid_ros.calibration import Calibration
from reid_ros.config import GalleryConfig, IdentityConfig
from reid_ros.embed import LEARN_QUALITY
from reid_ros.evidence import MARGIN, Match, matches
from reid_ros.exchange import KEPT, SURE, Exchanges
from reid_ros.gallery import Gallery, Person
from reid_ros.likeness import Likeness, looks
from reid_ros.newcomers import Newcomers
from reid_ros.presence import OTHER_LLR
from reid_ros.scene import ODD, Observation, Scene, SeenTrack
from reid_ros.seen import Identities as Identities
from reid_ros.topology import Topology
from reid_ros.types import Candidates, Event, EventKind
from reid_ros.walkers import KNOWN_VECTORS, LEARN_VECTORS, Walkers

NS = 1_000_000_000
CONFIRM_CROPS = 5
"""Vectors behind a person before they may be confirmed."""
ODD_LLR = -2.0
"""Evidence for its own person below which a vector is odd."""
TALL = 6
"""Half seconds of stature that it takes: feet were hidden for less."""
DOUBT_QUALITY = 0.5
"""Only a good view can tell that a track was swapped; a small or hidden one looks like anybody."""
GIVE_UP_ODD = 4
"""A track this often odd, over a second, is split off even where it looks like nobody we know."""
PROVISIONAL_TTL_S = 60.0
"""Unseen provisional persons are dropped after at most this long."""


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
        gait: Calibration | None = None,
    ) -> None:
        """Decide by these calibrations; gait None: its vectors are left aside."""
        self.gallery = gallery
        self.config = config
        self.keep = keep
        self.scene = Scene(gallery, topology)
        self._newcomers = Newcomers()
        self._likeness = Likeness(gallery, self.scene, calibration, gait, self._newcomers)
        self._walkers = Walkers(gallery, self.scene, self._likeness)
        self._exchanges = Exchanges(gallery, self.scene, self._likeness)
        self._events: list[Event] = []
        self._absence = Absence()

    def step(self, observations: Sequence[Observation]) -> tuple[list[Identities], list[Event]]:
        """The persons of every observed frame of one moment, and what changed."""
        self._events = []
        for observation in observations:
            for track in self.scene.observe(observation):
                self._lost(track, observation.stamp_ns)
        for observation in observations:
            self.scene.forbid(observation.camera, observation.stamp_ns)
            self._exchanges.touch(observation)
        for observation in observations:
            if observation.gait is not None and len(observation.gait.rows):
                self._walkers.recognise(
                    observation.camera, self.config.false_accept, observation.stamp_ns
                )
        for observation in observations:
            self._decide(observation.camera, observation.stamp_ns)
        for observation in observations:
            self._deepen(observation.camera, observation.stamp_ns)
        for observation in observations:
            self._absence.see(
                observation.camera,
                observation.stamp_ns,
                (track.person for track in self.scene.seen[observation.camera]),
            )
        self._sweep()
        return [self._answer(o) for o in observations], self._events

    def reset_camera(self, camera: str) -> None:
        """Forget the tracks of one camera; its persons stay known."""
        self.scene.forget_camera(camera)
        self._exchanges.forget_camera(camera)

    def forget(self, number: int, stamp_ns: int) -> Event:
        """Remove a person on request; their tracks become undecided.

        Raises:
            GalleryError: nobody has this number.
        """
        self.gallery.forget(number)
        self.scene.forget(number)
        return Event('forgotten', number, stamp_ns)

    def candidates(
        self, camera: str, numbers: Sequence[int], stamp_ns: int, *, gait: bool = False
    ) -> Candidates:
        """Whom the tracks of one camera may be, by all that is known or by gait alone."""
        return self._likeness.candidates(camera, numbers, stamp_ns, gait=gait)

    # -- who is it -----------------------------------------------------------------------------

    def _decide(self, camera: str, stamp_ns: int) -> None:
        """Bind the unbound tracks of one camera to persons, known or new."""
        unbound = [t for t in self.scene.seen[camera] if not t.person]
        if not unbound:
            return
        settle_s = self.config.settle_s
        ready = [t for t in unbound if patience.ready(t, settle_s)]
        found: dict[int, Match] = {}
        strange: dict[int, float] = {}
        if ready and len(self.gallery):
            result = self._likeness.of_tracks(ready, looks(ready), stamp_ns)
            for row, match in enumerate(self._likeness.matched(result, self.config.false_accept)):
                found[ready[row].number] = match
                strange[ready[row].number] = result.stranger(row)
                if self._likeness.settled(result, match, self.config.false_accept):
                    number = int(result.persons[match.column])
                    score = result.probability(row, match.column)
                    self._bind(ready[row], number, score, match.margin, stamp_ns)
                    self._newcomers.note(strange[ready[row].number])
        for track in unbound:
            like, unlike = found.get(track.number), strange.get(track.number, 1.0)
            alone = not len(self.gallery)
            if not track.person and patience.new(track, like, unlike, settle_s, alone):
                self._newcomers.note(unlike)
                self._born(track, stamp_ns)

    def _bind(
        self, track: SeenTrack, number: int, score: float, margin: float, stamp_ns: int
    ) -> None:
        person = self.gallery[number]
        for rival in self.scene.rivals(track, number):
            rival.restart()
        last = max(person.seen_ns, key=lambda name: person.seen_ns[name], default='')
        held = any(t.person == number for t in self.scene.visible())
        previous, track.left = track.left, 0
        track.person, track.score, track.odd = number, score, 0
        self._part(track)
        self.gallery.met(number)
        kind: EventKind = 'reacquired' if last == track.camera and not held else 'handover'
        if previous and previous != number:
            kind = 'split'
        self._tell(kind, track, stamp_ns, previous if kind == 'split' else 0, margin)
        self.scene.note(track)

    def _born(self, track: SeenTrack, stamp_ns: int) -> None:
        self._make_room(stamp_ns)
        track.never |= self.scene.out_of_reach(track)
        person = self.gallery.born(track.first_ns)
        previous, track.left = track.left, 0
        track.person, track.score, track.odd = person.number, 0.5, 0
        self._part(track)
        if track.total is not None:
            weight = max(track.weight, 1e-3)
            self.gallery.learn(person.number, track.mean(), track.camera, weight)
            person.crops = track.count
            track.fresh = None
        self.scene.presence.born(track, previous)
        self._tell('split' if previous else 'born', track, stamp_ns, previous)
        self.scene.note(track)

    def _part(self, track: SeenTrack) -> None:
        """Whoever was seen beside a track is not its person."""
        for number in track.never:
            if number in self.gallery and number != track.person:
                self.gallery.cannot_link(track.person, number)
        track.never.clear()  # it is the person's now: after an exchange the track is another's

    # -- is it still so ------------------------------------------------------------------------

    def _deepen(self, camera: str, stamp_ns: int) -> None:
        """Learn from bound tracks; confirm, merge and split their persons."""
        for exchanged in self._exchanges.weigh(camera, stamp_ns):
            self._exchange(exchanged, stamp_ns)
        bound = [t for t in self.scene.seen[camera] if t.person]
        fresh = [t for t in bound if t.fresh is not None]
        if fresh:
            for track, llr in zip(fresh, self._own_llr(fresh)):
                if track.person in self.gallery:
                    self._check(track, llr, stamp_ns)
        walked = [t for t in bound if t.walk.fresh is not None and t.person in self.gallery]
        if walked:
            self._walk(walked, stamp_ns)
        for track in bound:
            if track.person and not self.gallery[track.person].confirmed:
                self._confirm(track, stamp_ns)

    def _exchange(self, exchanged: Sequence[tuple[SeenTrack, int]], stamp_ns: int) -> None:
        """Tracks go on as those whom they show, if those are not elsewhere."""
        mine = {id(track) for track, _ in exchanged}
        rivals = [rival for pair in exchanged for rival in self.scene.rivals(*pair)]
        if all(id(rival) in mine for rival in rivals):
            for track, _ in exchanged:
                track.restart()
            for track, person in exchanged:
                self._bind(track, person, KEPT, SURE, stamp_ns)

    def _own_llr(self, tracks: Sequence[SeenTrack]) -> list[float]:
        """Evidence of each track's new vector for the person it is taken for."""
        result = self._likeness.own(tracks)
        values: list[float] = result.llr[:, 0].tolist()
        for row, track in enumerate(tracks):
            if np.isfinite(values[row]):
                track.score = result.probability(row, 0)
        return values

    def _check(self, track: SeenTrack, llr: float, stamp_ns: int) -> None:
        """Learn a vector, or count it as odd where the track may have been swapped."""
        if track.fresh is None:
            return
        if track.stature.count >= TALL and self.scene.presence.own([track])[0, 0] < OTHER_LLR:
            # One body before several cameras: feet that one of them cannot see are no proof.
            body = [track, *self.scene.together(track, stamp_ns)]
            if self.scene.presence.body(body) < OTHER_LLR:
                for one in body:
                    self._refuse(one)
                return
        odd = bool(np.isfinite(llr)) and llr < ODD_LLR
        if odd and not track.risky:
            # Dropped frames let a tracker exchange people who never touched.
            best = float(self._likeness.beside(track).max(initial=-np.inf))
            track.risky = best > 0 and best > llr + MARGIN
        if odd and track.risky:
            if track.fresh_quality < DOUBT_QUALITY:
                return
            track.odd_ns = track.odd_ns if track.odd else stamp_ns
            track.odd += 1
            if track.odd >= ODD:
                self._leave(track, stamp_ns)
            return
        track.odd, track.risky = 0, False
        kept = self._exchanges.kept(track)
        if kept < KEPT:
            track.score = min(track.score, kept)
            return
        if track.fresh_quality >= LEARN_QUALITY:
            self.gallery.learn(track.person, track.fresh, track.camera, track.fresh_quality)
        self._join(track, stamp_ns)

    def _refuse(self, track: SeenTrack) -> None:
        """Split off a track that is not its person, never was, and will not be."""
        self.scene.presence.part(track)
        refused, tall = track.refused | {track.person}, track.stature
        track.restart()
        track.refused, track.stature = refused, tall  # it was that which told who this is not

    def _walk(self, tracks: Sequence[SeenTrack], stamp_ns: int) -> None:
        """Learn how bound tracks walk; split and merge where that says so."""
        learnt, strange = self._walkers.check(tracks)
        for track in learnt:
            walks = track.walk.count - LEARN_VECTORS
            if track.person in self.gallery and (walks < 3 or walks % 8 == 0):
                self._join(track, stamp_ns)
        for track in strange:
            if track.person in self.gallery:
                walk = track.walk.again()
                track.walk = walk
                self._leave(track, stamp_ns)
                track.walk = walk  # it was their walk that told who they are not

    def _leave(self, track: SeenTrack, stamp_ns: int) -> None:
        """Split off a track that was swapped: it looks like another, or long unlike its person."""
        vectors = track.latest()[None] if track.recent else looks([track])
        found = self._likeness.of_tracks([track], vectors, stamp_ns)
        own = self.gallery.columns[track.person]
        accepted = found.accepted(self.config.false_accept)[0]
        accepted[own] = False
        llr = np.where(accepted, found.llr[0], -np.inf)
        best = int(np.argmax(llr))
        others = found.llr[0].copy()
        others[best] = -np.inf
        margin = float(llr[best] - others.max()) if accepted[best] else 0.0
        if margin >= MARGIN:
            score = found.probability(0, best)
            track.restart()
            self._bind(track, int(found.persons[best]), score, margin, stamp_ns)
        elif found.bounded[0, own] < ODD_LLR and (
            track.walk.total is not None
            or (track.odd >= GIVE_UP_ODD and stamp_ns - track.odd_ns >= NS)
        ):
            track.restart()

    def _join(self, track: SeenTrack, stamp_ns: int) -> None:
        """Merge the track's person with another who turns out to be the same."""
        person = self.gallery[track.person]
        walked = track.walk.fresh is not None and person.walks >= KNOWN_VECTORS
        if not walked and (person.crops < CONFIRM_CROPS or (person.confirmed and track.count % 8)):
            return
        found = self._likeness.of_person(person.number)
        match = matches(found, self.config.false_accept)[0] if found else None
        if found is None or match is None or match.column < 0:
            return
        other = int(found.persons[match.column])
        if match.ambiguous and not self._likeness.one(found, match, self.config.false_accept):
            return
        into, gone = sorted((person.number, other), key=self._seniority)
        self.gallery.merge(into, gone)
        self._newcomers.mistaken()
        self.scene.merge(into, gone)
        self._tell('merged', track, stamp_ns, gone, match.margin)

    def _seniority(self, number: int) -> tuple[bool, bool, int]:
        person = self.gallery[number]
        return not person.name, not person.confirmed, number

    def _confirm(self, track: SeenTrack, stamp_ns: int) -> None:
        person = self.gallery[track.person]
        if person.confirmed:
            return
        if person.crops < CONFIRM_CROPS and person.walks < KNOWN_VECTORS:
            return
        if (stamp_ns - person.born_ns) / NS >= self.config.confirm_s:
            self.gallery.confirm(person.number)
            self._tell('confirmed', track, stamp_ns)

    # -- who is gone ---------------------------------------------------------------------------

    def _lost(self, track: SeenTrack, stamp_ns: int) -> None:
        if track.person not in self.gallery:
            return
        self.gallery.changed.add(track.person)
        if not any(other.person == track.person for other in self.scene.alive()):
            self._tell('lost', track, stamp_ns)

    def _sweep(self) -> None:
        """Drop whom nobody saw for long, about once a second."""
        if not self._absence.due() or not self._absence.turn(self.gallery):
            return
        for person in list(self.gallery):
            ttl = self.keep.ttl_s if person.confirmed else min(self.keep.ttl_s, PROVISIONAL_TTL_S)
            if self._absence.of_ns(person) > ttl * NS and not person.name:
                self._expire(person, self._absence.now_ns)

    def _make_room(self, stamp_ns: int) -> None:
        surplus = len(self.gallery) - self.keep.max_persons + 1
        if surplus <= 0:
            return
        visible = {track.person for track in self.scene.visible()}
        others = [p for p in self.gallery if p.number not in visible and not p.name]
        for person in sorted(others, key=lambda p: (p.confirmed, p.last_ns))[:surplus]:
            self._expire(person, stamp_ns)

    def _expire(self, person: Person, stamp_ns: int) -> None:
        self.gallery.forget(person.number)
        self.scene.forget(person.number)
        self._events.append(Event('expired', person.number, stamp_ns))

    # -- the answer ----------------------------------------------------------------------------

    def _tell(
        self,
        kind: EventKind,
        track: SeenTrack,
        stamp_ns: int,
        previous: int = 0,
        margin: float = 0.0,
    ) -> None:
        margin = min(margin, 1e3)  # a lone candidate beats nobody by infinity
        self._events.append(
            Event(
                kind, track.person, stamp_ns, track.camera, track.number,
                previous, track.score, margin,
            )
        )  # fmt: skip

    def _answer(self, observation: Observation) -> Identities:
        persons, values, confirmed = [], [], []
        walkers, sure = [], []
        for number in observation.tracks.ids.tolist():
            track = self.scene.track(observation.camera, number)
            known = track is not None and track.person in self.gallery
            persons.append(track.person if track is not None and known else 0)
            values.append(track.score if track is not None and known else 0.0)
            confirmed.append(known and self.gallery[persons[-1]].confirmed)
            walker = track is not None and track.walk.person in self.gallery
            walkers.append(track.walk.person if track is not None and walker else 0)
            sure.append(track.walk.score if track is not None and walker else 0.0)
        return Identities(
            np.array(persons, np.uint32),
            np.array(values, np.float32),
            np.array(confirmed, np.bool_),
            np.array(walkers, np.uint32),
            np.array(sure, np.float32),
        )
