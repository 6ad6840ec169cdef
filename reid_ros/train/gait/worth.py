"""What an exported gait network is worth: found again, and how sure, on validation people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from reid_ros.calibration import Calibration, CalibrationError
from reid_ros.train.gait.data.sequences import GaitTrial, Walks
from reid_ros.train.gait.score import compared, picked
from reid_ros.train.worth import few
from reid_ros.types import FloatArray, UInt8Array

Run = Callable[[Sequence[UInt8Array]], FloatArray]
"""Walks of (t, 64, 44) masks -> (n, d) vectors of unit length."""
_BATCH = 16  # walks


def look(run: Run, walks: Walks, frames: int = 0) -> FloatArray:
    """(n, d) what a network makes of each walk.

    Args:
        run: the network.
        walks: which.
        frames: most of a walk, from its middle; 0 = all.
    """
    found = []
    for start in range(0, len(walks.lengths), _BATCH):
        rows = range(start, min(start + _BATCH, len(walks.lengths)))
        shown = [picked(int(walks.lengths[row]), frames, 'whole', row) for row in rows]
        found.append(run([walks.frames(row, which) for row, which in zip(rows, shown)]))
    return np.concatenate(found)


def scores(trial: GaitTrial, vectors: FloatArray) -> dict[str, float]:
    """Percent: 'rank-1' and 'mAP' of `score.compared`, and 'rank-1 CONDITION' where it has them.

    Args:
        trial: who is searched where.
        vectors: (n, d) of all its walks.

    Raises:
        ProtocolError: probes without an answer.
    """
    found = compared(vectors[trial.probes] @ vectors[trial.gallery].T, trial, intervals=False)
    conditions = {f'rank-1 {name}': value for name, value in found.get('conditions', {}).items()}
    points = {'rank-1': found['rank-1'], 'mAP': found['mAP'], **conditions}
    return {name: round(value, 2) for name, value in points.items()}


def calibration(trials: Mapping[str, GaitTrial], seen: Mapping[str, FloatArray]) -> Calibration:
    """What angles between walks mean, from the people of trials; a view is a camera.

    Args:
        trials: by name; their people all differ.
        seen: (n, d) vectors of all walks of each.

    Raises:
        CalibrationError: too few people, or none seen twice from one view and from two.
    """
    if not trials:
        raise CalibrationError('data.validation names no set')
    people, views, sites, vectors, first = [], [], [], [], 0
    for number, (name, trial) in enumerate(trials.items()):
        labels = trial.walks.labels
        kept = few(labels.people)
        dense = np.unique(labels.people[kept], return_inverse=True)[1].reshape(-1)
        people.append(dense + first)
        views.append(labels.views[kept])
        sites.append(np.full(len(dense), number))
        vectors.append(seen[name][kept])
        first += int(dense.max(initial=-1)) + 1
    columns = (np.concatenate(column) for column in (vectors, people, views, sites))
    return Calibration.of(*columns)
