"""MobileNetV4-Conv-Small (Qin et al., MobileNetV4, ECCV 2024, table of MNv4-Conv-S)."""

from __future__ import annotations

from torch import Tensor, nn

from reid_ros.train.nets.encoder import Encoder
from reid_ros.train.nets.parts import begin, pooled, strides, unit
from reid_ros.train.settings import NetConfig

STEM = 32
DENSE = (((3, 32), (1, 32)), ((3, 96), (1, 64)))
"""Kernel and width of plain convolutions, by stage."""
INVERTED = (
    ((5, 5, 192, 96), *((0, 3, 192, 96),) * 4, (3, 0, 384, 96)),
    (
        (3, 3, 576, 128), (5, 5, 512, 128), (0, 5, 512, 128), (0, 5, 384, 128),
        *((0, 3, 512, 128),) * 2,
    ),
)  # fmt: skip
"""Start kernel, middle kernel (0 = none), inner and outer width of universal blocks, by stage."""
LAST = 960


class Universal(nn.Module):
    """A universal inverted bottleneck: depthwise, widen, depthwise, narrow."""

    def __init__(
        self, start: int, middle: int, channels: tuple[int, int, int], stride: int
    ) -> None:
        """Make it.

        Args:
            start, middle: kernels of the depthwise convolutions, 0 = none.
            channels: before, within and after.
            stride: of the middle one.
        """
        super().__init__()
        inner, wide, outer = channels
        self.dw_start = unit(inner, inner, start, groups=inner, act=False) if start else None
        self.pw_exp = unit(inner, wide, 1)
        self.dw_mid = unit(wide, wide, middle, stride, groups=wide) if middle else None
        self.pw_proj = unit(wide, outer, 1, act=False)
        self.skip = inner == outer and stride == 1

    def forward(self, maps: Tensor) -> Tensor:
        """(n, inner, h, w) -> (n, outer, h / stride, w / stride)."""
        found: Tensor = self.pw_exp(maps if self.dw_start is None else self.dw_start(maps))
        if self.dw_mid is not None:
            found = self.dw_mid(found)
        found = self.pw_proj(found)
        return maps + found if self.skip else found


class MobileSmall(Encoder):
    """Its layers down to the 960 channels that are averaged over the map.

    The published network goes on with 960 x 1280 before the ImageNet classifier: half of all
    parameters, for a feature that `net.embed` narrows again at once. It is left out. Names are
    those of timm's `mobilenetv4_conv_small`.
    """

    def __init__(self, settings: NetConfig, size: tuple[int, int]) -> None:
        """Make it with random weights; takes crops of any size."""
        super().__init__()
        self.width = LAST
        steps = strides('mobile_s', settings.stride, (2, 2, 2, 2, 2))
        self.conv_stem = nn.Conv2d(3, STEM, 3, steps[0], 1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.act = nn.ReLU()
        stages, inner = [], STEM
        for dense, stride in zip(DENSE, steps[1:3]):
            stage: list[nn.Module] = []
            for kernel, outer in dense:
                stage.append(unit(inner, outer, kernel, 1 if stage else stride, norm='bn1'))
                inner = outer
            stages.append(nn.Sequential(*stage))
        for inverted, stride in zip(INVERTED, steps[3:]):
            stage = []
            for start, middle, wide, outer in inverted:
                channels = (inner, wide, outer)
                stage.append(Universal(start, middle, channels, 1 if stage else stride))
                inner = outer
            stages.append(nn.Sequential(*stage))
        stages.append(nn.Sequential(unit(inner, LAST, 1, norm='bn1')))
        self.blocks = nn.Sequential(*stages)
        begin(self)

    def forward(self, images: Tensor, cameras: Tensor | None = None) -> Tensor:
        """(n, 3, h, w) -> (n, 960)."""
        return pooled(self.blocks(self.act(self.bn1(self.conv_stem(images)))))
