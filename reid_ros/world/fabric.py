"""What the surface of a clothed person looks like: one sheet of paint per tube.

A sheet has one row per step along the tube and 128 columns around it: column 0 looks to the
person's left, 32 to the front, 64 to the right, 96 to the back.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from reid_ros.types import FloatArray
from reid_ros.world.body import Body
from reid_ros.world.outfit import Colour, Garment, Outfit
from reid_ros.world.tubes import FACE, Tube, trunk_span

COLUMNS = 128
_ANGLES = (np.arange(COLUMNS, dtype=np.float32) + 0.5) * np.float32(2 * np.pi / COLUMNS)
_LEFT, _FRONT = np.cos(_ANGLES), np.sin(_ANGLES)


def sheet(tube: Tube, body: Body, outfit: Outfit, rng: np.random.Generator) -> FloatArray:
    """(tube.rows, 128, 3) float32 BGR 0 to 255: paint of the tube, shading of folds included."""
    side, _, part = tube.name.rpartition(' ')
    paint = _PAINTS.get(tube.name) or _PAINTS[part]
    rows = (np.arange(tube.rows, dtype=np.float32) + 0.5) / tube.rows
    result = paint(rows[:, None], side, body, outfit, rng)
    return np.clip(result, 0, 255).astype(np.float32)


def _plain(rows: FloatArray, bgr: Colour) -> FloatArray:
    return np.tile(np.asarray(bgr, np.float32), (len(rows), COLUMNS, 1))


def _noise(rows: int, across: int, along: int, rng: np.random.Generator) -> FloatArray:
    """(rows, 128) smooth, mean about 0, deviation about 1, periodic around the tube."""
    grid = rng.standard_normal((along, across)).astype(np.float32)
    grid = np.concatenate([grid[:, -2:], grid, grid[:, :2]], axis=1)
    step = COLUMNS / across
    wide = cv2.resize(grid, (round(step * (across + 4)), rows), interpolation=cv2.INTER_CUBIC)
    start = round(2 * step)
    result: FloatArray = 1.4 * wide[:, start : start + COLUMNS]
    return result


def _folds(rows: int, strength: float, rng: np.random.Generator) -> FloatArray:
    """(rows, 128, 1) factor: creases that run across the tube, and slow unevenness."""
    slow = _noise(rows, 6, max(rows // 20, 3), rng)
    lean = _noise(rows, 10, max(rows // 7, 4), rng)
    # Each column is shifted along the tube, so that creases run aslant and not in rings.
    shift = np.rint(rows * 0.10 * _noise(1, 4, 1, rng)[0]).astype(np.int64)
    index = (np.arange(rows)[:, None] + shift[None, :]) % rows
    crease = np.take_along_axis(lean, index, axis=0)
    crease = np.where(crease > 0, 0.6 * crease, crease)
    result: FloatArray = 1 + strength * (0.5 * slow + 0.6 * np.clip(crease, -1.8, 1.5))
    return result[:, :, None]


def _around(left: float, front: float, power: float) -> FloatArray:
    """(1, 128, 1) 0 to 1: how much a column looks to that side."""
    facing = np.clip(left * _LEFT + front * _FRONT, 0, 1) ** power
    return facing[None, :, None].astype(np.float32)


def _bump(rows: FloatArray, at: float, width: float) -> FloatArray:
    """(n, 1, 1) 1 at that height, fading over width."""
    return np.exp(-0.5 * ((rows - at) / width) ** 2).astype(np.float32)[:, :, None]


def _strip(centre_deg: float, half_deg: float) -> FloatArray:
    """(1, 128, 1) 1 in a strip along the tube around that angle, 0 elsewhere."""
    away = np.angle(np.exp(1j * (_ANGLES - np.deg2rad(centre_deg))))
    return (np.abs(away) < np.deg2rad(half_deg)).astype(np.float32)[None, :, None]


def _mix(base: FloatArray, colour: Colour | FloatArray, share: FloatArray) -> FloatArray:
    result: FloatArray = base + (np.asarray(colour, np.float32) - base) * share
    return result


def _cloth(
    rows: FloatArray, garment: Garment, period: float, rng: np.random.Generator
) -> FloatArray:
    """Woven or printed cloth; period: how many rings fit along the tube."""
    base = _plain(rows, garment.bgr)
    wave = np.sin(2 * np.pi * period * rows)
    upright = np.sin(16 * _ANGLES)[None, :]
    share = np.zeros((len(rows), COLUMNS), np.float32)
    if garment.pattern == 'rings':
        share = np.broadcast_to(wave > 0.1, share.shape).astype(np.float32)
    elif garment.pattern == 'stripes':
        share = np.broadcast_to(upright > 0.45, share.shape).astype(np.float32)
    elif garment.pattern == 'check':
        share = 0.5 * (wave > 0).astype(np.float32) + 0.5 * (upright > 0).astype(np.float32)
    return _mix(base, garment.second, share[:, :, None])


def _trunk(
    rows: FloatArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    upper = outfit.upper
    low, high = trunk_span(body, outfit)
    level = low + rows * (high - low)  # heights of the trunk
    base = _cloth(level, upper, 7.0, rng)
    if upper.pattern == 'block':
        base = _mix(base, upper.second, (level > 0.72).astype(np.float32)[:, :, None])
    if upper.pattern == 'logo':
        spot = np.abs(level - 0.74) < 0.5 * np.clip(0.14 + 0.03 * _noise(1, 9, 1, rng), 0.05, 0.3)
        base = _mix(base, upper.second, spot[:, :, None] * _strip(90, 26))
    heavy = upper.kind in ('jacket', 'coat', 'hoodie')
    base *= _folds(len(rows), 0.17 if heavy else 0.13, rng)
    front = (level > -0.9)[:, :, None].astype(np.float32)
    if outfit.is_open:
        gap = 10 + 12 * np.clip(1 - np.abs(level - 0.9), 0, 1)
        away = np.abs(np.rad2deg(_ANGLES)[None, :] - 90)
        inside = (away < gap)[:, :, None].astype(np.float32)
        inner = _plain(rows, outfit.inner)
        if low < -0.2:
            inner = _mix(inner, outfit.lower.bgr, (level < 0.02).astype(np.float32)[:, :, None])
        inner *= 0.78
        base = _mix(base, inner, inside)
        edge = np.exp(-0.5 * ((away - gap) / 3.5) ** 2)[:, :, None]
        base *= 1 - 0.45 * edge * front
    elif upper.kind in ('shirt', 'jacket', 'coat', 'hoodie'):
        base *= 1 - 0.4 * _strip(90, 2.2) * front
        if upper.kind == 'shirt':
            dots = (np.sin(2 * np.pi * 9 * level) > 0.8)[:, :, None]
            base = _mix(base, (220, 220, 220), 0.6 * dots * _strip(90, 2.2))
    if upper.kind in ('jacket', 'coat', 'hoodie'):
        pocket = _bump(level, 0.08, 0.012) * (_strip(90 - 40, 13) + _strip(90 + 40, 13))
        base *= 1 - 0.4 * pocket
    if upper.kind == 'dress':
        base *= 1 - 0.3 * _bump(level, 0.36, 0.02)
    base = _collar(base, level, outfit)
    return _shade_trunk(_straps(base, level, outfit), level, outfit, low)


def _collar(base: FloatArray, level: FloatArray, outfit: Outfit) -> FloatArray:
    kind = outfit.upper.kind
    depth = 1.05 if kind in ('t-shirt', 'jumper') else 0.98
    neckline = depth - 0.10 * (1 - _around(0, 1, 6)[:, :, 0]) * -1
    skin = (level[:, :, None] > neckline[:, :, None] + 0.02).astype(np.float32)
    if kind in ('t-shirt', 'dress'):
        base = _mix(base, outfit.skin, skin * _strip(90, 75))
    elif kind in ('shirt', 'jacket', 'coat'):
        wedge = (np.abs(np.rad2deg(_ANGLES)[None, :] - 90) < 260 * (level - 0.93)).astype(
            np.float32
        )
        base = _mix(base, outfit.skin if kind == 'shirt' else outfit.inner, wedge[:, :, None])
    rim = _bump(level, 1.07, 0.008)
    return base * (1 - 0.3 * rim)


def _straps(base: FloatArray, level: FloatArray, outfit: Outfit) -> FloatArray:
    dark = tuple(int(0.8 * v) for v in outfit.bag_bgr)
    strap: Colour = (dark[0], dark[1], dark[2])
    if outfit.bag == 'backpack':
        both = _strip(90 - 38, 7) + _strip(90 + 38, 7)
        base = _mix(base, strap, both * ((level > 0.35) & (level < 1.08))[:, :, None])
    if outfit.bag == 'shoulder bag':
        # From the right shoulder to the left hip, in front and behind.
        for middle, sign in ((90.0, 1.0), (270.0, -1.0)):
            centre = middle + sign * (62 - 118 * (level + 0.02)) * -1
            away = np.abs(np.rad2deg(_ANGLES)[None, :] - (2 * middle - centre))
            base = _mix(base, strap, ((away < 6) & (level > -0.05) & (level < 1.08))[:, :, None])
    return base


def _shade_trunk(base: FloatArray, level: FloatArray, outfit: Outfit, low: float) -> FloatArray:
    """Darker where the arms hang, under the chin, at the hem's edge and between the blades."""
    beside = (np.abs(_LEFT) ** 5)[None, :, None].astype(np.float32)
    arms = (
        np.clip((0.95 - level) * 3, 0, 1)[:, :, None]
        * np.clip((level + 0.4) * 4, 0, 1)[:, :, None]
    )
    base = base * (1 - 0.42 * beside * arms)
    base = base * (1 - 0.3 * _bump(level, 1.12, 0.03))
    edge = _bump(level, low, 0.016)
    base = base * (1 - 0.3 * edge)
    spine = _around(0, -1, 30) * ((level > 0.1) & (level < 0.9))[:, :, None]
    return base * (1 - 0.12 * spine)


def _seat(
    rows: FloatArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    lower = outfit.lower
    base = _plain(rows, lower.bgr) * _folds(len(rows), 0.12, rng)
    belt = ((rows > 0.88) & (rows < 0.99))[:, :, None].astype(np.float32)
    if lower.kind in ('trousers', 'jeans'):
        base = _mix(base, (30, 32, 36), 0.8 * belt)
    pockets = _bump(rows, 0.6, 0.03) * (_strip(270 - 32, 16) + _strip(270 + 32, 16))
    base *= 1 - 0.35 * pockets
    crotch = (_around(0, 1, 60) + _around(0, -1, 60)) * np.clip(1 - 2 * rows, 0, 1)[:, :, None]
    # In the shadow of what hangs over it.
    hem = np.clip((rows - 0.25) * 2, 0, 1)[:, :, None]
    return base * (1 - 0.5 * crotch) * (1 - 0.2 * hem)


def _skirt(
    rows: FloatArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    base = _plain(rows, outfit.lower.bgr) * _folds(len(rows), 0.1, rng)
    pleats = np.sin(11 * _ANGLES + 2 * _noise(1, 5, 1, rng)[0])[None, :, None]
    return base * (1 + 0.12 * pleats * np.clip(1 - rows, 0, 1)[:, :, None])


def _arm(
    rows: FloatArray, side: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    upper = outfit.upper
    t = 2 * rows
    base = _cloth(1.0 - t * (body.upper_arm / body.trunk), upper, 7.0, rng)
    if upper.pattern == 'block' and upper.kind != 'dress':
        base = _mix(base, upper.second, (t < 0.42).astype(np.float32)[:, :, None])
    base *= _folds(len(rows), 0.19, rng)
    base *= 1 - 0.22 * _bump(t, 1.0, 0.05) * _around(0, 1, 1)  # the crook of the elbow
    seam = _bump(t, upper.limb - 0.03, 0.02)
    base *= 1 - 0.3 * seam
    bare = (t > upper.limb).astype(np.float32)[:, :, None]
    base = _mix(base, _skin(rows, outfit), bare)
    base *= 1 - 0.4 * bare * np.exp(-(np.maximum(t - upper.limb, 0)) / 0.08)[:, :, None]
    inner = _around(-1 if side == 'left' else 1, 0, 2)
    return base * (1 - 0.3 * inner)


def _skin(rows: FloatArray, outfit: Outfit) -> FloatArray:
    return _plain(rows, outfit.skin)


def _hand(
    rows: FloatArray, side: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    base = _plain(rows, (34, 32, 32) if outfit.gloves else outfit.skin)
    fingers = np.where(rows > 0.5, 0.14 * np.sin(12 * _ANGLES)[None, :], 0)[:, :, None]
    return base * (0.93 + fingers) * (1 - 0.15 * rows[:, :, None])


def _leg(
    rows: FloatArray, side: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    lower = outfit.lower
    t = 2 * rows
    base = _plain(rows, lower.bgr)
    tight = lower.kind == 'leggings'
    base *= _folds(len(rows), 0.05 if tight else 0.15, rng)
    if not tight:
        # Cloth bunches behind the knee and on the shoe.
        ripple = _noise(len(rows), 5, 26, rng)[:, :, None]
        base *= 1 + 0.13 * ripple * (_bump(t, 1.02, 0.12) + _bump(t, 1.85, 0.13))
    if lower.kind == 'jeans':
        worn = _around(0, 1, 3) * _bump(t, 0.5, 0.32) + 0.5 * _around(0, -1, 3) * _bump(
            t, 0.3, 0.3
        )
        base *= 1 + 0.35 * worn
    if lower.kind in ('trousers', 'jeans'):
        base *= 1 - 0.25 * (_strip(0, 2.5) + _strip(180, 2.5))
    if lower.kind == 'trousers':
        base *= 1 + 0.1 * _strip(90, 4)
    reach = {'shorts': lower.limb, 'skirt': 0.0}.get(lower.kind, 1.95)
    bare = (t > reach).astype(np.float32)[:, :, None]
    shin = _skin(rows, outfit)
    if outfit.shoes == 'boots':
        shin = _mix(shin, outfit.shoe_bgr, (t > 1.55).astype(np.float32)[:, :, None])
    elif reach > 1.9 or outfit.grain % 2:
        sock = (220, 220, 220) if outfit.grain % 5 == 0 else (40, 38, 38)
        shin = _mix(shin, sock, (t > 1.82).astype(np.float32)[:, :, None])
    base = _mix(base, shin, bare)
    base *= 1 - 0.25 * _bump(t, reach - 0.02, 0.02)
    base *= 1 - 0.45 * bare * np.exp(-np.maximum(t - reach, 0) / 0.1)[:, :, None]
    inner = (
        _around(-1 if side == 'left' else 1, 0, 1.5) * np.clip(1.25 - 0.75 * t, 0.2, 1)[:, :, None]
    )
    top = np.clip(1 - 2.5 * t, 0, 1)[:, :, None]
    return base * (1 - 0.45 * inner) * (1 - 0.15 * top)


def _shoe(
    rows: FloatArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    base = _plain(rows, outfit.shoe_bgr)
    if outfit.shoes == 'trainers':
        laces = ((rows > 0.35) & (rows < 0.65))[:, :, None] * _strip(90, 22)
        base = _mix(base, (210, 210, 210), 0.6 * laces * (np.sin(60 * rows) > 0)[:, :, None])
        flash = _bump(rows, 0.45, 0.08) * (_strip(25, 10) + _strip(155, 10))
        base = _mix(base, (215, 215, 215) if sum(outfit.shoe_bgr) < 380 else (60, 60, 60), flash)
    sole = (np.clip(-_FRONT, 0, 1) > 0.35)[None, :, None]
    light = outfit.shoes == 'trainers' and outfit.grain % 3 != 0
    base = _mix(
        base, (205, 208, 210) if light else (28, 28, 30), np.broadcast_to(sole, base.shape)
    )
    shine = 0.25 * _bump(rows, 0.8, 0.07) * _around(0, 1, 3) * (outfit.shoes == 'leather')
    return base * (1 + shine) + 60 * shine


def _hair(
    rows: FloatArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    strands = _noise(len(rows), 40, 3, rng)[:, :, None]
    if outfit.hair_style == 'curly':
        strands = 1.4 * _noise(len(rows), 22, max(len(rows) // 3, 3), rng)[:, :, None]
    gloss = 0.3 * _bump(rows, 0.8, 0.08)
    return _plain(rows, outfit.hair) * (0.92 + 0.16 * strands + gloss)


def _head(
    rows: FloatArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    low, high = FACE[0][0], FACE[-1][0]
    u = low + rows * (high - low)
    base = _skin(rows, outfit)
    skin = np.asarray(outfit.skin, np.float32)
    flush = _bump(u, -0.12, 0.08) * (_strip(90 - 42, 16) + _strip(90 + 42, 16))
    base = _mix(base, skin * (0.9, 0.9, 1.04), 0.5 * flush)
    base *= 1 - 0.22 * _bump(u, 0.06, 0.05) * (_strip(90 - 24, 13) + _strip(90 + 24, 13))
    hair = np.asarray(outfit.hair, np.float32)
    for side in (-1, 1):
        eye = 90 + side * 23
        base = _mix(base, (205, 208, 210), _bump(u, 0.035, 0.016) * _strip(eye, 8))
        base = _mix(base, (30, 30, 36), _bump(u, 0.037, 0.02) * _strip(eye, 3.6))
        base = _mix(base, 0.8 * hair, 0.75 * _bump(u, 0.11, 0.014) * _strip(eye, 12))
        ear = 90 + side * 96
        base = _mix(base, skin * 0.78, 0.8 * _bump(u, 0.0, 0.07) * _strip(ear, 8))
    base = _mix(base, skin * (0.62, 0.6, 0.8), 0.8 * _bump(u, -0.255, 0.018) * _strip(90, 17))
    base *= 1 - 0.25 * _bump(u, -0.155, 0.018) * _strip(90, 11)
    if outfit.hair_style in ('short', 'bald', 'curly') and outfit.grain % 4 == 0:
        jaw = np.clip((-0.14 - u) * 8, 0, 1)[:, :, None] * _strip(90, 82)
        base = _mix(base, hair, 0.6 * jaw)
    if outfit.glasses:
        for side in (-1, 1):
            ring = _bump(u, 0.04, 0.05) * _strip(90 + side * 24, 17)
            base = _mix(base, (30, 30, 30), 0.55 * ring)
        base = _mix(base, (25, 25, 25), _bump(u, 0.06, 0.012) * _strip(90, 88))
    if outfit.hair_style != 'bald':
        line = 0.30 - 0.62 * np.clip(
            np.abs(np.angle(np.exp(1j * (_ANGLES - np.pi / 2)))) - 0.9, 0, 1
        )
        covered = np.clip((u - line[None, :]) * 25, 0, 1)[:, :, None]
        base = _mix(base, hair * 0.9, covered.astype(np.float32))
    return base * (1 - 0.3 * np.clip(-0.3 - u, 0, 0.2)[:, :, None] * 4)


def _neck(
    rows: FloatArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    base = _skin(rows, outfit)
    if outfit.upper.kind in ('hoodie', 'coat'):
        collar = (rows < 0.3).astype(np.float32)[:, :, None] * (1 - _strip(90, 30))
        base = _mix(base, outfit.upper.bgr, collar)
    nape = np.clip((rows - 0.55) * 4, 0, 1)[:, :, None] * _strip(270, 75)
    if outfit.hair_style != 'bald':
        base = _mix(base, outfit.hair, nape)
    return base * (0.82 - 0.28 * np.clip(rows, 0, 1)[:, :, None])


def _nose(
    rows: FloatArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    return _skin(rows, outfit) * np.float32(1.03)


def _hat(
    rows: FloatArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    base = _plain(rows, outfit.hat_bgr)
    if outfit.hat == 'beanie':
        base *= 1 + 0.08 * np.sin(34 * _ANGLES)[None, :, None]
        return base * (1 - 0.25 * _bump(rows, 0.3, 0.03))
    if outfit.hat == 'brim':
        return base * (1 - 0.5 * _bump(rows, 0.05, 0.12))
    base *= 1 - 0.2 * np.clip(np.cos(6 * _ANGLES), 0.9, 1)[None, :, None]
    return base


def _scarf(
    rows: FloatArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    return _plain(rows, outfit.scarf or outfit.inner) * _folds(len(rows), 0.25, rng)


def _bag(
    rows: FloatArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> FloatArray:
    base = _plain(rows, outfit.bag_bgr) * _folds(len(rows), 0.08, rng)
    back = _around(0, -1, 0.5)
    base *= 1 - 0.4 * (_bump(rows, 0.45, 0.015) + _bump(rows, 0.8, 0.015)) * back
    pocket = ((rows > 0.1) & (rows < 0.45))[:, :, None] * _strip(270, 38)
    return base * (1 + 0.15 * pocket)


_Paint = Callable[[FloatArray, str, Body, Outfit, np.random.Generator], FloatArray]
_PAINTS: dict[str, _Paint] = {
    'trunk': _trunk, 'seat': _seat, 'skirt': _skirt, 'arm': _arm, 'hand': _hand, 'leg': _leg,
    'shoe': _shoe, 'hair': _hair, 'head': _head, 'neck': _neck, 'nose': _nose, 'hat': _hat,
    'scarf': _scarf, 'backpack': _bag, 'bag': _bag, 'handbag': _bag,
}  # fmt: skip
