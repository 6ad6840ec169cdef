"""Finished trainings side by side: what each cost, and how well it finds people again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reid_ros.train import saved
from reid_ros.train.final import final_scores
from reid_ros.train.gates import failed_alone, moved
from reid_ros.train.history import history


def _facts(folder: Path) -> dict[str, Any]:
    """All but the test."""
    recipe, told = saved.recipe(folder), saved.scores(folder)
    facts = history(folder, recipe, saved.load(folder))
    change = moved(told['points'], told['steps'])
    return {
        'name': folder.name,
        **{key: value for key, value in facts.items() if key != 'flops'},
        'gflops': round(facts['flops'] / 1e9, 4),
        'temporal': recipe.net.temporal,
        'wall_s': told['wall_s'],
        'moved': None if change is None else round(change, 3),
        'validation': _short(told['validation']),
    }


def rows(
    folders: Sequence[Path],
    frames: Sequence[int] = (0,),
    tell: Callable[[int], None] = lambda rows: None,
) -> list[dict[str, Any]]:
    """One row per training and number of frames.

    Args:
        folders: of finished trainings; a test is scored where it was not yet.
        frames: of each tracklet of the test; 0 = as on validation.
        tell: is called with the number of rows made.

    Raises:
        TrainError: a training that is not finished.
    """
    found = []
    for folder in folders:
        facts = _facts(folder)
        for number in frames:
            row = {**facts, 'test': _short(final_scores(folder, number))}
            found.append({**row, 'gates_failed': failed_alone(row['moved'], row['test'])})
            tell(1)
    return found


def _short(scores: dict[str, Any]) -> dict[str, Any]:
    kept = ('rank-1', 'mAP', 'intervals', 'queries', 'people', 'frames')
    shown = {name: {key: value[key] for key in kept} for name, value in scores.items()}
    for value in shown.values():
        value['intervals'] = {key: value['intervals'][key] for key in ('rank-1', 'mAP')}
    return shown
