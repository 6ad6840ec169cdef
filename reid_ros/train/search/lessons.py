"""The loss of a batch: where people are, who they are, and what a detector says of both."""

from __future__ import annotations

from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.search import assign
from reid_ros.train.search.configs import SearchDistilConfig, SearchLossConfig
from reid_ros.train.search.data.batches import SearchBatch, Truth
from reid_ros.train.search.detector import (
    Adapters,
    Teacher,
    bounded,
    soft_classes,
    soft_sigmoid,
)
from reid_ros.train.search.nets.dense import Dense, DenseAnswer
from reid_ros.train.search.nets.geometry import encoded, generalised
from reid_ros.train.search.nets.searcher import Searcher, unit
from reid_ros.train.search.nets.two_stage import SPREAD, Looked, Proposed, TwoStage
from reid_ros.train.search.oim import Table
from reid_ros.train.task import Place

BEND = 1.0 / 9.0
"""Where the loss of anchors' distances turns from square to straight (Ren et al.)."""

Parts = dict[str, Tensor]
S = TypeVar('S', bound=Searcher)


class Lesson(Generic[S]):
    """What a network of one kind learns from a batch."""

    def __init__(
        self,
        network: S,
        place: Place,
        loss: SearchLossConfig,
        distil: SearchDistilConfig,
        teacher: Teacher | None,
        adapters: Adapters | None,
    ) -> None:
        """Of a network, and of a teacher with its adapters where there is one."""
        self._network, self._precision = network, place.precision
        self._loss, self._distil = loss, distil
        self._teacher, self._adapters = teacher, adapters

    def __call__(self, forward: nn.Module, batch: SearchBatch, draw: torch.Generator) -> Parts:
        """The terms of the loss, weighted, by name; the table has learnt from the batch, too.

        Args:
            forward: the network, or what makes several processes learn it together.
            batch: on the network's device.
            draw: for what is chosen at random, on the CPU.
        """
        raise NotImplementedError


class DenseLesson(Lesson[Dense]):
    """See `Lesson`; of networks that ask every cell."""

    def __call__(self, forward: nn.Module, batch: SearchBatch, draw: torch.Generator) -> Parts:
        """The terms of the loss."""
        with self._precision.automatic():
            answer: DenseAnswer = forward(batch.images)
        truth, wanted, logits = batch.truth, self._loss, answer.logits.float()
        given = assign.cells(logits, answer.boxes, self._network.middles, truth, wanted.candidates)
        total = given.quality.sum().clamp(min=1.0)
        hard = functional.binary_cross_entropy_with_logits(logits, given.quality, reduction='none')
        classes = (hard * truth.labelled[:, None]).sum() / total
        where = torch.nonzero(given.rows >= 0, as_tuple=True)
        rows = given.rows[where]
        true = truth.boxes[where[0], rows]
        own = answer.boxes[where]
        weight = given.quality[where]
        overlap = (weight * (1.0 - generalised(own, true))).sum() / total
        parts = {'class': wanted.detect * classes, 'box': wanted.detect * wanted.box * overlap}
        table = self._network.table
        if table is not None and wanted.identity:
            features = answer.features[where]
            parts['identity'] = wanted.identity * _who(
                table, self._network.vectors(features), where[0], rows, truth
            )
        if self._teacher is not None:
            parts |= self._taught(batch, answer, parts, given, where, true, total)
        return parts

    def _taught(
        self,
        batch: SearchBatch,
        answer: DenseAnswer,
        parts: Parts,
        given: assign.Cells,
        where: tuple[Tensor, ...],
        true: Tensor,
        total: Tensor,
    ) -> Parts:
        if self._teacher is None or not isinstance(self._teacher.network, Dense):
            return {}
        wanted, dose = self._distil, self._distil.dose
        self._teacher.calls += 1
        with torch.no_grad(), self._teacher.precision.automatic():
            told: DenseAnswer = self._teacher.network(batch.images)
        found: Parts = {}
        if wanted.hint and self._adapters is not None:
            found['hint'] = dose * wanted.hint * self._adapters(answer.maps, told.maps)
        if wanted.classes:
            soft = soft_sigmoid(answer.logits.float(), told.logits.float(), wanted)
            known = batch.truth.labelled
            mixed = self._loss.detect * soft[known].sum() / total - parts['class']
            # Pictures without labels learn from the teacher alone, by as many as it sees there.
            seen = torch.sigmoid(told.logits[~known].float()).sum().clamp(min=1.0)
            alone = (~known).float().mean() * soft[~known].sum() / seen
            found['soft'] = dose * (wanted.classes * mixed + self._loss.detect * alone)
        if wanted.box:
            size = (true[:, 2:] - true[:, :2]).clamp(min=1.0).repeat(1, 2)
            boxes = [(one[where] - true) / size for one in (answer.boxes, told.boxes)]
            nearer = bounded(boxes[0], boxes[1], torch.zeros_like(true), wanted.margin)
            found['bound'] = dose * wanted.box * nearer
        return found


def _who(table: Table, found: Tensor, pictures: Tensor, rows: Tensor, truth: Truth) -> Tensor:
    """Online instance matching of cells; of each person the table sees the mean of its cells."""
    people = truth.people[pictures, rows]
    loss: Tensor = table(found, people)
    # One person in one picture is one look, however many cells have found it.
    key = pictures * truth.people.shape[1] + rows
    each, index = torch.unique(key, return_inverse=True)
    whole = found.detach().new_zeros(len(each), found.shape[1])
    whole.index_add_(0, index, found.detach())
    table.update(unit(whole), truth.people.flatten()[each])
    return loss


class TwoStageLesson(Lesson[TwoStage]):
    """See `Lesson`; of networks that propose regions."""

    def __call__(self, forward: nn.Module, batch: SearchBatch, draw: torch.Generator) -> Parts:
        """The terms of the loss."""
        network, truth, wanted = self._network, batch.truth, self._loss
        with self._precision.automatic():
            proposed: Proposed = forward(batch.images)
        chosen = assign.anchors(network.anchors, truth, wanted.anchors, draw)
        found = network.proposals(proposed, 2 * wanted.regions)
        given = assign.regions(found, truth, wanted.regions, wanted.share, draw)
        with self._precision.automatic():
            looked = network.look(proposed.maps, given.boxes)
        shown = given.kinds == 1
        kinds = functional.cross_entropy(
            looked.logits.flatten(0, 1), given.kinds.flatten(), ignore_index=-1, reduction='sum'
        ) / (given.kinds >= 0).sum().clamp(min=1)
        moves = _moves(network.anchors, chosen, truth)[chosen.shown]
        parts = self._proposing(proposed, chosen, moves)
        parts['class'] = wanted.detect * kinds
        targets = _targets(given, truth)[shown]
        distance = functional.smooth_l1_loss(looked.deltas[shown], targets, reduction='sum')
        parts['box'] = wanted.detect * distance / (given.kinds >= 0).sum().clamp(min=1)
        if network.table is not None and wanted.identity:
            people, vectors = given.people.flatten(), looked.vectors.flatten(0, 1)
            parts['identity'] = wanted.identity * network.table(vectors, people)
            network.table.update(vectors, people)
        if self._teacher is not None:
            parts |= self._taught(batch, proposed, looked, chosen, given, parts, (moves, targets))
        return parts

    def _proposing(self, proposed: Proposed, chosen: assign.Anchors, moves: Tensor) -> Parts:
        both = chosen.shown | chosen.empty
        number = both.sum().clamp(min=1)
        hard = functional.binary_cross_entropy_with_logits(
            proposed.logits[both], chosen.shown[both].float(), reduction='sum'
        )
        distance = functional.smooth_l1_loss(
            proposed.deltas[chosen.shown], moves, beta=BEND, reduction='sum'
        )
        weight = self._loss.detect / number
        return {'object': weight * hard, 'proposal': weight * distance}

    def _taught(
        self,
        batch: SearchBatch,
        proposed: Proposed,
        looked: Looked,
        chosen: assign.Anchors,
        given: assign.Regions,
        parts: Parts,
        true: tuple[Tensor, Tensor],
    ) -> Parts:
        network = self._teacher.network if self._teacher else None
        if self._teacher is None or not isinstance(network, TwoStage):
            return {}
        wanted, dose = self._distil, self._distil.dose
        self._teacher.calls += 1
        with torch.no_grad(), self._teacher.precision.automatic():
            told: Proposed = network(batch.images)
            # The student's regions, not the teacher's own.
            seen: Looked = network.look(told.maps, given.boxes)
        found: Parts = {}
        if wanted.hint and self._adapters is not None:
            found['hint'] = dose * wanted.hint * self._adapters((proposed.maps,), (told.maps,))
        if wanted.classes:
            both = (chosen.shown | chosen.empty) | ~batch.truth.labelled[:, None]
            objects = soft_sigmoid(proposed.logits[both], told.logits[both], wanted)
            kinds = soft_classes(looked.logits, seen.logits, wanted)
            soft = objects.sum() / both.sum().clamp(min=1) + kinds.mean()
            mixed = self._loss.detect * soft - parts['object'] - parts['class']
            found['soft'] = dose * wanted.classes * mixed
        if wanted.box:
            shown, of_region = chosen.shown, given.kinds == 1
            moves, targets = true
            first = bounded(proposed.deltas[shown], told.deltas[shown], moves, wanted.margin)
            second = bounded(
                looked.deltas[of_region], seen.deltas[of_region], targets, wanted.margin
            )
            found['bound'] = dose * wanted.box * (first + second)
        return found


def _moves(anchors: Tensor, chosen: assign.Anchors, truth: Truth) -> Tensor:
    """(n, a, 4) from anchors to the people they show."""
    true = truth.boxes.gather(1, chosen.rows[..., None].expand(-1, -1, 4))
    return encoded(true, anchors.expand_as(true))


def _targets(given: assign.Regions, truth: Truth) -> Tensor:
    """(n, k, 4) from regions to the people they show, in units of SPREAD."""
    true = truth.boxes.gather(1, given.rows[..., None].expand(-1, -1, 4))
    return encoded(true, given.boxes) / true.new_tensor(SPREAD)
