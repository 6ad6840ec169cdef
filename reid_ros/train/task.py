"""What a training loop has to know of that which is learnt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from reid_ros.train.optimiser import Precision
from reid_ros.train.settings import OptimConfig, RunConfig

Add = Callable[[str, Tensor], None]
"""Notes a figure of a step for the curves, under its name."""


class Recipe(Protocol):
    """What the recipes of all tasks have; each is a frozen dataclass of its own."""

    @property
    def optim(self) -> OptimConfig:
        """How weights move."""

    @property
    def run(self) -> RunConfig:
        """How training runs, not what it learns."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a training runs.

    Attributes:
        device: of network and batches.
        precision: number types of the forward pass.
        rank: of this process among those that learn together.
    """

    device: torch.device
    precision: Precision
    rank: int = 0


class Task(Protocol):
    """A network and what it learns, of one recipe.

    Making it seeds torch with `run.seed` before it draws weights.
    """

    @property
    def network(self) -> nn.Module:
        """On its device; the result."""

    @property
    def extra(self) -> nn.Module:
        """What learns too, and is gone afterwards; without weights where nothing does."""

    @property
    def scored(self) -> bool:
        """Whether there is anything to choose by."""

    def batches(self, steps: range) -> Iterator[Any]:
        """The batches of these steps, in order; equal settings and seeds give equal batches."""

    def loss(self, forward: nn.Module, batch: Any, step: int, progress: float, add: Add) -> Tensor:
        """Of a batch.

        Args:
            forward: the network, or what makes several processes learn it together.
            batch: of `batches`.
            step: from 0.
            progress: share of training that is done, 0 to 1.
            add: for the curves, all terms but the whole.
        """

    def score(self, network: nn.Module, intervals: bool) -> dict[str, dict[str, Any]]:
        """On validation, by set."""

    def points(self, found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        """Of what `score` found, what the curves show, by name, in percent."""

    def restored(self, state: Mapping[str, Tensor]) -> nn.Module:
        """A network like `network` with these weights, on its device."""

    def facts(self) -> dict[str, Any]:
        """For scores.json, once everything is learnt."""


def ranks(found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The points of the curves where people are ranked: rank-1 and mAP of each set."""
    return {
        f'{name} {key}': float(values[key])
        for name, values in found.items()
        for key in ('rank-1', 'mAP')
    }


@dataclass(frozen=True, slots=True)
class Kind:
    """How the trainings of one task are read and made.

    Attributes:
        read: a recipe's file, with changes by dotted name where they are given.
        make: a recipe's task.
    """

    read: Callable[..., Any]
    make: Callable[[Any, Place], Task]
