"""A teacher's part of the loss, and when there is one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reid_ros.train import losses
from reid_ros.train.batches import Batch
from reid_ros.train.clips import Joined
from reid_ros.train.nets.network import Answer, Network
from reid_ros.train.schedule import Phases
from reid_ros.train.settings import Recipe
from reid_ros.train.teacher import Teacher


@dataclass(frozen=True, slots=True)
class Taught:
    """What a teacher adds to the loss of a batch.

    Attributes:
        total: weighted sum of the terms.
        parts: each term by name, without its weight.
    """

    total: Tensor
    parts: dict[str, Tensor]


class Distillation:
    """The teacher's part of the loss, and when there is one.

    Attributes:
        projector: from the student's embedding to the teacher's; only training has it.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: Joined,
        network: Network,
        device: torch.device,
    ) -> None:
        """Open the teacher, where the recipe has one.

        Raises:
            TrainError: a teacher that is not finished, or that knows other people.
        """
        self._recipe = recipe
        self._phases = Phases(recipe.distil, recipe.optim)
        self._teacher: Teacher | None = None
        self.projector: nn.Module = nn.Identity()
        if not recipe.distil.teacher or recipe.distil.schedule == 'none':
            return
        self._teacher = Teacher(recipe, source, device)
        with torch.random.fork_rng(devices=[]):
            self.projector = nn.Linear(network.width, self._teacher.width, bias=False).to(device)

    @property
    def calls(self) -> int:
        """How often the teacher's network has run."""
        return self._teacher.calls if self._teacher else 0

    def terms(self, answer: Answer, batch: Batch, progress: float) -> Taught | None:
        """The weighted terms; None where the teacher has nothing to say yet."""
        if self._teacher is None or not self._phases.active(progress):
            return None
        wanted = self._recipe.distil
        weights = self._phases.weights(progress).times(wanted)
        told = self._teacher.answers(batch)
        parts: dict[str, Tensor] = {}
        if weights.logit:
            parts['logit'] = losses.logit_kl(answer.logits, told.logits, wanted.temperature)
        if weights.relation:
            parts['relation'] = losses.relation(answer.embedding, told.embedding)
        if weights.feature:
            projected = self.projector(answer.embedding.float())
            parts['feature'] = losses.feature(projected, told.embedding)
        total = sum(
            (getattr(weights, name) * value for name, value in parts.items()),
            torch.zeros((), device=answer.embedding.device),
        )
        return Taught(total, parts)
