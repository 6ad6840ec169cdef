"""What encoders are built of: a convolution with its normalisation, and how maps shrink."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn

from reid_ros.types import ReidError

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
"""Of ImageNet's pixels, red, green, blue, 0 to 255; encoders get pixels normalised with them."""


class Inputs(nn.Module):
    """Normalised pixels to those of weights that were made with another mean and deviation."""

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """To those, of pixels from 0 to 1, red, green, blue."""
        super().__init__()
        scale = torch.tensor(STD) / 255.0 / torch.tensor(std)
        shift = (torch.tensor(MEAN) / 255.0 - torch.tensor(mean)) / torch.tensor(std)
        self.same = bool(scale.sub(1.0).abs().max() < 1e-5 and shift.abs().max() < 1e-5)
        self.register_buffer('scale', scale.view(3, 1, 1), persistent=False)
        self.register_buffer('shift', shift.view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, 3, h, w)."""
        return images if self.same else images * self.scale + self.shift


def unit(
    inner: int,
    outer: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    act: bool = True,
    norm: str = 'bn',
) -> nn.Sequential:
    """Convolution, batch normalisation and, where asked, ReLU; same size at stride 1.

    The ReLU is never in place: pruning looks at what stands before it.

    Args:
        inner, outer: channels before and after.
        kernel: its side, odd.
        stride: pixels of a step.
        groups: of the convolution.
        act: whether a ReLU follows.
        norm: the normalisation's name in the state-dict, so that public weights fit.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts['conv'] = nn.Conv2d(inner, outer, kernel, stride, kernel // 2, groups=groups, bias=False)
    parts[norm] = nn.BatchNorm2d(outer)
    if act:
        parts['act'] = nn.ReLU()
    return nn.Sequential(parts)


def strides(name: str, asked: int, own: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of stages such that a cell of the last map is as many pixels as asked.

    The last stages give up theirs first, which costs time but no parameters (Luo et al., Bag of
    Tricks, CVPRW 2019: 'last stride').

    Args:
        name: of the encoder, for the error.
        asked: pixels, `net.stride`.
        own: the stages' strides as published.

    Raises:
        ReidError: no choice of stages gives it.
    """
    found = list(own)
    for stage in reversed(range(len(found))):
        if math.prod(found) > asked:
            found[stage] = 1
    if math.prod(found) != asked:
        can = sorted({math.prod(own[:stage]) for stage in range(2, len(own) + 1)})
        raise ReidError(
            f'net.stride: {name} cannot have {asked}; it can have {", ".join(map(str, can))}'
        )
    return tuple(found)


def pooled(maps: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, c), the mean over the map."""
    return maps.mean((2, 3))


def begin(network: nn.Module) -> None:
    """Random convolutions whose outputs keep their variance (He et al., ICCV 2015, fan out).

    The fan of a grouped convolution counts its own group alone. Linear layers are left as made.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, std=math.sqrt(2.0 * module.groups / fan))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
