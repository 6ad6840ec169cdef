"""Two people who touched before one camera: whether the tracker went on with the wrong one.

Where two who look alike pass each other a tracker may exchange them, and each track goes on with
vectors that fit its person well enough. But they fit the other's better: every new vector of both
tracks tells for 'as before' against 'exchanged', and until that is settled nothing is learnt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reid_ros.gallery import Gallery
from reid_ros.likeness import Likeness
from reid_ros.scene import Scene, SeenTrack
from reid_ros.seen import Observation

NS = 1_000_000_000
TOUCH = 0.1
"""Boxes of which one covers so much of the other may be taken for each other."""
RATE = 0.1
"""Chance that two who touch for a second are exchanged."""
LONGEST_S = 0.5
"""One image of two who touch counts for at most so long, and the first for as long."""
SURE = 3.0
"""Log-odds from which on it is settled: twenty to one."""
KEPT = 1.0 / (1.0 + math.exp(-SURE))
"""The same as a probability."""
FEW = -3.0
"""No vector speaks more against a person than this: of one that shows neither of two it does not
matter which of them it is less unlike."""
MOST = 3.0
"""A vector counts at most so much: the errors of a few seconds are alike."""


@dataclass(slots=True)
class _Pair:
    """Two tracks of one camera that touched.

    Attributes:
        tracks: the two.
        persons: whom they were taken for.
        touched_ns: when they last touched.
        log_odds: of 'as before' over 'exchanged'.
    """

    tracks: tuple[SeenTrack, SeenTrack]
    persons: tuple[int, int]
    touched_ns: int
    log_odds: float = math.inf

    def touch(self, elapsed_s: float) -> None:
        """They could be exchanged for so long: a step of a hidden Markov chain of two states."""
        chance = 0.5 * (1.0 - math.exp(-2.0 * RATE * elapsed_s))
        kept = self.kept() * (1.0 - 2.0 * chance) + chance
        self.log_odds = math.log(kept / (1.0 - kept)) if kept < 1.0 else math.inf

    def kept(self) -> float:
        """Probability of 'as before'."""
        return 1.0 / (1.0 + math.exp(-max(min(self.log_odds, 50.0), -50.0)))

    def sides(self) -> list[tuple[SeenTrack, int, int]]:
        """Each track with its own and the other's person."""
        (first, second), (one, other) = self.tracks, self.persons
        return [(first, one, other), (second, other, one)]


class Exchanges:
    """The tracks of all cameras of which it is not settled who is who."""

    def __init__(self, gallery: Gallery, scene: Scene, likeness: Likeness) -> None:
        self._gallery, self._scene, self._likeness = gallery, scene, likeness
        self._pairs: dict[str, dict[tuple[int, int], _Pair]] = {}

    def touch(self, observation: Observation) -> None:
        """Note who touches whom in one image, out of sight or not."""
        camera, stamp_ns = observation.camera, observation.stamp_ns
        pairs = self._pairs.setdefault(camera, {})
        if len(observation.tracks) < 2:
            return
        cover = observation.covered
        near = np.argwhere(np.triu(np.maximum(cover, cover.T) > TOUCH))
        numbers = observation.tracks.ids.tolist()
        for i, j in near.tolist():
            key = numbers[i], numbers[j]
            first, second = (self._scene.track(camera, number) for number in key)
            if first is None or second is None or first.person == second.person:
                continue
            persons = first.person, second.person
            pair = pairs.get(key)
            if pair is None or pair.persons != persons:
                if not all(person in self._gallery for person in persons):
                    continue
                since_ns = stamp_ns - round(LONGEST_S * NS)
                pair = pairs[key] = _Pair((first, second), persons, since_ns)
            elapsed_s = (stamp_ns - pair.touched_ns) / NS
            pair.touched_ns = stamp_ns
            pair.touch(min(max(elapsed_s, 0.0), LONGEST_S))

    def weigh(self, camera: str, stamp_ns: int) -> list[list[tuple[SeenTrack, int]]]:
        """Let the new vectors of a camera tell.

        Returns:
            The tracks that turn out to be exchanged, together those that were so together, each
            with whom it shows.
        """
        pairs, exchanged = self._pairs.get(camera, {}), []
        for key, pair in list(pairs.items()):
            if not self._holds(pair):
                del pairs[key]
                continue
            for track, own, other in pair.sides():
                if track.fresh is not None and track.seen_ns == stamp_ns:
                    pair.log_odds += self._told(track, own, other)
            if pair.log_odds < -SURE:
                exchanged.append([(t, other) for t, _, other in pair.sides() if self._lives(t)])
            elif pair.log_odds < SURE or pair.touched_ns == stamp_ns:
                continue
            del pairs[key]
        return exchanged

    def kept(self, track: SeenTrack) -> float:
        """Probability that a track still shows its person; 1 = it touched nobody."""
        pairs = self._pairs.get(track.camera, {}).values()
        mine = [pair.kept() for pair in pairs if any(one is track for one in pair.tracks)]
        return min(mine, default=1.0)

    def forget_camera(self, camera: str) -> None:
        """Drop the tracks of one camera."""
        self._pairs.pop(camera, None)

    def _told(self, track: SeenTrack, own: int, other: int) -> float:
        """What a new vector says for one person against another."""
        values = self._likeness.fresh(track, (own, other))
        if not np.isfinite(values).all():
            return 0.0
        one, two = np.maximum(values, FEW).tolist()
        return float(max(min(one - two, MOST), -MOST) * track.fresh_quality)

    def _lives(self, track: SeenTrack) -> bool:
        return self._scene.track(track.camera, track.number) is track

    def _holds(self, pair: _Pair) -> bool:
        """Whether one track lives, and every one that does is still taken for its person."""
        living = [(track, own) for track, own, _ in pair.sides() if self._lives(track)]
        known = all(person in self._gallery for person in pair.persons)
        return known and bool(living) and all(track.person == own for track, own in living)
