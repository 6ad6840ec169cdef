"""What a chase came to, by the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reid_ros.types import BoolArray, DoubleArray
from reid_ros.world.live import Base

SEEN = 0.5
"""Of whom less can be seen in every camera need not be found."""
GONE_S, BACK_S = 1.0, 3.0
"""A return begins after so long out of sight, and should end locked within so long."""
FRESH_S = 0.25
"""An image tells for so long who is seen; slow cameras' for two of their images."""
DRIVES_MPS = 0.05
"""Slower is standing."""
FAR_M = 1.0
"""A place that is wrong by more is wrong."""


@dataclass(slots=True)
class Score:
    """What one run came to; times in seconds.

    Attributes:
        seed: of the world.
        total: length, from the first choice on.
        visible: the target at least half in view of a camera.
        locked: the target was said to be locked.
        right: of `visible`, locked on the target.
        wrong: locked while the last box aimed at was somebody else's.
        misplaced: locked with a place more than a metre from the target.
        returns, found: times the target came back into sight; of these locked within three
            seconds.
        waits: seconds until that, of each that was found.
        released: how often the choice ended by itself.
        chosen: how often somebody chose.
        nearest_m: least distance between the robot and the target; people may come nearer than
            the robot would.
        anybody_m: the same to whoever was nearest.
        pushed_m: least distance to the target while the robot drove forward.
        close: drove forward while the target was nearer than it was told to keep.
        kept_m: distance to the target while driving: its 1st, 10th and 50th percentile.
        error_m: median error of the place.
        driven_m: way of the robot.
    """

    seed: int
    total: float = 0.0
    visible: float = 0.0
    locked: float = 0.0
    right: float = 0.0
    wrong: float = 0.0
    misplaced: float = 0.0
    returns: int = 0
    found: int = 0
    waits: list[float] = field(default_factory=list)
    released: int = 0
    chosen: int = 0
    nearest_m: float = np.inf
    anybody_m: float = np.inf
    pushed_m: float = np.inf
    close: float = 0.0
    kept_m: list[float] = field(default_factory=list)
    error_m: float = 0.0
    driven_m: float = 0.0

    def row(self) -> Mapping[str, Any]:
        """The figures for a file: rounded, None where there is nothing."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 3) if np.isfinite(value) else None
    return value


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of the target at a moment.

    Attributes:
        locked: whether it is surely followed.
        aimed: who truly is in the box aimed at last, -1 = nobody, None = no box yet.
        place: (2,) metres, where it is said to be; None = not known.
    """

    locked: bool
    aimed: int | None
    place: DoubleArray | None


class Judge:
    """Keeps the score of one run.

    Args:
        score: to be filled.
        whom: index of the person who is to be followed.
        keep_m: distance that the robot is told to keep.
        fresh_s: how long an image tells who is seen.
    """

    def __init__(self, score: Score, whom: int, keep_m: float, fresh_s: float = FRESH_S) -> None:
        self.score = score
        self._whom, self._keep_m, self._fresh_s = whom, keep_m, fresh_s
        self._shares: dict[str, tuple[float, float]] = {}
        self._hidden_s = 0.0
        self._awaited: float | None = None
        self._errors: list[float] = []
        self._ways: list[float] = []

    def see(self, camera: str, now: float, shares: DoubleArray) -> None:
        """Take in how much of each person (p,) an image shows."""
        self._shares[camera] = (now, float(shares[self._whom]))

    def visible(self, now: float) -> bool:
        """Whether the target is half in view of a camera."""
        return any(now - at < self._fresh_s and s >= SEEN for at, s in self._shares.values())

    def step(
        self,
        now: float,
        seconds: float,
        claim: Claim,
        people: tuple[DoubleArray, BoolArray],
        base: Base,
    ) -> None:
        """Count so many seconds, once somebody has chosen.

        Args:
            people: (p, 2) metres and (p,) presence.
            base: the robot.
        """
        score = self.score
        if not score.chosen:
            return
        score.total += seconds
        self._distances(seconds, people, base)
        visible = self.visible(now)
        right = claim.locked and claim.aimed == self._whom
        if claim.locked:
            score.locked += seconds
            score.wrong += seconds * (not right)
            if claim.place is not None and people[1][self._whom]:
                error = float(np.linalg.norm(claim.place - people[0][self._whom]))
                self._errors.append(error)
                score.misplaced += seconds * (error > FAR_M)
        if visible:
            score.visible += seconds
            score.right += seconds * right
        self._return(now, seconds, visible, right)

    def close(self, driven_m: float) -> Score:
        """Sum up."""
        score = self.score
        score.driven_m = driven_m
        score.error_m = float(np.median(self._errors)) if self._errors else np.nan
        if self._ways:
            score.kept_m = [float(v) for v in np.percentile(self._ways, [1, 10, 50])]
        return score

    def _distances(
        self, seconds: float, people: tuple[DoubleArray, BoolArray], base: Base
    ) -> None:
        score, (spots, present) = self.score, people
        away = np.linalg.norm(spots - [base.x, base.y], axis=1)
        score.anybody_m = min(score.anybody_m, float(away[present].min(initial=np.inf)))
        if not present[self._whom]:
            return
        mine = float(away[self._whom])
        score.nearest_m = min(score.nearest_m, mine)
        if base.forward > DRIVES_MPS:
            self._ways.append(mine)
            score.pushed_m = min(score.pushed_m, mine)
            score.close += seconds * (mine < self._keep_m)

    def _return(self, now: float, seconds: float, visible: bool, right: bool) -> None:
        """Note when the target comes back into sight, and when it is locked again."""
        score = self.score
        if not visible:
            self._hidden_s += seconds
            if self._hidden_s >= GONE_S:
                self._awaited = None  # a glimpse that was too short to tell
            return
        if self._hidden_s >= GONE_S and self._awaited is None:
            self._awaited = now
        self._hidden_s = 0.0
        if self._awaited is None:
            return
        waited = now - self._awaited
        if right:
            score.returns, score.found = score.returns + 1, score.found + (waited <= BACK_S)
            score.waits.append(waited)
            self._awaited = None
        elif waited > BACK_S:
            score.returns += 1
            self._awaited = None
