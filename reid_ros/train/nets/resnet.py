"""ResNets (He et al., Deep Residual Learning for Image Recognition, CVPR 2016).

Layers and names are those of torchvision, so that its public weights fit: in a bottleneck the
3 x 3 convolution has the stride. At `net.stride` 16 the last stage keeps its map's size, as usual
in re-identification (Sun et al., PCB, ECCV 2018).
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.nets.encoder import Encoder
from reid_ros.train.nets.parts import begin, pooled, strides
from reid_ros.train.settings import NetConfig

STEM = 64
EXPANSION = 4
"""How much wider a bottleneck's output is than its middle."""


def shortcut(inner: int, outer: int, stride: int) -> nn.Sequential | None:
    """What fits a block's input to its output; None where it fits already."""
    if inner == outer and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))


class Basic(nn.Module):
    """Two 3 x 3 convolutions and a sum."""

    def __init__(self, inner: int, width: int, stride: int) -> None:
        """From `inner` channels to `width`."""
        super().__init__()
        self.conv1 = nn.Conv2d(inner, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(inner, width, stride)
        self.outer = width

    def forward(self, maps: Tensor) -> Tensor:
        """(n, inner, h, w) -> (n, width, h / stride, w / stride)."""
        found = functional.relu(self.bn1(self.conv1(maps)))
        found = self.bn2(self.conv2(found))
        under = maps if self.downsample is None else self.downsample(maps)
        return functional.relu(found + under)


class Bottleneck(nn.Module):
    """A 3 x 3 convolution between two of 1 x 1, and a sum."""

    def __init__(self, inner: int, width: int, stride: int) -> None:
        """From `inner` channels to 4 `width`, by way of `width`."""
        super().__init__()
        self.outer = width * EXPANSION
        self.conv1 = nn.Conv2d(inner, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, self.outer, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.outer)
        self.downsample = shortcut(inner, self.outer, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """(n, inner, h, w) -> (n, 4 width, h / stride, w / stride)."""
        found = functional.relu(self.bn1(self.conv1(maps)))
        found = functional.relu(self.bn2(self.conv2(found)))
        found = self.bn3(self.conv3(found))
        under = maps if self.downsample is None else self.downsample(maps)
        return functional.relu(found + under)


class ResNet(Encoder):
    """The network without its classifier: the mean of the last map."""

    def __init__(
        self,
        block: type[Basic] | type[Bottleneck],
        counts: tuple[int, int, int, int],
        settings: NetConfig,
        size: tuple[int, int],
    ) -> None:
        """Make it with random weights; takes crops of any size.

        Args:
            block: of which kind.
            counts: how many of them in each stage.
            settings: its stride.
            size: not looked at.
        """
        super().__init__()
        steps = strides(settings.encoder, settings.stride, (2, 2, 1, 2, 2, 2))
        self.conv1 = nn.Conv2d(3, STEM, 7, steps[0], 3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.maxpool = nn.MaxPool2d(3, steps[1], 1)
        stages, inner = [], STEM
        for number, (count, stride) in enumerate(zip(counts, steps[2:])):
            blocks = []
            for index in range(count):
                blocks.append(block(inner, STEM << number, 1 if index else stride))
                inner = blocks[-1].outer
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.width = inner
        begin(self)

    def forward(self, images: Tensor, cameras: Tensor | None = None) -> Tensor:
        """(n, 3, h, w) -> (n, width)."""
        maps = self.maxpool(functional.relu(self.bn1(self.conv1(images))))
        return pooled(self.layer4(self.layer3(self.layer2(self.layer1(maps)))))


NETWORKS = {
    'resnet18': partial(ResNet, Basic, (2, 2, 2, 2)),
    'resnet26': partial(ResNet, Bottleneck, (2, 2, 2, 2)),
    'resnet34': partial(ResNet, Basic, (3, 4, 6, 3)),
    'resnet50': partial(ResNet, Bottleneck, (3, 4, 6, 3)),
}
