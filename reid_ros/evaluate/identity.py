"""Identity over time: how soon, how often, how lastingly people are known, and how often wrongly.

A run that never decides is never wrong. So each measure that silence could win stands beside its
opposite: time to a name beside the share that never gets one, wrong beside silent, clashes beside
the number of times when there could have been one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from reid_ros.evaluate.clashes import Clashes, clashes
from reid_ros.evaluate.following import Followed, followed
from reid_ros.evaluate.named import GAP_S, Merge, Named, Visit, named, surviving, visits
from reid_ros.evaluate.values import Answers, People
from reid_ros.types import BoolArray

ABSENT_S = 5.0
"""Who was out of every camera's sight for so long comes back."""


@dataclass(frozen=True, slots=True)
class Delay:
    """From the first sighting of a visit to its first number.

    Attributes:
        visits: number of visits, a person in one camera without a gap.
        median_s, p90_s: seconds, over the visits that got a number; None where none did.
        never: share of the visits without any.
        wrong: share of the visits whose first number is not the person's own.
    """

    visits: int
    median_s: float | None
    p90_s: float | None
    never: float
    wrong: float


@dataclass(frozen=True, slots=True)
class Shares:
    """Counts of true sightings; each is one of the one before, but `wrong` and `another`.

    Attributes:
        sightings: people in images.
        found: with a box of the run on them.
        decided: found, with a number.
        confirmed: with a confirmed number.
        right: with a confirmed number that is the person's own.
        wrong: with a confirmed number that is not.
        another: with a confirmed number that somebody else bears more often; the rest of `wrong`
            are second numbers of the same person.
    """

    sightings: int
    found: int
    decided: int
    confirmed: int
    right: int
    wrong: int
    another: int


@dataclass(frozen=True, slots=True)
class Kept:
    """How often a person who is seen anew has the number of before.

    Attributes:
        times: how often it happened.
        right, wrong, silent: the number was the same, another, undecided before or now.
    """

    times: int
    right: int
    wrong: int
    silent: int

    @property
    def accuracy(self) -> float:
        """Share right, 0 to 1; silence is no success. 1 where nothing happened."""
        return self.right / self.times if self.times else 1.0


@dataclass(frozen=True, slots=True)
class OverTime:
    """The measures of one run.

    Attributes:
        provisional, confirmed: time to the first number, and to the first confirmed one.
        shares: of sightings.
        handover: a visit whose person's visit before was in another camera.
        reacquired: a visit whose person was in no camera for a while.
        target: what a follower of each person would have followed.
        clashes: one number at two places at once.
    """

    provisional: Delay
    confirmed: Delay
    shares: Shares
    handover: Kept
    reacquired: Kept
    target: Followed
    clashes: Clashes

    def as_json(self) -> dict[str, Any]:
        """Nested plain values; shares are 0 to 1."""
        result = dataclasses.asdict(self)
        for name in ('handover', 'reacquired'):
            result[name]['accuracy'] = getattr(self, name).accuracy
        return result


def over_time(
    truth: People,
    answers: Answers,
    iou: float = 0.5,
    least_visible: float = 0.0,
    absent_s: float = ABSENT_S,
    gap_s: float = GAP_S,
    apart: Sequence[tuple[int, int]] = (),
    merges: Sequence[Merge] = (),
) -> OverTime:
    """Measure what a run published against the truth.

    Args:
        iou: overlap from which on an answer's box is on a person.
        least_visible: people of whom less can be seen do not count.
        absent_s: seconds out of every camera's sight after which a person comes back.
        gap_s: seconds out of one camera's sight that end a visit.
        apart: pairs of cameras that see no common ground.
        merges: which number became which, as the run announced; a number that was merged into
            another is the same from then on.

    Raises:
        EvaluateError: one person twice in one image of the truth.
    """
    seen = named(truth, answers, iou, least_visible)
    stays = visits(seen, gap_s)
    return OverTime(
        delay(seen, stays, seen.persons > 0),
        delay(seen, stays, seen.confirmed),
        shares(seen),
        handover(stays, merges),
        reacquired(stays, absent_s, merges),
        followed(seen, merges),
        clashes(seen, answers, apart),
    )


def delay(seen: Named, stays: Sequence[Visit], has: BoolArray) -> Delay:
    """Time to the first sighting of each visit at which `has` (n,) is true."""
    waited_s, wrong = [], 0
    for visit in stays:
        there = np.flatnonzero(has[visit.rows])
        if len(there):
            row = visit.rows[there[0]]
            waited_s.append((int(seen.people.stamp_ns[row]) - visit.first_ns) / 1e9)
            wrong += not seen.right[row]
    count = len(stays)
    return Delay(
        count,
        float(np.median(waited_s)) if waited_s else None,
        float(np.percentile(waited_s, 90)) if waited_s else None,
        (count - len(waited_s)) / count if count else 0.0,
        wrong / count if count else 0.0,
    )


def shares(seen: Named) -> Shares:
    """Count the sightings."""
    right = seen.confirmed & seen.right
    counts = (
        seen.answer >= 0, seen.persons > 0, seen.confirmed, right, seen.confirmed & ~right,
        seen.confirmed & seen.another,
    )  # fmt: skip
    return Shares(len(seen.people), *(int(mask.sum()) for mask in counts))


def handover(stays: Sequence[Visit], merges: Sequence[Merge] = ()) -> Kept:
    """Visits whose person's visit before began in another camera; that may still go on."""
    pairs = [
        (before, now)
        for before, now in pairwise(stays)
        if before.person == now.person and before.camera != now.camera
    ]
    return _kept(pairs, merges)


def reacquired(
    stays: Sequence[Visit], absent_s: float = ABSENT_S, merges: Sequence[Merge] = ()
) -> Kept:
    """Visits whose person was in no camera for `absent_s` or longer before.

    The number of before is that of the visit that ended last.
    """
    pairs = []
    last: Visit | None = None
    for now in stays:
        if last is not None and last.person != now.person:
            last = None
        if last is not None and now.first_ns - last.last_ns >= absent_s * 1e9:
            pairs.append((last, now))
        if last is None or now.last_ns >= last.last_ns:
            last = now
    return _kept(pairs, merges)


def _kept(pairs: Sequence[tuple[Visit, Visit]], merges: Sequence[Merge]) -> Kept:
    right = wrong = 0
    for before, now in pairs:
        if before.number and now.number:
            until = max(before.last_ns, now.last_ns)
            same = surviving(before.number, before.first_ns, until, merges) == surviving(
                now.number, now.first_ns, until, merges
            )
            right += same
            wrong += not same
    return Kept(len(pairs), right, wrong, len(pairs) - right - wrong)
