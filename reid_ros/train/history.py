"""How a network came to be, over all the trainings that led to it: facts for its card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from reid_ros import results
from reid_ros.train import saved
from reid_ros.train.checkpoint import TrainError
from reid_ros.train.nets.network import Network
from reid_ros.train.prune.cost import flops, parameters
from reid_ros.train.settings import Recipe


def history(folder: Path, recipe: Recipe, network: Network) -> dict[str, Any]:
    """Facts of a finished training and of those that it began with.

    Args:
        folder: of the training.
        recipe: its recipe.
        network: its network.
    """
    with torch.random.fork_rng(devices=[]):
        whole = Network(recipe.net, 2, network.size)
    spent, dense = flops(network), flops(whole)
    facts: dict[str, Any] = {
        'encoder': recipe.net.encoder,
        'parameters': parameters(network),
        'flops': spent,
    }
    stages = list(_stages(folder, recipe))
    if parameters(network) != parameters(whole):
        facts |= _pruned(stages, whole) | {'share': round(spent / dense, 4)}
    taught = [found.distil for _, found in stages if found.distil.teacher]
    if taught:
        facts |= {
            'teacher': _teacher(_place(taught[0].teacher, folder)),
            'schedule': taught[0].schedule,
        }
    tellings = [_told(place) for place, _ in reversed(stages)]
    return {
        **facts,
        'data': list(recipe.data.train),
        'command': [told['command'] for told in tellings if told.get('command')],
        'steps': [told['steps'] for told in tellings if told.get('steps')],
        'seed': recipe.run.seed,
        'commit': _told(folder).get('commit', '') or results.commit(),
    }


def _stages(folder: Path, recipe: Recipe) -> Iterator[tuple[Path, Recipe]]:
    """The training, the one whose network it began with, and so on, as far as they are here."""
    seen = set()
    while folder.resolve() not in seen:
        seen.add(folder.resolve())
        yield folder, recipe
        if not recipe.start:
            return
        folder = _place(recipe.start, folder)
        try:
            recipe = saved.recipe(folder)
        except TrainError:
            return


def _pruned(stages: list[tuple[Path, Recipe]], whole: Network) -> dict[str, Any]:
    """By which criterion: that of the first stage whose network is smaller than its recipe's."""
    shapes = {name: value.shape for name, value in whole.encoder.state_dict().items()}
    for place, recipe in reversed(stages):
        try:
            state = saved.weights(place)
        except TrainError:
            continue
        if any(state[f'encoder.{name}'].shape != shape for name, shape in shapes.items()):
            return {'criterion': recipe.prune.criterion, 'scope': recipe.prune.scope}
    return {}


def _place(name: str, folder: Path) -> Path:
    """A training's folder: as the recipe says, or beside this one, where all were moved."""
    place = Path(name).expanduser()
    beside = folder.resolve().parent / place.name
    return place if place.is_dir() or not beside.is_dir() else beside


def _teacher(folder: Path) -> str:
    """The teacher's encoder, or its folder's name where that is not here any more."""
    try:
        return saved.recipe(folder).net.encoder
    except TrainError:
        return folder.name


def _told(folder: Path) -> dict[str, Any]:
    try:
        return saved.scores(folder)
    except (TrainError, OSError, ValueError):
        return {}
