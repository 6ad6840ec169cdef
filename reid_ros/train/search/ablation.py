"""What a study does with recipes of person search: see `train.subjects`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reid_ros.train import loop
from reid_ros.train import saved as trained
from reid_ros.train.loop import Trained
from reid_ros.train.optimiser import device_of
from reid_ros.train.search import cropped, saved, score, searching
from reid_ros.train.search.data.sources import trials
from reid_ros.train.search.final import final_scores
from reid_ros.train.search.settings import SearchRecipe, read
from reid_ros.train.subjects import SPLITS, Subject


def _read(path: Path, changes: Mapping[str, Any]) -> SearchRecipe:
    return read(path, changes)


def _train(recipe: SearchRecipe, folder: Path, command: str) -> Trained:
    return loop.learn(searching.kind(), recipe, folder, command=command)


def _teachers(recipe: SearchRecipe) -> tuple[str, ...]:
    """All that are named, where any is listened to; arms switch off what they do without.

    The teacher of identity comes first: rank-1 is what a study is judged by.
    """
    if not (recipe.table.used or recipe.distil.used):
        return ()
    return tuple(name for name in (recipe.table.teacher, recipe.distil.teacher) if name)


def _scores(folder: Path, recipe: SearchRecipe) -> dict[str, Any]:
    """Of a teacher, on what the students of a recipe are scored on."""
    device, data = device_of(recipe.run), recipe.data
    if cropped.of_appearance(folder):
        crops = trained.load(folder).to(device)
        return {
            split: cropped.scores(crops, trials(data, names), True)
            for split, names in zip(SPLITS, (data.validation, data.test))
        }
    network = saved.load(folder).to(device)
    return {
        split: score.scores(network, trials(data, names), score.limits(data), True)
        for split, names in zip(SPLITS, (data.validation, data.test))
    }


def _facts(folder: Path, recipe: SearchRecipe) -> dict[str, Any]:
    return {'cosine': {}, 'lookups': trained.scores(folder)['lookups']}


def _kept(facts: dict[str, Any]) -> dict[str, Any]:
    """Without where files lie; a folder of a teacher stays, for there may be several."""
    for block, name in (('data', 'cache'), ('data', 'workers'), ('table', 'store')):
        del facts[block][name]
    return facts


SUBJECT = Subject(
    read=_read,
    teachers=_teachers,
    train=_train,
    test=final_scores,
    scores=_scores,
    facts=_facts,
    kept=_kept,
)
