"""A finished training of a gait network as a folder: see `train.saved`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from reid_ros.train import saved
from reid_ros.train.checkpoint import TrainError
from reid_ros.train.gait.nets.network import GaitNetwork
from reid_ros.train.gait.settings import TASK, GaitRecipe, read

CLASSIFIER = 'classifier.directions.weight'


def recipe(folder: Path) -> GaitRecipe:
    """The recipe of a training.

    Raises:
        TrainError: no such folder, or a training of something else.
    """
    if saved.task(folder) != TASK:
        raise TrainError(f'{folder} holds no {saved.RECIPE} of a gait network (task: gait)')
    return read(folder / saved.RECIPE)


def load(folder: Path) -> GaitNetwork:
    """The network of a finished training, for use (eval mode).

    Raises:
        TrainError: no finished training, or weights that its recipe's network does not have.
    """
    found = recipe(folder)
    return restored(found, saved.weights(folder)).eval()


def restored(found: GaitRecipe, state: Mapping[str, Tensor]) -> GaitNetwork:
    """A recipe's network with the values of a state.

    Raises:
        TrainError: tensors that are missing, or that the network has no place for.
    """
    people = state[CLASSIFIER].shape[-1]
    with torch.random.fork_rng(devices=[]):
        network = GaitNetwork(found.net, people)
    return saved.filled(network, state, found.net.encoder)
