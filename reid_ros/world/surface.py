"""What floors, walls and the ground outdoors look like: textures painted from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from reid_ros.types import AnyArray, FloatArray

Colour = tuple[float, float, float]
"""Blue, green, red, each 0 to 1: how much a surface throws back."""


@dataclass(frozen=True, slots=True)
class Surface:
    """One material; the same values always paint the same picture.

    Attributes:
        pattern: its painter's name, see `PATTERNS` here and in `fittings`.
        tint: its main colour.
        accent: its second colour: joints, trims, handles.
        seed: of everything random in it.
        density: pixels per metre.
        scale: factor on the size of planks, tiles, stripes.
        glow: 0 to 1: share that shines by itself (lamps, windows, the sky).
        cutout: whether it has holes that one sees through.
    """

    pattern: str
    tint: Colour
    accent: Colour = (0.3, 0.3, 0.3)
    seed: int = 0
    density: float = 100.0
    scale: float = 1.0
    glow: float = 0.0
    cutout: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """An area to paint: a surface, its pixels, and the random numbers for it."""

    surface: Surface
    rng: np.random.Generator
    height: int
    width: int

    @property
    def tint(self) -> FloatArray:
        """(3,) main colour."""
        return np.array(self.surface.tint, np.float32)

    @property
    def accent(self) -> FloatArray:
        """(3,) second colour."""
        return np.array(self.surface.accent, np.float32)

    @property
    def x(self) -> FloatArray:
        """(width,) metres from the left edge."""
        result: FloatArray = ((np.arange(self.width) + 0.5) / self.surface.density).astype('f4')
        return result

    @property
    def y(self) -> FloatArray:
        """(height,) metres above the lower edge."""
        rows = self.height - np.arange(self.height) - 0.5
        result: FloatArray = (rows / self.surface.density).astype('f4')
        return result

    def flat(self, colour: FloatArray) -> FloatArray:
        """(height, width, 3) of one colour."""
        shape = (self.height, self.width)
        return np.asarray(cv2.merge([np.full(shape, one, np.float32) for one in colour]))

    def noise(self, cell_m: float, octaves: int = 3, stretch: float = 1.0) -> FloatArray:
        """(height, width) smooth noise of deviation near 1.

        Args:
            cell_m: size of its coarsest features; each octave halves it and its strength.
            octaves: how many.
            stretch: how much longer the features are along x.
        """
        total = np.zeros((self.height, self.width), np.float32)
        power = 0.0
        for octave in range(octaves):
            cell = max(cell_m * self.surface.density / 2**octave, 1.0)
            rows = int(self.height / cell) + 3
            columns = int(self.width / (cell * stretch)) + 3
            grid = self.rng.standard_normal((rows, columns), np.float32)
            if cell <= 1.0 and stretch == 1.0:
                layer = grid[: self.height, : self.width]
            else:
                size = (round(columns * cell * stretch), round(rows * cell))
                layer = cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
                layer = layer[: self.height, : self.width]
            total += layer * np.float32(0.5**octave)
            power += 0.25**octave
        result: FloatArray = total / np.float32(0.8 * np.sqrt(power))
        return result

    def line(self, away_m: FloatArray, width_m: float) -> FloatArray:
        """0 to 1: how much of each pixel a line of that width covers, from distances to it."""
        wide = max(width_m * self.surface.density, 1.0)
        share = min(width_m * self.surface.density, 1.0)
        result: FloatArray = np.clip(
            (wide + 1) / 2 - np.abs(away_m) * self.surface.density, 0, 1
        ).astype(np.float32) * np.float32(share)
        return result


def shade(image: FloatArray, by: AnyArray) -> FloatArray:
    """The (h, w, 3) image times 1 + by, by of (h, w)."""
    factor = np.float32(1) + np.asarray(by, np.float32)
    # OpenCV, for numpy goes through images of three channels three numbers at a time.
    return np.asarray(cv2.multiply(image, cv2.merge([factor, factor, factor])), np.float32)


def blend(image: FloatArray, colour: AnyArray, share: AnyArray) -> FloatArray:
    """The (h, w, 3) image mixed with a colour or another image by a (h, w) share."""
    part = np.ascontiguousarray(share, np.float32)
    rest = 1 - part
    kept = cv2.multiply(image, cv2.merge([rest, rest, rest]))
    if colour.ndim == 1:
        added = cv2.merge([part * np.float32(one) for one in colour])
    else:
        added = cv2.multiply(np.asarray(colour, np.float32), cv2.merge([part, part, part]))
    return np.asarray(cv2.add(kept, added), np.float32)


def grid(length: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    """Number of the cell of each position, and the distance to the nearest edge of a cell."""
    number = np.floor(length / step)
    inside = length - number * step
    edge: FloatArray = np.minimum(inside, step - inside).astype(np.float32)
    return number.astype(np.intp), edge


def _planks(sheet: Sheet) -> FloatArray:
    rng, scale = sheet.rng, sheet.surface.scale
    broad, long = rng.uniform(0.1, 0.2) * scale, rng.uniform(0.9, 1.8) * scale
    row, across = grid(sheet.y, broad)
    shift = rng.uniform(0, long, row.max() + 1)
    column, along = grid(sheet.x[None] + shift[row][:, None].astype('f4') + 0.0, long)
    tone = rng.normal(0, 0.09, (row.max() + 1, column.max() + 1)).astype('f4')
    hue = rng.normal(0, 0.03, (row.max() + 1, column.max() + 1)).astype('f4')
    board = (np.broadcast_to(row[:, None], column.shape), column)
    image = sheet.flat(sheet.tint)
    image = shade(image, tone[board] + 0.07 * sheet.noise(0.012, 2, 25) + 0.04 * sheet.noise(1.5))
    image[..., 2] *= 1 + hue[board]
    image[..., 0] *= 1 - hue[board]
    joint = np.maximum(sheet.line(across, 0.003)[:, None], sheet.line(along, 0.003))
    return shade(image, -0.55 * joint)


def _tiles(sheet: Sheet) -> FloatArray:
    rng = sheet.rng
    side = float(rng.choice([0.2, 0.3, 0.33, 0.45, 0.6])) * sheet.surface.scale
    row, across = grid(sheet.y, side)
    column, along = grid(sheet.x, side)
    tone = rng.normal(0, 0.03, (row.max() + 1, column.max() + 1)).astype('f4')
    cell = tone[row][:, column]
    image = sheet.flat(sheet.tint)
    if rng.random() < 0.35:
        odd = ((row[:, None] + column[None]) % 2).astype('f4')
        image = blend(image, sheet.accent, odd * np.float32(rng.uniform(0.3, 0.9)))
    image = shade(image, cell + 0.035 * sheet.noise(0.5, 5) + 0.02 * sheet.noise(0.02, 1))
    joint = np.maximum(sheet.line(across, 0.005)[:, None], sheet.line(along, 0.005)[None])
    image = blend(image, sheet.tint * np.float32(rng.choice([0.5, 0.6, 1.15])), 0.85 * joint)
    return shade(image, 0.05 * sheet.noise(2.5))


def _carpet(sheet: Sheet) -> FloatArray:
    rng = sheet.rng
    image = shade(sheet.flat(sheet.tint), 0.12 * sheet.noise(0.012, 2))
    image = blend(image, sheet.accent, np.clip(sheet.noise(0.03, 2) - 0.9, 0, 1) * 0.5)
    style = rng.integers(3)
    if style == 0:
        row, across = grid(sheet.y, 0.5)
        column, along = grid(sheet.x, 0.5)
        odd = ((row[:, None] + column[None]) % 2).astype('f4')
        seam = np.maximum(sheet.line(across, 0.003)[:, None], sheet.line(along, 0.003)[None])
        image = shade(image, 0.05 * odd - 0.15 * seam)
    elif style == 1:
        stripe = np.sin(2 * np.pi * sheet.x / (0.4 * sheet.surface.scale))
        image = blend(
            image, sheet.accent, np.tile(np.clip(stripe * 3, 0, 1) * 0.35, (sheet.height, 1))
        )
    return shade(image, 0.05 * sheet.noise(1.8))


def _concrete(sheet: Sheet) -> FloatArray:
    rng = sheet.rng
    image = shade(sheet.flat(sheet.tint), 0.09 * sheet.noise(1.6, 6) + 0.03 * sheet.noise(0.02, 1))
    stain = np.clip(sheet.noise(0.9, 4) - 1.3, 0, 1)
    image = shade(image, -0.22 * stain)
    step = float(rng.uniform(2.5, 4))
    _, across = grid(sheet.y, step)
    _, along = grid(sheet.x, step)
    joint = np.maximum(sheet.line(across, 0.008)[:, None], sheet.line(along, 0.008)[None])
    # Zero crossings of slow noise wander like cracks do.
    crack = np.clip(1 - np.abs(sheet.noise(2.5, 5)) * 45, 0, 1) * (sheet.noise(1.2, 2) > 1.1)
    return shade(image, -0.4 * joint - 0.25 * crack)


def _terrazzo(sheet: Sheet) -> FloatArray:
    rng = sheet.rng
    image = sheet.flat(sheet.tint)
    for _ in range(4):
        chips = np.clip((sheet.noise(0.03 * sheet.surface.scale, 2) - 1.15) * 4, 0, 1)
        colour = np.clip(sheet.tint * rng.uniform(0.45, 1.5) + rng.normal(0, 0.06, 3), 0.05, 0.95)
        image = blend(image, colour.astype('f4'), chips * 0.8)
    _, across = grid(sheet.y, 1.2)
    _, along = grid(sheet.x, 1.2)
    strip = np.maximum(sheet.line(across, 0.004)[:, None], sheet.line(along, 0.004)[None])
    return shade(blend(image, sheet.accent, 0.6 * strip), 0.03 * sheet.noise(2, 3))


def _asphalt(sheet: Sheet) -> FloatArray:
    rng = sheet.rng
    image = shade(sheet.flat(sheet.tint), 0.16 * sheet.noise(0.02, 2) + 0.07 * sheet.noise(3, 5))
    patch = np.clip((sheet.noise(2.5, 2) - 1.2) * 20, 0, 1)
    image = shade(image, -0.16 * patch)
    crack = np.clip(1 - np.abs(sheet.noise(3, 6)) * 30, 0, 1) * (sheet.noise(1.5, 2) > 0.8)
    image = shade(image, -0.35 * crack)
    if rng.random() < 0.6:
        worn = np.clip(0.75 + 0.35 * sheet.noise(0.1, 3), 0, 1)
        start, step = rng.uniform(1, 3), rng.uniform(2.4, 2.7)
        _, away = grid(sheet.x - np.float32(start) + np.float32(20 * step), step)
        part = (sheet.y < 5).astype('f4')[:, None] * sheet.line(away, 0.1)[None]
        image = blend(image, np.array([0.75, 0.78, 0.78], 'f4'), part * worn)
    return image


def _grass(sheet: Sheet) -> FloatArray:
    image = shade(
        sheet.flat(sheet.tint),
        0.13 * sheet.noise(0.02, 1) + 0.1 * sheet.noise(0.08, 2) + 0.1 * sheet.noise(1.2, 4),
    )
    dry = np.clip(0.5 * sheet.noise(1.8, 4), 0, 0.7)
    image = blend(image, sheet.accent, dry)
    return np.clip(image, 0.01, 1)


def _paving(sheet: Sheet) -> FloatArray:
    rng, scale = sheet.rng, sheet.surface.scale
    high, wide = 0.2 * scale, float(rng.choice([0.2, 0.3, 0.4])) * scale
    row, across = grid(sheet.y, high)
    shift = ((row % 2) * wide / 2).astype('f4')
    column, along = grid(sheet.x[None] + shift[:, None], wide)
    tone = rng.normal(0, 0.09, (row.max() + 1, column.max() + 1)).astype('f4')
    mixed = rng.random((row.max() + 1, column.max() + 1)).astype('f4') ** 3
    stone = (np.broadcast_to(row[:, None], column.shape), column)
    image = blend(sheet.flat(sheet.tint), sheet.accent, 0.6 * mixed[stone])
    grit = 0.07 * sheet.noise(0.015, 1) + 0.05 * sheet.noise(0.4, 4) + 0.06 * sheet.noise(2.5)
    image = shade(image, tone[stone] + grit)
    joint = np.maximum(sheet.line(across, 0.008)[:, None], sheet.line(along, 0.008))
    return shade(image, -0.45 * joint * np.clip(0.8 + 0.3 * sheet.noise(0.5), 0, 1))


def _skirted(sheet: Sheet, image: FloatArray) -> FloatArray:
    """The wall with a skirting board and the marks that trolleys and shoes leave above it."""
    tall = float(sheet.rng.uniform(0.07, 0.14))
    scuff = np.clip(sheet.noise(0.15, 3, 5) - 1.2, 0, 1) * np.exp(-sheet.y / 0.25)[:, None]
    image = shade(image, -0.25 * scuff)
    board = (sheet.y < tall).astype('f4')[:, None] * np.ones((1, sheet.width), 'f4')
    colour = sheet.accent if sheet.rng.random() < 0.5 else sheet.tint * np.float32(0.6)
    image = blend(image, colour, board * 0.95)
    return shade(
        image, -0.3 * np.tile(sheet.line(sheet.y - tall, 0.01)[:, None], (1, sheet.width))
    )


def _painted(sheet: Sheet) -> FloatArray:
    rng = sheet.rng
    image = sheet.flat(sheet.tint)
    band = float(rng.uniform(0.9, 1.5))
    if rng.random() < 0.4:
        lower = np.clip((band - sheet.y) * 80, 0, 1)[:, None] * np.ones((1, sheet.width), 'f4')
        image = blend(image, sheet.accent, 0.75 * lower)
    dirt = np.clip(sheet.noise(0.7, 4) - 1.4, 0, 1.5)
    image = shade(image, 0.018 * sheet.noise(1.5, 5) + 0.012 * sheet.noise(0.02, 1) - 0.05 * dirt)
    return _skirted(sheet, image)


def _wallpaper(sheet: Sheet) -> FloatArray:
    rng = sheet.rng
    image = sheet.flat(sheet.tint)
    period = float(rng.uniform(0.12, 0.4)) * sheet.surface.scale
    if rng.random() < 0.5:
        stripe = (np.sin(2 * np.pi * sheet.x / period) > rng.uniform(-0.4, 0.4)).astype('f4')
        pattern = np.tile(stripe, (sheet.height, 1))
    else:
        waves = (
            np.sin(2 * np.pi * sheet.x / period)[None]
            * np.sin(2 * np.pi * sheet.y / period)[:, None]
        )
        pattern = np.clip((waves - 0.45) * 6, 0, 1)
    image = blend(image, sheet.accent, pattern.astype('f4') * np.float32(rng.uniform(0.08, 0.22)))
    return _skirted(sheet, shade(image, 0.015 * sheet.noise(1, 4)))


def _panelling(sheet: Sheet) -> FloatArray:
    rng = sheet.rng
    image = shade(sheet.flat(sheet.tint), 0.02 * sheet.noise(1.5, 4))
    column, along = grid(sheet.x, float(rng.uniform(0.12, 0.6)))
    tone = rng.normal(0, 0.05, column.max() + 1).astype('f4')[column]
    wood = sheet.flat(sheet.accent)
    grain = sheet.noise(0.3, 3) * 0.05 + cv2.resize(
        rng.standard_normal((4, sheet.width)).astype('f4'), (sheet.width, sheet.height)
    ) * np.float32(0.05)
    wood = shade(wood, tone[None] + grain - 0.5 * sheet.line(along, 0.004)[None])
    top = float(rng.choice([1.1, 1.4, 9.0]))
    low = np.tile((sheet.y < top).astype('f4')[:, None], (1, sheet.width))
    image = blend(image, wood, low)
    return shade(image, -0.3 * np.tile(sheet.line(sheet.y - top, 0.02)[:, None], (1, sheet.width)))


def _brick(sheet: Sheet) -> FloatArray:
    rng, scale = sheet.rng, sheet.surface.scale
    row, across = grid(sheet.y, 0.075 * scale)
    shift = ((row % 2) * 0.125 * scale).astype('f4')
    column, along = grid(sheet.x[None] + shift[:, None], 0.25 * scale)
    tone = rng.normal(0, 0.13, (row.max() + 1, column.max() + 1)).astype('f4')
    stone = (np.broadcast_to(row[:, None], column.shape), column)
    image = shade(sheet.flat(sheet.tint), tone[stone] + 0.08 * sheet.noise(0.03, 2))
    joint = np.maximum(sheet.line(across, 0.011)[:, None], sheet.line(along, 0.011))
    image = blend(image, sheet.accent, 0.85 * joint)
    return shade(image, 0.06 * sheet.noise(1.8, 4))


def _ceiling(sheet: Sheet) -> FloatArray:
    image = shade(sheet.flat(sheet.tint), 0.015 * sheet.noise(0.04, 2) + 0.02 * sheet.noise(2, 2))
    if sheet.surface.scale > 1:  # plain plaster
        return image
    _, across = grid(sheet.y, 0.6)
    _, along = grid(sheet.x, 0.6)
    rail = np.maximum(sheet.line(across, 0.02)[:, None], sheet.line(along, 0.02)[None])
    return shade(image, -0.12 * rail)


def _plaster(sheet: Sheet) -> FloatArray:
    image = shade(sheet.flat(sheet.tint), 0.035 * sheet.noise(2, 5) + 0.03 * sheet.noise(0.02, 1))
    # Rain draws dark streaks downwards.
    streak = np.clip(
        cv2.resize(
            sheet.rng.standard_normal((3, max(sheet.width // 6, 2))).astype('f4'),
            (sheet.width, sheet.height),
            interpolation=cv2.INTER_CUBIC,
        )
        - 0.8,
        0,
        1,
    )
    damp = np.exp(-sheet.y / 0.35)[:, None] * np.clip(0.7 + 0.4 * sheet.noise(0.5), 0, 1)
    return shade(image, -0.1 * streak - 0.22 * damp)


Painter = Callable[[Sheet], FloatArray]

PATTERNS: Mapping[str, Painter] = {
    'planks': _planks,
    'tiles': _tiles,
    'carpet': _carpet,
    'concrete': _concrete,
    'terrazzo': _terrazzo,
    'asphalt': _asphalt,
    'grass': _grass,
    'paving': _paving,
    'painted': _painted,
    'wallpaper': _wallpaper,
    'panelling': _panelling,
    'brick': _brick,
    'ceiling': _ceiling,
    'plaster': _plaster,
}
