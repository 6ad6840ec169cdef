"""How well people are kept apart at a robot's frame rates and turns, beside the peers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reid_ros.bench.scenes import Conditions, Shot, scene
from reid_ros.bench.tracker import Contender, answers, idf1, installed, ours

PEOPLE = 20
SECONDS = 15.0
SEEDS = tuple(range(8))
ODOMETRY_NOISE = 0.05
_BASE = Conditions(people=PEOPLE, seconds=SECONDS, dimensions=64, lifelike=True)
CONDITIONS = {
    '30 Hz': _BASE,
    '10 Hz': replace(_BASE, rate_hz=10.0),
    '5 Hz, jitter': replace(_BASE, rate_hz=5.0, jitter=0.3),
    '30 Hz, pan 300 px/s': replace(_BASE, pan_px_s=300.0),
    '30 Hz, pan 900 px/s': replace(_BASE, pan_px_s=900.0),
    '10 Hz, pan 300 px/s': replace(_BASE, rate_hz=10.0, pan_px_s=300.0),
}
NOISY = ' (5 % noise)'
# What ours is given; the noise is that of the odometry.
GIVEN = (
    'motion',
    'motion + ego',
    'motion + ego' + NOISY,
    'motion + ego + appearance',
    'motion + ego' + NOISY + ' + appearance',
)
# Condition, what ours is given, the IDF1 that it must reach.
GOALS = (
    ('5 Hz, jitter', 'motion + ego', 94.0),
    ('30 Hz, pan 900 px/s', 'motion + ego', 78.0),
    ('10 Hz, pan 300 px/s', 'motion + ego', 93.0),
    ('10 Hz, pan 300 px/s', 'motion + ego' + NOISY, 90.0),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one tracker did in one condition.

    Attributes:
        condition: its name in CONDITIONS.
        tracker, given: who, and what it was given besides boxes.
        mean, std, least, most: of the IDF1 over the seeds, percent.
        idf1: of each seed, percent.
    """

    condition: str
    tracker: str
    given: str
    mean: float
    std: float
    least: float
    most: float
    idf1: tuple[float, ...]


def scores(
    seeds: Sequence[int], seconds: float = SECONDS, names: Sequence[str] = tuple(CONDITIONS)
) -> list[Row]:
    """Ours and the installed peers on the same detections, in each condition named."""
    return [
        row
        for name in names
        for row in _rows(name, replace(CONDITIONS[name], seconds=seconds), seeds)
    ]


def _rows(name: str, conditions: Conditions, seeds: Sequence[int]) -> Iterator[Row]:
    exact = [scene(replace(conditions, seed=seed)) for seed in seeds]
    noisy = [
        scene(replace(conditions, seed=seed, odometry_noise=ODOMETRY_NOISE)) for seed in seeds
    ]
    for given in GIVEN:
        scenes = noisy if NOISY in given else exact
        yield _row(name, replace(ours(given), features=given), scenes)
    for peer in installed(conditions.rate_hz, (1.0, 2.0)):
        yield _row(name, peer, exact)


def _row(condition: str, contender: Contender, scenes: Sequence[Sequence[Shot]]) -> Row:
    found = np.array([idf1(shots, answers(contender, shots)) for shots in scenes]).round(2)
    return Row(
        condition,
        contender.name,
        contender.features,
        round(float(found.mean()), 2),
        round(float(found.std()), 2),
        float(found.min()),
        float(found.max()),
        tuple(found.tolist()),
    )


def goals(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The goals of the conditions measured, and by what they are reached.

    `reached` is the figure of what the goal is set for, `appearance` that with looks besides.
    """
    ours_of = {(row.condition, row.given): row.mean for row in rows if row.tracker == 'reid_ros'}
    return [
        {
            'condition': condition,
            'given': given,
            'goal': least,
            'reached': ours_of[condition, given],
            'with_appearance': ours_of[condition, f'{given} + appearance'],
        }
        for condition, given, least in GOALS
        if (condition, given) in ours_of
    ]


def table(rows: Sequence[Row]) -> str:
    """For people: one line per tracker, one column per condition, then the goals."""
    names = list(dict.fromkeys(row.condition for row in rows))
    lines: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        lines.setdefault((row.tracker, row.given), {})[row.condition] = row
    wide = [max(len(key[i]) for key in lines) for i in (0, 1)]
    text = [f'{"IDF1":{wide[0]}}  {"given":{wide[1]}}  ' + '  '.join(f'{n:>19}' for n in names)]
    for (tracker, given), found in lines.items():
        cells = '  '.join(f'{found[n].mean:11.1f} +- {found[n].std:4.1f}' for n in names)
        text.append(f'{tracker:{wide[0]}}  {given:{wide[1]}}  {cells}')
    for goal in goals(rows):
        verdict = 'reached' if goal['reached'] >= goal['goal'] else 'MISSED'
        text.append(
            f'goal {goal["goal"]:.0f} at {goal["condition"]}, {goal["given"]}: {verdict} with '
            f'{goal["reached"]:.1f}; with appearance {goal["with_appearance"]:.1f}'
        )
    return '\n'.join(text)
