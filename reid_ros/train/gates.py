"""What the cells of an ablation say together, and whether they may say it.

A comparison counts only behind gates: the teacher is clearly better than the student without it,
that student is neither poor nor perfect, every network compared has stopped improving, the test is
large, and there are enough paired seeds. A negative result needs them as much as a positive one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from reid_ros.evaluate.intervals import LEVEL
from reid_ros.train.schedule import PHASES

LEAD = 3.0
"""Points of rank-1 that the teacher must be ahead of the plain student."""
LOW, HIGH = 50.0, 85.0
"""Between which the plain student's rank-1 must stand, percent."""
MOVED = 0.5
"""Points that rank-1 may move at most over the last fifth of a training."""
PEOPLE, QUERIES = 200, 3000
SEEDS, HEADLINE_SEEDS = 3, 5
MEASURES = ('rank-1', 'mAP')

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """What an ablation asks.

    Attributes:
        headline: the arm that is held against every other.
        rivals: arms that it must beat for its claim to hold.
        plain: the arm without distillation.
        long: arms of the headline pair, which need more seeds.
    """

    headline: str
    rivals: tuple[str, ...]
    plain: str
    long: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of paired differences with its 95 % interval by Student's t, None for a single pair."""

    mean: float
    low: float | None
    high: float | None
    n: int


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Difference | None:
    """Ours minus theirs, pair by pair; None without a pair."""
    gaps = np.asarray(ours, float) - np.asarray(theirs, float)
    n = len(gaps)
    if n == 0:
        return None
    mean = float(gaps.mean())
    if n == 1:
        return Difference(mean, None, None, 1)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * float(gaps.std(ddof=1)) / n**0.5
    return Difference(mean, mean - half, mean + half, n)


def moved(points: Sequence[Mapping[str, float]], steps: int) -> float | None:
    """Most points of rank-1 between the score at four fifths of training and the last one.

    Args:
        points: scores on validation, `step` and `SET rank-1`, in their order.
        steps: of the whole training.
    """
    if len(points) < 2:
        return None
    last = points[-1]
    before = min(points[:-1], key=lambda point: abs(point['step'] - 0.8 * steps))
    names = [name for name in last if name.endswith('rank-1') and name in before]
    return max((abs(last[name] - before[name]) for name in names), default=None)


def failed_alone(change: float | None, test: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Gates that a network fails by itself, in words.

    Args:
        change: of `moved`.
        test: by set, at least `people` and `queries`.
    """
    failed = []
    if change is None or change >= MOVED:
        what = 'is unknown' if change is None else f'is {change:.2f} points'
        failed.append(f'rank-1 over the last fifth of training {what}, not below {MOVED:g}')
    for name, value in test.items():
        if value['people'] < PEOPLE or value['queries'] < QUERIES:
            failed.append(
                f'{name}: {value["people"]} people and {value["queries"]} queries, fewer than '
                f'{PEOPLE} and {QUERIES}'
            )
    return failed


def rows(
    records: Sequence[Record], teacher: Record | None, question: Question, split: str, name: str
) -> list[dict[str, Any]]:
    """One row for each start and arm, on one set.

    Args:
        records: of the cells, failed ones too.
        teacher: its record.
        question: which arms are held against which.
        split: 'validation' or 'test'.
        name: of the set.
    """
    arms: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        arms.setdefault((record['init'], record['arm']), []).append(record)
    done = {place: _done(some, split, name) for place, some in arms.items()}
    found = []
    for (init, arm), some in arms.items():
        own, head = done[init, arm], done.get((init, question.headline), {})
        row: dict[str, Any] = {'split': split, 'set': name, 'init': init, 'arm': arm}
        row |= {'seeds': sorted(own), 'failed_cells': len([r for r in some if 'failed' in r])}
        row |= _spread(own, split, name)
        if arm != question.headline and question.headline:
            for measure in MEASURES:
                row[f'headline - this, {measure}'] = _difference(head, own, split, name, measure)
        row |= _effort(own)
        plain = done.get((init, question.plain), {})
        row['gates'] = _gates(arm, own, plain, teacher, question, split, name)
        found.append(row)
    return found


def claims(found: Sequence[Mapping[str, Any]], question: Question) -> list[dict[str, Any]]:
    """Whether the headline arm beats its rivals, for each split, set and start.

    `holds` is null where a gate of any arm involved failed: neither yes nor no may be said.
    """
    result = []
    for head in found:
        if head['arm'] != question.headline or not question.rivals:
            continue
        place = ('split', 'set', 'init')
        beside = {row['arm']: row for row in found if all(row[key] == head[key] for key in place)}
        failed, beaten = [], []
        for arm in dict.fromkeys((question.plain, question.headline, *question.rivals)):
            if arm not in beside:
                failed.append(f'{arm}: has no cell')
                continue
            failed += [f'{arm}: {text}' for text in beside[arm]['gates']]
        for arm in question.rivals:
            gap = beside.get(arm, {}).get('headline - this, rank-1')
            if gap and gap['low'] is not None and gap['low'] > 0:
                beaten.append(arm)
        result.append(
            {
                **{key: head[key] for key in place},
                'holds': None if failed else set(beaten) == set(question.rivals),
                'beaten': beaten,
                'gates_failed': failed,
            }
        )
    return result


def _done(records: Sequence[Record], split: str, name: str) -> dict[int, Record]:
    """Finished cells by their seed."""
    return {
        int(record['seed']): record
        for record in records
        if 'failed' not in record and name in record[split]
    }


def _values(own: Mapping[int, Record], split: str, name: str, measure: str) -> list[float]:
    return [float(record[split][name][measure]) for record in own.values()]


def _spread(own: Mapping[int, Record], split: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for measure in MEASURES:
        values = _values(own, split, name, measure)
        found[measure] = _round(np.mean(values)) if values else None
        found[f'{measure} sd'] = _round(np.std(values, ddof=1)) if len(values) > 1 else None
    return found


def _difference(
    head: Mapping[int, Record], own: Mapping[int, Record], split: str, name: str, measure: str
) -> dict[str, Any] | None:
    both = [seed for seed in head if seed in own]
    ours, theirs = (
        _values({seed: some[seed] for seed in both}, split, name, measure) for some in (head, own)
    )
    gap = paired(ours, theirs)
    if gap is None:
        return None
    ends = {'low': gap.low, 'high': gap.high}
    return {
        'mean': _round(gap.mean),
        **{key: None if end is None else _round(end) for key, end in ends.items()},
        'pairs': gap.n,
    }


def _effort(own: Mapping[int, Record]) -> dict[str, Any]:
    """Steps, seconds, teacher's runs, and the angle between labels and teacher in each phase."""
    records = list(own.values())
    if not records:
        return {}
    found: dict[str, Any] = {
        'steps': records[0]['steps'],
        'wall_s': round(float(np.mean([record['train_s'] for record in records])), 1),
        'teacher_calls': round(float(np.mean([record['teacher_calls'] for record in records]))),
        'moved': _worst(records),
    }
    for phase in PHASES:
        looks = [look for record in records for look in record['cosine'].get(phase, ())]
        if looks:
            found[f'cosine, {phase}'] = {
                'mean': _round(np.mean(looks)),
                'negative': _round(np.mean(np.array(looks) < 0)),
                'looks': len(looks),
            }
    return found


def _worst(records: Sequence[Record]) -> float | None:
    every = [record['moved'] for record in records]
    return None if not every or None in every else _round(max(every))


def _gates(
    arm: str,
    own: Mapping[int, Record],
    plain: Mapping[int, Record],
    teacher: Record | None,
    question: Question,
    split: str,
    name: str,
) -> list[str]:
    """What speaks against the row, in words; nothing where every gate is open."""
    found = []
    level = float(np.mean(_values(plain, split, name, 'rank-1'))) if plain else None
    told = _done([{**teacher, 'seed': 0}], split, name) if teacher else {}
    if level is None:
        found.append(f'no student without distillation ({question.plain}) yet')
    elif not LOW <= level <= HIGH:
        found.append(f'that student has {level:.1f} %, not {LOW:.0f} to {HIGH:.0f}')
    if not told:
        found.append('no score of the teacher')
    elif level is not None:
        lead = _values(told, split, name, 'rank-1')[0] - level
        if lead < LEAD:
            found.append(f'the teacher is ahead by {lead:.1f} points, not {LEAD:.0f}')
    for who, some in (('the teacher', told), ('a student', own)):
        worst = _worst(list(some.values()))
        if some and (worst is None or worst >= MOVED):
            much = 'was scored too seldom to tell' if worst is None else f'moved by {worst:.2f}'
            found.append(f'{who} {much} over the last fifth, not below {MOVED}')
    for key, least in (('people', PEOPLE), ('queries', QUERIES)):
        counts = _values(own, split, name, key)
        if counts and min(counts) < least:
            found.append(f'{min(counts):.0f} {key}, not {least}')
    needed = HEADLINE_SEEDS if arm in question.long else SEEDS
    if len(own) < needed:
        found.append(f'{len(own)} seeds, not {needed}')
    return found


def _round(value: Any) -> float:
    return round(float(value), 3)
