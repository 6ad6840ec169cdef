"""A vision transformer behind a convolutional stem: a teacher that learns from nothing.

A stem of 3 x 3 convolutions instead of one 16 x 16 patch makes a transformer learn faster and with
less care (Xiao et al., Early Convolutions Help Transformers See Better, NeurIPS 2021). Ours is a
bit stronger: residual blocks stand between them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.nets.encoder import Encoder
from reid_ros.train.nets.parts import begin, strides, unit
from reid_ros.train.settings import NetConfig

DIM, HEADS, DEPTH, MLP = 384, 6, 7, 4
STEM = (48, 96, 192, 384)
"""Channels of the stem at stride 2, 4, 8 and 16."""
RESIDUAL = (0, 0, 1, 0)
"""Residual blocks behind each of them."""
CAMERAS = 256
"""Rows of the table of camera embeddings."""


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
        """Of tokens of that length; `drop` is its chance to be left out in training."""
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(dim, MLP * dim), nn.GELU(), nn.Linear(MLP * dim, dim))
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


class StemTransformer(Encoder):
    """Convolutions down to cells of 16 pixels, then 7 layers of 384, then the mean of the tokens.

    The mean instead of a class token: every token gets a gradient from the first step on, and
    without pretraining a class token first has to learn where to look.
    """

    def __init__(self, settings: NetConfig, size: tuple[int, int]) -> None:
        """Make it with random weights, for crops of this height and width."""
        super().__init__()
        self.width, self.sided = DIM, settings.side > 0
        steps = strides('vit_small_stem', settings.stride, (2, 2, 2, 2))
        parts: list[nn.Module] = []
        for inner, outer, step, more in zip((3, *STEM), STEM, steps, RESIDUAL):
            parts += [unit(inner, outer, 3, step), *(Residual(outer) for _ in range(more))]
        self.stem = nn.Sequential(*parts, nn.Conv2d(STEM[-1], DIM, 1))
        begin(self.stem)
        self.grid = (-(-size[0] // settings.stride), -(-size[1] // settings.stride))
        self.pos_embed = nn.Parameter(torch.empty(1, DIM, *self.grid))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.sides = Sides(DIM, settings.side) if self.sided else None
        chances = torch.linspace(0.0, settings.drop, DEPTH).tolist()
        self.blocks = nn.Sequential(*(Layer(DIM, HEADS, chance) for chance in chances))
        self.norm = nn.LayerNorm(DIM, eps=1e-6)
        for layer in self.blocks.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor, cameras: Tensor | None = None) -> Tensor:
        """(n, 3, h, w) -> (n, 384).

        Args:
            images: of another size than the network was made for, too: positions are stretched.
            cameras: (n,) their numbers; None or a number beyond the table adds nothing.
        """
        maps = self.stem(images)
        where: Tensor = self.pos_embed
        if maps.shape[2:] != where.shape[2:]:
            where = functional.interpolate(where, maps.shape[2:], mode='bicubic', antialias=True)
        tokens = (maps + where).flatten(2).transpose(1, 2)
        if self.sides is not None and cameras is not None:
            tokens = self.sides(tokens, cameras)
        found: Tensor = self.norm(self.blocks(tokens).mean(1))
        return found
