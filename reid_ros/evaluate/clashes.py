"""One number at two places at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.evaluate.named import Named
from reid_ros.evaluate.values import Answers
from reid_ros.types import BoolArray, IntArray

AT_ONCE_NS = 15_000_000
"""Images of two cameras that lie closer are of one moment, as for the pipeline."""


@dataclass(frozen=True, slots=True)
class Clashes:
    """Counted per image; beside each, how often it could have happened.

    Attributes:
        duplicates: numbers that stand at several boxes of one image.
        crowds: images with two decided boxes or more.
        confused: pairs of people in one image that got one number.
        pairs: pairs of people in one image that both got a number.
        apart: boxes of a number that at this moment is also in a camera that sees other ground.
        apart_chances: decided boxes that another such camera has decided boxes beside.
    """

    duplicates: int
    crowds: int
    confused: int
    pairs: int
    apart: int
    apart_chances: int


def clashes(seen: Named, answers: Answers, apart: Sequence[tuple[int, int]] = ()) -> Clashes:
    """Count them.

    Args:
        seen: the sightings with their answers.
        answers: all of them: a number is at two places at once whoever stands there.
        apart: pairs of cameras that see no common ground.
    """
    decided = np.flatnonzero(answers.persons > 0)
    image = _images(answers.camera[decided], answers.stamp_ns[decided])
    boxes = np.bincount(image)
    numbers = np.unique(answers.persons[decided], return_inverse=True)[1]
    same = np.unique(image * max(len(decided), 1) + numbers, return_counts=True)[1]
    on = np.flatnonzero(seen.persons > 0)
    people = _images(seen.people.camera[on], seen.people.stamp_ns[on])
    numbers = np.unique(seen.persons[on], return_inverse=True)[1]
    equal = np.unique(people * max(len(on), 1) + numbers, return_counts=True)[1]
    beside = [_beside(answers, first, second) for first, second in apart]
    return Clashes(
        int((same > 1).sum()), int((boxes > 1).sum()), _pairs(equal), _pairs(np.bincount(people)),
        sum(clash for clash, _ in beside), sum(chance for _, chance in beside),
    )  # fmt: skip


def _images(camera: IntArray, stamp_ns: IntArray) -> IntArray:
    """(n,) number of each row's image."""
    stamps, at = np.unique(stamp_ns, return_inverse=True)
    key = np.unique(camera, return_inverse=True)[1] * max(len(stamps), 1) + at
    result: IntArray = np.unique(key, return_inverse=True)[1]
    return result


def _pairs(counts: IntArray) -> int:
    return int((counts * (counts - 1) // 2).sum())


def _beside(answers: Answers, first: int, second: int) -> tuple[int, int]:
    """Decided boxes of the first camera with their number, and with any, in the second."""
    decided = answers.persons > 0
    here = np.flatnonzero(decided & (answers.camera == first))
    there = np.flatnonzero(decided & (answers.camera == second))
    clash = np.zeros(len(here), np.bool_)
    for number in np.intersect1d(answers.persons[here], answers.persons[there]).tolist():
        own = answers.persons[here] == number
        other = there[answers.persons[there] == number]
        clash[own] = _near(answers.stamp_ns[here[own]], answers.stamp_ns[other])
    chance = _near(answers.stamp_ns[here], answers.stamp_ns[there])
    return int(clash.sum()), int(chance.sum())


def _near(stamps: IntArray, others: IntArray) -> BoolArray:
    """(n,) whether any of the others is less than a moment away."""
    ordered = np.sort(others)
    begin = np.searchsorted(ordered, stamps - AT_ONCE_NS, side='right')
    result: BoolArray = np.searchsorted(ordered, stamps + AT_ONCE_NS) > begin
    return result
