"""The one look at the people who are kept for the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reid_ros import results
from reid_ros.train import saved
from reid_ros.train.checkpoint import replaced
from reid_ros.train.optimiser import device_of
from reid_ros.train.score import scores
from reid_ros.train.sources import trials

TEST = 'test.json'


def once(folder: Path, look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a look at the test sets told: kept in test.json, and from then on read there.

    Args:
        folder: of the training.
        look: scores of each set.
    """
    path = folder / TEST
    if path.is_file():
        kept: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))['test']
        return kept
    found = look()
    text = json.dumps({'commit': results.commit(), 'test': found}, indent=1)
    replaced(path, lambda half: half.write_text(text, encoding='utf-8'))
    return found


def final_scores(folder: Path, frames: int = 0) -> dict[str, Any]:
    """Scores of a finished training on its `data.test`, by set; kept in test.json.

    Args:
        folder: of the training.
        frames: of each tracklet; 0 = as on validation, and that is what the file keeps.

    Raises:
        TrainError: the training is not finished.
    """

    def look() -> dict[str, Any]:
        recipe = saved.recipe(folder)
        # Where it was trained: scoring a large network on one core takes minutes.
        network = saved.load(folder).to(device_of(recipe.run))
        sets = trials(recipe.data, recipe.data.test)
        return scores(network, sets, frames or recipe.data.score_frames, intervals=True)

    return look() if frames else once(folder, look)
