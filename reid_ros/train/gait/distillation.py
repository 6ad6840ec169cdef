"""What teachers add to the loss of a gait student; nothing of it is left in the student."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reid_ros.train.checkpoint import TrainError
from reid_ros.train.distillation import Taught
from reid_ros.train.gait import alignment, losses
from reid_ros.train.gait.configs import GaitDistilConfig
from reid_ros.train.gait.nets.network import GaitAnswer, GaitNetwork
from reid_ros.train.gait.nets.parts import SeparateLinear

RARE = 0.05
"""A channel on one side of the boundary more often than 1 minus this says next to nothing."""


class GaitDistillation(nn.Module):
    """The teachers' part of the loss.

    Its parameters, the projections, are learnt beside the student; its state belongs into the
    checkpoints of a training and never into what is exported.

    Attributes:
        projections: from the student's parts to each teacher's, where there is one.
    """

    seen: Tensor

    def __init__(
        self,
        config: GaitDistilConfig,
        student: GaitNetwork,
        teachers: Sequence[GaitNetwork],
        scale: float,
    ) -> None:
        """Line up student and teachers.

        Args:
            config: what is learnt from them.
            student: is left as it is.
            teachers: finished; one at least.
            scale: what turns cosines into logits, `loss.scale`.

        Raises:
            TrainError: no teacher, or one that knows other people.
        """
        super().__init__()
        if not teachers:
            raise TrainError('distil.teachers: none is named, so there is nothing to distil')
        for teacher in teachers:
            if teacher.people != student.people:
                raise TrainError(
                    f'distil.teachers: one tells {teacher.people} people apart, the student '
                    f'{student.people}: train it on the same sets'
                )
        self._config, self._scale = config, scale
        # In a tuple, so that the student does not become a part of this.
        self._student = (student,)
        self._kept = student.parts
        if config.align == 'first':
            self._kept = min(student.parts, *(teacher.parts for teacher in teachers))
        self.register_buffer('seen', torch.zeros((), dtype=torch.float64))
        projections: list[nn.Module] = []
        for number, teacher in enumerate(teachers):
            table = alignment.overlap(student.parts, teacher.parts)
            if config.align == 'first':
                table = alignment.first(self._kept, teacher.parts)
            counts = torch.zeros(teacher.width, self._kept, dtype=torch.float64)
            centre = teacher.neck.mean.detach().clone().cpu()
            self.register_buffer(f'table{number}', table, persistent=False)
            self.register_buffer(f'centre{number}', centre, persistent=False)
            self.register_buffer(f'positive{number}', counts)
            projections.append(self._projection(student, teacher))
        self.projections = nn.ModuleList(projections)

    def forward(self, answer: GaitAnswer, told: Sequence[GaitAnswer], labels: Tensor) -> Taught:
        """The weighted terms of a batch.

        Args:
            answer: of the student.
            told: of each teacher, in their order, to the same walks.
            labels: (n,) people.

        Returns:
            The weighted sum, and each term without a weight, its mean over teachers.
        """
        config, number = self._config, len(told)
        # Outside of any no_grad: a slice taken inside cuts the student off from the loss.
        logits = answer.logits[:, :, : self._kept]
        found: list[dict[str, Tensor]] = []
        for k, one in enumerate(told):
            found.append(self._embedded(k, answer, one))
        for one_logits, wanted in self._targets(told):
            found.append(self._decided(logits, one_logits, wanted, labels))
        parts: dict[str, Tensor] = {}
        total = answer.embedding.new_zeros((), dtype=torch.float32)
        for terms in found:
            for name, value in terms.items():
                parts[name] = parts[name] + value if name in parts else value
        for name, value in parts.items():
            told_by = self._counted(name, number)
            parts[name] = value / told_by
            dose = number if config.combine == 'summed' else 1
            total = total + config.dose * float(getattr(config, name)) * dose * parts[name]
        return Taught(total, {name: value.detach() for name, value in parts.items()})

    def positive(self) -> list[dict[str, float]]:
        """How often the teachers' embeddings lay above the boundary, one entry per teacher.

        Returns:
            mean, least and most over channels and parts, and the share of them that hardly ever
            change sides; empty where no boundary was looked at.
        """
        result = []
        for k in range(len(self.projections) if float(self.seen) else 0):
            shares = self.get_buffer(f'positive{k}') / self.seen
            stuck = ((shares < RARE) | (shares > 1 - RARE)).double().mean()
            values = (shares.mean(), shares.min(), shares.max(), stuck)
            names = ('mean', 'least', 'most', 'stuck')
            result.append({n: round(float(value), 4) for n, value in zip(names, values)})
        return result

    def _projection(self, student: GaitNetwork, teacher: GaitNetwork) -> nn.Module:
        config = self._config
        same = student.width == teacher.width and config.project == 'unequal'
        if same or not (config.boundary or config.feature):
            return nn.Identity()
        with torch.random.fork_rng(devices=[]):
            return SeparateLinear(self._kept, student.width, teacher.width)

    def _counted(self, name: str, number: int) -> int:
        """How many values of a term were added up."""
        averaged = self._config.combine == 'averaged'
        return 1 if averaged and name in ('decision', 'logit', 'decoupled') else number

    def _targets(self, told: Sequence[GaitAnswer]) -> list[tuple[Tensor, Tensor]]:
        """(logits, probabilities) of each teacher, (n, people, kept); one pair if averaged."""
        if not (self._config.decision or self._config.logit or self._config.decoupled):
            return []
        found = []
        for k, one in enumerate(told):
            table = self.get_buffer(f'table{k}')
            with torch.no_grad():
                shares = losses.probabilities(one.logits, self._scale, self._config.temperature)
                both = (one.logits.float(), shares)
                found.append(tuple(alignment.mixed(values, table) for values in both))
        if self._config.combine == 'averaged':
            found = [tuple(torch.stack(values).mean(0) for values in zip(*found))]
        return [(logits, shares) for logits, shares in found]

    def _decided(
        self, student: Tensor, teacher: Tensor, wanted: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        config, scale = self._config, self._scale
        found: dict[str, Tensor] = {}
        if config.decision:
            found['decision'] = losses.decision(student, wanted, scale, config.temperature)
        if config.logit:
            found['logit'] = losses.logit(student, teacher, scale)
        if config.decoupled:
            own, others = losses.decoupled(student, wanted, labels, scale, config.temperature)
            found['decoupled'] = config.target * own + config.others * others
        return found

    def _embedded(self, k: int, answer: GaitAnswer, told: GaitAnswer) -> dict[str, Tensor]:
        config = self._config
        found: dict[str, Tensor] = {}
        if config.boundary or config.feature:
            table = self.get_buffer(f'table{k}')
            wanted = told.embedding.detach().float()
            project, own = self.projections[k], answer.embedding[:, :, : self._kept].float()
            if config.feature:
                found['feature'] = losses.feature(project(own), alignment.mixed(wanted, table))
            if config.boundary:
                if config.centre != 'none':
                    wanted = wanted - self.get_buffer(f'centre{k}')
                if config.centre == 'both':
                    mean = self._student[0].neck.mean.detach()
                    own = own - mean[:, : self._kept]
                wanted = alignment.mixed(wanted, table)
                self._count(k, wanted)
                found['boundary'] = losses.boundary(project(own), wanted, config.reach)
        if config.attention:
            found['attention'] = losses.attention(answer.maps, told.maps)
        return found

    @torch.no_grad()
    def _count(self, k: int, wanted: Tensor) -> None:
        if self.training:
            self.get_buffer(f'positive{k}').add_((wanted > 0).sum(0))
            if k == 0:
                self.seen.add_(len(wanted))
