"""The task of telling people by their walk, for the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from reid_ros.train.batches import ahead
from reid_ros.train.checkpoint import TrainError
from reid_ros.train.gait import losses, saved
from reid_ros.train.gait.data.batches import GaitBatch, GaitBatches
from reid_ros.train.gait.data.sources import Tell, learnt, silent, trials
from reid_ros.train.gait.nets.cost import flops
from reid_ros.train.gait.nets.network import GaitAnswer, GaitNetwork
from reid_ros.train.gait.score import scores
from reid_ros.train.gait.settings import GaitRecipe, read
from reid_ros.train.gait.teachers import Teachers
from reid_ros.train.optimiser import placed
from reid_ros.train.task import Add, Kind, Place, ranks


class Walking:
    """See `task.Task`."""

    def __init__(self, recipe: GaitRecipe, place: Place, tell: Tell = silent) -> None:
        """Of a recipe.

        Args:
            recipe: everything that decides the result.
            place: where it runs.
            tell: is called with the number of walks drawn, where some are not yet.

        Raises:
            DataError: sets that cannot be read.
            TrainError: a start or a teacher that is not finished, or knows other people.
        """
        self._recipe, self._place = recipe, place
        source = learnt(recipe.data, tell)
        # A rank of its own seed: other batches, the same weights.
        run = replace(recipe.run, seed=recipe.run.seed + place.rank)
        self._batches = GaitBatches(replace(recipe, run=run), source)
        self._trials = trials(recipe.data, recipe.data.validation, tell)
        torch.manual_seed(recipe.run.seed)
        self.network: GaitNetwork = placed(_started(recipe, source.people), place.device)
        self._teachers = Teachers(recipe, source, self.network, place)
        self.extra = self._teachers.distillation

    @property
    def scored(self) -> bool:
        """Whether there is anything to choose by."""
        return bool(self._trials)

    def batches(self, steps: range) -> Iterator[GaitBatch]:
        """The batches of these steps, in order."""
        pinned = self._place.device.type == 'cuda'
        return ahead(self._batches, steps, self._recipe.data.workers, pinned)

    def loss(
        self, forward: nn.Module, batch: GaitBatch, step: int, progress: float, add: Add
    ) -> Tensor:
        """Cross-entropy and triplets of each part, and what the teachers say."""
        wanted = self._recipe.loss
        batch = batch.to(self._place.device)
        with self._place.precision.automatic():
            answer: GaitAnswer = forward(batch.walks)
        total = torch.zeros((), device=batch.walks.device)
        for name, value in losses.task(answer, batch.people, wanted).items():
            add(name, value)
            total = total + float(getattr(wanted, name)) * value
        right = answer.logits.float().mean(2).argmax(1) == batch.people
        add('right', right.float().mean())
        taught = self._teachers.terms(answer, batch)
        if taught is not None:
            for name, value in taught.parts.items():
                add(name, value)
            total = total + taught.total
        return total

    def score(self, network: nn.Module, intervals: bool) -> dict[str, dict[str, Any]]:
        """On validation."""
        frames = self._recipe.data.score_frames
        return scores(cast(GaitNetwork, network), self._trials, frames, intervals)

    def points(self, found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        """rank-1 and mAP."""
        return ranks(found)

    def restored(self, state: Mapping[str, Tensor]) -> GaitNetwork:
        """A network like this one with these weights."""
        return placed(saved.restored(self._recipe, state), self._place.device)

    def facts(self) -> dict[str, Any]:
        """How often teachers have run, and how often their channels were active."""
        return {
            'teacher_calls': self._teachers.calls,
            'positive': self._teachers.positive(),
            'flops': flops(self.network, self._recipe.data.frames),
        }


def kind(tell: Tell = silent) -> Kind:
    """Of the loop.

    Args:
        tell: is called with the number of walks drawn, where some are not yet.
    """
    return Kind(read, lambda recipe, place: Walking(recipe, place, tell))


def _started(recipe: GaitRecipe, people: int) -> GaitNetwork:
    """The recipe's network with random weights, or those of its start but the classifier's."""
    network = GaitNetwork(recipe.net, people)
    if not recipe.start:
        return network
    begun = saved.load(Path(recipe.start).expanduser())
    if begun.settings != recipe.net:
        raise TrainError(
            f'net: is not the network of {recipe.start} (start), {begun.settings}: say the same, '
            'or begin without a start'
        )
    kept = {
        name: value
        for name, value in begun.state_dict().items()
        if not name.startswith('classifier.')
    }
    network.load_state_dict(kept, strict=False)
    return network
