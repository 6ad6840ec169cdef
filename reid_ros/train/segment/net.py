"""A small network from the crop of a person to the person's mask.

A U (Ronneberger et al., U-Net, MICCAI 2015) of plain 3 x 3 convolutions: CPUs run them near their
peak, and 8-bit ones at twice to four times that; depthwise ones of the same FLOPs wait for memory.
The crop is never looked at in full size: the last map, of half the size, holds the four pixels of
each of its cells (Shi et al., sub-pixel convolution, CVPR 2016).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reid_ros.train.nets.network import Pixels
from reid_ros.train.nets.parts import begin, unit
from reid_ros.train.segment.settings import SegmentNet

COMMON = 0.25
"""Share of a crop that is body: where the last layer begins."""


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        """Of that many channels."""
        super().__init__()
        self.first = unit(width, width, 3)
        self.second = unit(width, width, 3, act=False)
        self.act = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        found: Tensor = self.act(maps + self.second(self.first(maps)))
        return found


class Rise(nn.Module):
    """One level up: the deeper map, enlarged, and the map that was kept there, added."""

    def __init__(self, deep: int, width: int) -> None:
        """From so many channels to so many."""
        super().__init__()
        self.narrow = unit(deep, width, 1, act=False)
        self.grow = nn.Upsample(scale_factor=2, mode='nearest')
        self.act = nn.ReLU()
        self.mix = unit(width, width, 3)

    def forward(self, deep: Tensor, kept: Tensor) -> Tensor:
        """(n, deep, h, w), (n, c, 2h, 2w) -> (n, c, 2h, 2w)."""
        found: Tensor = self.mix(self.act(self.grow(self.narrow(deep)) + kept))
        return found


class Segmenter(nn.Module):
    """Crops to masks.

    Attributes:
        settings: what it was made of.
        size: height and width of the crops, pixels.
    """

    def __init__(self, settings: SegmentNet, size: tuple[int, int]) -> None:
        """Make it, with random weights.

        Args:
            settings: which.
            size: height and width of the crops, pixels.
        """
        super().__init__()
        self.settings, self.size = settings, size
        widths = settings.widths
        self.pixels = Pixels()
        self.down = nn.ModuleList()
        inner = 3
        for level, width in enumerate(widths):
            deep = level >= len(widths) - 2
            blocks = [Block(width) for _ in range(settings.depth if deep else level)]
            self.down.append(nn.Sequential(unit(inner, width, 3, 2), *blocks))
            inner = width
        self.up = nn.ModuleList(
            Rise(deep, width) for deep, width in zip(widths[:0:-1], widths[-2::-1])
        )
        self.last = nn.Conv2d(widths[0], 4, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        begin(self)
        nn.init.normal_(self.last.weight, std=0.01)
        odds = torch.tensor(COMMON / (1 - COMMON))
        nn.init.constant_(self.last.bias, float(torch.log(odds)))  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """(n, h, w, 3) uint8 BGR -> (n, h, w) logits."""
        maps = self.pixels(images)
        kept = []
        for stage in self.down:
            maps = stage(maps)
            kept.append(maps)
        for stage, skip in zip(self.up, kept[-2::-1]):
            maps = stage(maps, skip)
        found: Tensor = self.shuffle(self.last(maps))[:, 0]
        return found


class Masks(nn.Module):
    """A network as a robot asks it: probabilities."""

    def __init__(self, network: Segmenter) -> None:
        """Wrap."""
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(n, h, w, 3) uint8 BGR -> (n, h, w), 0 to 1."""
        return torch.sigmoid(self.network(images))
