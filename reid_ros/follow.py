"""Speeds of a base that follows somebody: no faster than is safe, and none at all in doubt."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reid_ros.config import setting


@dataclass(frozen=True)
class FollowConfig:
    """How a base follows."""

    keep_m: float = setting(1.5, 'distance to keep, metres', 0.5, 10.0, live=True)
    slack_m: float = setting(
        0.15, 'distance beyond it that moves nobody, metres', 0.0, 2.0, live=True
    )
    speed_mps: float = setting(0.8, 'fastest forward, m/s', 0.0, 3.0, live=True)
    turn_radps: float = setting(1.0, 'fastest turn, rad/s', 0.0, 4.0, live=True)
    gain: float = setting(0.9, 'm/s per metre too far', 0.1, 5.0, live=True)
    turn_gain: float = setting(1.8, 'rad/s per radian aside', 0.1, 8.0, live=True)
    accelerate_mps2: float = setting(0.6, 'hardest acceleration, m/s²', 0.05, 5.0, live=True)
    brake_mps2: float = setting(1.2, 'hardest braking, m/s²', 0.05, 10.0, live=True)
    turn_radps2: float = setting(2.5, 'hardest change of the turn, rad/s²', 0.1, 20.0, live=True)
    stale_s: float = setting(
        0.5,
        'age of a place, by its stamp, above which the base stops, seconds',
        0.05,
        5.0,
        live=True,
    )
    deadman_s: float = setting(
        0.5, 'seconds without a word that the target is locked until the base stops', 0.1, 5.0,
        live=True,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Speed:
    """What a base is told.

    Attributes:
        forward: m/s.
        turn: rad/s, to the left.
    """

    forward: float = 0.0
    turn: float = 0.0

    @property
    def still(self) -> bool:
        """Whether it stands."""
        return self.forward == 0.0 and self.turn == 0.0


STILL = Speed()
SMOOTH_S = 0.3
"""Over which the speed is taken with which somebody comes nearer by themselves."""
USUAL_M, SIGMAS = 0.2, 2.0
"""Spread of a place that needs no care, metres, and how many beyond it are stayed away."""
FORESEEN_S = 1.0
"""For so long they may go on before the base has seen it and stands."""


class Follower:
    """Turns to somebody and keeps a distance.

    It knows of no obstacle: a base without a collision monitor of its own needs Nav2. It never
    drives backwards, and forward only while it faces the person and can stop before `keep_m`.
    """

    def __init__(self, config: FollowConfig) -> None:
        self.config = config
        self.speed = STILL
        self._away: float | None = None
        self._coming = 0.0  # m/s, of the person towards the base

    def step(
        self, place: tuple[float, float] | None, seconds: float, spread_m: float = 0.0
    ) -> Speed:
        """The next speed.

        Args:
            place: x forward and y left of the base, metres, of the person now; None = stop.
            seconds: since the last step; longer pauses count as a tenth.
            spread_m: standard deviation of the place; where it is not well known the base stays
                farther away.
        """
        c, seconds = self.config, min(max(seconds, 0.0), 0.1)
        self._watch(place, seconds)
        forward, turn = self._wanted(place, spread_m) if place is not None else (0.0, 0.0)
        before = self.speed
        self.speed = Speed(
            _towards(before.forward, forward, c.accelerate_mps2 * seconds, c.brake_mps2 * seconds),
            _towards(before.turn, turn, c.turn_radps2 * seconds, c.turn_radps2 * seconds),
        )
        return self.speed

    def halt(self) -> Speed:
        """Stand at once, whatever the limits: nobody answers for the next step."""
        self.speed = STILL
        return self.speed

    def _watch(self, place: tuple[float, float] | None, seconds: float) -> None:
        """Note how fast the person comes towards the base, beyond what the base drives."""
        away = None if place is None else math.hypot(*place)
        if away is None or self._away is None:
            self._coming = 0.0
        elif seconds > 0.0 and place is not None:
            driven = self.speed.forward * place[0] / max(away, 0.1)
            coming = (self._away - away) / seconds - driven
            share = min(1.0, seconds / SMOOTH_S)
            self._coming += share * (min(max(coming, 0.0), 2.0) - self._coming)
        self._away = away

    def _wanted(self, place: tuple[float, float], spread_m: float) -> tuple[float, float]:
        c = self.config
        x, y = place
        away, bearing = math.hypot(x, y), math.atan2(y, x)
        turn = max(-c.turn_radps, min(c.turn_radps, c.turn_gain * bearing))
        if away < 0.2:  # there is no telling where that is
            turn = 0.0
        unsure = SIGMAS * max(spread_m - USUAL_M, 0.0)
        left = away - c.keep_m - FORESEEN_S * self._coming - unsure
        if left <= c.slack_m or abs(bearing) > math.pi / 3:
            return 0.0, turn
        # What can still be braked before the distance is reached, at half the hardest braking.
        safe = math.sqrt(c.brake_mps2 * left)
        forward = min(c.gain * left, safe, c.speed_mps) * max(math.cos(bearing), 0.0) ** 2
        return forward, turn


def _towards(now: float, wanted: float, up: float, down: float) -> float:
    """One step from a speed to another: `up` away from zero, `down` towards it."""
    if wanted * now < 0.0:
        wanted = 0.0
    most = up if abs(wanted) > abs(now) else down
    return now + max(-most, min(most, wanted - now))
