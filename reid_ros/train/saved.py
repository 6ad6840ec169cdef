"""A finished training as a folder: recipe, weights, scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reid_ros.train import settings
from reid_ros.train.checkpoint import TrainError, replaced
from reid_ros.train.nets.network import Network
from reid_ros.train.settings import Recipe

WEIGHTS = 'weights.safetensors'
RECIPE = 'recipe.yaml'
SCORES = 'scores.json'
CLASSIFIER = 'classifier.weight'
N = TypeVar('N', bound=nn.Module)


def task(folder: Path) -> str:
    """What was learnt in a folder: '' = appearance; '' too where it holds no training."""
    path = folder / RECIPE
    return settings.task(path) if path.is_file() else ''


def recipe(folder: Path) -> Recipe:
    """The recipe of a training.

    Raises:
        TrainError: no such folder.
    """
    if not (folder / RECIPE).is_file():
        raise TrainError(f'{folder} holds no {RECIPE}: it is no folder of a training')
    return settings.read(folder / RECIPE)


def scores(folder: Path) -> dict[str, Any]:
    """What a finished training says of itself.

    Raises:
        TrainError: it is not finished.
    """
    path = folder / SCORES
    if not path.is_file():
        raise TrainError(f"{path} is missing: finish that training with 'reid_ros train' first")
    found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return found


def save(folder: Path, state: Mapping[str, Tensor]) -> None:
    """Write the weights of a finished training, whole or not at all."""
    plain = {name: value.detach().contiguous().clone() for name, value in state.items()}
    replaced(folder / WEIGHTS, lambda half: save_file(plain, half))


def weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a finished training.

    Raises:
        TrainError: there are none yet.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise TrainError(f"{path} is missing: finish that training with 'reid_ros train' first")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainError(f'{path} cannot be read: {error}') from error


def load(folder: Path) -> Network:
    """The network of a finished training, pruned as it was left, for use (eval mode).

    Raises:
        TrainError: no finished training, or weights that its recipe's network does not have.
    """
    found, state = recipe(folder), weights(folder)
    return restored(found, state).eval()


def restored(found: Recipe, state: Mapping[str, Tensor]) -> Network:
    """A recipe's network with the shapes and values of a state.

    Raises:
        TrainError: tensors that are missing, or that the network has no place for.
    """
    size = found.data.height, found.data.width
    with torch.random.fork_rng(devices=[]):
        network = Network(found.net, len(state[CLASSIFIER]), size)
    own = network.state_dict()
    if any(own[name].shape != value.shape for name, value in state.items() if name in own):
        from reid_ros.train.prune.graph import load_slim

        return load_slim(network, dict(state))
    return filled(network, state, found.net.encoder)


def filled(network: N, state: Mapping[str, Tensor], name: str) -> N:
    """A network with the values of a state.

    Args:
        network: is changed.
        state: of a network like it.
        name: of the network, for people.

    Raises:
        TrainError: tensors that are missing, or that the network has no place for.
    """
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        raise TrainError(f'the weights do not fit {name}: {error}') from error
    return network
