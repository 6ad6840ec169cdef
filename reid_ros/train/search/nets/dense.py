"""A network that asks every cell of a map whether somebody stands there, where, and who.

Without anchors, as Tian et al. (FCOS, ICCV 2019) and, with vectors, Yan et al. (Anchor-Free Person
Search, CVPR 2021): one graph without loops, whose answer has one size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.nets.parts import begin
from reid_ros.train.nets.parts import unit as convolution
from reid_ros.train.search.configs import SearchNetConfig
from reid_ros.train.search.nets.geometry import cells, inside, pairwise
from reid_ros.train.search.nets.searcher import Detected, Searcher, unit
from reid_ros.train.search.oim import Table
from reid_ros.types import ReidError

LIKELY = 0.01
"""Share of cells that show somebody, with which training begins."""
SIDES = (1.0, 2.5, 1.0, 2.5)
"""Of a box in cells to the left, above, to the right and below, with which training begins."""


@dataclass(frozen=True, slots=True)
class DenseAnswer:
    """What all c cells of n pictures say, level by level.

    Attributes:
        logits: (n, c) that somebody stands there.
        boxes: (n, c, 4) pixels.
        features: (n, c, width) of who it is.
        maps: of each level, (n, width, h, w), what a student takes as a hint.
    """

    logits: Tensor
    boxes: Tensor
    features: Tensor
    maps: tuple[Tensor, ...]


class Dense(Searcher):
    """See above.

    Attributes:
        middles: (c, 2) of the cells, pixels.
        steps: (c,) pixels of a cell.
    """

    middles: Tensor
    steps: Tensor

    def __init__(
        self,
        settings: SearchNetConfig,
        size: tuple[int, int],
        table: Table | None,
        pretrained: bool = False,
    ) -> None:
        """Make it; arguments as of `Searcher`.

        Raises:
            ReidError: strides that it cannot have, or weights that cannot be had.
        """
        super().__init__(settings, size, table, pretrained)
        if tuple(settings.strides) not in ((8,), (16,), (8, 16)):
            raise ReidError(
                f'net.strides: {list(settings.strides)}; a dense head has [8], [16] or [8, 16]'
            )
        width = settings.width
        # The backbone has weights already; everything else begins here.
        self.neck = Neck(self.backbone.widths, width, settings.strides)
        self.where = _tower(width, settings.depth)
        self.score = nn.Conv2d(width, 1, 1)
        self.sides = nn.Conv2d(width, 4, 1)
        for part in (self.neck, self.where, self.score, self.sides):
            begin(part)
        for layer in (self.score, self.sides):
            nn.init.normal_(layer.weight, std=0.01)
        nn.init.constant_(_bias(self.score), -math.log((1 - LIKELY) / LIKELY))
        with torch.no_grad():
            _bias(self.sides).copy_(torch.log(torch.expm1(torch.tensor(SIDES))))
        self.who = _tower(width, settings.depth) if settings.embed else None
        self.embed = nn.Linear(width, settings.embed) if settings.embed else None
        if self.who is not None:
            begin(self.who)
        found = [cells(*size, stride) for stride in settings.strides]
        steps = [torch.full((len(f),), float(s)) for f, s in zip(found, settings.strides)]
        self.register_buffer('middles', torch.cat(found), persistent=False)
        self.register_buffer('steps', torch.cat(steps), persistent=False)

    def forward(self, images: Tensor) -> DenseAnswer:
        """(n, h, w, 3) uint8 BGR -> what every cell says."""
        maps = self.neck(*self.backbone(self.pixels(images)))
        logits, sides, features = [], [], []
        for level in maps:
            found = self.where(level)
            logits.append(self.score(found).flatten(1))
            sides.append(functional.softplus(self.sides(found).float()).flatten(2))
            if self.who is not None:
                features.append(self.who(level).flatten(2))
        reach = torch.cat(sides, 2).transpose(1, 2) * self.steps[:, None]
        low, high = self.middles - reach[..., :2], self.middles + reach[..., 2:]
        who = torch.cat(features, 2).transpose(1, 2) if features else reach[..., :0]
        return DenseAnswer(torch.cat(logits, 1), torch.cat([low, high], -1), who, maps)

    def vectors(self, features: Tensor) -> Tensor:
        """(..., width) -> (..., d) of unit length."""
        return features[..., :0] if self.embed is None else unit(self.embed(features.float()))

    def detect(self, images: Tensor) -> Detected:
        """(n, h, w, 3) uint8 BGR -> the best cells of each."""
        answer: DenseAnswer = self(images)
        number = min(self.settings.answers, answer.logits.shape[1])
        logits, rows = answer.logits.float().topk(number, dim=1)
        boxes = answer.boxes.gather(1, rows[..., None].expand(-1, -1, 4))
        wide = rows[..., None].expand(-1, -1, answer.features.shape[2])
        vectors = self.vectors(answer.features.gather(1, wide))
        return Detected(inside(boxes, self.size), torch.sigmoid(logits), vectors)

    def describe(self, images: Tensor, boxes: Tensor) -> Tensor:
        """Who stands in given boxes: what the cell says that is sure of about this box.

        Where no cell found anything like it, the cell in its middle speaks.
        """
        answer: DenseAnswer = self(images)
        near = pairwise(boxes, answer.boxes) * torch.sigmoid(answer.logits.float())[:, None]
        middles = 0.5 * (boxes[..., :2] + boxes[..., 2:])
        far = (self.middles - middles[:, :, None]).square().sum(-1).sqrt()
        rows = (near - 1e-6 * far).argmax(2)
        return self.vectors(
            answer.features.gather(1, rows[..., None].expand(-1, -1, answer.features.shape[2]))
        )

    def rescale(self, scale: float, shift: float) -> None:
        """Take scale * logit + shift for the logit of each score from now on."""
        with torch.no_grad():
            self.score.weight.mul_(scale)
            _bias(self.score).mul_(scale).add_(shift)

    def hinted(self) -> tuple[int, ...]:
        """Channels of the maps that a student takes as a hint."""
        return (self.settings.width,) * len(self.settings.strides)


class Neck(nn.Module):
    """Maps of all levels as wide as each other, each knowing what the deeper ones see.

    Lin et al., Feature Pyramid Networks, CVPR 2017.
    """

    def __init__(self, widths: tuple[int, int, int], width: int, strides: tuple[int, ...]) -> None:
        """From maps of cells of 8, 16 and 32 pixels to those of these strides."""
        super().__init__()
        self.strides = strides
        # The finest map is not looked at where nobody asks for it.
        self.low = convolution(widths[0], width, 1, act=False) if 8 in strides else None
        self.middle = convolution(widths[1], width, 1, act=False)
        self.high = convolution(widths[2], width, 1, act=False)
        self.grow = nn.Upsample(scale_factor=2, mode='nearest')
        self.mix = nn.ModuleList(convolution(width, width, 3) for _ in strides)

    def forward(self, low: Tensor, middle: Tensor, high: Tensor) -> tuple[Tensor, ...]:
        """Three maps -> one of each stride."""
        deep = self.middle(middle) + self._grown(self.high(high), middle)
        levels = {16: deep}
        if self.low is not None:
            levels[8] = self.low(low) + self.grow(deep)
        return tuple(mix(levels[stride]) for mix, stride in zip(self.mix, self.strides))

    def _grown(self, high: Tensor, middle: Tensor) -> Tensor:
        """Twice as large; an odd number of cells of 16 pixels loses half a cell of 32."""
        grown: Tensor = self.grow(high)
        return grown[..., : middle.shape[-2], : middle.shape[-1]]


def _tower(width: int, depth: int) -> nn.Sequential:
    """Pairs of a depthwise and a plain convolution: a ninth of the work of full ones."""
    layers = [
        nn.Sequential(
            convolution(width, width, 3, groups=width, act=False), convolution(width, width, 1)
        )
        for _ in range(depth)
    ]
    return nn.Sequential(*layers)


def _bias(layer: nn.Conv2d) -> Tensor:
    if layer.bias is None:
        raise ReidError('a layer that answers needs a bias')
    return layer.bias
