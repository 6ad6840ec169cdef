"""Who is in a batch, and which frames of a tracklet; pure functions of numbers.

Nothing is remembered from batch to batch, so training goes on anywhere with the same batches.
"""

from __future__ import annotations

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.types import IntArray

_NEVER_TWICE = 1 << 32  # views of one seed of training, where each is drawn once


class Identities:
    """P people with K tracklets each (Hermans et al., In Defense of the Triplet Loss, 2017).

    Everybody comes once in turn, in another order each round. Whoever has fewer than K tracklets
    shows some of them twice, as other views.
    """

    def __init__(
        self,
        people: IntArray,
        number: int,
        clips: int,
        seed: int,
        groups: IntArray | None = None,
    ) -> None:
        """Sort tracklets by person.

        Args:
            people: (n,) labels 0 to P - 1 of all tracklets.
            number: people in a batch.
            clips: tracklets of each.
            seed: of the order.
            groups: (n,) people of one number come one after the other; None = each by themselves.

        Raises:
            DataError: fewer people than a batch needs.
        """
        order = np.argsort(people, kind='stable')
        counts = np.bincount(people)
        if len(counts) < number:
            raise DataError(
                f'data.people: a batch of {number} people, but there are {len(counts)} to learn '
                'from: ask for fewer, or add sets to data.train'
            )
        self._rows = np.split(order, np.cumsum(counts)[:-1])
        self._number, self._clips, self._seed = number, clips, seed
        self.round = len(counts) // number
        self._group: IntArray = np.arange(len(counts))
        if groups is not None:
            known = groups[[rows[0] for rows in self._rows]]
            self._group = np.unique(known, return_inverse=True)[1].reshape(-1)

    def batch(self, step: int) -> IntArray:
        """(P * K,) tracklets of a step, person by person."""
        turn, place = divmod(step, self.round)
        turns = np.random.default_rng((self._seed, 1, turn)).permutation(self._group.max() + 1)
        place_of = np.argsort(turns)
        order = np.argsort(place_of[self._group], kind='stable')
        draw = np.random.default_rng((self._seed, 2, step))
        chosen = order[place * self._number : (place + 1) * self._number]
        return np.concatenate([self._some(self._rows[person], draw) for person in chosen])

    def _some(self, rows: IntArray, draw: np.random.Generator) -> IntArray:
        times = -(-self._clips // len(rows))
        return np.concatenate([draw.permutation(rows) for _ in range(times)])[: self._clips]


def restricted(length: int, frames: int, draw: np.random.Generator) -> IntArray:
    """(frames,) one frame at random from each of equal stretches of a tracklet, in order.

    Source: Li et al., Diversity Regularized Spatiotemporal Attention, CVPR 2018, section 3.1. A
    tracklet of fewer frames repeats some.
    """
    edges = np.arange(frames + 1) * length / frames
    low = np.minimum(np.floor(edges[:-1]).astype(np.int64), length - 1)
    high = np.maximum(np.ceil(edges[1:]).astype(np.int64), low + 1)
    return draw.integers(low, np.minimum(high, length))


def even(length: int, frames: int) -> IntArray:
    """(frames,) the middle frames of equal stretches, for scoring."""
    return ((np.arange(frames) + 0.5) * length / frames).astype(np.int64)


def views(seed: int, step: int, number: int, stored: int) -> IntArray:
    """(number,) the views of a step: of those that a teacher has answered, or none ever twice.

    Args:
        seed: of the training.
        step: from 0.
        number: how many.
        stored: how many views of each thing there are; 0 = no end of them.
    """
    if stored:
        return np.random.default_rng((seed, 3, step)).integers(0, stored, number)
    return seed * _NEVER_TWICE + step * number + np.arange(number)


def in_turn(seed: int, step: int, number: int, count: int) -> list[tuple[int, int]]:
    """Rows of a step, each with its view: all rows come once before any comes twice.

    Args:
        seed: of the training.
        step: from 0.
        number: rows of a step.
        count: how many rows there are.
    """
    places = step * number + np.arange(number)
    orders = {
        epoch: np.random.default_rng((seed, 1, epoch)).permutation(count)
        for epoch in sorted(set((places // count).tolist()))
    }
    rows = [int(orders[place // count][place % count]) for place in places.tolist()]
    return list(zip(rows, views(seed, step, number, 0).tolist()))
