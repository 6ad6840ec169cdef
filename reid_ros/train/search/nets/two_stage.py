"""The network of Xiao et al. (CVPR 2017), which the paper distils: regions are proposed, cut out
of the map, and looked at one by one.

Backbone to cells of 16 pixels -> proposals (Ren et al., Faster R-CNN, NIPS 2015) -> what the map
shows in each -> the rest of the backbone -> class, box and vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_ros.boxes import nms
from reid_ros.train.search.configs import SearchNetConfig
from reid_ros.train.search.nets.geometry import anchors, cells, cut, decoded, inside
from reid_ros.train.search.nets.searcher import Detected, Searcher, unit
from reid_ros.train.search.oim import Table
from reid_ros.types import ReidError

STRIDE = 16
BEFORE, OVERLAP = 600, 0.7
"""Proposals that suppression is done among, and the overlap above which the weaker one goes."""
LEAST_PX = 2.0
SPREAD = (0.1, 0.1, 0.2, 0.2)
"""What distances of boxes to regions are measured in, as in Faster R-CNN's code."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What the map of n pictures says of all a anchors.

    Attributes:
        maps: (n, c, h, w) the base feature map, what a student takes as a hint.
        logits: (n, a) that somebody stands there.
        deltas: (n, a, 4) how far, as `geometry.encoded` has it.
    """

    maps: Tensor
    logits: Tensor
    deltas: Tensor


@dataclass(frozen=True, slots=True)
class Looked:
    """What is said of k regions of n pictures.

    Attributes:
        logits: (n, k, 2) of nobody and of a person.
        deltas: (n, k, 4) in units of SPREAD.
        vectors: (n, k, d) of unit length; d is 0 for a detector alone.
    """

    logits: Tensor
    deltas: Tensor
    vectors: Tensor


class TwoStage(Searcher):
    """See above.

    Attributes:
        anchors: (a, 4) pixels.
    """

    anchors: Tensor

    def __init__(
        self,
        settings: SearchNetConfig,
        size: tuple[int, int],
        table: Table | None,
        pretrained: bool = False,
    ) -> None:
        """Make it; arguments as of `Searcher`.

        Raises:
            ReidError: more blocks below the regions than there are, no two numbers of rows and
                columns, or weights that cannot be had.
        """
        super().__init__(settings, size, table, pretrained)
        blocks = len(self.backbone.middle)
        if settings.below > blocks:
            raise ReidError(f'net.below: {settings.below} is outside 0 to {blocks} blocks')
        if len(settings.pool) != 2 or min(settings.pool) < 2:
            raise ReidError(f'net.pool: {list(settings.pool)} is not rows and columns from 2')
        self._below = settings.below or blocks
        _, middle, high = self.backbone.widths
        kinds = len(settings.sizes) * len(settings.ratios)
        self.propose = nn.Conv2d(middle, settings.hidden, 3, padding=1)
        self.objects = nn.Conv2d(settings.hidden, kinds, 1)
        self.moves = nn.Conv2d(settings.hidden, 4 * kinds, 1)
        self.kind = nn.Linear(high, 2)
        self.move = nn.Linear(high, 4)
        self.embed = nn.Linear(high, settings.embed) if settings.embed else None
        layers: list[tuple[nn.Conv2d | nn.Linear, float]] = [
            (self.propose, 0.01), (self.objects, 0.01), (self.moves, 0.01), (self.kind, 0.01),
            (self.move, 0.001),
        ]  # fmt: skip
        for layer, spread in layers:
            nn.init.normal_(layer.weight, std=spread)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        middles = cells(*size, STRIDE)
        found = anchors(middles, settings.sizes, settings.ratios)
        self.register_buffer('anchors', found, persistent=False)

    def forward(self, images: Tensor) -> Proposed:
        """(n, h, w, 3) uint8 BGR -> what is said of every anchor."""
        maps = self.backbone.low(self.pixels(images))
        maps = self.backbone.middle[: self._below](maps)
        hidden = functional.relu(self.propose(maps))
        n = len(images)
        # Cell by cell, as anchors are.
        logits = self.objects(hidden).permute(0, 2, 3, 1).reshape(n, -1)
        deltas = self.moves(hidden).permute(0, 2, 3, 1).reshape(n, -1, 4)
        return Proposed(maps, logits.float(), deltas.float())

    def look(self, maps: Tensor, regions: Tensor) -> Looked:
        """Look at (n, k, 4) regions of the maps of n pictures."""
        n, k = regions.shape[:2]
        rows, columns = self.settings.pool
        found = cut(maps, regions, (rows, columns), STRIDE).flatten(0, 1)
        found = self.backbone.high(self.backbone.middle[self._below :](found)).mean((2, 3))
        found = found.view(n, k, -1)
        who = found[..., :0] if self.embed is None else unit(self.embed(found))
        return Looked(self.kind(found).float(), self.move(found).float(), who)

    @torch.no_grad()
    def proposals(self, proposed: Proposed, most: int) -> list[Tensor]:
        """Of each picture, at most so many boxes that do not overlap much, the best first."""
        result = []
        for logits, deltas in zip(proposed.logits, proposed.deltas):
            best = logits.topk(min(BEFORE, len(logits))).indices
            boxes = inside(decoded(deltas[best], self.anchors[best]), self.size)
            boxes = boxes[((boxes[:, 2:] - boxes[:, :2]) >= LEAST_PX).all(1)]
            plain = boxes.cpu().numpy()
            order = -np.arange(len(plain), dtype=np.float32)
            kept = nms(plain, order, OVERLAP, most)
            result.append(boxes[torch.from_numpy(kept).to(boxes.device)])
        return result

    def detect(self, images: Tensor) -> Detected:
        """(n, h, w, 3) uint8 BGR -> the proposals of each, looked at."""
        proposed: Proposed = self(images)
        found = self.proposals(proposed, self.settings.answers)
        regions = torch.nn.utils.rnn.pad_sequence(found, batch_first=True)
        there = torch.zeros(regions.shape[:2], dtype=torch.bool, device=regions.device)
        for row, boxes in enumerate(found):
            there[row, : len(boxes)] = True
        looked = self.look(proposed.maps, regions)
        scores = torch.where(there, looked.logits.softmax(-1)[..., 1], 0.0)
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        boxes = inside(self.moved(looked.deltas, regions), self.size)
        return Detected(_taken(boxes, order), scores, _taken(looked.vectors, order))

    def describe(self, images: Tensor, boxes: Tensor) -> Tensor:
        """Who stands in given boxes."""
        proposed: Proposed = self(images)
        return self.look(proposed.maps, boxes).vectors

    @staticmethod
    def moved(deltas: Tensor, regions: Tensor) -> Tensor:
        """(..., 4) boxes of regions."""
        return decoded(deltas * deltas.new_tensor(SPREAD), regions)

    def hinted(self) -> tuple[int, ...]:
        """Channels of the maps that a student takes as a hint."""
        return (self.backbone.widths[1],)


def _taken(values: Tensor, order: Tensor) -> Tensor:
    return values.gather(1, order[..., None].expand(-1, -1, values.shape[2]))
