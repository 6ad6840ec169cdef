"""What all cameras show now and showed a moment ago: who is visible, and who cannot be whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros import boxes as geometry
from reid_ros.gallery import Gallery, Person
from reid_ros.pace import Gait
from reid_ros.presence import Presence
from reid_ros.seen import Observation as Observation
from reid_ros.seen import SeenTrack as SeenTrack
from reid_ros.topology import Topology
from reid_ros.types import BoolArray, DoubleArray, FloatArray, Tracks

NS = 1_000_000_000
AT_ONCE_NS = 250_000_000
"""Two sightings this close in time are at once: nobody changes cameras that fast."""
APART = 0.5
"""Two boxes of which neither covers more of the other than this are two people."""
LINK_AGE_NS = 300_000_000
"""A younger track may be a second box on the same person and proves nothing."""
BACK_SOON_S = 5.0
"""Seconds after which a person who left a camera is no likelier to be back than others."""
TOGETHER_LLR = 1.0
"""Space-time evidence from which on two tracks show one body."""
ODD = 2
"""A track that looked unlike its person this often in a row no longer stands for them."""


@dataclass(slots=True)
class _Place:
    """Where a person was last seen by one camera."""

    stamp_ns: int
    box: FloatArray


class Scene:
    """The tracks of all cameras."""

    def __init__(self, gallery: Gallery, topology: Topology) -> None:
        self.seen: dict[str, list[SeenTrack]] = {}
        self.presence = Presence()
        self._gallery = gallery
        self._topology = topology
        self._tracks: dict[str, dict[int, SeenTrack]] = {}
        self._linked: dict[str, tuple[int, list[tuple[int, int]]]] = {}
        self._places: dict[str, dict[int, _Place]] = {}

    def observe(self, observation: Observation) -> list[SeenTrack]:
        """Take in one frame; returns the tracks that ended."""
        camera, stamp_ns, tracks = observation.camera, observation.stamp_ns, observation.tracks
        known = self._tracks.setdefault(camera, {})
        ended = [known.pop(n) for n in tracks.ended.tolist() if n in known]
        rows = zip(
            tracks.ids.tolist(),
            tracks.boxes,
            (tracks.detection >= 0).tolist(),
            tracks.confirmed.tolist(),
            observation.crowded.tolist(),
        )
        seen, places = [], observation.places
        for row, (number, box, visible, confirmed, crowded) in enumerate(rows):
            track = known.get(number)
            if not visible or not confirmed:
                if track is not None:
                    track.risky = True
                continue
            if track is None:
                track = known[number] = SeenTrack(camera, number, stamp_ns, stamp_ns, box)
            track.seen_ns, track.box = stamp_ns, box
            track.risky = track.risky or crowded
            track.fresh = None
            track.walk.fresh = None
            if places is not None:
                track.stand(places, row, crowded)
            if track.person:
                self.note(track)
            seen.append(track)
        self.seen[camera] = seen
        if len(observation.rows):
            self._gallery.expect(observation.vectors.shape[1])
        numbers = tracks.ids[observation.rows].tolist()
        for number, vector, value in zip(
            numbers, observation.vectors, observation.qualities.tolist()
        ):
            track = known.get(number)
            if track is not None and np.isfinite(vector).all():
                track.add(vector, value)
        if observation.gait is not None and len(observation.gait.rows):
            self._walked(known, tracks, observation.gait)
        return ended

    def _walked(self, known: dict[int, SeenTrack], tracks: Tracks, gait: Gait) -> None:
        self._gallery.expect(gait.vectors.shape[1], 'gait')
        numbers = tracks.ids[gait.rows].tolist()
        for number, vector, value, since_ns in zip(
            numbers, gait.vectors, gait.qualities.tolist(), gait.since_ns.tolist()
        ):
            track = known.get(number)
            if track is not None and np.isfinite(vector).all():
                track.walk.add(vector, value, since_ns)

    def note(self, track: SeenTrack) -> None:
        """Note where a bound track's person is, or let go of one who was forgotten."""
        if track.person not in self._gallery:
            track.person, track.score = 0, 0.0
            return
        self._gallery[track.person].seen_ns[track.camera] = track.seen_ns
        self._gallery.seen.add(track.person)
        self.presence.note(track)
        places = self._places.setdefault(track.camera, {})
        place = places.get(track.person)
        if place is None:
            places[track.person] = _Place(track.seen_ns, track.box)
        else:
            place.stamp_ns, place.box = track.seen_ns, track.box

    def track(self, camera: str, number: int) -> SeenTrack | None:
        """One track by the number that its camera gave it."""
        return self._tracks.get(camera, {}).get(number)

    def visible(self) -> Iterator[SeenTrack]:
        """The tracks seen in the last frame of each camera."""
        return (track for seen in self.seen.values() for track in seen)

    def alive(self) -> Iterator[SeenTrack]:
        """Every track that has not ended."""
        return (track for tracks in self._tracks.values() for track in tracks.values())

    def forget_camera(self, camera: str) -> None:
        """Drop the tracks of one camera."""
        for state in (self._tracks, self.seen, self._linked, self._places):
            state.pop(camera, None)

    def forget(self, number: int) -> None:
        """Drop where a person was."""
        self.presence.forget(number)
        for places in self._places.values():
            places.pop(number, None)

    def merge(self, into: int, gone: int) -> None:
        """Let one person's number take the place of another's."""
        for track in self.alive():
            if track.person == gone:
                track.person = into
            if track.walk.person == gone:
                track.walk.person = into
            if gone in track.never:
                track.never.discard(gone)
                track.never.add(into)
        self._let_go(into)
        self.presence.merge(into, gone)
        for places in self._places.values():
            place = places.pop(gone, None)
            if place is not None and (
                into not in places or places[into].stamp_ns < place.stamp_ns
            ):
                places[into] = place

    def _let_go(self, number: int) -> None:
        """Leave a person to the track seen last, and to those that may see them beside it."""
        holders = [track for track in self.alive() if track.person == number]
        kept: list[SeenTrack] = []
        for track in sorted(holders, key=lambda t: t.seen_ns, reverse=True):
            if all(self._topology.overlap(track.camera, other.camera) for other in kept):
                kept.append(track)
            else:
                track.restart()

    # -- who cannot be whom --------------------------------------------------------------------

    def forbid(self, camera: str, stamp_ns: int) -> None:
        """People seen side by side, or at once in cameras that are apart, are two for good."""
        seen = [t for t in self.seen[camera] if stamp_ns - t.first_ns >= LINK_AGE_NS]
        for name, others in self.seen.items():
            if name != camera and not self._topology.overlap(name, camera):
                aged = (t for t in others if stamp_ns - t.first_ns >= LINK_AGE_NS)
                away = {t.person for t in aged if self._holds(t, stamp_ns)}
                for track in seen:
                    self._differ(track, away)
        old, seen = seen, self.seen[camera]
        if len(seen) < 2:
            return
        state = [(t.number, t.person) for t in seen]
        last = self._linked.get(camera)
        if last is not None and last[1] == state and 0 <= stamp_ns - last[0] < NS // 2:
            return
        boxes = np.stack([t.box for t in seen])
        cover = geometry.coverage(boxes, boxes)
        apart = (cover <= APART) & (cover.T <= APART)
        if len(old) == len(seen):
            self._linked[camera] = (stamp_ns, state)
        else:  # no second box on a person is that far off
            young = np.array([stamp_ns - t.first_ns < LINK_AGE_NS for t in seen])
            apart &= ~(young[:, None] | young) | _far(boxes)
        persons = [t.person if t.person in self._gallery else 0 for t in seen]
        everybody = set(persons) - {0}
        alone = (apart.sum(axis=1) == len(seen) - 1).tolist()
        for row, track in enumerate(seen):
            beside = everybody
            if not alone[row]:
                beside = {persons[i] for i in np.flatnonzero(apart[row]).tolist()} - {0}
            self._differ(track, beside)

    def _differ(self, track: SeenTrack, others: set[int]) -> None:
        """A track shows none of these persons."""
        if track.person not in self._gallery:
            track.never |= others
            return
        for other in others - self._gallery[track.person].never - {track.person}:
            self._gallery.cannot_link(track.person, other)

    def impossible(self, tracks: Sequence[SeenTrack], stamp_ns: int) -> BoolArray:
        """(m, n) True where a track cannot be a person, in the gallery's order."""
        columns = self._gallery.columns
        result = np.zeros((len(tracks), len(columns)), np.bool_)
        holders = [t for t in self.visible() if self._holds(t, stamp_ns)]
        too_far: dict[str, list[int]] = {}  # by camera: a large gallery takes its time
        for row, track in enumerate(tracks):
            for number in track.never | track.refused:
                if number in columns:
                    result[row, columns[number]] = True
            for holder in holders:
                if holder is not track and not self._topology.overlap(holder.camera, track.camera):
                    result[row, columns[holder.person]] = True
            if self._topology.has_transits:
                if track.camera not in too_far:
                    away = self._out_of_reach(track.camera, stamp_ns)
                    too_far[track.camera] = [columns[number] for number in away]
                result[row, too_far[track.camera]] = True
        return result

    def meeting(self, tracks: Sequence[SeenTrack]) -> DoubleArray:
        """(m, n) space-time evidence of tracks for persons whom others show."""
        columns = self._gallery.columns
        result = np.zeros((len(tracks), len(columns)))
        for row, track in enumerate(tracks):
            for other, value in self.met(track):
                column = columns[other.person]
                if abs(value) > abs(result[row, column]):
                    result[row, column] = value
        return result

    def met(self, track: SeenTrack) -> list[tuple[SeenTrack, float]]:
        """The tracks of persons, each with the space-time evidence that it shows the same body.

        Those that are out of sight for a moment, too, also of the track's own camera: whoever
        takes the place of somebody who was missed in one image was elsewhere just before.
        """
        return track.met(
            other
            for other in self.alive()
            if other is not track
            and other.person in self._gallery
            and other.odd < ODD
            and (
                other.camera == track.camera or self._topology.overlap(other.camera, track.camera)
            )
        )

    def together(self, track: SeenTrack, stamp_ns: int) -> list[SeenTrack]:
        """The other tracks that show a track's person, now, on the spot where it stands."""
        return [
            other
            for other, value in self.met(track)
            if other.person == track.person
            and value > TOGETHER_LLR
            and self._holds(other, stamp_ns)
        ]

    def views(self, track: SeenTrack, stamp_ns: int) -> list[SeenTrack]:
        """The undecided tracks of other cameras that show an undecided one's body now.

        At most one of each camera: the nearest on the floor, which must have no nearer one before
        this track's camera.
        """
        best: dict[str, tuple[float, SeenTrack]] = {}
        for other, value in self._undecided(track, self.visible(), stamp_ns):
            if value > best.get(other.camera, (TOGETHER_LLR, other))[0]:
                best[other.camera] = value, other
        return [
            other
            for value, other in best.values()
            if all(
                back <= value
                for _, back in self._undecided(other, self.seen.get(track.camera, ()), stamp_ns)
            )
        ]

    def _undecided(
        self, track: SeenTrack, others: Iterable[SeenTrack], stamp_ns: int
    ) -> list[tuple[SeenTrack, float]]:
        """The undecided of other cameras, with the evidence that they show a track's body."""
        return track.met(
            other
            for other in others
            if not other.person
            and other.camera != track.camera
            and abs(stamp_ns - other.seen_ns) < AT_ONCE_NS
            and self._topology.overlap(other.camera, track.camera)
        )

    def _holds(self, track: SeenTrack, stamp_ns: int) -> bool:
        """True where a track shows its person right now, beyond doubt."""
        return (
            track.person in self._gallery
            and track.odd < ODD
            and abs(stamp_ns - track.seen_ns) < AT_ONCE_NS
        )

    def _walkable(self, person: Person, camera: str, stamp_ns: int) -> bool:
        if not person.seen_ns:
            return True
        last = max(person.seen_ns, key=lambda name: person.seen_ns[name])
        elapsed_ns = stamp_ns - person.seen_ns[last]
        # A sighting more than a moment ahead is one from before the clock was set back.
        return elapsed_ns < -NS or self._topology.possible(last, camera, elapsed_ns)

    def out_of_reach(self, track: SeenTrack) -> set[int]:
        """Persons who cannot have walked to where a track began."""
        if not self._topology.has_transits:
            return set()
        return self._out_of_reach(track.camera, track.first_ns)

    def _out_of_reach(self, camera: str, stamp_ns: int) -> set[int]:
        return {p.number for p in self._gallery if not self._walkable(p, camera, stamp_ns)}

    def elsewhere(self, number: int) -> set[int]:
        """Persons who are visible right now in places where one person cannot be as well."""
        seen = list(self.visible())
        mine = [track for track in seen if track.person == number]
        return {
            other.person
            for other in seen
            if other.person not in (0, number)
            and any(
                abs(track.seen_ns - other.seen_ns) < AT_ONCE_NS
                and not self._topology.overlap(track.camera, other.camera)
                for track in mine
            )
        }

    def rivals(self, track: SeenTrack, number: int) -> list[SeenTrack]:
        """Tracks that hold a person whom another track claims, where both cannot; coasting too."""
        return [
            other
            for other in self.alive()
            if other is not track
            and other.person == number
            and not self._topology.overlap(other.camera, track.camera)
        ]

    def recent(self, tracks: Sequence[SeenTrack]) -> DoubleArray:
        """(m, n) 1 where a person left a track's camera just before, near its start, else 0."""
        columns = self._gallery.columns
        result = np.zeros((len(tracks), len(columns)))
        for row, track in enumerate(tracks):
            for number, place in self._places.get(track.camera, {}).items():
                if number in columns:
                    result[row, columns[number]] = _near(place, track)
        return result


def _far(boxes: FloatArray) -> BoolArray:
    """(n, n) True where the feet are more than the taller one's height apart."""
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
    tall = boxes[:, 3] - boxes[:, 1]
    way = np.hypot(*(feet[:, None] - feet[None]).transpose(2, 0, 1))
    result: BoolArray = way > np.maximum(tall[:, None], tall[None])
    return result


def _near(place: _Place, track: SeenTrack) -> float:
    """1 where somebody who left at a place can have walked to the track's box, else 0."""
    elapsed_s = (track.first_ns - place.stamp_ns) / NS
    if not -0.5 <= elapsed_s <= BACK_SOON_S:
        return 0.0
    height = max(float(place.box[3] - place.box[1]), 1.0)
    dx = float(track.box[0] + track.box[2] - place.box[0] - place.box[2]) / 2
    dy = float(track.box[3] - place.box[3])
    reach = 1.0 + 1.5 * max(elapsed_s, 0.0)
    return float(np.hypot(dx, dy) / height <= reach)
