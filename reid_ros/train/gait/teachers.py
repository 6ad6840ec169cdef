"""Finished gait networks that answer for every walk a student sees, and remember it."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reid_ros.train import saved as trained
from reid_ros.train.distillation import Taught
from reid_ros.train.gait import saved
from reid_ros.train.gait.data.batches import GaitBatch, GaitBatches
from reid_ros.train.gait.data.sequences import Joined
from reid_ros.train.gait.distillation import GaitDistillation
from reid_ros.train.gait.nets.network import GaitAnswer, GaitNetwork
from reid_ros.train.gait.settings import WORLD, GaitDataConfig, GaitRecipe
from reid_ros.train.optimiser import Precision, placed
from reid_ros.train.store import Store
from reid_ros.train.task import Place
from reid_ros.train.teacher import TeacherError, digest

VERSION = 1
"""Of stored answers; a change makes older ones unused."""


class GaitTeacher:
    """The network of a finished training, in eval mode; nothing of it learns.

    With `data.views` its embeddings are stored beside it (or in `store`) and shared by all
    students of the same data; without, or where its maps are wanted, it runs for every batch.

    Attributes:
        network: on the student's device.
        calls: how often it has run.
    """

    def __init__(self, folder: Path, recipe: GaitRecipe, source: Joined, place: Place) -> None:
        """Load it for a student's recipe.

        Args:
            folder: of its training.
            recipe: of the student.
            source: what the student learns from.
            place: where both run.

        Raises:
            TrainError: no finished training there.
            TeacherError: it knows other people.
            StoreError: its answers cannot be kept.
        """
        network = saved.load(folder).requires_grad_(False)
        self.network = placed(network, place.device)
        self._precision, self._device = Precision(recipe.run, place.device), place.device
        self.calls = 0
        mine, yours = labels(saved.recipe(folder).data), labels(recipe.data)
        if digest(mine) != digest(yours):
            raise TeacherError(
                f'distil.teachers: {folder} learnt from other people: {mine}, the student from '
                f'{yours}; both need the same in the same order'
            )
        self._store: Store | None = None
        if recipe.data.views and not recipe.distil.attention:
            facts = _facts(folder, recipe, source)
            root = Path(recipe.store).expanduser() if recipe.store else folder
            shape = (len(source.labels), recipe.data.views, network.length)
            self._store = Store(root / 'answers' / digest(facts)[:16], shape, facts)

    def answers(self, batch: GaitBatch) -> GaitAnswer:
        """Embedding and logits of each walk, float32; maps are empty where answers are stored."""
        with torch.no_grad():
            if self._store is None:
                return self._run(batch.walks)
            return self._told(self._embeddings(self._store, batch))

    def _embeddings(self, store: Store, batch: GaitBatch) -> Tensor:
        values, there = store.find(batch.rows, batch.views)
        if not there.all():
            missing = np.flatnonzero(~there)
            which = torch.from_numpy(missing).to(batch.walks.device)
            found = self._run(batch.walks[which]).embedding.flatten(1).cpu().numpy()
            store.put(batch.rows[missing], batch.views[missing], found)
            values[missing] = found
        whole = torch.from_numpy(values).to(self._device)
        return whole.reshape(len(values), self.network.width, self.network.parts)

    def _run(self, walks: Tensor) -> GaitAnswer:
        self.calls += 1
        with self._precision.automatic():
            answer: GaitAnswer = self.network(walks)
        return GaitAnswer(answer.embedding.float(), answer.logits.float(), answer.maps.float())

    def _told(self, embedding: Tensor) -> GaitAnswer:
        """The rest of the network, so cheap that it is not stored."""
        logits = self.network.classifier(self.network.neck(embedding))
        return GaitAnswer(embedding, logits, embedding.new_empty(0))


class Teachers:
    """All teachers of a student, and what they add to its loss.

    Attributes:
        distillation: learns beside the student, where anything is projected.
    """

    def __init__(
        self, recipe: GaitRecipe, source: Joined, student: GaitNetwork, place: Place
    ) -> None:
        """Open those that the recipe names; none adds nothing.

        Raises:
            TrainError: one that is not finished, or that knows other people.
        """
        folders = [Path(name).expanduser() for name in recipe.distil.teachers]
        self._all = [GaitTeacher(folder, recipe, source, place) for folder in folders]
        self.distillation: nn.Module = nn.Identity()
        if self._all:
            networks = [teacher.network for teacher in self._all]
            made = GaitDistillation(recipe.distil, student, networks, recipe.loss.scale)
            self.distillation = made.to(place.device)

    @property
    def calls(self) -> int:
        """How often their networks have run."""
        return sum(teacher.calls for teacher in self._all)

    def terms(self, answer: GaitAnswer, batch: GaitBatch) -> Taught | None:
        """The weighted terms of a batch; None without a teacher."""
        if not isinstance(self.distillation, GaitDistillation):
            return None
        told = [teacher.answers(batch) for teacher in self._all]
        taught: Taught = self.distillation(answer, told, batch.people)
        return taught

    def positive(self) -> list[dict[str, float]]:
        """How often the teachers' embeddings lay above the boundary."""
        if not isinstance(self.distillation, GaitDistillation):
            return []
        return self.distillation.positive()


def labels(data: GaitDataConfig) -> list[dict[str, Any]]:
    """What decides who has which label."""
    found = []
    for name in data.train:
        spec = dataclasses.asdict(data.sets[name])
        kept = ('first', 'people') if spec['layout'] == WORLD else ('held_out', 'seed')
        found.append({key: spec[key] for key in ('layout', 'split', *kept)})
    return found


def _facts(folder: Path, recipe: GaitRecipe, source: Joined) -> dict[str, Any]:
    """Everything that decides what a teacher says of (row, view)."""
    data = recipe.data
    rows = hashlib.sha256()
    for part in (source.labels.people, source.labels.views, source.labels.walks):
        rows.update(np.ascontiguousarray(part, '<i8').tobytes())
    # Some walks themselves: they differ too where the code that draws or changes them does.
    walks, batches = hashlib.sha256(), GaitBatches(recipe, source)
    for row in (0, len(source.labels) // 2, len(source.labels) - 1):
        for view in range(data.views):
            walks.update(batches.walk(row, view).tobytes())
    return {
        'version': VERSION,
        'teacher': hashlib.sha256((folder / trained.WEIGHTS).read_bytes()).hexdigest(),
        'numbers': recipe.run.amp,
        'sets': [dataclasses.asdict(data.sets[name]) for name in data.train],
        'masks': [data.masks, data.silhouette],
        'frames': [data.frames, data.skip, data.ordered],
        'views': data.views,
        'augment': dataclasses.asdict(recipe.augment),
        'rows': rows.hexdigest(),
        'walks': walks.hexdigest(),
    }
