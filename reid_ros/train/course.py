"""The learning rate over training, as a function of progress alone."""

from __future__ import annotations

import math

from reid_ros.train.settings import OptimConfig

FIRST = 0.01
"""Share of the highest rate that warm-up begins with, so that the first update moves something."""


def rate(optim: OptimConfig, progress: float) -> float:
    """What the highest learning rate is multiplied with, 0 to 1.

    Args:
        optim: the course: `warmup`, then `cosine` to `floor` and there for `cooldown` (names of
            timm's schedulers), `steps` at the milestones, or `constant`.
        progress: share of training that is done, 0 to 1.
    """
    if progress < optim.warmup:
        return FIRST + (1.0 - FIRST) * progress / optim.warmup
    if optim.course == 'cosine':
        falling = 1.0 - optim.warmup - optim.cooldown
        done = min((progress - optim.warmup) / falling, 1.0) if falling > 0.0 else 1.0
        return optim.floor + (1.0 - optim.floor) * 0.5 * (1.0 + math.cos(math.pi * done))
    if optim.course == 'steps':
        return float(optim.factor ** sum(progress >= share for share in optim.milestones))
    return 1.0


def moving(optim: OptimConfig) -> float:
    """Share of training before the cool-down."""
    return 1.0 - optim.cooldown if optim.course == 'cosine' else 1.0
