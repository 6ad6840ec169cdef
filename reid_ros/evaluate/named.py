"""Which person a run saw in each true sighting, and the visits that these make up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.evaluate.idf1 import idf1
from reid_ros.evaluate.matching import best
from reid_ros.evaluate.overlaps import EPS, overlaps
from reid_ros.evaluate.values import Answers, Boxes, People
from reid_ros.types import BoolArray, IntArray

GAP_S = 1.0
"""A person out of a camera's sight for no longer was there all the time."""


@dataclass(frozen=True, slots=True)
class Named:
    """True sightings with the answer to each, by person, then time, then camera.

    A sighting is a person in an image of whom enough can be seen. An answer on somebody of whom
    less can be seen is neither right nor wrong and left out of `answers`.

    Attributes:
        people: (n,) the sightings.
        answers: (m,) the answers that count.
        answer: (n,) int64, row of answers whose box lies on the sighting, -1 where none does.
        sighting: (m,) int64, row of people under the answer's box, -1 where nobody is.
        persons: (n,) int64, number that the sighting got, 0 = undecided or not found.
        confirmed: (n,) bool, whether that number was confirmed.
        own: (n,) int64, number that stands for the sighting's person: numbers and people are
            paired one to one, for the most sightings (as IDF1 does); 0 where none is left.
    """

    people: People
    answers: Answers
    answer: IntArray
    sighting: IntArray
    persons: IntArray
    confirmed: BoolArray
    own: IntArray

    @property
    def right(self) -> BoolArray:
        """(n,) bool, whether the sighting got its person's own number."""
        result: BoolArray = (self.persons > 0) & (self.persons == self.own)
        return result

    @property
    def another(self) -> BoolArray:
        """(n,) bool, whether the sighting got a number that was said of somebody else more often.

        A second number of the same person is not right and not another's.
        """
        result = np.zeros(len(self.persons), np.bool_)
        for number in np.unique(self.persons[self.persons > 0]):
            rows = np.flatnonzero(self.persons == number)
            ids, times = np.unique(self.people.ids[rows], return_counts=True)
            result[rows] = self.people.ids[rows] != ids[times.argmax()]
        return result


def named(truth: People, answers: Answers, iou: float = 0.5, least_visible: float = 0.0) -> Named:
    """Pair sightings and answers in each image, for the largest sum of overlaps.

    Raises:
        EvaluateError: one person twice in one image of the truth.
    """
    boxes = Boxes(answers.camera, answers.frame, np.arange(len(answers)), answers.boxes)
    seen = overlaps(truth.as_boxes(least_visible), boxes, iou)
    near = seen.iou >= iou - EPS
    i, j = seen.i[near], seen.j[near]
    taken = best(
        seen.truth_step[i], i, j, seen.iou[near], (len(seen.truth_row), len(seen.result_row))
    )
    people, kept = truth.take(seen.truth_row), answers.take(seen.result_row)
    order = np.lexsort((people.camera, people.stamp_ns, people.ids))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    people = people.take(order)
    answer, sighting = np.full(len(people), -1), np.full(len(kept), -1)
    answer[place[i[taken]]] = j[taken]
    sighting[j[taken]] = place[i[taken]]
    persons = np.zeros(len(people), np.int64)
    confirmed = np.zeros(len(people), np.bool_)
    found = answer >= 0
    persons[found] = kept.persons[answer[found]]
    confirmed[found] = kept.confirmed[answer[found]] & (persons[found] > 0)
    return Named(people, kept, answer, sighting, persons, confirmed, _own(people, kept, iou))


def _own(people: People, answers: Answers, iou: float) -> IntArray:
    """(n,) number that stands for each sighting's person."""
    seen = overlaps(people.as_boxes(), answers.as_boxes(), iou)
    partner = idf1(seen, iou).partner
    number = np.zeros(len(partner), np.int64)
    number[partner >= 0] = seen.answers[partner[partner >= 0]]
    if not len(people):
        return np.zeros(0, np.int64)
    result: IntArray = number[np.searchsorted(seen.truths, people.ids)]
    return result


@dataclass(frozen=True, slots=True)
class Visit:
    """A person in one camera, without a gap.

    Attributes:
        person, camera: of the truth.
        rows: rows of Named.people, by time.
        first_ns, last_ns: stamps of the first and the last sighting.
        number: number that most of its sightings got, the first one of equals; 0 where all are
            undecided.
    """

    person: int
    camera: int
    rows: IntArray
    first_ns: int
    last_ns: int
    number: int


def visits(seen: Named, gap_s: float = GAP_S) -> list[Visit]:
    """All visits, by person, then by their beginning, then by camera."""
    people = seen.people
    if not len(people):
        return []
    order = np.lexsort((people.stamp_ns, people.camera, people.ids))
    ids, camera, stamp = people.ids[order], people.camera[order], people.stamp_ns[order]
    new = (np.diff(ids) != 0) | (np.diff(camera) != 0) | (np.diff(stamp) > gap_s * 1e9)
    result = []
    for rows in np.split(order, np.flatnonzero(new) + 1):
        first, last = rows[0], rows[-1]
        result.append(
            Visit(
                int(people.ids[first]), int(people.camera[first]), rows,
                int(people.stamp_ns[first]), int(people.stamp_ns[last]),
                usual(seen.persons[rows]),
            )
        )  # fmt: skip
    result.sort(key=lambda visit: (visit.person, visit.first_ns, visit.camera))
    return result


def usual(numbers: IntArray) -> int:
    """The most frequent number above 0, the one that came first among equals; 0 without any."""
    decided = numbers[numbers > 0]
    if not len(decided):
        return 0
    found, first, counts = np.unique(decided, return_index=True, return_counts=True)
    return int(found[np.lexsort((first, -counts))[0]])


Merge = tuple[int, int, int]
"""When, nanoseconds; the number that was given up; the number that was kept."""


def surviving(number: int, since_ns: int, until_ns: int, merges: Sequence[Merge]) -> int:
    """What a number of `since_ns` is called at `until_ns`; merges are in the order of time."""
    for stamp_ns, gone, kept in merges:
        if since_ns <= stamp_ns <= until_ns and gone == number:
            number = kept
    return number
