"""Which track is which detection: overlap of boxes, and the best one-to-one pairing."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from reid_ros.types import AnyArray, IntArray

_NONE = np.empty(0, np.int64)


def overlap(
    low: AnyArray,
    high: AnyArray,
    other_low: AnyArray,
    other_high: AnyArray,
    margin: AnyArray | None,
) -> AnyArray:
    """(n, m) intersection over union of boxes that are both widened by the first one's margin.

    With a margin this is the buffered IoU of C-BIoU (Yang et al., WACV 2023), whose buffer may
    differ from track to track.

    Args:
        low, high: (2, n) corners x, y, of sizes above 0.
        other_low, other_high: (2, m) corners.
        margin: (2, n) pixels added on each side, 0 or more; None adds nothing.
    """
    if margin is not None:
        low, high = low - margin, high + margin
    size = high - low
    other = other_high - other_low
    if margin is None:
        shared = np.minimum(high[:, :, None], other_high[:, None, :])
        shared -= np.maximum(low[:, :, None], other_low[:, None, :])
        area = other[0] * other[1]
    else:
        margin = margin[:, :, None]
        shared = np.minimum(high[:, :, None], other_high[:, None, :] + margin)
        shared -= np.maximum(low[:, :, None], other_low[:, None, :] - margin)
        other = other[:, None, :] + 2.0 * margin
        area = other[0] * other[1]
    np.maximum(shared, 0.0, out=shared)
    result: AnyArray = shared[0]
    result *= shared[1]
    union = (size[0] * size[1])[:, None] + area
    union -= result
    result /= union
    return result


def pairs(likeness: AnyArray, least: float) -> tuple[IntArray, IntArray]:
    """Rows and columns of the one-to-one pairing with the greatest sum of likeness.

    Pairs that have no rival in their row and column are taken at once; only the rest goes
    through the assignment.

    Args:
        likeness: (n, m), finite.
        least: pairs at or below it are never made, 0 or more.
    """
    allowed = likeness > least
    row, column = allowed.nonzero()
    if not len(row):
        return _NONE, _NONE
    n, m = likeness.shape
    rivals = np.bincount(row, minlength=n)[row] + np.bincount(column, minlength=m)[column]
    lone = rivals == 2
    if lone.all():
        return row, column
    tied = ~lone
    rows, columns = np.unique(row[tied]), np.unique(column[tied])
    part = np.where(allowed, likeness, 0.0)[rows[:, None], columns]
    i, j = linear_sum_assignment(part, maximize=True)
    made = part[i, j] > least
    return (
        np.concatenate((row[lone], rows[i[made]])),
        np.concatenate((column[lone], columns[j[made]])),
    )
