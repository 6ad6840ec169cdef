"""The sets that a recipe names, as tracklets: to learn from, or to be scored on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reid_ros.evaluate.retrieval import Protocol
from reid_ros.train.clips import DataError, Joined, Source, Trial
from reid_ros.train.folders import registry
from reid_ros.train.named import known, scored_on
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
        DataError: a set that is not defined, cannot be read, is for scoring, or shows people who
            are scored; or no set at all.
    """
    names = known(data, data.train, 'data.train')
    for name in names:
        _refuse_scored(data, name)
    return Joined([_learn(data, name, tell) for name in names])


def trials(data: DataConfig, names: Sequence[str], tell: Tell = silent) -> dict[str, Trial]:
    """What each of these sets scores: `data.validation` or `data.test`, by name.

    Raises:
        DataError: a set that is not defined, or cannot be read.
    """
    return {name: _trial(data, name, tell) for name in known(data, names, 'data.sets')}


def _refuse_scored(data: DataConfig, name: str) -> None:
    """Raise DataError where a set to learn from shows people that another one scores."""
    spec = data.sets[name]
    if spec.split == 'test':
        raise DataError(
            f"data.train: {name!r} is of split 'test', which is scored once, at the end"
        )
    for other, scored in scored_on(data, name):
        halving = scored.split == 'validation' and (spec.held_out or scored.held_out)
        for field, matters in (
            ('fold', spec.layout == 'ilids_vid'), ('held_out', halving), ('seed', halving),
        ):  # fmt: skip
            mine, theirs = getattr(spec, field), getattr(scored, field)
            if matters and mine != theirs:
                raise DataError(
                    f'data.sets.{name}.{field}: is {mine}, but {theirs} in {other!r}, the same '
                    'data: people who are scored would be learnt; set both alike'
                )


def _learn(data: DataConfig, name: str, tell: Tell) -> Source:
    spec = data.sets[name]
    if spec.layout == 'world':
        return rendered(data, name, tell=tell)
    try:
        return registry.learn(spec, (data.height, data.width))
    except DataError as error:
        raise DataError(f'data.sets.{name}: {error}') from error


def _trial(data: DataConfig, name: str, tell: Tell) -> Trial:
    spec = data.sets[name]
    if spec.layout == 'world':
        drawn = rendered(data, name, tell=tell)
        return Trial(drawn, drawn, WORLD)
    try:
        return registry.trial(spec, (data.height, data.width))
    except DataError as error:
        raise DataError(f'data.sets.{name}: {error}') from error
