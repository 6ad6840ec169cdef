"""The one look at the people who are kept for the end, and what a network's figures consist of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reid_ros.train.final import once
from reid_ros.train.optimiser import device_of
from reid_ros.train.search import saved, score
from reid_ros.train.search.data.sources import Tell, silent, trials


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
        network = saved.load(folder).to(device_of(recipe.run))
        sets = trials(recipe.data, recipe.data.test, tell)
        return score.scores(network, sets, score.limits(recipe.data), intervals=True)

    return once(folder, look)


def diagnosis(
    folder: Path, detector: Path | None = None, tell: Tell = silent
) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores of a finished training on its `data.test` in true, its own and a detector's boxes.

    Args:
        folder: of the training.
        detector: folder of the training of a specialised detector.
        tell: is called with the number of pictures drawn, where some are not yet.

    Raises:
        TrainError: a training that is not finished.
    """
    recipe = saved.recipe(folder)
    device = device_of(recipe.run)
    network = saved.load(folder).to(device)
    other = saved.load(detector).to(device) if detector else None
    sets = trials(recipe.data, recipe.data.test, tell)
    limits = score.limits(recipe.data)
    return {name: score.diagnosis(network, one, limits, other) for name, one in sets.items()}
