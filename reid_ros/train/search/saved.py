"""A finished training of person search as a folder: see `train.saved`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from reid_ros.train import saved
from reid_ros.train.checkpoint import TrainError
from reid_ros.train.search.configs import DENSE
from reid_ros.train.search.nets.dense import Dense
from reid_ros.train.search.nets.searcher import Searcher
from reid_ros.train.search.nets.two_stage import TwoStage
from reid_ros.train.search.oim import Table
from reid_ros.train.search.settings import TASK, SearchRecipe, read

VECTORS, QUEUE = 'table.vectors', 'table.queue'


def recipe(folder: Path) -> SearchRecipe:
    """The recipe of a training.

    Raises:
        TrainError: no such folder, or a training of something else.
    """
    if saved.task(folder) != TASK:
        raise TrainError(f'{folder} holds no {saved.RECIPE} of person search (task: search)')
    return read(folder / saved.RECIPE)


def made(found: SearchRecipe, people: int, queue: int, pretrained: bool = False) -> Searcher:
    """A recipe's network, with random weights.

    Args:
        found: the recipe.
        people: with labels.
        queue: places for those without.
        pretrained: whether its backbone loads the weights that the recipe names.

    Raises:
        ReidError: a network that cannot be as asked, or weights that cannot be had.
    """
    loss, size = found.loss, (found.data.height, found.data.width)
    table = None
    if found.net.embed:
        frozen = found.table.used and found.table.variant != 'updated'
        table = Table(
            people, found.net.embed, queue, 1.0 / loss.temperature, loss.momentum, frozen
        )
    kind = Dense if found.net.head == DENSE else TwoStage
    return kind(found.net, size, table, pretrained)


def load(folder: Path) -> Searcher:
    """The network of a finished training, for use (eval mode).

    Raises:
        TrainError: no finished training, or weights that its recipe's network does not have.
    """
    found = recipe(folder)
    return restored(found, saved.weights(folder)).eval()


def restored(found: SearchRecipe, state: Mapping[str, Tensor]) -> Searcher:
    """A recipe's network with the values of a state.

    Raises:
        TrainError: tensors that are missing, or that the network has no place for.
    """
    people, queue = (len(state[name]) if name in state else 0 for name in (VECTORS, QUEUE))
    with torch.random.fork_rng(devices=[]):
        network = made(found, people, queue)
    return saved.filled(network, state, found.net.encoder)
