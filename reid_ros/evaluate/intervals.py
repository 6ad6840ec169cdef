"""How sure a measured share is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from reid_ros.evaluate.ranking import ProtocolError
from reid_ros.types import AnyArray, DoubleArray

LEVEL = 0.95
ROUNDS = 1000
METHODS = ('wilson', 'clopper_pearson')


@dataclass(frozen=True, slots=True)
class Rate:
    """A share and the interval that holds the true one with 95 % (or the level asked for).

    Attributes:
        value, low, high: 0 to 1.
        n: trials behind it.
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f'{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})'


def share(hits: int, n: int, method: str = 'wilson', level: float = LEVEL) -> Rate:
    """Hits out of n independent trials, with its interval.

    'wilson' is the score interval (Wilson 1927), right on average; 'clopper_pearson' (1934) the
    exact one, which never promises too much and is wider.

    Raises:
        ProtocolError: no trial, more hits than trials, or an unknown method.
    """
    if n < 1 or not 0 <= hits <= n:
        raise ProtocolError(f'{hits} hits of {n} trials are no share')
    value = hits / n
    if method == 'wilson':
        z2 = float(special.ndtri(0.5 + level / 2)) ** 2
        middle = (value + z2 / (2 * n)) / (1 + z2 / n)
        half = math.sqrt(z2 * (value * (1 - value) / n + z2 / (4 * n * n))) / (1 + z2 / n)
        # At 0 and n hits the formula's end is the value itself, but for rounding.
        low = 0.0 if hits == 0 else middle - half
        high = 1.0 if hits == n else middle + half
    elif method == 'clopper_pearson':
        tail = (1 - level) / 2
        low = 0.0 if hits == 0 else float(special.betaincinv(hits, n - hits + 1, tail))
        high = 1.0 if hits == n else float(special.betaincinv(hits + 1, n - hits, 1 - tail))
    else:
        raise ProtocolError(f'method {method!r}: choose {" or ".join(METHODS)}')
    return Rate(value, low, high, n)


def draws(groups: int, rounds: int, draw: np.random.Generator) -> DoubleArray:
    """(rounds, groups) how often each group is in a resample of as many groups."""
    if groups < 2:
        raise ProtocolError(
            f'{groups} identity gives no interval: a bootstrap over identities needs at least 2'
        )
    return draw.multinomial(groups, np.full(groups, 1 / groups), rounds).astype(np.float64)


def ends(values: DoubleArray, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of the values of all rounds."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap(
    values: AnyArray,
    identities: AnyArray,
    draw: np.random.Generator,
    rounds: int = ROUNDS,
    level: float = LEVEL,
) -> Rate:
    """Mean of the values; interval by resampling identities, not rows.

    The rows of one person are alike, so resampling rows would promise too much (Field and Welsh
    2007, cluster bootstrap).

    Args:
        values: (n,) one per query: hit or not, average precision, ...
        identities: (n,) whom the query shows.
        draw: source of the resamples.

    Raises:
        ProtocolError: two lengths, or fewer than two identities.
    """
    numbers = np.asarray(values, np.float64)
    names, group = np.unique(np.asarray(identities), return_inverse=True)
    if numbers.shape != group.shape:
        raise ProtocolError(f'{numbers.shape} values of {group.shape} identities')
    sums = np.bincount(group, numbers, len(names))
    sizes = np.bincount(group, minlength=len(names)).astype(np.float64)
    weights = draws(len(names), rounds, draw)
    return Rate(
        float(numbers.mean()), *ends((weights @ sums) / (weights @ sizes), level), len(numbers)
    )
