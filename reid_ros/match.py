"""Which track is which detection: overlap, appearance, and the best one-to-one pairing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment

from reid_ros.types import AnyArray, BoolArray, FloatArray, IntArray

_NONE = np.empty(0, np.int64)

# Overlap above which a pair without rivals is beyond doubt. How unlike themselves a person may
# look before it counts against a pair, in mean deviations of the cosine; what each further
# deviation costs, in units of overlap; the least deviation.
_SURE_IOU = 0.6
_FREE_DEVIATIONS = 2.0
_COST = 0.1
_LEAST_DEVIATION = 0.045
# A comparison counts as no more deviations than this: a track that was exchanged, or a crop that
# shows two, must not make a camera believe that people look unlike themselves.
_MOST_DEVIATIONS = 2.0
_MEMORY = 100  # comparisons that the usual cosine is an average of
_PRIOR = 3  # comparisons that the first guess counts for
_REFRESH_S = 0.1
_NEW_SHARE = 0.15


def overlap(a: FloatArray, b: FloatArray, margin: FloatArray | None = None) -> FloatArray:
    """(n, m) intersection over union of boxes that are both widened by the first one's margin.

    With a margin this is the buffered IoU of C-BIoU (Yang et al., WACV 2023), whose buffer may
    differ from track to track.

    Args:
        a: (4, n) x0 y0 x1 y1 of boxes with an area.
        b: (4, m) likewise.
        margin: (2, n) pixels added at both ends of x and y, 0 or more; None adds nothing.
    """
    shared = np.minimum(a[2:, :, None], b[2:, None, :])
    shared -= np.maximum(a[:2, :, None], b[:2, None, :])
    own, size = a[2:] - a[:2], b[2:] - b[:2]
    if margin is not None:
        wider = 2.0 * margin
        shared += wider[:, :, None]
        own += wider
        size = size[:, None, :] + wider[:, :, None]
    np.maximum(shared, 0.0, out=shared)
    result: FloatArray = shared[0]
    result *= shared[1]
    union = size[0] * size[1] + (own[0] * own[1])[:, None]
    union -= result
    result /= union
    return result


def pairs(
    likeness: AnyArray,
    least: float,
    cost: Callable[[IntArray, IntArray], AnyArray] | None = None,
    doubtful: BoolArray | None = None,
    fit: Callable[[IntArray, IntArray], AnyArray] | None = None,
) -> tuple[IntArray, IntArray]:
    """Rows and columns of the one-to-one pairing with the greatest sum of likeness.

    Only pairs that have a rival in their row or column go through the assignment.

    Args:
        likeness: (n, m), finite.
        least: pairs at or below it are never made, 0 or more.
        cost: of the pairs (rows, columns), what is taken off their likeness.
        doubtful: (n,) bool, rows whose pairs all have a cost; in others, pairs that have no rival
            and are very alike have none. Given where cost is.
        fit: of the pairs (rows, columns), what their likeness is multiplied with first, 0 to 1.
    """
    n, m = likeness.shape
    flat = likeness.ravel()
    allowed = (flat > least).nonzero()[0]
    if not len(allowed):
        return _NONE, _NONE
    row, column = np.divmod(allowed, m)
    worth = flat[allowed]
    if fit is not None:
        worth = worth * fit(row, column)
        likely = worth > least
        if not likely.all():
            row, column, worth = row[likely], column[likely], worth[likely]
    tied = _tied(row, column, n, m)
    if cost is not None and doubtful is not None:
        asked = (tied | doubtful[row] | (worth <= _SURE_IOU)).nonzero()[0]
        if len(asked):
            worth[asked] -= cost(row[asked], column[asked])
            good = (worth > least).nonzero()[0]
            row, column, worth = row[good], column[good], worth[good]
            tied = _tied(row, column, n, m)
    if not tied.any():
        return row, column
    i, j = row[tied], column[tied]
    place_i, place_j = np.zeros(n, np.int64), np.zeros(m, np.int64)
    place_i[i] = 1
    place_j[j] = 1
    rows, columns = place_i.nonzero()[0], place_j.nonzero()[0]
    place_i[rows] = np.arange(len(rows))
    place_j[columns] = np.arange(len(columns))
    part = np.zeros((len(rows), len(columns)))
    part[place_i[i], place_j[j]] = worth[tied]
    i, j = linear_sum_assignment(part, maximize=True)
    made = part[i, j] > 0.0
    lone = ~tied
    return (
        np.concatenate((row[lone], rows[i[made]])),
        np.concatenate((column[lone], columns[j[made]])),
    )


def _tied(row: IntArray, column: IntArray, n: int, m: int) -> BoolArray:
    """(k,) bool, whether a pair shares its row or column with another."""
    result: BoolArray = (
        np.bincount(row, minlength=n)[row] + np.bincount(column, minlength=m)[column] > 2
    )
    return result


class Looks:
    """What the tracks of one camera look like, and how much a person looks like themselves.

    Cosines of different networks mean different things, so a pair is judged against the cosines
    that this camera's own tracks have had with their own detections.
    """

    def __init__(self) -> None:
        self._vectors = np.zeros((32, 0), np.float32)
        self._known = np.zeros(32, np.bool_)
        self._last_ns: int | None = None
        self._count = 0
        self._usual = 0.8
        self._deviation = 0.1

    def clear(self) -> None:
        """Forget every track, but not how alike people are to themselves."""
        self._known[:] = False
        self._last_ns = None

    def expect(self, length: int) -> None:
        """Vectors are so long from now on; what other lengths told is forgotten."""
        if length != self._vectors.shape[1]:
            self._vectors = np.zeros((len(self._known), length), np.float32)
            self._known[:] = False

    def begin(self, start: int, stop: int) -> None:
        """Tracks start to stop are new."""
        if stop > len(self._known):
            more = 2 * stop - len(self._known)
            self._known = np.concatenate((self._known, np.zeros(more, np.bool_)))
            empty = np.zeros((more, self._vectors.shape[1]), np.float32)
            self._vectors = np.concatenate((self._vectors, empty))
        self._known[start:stop] = False

    def keep(self, first: int, kept: IntArray) -> None:
        """Drop track `first` and those behind it that are not kept."""
        stop = first + len(kept)
        self._known[first:stop] = self._known[kept]
        self._vectors[first:stop] = self._vectors[kept]

    def known(self, rows: IntArray) -> BoolArray:
        """(k,) bool, whether it is known how tracks look."""
        result: BoolArray = self._known[rows]
        return result

    def cost(self, rows: IntArray, vectors: FloatArray, columns: IntArray) -> AnyArray:
        """(k,) what speaks against each pair of a track and a vector, 0 where nothing is known.

        Args:
            rows: (k,) tracks.
            vectors: (m, d) unit vectors, rows of NaN where there is none.
            columns: (k,) the vector that each track is compared with.
        """
        known = self._known[rows]
        cosine = np.einsum('ij,ij->i', self._vectors[rows], vectors[columns])
        away = (self._usual - cosine) / self._deviation - _FREE_DEVIATIONS
        # A comparison with NaN is false: what is not known costs nothing.
        result: AnyArray = np.where(known & (away > 0.0), _COST * away, 0.0)
        return result

    def see(self, rows: IntArray, vectors: FloatArray, columns: IntArray, stamp_ns: int) -> None:
        """Note how tracks look; all are looked at again only every tenth of a second.

        Args:
            rows: (k,) tracks.
            vectors: (m, d) unit vectors, rows of NaN where there is none.
            columns: (k,) each track's vector.
            stamp_ns: now.
        """
        due = ~self._known[rows]
        if self._last_ns is None or stamp_ns - self._last_ns >= _REFRESH_S * 1e9:
            self._last_ns = stamp_ns
            due[:] = True
        due &= vectors[columns, 0] == vectors[columns, 0]
        if not due.any():
            return
        self.learn(rows[due], vectors[columns[due]])

    def learn(self, rows: IntArray, new: FloatArray) -> None:
        """Note how tracks look, each by the (k, d) unit vector of its row; no row twice."""
        again = self._known[rows]
        old = self._vectors[rows]
        if again.any():
            cosine = np.einsum('ij,ij->i', old[again], new[again])
            self._count = min(self._count + len(cosine), _MEMORY)
            share = len(cosine) / (self._count + _PRIOR)
            most = _MOST_DEVIATIONS * self._deviation
            off = np.clip(cosine - self._usual, -most, most)
            self._usual += share * float(off.mean())
            self._deviation += share * (float(np.abs(off).mean()) - self._deviation)
            self._deviation = max(self._deviation, _LEAST_DEVIATION)
        mixed = new * np.where(again, _NEW_SHARE, 1.0).astype(np.float32)[:, None]
        mixed += old * np.where(again, 1.0 - _NEW_SHARE, 0.0).astype(np.float32)[:, None]
        length = np.sqrt(np.einsum('ij,ij->i', mixed, mixed))
        self._vectors[rows] = mixed / np.maximum(length, 1e-6)[:, None]
        self._known[rows] = True
