"""What the floor tells of persons beside their looks: how tall they are, and where they were."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from reid_ros import meeting, stature
from reid_ros.meeting import Spot
from reid_ros.seen import SeenTrack
from reid_ros.stature import Stature
from reid_ros.types import DoubleArray

TRACKS = 8
"""Tracks of a person whose stature is remembered."""


class Presence:
    """Remembers it for as long as the persons are known; no file holds it."""

    def __init__(self) -> None:
        self._statures: dict[int, deque[Stature]] = {}
        self._spots: dict[int, Spot] = {}

    def note(self, track: SeenTrack) -> None:
        """A track shows its person."""
        known = self._statures.setdefault(track.person, deque(maxlen=TRACKS))
        if not any(one is track.stature for one in known):
            known.append(track.stature)
        if track.spot is not None:
            self._spots[track.person] = track.spot

    def part(self, track: SeenTrack) -> None:
        """A track was somebody else all the time: its person learns nothing from it."""
        known = self._statures.get(track.person)
        if known is not None:
            mine = [one for one in known if one is not track.stature]
            self._statures[track.person] = deque(mine, maxlen=TRACKS)

    def merge(self, into: int, gone: int) -> None:
        """Let one person's number take the place of another's."""
        if gone in self._statures:
            known = self._statures.setdefault(into, deque(maxlen=TRACKS))
            known.extend(self._statures.pop(gone))
        was, spot = self._spots.pop(gone, None), self._spots.get(into)
        if was is not None and (spot is None or spot.stamp_ns < was.stamp_ns):
            self._spots[into] = was

    def forget(self, number: int) -> None:
        """Know nothing of a person any more."""
        self._statures.pop(number, None)
        self._spots.pop(number, None)

    def evidence(self, tracks: Sequence[SeenTrack], columns: Mapping[int, int]) -> DoubleArray:
        """(m, n) log-likelihood ratios that tracks show persons, 0 = nothing is known.

        Args:
            tracks: of one moment.
            columns: the column of each person's number.
        """
        result = np.zeros((len(tracks), len(columns)))
        for row, track in enumerate(tracks):
            for number, known in self._statures.items():
                if track.stature.count and number in columns:
                    others = stature.mean(one for one in known if one is not track.stature)
                    mine = track.stature.metres, track.stature.count
                    result[row, columns[number]] += stature.llr(mine, others)
            for number, spot in self._spots.items():
                if track.began is not None and number in columns:
                    result[row, columns[number]] += meeting.walk(spot, track.began)
        return result

    def own(self, tracks: Sequence[SeenTrack]) -> DoubleArray:
        """(m, 1) log-likelihood ratio of each track's stature for the person it is taken for."""
        result = np.zeros((len(tracks), 1))
        for row, track in enumerate(tracks):
            known = self._statures.get(track.person, ())
            others = stature.mean(one for one in known if one is not track.stature)
            result[row] = stature.llr((track.stature.metres, track.stature.count), others)
        return result

    def of_person(self, number: int, columns: Mapping[int, int]) -> DoubleArray:
        """(n,) log-likelihood ratios that a person is each other, by their statures."""
        result = np.zeros(len(columns))
        mine = stature.mean(self._statures.get(number, ()))
        if mine[1]:
            for other, known in self._statures.items():
                if other != number and other in columns:
                    result[columns[other]] = stature.llr(mine, stature.mean(known))
        return result
