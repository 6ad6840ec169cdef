"""The shape of a clothed person: tubes around the joints, each a chain of ellipsoids."""

from __future__ import annotations

from typing import NamedTuple

from reid_ros.world.body import Body
from reid_ros.world.outfit import Outfit
from reid_ros.world.walk import JOINTS

JOINT = {name: index for index, name in enumerate(JOINTS)}
PELVIS, CHEST, WAIST, HEAD, LEFT_FOOT, RIGHT_FOOT, LEVEL, VISOR = range(8)
"""Frames that offsets and sizes are told in; WAIST lies between PELVIS and CHEST, LEVEL is turned
by the pelvis's heading only. Feet and VISOR are tipped over: their 'forward' is up."""
Sizes = tuple[float, float, float]
SIDES = (('left', 1.0), ('right', -1.0))
FINE = 90.0
"""Pixels: details of smaller people are not drawn."""


class Ring(NamedTuple):
    """One ellipsoid of a tube.

    Attributes:
        joints: (joint, weight): the centre before the offset.
        frame: axes of offset and size.
        offset: metres forward, left, up.
        size: semi-axes forward, left, up, metres.
        at: 0 to 1, where in the tube's paint.
        spread: what the feet's and the knees' distance along the heading adds to the size
            forward: a skirt makes room for the stride.
    """

    joints: tuple[tuple[int, float], ...]
    frame: int
    offset: Sizes
    size: Sizes
    at: float
    spread: tuple[float, float] = (0.0, 0.0)


class Tube(NamedTuple):
    """A chain of ellipsoids under one skin.

    Attributes:
        name: says how it is painted.
        rings: from one end to the other.
        ends: which ends are closed by a dome.
        rows: height of its paint, a multiple of 4.
        least_px: it is left out where the person is lower than this in the image.
    """

    name: str
    rings: tuple[Ring, ...]
    ends: tuple[bool, bool]
    rows: int
    least_px: float = 0.0


def tubes(body: Body, outfit: Outfit) -> list[Tube]:
    """Everything that is drawn of this person, naked parts first."""
    result = [_neck(body), *_head(body, outfit)]
    for side, sign in SIDES:
        result += [_arm(side, sign, body, outfit), _hand(side, body)]
        result += [_leg(side, sign, body, outfit), _shoe(side, body, outfit)]
    result += [_seat(body, outfit), _trunk(body, outfit)]
    if outfit.lower.kind == 'skirt':
        result.append(_skirt(body, outfit))
    if outfit.scarf is not None:
        r = 1.45 * body.neck_radius
        levels = ((1.03, 1.0), (1.09, 1.08), (1.15, 0.9))
        rings = [
            _level(body, f, (r * k, r * k, 0.03), 0.01, at=(f - 1.03) / 0.12) for f, k in levels
        ]
        result.append(Tube('scarf', tuple(rings), (True, True), 16))
    if outfit.bag != 'none':
        result.append(_bag(body, outfit))
    return result


def _level(body: Body, f: float, size: Sizes, forward: float = 0.0, at: float = 0.0) -> Ring:
    """A ring at f of the trunk's height: 0 = hip joints, 1 = shoulder joints."""
    g = min(max(f, 0.0), 1.0)
    joints = (
        (JOINT['left_hip'], 0.5 * (1 - g)),
        (JOINT['right_hip'], 0.5 * (1 - g)),
        (JOINT['left_shoulder'], 0.5 * g),
        (JOINT['right_shoulder'], 0.5 * g),
    )
    frame = PELVIS if f < 0.25 else WAIST if f < 0.6 else CHEST
    return Ring(joints, frame, (forward, 0.0, (f - g) * body.trunk), size, at)


def _limb(names: tuple[str, str, str], t: float) -> tuple[tuple[int, float], ...]:
    first, second = (names[0], names[1]) if t <= 1 else (names[1], names[2])
    t = t if t <= 1 else t - 1
    return (JOINT[first], 1 - t), (JOINT[second], t)


def trunk_span(body: Body, outfit: Outfit) -> tuple[float, float]:
    """Lowest and highest level of the upper garment, in heights of the trunk."""
    if outfit.hem >= 0.35:
        leg = (
            outfit.hem * body.thigh
            if outfit.hem < 1
            else (body.thigh + (outfit.hem - 1) * body.shank)
        )
        return -leg / body.trunk, 1.12
    return -outfit.hem * body.thigh / body.trunk - 0.04, 1.12


def _trunk(body: Body, outfit: Outfit) -> Tube:
    low, high = trunk_span(body, outfit)
    d, b = outfit.upper.loose, body
    hip, waist, chest = b.hip_breadth / 2, b.waist_breadth / 2, b.chest_breadth / 2
    deep, wd = 0.335 * b.hip_breadth, b.waist_depth / 2
    cd = b.chest_depth / 2
    bust = 0.018 * (1 - b.shape)
    long = outfit.hem >= 0.35
    loose = max(d, 0.012)
    fitted = 0.5 * (waist + hip)
    profile = [
        (0.02, hip + 0.5 * d + 0.004, deep + 0.7 * d, -0.012),
        (0.20, fitted + 0.8 * d, 0.5 * (deep + wd) + d, 0.3 * b.belly),
        (0.38, waist + loose, wd + loose, 0.5 * b.belly + 0.004),
        (0.56, 0.5 * (waist + chest) + loose, 0.5 * (wd + cd) + d, 0.3 * b.belly + 0.004),
        (0.74, chest * 1.03 + d, cd * 0.98 + d, bust),
        (0.88, 0.46 * b.shoulder_breadth, 0.84 * cd + d, 0.3 * bust),
        (0.985, 0.455 * b.shoulder_breadth + 0.3 * d, 0.072 + 0.5 * d, -0.008),
        (1.055, 0.27 * b.shoulder_breadth + 0.3 * d, 0.066 + 0.4 * d, -0.01),
        (1.115, b.neck_radius + 0.014, b.neck_radius + 0.014, -0.004),
    ]
    rings = [
        _level(b, f, (y, x, 0.03), forward, (f - low) / (high - low))
        for f, x, y, forward in profile
    ]
    if long:
        rings = _hanging(b, outfit.hem, d, outfit.upper.kind == 'dress', low, high) + rings
    else:
        size = (deep + d + 0.002, hip + d, 0.02)
        rings.insert(0, _level(b, low, size, -0.01, 0.0))
    return Tube('trunk', tuple(rings), (True, False), 96)


def _hanging(
    body: Body, hem: float, loose: float, flared: bool, low: float, high: float
) -> list[Ring]:
    """The part of a coat, dress or skirt below the hips, from the hem up."""
    hip, deep = body.hip_breadth / 2, 0.335 * body.hip_breadth
    rings = []
    for share in (1.0, 0.8, 0.55, 0.3):
        t = hem * share
        leg = _limb(('left_hip', 'left_knee', 'left_ankle'), t)
        other = _limb(('right_hip', 'right_knee', 'right_ankle'), t)
        joints = tuple((joint, 0.5 * weight) for joint, weight in leg + other)
        knees, feet = (0.42 * min(t, 2 - t), 0.42 * max(t - 1, 0.0))
        wide = (0.05 if flared else 0.015) * t
        f = low * share
        size = (
            deep * (0.92 - 0.12 * share) + loose + wide,
            hip * (1 - 0.08 * share) + loose + wide,
            0.03,
        )
        frame = PELVIS if share < 0.5 else LEVEL
        rings.append(
            Ring(joints, frame, (-0.008, 0, 0), size, (f - low) / (high - low), (feet, knees))
        )
    return rings


def _skirt(body: Body, outfit: Outfit) -> Tube:
    low = -1.0
    rings = _hanging(body, outfit.lower.limb, outfit.lower.loose, True, low, 0.4)
    hip, deep = body.hip_breadth / 2, 0.335 * body.hip_breadth
    waist, wd = body.waist_breadth / 2, body.waist_depth / 2
    rings.append(_level(body, 0.02, (deep + 0.008, hip + 0.008, 0.03), -0.01, 0.72))
    rings.append(_level(body, 0.34, (wd + 0.004, waist + 0.004, 0.03), 0.4 * body.belly, 1.0))
    return Tube('skirt', tuple(rings), (True, False), 64)


def _seat(body: Body, outfit: Outfit) -> Tube:
    b, d = body, outfit.lower.loose
    hip, waist = b.hip_breadth / 2, b.waist_breadth / 2
    deep, wd = 0.335 * b.hip_breadth, b.waist_depth / 2
    rings = (
        _level(b, -0.17, (0.6 * deep, 0.62 * hip, 0.05), -0.012, 0.0),
        _level(b, -0.07, (0.95 * deep + 0.5 * d, 0.94 * hip + 0.5 * d, 0.05), -0.018, 0.25),
        _level(b, 0.04, (deep, hip, 0.05), -0.016, 0.5),
        _level(b, 0.2, (0.5 * (deep + wd), 0.5 * (waist + hip), 0.04), 0.2 * b.belly, 0.8),
        _level(b, 0.33, (wd, waist, 0.03), 0.4 * b.belly, 1.0),
    )
    return Tube('seat', rings, (True, False), 32)


def _neck(body: Body) -> Tube:
    r = body.neck_radius
    head = ((JOINT['head'], 1.0),)
    down = -0.30 * body.head_height
    rings = (
        _level(body, 0.99, (1.25 * r, 1.35 * r, 0.04), -0.004, 0.0),
        _level(body, 1.10, (1.02 * r, 1.02 * r, 0.04), 0.0, 0.4),
        Ring(head, HEAD, (-0.022, 0.0, down), (0.98 * r, 0.94 * r, 0.03), 1.0),
    )
    return Tube('neck', rings, (False, True), 16)


def _skull(
    body: Body, name: str, profile: list[tuple[float, float, float, float]], rows: int
) -> Tube:
    """Rings (height, breadth, depth, forward) about the skull's centre, in its own sizes."""
    h, b, d = body.head_height, body.head_breadth / 2, body.head_depth / 2
    head = ((JOINT['head'], 1.0),)
    low, high = profile[0][0], profile[-1][0]
    rings = [
        Ring(head, HEAD, (f * d, 0.0, u * h), (y * d, x * b, 0.10 * h), (u - low) / (high - low))
        for u, x, y, f in profile
    ]
    return Tube(name, tuple(rings), (True, True), rows)


FACE = [
    (-0.44, 0.44, 0.34, 0.50), (-0.36, 0.66, 0.58, 0.30), (-0.22, 0.83, 0.78, 0.14),
    (-0.06, 0.94, 0.93, 0.04), (0.10, 1.0, 1.0, 0.0), (0.24, 0.97, 0.97, -0.03),
    (0.35, 0.82, 0.84, -0.04), (0.42, 0.60, 0.64, -0.04),
]  # fmt: skip
CROWN = [
    (-0.02, 1.02, 0.80, -0.26), (0.12, 1.07, 1.0, -0.13), (0.26, 1.05, 1.06, -0.06),
    (0.37, 0.90, 0.95, -0.05), (0.455, 0.62, 0.68, -0.05),
]  # fmt: skip
HAIR = {
    'short': [(-0.26, 0.84, 0.58, -0.38), (-0.14, 0.96, 0.66, -0.36), *CROWN],
    'bun': [(-0.26, 0.84, 0.58, -0.38), (-0.14, 0.98, 0.68, -0.36), *CROWN],
    'bob': [
        (-0.58, 1.12, 0.62, -0.36), (-0.40, 1.20, 0.74, -0.34), (-0.16, 1.18, 0.82, -0.30),
        *[(u, x * 1.06, y * 1.03, f) for u, x, y, f in CROWN],
    ],
    'long': [
        (-1.05, 0.95, 0.34, -0.72), (-0.78, 1.12, 0.42, -0.70), (-0.45, 1.12, 0.62, -0.46),
        (-0.16, 1.10, 0.78, -0.34), *[(u, x * 1.04, y * 1.03, f) for u, x, y, f in CROWN],
    ],
    'curly': [
        (-0.34, 1.08, 0.72, -0.44), (-0.14, 1.26, 0.92, -0.36),
        *[(u * 1.12 + 0.02, x * 1.24, y * 1.18, f) for u, x, y, f in CROWN],
    ],
}  # fmt: skip
HATS = {
    'cap': [(0.14, 1.10, 1.08, -0.02), (0.26, 1.10, 1.10, -0.03), (0.38, 0.96, 1.0, -0.05),
            (0.48, 0.62, 0.66, -0.05)],
    'beanie': [(0.06, 1.12, 1.11, -0.06), (0.2, 1.13, 1.12, -0.06), (0.36, 1.04, 1.06, -0.07),
               (0.52, 0.66, 0.7, -0.08)],
    'brim': [(0.15, 1.14, 1.12, -0.02), (0.34, 1.08, 1.06, -0.02), (0.5, 0.92, 0.94, -0.02)],
}  # fmt: skip


def _head(body: Body, outfit: Outfit) -> list[Tube]:
    h, b, d = body.head_height, body.head_breadth / 2, body.head_depth / 2
    head = ((JOINT['head'], 1.0),)
    result = [_skull(body, 'head', FACE, 64)]
    nose = tuple(
        Ring(head, HEAD, (f * d, 0.0, u * h), (r, 0.85 * r, 1.3 * r), at)
        for u, f, r, at in ((0.04, 0.94, 0.008, 0.0), (-0.10, 1.02, 0.0145, 1.0))
    )
    result.append(Tube('nose', nose, (True, True), 4, FINE))
    if outfit.hair_style in HAIR:
        result.append(_skull(body, 'hair', HAIR[outfit.hair_style], 32))
    if outfit.hair_style == 'bun':
        rings = tuple(
            Ring(head, HEAD, (-1.18 * d, 0.0, u * h), (0.035, r, 0.03), at)
            for u, r, at in ((0.16, 0.036, 0.0), (0.24, 0.038, 1.0))
        )
        result.append(Tube('hair', rings, (True, True), 8))
    if outfit.hat != 'none':
        result.append(_skull(body, 'hat', HATS[outfit.hat], 16))
    if outfit.hat == 'cap':
        rings = tuple(
            Ring(head, VISOR, (0.17 * h, 0.0, f * d), (0.008, x * b, 0.012), at)
            for f, x, at in ((0.8, 0.85, 0.0), (1.35, 0.8, 0.6), (1.62, 0.6, 1.0))
        )
        result.append(Tube('hat', rings, (False, True), 8))
    if outfit.hat == 'brim':
        rings = tuple(
            Ring(head, HEAD, (0.0, 0.0, u * h), (1.75 * d, 1.9 * b, 0.006), at)
            for u, at in ((0.15, 0.0), (0.18, 1.0))
        )
        result.append(Tube('hat', rings, (True, True), 4))
    return result


def _arm(side: str, sign: float, body: Body, outfit: Outfit) -> Tube:
    upper, fore, loose = body.upper_arm_radius, body.forearm_radius, outfit.upper.loose
    sleeve = outfit.upper.limb
    names = (f'{side}_shoulder', f'{side}_elbow', f'{side}_wrist')
    profile = [
        (0.0, 1.10 * upper), (0.12, 1.13 * upper), (0.4, 1.02 * upper), (0.75, 0.90 * upper),
        (1.0, 0.86 * upper), (1.22, 1.0 * fore), (1.55, 0.84 * fore), (1.97, 0.60 * fore),
    ]  # fmt: skip
    rings = []
    last = 0.0
    for t, radius in profile:
        if last < sleeve < t:
            for edge, extra in ((sleeve - 0.01, 1.25 * loose), (sleeve + 0.01, 0.0)):
                rings.append((edge, radius + extra))
        cover = loose * (1.0 if t < 1.9 else 0.75) if t <= sleeve else 0.0
        rings.append((t, radius + cover))
        last = t
    inward = (-0.004, -0.016 * sign, -0.012)
    return Tube(
        f'{side} arm',
        tuple(
            Ring(_limb(names, t), CHEST, inward if t == 0 else (0.0, 0.0, 0.0), (r, r, r), t / 2)
            for t, r in rings
        ),
        (True, True),
        64,
    )


def _hand(side: str, body: Body) -> Tube:
    k = body.hand / 0.19
    names = (f'{side}_wrist', f'{side}_hand', f'{side}_hand')
    rings = tuple(
        Ring(_limb(names, t), CHEST, (0.0, 0.0, 0.0), (a * k, b * k, 0.02 * k), t)
        for t, a, b in (
            (-0.05, 0.026, 0.022),
            (0.3, 0.040, 0.020),
            (0.55, 0.040, 0.022),
            (0.85, 0.024, 0.02),
        )
    )
    return Tube(f'{side} hand', rings, (False, True), 16)


def _leg(side: str, sign: float, body: Body, outfit: Outfit) -> Tube:
    thigh, calf, lower = body.thigh_radius, body.calf_radius, outfit.lower
    names = (f'{side}_hip', f'{side}_knee', f'{side}_ankle')
    reach = 1.95 if lower.kind != 'shorts' else lower.limb
    bare = lower.kind == 'skirt'
    profile = [
        (0.0, 0.97 * thigh, -0.006), (0.15, 0.98 * thigh, -0.004), (0.45, 0.87 * thigh, 0.0),
        (0.75, 0.74 * thigh, 0.0), (1.0, 0.65 * thigh, 0.0), (1.17, 0.94 * calf, -0.006),
        (1.36, calf, -0.012), (1.65, 0.76 * calf, -0.008), (1.93, 0.60 * calf, 0.0),
    ]  # fmt: skip
    rings: list[tuple[float, float, float]] = []
    last = 0.0
    for t, radius, back in profile:
        if last < reach < t and lower.kind == 'shorts':
            rings.append((reach - 0.01, radius + 1.2 * lower.loose, back))
            rings.append((reach + 0.01, radius, back))
        cover = 0.0
        if t <= reach and not bare:
            cover = lower.loose * (0.3 if t == 0 else 1.0 + 0.75 * max(t - 1.2, 0.0))
        rings.append((t, radius + cover, back))
        last = t
    if outfit.shoes == 'boots':
        rings.append((1.97, 0.62 * calf + 0.006, 0.0))
    else:
        rings += [(1.96, 0.58 * calf, 0.0), (2.0, 0.56 * calf, 0.0)]
    outward = 0.004 * sign
    return Tube(
        f'{side} leg',
        tuple(
            Ring(_limb(names, t), PELVIS, (back, outward * (t == 0), 0.0), (r, r, r), t / 2)
            for t, r, back in rings
        ),
        (True, True),
        96,
    )


def _shoe(side: str, body: Body, outfit: Outfit) -> Tube:
    k = body.foot / 0.265
    names = (f'{side}_heel', f'{side}_toe', f'{side}_toe')
    high = 0.010 if outfit.shoes == 'boots' else 0.0
    frame = LEFT_FOOT if side == 'left' else RIGHT_FOOT
    profile = (
        (0.10, 0.034, 0.034 + high), (0.22, 0.037, 0.045 + high), (0.40, 0.038, 0.043 + high),
        (0.62, 0.045, 0.031), (0.82, 0.045, 0.024), (0.93, 0.036, 0.020),
    )  # fmt: skip
    rings = tuple(
        Ring(_limb(names, s), frame, (tall * k, 0.0, 0.0), (tall * k, wide * k, 0.025 * k), s)
        for s, wide, tall in profile
    )
    return Tube('shoe', rings, (True, True), 32)


def _bag(body: Body, outfit: Outfit) -> Tube:
    if outfit.bag == 'backpack':
        behind = -(body.chest_depth / 2 + outfit.upper.loose + 0.045)
        rings = tuple(
            _level(body, f, (deep, wide, 0.05), behind - deep + 0.04, at)
            for f, deep, wide, at in (
                (0.10, 0.07, 0.125, 0.0), (0.22, 0.095, 0.15, 0.2), (0.60, 0.09, 0.15, 0.65),
                (0.88, 0.07, 0.13, 0.9), (0.96, 0.05, 0.10, 1.0),
            )
        )  # fmt: skip
        return Tube('backpack', rings, (True, True), 48)
    if outfit.bag == 'shoulder bag':
        place = ((JOINT['left_hip'], 1.0),)
        away = body.hip_breadth / 2 - body.hip_spacing / 2 + 0.055
        offsets = ((-0.16, 0.0), (-0.10, 0.2), (0.05, 0.8), (0.11, 1.0))
        rings = tuple(
            Ring(place, PELVIS, (-0.02, away, up), (0.15, 0.05, 0.03), at) for up, at in offsets
        )
        return Tube('shoulder bag', rings, (True, True), 32)
    place = ((JOINT['left_wrist'], 0.5), (JOINT['left_hand'], 0.5))
    offsets = ((-0.34, 0.0), (-0.28, 0.2), (-0.12, 0.9), (-0.09, 1.0))
    rings = tuple(
        Ring(place, LEVEL, (0.0, 0.0, up), (0.145 - 0.03 * at, 0.055 - 0.03 * at, 0.02), at)
        for up, at in offsets
    )
    return Tube('handbag', rings, (True, True), 32)
