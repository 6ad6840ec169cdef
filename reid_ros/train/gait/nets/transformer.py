"""Convolutions below, a transformer of space and time above, 15 rows of cells.

After SwinGait (Fan et al., arXiv 2303.03301, section 4): two convolutional stages, 30 x 20 cells,
merged two by two to 15 x 10, so that its parts do not lie where those of a ResNet lie. Instead of
windows that shift through space and time, each token looks at its whole frame, then along time at
its own place a few frames back and ahead; so walks of any length need no padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.gait.configs import GaitNetConfig
from reid_ros.train.gait.nets.parts import Encoder, stage, stage_in_time, unfolded
from reid_ros.train.nets.parts import begin, unit
from reid_ros.types import ReidError

GRID = (15, 10)
HEAD = 32
"""Channels of a head of attention."""
WIDER = 2
"""How much wider the middle of a layer is."""
REACH = 4
"""Frames back and ahead that a token looks at; a step takes about 13 at 25 frames a second."""


class Attention(nn.Module):
    """Self-attention of sequences of tokens."""

    def __init__(self, dim: int) -> None:
        """Of tokens of that length.

        Raises:
            ReidError: they cannot be shared out among heads.
        """
        super().__init__()
        self.heads = max(1, dim // HEAD)
        if dim % self.heads:
            raise ReidError(
                f'net.width: {dim} channels cannot be shared among {self.heads} heads of the '
                'transformer; take a multiple of 8'
            )
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """(n, s, d) -> (n, s, d); `bias` (heads, s, s) is added to what a token thinks of each."""
        n, s, d = tokens.shape
        parts = self.qkv(tokens).view(n, s, 3, self.heads, d // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)  # each (n, heads, s, d / heads)
        # Spelt out: with torch's fused attention a CPU learns 1.7 times as slowly in bfloat16.
        likely = torch.matmul(q * (q.shape[-1] ** -0.5), k.transpose(2, 3))
        if bias is not None:
            likely = likely + bias
        mixed = torch.matmul(likely.softmax(3).to(v.dtype), v)
        found: Tensor = self.out(mixed.transpose(1, 2).reshape(n, s, d))
        return found


class Layer(nn.Module):
    """Attention within a frame, attention along time, and a layer for each token alone."""

    def __init__(self, dim: int) -> None:
        """Of tokens of that length."""
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim) for _ in range(3))
        self.space, self.time = Attention(dim), Attention(dim)
        self.lags = nn.Parameter(torch.zeros(self.time.heads, 2 * REACH + 1))
        self.mlp = nn.Sequential(
            nn.Linear(dim, WIDER * dim), nn.GELU(), nn.Linear(WIDER * dim, dim)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, t, s, d) -> (n, t, s, d)."""
        tokens = tokens + unfolded(self.space(self.norm1(tokens).flatten(0, 1)), tokens)
        rows = self.norm2(tokens).transpose(1, 2)  # (n, s, t, d)
        along = self.time(rows.flatten(0, 1), self._lagged(rows.shape[2]))
        tokens = tokens + unfolded(along, rows).transpose(1, 2)
        found: Tensor = tokens + self.mlp(self.norm3(tokens))
        return found

    def _lagged(self, frames: int) -> Tensor:
        """(heads, t, t) what is learnt for each lag; nothing is seen beyond the reach."""
        places = torch.arange(frames, device=self.lags.device)
        lag = places[None] - places[:, None]
        known = self.lags[:, lag.clamp(-REACH, REACH) + REACH]
        return known.masked_fill(lag.abs() > REACH, -torch.inf)


class PartTransformer(Encoder):
    """Two stages of convolutions and two of transformer layers."""

    grid = GRID
    framewise = False

    def __init__(self, settings: GaitNetConfig) -> None:
        """Make it with random weights."""
        super().__init__()
        first, second, dim = (settings.width << number for number in range(3))
        self.width = 2 * dim
        self.stem = unit(1, first, 3)
        self.below = stage(first, first, 1, settings.depths[0])
        self.above = stage_in_time(first, second, 2, settings.depths[1])
        self.merge = nn.Conv2d(second, dim, 2, 2)
        begin(self)
        self.places = nn.Parameter(torch.empty(GRID[0] * GRID[1], dim))
        nn.init.trunc_normal_(self.places, std=0.02)
        self.third = nn.Sequential(*(Layer(dim) for _ in range(settings.depths[2])))
        self.widen = nn.Linear(dim, self.width)
        self.fourth = nn.Sequential(*(Layer(self.width) for _ in range(settings.depths[3])))
        self.norm = nn.LayerNorm(self.width)
        for module in (*self.third.modules(), self.widen, *self.fourth.modules()):
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, walks: Tensor) -> Tensor:
        """(n, t, h, w) -> (n, t, 8 width, 15, 10)."""
        maps = self.below(self.stem(walks.flatten(0, 1)[:, None]))
        maps = self.above(unfolded(maps, walks)).flatten(0, 1)
        cells = (2 * GRID[0], 2 * GRID[1])
        maps = functional.interpolate(maps, cells, mode='bilinear', align_corners=False)
        tokens = self.merge(maps).flatten(2).transpose(1, 2) + self.places
        tokens = self.widen(self.third(unfolded(tokens, walks)))
        found: Tensor = self.norm(self.fourth(tokens))
        return found.transpose(2, 3).reshape(*found.shape[:2], self.width, *GRID)
