"""The one look at the people who are kept for the end, in every way that tells what was learnt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reid_ros.train.final import once
from reid_ros.train.gait import saved
from reid_ros.train.gait.data.sources import Tell, silent, trials
from reid_ros.train.gait.score import Ways, scores
from reid_ros.train.gait.settings import SEEN, TRUTH, GaitRecipe, with_masks
from reid_ros.train.optimiser import device_of

WAYS: tuple[Ways, ...] = ('single', 'shuffled')
"""Besides whole walks: what is lost with movement, and with its order."""


def final_scores(folder: Path, tell: Tell = silent) -> dict[str, dict[str, Any]]:
    """Scores of a finished training on its `data.test`, by set; kept in test.json.

    Args:
        folder: of the training.
        tell: is called with the number of walks drawn, where some are not yet.

    Raises:
        TrainError: the training is not finished.
    """

    def look() -> dict[str, dict[str, Any]]:
        recipe = saved.recipe(folder)
        network = saved.load(folder).to(device_of(recipe.run))
        sets = trials(recipe.data, recipe.data.test, tell)
        return scores(network, sets, recipe.data.score_frames, intervals=True)

    return once(folder, look)


def closer(
    folder: Path, names: Sequence[str] = (), tell: Tell = silent
) -> dict[str, dict[str, dict[str, Any]]]:
    """What a finished training's rank-1 is made of, by set and way.

    Besides whole walks in the column of masks that it learnt from: the middle frame alone, frames
    in any order, and whole walks in the other column of masks, where there is one.

    Args:
        folder: of the training.
        names: of sets of its recipe, such as one of people of one body; empty: `data.test`.
        tell: is called with the number of walks drawn, where some are not yet.

    Raises:
        TrainError: the training is not finished.
    """
    recipe = saved.recipe(folder)
    network = saved.load(folder).to(device_of(recipe.run))
    wanted, frames = names or recipe.data.test, recipe.data.score_frames
    sets = trials(recipe.data, wanted, tell)
    found: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in wanted}
    for way in ('whole', *WAYS):
        for name, value in scores(network, sets, frames, True, way).items():
            found[name][way] = value
    other = _other(recipe)
    if other is not None:
        for name, trial in trials(other.data, wanted, tell).items():
            found[name][other.data.masks] = scores(network, {name: trial}, frames, True)[name]
    return found


def _other(recipe: GaitRecipe) -> GaitRecipe | None:
    """The recipe with the other column of masks; None where nobody has looked."""
    if recipe.data.masks == SEEN:
        return with_masks(recipe, TRUTH)
    return with_masks(recipe, SEEN) if recipe.data.silhouette else None
