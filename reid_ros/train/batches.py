"""Batches by number: clips as bytes, prepared ahead by other processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from reid_ros.train import sampling
from reid_ros.train.augment import augment
from reid_ros.train.clips import Grouped, Source
from reid_ros.train.sampling import Identities, restricted
from reid_ros.train.settings import Recipe
from reid_ros.types import IntArray, UInt8Array

T = TypeVar('T')


@dataclass(frozen=True, slots=True)
class Batch:
    """n clips to learn from.

    Attributes:
        clips: (n, t, h, w, 3) uint8 BGR.
        people: (n,) int64 labels.
        cameras: (n,) int64.
        rows: (n,) tracklets.
        views: (n,) which augmented view of each.
    """

    clips: Tensor
    people: Tensor
    cameras: Tensor
    rows: IntArray
    views: IntArray

    def to(self, device: torch.device) -> Batch:
        """The same, with its tensors on a device."""
        clips, people, cameras = (
            part.to(device, non_blocking=True) for part in (self.clips, self.people, self.cameras)
        )
        return Batch(clips, people, cameras, self.rows, self.views)


class Batches(Dataset[Batch]):
    """Any batch at any time; equal settings and seeds give equal batches.

    A tracklet and the number of a view tell which frames there are and how they are changed. With
    `data.views` these numbers begin at 0 and come again, alike for every seed of training, so that
    a teacher's answers can be stored; without, no view comes twice.
    """

    def __init__(self, recipe: Recipe, source: Source) -> None:
        """Of a source whose people are 0, 1, ... without gaps."""
        data = recipe.data
        self._recipe, self._source = recipe, source
        groups = source.groups if isinstance(source, Grouped) else None
        self._who = Identities(source.people, data.people, data.clips, recipe.run.seed, groups)

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step."""
        rows, recipe = self._who.batch(step), self._recipe
        views = sampling.views(recipe.run.seed, step, len(rows), recipe.data.views)
        clips = np.stack([self.clip(int(row), int(view)) for row, view in zip(rows, views)])
        return Batch(
            torch.from_numpy(clips),
            torch.from_numpy(self._source.people[rows]),
            torch.from_numpy(self._source.cameras[rows]),
            rows,
            views,
        )

    def clip(self, row: int, view: int) -> UInt8Array:
        """(t, h, w, 3) one view of a tracklet."""
        draw = np.random.default_rng((row, view))
        which = restricted(int(self._source.lengths[row]), self._recipe.data.frames, draw)
        return augment(self._source.frames(row, which), self._recipe.augment, draw)


class _Steps(Sampler[int]):
    def __init__(self, steps: range) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator[int]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


def ahead(batches: Dataset[Any], steps: range, workers: int, pinned: bool) -> Iterator[Any]:
    """The batches of steps, in order, prepared by worker processes while others are used."""
    loader: DataLoader[Any] = DataLoader(
        batches,
        batch_size=None,
        sampler=_Steps(steps),
        num_workers=workers,
        pin_memory=pinned,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_alone,
        # As torch does up to Python 3.13. Workers touch numpy and OpenCV alone; a server of forks
        # would import torch for seconds, and outlive a killed training.
        multiprocessing_context='fork' if workers else None,
    )
    return iter(loader)


def _alone(worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
