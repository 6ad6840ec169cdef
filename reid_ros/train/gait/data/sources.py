"""The sets that a gait recipe names: to learn from, or to be scored on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from reid_ros.config import nearest
from reid_ros.train.clips import DataError
from reid_ros.train.gait.data import layouts, world
from reid_ros.train.gait.data.sequences import GaitTrial, Joined, Walks
from reid_ros.train.gait.settings import WORLD, GaitDataConfig, GaitSetConfig

Tell = Callable[[int], None]
"""Is called with a number of walks that were drawn just now."""


def silent(walks: int) -> None:
    """Tell nobody."""


def learnt(data: GaitDataConfig, tell: Tell = silent) -> Joined:
    """The sets of `data.train` as one; walks that are not drawn yet are drawn.

    Raises:
        DataError: a set that is not defined, cannot be read, is for scoring, or shows people who
            are scored; or no set at all.
    """
    names = _known(data, data.train, 'data.train')
    for name in names:
        _refuse_scored(data, name)
    return Joined([_learn(data, name, tell) for name in names])


def trials(
    data: GaitDataConfig, names: Sequence[str], tell: Tell = silent
) -> dict[str, GaitTrial]:
    """What each of these sets scores: `data.validation` or `data.test`, by name.

    Raises:
        DataError: a set that is not defined, or cannot be read.
    """
    return {name: _trial(data, name, tell) for name in _known(data, names, 'data.sets')}


def _known(data: GaitDataConfig, names: Sequence[str], where: str) -> Sequence[str]:
    for name in names:
        if name not in data.sets:
            defined = list(data.sets)
            hint = nearest(name, defined) if defined else 'data.sets defines none'
            raise DataError(f'{where}: no set is called {name!r}; {hint}')
    return names


def _refuse_scored(data: GaitDataConfig, name: str) -> None:
    """Raise DataError where a set to learn from shows people that another one scores."""
    spec = data.sets[name]
    if spec.split != 'train':
        raise DataError(
            f'data.train: {name!r} is of split {spec.split!r}; people of split train are learnt'
        )
    for other in (*data.validation, *data.test):
        scored = data.sets.get(other, spec)
        if spec.layout == WORLD or _where(spec) != _where(scored):
            continue
        mine = spec.held_out, spec.seed
        if scored.split == 'validation' and mine != (scored.held_out, scored.seed):
            raise DataError(
                f'data.sets.{name}: held_out and seed are {mine}, but differ in {other!r}, the '
                'same data: people who are scored would be learnt; set both alike'
            )


def _where(spec: GaitSetConfig) -> tuple[str, Path]:
    return spec.layout, Path(spec.path).expanduser().resolve()


def _learn(data: GaitDataConfig, name: str, tell: Tell) -> Walks:
    spec = data.sets[name]
    if spec.layout == WORLD:
        return world.drawn(data, name, tell=tell)
    try:
        return layouts.learn(spec)
    except DataError as error:
        raise DataError(f'data.sets.{name}: {error}') from error


def _trial(data: GaitDataConfig, name: str, tell: Tell) -> GaitTrial:
    spec = data.sets[name]
    if spec.layout == WORLD:
        return world.trial(data, name, tell)
    try:
        return layouts.trial(spec)
    except DataError as error:
        raise DataError(f'data.sets.{name}: {error}') from error
