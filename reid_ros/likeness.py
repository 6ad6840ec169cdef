"""Who looks like whom: evidence for the tracks and persons of a scene."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from reid_ros.calibration import Calibration
from reid_ros.evidence import Evidence, Match, Scores, joined, matches, scores
from reid_ros.gallery import Gallery, Kind
from reid_ros.newcomers import Newcomers
from reid_ros.scene import Scene, SeenTrack
from reid_ros.types import BoolArray, Candidates, DoubleArray, FloatArray

NS = 1_000_000_000
KNOWN_TIMES = 5
"""Who was seen in so many times the crops is well known beside the other."""
ACQUAINTED_NS = 60 * NS
"""A person known for longer is merged with another on what speaks for that alone."""
LIKELY = 300
"""In a larger gallery, a person is compared only with so many: those who are most alike."""
HEAVIEST = 3.0
"""A prototype counts as at most this much when two persons are compared."""
DISAGREE = 10.0
"""Another camera's view speaks against somebody by this log-likelihood ratio at most."""
SHARED = 0.5
"""How much of its evidence against a stranger counts. Of 16 recorded drives: without other views
83 % locked, 1.5 % of it on somebody else; 85 and 0.8 % with 0 here, 86 and 0.9 % with 0.5 or 1."""
MOST = 5
"""So many candidates are told of a track."""


class Likeness:
    """Scores against everybody in the gallery."""

    def __init__(
        self,
        gallery: Gallery,
        scene: Scene,
        calibration: Calibration,
        gait: Calibration | None = None,
        newcomers: Newcomers | None = None,
    ) -> None:
        """Compare by looks, and by gait where there is a calibration of its vectors.

        Args:
            gallery, scene, calibration: of whom, where, and of the looks.
            gait: calibration of the vectors of gait.
            newcomers: how rare strangers are; None: that is not known.
        """
        self._newcomers = newcomers
        self._gallery = gallery
        self._scene = scene
        self._calibration = calibration
        self._gait = gait

    def of_tracks(self, tracks: Sequence[SeenTrack], vectors: FloatArray, stamp_ns: int) -> Scores:
        """(m, n) evidence of tracks' vectors, gait and places for everybody they can be.

        Args:
            tracks: of one moment.
            vectors: (m, d) of their looks, nan where there is none.
            stamp_ns: the moment.
        """
        found = self._shown(tracks, vectors, stamp_ns)
        there = self._scene.presence.evidence(tracks, self._gallery.columns)
        there += self._scene.meeting(tracks) + self._other_views(tracks, stamp_ns)
        return self._known(found).beside(there)

    def _shown(self, tracks: Sequence[SeenTrack], vectors: FloatArray, stamp_ns: int) -> Scores:
        return scores(
            self._gallery.closeness(vectors, [track.camera for track in tracks]),
            self._calibration,
            self._scene.impossible(tracks, stamp_ns),
            self._scene.recent(tracks),
            self._walks(tracks),
            self._gallery.tracks,
        )

    def _other_views(self, tracks: Sequence[SeenTrack], stamp_ns: int) -> DoubleArray:
        """(m, n) what other cameras' views of the same undecided bodies say, by looks and gait.

        Of two people alike, one camera may see no difference where another sees one. How much the
        others are less like it than the best counts in full; what speaks for the best against a
        stranger counts in part, as whoever wears the same looks alike from everywhere.
        """
        result = np.zeros((len(tracks), len(self._gallery.columns)))
        pairs = [
            (row, view)
            for row, track in enumerate(tracks)
            if not track.person
            for view in self._scene.views(track, stamp_ns)
            if view.total is not None
        ]
        if not pairs:
            return result
        views = [view for _, view in pairs]
        for (row, _), llr in zip(pairs, self._shown(views, looks(views), stamp_ns).llr):
            best = float(llr.max())
            if np.isfinite(best):
                result[row] += np.maximum(llr - best, -DISAGREE) + SHARED * max(best, 0.0)
        return result

    def _known(self, found: Scores) -> Scores:
        """The same, with how rare strangers are."""
        log_odds = -math.inf if self._newcomers is None else self._newcomers.log_odds
        return dataclasses.replace(found, log_odds=log_odds)

    def of_walks(self, tracks: Sequence[SeenTrack], stamp_ns: int) -> Scores | None:
        """(m, n) evidence of tracks' gait alone; None where there is none."""
        found = self._walks(tracks)
        if found is None:
            return None
        persons = self._gallery.numbers
        shut = self._scene.impossible(tracks, stamp_ns)
        return joined(persons, found, shut, np.zeros(shut.shape))

    def own_walks(self, tracks: Sequence[SeenTrack]) -> DoubleArray:
        """(m,) log-likelihood ratio of each track's newest gait for its person, or nan."""
        if self._gait is None:
            return np.full(len(tracks), np.nan)
        found = self._gallery.own_closeness(
            np.stack([t.walk.latest() for t in tracks]),
            [t.camera for t in tracks],
            [t.person for t in tracks],
            'gait',
        )
        result: DoubleArray = Evidence.of(found, self._gait).llr[:, 0]
        return result

    def _walks(self, tracks: Sequence[SeenTrack]) -> Evidence | None:
        """(m, n) what the tracks' gait says; None where it says nothing."""
        known = [row for row, track in enumerate(tracks) if track.walk.total is not None]
        if self._gait is None or not known:
            return None
        some = [tracks[row] for row in known]
        found = Evidence.of(
            self._gallery.closeness(
                np.stack([t.walk.mean() for t in some]), [t.camera for t in some], 'gait'
            ),
            self._gait,
        )
        llr = np.full((len(tracks), found.llr.shape[1]), np.nan)
        log_p = llr.copy()
        llr[known], log_p[known] = found.llr, found.log_p
        return Evidence(llr, log_p)

    def own(self, tracks: Sequence[SeenTrack]) -> Scores:
        """(m, 1) evidence of each track's new vector for the person it is taken for."""
        found = self._gallery.own_closeness(
            np.stack([t.fresh for t in tracks if t.fresh is not None]),
            [t.camera for t in tracks],
            [t.person for t in tracks],
        )
        nobody = np.zeros((len(tracks), 1))
        looks = scores(found, self._calibration, nobody.astype(np.bool_), nobody)
        return looks.beside(self._scene.presence.own(tracks))

    def fresh(self, track: SeenTrack, numbers: Sequence[int]) -> DoubleArray:
        """(k,) evidence of a track's new vector for each of some persons, nan where unknown."""
        if track.fresh is None:
            return np.full(len(numbers), np.nan)
        vectors = np.repeat(track.fresh[None], len(numbers), axis=0)
        found = self._gallery.own_closeness(vectors, [track.camera] * len(numbers), numbers)
        result: DoubleArray = Evidence.of(found, self._calibration).llr[:, 0]
        return result

    def beside(self, track: SeenTrack) -> DoubleArray:
        """(k,) evidence of a track's new vector for the other persons in its camera's picture."""
        others = {
            t.person
            for t in self._scene.seen[track.camera]
            if t.person in self._gallery and t.person != track.person
        }
        if not others or track.fresh is None:
            return np.empty(0)
        found = self._gallery.closeness(track.fresh[None], [track.camera])
        shut = np.array([[n not in others for n in found.persons.tolist()]])
        result = scores(found, self._calibration, shut, np.zeros(shut.shape))
        llr: DoubleArray = result.llr[0, ~shut[0]]
        return llr

    def of_person(self, number: int) -> Scores | None:
        """(1, n) evidence that one person is each other: all prototypes, and where both stand."""
        if len(self._gallery) < 2:
            return None
        looks = self._means(number, 'look', self._calibration)
        gait = None if self._gait is None else self._means(number, 'gait', self._gait)
        if looks is None and gait is None:
            return None
        persons = self._gallery.numbers
        if looks is None:
            looks = Evidence.none(1, len(persons))
        there, shut = self._scene.presence.of_person(number, self._gallery.columns)
        shut |= self._unmergeable(number)
        nobody = np.zeros(looks.llr.shape)
        result = joined(persons, looks, shut[None], nobody, gait, self._gallery.tracks)
        person = self._gallery[number]
        if person.last_ns - person.born_ns < ACQUAINTED_NS:
            # Old acquaintances were told apart before: how rare strangers are is no reason to
            # take two of them for one.
            result = self._known(result)
        mine = [track for track in self._scene.visible() if track.person == number]
        if mine:
            met = self._scene.meeting(mine)
            there += met[np.abs(met).argmax(axis=0), np.arange(met.shape[1])]
        return result.beside(there[None])

    def candidates(
        self, camera: str, numbers: Sequence[int], stamp_ns: int, *, gait: bool = False
    ) -> Candidates:
        """The likeliest persons of each track of a camera.

        Args:
            camera: of the tracks.
            numbers: of the tracks.
            stamp_ns: the moment.
            gait: by gait alone.
        """
        result = Candidates(
            np.zeros((len(numbers), MOST), np.uint32), np.zeros((len(numbers), MOST), np.float32)
        )
        tracks, rows = [], []
        for row, number in enumerate(numbers):
            track = self._scene.track(camera, number)
            if track is None:
                continue
            walked = track.walk.total is not None
            if walked or (track.total is not None and not gait):
                tracks.append(track)
                rows.append(row)
        if not tracks or not len(self._gallery):
            return result
        if gait:
            found = self.of_walks(tracks, stamp_ns)
        else:
            found = self.of_tracks(tracks, looks(tracks), stamp_ns)
        if found is not None:
            best = found.best(MOST)
            result.persons[rows], result.scores[rows] = best.persons, best.scores
        return result

    def _means(self, number: int, kind: Kind, calibration: Calibration) -> Evidence | None:
        """(1, n) what one person's prototypes say of everybody; None where there are none."""
        prototypes = self._gallery.prototypes(number, kind)
        if not prototypes:
            return None
        vectors = np.stack([vector for _, _, vector in prototypes])
        cameras = [camera for camera, _, _ in prototypes]
        weights = np.array([min(weight, HEAVIEST) for _, weight, _ in prototypes])
        if len(self._gallery) <= LIKELY:
            found = self._gallery.closeness(vectors, cameras, kind)
            return Evidence.mean(found, calibration, weights)
        columns, found = self._gallery.likely(vectors, cameras, LIKELY, kind)
        result = Evidence.strange(len(self._gallery))
        some = Evidence.mean(found, calibration, weights)
        result.llr[:, columns], result.log_p[:, columns] = some.llr, some.log_p
        return result

    def _unmergeable(self, number: int) -> BoolArray:
        """(n,) True where a person, in the gallery's order, is surely somebody else."""
        columns, person = self._gallery.columns, self._gallery[number]
        others = {number} | person.never | self._scene.elsewhere(number)
        if person.name:
            others |= self._gallery.names.keys()
        result = np.zeros(len(columns), np.bool_)
        result[[columns[other] for other in others if other in columns]] = True
        return result

    def settled(self, found: Scores, match: Match, false_accept: float) -> bool:
        """True where somebody fits and nobody else does, or only a second number of theirs."""
        return match.column >= 0 and (
            not match.ambiguous
            or self._glimpsed(found, match)
            or self.one(found, match, false_accept)
        )

    def matched(self, found: Scores, false_accept: float) -> list[Match]:
        """As `matches`, but of two who fit a track the well known goes before who was glimpsed."""
        result = matches(found, false_accept)
        taken = {match.column for match in result if not match.ambiguous}
        accepted = found.accepted(false_accept)
        for row, match in enumerate(result):
            other = Match(match.rival, -match.margin, True, True, match.column)
            if (
                match.ambiguous
                and accepted[row, match.rival]
                and match.rival not in taken
                and self._glimpsed(found, other)
            ):
                result[row] = other
        return result

    def _glimpsed(self, found: Scores, match: Match) -> bool:
        """True where the second best is hardly known beside the best, and is not here.

        Such numbers come from a track that showed two people one after the other; as long as they
        were kept, the one of the two who is well known would not be recognised.
        """
        first, second = (
            self._gallery[int(found.persons[column])] for column in (match.column, match.rival)
        )
        hardly = not second.confirmed or second.crops * KNOWN_TIMES <= first.crops
        alive = any(track.person == second.number for track in self._scene.alive())
        return first.confirmed and hardly and not alive

    def one(self, found: Scores, match: Match, false_accept: float) -> bool:
        """True where the two best persons may well be one, so that their likeness is no doubt.

        A little less than what merges them is enough: one of the two it is in any case.
        """
        first, second = int(found.persons[match.column]), int(found.persons[match.rival])
        likeness = self.of_person(first)
        if likeness is None:
            return False
        return bool(likeness.nearly(false_accept)[0, self._gallery.columns[second]])


def looks(tracks: Sequence[SeenTrack]) -> FloatArray:
    """(m, d) mean vectors of the tracks' looks, nan where there is none."""
    known = {row: track.mean() for row, track in enumerate(tracks) if track.total is not None}
    length = len(next(iter(known.values()))) if known else 0
    if len(known) == len(tracks):
        return np.stack(list(known.values()))
    result = np.full((len(tracks), length), np.nan, np.float32)
    for row, vector in known.items():
        result[row] = vector
    return result
