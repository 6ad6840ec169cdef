"""A finished training of a silhouette network as a folder: see `train.saved`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from reid_ros.train import saved
from reid_ros.train.checkpoint import TrainError
from reid_ros.train.segment.net import Segmenter
from reid_ros.train.segment.settings import TASK, SegmentRecipe, read


def recipe(folder: Path) -> SegmentRecipe:
    """The recipe of a training.

    Raises:
        TrainError: no such folder, or a training of something else.
    """
    if saved.task(folder) != TASK:
        raise TrainError(f'{folder} holds no {saved.RECIPE} of a silhouette network')
    return read(folder / saved.RECIPE)


def load(folder: Path) -> Segmenter:
    """The network of a finished training, for use (eval mode).

    Raises:
        TrainError: no finished training, or weights that its recipe's network does not have.
    """
    found = recipe(folder)
    return restored(found, saved.weights(folder)).eval()


def restored(found: SegmentRecipe, state: Mapping[str, Tensor]) -> Segmenter:
    """A recipe's network with the values of a state.

    Raises:
        TrainError: tensors that are missing, or that the network has no place for.
    """
    with torch.random.fork_rng(devices=[]):
        network = Segmenter(found.net, (found.data.height, found.data.width))
    return saved.filled(network, state, 'the recipe')
