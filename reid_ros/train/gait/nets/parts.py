"""What gait networks are built of: residual blocks in space and time, strips, separate layers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.nets.resnet import Basic, shortcut
from reid_ros.types import ReidError


class Encoder(nn.Module):
    """A walk to maps.

    Attributes:
        width: channels of the maps.
        grid: their rows and columns.
        framewise: whether each frame's map depends on that frame alone.
    """

    width: int
    grid: tuple[int, int] = (16, 11)
    framewise: bool = True

    def forward(self, walks: Tensor) -> Tensor:
        """(n, t, h, w) float32 silhouettes, 0 to 1 -> (n, t, width, *grid)."""
        raise NotImplementedError


def unfolded(frames: Tensor, walks: Tensor) -> Tensor:
    """(n t, ...) -> (n, t, ...), as many of each as `walks` (n, t, ...) has."""
    return frames.reshape(*walks.shape[:2], *frames.shape[1:])


class Framewise(Encoder):
    """An encoder that looks at one frame at a time."""

    def forward(self, walks: Tensor) -> Tensor:
        """(n, t, h, w) -> (n, t, width, *grid)."""
        return unfolded(self.frames(walks.flatten(0, 1)), walks)

    def frames(self, masks: Tensor) -> Tensor:
        """(m, h, w) float32 silhouettes, 0 to 1 -> (m, width, *grid)."""
        raise NotImplementedError


class BasicP3D(nn.Module):
    """A residual block whose first convolution is followed by one along time.

    Pseudo-3D (Qiu, Yao, Mei, ICCV 2017) as in DeepGaitV2 (Fan et al., arXiv 2303.03301):
    spatial 3 x 3, the same plus a normalised (3, 1, 1) of it, spatial 3 x 3, shortcut.
    """

    def __init__(self, inner: int, width: int, stride: int) -> None:
        """From `inner` channels to `width`; the stride is one of space alone."""
        super().__init__()
        self.conv1 = nn.Conv2d(inner, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        # The same as one of 3 x 1 x 1, on maps whose rows are frames and whose columns are cells.
        self.time = nn.Conv2d(width, width, (3, 1), 1, (1, 0), bias=False)
        self.tbn = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(inner, width, stride)

    def forward(self, walks: Tensor) -> Tensor:
        """(n, t, inner, h, w) -> (n, t, width, h / stride, w / stride)."""
        maps = walks.flatten(0, 1)
        found = functional.relu(self.bn1(self.conv1(maps)))
        rows = unfolded(found, walks).flatten(3).transpose(1, 2)  # (n, width, t, cells)
        along = self.time(rows).transpose(1, 2).reshape(found.shape)
        found = functional.relu(found + self.tbn(along))
        found = self.bn2(self.conv2(found))
        under = maps if self.downsample is None else self.downsample(maps)
        return unfolded(functional.relu(found + under), walks)


def stage(inner: int, width: int, stride: int, depth: int) -> nn.Sequential:
    """Blocks that look at one frame; the first has the stride."""
    return nn.Sequential(
        *(Basic(width if k else inner, width, 1 if k else stride) for k in range(depth))
    )


def stage_in_time(inner: int, width: int, stride: int, depth: int) -> nn.Sequential:
    """Blocks that also look at the frames beside each; the first has the stride."""
    return nn.Sequential(
        *(BasicP3D(width if k else inner, width, 1 if k else stride) for k in range(depth))
    )


class Strips(nn.Module):
    """Horizontal strips of a map, mean plus maximum of each (Fu et al., HPM, AAAI 2019)."""

    def __init__(self, parts: int, grid: tuple[int, int]) -> None:
        """So many strips of maps of so many rows and columns.

        Raises:
            ReidError: the rows cannot be shared out.
        """
        super().__init__()
        if grid[0] % parts:
            can = ', '.join(str(k) for k in range(1, grid[0] + 1) if grid[0] % k == 0)
            raise ReidError(
                f'net.parts: {grid[0]} rows cannot be cut into {parts} equal strips; take {can}'
            )
        self.parts = parts

    def forward(self, maps: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, parts)."""
        n, c = maps.shape[:2]
        strips = maps.reshape(n, c, self.parts, -1)
        return strips.mean(3) + strips.amax(3)


class SeparateLinear(nn.Module):
    """A linear layer of its own for each part, without a bias."""

    def __init__(self, parts: int, inner: int, outer: int) -> None:
        """Random weights of even spread (Glorot and Bengio, 2010), part by part."""
        super().__init__()
        bound = math.sqrt(6.0 / (inner + outer))
        self.weight = nn.Parameter(torch.empty(parts, inner, outer).uniform_(-bound, bound))

    def forward(self, values: Tensor) -> Tensor:
        """(n, inner, p) -> (n, outer, p)."""
        # As a product of matrices: the exported graph has no Einsum.
        return torch.matmul(values.permute(2, 0, 1), self.weight).permute(1, 2, 0)


class Neck(nn.Module):
    """One batch normalisation over all channels of all parts."""

    def __init__(self, parts: int, channels: int) -> None:
        """Of so many."""
        super().__init__()
        self.shape = (channels, parts)
        self.norm = nn.BatchNorm1d(channels * parts)

    @property
    def mean(self) -> Tensor:
        """(d, p) what the embedding is on average."""
        found = self.norm.running_mean
        return torch.zeros(self.shape) if found is None else found.view(self.shape)

    def forward(self, embedding: Tensor) -> Tensor:
        """(n, d, p) -> (n, d, p)."""
        found: Tensor = self.norm(embedding.flatten(1))
        return found.view(embedding.shape)

    def affine(self) -> tuple[Tensor, Tensor]:
        """(d, p) scale and shift that it comes down to once nothing is learnt any more."""
        mean, variance = self.norm.running_mean, self.norm.running_var
        scale, shift = self.norm.weight.detach(), self.norm.bias.detach()
        if mean is not None and variance is not None:
            scale = scale / torch.sqrt(variance + self.norm.eps)
            shift = shift - scale * mean
        return scale.view(self.shape), shift.view(self.shape)


class Cosines(nn.Module):
    """A classifier by angle: cosines to a direction per person and part."""

    def __init__(self, parts: int, channels: int, people: int) -> None:
        """Random directions."""
        super().__init__()
        self.people = people
        self.directions = SeparateLinear(parts, channels, people)

    def forward(self, values: Tensor) -> Tensor:
        """(n, d, p) -> (n, people, p), -1 to 1."""
        rows = functional.normalize(values, dim=1).permute(2, 0, 1)
        return torch.matmul(rows, functional.normalize(self.directions.weight, dim=1)).permute(
            1, 2, 0
        )
