"""The task of finding people and telling them in one pass, for the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from reid_ros.train.batches import ahead
from reid_ros.train.checkpoint import TrainError
from reid_ros.train.optimiser import placed
from reid_ros.train.search import saved, score
from reid_ros.train.search.data.batches import SearchBatch, SearchBatches
from reid_ros.train.search.data.sources import Tell, learnt, silent, trials
from reid_ros.train.search.detector import Adapters, Teacher
from reid_ros.train.search.lessons import DenseLesson, Lesson, TwoStageLesson
from reid_ros.train.search.lookup import lookup
from reid_ros.train.search.nets.dense import Dense
from reid_ros.train.search.nets.searcher import Searcher
from reid_ros.train.search.nets.two_stage import TwoStage
from reid_ros.train.search.settings import SearchRecipe, read
from reid_ros.train.task import Add, Kind, Place

_DRAWS = 1 << 20  # seeds of one seed of training: one a step


class Searching:
    """See `task.Task`."""

    def __init__(self, recipe: SearchRecipe, place: Place, tell: Tell = silent) -> None:
        """Of a recipe.

        Args:
            recipe: everything that decides the result.
            place: where it runs.
            tell: is called with the number of pictures drawn, where some are not yet.

        Raises:
            DataError: sets that cannot be read.
            TrainError: a start or a teacher that is not finished, or does not fit.
        """
        self._recipe, self._place = recipe, place
        source = learnt(recipe.data, tell)
        # A rank of its own seed: other batches, the same weights.
        run = replace(recipe.run, seed=recipe.run.seed + place.rank)
        self._batches = SearchBatches(replace(recipe, run=run), source)
        self._trials = trials(recipe.data, recipe.data.validation, tell)
        self._lookups = 0
        vectors = None
        if recipe.table.used:
            found = lookup(recipe, source, place)
            vectors, self._lookups = torch.from_numpy(found.vectors), found.calls
        torch.manual_seed(recipe.run.seed)
        network = _started(recipe, source.people)
        if vectors is not None and network.table is not None:
            network.table.begin(vectors)
        self.network: Searcher = placed(network, place.device)
        self._teacher: Teacher | None = None
        self.extra: nn.Module = nn.Module()
        if recipe.distil.used:
            self._teacher = Teacher(recipe, self.network, place)
            if recipe.distil.hint:
                self.extra = Adapters(self.network, self._teacher.network).to(place.device)
        self._lesson = self._learns()

    def _learns(self) -> Lesson[Any]:
        recipe, adapters = self._recipe, None
        if isinstance(self.extra, Adapters):
            adapters = self.extra
        rest = (self._place, recipe.loss, recipe.distil, self._teacher, adapters)
        if isinstance(self.network, Dense):
            return DenseLesson(self.network, *rest)
        return TwoStageLesson(cast(TwoStage, self.network), *rest)

    @property
    def scored(self) -> bool:
        """Whether there is anything to choose by."""
        return bool(self._trials)

    def batches(self, steps: range) -> Iterator[SearchBatch]:
        """The batches of these steps, in order."""
        pinned = self._place.device.type == 'cuda'
        return ahead(self._batches, steps, self._recipe.data.workers, pinned)

    def loss(
        self, forward: nn.Module, batch: SearchBatch, step: int, progress: float, add: Add
    ) -> Tensor:
        """Where people are, who they are, and what the teacher says."""
        batch = batch.to(self._place.device)
        # Of the step alone: torch's own numbers differ after a resumption.
        seed = (self._recipe.run.seed + self._place.rank) * _DRAWS + step
        parts = self._lesson(forward, batch, torch.Generator().manual_seed(seed))
        for name, value in parts.items():
            add(name, value)
        return torch.stack([value.float() for value in parts.values()]).sum()

    def score(self, network: nn.Module, intervals: bool) -> dict[str, dict[str, Any]]:
        """On validation."""
        limits = score.limits(self._recipe.data)
        return score.scores(cast(Searcher, network), self._trials, limits, intervals)

    def points(self, found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        """rank-1 and mAP of the search, and average precision of the detections."""
        return score.points(found)

    def restored(self, state: Mapping[str, Tensor]) -> Searcher:
        """A network like this one with these weights."""
        return placed(saved.restored(self._recipe, state), self._place.device)

    def facts(self) -> dict[str, Any]:
        """How often a detector has run while this learnt, and whether a table was computed."""
        calls = self._teacher.calls if self._teacher else 0
        return {'teacher_calls': calls, 'lookups': self._lookups}


def kind(tell: Tell = silent) -> Kind:
    """Of the loop.

    Args:
        tell: is called with the number of pictures drawn, where some are not yet.
    """
    return Kind(read, lambda recipe, place: Searching(recipe, place, tell))


def _started(recipe: SearchRecipe, people: int) -> Searcher:
    """The recipe's network: random or pretrained, or as its start left it but for the table."""
    if recipe.net.embed and not people:
        raise TrainError(
            'data.train: nobody has a label, so there are no vectors to learn: set net.embed to 0 '
            'for a detector alone, or add a set with labels'
        )
    queue = round(recipe.loss.queue * people)
    network = saved.made(recipe, people, queue, pretrained=not recipe.start)
    if not recipe.start:
        return network
    begun = saved.load(Path(recipe.start).expanduser())
    # A detector may be the start of a network that tells people, too.
    for name in ('head', 'encoder', 'width', 'depth', 'strides', 'below'):
        mine, theirs = getattr(recipe.net, name), getattr(begun.settings, name)
        if mine != theirs:
            raise TrainError(
                f'net.{name}: {mine}, but {recipe.start} (start) has {theirs}: say the same, or '
                'begin without a start'
            )
    own = network.state_dict()
    kept = {
        name: value
        for name, value in begun.state_dict().items()
        if name in own and own[name].shape == value.shape and not name.startswith('table.')
    }
    network.load_state_dict(kept, strict=False)
    return network
