"""A gait network as two ONNX graphs: a frame to features, their maximum to a vector."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from reid_ros.train.export import PARITY, ExportError, Runner, proven
from reid_ros.train.gait.nets.network import SIZE, GaitNetwork
from reid_ros.types import AnyArray, FloatArray, UInt8Array

MASKS, FEATURES, VECTOR = 'masks', 'features', 'vector'
"""Names of what goes into the first graph, from it into the second, and comes out."""
_LENGTHS = (1, 4, 13)
"""Frames of walks that both graphs together are compared with torch on."""


class Frames(nn.Module):
    """What a robot asks of every silhouette, once."""

    def __init__(self, network: GaitNetwork) -> None:
        """Wrap."""
        super().__init__()
        self.network = network

    def forward(self, masks: Tensor) -> Tensor:
        """(n, 64, 44) uint8 -> (n, c, h, w)."""
        return self.network.frames(masks)


class Head(nn.Module):
    """What a robot asks of a walk; the neck has become a part of the linear layers."""

    weight: Tensor
    shift: Tensor

    def __init__(self, network: GaitNetwork) -> None:
        """Take what is needed of a network."""
        super().__init__()
        self.strips = network.strips
        scale, shift = network.neck.affine()
        weight = network.embed.weight.detach() * scale.T[:, None]
        self.register_buffer('weight', weight.contiguous())
        self.register_buffer('shift', shift.T[:, None].contiguous())

    def forward(self, features: Tensor) -> Tensor:
        """(n, c, h, w) the maximum over frames -> (n, d) of unit length."""
        parts = torch.matmul(self.strips(features).permute(2, 0, 1), self.weight) + self.shift
        flat = functional.normalize(parts, dim=2).transpose(0, 1).flatten(1)
        return functional.normalize(flat)


@dataclass(frozen=True)
class Pair:
    """Both graphs.

    Attributes:
        frames: masks (n, 64, 44) uint8 -> features (n, c, h, w).
        head: features, their maximum over the frames of a walk -> vector (n, d), unit length.
    """

    frames: onnx.ModelProto
    head: onnx.ModelProto


class Walker:
    """Both graphs in memory, asked as a robot asks them."""

    def __init__(self, pair: Pair, threads: int = 0) -> None:
        """Load them; `threads` 0 = all cores."""
        self._frames, self._head = Runner(pair.frames, threads), Runner(pair.head, threads)

    def __call__(self, walks: Sequence[UInt8Array]) -> FloatArray:
        """(n, d) vectors of walks of (t, 64, 44) masks each."""
        features: AnyArray = np.stack([self._frames(walk).max(axis=0) for walk in walks])
        return self._head(features)


def graphs(network: GaitNetwork) -> Pair:
    """Both graphs of a network, with free batches, and proof that they answer as torch does.

    Args:
        network: is left as it is; its classifier stays behind.

    Raises:
        ExportError: the network looks at whole walks, torch cannot export it, or the graphs
            answer something else than the whole network for a whole walk.
    """
    encoder = network.settings.encoder
    if not network.framewise:
        raise ExportError(
            f'{encoder} looks at the frames beside each frame, so a robot could not keep features '
            "of frames: distil it into a student of encoder 'base' or 'mobile', and export that"
        )
    plain = copy.deepcopy(network).cpu().float()
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    plain.eval()
    with torch.inference_mode():
        shape = tuple(plain.frames(torch.zeros(1, *SIZE, dtype=torch.uint8)).shape[1:])
    pair = Pair(
        proven(Frames(plain), SIZE, encoder, 'frames', FEATURES, MASKS),
        proven(Head(plain), shape, encoder, 'head', VECTOR, FEATURES, torch.float32),
    )
    worst = apart(pair, plain)
    if not worst <= PARITY:
        raise ExportError(
            f'{encoder}: the maximum over frames differs from the whole walk by {worst:.2g}, and '
            f'{PARITY:g} is allowed'
        )
    return pair


def apart(pair: Pair, network: GaitNetwork) -> float:
    """Largest difference between the vectors of both graphs and those of the whole network.

    Args:
        pair: asked frame by frame.
        network: asked for whole walks of noise, in eval mode.
    """
    run, draw, worst = Walker(pair, threads=1), np.random.default_rng(0), 0.0
    for length in _LENGTHS:
        walk = draw.integers(0, 256, (length, *SIZE), dtype=np.uint8)
        with torch.inference_mode():
            whole = network.vector(network(torch.from_numpy(walk)[None]).embedding).numpy()
        worst = max(worst, float(np.abs(run([walk]) - whole).max()))
    return worst
