"""MobileNetV4-Conv-Small (Qin et al., MobileNetV4, ECCV 2024, table of MNv4-Conv-S)."""

from __future__ import annotations

from functools import partial

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


def narrowed(width: int, share: float) -> int:
    """A share of a width: a multiple of 8, at least 0.9 of it (`make_divisible` of timm)."""
    wanted = width * share
    found = max(8, int(wanted + 4) // 8 * 8)
    return found if found >= 0.9 * wanted else found + 8


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

    Attributes:
        width: channels of the vector.
        widths: channels of the maps of its stages.
    """

    def __init__(self, share: float, settings: NetConfig, size: tuple[int, int]) -> None:
        """Make it with random weights; takes crops of any size.

        Args:
            share: of all widths but the stem's: 0.35, 0.5, 0.7, 1.0.
            settings: its stride.
            size: not looked at.
        """
        super().__init__()
        self.width = narrowed(LAST, share)
        steps = strides(settings.encoder, settings.stride, (2, 2, 2, 2, 2))
        self.conv_stem = nn.Conv2d(3, STEM, 3, steps[0], 1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.act = nn.ReLU()
        stages, inner, whole = [], STEM, STEM
        self.widths: tuple[int, ...] = ()
        for dense, stride in zip(DENSE, steps[1:3]):
            stage: list[nn.Module] = []
            for kernel, published in dense:
                outer = narrowed(published, share)
                stage.append(unit(inner, outer, kernel, 1 if stage else stride, norm='bn1'))
                inner, whole = outer, published
            stages.append(nn.Sequential(*stage))
            self.widths += (inner,)
        for inverted, stride in zip(INVERTED, steps[3:]):
            stage = []
            for start, middle, wide, published in inverted:
                # A block widens by a factor of what it gets.
                channels = (
                    inner,
                    narrowed(inner * wide // whole, 1.0),
                    narrowed(published, share),
                )
                stage.append(Universal(start, middle, channels, 1 if stage else stride))
                inner, whole = channels[2], published
            stages.append(nn.Sequential(*stage))
            self.widths += (inner,)
        stages.append(nn.Sequential(unit(inner, self.width, 1, norm='bn1')))
        self.blocks = nn.Sequential(*stages)
        begin(self)

    def forward(self, images: Tensor, cameras: Tensor | None = None) -> Tensor:
        """(n, 3, h, w) -> (n, width)."""
        return pooled(self.blocks(self.act(self.bn1(self.conv_stem(images)))))


NETWORKS = {
    f'mobile_s{suffix}': partial(MobileSmall, share)
    for suffix, share in (('_x0_35', 0.35), ('_x0_5', 0.5), ('_x0_7', 0.7), ('', 1.0))
}
