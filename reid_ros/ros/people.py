"""Where everybody is on the ground: the places of all cameras fused, and smooth in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from geometry_msgs.msg import Pose

from reid_ros.ros.target import ground_pose
from reid_ros.target import Look, sure
from reid_ros.types import DoubleArray, Event
from reid_ros.whereabouts import Whereabouts

NS = 1_000_000_000
FRESH_NS = NS // 2
"""Whoever was not surely seen for so long has no place."""
FORGET_NS = 10 * NS


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a person is.

    Attributes:
        person, score: who it is, and the probability.
        pose: of the feet, turned to where they go.
        covariance: (6, 6) of it.
    """

    person: int
    score: float
    pose: Pose
    covariance: DoubleArray


@dataclass(slots=True)
class _Way:
    whereabouts: Whereabouts
    seen_ns: int
    score: float


class People:
    """The ways of everybody who is surely seen, in one frame of the ground."""

    def __init__(self) -> None:
        self._ways: dict[int, _Way] = {}

    def step(self, looks: Sequence[Look], frame: str, events: Iterable[Event]) -> None:
        """Take in one moment.

        Args:
            looks: one per image; those in another frame are left aside.
            frame: of the ground.
            events: of the moment; whose numbers are not theirs any more begin anew.
        """
        for event in events:
            if event.kind in ('merged', 'split'):
                self._ways.pop(event.previous, None)
            elif event.kind in ('expired', 'forgotten'):
                self._ways.pop(event.person, None)
        for look in sorted(looks, key=lambda look: look.sightings.stamp_ns):
            if look.places is None or look.frame != frame:
                continue
            found = look.sightings
            for row in (sure(found) & look.places.sure).nonzero()[0].tolist():
                number = int(found.persons[row])
                way = self._ways.get(number)
                if way is None:
                    way = self._ways[number] = _Way(Whereabouts(), found.stamp_ns, 0.0)
                places = look.places.positions[row], look.places.covariances[row]
                if way.whereabouts.add(found.stamp_ns, *places):
                    way.seen_ns = found.stamp_ns
                    way.score = float(found.person_scores[row])

    def at(self, stamp_ns: int) -> list[Spot]:
        """Everybody who was surely seen just before a time."""
        result = []
        for number, way in list(self._ways.items()):
            age_ns = abs(stamp_ns - way.seen_ns)
            if age_ns > FORGET_NS:
                del self._ways[number]
            estimate = way.whereabouts.at(stamp_ns) if age_ns <= FRESH_NS else None
            if estimate is not None:
                result.append(Spot(number, way.score, *ground_pose(estimate)))
        return result
