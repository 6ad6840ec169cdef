"""Head, hair and hats: their shape and their paint."""

from __future__ import annotations

import numpy as np

from reid_ros.types import AnyArray
from reid_ros.world.body import Body
from reid_ros.world.cloth import ANGLES, bump, mix, noise, plain, strip
from reid_ros.world.outfit import Outfit
from reid_ros.world.shape import FINE, HEAD, JOINT, VISOR, Ring, Tube

FACE = [
    (-0.44, 0.44, 0.54, 0.27), (-0.36, 0.66, 0.70, 0.18), (-0.22, 0.83, 0.82, 0.09),
    (-0.06, 0.94, 0.93, 0.03), (0.10, 1.0, 1.0, 0.0), (0.24, 0.97, 0.97, -0.03),
    (0.35, 0.82, 0.84, -0.04), (0.42, 0.60, 0.64, -0.04),
]  # fmt: skip
CROWN = [
    (-0.02, 1.02, 0.80, -0.26), (0.12, 1.06, 0.98, -0.16), (0.25, 1.05, 1.02, -0.13),
    (0.36, 0.93, 0.97, -0.06), (0.45, 0.62, 0.68, -0.05),
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


def tubes(body: Body, outfit: Outfit) -> list[Tube]:
    """Skull, nose, hair and hat."""
    h, b, d = body.head_height, body.head_breadth / 2, body.head_depth / 2
    head = ((JOINT['head'], 1.0),)
    result = [_skull(body, 'head', FACE, 64)]
    nose = tuple(
        Ring(head, HEAD, (f * d, 0.0, u * h), (r, 0.85 * r, 1.3 * r), at)
        for u, f, r, at in ((0.05, 0.93, 0.008, 0.0), (-0.09, 1.0, 0.0125, 1.0))
    )
    result.append(Tube('nose', nose, (True, True), 4, FINE))
    if outfit.hair_style in HAIR:
        covered = 0.14 if outfit.hat != 'none' else 1.0
        profile = [ring for ring in HAIR[outfit.hair_style] if ring[0] <= covered]
        result.append(_skull(body, 'hair', profile, 32))
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


def paint_hair(
    rows: AnyArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    """Strands, or curls, with a gloss near the crown."""
    strands = noise(len(rows), 40, 3, rng)[:, :, None]
    if outfit.hair_style == 'curly':
        strands = 1.4 * noise(len(rows), 22, max(len(rows) // 3, 3), rng)[:, :, None]
    gloss = 0.3 * bump(rows, 0.8, 0.08)
    return plain(rows, outfit.hair) * (0.92 + 0.16 * strands + gloss)


def paint_head(
    rows: AnyArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    """The face, and the hair that grows on the skull."""
    low, high = FACE[0][0], FACE[-1][0]
    u = low + rows * (high - low)
    base = plain(rows, outfit.skin)
    skin = np.asarray(outfit.skin, np.float32)
    flush = bump(u, -0.12, 0.08) * (strip(90 - 42, 16) + strip(90 + 42, 16))
    base = mix(base, skin * (0.9, 0.9, 1.04), 0.5 * flush)
    base *= 1 - 0.22 * bump(u, 0.06, 0.05) * (strip(90 - 24, 13) + strip(90 + 24, 13))
    hair = np.asarray(outfit.hair, np.float32)
    for side in (-1, 1):
        eye = 90 + side * 23
        base = mix(base, (205, 208, 210), 0.6 * bump(u, 0.035, 0.016) * strip(eye, 8))
        base = mix(base, (30, 30, 36), bump(u, 0.037, 0.02) * strip(eye, 3.6))
        base = mix(base, 0.8 * hair, 0.75 * bump(u, 0.11, 0.014) * strip(eye, 12))
        ear = 90 + side * 96
        base = mix(base, skin * 0.78, 0.8 * bump(u, 0.0, 0.07) * strip(ear, 8))
    base = mix(base, skin * (0.62, 0.6, 0.8), 0.8 * bump(u, -0.255, 0.018) * strip(90, 17))
    base *= 1 - 0.25 * bump(u, -0.155, 0.018) * strip(90, 11)
    if outfit.hair_style in ('short', 'bald', 'curly') and outfit.grain % 4 == 0:
        jaw = np.clip((-0.14 - u) * 8, 0, 1)[:, :, None] * strip(90, 82)
        base = mix(base, hair, 0.6 * jaw)
    if outfit.glasses:
        for side in (-1, 1):
            ring = bump(u, 0.04, 0.05) * strip(90 + side * 24, 17)
            base = mix(base, (30, 30, 30), 0.55 * ring)
        base = mix(base, (25, 25, 25), bump(u, 0.06, 0.012) * strip(90, 88))
    if outfit.hair_style != 'bald':
        line = 0.33 - 0.62 * np.clip(
            np.abs(np.angle(np.exp(1j * (ANGLES - np.pi / 2)))) - 0.9, 0, 1
        )
        covered = np.clip((u - line[None, :]) * 25, 0, 1)[:, :, None]
        base = mix(base, hair * 0.9, covered.astype(np.float32))
    return base * (1 - 0.3 * np.clip(-0.3 - u, 0, 0.2)[:, :, None] * 4)


def paint_neck(
    rows: AnyArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    """Skin in the shadow of the chin; behind, hair or collar."""
    base = plain(rows, outfit.skin)
    if outfit.upper.kind in ('hoodie', 'coat'):
        collar = (rows < 0.3).astype(np.float32)[:, :, None] * (1 - strip(90, 30))
        base = mix(base, outfit.upper.bgr, collar)
    nape = np.clip((rows - 0.55) * 4, 0, 1)[:, :, None] * strip(270, 75)
    if outfit.hair_style != 'bald':
        base = mix(base, outfit.hair, nape)
    return base * (0.82 - 0.28 * np.clip(rows, 0, 1)[:, :, None])


def paint_nose(
    rows: AnyArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    """Skin that catches some light."""
    result: AnyArray = plain(rows, outfit.skin) * np.float32(1.03)
    return result


def paint_hat(
    rows: AnyArray, _: str, body: Body, outfit: Outfit, rng: np.random.Generator
) -> AnyArray:
    """Felt, knitting or panels."""
    base = plain(rows, outfit.hat_bgr)
    if outfit.hat == 'beanie':
        base *= 1 + 0.08 * np.sin(34 * ANGLES)[None, :, None]
        return base * (1 - 0.25 * bump(rows, 0.3, 0.03))
    if outfit.hat == 'brim':
        return base * (1 - 0.5 * bump(rows, 0.05, 0.12))
    base *= 1 - 0.2 * np.clip(np.cos(6 * ANGLES), 0.9, 1)[None, :, None]
    return base
