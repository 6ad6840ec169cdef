"""Public gait sets: who is in which split, and which walks are searched among which.

Splits and probes are those of OpenGait (datasets/*/*.json and evaluation/evaluator.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.train.gait.data.pickles import PickledWalks, Walk, listed
from reid_ros.train.gait.data.sequences import GaitTrial, Question, Rules
from reid_ros.train.gait.settings import GaitSetConfig
from reid_ros.types import BoolArray

Which = Callable[[str], bool]
"""Whether a walk's kind is meant."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One public set.

    Attributes:
        name: as people write it.
        trains: whether a person is learnt; None: only a file says it.
        questions: kinds of the probes and of the gallery, by condition; empty: a file names the
            probes, and all other walks are the gallery.
        rules: how they are compared.
        one_of_many: end of the right file's name, where a walk has several.
        view: what tells views apart in the name of a view.
        ignored: people who are neither learnt nor scored.
    """

    name: str
    trains: Which | None
    questions: Mapping[str, tuple[Which, Which]]
    rules: Rules = 'views'
    one_of_many: str = ''
    view: Callable[[str], str] = str
    ignored: tuple[str, ...] = ()


def _below(limit: int) -> Which:
    return lambda person: person.isdigit() and int(person) < limit


def _is(*kinds: str) -> Which:
    return lambda kind: kind in kinds


def _has(part: str) -> Which:
    return lambda kind: part in kind


def _casia_b() -> dict[str, tuple[Which, Which]]:
    gallery = _is('nm-01', 'nm-02', 'nm-03', 'nm-04')
    return {
        'normal': (_is('nm-05', 'nm-06'), gallery),
        'bag': (_is('bg-01', 'bg-02'), gallery),
        'coat': (_is('cl-01', 'cl-02'), gallery),
    }


def _sustech1k() -> dict[str, tuple[Which, Which]]:
    kinds = {
        'normal': '01-nm', 'bag': 'bg', 'clothing': 'cl', 'carrying': 'cr', 'umbrella': 'ub',
        'uniform': 'uf', 'occlusion': 'oc', 'night': 'nt',
    }  # fmt: skip
    return {name: (_has(part), _has('00-nm')) for name, part in kinds.items()}


LAYOUTS: Mapping[str, Layout] = {
    'casia_b': Layout('CASIA-B', _below(75), _casia_b()),
    # Odd numbers to 10305 are learnt; the last person, 10307, is scored.
    'ou_mvlp': Layout(
        'OU-MVLP',
        lambda person: person.isdigit() and int(person) % 2 == 1 and int(person) <= 10305,
        {'normal': (_is('00'), _is('01'))},
    ),
    'gait3d': Layout('Gait3D', None, {}, 'retrieval'),
    # The owners keep the names of the probes, so the second walk asks for the first.
    'grew': Layout(
        'GREW', lambda person: person.endswith('train'),
        {'normal': (_is('02'), _is('01'))}, 'retrieval', ignored=('probe',),
    ),
    'ccpg': Layout(
        'CCPG',
        _below(100),
        {
            'clothes': (_is('U0_D0_BG', 'U0_D0'), _is('U1_D1', 'U2_D2', 'U3_D3')),
            'upper': (_is('U3_D3'), _is('U0_D3')),
            'lower': (_is('U1_D0'), _is('U1_D1')),
            'bag': (_is('U0_D0_BG'), _is('U0_D0')),
        },
        one_of_many='-aligned-sils.pkl',
        view=lambda name: name.split('_')[0],
    ),
    'sustech1k': Layout(
        'SUSTech1K', None, _sustech1k(), one_of_many='Camera-Sils_aligned.pkl'
    ),
}  # fmt: skip


def learn(spec: GaitSetConfig) -> PickledWalks:
    """The training people of a public set.

    Raises:
        DataError: not laid out as expected; nobody to learn from.
    """
    found = _walks(spec)
    return PickledWalks(found, [walk.kind for walk in found])


def trial(spec: GaitSetConfig) -> GaitTrial:
    """What is scored of a public set: 'validation' people have the rules of the test.

    Raises:
        DataError: not laid out as expected; nothing to score.
    """
    layout = LAYOUTS[spec.layout]
    found = _walks(spec)
    kinds = [walk.kind for walk in found]
    if layout.questions:
        rows = {
            name: (_rows(kinds, probes), _rows(kinds, gallery))
            for name, (probes, gallery) in layout.questions.items()
        }
        questions = [
            Question(name, np.flatnonzero(probes), np.flatnonzero(gallery & ~probes))
            for name, (probes, gallery) in rows.items()
            # Not every condition has to be there.
            if probes.any()
        ]
    else:
        probes = _named(spec, layout, found)
        questions = [Question('all', np.flatnonzero(probes), np.flatnonzero(~probes))]
    return GaitTrial(PickledWalks(found, kinds), tuple(questions), layout.rules)


def _rows(kinds: Sequence[str], which: Which) -> BoolArray:
    return np.array([which(kind) for kind in kinds], bool)


def _walks(spec: GaitSetConfig) -> list[Walk]:
    """The walks of a split, with views as the protocol names them."""
    layout = LAYOUTS[spec.layout]
    if not spec.path:
        raise DataError(f'path: is not set; give the folder of {layout.name}')
    root = Path(spec.path).expanduser()
    every = listed(root, layout.one_of_many)
    people = sorted({walk.person for walk in every} - {*layout.ignored})
    chosen = set(_split(spec, layout, people))
    found = [
        Walk(walk.person, walk.kind, layout.view(walk.view), walk.path)
        for walk in every
        if walk.person in chosen
    ]
    if not found:
        raise DataError(
            f'{root}: nobody of {", ".join(people[:5])}{", ..." if len(people) > 5 else ""} is in '
            f'split {spec.split!r} of {layout.name}; is it that set, and held_out as wanted?'
        )
    return found


def _split(spec: GaitSetConfig, layout: Layout, people: Sequence[str]) -> list[str]:
    """The people of a split; those held out of training are drawn by seed."""
    table = _partition(spec, layout) if layout.trains is None or spec.partition else None
    if table is not None:
        known = {*table['TRAIN_SET'], *table['TEST_SET']}
        if not known & set(people):
            raise DataError(
                f'path: its people, such as {people[0]}, are not those of the partition, such as '
                f'{min(known, default="nobody")}'
            )
        test = [person for person in people if person in set(table['TEST_SET'])]
        learnt = [person for person in people if person in set(table['TRAIN_SET'])]
    else:
        trains = layout.trains or (lambda person: False)
        learnt = [person for person in people if trains(person)]
        test = [person for person in people if not trains(person)]
    if spec.split == 'test':
        return test
    order = np.random.default_rng((spec.seed, 5)).permutation(len(learnt))
    held = {learnt[k] for k in order[: round(spec.held_out * len(learnt))]}
    if spec.split == 'validation':
        return sorted(held)
    return [person for person in learnt if person not in held]


def _partition(spec: GaitSetConfig, layout: Layout) -> dict[str, list[str]]:
    path = Path(spec.partition or Path(spec.path) / f'{layout.name}.json').expanduser()
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
        return {key: [str(name) for name in found.get(key, [])] for key in
                ('TRAIN_SET', 'TEST_SET', 'PROBE_SET')}  # fmt: skip
    except OSError as error:
        raise DataError(
            f'partition: {path}: {error.strerror}; {layout.name} needs the {layout.name}.json of '
            'its authors, with TRAIN_SET and TEST_SET, in its folder or here'
        ) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(f'partition: {path} is no list of people by split: {error}') from error


def _named(spec: GaitSetConfig, layout: Layout, found: Sequence[Walk]) -> BoolArray:
    """Which walks the partition names as probes, or, of validation, the first of each person."""
    if spec.split == 'validation':
        first: dict[str, Path] = {}
        for walk in found:
            first.setdefault(walk.person, walk.path)
        return np.array([first[walk.person] == walk.path for walk in found], bool)
    names = set(_partition(spec, layout)['PROBE_SET'])
    if not names:
        raise DataError(f'partition: of {layout.name} names no PROBE_SET')
    return np.array([f'{w.person}-{w.kind}-{w.view}' in names for w in found], bool)
