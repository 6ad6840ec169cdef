"""Who is known and who is a stranger: galleries of rendered people, and what the system decides.

Nobody of the strangers is enrolled, so whoever is taken for somebody is taken falsely. All people
are of one split, whose people, places and cameras no training and no calibration shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from reid_ros.bench.contenders import Contender
from reid_ros.bench.hall import Hall
from reid_ros.bench.lineup import Crowd, Group, Seen, seen
from reid_ros.bench.tails import Tail, tails
from reid_ros.calibration import Calibration
from reid_ros.evaluate.intervals import Rate, share
from reid_ros.evaluate.openset import Searches, realised, search, search_vectors
from reid_ros.world.seeds import Split, generator

SEED = 1
"""Of the committed results; nothing was ever chosen on it."""
FALSE_ACCEPTS = (0.001, 0.01, 0.1)
"""Shares of strangers at which rates are told, and for which the system is set."""
MEETINGS = 4
"""Most galleries of one size that a stranger meets."""
TIMES_CONFIGURED = 2.0
"""A realised FPIR up to this many times the configured one is as promised."""
GOAL_TPIR = 0.8
"""To be reached at an FPIR of GOAL_FPIR with GOAL_PEOPLE in the gallery."""
GOAL_FPIR, GOAL_PEOPLE = 0.01, 100
_ROUNDS = 400
_BLOCK = 250  # probes


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is looked at.

    Attributes:
        galleries: how many people each holds; the largest tells how many are enrolled in all.
        strangers: how many people are not enrolled.
        each: tracklets of a stranger, every one before another camera.
        probes: tracklets of an enrolled person, before cameras that did not enrol them.
        enrol: tracklets that an enrolled person is known from.
        fit: people of the split `train` to calibrate on, each twice before three cameras.
        cameras: of a split; so many that no few places decide how alike strangers look.
    """

    galleries: tuple[int, ...] = (10, 100, 1000)
    strangers: int = 1000
    each: int = 5
    probes: int = 3
    enrol: int = 1
    fit: int = 500
    cameras: int = 24

    @property
    def people(self) -> int:
        """Enrolled in all galleries of one size together."""
        return max(self.galleries)

    def groups(self, split: Split, seed: int) -> tuple[Group, Group]:
        """Those who are enrolled, and the strangers."""
        where = 0, self.people, self.enrol + self.probes
        known = Group(split, seed, *where, cameras=self.cameras)
        others = self.people, self.strangers, self.each
        return known, Group(split, seed, *others, cameras=self.cameras)

    def training(self, seed: int) -> Group:
        """Those on whom a calibration is fitted."""
        seen_by = min(3, self.cameras)
        return Group('train', seed, 0, self.fit, seen_by, walks=2, cameras=self.cameras)


QUICK = Sizes(galleries=(5, 20), strangers=30, each=4, fit=20, cameras=6)
"""Shows that everything runs, not how good anything is."""


@dataclass(frozen=True, slots=True)
class Scored:
    """How far scores alone tell the known from strangers.

    Attributes:
        contender, calibration, score: 'cosine', or 'evidence' as calibrated.
        people, galleries: in each gallery, and how many galleries.
        fpir, tpir: at the threshold that keeps the FPIR asked for, with intervals.
        at: FPIR asked for.
    """

    contender: str
    calibration: str
    score: str
    people: int
    galleries: int
    at: float
    fpir: Rate
    tpir: Rate


@dataclass(frozen=True, slots=True)
class Decided:
    """What the system decides by itself.

    Attributes:
        contender, calibration: whose vectors, and which calibration of them.
        people, galleries: in each gallery, and how many galleries.
        configured: false_accept.
        fpir: share of the strangers who were taken for somebody.
        tpir, wrong: share of the known who were taken for themselves, and for somebody else.
        kept: whether the FPIR is at most twice the configured one.
    """

    contender: str
    calibration: str
    people: int
    galleries: int
    configured: float
    fpir: Rate
    tpir: Rate
    wrong: Rate
    kept: bool


@dataclass(frozen=True, slots=True)
class Met:
    """Probes and the gallery that they meet; a stranger may meet several.

    Attributes:
        enrolled, probes: the first are those of the gallery.
    """

    enrolled: Seen
    probes: Seen


def meetings(crowd: Crowd, size: int, draw: np.random.Generator) -> list[Met]:
    """Galleries without common people; their probes, and the strangers that fall to each."""
    people = draw.permutation(np.unique(crowd.enrolled.persons))
    number = max(1, round(len(people) / size))
    strangers = np.unique(crowd.strangers.persons)
    times = min(MEETINGS, number)
    met = np.argsort(draw.random((len(strangers), number)), axis=1)[:, :times]
    result = []
    for k, members in enumerate(np.array_split(people, number)):
        guests = strangers[(met == k).any(axis=1)]
        known = crowd.probes.take(np.isin(crowd.probes.persons, members))
        others = crowd.strangers.take(np.isin(crowd.strangers.persons, guests))
        enrolled = crowd.enrolled.take(np.isin(crowd.enrolled.persons, members))
        result.append(Met(enrolled, Seen.joined([known, others])))
    return result


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything about one contender with one calibration.

    Attributes:
        scored, decided, tails: rows.
        curves: points of DET curves, rows.
    """

    scored: list[Scored]
    decided: list[Decided]
    tails: list[Tail]
    curves: list[dict[str, Any]]

    def goals(self) -> dict[str, Any]:
        """Whether strangers are taken for somebody as rarely as promised, and the known found."""
        found = [
            row.tpir.value
            for row in self.scored
            if (row.score, row.at, row.people) == ('evidence', GOAL_FPIR, GOAL_PEOPLE)
        ]
        return {
            'contender': self.decided[0].contender,
            'calibration': self.decided[0].calibration,
            'fpir_kept': all(row.kept for row in self.decided),
            'tpir': round(found[0], 6) if found else None,
            'tpir_reached': found[0] >= GOAL_TPIR if found else None,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Plain values, one flat row each, rates with their intervals."""
        return [
            {'part': part, **_flat(asdict(row))}
            for part in ('scored', 'decided', 'tails')
            for row in getattr(self, part)
        ]


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            result[key] = round(value['value'], 6)
            result[f'{key}_interval'] = [round(value['low'], 6), round(value['high'], 6)]
            result[f'{key}_n'] = value['n']
        else:
            result[key] = round(value, 9) if isinstance(value, float) else value
    return result


def judged(
    crowd: Crowd,
    contender: str,
    label: str,
    calibration: Calibration,
    sizes: Sizes,
    draws: Callable[..., np.random.Generator],
    cosines: bool = True,
) -> Outcome:
    """What one contender with one calibration makes of a crowd.

    Args:
        crowd: as the contender sees it.
        contender, label: names of the contender and of the calibration.
        calibration: of the vectors.
        sizes: of the galleries.
        draws: gives the random numbers of a purpose.
        cosines: whether to score them, too, which no calibration changes.
    """
    result = Outcome([], [], tails(crowd, contender, label, calibration), [])
    for size in sizes.galleries:
        met = meetings(crowd, size, draws('meetings', size))
        cosine, evidence, taken = [], [], []
        for one in met:
            hall = Hall(one.enrolled, calibration)
            ids, entries = one.probes.persons + 1, one.enrolled.persons + 1
            cosine.append(search_vectors(one.probes.vectors, one.enrolled.vectors, ids, entries))
            parts = [
                hall.scores(one.probes.take(np.arange(k, min(k + _BLOCK, len(ids)))))
                for k in range(0, len(ids), _BLOCK)
            ]
            llr = np.concatenate([part.llr for part in parts])
            evidence.append(search(llr, ids, parts[0].persons))
            taken.append(
                [np.concatenate([hall.taken(p, limit) for p in parts]) for limit in FALSE_ACCEPTS]
            )
        kinds = [('cosine', cosine)] * cosines + [('evidence', evidence)]
        for score, searches in [(score, _all(parts)) for score, parts in kinds]:
            names = contender, label, score, size, len(met)
            result.scored.extend(_scored(searches, names, draws('scores', size)))
            result.curves.append(_curve(searches, names))
        ids = np.concatenate([one.probes.persons for one in met]) + 1
        enrolled = crowd.enrolled.persons + 1
        strangers = len(np.unique(crowd.strangers.persons))
        for k, limit in enumerate(FALSE_ACCEPTS):
            said = np.concatenate([answers[k] for answers in taken])
            rates = realised(said, ids, enrolled, draw=draws('decisions', size, k))
            kept = rates.fpir.value <= TIMES_CONFIGURED * limit
            result.decided.append(
                Decided(
                    contender, label, size, len(met), limit,
                    _sure(rates.fpir, strangers), _sure(rates.tpir, size * len(met)),
                    _sure(rates.wrong, size * len(met)), kept,
                )
            )  # fmt: skip
    return result


def _sure(rate: Rate, people: int) -> Rate:
    """A rate; what never or always happened gets the exact interval of a trial per person."""
    if 0 < rate.value < 1:
        return rate
    exact = share(round(rate.value * people), people, 'clopper_pearson')
    return replace(rate, low=exact.low, high=exact.high)


def _all(parts: Sequence[Searches]) -> Searches:
    """The searches of several galleries of one size, for one threshold."""
    ids, mated, top, mate, rank = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ('ids', 'mated', 'top', 'mate', 'rank')
    )
    return Searches(ids, mated, top, mate, rank, parts[0].enrolled)


Names = tuple[str, str, str, int, int]  # contender, calibration, score, people, galleries


def _scored(searches: Searches, names: Names, draw: np.random.Generator) -> list[Scored]:
    strangers = int((~searches.mated).sum())
    result = []
    for at in FALSE_ACCEPTS:
        if at * strangers >= 1:
            point = searches.bootstrapped(at, draw, rounds=_ROUNDS)
            known = len(np.unique(searches.ids[searches.mated]))
            result.append(Scored(*names, at, point.fpir, _sure(point.tpir, known)))
    return result


def _curve(searches: Searches, names: Names) -> dict[str, Any]:
    keys = ('contender', 'calibration', 'score', 'people', 'galleries')
    curve = searches.det(40)
    return {
        **dict(zip(keys, names)),
        'fpir': [round(float(value), 6) for value in curve.fpir],
        'fnir': [round(float(value), 6) for value in curve.fnir],
    }


def fitted(train: Seen) -> Calibration:
    """The calibration of vectors on people of the split `train`.

    Raises:
        CalibrationError: too few people.
    """
    good = train.take(train.enough)
    return Calibration.of(good.vectors, good.persons, good.cameras)


def run(
    contenders: Sequence[Contender],
    sizes: Sizes,
    split: Split = 'test',
    seed: int = SEED,
    fit: bool = False,
    files: Mapping[str, str] = MappingProxyType({}),
    cache: Path | None = None,
    tell: Callable[[int], None] = lambda tracklets: None,
) -> tuple[list[Outcome], dict[str, Any]]:
    """Every contender before the same people, with its own calibration and with a fitted one.

    Args:
        contenders: who looks.
        sizes: how much is looked at.
        split, seed: of the people, cameras and walks.
        fit: whether to calibrate each on people of the split `train`, too.
        files: by contender, where its calibration was read, if not in its card.
        cache: folder of vectors that are known already.
        tell: is told how many more tracklets were drawn.

    Returns:
        An outcome per contender and calibration, and by contender the fitted calibration.
    """

    def draws(*labels: str | int) -> np.random.Generator:
        return generator(split, 'open set', seed, *labels)

    training = seen(sizes.training(seed), contenders, cache, tell) if fit else []
    known, strangers = (
        seen(group, contenders, cache, tell) for group in sizes.groups(split, seed)
    )
    result: list[Outcome] = []
    fits: dict[str, Any] = {}
    for k, one in enumerate(contenders):
        crowd = Crowd.of(known[k], strangers[k], sizes.enrol, draws('enrolment'))
        own = 'by construction' if one.embedder is None else files.get(one.name, 'card')
        choices = {own: one.calibration}
        if fit:
            label = f'fitted on {sizes.fit} people'
            choices[label] = fitted(training[k])
            fits[one.name] = choices[label].to_json()
        for label, calibration in choices.items():
            first = label == own
            result.append(judged(crowd, one.name, label, calibration, sizes, draws, first))
    return result, fits
