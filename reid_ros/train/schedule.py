"""How much a student listens to its teacher as training goes on: three phases, and their rivals.

| schedule          | arm | weight                                                              |
|-------------------|-----|---------------------------------------------------------------------|
| `none`            | A0  | 0                                                                   |
| `constant`        | A1  | 1                                                                   |
| `equal_dose`      | A2  | constant, each term at its own mean over `progressive`              |
| `equal_dose_rate` | A2b | the same mean, weighted by the learning rate                        |
| `linear`          | A3  | rises linearly over the first `rise` of training                    |
| `progressive`     | A4  | Foundation 0; Introduction: the logit term alone rises to `partial` |
|                   |     | by a cosine; Refinement: all terms rise to 1 within `ramp`          |
| `reversed`        | A5  | `progressive` backwards                                             |
| `hard`            | A6  | 0 before Introduction, 1 from there                                 |
| `all_terms`       | A7  | `progressive`, but all terms at the weight of the logit term        |

Shares are of the training before its cool-down, in which a network hardly moves. Of all training,
Refinement from one half on would get 8 % of the updates' length instead of 18 % where a cosine
ends a fifth earlier.

The three phases are those of a paper on video re-identification of which only the idea is public
(KINX2025230694, 2025); form and numbers of the curve are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from reid_ros.config import ConfigError
from reid_ros.train import course
from reid_ros.train.settings import DistilConfig, OptimConfig

Phase = Literal['foundation', 'introduction', 'refinement']
PHASES: tuple[Phase, ...] = ('foundation', 'introduction', 'refinement')
GRAIN = 4000
"""Points at which a schedule is averaged: the means are right to about 1e-6."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What the weights of the settings are multiplied with, 0 to 1."""

    logit: float
    relation: float
    feature: float

    def times(self, distil: DistilConfig) -> Weights:
        """The weights of the loss: these multiplied with those of the settings."""
        return Weights(
            self.logit * distil.logit,
            self.relation * distil.relation,
            self.feature * distil.feature,
        )


def even(weight: float) -> Weights:
    """The same weight for all terms."""
    return Weights(weight, weight, weight)


class Phases:
    """The schedule of one training."""

    def __init__(self, distil: DistilConfig, optim: OptimConfig) -> None:
        """Check the settings.

        Args:
            distil: the schedule and its corners.
            optim: when the network moves, and how much.

        Raises:
            ConfigError: corners in the wrong order.
        """
        self._distil = distil
        self._moving = course.moving(optim)
        f1, f2, ramp = distil.introduction, distil.refinement, distil.ramp
        if f1 >= f2:
            raise ConfigError(f'distil.introduction: {f1} must be below distil.refinement ({f2})')
        if f2 + ramp > 1.0 + 1e-9:
            raise ConfigError(
                f'distil.ramp: {ramp} after distil.refinement ({f2}) leads beyond the end of '
                f'training; at most {1.0 - f2:.3g}'
            )
        shapes: dict[str, Callable[[float], Weights]] = {
            'none': lambda progress: even(0.0),
            'constant': lambda progress: even(1.0),
            'linear': lambda progress: even(_share(progress, 0.0, distil.rise)),
            'progressive': self._progressive,
            'reversed': lambda progress: self._progressive(1.0 - progress),
            'hard': lambda progress: even(1.0 if progress >= f1 else 0.0),
            'all_terms': lambda progress: even(self._progressive(progress).logit),
        }
        if distil.schedule in shapes:
            self._shape = shapes[distil.schedule]
        else:
            weighted = distil.schedule == 'equal_dose_rate'
            dose = mean(self._progressive, self._rate(optim) if weighted else lambda done: 1.0)
            self._shape = lambda progress: dose

    def weights(self, progress: float) -> Weights:
        """At a share of training, 0 to 1; multipliers of the weights in the settings."""
        return self._shape(self._done(progress))

    def active(self, progress: float) -> bool:
        """Whether any term counts now; the teacher need not be asked otherwise."""
        now = self.weights(progress).times(self._distil)
        return max(now.logit, now.relation, now.feature) > 0.0

    def phase(self, progress: float) -> Phase:
        """Which phase of `progressive` this is, also for schedules that do not care."""
        done = self._done(progress)
        if done < self._distil.introduction:
            return 'foundation'
        return 'introduction' if done < self._distil.refinement else 'refinement'

    def _done(self, progress: float) -> float:
        """Of the phases, 0 to 1."""
        return min(progress / self._moving, 1.0)

    def _rate(self, optim: OptimConfig) -> Callable[[float], float]:
        return lambda done: course.rate(optim, done * self._moving)

    def _progressive(self, progress: float) -> Weights:
        f1, f2 = self._distil.introduction, self._distil.refinement
        partial, ramp = self._distil.partial, self._distil.ramp
        if progress < f2:
            done = _share(progress, f1, f2 - f1)
            return Weights(partial * (1.0 - math.cos(math.pi * done)) / 2.0, 0.0, 0.0)
        full = _share(progress, f2, ramp)
        weight = partial + (1.0 - partial) * full
        return Weights(weight, weight * full, weight * full)


def mean(
    shape: Callable[[float], Weights],
    density: Callable[[float], float] = lambda progress: 1.0,
) -> Weights:
    """Of each term over training, where moments count by a density of any scale."""
    points = [(k + 0.5) / GRAIN for k in range(GRAIN)]
    counts = [density(point) for point in points]
    found = [shape(point) for point in points]
    total = sum(counts)
    return Weights(
        sum(count * at.logit for count, at in zip(counts, found)) / total,
        sum(count * at.relation for count, at in zip(counts, found)) / total,
        sum(count * at.feature for count, at in zip(counts, found)) / total,
    )


def _share(progress: float, begin: float, length: float) -> float:
    """How much of a stretch of training is done, 0 to 1; an empty stretch is done at its begin."""
    if progress < begin:
        return 0.0
    return min((progress - begin) / length, 1.0) if length > 0 else 1.0
