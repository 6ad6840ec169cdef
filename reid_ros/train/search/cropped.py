"""A network of appearance as a teacher of person search: it is shown what boxes cut out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reid_ros.card import Input
from reid_ros.evaluate.searchprotocol import Found
from reid_ros.images import crop_batch
from reid_ros.train import saved
from reid_ros.train.nets.network import Network
from reid_ros.train.search.data.pictures import Pictures, SearchTrial
from reid_ros.train.search.nets.searcher import unit
from reid_ros.train.search.score import Limits, answered, used
from reid_ros.types import FloatArray, IntArray

CROPS = 64
"""Of one forward pass."""


def of_appearance(folder: Path) -> bool:
    """Whether a folder holds a training of appearance."""
    return (folder / saved.RECIPE).is_file() and not saved.task(folder)


def cut_out(network: Network, pictures: Pictures, rows: IntArray) -> FloatArray:
    """(n, d) float32 of unit length, of what is cut out of the boxes with these numbers.

    Args:
        network: of appearance, in eval mode.
        pictures: of the boxes.
        rows: numbers of the boxes.
    """
    where = pictures.standing
    shown, (height, width) = where.pictures, network.size
    spec = Input(height=height, width=width, order='bgr', fit='stretch', dtype='uint8')
    device = next(network.parameters()).device
    found = np.empty((len(rows), network.width), np.float32)
    with torch.inference_mode():
        for start in range(0, len(rows), CROPS):
            some = rows[start : start + CROPS]
            crops = np.concatenate([
                crop_batch(pictures.image(int(shown[row])), where.boxes[row : row + 1], spec)
                for row in some.tolist()
            ])  # fmt: skip
            told = network(torch.from_numpy(crops)[:, None].to(device))
            found[start : start + CROPS] = unit(told.vector).cpu().numpy()
    return found


def scores(
    network: Network, trials: Mapping[str, SearchTrial], intervals: bool = False
) -> dict[str, dict[str, Any]]:
    """`score.score` of each trial in true boxes, the only ones that such a network can see.

    Args:
        network: of appearance, in eval mode.
        trials: by name.
        intervals: also 95 % intervals, by bootstrap over people.
    """
    result = {}
    for name, trial in trials.items():
        where = trial.pictures.standing
        rows = np.flatnonzero(np.isin(where.pictures, used(trial)))
        vectors = cut_out(network, trial.pictures, np.arange(len(where.people)))
        found = Found(
            where.pictures[rows], where.boxes[rows], np.ones(len(rows), np.float32), vectors[rows]
        )
        told = answered(found, vectors[trial.queries], trial, Limits(), intervals)
        result[name] = {key: value for key, value in told.items() if 'detection' not in key}
    return result
