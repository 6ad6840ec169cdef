"""OSNet (Zhou et al., Omni-Scale Feature Learning for Person Re-Identification, ICCV 2019).

Layers and names are those of torchreid, so that its public weights fit.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from reid_ros.train.nets.encoder import Encoder
from reid_ros.train.nets.parts import begin, pooled, strides, unit
from reid_ros.train.settings import NetConfig

WIDTHS = (64, 256, 384, 512)
"""Channels of the stem and the three stages at full width."""
FEATURE = 512
"""Length of the feature, whatever the width."""
NARROW = 4
"""What a block divides its channels by, within."""
GATE = 16
"""What a gate divides them by."""


class Light(nn.Module):
    """A 3 x 3 convolution in two: all channels at one place, then one channel over 3 x 3."""

    def __init__(self, channels: int) -> None:
        """For maps of that many channels."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.act = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """(n, c, h, w) -> the same shape."""
        found: Tensor = self.act(self.bn(self.conv2(self.conv1(maps))))
        return found


class Gate(nn.Module):
    """Weighs channels by what the whole map says; shared by the streams of a block."""

    def __init__(self, channels: int) -> None:
        """For maps of that many channels."""
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // GATE, 1)
        self.act = nn.ReLU()
        self.fc2 = nn.Conv2d(channels // GATE, channels, 1)
        self.open = nn.Sigmoid()

    def forward(self, maps: Tensor) -> Tensor:
        """(n, c, h, w) -> the same shape."""
        middle = self.act(self.fc1(maps.mean((2, 3), keepdim=True)))
        found: Tensor = maps * self.open(self.fc2(middle))
        return found


class Block(nn.Module):
    """Four streams of one to four light convolutions, gated, summed: the omni-scale block."""

    def __init__(self, inner: int, outer: int) -> None:
        """Between maps of that many channels."""
        super().__init__()
        middle = outer // NARROW
        self.conv1 = unit(inner, middle, 1)
        self.conv2a = Light(middle)
        self.conv2b = nn.Sequential(*(Light(middle) for _ in range(2)))
        self.conv2c = nn.Sequential(*(Light(middle) for _ in range(3)))
        self.conv2d = nn.Sequential(*(Light(middle) for _ in range(4)))
        self.gate = Gate(middle)
        self.conv3 = unit(middle, outer, 1, act=False)
        self.downsample = unit(inner, outer, 1, act=False) if inner != outer else None
        self.act = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """(n, inner, h, w) -> (n, outer, h, w)."""
        first = self.conv1(maps)
        summed = self.gate(self.conv2a(first)) + self.gate(self.conv2b(first))
        summed = summed + self.gate(self.conv2c(first)) + self.gate(self.conv2d(first))
        under = maps if self.downsample is None else self.downsample(maps)
        found: Tensor = self.act(self.conv3(summed) + under)
        return found


def stage(inner: int, outer: int, stride: int, shrinks: bool) -> nn.Sequential:
    """Two blocks and, where the published stage shrinks its map, what does it.

    At stride 1 that stage keeps its convolution, so that weights fit.
    """
    parts: list[nn.Module] = [Block(inner, outer), Block(outer, outer)]
    if shrinks:
        down: list[nn.Module] = [unit(outer, outer, 1)]
        parts.append(nn.Sequential(*down, *([nn.AvgPool2d(2)] if stride == 2 else [])))
    return nn.Sequential(*parts)


class OSNet(Encoder):
    """The network down to its 512-long feature, at any width; cells of 16 pixels as published."""

    def __init__(self, share: float, settings: NetConfig, size: tuple[int, int]) -> None:
        """Make it with random weights; takes crops of any size.

        Args:
            share: of the full width: 0.25, 0.5, 0.75, 1.0.
            settings: its stride.
            size: not looked at.
        """
        super().__init__()
        self.width = FEATURE
        steps = strides(settings.encoder, settings.stride, (2, 2, 2, 2))
        stem, *widths = (int(width * share) for width in WIDTHS)
        self.conv1 = unit(3, stem, 7, steps[0])
        self.maxpool = nn.MaxPool2d(3, steps[1], 1)
        self.conv2 = stage(stem, widths[0], steps[2], True)
        self.conv3 = stage(widths[0], widths[1], steps[3], True)
        self.conv4 = stage(widths[1], widths[2], 1, False)
        self.conv5 = unit(widths[2], widths[2], 1)
        line = nn.Linear(widths[2], FEATURE)
        self.fc = nn.Sequential(line, nn.BatchNorm1d(FEATURE), nn.ReLU())
        begin(self)
        nn.init.normal_(line.weight, std=0.01)
        nn.init.zeros_(line.bias)

    def forward(self, images: Tensor, cameras: Tensor | None = None) -> Tensor:
        """(n, 3, h, w) -> (n, 512)."""
        maps = self.conv4(self.conv3(self.conv2(self.maxpool(self.conv1(images)))))
        found: Tensor = self.fc(pooled(self.conv5(maps)))
        return found


NETWORKS = {
    f'osnet_x{str(share).replace(".", "_")}': partial(OSNet, share)
    for share in (0.25, 0.5, 0.75, 1.0)
}
