"""How well appearance networks tell real people apart, on the little real footage that there is.

A handful of people: every person counts alike, however long they are seen, and intervals are by
bootstrap over people. Networks are scored on the same resamples, so that their difference is told
more closely than each of them alone.

Development footage may be looked at as often as one likes. The final footage is scored at the
very end, and nothing is chosen on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_ros.bench import encoders
from reid_ros.bench.encoders import Named
from reid_ros.bench.reel import DETECTOR, FootageError, Reel, reel
from reid_ros.embed import Embedder
from reid_ros.evaluate.intervals import ROUNDS, draws, ends
from reid_ros.evaluate.ranking import precision, ranks
from reid_ros.types import BoolArray, DoubleArray, FloatArray, Frame, IntArray
from reid_ros.world.seeds import generator

DEVELOPMENT, FINAL = 'development', 'final'
LEVELS = ('crop', 'piece')
MEASURES = ('auc', 'rank_1', 'map')
BASELINES = (encoders.COLOUR, encoders.OSNET)
"""Whom every other network is compared with, where they are among those scored."""
RETAIL = 'person-reidentification-retail-0288'
"""A freely licensed network of other people: what decides who serves real cameras by default."""
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Footage:
    """Which pairs of crops count.

    Attributes:
        name: in `reel.FILES`.
        part: 'development' or 'final'.
        piece_s: the crops of one person before one camera within so many seconds have one vector,
            their mean by quality.
        across: only pairs from two cameras count; else two of one person must be gap_s apart, and
            two of two people may be from any time.
        gap_s: seconds.
    """

    name: str
    part: str
    piece_s: float = 1.0
    across: bool = False
    gap_s: float = 3.0


FOOTAGE = (
    Footage('one-by-one', DEVELOPMENT),
    Footage('multicam', DEVELOPMENT, across=True),
    # Its truth has one box a second.
    Footage('vtest', FINAL, piece_s=3.0),
)


@dataclass(frozen=True, slots=True)
class Looks:
    """Vectors, and whom each shows.

    Attributes:
        vectors: (n, d) float32, of length 1.
        people, cameras: (n,) int64.
        stamps_s: (n,) float64, seconds.
    """

    vectors: FloatArray
    people: IntArray
    cameras: IntArray
    stamps_s: DoubleArray

    def __len__(self) -> int:
        return len(self.people)


@dataclass(frozen=True, slots=True)
class Score:
    """What one network did on one footage.

    Attributes:
        values: auc, rank_1 and map, 0 to 1: means over people.
        rounds: the same of every resample of the people, (ROUNDS,) each.
        units: crops or pieces.
        people: of whom there are pairs.
        genuine, impostor: pairs of one person, and of two.
        hardest: the two people who are told apart worst, and the AUC among them alone.
    """

    values: dict[str, float]
    rounds: dict[str, DoubleArray]
    units: int
    people: int
    genuine: int
    impostor: int
    hardest: tuple[str, float]


def looks(one: Named, seen: Reel, tell: Callable[[int], None] = lambda crops: None) -> Looks:
    """What a network says of every crop.

    Raises:
        FootageError: a vector that is not finite.
    """
    embedder = Embedder(one.encoder)
    parts = []
    for start in range(0, len(seen), _BATCH):
        some = seen.crops[start : start + _BATCH]
        wanted = [
            (Frame('crop', 0, crop), np.array([[0, 0, *crop.shape[1::-1]]], np.float32))
            for crop in some
        ]
        parts += embedder.vectors(wanted)
        tell(len(some))
    vectors = np.concatenate(parts)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise FootageError(f'{one.label}: {len(bad)} of {len(vectors)} vectors are not finite')
    return Looks(vectors, seen.people, seen.cameras, seen.stamps_s)


def pieces(crops: Looks, quality: FloatArray, piece_s: float) -> Looks:
    """Mean vectors, by quality, of what each camera sees of a person within so many seconds."""
    keys: dict[tuple[int, int, int], list[int]] = {}
    for camera, person in sorted(set(zip(crops.cameras.tolist(), crops.people.tolist()))):
        rows = np.flatnonzero((crops.cameras == camera) & (crops.people == person))
        since = crops.stamps_s[rows] - crops.stamps_s[rows].min()
        # A frame's time is rounded: what falls on the edge belongs to the later piece.
        for row, number in zip(rows.tolist(), np.floor(since / piece_s + 1e-6).tolist()):
            keys.setdefault((camera, person, int(number)), []).append(row)
    vectors, stamps = [], []
    for rows_ in keys.values():
        total = (crops.vectors[rows_] * quality[rows_, None]).sum(axis=0)
        vectors.append(total / max(float(np.linalg.norm(total)), 1e-12))
        stamps.append(float(crops.stamps_s[rows_].mean()))
    cameras, people, _ = np.array(list(keys), np.int64).T
    return Looks(np.stack(vectors).astype(np.float32), people, cameras, np.array(stamps))


def pairs(units: Looks, footage: Footage) -> tuple[BoolArray, BoolArray]:
    """(n, n) which pairs are of one person, and which of two; others do not exist."""
    same = units.people[:, None] == units.people[None]
    if footage.across:
        apart = units.cameras[:, None] != units.cameras[None]
        return same & apart, ~same & apart
    gap = np.abs(units.stamps_s[:, None] - units.stamps_s[None])
    return same & (gap >= footage.gap_s - 1e-6), ~same


def score(units: Looks, footage: Footage, names: Sequence[str], rounds: int = ROUNDS) -> Score:
    """AUC of genuine against impostor pairs; rank-1 and mAP of every unit against all others.

    Raises:
        FootageError: fewer than two people of whom there are pairs.
    """
    right, wrong = pairs(units, footage)
    counted = np.unique(units.people[right.any(axis=1) & wrong.any(axis=1)])
    if len(counted) < 2:
        raise FootageError(
            f'{footage.name}: {len(counted)} people are seen twice with a gap of '
            f'{footage.gap_s:g} s or by two cameras: nobody to compare'
        )
    cosines = (units.vectors @ units.vectors.T).astype(np.float64)
    couples = [
        (first, second)
        for first, second in itertools.combinations(np.unique(units.people).tolist(), 2)
        if wrong[np.ix_(units.people == first, units.people == second)].any()
    ]
    table, counts = _areas(units, cosines, right, wrong, counted, couples)
    answers = np.array([_answers(units, cosines, right, wrong, person) for person in counted])
    weights = resamples(footage, counted, couples, rounds)
    of_person, of_couple = weights
    numbers = {
        'auc': ((of_person @ table) * of_couple).sum(axis=1)
        / (of_person.sum(axis=1) * of_couple.sum(axis=1)),
        'rank_1': of_person @ answers[:, 0] / of_person.sum(axis=1),
        'map': of_person @ answers[:, 1] / of_person.sum(axis=1),
    }
    return Score(
        {'auc': float(table.mean()), 'rank_1': float(answers[:, 0].mean()),
         'map': float(answers[:, 1].mean())},
        numbers, len(units), len(counted), *counts, _hardest(table, counted, couples, names),
    )  # fmt: skip


def resamples(
    footage: Footage, people: IntArray, couples: Sequence[tuple[int, int]], rounds: int
) -> tuple[DoubleArray, DoubleArray]:
    """How often each person and each couple is in every resample of the people.

    A couple is there as often as its one is, times as often as its other. A resample in which
    no couple is left, or nobody with a genuine pair, says nothing and is drawn again.
    """
    everybody = sorted({int(person) for couple in couples for person in couple})
    place = {person: column for column, person in enumerate(everybody)}
    draw = generator('test', 'bench', 'footage', footage.name)
    first = [place[a] for a, _ in couples]
    second = [place[b] for _, b in couples]
    kept_people: list[DoubleArray] = []
    kept_couples: list[DoubleArray] = []
    have = 0
    while have < rounds:
        drawn = draws(len(everybody), rounds, draw)
        of_person = drawn[:, [place[int(person)] for person in people]]
        of_couple = drawn[:, first] * drawn[:, second]
        fine = (of_person.sum(axis=1) > 0) & (of_couple.sum(axis=1) > 0)
        kept_people.append(of_person[fine])
        kept_couples.append(of_couple[fine])
        have += int(fine.sum())
    return np.concatenate(kept_people)[:rounds], np.concatenate(kept_couples)[:rounds]


def _areas(
    units: Looks,
    cosines: DoubleArray,
    right: BoolArray,
    wrong: BoolArray,
    people: IntArray,
    couples: Sequence[tuple[int, int]],
) -> tuple[DoubleArray, tuple[int, int]]:
    """(p, c) share of each person's pairs that beat each couple's, a tie counting half; counts."""
    own = []
    for person in people.tolist():
        mine = np.flatnonzero(units.people == person)
        once = np.triu(right[np.ix_(mine, mine)], 1)
        own.append(cosines[np.ix_(mine, mine)][once])
    sizes = np.array([len(values) for values in own])
    starts = np.cumsum(sizes) - sizes
    genuine = np.concatenate(own)
    table = np.empty((len(people), len(couples)))
    impostor = 0
    for column, couple in enumerate(couples):
        rows, columns = (np.flatnonzero(units.people == person) for person in couple)
        theirs = np.sort(cosines[np.ix_(rows, columns)][wrong[np.ix_(rows, columns)]])
        below = np.searchsorted(theirs, genuine, 'left') + np.searchsorted(
            theirs, genuine, 'right'
        )
        table[:, column] = np.add.reduceat(below, starts) / (2 * len(theirs) * sizes)
        impostor += len(theirs)
    return table, (len(genuine), impostor)


def _answers(
    units: Looks, cosines: DoubleArray, right: BoolArray, wrong: BoolArray, person: int
) -> tuple[float, float]:
    """Rank-1 and mean average precision of a person's units."""
    rows = np.flatnonzero(units.people == person)
    found = [
        ranks(cosines[row], right[row], wrong[row])
        for row in rows.tolist()
        if right[row].any() and wrong[row].any()
    ]
    return (
        float(np.mean([answer[0] == 1 for answer in found])),
        float(np.mean([precision(answer) for answer in found])),
    )


def _hardest(
    table: DoubleArray,
    people: IntArray,
    couples: Sequence[tuple[int, int]],
    names: Sequence[str],
) -> tuple[str, float]:
    least, who = 2.0, ''
    for column, couple in enumerate(couples):
        area = float(table[np.isin(people, couple), column].mean())
        if area < least:
            least, who = area, ' and '.join(names[person] for person in couple)
    return who, least


def mean(scores: Sequence[Score]) -> Score:
    """Several footages, each counting alike; people are resampled within each."""
    return Score(
        {name: float(np.mean([one.values[name] for one in scores])) for name in MEASURES},
        {name: np.mean([one.rounds[name] for one in scores], axis=0) for name in MEASURES},
        sum(one.units for one in scores),
        sum(one.people for one in scores),
        sum(one.genuine for one in scores),
        sum(one.impostor for one in scores),
        min((one.hardest for one in scores), key=lambda hardest: hardest[1]),
    )


Scores = Mapping[tuple[str, str, str], Score]
"""(network, footage, level) -> score; the mean of a part's footages stands under its name."""


def measure(
    networks: Sequence[Named],
    data: Path,
    parts: Sequence[str] = (DEVELOPMENT,),
    detector: str = DETECTOR,
    cache: Path | None = None,
    tell: Callable[[int], None] = lambda done: None,
) -> Scores:
    """Score networks on the footage of some parts.

    Args:
        networks: who looks.
        data: folder of the footage.
        parts: 'development', 'final'.
        detector: card or file.
        cache: folder that keeps the crops.
        tell: is told how many more frames and crops were looked at.

    Raises:
        FootageError: something is missing, or too few people are in it.
    """
    result: dict[tuple[str, str, str], Score] = {}
    for part in parts:
        mine = [footage for footage in FOOTAGE if footage.part == part]
        for footage in mine:
            seen = reel(footage.name, data, detector, cache, tell)
            for one in networks:
                crops = looks(one, seen, tell)
                both = crops, pieces(crops, seen.quality, footage.piece_s)
                for level, units in zip(LEVELS, both):
                    result[one.label, footage.name, level] = score(units, footage, seen.names)
        for one, level in itertools.product(networks, LEVELS):
            if len(mine) > 1:
                some = [result[one.label, footage.name, level] for footage in mine]
                result[one.label, part, level] = mean(some)
    return result


def rows(scores: Scores) -> list[dict[str, Any]]:
    """The scores, and how far every network lies above the baselines; all with 95 % intervals."""
    result: list[dict[str, Any]] = []
    for (network, footage, level), one in scores.items():
        row: dict[str, Any] = {'network': network, 'footage': footage, 'level': level}
        for name in MEASURES:
            row[name] = round(one.values[name], 4)
            row[f'{name}_interval'] = [round(end, 4) for end in ends(one.rounds[name])]
        row |= {
            'people': one.people,
            'units': one.units,
            'genuine': one.genuine,
            'impostor': one.impostor,
            'hardest': one.hardest[0],
            'hardest_auc': round(one.hardest[1], 4),
        }
        for baseline in BASELINES:
            other = scores.get((baseline, footage, level))
            if other is not None and baseline != network:
                row[f'above_{baseline}'] = {name: _above(one, other, name) for name in MEASURES}
        result.append(row)
    return result


def _above(one: Score, other: Score, name: str) -> list[float]:
    """The difference, and its interval, on the same resamples."""
    low, high = ends(one.rounds[name] - other.rounds[name])
    return [round(value, 4) for value in (one.values[name] - other.values[name], low, high)]
