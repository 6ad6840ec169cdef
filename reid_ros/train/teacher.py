"""A finished network that answers for every clip a student sees, and remembers what it said."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reid_ros.train import saved
from reid_ros.train.batches import Batch, Batches
from reid_ros.train.checkpoint import TrainError
from reid_ros.train.clips import Joined
from reid_ros.train.nets.network import Answer
from reid_ros.train.optimiser import Precision
from reid_ros.train.settings import DataConfig, Recipe
from reid_ros.train.store import Store

VERSION = 1
"""Of stored answers; a change makes older ones unused."""


class TeacherError(TrainError):
    """A teacher that cannot teach this student."""


class Teacher:
    """The network of a finished training, in eval mode; nothing of it learns.

    With `data.views` answers are stored beside the teacher (or in `distil.store`) and shared by
    all students of the same data; without, the network runs for every batch.

    Attributes:
        width: length of its embedding.
        calls: how often the network has run.
    """

    def __init__(self, recipe: Recipe, source: Joined, device: torch.device) -> None:
        """Load it for a student's recipe.

        Args:
            recipe: of the student; `distil.teacher` is the folder.
            source: what the student learns from.
            device: where both run.

        Raises:
            TrainError: no finished training there.
            TeacherError: it knows other people, or crops of another size.
            StoreError: its answers cannot be kept.
        """
        folder = Path(recipe.distil.teacher).expanduser()
        network = saved.load(folder).requires_grad_(False).to(device)
        # torch's own type stubs do not know the argument.
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._precision, self._device = Precision(recipe.run, device), device
        self.width, self.calls = self._network.width, 0
        people = int(source.people.max()) + 1
        self._check(folder, saved.recipe(folder), recipe, people)
        self._store: Store | None = None
        if recipe.data.views:
            facts = _facts(folder, recipe, source)
            root = Path(recipe.distil.store).expanduser() if recipe.distil.store else folder
            place = root / 'answers' / digest(facts)[:16]
            shape = (len(source.people), recipe.data.views, self.width)
            self._store = Store(place, shape, facts)

    def _check(self, folder: Path, own: Recipe, recipe: Recipe, people: int) -> None:
        taught = self._network.classifier.out_features
        if taught != people:
            raise TeacherError(
                f'distil.teacher: {folder} tells {taught} people apart, the student {people}: '
                'train the teacher on the sets of data.train'
            )
        whole = self._network.encoder.sided
        for name, mine, yours in (
            ('data.train', labels(own.data, whole), labels(recipe.data, whole)),
            ('crops', (own.data.height, own.data.width), (recipe.data.height, recipe.data.width)),
        ):
            if digest(mine) != digest(yours):
                raise TeacherError(
                    f'distil.teacher: {folder} learnt from other {name}: {mine}, the student '
                    f'from {yours}; both need the same people in the same order, and crops of one '
                    'size'
                )

    def answers(self, batch: Batch) -> Answer:
        """Embedding, vector and logits of each clip, float32."""
        with torch.no_grad():
            return self._told(self._embeddings(batch))

    def _embeddings(self, batch: Batch) -> Tensor:
        if self._store is None:
            return self._run(batch.clips, batch.cameras)
        values, there = self._store.find(batch.rows, batch.views)
        if not there.all():
            missing = np.flatnonzero(~there)
            which = torch.from_numpy(missing).to(batch.clips.device)
            found = self._run(batch.clips[which], batch.cameras[which]).cpu().numpy()
            self._store.put(batch.rows[missing], batch.views[missing], found)
            values[missing] = found
        return torch.from_numpy(values).to(self._device)

    def _run(self, clips: Tensor, cameras: Tensor) -> Tensor:
        self.calls += 1
        with self._precision.automatic():
            answer: Answer = self._network(clips, cameras)
        return answer.embedding.float()

    def _told(self, embedding: Tensor) -> Answer:
        """The rest of the network, so cheap that it is not stored."""
        vector = self._network.neck(embedding)
        return Answer(embedding, vector, self._network.classifier(vector))


def labels(data: DataConfig, cameras: bool = False) -> list[dict[str, Any]]:
    """What decides who has which label; with `cameras`, also which number a camera has."""
    found = []
    for name in data.train:
        spec = dataclasses.asdict(data.sets[name])
        world = spec['layout'] == 'world'
        kept = ('first', 'people') if world else ('held_out', 'seed', 'fold', 'boxes')
        # Where a public set lies is no part of what it is.
        names = [key for key in spec if key != 'path'] if cameras else ['layout', 'split', *kept]
        found.append({key: spec[key] for key in names})
    return found


def digest(facts: Any) -> str:
    """SHA-256 of plain data."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _facts(folder: Path, recipe: Recipe, source: Joined) -> dict[str, Any]:
    """Everything that decides what the teacher says of (row, view)."""
    data = recipe.data
    rows = hashlib.sha256()
    for part in (source.people, source.cameras, source.lengths):
        rows.update(np.ascontiguousarray(part, '<i8').tobytes())
    # Some clips themselves: they differ too where the code that draws or changes them does.
    clips, batches = hashlib.sha256(), Batches(recipe, source)
    for row in (0, len(source.people) // 2, len(source.people) - 1):
        clips.update(batches.clip(row, data.views - 1).tobytes())
    return {
        'version': VERSION,
        'teacher': hashlib.sha256((folder / saved.WEIGHTS).read_bytes()).hexdigest(),
        'numbers': recipe.run.amp,
        'sets': labels(data, True),
        'size': [data.frames, data.height, data.width],
        'views': data.views,
        'augment': dataclasses.asdict(recipe.augment),
        'rows': rows.hexdigest(),
        'clips': clips.hexdigest(),
    }
