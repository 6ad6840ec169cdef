"""What each kind of place is like: sizes, materials, colours, and what stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reid_ros.world.quads import seed
from reid_ros.world.surface import Colour, Surface


@dataclass(frozen=True, slots=True)
class Plan:
    """What one kind of place is like.

    Attributes:
        length, breadth, height: ranges, metres.
        floors, walls: patterns to choose from.
        against: things that stand against walls.
        free: things that stand anywhere.
        doors: range of their number.
        cover: range of the share of the floor that things take.
        windows: chance of a window per wall section.
        outdoors: whether the sky is seen.
    """

    length: tuple[float, float]
    breadth: tuple[float, float]
    height: tuple[float, float]
    floors: tuple[str, ...]
    walls: tuple[str, ...]
    against: tuple[str, ...]
    free: tuple[str, ...]
    doors: tuple[int, int]
    cover: tuple[float, float]
    windows: float
    outdoors: bool = False


KINDS: Mapping[str, Plan] = {
    'hall': Plan(
        (14, 20),
        (10, 14),
        (4.2, 6),
        ('terrazzo', 'tiles', 'planks', 'concrete'),
        ('painted', 'panelling', 'brick', 'painted'),
        ('sofa', 'bench', 'counter', 'plant', 'cabinet', 'bin'),
        ('pillar', 'table', 'sofa', 'plant', 'table', 'bench', 'partition'),
        (3, 4),
        (0.1, 0.15),
        0.5,
    ),
    'office': Plan(
        (11, 16),
        (8, 12),
        (2.9, 3.3),
        ('carpet', 'planks', 'carpet', 'tiles'),
        ('painted', 'painted', 'wallpaper', 'panelling'),
        ('cabinet', 'shelf', 'plant', 'bin', 'cabinet'),
        ('bank', 'bank', 'desk', 'desk', 'table', 'partition', 'plant'),
        (2, 3),
        (0.13, 0.18),
        0.6,
    ),
    'corridor': Plan(
        (16, 24),
        (3, 4),
        (2.8, 3.3),
        ('tiles', 'carpet', 'terrazzo', 'planks'),
        ('painted', 'wallpaper', 'panelling', 'painted'),
        ('bench', 'cabinet', 'plant', 'bin'),
        (),
        (3, 5),
        (0.04, 0.08),
        0.25,
    ),
    'shop': Plan(
        (12, 17),
        (9, 12),
        (3.3, 4.4),
        ('tiles', 'planks', 'concrete', 'tiles'),
        ('painted', 'brick', 'panelling', 'painted'),
        ('shelf', 'counter', 'shelf', 'crates', 'plant'),
        ('gondola', 'gondola', 'table', 'crates', 'pillar', 'counter'),
        (2, 3),
        (0.13, 0.18),
        0.3,
    ),
    'yard': Plan(
        (16, 24),
        (12, 18),
        (2.0, 2.8),
        ('asphalt', 'paving', 'grass', 'paving', 'concrete'),
        ('brick', 'fence', 'hedge', 'plaster'),
        ('bench', 'planter', 'bin', 'crates'),
        ('van', 'planter', 'tree', 'bench', 'tree'),
        (3, 4),
        (0.06, 0.1),
        0.5,
        True,
    ),
    'canteen': Plan(
        (13, 18),
        (10, 13),
        (3.2, 4.4),
        ('tiles', 'terrazzo', 'planks', 'tiles'),
        ('painted', 'panelling', 'painted', 'wallpaper'),
        ('counter', 'bench', 'plant', 'bin', 'cabinet'),
        ('table', 'table', 'table', 'table', 'pillar', 'partition'),
        (2, 4),
        (0.12, 0.17),
        0.7,
    ),
}

MOST: Mapping[str, int] = {
    'plant': 3,
    'bin': 2,
    'tree': 3,
    'pillar': 3,
    'van': 2,
    'counter': 2,
    'partition': 2,
    'crates': 3,
}
"""How many of a thing a place has at most; of others any number."""
MARGINS: Mapping[str, float] = {'tree': 3.0}
"""Metres from every wall that a thing keeps: a crown hangs over, and cameras are on walls."""

_TINTS: Mapping[str, tuple[Colour, ...]] = {
    'planks': ((0.3, 0.45, 0.6), (0.18, 0.3, 0.44), (0.45, 0.58, 0.68), (0.34, 0.42, 0.5)),
    'tiles': ((0.54, 0.58, 0.6), (0.42, 0.44, 0.46), (0.44, 0.53, 0.61), (0.3, 0.38, 0.48)),
    'carpet': ((0.36, 0.3, 0.27), (0.3, 0.31, 0.32), (0.24, 0.26, 0.42), (0.32, 0.36, 0.28)),
    'concrete': ((0.48, 0.5, 0.51), (0.4, 0.42, 0.43), (0.5, 0.53, 0.55)),
    'terrazzo': ((0.52, 0.57, 0.6), (0.46, 0.48, 0.49), (0.38, 0.47, 0.55)),
    'asphalt': ((0.29, 0.29, 0.29), (0.35, 0.35, 0.34)),
    'grass': ((0.13, 0.36, 0.27), (0.16, 0.4, 0.33)),
    'paving': ((0.5, 0.53, 0.55), (0.4, 0.46, 0.53), (0.44, 0.45, 0.45)),
    'painted': (
        (0.74, 0.79, 0.81),
        (0.7, 0.71, 0.7),
        (0.62, 0.72, 0.76),
        (0.72, 0.68, 0.62),
        (0.66, 0.74, 0.68),
        (0.6, 0.7, 0.8),
    ),
    'wallpaper': ((0.66, 0.73, 0.77), (0.6, 0.64, 0.6), (0.66, 0.62, 0.56)),
    'panelling': ((0.74, 0.78, 0.8), (0.64, 0.68, 0.68)),
    'brick': ((0.28, 0.36, 0.56), (0.4, 0.48, 0.58), (0.68, 0.7, 0.71)),
    'fence': ((0.24, 0.36, 0.47), (0.42, 0.45, 0.47)),
    'hedge': ((0.1, 0.28, 0.18), (0.12, 0.3, 0.24)),
    'plaster': ((0.62, 0.7, 0.74), (0.6, 0.66, 0.78), (0.7, 0.72, 0.72)),
}
_ACCENTS: tuple[Colour, ...] = (
    (0.3, 0.42, 0.54),
    (0.5, 0.44, 0.34),
    (0.45, 0.5, 0.42),
    (0.62, 0.64, 0.64),
    (0.3, 0.34, 0.5),
)


def pick(rng: np.random.Generator, name: str, density: float) -> Surface:
    """A surface of this pattern in one of its colours, none exactly as another place's."""
    tint = np.array(_TINTS[name][rng.integers(len(_TINTS[name]))])
    tint = np.clip(tint * rng.uniform(0.88, 1.1) * rng.normal(1, 0.03, 3), 0.03, 0.9)
    accent = np.array(_ACCENTS[rng.integers(len(_ACCENTS))]) * rng.uniform(0.8, 1.15)
    if name in ('brick', 'terrazzo'):
        accent = np.full(3, rng.uniform(0.5, 0.68))
    if name == 'grass':
        accent = np.array([0.26, 0.45, 0.47])
    scale = float(rng.uniform(0.85, 1.25))
    blue, green, red = (float(part) for part in tint)
    second = (float(accent[0]), float(accent[1]), float(accent[2]))
    return Surface(name, (blue, green, red), second, seed(rng), density, scale)
