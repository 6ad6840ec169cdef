"""HOTA: Luiten et al., 'HOTA: A Higher Order Metric for Evaluating MOT', IJCV 2021."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.evaluate.matching import best
from reid_ros.evaluate.overlaps import EPS, Overlaps
from reid_ros.types import AnyArray, DoubleArray, IntArray

ALPHAS: DoubleArray = np.arange(0.05, 0.99, 0.05)
"""The 19 overlaps from which on a box counts as found."""


@dataclass(frozen=True, slots=True)
class Hota:
    """One value per overlap of ALPHAS, 0 to 1; `mean` is what tables show.

    Attributes:
        hota: (19,) geometric mean of det_a and ass_a.
        det_a, det_re, det_pr: (19,) detection: accuracy, recall, precision.
        ass_a, ass_re, ass_pr: (19,) association: the same, of the found boxes' identities.
        loc_a: (19,) mean overlap of the found boxes; 1 where none is.
    """

    hota: DoubleArray
    det_a: DoubleArray
    ass_a: DoubleArray
    loc_a: DoubleArray
    det_re: DoubleArray
    det_pr: DoubleArray
    ass_re: DoubleArray
    ass_pr: DoubleArray


def hota(seen: Overlaps) -> Hota:
    """Over all steps at once, so that a number stands for one person in all cameras."""
    n, m = len(seen.truth_id), len(seen.result_id)
    value, key, people, answers = _matches(seen)
    # The number of alphas that each match reaches: one histogram then serves all of them.
    reached = np.searchsorted(ALPHAS - EPS, value, side='right')
    found = _from_top(np.bincount(reached, minlength=len(ALPHAS) + 1))
    overlap = _from_top(np.bincount(reached, value, minlength=len(ALPHAS) + 1))
    pairs, pair = np.unique(key, return_inverse=True)
    width = len(ALPHAS) + 1
    together = _from_top(
        np.bincount(pair * width + reached, minlength=len(pairs) * width).reshape(-1, width)
    )
    own = people[pairs // max(len(answers), 1)][:, None] if len(pairs) else np.ones((0, 1))
    other = answers[pairs % max(len(answers), 1)][:, None] if len(pairs) else np.ones((0, 1))
    some = np.maximum(1, found)
    det_a = found / np.maximum(1, n + m - found)
    ass_a = (together * together / np.maximum(1, own + other - together)).sum(axis=0) / some
    return Hota(
        np.sqrt(det_a * ass_a),
        det_a,
        ass_a,
        np.maximum(1e-10, overlap) / np.maximum(1e-10, found),
        found / max(1, n),
        found / max(1, m),
        (together * together / np.maximum(1, own)).sum(axis=0) / some,
        (together * together / np.maximum(1, other)).sum(axis=0) / some,
    )


def _matches(
    seen: Overlaps,
) -> tuple[DoubleArray, IntArray, IntArray, IntArray]:
    """Overlap and identity pair of each match; boxes of each person and of each answer."""
    i, j, value = seen.i, seen.j, seen.iou
    n, m = len(seen.truth_id), len(seen.result_id)
    people = np.bincount(seen.truth_id, minlength=len(seen.truths))
    answers = np.bincount(seen.result_id, minlength=len(seen.answers))
    sums = np.bincount(i, value, minlength=n)[i] + np.bincount(j, value, minlength=m)[j]
    key = seen.truth_id[i] * max(len(answers), 1) + seen.result_id[j]
    pairs, pair = np.unique(key, return_inverse=True)
    # Eq. 7 and the text below it: soft counts of how often two identities could be one.
    soft = np.bincount(pair, value / np.maximum(sums - value, EPS), minlength=len(pairs))
    width = max(len(answers), 1)
    alignment = soft / np.maximum(people[pairs // width] + answers[pairs % width] - soft, EPS)
    taken = best(seen.step, i, j, alignment[pair] * value, (n, m))
    return value[taken], key[taken], people, answers


def _from_top(counts: AnyArray) -> DoubleArray:
    """Number of matches that reach each alpha, of the numbers that reach so many (last axis)."""
    result: DoubleArray = np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1][..., 1:]
    return result
