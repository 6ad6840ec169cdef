"""Pruning while training: filters that are zeroed and may come back, or that are made weak."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from reid_ros.train.hooks import Hook
from reid_ros.train.nets.network import Network
from reid_ros.train.prune.criteria import filters, lengths, sums
from reid_ros.train.prune.graph import Width, silence, slim
from reid_ros.train.settings import PruneConfig
from reid_ros.types import IntArray

MOMENTS = ('exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'momentum_buffer')
EPSILON = 1e-12


def psfp_rate(progress: float, goal: float, early: float, steep: float) -> float:
    """Share of the filters that is zeroed: a exp(-k x) + b through three points.

    (0, 0), (early, steep * goal) and (1, goal), as in Masson et al. (JIVP 2021:22), who print
    steep = 1/4 where a public implementation has 3/4.

    Args:
        progress: share of training that is done, 0 to 1.
        goal: P, the share at the end.
        early, steep: D and f, both between 0 and 1.
    """
    bend = _bend(early, steep)
    if bend == 0.0:
        return goal * progress
    return goal * math.expm1(-bend * progress) / math.expm1(-bend)


def _bend(early: float, steep: float) -> float:
    """K of (1 - exp(-K D)) / (1 - exp(-K)) = f, which rises with K; 0 is the straight line."""
    if abs(steep - early) < 1e-9:
        return 0.0
    low, high = -700.0, 700.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        share = early if middle == 0.0 else math.expm1(-middle * early) / math.expm1(-middle)
        low, high = (middle, high) if share < steep else (low, middle)
    return 0.5 * (low + high)


class Soft(Hook):
    """Progressive soft filter pruning, and the removal at its end.

    Every few updates the shortest filters of each width become zero, ever more of them, and all go
    on learning. Only weights become zero: with a norm whose shift were zero too, every gradient of
    the filter would be exactly 0 and it could never return. (Behind a ReLU a shift below zero is
    as bad: only filters with a positive shift do return.) During the last part of training
    (`prune.settle`; the paper has none) the filters stay away with their norms, so that what is
    removed in the end has no say any more.

    That part must be long where training is short. A norm brings the first small step of a zeroed
    filter back to full strength at once, so each zeroing puts a stranger in the filter's place,
    from which the rest must recover. A dense network of 1.5 M parameters, 150 updates to half its
    FLOPs: rank-1 13.8 % with settle 0.1, 37.1 % with 0.5; 47.6 % for the L1 norm in one shot.
    """

    def __init__(
        self, found: Sequence[Width], counts: Mapping[str, int], prune: PruneConfig
    ) -> None:
        """Prune widths.

        Args:
            found: the widths.
            counts: channels that each keeps in the end.
            prune: the curve.
        """
        self._found, self._counts, self._prune = tuple(found), dict(counts), prune
        self._kept: dict[str, IntArray] = {}

    def after_step(
        self, step: int, progress: float, network: Network, optimiser: Optimizer
    ) -> None:
        """Zero filters where it is time."""
        if self._prune.settle and progress >= 1.0 - self._prune.settle:
            if not self._kept:
                self._kept = self.choice(network)
            for width in self._found:
                gone = np.setdiff1d(np.arange(width.count), self._kept[width.name])
                silence(network, width, gone)
                self._forget(network, optimiser, width, gone)
        elif step % self._prune.every == 0:
            for width in self._found:
                goal = 1.0 - self._counts[width.name] / width.count
                share = psfp_rate(progress, goal, self._prune.early, self._prune.steep)
                number = math.floor(share * width.count + 1e-6)
                gone = np.setdiff1d(
                    np.arange(width.count), _longest(network, width, width.count - number)
                )
                _zero(network, width, gone)
                self._forget(network, optimiser, width, gone)

    def choice(self, network: Network) -> dict[str, IntArray]:
        """The channels that would stay now."""
        return {
            width.name: _longest(network, width, self._counts[width.name]) for width in self._found
        }

    def state(self) -> dict[str, Tensor]:
        """What was chosen to stay, once it is."""
        return {name: torch.from_numpy(stay) for name, stay in self._kept.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from `state`."""
        self._kept = {name: stay.numpy() for name, stay in state.items()}

    def finish(self, network: Network) -> Network:
        """The network without what is zero."""
        return slim(network, self._kept or self.choice(network))

    def _forget(
        self, network: Network, optimiser: Optimizer, width: Width, gone: IntArray
    ) -> None:
        """Momentum would move a zeroed filter on along its old way."""
        if not self._prune.reset:
            return
        for part in width.makers:
            weight = network.get_submodule(part.layer).get_parameter('weight')
            rows = torch.from_numpy(part.at[gone].reshape(-1)).to(weight.device)
            held = optimiser.state.get(weight, {})
            for name in MOMENTS:
                if isinstance(held.get(name), Tensor):
                    held[name][rows] = 0.0


class Balanced(Hook):
    """Auto-balanced filter pruning (Ding et al., AAAI 2018): weak filters wane, strong ones grow.

    A filter is weak where its L1 norm M is below the threshold of its width, which parts as many
    as will be pruned. Weak: lambda = 1 + log(theta / (M + e)); strong: lambda = -1 - log(M /
    (theta + e)). S is the sum of lambda * |W|^2 over a set. The penalty is alpha * S(weak) + tau *
    S(strong) with tau = -alpha * S(weak) / S(strong): its value is always 0, its gradient is not.
    Lambda and tau are constants of each step.
    """

    def __init__(
        self, found: Sequence[Width], counts: Mapping[str, int], prune: PruneConfig
    ) -> None:
        """Prepare widths for pruning.

        Args:
            found: the widths.
            counts: channels that each will keep.
            prune: has the weight of the penalty, `balance`.
        """
        self._found, self._counts, self._alpha = tuple(found), dict(counts), prune.balance

    def penalty(self, network: Network, progress: float) -> Tensor | None:
        """What is added to the loss of a step."""
        weak: list[Tensor] = []
        strong: list[Tensor] = []
        for width in self._found:
            number = width.count - self._counts[width.name]
            if number > 0:
                below, above = sides(filters(network, width), number)
                weak.append(below)
                strong.append(above)
        if not weak:
            return None
        return balanced(torch.stack(weak).sum(), torch.stack(strong).sum(), self._alpha)


def sides(weights: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """S of the weak and of the strong filters of one width.

    Args:
        weights: (n, numbers) its filters.
        number: of weak ones, 1 to n - 1; theta is the least norm of a strong one.
    """
    norms, squares = sums(weights).detach(), weights.square().sum(1)
    order = torch.argsort(norms, stable=True)
    theta = norms[order[number]]
    low, high = order[:number], order[number:]
    below = (1.0 + torch.log(theta / (norms[low] + EPSILON))) * squares[low]
    above = (-1.0 - torch.log(norms[high] / (theta + EPSILON))) * squares[high]
    return below.sum(), above.sum()


def balanced(weak: Tensor, strong: Tensor, alpha: float) -> Tensor:
    """alpha * S(weak) + tau * S(strong), tau detached."""
    tau = -alpha * weak.detach() / strong.detach()
    return alpha * weak + tau * strong


def _longest(network: Network, width: Width, number: int) -> IntArray:
    """(number,) ascending: the channels whose filters have the greatest L2 norms."""
    order = torch.argsort(lengths(filters(network, width).detach()), descending=True, stable=True)
    found: IntArray = np.sort(order[:number].cpu().numpy())
    return found


@torch.no_grad()
def _zero(network: Network, width: Width, gone: IntArray) -> None:
    """Take the weights of filters, and leave their norms."""
    for part in width.makers:
        weight = network.get_submodule(part.layer).get_parameter('weight')
        weight[torch.from_numpy(part.at[gone].reshape(-1)).to(weight.device)] = 0.0
