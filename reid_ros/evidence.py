"""How much speaks for a track being each person, and whether it is enough.

The share of strangers that may be taken for somebody, p, is one setting. It is divided among the
persons a track could be (a weighted Bonferroni correction: Genovese, Roeder and Wasserman,
Biometrika 93, 2006), so a stranger meets the same risk whatever the gallery's size. Persons that
left the same camera moments ago nearby get a larger share: they are likelier to be back.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from reid_ros.calibration import Calibration, Condition, angles
from reid_ros.gallery import Closeness
from reid_ros.types import BoolArray, Candidates, DoubleArray, FloatArray, IntArray

MARGIN = 3.0
"""The best person must be exp(3) = 20 times as likely as the second."""
CHANGED = 0.05
"""Chance that somebody who comes back wears other clothes, and that a stranger wears the same."""
ALIKE = 0.02
STRANGE_LLR = -100.0
"""Evidence for somebody who is unlike at a glance."""
LEAST_SCORE = 0.01
"""Who is less likely is no candidate."""
SMALLEST_GALLERY = 10
"""The share of p that one person gets is never more than a tenth, however few are known: p is a
tail, and tails of real footage are longer than those of the people who were calibrated on."""
FEWEST = 3
"""As a prior, the share of one person is up to a third. With a tenth, who is known among a few was
given a second number: IDF1 of 14 development worlds 82.7, and 83.5 now."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Evidence that m tracks are n persons.

    Attributes:
        persons: (n,) int64 numbers.
        llr: (m, n) log-likelihood ratio of 'this person' over 'a stranger', -inf where impossible.
        log_p: (m, n) logarithm of the share of strangers that come as close.
        log_share: (m, n) logarithm of the person's share of all false accepts.
        log_prior: (m, n) logarithm of the chance that it is this person, if somebody known.
        log_odds: logarithm of how much more frequent known people are than strangers; -inf where
            that is not known.
        over: (m, n) how much of `llr` does not count against what places say, see `bounded`.
    """

    persons: IntArray
    llr: DoubleArray
    log_p: DoubleArray
    log_share: DoubleArray
    log_prior: DoubleArray
    log_odds: float = -math.inf
    over: DoubleArray | float = 0.0

    @property
    def bounded(self) -> DoubleArray:
        """(m, n) the same evidence, with looks as a mixture with ALIKE.

        Somebody else may wear the same: however alike they look, looks do not prevail over where
        people stand and how tall they are.
        """
        return self.llr - self.over

    def row(self, row: int) -> Scores:
        """(1, n) of one track, as if it were alone."""
        only = slice(row, row + 1)
        return dataclasses.replace(
            self,
            llr=self.llr[only],
            log_p=self.log_p[only],
            log_share=self.log_share[only],
            log_prior=self.log_prior[only],
            over=np.broadcast_to(self.over, self.llr.shape)[only],
        )

    def accepted(self, false_accept: float) -> BoolArray:
        """(m, n) True where the evidence is enough, other persons left aside.

        Either so few strangers come as close, or strangers are so rare that as few of those who
        come as close are strangers.
        """
        return self._beyond(false_accept, 0.0)

    def nearly(self, false_accept: float) -> BoolArray:
        """(m, n) True where a little more evidence would be enough."""
        return self._beyond(false_accept, math.log(20.0))

    def _beyond(self, false_accept: float, spare: float) -> BoolArray:
        seldom = self.log_p <= math.log(false_accept) + self.log_share + spare
        wanted = math.log1p(-false_accept) - math.log(false_accept) - spare
        surely = self.llr + self.log_prior + self.log_odds >= wanted
        result: BoolArray = (self.bounded > 0) & (seldom | surely)
        return result

    def stranger(self, row: int) -> float:
        """Probability that a track is nobody known, 0 to 1."""
        value = np.clip(self.llr[row] + self.log_prior[row] + max(self.log_odds, -700), -700, 700)
        return float(1.0 / (1.0 + np.exp(value).sum()))

    def beside(self, other: DoubleArray) -> Scores:
        """The same with other, independent evidence added.

        By Markov's inequality a stranger reaches a likelihood ratio of r once in r times at most;
        p (1 - ln p) of the strangers reach the product p of two such shares (Fisher, Statistical
        Methods for Research Workers, 1932, section 21.1). What speaks against weighs as
        much: where strangers are r times as likely to be, r times as many come as close.

        Args:
            other: (m, n) log-likelihood ratios, 0 = none.
        """
        if not other.any():
            return self
        joint = self.log_p - np.maximum(other, 0.0)
        joint = np.where(other > 0, joint + np.log1p(-joint), self.log_p - other)
        return dataclasses.replace(
            self,
            llr=self.llr + other,
            log_p=np.where(np.isinf(self.llr), self.log_p, np.minimum(joint, 0.0)),
        )

    def probability(self, row: int, column: int) -> float:
        """Posterior 0 to 1 of one person against a stranger."""
        value = self.llr[row, column] + self.log_prior[row, column]
        return float(1.0 / (1.0 + math.exp(-max(min(value, 700.0), -700.0))))

    def best(self, most: int) -> Candidates:
        """The likeliest persons of each track, at most so many, nobody below LEAST_SCORE."""
        value = np.clip(self.llr + self.log_prior, -700.0, 700.0)
        likely = np.where(np.isfinite(self.llr), 1.0 / (1.0 + np.exp(-value)), 0.0)
        persons = np.zeros((len(likely), most), np.uint32)
        scores = np.zeros((len(likely), most), np.float32)
        columns = np.argsort(-likely, axis=1, kind='stable')[:, :most]
        values = np.take_along_axis(likely, columns, axis=1)
        told = values >= LEAST_SCORE
        persons[:, : columns.shape[1]] = np.where(told, self.persons[columns], 0)
        scores[:, : columns.shape[1]] = np.where(told, values, 0.0)
        return Candidates(persons, scores)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one kind of vectors says, of m tracks for n persons.

    Attributes:
        llr: (m, n) log-likelihood ratio of 'this person' over 'a stranger', nan where unknown.
        log_p: (m, n) logarithm of the share of strangers that come as close.
    """

    llr: DoubleArray
    log_p: DoubleArray

    @staticmethod
    def of(closeness: Closeness, calibration: Calibration) -> Evidence:
        """Of cosines; evidence within a camera and across cameras joins as in `scores`."""
        same = _condition(closeness.same, calibration.same_camera)
        cross = _condition(closeness.cross, calibration.cross_camera)
        return Evidence(*_both(*same, *cross))

    @staticmethod
    def mean(closeness: Closeness, calibration: Calibration, weights: DoubleArray) -> Evidence:
        """(1, n) the weighted mean over m vectors of one person.

        One lucky pair of crops is to merge nobody.
        """
        means = []
        for cosines, condition in (
            (closeness.same, calibration.same_camera),
            (closeness.cross, calibration.cross_camera),
        ):
            known = ~np.isnan(cosines)
            total = weights @ known
            for values in _condition(cosines, condition):
                summed = weights @ np.where(known, values, 0.0)
                mean = np.full(len(total), np.nan)
                means.append(np.divide(summed, total, out=mean, where=total > 0)[None])
        return Evidence(*_both(*means))

    @staticmethod
    def none(rows: int, persons: int) -> Evidence:
        """Where nothing is known."""
        return Evidence(np.full((rows, persons), np.nan), np.full((rows, persons), np.nan))

    @staticmethod
    def strange(persons: int) -> Evidence:
        """(1, n) where everybody is so unlike that nobody looked closer."""
        return Evidence(np.full((1, persons), STRANGE_LLR), np.zeros((1, persons)))

    def with_gait(self, gait: Evidence) -> Evidence:
        """What looks and gait say together; where gait says nothing of a track, looks alone.

        People change clothes: beside gait, looks count as a mixture with this chance, so that
        they speak against nobody without limit. For somebody they do: that others may wear the
        same is in `Scores.bounded`, and between two persons the one who looks more alike goes
        first. The shares of strangers join as independent ones do (Fisher), of those kinds that
        speak for the person; where that is one of the two, its share counts twice (Bonferroni).
        """
        unknown, walks = np.isnan(self.llr), ~np.isnan(gait.llr)
        looks = np.where(unknown, 0.0, _changed(np.where(unknown, 0.0, self.llr)))
        with np.errstate(invalid='ignore'):
            for_looks = np.where(looks > 0, self.log_p, 0.0)
            for_gait = np.where(gait.llr > 0, gait.log_p, 0.0)
        total = for_looks + for_gait
        fisher = total + np.log1p(-total)
        twice = np.minimum(total + math.log(2.0), 0.0)
        both = (for_looks < 0) & (for_gait < 0)
        log_p = np.where(unknown, for_gait, np.where(both, fisher, twice))
        # Nobody of the same row gains by never having been seen to walk.
        alone = np.where(walks.any(axis=1, keepdims=True) & ~unknown, looks, self.llr)
        return Evidence(
            np.where(walks, looks + gait.llr, alone), np.where(walks, log_p, self.log_p)
        )


def scores(
    closeness: Closeness,
    calibration: Calibration,
    impossible: BoolArray,
    recent: DoubleArray,
    gait: Evidence | None = None,
    tracks: DoubleArray | None = None,
) -> Scores:
    """Calibrated evidence of m tracks for n persons.

    Where a person is known from the track's own camera and from others, the likelihood ratio is
    the mean of both, and the share of strangers that come as close is the own camera's: people in
    the same clothes are told apart where light and view are the same, and the other cameras'
    wider tolerance must not overrule that.

    Args:
        closeness: cosines of m query vectors.
        calibration: of the network that made them.
        impossible: (m, n) True where a track cannot be a person.
        recent: (m, n) at least 0, how well a person who just left explains the track.
        gait: what gait says of the same; None = nothing.
        tracks: see `joined`.
    """
    found = Evidence.of(closeness, calibration)
    return joined(closeness.persons, found, impossible, recent, gait, tracks)


def joined(
    persons: IntArray,
    looks: Evidence,
    shut: BoolArray,
    recent: DoubleArray,
    gait: Evidence | None = None,
    tracks: DoubleArray | None = None,
) -> Scores:
    """The scores of evidence; who is shut out, or of whom nothing is known, gets none.

    Args:
        persons: (n,) numbers.
        looks: (m, n) what the looks say.
        shut: (m, n) True where a track cannot be a person.
        recent: (m, n) at least 0, how well a person who just left explains the track.
        gait: (m, n) what the gait says; None = nothing.
        tracks: (n,) how many tracks showed each person so far: in proportion to it they share the
            risk; None = all alike. Who was seen often will be seen again, and the risk is spent on
            them, not on numbers that were given once by mistake.
    """
    found = looks if gait is None else looks.with_gait(gait)
    llr, log_p = found.llr, found.log_p
    closed = shut | np.isnan(llr)
    own = np.where(closed | np.isnan(looks.llr), 0.0, looks.llr)
    own = own if gait is None else _changed(own)
    over = own - _worn(own)
    llr[closed] = -np.inf
    log_p[closed] = 0.0
    return Scores(persons, llr, log_p, *_log_shares(~closed, recent, tracks), over=over)


def _changed(looks: DoubleArray) -> DoubleArray:
    """Likelihood ratios of looks, where somebody wears other clothes with a chance of CHANGED."""
    result: DoubleArray = np.logaddexp(looks + math.log1p(-CHANGED), math.log(CHANGED))
    return result


def _worn(looks: DoubleArray) -> DoubleArray:
    """Likelihood ratios of looks, where others wear the same with a chance of ALIKE."""
    result: DoubleArray = -np.logaddexp(-looks + math.log1p(-ALIKE), math.log(ALIKE))
    return result


def _condition(cosines: FloatArray, condition: Condition) -> tuple[DoubleArray, DoubleArray]:
    """Likelihood ratios and logarithms of p, nan where there is no cosine."""
    llr = np.full(cosines.shape, np.nan)
    log_p = llr.copy()
    known = ~np.isnan(cosines)
    if known.any():
        angle = angles(cosines[known])
        llr[known], log_p[known] = condition.llr(angle), condition.log_p(angle)
    return llr, log_p


def _both(
    same_llr: DoubleArray,
    same_log_p: DoubleArray,
    cross_llr: DoubleArray,
    cross_log_p: DoubleArray,
) -> tuple[DoubleArray, DoubleArray]:
    """The mean of the likelihood ratios, and p of the own camera; the one there is alone."""
    mean = (same_llr + cross_llr) / 2
    llr = np.where(np.isnan(mean), np.fmax(same_llr, cross_llr), mean)
    return llr, np.where(np.isnan(same_log_p), cross_log_p, same_log_p)


def _log_shares(
    open_: BoolArray, recent: DoubleArray, tracks: DoubleArray | None
) -> tuple[DoubleArray, DoubleArray]:
    """(m, n) `log_share` and `log_prior` of scores."""
    weight = open_ * (np.ones(open_.shape[1]) if tracks is None else tracks)
    part = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
    recent = np.where(open_, recent, 0.0)
    total = recent.sum(axis=1, keepdims=True)
    with np.errstate(divide='ignore', invalid='ignore'):
        bonus = np.where(total > 0, 0.5 * recent / np.maximum(total, 1e-9), 0.0)
    bonus *= np.minimum(total, 1.0)

    def logarithm(fewest: int) -> DoubleArray:
        most = np.where(open_, np.minimum(part, 1.0 / fewest), 1.0)
        result: DoubleArray = np.log(np.where(total > 0, 0.5, 1.0) * most + bonus)
        return result

    return logarithm(SMALLEST_GALLERY), logarithm(FEWEST)


@dataclass(frozen=True, slots=True)
class Match:
    """The answer for one track.

    Attributes:
        column: of the accepted person, -1 where nobody was.
        margin: log-likelihood ratio over the second best, all tracks together.
        undecided: True where several persons fit and none stands out, or one nearly fits.
        ambiguous: True where several persons fit and none stands out.
        rival: column of the second best where ambiguous, else -1.
    """

    column: int
    margin: float
    undecided: bool
    ambiguous: bool
    rival: int = -1


def matches(found: Scores, false_accept: float) -> list[Match]:
    """One person per track and one track per person, for tracks that exist at once.

    The assignment maximises the sum of the evidence over the accepted pairs; nobody is an answer.
    A track's margin is what the sum would lose if it were the second best person: where another
    track holds that person it would have to be somebody else, the first one's best among them.
    """
    accepted = found.accepted(false_accept)
    gain = np.where(accepted, found.llr, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    chosen = {int(r): int(c) for r, c in zip(rows, columns) if accepted[r, c]}
    holders, held = np.array(list(chosen), np.int64), np.array(list(chosen.values()), np.int64)
    free = np.delete(found.llr[holders], held, axis=1).max(axis=1, initial=0.0)
    nearly = found.nearly(false_accept)
    result = []
    for row in range(len(gain)):
        column = chosen.get(row, -1)
        if column < 0:
            result.append(Match(-1, 0.0, bool(nearly[row].any()), False))
            continue
        others = found.llr[row].copy()
        instead = np.maximum(free, found.llr[holders, column])
        others[held] += instead - found.llr[holders, held]
        others[column] = -np.inf
        second = int(np.argmax(others))
        margin = float(found.llr[row, column] - others[second])
        if margin < MARGIN:
            result.append(Match(column, margin, True, True, second))
        else:
            result.append(Match(column, margin, False, False))
    return result
