"""Finished trainings side by side: what each cost, and how well it finds people again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reid_ros.train import saved
from reid_ros.train.final import final_scores
from reid_ros.train.gates import MOVED, PEOPLE, QUERIES, moved
from reid_ros.train.history import SCORES, history


def row(folder: Path, frames: int = 0) -> dict[str, Any]:
    """One training.

    Args:
        folder: of a finished training; its test is scored where it was not yet.
        frames: of each tracklet of the test; 0 = as on validation.

    Raises:
        TrainError: it is not finished.
    """
    recipe, network = saved.recipe(folder), saved.load(folder)
    told = json.loads((folder / SCORES).read_text(encoding='utf-8'))
    facts = history(folder, recipe, network)
    tests = final_scores(folder, frames)
    change = moved(told['points'], told['steps'])
    found: dict[str, Any] = {
        'name': folder.name,
        **{key: value for key, value in facts.items() if key != 'flops'},
        'gflops': round(facts['flops'] / 1e9, 4),
        'temporal': recipe.net.temporal,
        'wall_s': told['wall_s'],
        'moved': None if change is None else round(change, 3),
        'validation': _short(told['validation']),
        'test': _short(tests),
    }
    return {**found, 'gates_failed': _failed(found)}


def rows(
    folders: Sequence[Path],
    frames: Sequence[int] = (0,),
    tell: Callable[[int], None] = lambda rows: None,
) -> list[dict[str, Any]]:
    """One row per training and number of frames."""
    found = []
    for folder in folders:
        for number in frames:
            found.append(row(folder, number))
            tell(1)
    return found


def _short(scores: dict[str, Any]) -> dict[str, Any]:
    kept = ('rank-1', 'mAP', 'intervals', 'queries', 'people', 'frames')
    shown = {name: {key: value[key] for key in kept} for name, value in scores.items()}
    for value in shown.values():
        value['intervals'] = {key: value['intervals'][key] for key in ('rank-1', 'mAP')}
    return shown


def _failed(found: dict[str, Any]) -> list[str]:
    """Gates that hold for a single network; those between networks stand in `ablate`."""
    failed = []
    if found['moved'] is None or found['moved'] >= MOVED:
        what = 'is unknown' if found['moved'] is None else f'is {found["moved"]:.2f} points'
        failed.append(f'rank-1 over the last fifth of training {what}, not below {MOVED:g}')
    for name, value in found['test'].items():
        if value['people'] < PEOPLE or value['queries'] < QUERIES:
            failed.append(
                f'{name}: {value["people"]} people and {value["queries"]} queries, fewer than '
                f'{PEOPLE} and {QUERIES}'
            )
    return failed
