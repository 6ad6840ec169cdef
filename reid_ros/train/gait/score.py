"""How well a gait network tells people: rank-1 by condition, with other views alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from reid_ros.evaluate import gaitprotocol
from reid_ros.evaluate.retrieval import GAIT3D, Protocol, Retrieval, Samples, retrieve
from reid_ros.train.gait.data.sequences import GaitTrial, Question, Walks
from reid_ros.train.gait.nets.network import GaitNetwork
from reid_ros.types import FloatArray, IntArray

FRAMES = 256
"""Frames of one forward pass, at most, or one walk's."""
Ways = Literal['whole', 'single', 'shuffled']
"""All frames in their order; the middle one alone; all in any order."""
OTHERS = Protocol('gait, other views')
"""A walk is searched among those of other views, strangers' walks of its own view included."""


def picked(length: int, frames: int, way: Ways, row: int) -> IntArray:
    """Which frames of a walk are looked at.

    Args:
        length: frames that there are.
        frames: at most, from the middle; 0 = all.
        way: what is done to them.
        row: of the walk, seeds the order of 'shuffled'.
    """
    if way == 'single':
        return np.array([length // 2])
    count = min(frames, length) if frames else length
    which = (length - count) // 2 + np.arange(count)
    return np.random.default_rng((row, 7)).permutation(which) if way == 'shuffled' else which


def vectors(
    network: GaitNetwork, walks: Walks, rows: IntArray, frames: int = 0, way: Ways = 'whole'
) -> FloatArray:
    """(n, p d) float32, of unit length, of some walks.

    Args:
        network: is left in the mode, training or not, that it came in.
        walks: all of them.
        rows: which.
        frames: of each, at most; 0 = all.
        way: what is done to the frames.
    """
    device = next(network.parameters()).device
    was = network.training
    network.eval()
    result = np.empty((len(rows), network.length), np.float32)
    numbers = [len(picked(walks.length(row), frames, way, 0)) for row in rows.tolist()]
    try:
        with torch.inference_mode():
            for group in _groups(numbers):
                found = [
                    walks.frames(row, picked(walks.length(row), frames, way, row))
                    for row in rows[group].tolist()
                ]
                whole = torch.from_numpy(np.stack(found)).to(device)
                answer = network(whole)
                result[group] = network.vector(answer.embedding).float().cpu().numpy()
    finally:
        network.train(was)
    return result


def _groups(numbers: Sequence[int]) -> list[IntArray]:
    """Indices of walks of equally many frames, together no more than a pass takes."""
    counts = np.array(numbers)
    found = []
    for number in np.unique(counts).tolist():
        same = np.flatnonzero(counts == number)
        size = max(1, FRAMES // number)
        found += [same[k : k + size] for k in range(0, len(same), size)]
    return found


def scores(
    network: GaitNetwork,
    trials: Mapping[str, GaitTrial],
    frames: int = 0,
    intervals: bool = False,
    way: Ways = 'whole',
) -> dict[str, dict[str, Any]]:
    """`score` of each trial, by its name."""
    return {name: score(network, trial, frames, intervals, way) for name, trial in trials.items()}


def score(
    network: GaitNetwork,
    trial: GaitTrial,
    frames: int = 0,
    intervals: bool = False,
    way: Ways = 'whole',
) -> dict[str, Any]:
    """rank-1, mAP and rank-1 by condition, in percent, and how many probes and people there were.

    Args:
        network: what is scored.
        trial: who is searched among whom.
        frames: of each walk, at most; 0 = all.
        intervals: also 95 % intervals, by bootstrap over people.
        way: what is done to the frames.
    """
    needed = [rows for one in trial.questions for rows in (one.probes, one.gallery)]
    rows = np.unique(np.concatenate(needed))
    return compared(vectors(network, trial.walks, rows, frames, way), rows, trial, intervals)


def compared(
    values: FloatArray, rows: IntArray, trial: GaitTrial, intervals: bool = False
) -> dict[str, Any]:
    """`score` of the vectors of the walks `rows`, ascending.

    rank-1 of a condition is the mean over views of the probes and other views of the gallery, as
    of CASIA-B, or over all probes among the whole gallery; mAP is that among the walks of other
    views, or all. Of several conditions, rank-1, mAP and the ends of their intervals are means.
    """
    answers = [_answer(values, rows, trial, question) for question in trial.questions]
    probes = np.concatenate([question.probes for question in trial.questions])
    result: dict[str, Any] = {
        name: _percent(float(np.mean([answer.values()[name] for answer in answers])))
        for name in ('rank-1', 'mAP')
    }
    result['conditions'] = {
        question.name: _percent(answer.values()['rank-1'])
        for question, answer in zip(trial.questions, answers)
    }
    result |= {
        'queries': len(probes),
        'people': len(np.unique(trial.walks.labels.people[probes])),
        'frames': round(float(np.mean([trial.walks.length(row) for row in probes.tolist()])), 1),
    }
    if intervals:
        ends = [answer.intervals() for answer in answers]
        result['intervals'] = {
            name: [_percent(end) for end in np.mean([one[name] for one in ends], axis=0).tolist()]
            for name in ('rank-1', 'mAP')
        }
    return result


@dataclass(frozen=True, slots=True)
class _Answer:
    """Of one question; `views` only where views are compared with each other."""

    ranked: Retrieval
    views: gaitprotocol.Gait | None

    def values(self) -> dict[str, float]:
        """rank-1 and mAP, 0 to 1."""
        found = self.ranked.scores()
        first = self.views.mean(gaitprotocol.NORMAL) if self.views else found['rank-1']
        return {'rank-1': first, 'mAP': found['mAP']}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Ends of the 95 % intervals of both."""
        found = self.ranked.intervals(np.random.default_rng(0))
        first = found['rank-1']
        if self.views:
            first = self.views.interval(gaitprotocol.NORMAL, np.random.default_rng(0))
        return {'rank-1': (first.low, first.high), 'mAP': (found['mAP'].low, found['mAP'].high)}


def _answer(values: FloatArray, rows: IntArray, trial: GaitTrial, question: Question) -> _Answer:
    parts = [np.searchsorted(rows, some) for some in (question.probes, question.gallery)]
    similarity = values[parts[0]] @ values[parts[1]].T
    labels = [trial.walks.labels.of(some) for some in (question.probes, question.gallery)]
    probed, stored = (Samples(one.people, one.views) for one in labels)
    views = trial.rules == 'views'
    ranked = retrieve(similarity, probed, stored, OTHERS if views else GAIT3D)
    if not views:
        return _Answer(ranked, None)
    probes, gallery = (gaitprotocol.Walks(one.people, one.views) for one in labels)
    return _Answer(ranked, gaitprotocol.gait(similarity, probes, gallery))


def _percent(value: float) -> float:
    return round(100 * value, 3)
