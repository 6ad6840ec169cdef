"""What an exported gait network is worth: found again, and how sure, on validation people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from reid_ros.calibration import Calibration, CalibrationError, Condition, Spread, angles
from reid_ros.train.gait.data.sequences import GaitTrial, Walks
from reid_ros.train.gait.score import compared, picked
from reid_ros.train.worth import few
from reid_ros.types import AnyArray, BoolArray, FloatArray, IntArray, UInt8Array

Run = Callable[[Sequence[UInt8Array]], FloatArray]
"""Walks of (t, 64, 44) masks -> (n, d) vectors of unit length."""
LEAST = 3
"""Fewer people than this make no spread."""
_BATCH = 16  # walks


def look(run: Run, walks: Walks, frames: int = 0) -> FloatArray:
    """(n, d) what a network makes of each walk.

    Args:
        run: the network.
        walks: which.
        frames: most of a walk, from its middle; 0 = all.
    """
    found = []
    for start in range(0, len(walks.labels), _BATCH):
        rows = range(start, min(start + _BATCH, len(walks.labels)))
        shown = [picked(walks.length(row), frames, 'whole', row) for row in rows]
        found.append(run([walks.frames(row, which) for row, which in zip(rows, shown)]))
    return np.concatenate(found)


def scores(trial: GaitTrial, vectors: FloatArray) -> dict[str, float]:
    """Percent: 'rank-1' and 'mAP' of `score.compared`, and 'rank-1 CONDITION'.

    Args:
        trial: who is searched where.
        vectors: (n, d) of all its walks.

    Raises:
        ProtocolError: probes without an answer.
    """
    found = compared(vectors, np.arange(len(vectors)), trial)
    conditions = {f'rank-1 {name}': value for name, value in found['conditions'].items()}
    points = {'rank-1': found['rank-1'], 'mAP': found['mAP'], **conditions}
    return {name: round(value, 2) for name, value in points.items()}


def calibration(trials: Mapping[str, GaitTrial], seen: Mapping[str, FloatArray]) -> Calibration:
    """What angles between walks mean, from the people of trials.

    A view is no camera: before one camera most people walk the same ways, so there pairs of one
    view count; a second camera may see them from any side, so there all pairs count, those of one
    view included, in which strangers are most alike.

    Args:
        trials: by name; their people all differ.
        seen: (n, d) vectors of all walks of each.

    Raises:
        CalibrationError: too few people, or none seen twice from one view.
    """
    if not trials:
        raise CalibrationError('data.validation names no set')
    pairs, first = [], 0
    for name, trial in trials.items():
        labels = trial.walks.labels
        kept = few(labels.people)
        vectors, views = seen[name][kept], labels.views[kept]
        people = np.unique(labels.people[kept], return_inverse=True)[1].reshape(-1) + first
        one, two = np.triu_indices(len(people), 1)
        found = angles((vectors @ vectors.T)[one, two])
        pairs.append((found, people[one], people[two], views[one] == views[two]))
        first = int(people.max(initial=first - 1)) + 1
    found, one, two, alike = (np.concatenate(column) for column in zip(*pairs))
    return Calibration(
        *(
            Condition(
                _spread(f'one person {where}', found, one, two, chosen & (one == two)),
                _spread(f'two people {where}', found, one, two, chosen & (one != two)),
            )
            for where, chosen in (('in one view', alike), ('in any view', alike | True))
        )
    )


def _spread(what: str, found: AnyArray, one: IntArray, two: IntArray, chosen: BoolArray) -> Spread:
    """Of the chosen pairs; as many observations as there are people, couples for the tail."""
    both = np.sort([one[chosen], two[chosen]], axis=0)
    people = len(np.unique(both))
    if people < LEAST:
        raise CalibrationError(
            f'{what}: {int(chosen.sum())} pairs of {people} people; at least {LEAST} people are '
            'needed, each with two walks in one view'
        )
    strangers = bool((both[0] != both[1]).all())
    couples = len(np.unique(both, axis=1).T) if strangers else 0
    return Spread.of(found[chosen], n=people, couples=couples)
