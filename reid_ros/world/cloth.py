"""Strokes that sheets of paint are made of.

A sheet has one row per step along its tube and 128 columns around it: column 0 looks to the
person's left, 32 to the front, 64 to the right, 96 to the back.
"""

from __future__ import annotations

import cv2
import numpy as np

from reid_ros.types import AnyArray
from reid_ros.world.outfit import Colour

COLUMNS = 128
ANGLES = (np.arange(COLUMNS, dtype=np.float32) + 0.5) * np.float32(2 * np.pi / COLUMNS)
LEFT, FRONT = np.cos(ANGLES), np.sin(ANGLES)


def plain(rows: AnyArray, bgr: Colour) -> AnyArray:
    """(n, 128, 3) one tone, for (n, 1) rows."""
    result: AnyArray = np.tile(np.asarray(bgr, np.float32), (len(rows), COLUMNS, 1))
    return result


def noise(rows: int, across: int, along: int, rng: np.random.Generator) -> AnyArray:
    """(rows, 128) smooth, mean about 0, deviation about 1, periodic around the tube."""
    grid = rng.standard_normal((along, across)).astype(np.float32)
    grid = np.concatenate([grid[:, -2:], grid, grid[:, :2]], axis=1)
    step = COLUMNS / across
    wide = cv2.resize(grid, (round(step * (across + 4)), rows), interpolation=cv2.INTER_CUBIC)
    start = round(2 * step)
    result: AnyArray = 1.4 * wide[:, start : start + COLUMNS]
    return result


def folds(rows: int, strength: float, rng: np.random.Generator) -> AnyArray:
    """(rows, 128, 1) factor: creases that run across the tube, and slow unevenness."""
    slow = noise(rows, 6, max(rows // 20, 3), rng)
    lean = noise(rows, 10, max(rows // 7, 4), rng)
    # Each column is shifted along the tube, so that creases run aslant and not in rings.
    shift = np.rint(rows * 0.10 * noise(1, 4, 1, rng)[0]).astype(np.int64)
    index = (np.arange(rows)[:, None] + shift[None, :]) % rows
    crease = np.take_along_axis(lean, index, axis=0)
    crease = np.where(crease > 0, 0.6 * crease, crease)
    result: AnyArray = 1 + strength * (0.5 * slow + 0.6 * np.clip(crease, -1.8, 1.5))
    return result[:, :, None]


def around(left: float, front: float, power: float) -> AnyArray:
    """(1, 128, 1) 0 to 1: how much a column looks to that side."""
    facing = np.clip(left * LEFT + front * FRONT, 0, 1) ** power
    result: AnyArray = facing[None, :, None].astype(np.float32)
    return result


def bump(rows: AnyArray, at: float, width: float) -> AnyArray:
    """(n, 1, 1) 1 at that height, fading over width."""
    return np.exp(-0.5 * ((rows - at) / width) ** 2).astype(np.float32)[:, :, None]


def strip(centre_deg: float, half_deg: float) -> AnyArray:
    """(1, 128, 1) 1 in a strip along the tube around that angle, 0 elsewhere."""
    away = np.angle(np.exp(1j * (ANGLES - np.deg2rad(centre_deg))))
    result: AnyArray = (np.abs(away) < np.deg2rad(half_deg)).astype(np.float32)[None, :, None]
    return result


def mix(base: AnyArray, colour: Colour | AnyArray, share: AnyArray) -> AnyArray:
    """(n, 128, 3) base, and by its share, 0 to 1, colour instead."""
    result: AnyArray = base + (np.asarray(colour, np.float32) - base) * share
    return result
