"""Which box of truth lies on which box of the results, for all images in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.evaluate.matching import best
from reid_ros.evaluate.values import Boxes, EvaluateError
from reid_ros.types import AnyArray, BoolArray, DoubleArray, IntArray

EPS = float(np.finfo(np.float64).eps)
MOST_PAIRS = 1 << 20
"""Pairs looked at in one go: crowded data need not fit into memory squared."""


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Truth and results by image, with the pairs of boxes that overlap.

    Images in which there is any box are the steps 0 to s - 1: by camera, then by frame. Rows of
    truth and results are sorted by step; ignored truth and what lies on it are left out.

    Attributes:
        cameras: (s,) int64, camera of each step.
        truth_step, result_step: (n,) and (m,) int64, ascending.
        truth_id, result_id: (n,) and (m,) int64, rows of `truths` and `answers`.
        truths, answers: the numbers that the people have in the truth and in the results.
        truth_row, result_row: (n,) and (m,) int64, rows of the Boxes that were given.
        i, j: (p,) int64, row of truth and row of results of each pair, sorted by i, then j.
        iou: (p,) float64, above 0.
    """

    cameras: IntArray
    truth_step: IntArray
    result_step: IntArray
    truth_id: IntArray
    result_id: IntArray
    truths: IntArray
    answers: IntArray
    truth_row: IntArray
    result_row: IntArray
    i: IntArray
    j: IntArray
    iou: DoubleArray

    @property
    def step(self) -> IntArray:
        """(p,) step of each pair, ascending."""
        result: IntArray = self.truth_step[self.i]
        return result


def overlaps(truth: Boxes, results: Boxes, iou: float = 0.5) -> Overlaps:
    """Prepare truth and results for scoring.

    Results on ignored truth are left out as MOTChallenge does: in each image all truth, ignored or
    not, is matched to the results where they overlap by `iou`, for the largest sum of overlaps;
    results whose partner is ignored go, then all ignored truth goes.

    Raises:
        EvaluateError: one person twice in one image of the truth.
    """
    cameras, truth_step, result_step = _steps(truth, results)
    order_t = np.argsort(truth_step, kind='stable')
    order_r = np.argsort(result_step, kind='stable')
    truth_step, result_step = truth_step[order_t], result_step[order_r]
    _once(truth.take(order_t), truth_step)
    i, j, value = _pairs(truth.boxes[order_t], results.boxes[order_r], truth_step, result_step)
    if truth.ignored is not None and truth.ignored.any():
        ignored = truth.ignored[order_t]
        keep_t, keep_r = ~ignored, np.ones(len(order_r), np.bool_)
        near = value >= iou - EPS
        a, b = i[near], j[near]
        on = best(truth_step[a], a, b, value[near], (len(order_t), len(order_r)))
        keep_r[b[on & ignored[a]]] = False
        kept = keep_t[i] & keep_r[j]
        i = (np.cumsum(keep_t) - 1)[i[kept]]
        j = (np.cumsum(keep_r) - 1)[j[kept]]
        value = value[kept]
        order_t, truth_step = order_t[keep_t], truth_step[keep_t]
        order_r, result_step = order_r[keep_r], result_step[keep_r]
    truths, truth_id = np.unique(truth.ids[order_t], return_inverse=True)
    answers, result_id = np.unique(results.ids[order_r], return_inverse=True)
    return Overlaps(
        cameras, truth_step, result_step, truth_id, result_id, truths, answers, order_t, order_r,
        i, j, value,
    )  # fmt: skip


def _steps(truth: Boxes, results: Boxes) -> tuple[IntArray, IntArray, IntArray]:
    """Camera of each step, and the step of each row of truth and of results."""
    cameras, camera = np.unique(
        np.concatenate([truth.camera, results.camera]), return_inverse=True
    )
    frames, frame = np.unique(np.concatenate([truth.frame, results.frame]), return_inverse=True)
    found, step = np.unique(camera * max(len(frames), 1) + frame, return_inverse=True)
    n = len(truth)
    return cameras[found // max(len(frames), 1)], step[:n], step[n:]


def _once(truth: Boxes, step: IntArray) -> None:
    order = np.lexsort((truth.ids, step))
    same = (np.diff(step[order]) == 0) & (np.diff(truth.ids[order]) == 0)
    if same.any():
        row = order[np.flatnonzero(same)[0]]
        raise EvaluateError(
            f'truth: person {truth.ids[row]} stands twice in frame {truth.frame[row]} of camera '
            f'{truth.camera[row]}: a person has one box in an image'
        )


def _pairs(
    truth: DoubleArray, results: DoubleArray, truth_step: IntArray, result_step: IntArray
) -> tuple[IntArray, IntArray, DoubleArray]:
    """(p,) rows of truth, rows of results and overlap of all pairs that share some area."""
    begin = np.searchsorted(result_step, truth_step)
    number = np.searchsorted(result_step, truth_step, side='right') - begin
    done = np.concatenate([[0], np.cumsum(number)])
    cuts = np.searchsorted(done, np.arange(0, done[-1], MOST_PAIRS), side='left').tolist()
    parts = [
        _overlapping(truth, results, begin, number, a, b)
        for a, b in zip(cuts, [*cuts[1:], len(truth)])
    ]
    if not parts:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, np.empty(0)
    i, j, value = (np.concatenate(column) for column in zip(*parts))
    return i, j, value


def _overlapping(
    truth: DoubleArray, results: DoubleArray, begin: IntArray, number: IntArray, a: int, b: int
) -> tuple[IntArray, IntArray, DoubleArray]:
    """The pairs of truth rows a to b."""
    counts = number[a:b]
    i = np.repeat(np.arange(a, b), counts)
    first = np.cumsum(counts) - counts
    j = np.arange(len(i)) + np.repeat(begin[a:b] - first, counts)
    # Most pairs stand side by side: one axis settles them.
    left, right = np.maximum(truth[i, 0], results[j, 0]), np.minimum(truth[i, 2], results[j, 2])
    wide = right - left
    some: AnyArray = np.flatnonzero(wide > 0)
    i, j, wide = i[some], j[some], wide[some]
    high = np.minimum(truth[i, 3], results[j, 3]) - np.maximum(truth[i, 1], results[j, 1])
    shared = wide * np.maximum(high, 0)
    own, other = _area(truth)[i], _area(results)[j]
    union = own + other - shared
    real: BoolArray = (shared > 0) & (own > EPS) & (other > EPS) & (union > EPS)
    result: DoubleArray = shared[real] / union[real]
    return i[real], j[real], result


def _area(boxes: DoubleArray) -> DoubleArray:
    result: DoubleArray = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return result
