"""Convolutional encoders of silhouettes: GaitBase, DeepGaitV2-P3D and a depthwise one."""

from __future__ import annotations

from torch import Tensor, nn

from reid_ros.train.gait.configs import GaitNetConfig
from reid_ros.train.gait.nets.parts import Encoder, Framewise, stage, stage_in_time, unfolded
from reid_ros.train.nets.parts import begin, unit

STRIDES = (1, 2, 2, 1)
"""Of the four stages: 64 x 44 pixels become 16 x 11 cells."""
WIDER = 2
"""How much wider the middle of a depthwise block is."""


class Base(Framewise):
    """GaitBase: a ResNet-9 without max pooling (Fan et al., OpenGait, CVPR 2023, section 4)."""

    def __init__(self, settings: GaitNetConfig) -> None:
        """Make it with random weights."""
        super().__init__()
        inner = settings.width
        self.stem = unit(1, inner, 3)
        stages = []
        for number, (stride, depth) in enumerate(zip(STRIDES, settings.depths)):
            stages.append(stage(inner, settings.width << number, stride, depth))
            inner = settings.width << number
        self.stages = nn.Sequential(*stages)
        self.width = inner
        begin(self)

    def frames(self, masks: Tensor) -> Tensor:
        """(m, h, w) -> (m, 8 width, h / 4, w / 4)."""
        found: Tensor = self.stages(self.stem(masks[:, None]))
        return found


class DeepP3D(Encoder):
    """DeepGaitV2 with pseudo-3D blocks (Fan et al., arXiv 2303.03301): the first stage is 2-D."""

    framewise = False

    def __init__(self, settings: GaitNetConfig) -> None:
        """Make it with random weights."""
        super().__init__()
        inner = settings.width
        self.stem = unit(1, inner, 3)
        self.first = stage(inner, inner, STRIDES[0], settings.depths[0])
        stages = []
        for number in (1, 2, 3):
            outer = settings.width << number
            stages.append(stage_in_time(inner, outer, STRIDES[number], settings.depths[number]))
            inner = outer
        self.stages = nn.Sequential(*stages)
        self.width = inner
        begin(self)

    def forward(self, walks: Tensor) -> Tensor:
        """(n, t, h, w) -> (n, t, 8 width, h / 4, w / 4)."""
        maps = self.first(self.stem(walks.flatten(0, 1)[:, None]))
        found: Tensor = self.stages(unfolded(maps, walks))
        return found


class Depthwise(nn.Module):
    """Widen, look around channel by channel, narrow, add (Sandler et al., MobileNetV2, 2018)."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        """From `inner` channels to `outer`."""
        super().__init__()
        wide = WIDER * inner
        self.branch = nn.Sequential(
            unit(inner, wide, 1),
            unit(wide, wide, 3, stride, groups=wide),
            unit(wide, outer, 1, act=False),
        )
        self.skip = inner == outer and stride == 1

    def forward(self, maps: Tensor) -> Tensor:
        """(n, inner, h, w) -> (n, outer, h / stride, w / stride)."""
        found: Tensor = self.branch(maps)
        return maps + found if self.skip else found


class Mobile(Framewise):
    """For the smallest machines: the stem halves the frame, all else is depthwise."""

    def __init__(self, settings: GaitNetConfig) -> None:
        """Make it with random weights; the strides of stages are 1, 1, 2, 1 after the stem's 2."""
        super().__init__()
        inner = settings.width
        self.stem = unit(1, inner, 3, 2)
        blocks: list[nn.Module] = []
        for number, (stride, depth) in enumerate(zip((1, 1, 2, 1), settings.depths)):
            outer = settings.width << number
            for k in range(depth):
                blocks.append(Depthwise(inner, outer, 1 if k else stride))
                inner = outer
        self.blocks = nn.Sequential(*blocks, nn.ReLU())
        self.width = inner
        begin(self)

    def frames(self, masks: Tensor) -> Tensor:
        """(m, h, w) -> (m, 8 width, h / 4, w / 4)."""
        found: Tensor = self.blocks(self.stem(masks[:, None]))
        return found
