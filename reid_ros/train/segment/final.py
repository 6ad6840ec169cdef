"""The one look at the pictures that are kept for the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reid_ros.train.final import once
from reid_ros.train.optimiser import device_of, placed
from reid_ros.train.segment import saved, score
from reid_ros.train.segment.pictures import Tell, drawn, silent


def final_scores(folder: Path, tell: Tell = silent) -> dict[str, dict[str, Any]]:
    """Scores of a finished training on its `data.test`, by set; kept in test.json.

    Args:
        folder: of the training.
        tell: is called with the number of pictures drawn, where some are not yet.

    Raises:
        TrainError: the training is not finished.
    """

    def look() -> dict[str, dict[str, Any]]:
        recipe = saved.recipe(folder)
        network = placed(saved.load(folder), device_of(recipe.run))
        sets = {name: drawn(recipe.data, name, tell) for name in recipe.data.test}
        return score.all_scores(network, sets)

    return once(folder, look)
