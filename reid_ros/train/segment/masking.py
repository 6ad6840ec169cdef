"""The task of cutting people out of their crops, for the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from reid_ros.train.batches import ahead
from reid_ros.train.optimiser import placed
from reid_ros.train.sampling import in_turn
from reid_ros.train.segment import saved, score
from reid_ros.train.segment.disturb import Disturbed
from reid_ros.train.segment.net import Segmenter
from reid_ros.train.segment.pictures import Pictures, Tell, drawn, silent
from reid_ros.train.segment.settings import SegmentLoss, SegmentRecipe, read
from reid_ros.train.task import Add, Kind, Place


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Crops and masks by number of the step; equal settings and seeds give equal batches."""

    def __init__(self, recipe: SegmentRecipe, disturbed: Disturbed) -> None:
        """Of disturbed pictures, all of them once before any comes twice."""
        self._recipe, self._disturbed = recipe, disturbed

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """(n, h, w, 3) uint8 BGR and (n, h, w) uint8, 0 to 255."""
        seed, number = self._recipe.run.seed, self._recipe.data.batch
        places = in_turn(seed, step, number, len(self._disturbed))
        found = [self._disturbed(row, view) for row, view in places]
        crops, masks = (np.stack(part) for part in zip(*found))
        return torch.from_numpy(crops), torch.from_numpy(masks)


def loss_of(logits: Tensor, masks: Tensor, wanted: SegmentLoss) -> dict[str, Tensor]:
    """The loss and its parts.

    Dice is soft and of each crop (Milletari et al., V-Net, 3DV 2016, with plain sums below); one
    is added above and below, so that nobody is best told by nothing.

    Args:
        logits: (n, h, w).
        masks: (n, h, w) 0 to 1.
        wanted: the weights.
    """
    logits = logits.float()
    cross = F.binary_cross_entropy_with_logits(logits, masks)
    likely = torch.sigmoid(logits)
    both = (likely * masks).sum((1, 2))
    sums = likely.sum((1, 2)) + masks.sum((1, 2))
    dice = (1.0 - (2.0 * both + 1.0) / (sums + 1.0)).mean()
    return {'cross': cross, 'dice': dice, 'loss': wanted.cross * cross + wanted.dice * dice}


class Masking:
    """See `task.Task`."""

    def __init__(self, recipe: SegmentRecipe, place: Place, tell: Tell = silent) -> None:
        """Of a recipe.

        Args:
            recipe: everything that decides the result.
            place: where it runs.
            tell: is called with the number of pictures drawn, where some are not yet.

        Raises:
            DataError: pictures that cannot be drawn or read.
            TrainError: a start that is not finished, or is another network.
        """
        self._recipe, self._place = recipe, place
        data = recipe.data
        # A rank of its own seed: other batches, the same weights.
        own = replace(recipe, run=replace(recipe.run, seed=recipe.run.seed + place.rank))
        self._batches = Batches(
            own, Disturbed(own, [drawn(data, name, tell) for name in data.train])
        )
        self._validation: dict[str, Pictures] = {
            name: drawn(data, name, tell) for name in data.validation
        }
        torch.manual_seed(recipe.run.seed)
        network = Segmenter(recipe.net, (data.height, data.width))
        if recipe.start:
            begun = saved.load(Path(recipe.start).expanduser())
            network = saved.restored(recipe, begun.state_dict())
        self.network: Segmenter = placed(network, place.device)
        self.extra = nn.Module()

    @property
    def scored(self) -> bool:
        """Whether there is anything to choose by."""
        return bool(self._validation)

    def batches(self, steps: range) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of these steps, in order."""
        pinned = self._place.device.type == 'cuda'
        return ahead(self._batches, steps, self._recipe.data.workers, pinned)

    def loss(
        self,
        forward: nn.Module,
        batch: tuple[Tensor, Tensor],
        step: int,
        progress: float,
        add: Add,
    ) -> Tensor:
        """How far masks are from the true ones."""
        crops, masks = (part.to(self._place.device) for part in batch)
        with self._place.precision.automatic():
            logits = forward(crops)
        parts = loss_of(logits, masks.float() / 255.0, self._recipe.loss)
        total = parts.pop('loss')
        for name, value in parts.items():
            add(name, value)
        return total

    def score(self, network: nn.Module, intervals: bool) -> dict[str, dict[str, Any]]:
        """On validation; there are no intervals."""
        return score.all_scores(cast(Segmenter, network), self._validation)

    def points(self, found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        """Intersection over union."""
        return {f'{name} IoU': 100.0 * values['iou'] for name, values in found.items()}

    def restored(self, state: Mapping[str, Tensor]) -> Segmenter:
        """A network like this one with these weights."""
        return placed(saved.restored(self._recipe, state), self._place.device)

    def facts(self) -> dict[str, Any]:
        """Nothing."""
        return {}


def kind(tell: Tell = silent) -> Kind:
    """Of the loop.

    Args:
        tell: is called with the number of pictures drawn, where some are not yet.
    """
    return Kind(read, lambda recipe, place: Masking(recipe, place, tell))
