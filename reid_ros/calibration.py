"""From the angle between two appearance vectors to evidence: how sure, and how often wrong.

Angles and not cosines, because their spread is about the same near 0 and far from it. Small
samples have heavy tails: all tails are Student-t predictive ones, so that a calibration from
fifteen pairs asks for more than one from a thousand (Gelman et al., Bayesian Data Analysis,
section 3.2: the posterior predictive of a normal with unknown mean and variance).

Strangers who look alike by chance are more, and in other numbers, than a normal distribution
says: with a thousand people in the gallery one stranger in 100,000 matters, and there it was
wrong by a factor of 5 to 100 for networks trained on real people. Where enough people were
measured, a spread keeps the quantiles of its left side, and the normal distribution is bent to go
through them (a transformation to normality, as on a quantile-quantile plot).
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special
from scipy.interpolate import PchipInterpolator

from reid_ros.types import AnyArray, DoubleArray, ReidError


class CalibrationError(ReidError):
    """A calibration that cannot be read or is no calibration."""


QUANTILES = (0.5, 0.2, 0.05, 0.02, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
"""Shares of a sample at which its left side is kept."""
COUPLES = 10.0
"""A quantile is kept where it lies above this many independent observations at least."""
_SHALLOW = 0.03  # a left side that ends at a larger share says nothing about a tail
_FAR = 10.0  # standard deviations: beyond the knots by as much everything is a straight line
_STEP_DEG = 0.05


@dataclass(frozen=True, slots=True)
class Spread:
    """A sample that is normal, or nearly so: angles in degrees.

    Attributes:
        mean, sd: of the sample, degrees.
        n: independent observations behind it; few make the tails heavy.
        left: (where, score) of quantiles on the left side, from the outermost to the middle:
            where it lies, in sd from the mean, and where it would lie in a normal sample; none
            where the sample is taken for normal. Beyond the outermost, on a straight line.
    """

    mean: float
    sd: float
    n: int
    left: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        pairs = all(len(knot) == 2 and all(map(math.isfinite, knot)) for knot in self.left)
        if len(self.left) == 1 or not pairs or not _rises(self.left):
            raise CalibrationError(
                f'the left side of a calibration needs two or more pairs of numbers, both rising, '
                f'not {self.left}'
            )
        if not (0 <= self.mean <= 180 and 0 < self.sd <= 90 and self.n >= 3):
            raise CalibrationError(
                f'a calibration needs a mean of 0 to 180 degrees, a spread of 0 to 90 and at '
                f'least 3 observations, not {self}'
            )

    @staticmethod
    def of(
        angles: Sequence[float] | AnyArray,
        n: int | None = None,
        floor: float = 2.0,
        couples: int = 0,
    ) -> Spread:
        """The spread of measured angles.

        Args:
            angles: degrees.
            n: how many of them are independent; None: all.
            floor: least standard deviation.
            couples: of two people behind the angles, who make the independent observations of a
                tail: it is kept as measured as far out as they allow. 0 keeps none.
        """
        values = np.asarray(angles, np.float64)
        mean, sd = float(values.mean()), max(float(values.std(ddof=1)), floor)
        return Spread(mean, sd, int(n or len(values)), _left(values, mean, sd, couples))

    def _t(self, angles: DoubleArray) -> DoubleArray:
        """Student t of angles."""
        where = (angles - self.mean) / self.sd
        scores = _bend(self.left)(where) if self.left else where
        result: DoubleArray = scores / math.sqrt(1 + 1 / self.n)
        return result

    def below(self, angles: DoubleArray) -> DoubleArray:
        """Probability of an angle at most this large."""
        result: DoubleArray = special.stdtr(self.n - 1, self._t(angles))
        return result

    def log_density(self, angles: DoubleArray) -> DoubleArray:
        """Logarithm of the density per degree."""
        df = self.n - 1
        scale = self.sd * math.sqrt(1 + 1 / self.n)
        constant = (
            math.lgamma((df + 1) / 2)
            - math.lgamma(df / 2)
            - 0.5 * math.log(df * math.pi)
            - math.log(scale)
        )
        t = self._t(angles)
        result: DoubleArray = constant - (df + 1) / 2 * np.log1p(t * t / df)
        if self.left:
            slope = _bend(self.left)((angles - self.mean) / self.sd, 1)
            result += np.log(np.maximum(slope, 1e-12))
        return result

    def rising(self, angles: DoubleArray) -> DoubleArray:
        """Logarithm of the density up to its highest, and from there on the highest."""
        if not self.left:
            return self.log_density(np.minimum(angles, self.mean))
        result: DoubleArray = np.interp(angles, *_risen(self))
        return result


def _rises(left: Sequence[tuple[float, float]]) -> bool:
    steps = np.diff(np.array(left).reshape(-1, 2), axis=0)
    return bool((steps > 0).all())


def _left(
    values: DoubleArray, mean: float, sd: float, couples: int
) -> tuple[tuple[float, float], ...]:
    """The left side as far out as so many couples of people allow."""
    shares = [share for share in QUANTILES if share * couples >= COUPLES]
    if not shares or shares[-1] > _SHALLOW:
        return ()
    where = (np.quantile(values, shares) - mean) / sd
    scores = special.ndtri(shares)
    # What is rounded here reads the same in a file.
    rounded = zip(where.round(4).tolist(), scores.round(4).tolist())
    kept: list[tuple[float, float]] = []
    for knot in rounded:
        if not kept or knot[0] < kept[-1][0]:
            kept.append(knot)
    return tuple(reversed(kept)) if len(kept) > 1 else ()


@functools.lru_cache(maxsize=64)
def _bend(left: tuple[tuple[float, float], ...]) -> Any:
    """Normal scores over standard deviations from the mean; smooth, and rises everywhere."""
    (x0, y0), (x1, y1) = left[:2]
    (x2, y2) = left[-1]
    outer = x0 - _FAR, y0 - _FAR * (y1 - y0) / (x1 - x0)
    knots = np.array([outer, *left, (x2 + _FAR, y2 + _FAR)])
    curve = PchipInterpolator(knots[:, 0], knots[:, 1], extrapolate=True)

    def bent(where: DoubleArray, derivative: int = 0) -> DoubleArray:
        result: DoubleArray = curve(np.clip(where, knots[0, 0], knots[-1, 0]), derivative)
        return result

    return bent


@functools.lru_cache(maxsize=64)
def _risen(spread: Spread) -> tuple[DoubleArray, DoubleArray]:
    """Angles, and the highest logarithm of the density up to each."""
    grid = np.arange(0.0, 180.0 + _STEP_DEG, _STEP_DEG)
    return grid, np.maximum.accumulate(spread.log_density(grid))


@functools.lru_cache(maxsize=64)
def _shares(spread: Spread) -> tuple[DoubleArray, DoubleArray]:
    """Angles, and the logarithm of the share below each: it is slow to work out."""
    grid = np.arange(0.0, 180.0 + _STEP_DEG, _STEP_DEG)
    return grid, np.log(np.maximum(spread.below(grid), 1e-300))


@dataclass(frozen=True, slots=True)
class Condition:
    """Angles of pairs of one person (genuine) and of two persons (impostor)."""

    genuine: Spread
    impostor: Spread

    def llr(self, angles: AnyArray) -> DoubleArray:
        """Log-likelihood ratio of 'one person', never rising with the angle."""
        angles = np.asarray(angles, np.float64)
        genuine = self.genuine.log_density(np.maximum(angles, self.genuine.mean))
        impostor = self.impostor.rising(angles)
        return genuine - impostor

    def log_p(self, angles: AnyArray) -> DoubleArray:
        """Logarithm of the share of strangers that come at least this close."""
        result: DoubleArray = np.interp(np.asarray(angles, np.float64), *_shares(self.impostor))
        return result


@dataclass(frozen=True, slots=True)
class Calibration:
    """What angles mean for one appearance network.

    Attributes:
        same_camera: both vectors from one camera: closer together, strangers too.
        cross_camera: vectors from two cameras.
    """

    same_camera: Condition
    cross_camera: Condition

    def to_json(self) -> dict[str, Any]:
        """Plain values for a card or a file."""
        result = asdict(self)
        for condition in result.values():
            for spread in condition.values():
                if not spread['left']:
                    del spread['left']
        return result

    @staticmethod
    def from_json(data: Mapping[str, Any], where: str) -> Calibration:
        """The calibration in a card or a file.

        Raises:
            CalibrationError: something is missing or not a number.
        """
        try:
            conditions = {
                name: Condition(*(_spread(data[name][kind]) for kind in ('genuine', 'impostor')))
                for name in ('same_camera', 'cross_camera')
            }
        except (KeyError, TypeError, ValueError) as error:
            raise CalibrationError(
                f'{where}: the calibration lacks or misspells {error}; write it anew with '
                "'reid_ros calibrate'"
            ) from error
        return Calibration(**conditions)

    @staticmethod
    def of(
        vectors: AnyArray,
        persons: AnyArray,
        cameras: AnyArray,
        sites: AnyArray | None = None,
    ) -> Calibration:
        """The calibration of footage whose people are known.

        Pairs of few people are no independent observations: each spread counts as many as there
        are people in its pairs. Strangers' tails are kept as measured where people are enough.

        Args:
            vectors: (n, d) unit vectors, one per track.
            persons, cameras: (n,) whom each shows, and where.
            sites: (n,) to which group of cameras each belongs; only tracks of one site are
                compared. None: all to one.

        Raises:
            CalibrationError: too few people or pairs of one kind.
        """
        vectors, persons, cameras = map(np.asarray, (vectors, persons, cameras))
        first, second = np.triu_indices(len(vectors), 1)
        if sites is not None:
            together = np.asarray(sites)[first] == np.asarray(sites)[second]
            first, second = first[together], second[together]
        found = angles((vectors @ vectors.T)[first, second])
        one = persons[first] == persons[second]
        within = cameras[first] == cameras[second]

        def spread(what: str, chosen: AnyArray, strangers: bool = False) -> Spread:
            pairs = np.sort([persons[first[chosen]], persons[second[chosen]]], axis=0)
            people = np.unique(pairs)
            if len(people) < 3:
                raise CalibrationError(
                    f'{what}: {int(chosen.sum())} pairs of {len(people)} people; at least 3 '
                    'people are needed, each with two tracks in one camera and one in another'
                )
            low, high = np.searchsorted(people, pairs)
            couples = len(np.unique(low * len(people) + high)) if strangers else 0
            return Spread.of(found[chosen], n=len(people), couples=couples)

        return Calibration(
            Condition(
                spread('one person in one camera', one & within),
                spread('two people in one camera', ~one & within, strangers=True),
            ),
            Condition(
                spread('one person in two cameras', one & ~within),
                spread('two people in two cameras', ~one & ~within, strangers=True),
            ),
        )

    @staticmethod
    def read(path: str | Path) -> Calibration:
        """The calibration in a file that `reid_ros calibrate` wrote.

        Raises:
            CalibrationError: the file cannot be read or holds something else.
        """
        try:
            data = json.loads(Path(path).expanduser().read_text(encoding='utf-8'))
        except OSError as error:
            raise CalibrationError(f'{path}: {error.strerror}') from error
        except ValueError as error:
            raise CalibrationError(f'{path} is no JSON: {error}') from error
        return Calibration.from_json(data, str(path))


def _spread(data: Mapping[str, Any]) -> Spread:
    left = tuple((float(where), float(score)) for where, score in data.get('left', ()))
    return Spread(data['mean'], data['sd'], data['n'], left)


# For a network without a calibration of its own: strict, so that it says 'unknown' too often
# rather than the wrong name.
CAUTIOUS = Calibration(
    Condition(Spread(12.0, 7.0, 8), Spread(50.0, 9.0, 10)),
    Condition(Spread(30.0, 8.0, 8), Spread(55.0, 7.0, 10)),
)


def angles(cosines: AnyArray) -> DoubleArray:
    """Angles in degrees of unit vectors with these cosines."""
    result: DoubleArray = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return result
