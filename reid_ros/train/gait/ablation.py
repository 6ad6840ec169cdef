"""What a study does with gait recipes: see `train.subjects`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reid_ros.train import loop
from reid_ros.train import saved as trained
from reid_ros.train.gait import saved, walking
from reid_ros.train.gait.data.sources import trials
from reid_ros.train.gait.final import final_scores
from reid_ros.train.gait.score import scores
from reid_ros.train.gait.settings import GaitRecipe, read
from reid_ros.train.loop import Trained
from reid_ros.train.optimiser import device_of
from reid_ros.train.subjects import SPLITS, Subject


def _read(path: Path, changes: Mapping[str, Any]) -> GaitRecipe:
    return read(path, changes)


def _train(recipe: GaitRecipe, folder: Path, command: str) -> Trained:
    return loop.learn(walking.kind(), recipe, folder, command=command)


def _scores(folder: Path, recipe: GaitRecipe) -> dict[str, Any]:
    """Of a teacher, on what the students of a recipe are scored on."""
    network, data = saved.load(folder).to(device_of(recipe.run)), recipe.data
    return {
        split: scores(network, trials(data, names), data.score_frames, True)
        for split, names in zip(SPLITS, (data.validation, data.test))
    }


def _facts(folder: Path, recipe: GaitRecipe) -> dict[str, Any]:
    told = trained.scores(folder)
    return {'cosine': {}, 'flops': told['flops'], 'positive': told['positive']}


def _kept(facts: dict[str, Any]) -> dict[str, Any]:
    """Without where files lie; a folder of a teacher stays, for there may be several."""
    for name in ('cache', 'workers'):
        del facts['data'][name]
    del facts['store']
    return facts


SUBJECT = Subject(
    read=_read,
    teachers=lambda recipe: recipe.distil.teachers,
    train=_train,
    test=final_scores,
    scores=_scores,
    facts=_facts,
    kept=_kept,
)
