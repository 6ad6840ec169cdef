"""One-to-one matching inside every image at once; a solver only where it is needed."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from reid_ros.types import BoolArray, DoubleArray, IntArray

ROUNDS = 3
"""Matched pairs free their neighbours, so a second look decides more; a fourth hardly does."""


def most(groups: IntArray, values: DoubleArray, count: int) -> tuple[DoubleArray, DoubleArray]:
    """(count,) the largest value of each group and the second largest, 0 where there is none.

    A largest value that occurs twice is its own second.
    """
    order = np.argsort(groups, kind='stable')
    here, starts = np.unique(groups[order], return_index=True)
    first, second = np.zeros(count), np.zeros(count)
    if not len(here):
        return first, second
    ordered = values[order]
    first[here] = np.maximum.reduceat(ordered, starts)
    top = ordered == first[groups[order]]
    second[here] = np.maximum.reduceat(np.where(top, 0.0, ordered), starts)
    twice = here[np.add.reduceat(top.astype(np.int64), starts) > 1]
    second[twice] = first[twice]
    return first, second


def best(
    step: IntArray, left: IntArray, right: IntArray, values: DoubleArray, counts: tuple[int, int]
) -> BoolArray:
    """(p,) True for the pairs of the one-to-one matching that has the largest sum in each step.

    A pair that is worth more than the best other pair of its left and the best other pair of its
    right together is in every best matching. Where that does not decide all of a step, its whole
    matrix goes to the solver, in the order of its rows, so that ties fall as they always do.

    Args:
        step: (p,) in which image each pair is; sorted.
        left, right: (p,) rows that make up the pair; ascending numbers belong to ascending steps.
        values: (p,) worth of the pair, above 0.
        counts: number of left and of right rows.
    """
    chosen = np.zeros(len(values), np.bool_)
    alive = np.flatnonzero(values > 0)
    for _ in range(ROUNDS):
        if not len(alive):
            return chosen
        i, j, value = left[alive], right[alive], values[alive]
        (first_i, second_i), (first_j, second_j) = (
            most(i, value, counts[0]),
            most(j, value, counts[1]),
        )
        sure = (value == first_i[i]) & (value == first_j[j]) & (value > second_i[i] + second_j[j])
        chosen[alive[sure]] = True
        gone_i, gone_j = np.zeros(counts[0], np.bool_), np.zeros(counts[1], np.bool_)
        gone_i[i[sure]] = True
        gone_j[j[sure]] = True
        alive = alive[~(gone_i[i] | gone_j[j])]
    for begin, end in steps(step, np.unique(step[alive])):
        chosen[begin:end] = solved(left[begin:end], right[begin:end], values[begin:end])
    return chosen


def steps(step: IntArray, wanted: IntArray) -> list[tuple[int, int]]:
    """Where each wanted step begins and ends in the sorted column `step`."""
    begins = np.searchsorted(step, wanted).tolist()
    ends = np.searchsorted(step, wanted, side='right').tolist()
    return list(zip(begins, ends))


def solved(left: IntArray, right: IntArray, values: DoubleArray) -> BoolArray:
    """(p,) True for the pairs that the solver takes; a pair worth 0 is none."""
    rows, i = np.unique(left, return_inverse=True)
    columns, j = np.unique(right, return_inverse=True)
    matrix = np.zeros((len(rows), len(columns)))
    matrix[i, j] = values
    taken = np.zeros(matrix.shape, np.bool_)
    taken[linear_sum_assignment(matrix, maximize=True)] = True
    result: BoolArray = taken[i, j] & (values > 0)
    return result
