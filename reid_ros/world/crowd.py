"""How people walk among each other: every step, each picks the pace and direction that is free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.types import DoubleArray, IntArray
from reid_ros.world.routes import Floor

STEP_S = 1 / 15
APART_M = 0.50
"""Least distance between the middles of two people; shoulders are about 0.45 m broad."""
ROBOT_APART_M = 0.80
"""Least distance between a person and the middle of the robot."""
AHEAD_S = 2.5  # how far people look ahead; pedestrians react 2 to 4 s before they would collide
_TURNS = np.array([0.0, 0.2, -0.2, 0.4, -0.4, 0.65, -0.65, 0.95, -0.95, 1.35, -1.35, 1.9, -1.9])
_SLIDES = (0.3, -0.3, 0.6, -0.6, 1.0, -1.0, 1.5, -1.5)
_PACES = np.array([1.0, 0.55, 0.0])
_DECIDE = 2  # steps between two choices


@dataclass(frozen=True)
class Kind:
    """What a walker can do.

    Attributes:
        pace: preferred speed, m/s.
        speed_up, slow_down: m/s^2.
        turn: fastest turn, rad/s.
        room: least distance to walls and furniture, metres.
        creep: speed kept while turning towards somewhere else, m/s.
    """

    pace: float
    speed_up: float = 1.2
    slow_down: float = 2.0
    turn: float = 2.2
    room: float = 0.24
    creep: float = 0.25


class Crowd:
    """Everybody on the floor, at one moment.

    Attributes:
        at: (n, 2) metres.
        heading: (n,) radians, not wrapped.
        speed: (n,) m/s.
        here: (n,) bool, who is on the floor.
        goal: (n, 2) where each walks to; nan = stand.
        halt: (n,) bool, True to stop at the goal.
        facing: (n,) radians, where to look while standing; nan = as it is.
    """

    def __init__(self, floor: Floor, kinds: list[Kind], robot: bool) -> None:
        """The last of the kinds is the robot where there is one."""
        n = len(kinds)
        self._floor = floor
        self.at = np.full((n, 2), -100.0)
        self.heading = np.zeros(n)
        self.speed = np.zeros(n)
        self.here = np.zeros(n, np.bool_)
        self.goal = np.full((n, 2), np.nan)
        self.halt = np.zeros(n, np.bool_)
        self.facing = np.full(n, np.nan)
        self.blocked_s = np.zeros(n)
        self._pace = np.array([k.pace for k in kinds])
        self._up = np.array([k.speed_up for k in kinds]) * STEP_S
        self._down = np.array([k.slow_down for k in kinds]) * STEP_S
        self._turn = np.array([k.turn for k in kinds]) * STEP_S
        self._room = np.array([k.room for k in kinds])
        self._creep = np.array([k.creep for k in kinds])
        self._apart = np.full((n, n), APART_M)
        if robot:
            self._apart[-1, :] = self._apart[:, -1] = ROBOT_APART_M
        self._wish_heading = np.zeros(n)
        self._wish_speed = np.zeros(n)
        self._count = 0

    def enter(self, who: int, at: DoubleArray, heading: float, speed: float) -> bool:
        """Put somebody on the floor; False where others stand in the way."""
        others = self.here.copy()
        others[who] = False
        gap = np.linalg.norm(self.at - at, axis=1) - self._apart[who]
        if (gap[others] < 0.3).any():
            return False
        self.at[who], self.heading[who], self.speed[who] = at, heading, speed
        self._wish_heading[who], self._wish_speed[who] = heading, speed
        self.here[who] = True
        self.goal[who] = np.nan
        self.facing[who] = np.nan
        self.blocked_s[who] = 0.0
        return True

    def leave(self, who: int) -> None:
        """Take somebody off the floor."""
        self.here[who] = False
        self.at[who] = -100.0
        self.speed[who] = 0.0

    def step(self) -> None:
        """Advance by STEP_S."""
        standing = np.isnan(self.goal[:, 0])
        active = np.flatnonzero(self.here & ~standing)
        # Half of them decide in each step: nobody looks more often than seven times a second.
        chosen = active[(active + self._count) % _DECIDE == 0]
        self._count += 1
        if len(chosen):
            self._choose(chosen)
        still = self.here & standing
        self._wish_speed[still] = 0.0
        turned = still & ~np.isnan(self.facing)
        self._wish_heading[still] = np.where(turned, self.facing, self.heading)[still]
        self._move()

    def _choose(self, who: IntArray) -> None:
        """Pick pace and direction: van den Berg 2008's velocity obstacles, sampled."""
        away = self.goal[who] - self.at[who]
        distance = np.linalg.norm(away, axis=1)
        straight = np.arctan2(away[:, 1], away[:, 0])
        pace = self._pace[who]
        slow = np.sqrt(2 * 0.8 * np.maximum(distance - 0.05, 0))
        pace = np.where(self.halt[who], np.minimum(pace, slow), pace)
        heading = (straight[:, None, None] + _TURNS[:, None]) + 0 * _PACES
        speed = pace[:, None, None] * _PACES + 0 * heading
        heading, speed = heading.reshape(len(who), -1), speed.reshape(len(who), -1)
        velocity = np.stack((np.cos(heading), np.sin(heading)), axis=2) * speed[..., None]
        off = np.abs(np.tile(np.repeat(_TURNS, len(_PACES)), (len(who), 1)))
        lost = 1 - speed / np.maximum(pace, 1e-3)[:, None]
        change = np.abs(_wrapped(heading - self.heading[who][:, None]))
        # The longer somebody stands, the wider the way round that they accept.
        impatience = 0.9 + 0.8 * self.blocked_s[who][:, None]
        cost = 0.9 * off + impatience * lost + 0.25 * change
        cost += self._collisions(who, velocity)
        # Who stands too near to something may keep that distance.
        need = np.minimum(self._room[who] + 0.03, self._floor.clearance(self.at[who]))
        need = np.maximum(need, 0.01)
        for ahead_s, weight in ((0.35, 3.0), (0.9, 1.2)):
            spot = self.at[who][:, None] + velocity * ahead_s
            short = 1 - self._floor.clearance(spot) / need[:, None]
            cost += weight * np.where(short > 0.02, 0.5 + short, 0.0)
        best = np.argmin(cost, axis=1)
        rows = np.arange(len(who))
        self._wish_heading[who] = heading[rows, best]
        self._wish_speed[who] = speed[rows, best]

    def _collisions(self, who: IntArray, velocity: DoubleArray) -> DoubleArray:
        """(w, c) cost of walking with each candidate velocity: how soon somebody is in the way."""
        others = np.flatnonzero(self.here)
        going = np.stack((np.cos(self.heading), np.sin(self.heading)), axis=1)
        going = (going * self.speed[:, None])[others]
        apart = self.at[others][None] - self.at[who][:, None]  # (w, o, 2)
        reach = self._apart[np.ix_(who, others)] + 0.12
        # Both give way, so each reckons with half of it: the mean of old and new velocity.
        now = np.stack((np.cos(self.heading[who]), np.sin(self.heading[who])), axis=1)
        now = now * self.speed[who][:, None]
        mean = 0.7 * velocity + 0.3 * now[:, None]
        closing = mean[:, :, None] - going[None, None]  # (w, c, o, 2)
        a = np.einsum('wcok,wcok->wco', closing, closing) + 1e-9
        b = np.einsum('wcok,wok->wco', closing, apart)
        c = np.einsum('wok,wok->wo', apart, apart) - reach**2
        root = b * b - a * c[:, None]
        with np.errstate(invalid='ignore'):
            hit_s = (b - np.sqrt(root)) / a
        hit_s = np.where((root > 0) & (b > 0), np.maximum(hit_s, 0.0), np.inf)
        oneself = (who[:, None] == others)[:, None]
        soon = np.where(oneself, np.inf, hit_s).min(axis=2)
        result: DoubleArray = np.where(soon < AHEAD_S, 2.2 * (1 - soon / AHEAD_S) ** 2, 0.0)
        result += np.where(soon < 0.5, 2.0, 0.0)
        return result

    def _move(self) -> None:
        error = _wrapped(self._wish_heading - self.heading)
        turn = self._turn / (1 + 0.5 * self.speed)
        self.heading = self.heading + np.where(self.here, np.clip(error, -turn, turn), 0.0)
        left = np.abs(_wrapped(self._wish_heading - self.heading))
        want = self._wish_speed * np.clip(np.cos(left), 0.0, 1.0)
        want = np.maximum(want, np.minimum(self._creep, self._wish_speed))
        change = np.clip(want - self.speed, -self._down, self._up)
        self.speed = np.where(self.here, np.maximum(self.speed + change, 0.0), 0.0)
        forward = np.stack((np.cos(self.heading), np.sin(self.heading)), axis=1)
        new = self.at + forward * (self.speed * STEP_S)[:, None]
        room_now = self._floor.clearance(self.at)
        tight = self._floor.clearance(new) < np.minimum(self._room, room_now - 1e-6)
        for who in np.flatnonzero(self.here & (self.speed > 1e-6)).tolist():
            if tight[who] and self._creep[who] > 0:
                self._slide(who, float(room_now[who]))
            elif tight[who] or self._too_near(who, new[who]):
                self.speed[who] *= 0.3
            else:
                self.at[who] = new[who]
        walking = self.here & ~np.isnan(self.goal[:, 0])
        slow = walking & (self.speed < 0.12)
        self.blocked_s = np.where(slow, self.blocked_s + STEP_S, 0.0)

    def _slide(self, who: int, room: float) -> None:
        """Turn along what is in the way, at half the speed."""
        step = 0.5 * self.speed[who] * STEP_S
        for turn in _SLIDES:
            heading = self.heading[who] + turn
            spot = self.at[who] + step * np.array([np.cos(heading), np.sin(heading)])
            free = float(self._floor.clearance(spot)) >= min(float(self._room[who]), room - 1e-6)
            if free and not self._too_near(who, spot):
                self.at[who] = spot
                limit = float(self._turn[who])
                self.heading[who] += min(max(turn, -limit), limit)
                self.speed[who] *= 0.7
                return
        self.speed[who] *= 0.3

    def _too_near(self, who: int, spot: DoubleArray) -> bool:
        """True where a step to the spot brings somebody too near who was farther before."""
        new = np.hypot(self.at[:, 0] - spot[0], self.at[:, 1] - spot[1])
        near = new < self._apart[who]
        near[who] = False
        if not near.any():
            return False
        at = self.at[who]
        now = np.hypot(self.at[:, 0] - at[0], self.at[:, 1] - at[1])
        return bool((near & (new < now)).any())


def _wrapped(angle: DoubleArray) -> DoubleArray:
    """Radians between -pi and pi."""
    result: DoubleArray = (angle + np.pi) % (2 * np.pi) - np.pi
    return result
