"""The pruning study: networks x criteria x scenarios x targets, one resumable cell each.

A queue is one YAML file:

    source: prune_source.yaml     # recipe that every network learns first, beside the queue
    target: prune_targets.yaml    # recipe of what it learns then
    targets: {yard: {data.train: [yard], data.test: [yard_people]}}    # changes of that recipe
    blocks:                       # of cells, in order of importance; each the product of its lists
    - {nets: [resnet18], criteria: [l1, psfp], scenarios: [S1, S3], targets: [yard], seeds: 1,
       prune: {flops: 0.5}}
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reid_ros import results
from reid_ros.config import ConfigError, build, nearest, setting
from reid_ros.train import gates, queue, saved, settings
from reid_ros.train.final import final_scores
from reid_ros.train.prune import clock, plan
from reid_ros.train.prune.scenarios import SCENARIOS, WHOLE, Stage, scenario, updates
from reid_ros.train.prune.table import table
from reid_ros.train.queue import Cell
from reid_ros.train.settings import PruneConfig

STAGES, CELLS = 'stages', 'cells'
DENSE = 'dense'

Record = dict[str, Any]


@dataclass(frozen=True)
class BlockConfig:
    """Cells: every combination of its lists."""

    nets: tuple[str, ...] = setting((), 'encoders')
    criteria: tuple[str, ...] = setting(('l1',), 'of prune.criterion')
    scenarios: tuple[str, ...] = setting(('S1',), 'dense and longer prune nothing')
    targets: tuple[str, ...] = setting((), 'by name')
    seeds: int = setting(1, 'trainings of each', 1, 1000)
    prune: PruneConfig = field(default_factory=PruneConfig)


@dataclass(frozen=True)
class QueueConfig:
    """A whole queue file."""

    source: str = setting('', 'file of the recipe of the source, beside the queue')
    target: str = setting('', 'file of the recipe of the targets')
    merged: float = setting(
        2.0, 'steps of a training that stands for two, of one training', 1.0, 10.0
    )
    retrain: float = setting(
        1.0,
        "share of the source's steps for which a pruned network is retrained there",
        0.01,
        10.0,
    )


@dataclass(frozen=True, slots=True)
class Part:
    """One cell before it runs.

    Attributes:
        net, criterion, scenario, target, seed: its place in the study.
        prune: how; of a dense cell, nothing.
        stage: the last of its trainings.
    """

    net: str
    criterion: str
    scenario: str
    target: str
    seed: int
    prune: PruneConfig
    stage: Stage = field(repr=False)

    @property
    def name(self) -> str:
        """Of its record."""
        words = [self.net, self.criterion, self.scenario, self.target]
        if self.criterion != DENSE:
            words += [self.prune.scope, f'{self.prune.flops:g}', *self.how.split()]
        return '-'.join([*dict.fromkeys(words), str(self.seed)])

    @property
    def how(self) -> str:
        """Settings of the pruning that are not as they are by default, besides the usual ones."""
        if self.criterion == DENSE:
            return ''
        usual, own = dataclasses.asdict(PruneConfig()), dataclasses.asdict(self.prune)
        told = ('criterion', 'scope', 'flops')
        return ' '.join(
            f'{name}={own[name]}' for name in own if name not in told and own[name] != usual[name]
        )


def read(path: Path, changes: Mapping[str, Any] | None = None) -> list[Part]:
    """The cells of a queue file, in their order; a cell that two blocks name comes once.

    Args:
        path: the file.
        changes: settings of both recipes in place of their own, by dotted name.

    Raises:
        ConfigError: a setting that is wrong or missing, of the queue or of a cell's recipe.
        PruneError: a scenario that does not exist.
    """
    data = settings.layered(path)
    targets = _blocks(data.pop('targets', {}), f'{path}: targets')
    blocks = data.pop('blocks', [])
    try:
        whole = build(QueueConfig, data)
        if not isinstance(blocks, list) or not blocks:
            raise ConfigError('blocks: expected a list of cells')
        asked = [build(BlockConfig, block) for block in blocks]
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error
    if not whole.source or not whole.target:
        raise ConfigError(f'{path}: names no {"target" if whole.source else "source"}')
    parts: dict[str, Part] = {}
    for block in asked:
        for seed in range(block.seeds):
            places = itertools.product(block.targets, block.scenarios, block.criteria, block.nets)
            for target, name, criterion, net in places:
                _known(target, targets, f'{path}: targets')
                _known(name, SCENARIOS, f'{path}: scenarios')
                common = {**(changes or {}), 'net.encoder': net, 'run.seed': seed}
                first = settings.read(path.parent / whole.source, common)
                then = settings.read(path.parent / whole.target, {**common, **targets[target]})
                how = replace(block.prune, criterion=criterion)
                stage = scenario(name, first, then, how, whole.merged, whole.retrain)
                kind = DENSE if name in WHOLE else criterion
                part = Part(net, kind, name, target, seed, how, stage)
                parts.setdefault(part.name, part)
    return list(parts.values())


def run(
    parts: Sequence[Part],
    out: Path,
    after: Callable[[Record], None] = lambda record: None,
    again: bool = False,
    command: str = '',
    tell: Callable[[int], None] = lambda steps: None,
    only: Sequence[str] = ('*',),
) -> list[Record]:
    """Work off what is not done; several processes may share the folder.

    Args:
        parts: the study.
        out: gets cells/NAME.json, the record of each cell, and stages/, the trainings.
        after: is called with each record that this process wrote.
        again: run failed cells once more.
        command: that repeats this.
        tell: is called with the number of updates done.
        only: patterns of the names of the cells to work on.

    Raises:
        QueueError: the folder cannot be used.
    """
    todo = cells(parts, out, command, tell)
    return queue.work(todo, out / CELLS, lambda record: after(dict(record)), again, only)


def cells(
    parts: Sequence[Part],
    out: Path,
    command: str = '',
    tell: Callable[[int], None] = lambda steps: None,
) -> list[Cell]:
    """What the queue works off."""

    def work(part: Part) -> Callable[[], Record]:
        return lambda: measured(part, out / STAGES, command, tell)

    return [Cell(part.name, work(part), part.stage.key) for part in parts]


def measured(
    part: Part, root: Path, command: str = '', tell: Callable[[int], None] = lambda steps: None
) -> Record:
    """Train a cell; what is known of its network then."""
    folder = part.stage.made(root, tell, command)
    found = saved.scores(folder)
    steps, seconds = updates(root, part.stage)
    facts = plan.facts(folder)
    return {
        'net': part.net,
        'criterion': part.criterion,
        'scenario': part.scenario,
        'target': part.target,
        'seed': part.seed,
        'scope': part.prune.scope if part.criterion != DENSE else '',
        'asked': part.prune.flops if part.criterion != DENSE else 1.0,
        'how': part.how,
        'share': facts['share'],
        'gflops': facts['gflops'],
        'parameters': facts['parameters'],
        'shape': clock.shape(saved.load(folder)),
        'folder': folder.name,
        'updates': steps,
        'train_s': seconds,
        'moved': gates.moved(found['points'], found['steps']),
        'validation': found['validation'],
        'test': final_scores(folder),
    }


def timed(parts: Sequence[Part], out: Path, again: bool = False) -> dict[str, float]:
    """Milliseconds of a crop by shape, of every finished cell, all in one run.

    Args:
        parts: the study.
        out: of the study.
        again: measure although every shape has a time.
    """
    done = [r for r in queue.records(cells(parts, out), out / CELLS) if 'failed' not in r]
    folders = {record['shape']: record['folder'] for record in done}
    known = clock.kept(out)
    if not again and all(shape in known for shape in folders):
        return known
    networks = {shape: saved.load(out / STAGES / folder) for shape, folder in folders.items()}
    found = clock.milliseconds(networks)
    clock.keep(out, found)
    return found


def document(parts: Sequence[Part], out: Path, command: str) -> dict[str, Any]:
    """The study as it stands: one row of each combination, over its seeds."""
    records = queue.records(cells(parts, out), out / CELLS)
    done = [record for record in records if 'failed' not in record]
    return results.document(
        command,
        sorted({part.seed for part in parts}),
        table(done, clock.kept(out)),
        ('torch', 'torch-pruning', 'onnxruntime'),
        done=f'{len(done)} of {len(parts)} cells',
        failed={r['cell']: r['failed'] for r in records if 'failed' in r},
        flops='of one crop; a multiply-add counts as two',
        clock=f'ms of a crop, ONNX Runtime, {clock.THREADS} threads, batch {clock.BATCH}, best of '
        f'{clock.ROUNDS}',
    )


def write(parts: Sequence[Part], out: Path, command: str, path: Path) -> dict[str, Any]:
    """Write the study as it stands to a file of results; returns what is written."""
    content = document(parts, out, command)
    results.write(path, content)
    return content


def _known(name: str, names: Mapping[str, Any] | Sequence[str], where: str) -> None:
    if name not in names:
        raise ConfigError(f'{where}: nothing is called {name!r}; {nearest(name, list(names))}')


def _blocks(value: Any, where: str) -> dict[str, dict[str, Any]]:
    if not isinstance(value, Mapping) or not all(isinstance(v, Mapping) for v in value.values()):
        raise ConfigError(f'{where}: expected names, each with settings by dotted name')
    return {str(name): {str(k): v for k, v in item.items()} for name, item in value.items()}
