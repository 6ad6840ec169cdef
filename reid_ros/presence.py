"""What the floor tells of persons beside their looks: how tall they are, and where they were."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from reid_ros import meeting, stature
from reid_ros.meeting import Spot
from reid_ros.seen import SeenTrack
from reid_ros.stature import Stature
from reid_ros.types import BoolArray, DoubleArray

NS = 1_000_000_000
TRACKS = 8
"""Tracks of a person whose stature is remembered."""
OTHER_LLR = -2.5
"""Evidence of a stature against a person that needs no other: a look-alike."""


class Presence:
    """Remembers it for as long as the persons are known; no file holds it."""

    def __init__(self) -> None:
        self._statures: dict[int, deque[Stature]] = {}
        self._tall: dict[int, stature.Measured] = {}  # the mean of each
        self._spots: dict[int, Spot] = {}  # whoever was seen last stands last
        self._came: dict[int, dict[int, float]] = {}  # see `born`; both ways

    def note(self, track: SeenTrack) -> None:
        """A track shows its person."""
        known = self._statures.setdefault(track.person, deque(maxlen=TRACKS))
        if not any(one is track.stature for one in known):
            empty = next((one for one in known if not one.count), None)
            if empty is not None:
                known.remove(empty)  # no glimpse drives out what was measured
            known.append(track.stature)
        self._tall[track.person] = stature.mean(known)
        if track.spot is not None:
            self._spots.pop(track.person, None)
            self._spots[track.person] = track.spot

    def born(self, track: SeenTrack, left: int) -> None:
        """A track is a new person: the ways from where others were tell who it may be yet.

        Args:
            track: bears the new number.
            left: the person it was split off from, of whom it told where they were; 0 = nobody.
        """
        for number, value in self._ways(track).items():
            if number not in (track.person, left):
                self._came.setdefault(track.person, {})[number] = value
                self._came.setdefault(number, {})[track.person] = value

    def part(self, track: SeenTrack) -> None:
        """A track was somebody else all the time: its person learns nothing from it."""
        known = self._statures.get(track.person)
        if known is not None:
            mine = [one for one in known if one is not track.stature]
            self._statures[track.person] = deque(mine, maxlen=TRACKS)
            self._tall[track.person] = stature.mean(mine)
        if self._spots.get(track.person) is track.spot:
            self._spots.pop(track.person, None)

    def merge(self, into: int, gone: int) -> None:
        """Let one person's number take the place of another's."""
        if gone in self._statures:
            known = self._statures.setdefault(into, deque(maxlen=TRACKS))
            known.extend(self._statures.pop(gone))
            self._tall.pop(gone, None)
            self._tall[into] = stature.mean(known)
        for number, value in self._came.get(gone, {}).items():
            if number != into and number not in self._came.get(into, {}):
                self._came.setdefault(into, {})[number] = value
                self._came[number][into] = value
        self._uncome(gone)
        was, spot = self._spots.pop(gone, None), self._spots.get(into)
        if was is not None and (spot is None or spot.stamp_ns < was.stamp_ns):
            self._spots[into] = was

    def forget(self, number: int) -> None:
        """Know nothing of a person any more."""
        self._statures.pop(number, None)
        self._tall.pop(number, None)
        self._spots.pop(number, None)
        self._uncome(number)

    def _uncome(self, number: int) -> None:
        for other in self._came.pop(number, {}):
            del self._came[other][number]

    def evidence(self, tracks: Sequence[SeenTrack], columns: Mapping[int, int]) -> DoubleArray:
        """(m, n) log-likelihood ratios that tracks show persons, 0 = nothing is known.

        Args:
            tracks: of one moment.
            columns: the column of each person's number.
        """
        result = np.zeros((len(tracks), len(columns)))
        for row, track in enumerate(tracks):
            result[row] = self._compared(stature.mean([track.stature]), columns)
            if track.person in columns:  # who is compared with their own track
                result[row, columns[track.person]] = self.own([track])[0, 0]
            for number, value in self._ways(track).items():
                if number in columns:
                    result[row, columns[number]] += value
        return result

    def _ways(self, track: SeenTrack) -> dict[int, float]:
        """By number, the log-likelihood ratio of having walked to where a track began."""
        result: dict[int, float] = {}
        if track.began is None:
            return result
        for number in reversed(self._spots):
            spot = self._spots[number]
            if track.began.stamp_ns - spot.stamp_ns > 2 * meeting.FORGOTTEN_S * NS:
                break
            if value := meeting.walk(spot, track.began):
                result[number] = value
        return result

    def _compared(self, mine: stature.Measured, columns: Mapping[int, int]) -> DoubleArray:
        """(n,) of a stature with everybody's."""
        result = np.zeros(len(columns))
        known = [(columns[n], *told) for n, told in self._tall.items() if n in columns and told[1]]
        if mine[1] and known:
            table = np.array(known)
            result[table[:, 0].astype(np.int64)] = stature.llrs(mine, table[:, 1:])
        return result

    def own(self, tracks: Sequence[SeenTrack]) -> DoubleArray:
        """(m, 1) log-likelihood ratio of each track's stature for the person it is taken for."""
        result = np.zeros((len(tracks), 1))
        for row, track in enumerate(tracks):
            result[row] = self.body([track])
        return result

    def body(self, tracks: Sequence[SeenTrack]) -> float:
        """Log-likelihood ratio of a body's stature, by all its tracks, for their person."""
        mine = [track.stature for track in tracks]
        known = self._statures.get(tracks[0].person, ())
        others = stature.mean(one for one in known if not any(one is my for my in mine))
        return stature.llr(stature.mean(mine), others)

    def of_person(self, number: int, columns: Mapping[int, int]) -> tuple[DoubleArray, BoolArray]:
        """Whether a person is each other, by statures and first ways.

        Returns:
            (n,) log-likelihood ratios, and (n,) True for whoever is surely taller or smaller.
        """
        result = self._compared(self._tall.get(number, (0.0, 0, 0)), columns)
        unlike: BoolArray = result < OTHER_LLR
        for other, value in self._came.get(number, {}).items():
            if other in columns:
                result[columns[other]] += value
        if number in columns:
            result[columns[number]] = 0.0
        return result, unlike
