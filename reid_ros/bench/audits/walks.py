"""Is gait in the world: more in a sequence than in its frames, and enough among equal bodies?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reid_ros.bench.audits.finding import Finding, compared
from reid_ros.bench.audits.learn import cosine, discriminant, whitened
from reid_ros.bench.audits.strides import Strides
from reid_ros.evaluate.intervals import Rate
from reid_ros.evaluate.retrieval import GAIT3D, Samples, retrieve
from reid_ros.types import DoubleArray, IntArray
from reid_ros.world.cast import same_body
from reid_ros.world.seeds import Split, generator
from reid_ros.world.silhouettes import SPOTS, GaitStudio, Passage
from reid_ros.world.studio import Studio

AUDIT = 'gait from silhouettes'
ONE, SHUFFLED = 'one frame', 'shuffled frames'
MOVEMENT, WHOLE = 'movement alone', 'whole sequence'
EQUAL = 'one body and outfit'
_FRAMES = 44
_RATE_HZ = 25.0
_WALKS = 4
"""Of everybody; the first half is the gallery, the second asks. Each varies the gait anew."""
_EYES_M = (1.0, 1.3)
_VIEW = 90
_LEARNERS = 40
_DIMENSIONS, _DIRECTIONS, _SHRINK = 60, 30, 0.05
_MOVES = 1.0


@dataclass(frozen=True, slots=True)
class _Described:
    """Features of sequences by kind, each (n, d), and whose they are."""

    values: dict[str, DoubleArray]
    persons: IntArray
    walks: IntArray


def audit(people: int, seed: int) -> list[Finding]:
    """Rank-1 of walks by one frame, by frames in any order, and by the whole sequence.

    In side view, before one camera; projections are learnt from people of the training split, of
    whom half share one body and its clothes, as half of the tests do.
    """
    learners = max(_LEARNERS if people >= _LEARNERS else people, 8)
    of_bodies = _taken('train', learners, seed, False)
    of_gaits = _taken('train', learners, seed, True)
    strides = Strides([*of_bodies, *of_gaits])
    result = []
    for equal, learnt in ((False, of_bodies), (True, of_gaits)):
        taught = _described(strides, learnt)
        asked = _described(strides, _taken('test', people, seed, equal))
        alike = {kind: _likeness(kind, taught, asked) for kind in asked.values}
        alike[WHOLE] = alike[SHUFFLED] + _MOVES * alike[MOVEMENT]
        rates = {kind: _rank1(table, asked, seed) for kind, table in alike.items()}
        result += _judged(EQUAL if equal else 'bodies and clothes of their own', rates, people)
    return result


def _judged(who: str, rates: dict[str, Rate], people: int) -> list[Finding]:
    """Among equal bodies the whole must beat its frames surely, else be no worse."""
    chance = 1 / people
    others = [rates[kind] for kind in (ONE, SHUFFLED)]
    result = []
    for kind, rate in rates.items():
        finding = compared(AUDIT, f'{who}: {kind}', rate, chance, 'to compare')
        if kind == WHOLE and who == EQUAL:
            good = all(rate.low > other.value for other in others)
            finding = replace(finding, wanted='above its frames', passed=good)
        elif kind == WHOLE:
            good = all(rate.high >= other.value for other in others)
            finding = replace(finding, wanted='no worse than its frames', passed=good)
        result.append(finding)
    return result


def _taken(split: Split, people: int, seed: int, equal: bool) -> list[Passage]:
    """Sequences of everybody's walks; `equal` people differ in nothing but their gait."""
    gait = GaitStudio(
        split, _FRAMES, (128, 88), _RATE_HZ, seed=seed,
        people=(lambda index: same_body(split, index, seed)) if equal else None,
        studio=_studio(split, seed),
    )  # fmt: skip
    taken = gait.sequences(people, {'normal': _WALKS}, (_VIEW,))
    # Colours are most of it, and not looked at.
    return [replace(one, crops=one.crops[:0]) for one in taken]


def _studio(split: Split, seed: int) -> Studio:
    return Studio(split, 1, seed, 'clean', kinds=('hall',), heights_m=_EYES_M, spots=SPOTS)


def _described(strides: Strides, taken: Sequence[Passage]) -> _Described:
    middle = _FRAMES // 2
    values = {
        ONE: np.stack([strides.frame(one, middle) for one in taken]),
        SHUFFLED: np.stack([strides.bag(one) for one in taken]),
        MOVEMENT: np.stack([strides.movement(one) for one in taken]),
    }
    return _Described(
        values,
        np.array([one.person for one in taken]),
        np.array([one.walk for one in taken]),
    )


def _likeness(kind: str, taught: _Described, asked: _Described) -> DoubleArray:
    """(n, n) cosines of all sequences that are asked for, by one kind of features."""
    project = whitened(taught.values[kind], _DIMENSIONS)
    fisher = discriminant(project(taught.values[kind]), taught.persons, _DIRECTIONS, _SHRINK)
    vectors = fisher(project(asked.values[kind]))
    return cosine(vectors, vectors)


def _rank1(likeness: DoubleArray, asked: _Described, seed: int) -> Rate:
    gallery = asked.walks < _WALKS // 2
    one_camera = np.zeros(len(likeness), np.int64)
    answer = retrieve(
        likeness[np.ix_(~gallery, gallery)],
        Samples(asked.persons[~gallery] + 1, one_camera[~gallery]),
        Samples(asked.persons[gallery] + 1, one_camera[gallery]),
        GAIT3D,
    )
    return answer.intervals(generator('test', 'audit', 'gait', seed))['rank-1']
