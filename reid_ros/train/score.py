"""How well a network finds people again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from reid_ros.evaluate.retrieval import Retrieval, Samples, retrieve_vectors
from reid_ros.train.clips import Source, Trial
from reid_ros.train.nets.network import Network
from reid_ros.train.sampling import even
from reid_ros.types import FloatArray

CLIPS = 32
"""Clips of one forward pass."""


def vectors(network: Network, source: Source, frames: int) -> FloatArray:
    """(n, d) float32, of unit length, of every tracklet.

    Args:
        network: is left in the mode, training or not, that it came in.
        source: the tracklets.
        frames: of each, evenly spaced.
    """
    device = network.neck.weight.device
    was = network.training
    network.eval()
    found = []
    try:
        with torch.inference_mode():
            for begin in range(0, len(source.people), CLIPS):
                rows = range(begin, min(begin + CLIPS, len(source.people)))
                clips = [source.frames(r, even(int(source.lengths[r]), frames)) for r in rows]
                answer = network(torch.from_numpy(np.stack(clips)).to(device))
                unit = torch.nn.functional.normalize(answer.vector.float())
                found.append(unit.cpu().numpy())
    finally:
        network.train(was)
    return np.concatenate(found)


def retrieval(network: Network, trial: Trial, frames: int) -> Retrieval:
    """The answer to every query of a trial.

    Raises:
        ProtocolError: no query has an answer.
    """
    queries = vectors(network, trial.query, frames)
    same = trial.gallery is trial.query
    entries = queries if same else vectors(network, trial.gallery, frames)
    return retrieve_vectors(
        queries, entries, _samples(trial.query), _samples(trial.gallery), trial.rules
    )


def scores(
    network: Network, trials: Mapping[str, Trial], frames: int, intervals: bool = False
) -> dict[str, dict[str, Any]]:
    """`score` of each trial, by its name."""
    return {name: score(network, trial, frames, intervals) for name, trial in trials.items()}


def score(network: Network, trial: Trial, frames: int, intervals: bool = False) -> dict[str, Any]:
    """rank-1, rank-5, rank-10, mAP, mINP in percent, and how many queries and people there were.

    Args:
        network: what is scored.
        trial: who is searched among whom.
        frames: of each tracklet.
        intervals: also 95 % intervals, by bootstrap over people.
    """
    found = retrieval(network, trial, frames)
    result: dict[str, Any] = {
        **{name: round(100 * value, 3) for name, value in found.scores().items()},
        'queries': len(found.queries),
        'people': len(np.unique(found.ids)),
        'frames': frames,
    }
    if intervals:
        rates = found.intervals(np.random.default_rng(0))
        result['intervals'] = {
            name: [round(100 * rate.low, 3), round(100 * rate.high, 3)]
            for name, rate in rates.items()
        }
    return result


def _samples(source: Source) -> Samples:
    return Samples(source.people, source.cameras)
