"""Batches of walks by number: silhouettes as bytes, prepared ahead by other processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from reid_ros.train import sampling
from reid_ros.train.gait.data.augment import augment
from reid_ros.train.gait.data.sequences import Joined
from reid_ros.train.gait.settings import GaitDataConfig, GaitRecipe
from reid_ros.train.sampling import Identities
from reid_ros.types import IntArray, UInt8Array


@dataclass(frozen=True, slots=True)
class GaitBatch:
    """n walks to learn from.

    Attributes:
        walks: (n, t, 64, 44) uint8.
        people: (n,) int64 labels.
        rows: (n,) which walks.
        views: (n,) which augmented view of each.
    """

    walks: Tensor
    people: Tensor
    rows: IntArray
    views: IntArray

    def to(self, device: torch.device) -> GaitBatch:
        """The same, with its tensors on a device."""
        walks, people = (part.to(device, non_blocking=True) for part in (self.walks, self.people))
        return GaitBatch(walks, people, self.rows, self.views)


class GaitBatches(Dataset[GaitBatch]):
    """Any batch at any time; equal settings and seeds give equal batches.

    A walk and the number of a view tell which frames there are and how they are changed, as in
    `train.batches.Batches`.
    """

    def __init__(self, recipe: GaitRecipe, source: Joined) -> None:
        """Of a source whose people are 0, 1, ... without gaps."""
        data = recipe.data
        self._recipe, self._source = recipe, source
        people = source.labels.people
        self._who = Identities(people, data.people, data.walks, recipe.run.seed)

    def __getitem__(self, step: int) -> GaitBatch:
        """The batch of a step."""
        rows, recipe = self._who.batch(step), self._recipe
        views = sampling.views(recipe.run.seed, step, len(rows), recipe.data.views)
        walks = np.stack([self.walk(int(row), int(view)) for row, view in zip(rows, views)])
        people = self._source.labels.people[rows]
        return GaitBatch(torch.from_numpy(walks), torch.from_numpy(people), rows, views)

    def walk(self, row: int, view: int) -> UInt8Array:
        """(t, 64, 44) one view of a walk."""
        draw = np.random.default_rng((row, view))
        which = chosen(self._source.length(row), self._recipe.data, draw)
        return augment(self._source.frames(row, which), self._recipe.augment, draw)


def chosen(length: int, data: GaitDataConfig, draw: np.random.Generator) -> IntArray:
    """(frames,) which frames of a walk are learnt from.

    Ordered as OpenGait does it ('fixed_ordered'): a window of frames + skip at any place, from
    which skip frames are dropped at random; a walk that is too short begins again. Unordered: any
    frames, none twice where there are enough.

    Args:
        length: frames that there are.
        data: how many are wanted, and how.
        draw: draws them.
    """
    if not data.ordered:
        if length >= data.frames:
            return draw.permutation(length)[: data.frames]
        return draw.integers(0, length, data.frames)
    # A window that the walk has not is as large as the walk, if that is enough.
    window = min(data.frames + data.skip, max(length, data.frames))
    start = int(draw.integers(0, max(length - window, 0) + 1))
    kept = np.sort(draw.permutation(window)[: data.frames])
    return (start + kept) % length
