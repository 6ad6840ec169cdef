"""What a gait network computes for one frame, and what a robot loads."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from reid_ros.train.gait.nets.network import SIZE, GaitNetwork


def flops(network: GaitNetwork, frames: int = 10) -> float:
    """Floating-point operations of one frame of a walk; a multiply-add counts as two.

    Convolutions and products count; norms, activations and sums do not, as is usual. The layers
    after the maximum over time run once a walk, and are shared out among its frames; the
    classifier, which only training needs, takes no part.

    Args:
        network: which.
        frames: of the walk.
    """
    still = copy.deepcopy(network).to('meta').eval()
    still.neck, still.classifier = nn.Identity(), nn.Identity()  # type: ignore[assignment]
    walk = torch.zeros((1, frames, *SIZE), dtype=torch.uint8, device='meta')
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        still(walk)
    return float(counter.get_total_flops()) / frames


def parameters(network: GaitNetwork) -> tuple[int, int]:
    """Numbers that are learnt and that a robot loads: of the encoder, and of what follows it."""
    encoder = sum(p.numel() for p in network.encoder.parameters())
    return encoder, sum(p.numel() for p in network.embed.parameters())
