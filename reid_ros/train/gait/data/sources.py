"""The sets that a gait recipe names: to learn from, or to be scored on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reid_ros.train.clips import DataError
from reid_ros.train.gait.data import layouts, world
from reid_ros.train.gait.data.sequences import GaitTrial, Joined, Walks
from reid_ros.train.gait.settings import WORLD, GaitDataConfig
from reid_ros.train.named import known, refuse_scored

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
    names = known(data, data.train, 'data.train')
    for name in names:
        refuse_scored(data, name)
    return Joined([_learn(data, name, tell) for name in names])


def trials(
    data: GaitDataConfig, names: Sequence[str], tell: Tell = silent
) -> dict[str, GaitTrial]:
    """What each of these sets scores: `data.validation` or `data.test`, by name.

    Raises:
        DataError: a set that is not defined, or cannot be read.
    """
    return {name: _trial(data, name, tell) for name in known(data, names, 'data.sets')}


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
