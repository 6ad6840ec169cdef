"""Finished trainings of gait networks side by side, and what each goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_ros.train import saved as trained
from reid_ros.train.gait import saved
from reid_ros.train.gait.final import closer
from reid_ros.train.gates import failed_alone, moved


def rows(
    folders: Sequence[Path],
    names: Sequence[str] = (),
    tell: Callable[[int], None] = lambda rows: None,
) -> list[dict[str, Any]]:
    """One row per training, with its scores by set and way: see `final.closer`.

    Args:
        folders: of finished trainings.
        names: of sets of their recipes; empty: `data.test`.
        tell: is called with the number of rows made.

    Raises:
        TrainError: a training that is not finished.
        DataError: a set that a recipe does not have.
    """
    found = []
    for folder in folders:
        row = _facts(folder) | {'test': _short(closer(folder, names))}
        whole = {name: ways['whole'] for name, ways in row['test'].items()}
        found.append({**row, 'gates_failed': failed_alone(row['moved'], whole)})
        tell(1)
    return found


def _facts(folder: Path) -> dict[str, Any]:
    recipe, told = saved.recipe(folder), trained.scores(folder)
    change = moved(told['points'], told['steps'])
    return {
        'name': folder.name,
        'encoder': recipe.net.encoder,
        'parameters': told['parameters'],
        'gflops': round(told['flops'] / 1e9, 4),
        'masks': recipe.data.masks,
        'steps': told['steps'],
        'wall_s': told['wall_s'],
        'command': told['command'],
        'seed': recipe.run.seed,
        'moved': None if change is None else round(change, 3),
    }


def _short(
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> dict[str, dict[str, dict[str, Any]]]:
    kept = ('rank-1', 'mAP', 'conditions', 'intervals', 'queries', 'people', 'frames')
    return {
        name: {way: {key: value[key] for key in kept} for way, value in ways.items()}
        for name, ways in scores.items()
    }
