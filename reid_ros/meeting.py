"""Space-time evidence: whether the tracks of two cameras stand on one spot of the floor, and
whether who was here a moment ago can be who begins there.

Two cameras that see common ground place one person on one spot, but for what lower edges of boxes,
poses and lenses err by; two people are seldom that close, unless they walk together.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from reid_ros.types import DoubleArray

NS = 1_000_000_000
BIN_NS = NS // 2
"""Errors within half a second are one error."""
BINS = 6
"""How many of them are remembered."""
HASTE_MPS = 1.3
"""A walk: the mean times of two cameras within a bin differ, and people move meanwhile."""
POSE_M = 0.2
"""Standard deviation of what poses, lenses and the middle of a body err by, metres."""
GROUND_M2 = 120.0
"""Where somebody else may stand whom another camera shows. Of 19,000 pairs of different people on
16 drives half are six metres apart and 5 % within 1.3, so this is more than two cameras share."""
BESIDE, BESIDE_M = 0.1, 0.8
"""Share of other people who walk along, and their distance (one standard deviation)."""
FLOOR_M2 = 30.0
"""Where somebody else may begin who was out of sight."""
WRONG = 0.1
"""Share of positions that mean nothing: the feet were hidden, or the box was bad."""
MOST = 4
"""Bins that count: longer agreement is no more evidence."""
WANDER_MPS = 0.7
"""Standard deviation of a way in each direction, by time: people stroll, turn and stand."""
LOST = 0.15
"""Share of ways that mean nothing, as a place was wrong: of the ways of those who came back on 16
drives 18 % were farther than a walk, by the feet that were seen."""
FORGOTTEN_S = 8.0
"""Seconds after which somebody can be anywhere."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where somebody stood.

    Attributes:
        stamp_ns: when.
        x, y: metres on the floor.
        variance: square metres, in each direction.
    """

    stamp_ns: int
    x: float
    y: float
    variance: float


@dataclass(slots=True)
class _Bin:
    """Sums over the positions of half a second."""

    number: int
    count: int = 0
    time: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0


@dataclass(slots=True)
class Trail:
    """Where one track was on the floor in the last seconds."""

    bins: deque[_Bin] = field(default_factory=lambda: deque(maxlen=BINS))

    def add(self, stamp_ns: int, position: DoubleArray, covariance: DoubleArray) -> None:
        """One more position.

        Args:
            stamp_ns: not before that of the last one.
            position: (2 or more,) metres, x and y on the floor.
            covariance: (2 or more, same) square metres.
        """
        number = stamp_ns // BIN_NS
        if not self.bins or self.bins[-1].number != number:
            self.bins.append(_Bin(number))
        last = self.bins[-1]
        last.count += 1
        last.time += (stamp_ns - number * BIN_NS) / NS
        last.x += float(position[0])
        last.y += float(position[1])
        last.xx += float(covariance[0, 0])
        last.xy += float(covariance[0, 1])
        last.yy += float(covariance[1, 1])

    def __bool__(self) -> bool:
        return bool(self.bins)


def llr(first: Trail, second: Trail) -> float:
    """Log-likelihood ratio of 'one person' over 'two'; 0 where they were not seen at once.

    The mean over half seconds. Where that speaks for one person, times the root of their number,
    as a camera's errors last; against one it says no more with time, as feet stay hidden: after
    one and after four half seconds apart the odds on 16 drives were the same, about one to ten.
    """
    others = {one.number: one for one in second.bins}
    values = [_llr(one, others[one.number]) for one in first.bins if one.number in others][-MOST:]
    mean = sum(values) / len(values) if values else 0.0
    return mean * math.sqrt(len(values)) if mean > 0 else mean


def walk(was: Spot, began: Spot) -> float:
    """Log-likelihood ratio of 'one person' over 'two', of who was last seen, and who begins later.

    0 where the one did not end before the other began, or long ago.
    """
    elapsed_s = (began.stamp_ns - was.stamp_ns) / NS
    if not 0 < elapsed_s <= FORGOTTEN_S:
        return 0.0
    square = (began.x - was.x) ** 2 + (began.y - was.y) ** 2
    spread = was.variance + began.variance + POSE_M**2 + (WANDER_MPS * elapsed_s) ** 2
    # Nobody leaves the floor: what could have led beyond it led elsewhere on it.
    area = min(2 * math.pi * spread, FLOOR_M2)
    here = (1 - LOST) * math.exp(-square / 2 / spread) / area
    return math.log(here * FLOOR_M2 + LOST)


def _llr(a: _Bin, b: _Bin) -> float:
    moved = HASTE_MPS * (a.time / a.count - b.time / b.count)
    spread = POSE_M**2 + moved * moved
    x, y = a.x / a.count - b.x / b.count, a.y / a.count - b.y / b.count
    xx = a.xx / a.count + b.xx / b.count + spread
    xy = a.xy / a.count + b.xy / b.count
    yy = a.yy / a.count + b.yy / b.count + spread
    here = (1 - WRONG) * _density(x, y, xx, xy, yy) + WRONG / GROUND_M2
    wide = BESIDE_M**2
    beside = _density(x, y, xx + wide, xy, yy + wide)
    return math.log(here / ((1 - BESIDE) / GROUND_M2 + BESIDE * beside))


def _density(x: float, y: float, xx: float, xy: float, yy: float) -> float:
    """Of a normal distribution with this covariance, per square metre."""
    area = xx * yy - xy * xy
    away = (yy * x * x - 2 * xy * x * y + xx * y * y) / area
    return math.exp(-away / 2) / (2 * math.pi * math.sqrt(area))
