"""Which cells, anchors and regions answer for whom."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reid_ros.train.search.data.batches import Truth
from reid_ros.train.search.nets.geometry import pairwise
from reid_ros.train.search.oim import NOBODY

ALPHA, BETA = 0.5, 6.0
"""Powers of score and overlap: how well a cell does (Feng et al., TOOD, ICCV 2021; as YOLOv8)."""
ANCHOR, EMPTY = 0.7, 0.3
"""Overlap from which an anchor shows somebody, and below which nobody (Ren et al.)."""
REGION = 0.5


@dataclass(frozen=True, slots=True)
class Cells:
    """Whom cells answer for.

    Attributes:
        rows: (n, c) int64 row of the person in the picture; -1 = nobody.
        quality: (n, c) score that the cell should give, 0 to 1.
    """

    rows: Tensor
    quality: Tensor


@dataclass(frozen=True, slots=True)
class Anchors:
    """Which anchors are learnt from.

    Attributes:
        rows: (n, a) int64 row of the nearest person.
        shown: (n, a) those chosen that show somebody.
        empty: (n, a) those chosen that show nobody.
    """

    rows: Tensor
    shown: Tensor
    empty: Tensor


@dataclass(frozen=True, slots=True)
class Regions:
    """Which regions are looked at.

    Attributes:
        boxes: (n, k, 4) pixels.
        kinds: (n, k) int64 1 = somebody, 0 = nobody, -1 = not known.
        rows: (n, k) int64 row of the person in the picture.
        people: (n, k) labels; NOBODY but where somebody is shown.
    """

    boxes: Tensor
    kinds: Tensor
    rows: Tensor
    people: Tensor


@torch.no_grad()
def cells(logits: Tensor, boxes: Tensor, middles: Tensor, truth: Truth, candidates: int) -> Cells:
    """The cells within a person that do best, by score and overlap, answer for it.

    Args:
        logits: (n, c) of somebody.
        boxes: (n, c, 4) that the cells give.
        middles: (c, 2) of the cells.
        truth: who stands where.
        candidates: cells of a person, at most.
    """
    true = truth.boxes[:, :, None]
    within = ((middles > true[..., :2]) & (middles < true[..., 2:])).all(-1)
    far = (middles - 0.5 * (true[..., :2] + true[..., 2:])).square().sum(-1)
    # Who is smaller than a cell may lie between all middles.
    within |= far <= far.amin(2, keepdim=True)
    within &= truth.there[..., None]
    overlap = pairwise(truth.boxes, boxes)
    metric = torch.sigmoid(logits.float())[:, None] ** ALPHA * overlap**BETA
    # A first cell is near the middle where no box overlaps yet.
    metric = (metric + 1e-9 / (1.0 + far)) * within
    best = metric.topk(min(candidates, metric.shape[2]), dim=2).indices
    mine = torch.zeros_like(within).scatter_(2, best, True) & within
    rows = torch.where(mine, overlap, -1.0).argmax(1)
    rows = torch.where(mine.any(1), rows, -1)
    mine = rows[:, None] == torch.arange(mine.shape[1], device=rows.device)[:, None]
    metric, overlap = metric * mine, overlap * mine
    share = metric / metric.amax(2, keepdim=True).clamp(min=1e-12)
    return Cells(rows, (share * overlap.amax(2, keepdim=True)).amax(1))


@torch.no_grad()
def anchors(boxes: Tensor, truth: Truth, number: int, draw: torch.Generator) -> Anchors:
    """Some anchors of each picture, at most half of which show somebody.

    Args:
        boxes: (a, 4).
        truth: who stands where.
        number: of each picture.
        draw: draws them, on the CPU.
    """
    overlap = pairwise(boxes[None], truth.boxes) * truth.there[:, None]
    most, rows = overlap.max(2)
    nearest = (overlap >= overlap.amax(1, keepdim=True)) & (overlap > 0)
    shown = ((most >= ANCHOR) | nearest.any(2)) & truth.labelled[:, None]
    # An anchor that is the best for somebody answers for them, though it is nearer to another.
    rows = torch.where(nearest.any(2), torch.where(nearest, overlap, -1.0).argmax(2), rows)
    empty = (most < EMPTY) & ~shown & truth.labelled[:, None]
    shown = _some(shown, torch.full((len(shown),), number // 2), draw)
    return Anchors(rows, shown, _some(empty, number - shown.sum(1).cpu(), draw))


def _some(flags: Tensor, number: Tensor, draw: torch.Generator) -> Tensor:
    """(n, a) at most so many of each row of flags, any."""
    keys = torch.rand(flags.shape, generator=draw).to(flags.device)
    rank = torch.where(flags, keys, 2.0).argsort(1).argsort(1)
    return flags & (rank < number[:, None].to(flags.device))


@torch.no_grad()
def regions(
    proposals: list[Tensor], truth: Truth, number: int, share: float, draw: torch.Generator
) -> Regions:
    """So many of the proposals and true boxes of each picture, any; some come twice if need be.

    Args:
        proposals: of each picture (k, 4).
        truth: who stands where.
        number: of each picture.
        share: of them that may show somebody.
        draw: draws them, on the CPU.
    """
    parts = []
    for k, own in enumerate(proposals):
        true = truth.boxes[k][truth.there[k]]
        both = torch.cat([true, own])
        if not len(both):
            both = own.new_tensor([[0.0, 0.0, 16.0, 16.0]])
        overlap = pairwise(both, true)
        most, rows = overlap.max(1) if len(true) else (both.new_zeros(len(both)), None)
        shown = most >= REGION
        mine = _picked(shown, round(share * number), draw)
        rest = _picked(~shown, number - len(mine), draw)
        chosen = torch.cat([mine, rest])
        again = torch.arange(number, device=chosen.device) % len(chosen)
        kinds = shown[chosen].long()[again]
        kinds[len(chosen) :] = -1
        if not bool(truth.labelled[k]):
            kinds[:] = -1
        chosen = chosen[again]
        who = torch.zeros_like(chosen) if rows is None else rows[chosen]
        places = torch.nonzero(truth.there[k])[:, 0]
        who = places[who] if len(places) else who
        people = torch.where(kinds == 1, truth.people[k][who], NOBODY)
        parts.append((both[chosen], kinds, who, people))
    boxes, kinds, rows, people = (torch.stack(column) for column in zip(*parts))
    return Regions(boxes, kinds, rows, people)


def _picked(flags: Tensor, number: int, draw: torch.Generator) -> Tensor:
    """At most so many numbers of those that are flagged, any."""
    found = torch.nonzero(flags)[:, 0]
    order = torch.randperm(len(found), generator=draw)[: max(number, 0)]
    return found[order.to(found.device)]
