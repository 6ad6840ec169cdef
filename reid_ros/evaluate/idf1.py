"""IDF1: Ristani et al., 'Performance Measures and a Data Set for Multi-Target Tracking', 2016."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from reid_ros.evaluate.overlaps import Overlaps
from reid_ros.types import IntArray


@dataclass(frozen=True, slots=True)
class Identity:
    """Boxes with the right identity, where each true person is one answer all the time.

    Attributes:
        idtp, idfn, idfp: boxes right, of the truth not right, of the results not right.
        partner: (people,) int64, row of Overlaps.answers that is each row of Overlaps.truths; -1
            where none is.
    """

    idtp: int
    idfn: int
    idfp: int
    partner: IntArray

    @property
    def idf1(self) -> float:
        """0 to 1, harmonic mean of idp and idr."""
        return self.idtp / max(1.0, self.idtp + 0.5 * self.idfp + 0.5 * self.idfn)

    @property
    def idp(self) -> float:
        """0 to 1, share of the results that are right."""
        return self.idtp / max(1.0, self.idtp + self.idfp)

    @property
    def idr(self) -> float:
        """0 to 1, share of the truth that is right."""
        return self.idtp / max(1.0, self.idtp + self.idfn)


def idf1(seen: Overlaps, iou: float = 0.5) -> Identity:
    """Over all steps at once, so that a number stands for one person in all cameras."""
    near = seen.iou >= iou
    width = max(len(seen.answers), 1)
    key = seen.truth_id[seen.i[near]] * width + seen.result_id[seen.j[near]]
    # One number twice in an image, both times on one person, is right once.
    pairs, pair = np.unique(key, return_inverse=True)
    once = np.unique(seen.step[near] * max(len(pairs), 1) + pair) % max(len(pairs), 1)
    together = np.bincount(once, minlength=len(pairs))
    partner = np.full(len(seen.truths), -1, np.int64)
    right = 0
    if len(pairs):
        people, row = np.unique(pairs // width, return_inverse=True)
        answers, column = np.unique(pairs % width, return_inverse=True)
        counts = np.zeros((len(people), len(answers)))
        counts[row, column] = together
        i, j = linear_sum_assignment(counts, maximize=True)
        real = counts[i, j] > 0
        partner[people[i[real]]] = answers[j[real]]
        right = int(counts[i, j].sum())
    return Identity(right, len(seen.truth_id) - right, len(seen.result_id) - right, partner)
