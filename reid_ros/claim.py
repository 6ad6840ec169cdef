"""Tracks that bear the target's number, and whether all of them can be one body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.types import DoubleArray

NS = 1_000_000_000
AT_ONCE_NS = 250_000_000
"""Two sightings this close in time are at once."""
REACH_M, REACH_MPS, SIGMAS = 1.0, 4.0, 3.0
"""How far somebody can be from where they were: errors that no covariance tells, and a run."""


@dataclass(slots=True)
class Claim:
    """A track that bears the target's number.

    Attributes:
        since_ns, seen_ns: first and last time it surely was the target's, without a break.
        borne_ns: last time it bore the number, in doubt or not.
        spot, frame: x y on the ground when it was last seen there, metres; None = not known.
        spread: standard deviation of the spot, metres.
        near, far: how many of its first places were in reach of the target, and how many not.
        trusted: whether it is believed to be the target; else it is too young, or elsewhere.
        denied: whether another camera shows the target elsewhere and somebody else here.
        other: whether it was elsewhere while the target was surely seen: it is somebody else.
        own: whether the camera rides on the robot.
        overruled: whether the robot's own camera saw the target elsewhere when both last saw it.
    """

    since_ns: int
    seen_ns: int
    borne_ns: int
    spot: DoubleArray | None = None
    spread: float = 0.0
    frame: str = ''
    near: int = 0
    far: int = 0
    trusted: bool = False
    denied: bool = False
    other: bool = False
    own: bool = False
    overruled: bool = False

    def apart(self, other: Claim, elapsed_s: float) -> bool | None:
        """Whether nobody can have gone from one to the other; None where that is not known."""
        if self.spot is None or other.spot is None or self.frame != other.frame:
            return None
        away = float(np.linalg.norm(self.spot - other.spot))
        slack = REACH_M + SIGMAS * float(np.hypot(self.spread, other.spread))
        return away > slack + REACH_MPS * elapsed_s

    @property
    def disputed(self) -> bool:
        """Whether another camera knows better."""
        return self.denied or self.overruled


def somebody_elses(claims: Iterable[Claim], now_ns: int) -> bool:
    """Whether only tracks that were elsewhere than the target bear the number now.

    Args:
        claims: all that are known.
        now_ns: the moment.
    """
    bearing = [claim for claim in claims if abs(now_ns - claim.borne_ns) < AT_ONCE_NS]
    sure = any(c.trusted and abs(now_ns - c.seen_ns) < AT_ONCE_NS for c in bearing)
    return not sure and any(claim.other for claim in bearing)


def overrule(claims: Sequence[Claim], now_ns: int) -> None:
    """Where a number is borne in two places a fixed camera is not believed any more.

    Two who are alike and cross are exchanged by a camera, and neither their looks nor the tracks
    tell by which; but the robot's own camera is the nearest. A camera that is overruled stays so
    until it places the target where the robot's does.

    Args:
        claims: of now.
        now_ns: the moment.
    """
    mine = [claim for claim in claims if claim.own and claim.trusted]
    for claim in claims:
        if not claim.own:
            told = [claim.apart(one, _elapsed_s(claim, one, now_ns)) for one in mine]
            known = [apart for apart in told if apart is not None]
            if known:
                claim.overruled = all(known)


def two_places(claims: Sequence[Claim], now_ns: int) -> bool:
    """Whether the number is borne in two places at once.

    Args:
        claims: of now.
        now_ns: the moment.
    """
    return any(
        one.apart(other, _elapsed_s(one, other, now_ns))
        for i, one in enumerate(claims)
        for other in claims[i + 1 :]
    )


def _elapsed_s(one: Claim, other: Claim, now_ns: int) -> float:
    return abs(now_ns - min(one.seen_ns, other.seen_ns)) / NS
