"""The sets that a recipe names, as tracklets: to learn from, or to be scored on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reid_ros.config import nearest
from reid_ros.evaluate.retrieval import Protocol
from reid_ros.train.clips import DataError, Joined, Source, Trial
from reid_ros.train.rendered import rendered
from reid_ros.train.settings import DataConfig

WORLD = Protocol('world')
"""Everybody is searched among the tracklets of the other cameras."""

Tell = Callable[[int], None]
"""Is called with a number of tracklets that were drawn just now."""


def silent(tracklets: int) -> None:
    """Tell nobody."""


def learnt(data: DataConfig, tell: Tell = silent) -> Joined:
    """The sets of `data.train` as one; worlds that are not drawn yet are drawn.

    Raises:
        DataError: a set that is not defined, cannot be read, or no set at all.
    """
    names = _known(data, data.train, 'data.train')
    return Joined([_learn(data, name, tell) for name in names])


def trials(data: DataConfig, names: Sequence[str], tell: Tell = silent) -> dict[str, Trial]:
    """What each of these sets scores: `data.validation` or `data.test`, by name.

    Raises:
        DataError: a set that is not defined, or cannot be read.
    """
    return {name: _trial(data, name, tell) for name in _known(data, names, 'data.sets')}


def _known(data: DataConfig, names: Sequence[str], where: str) -> Sequence[str]:
    for name in names:
        if name not in data.sets:
            defined = list(data.sets)
            hint = nearest(name, defined) if defined else 'data.sets defines none'
            raise DataError(f'{where}: no set is called {name!r}; {hint}')
    return names


def _learn(data: DataConfig, name: str, tell: Tell) -> Source:
    if data.sets[name].layout == 'world':
        return rendered(data, name, tell=tell)
    raise DataError(f'data.sets.{name}: only layout world is read so far')


def _trial(data: DataConfig, name: str, tell: Tell) -> Trial:
    if data.sets[name].layout == 'world':
        drawn = rendered(data, name, tell=tell)
        return Trial(drawn, drawn, WORLD)
    raise DataError(f'data.sets.{name}: only layout world is read so far')
