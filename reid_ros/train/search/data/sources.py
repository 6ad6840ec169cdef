"""The sets that a recipe of person search names: to learn from, or to be scored on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.train.named import known, refuse_scored
from reid_ros.train.search.data import cuhk_sysu, footage, prw, world
from reid_ros.train.search.data.files import Files, Part, halves
from reid_ros.train.search.data.pictures import Joined, Pictures, SearchTrial
from reid_ros.train.search.settings import FOOTAGE, WORLD, SearchDataConfig, SearchSetConfig
from reid_ros.types import IntArray

Tell = Callable[[int], None]
"""Is called with a number of pictures that were drawn just now."""
VALIDATION_QUERIES = 15
"""Most queries of a person who is held out of a public set."""
CELLS = 16
"""Pixels that height and width of a picture are multiples of."""


def silent(pictures: int) -> None:
    """Tell nobody."""


def learnt(data: SearchDataConfig, tell: Tell = silent) -> Joined:
    """The sets of `data.train` as one; worlds that are not drawn yet are drawn.

    Raises:
        DataError: a set that is not defined, cannot be read, is for scoring, or shows people who
            are scored; or no set at all.
    """
    _refuse_size(data)
    names = known(data, data.train, 'data.train')
    for name in names:
        refuse_scored(data, name)
    return Joined([_learn(data, name, tell) for name in names])


def trials(
    data: SearchDataConfig, names: Sequence[str], tell: Tell = silent
) -> dict[str, SearchTrial]:
    """What each of these sets scores: `data.validation` or `data.test`, by name.

    Raises:
        DataError: a set that is not defined, or cannot be read.
    """
    _refuse_size(data)
    return {name: _trial(data, name, tell) for name in known(data, names, 'data.sets')}


def labels(data: SearchDataConfig) -> list[dict[str, Any]]:
    """What decides who has which label."""
    found = []
    for name in data.train:
        spec = dataclasses.asdict(data.sets[name])
        kept: tuple[str, ...] = ('layout', 'split', 'seed', 'held_out')
        if spec['layout'] == WORLD:
            kept = (*kept, *world.FACTS)
        found.append({key: spec[key] for key in kept})
    return found


def _refuse_size(data: SearchDataConfig) -> None:
    for name in ('height', 'width'):
        if getattr(data, name) % CELLS:
            raise DataError(f'data.{name}: {getattr(data, name)} is no multiple of {CELLS}')


def _train_part(spec: SearchSetConfig) -> Part:
    return prw.pictures(spec, 'train') if spec.layout == 'prw' else cuhk_sysu.train(spec)


def _learn(data: SearchDataConfig, name: str, tell: Tell) -> Pictures:
    spec, size = data.sets[name], (data.height, data.width)
    if spec.layout == WORLD:
        return world.drawn(data, name, tell=tell)
    try:
        if spec.layout == FOOTAGE:
            return Files(footage.pictures(spec), size)
        part = _train_part(spec)
        if spec.held_out:
            part, _ = halves(part, spec.held_out, spec.seed, spec.layout)
        return Files(part, size)
    except DataError as error:
        raise DataError(f'data.sets.{name}: {error}') from error


def _trial(data: SearchDataConfig, name: str, tell: Tell) -> SearchTrial:
    spec, size = data.sets[name], (data.height, data.width)
    if spec.layout == WORLD:
        return world.trial(data, name, tell)
    try:
        if spec.layout == FOOTAGE:
            raise DataError('layout: footage has no labels, so nothing can be scored on it')
        if spec.split == 'train':
            raise DataError("split: 'train' is learnt from; score split 'validation' or 'test'")
        if spec.split == 'validation':
            return _held_out(spec, size)
        if spec.layout == 'prw':
            test = prw.pictures(spec, 'test')
            asked = prw.queries(spec, test)
            return SearchTrial(Files(test, size), asked, _every_frame(spec, test, asked))
        part, rows, galleries = cuhk_sysu.test(spec)
        return SearchTrial(Files(part, size), rows, galleries)
    except DataError as error:
        raise DataError(f'data.sets.{name}: {error}') from error


def _held_out(spec: SearchSetConfig, size: tuple[int, int]) -> SearchTrial:
    """People who are held out, each searched among all pictures but the query's own."""
    if not spec.held_out:
        raise DataError(
            f'held_out: {spec.layout} has no people for validation of its own; hold some out, 0.1 '
            'say, here and in the set that is learnt from'
        )
    _, part = halves(_train_part(spec), spec.held_out, spec.seed, spec.layout)
    asked = world.queries(part.standing, VALIDATION_QUERIES)
    return SearchTrial(Files(part, size), asked, _every_frame(spec, part, asked))


def _every_frame(spec: SearchSetConfig, part: Part, asked: IntArray) -> list[IntArray]:
    """PRW's galleries: all pictures but the query's own, or those of other cameras."""
    cameras = part.standing.cameras
    images = np.arange(len(cameras))
    own = part.standing.pictures[asked]
    if spec.other_cameras:
        return [images[cameras != cameras[row]] for row in own]
    return [images[images != row] for row in own]
