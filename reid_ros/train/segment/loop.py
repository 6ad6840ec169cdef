"""Trains a silhouette network: one recipe, one folder; a kill at any moment loses minutes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from reid_ros import results
from reid_ros.train import course, curves, saved
from reid_ros.train import settings as recipes
from reid_ros.train.batches import ahead
from reid_ros.train.checkpoint import Average, State, TrainError, replaced
from reid_ros.train.optimiser import Precision, device_of, length, optimiser
from reid_ros.train.segment import score, settings
from reid_ros.train.segment.disturb import Disturbed
from reid_ros.train.segment.net import Segmenter
from reid_ros.train.segment.pictures import Pictures, drawn, silent
from reid_ros.train.segment.settings import SegmentLoss, SegmentRecipe

CHECKPOINT = 'last.pt'
FIFTHS = 5
_NEVER_TWICE = 1 << 32  # views of one seed of training, where each is drawn once

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training.

    Attributes:
        folder: where it lies.
        scores: the content of scores.json.
    """

    folder: Path
    scores: dict[str, Any]


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Crops and masks by number of the step; equal settings and seeds give equal batches."""

    def __init__(self, recipe: SegmentRecipe, disturbed: Disturbed) -> None:
        """Of disturbed pictures, all of them once before any comes twice."""
        self._recipe, self._disturbed = recipe, disturbed

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """(n, h, w, 3) uint8 BGR and (n, h, w) uint8, 0 to 255."""
        seed, number, count = self._recipe.run.seed, self._recipe.data.batch, len(self._disturbed)
        places = np.arange(step * number, (step + 1) * number)
        orders = {
            epoch: np.random.default_rng((seed, 1, epoch)).permutation(count)
            for epoch in sorted(set((places // count).tolist()))
        }
        found = [
            self._disturbed(
                int(orders[place // count][place % count]), seed * _NEVER_TWICE + place
            )
            for place in places.tolist()
        ]
        crops, masks = (np.stack(part) for part in zip(*found))
        return torch.from_numpy(crops), torch.from_numpy(masks)


def loss_of(logits: Tensor, masks: Tensor, wanted: SegmentLoss) -> dict[str, Tensor]:
    """The loss and its parts.

    Dice is soft and of each crop (Milletari et al., V-Net, 3DV 2016, with plain sums below); one
    is added above and below, so that nobody is best told by nothing.

    Args:
        logits: (n, h, w).
        masks: (n, h, w) 0 to 1.
        wanted: the weights.
    """
    logits = logits.float()
    cross = F.binary_cross_entropy_with_logits(logits, masks)
    likely = torch.sigmoid(logits)
    both = (likely * masks).sum((1, 2))
    sums = likely.sum((1, 2)) + masks.sum((1, 2))
    dice = (1.0 - (2.0 * both + 1.0) / (sums + 1.0)).mean()
    return {'cross': cross, 'dice': dice, 'loss': wanted.cross * cross + wanted.dice * dice}


def train(
    recipe: SegmentRecipe,
    folder: Path,
    tell: Tell = silent,
    command: str = '',
    drawing: Tell = silent,
) -> Trained:
    """Train, or go on where the folder stands; a finished one is only read.

    Args:
        recipe: everything that decides the result.
        folder: gets recipe.yaml, last.pt, weights.safetensors, curves.csv, curves.png and
            scores.json.
        tell: is called with the number of steps done.
        command: that repeats this, for scores.json.
        drawing: is called with the number of pictures drawn.

    Raises:
        TrainError: the folder belongs to another recipe, or the loss is no number any more.
        DataError: pictures that cannot be drawn or read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _same_recipe(recipe, folder)
    if (folder / saved.SCORES).is_file():
        return Trained(folder, saved.scores(folder))
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    cv2.setNumThreads(1)
    return _Training(recipe, folder, tell, command, drawing).run()


def recipe_of(folder: Path) -> SegmentRecipe:
    """The recipe of a training.

    Raises:
        TrainError: no such folder.
    """
    if not (folder / saved.RECIPE).is_file():
        raise TrainError(f'{folder} holds no {saved.RECIPE}: it is no folder of a training')
    return settings.read(folder / saved.RECIPE)


def load(folder: Path) -> Segmenter:
    """The network of a finished training, for use (eval mode).

    Raises:
        TrainError: no finished training, or weights that its recipe's network does not have.
    """
    recipe = recipe_of(folder)
    return _restored(recipe, saved.weights(folder)).eval()


def final_scores(folder: Path, tell: Tell = silent) -> dict[str, dict[str, float]]:
    """Scores on the test sets, which are opened once: the answer is kept in test.json.

    Raises:
        TrainError: no finished training.
    """
    path = folder / 'test.json'
    if path.is_file():
        kept: dict[str, dict[str, float]] = json.loads(path.read_text(encoding='utf-8'))
        return kept
    data, network = recipe_of(folder).data, load(folder)
    run = score.in_torch(network)
    found = {name: score.scores(run, drawn(data, name, tell), network.size) for name in data.test}
    text = json.dumps(found, indent=1)
    replaced(path, lambda half: half.write_text(text, encoding='utf-8'))
    return found


def _restored(recipe: SegmentRecipe, state: dict[str, Tensor]) -> Segmenter:
    with torch.random.fork_rng(devices=[]):
        network = Segmenter(recipe.net, (recipe.data.height, recipe.data.width))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise TrainError(f'the weights do not fit the recipe: {error}') from error
    return network


def _same_recipe(recipe: SegmentRecipe, folder: Path) -> None:
    if not (folder / saved.RECIPE).is_file():
        recipes.write(recipe, folder / saved.RECIPE)
        return
    old = recipe_of(folder)
    # How it runs may change; what it learns may not.
    if replace(old, run=recipe.run) != recipe or old.run.seed != recipe.run.seed:
        raise TrainError(f'{folder} holds a training of another recipe: take another folder')


class _Training:
    """One run; everything that changes is in `state` when it is saved."""

    def __init__(
        self, recipe: SegmentRecipe, folder: Path, tell: Tell, command: str, drawing: Tell
    ) -> None:
        self._recipe, self._folder, self._tell = recipe, folder, tell
        self._command = command
        self._device = device_of(recipe.run)
        data = recipe.data
        sets = [drawn(data, name, drawing) for name in data.train]
        self._batches = Batches(recipe, Disturbed(recipe, sets))
        self._validation: dict[str, Pictures] = {
            name: drawn(data, name, drawing) for name in data.validation
        }
        torch.manual_seed(recipe.run.seed)
        network = Segmenter(recipe.net, (data.height, data.width))
        if recipe.start:
            network = _restored(recipe, saved.weights(Path(recipe.start).expanduser()))
        self.network = _placed(network, self._device)
        self._optimiser = optimiser([self.network], recipe.optim, self._device)
        self._precision = Precision(recipe.run, self._device)
        self._average = (
            Average(self.network, recipe.optim.average) if recipe.optim.average else None
        )
        self._state = State()
        self._sums: dict[str, float] = {}
        self._restore()

    def _restore(self) -> None:
        path = self._folder / CHECKPOINT
        if not path.is_file():
            return
        self._state = State.load(path)
        held = self._state.tensors
        self.network.load_state_dict(held['network'])
        self._optimiser.load_state_dict(held['optimiser'])
        self._precision.scaler.load_state_dict(held['scaler'])
        if self._average:
            self._average.restore(held['average'])
        self._sums = held['sums']
        self._tell(self._state.step)

    def run(self) -> Trained:
        """All remaining steps, then the scores."""
        recipe, state = self._recipe, self._state
        every = recipe.run.score_steps or max(1, -(-recipe.optim.steps // FIFTHS))
        steps = range(state.step, recipe.optim.steps)
        batches = ahead(self._batches, steps, recipe.data.workers, self._device.type == 'cuda')
        self.network.train()
        begun = saved_at = time.monotonic()
        for step in steps:
            crops, masks = next(batches)
            self._step(step, crops.to(self._device), masks.to(self._device))
            state.step = step + 1
            now = time.monotonic()
            state.wall_s, begun = state.wall_s + now - begun, now
            if state.step % recipe.run.log_steps == 0:
                self._log()
            if state.step % every == 0 and state.step < recipe.optim.steps:
                self._point(self._scored())
                begun = time.monotonic()
            if now - saved_at >= recipe.run.save_s:
                self._save()
                saved_at = begun = time.monotonic()
            self._tell(1)
        return self._finish()

    def _step(self, step: int, crops: Tensor, masks: Tensor) -> None:
        recipe = self._recipe
        for group in self._optimiser.param_groups:
            group['lr'] = recipe.optim.rate * course.rate(recipe.optim, step / recipe.optim.steps)
        self._optimiser.zero_grad(set_to_none=True)
        with self._precision.automatic():
            logits = self.network(crops)
        parts = loss_of(logits, masks.float() / 255.0, recipe.loss)
        if not math.isfinite(float(parts['loss'].detach())):
            raise TrainError(f'step {step}: the loss is no number; lower optim.rate')
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.detach())
        scaler = self._precision.scaler
        scaler.scale(parts['loss']).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(self._optimiser)
        weights = [p for group in self._optimiser.param_groups for p in group['params']]
        if recipe.optim.clip:
            norm = length(weights)
            torch.nn.utils.clip_grads_with_norm_(weights, recipe.optim.clip, norm)
        scaler.step(self._optimiser)
        scaler.update()
        if self._average:
            self._average.update(self.network, step)

    def _log(self) -> None:
        count = self._recipe.run.log_steps
        means = {name: total / count for name, total in self._sums.items()}
        progress = self._state.step / self._recipe.optim.steps
        rate = self._recipe.optim.rate * course.rate(self._recipe.optim, progress)
        self._state.curve.append({'step': float(self._state.step), 'rate': rate, **means})
        self._sums = {}

    def _scored(self) -> Segmenter:
        """The network that is scored and saved: of averaged weights where they are asked for."""
        state = self._average.state() if self._average else self.network.state_dict()
        return _placed(_restored(self._recipe, state), self._device).eval()

    def _point(self, network: Segmenter) -> dict[str, Any]:
        """Score on validation, and keep the point."""
        run = score.in_torch(network)
        found = {name: score.scores(run, one, network.size) for name, one in
                 self._validation.items()}  # fmt: skip
        point = {'step': float(self._state.step)}
        self._state.points.append(
            point | {f'{name} IoU': 100.0 * values['iou'] for name, values in found.items()}
        )
        curves.write(self._folder, self._state)
        return found

    def _save(self) -> None:
        self._state.tensors = {
            'network': self.network.state_dict(),
            'optimiser': self._optimiser.state_dict(),
            'scaler': self._precision.scaler.state_dict(),
            'average': self._average.state() if self._average else {},
            'sums': self._sums,
        }
        self._state.save(self._folder / CHECKPOINT)

    def _finish(self) -> Trained:
        self._save()
        network = self._scored()
        validation = self._point(network)
        found = {
            'command': self._command,
            'commit': results.commit(),
            'steps': self._state.step,
            'wall_s': round(self._state.wall_s, 1),
            'parameters': sum(p.numel() for p in network.parameters()),
            'points': self._state.points,
            'validation': validation,
        }
        saved.save(self._folder, network.state_dict())
        text = json.dumps(found, indent=1)
        replaced(self._folder / saved.SCORES, lambda half: half.write_text(text, encoding='utf-8'))
        (self._folder / CHECKPOINT).unlink(missing_ok=True)
        return Trained(self._folder, found)


def _placed(network: Segmenter, device: torch.device) -> Segmenter:
    # torch's own type stubs do not know the argument.
    moved: Segmenter = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved
