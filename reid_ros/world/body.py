"""How a person is built: lengths, breadths and depths of the body, adults only.

Stature: NCD Risk Factor Collaboration, eLife 5:e13410 (2016), national means of 1.59 to 1.70 m
(women) and 1.71 to 1.83 m (men); within one population the spread is that of ANSUR II, Gordon
et al., NATICK/TR-15/007 (2014). Segment lengths: Drillis and Contini (1966), as shares of
stature in Winter, Biomechanics and Motor Control of Human Movement, 4th ed. (2009), figure 4.1.
Breadths, depths and girths: ANSUR II, rounded to 5 mm and 10 mm.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from reid_ros.types import ReidError

SHAPES = {'woman': (1.635, 0.066), 'man': (1.760, 0.070)}
"""Mean and standard deviation of stature, metres."""

# Share of stature and its spread between people, relative. ANSUR II gives 3 to 4.5 % for the
# ratios of limb length to stature.
_SHARES = {
    'upper_arm': (0.186, 0.030),
    'forearm': (0.146, 0.030),
    'hand': (0.108, 0.035),
    'thigh': (0.245, 0.030),
    'shank': (0.246, 0.030),
    'foot': (0.152, 0.030),
    'ankle': (0.039, 0.040),
    'head_height': (0.130, 0.035),
}

# At the reference stature of the sex: mean for women, for men, relative spread, and the relative
# change per unit of build. Biacromial, hip and waist breadth, chest and waist depth; radii follow
# from the girths of upper arm, forearm, thigh, calf and neck.
_BREADTHS = {
    'shoulder_breadth': (0.365, 0.415, 0.040, 0.010),
    'hip_breadth': (0.355, 0.345, 0.035, 0.055),
    'chest_breadth': (0.275, 0.300, 0.035, 0.055),
    'chest_depth': (0.240, 0.250, 0.045, 0.080),
    'waist_breadth': (0.285, 0.315, 0.040, 0.095),
    'waist_depth': (0.205, 0.230, 0.045, 0.130),
    'head_breadth': (0.148, 0.155, 0.035, 0.005),
    'head_depth': (0.187, 0.200, 0.035, 0.005),
    'neck_radius': (0.052, 0.062, 0.045, 0.050),
    'upper_arm_radius': (0.046, 0.054, 0.050, 0.090),
    'forearm_radius': (0.040, 0.047, 0.045, 0.055),
    'thigh_radius': (0.092, 0.093, 0.045, 0.080),
    'calf_radius': (0.057, 0.060, 0.050, 0.060),
}


@dataclass(frozen=True, slots=True)
class Body:
    """One person's build. Lengths, breadths, depths and radii in metres.

    Attributes:
        stature: height without shoes.
        shape: 0 = a woman's mean proportions, 1 = a man's; people lie around both ends.
        build: deviations from the mean build of the sex; -2 = very slender, 0 = mean, 2.5 = heavy.
        belly: how far the front of the waist stands out beyond the chest's, 0 = not at all.
        shoulder_breadth: from one shoulder joint's tip to the other (biacromial).
        hip_breadth: over the outer thighs.
        hip_spacing: between the centres of the two hip joints.
        chest_breadth: across the ribs below the arms.
        chest_depth: from back to breast.
        waist_breadth: across the waist.
        waist_depth: from back to front of the waist.
        upper_arm: shoulder joint to elbow.
        forearm: elbow to wrist.
        hand: wrist to fingertips.
        thigh: hip joint to knee.
        shank: knee to ankle.
        foot: heel to tip of the shoe.
        foot_height: ankle joint above the floor, sole of the shoe included.
        trunk: hip joints to the height of the shoulder joints, standing straight.
        neck: shoulder height to the chin.
        head_height: chin to the top of the skull.
        head_breadth: over the ears, without hair.
        head_depth: forehead to the back of the head, without hair.
        neck_radius: half the neck's thickness.
        upper_arm_radius: half the upper arm's thickness.
        forearm_radius: half the forearm's thickness at its thickest place.
        thigh_radius: half the thigh's thickness near the hip.
        calf_radius: half the calf's thickness at its thickest place.
    """

    stature: float
    shape: float
    build: float
    belly: float
    shoulder_breadth: float
    hip_breadth: float
    hip_spacing: float
    chest_breadth: float
    chest_depth: float
    waist_breadth: float
    waist_depth: float
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shank: float
    foot: float
    foot_height: float
    trunk: float
    neck: float
    head_height: float
    head_breadth: float
    head_depth: float
    neck_radius: float
    upper_arm_radius: float
    forearm_radius: float
    thigh_radius: float
    calf_radius: float

    def __post_init__(self) -> None:
        free = ('shape', 'build', 'belly')
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in free and not 0.01 < value < 2.5:
                raise ReidError(f'body.{field.name} is {value} m; a part is 0.01 to 2.5 m long')

    @property
    def leg(self) -> float:
        """Hip joint to ankle, metres, knee straight."""
        return self.thigh + self.shank

    @property
    def hip_height(self) -> float:
        """Hip joints above the floor, metres, standing straight in shoes."""
        return self.leg + self.foot_height


def _around(rng: np.random.Generator, mean: float, spread: float) -> float:
    """A normal draw, cut at 2.5 deviations so that nobody is a freak."""
    return mean * (1.0 + spread * float(np.clip(rng.normal(), -2.5, 2.5)))


def draw(rng: np.random.Generator) -> Body:
    """One adult, as likely a woman as a man."""
    man = bool(rng.random() < 0.5)
    mean, spread = SHAPES['man' if man else 'woman']
    stature = _around(rng, mean, spread / mean)
    shape = float(np.clip((1.0 if man else 0.0) + 0.18 * rng.normal(), -0.3, 1.3))
    # Body mass index is skewed to the right, and so is build.
    build = float(np.clip(np.exp(0.35 * rng.normal()) * 2.6 - 2.75, -1.8, 3.0))
    parts = {
        name: stature * _around(rng, share, spread) for name, (share, spread) in _SHARES.items()
    }
    # Breadths grow with stature, but less than in proportion (ANSUR II correlations 0.2 to 0.6).
    size = 1.0 + 0.5 * (stature / mean - 1.0)
    for name, (woman, of_man, spread, by_build) in _BREADTHS.items():
        middle = (woman + (of_man - woman) * shape) * size * (1.0 + by_build * build)
        parts[name] = _around(rng, middle, spread)
    belly = 0.018 * (build - 0.6) * (0.7 + 0.6 * shape) + 0.008 * rng.normal()
    return Body(
        stature=stature,
        shape=shape,
        build=build,
        belly=float(np.clip(belly, 0.0, 0.09)),
        # Half of the bi-trochanteric breadth of figure 4.1: the centres lie well inside.
        hip_spacing=stature * _around(rng, 0.101, 0.035),
        foot_height=parts.pop('ankle') + float(rng.uniform(0.015, 0.035)),
        # The trunk takes up what the legs leave: sitting height varies against leg length.
        trunk=0.779 * stature - parts['thigh'] - parts['shank'],
        neck=stature * _around(rng, 0.052, 0.05),
        **parts,
    )
