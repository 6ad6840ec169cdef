"""Where hips, knees and feet are: curves of a gait, held to the floor while a foot bears weight.

Joint angles alone let feet slide and sink. Here the curves say how feet swing, roll and how
long the leg is; a foot on the floor stays where it was put, and the knee closes the chain.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Stride:
    """How a person moves at n moments.

    Attributes:
        phase: (n,) cycles, whole at the left foot's heel strike.
        length: (n,) metres of a stride.
        vigour: (n,) 0 = standing, 1 = walking.
        pace: (n,) near 1: how much wider joints move than at natural speed.
    """

    phase: DoubleArray
    length: DoubleArray
    vigour: DoubleArray
    pace: DoubleArray


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg at n moments, before the pelvis' height is known.

    Attributes:
        ankle: (n, 3) metres in the person's axes.
        pitch: (n,) radians, toes up positive.
        yaw: radians, towards the left.
        reach: (n,) metres from hip to ankle that the knee's curve asks for.
        load: (n,) 0 to 1, share of the weight.
    """

    ankle: DoubleArray
    pitch: DoubleArray
    yaw: float
    reach: DoubleArray
    load: DoubleArray


def smooth(value: DoubleArray) -> DoubleArray:
    """0 below 0, 1 above 1, with a smooth way between."""
    t = np.clip(value, 0.0, 1.0)
    result: DoubleArray = t * t * (3.0 - 2.0 * t)
    return result


def soft_above(value: DoubleArray, width: float) -> DoubleArray:
    """The value where positive, else 0, rounded over `width`; exactly 0 at 0."""
    result: DoubleArray = 0.5 * (value + np.sqrt(value * value + width * width) - width)
    return result


class _Curves:
    """Thigh, knee and foot of one leg of a walking person."""

    def __init__(self, body: Body, gait: Gait, side: int) -> None:
        hip, knee, ankle = gait.legs[side]
        self._rows = np.stack([hip, knee, hip - knee + ankle], axis=1)  # (TERMS, 3)
        self._body = body
        self._rest = np.radians([0.5 * gait.stand_knee_deg, gait.stand_knee_deg])
        ends = self._sagittal(np.array([0.0, 0.5]))
        x, _ = self._ankle(*ends[:2])
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

    def at(
        self, phase: DoubleArray, stride: Stride
    ) -> tuple[DoubleArray, DoubleArray, DoubleArray, DoubleArray]:
        """Ankle forward of the hip, ankle below the hip, knee, foot's pitch."""
        thigh, knee, foot = self._sagittal(phase)
        gain = 0.5 * stride.length / self._half
        # Scaled about no angle at all, so that a standing leg is straight below the hip.
        rest = 1.0 - stride.vigour
        thigh = rest * self._rest[0] + gain * thigh
        knee = rest * self._rest[1] + stride.vigour * stride.pace * knee
        knee = np.radians(STRAIGHTEST_DEG) + soft_above(knee - np.radians(STRAIGHTEST_DEG), 0.02)
        foot = stride.vigour * stride.pace * np.where(foot < 0, _RIGID * foot, foot)
        x, down = self._ankle(thigh, knee)
        return x, down, knee, foot


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


def _planted(
    phase: DoubleArray, centre: DoubleArray, pitch: DoubleArray, stride: Stride, body: Body
) -> tuple[DoubleArray, DoubleArray]:
    """Ankle forward of the path's point and above the floor while the foot stays in its place."""
    forward, height = _rolled(pitch, body)
    return centre - stride.length * phase + forward, height


def leg(body: Body, gait: Gait, stride: Stride, side: int) -> Leg:
    """Foot and length of the left (0) or right (1) leg."""
    sign = 1.0 - 2.0 * side
    phase = (stride.phase + 0.5 * side) % 1.0
    curve = _Curves(body, gait, side)
    lift = gait.stance_share

    x, down, knee, foot = curve.at(phase, stride)
    ends = [curve.at(np.full_like(phase, at), stride) for at in (0.0, 0.5, lift)]
    (x0, down0, _, foot0), (x5, _, _, foot5), (x1, down1, _, foot1) = ends
    # The feet stand so about the hips as the curves have it, on the mean of the two heel strikes.
    roll0, high0 = _rolled(foot0, body)
    roll5, _ = _rolled(foot5, body)
    centre = 0.5 * (x0 + x5 - roll0 - roll5) + 0.25 * stride.length
    flat = _flatness(phase)
    pitch = np.where(phase < lift, (1.0 - flat) * foot, foot)

    stance_x, stance_z = _planted(phase, centre, pitch, stride, body)
    off_x, off_z = _planted(np.full_like(phase, lift), centre, foot1, stride, body)
    swing = np.clip((phase - lift) / (1.0 - lift), 0.0, 1.0)
    blend = smooth(swing)
    level = body.hip_height
    swing_x = x + (1.0 - blend) * (off_x - x1) + blend * (centre + roll0 - x0)
    swing_z = (level - down) + (1.0 - blend) * (off_z - level + down1)
    swing_z += blend * (high0 - level + down0)
    arc = np.sin(np.pi * swing) ** 2
    behind, ahead = ANKLE_SHARE * body.foot, (1.0 - ANKLE_SHARE) * body.foot
    lowest = swing_z - body.foot_height * np.cos(foot)
    lowest += np.minimum(-behind * np.sin(foot), ahead * np.sin(foot))
    swing_z += soft_above(stride.vigour * gait.clearance_m * arc - lowest, 0.004)

    down_now = phase < lift
    toe_out = np.radians(gait.left_toe_out_deg if side == 0 else gait.right_toe_out_deg)
    apart = gait.step_width_m * stride.vigour + gait.stand_width_m * (1.0 - stride.vigour)
    side_y = 0.5 * apart + stride.vigour * gait.circumduction_m * np.where(down_now, 0.0, arc)
    ankle_x = np.where(down_now, stance_x, swing_x)
    ankle_z = np.where(down_now, stance_z, swing_z)
    ankle = np.stack([ankle_x, sign * side_y, ankle_z], axis=1)
    reach = np.sqrt(body.thigh**2 + body.shank**2 + 2.0 * body.thigh * body.shank * np.cos(knee))
    shared = lift - 0.5
    load = smooth(phase / shared) * (1.0 - smooth((phase - 0.5) / shared))
    load = stride.vigour * load + 0.5 * (1.0 - stride.vigour)
    return Leg(ankle, pitch, float(sign * toe_out), reach, load)


def hip_height(leg_: Leg, hip: DoubleArray, reach: DoubleArray) -> DoubleArray:
    """(n,) height of a hip at (n, 2 or more) x y that is `reach` away from the ankle."""
    across = ((hip[:, :2] - leg_.ankle[:, :2]) ** 2).sum(axis=1)
    upright = np.sqrt(np.maximum(reach**2 - across, (0.3 * reach) ** 2))
    result: DoubleArray = leg_.ankle[:, 2] + upright
    return result


def longest(body: Body) -> float:
    """Hip to ankle, metres, with the knee as straight as it gets."""
    cosine = np.cos(np.radians(STRAIGHTEST_DEG))
    return float(np.sqrt(body.thigh**2 + body.shank**2 + 2.0 * body.thigh * body.shank * cosine))


def joints(body: Body, leg_: Leg, hip: DoubleArray, facing: DoubleArray) -> DoubleArray:
    """(n, 4, 3) metres: knee, ankle, heel, toe for a hip at (n, 3).

    The knee bends towards `facing` (n,) radians.
    """
    between = leg_.ankle - hip
    distance = np.sqrt((between**2).sum(axis=1))
    limit = np.minimum(distance, longest(body))
    along = between / distance[:, None]
    ankle = hip + along * limit[:, None]
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
