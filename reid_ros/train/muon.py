"""Muon: matrices step along the orthogonal factor of their momentum, all else as in AdamW."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration that brings singular values near 1 soonest."""
ITERATIONS = 5
MOMENTUM = 0.95
LENGTH = 0.2
"""Root mean square of an update before the learning rate: AdamW's."""
PICTURES = 3
"""Layers of so few channels look at pictures, and are no matrices worth the name."""


class Muon(AdamW):
    """AdamW, but for dense and convolution layers, whose steps are orthogonal matrices.

    Source: Jordan et al., Muon: an optimizer for hidden layers, 2024; the length of a step is that
    of Liu et al., Muon is scalable for LLM training, 2025 (eq. 4), so that a learning rate and a
    decay of AdamW fit. A convolution's kernel is the matrix (out, in x height x width), which
    torch's own Muon refuses; a layer per part (`weight` of three dimensions that is no
    convolution's) is a matrix for each. Depthwise kernels, the layer that sees the picture and the
    classifier (a layer of that name, and what is in it) are AdamW's.
    """

    def __init__(
        self, modules: Iterable[nn.Module], rate: float, decay: float, times: float, fused: bool
    ) -> None:
        """Of all that learns in some modules.

        Args:
            modules: networks.
            rate: learning rate of every group.
            decay: weight decay; norms, biases and single numbers have none.
            times: what the steps of matrices are multiplied with; they decay no faster.
            fused: whether AdamW's part runs in one kernel.
        """
        self._times = times
        modules = list(modules)
        weights = [p for module in modules for p in module.parameters() if p.requires_grad]
        matrices = {id(p) for module in modules for p in _matrices(module)}
        stacks = {id(p) for module in modules for p in _stacks(module)}
        rest = [p for p in weights if id(p) not in matrices | stacks]
        groups = [
            _group([p for p in weights if id(p) in matrices], decay, orthogonal=True),
            _group([p for p in weights if id(p) in stacks], decay, orthogonal=True, stacked=True),
            _group([p for p in rest if p.ndim > 1], decay),
            _group([p for p in rest if p.ndim <= 1], 0.0),
        ]
        super().__init__([g for g in groups if g['params']], rate, fused=fused)
        # A scaled step that overflowed is to be left out as a whole.
        self._step_supports_amp_scaling = False

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of all weights that have a gradient; closures are not called."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group['orthogonal']]
        try:
            super().step()
        finally:
            self.param_groups = groups
        for group in groups:
            if group['orthogonal']:
                for weight in group['params']:
                    if weight.grad is not None:
                        self._turn(weight, group)

    def _turn(self, weight: Tensor, group: Mapping[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state['step'] = torch.zeros(())
            state['exp_avg'] = torch.zeros_like(weight)
        state['step'] += 1
        momentum = state['exp_avg'].mul_(MOMENTUM).add_(weight.grad)
        ahead = weight.grad + MOMENTUM * momentum
        ahead = ahead if group['stacked'] else ahead.flatten(1)
        way = orthogonal(ahead).view(weight.shape)
        weight.mul_(1.0 - group['lr'] * group['weight_decay'])
        length = LENGTH * math.sqrt(max(ahead.shape[-2:]))
        weight.add_(way, alpha=-group['lr'] * self._times * length)


def orthogonal(matrix: Tensor) -> Tensor:
    """(..., m, n) roughly the nearest matrices of orthonormal rows or columns, same number type.

    Singular values come out between 0.7 and 1.2, those that are 0 stay 0.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[-2] > matrix.shape[-1]
    # Half the digits do: an update is rough anyway.
    wide = matrix.bfloat16()
    wide = wide.mT if tall else wide
    wide = wide / (torch.linalg.matrix_norm(wide, keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        products = wide @ wide.mT
        wide = a * wide + (b * products + c * products @ products) @ wide
    found: Tensor = wide.mT if tall else wide
    return found.to(matrix.dtype)


def _group(
    weights: list[nn.Parameter], decay: float, orthogonal: bool = False, stacked: bool = False
) -> dict[str, Any]:
    return {
        'params': weights,
        'weight_decay': decay,
        'orthogonal': orthogonal,
        'stacked': stacked,
    }


def _matrices(module: nn.Module) -> list[Tensor]:
    return [weight for layer, weight in _inside(module) if _mixes(layer)]


def _stacks(module: nn.Module) -> list[Tensor]:
    """Weights of layers that have a matrix for each part."""
    return [
        weight
        for layer, weight in _inside(module)
        if weight.ndim == 3 and not isinstance(layer, nn.Conv1d)
    ]


def _inside(module: nn.Module) -> Iterable[tuple[nn.Module, Tensor]]:
    """Layers outside of classifiers whose `weight` learns, with it."""
    for name, layer in module.named_modules():
        weight = getattr(layer, 'weight', None)
        if not isinstance(weight, nn.Parameter) or not weight.requires_grad:
            continue
        if 'classifier' not in name.split('.'):
            yield layer, weight


def _mixes(layer: nn.Module) -> bool:
    """Whether it is a dense layer or a convolution whose every output is of many inputs."""
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return layer.groups == 1 and layer.in_channels > PICTURES
    return isinstance(layer, nn.Linear)
