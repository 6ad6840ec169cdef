"""Prune a trained network and train what is left: one folder, like any other training."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from reid_ros.train import saved
from reid_ros.train.batches import Batches
from reid_ros.train.checkpoint import replaced
from reid_ros.train.hooks import Hook
from reid_ros.train.loop import Trained, train
from reid_ros.train.nets.network import Network
from reid_ros.train.optimiser import device_of
from reid_ros.train.prune import PruneError
from reid_ros.train.prune.budget import Budget, best, by_filters, by_flops
from reid_ros.train.prune.cost import flops, parameters
from reid_ros.train.prune.criteria import scores
from reid_ros.train.prune.graph import Width, load_slim, slim, widths
from reid_ros.train.prune.soft import Balanced, Soft
from reid_ros.train.settings import DistilConfig, Recipe
from reid_ros.train.sources import learnt
from reid_ros.train.weights import started

FACTS = 'pruned.json'
BEGIN = 'begin.safetensors'

Tell = Callable[[int], None]


def pruned(
    recipe: Recipe, folder: Path, tell: Tell = lambda steps: None, command: str = ''
) -> Trained:
    """Prune the network of `recipe.start` as `recipe.prune` says, training as the recipe says.

    One shot, or iterations with `prune.between` updates after each but the last; then the recipe's
    own updates, in which a teacher may help. `auto_balanced` trains that long with its penalty
    before each removal; `psfp` does everything within the recipe's updates. A killed run goes on
    where it stood.

    Args:
        recipe: what is pruned, how, and how the rest is trained. Its network is that of the start.
        folder: of the result, as of any training, and pruned.json beside it.
        tell: is called with the number of updates done, `updates` in all.
        command: that repeats this, for scores.json.

    Raises:
        PruneError: no start, or a share that cannot be had.
        TrainError: as of `loop.train`.
    """
    job = _Job(recipe, folder, tell)
    if (folder / saved.SCORES).is_file():
        trained = train(job.recipe, folder, tell, command=command)
    elif recipe.prune.criterion == 'psfp':
        trained = job.softly(command)
    else:
        trained = job.hard(command)
    if not (folder / FACTS).is_file() and (folder / saved.WEIGHTS).is_file():
        text = json.dumps(facts(folder), indent=1)
        replaced(folder / FACTS, lambda half: half.write_text(text, encoding='utf-8'))
    return trained


def updates(recipe: Recipe) -> int:
    """Of all trainings of `pruned` together."""
    prune, own = recipe.prune, recipe.optim.steps
    if prune.criterion == 'psfp':
        return own
    balance = prune.iterations * prune.between if prune.criterion == 'auto_balanced' else 0
    return own + balance + (prune.iterations - 1) * prune.between


def facts(folder: Path) -> dict[str, Any]:
    """What became of the network of a finished training: how large it is, and how it was.

    FLOPs count a multiply-add as two; both counts are of one crop's vector.
    """
    recipe, network = saved.recipe(folder), saved.load(folder)
    whole = _dense(recipe)
    found = {width.name: width.count for width in widths(whole, 'all')}
    left = {width.name: width.count for width in widths(network, 'all')}
    return {
        'criterion': recipe.prune.criterion,
        'scope': recipe.prune.scope,
        'gflops': flops(network) / 1e9,
        'gflops_dense': flops(whole) / 1e9,
        'share': round(flops(network) / flops(whole), 4),
        'parameters': parameters(network),
        'parameters_dense': parameters(whole),
        'widths': {name: [left[name], count] for name, count in found.items()},
    }


class _Job:
    """One pruning, at any of its steps.

    Attributes:
        recipe: with the network of its start.
    """

    def __init__(self, recipe: Recipe, folder: Path, tell: Tell) -> None:
        if not recipe.start:
            raise PruneError('start: names no training, so there is nothing to prune')
        self._start = Path(recipe.start).expanduser()
        origin = saved.recipe(self._start)
        self.recipe = replace(recipe, net=origin.net)
        self._known = _learns(origin) == _learns(recipe)
        self._folder, self._tell = folder, tell

    def softly(self, command: str) -> Trained:
        """Zero filters while training, and remove them at its end."""
        network = self._begun()
        found, counts = self._counts(network, 1, 1)
        hook = Soft(found, counts, self.recipe.prune)
        return self._trained(self.recipe, self._folder, network, (hook,), command)

    def hard(self, command: str) -> Trained:
        """Rank, remove, train; as often as asked."""
        prune = self.recipe.prune
        network: Network | None = None
        for iteration in range(1, prune.iterations + 1):
            last = iteration == prune.iterations
            folder = self._folder if last else self._folder / f'iteration-{iteration}'
            if not last and (folder / saved.WEIGHTS).is_file():
                network = saved.load(folder)
                self._tell(self._between().optim.steps)
                continue
            if not (folder / BEGIN).is_file():
                _store(self._removed(network or self._begun(), iteration), folder / BEGIN)
            network = self._stored(folder / BEGIN)
            if not last:
                self._trained(self._between(), folder, network)
                network = saved.load(folder)
        if network is None:
            raise PruneError('prune.iterations: nothing was pruned')
        return self._trained(self.recipe, self._folder, network, command=command)

    def _removed(self, network: Network, iteration: int) -> Network:
        prune = self.recipe.prune
        if prune.criterion == 'auto_balanced':
            found, counts = self._counts(network, iteration, prune.iterations)
            folder = self._folder / f'balance-{iteration}'
            self._trained(self._between(), folder, network, (Balanced(found, counts, prune),))
            network = saved.load(folder)
        network.to(device_of(self.recipe.run))
        found, counts = self._counts(network, iteration, prune.iterations)
        return slim(network, best(found, self._scores(network, found), counts)).cpu()

    def _counts(
        self, network: Network, iteration: int, iterations: int
    ) -> tuple[list[Width], dict[str, int]]:
        """The widths, and what each keeps after an iteration."""
        prune = self.recipe.prune
        found = widths(network, prune.scope)
        whole = _dense(self.recipe)
        dense = {width.name: width.count for width in widths(whole, prune.scope)}
        if not prune.flops:
            if prune.criterion == 'psfp':
                iteration = prune.iterations
            return found, by_filters(found, dense, prune, iteration)
        ranked = self._scores(network, found) if prune.ranking == 'global' else None
        total = flops(whole)
        share = 1.0 - (1.0 - prune.flops) * iteration / iterations
        budget = Budget(network, found)
        return found, by_flops(budget, dense, share * total, prune, ranked, total)

    def _scores(self, network: Network, found: list[Width]) -> Mapping[str, torch.Tensor]:
        recipe = self.recipe
        device = device_of(recipe.run)
        batches = Batches(recipe, learnt(recipe.data))
        looked_at = (batches[step].to(device) for step in range(recipe.prune.batches))
        return scores(
            network.to(device), found, looked_at, recipe.prune, recipe.loss, recipe.run.seed
        )

    def _between(self) -> Recipe:
        """The trainings before the last: without a teacher, and nothing is scored."""
        recipe = self.recipe
        return replace(
            recipe,
            data=replace(recipe.data, validation=(), test=()),
            optim=replace(recipe.optim, steps=recipe.prune.between),
            distil=DistilConfig(),
        )

    def _begun(self) -> Network:
        """The start; its classifier stays where it knows the same people."""
        if self._known:
            return saved.load(self._start).train()
        people = int(learnt(self.recipe.data).people.max()) + 1
        torch.manual_seed(self.recipe.run.seed)
        return started(self.recipe, people)

    def _stored(self, path: Path) -> Network:
        state = load_file(path)
        recipe = self.recipe
        with torch.random.fork_rng(devices=[]):
            size = recipe.data.height, recipe.data.width
            network = Network(recipe.net, len(state[saved.CLASSIFIER]), size)
        return load_slim(network, state).train()

    def _trained(
        self,
        recipe: Recipe,
        folder: Path,
        network: Network,
        hooks: tuple[Hook, ...] = (),
        command: str = '',
    ) -> Trained:
        return train(recipe, folder, self._tell, hooks, command, network)


def _store(network: Network, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    held = {name: value.contiguous() for name, value in network.state_dict().items()}
    replaced(path, lambda half: save_file(held, half))


def _dense(recipe: Recipe) -> Network:
    """The network as it is defined, for one person: nobody looks at its classifier."""
    with torch.random.fork_rng(devices=[]):
        return Network(recipe.net, 1, (recipe.data.height, recipe.data.width))


def _learns(recipe: Recipe) -> list[Any]:
    """Whom a recipe learns to tell apart."""
    return [recipe.data.sets[name] for name in recipe.data.train]
