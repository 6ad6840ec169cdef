"""Who is who by how they walk: told by gait alone, learnt, and doubted where it does not fit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reid_ros.evidence import ALIKE, matches
from reid_ros.gallery import Gallery
from reid_ros.likeness import Likeness
from reid_ros.scene import Scene, SeenTrack

LEARN_VECTORS = 2
"""Gait vectors of a track before the gallery learns them: until then its gait is compared with
what others walked before, and not with itself."""
KNOWN_VECTORS = 2
"""Gait vectors behind a person who may be confirmed, or merged, by gait."""
ODD_LLR = -2.0
"""Evidence for the own person below which a track is somebody else, clothes taken into account."""
ODD = 2
"""So often, with nothing in between that may be learnt."""
LEARN_LLR = -2.0
"""Evidence of gait alone below which a walk is not learnt."""


class Walkers:
    """What the gait of the tracks in one camera says."""

    def __init__(self, gallery: Gallery, scene: Scene, likeness: Likeness) -> None:
        self._gallery, self._scene, self._likeness = gallery, scene, likeness

    def recognise(self, camera: str, false_accept: float, stamp_ns: int) -> None:
        """Decide who new walkers are by gait alone, one-to-one; it stays until they change."""
        walkers = [
            t for t in self._scene.seen[camera] if t.walk.fresh is not None and not t.walk.learnt
        ]
        found = self._likeness.of_walks(walkers, stamp_ns) if walkers else None
        if found is None or not len(found.persons):
            return
        for row, match in enumerate(matches(found, false_accept)):
            walk = walkers[row].walk
            walk.person, walk.score = 0, 0.0
            if match.column >= 0 and not match.ambiguous:
                walk.person = int(found.persons[match.column])
                walk.score = found.probability(row, match.column)

    def check(self, tracks: Sequence[SeenTrack]) -> tuple[list[SeenTrack], list[SeenTrack]]:
        """Compare new gait vectors with the tracks' persons, and learn those that may be theirs.

        Looks speak for a track's person as much as they can: a stranger in the same clothes is
        told by gait, but a walk that is a little odd splits nobody.

        Args:
            tracks: with a person and a new vector.

        Returns:
            The tracks that were learnt, and those that are somebody else.
        """
        learnt, strange = [], []
        for track, llr in zip(tracks, self._likeness.own_walks(tracks).tolist()):
            walk = track.walk
            looks = -math.log(ALIKE) if track.total is not None else 0.0
            if np.isfinite(llr) and llr + looks < ODD_LLR:
                walk.odd += 1
                if walk.odd >= ODD:
                    strange.append(track)
            if np.isfinite(llr) and llr < LEARN_LLR:
                continue
            walk.odd = 0
            if walk.count >= LEARN_VECTORS:
                self._learn(track)
                learnt.append(track)
        return learnt, strange

    def _learn(self, track: SeenTrack) -> None:
        walk = track.walk
        if walk.fresh is None:
            return
        vector, weight = walk.fresh, walk.fresh_quality
        if not walk.learnt:
            vector, weight, walk.learnt = walk.mean(), walk.weight, True
        self._gallery.learn(track.person, vector, track.camera, max(weight, 1e-3), 'gait')
