"""The shape of a clothed person: tubes around the joints, each a chain of ellipsoids."""

from __future__ import annotations

from reid_ros.world import head
from reid_ros.world.body import Body
from reid_ros.world.outfit import Outfit
from reid_ros.world.shape import (
    CHEST,
    HEAD,
    JOINT,
    LEFT_FOOT,
    LEVEL,
    PELVIS,
    RIGHT_FOOT,
    SIDES,
    WAIST,
    Joints,
    Ring,
    Sizes,
    Tube,
)


def tubes(body: Body, outfit: Outfit) -> list[Tube]:
    """Everything that is drawn of this person, naked parts first."""
    result = [_neck(body), *head.tubes(body, outfit)]
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


def _limb(names: tuple[str, str, str], t: float) -> Joints:
    """The point at t of a limb: 0 = its first joint, 1 = its second, 2 = its last."""
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
        return -leg / body.trunk, 1.13
    return -outfit.hem * body.thigh / body.trunk - 0.04, 1.13


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
        (0.985, 0.46 * b.shoulder_breadth + 0.3 * d, 0.072 + 0.5 * d, -0.008),
        (1.035, 0.39 * b.shoulder_breadth + 0.3 * d, 0.068 + 0.4 * d, -0.009),
        (1.075, 0.25 * b.shoulder_breadth + 0.3 * d, 0.064 + 0.4 * d, -0.010),
        (1.125, b.neck_radius + 0.013, b.neck_radius + 0.013, -0.004),
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
    return Tube('seat', rings, (True, False), 32, behind=_behind(outfit))


def _arm(side: str, sign: float, body: Body, outfit: Outfit) -> Tube:
    upper, fore, loose = body.upper_arm_radius, body.forearm_radius, outfit.upper.loose
    sleeve = outfit.upper.limb
    names = (f'{side}_shoulder', f'{side}_elbow', f'{side}_wrist')
    profile = [
        (0.0, 0.98 * upper), (0.14, 1.04 * upper), (0.4, 1.0 * upper), (0.75, 0.90 * upper),
        (1.0, 0.86 * upper), (1.22, 1.0 * fore), (1.55, 0.84 * fore), (1.97, 0.60 * fore),
    ]  # fmt: skip
    rings = []
    last = 0.0
    for t, radius in profile:
        if last < sleeve < t:
            for edge, extra in ((sleeve - 0.01, 1.25 * loose), (sleeve + 0.01, 0.0)):
                rings.append((edge, radius + extra))
        cover = loose * (0.5 if t == 0 else 0.75 if t > 1.9 else 1.0) if t <= sleeve else 0.0
        rings.append((t, radius + cover))
        last = t
    # The shoulder's top is flat, and lies under the trunk's.
    inward = (-0.004, -0.010 * sign, -0.010)
    return Tube(
        f'{side} arm',
        tuple(
            Ring(_limb(names, t), CHEST, inward, (r, r, 0.45 * r), 0.0)
            if t == 0
            else Ring(_limb(names, t), CHEST, (0.0, 0.0, 0.0), (r, r, r), t / 2)
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


def _behind(outfit: Outfit) -> float:
    return 0.14 if outfit.hem >= 0.35 or outfit.lower.kind == 'skirt' else 0.08


def _leg(side: str, sign: float, body: Body, outfit: Outfit) -> Tube:
    thigh, calf, lower = body.thigh_radius, body.calf_radius, outfit.lower
    names = (f'{side}_hip', f'{side}_knee', f'{side}_ankle')
    reach = {'shorts': lower.limb, 'skirt': 0.0}.get(lower.kind, 2.0)
    boots = outfit.shoes == 'boots'
    tight = lower.kind == 'leggings' or (boots and lower.kind == 'jeans')
    # Thickness of the leg, how far back its axis lies, and thickness that the cloth keeps.
    cuff = 0.046 + 1.1 * lower.loose
    profile = [
        (0.0, 0.95 * thigh, -0.006, 0.0), (0.15, 0.98 * thigh, -0.004, 0.0),
        (0.45, 0.87 * thigh, 0.0, 0.0), (0.75, 0.74 * thigh, 0.0, 0.0),
        (1.0, 0.65 * thigh, 0.0, cuff + 0.004), (1.17, 0.94 * calf, -0.006, cuff + 0.002),
        (1.36, calf, -0.012, cuff), (1.65, 0.76 * calf, -0.010, cuff),
        (1.9, 0.60 * calf, -0.006, cuff), (2.0, 0.56 * calf, -0.006, cuff + 0.004),
    ]  # fmt: skip
    rings: list[tuple[float, float, float]] = []
    last = 0.0
    for t, radius, back, cloth in profile:
        if last < reach < t:
            rings.append((reach - 0.01, radius + 1.2 * lower.loose, back))
            rings.append((reach + 0.01, radius, back))
        covered = radius + (0.3 if t == 0 else 1.0) * lower.loose
        if not tight and reach == 2.0:
            covered = max(covered, cloth)
        if boots and t > 1.5:
            covered = max(covered if reach == 2.0 else 0.0, 0.64 * calf + 0.008)
        rings.append((t, covered if t <= reach or (boots and t > 1.5) else radius, back))
        last = t
    low = 0.028 if reach == 2.0 and not tight else 0.0
    return Tube(
        f'{side} leg',
        tuple(
            Ring(
                _limb(names, t),
                PELVIS,
                (back, 0.004 * sign * (t == 0), -low * (t == 2.0)),
                (r, r, r if t < 2 else 0.3 * r),
                t / 2,
            )
            for t, r, back in rings
        ),
        (True, True),
        96,
        behind=_behind(outfit),
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
        behind = 0.025 - body.chest_depth / 2 - outfit.upper.loose
        rings = tuple(
            _level(body, f, (deep, wide, 0.05), behind - deep, at)
            for f, deep, wide, at in (
                (0.10, 0.07, 0.125, 0.0), (0.22, 0.095, 0.15, 0.2), (0.60, 0.09, 0.15, 0.65),
                (0.88, 0.07, 0.13, 0.9), (0.96, 0.05, 0.10, 1.0),
            )
        )  # fmt: skip
        return Tube('backpack', rings, (True, True), 48)
    if outfit.bag == 'shoulder bag':
        hip: Joints = ((JOINT['left_hip'], 1.0),)
        away = body.hip_breadth / 2 - body.hip_spacing / 2 + 0.055
        offsets = ((-0.16, 0.0), (-0.10, 0.2), (0.05, 0.8), (0.11, 1.0))
        rings = tuple(
            Ring(hip, PELVIS, (-0.02, away, up), (0.15, 0.05, 0.03), at) for up, at in offsets
        )
        return Tube('shoulder bag', rings, (True, True), 32)
    place: Joints = ((JOINT['left_wrist'], 0.5), (JOINT['left_hand'], 0.5))
    offsets = ((-0.34, 0.0), (-0.28, 0.2), (-0.12, 0.9), (-0.09, 1.0))
    rings = tuple(
        Ring(place, LEVEL, (0.0, 0.0, up), (0.145 - 0.03 * at, 0.055 - 0.03 * at, 0.02), at)
        for up, at in offsets
    )
    return Tube('handbag', rings, (True, True), 32)


def _neck(body: Body) -> Tube:
    r = body.neck_radius
    skull = ((JOINT['head'], 1.0),)
    down = -0.30 * body.head_height
    rings = (
        _level(body, 0.99, (1.25 * r, 1.35 * r, 0.04), -0.004, 0.0),
        _level(body, 1.10, (1.02 * r, 1.02 * r, 0.04), 0.0, 0.4),
        Ring(skull, HEAD, (-0.022, 0.0, down), (0.98 * r, 0.94 * r, 0.03), 1.0),
    )
    return Tube('neck', rings, (False, True), 16)


def _level(body: Body, f: float, size: Sizes, forward: float = 0.0, at: float = 0.0) -> Ring:
    """A ring at f of the trunk's height: 0 = hip joints, 1 = shoulder joints."""
    g = min(max(f, 0.0), 1.0)
    joints: Joints = (
        (JOINT['left_hip'], 0.5 * (1 - g)),
        (JOINT['right_hip'], 0.5 * (1 - g)),
        (JOINT['left_shoulder'], 0.5 * g),
        (JOINT['right_shoulder'], 0.5 * g),
    )
    frame = PELVIS if f < 0.25 else WAIST if f < 0.6 else CHEST
    return Ring(joints, frame, (forward, 0.0, (f - g) * body.trunk), size, at)
