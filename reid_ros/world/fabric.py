"""What the surface of a clothed person looks like: one sheet of paint per tube."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reid_ros.types import AnyArray, FloatArray
from reid_ros.world import head
from reid_ros.world.body import Body
from reid_ros.world.cloth import (
    ANGLES,
    COLUMNS,
    FRONT,
    LEFT,
    around,
    bump,
    folds,
    mix,
    noise,
    plain,
    strip,
)
from reid_ros.world.outfit import Colour, Garment, Outfit
from reid_ros.world.shape import Tube
from reid_ros.world.tubes import trunk_span


def sheet(tube: Tube, body: Body, outfit: Outfit, rng: np.random.Generator) -> FloatArray:
    """(tube.rows, 128, 3) float32 BGR 0 to 255: paint of the tube, shading of folds included."""
    side, _, part = tube.name.rpartition(' ')
    paint = _PAINTS.get(tube.name) or _PAINTS[part]
    rows = (np.arange(tube.rows, dtype=np.float32) + 0.5) / tube.rows
    result = paint(rows[:, None], side, body, outfit, rng)
    return np.clip(result, 0, 255).astype(np.float32)


def _cloth(rows: AnyArray, garment: Garment, period: float, rng: np.random.Generator) -> AnyArray:
    """Woven or printed cloth; period: how many rings fit along the tube."""
    base = plain(rows, garment.bgr)
    wave = np.sin(2 * np.pi * period * rows)
    upright = np.sin(16 * ANGLES)[None, :]
    share = np.zeros((len(rows), COLUMNS), np.float32)
    if garment.pattern == 'rings':
        share = np.broadcast_to(wave > 0.1, share.shape).astype(np.float32)
    elif garment.pattern == 'stripes':
        share = np.broadcast_to(upright > 0.45, share.shape).astype(np.float32)
    elif garment.pattern == 'check':
        share = 0.5 * (wave > 0).astype(np.float32) + 0.5 * (upright > 0).astype(np.float32)
    return mix(base, garment.second, share[:, :, None])


def _trunk(
    rows: AnyArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    upper = outfit.upper
    low, high = trunk_span(body, outfit)
    level = low + rows * (high - low)  # heights of the trunk
    base = _cloth(level, upper, 7.0, rng)
    if upper.pattern == 'block':
        base = mix(base, upper.second, (level > 0.72).astype(np.float32)[:, :, None])
    if upper.pattern == 'logo':
        spot = np.abs(level - 0.74) < 0.5 * np.clip(0.14 + 0.03 * noise(1, 9, 1, rng), 0.05, 0.3)
        base = mix(base, upper.second, spot[:, :, None] * strip(90, 26))
    heavy = upper.kind in ('jacket', 'coat', 'hoodie')
    base *= folds(len(rows), 0.17 if heavy else 0.13, rng)
    front = (level > -0.9)[:, :, None].astype(np.float32)
    if outfit.is_open:
        gap = 10 + 12 * np.clip(1 - np.abs(level - 0.9), 0, 1)
        away = np.abs(np.rad2deg(ANGLES)[None, :] - 90)
        inside = (away < gap)[:, :, None].astype(np.float32)
        inner = plain(rows, outfit.inner)
        if low < -0.2:
            inner = mix(inner, outfit.lower.bgr, (level < 0.02).astype(np.float32)[:, :, None])
        inner *= 0.78
        base = mix(base, inner, inside)
        edge = np.exp(-0.5 * ((away - gap) / 3.5) ** 2)[:, :, None]
        base *= 1 - 0.45 * edge * front
    elif upper.kind in ('shirt', 'jacket', 'coat', 'hoodie'):
        base *= 1 - 0.4 * strip(90, 2.2) * front
        if upper.kind == 'shirt':
            dots = (np.sin(2 * np.pi * 9 * level) > 0.8)[:, :, None]
            base = mix(base, (220, 220, 220), 0.6 * dots * strip(90, 2.2))
    if upper.kind in ('jacket', 'coat', 'hoodie'):
        pocket = bump(level, 0.08, 0.012) * (strip(90 - 40, 13) + strip(90 + 40, 13))
        base *= 1 - 0.4 * pocket
    if upper.kind == 'dress':
        base *= 1 - 0.3 * bump(level, 0.36, 0.02)
    base = _collar(base, level, outfit)
    return _shade_trunk(_straps(base, level, outfit), level, outfit, low)


def _collar(base: AnyArray, level: AnyArray, outfit: Outfit) -> AnyArray:
    kind = outfit.upper.kind
    depth = 1.05 if kind in ('t-shirt', 'jumper') else 0.98
    neckline = depth - 0.10 * (1 - around(0, 1, 6)[:, :, 0]) * -1
    skin = (level[:, :, None] > neckline[:, :, None] + 0.02).astype(np.float32)
    if kind in ('t-shirt', 'dress'):
        base = mix(base, outfit.skin, skin * strip(90, 75))
    elif kind in ('shirt', 'jacket', 'coat'):
        wedge = (np.abs(np.rad2deg(ANGLES)[None, :] - 90) < 260 * (level - 0.93)).astype(
            np.float32
        )
        base = mix(base, outfit.skin if kind == 'shirt' else outfit.inner, wedge[:, :, None])
    rim = bump(level, 1.07, 0.008)
    return base * (1 - 0.3 * rim)


def _straps(base: AnyArray, level: AnyArray, outfit: Outfit) -> AnyArray:
    dark = tuple(int(0.8 * v) for v in outfit.bag_bgr)
    strap: Colour = (dark[0], dark[1], dark[2])
    if outfit.bag == 'backpack':
        both = strip(90 - 38, 7) + strip(90 + 38, 7)
        base = mix(base, strap, both * ((level > 0.35) & (level < 1.08))[:, :, None])
    if outfit.bag == 'shoulder bag':
        # From the right shoulder to the left hip, in front and behind.
        for middle, sign in ((90.0, 1.0), (270.0, -1.0)):
            centre = middle + sign * (62 - 118 * (level + 0.02)) * -1
            away = np.abs(np.rad2deg(ANGLES)[None, :] - (2 * middle - centre))
            base = mix(base, strap, ((away < 6) & (level > -0.05) & (level < 1.08))[:, :, None])
    return base


def _shade_trunk(base: AnyArray, level: AnyArray, outfit: Outfit, low: float) -> AnyArray:
    """Darker where the arms hang, under the chin, at the hem's edge and between the blades."""
    beside = (np.abs(LEFT) ** 5)[None, :, None].astype(np.float32)
    arms = (
        np.clip((0.95 - level) * 3, 0, 1)[:, :, None]
        * np.clip((level + 0.4) * 4, 0, 1)[:, :, None]
    )
    base = base * (1 - 0.42 * beside * arms)
    base = base * (1 - 0.3 * bump(level, 1.12, 0.03))
    edge = bump(level, low, 0.016)
    base = base * (1 - 0.3 * edge)
    spine = around(0, -1, 30) * ((level > 0.1) & (level < 0.9))[:, :, None]
    return base * (1 - 0.12 * spine)


def _seat(
    rows: AnyArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    lower = outfit.lower
    base = plain(rows, lower.bgr) * folds(len(rows), 0.12, rng)
    belt = ((rows > 0.88) & (rows < 0.99))[:, :, None].astype(np.float32)
    if lower.kind in ('trousers', 'jeans'):
        base = mix(base, (30, 32, 36), 0.8 * belt)
    pockets = bump(rows, 0.6, 0.03) * (strip(270 - 32, 16) + strip(270 + 32, 16))
    base *= 1 - 0.35 * pockets
    crotch = (around(0, 1, 60) + around(0, -1, 60)) * np.clip(1 - 2 * rows, 0, 1)[:, :, None]
    # In the shadow of what hangs over it.
    hem = np.clip((rows - 0.25) * 2, 0, 1)[:, :, None]
    result: AnyArray = base * (1 - 0.5 * crotch) * (1 - 0.2 * hem)
    return result


def _skirt(
    rows: AnyArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    base = plain(rows, outfit.lower.bgr) * folds(len(rows), 0.1, rng)
    pleats = np.sin(11 * ANGLES + 2 * noise(1, 5, 1, rng)[0])[None, :, None]
    result: AnyArray = base * (1 + 0.12 * pleats * np.clip(1 - rows, 0, 1)[:, :, None])
    return result


def _arm(
    rows: AnyArray, side: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    upper = outfit.upper
    t = 2 * rows
    base = _cloth(1.0 - t * (body.upper_arm / body.trunk), upper, 7.0, rng)
    if upper.pattern == 'block' and upper.kind != 'dress':
        base = mix(base, upper.second, (t < 0.42).astype(np.float32)[:, :, None])
    base *= folds(len(rows), 0.19, rng)
    base *= 1 - 0.22 * bump(t, 1.0, 0.05) * around(0, 1, 1)  # the crook of the elbow
    seam = bump(t, upper.limb - 0.03, 0.02)
    base *= 1 - 0.3 * seam
    bare = (t > upper.limb).astype(np.float32)[:, :, None]
    base = mix(base, _skin(rows, outfit), bare)
    base *= 1 - 0.4 * bare * np.exp(-(np.maximum(t - upper.limb, 0)) / 0.08)[:, :, None]
    inner = around(-1 if side == 'left' else 1, 0, 2)
    return base * (1 - 0.3 * inner)


def _skin(rows: AnyArray, outfit: Outfit) -> AnyArray:
    return plain(rows, outfit.skin)


def _hand(
    rows: AnyArray, side: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    base = plain(rows, (34, 32, 32) if outfit.gloves else outfit.skin)
    fingers = np.where(rows > 0.5, 0.14 * np.sin(12 * ANGLES)[None, :], 0)[:, :, None]
    return base * (0.93 + fingers) * (1 - 0.15 * rows[:, :, None])


def _leg(
    rows: AnyArray, side: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    lower = outfit.lower
    t = 2 * rows
    base = plain(rows, lower.bgr)
    tight = lower.kind == 'leggings'
    base *= folds(len(rows), 0.05 if tight else 0.15, rng)
    if not tight:
        # Cloth bunches behind the knee and on the shoe.
        ripple = noise(len(rows), 5, 26, rng)[:, :, None]
        base *= 1 + 0.13 * ripple * (bump(t, 1.02, 0.12) + bump(t, 1.85, 0.13))
    if lower.kind == 'jeans':
        worn = around(0, 1, 3) * bump(t, 0.5, 0.32) + 0.5 * around(0, -1, 3) * bump(t, 0.3, 0.3)
        base *= 1 + 0.35 * worn
    if lower.kind in ('trousers', 'jeans'):
        base *= 1 - 0.25 * (strip(0, 2.5) + strip(180, 2.5))
    if lower.kind == 'trousers':
        base *= 1 + 0.1 * strip(90, 4)
    reach = {'shorts': lower.limb, 'skirt': 0.0}.get(lower.kind, 2.1)
    bare = (t > reach).astype(np.float32)[:, :, None]
    shin = _skin(rows, outfit)
    if outfit.shoes == 'boots':
        shin = mix(shin, outfit.shoe_bgr, (t > 1.55).astype(np.float32)[:, :, None])
    elif reach > 1.9 or outfit.grain % 2:
        sock = (220, 220, 220) if outfit.grain % 5 == 0 else (40, 38, 38)
        shin = mix(shin, sock, (t > 1.82).astype(np.float32)[:, :, None])
    base = mix(base, shin, bare)
    base *= 1 - 0.25 * bump(t, reach - 0.02, 0.02)
    base *= 1 - 0.45 * bare * np.exp(-np.maximum(t - reach, 0) / 0.1)[:, :, None]
    inner = (
        around(-1 if side == 'left' else 1, 0, 1.5) * np.clip(1.25 - 0.75 * t, 0.2, 1)[:, :, None]
    )
    top = np.clip(1 - 2.5 * t, 0, 1)[:, :, None]
    return base * (1 - 0.45 * inner) * (1 - 0.15 * top)


def _shoe(
    rows: AnyArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    base = plain(rows, outfit.shoe_bgr)
    if outfit.shoes == 'trainers':
        laces = ((rows > 0.35) & (rows < 0.65))[:, :, None] * strip(90, 22)
        base = mix(base, (210, 210, 210), 0.6 * laces * (np.sin(60 * rows) > 0)[:, :, None])
        flash = bump(rows, 0.45, 0.08) * (strip(25, 10) + strip(155, 10))
        base = mix(base, (215, 215, 215) if sum(outfit.shoe_bgr) < 380 else (60, 60, 60), flash)
    sole = (np.clip(-FRONT, 0, 1) > 0.35)[None, :, None]
    light = outfit.shoes == 'trainers' and outfit.grain % 3 != 0
    base = mix(base, (205, 208, 210) if light else (28, 28, 30), np.broadcast_to(sole, base.shape))
    shine = 0.25 * bump(rows, 0.8, 0.07) * around(0, 1, 3) * (outfit.shoes == 'leather')
    return base * (1 + shine) + 60 * shine


def _scarf(
    rows: AnyArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    return plain(rows, outfit.scarf or outfit.inner) * folds(len(rows), 0.25, rng)


def _bag(rows: AnyArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator) -> AnyArray:
    base = plain(rows, outfit.bag_bgr) * folds(len(rows), 0.08, rng)
    back = around(0, -1, 0.5)
    base *= 1 - 0.4 * (bump(rows, 0.45, 0.015) + bump(rows, 0.8, 0.015)) * back
    pocket = ((rows > 0.1) & (rows < 0.45))[:, :, None] * strip(270, 38)
    result: AnyArray = base * (1 + 0.15 * pocket)
    return result


_Paint = Callable[[AnyArray, str, Body, Outfit, np.random.Generator], AnyArray]
_PAINTS: dict[str, _Paint] = {
    'trunk': _trunk, 'seat': _seat, 'skirt': _skirt, 'arm': _arm, 'hand': _hand, 'leg': _leg,
    'shoe': _shoe, 'hair': head.paint_hair, 'head': head.paint_head, 'neck': head.paint_neck,
    'nose': head.paint_nose, 'hat': head.paint_hat,
    'scarf': _scarf, 'backpack': _bag, 'bag': _bag, 'handbag': _bag,
}  # fmt: skip
