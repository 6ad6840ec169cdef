"""What furniture, doors, windows, plants and the far distance look like: textures from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np

from reid_ros.types import AnyArray, FloatArray
from reid_ros.world import surface
from reid_ros.world.surface import Painter, Sheet, Surface, blend, grid, shade


def paint(of: Surface, width_m: float, height_m: float) -> FloatArray:
    """(h, w, 3) float32 BGR 0 to 1, or (h, w, 4) with the opaque share where it has holes.

    Row 0 is the upper edge; patterns with courses count them from the lower one.
    """
    width = max(round(width_m * of.density), 2)
    height = max(round(height_m * of.density), 2)
    sheet = Sheet(of, np.random.Generator(np.random.PCG64(of.seed)), height, width)
    painter = PATTERNS[of.pattern] if of.pattern in PATTERNS else surface.PATTERNS[of.pattern]
    result: FloatArray = np.clip(painter(sheet), 0, 1).astype(np.float32)
    return result


def _wide(sheet: Sheet, column: FloatArray) -> FloatArray:
    """A (height,) column repeated over the width."""
    return np.repeat(column.astype('f4')[:, None], sheet.width, axis=1)


def _tall(sheet: Sheet, row: FloatArray) -> FloatArray:
    """A (width,) row repeated over the height."""
    return np.repeat(row.astype('f4')[None], sheet.height, axis=0)


def _rim(sheet: Sheet) -> FloatArray:
    """(height, width) metres to the nearest edge of the sheet."""
    x = np.minimum(sheet.x, sheet.x[::-1])
    y = np.minimum(sheet.y, sheet.y[::-1])
    result: FloatArray = np.minimum(x[None], y[:, None])
    return result


def _board(sheet: Sheet) -> FloatArray:
    grain = 0.04 * sheet.noise(0.014, 2, 20) + 0.035 * sheet.noise(0.3, 3, 3)
    image = shade(sheet.flat(sheet.tint), grain)
    return shade(image, -0.25 * np.clip(1 - _rim(sheet) / 0.012, 0, 1))


def _cloth(sheet: Sheet) -> FloatArray:
    image = shade(
        sheet.flat(sheet.tint), 0.03 * sheet.noise(0.012, 1) + 0.04 * sheet.noise(0.3, 3)
    )
    step = float(sheet.rng.uniform(0.5, 0.75))
    _, along = grid(sheet.x, step)
    soft = np.exp(-along / 0.03)
    return shade(image, -0.28 * _tall(sheet, soft) - 0.3 * np.exp(-_rim(sheet) / 0.03))


def _screen(sheet: Sheet) -> FloatArray:
    """A cloth-covered partition in its frame."""
    image = shade(sheet.flat(sheet.tint), 0.03 * sheet.noise(0.012, 1) + 0.02 * sheet.noise(0.5))
    frame = np.maximum(
        (_rim(sheet) < 0.035).astype('f4'), _wide(sheet, (sheet.y < 0.09).astype('f4'))
    )
    image = blend(image, sheet.accent, frame)
    return shade(image, -0.35 * sheet.line(_rim(sheet) - 0.04, 0.008))


def _metal(sheet: Sheet) -> FloatArray:
    image = shade(
        sheet.flat(sheet.tint), 0.015 * sheet.noise(0.4, 3) + 0.01 * sheet.noise(0.02, 1)
    )
    return shade(image, -0.3 * np.clip(1 - _rim(sheet) / 0.01, 0, 1))


def _cabinet(sheet: Sheet) -> FloatArray:
    rng = sheet.rng
    image = shade(
        sheet.flat(sheet.tint), 0.03 * sheet.noise(0.4, 3) + 0.03 * sheet.noise(0.01, 1, 20)
    )
    wide, high = float(rng.uniform(0.4, 0.6)), float(rng.choice([0.3, 0.45, 0.95]))
    column, along = grid(sheet.x, wide)
    row, across = grid(sheet.y, high)
    tone = rng.normal(0, 0.02, (row.max() + 1, column.max() + 1)).astype('f4')[row][:, column]
    gap = np.maximum(sheet.line(across, 0.008)[:, None], sheet.line(along, 0.008)[None])
    image = shade(image, tone - 0.55 * gap)
    middle = np.abs(sheet.x / wide % 1 - 0.5) * wide
    upper = np.abs((sheet.y / high % 1) * high - (high - 0.07))
    handle = (middle < 0.06)[None] & (upper < 0.012)[:, None]
    return blend(image, sheet.accent, handle.astype('f4'))


def _goods(sheet: Sheet) -> FloatArray:
    """Shelves full of boxes, cans and books in groups of one colour."""
    rng = sheet.rng
    image = sheet.flat(sheet.tint * np.float32(0.3))
    per_m = sheet.surface.density
    step = float(rng.uniform(0.3, 0.45)) * sheet.surface.scale
    for shelf in range(int(sheet.height / per_m / step) + 1):
        low = shelf * step + 0.03
        x = 0.03
        while x < sheet.width / per_m - 0.05:
            colour = _print_colour(rng)
            wide = float(rng.uniform(0.04, 0.22)) * sheet.surface.scale
            high = float(rng.uniform(0.5, 0.88)) * step
            for _ in range(int(rng.integers(1, 5))):
                top = sheet.height - round((low + high) * per_m)
                y1 = sheet.height - round(low * per_m)
                x0, x1 = round(x * per_m), round((x + wide) * per_m) - 1
                if x1 >= sheet.width - 2 or y1 <= 0:
                    break
                box = image[max(top, 0) : y1, x0 : max(x1, x0 + 1)]
                if box.size:
                    box[:] = colour * rng.uniform(0.9, 1.08)
                    n = len(box)
                    if n > 6:
                        box[n // 4 : n // 2] = np.clip(
                            colour * 0.4 + rng.uniform(0.2, 0.55), 0, 0.9
                        )
                        box[: max(n // 12, 1)] *= 0.7
                x += wide
            x += float(rng.choice([0.0, 0.0, 0.02, 0.15]))
    _, across = grid(sheet.y, step)
    plank = _wide(sheet, sheet.line(across, 0.03))
    deep = _wide(sheet, np.clip((sheet.y % step) / step - 0.55, 0, 1))
    image = blend(shade(image, -1.1 * deep), sheet.tint, plank)
    post = _tall(sheet, (np.minimum(sheet.x, sheet.x[::-1]) < 0.025).astype('f4'))
    return shade(blend(image, sheet.tint, post), 0.03 * sheet.noise(0.02, 1))


def _poster(sheet: Sheet) -> FloatArray:
    rng = sheet.rng
    image = blend(sheet.flat(sheet.tint), sheet.accent, np.clip(sheet.noise(0.5, 2), 0, 1))
    h, w = sheet.height, sheet.width
    for _ in range(int(rng.integers(2, 5))):
        colour = [float(c) for c in _print_colour(rng)]
        centre = (int(rng.integers(w)), int(rng.integers(h * 2 // 3)))
        if rng.random() < 0.5:
            cv2.circle(
                image, centre, int(rng.integers(4, max(w // 3, 5))), colour, -1, cv2.LINE_AA
            )
        else:
            corner = (
                centre[0] + int(rng.integers(5, w)),
                centre[1] + int(rng.integers(4, h // 2 + 5)),
            )
            cv2.rectangle(image, centre, corner, colour, -1)
    ink = [float(c) for c in rng.choice([0.08, 0.92]) * np.ones(3)]
    for line in range(int(rng.integers(3, 8))):
        y = int(h * 0.7) + line * max(h // 24, 2)
        cv2.line(image, (w // 10, y), (int(w * rng.uniform(0.5, 0.9)), y), ink, max(h // 60, 1))
    frame = (_rim(sheet) < rng.choice([0.0, 0.02, 0.03])).astype('f4')
    return blend(image, sheet.tint * np.float32(0.2), frame)


def _door(sheet: Sheet) -> FloatArray:
    image = shade(sheet.flat(sheet.tint), 0.05 * sheet.noise(0.01, 1) + 0.03 * sheet.noise(0.5))
    rim = _rim(sheet)
    image = blend(image, sheet.accent, (rim < 0.07).astype('f4'))
    image = shade(image, -0.4 * sheet.line(rim - 0.075, 0.012))
    knob = (np.abs(sheet.x - 0.16) < 0.07)[None] & (np.abs(sheet.y - 1.03) < 0.012)[:, None]
    return blend(image, np.full(3, 0.6, 'f4'), knob.astype('f4'))


def _outlook(sheet: Sheet) -> FloatArray:
    """Bright sky over dim trees and houses, out of focus, as through a window."""
    rng = sheet.rng
    up = _wide(sheet, sheet.y / max(float(sheet.y[0]), 0.1))
    image = blend(sheet.flat(np.array([1, 0.98, 0.95], 'f4')), np.array([1, 0.93, 0.82], 'f4'), up)
    ridge = 0.35 + 0.1 * sheet.noise(0.8, 3)[:1]
    ground = np.clip((ridge - up) * 12, 0, 1)
    far = np.array([0.42, 0.52, 0.45], 'f4') * np.float32(rng.uniform(0.8, 1.3))
    image = blend(image, far, ground * 0.85)
    return shade(image, 0.06 * sheet.noise(0.3, 3))


def _window(sheet: Sheet) -> FloatArray:
    image = _outlook(sheet)
    rim = _rim(sheet)
    bars = _tall(sheet, sheet.line(grid(sheet.x, float(sheet.rng.uniform(0.7, 1.1)))[1], 0.05))
    if sheet.rng.random() < 0.4:
        slats = 0.5 + 0.5 * np.sin(2 * np.pi * sheet.y / 0.06)
        drop = float(sheet.rng.uniform(0.2, 0.8)) * float(sheet.y[0])
        blind = _wide(sheet, (sheet.y > sheet.y[0] - drop) * slats)
        image = blend(image, np.full(3, 0.72, 'f4'), 0.8 * blind)
    frame = np.maximum((rim < 0.06).astype('f4'), bars)
    return blend(image, sheet.tint * np.float32(0.75), frame)


def _pane(sheet: Sheet) -> FloatArray:
    """A window of a house seen from outside: dark glass that mirrors some sky."""
    up = _wide(sheet, sheet.y / max(float(sheet.y[0]), 0.1))
    dark = sheet.flat(np.array([0.2, 0.18, 0.16], 'f4'))
    image = blend(dark, np.array([0.62, 0.58, 0.53], 'f4'), 0.7 * up)
    image = shade(image, 0.15 * sheet.noise(0.5, 3))
    half = sheet.line(sheet.x - sheet.x[-1] / 2, 0.05)
    frame = np.maximum((_rim(sheet) < 0.07).astype('f4'), _tall(sheet, half))
    return blend(image, sheet.tint, frame)


def _lamp(sheet: Sheet) -> FloatArray:
    image = sheet.flat(np.array([0.97, 0.99, 1.0], 'f4'))
    return blend(image, np.full(3, 0.7, 'f4'), (_rim(sheet) < 0.03).astype('f4'))


def _hole(sheet: Sheet, image: FloatArray, solid: FloatArray) -> FloatArray:
    """The image with its opaque share as a fourth channel."""
    return np.dstack([image, solid.astype('f4')])


def _legs(sheet: Sheet) -> FloatArray:
    """One side of a table: the edge of its top, and a leg at each end."""
    image = shade(sheet.flat(sheet.accent), 0.05 * sheet.noise(0.02, 2))
    side = np.minimum(sheet.x, sheet.x[::-1])
    top = _wide(sheet, (sheet.y > sheet.y[0] - 0.035).astype('f4'))
    image = blend(image, sheet.tint * np.float32(0.85), top)
    post = _tall(sheet, ((side > 0.02) & (side < 0.065)).astype('f4'))
    return _hole(sheet, image, np.maximum(top, post))


def _leaves(sheet: Sheet) -> FloatArray:
    """A pot plant or a bush: leaves of many greens that thin out towards the outline."""
    rng = sheet.rng
    h, w = sheet.height, sheet.width
    image = np.zeros((h, w, 3), np.float32)
    solid = np.zeros((h, w), np.float32)
    size = max(0.075 * sheet.surface.density * sheet.surface.scale, 3.0)
    count = int(min(1.6 * h * w / (size * size), 1600))
    depth = np.sort(rng.random(count))
    for near in depth:
        reach = np.sqrt(rng.random()) * 0.46
        angle = rng.uniform(0, 2 * np.pi)
        x, y = w * (0.5 + reach * np.cos(angle)), h * (0.5 + reach * np.sin(angle))
        colour = sheet.tint * (0.45 + 0.65 * near) * rng.uniform(0.8, 1.2)
        # Light falls from above, so the upper leaves are brighter.
        colour = colour * (1.15 - 0.4 * y / h)
        axes = (int(size * rng.uniform(0.5, 1.0)) + 1, int(size * rng.uniform(0.15, 0.4)) + 1)
        where = (int(x), int(y))
        turn = float(rng.uniform(0, 360))
        cv2.ellipse(image, where, axes, turn, 0, 360, [float(c) for c in colour], -1, cv2.LINE_AA)
        cv2.ellipse(solid, where, axes, turn, 0, 360, 1.0, -1)
    return _hole(sheet, image, solid)


def _wheel(sheet: Sheet) -> FloatArray:
    middle = np.hypot(sheet.x[None] - sheet.x.mean(), sheet.y[:, None] - sheet.y.mean())
    radius = float(sheet.x[-1]) / 2
    image = blend(sheet.flat(sheet.tint), sheet.accent, (middle < 0.6 * radius).astype('f4'))
    image = shade(image, -0.7 * (np.abs(middle - 0.35 * radius) < 0.06 * radius))
    return _hole(sheet, image, (middle < radius).astype('f4'))


def _print_colour(rng: np.random.Generator) -> AnyArray:
    """Of packages and posters: mostly white, grey, brown, red or blue, seldom a pure hue."""
    grey = rng.uniform(0.12, 0.85)
    hues = (
        [0.2, 0.25, 0.75],
        [0.65, 0.4, 0.2],
        [0.25, 0.7, 0.8],
        [0.3, 0.5, 0.25],
        [0.3, 0.5, 0.65],
    )
    vivid = np.array(hues[rng.integers(len(hues))]) * rng.uniform(0.5, 1.15)
    share = rng.beta(0.8, 1.2)
    return np.clip(grey + share * (vivid - grey) + rng.normal(0, 0.04, 3), 0.03, 0.88)


def _hedge(sheet: Sheet) -> FloatArray:
    leaf = 0.3 * sheet.noise(0.05, 2) + 0.18 * sheet.noise(0.35, 3)
    image = shade(sheet.flat(sheet.tint), leaf)
    image = blend(image, sheet.accent, np.clip(0.4 * sheet.noise(0.08, 2) - 0.2, 0, 0.6))
    return shade(np.clip(image, 0.02, 1), _wide(sheet, 0.2 * sheet.y / sheet.y[0] - 0.2))


def _fence(sheet: Sheet) -> FloatArray:
    rng = sheet.rng
    number, edge = grid(sheet.x, 0.12 * sheet.surface.scale)
    tone = rng.normal(0, 0.09, number.max() + 1).astype('f4')[number]
    grain = cv2.resize(
        rng.standard_normal((6, sheet.width)).astype('f4'), (sheet.width, sheet.height)
    )
    image = shade(sheet.flat(sheet.tint), tone[None] + 0.05 * grain + 0.05 * sheet.noise(1, 3))
    return shade(image, -0.6 * _tall(sheet, sheet.line(edge, 0.012)))


def _sky(sheet: Sheet) -> FloatArray:
    """A panorama of sky, clouds and trees that closes; tint of the zenith, accent of the haze."""
    if sheet.surface.scale > 1:  # the lid over the panorama
        return sheet.flat(sheet.tint)
    overlap = sheet.width // 20
    wide = replace(sheet, width=sheet.width + overlap)
    up = np.clip(_wide(wide, wide.y / wide.y[0]), 0, 1)
    image = blend(wide.flat(wide.accent), wide.tint, np.sqrt(up))
    cover = float(wide.rng.uniform(-0.6, 0.9))
    cloud = np.clip(0.6 * wide.noise(14, 6, 2.5) + cover, 0, 1)
    # Clouds thin out towards the lid, which has none.
    cloud *= np.clip(3 * up, 0.3, 1) * np.clip(3 * (1 - up), 0, 1)
    image = blend(image, np.array([0.97, 0.96, 0.95], 'f4'), cloud * 0.85)
    ridge = 2.6 + 0.9 * wide.noise(9, 3)[-1] + 0.25 * wide.noise(1.5, 2)[-1]
    trees = np.clip((ridge[None] - wide.y[:, None]) * 6, 0, 1)
    leaf = shade(wide.flat(np.array([0.3, 0.4, 0.33], 'f4')), 0.13 * wide.noise(1.2, 4))
    image = blend(image, leaf, trees * 0.85)
    share = np.linspace(0, 1, overlap, dtype=np.float32)[None, :, None]
    image[:, :overlap] += (1 - share) * (image[:, sheet.width :] - image[:, :overlap])
    return image[:, : sheet.width]


PATTERNS: Mapping[str, Painter] = {
    'board': _board,
    'cloth': _cloth,
    'screen': _screen,
    'metal': _metal,
    'cabinet': _cabinet,
    'goods': _goods,
    'poster': _poster,
    'door': _door,
    'window': _window,
    'pane': _pane,
    'lamp': _lamp,
    'legs': _legs,
    'leaves': _leaves,
    'wheel': _wheel,
    'hedge': _hedge,
    'fence': _fence,
    'sky': _sky,
}
