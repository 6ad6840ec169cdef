"""How a person walks: what stays from walk to walk, and how much does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from reid_ros.types import DoubleArray, ReidError
from reid_ros.world import curves
from reid_ros.world.body import Body

Carrying = Literal['nothing', 'bag']
Side = Literal['left', 'right']

MOST_MPS = 2.3
"""Fastest walk; beyond about 2.2 m/s people run."""

_LONGEST = 2.05
"""Longest stride in lengths of the leg."""

# Ratios of the spread between walks of one person to the spread between people. A test-retest
# intraclass correlation r gives sqrt((1 - r) / r).
WITHIN: Mapping[str, float] = {
    # r = 0.92 and more over a week for speed, step length, stride time, toe-out, stance; 0.80 for
    # the base of support: van Uden and Besser, BMC Musculoskelet. Disord. 5:13 (2004). Menz et
    # al., Gait & Posture 20:20 (2004), found 0.82 to 0.92 for speed, cadence and step length.
    'time and distance': 0.29,
    'base of support': 0.50,
    # Between trials 1 to 2 degrees, Schwartz et al., Gait & Posture 20:196 (2004), against 4 to 6
    # between people, Bovi et al. (2011). Kadaba et al., J. Orthop. Res. 7:849 (1989): sagittal
    # curves are the most repeatable, pelvis and frontal plane less, also between days.
    'sagittal curves': 0.40,
    'pelvis and trunk': 0.45,
    # Posture is a habit; arms depend on what one thinks of: no agreed figure, set near the above.
    'posture': 0.40,
    'arms': 0.45,
    # How one happens to stand is hardly a habit.
    'stance': 0.80,
}


class Trait(NamedTuple):
    """One number of a gait: mean and spread over people, kind in WITHIN, range."""

    mean: float
    spread: float
    kind: str
    low: float
    high: float


_TIME, _BASE, _TRUNK = 'time and distance', 'base of support', 'pelvis and trunk'

TRAITS: Mapping[str, Trait] = {
    # Bohannon, Age and Ageing 26:15 (1997): 1.27 to 1.46 m/s, deviation 0.15 to 0.2.
    'preferred_mps': Trait(1.34, 0.15, _TIME, 0.85, 1.85),
    # Sekiya et al., J. Hum. Mov. Stud. 30:241 (1996): about 0.0065 m per step a minute, nearly
    # independent of speed; deviation about a tenth.
    'walk_ratio': Trait(0.0065, 0.00062, _TIME, 0.0048, 0.0084),
    'stance_share': Trait(0.615, 0.012, _TIME, 0.58, 0.65),
    # Hollman et al., Gait & Posture 34:111 (2011): 0.08 to 0.10 m, deviation 0.025 to 0.03.
    'step_width_m': Trait(0.095, 0.027, _BASE, 0.03, 0.18),
    'left_toe_out_deg': Trait(5.5, 4.5, _TIME, -6.0, 18.0),
    'right_toe_out_deg': Trait(7.0, 4.5, _TIME, -6.0, 18.0),
    'circumduction_m': Trait(0.008, 0.007, _TRUNK, -0.01, 0.03),
    'clearance_m': Trait(0.016, 0.005, _TRUNK, 0.008, 0.035),
    # Half ranges. Murray et al., J. Bone Joint Surg. 46A:335 (1964) and Kadaba et al. (1990).
    'pelvis_yaw_deg': Trait(4.5, 1.6, _TRUNK, 1.0, 9.0),
    'pelvis_roll_deg': Trait(3.8, 1.3, _TRUNK, 0.8, 8.0),
    'pelvis_pitch_deg': Trait(2.0, 2.5, 'posture', -5.0, 9.0),
    'sway_m': Trait(0.019, 0.006, _TRUNK, 0.005, 0.04),
    'chest_yaw_deg': Trait(4.0, 1.8, _TRUNK, 0.5, 9.0),
    'chest_roll_deg': Trait(1.6, 0.9, _TRUNK, -0.5, 5.0),
    'lean_deg': Trait(2.0, 2.6, 'posture', -4.0, 9.0),
    'lean_side_deg': Trait(0.0, 0.9, 'posture', -2.5, 2.5),
    'nod_deg': Trait(1.0, 0.5, _TRUNK, 0.0, 3.0),
    'slouch_deg': Trait(16.0, 7.0, 'posture', 2.0, 38.0),
    'head_pitch_deg': Trait(3.0, 4.5, 'posture', -8.0, 18.0),
    # Murray et al., Arch. Phys. Med. Rehabil. 48:272 (1967): shoulder range about 30 degrees,
    # most of it backwards, elbow range about 20 to 30. Killeen et al., R. Soc. Open Sci. (2018):
    # asymmetry index 39.5 +- 21.8, the left arm mostly swinging more.
    'left_arm_deg': Trait(15.5, 5.0, 'arms', 3.0, 28.0),
    'right_arm_deg': Trait(13.0, 5.0, 'arms', 3.0, 28.0),
    'arm_lag': Trait(0.015, 0.022, 'arms', -0.05, 0.08),
    'arm_back_deg': Trait(5.0, 3.5, 'arms', -5.0, 15.0),
    'left_abduction_deg': Trait(7.0, 2.8, 'posture', 1.0, 18.0),
    'right_abduction_deg': Trait(7.0, 2.8, 'posture', 1.0, 18.0),
    'left_elbow_deg': Trait(23.0, 8.0, 'arms', 8.0, 60.0),
    'right_elbow_deg': Trait(23.0, 8.0, 'arms', 8.0, 60.0),
    'elbow_swing_deg': Trait(9.0, 4.0, 'arms', 0.0, 22.0),
    # Standing: feet apart, knees nearly straight.
    'stand_width_m': Trait(0.20, 0.04, 'stance', 0.10, 0.34),
    'stand_knee_deg': Trait(4.0, 1.5, 'stance', 2.0, 9.0),
    'stand_shift_m': Trait(0.020, 0.008, 'stance', 0.004, 0.045),
}


def _shortening(stride: DoubleArray, body: Body) -> DoubleArray:
    """(n,) 1 or more: legs limit a stride to about twice their length; then cadence rises."""
    result: DoubleArray = (1.0 + (stride / (_LONGEST * body.leg)) ** 8) ** 0.125
    return result


@dataclass(frozen=True, slots=True)
class Gait:
    """How one person walks and stands; angles of curves and offsets in degrees.

    Attributes:
        legs: (2, 3, TERMS) degrees: Fourier series of hip, knee and ankle, left leg then right.
        wander: (4,) cycles: where the slow irregularities of this walk begin.
        carrying: what is in the hand; a bag stills its arm.
        bag_side: the side on which a bag is carried.
        preferred_mps: speed chosen when nothing hinders, m/s.
        walk_ratio: step length over cadence, m per (steps a minute).
        stance_share: share of a cycle for which a foot is on the floor at 1.3 m/s.
        step_width_m: distance between the two lines on which the ankles walk.
        left_toe_out_deg: left foot turned outwards.
        right_toe_out_deg: right foot turned outwards.
        circumduction_m: how far a foot swings outwards.
        clearance_m: least height of the sole in mid-swing.
        pelvis_yaw_deg: half the range of the pelvis' turning.
        pelvis_roll_deg: half the range of the pelvis' sinking to the side of the swinging leg.
        pelvis_pitch_deg: forward tilt of the pelvis beyond the usual.
        sway_m: half the range of the pelvis' way from side to side.
        chest_yaw_deg: half the range of the chest's turning against the pelvis.
        chest_roll_deg: half the range of the chest's leaning towards the standing leg.
        lean_deg: forward lean of the trunk.
        lean_side_deg: lean of the trunk to the left.
        nod_deg: half the range of trunk and head's nodding, twice a cycle.
        slouch_deg: forward slope of the neck; shoulders follow forwards.
        head_pitch_deg: head turned down.
        left_arm_deg: half the range of the left arm's swing at 1.3 m/s.
        right_arm_deg: half the range of the right arm's swing at 1.3 m/s.
        arm_lag: cycles by which the arms lag behind the opposite legs.
        arm_back_deg: how far behind the vertical the swing is centred.
        left_abduction_deg: left upper arm away from the trunk.
        right_abduction_deg: right upper arm away from the trunk.
        left_elbow_deg: mean bend of the left elbow.
        right_elbow_deg: mean bend of the right elbow.
        elbow_swing_deg: half the range of the elbows' bending.
        stand_width_m: distance between the ankles in standing.
        stand_knee_deg: bend of the knees in standing.
        stand_shift_m: how far the weight is shifted from leg to leg in standing.
    """

    legs: DoubleArray
    wander: DoubleArray
    carrying: Carrying
    bag_side: Side
    preferred_mps: float
    walk_ratio: float
    stance_share: float
    step_width_m: float
    left_toe_out_deg: float
    right_toe_out_deg: float
    circumduction_m: float
    clearance_m: float
    pelvis_yaw_deg: float
    pelvis_roll_deg: float
    pelvis_pitch_deg: float
    sway_m: float
    chest_yaw_deg: float
    chest_roll_deg: float
    lean_deg: float
    lean_side_deg: float
    nod_deg: float
    slouch_deg: float
    head_pitch_deg: float
    left_arm_deg: float
    right_arm_deg: float
    arm_lag: float
    arm_back_deg: float
    left_abduction_deg: float
    right_abduction_deg: float
    left_elbow_deg: float
    right_elbow_deg: float
    elbow_swing_deg: float
    stand_width_m: float
    stand_knee_deg: float
    stand_shift_m: float

    def __post_init__(self) -> None:
        if self.legs.shape != (2, 3, curves.TERMS):
            raise ValueError(f'legs has shape {self.legs.shape}, expected (2, 3, {curves.TERMS})')
        for name, trait in TRAITS.items():
            value = getattr(self, name)
            if not trait.low <= value <= trait.high:
                raise ReidError(f'gait.{name} is {value}; valid are {trait.low} to {trait.high}')

    def stride_m(self, speed: DoubleArray, body: Body) -> DoubleArray:
        """(n,) metres: way of one cycle, two steps, at (n,) m/s."""
        free: DoubleArray = 2.0 * np.sqrt(60.0 * speed * self.walk_ratio)
        return free / _shortening(free, body)

    def stance(self, speed: DoubleArray) -> DoubleArray:
        """(n,) share of a cycle that a foot is on the floor; less the faster: Murray (1966)."""
        result: DoubleArray = np.clip(self.stance_share + 0.05 * (1.3 - speed), 0.56, 0.68)
        return result

    def cadence_hz(self, speed: DoubleArray, body: Body) -> DoubleArray:
        """(n,) cycles a second at (n,) m/s; times stride_m it is the speed."""
        free = 2.0 * np.sqrt(60.0 * speed * self.walk_ratio)
        result: DoubleArray = (
            0.5 * np.sqrt(speed / (60.0 * self.walk_ratio)) * _shortening(free, body)
        )
        return result

    def carry(self, carrying: Carrying, side: Side = 'right') -> Gait:
        """The same gait with or without a bag."""
        return replace(self, carrying=carrying, bag_side=side)


def _drawn(name: str, middle: float, spread: float, rng: np.random.Generator) -> float:
    trait = TRAITS[name]
    return float(np.clip(middle + spread * rng.normal(), trait.low, trait.high))


def draw(rng: np.random.Generator, body: Body) -> Gait:
    """A person's own gait; taller people take longer steps and walk a little faster."""
    # Dynamic similarity: speed goes with the root of leg length; step length with its first
    # power, cadence with the inverse root (Alexander, 1984), so their ratio with the power 1.5.
    tall = body.leg / (0.491 * 1.70)
    scales = {'preferred_mps': tall**0.5, 'walk_ratio': tall**1.5}
    values = {
        name: _drawn(name, trait.mean * scales.get(name, 1.0), trait.spread, rng)
        for name, trait in TRAITS.items()
    }
    own = curves.perturbed(curves.normal(), 1.0, rng)
    # Healthy legs differ by about a third of what people do: Sadeghi et al., Gait & Posture
    # 12:34 (2000).
    legs = np.stack([curves.timed(curves.perturbed(own, 0.3, rng)) for _ in range(2)])
    return Gait(legs=legs, wander=rng.random(4), carrying='nothing', bag_side='right', **values)


def vary(gait: Gait, rng: np.random.Generator) -> Gait:
    """One walk of a person; always vary the person's own gait, never a walk of it."""
    values: dict[str, Any] = {
        name: _drawn(name, getattr(gait, name), trait.spread * WITHIN[trait.kind], rng)
        for name, trait in TRAITS.items()
    }
    # Heel strike at phase 0 and feet on the floor take a little of what sets people apart; with
    # 0.86 the joint angles of the skeleton have the stated ratio.
    share = 0.86 * WITHIN['sagittal curves']
    mean: DoubleArray = gait.legs.mean(axis=0)
    both = curves.perturbed(mean, share, rng) - mean
    legs = np.stack(
        [curves.timed(curves.perturbed(leg, 0.3 * share, rng) + both) for leg in gait.legs]
    )
    return replace(gait, legs=legs, wander=rng.random(4), **values)
