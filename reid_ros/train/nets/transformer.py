"""Vision transformers: as published, and one behind a convolutional stem that learns from nothing.

A stem of 3 x 3 convolutions instead of one 16 x 16 patch makes a transformer learn faster and with
less care (Xiao et al., Early Convolutions Help Transformers See Better, NeurIPS 2021). Ours is a
bit stronger: a residual block stands within.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.nets.encoder import Encoder
from reid_ros.train.nets.parts import Inputs, begin, strides, unit
from reid_ros.train.settings import NetConfig
from reid_ros.types import ReidError

SMALL, BASE = (384, 12, 6), (768, 12, 12)
"""Length of a token, layers and heads of ViT-S and ViT-B."""
STEMMED = (384, 7, 6)
"""Those behind our stem; it costs about as much as the five layers that ViT-S has more."""
STEM = (48, 96, 192, 384)
"""Channels of the stem at stride 2, 4, 8 and 16."""
RESIDUAL = (0, 0, 1, 0)
"""Residual blocks behind each of them."""
PATCH = 16
"""Side of a patch, pixels."""
WIDER = 4
"""How much wider a layer is within."""
CAMERAS = 256
"""Rows of the table of camera embeddings."""
HALF = (0.5, 0.5, 0.5)
"""Mean and deviation of the pixels that the public weights of ViT-S and ViT-B were made for."""


class Residual(nn.Module):
    """Two 3 x 3 convolutions and a sum."""

    def __init__(self, channels: int) -> None:
        """For maps of that many channels."""
        super().__init__()
        self.first = unit(channels, channels, 3)
        self.second = unit(channels, channels, 3, act=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(n, c, h, w) -> the same shape."""
        found: Tensor = functional.relu(maps + self.second(self.first(maps)))
        return found


class Dropped(nn.Module):
    """Stochastic depth (Huang et al., ECCV 2016): leaves a branch out for some images."""

    def __init__(self, chance: float) -> None:
        """With that chance, while training."""
        super().__init__()
        self.chance = chance

    def forward(self, branch: Tensor) -> Tensor:
        """(n, t, d) -> the same, 0 for the images where it is left out, and more elsewhere."""
        if not (self.training and self.chance):
            return branch
        stays = torch.rand(len(branch), 1, 1, device=branch.device) >= self.chance
        return branch * (stays / (1.0 - self.chance)).to(branch.dtype)


class Attention(nn.Module):
    """Self-attention of an image's tokens."""

    def __init__(self, dim: int, heads: int) -> None:
        """Of tokens of that length."""
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, t, d) -> (n, t, d)."""
        n, t, d = tokens.shape
        parts = self.qkv(tokens).view(n, t, 3, self.heads, d // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)  # each (n, heads, t, d / heads)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        found: Tensor = self.proj(mixed.transpose(1, 2).reshape(n, t, d))
        return found


class Layer(nn.Module):
    """One layer, normalised before each part."""

    def __init__(self, dim: int, heads: int, drop: float) -> None:
        """Of tokens of that length; `drop` is a part's chance to be left out in training."""
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        wide, narrow = nn.Linear(dim, WIDER * dim), nn.Linear(WIDER * dim, dim)
        self.mlp = nn.Sequential(OrderedDict(fc1=wide, act=nn.GELU(), fc2=narrow))
        self.drop = Dropped(drop)

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, t, d) -> (n, t, d)."""
        tokens = tokens + self.drop(self.attn(self.norm1(tokens)))
        found: Tensor = tokens + self.drop(self.mlp(self.norm2(tokens)))
        return found


class Sides(nn.Module):
    """Camera embeddings, added to every token (He et al., TransReID, ICCV 2021, eq. 4)."""

    def __init__(self, dim: int, weight: float) -> None:
        """Of tokens of that length; `weight` is the paper's lambda."""
        super().__init__()
        self.weight = weight
        self.table = nn.Parameter(torch.empty(CAMERAS, dim))
        nn.init.trunc_normal_(self.table, std=0.02)

    def forward(self, tokens: Tensor, cameras: Tensor) -> Tensor:
        """(n, t, d) with something of the camera in it; cameras beyond the table add nothing."""
        known = (cameras >= 0) & (cameras < len(self.table))
        rows = self.table[cameras.clamp(0, len(self.table) - 1)] * known[:, None]
        return tokens + self.weight * rows[:, None].to(tokens.dtype)


class Transformer(Encoder):
    """What both kinds have: the layers, and camera embeddings where asked.

    Attributes:
        grid: cells along the height and the width of the crops it was made for.
    """

    grid: tuple[int, int]

    def __init__(self, shape: tuple[int, int, int], settings: NetConfig) -> None:
        """Make the layers.

        Args:
            shape: length of a token, layers, heads.
            settings: its stochastic depth, which rises to `drop`, and its camera embeddings.
        """
        super().__init__()
        dim, depth, heads = shape
        self.width, self.sided = dim, settings.side > 0
        self.sides = Sides(dim, settings.side) if self.sided else None
        chances = torch.linspace(0.0, settings.drop, depth).tolist()
        self.blocks = nn.Sequential(*(Layer(dim, heads, chance) for chance in chances))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        for part in self.blocks.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                nn.init.zeros_(part.bias)

    def sided_tokens(self, tokens: Tensor, cameras: Tensor | None) -> Tensor:
        """(n, t, d) with something of the cameras, where they are known and wanted."""
        if self.sides is None or cameras is None:
            return tokens
        found: Tensor = self.sides(tokens, cameras)
        return found


def stretched(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """Position embeddings (1, d, h, w) for another grid of cells."""
    if tuple(table.shape[2:]) == grid:
        return table
    return functional.interpolate(table, grid, mode='bicubic', antialias=True)


class StemTransformer(Transformer):
    """Convolutions down to cells of 16 pixels, 7 layers, the mean of the tokens.

    The mean instead of a class token: every token gets a gradient from the first step on, and
    without pretraining a class token first has to learn where to look.
    """

    def __init__(self, settings: NetConfig, size: tuple[int, int]) -> None:
        """Make it with random weights, for crops of this height and width."""
        super().__init__(STEMMED, settings)
        steps = strides('vit_small_stem', settings.stride, (2, 2, 2, 2))
        parts: list[nn.Module] = []
        for inner, outer, step, more in zip((3, *STEM), STEM, steps, RESIDUAL):
            parts += [unit(inner, outer, 3, step), *(Residual(outer) for _ in range(more))]
        self.stem = nn.Sequential(*parts, nn.Conv2d(STEM[-1], self.width, 1))
        begin(self.stem)
        self.grid = (-(-size[0] // settings.stride), -(-size[1] // settings.stride))
        self.pos_embed = nn.Parameter(torch.empty(1, self.width, *self.grid))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, images: Tensor, cameras: Tensor | None = None) -> Tensor:
        """(n, 3, h, w) -> (n, 384).

        Args:
            images: of another size than the network was made for, too: positions are stretched.
            cameras: (n,) their numbers; None or a number beyond the table adds nothing.
        """
        maps = self.stem(images)
        places = stretched(self.pos_embed, (maps.shape[2], maps.shape[3]))
        tokens = self.sided_tokens((maps + places).flatten(2).transpose(1, 2), cameras)
        found: Tensor = self.norm(self.blocks(tokens).mean(1))
        return found


class PatchTransformer(Transformer):
    """The vision transformer (Dosovitskiy et al., ICLR 2021): patches, a class token, 12 layers.

    Names are those of timm's `vit_small_patch16_224` and `vit_base_patch16_224`. A stride below 16
    makes patches overlap, as in TransReID. Weights made for ImageNet's pixels (DeiT, DINO) are
    for `timm:NAME`.
    """

    def __init__(
        self, shape: tuple[int, int, int], settings: NetConfig, size: tuple[int, int]
    ) -> None:
        """Make it with random weights, for crops of this height and width.

        Raises:
            ReidError: steps that leave pixels out, or crops smaller than a patch.
        """
        super().__init__(shape, settings)
        if settings.stride > PATCH:
            raise ReidError(
                f'net.stride: {settings.encoder} has patches of {PATCH} pixels, so at most {PATCH}'
            )
        if min(size) < PATCH:
            raise ReidError(
                f'data.height and width: {settings.encoder} needs crops of {PATCH} x {PATCH} '
                f'or more, not {size[0]} x {size[1]}'
            )
        self.inputs = Inputs(HALF, HALF)
        patches = nn.Conv2d(3, self.width, PATCH, settings.stride)
        self.patch_embed = nn.Sequential(OrderedDict(proj=patches))
        rows, columns = ((side - PATCH) // settings.stride + 1 for side in size)
        self.grid = (rows, columns)
        self.cls_token = nn.Parameter(torch.empty(1, 1, self.width))
        count = 1 + rows * columns
        self.pos_embed = nn.Parameter(torch.empty(1, count, self.width))
        nn.init.normal_(self.cls_token, std=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, images: Tensor, cameras: Tensor | None = None) -> Tensor:
        """(n, 3, h, w) -> (n, width), the class token.

        Args:
            images: of another size than the network was made for, too: positions are stretched.
            cameras: (n,) their numbers; None or a number beyond the table adds nothing.
        """
        maps = self.patch_embed(self.inputs(images))
        places = self.pos_embed[:, 1:].transpose(1, 2).reshape(1, -1, *self.grid)
        maps = maps + stretched(places, (maps.shape[2], maps.shape[3]))
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(maps), -1, -1)
        tokens = torch.cat([first.to(maps.dtype), maps.flatten(2).transpose(1, 2)], 1)
        tokens = self.blocks(self.sided_tokens(tokens, cameras))
        found: Tensor = self.norm(tokens[:, 0])
        return found


NETWORKS: dict[str, Callable[[NetConfig, tuple[int, int]], Encoder]] = {
    'vit_small_stem': StemTransformer,
    'vit_small': partial(PatchTransformer, SMALL),
    'vit_base': partial(PatchTransformer, BASE),
}
