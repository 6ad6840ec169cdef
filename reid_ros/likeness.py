"""Who looks like whom: evidence for the tracks and persons of a scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid_ros.calibration import Calibration
from reid_ros.evidence import Match, Scores, person_scores, scores
from reid_ros.gallery import Gallery
from reid_ros.scene import Scene, SeenTrack
from reid_ros.types import DoubleArray, FloatArray

NS = 1_000_000_000
YOUNG_NS = 10 * NS
"""A person known for less may still turn out to be somebody else's second number."""
HEAVIEST = 3.0
"""A prototype counts as at most this much when two persons are compared."""


class Likeness:
    """Scores against everybody in the gallery."""

    def __init__(self, gallery: Gallery, scene: Scene, calibration: Calibration) -> None:
        self._gallery = gallery
        self._scene = scene
        self._calibration = calibration

    def of_tracks(self, tracks: Sequence[SeenTrack], vectors: FloatArray, stamp_ns: int) -> Scores:
        """(m, n) evidence of tracks' vectors and places for everybody they can be."""
        found = scores(
            self._gallery.closeness(vectors, [track.camera for track in tracks]),
            self._calibration,
            self._scene.impossible(tracks, stamp_ns),
            self._scene.recent(tracks),
        )
        return found.beside(self._scene.meeting(tracks, stamp_ns))

    def own(self, tracks: Sequence[SeenTrack]) -> Scores:
        """(m, 1) evidence of each track's new vector for the person it is taken for."""
        found = self._gallery.own_closeness(
            np.stack([t.fresh for t in tracks if t.fresh is not None]),
            [t.camera for t in tracks],
            [t.person for t in tracks],
        )
        nobody = np.zeros((len(tracks), 1))
        return scores(found, self._calibration, nobody.astype(np.bool_), nobody)

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
        prototypes = self._gallery.prototypes(number)
        if not prototypes or len(self._gallery) < 2:
            return None
        vectors = np.stack([vector for _, _, vector in prototypes])
        found = self._gallery.closeness(vectors, [camera for camera, _, _ in prototypes])
        weights = np.array([min(weight, HEAVIEST) for _, weight, _ in prototypes])
        shut = np.array([not self._mergeable(number, n) for n in found.persons.tolist()])
        result = person_scores(found, self._calibration, shut, weights)
        mine = [track for track in self._scene.visible() if track.person == number]
        if not mine:
            return result
        met = self._scene.meeting(mine, max(track.seen_ns for track in mine))
        strongest = np.abs(met).argmax(axis=0)
        return result.beside(met[strongest, np.arange(met.shape[1])][None])

    def _mergeable(self, first: int, second: int) -> bool:
        if first == second or second in self._gallery[first].never:
            return False
        if self._gallery[first].name and self._gallery[second].name:
            return False
        return not self._scene.side_by_side(first, second)

    def settled(self, found: Scores, match: Match, false_accept: float, stamp_ns: int) -> bool:
        """True where somebody fits and nobody else does, or only a second number of theirs."""
        return match.column >= 0 and (
            not match.ambiguous or self.one(found, match, false_accept, stamp_ns)
        )

    def one(self, found: Scores, match: Match, false_accept: float, stamp_ns: int) -> bool:
        """True where the two best persons may well be one, so that their likeness is no doubt.

        Between old acquaintances that takes full evidence. One who was born moments ago may be a
        second number for the first, given before their views were learnt: there, less is enough.
        """
        first, second = int(found.persons[match.column]), int(found.persons[match.rival])
        likeness = self.of_person(first)
        if likeness is None:
            return False
        born_ns = max(self._gallery[first].born_ns, self._gallery[second].born_ns)
        young = stamp_ns - born_ns < YOUNG_NS
        enough = (likeness.nearly if young else likeness.accepted)(false_accept)
        return bool(enough[0, self._gallery.columns[second]])
