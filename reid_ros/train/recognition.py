"""The task of telling people by their appearance, for the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from reid_ros.train import losses, saved, settings
from reid_ros.train.batches import Batch, Batches, ahead
from reid_ros.train.clips import Trial
from reid_ros.train.conflict import cosine
from reid_ros.train.distillation import Distillation
from reid_ros.train.nets.network import Answer, Network
from reid_ros.train.optimiser import placed
from reid_ros.train.score import scores
from reid_ros.train.settings import Recipe
from reid_ros.train.sources import learnt, trials
from reid_ros.train.task import Add, Kind, Place, ranks
from reid_ros.train.weights import started


class Recognition:
    """See `task.Task`."""

    def __init__(self, recipe: Recipe, place: Place, network: Network | None = None) -> None:
        """Of a recipe.

        Args:
            recipe: everything that decides the result.
            place: where it runs.
            network: to begin with, in place of the recipe's own.

        Raises:
            DataError: sets that cannot be read.
            TrainError: crops too narrow for the number type, or a teacher that cannot teach.
        """
        self._recipe, self._place = recipe, place
        source = learnt(recipe.data)
        # A rank of its own seed: other batches, the same weights.
        run = replace(recipe.run, seed=recipe.run.seed + place.rank)
        self._batches = Batches(replace(recipe, run=run), source)
        self._trials: dict[str, Trial] = trials(recipe.data, recipe.data.validation)
        torch.manual_seed(recipe.run.seed)
        people = int(source.people.max()) + 1
        network = started(recipe, people) if network is None else network
        self.network: Network = placed(network, place.device)
        self._distil = Distillation(recipe, source, self.network, place.device)
        self.extra = self._distil.projector
        place.precision.check_gradients(recipe.data.width)

    @property
    def scored(self) -> bool:
        """Whether there is anything to choose by."""
        return bool(self._trials)

    def batches(self, steps: range) -> Iterator[Batch]:
        """The batches of these steps, in order."""
        pinned = self._place.device.type == 'cuda'
        return ahead(self._batches, steps, self._recipe.data.workers, pinned)

    def loss(
        self, forward: nn.Module, batch: Batch, step: int, progress: float, add: Add
    ) -> Tensor:
        """Cross-entropy, triplets, contrast and what the teacher says."""
        wanted = self._recipe.loss
        batch = batch.to(self._place.device)
        with self._place.precision.automatic():
            answer: Answer = forward(batch.clips, batch.cameras)
        identity = losses.smoothed_cross_entropy(answer.logits, batch.people, wanted.smoothing)
        triplet = losses.batch_hard_triplet(answer.embedding, batch.people, wanted.margin)
        task = wanted.identity * identity + wanted.triplet * triplet
        if wanted.contrast:
            contrast = losses.contrastive(answer.vector, batch.people, wanted.warmth)
            add('contrast', contrast)
            task = task + wanted.contrast * contrast
        right = (answer.logits.argmax(1) == batch.people).float().mean()
        add('identity', identity)
        add('triplet', triplet)
        add('right', right)
        taught = self._distil.terms(answer, batch, progress)
        if taught is None:
            return task
        for name, value in taught.parts.items():
            add(name, value)
        probe = self._recipe.distil.probe
        if probe and step % probe == 0:
            shared = [p for p in self.network.encoder.parameters() if p.requires_grad]
            add('cosine', torch.tensor(cosine(task, taught.total, shared)))
        return task + taught.total

    def score(self, network: nn.Module, intervals: bool) -> dict[str, dict[str, Any]]:
        """On validation."""
        frames = self._recipe.data.score_frames
        return scores(cast(Network, network), self._trials, frames, intervals)

    def points(self, found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        """rank-1 and mAP."""
        return ranks(found)

    def restored(self, state: Mapping[str, Tensor]) -> Network:
        """A network like this one with these weights."""
        return placed(saved.restored(self._recipe, state), self._place.device)

    def facts(self) -> dict[str, Any]:
        """How often the teacher's network has run."""
        return {'teacher_calls': self._distil.calls}


def kind(network: Network | None = None) -> Kind:
    """Of the loop; `network` begins in place of the recipe's own."""
    return Kind(settings.read, lambda recipe, place: Recognition(recipe, place, network))
