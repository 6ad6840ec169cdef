"""A person's skeleton at any moment of walking or standing.

Person's own axes: origin on the floor at the path's point, x forward, y left, z up, metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.types import DoubleArray, ReidError
from reid_ros.world import legs
from reid_ros.world.body import Body
from reid_ros.world.gait import MOST_MPS, Gait, draw, vary
from reid_ros.world.legs import Stride, smooth

__all__ = ['JOINTS', 'MOST_MPS', 'Gait', 'Skeleton', 'draw', 'phases', 'skeleton', 'vary']

JOINTS: tuple[str, ...] = (
    'pelvis', 'waist', 'chest', 'neck', 'head',
    'left_shoulder', 'left_elbow', 'left_wrist', 'left_hand',
    'right_shoulder', 'right_elbow', 'right_wrist', 'right_hand',
    'left_hip', 'left_knee', 'left_ankle', 'left_heel', 'left_toe',
    'right_hip', 'right_knee', 'right_ankle', 'right_heel', 'right_toe',
)  # fmt: skip
"""pelvis lies between the hips, neck at its base, head at the skull's centre, hand at the
fingertips; heel and toe lie on the sole."""

# Of the trunk's length (hips to shoulders): pelvis to waist, waist to chest, chest to shoulders,
# chest to the base of the neck.
_WAIST, _CHEST, _SHOULDERS, _NECK = 0.27, 0.40, 0.33, 0.43
_WALKING_MPS = 0.7
"""Above this speed the limbs swing as in walking; below, less and less."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """n moments of one person.

    Attributes:
        joints: (n, 23, 3) float64 metres in the person's axes, in the order of JOINTS.
        pelvis: (n, 3, 3) axes of the pelvis; columns are forward, left, up.
        chest: (n, 3, 3) axes of the chest.
        head: (n, 3, 3) axes of the head.
    """

    joints: DoubleArray
    pelvis: DoubleArray
    chest: DoubleArray
    head: DoubleArray

    def __len__(self) -> int:
        return len(self.joints)


def phases(gait: Gait, body: Body, speed: DoubleArray, dt_s: float) -> DoubleArray:
    """(n,) cycles walked up to each of n moments that lie dt_s apart, at (n,) m/s; first 0."""
    steps = gait.cadence_hz(np.asarray(speed, dtype=np.float64), body) * dt_s
    return np.concatenate([[0.0], np.cumsum(0.5 * (steps[1:] + steps[:-1]))])


def _axes(yaw: DoubleArray, pitch: DoubleArray, roll: DoubleArray) -> DoubleArray:
    """(n, 3, 3): rolled, then pitched, then yawed; pitch leans forward, roll lifts the left."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


def _wave(phase: DoubleArray, peak: float, times: int = 1) -> DoubleArray:
    """(n,) cosine of the cycle that peaks at `peak`."""
    result: DoubleArray = np.cos(2.0 * np.pi * times * (phase - peak))
    return result


def _idle(time_s: DoubleArray, start: float, period_s: float) -> DoubleArray:
    """(n,) slow, never quite repeating movement within -1 to 1."""
    turn = 2.0 * np.pi * time_s / period_s
    first = np.sin(turn + 2.0 * np.pi * start)
    result: DoubleArray = 0.6 * first + 0.4 * np.sin(1.618 * turn + 17.0 * start)
    return result


@dataclass(frozen=True, slots=True)
class _Trunk:
    """Angles of the trunk, radians, and offsets of the pelvis, metres, all (n,)."""

    pelvis: tuple[DoubleArray, DoubleArray, DoubleArray]
    chest: tuple[DoubleArray, DoubleArray, DoubleArray]
    head: tuple[DoubleArray, DoubleArray, DoubleArray]
    surge: DoubleArray
    sway: DoubleArray


def _trunk(gait: Gait, stride: Stride, time_s: DoubleArray) -> _Trunk:
    """Timing after Kadaba et al. (1990) and Murray et al. (1964): yaw, pitch, roll of each."""
    phase, walk = stride.phase, stride.vigour * stride.pace
    still = 1.0 - stride.vigour
    rad = np.pi / 180.0
    drift = np.sin(2.0 * np.pi * (0.13 * phase + gait.wander[0]))
    shift = still * _idle(time_s, gait.wander[1], 9.0)
    look = still * _idle(time_s, gait.wander[2], 7.0)
    # The side that steps forward goes ahead: at the left heel strike the pelvis points right.
    pelvis_yaw = -gait.pelvis_yaw_deg * rad * walk * _wave(phase, 0.0)
    pelvis_roll = gait.pelvis_roll_deg * rad * walk * _wave(phase, 0.16) + 1.5 * rad * shift
    chest_yaw = gait.chest_yaw_deg * rad * walk * _wave(phase, 0.03) + 3.0 * rad * look
    chest_roll = -gait.chest_roll_deg * rad * walk * _wave(phase, 0.22) - 0.7 * rad * shift
    chest_roll = chest_roll - (gait.lean_side_deg + 0.4 * drift) * rad
    nod = gait.nod_deg * rad * walk * _wave(phase, 0.04, 2)
    pitch = (gait.lean_deg * (0.6 + 0.4 * walk) + 0.4 * drift) * rad
    return _Trunk(
        pelvis=(pelvis_yaw, gait.pelvis_pitch_deg * rad + 0.5 * nod, pelvis_roll),
        chest=(chest_yaw, pitch + nod, chest_roll),
        head=(
            0.3 * chest_yaw + 14.0 * rad * look,
            (gait.head_pitch_deg + 1.0 * drift) * rad - 0.4 * nod,
            0.3 * chest_roll,
        ),
        # Fastest when both feet are down, slowest over the standing leg.
        surge=0.009 * walk * np.sin(4.0 * np.pi * (phase - 0.05)),
        sway=gait.sway_m * stride.vigour * _wave(phase, 0.30) + gait.stand_shift_m * shift,
    )


def _arm(
    body: Body, gait: Gait, stride: Stride, side: int, chest: DoubleArray, still: DoubleArray
) -> DoubleArray:
    """(n, 3, 3) metres from the shoulder: elbow, wrist, fingertips."""
    left = side == 0
    sign = 1.0 - 2.0 * side
    rad = np.pi / 180.0
    wave = stride.phase - 0.5 - gait.arm_lag + 0.5 * side
    free = 1.0
    if gait.carrying == 'bag' and gait.bag_side == ('left' if left else 'right'):
        # The load pulls the arm straight and stills it.
        free = 0.3
    uneven = 1.0 + 0.10 * np.sin(2.0 * np.pi * (0.21 * stride.phase + gait.wander[3] + 0.4 * side))
    swing = stride.vigour * stride.pace**1.5 * free * uneven
    amplitude = (gait.left_arm_deg if left else gait.right_arm_deg) * rad
    elbow = (gait.left_elbow_deg if left else gait.right_elbow_deg) * rad * (0.4 + 0.6 * free)
    shoulder = amplitude * swing * _wave(wave, 0.0) - gait.arm_back_deg * rad * (
        0.4 + 0.6 * stride.vigour
    )
    shoulder = shoulder + 0.02 * still
    bend = elbow * (0.65 + 0.35 * stride.vigour)
    bend = bend + gait.elbow_swing_deg * rad * swing * _wave(wave, 0.03)
    bend = bend - np.minimum(bend - 3.0 * rad, 0.0)
    out = (gait.left_abduction_deg if left else gait.right_abduction_deg) * rad
    yaw = np.arctan2(chest[:, 1, 0], chest[:, 0, 0])
    point = np.zeros((len(wave), 3))
    points = []
    # Elbows point outwards, so that a bent forearm comes in front of the body.
    for length, angle, away in (
        (body.upper_arm, shoulder, out),
        (body.forearm, shoulder + bend, out - 0.10 - 0.25 * bend),
        (body.hand, shoulder + bend + 0.12, out - 0.06 - 0.25 * bend),
    ):
        forward = np.sin(angle) * np.cos(away)
        outward = sign * np.sin(away) * np.ones_like(angle)
        down = -np.cos(angle) * np.cos(away)
        cosine, sine = np.cos(yaw), np.sin(yaw)
        direction = [forward * cosine - outward * sine, forward * sine + outward * cosine, down]
        point = point + length * np.stack(direction, axis=1)
        points.append(point)
    return np.stack(points, axis=1)


def _stride(body: Body, gait: Gait, phase: DoubleArray, speed: DoubleArray) -> Stride:
    vigour = smooth(speed / _WALKING_MPS)
    # Ranges of knee, pelvis and arms grow by about a sixth from 1.0 to 1.6 m/s: Murray et al.,
    # Am. J. Phys. Med. 45:8 (1966); Winter (2009), section 4.
    pace = np.clip(0.68 + 0.24 * speed, 0.6, 1.25)
    return Stride(phase, gait.stride_m(speed, body), vigour, pace, gait.stance(speed))


def _height(
    body: Body, stride: Stride, both: list[legs.Leg], pelvis: DoubleArray, half: DoubleArray
) -> DoubleArray:
    """(n,) metres: height of the pelvis at (n, 3), hips `half` (n, 3) to its left and right.

    Mostly a wave of two hills a cycle through what the legs allow at heel strike and mid-stance
    (Murray et al., 1964), partly what the standing legs' knees ask for, never out of reach.
    """
    left, right = both
    here = 0.5 + 0.5 * _wave(stride.phase, legs.LOWEST)
    valley = here * np.minimum(left.front, right.back)
    valley += (1.0 - here) * np.minimum(right.front, left.back)
    here = 0.5 + 0.5 * _wave(stride.phase, legs.LOWEST + 0.25)
    hill = here * left.top + (1.0 - here) * right.top
    wave = valley + (hill - valley) * legs.between_valleys(stride.phase)
    asked = np.zeros_like(wave)
    most = []
    for leg, offset in zip(both, (half, -half)):
        hip = pelvis + offset
        asked += leg.load * (legs.hip_height(leg, hip, leg.reach) - offset[:, 2])
        limit = legs.hip_height(leg, hip, np.asarray(legs.longest(body)))
        most.append(limit - offset[:, 2] + leg.slack)
    wanted = 0.75 * wave + 0.25 * asked
    return legs.soft_least(wanted, legs.soft_least(most[0], most[1], 0.006), 0.006)


def _upper(
    body: Body, gait: Gait, trunk: _Trunk, pelvis: DoubleArray, joints: DoubleArray
) -> tuple[DoubleArray, DoubleArray]:
    """Fills in waist to head and the shoulders; returns the axes of chest and head."""
    chest, head = _axes(*trunk.chest), _axes(*trunk.head)
    slouch = np.radians(gait.slouch_deg)
    neck = _axes(trunk.head[0], 0.5 * (trunk.chest[1] + trunk.head[1]) + slouch, trunk.head[2])
    joints[:, 1] = joints[:, 0] + _WAIST * body.trunk * pelvis[:, :, 2]
    joints[:, 2] = joints[:, 1] + _CHEST * body.trunk * chest[:, :, 2]
    joints[:, 3] = joints[:, 2] + _NECK * body.trunk * chest[:, :, 2]
    # From the base of the neck, a tenth of the trunk above the shoulders, to the skull's centre.
    up = 0.5 * body.head_height + body.neck - (_NECK - _SHOULDERS) * body.trunk
    joints[:, 4] = joints[:, 3] + up * neck[:, :, 2]
    # Slouching brings the shoulders forward and down.
    forward = 0.035 * (gait.slouch_deg - 16.0) / 15.0 * body.trunk / 0.5
    middle = joints[:, 2] + (_SHOULDERS * body.trunk - 0.4 * abs(forward)) * chest[:, :, 2]
    middle = middle + forward * chest[:, :, 0]
    # The joint's centre lies inside the tip of the shoulder.
    beside = (0.5 * body.shoulder_breadth - 0.6 * body.upper_arm_radius) * chest[:, :, 1]
    joints[:, 5], joints[:, 9] = middle + beside, middle - beside
    return chest, head


def skeleton(
    body: Body, gait: Gait, phase: DoubleArray, speed: DoubleArray, time_s: DoubleArray
) -> Skeleton:
    """The person at n moments.

    Args:
        body: who.
        gait: how that person walks today.
        phase: (n,) cycles as of `phases`, whole at the left foot's heel strike.
        speed: (n,) m/s, 0 = standing.
        time_s: (n,) seconds, moves who stands.

    Raises:
        ReidError: a speed is negative or more than a walk.
        ValueError: the arrays differ in length.
    """
    phase, speed, time_s = (np.asarray(a, dtype=np.float64) for a in (phase, speed, time_s))
    if not phase.shape == speed.shape == time_s.shape or phase.ndim != 1:
        raise ValueError(f'phase {phase.shape}, speed {speed.shape}, time_s {time_s.shape} differ')
    if len(speed) and not (speed.min() >= 0 and speed.max() <= MOST_MPS):
        raise ReidError(
            f'a walk at {speed.min():.2f} to {speed.max():.2f} m/s: valid are 0 to {MOST_MPS} m/s'
        )
    stride = _stride(body, gait, phase, speed)
    trunk = _trunk(gait, stride, time_s)
    pelvis = _axes(*trunk.pelvis)
    half = 0.5 * body.hip_spacing * pelvis[:, :, 1]
    joints = np.zeros((len(phase), len(JOINTS), 3))
    joints[:, 0, 0], joints[:, 0, 1] = trunk.surge, trunk.sway

    both = [legs.leg(body, gait, stride, side) for side in (0, 1)]
    joints[:, 0, 2] = _height(body, stride, both, joints[:, 0], half)
    chest, head = _upper(body, gait, trunk, pelvis, joints)
    still = (1.0 - stride.vigour) * _idle(time_s, gait.wander[3], 5.0)
    for side, (leg, offset) in enumerate(zip(both, (half, -half))):
        hip = joints[:, 0] + offset
        first = 13 + 5 * side
        joints[:, first] = hip
        facing = 0.5 * leg.yaw + 0.5 * trunk.pelvis[0]
        joints[:, first + 1 : first + 5] = legs.joints(body, leg, hip, facing)
        arm = _arm(body, gait, stride, side, chest, still)
        joints[:, 6 + 4 * side : 9 + 4 * side] = joints[:, 5 + 4 * side, None] + arm
    return Skeleton(joints, pelvis, chest, head)
