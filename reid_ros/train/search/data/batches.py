"""Batches of pictures by number: bytes and boxes, prepared ahead by other processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from reid_ros.train.sampling import in_turn
from reid_ros.train.search.data.augment import augment
from reid_ros.train.search.data.pictures import Pictures
from reid_ros.train.search.oim import NOBODY
from reid_ros.train.search.settings import SearchRecipe


@dataclass(frozen=True, slots=True)
class Truth:
    """Who stands where in n pictures, as many rows for each as the fullest has.

    Attributes:
        boxes: (n, k, 4) float32 pixels.
        people: (n, k) int64 labels, UNKNOWN, or NOBODY of rows that are not there.
        labelled: (n,) whether everybody has a box; else nothing is known of a picture.
    """

    boxes: Tensor
    people: Tensor
    labelled: Tensor

    def to(self, device: torch.device) -> Truth:
        """The same on a device."""
        parts = (self.boxes, self.people, self.labelled)
        return Truth(*(part.to(device, non_blocking=True) for part in parts))

    @property
    def there(self) -> Tensor:
        """(n, k) which rows are there."""
        return self.people != NOBODY


@dataclass(frozen=True, slots=True)
class SearchBatch:
    """n pictures to learn from.

    Attributes:
        images: (n, h, w, 3) uint8 BGR.
        truth: who stands where.
    """

    images: Tensor
    truth: Truth

    def to(self, device: torch.device) -> SearchBatch:
        """The same on a device."""
        return SearchBatch(self.images.to(device, non_blocking=True), self.truth.to(device))


class SearchBatches(Dataset[SearchBatch]):
    """Any batch at any time; equal settings and seeds give equal batches.

    All pictures come once before any comes twice.
    """

    def __init__(self, recipe: SearchRecipe, source: Pictures) -> None:
        """Of a source whose people are 0, 1, ... without gaps."""
        self._recipe, self._source = recipe, source

    def __getitem__(self, step: int) -> SearchBatch:
        """The batch of a step."""
        where, recipe = self._source.standing, self._recipe
        images, boxes, people, labelled = [], [], [], []
        for row, view in in_turn(recipe.run.seed, step, recipe.data.batch, len(where)):
            draw = np.random.default_rng((row, view))
            own = slice(int(where.starts[row]), int(where.starts[row + 1]))
            image, moved, kept = augment(
                self._source.image(row), where.boxes[own], recipe.augment, draw
            )
            images.append(torch.from_numpy(image))
            boxes.append(torch.from_numpy(moved[kept]))
            people.append(torch.from_numpy(where.people[own][kept]))
            labelled.append(bool(where.labelled[row]))
        return SearchBatch(
            torch.stack(images),
            Truth(_padded(boxes, 0.0), _padded(people, NOBODY), torch.tensor(labelled)),
        )


def _padded(parts: list[Tensor], value: float) -> Tensor:
    """(n, k, ...) rows of each, at least one, filled up."""
    found = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=value)
    if found.shape[1]:
        return found
    return torch.full((len(parts), 1, *found.shape[2:]), value, dtype=found.dtype)
