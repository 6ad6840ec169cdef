"""CLEAR MOT: Bernardin and Stiefelhagen, 2008; and mostly tracked, Li et al., 2009."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reid_ros.evaluate.matching import solved, steps
from reid_ros.evaluate.overlaps import EPS, Overlaps
from reid_ros.types import BoolArray, DoubleArray, IntArray

STAY = 1000.0
"""What it is worth to keep a match of the frame before: more than any sum of overlaps."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Counted in each camera by itself, then added up.

    Attributes:
        tp, fp, fn: boxes found, wrong, missed.
        idsw: how often a person was found under another number than the time before.
        frag: how often a person was found again after a gap.
        mt, pt, ml: persons of a camera found in more than 80 %, 20 to 80 %, less of their boxes.
        overlap: sum of the overlaps of the found boxes.
        switches: (k, 3) int64, the switches: row of Overlaps.truth_step at which one happens, and
            rows of Overlaps.answers before and after.
    """

    tp: int
    fp: int
    fn: int
    idsw: int
    frag: int
    mt: int
    pt: int
    ml: int
    overlap: float
    switches: IntArray = field(repr=False)

    @property
    def mota(self) -> float:
        """At most 1; below 0 where there are more errors than people."""
        return (self.tp - self.fp - self.idsw) / max(1.0, self.tp + self.fn)

    @property
    def motp(self) -> float:
        """0 to 1, mean overlap of the found boxes."""
        return self.overlap / max(1.0, self.tp)


def clear(seen: Overlaps, iou: float = 0.5) -> Clear:
    """Matches keep those of the camera's frame before where they can (as in the paper).

    The frame before is the last one with any truth and any result, as in TrackEval.
    """
    near = np.flatnonzero(seen.iou >= iou - EPS)
    i, j, value = seen.i[near], seen.j[near], seen.iou[near]
    order = _places(seen)
    taken = _matched(seen, i, j, value, order)
    i, j, value = i[taken], j[taken], value[taken]
    n, m, tp = len(seen.truth_id), len(seen.result_id), len(i)
    # By person of a camera, then by time.
    camera = np.unique(seen.cameras, return_inverse=True)[1]
    lane = camera[seen.truth_step] * max(len(seen.truths), 1) + seen.truth_id
    by_time = np.argsort(lane[i], kind='stable')  # i ascends with the steps
    i, j = i[by_time], j[by_time]
    same = np.diff(lane[i]) == 0
    answer, when = seen.result_id[j], order[seen.truth_step[i]]
    switched = np.flatnonzero(same & (np.diff(answer) != 0)) + 1
    frag = int((same & (np.diff(when) > 1)).sum())
    everybody, boxes = np.unique(lane, return_counts=True)
    found = np.zeros(len(everybody), np.int64)
    np.add.at(found, np.searchsorted(everybody, lane[i]), 1)
    share = found / boxes
    mt = int((share > 0.8).sum())
    pt = int((share >= 0.2).sum()) - mt
    switches = np.stack([i[switched], answer[switched - 1], answer[switched]], axis=1)
    return Clear(
        tp, m - tp, n - tp, len(switched), frag, mt, pt, len(everybody) - mt - pt,
        float(value.sum()), switches,
    )  # fmt: skip


def _places(seen: Overlaps) -> IntArray:
    """(s,) place of each step among those with truth and results: the next one has the next place.

    Places of two cameras are at least two apart: no first frame follows another camera's last.
    """
    n = len(seen.cameras)
    both = (np.bincount(seen.truth_step, minlength=n) > 0) & (
        np.bincount(seen.result_step, minlength=n) > 0
    )
    camera = np.unique(seen.cameras, return_inverse=True)[1]
    result: IntArray = np.cumsum(both) + 2 * camera
    return result


def _matched(
    seen: Overlaps, i: IntArray, j: IntArray, value: DoubleArray, order: IntArray
) -> BoolArray:
    """(p,) True for the matched pairs; the solver sees only images in which boxes compete."""
    step = seen.truth_step[i]
    lonely = (np.bincount(i)[i] == 1) & (np.bincount(j)[j] == 1) if len(i) else np.zeros(0, bool)
    taken: BoolArray = lonely
    wanted = np.unique(step[~lonely])
    if not len(wanted):
        return taken
    key = seen.truth_id[i] * max(len(seen.answers), 1) + seen.result_id[j]
    place = order[step]
    before = np.searchsorted(place, order[wanted] - 1).tolist()
    until = np.searchsorted(place, order[wanted] - 1, side='right').tolist()
    for (begin, end), first, last in zip(steps(step, wanted), before, until):
        kept = key[first:last][taken[first:last]]
        stays = (key[begin:end, None] == kept).any(axis=1)
        taken[begin:end] = solved(
            i[begin:end], j[begin:end], np.where(stays, STAY, 0.0) + value[begin:end]
        )
    return taken
