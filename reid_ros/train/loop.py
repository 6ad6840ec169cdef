"""The training loop: one recipe, one folder; a kill at any moment loses minutes, no results."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import cv2
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from reid_ros import results
from reid_ros.train import course, curves, heap, recognition, saved, settings
from reid_ros.train.checkpoint import Average, State, TrainError, replaced
from reid_ros.train.hooks import Hook
from reid_ros.train.nets.depthwise import hasten
from reid_ros.train.nets.network import Network
from reid_ros.train.optimiser import Precision, device_of, length, optimiser
from reid_ros.train.parallel import Team, team
from reid_ros.train.settings import Recipe
from reid_ros.train.task import Kind, Place
from reid_ros.train.task import Recipe as AnyRecipe

CHECKPOINT = 'last.pt'
FIFTHS = 5
FIRST_LOSSES = 20
"""Steps whose mean loss later ones are held against."""
SHOW_S = 30.0
"""Least seconds between two drawings of the curves, but for those at scores."""
_FADE = 0.95  # of the running mean of the loss

Tell = Callable[[int], None]


class Diverged(TrainError):
    """The loss is no number any more, or grows without end."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training.

    Attributes:
        folder: where it lies.
        scores: the content of scores.json.
    """

    folder: Path
    scores: dict[str, Any]


def train(
    recipe: Recipe,
    folder: Path,
    tell: Tell = lambda steps: None,
    hooks: Sequence[Hook] = (),
    command: str = '',
    network: Network | None = None,
) -> Trained:
    """Train a network of appearance, or go on where the folder stands.

    Args:
        recipe: everything that decides the result.
        folder, tell, command: as for `learn`.
        hooks: take part in each step.
        network: to begin with, in place of the recipe's own.

    Raises:
        Diverged: the loss did; the folder holds the last good checkpoint.
        TrainError: the folder belongs to another recipe.
    """
    return learn(recognition.kind(network), recipe, folder, tell, hooks, command)


def learn(
    kind: Kind,
    recipe: AnyRecipe,
    folder: Path,
    tell: Tell = lambda steps: None,
    hooks: Sequence[Hook] = (),
    command: str = '',
) -> Trained:
    """Train what a recipe of any task says, or go on where the folder stands.

    A finished training is only read.

    Args:
        kind: the task.
        recipe: everything that decides the result, as `kind.read` gives it.
        folder: gets recipe.yaml, last.pt, weights.safetensors, curves.csv, curves.png, scores.json
            and events for TensorBoard.
        tell: is called with the number of steps done.
        hooks: take part in each step; of networks of appearance.
        command: that repeats this, for scores.json.

    Raises:
        Diverged: the loss did; the folder holds the last good checkpoint.
        TrainError: the folder belongs to another recipe.
    """
    _refuse_other(kind, recipe, folder)
    if (folder / saved.SCORES).is_file():
        return Trained(folder, saved.scores(folder))
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    cv2.setNumThreads(1)
    heap.keep()
    with team() as members:
        return _Training(kind, recipe, folder, tell, hooks, command, members).run()


def _refuse_other(kind: Kind, recipe: AnyRecipe, folder: Path) -> None:
    if not (folder / saved.RECIPE).is_file():
        return
    old = kind.read(folder / saved.RECIPE)
    # How it runs may change; what it learns may not.
    if replace(old, run=recipe.run) != recipe or old.run.seed != recipe.run.seed:
        names = ', '.join(settings.differences(old, recipe))
        raise TrainError(
            f'{folder} holds a training of another recipe ({names} differ): take another folder'
        )


class _Training:
    """One run; everything that changes is in `state` when it is saved."""

    def __init__(
        self,
        kind: Kind,
        recipe: AnyRecipe,
        folder: Path,
        tell: Tell,
        hooks: Sequence[Hook],
        command: str,
        members: Team,
    ) -> None:
        self._recipe, self._folder, self._tell = recipe, folder, tell
        self._hooks, self._command, self._team = hooks, command, members
        device = device_of(recipe.run)
        self._precision = Precision(recipe.run, device)
        self._task = kind.make(recipe, Place(device, self._precision, members.rank))
        # Only now is everything there that the recipe names: a folder holds no training before.
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / saved.RECIPE).is_file():
            settings.write(recipe, folder / saved.RECIPE)
        hasten(self._task.network)
        # Hooks, which are of networks of appearance, see what such a task has made.
        self.network = cast(Network, self._task.network)
        self._optimiser = optimiser([self.network, self._task.extra], recipe.optim, device)
        self._average = (
            Average(self.network, recipe.optim.average) if recipe.optim.average else None
        )
        torch.manual_seed(recipe.run.seed + 1)
        self._state = State()
        self._events, self._shown = curves.Events(folder), time.monotonic()
        self._first: list[float] = []
        self._mean = math.nan
        self._sums: dict[str, float] = {}
        self._restore()
        self._forward: nn.Module = self.network
        if members.size > 1:
            self._forward = DistributedDataParallel(self.network)
        for hook in hooks:
            hook.begin(self.network, self._optimiser)

    def _restore(self) -> None:
        path = self._folder / CHECKPOINT
        if not path.is_file():
            return
        self._state = State.load(path)
        held = self._state.tensors
        self.network.load_state_dict(held['network'])
        self._task.extra.load_state_dict(held['projector'])
        self._optimiser.load_state_dict(held['optimiser'])
        self._precision.scaler.load_state_dict(held['scaler'])
        if self._average:
            self._average.restore(held['average'])
        for hook, kept in zip(self._hooks, held['hooks']):
            hook.restore(kept)
        self._first, self._mean = held['first'], held['mean']
        self._sums = held['sums']
        self._tell(self._state.step)

    def run(self) -> Trained:
        """All remaining steps, then the scores."""
        with closing(self._events):
            self._learn()
            return self._finish()

    def _learn(self) -> None:
        recipe, state = self._recipe, self._state
        every = recipe.run.score_steps or max(1, -(-recipe.optim.steps // FIFTHS))
        steps = range(
            state.step * recipe.optim.accumulate, recipe.optim.steps * recipe.optim.accumulate
        )
        batches = self._task.batches(steps)
        self.network.train()
        begun = saved_at = time.monotonic()
        for step in range(state.step, recipe.optim.steps):
            self._step(step, [next(batches) for _ in range(recipe.optim.accumulate)])
            state.step = step + 1
            now = time.monotonic()
            state.wall_s, begun = state.wall_s + now - begun, now
            if state.step % recipe.run.log_steps == 0:
                self._log()
            if state.step % every == 0 and state.step < recipe.optim.steps:
                self._score()
                begun = time.monotonic()
            if now - saved_at >= recipe.run.save_s:
                self._save()
                saved_at = begun = time.monotonic()
            self._tell(1)

    def _step(self, step: int, batches: Sequence[Any]) -> None:
        recipe = self._recipe
        progress = step / recipe.optim.steps
        for group in self._optimiser.param_groups:
            group['lr'] = recipe.optim.rate * course.rate(recipe.optim, progress)
        self._optimiser.zero_grad(set_to_none=True)
        scaler = self._precision.scaler
        for batch in batches:
            loss = self._loss(batch, step, progress)
            self._watch(loss, step)
            scaler.scale(loss / len(batches)).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(self._optimiser)
        weights = [p for group in self._optimiser.param_groups for p in group['params']]
        norm = length(weights)
        if not scaler.is_enabled() and not torch.isfinite(norm):
            raise self._diverged('the gradient is no number', step)
        if recipe.optim.clip:
            torch.nn.utils.clip_grads_with_norm_(weights, recipe.optim.clip, norm)
        scaler.step(self._optimiser)
        scaler.update()
        after = (step + 1) / recipe.optim.steps
        for hook in self._hooks:
            hook.after_step(step + 1, after, self.network, self._optimiser)
        if self._average:
            self._average.update(self.network, step)

    def _loss(self, batch: Any, step: int, progress: float) -> Tensor:
        loss = self._task.loss(self._forward, batch, step, progress, self._add)
        for hook in self._hooks:
            extra = hook.penalty(self.network, progress)
            if extra is not None:
                self._add('penalty', extra)
                loss = loss + extra
        self._add('loss', loss)
        return loss

    def _add(self, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + float(value.detach())
        self._sums[f'n {name}'] = self._sums.get(f'n {name}', 0.0) + 1.0

    def _watch(self, loss: Tensor, step: int) -> None:
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._diverged(f'the loss is {value}', step)
        if len(self._first) < FIRST_LOSSES:
            self._first.append(value)
            self._mean = sum(self._first) / len(self._first)
            return
        self._mean = _FADE * self._mean + (1 - _FADE) * value
        first = sum(self._first) / len(self._first)
        if self._mean > self._recipe.run.limit * max(first, 0.1):
            raise self._diverged(
                f'the loss has grown from {first:.3g} to {self._mean:.3g} (run.limit)', step
            )

    def _diverged(self, why: str, step: int) -> Diverged:
        path = self._folder / CHECKPOINT
        good = f'{path} is the last good checkpoint' if path.is_file() else 'nothing was saved yet'
        return Diverged(f'step {step}: {why}; {good}. Lower optim.rate, or begin with a warm-up')

    def _log(self) -> None:
        means = {
            name: total / self._sums[f'n {name}']
            for name, total in self._sums.items()
            if not name.startswith('n ')
        }
        progress = self._state.step / self._recipe.optim.steps
        rate = self._recipe.optim.rate * course.rate(self._recipe.optim, progress)
        self._state.curve.append({'step': float(self._state.step), 'rate': rate, **means})
        self._sums = {}

    def _score(self) -> None:
        self._team.wait()
        if self._team.first and self._task.scored:
            self._point(self._scored(), False)
            self._show()
        self._team.wait()

    def _point(self, network: Network, intervals: bool) -> dict[str, Any]:
        """Score on validation, and keep the point."""
        found = self._task.score(network, intervals)
        point = {'step': float(self._state.step)} | self._task.points(found)
        self._state.points.append(point)
        return found

    def _show(self) -> None:
        self._shown = time.monotonic()
        curves.write(self._folder, self._state)
        self._events.write(self._state)

    def _scored(self) -> Network:
        """The network that is scored and saved: of averaged weights where they are asked for."""
        if self._average is None:
            return self.network
        return cast(Network, self._task.restored(self._average.state()))

    def _save(self) -> None:
        if not self._team.first:
            return
        self._state.tensors = {
            'network': self.network.state_dict(),
            'projector': self._task.extra.state_dict(),
            'optimiser': self._optimiser.state_dict(),
            'scaler': self._precision.scaler.state_dict(),
            'average': self._average.state() if self._average else {},
            'hooks': [hook.state() for hook in self._hooks],
            'first': self._first,
            'mean': self._mean,
            'sums': self._sums,
        }
        self._state.save(self._folder / CHECKPOINT)
        if time.monotonic() - self._shown >= SHOW_S:
            self._show()

    def _finish(self) -> Trained:
        self._save()
        network = self._scored()
        for hook in self._hooks:
            network = hook.finish(network)
        if not self._team.first:
            return Trained(self._folder, {})
        validation = self._point(network.eval(), True)
        self._show()
        found = {
            'command': self._command,
            'commit': results.commit(),
            'machine': results.machine(),
            'steps': self._state.step,
            'wall_s': round(self._state.wall_s, 1),
            'parameters': sum(p.numel() for p in network.parameters()),
            **self._task.facts(),
            'points': self._state.points,
            'validation': validation,
        }
        saved.save(self._folder, network.state_dict())
        text = json.dumps(found, indent=1)
        replaced(self._folder / saved.SCORES, lambda half: half.write_text(text, encoding='utf-8'))
        (self._folder / CHECKPOINT).unlink(missing_ok=True)
        return Trained(self._folder, found)
