"""Where hips, knees and feet are: curves of a gait, held to the floor while a foot bears weight.

Joint angles alone let feet slide and sink. Here the curves say how feet swing, roll and how
long the leg is; a foot on the floor stays where it was put, and the knee closes the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reid_ros.types import DoubleArray
from reid_ros.world import curves
from reid_ros.world.body import Body
from reid_ros.world.gait import Gait

ANKLE_SHARE = 0.24
"""Of the foot's length lies behind the ankle joint."""
STRAIGHTEST_DEG = 2.5
"""Least bend of a knee; legs are never locked."""
# A real foot bends at the ball when the heel rises; this one is rigid and turns about the tip, so
# that it may turn less for the same height of the ankle.
_RIGID = 0.78
MID_STANCE = 0.30
LOWEST = 0.025
"""Of the cycle: the hips are lowest just after a heel strike."""
NORMAL_LIFT = 0.615
"""Of the cycle: when the toes leave the floor in the normal curves."""


@dataclass(frozen=True, slots=True)
class Stride:
    """How a person moves at n moments.

    Attributes:
        phase: (n,) cycles, whole at the left foot's heel strike.
        length: (n,) metres of a stride.
        vigour: (n,) 0 = standing, 1 = walking.
        pace: (n,) near 1: how much wider joints move than at natural speed.
        lift: (n,) share of a cycle for which a foot is on the floor.
    """

    phase: DoubleArray
    length: DoubleArray
    vigour: DoubleArray
    pace: DoubleArray
    lift: DoubleArray


class _Sagittal(NamedTuple):
    """Ankle forward of and below the hip, metres; knee and foot, radians; (n,) each."""

    x: DoubleArray
    down: DoubleArray
    knee: DoubleArray
    foot: DoubleArray


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg at n moments, before the pelvis' height is known.

    Attributes:
        ankle: (n, 3) metres in the person's axes.
        pitch: (n,) radians, toes up positive.
        yaw: radians, towards the left.
        reach: (n,) metres from hip to ankle that the knee's curve asks for.
        load: (n,) 0 to 1, share of the weight.
        front: (n,) metres, height of the hip at this foot's heel strike.
        back: (n,) metres, the same at the other foot's heel strike.
        top: (n,) metres, the same in mid-stance.
        slack: (n,) metres by which the hip may be too high for this foot: one in the air will
            have come nearer by the time it lands.
    """

    ankle: DoubleArray
    pitch: DoubleArray
    yaw: float
    reach: DoubleArray
    load: DoubleArray
    front: DoubleArray
    back: DoubleArray
    top: DoubleArray
    slack: DoubleArray


def smooth(value: DoubleArray) -> DoubleArray:
    """0 below 0, 1 above 1, with a smooth way between."""
    t = np.clip(value, 0.0, 1.0)
    result: DoubleArray = t * t * (3.0 - 2.0 * t)
    return result


def soft_above(value: DoubleArray, width: float) -> DoubleArray:
    """The value where positive, else 0, rounded over `width`; exactly 0 at 0."""
    result: DoubleArray = 0.5 * (value + np.sqrt(value * value + width * width) - width)
    return result


def soft_least(first: DoubleArray, second: DoubleArray, width: DoubleArray | float) -> DoubleArray:
    """The lesser of two, rounded over `width`, never more than either."""
    apart = first - second
    result: DoubleArray = 0.5 * (first + second - np.sqrt(apart * apart + width * width))
    return result


def between_valleys(phase: DoubleArray | float) -> DoubleArray:
    """0 where the hips are lowest, just after a heel strike, 1 where they are highest."""
    result: DoubleArray = 0.5 - 0.5 * np.cos(4.0 * np.pi * (np.asarray(phase) - LOWEST))
    return result


class _Curves:
    """Thigh, knee and foot of one leg of a walking person."""

    def __init__(self, body: Body, gait: Gait, side: int) -> None:
        hip, knee, ankle = gait.legs[side]
        self._rows = np.stack([hip, knee, hip - knee + ankle], axis=1)  # (TERMS, 3)
        self._body = body
        self._rest = np.radians([0.5 * gait.stand_knee_deg, gait.stand_knee_deg])
        # Heel strike, the other leg's heel strike, mid-stance, toe off.
        self._events = self._sagittal(np.array([0.0, 0.5, MID_STANCE, NORMAL_LIFT]))
        x, _ = self._ankle(*self._events[:2])
        # Half a stride at full curves: the distance of the feet at heel strike.
        self._half = float(x[0] - x[1])

    def _sagittal(self, phase: DoubleArray) -> DoubleArray:
        """(3, n) radians: thigh, knee, foot, as the curves have it."""
        result: DoubleArray = np.radians(curves.basis(phase) @ self._rows).T
        return result

    def _ankle(self, thigh: DoubleArray, knee: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """Forward of the hip, below the hip, metres."""
        shank = thigh - knee
        body = self._body
        x = body.thigh * np.sin(thigh) + body.shank * np.sin(shank)
        down = body.thigh * np.cos(thigh) + body.shank * np.cos(shank)
        return x, down

    def at(self, phase: DoubleArray, stride: Stride) -> _Sagittal:
        """At (n,) phases."""
        thigh, knee, foot = self._sagittal(phase)
        return self._scaled(thigh, knee, foot, stride)

    def event(self, number: int, stride: Stride) -> _Sagittal:
        """At heel strike (0), the other leg's heel strike (1), mid-stance (2), toe off (3)."""
        thigh, knee, foot = self._events[:, number]
        return self._scaled(thigh, knee, foot, stride)

    def _scaled(
        self, thigh: DoubleArray, knee: DoubleArray, foot: DoubleArray, stride: Stride
    ) -> _Sagittal:
        gain = 0.5 * stride.length / self._half
        # Scaled about no angle at all, so that a standing leg is straight below the hip.
        rest = 1.0 - stride.vigour
        thigh = rest * self._rest[0] + gain * thigh
        knee = rest * self._rest[1] + stride.vigour * stride.pace * knee
        knee = np.radians(STRAIGHTEST_DEG) + soft_above(knee - np.radians(STRAIGHTEST_DEG), 0.02)
        foot = stride.vigour * stride.pace * np.where(foot < 0, _RIGID * foot, foot)
        return _Sagittal(*self._ankle(thigh, knee), knee, foot)


def _flatness(phase: DoubleArray) -> DoubleArray:
    """(n,) 1 while the whole sole is on the floor, 0 in swing and while it rolls."""
    return smooth((phase - 0.02) / 0.09) * (1.0 - smooth((phase - 0.30) / 0.24))


def _rolled(pitch: DoubleArray, body: Body) -> tuple[DoubleArray, DoubleArray]:
    """How far the ankle of a foot on the floor has moved forward, and its height, by rolling.

    With toes up it turns about the heel, with the heel up about the toes.
    """
    behind, ahead = ANKLE_SHARE * body.foot, (1.0 - ANKLE_SHARE) * body.foot
    cosine, sine = np.cos(pitch), np.sin(pitch)
    pivot = np.where(pitch > 0, behind, -ahead)
    forward = pivot * (cosine - 1.0) - body.foot_height * sine
    height = pivot * sine + body.foot_height * cosine
    return forward, height


class _Strike(NamedTuple):
    """A foot on the floor at an event of the cycle; (n,) metres each.

    x and down: ankle forward of and below the hip as the curves have it. roll and height: ankle
    ahead of where it is with the foot flat, and above the floor. reach: hip to ankle.
    """

    x: DoubleArray
    down: DoubleArray
    roll: DoubleArray
    height: DoubleArray
    reach: DoubleArray

    @classmethod
    def of(cls, body: Body, at: _Sagittal, straight: float) -> _Strike:
        """From the curves' angles; `straight` is the share of rolling that goes forward."""
        roll, height = _rolled(at.foot, body)
        return cls(at.x, at.down, straight * roll, height, _reach(body, at.knee))


def _reach(body: Body, knee: DoubleArray | float) -> DoubleArray:
    """(n,) metres from hip to ankle with (n,) radians of knee flexion."""
    a, b = body.thigh, body.shank
    result: DoubleArray = np.sqrt(a * a + b * b + 2.0 * a * b * np.cos(knee))
    return result


def _above(height: DoubleArray | float, reach: DoubleArray, away: DoubleArray) -> DoubleArray:
    """(n,) height of a hip, `away` metres along the floor from an ankle at some height."""
    result: DoubleArray = height + np.sqrt(np.maximum(reach**2 - away**2, 0.01))
    return result


def _centre(
    stride: Stride, strike: _Strike, other: _Strike
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """(n,) metres: where a foot is put down flat, ahead of the path's point; hips then.

    The curves give the mean place of the feet below the hips. Where that would drop the hips at
    heel strike, since the leg in front reaches less high than the one behind, it moves back.
    """
    half = 0.5 * stride.length
    centre = 0.5 * (strike.x + other.x - strike.roll - other.roll) + 0.5 * half
    front = centre + strike.roll
    back = centre - half + other.roll
    # Two steps of Newton's method on the difference in height.
    for _ in range(2):
        high_front = _above(strike.height, strike.reach, front)
        high_back = _above(other.height, other.reach, back)
        slope = np.abs(front) / (high_front - strike.height)
        slope += np.abs(back) / (high_back - other.height) + 0.05
        move = (high_front - high_back) / slope
        centre, front, back = centre + move, front + move, back + move
    high_front = _above(strike.height, strike.reach, front)
    return centre, high_front, _above(other.height, other.reach, back)


def _cleared(
    height: DoubleArray, foot: DoubleArray, clearance: DoubleArray, arc: DoubleArray, body: Body
) -> DoubleArray:
    """(n,) height of an ankle in the air, raised where heel or toes would touch the floor."""
    behind, ahead = ANKLE_SHARE * body.foot, (1.0 - ANKLE_SHARE) * body.foot
    lowest = height - body.foot_height * np.cos(foot)
    lowest += soft_least(-behind * np.sin(foot), ahead * np.sin(foot), 0.02 * arc)
    return height + soft_above(clearance * arc - lowest, 0.012)


def _weight(phase: DoubleArray, stride: Stride) -> tuple[DoubleArray, DoubleArray]:
    """Share of the weight and slack of a leg, both (n,), as in Leg."""
    lift = stride.lift
    shared = lift - 0.5
    load = smooth(phase / shared) * (1.0 - smooth((phase - 0.5) / shared))
    load = stride.vigour * load + 0.5 * (1.0 - stride.vigour)
    slack = 0.15 * smooth((phase - 0.54) / (lift - 0.54)) * (1.0 - smooth((phase - 0.86) / 0.14))
    return load, slack


def leg(body: Body, gait: Gait, stride: Stride, side: int) -> Leg:
    """Foot and length of the left (0) or right (1) leg."""
    sign = 1.0 - 2.0 * side
    phase = (stride.phase + 0.5 * side) % 1.0
    lift = stride.lift
    toe_out = np.radians(gait.left_toe_out_deg if side == 0 else gait.right_toe_out_deg)
    straight, aside = float(np.cos(toe_out)), float(np.sin(toe_out))
    curve = _Curves(body, gait, side)
    swing = np.clip((phase - lift) / (1.0 - lift), 0.0, 1.0)
    blend = smooth(swing)
    # Who keeps the foot on the floor for longer goes through the same curve later.
    moment = phase + (NORMAL_LIFT - lift) * smooth((phase - 0.3) / (lift - 0.3)) * (1.0 - blend)
    x, down, knee, foot = curve.at(moment, stride)
    strike, other, mid, off = (
        _Strike.of(body, curve.event(number, stride), straight) for number in range(4)
    )
    centre, front, back = _centre(stride, strike, other)
    top = _above(body.foot_height, mid.reach, centre - MID_STANCE * stride.length)
    pitch = np.where(phase < lift, (1.0 - _flatness(moment)) * foot, foot)

    forward, stance_z = _rolled(pitch, body)
    stance_x = centre - stride.length * phase + straight * forward
    off_x = centre - stride.length * lift + off.roll
    swing_x = x + (1.0 - blend) * (off_x - off.x) + blend * (centre + strike.roll - strike.x)
    # The curves hang from a hip that goes up and down.
    hill = top - front
    swing_z = (1.0 - blend) * (off.height + off.down - hill * between_valleys(lift))
    swing_z += blend * (strike.height + strike.down - hill * between_valleys(0.0))
    swing_z += hill * between_valleys(phase) - down
    arc = np.sin(np.pi * swing) ** 2
    swing_z = _cleared(swing_z, foot, stride.vigour * gait.clearance_m, arc, body)

    down_now = phase < lift
    apart = gait.step_width_m * stride.vigour + gait.stand_width_m * (1.0 - stride.vigour)
    swing_y = ((1.0 - blend) * off.roll + blend * strike.roll) * aside / straight
    swing_y += stride.vigour * gait.circumduction_m * arc
    ankle = np.stack(
        [
            np.where(down_now, stance_x, swing_x),
            sign * (0.5 * apart + np.where(down_now, aside * forward, swing_y)),
            np.where(down_now, stance_z, swing_z),
        ],
        axis=1,
    )
    load, slack = _weight(phase, stride)
    reach = _reach(body, knee)
    return Leg(ankle, pitch, float(sign * toe_out), reach, load, front, back, top, slack)


def hip_height(leg_: Leg, hip: DoubleArray, reach: DoubleArray) -> DoubleArray:
    """(n,) height of a hip at (n, 2 or more) x y that is `reach` away from the ankle."""
    across = ((hip[:, :2] - leg_.ankle[:, :2]) ** 2).sum(axis=1)
    upright = np.sqrt(np.maximum(reach**2 - across, (0.3 * reach) ** 2))
    result: DoubleArray = leg_.ankle[:, 2] + upright
    return result


def longest(body: Body) -> float:
    """Hip to ankle, metres, with the knee as straight as it gets."""
    return float(_reach(body, np.radians(STRAIGHTEST_DEG)))


def joints(body: Body, leg_: Leg, hip: DoubleArray, facing: DoubleArray) -> DoubleArray:
    """(n, 4, 3) metres: knee, ankle, heel, toe for a hip at (n, 3).

    The knee bends towards `facing` (n,) radians.
    """
    between = leg_.ankle - hip
    distance = np.sqrt((between**2).sum(axis=1))
    # A foot in the air that is too far away comes nearer along the floor, not upwards.
    limit = np.minimum(distance, longest(body))
    level = np.sqrt(np.maximum(limit**2 - between[:, 2] ** 2, 0.0))
    flat = np.sqrt((between[:, :2] ** 2).sum(axis=1))
    between[:, :2] *= np.where(distance > limit, level / np.maximum(flat, 1e-9), 1.0)[:, None]
    limit = np.minimum(np.sqrt((between**2).sum(axis=1)), longest(body))
    along = between / limit[:, None]
    ankle = hip + between
    # Law of cosines: how far down the line from hip to ankle the knee stands off, and how much.
    down = (body.thigh**2 - body.shank**2 + limit**2) / (2.0 * limit)
    off = np.sqrt(np.maximum(body.thigh**2 - down**2, 0.0))
    front = np.stack([np.cos(facing), np.sin(facing), np.zeros_like(facing)], axis=1)
    front -= (front * along).sum(axis=1, keepdims=True) * along
    front /= np.sqrt((front**2).sum(axis=1, keepdims=True))
    knee = hip + along * down[:, None] + front * off[:, None]

    cosine, sine = np.cos(leg_.pitch), np.sin(leg_.pitch)
    turn = np.array([np.cos(leg_.yaw), np.sin(leg_.yaw)])
    points = [knee, ankle]
    for length in (-ANKLE_SHARE * body.foot, (1.0 - ANKLE_SHARE) * body.foot):
        forward = length * cosine + body.foot_height * sine
        up = length * sine - body.foot_height * cosine
        points.append(ankle + np.stack([forward * turn[0], forward * turn[1], up], axis=1))
    return np.stack(points, axis=1)
