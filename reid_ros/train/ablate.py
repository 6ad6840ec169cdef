"""Ablations: a base recipe, arms that change it, starts, seeds; one cell for each.

A queue is one YAML file:

    recipe: student.yaml        # the base of every cell, beside the queue
    changes: {}                 # of every cell, by dotted name
    plain: A0                   # the arm without distillation
    headline: A4                # is held against every other arm
    rivals: [A1, A2]            # those that it must beat
    seeds: 3                    # of every arm
    long: [A2, A4]              # arms of more seeds
    long_seeds: 5
    inits: {random: {}, pretrained: {start: out/source}}
    arms: {A0: {distil.schedule: none}, A4: {distil.schedule: progressive}}
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_ros import results
from reid_ros.config import ConfigError, build, setting
from reid_ros.train import gates, queue, saved, settings
from reid_ros.train.gates import Question, Record
from reid_ros.train.queue import Cell
from reid_ros.train.subjects import SPLITS, Subject, subject_of
from reid_ros.train.teacher import digest

TEACHER = 'teacher'


@dataclass(frozen=True)
class PlanConfig:
    """What a queue says besides its arms, starts and common changes."""

    recipe: str = setting('', 'file of the base recipe, beside the queue')
    plain: str = setting('A0', 'the arm without distillation')
    headline: str = setting('', 'the arm that is held against every other')
    rivals: tuple[str, ...] = setting((), 'arms that it must beat')
    seeds: int = setting(3, 'of every arm', 1, 1000)
    long: tuple[str, ...] = setting((), 'arms of more seeds')
    long_seeds: int = setting(5, 'of those', 1, 1000)


@dataclass(frozen=True, slots=True)
class Part:
    """One cell before it runs.

    Attributes:
        init, arm, seed: its place in the study.
        recipe: the whole of what it trains.
    """

    init: str
    arm: str
    seed: int
    recipe: Any

    @property
    def name(self) -> str:
        """Of its folder and its record."""
        return f'{self.init}-{self.arm}-{self.seed}'


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole study.

    Attributes:
        question: what it asks.
        parts: its cells, all arms of a seed before the next seed.
        teachers: folder of each start's first teacher; starts where no arm has one are missing.
        subject: of its task.
    """

    question: Question
    parts: tuple[Part, ...]
    teachers: Mapping[str, Path]
    subject: Subject


def read(path: Path, more: Mapping[str, Any] | None = None) -> Plan:
    """The study of a queue file.

    Args:
        path: the file.
        more: changes of every cell, by dotted name, from the command line.

    Raises:
        ConfigError: a setting that is wrong or missing, of the queue or of a cell's recipe.
    """
    data = settings.layered(path)
    common = _changes(data.pop('changes', {}), f'{path}: changes')
    inits = _named(data.pop('inits', {'random': {}}), f'{path}: inits')
    arms = _named(data.pop('arms', {}), f'{path}: arms')
    try:
        plan = build(PlanConfig, data)
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error
    if not plan.recipe or not arms:
        raise ConfigError(f'{path}: names no {"arms" if plan.recipe else "recipe"}')
    for arm in filter(None, (plan.headline, *plan.rivals, *plan.long)):
        if arm not in arms:
            raise ConfigError(f'{path}: no arm is called {arm!r}; there are {", ".join(arms)}')
    base = path.parent / plan.recipe
    subject = subject_of(settings.task(base))
    parts = []
    for seed in range(max(plan.seeds, plan.long_seeds if plan.long else 0)):
        for init, start in inits.items():
            for arm, changes in arms.items():
                if seed < (plan.long_seeds if arm in plan.long else plan.seeds):
                    whole = {**common, **start, **changes, **(more or {}), 'run.seed': seed}
                    try:
                        recipe = subject.read(base, whole)
                    except ConfigError as error:
                        raise ConfigError(f'{path}: {arm}: {error}') from error
                    parts.append(Part(init, arm, seed, recipe))
    question = Question(plan.headline, plan.rivals, plan.plain, plan.long)
    return Plan(question, tuple(parts), _teachers(parts, subject, path), subject)


def run(
    plan: Plan,
    out: Path,
    after: Callable[[Record], None] = lambda record: None,
    again: bool = False,
    command: str = '',
    only: Sequence[str] = ('*',),
    known: Path | None = None,
) -> list[dict[str, Any]]:
    """Work off what is not done; several processes may share the folder.

    Args:
        plan: the study.
        out: gets NAME.json, the record of each cell, and NAME/, its training.
        after: is called with each record that this process wrote.
        again: run failed cells once more.
        command: that repeats this.
        only: patterns of the names of the cells to work on.
        known: a table of `write`, whose cells are taken where they answer the same question: equal
            recipe, equal weights of teacher and start.

    Raises:
        ConfigError: a teacher, or a start, whose training is not finished; `known` is no table.
        QueueError: the folder cannot be used.
    """
    needed = dict.fromkeys(_needed(plan, only))
    for folder in needed:
        if not (folder / saved.WEIGHTS).is_file():
            raise ConfigError(
                f'{folder} holds no finished training, and cells of the queue need it: train it '
                "with 'reid_ros train run' first"
            )
    if known is not None:
        queue.take(cells(plan, out), _told(known), out)
    named = (name for name, folder in _named_teachers(plan).items() if folder in needed)
    return queue.work(cells(plan, out, command), out, after, again, (*named, *only))


def cells(plan: Plan, out: Path, command: str = '') -> list[Cell]:
    """The cells of a study: the teacher's scores, then its parts."""
    found = []
    for name, folder in _named_teachers(plan).items():
        recipe = next(part.recipe for part in plan.parts if plan.teachers.get(part.init) == folder)
        facts = {'weights': _weights(str(folder)), 'data': dataclasses.asdict(recipe.data)}

        def score(folder: Path = folder, recipe: Any = recipe) -> dict[str, Any]:
            return _scored_teacher(plan.subject, folder, recipe)

        found.append(Cell(name, score, digest(facts)))
    for part in plan.parts:

        def work(part: Part = part) -> dict[str, Any]:
            return _trained(plan.subject, part, out / part.name, command)

        found.append(Cell(part.name, work, _key(plan.subject, part.recipe)))
    return found


def _named_teachers(plan: Plan) -> dict[str, Path]:
    """Names of the teachers' cells: 'teacher', and 'teacher-START' for those of later starts."""
    found: dict[str, Path] = {}
    for init, folder in plan.teachers.items():
        if folder not in found.values():
            found[f'{TEACHER}-{init}' if found else TEACHER] = folder
    return found


def document(plan: Plan, out: Path, command: str) -> dict[str, Any]:
    """The study as it stands: rows, claims, and what every cell said."""
    records = queue.records(cells(plan, out), out)
    named = _named_teachers(plan)
    told = {r['cell']: r for r in records if r['cell'] in named and 'failed' not in r}
    teachers = {
        init: next((told[name] for name, own in named.items() if own == folder and name in told),
                   None)
        for init, folder in plan.teachers.items()
    }  # fmt: skip
    places = {part.name: part for part in plan.parts}
    done: list[Record] = []
    for record in records:
        part = places.get(record['cell'])
        if part is not None:
            done.append({**record, 'init': part.init, 'arm': part.arm, 'seed': part.seed})
    data = plan.parts[0].recipe.data
    rows = [
        row
        for split in SPLITS
        for name in (data.validation if split == 'validation' else data.test)
        for init in dict.fromkeys(part.init for part in plan.parts)
        for row in gates.rows(
            [record for record in done if record['init'] == init],
            teachers.get(init),
            plan.question,
            split,
            name,
        )
    ]
    return results.document(
        command,
        sorted({part.seed for part in plan.parts}),
        rows,
        ('torch',),
        done=f'{len(done)} of {len(plan.parts)} cells',
        failed={r['cell']: r['failed'] for r in records if 'failed' in r},
        question=dataclasses.asdict(plan.question),
        claims=gates.claims(rows, plan.question),
        teacher=next(iter(told.values()), None),
        teachers=told,
        cells=[{key: r[key] for key in r if key != 'points'} for r in done],
    )


def write(plan: Plan, out: Path, command: str, path: Path) -> dict[str, Any]:
    """Write the study as it stands to a file of results; returns what is written."""
    content = document(plan, out, command)
    results.write(path, content)
    return content


def _scored_teacher(subject: Subject, folder: Path, recipe: Any) -> dict[str, Any]:
    own = saved.scores(folder)
    return {
        'moved': gates.moved(own['points'], own['steps']),
        'steps': own['steps'],
        'train_s': own['wall_s'],
        'parameters': own['parameters'],
        **subject.scores(folder, recipe),
    }


def _trained(subject: Subject, part: Part, folder: Path, command: str) -> dict[str, Any]:
    found = subject.train(part.recipe, folder, command).scores
    return {
        'init': part.init,
        'arm': part.arm,
        'seed': part.seed,
        'steps': found['steps'],
        'train_s': found['wall_s'],
        'parameters': found['parameters'],
        'teacher_calls': found['teacher_calls'],
        'moved': gates.moved(found['points'], found['steps']),
        'points': found['points'],
        **subject.facts(folder, part.recipe),
        'validation': found['validation'],
        'test': subject.test(folder),
    }


def _key(subject: Subject, recipe: Any) -> str:
    """Of everything that decides a cell's result, not of where files lie and how fast it runs."""
    facts = settings.deciding(recipe)
    begun = [*subject.teachers(recipe), *([recipe.start] if recipe.start else [])]
    facts['weights'] = [_weights(folder) for folder in begun]
    return digest(subject.kept(facts))


def _weights(folder: str) -> str:
    """Digest of a training's result; '' where it is not finished."""
    path = Path(folder).expanduser() / saved.WEIGHTS
    try:
        found = path.stat()
    except OSError:
        return ''
    return _digest(path, found.st_mtime_ns, found.st_size)


@functools.lru_cache(64)
def _digest(path: Path, changed: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _told(path: Path) -> list[dict[str, Any]]:
    """The records in a table of `write`."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        records: list[dict[str, Any]] = [*content['teachers'].values(), *content['cells']]
        if not all(isinstance(record, dict) for record in records):
            raise ValueError('a cell is no record')
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f'{path} is no table of a study ({type(error).__name__}: {error}): name what '
            '--table has written'
        ) from error
    return records


def _needed(plan: Plan, only: Sequence[str]) -> list[Path]:
    recipes = [part.recipe for part in plan.parts if queue.chosen(part.name, only)]
    names = [name for recipe in recipes for name in plan.subject.teachers(recipe)]
    names += [recipe.start for recipe in recipes if recipe.start]
    return [Path(name).expanduser() for name in names]


def _teachers(parts: Sequence[Part], subject: Subject, path: Path) -> dict[str, Path]:
    """The teacher that all arms of a start have; some may have others, too."""
    found: dict[str, Path] = {}
    for part in parts:
        names = subject.teachers(part.recipe)
        if not names:
            continue
        if not names[0]:
            raise ConfigError(f'{path}: distil.teacher: names no folder, and arms need a teacher')
        first = found.setdefault(part.init, Path(names[0]).expanduser())
        if first not in [Path(name).expanduser() for name in names]:
            raise ConfigError(
                f'{path}: arms of {part.init} have different teachers: '
                f'{sorted([str(first), *names])}'
            )
    return found


def _named(value: Any, where: str) -> dict[str, dict[str, Any]]:
    if not isinstance(value, Mapping):
        raise ConfigError(f'{where}: {value!r} is not a block of names')
    return {str(name): _changes(item, f'{where}.{name}') for name, item in value.items()}


def _changes(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f'{where}: {value!r} is not a block of settings by dotted name')
    return {str(name): item for name, item in value.items()}
