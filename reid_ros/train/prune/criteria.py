"""Which filters can be spared: a score for each, the lowest goes first.

As compared by Masson et al. (Exploiting prunability for person re-identification, JIVP 2021:22).
What a width of several layers scores is that of its filters laid end to end, or the mean over the
places where its maps are read.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from reid_ros.train import losses
from reid_ros.train.batches import Batch
from reid_ros.train.nets.network import Answer, Network
from reid_ros.train.prune.graph import Width
from reid_ros.train.settings import LossConfig, PruneConfig
from reid_ros.world.seeds import generator

EPSILON = 1e-12


def scores(
    network: Network,
    found: Sequence[Width],
    batches: Iterable[Batch],
    prune: PruneConfig,
    loss: LossConfig,
    seed: int = 0,
) -> dict[str, Tensor]:
    """(count,) float32 of each width, by its name; higher = worth more.

    `psfp` has the lengths of the filters and `auto_balanced` their L1 norms: what is special about
    them happens in training, before.

    Args:
        network: is left as it is.
        found: the widths.
        batches: are only looked at by the criteria of maps: taylor and entropy.
        prune: names the criterion.
        loss: the cost whose gradients `taylor` takes.
        seed: of the criterion `random`.
    """
    name = prune.criterion
    if name == 'taylor':
        return taylor(network, found, batches, loss)
    if name == 'entropy':
        return entropy(network, found, batches, prune.bins)
    if name == 'random':
        return {
            width.name: torch.from_numpy(
                generator('train', 'prune', seed, width.name).random(width.count)
            ).float()
            for width in found
        }
    measure = {'l1': sums, 'auto_balanced': sums, 'psfp': lengths, 'fpgm': distances}[name]
    return {width.name: measure(filters(network, width).detach()) for width in found}


def filters(network: Network, width: Width) -> Tensor:
    """(count, numbers) the weights of each channel, of all its makers end to end."""
    parts = []
    for part in width.makers:
        weight = network.get_submodule(part.layer).get_parameter('weight')
        rows = torch.from_numpy(part.at.reshape(-1)).to(weight.device)
        parts.append(weight[rows].reshape(width.count, -1))
    return torch.cat(parts, 1)


def sums(weights: Tensor) -> Tensor:
    """(n, numbers) -> (n,) L1 norms (Li et al., Pruning filters for efficient ConvNets, 2017)."""
    found: Tensor = torch.linalg.vector_norm(weights, 1, dim=1)
    return found


def lengths(weights: Tensor) -> Tensor:
    """(n, numbers) -> (n,) L2 norms (He et al., Soft filter pruning, IJCAI 2018)."""
    found: Tensor = torch.linalg.vector_norm(weights, 2, dim=1)
    return found


def distances(weights: Tensor) -> Tensor:
    """(n, numbers) -> (n,) sums of distances to all others (He et al., FPGM, CVPR 2019).

    The filter nearest to the others' geometric median is what they can best replace.
    """
    return torch.cdist(weights, weights, compute_mode='donot_use_mm_for_euclid_dist').sum(1)


def taylor(
    network: Network, found: Sequence[Width], batches: Iterable[Batch], loss: LossConfig
) -> dict[str, Tensor]:
    """|mean of dC/dH * H| over space and batch (Molchanov et al., ICLR 2017), by map.

    The mean over batches, then brought to unit length within each width, so that widths of all
    depths can be ranked together.
    """
    totals = {width.name: torch.zeros(width.count) for width in found}
    model = copy.deepcopy(network).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    with _Maps(model, found) as maps:
        for batch in batches:
            maps.forget()
            answer = model(batch.clips, batch.cameras)
            cost = _task(answer, batch.people, loss)
            model.zero_grad(set_to_none=True)
            cost.backward()  # type: ignore[no-untyped-call]
            for width in found:
                changes = [
                    _by_channel((value * value.grad).detach(), at).mean(0)
                    for value, at in maps.of(width)
                    if value.grad is not None
                ]
                if changes:
                    totals[width.name] += torch.stack(changes).abs().mean(0).cpu()
    return {name: total / (total.norm() + EPSILON) for name, total in totals.items()}


def entropy(
    network: Network, found: Sequence[Width], batches: Iterable[Batch], bins: int
) -> dict[str, Tensor]:
    """Entropy of each map's mean over the samples (Luo and Wu, 2017), in nats.

    Histograms have their bins between a channel's own least and greatest value.
    """
    model = copy.deepcopy(network).eval()
    seen: dict[str, list[list[Tensor]]] = {width.name: [] for width in found}
    with torch.no_grad(), _Maps(model, found) as maps:
        for batch in batches:
            maps.forget()
            model(batch.clips, batch.cameras)
            for width in found:
                seen[width.name].append([_by_channel(v, at) for v, at in maps.of(width)])
    return {
        name: torch.stack(
            [disorder(torch.cat(place).float().cpu(), bins) for place in zip(*rows)]
        ).mean(0)
        for name, rows in seen.items()
    }


def disorder(values: Tensor, bins: int) -> Tensor:
    """(samples, n) -> (n,) entropy of each column's histogram, nats."""
    low, high = values.amin(0), values.amax(0)
    place = ((values - low) / (high - low).clamp_min(EPSILON) * bins).long().clamp_max(bins - 1)
    counts = torch.zeros(bins, values.shape[1]).scatter_add_(0, place, torch.ones_like(values))
    found: Tensor = torch.special.entr(counts / len(values)).sum(0)
    return found


def _task(answer: Answer, people: Tensor, loss: LossConfig) -> Tensor:
    """What the loop makes smaller, without a teacher."""
    cost = loss.identity * losses.smoothed_cross_entropy(answer.logits, people, loss.smoothing)
    cost = cost + loss.triplet * losses.batch_hard_triplet(answer.embedding, people, loss.margin)
    if loss.contrast:
        cost = cost + loss.contrast * losses.contrastive(answer.vector, people, loss.warmth)
    return cost


def _by_channel(values: Tensor, at: Tensor) -> Tensor:
    """(n, c, h, w) or (n, c) -> (n, count): the mean over the map, and over a channel's places."""
    means = values.flatten(2).mean(2) if values.ndim > 2 else values
    return means[:, at].mean(2)


class _Maps(AbstractContextManager['_Maps']):
    """Listens to what the readers of widths take in, while it is on."""

    def __init__(self, network: Network, found: Sequence[Width]) -> None:
        self._hooks: list[Any] = []
        self._heard: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for width in found:
            for part in width.readers:
                module = network.get_submodule(part.layer)
                listen = self._listener(width.name, torch.from_numpy(part.at))
                self._hooks.append(module.register_forward_pre_hook(listen))
        self.forget()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def forget(self) -> None:
        """Before the next batch."""
        self._heard = {}

    def of(self, width: Width) -> list[tuple[Tensor, Tensor]]:
        """(what was read, (count, m) its channels) at each place, each map once.

        Gates read means of maps; where there are maps, they are left out.
        """
        heard = self._heard.get(width.name, [])
        maps = [(value, at) for value, at in heard if value.ndim == 4 and value[0, 0].numel() > 1]
        return maps or heard

    def _listener(self, name: str, at: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def listen(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            value, heard = inputs[0], self._heard.setdefault(name, [])
            if all(value is not other for other, _ in heard):
                if value.requires_grad:
                    value.retain_grad()
                heard.append((value, at.to(value.device)))

        return listen
