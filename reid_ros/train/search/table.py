"""Finished trainings of person search side by side: what is found, who is told, and what is lost.

A network of appearance stands beside them in true boxes: who teaches a look-up table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_ros.train import saved as trained
from reid_ros.train.gates import HIGH, LEAD, LOW, SEEDS, failed_alone, moved
from reid_ros.train.search import cropped, saved, score
from reid_ros.train.search.artefact import history
from reid_ros.train.search.data.pictures import SearchTrial
from reid_ros.train.search.data.sources import Tell, silent, trials
from reid_ros.train.search.final import final_scores
from reid_ros.train.search.nets.searcher import Searcher
from reid_ros.train.search.onsite import onsite
from reid_ros.train.search.settings import SearchRecipe
from reid_ros.types import IntArray

KEPT = (
    'rank-1', 'mAP', 'top-5', 'recall', 'detection AP', 'detection recall', 'detection precision',
    'intervals', 'queries', 'people', 'pictures',
)  # fmt: skip


def rows(
    folders: Sequence[Path],
    detector: Path | None = None,
    least: float = 0.0,
    tell: Callable[[int], None] = lambda rows: None,
    drawing: Tell = silent,
) -> list[dict[str, Any]]:
    """One row per training, with its scores by set, and by set and origin of the boxes.

    Args:
        folders: of finished trainings; networks of appearance see the sets of the first.
        detector: folder of a specialised detector, whose boxes are described, too.
        least: score from which detections count; 0 = as in each recipe.
        tell: is called with the number of rows made.
        drawing: is called with the number of pictures drawn, where some are not yet.

    Raises:
        TrainError: a training that is not finished.
    """
    recipe = saved.recipe(folders[0])
    found = []
    for folder in folders:
        if cropped.of_appearance(folder):
            found.append(_teacher(folder, recipe, drawing))
        else:
            found.append(_row(folder, detector, least, drawing))
        tell(1)
    for row in found:
        if _taught(row):
            row['gates_failed'] += _compared(row, found)
    return found


def _compared(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Gates that a student's gain fails, in words: see `train.gates`."""
    alone = [one for one in rows if 'boxes' in one and not _taught(one)]
    seeds = {one['seed'] for one in rows if _taught(one)} & {one['seed'] for one in alone}
    failed = []
    if len(seeds) < SEEDS:
        failed.append(f'{len(seeds)} paired seeds, fewer than {SEEDS}')
    teachers = [
        one for one in rows if 'note' in one and one['name'] == row.get('identity teacher')
    ]
    for name in row['test']:
        plain = [one['test'][name]['rank-1'] for one in alone]
        true = [one['boxes'][name]['truth']['rank-1'] for one in alone]
        failed += [
            f'{name}: rank-1 alone is {value:.1f}, not {LOW:g} to {HIGH:g}'
            for value in plain
            if not LOW <= value <= HIGH
        ]
        for teacher in teachers:
            ahead = teacher['test'][name]['rank-1'] - max(true, default=100.0)
            if ahead < LEAD:
                failed.append(
                    f'{name}: in true boxes the teacher is {ahead:.1f} points of rank-1 ahead, '
                    f'not {LEAD:g}'
                )
    return failed


def _taught(row: Mapping[str, Any]) -> bool:
    return 'identity teacher' in row or 'detector teacher' in row


def _row(folder: Path, detector: Path | None, least: float, drawing: Tell) -> dict[str, Any]:
    recipe, told = saved.recipe(folder), trained.scores(folder)
    facts, network, limits = history(folder, recipe), saved.load(folder), score.limits(recipe.data)
    if least:
        limits = score.Limits(least, limits.nms)
        checked, tested = (
            score.scores(network, trials(recipe.data, names, drawing), limits, True)
            for names in (recipe.data.validation, recipe.data.test)
        )
    else:
        checked, tested = told['validation'], final_scores(folder, drawing)
    row = {
        'name': folder.name,
        **facts,
        'score': limits.score,
        'validation': _short(checked),
        'test': _short(tested),
    }
    if not recipe.net.embed:
        return {**row, 'gates_failed': []}
    change = moved(told['points'], told['steps'])
    row['boxes'] = _lost(network, recipe, limits, detector, row['test'])
    row['moved'] = None if change is None else round(change, 3)
    row['on site'] = {
        name: onsite(
            score.described(network, trial.pictures, _known(trial)),
            trial.pictures.standing,
            _known(trial),
        )
        for name, trial in trials(recipe.data, recipe.data.test, drawing).items()
    }
    return {**row, 'gates_failed': failed_alone(row['moved'], row['test'])}


def _lost(
    network: Searcher,
    recipe: SearchRecipe,
    limits: score.Limits,
    detector: Path | None,
    joint: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, dict[str, Any]]]:
    """The paper's diagnosis: by set and origin of the boxes, as far as not known already."""
    other = saved.load(detector) if detector else None
    result = {}
    for name, trial in trials(recipe.data, recipe.data.test).items():
        found = {'truth': score.score(network, trial, limits, truth=True), 'joint': joint[name]}
        if other is not None:
            found['detector'] = score.score(network, trial, limits, detector=other)
        result[name] = {
            origin: {key: values[key] for key in ('rank-1', 'mAP', 'recall')}
            for origin, values in found.items()
        }
    return result


def _teacher(folder: Path, recipe: SearchRecipe, drawing: Tell) -> dict[str, Any]:
    """Of a network of appearance: its vectors of true boxes."""
    told, network = trained.scores(folder), trained.load(folder)
    splits = {'validation': recipe.data.validation, 'test': recipe.data.test}
    return {
        'name': folder.name,
        'encoder': network.settings.encoder,
        'command': told['command'],
        'steps': told['steps'],
        'wall_s': told['wall_s'],
        'seed': trained.recipe(folder).run.seed,
        'commit': told['commit'],
        'note': 'of appearance, in true boxes',
        **{
            split: _short(cropped.scores(network, trials(recipe.data, names, drawing), True))
            for split, names in splits.items()
        },
        'on site': {
            name: onsite(
                cropped.cut_out(network, trial.pictures, _known(trial)),
                trial.pictures.standing, _known(trial),
            )
            for name, trial in trials(recipe.data, recipe.data.test, drawing).items()
        },
        'gates_failed': [],
    }  # fmt: skip


def _known(trial: SearchTrial) -> IntArray:
    """Boxes of people with a label."""
    return np.flatnonzero(trial.pictures.standing.people >= 0)


def _short(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: {key: value[key] for key in KEPT if key in value} for name, value in scores.items()
    }
