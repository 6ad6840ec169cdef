"""What a robot that follows a person by number would have followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.evaluate.named import Merge, Named
from reid_ros.types import AnyArray, DoubleArray, IntArray

LONGEST = 2.0
"""An image counts until the camera's next one, but for no more than so many usual gaps."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Every person in turn as the target, by the first confirmed number that they get.

    From then on each image of each camera counts for the time until the camera's next one.

    Attributes:
        people, targets: number of people, and of those who were confirmed once.
        locked_s: seconds in which the number is on the target and nowhere else.
        wrong_s: seconds in which it is on somebody or something else.
        lost_s: seconds in which the target can be seen, and the number is nowhere.
    """

    people: int
    targets: int
    locked_s: float
    wrong_s: float
    lost_s: float

    @property
    def locked(self) -> float:
        """Locked share of all this time, 0 to 1."""
        return self.locked_s / max(self.locked_s + self.wrong_s + self.lost_s, 1e-9)


def followed(seen: Named, merges: Sequence[Merge] = ()) -> Followed:
    """Follow everybody; a number that is merged into another goes on under that one."""
    people = seen.people
    everybody, begins = np.unique(people.ids, return_index=True)
    seconds = _Seconds(seen)
    locked = wrong = lost = 0.0
    targets = 0
    for begin, end in zip(begins.tolist(), [*begins.tolist()[1:], len(people)]):
        confirmed = np.flatnonzero(seen.confirmed[begin:end])
        if not len(confirmed):
            continue
        targets += 1
        first = begin + int(confirmed[0])
        since = int(people.stamp_ns[first])
        own = np.arange(begin, end)[people.stamp_ns[begin:end] >= since]
        rows = _rows(seen, int(seen.persons[first]), since, merges)
        images = np.concatenate([seconds.of_people[own], seconds.of_answers[rows]])
        place = np.unique(images, return_inverse=True)[1]
        here, there = place[: len(own)], place[len(own) :]
        count = int(place.max()) + 1
        target, on, off = (np.zeros(count, np.bool_) for _ in range(3))
        target[here] = True
        is_own = np.isin(seen.sighting[rows], own)
        on[there[is_own]] = True
        off[there[~is_own]] = True
        length = np.zeros(count)
        length[place] = seconds.length[images]
        wrong += float(length[off].sum())
        locked += float(length[on & ~off].sum())
        lost += float(length[target & ~on & ~off].sum())
    return Followed(len(everybody), targets, locked, wrong, lost)


def _rows(seen: Named, number: int, since_ns: int, merges: Sequence[Merge]) -> IntArray:
    """Rows of the answers that carry the number, or what became of it, from `since_ns` on."""
    answers = seen.answers
    found: list[AnyArray] = []
    for stamp_ns, gone, kept in merges:
        if gone == number and stamp_ns >= since_ns:
            early = (answers.stamp_ns >= since_ns) & (answers.stamp_ns < stamp_ns)
            found.append(np.flatnonzero(early & (answers.persons == number)))
            number, since_ns = kept, stamp_ns
    found.append(np.flatnonzero((answers.stamp_ns >= since_ns) & (answers.persons == number)))
    return np.concatenate(found)


class _Seconds:
    """How long each image counts.

    Attributes:
        of_people, of_answers: image of each row.
        length: (images,) seconds.
    """

    def __init__(self, seen: Named) -> None:
        people, answers = seen.people, seen.answers
        camera = np.concatenate([people.camera, answers.camera])
        stamp = np.concatenate([people.stamp_ns, answers.stamp_ns])
        stamps, at = np.unique(stamp, return_inverse=True)
        key = np.unique(camera, return_inverse=True)[1] * max(len(stamps), 1) + at
        images, image = np.unique(key, return_inverse=True)
        self.of_people: IntArray = image[: len(people)]
        self.of_answers: IntArray = image[len(people) :]
        self.length: DoubleArray = np.zeros(len(images))
        own = images // max(len(stamps), 1)
        for number in np.unique(own).tolist():
            here = np.flatnonzero(own == number)
            gaps = np.diff(stamps[images[here] % len(stamps)]) / 1e9
            usual = float(np.median(gaps)) if len(gaps) else 0.0
            self.length[here] = np.minimum([*gaps, usual], LONGEST * usual)
