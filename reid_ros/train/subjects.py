"""What studies do with the recipes of each task: how they are read, trained and scored."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_ros.config import ConfigError
from reid_ros.train import loop, saved, score, settings
from reid_ros.train.final import final_scores
from reid_ros.train.loop import Trained
from reid_ros.train.optimiser import device_of
from reid_ros.train.schedule import PHASES, Phases
from reid_ros.train.settings import Recipe
from reid_ros.train.sources import trials

SPLITS = ('validation', 'test')


@dataclass(frozen=True, slots=True)
class Subject:
    """What a study does with the recipes of one task.

    Attributes:
        read: a recipe from its file, with changes by dotted name.
        teachers: folders of a recipe's teachers.
        train: a recipe in a folder; the last argument is the command that repeats it.
        test: a finished training on its own `data.test`.
        scores: of the training in a folder on the sets of a recipe, by split.
        facts: of a finished cell, beside its scores.
        kept: what decides the result, of a recipe as plain data; not where teachers and start lie,
            whose weights are compared.
    """

    read: Callable[[Path, Mapping[str, Any]], Any]
    teachers: Callable[[Any], Sequence[str]]
    train: Callable[[Any, Path, str], Trained]
    test: Callable[[Path], dict[str, Any]]
    scores: Callable[[Path, Any], dict[str, Any]]
    facts: Callable[[Path, Any], dict[str, Any]]
    kept: Callable[[dict[str, Any]], dict[str, Any]]


def subject_of(task: str) -> Subject:
    """What a study does with recipes of a task.

    Raises:
        ConfigError: a task without studies.
    """
    if task == 'gait':
        from reid_ros.train.gait.ablation import SUBJECT

        return SUBJECT
    if task == 'search':
        from reid_ros.train.search.ablation import SUBJECT as search

        return search
    if task:
        raise ConfigError(f'task: {task} has no studies; gait, search and appearance have')
    return Subject(
        read=_read,
        teachers=lambda recipe: (
            (recipe.distil.teacher,) if recipe.distil.schedule != 'none' else ()
        ),
        train=lambda recipe, folder, command: loop.train(recipe, folder, command=command),
        test=final_scores,
        scores=_scores,
        facts=lambda folder, recipe: {'cosine': looks(folder / 'curves.csv', recipe)},
        kept=_kept,
    )


def looks(curves: Path, recipe: Recipe) -> dict[str, list[float]]:
    """The cosines of task and distillation gradients that a training wrote down, by phase."""
    phases = Phases(recipe.distil, recipe.optim)
    found: dict[str, list[float]] = {phase: [] for phase in PHASES}
    with curves.open(encoding='utf-8', newline='') as file:
        for row in csv.DictReader(file):
            if row.get('cosine'):
                # A point of the curves tells of the steps before it, the first of which looked.
                step = float(row['step']) - recipe.run.log_steps
                found[phases.phase(step / recipe.optim.steps)].append(float(row['cosine']))
    return {phase: values for phase, values in found.items() if values}


def _read(path: Path, changes: Mapping[str, Any]) -> Recipe:
    recipe = settings.read(path, changes)
    probe, points = recipe.distil.probe, recipe.run.log_steps
    if probe and probe != points:
        raise ConfigError(
            f'distil.probe is {probe} and run.log_steps {points}: make them equal, so that each '
            'look at the angle of gradients has a row of its own'
        )
    # Its corners are checked, whatever the schedule.
    Phases(dataclasses.replace(recipe.distil, schedule='none'), recipe.optim)
    return recipe


def _scores(folder: Path, recipe: Recipe) -> dict[str, Any]:
    """Of the teacher, on what the students of a recipe are scored on."""
    network, data = saved.load(folder).to(device_of(recipe.run)), recipe.data
    return {
        split: score.scores(network, trials(data, names), data.score_frames, True)
        for split, names in zip(SPLITS, (data.validation, data.test))
    }


def _kept(facts: dict[str, Any]) -> dict[str, Any]:
    left = (('data', 'cache'), ('data', 'workers'), ('distil', 'store'), ('distil', 'teacher'))
    for block, name in left:
        del facts[block][name]
    del facts['start']
    return facts
