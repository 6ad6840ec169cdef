"""How many channels each width keeps, so that a share of the FLOPs is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import Tensor

from reid_ros.train.nets.network import Network
from reid_ros.train.prune import PruneError
from reid_ros.train.prune.cost import flops, layers
from reid_ros.train.prune.graph import Part, Width
from reid_ros.train.settings import PruneConfig
from reid_ros.types import IntArray

TOLERANCE = 0.02
"""Of the dense network's FLOPs: a share further from the one that was asked for is refused."""
CLOSE = 0.005
"""So near, widths are not corrected any more."""
_BISECTIONS = 60

Counts = Mapping[str, float]


class Budget:
    """The FLOPs of a network as a function of the channels that its widths keep.

    Attributes:
        found: the widths.
        total: FLOPs with everything kept.
    """

    def __init__(self, network: Network, found: Sequence[Width]) -> None:
        """Count once; any counts cost a few products then."""
        self.found = tuple(found)
        self.total = flops(network)
        spent = {name: cost for name, (cost, _) in layers(network).items()}
        self._fixed = self.total - sum(spent.values())
        # Of each layer: what a pair of one channel in and one out costs, and who narrows what.
        self._layers: list[tuple[float, list[_Side]]] = []
        for name, cost in spent.items():
            weight = network.get_submodule(name).get_parameter('weight')
            outer, inner = weight.shape[:2]
            sides = [_Side(int(outer), _of(name, found, 'makers'))]
            single = _of(name, found, 'followers')
            if single:
                sides = [_Side(int(outer), single)]
            elif name in _names(found, 'readers'):
                sides.append(_Side(int(inner), _of(name, found, 'readers')))
            self._layers.append((float(cost), sides))

    def flops(self, counts: Counts) -> float:
        """With so many channels kept of each width; all of a width that is not named."""
        gone = {w.name: w.count - counts.get(w.name, w.count) for w in self.found}
        total = float(self._fixed)
        for cost, sides in self._layers:
            for side in sides:
                cost *= side.share(gone)
            total += cost
        return total


class _Side:
    """The channels on one side of a layer, and the widths that some of them belong to."""

    def __init__(self, count: int, places: Mapping[str, int]) -> None:
        self._count, self._places = count, places

    def share(self, gone: Mapping[str, float]) -> float:
        left = self._count - sum(gone[name] * many for name, many in self._places.items())
        return left / self._count


def _of(layer: str, found: Sequence[Width], role: str) -> dict[str, int]:
    """How many channels of a layer each channel of a width is."""
    places: dict[str, int] = {}
    for width in found:
        parts: tuple[Part, ...] = getattr(width, role)
        for part in parts:
            if part.layer == layer:
                places[width.name] = places.get(width.name, 0) + part.at.shape[1]
    return places


def _names(found: Sequence[Width], role: str) -> list[str]:
    return [part.layer for width in found for part in getattr(width, role)]


def by_filters(
    found: Sequence[Width], dense: Mapping[str, int], prune: PruneConfig, iteration: int
) -> dict[str, int]:
    """Channels kept after so many iterations that each take a share of the layer's own filters.

    As Masson et al. do it (1/7 of each layer at a time; three iterations halve the FLOPs).

    Args:
        found: the widths as they are now.
        dense: channels of each in the network that was not pruned yet.
        prune: the share, the rounding and what is left at least.
        iteration: 1 is the first.
    """
    wanted = {
        width.name: dense[width.name] - iteration * int(dense[width.name] * prune.filters + 1e-9)
        for width in found
    }
    return {w.name: _nearest(w, wanted[w.name], _least(w, dense, prune), prune) for w in found}


def by_flops(
    budget: Budget,
    dense: Mapping[str, int],
    target: float,
    prune: PruneConfig,
    scores: Mapping[str, Tensor] | None = None,
    reference: float = 0.0,
) -> dict[str, int]:
    """Channels to keep so that a number of FLOPs is left, within `TOLERANCE`.

    All widths lose the same share of their channels, or, with `prune.ranking` global, the channels
    of the lowest scores go wherever they are. Then counts are rounded, and single widths corrected
    by one step up or down, those first that stay nearest to what was wanted.

    Args:
        budget: of the network as it is now.
        dense: channels of each width in the network that was not pruned yet.
        target: FLOPs that are wanted.
        prune: ranking, rounding and what a width keeps at least.
        scores: (count,) of each width, comparable between widths; for the global ranking.
        reference: FLOPs that the tolerance is a share of; 0 = the budget's own total.

    Raises:
        PruneError: the rounded widths cannot come so near.
    """
    reference = reference or budget.total
    least = {w.name: _least(w, dense, prune) for w in budget.found}
    if prune.ranking == 'global' and scores is not None:
        wanted = _globally(budget, target, scores, least)
    else:
        wanted = _evenly(budget, target, dense, least)
    counts = {w.name: _nearest(w, wanted[w.name], least[w.name], prune) for w in budget.found}
    counts = _corrected(budget, counts, wanted, target, reference, least, prune)
    missed = budget.flops(counts) - target
    if abs(missed) > TOLERANCE * reference:
        share = (target + missed) / reference
        raise PruneError(
            f'prune.flops: {target / reference:.3f} of the FLOPs cannot be had with widths at '
            f'multiples of {prune.round}; the nearest is {share:.3f}: take a smaller prune.round '
            'or prune.least, scope all, or another share'
        )
    return counts


def best(
    found: Sequence[Width], scores: Mapping[str, Tensor], counts: Mapping[str, int]
) -> dict[str, IntArray]:
    """The channels of the highest scores, ascending; of equal ones the first."""
    kept = {}
    for width in found:
        order = np.argsort(-scores[width.name].double().cpu().numpy(), kind='stable')
        kept[width.name] = np.sort(order[: counts[width.name]])
    return kept


def _evenly(
    budget: Budget, target: float, dense: Mapping[str, int], least: Mapping[str, int]
) -> dict[str, float]:
    """One share of the dense channels for all."""

    def kept(share: float) -> dict[str, float]:
        return {
            w.name: min(float(w.count), max(float(least[w.name]), share * dense[w.name]))
            for w in budget.found
        }

    return kept(_bisected(lambda share: budget.flops(kept(share)), target, 0.0, 1.0))


def _globally(
    budget: Budget, target: float, scores: Mapping[str, Tensor], least: Mapping[str, int]
) -> dict[str, float]:
    """One threshold for all, on scores of unit length within each width."""
    unit = {}
    for width in budget.found:
        values = scores[width.name].double().cpu().numpy()
        unit[width.name] = values / (np.linalg.norm(values) or 1.0)
    every = np.sort(np.concatenate(list(unit.values())))

    def kept(share: float) -> dict[str, float]:
        threshold = every[min(int((1.0 - share) * len(every)), len(every) - 1)]
        return {
            w.name: float(max(least[w.name], int((unit[w.name] >= threshold).sum())))
            for w in budget.found
        }

    return kept(_bisected(lambda share: budget.flops(kept(share)), target, 0.0, 1.0))


def _bisected(value: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Where a function that rises passes a target."""
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if value(middle) < target else (low, middle)
    return high


def _corrected(
    budget: Budget,
    counts: Mapping[str, int],
    wanted: Counts,
    target: float,
    reference: float,
    least: Mapping[str, int],
    prune: PruneConfig,
) -> dict[str, int]:
    """Single steps of single widths while they bring the FLOPs nearer."""
    result = dict(counts)
    missed = abs(budget.flops(result) - target)
    while missed > CLOSE * reference:
        steps = []
        for width in budget.found:
            for count in _neighbours(width, result[width.name], least[width.name], prune):
                after = abs(budget.flops({**result, width.name: count}) - target)
                strain = abs(count - wanted[width.name]) / width.count
                if after < missed:
                    steps.append((strain, after, width.name, count))
        if not steps:
            break
        _, missed, name, count = min(steps)
        result[name] = count
    return result


def _least(width: Width, dense: Mapping[str, int], prune: PruneConfig) -> int:
    return min(width.count, max(1, int(np.ceil(prune.least * dense[width.name]))))


def _allowed(width: Width, least: int, prune: PruneConfig) -> list[int]:
    """Multiples of the step, and all channels, of which there may be any number."""
    first = -(-least // prune.round) * prune.round
    return [*range(first, width.count, prune.round), width.count]


def _nearest(width: Width, wanted: float, least: int, prune: PruneConfig) -> int:
    return min(_allowed(width, least, prune), key=lambda count: (abs(count - wanted), -count))


def _neighbours(width: Width, count: int, least: int, prune: PruneConfig) -> list[int]:
    allowed = _allowed(width, least, prune)
    place = allowed.index(count)
    return [*allowed[max(place - 1, 0) : place], *allowed[place + 1 : place + 2]]
