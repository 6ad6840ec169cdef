"""From the angle between two appearance vectors to evidence: how sure, and how often wrong.

Angles and not cosines, because their spread is about the same near 0 and far from it. Small
samples have heavy tails: all tails are Student-t predictive ones, so that a calibration from
fifteen pairs asks for more than one from a thousand (Gelman et al., Bayesian Data Analysis,
section 3.2: the posterior predictive of a normal with unknown mean and variance).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from reid_ros.types import AnyArray, DoubleArray, ReidError


class CalibrationError(ReidError):
    """A calibration that cannot be read or is no calibration."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A normal sample: angles in degrees.

    Attributes:
        mean, sd: of the sample, degrees.
        n: independent observations behind it; few make the tails heavy.
    """

    mean: float
    sd: float
    n: int

    def __post_init__(self) -> None:
        if not (0 <= self.mean <= 180 and 0 < self.sd <= 90 and self.n >= 3):
            raise CalibrationError(
                f'a calibration needs a mean of 0 to 180 degrees, a spread of 0 to 90 and at '
                f'least 3 observations, not {self}'
            )

    @staticmethod
    def of(angles: Sequence[float] | AnyArray, n: int | None = None, floor: float = 2.0) -> Spread:
        """The spread of measured angles; n where fewer of them are independent."""
        values = np.asarray(angles, np.float64)
        sd = max(float(values.std(ddof=1)), floor)
        return Spread(float(values.mean()), sd, int(n or len(values)))

    def _t(self, angles: DoubleArray) -> DoubleArray:
        scale = self.sd * math.sqrt(1 + 1 / self.n)
        result: DoubleArray = (angles - self.mean) / scale
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
        return result


@dataclass(frozen=True, slots=True)
class Condition:
    """Angles of pairs of one person (genuine) and of two persons (impostor)."""

    genuine: Spread
    impostor: Spread

    def llr(self, angles: AnyArray) -> DoubleArray:
        """Log-likelihood ratio of 'one person', never rising with the angle."""
        angles = np.asarray(angles, np.float64)
        genuine = self.genuine.log_density(np.maximum(angles, self.genuine.mean))
        impostor = self.impostor.log_density(np.minimum(angles, self.impostor.mean))
        return genuine - impostor

    def log_p(self, angles: AnyArray) -> DoubleArray:
        """Logarithm of the share of strangers that come at least this close."""
        p = self.impostor.below(np.asarray(angles, np.float64))
        result: DoubleArray = np.log(np.maximum(p, 1e-300))
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
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any], where: str) -> Calibration:
        """The calibration in a card or a file.

        Raises:
            CalibrationError: something is missing or not a number.
        """
        try:
            conditions = {
                name: Condition(
                    *(
                        Spread(*(data[name][kind][key] for key in ('mean', 'sd', 'n')))
                        for kind in ('genuine', 'impostor')
                    )
                )
                for name in ('same_camera', 'cross_camera')
            }
        except (KeyError, TypeError) as error:
            raise CalibrationError(
                f'{where}: the calibration lacks or misspells {error}; write it anew with '
                "'reid_ros calibrate'"
            ) from error
        return Calibration(**conditions)

    @staticmethod
    def of(vectors: AnyArray, persons: AnyArray, cameras: AnyArray) -> Calibration:
        """The calibration of footage whose people are known.

        Pairs of few people are no independent observations: each spread counts as many as there
        are people in its pairs.

        Args:
            vectors: (n, d) unit vectors, one per track.
            persons, cameras: (n,) whom each shows, and where.

        Raises:
            CalibrationError: too few people or pairs of one kind.
        """
        vectors, persons, cameras = map(np.asarray, (vectors, persons, cameras))
        first, second = np.triu_indices(len(vectors), 1)
        found = angles((vectors @ vectors.T)[first, second])
        one = persons[first] == persons[second]
        within = cameras[first] == cameras[second]

        def spread(what: str, chosen: AnyArray) -> Spread:
            people = np.unique(persons[np.concatenate([first[chosen], second[chosen]])])
            if len(people) < 3:
                raise CalibrationError(
                    f'{what}: {int(chosen.sum())} pairs of {len(people)} people; at least 3 '
                    'people are needed, each with two tracks in one camera and one in another'
                )
            return Spread.of(found[chosen], n=len(people))

        return Calibration(
            Condition(
                spread('one person in one camera', one & within),
                spread('two people in one camera', ~one & within),
            ),
            Condition(
                spread('one person in two cameras', one & ~within),
                spread('two people in two cameras', ~one & ~within),
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
