"""What bounds a place: floor, walls with doors and windows, ceiling with lamps, or the sky."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reid_ros.types import DoubleArray
from reid_ros.world.plan import Plan, pick
from reid_ros.world.quads import Quad, face, seed
from reid_ros.world.surface import Colour, Surface
from reid_ros.world.values import Light

RECESS_M = 1.4
"""How far the floor goes on behind a door: who stands there is seen through the door only."""
_LEAVES: tuple[Colour, ...] = (
    (0.3, 0.42, 0.54),
    (0.62, 0.64, 0.65),
    (0.2, 0.28, 0.36),
    (0.4, 0.4, 0.39),
    (0.42, 0.34, 0.26),
    (0.34, 0.4, 0.34),
)
"""Colours of doors."""


class Shell:
    """Floor, walls and what is above of a place in the making."""

    def __init__(
        self, rng: np.random.Generator, plan: Plan, size: tuple[float, float], height: float
    ) -> None:
        self.rng, self.plan, self.size, self.height = rng, plan, size, height
        self.ground = pick(
            rng, plan.floors[rng.integers(len(plan.floors))], density=90 if plan.outdoors else 110
        )

    def floor(self) -> list[Quad]:
        """The floor; outdoors also the land around."""
        x, y = self.size
        flat = face((0, y, 0), (x, 0, 0), (0, -y, 0), self.ground, True)
        if not self.plan.outdoors:
            return [flat]
        around = pick(self.rng, str(self.rng.choice(['grass', 'asphalt'])), density=8)
        far = 60.0
        return [
            flat,
            *(
                face(corner, along, down, around, True)
                for corner, along, down in (
                    ((-far, y + far, 0), (x + 2 * far, 0, 0), (0, -far, 0)),
                    ((-far, 0, 0), (x + 2 * far, 0, 0), (0, -far, 0)),
                    ((-far, y, 0), (far, 0, 0), (0, -y, 0)),
                    ((x, y, 0), (far, 0, 0), (0, -y, 0)),
                )
            ),
        ]

    def walls(self, doors: DoubleArray) -> list[Quad]:
        """The four walls with their doors, windows and posters."""
        names = self.plan.walls
        cover = pick(self.rng, names[self.rng.integers(len(names))], density=90)
        house = int(self.rng.integers(4)) if self.plan.outdoors else -1
        quads: list[Quad] = []
        for wall in range(4):
            if self.plan.outdoors:
                name = 'brick' if wall == house else names[self.rng.integers(len(names))]
                cover = pick(self.rng, name, density=70)
            tall = self.height + (4.2 if wall == house else 0.0)
            mine = [door for door in doors if _wall_of(door) == wall]
            quads += self._wall(
                wall, replace(cover, seed=seed(self.rng)), tall, mine, wall == house
            )
        return quads

    def _wall(
        self, wall: int, cover: Surface, tall: float, doors: list[DoubleArray], house: bool
    ) -> list[Quad]:
        """One wall, painted on one sheet that its openings cut; local x runs to the right."""
        span = self.size[wall % 2]
        openings = sorted(
            (
                _local(wall, self.size, door[0], door[1]) - door[3] / 2,
                float(door[3]),
                float(door[4]),
            )
            for door in doors
        )
        quads: list[Quad] = []
        start = 0.0
        for left, width, high in [*openings, (span, 0.0, 0.0)]:
            if left > start:
                quads.append(self._part(start, 0.0, left - start, tall, span, tall, cover))
            if width:
                if tall > high + 0.05:
                    lintel = self._part(left, 0.0, width, tall - high, span, tall, cover)
                    quads.append(lintel)
                quads += self._opening(left, width, min(high, tall), house)
            start = left + width
        quads += self._hung(span, tall, openings, house)
        turn, x, y = _frame(wall, self.size)
        return [quad.moved(turn, x, y) for quad in quads]

    @staticmethod
    def _part(
        left: float,
        top: float,
        width: float,
        high: float,
        span: float,
        tall: float,
        cover: Surface,
    ) -> Quad:
        quad = face((left, 0, tall - top), (width, 0, 0), (0, 0, -high), cover, True)
        return replace(quad, sheet=(left, top, span, tall))

    def _opening(self, left: float, width: float, high: float, house: bool) -> list[Quad]:
        """The frame of a door, and indoors the dim recess behind it."""
        trim = Surface('board', (0.5, 0.52, 0.54), seed=seed(self.rng))
        bar = 0.08
        quads = [
            face((left - bar, -0.02, high + bar), (bar, 0, 0), (0, 0, -high - bar), trim, True),
            face((left + width, -0.02, high + bar), (bar, 0, 0), (0, 0, -high - bar), trim, True),
            face((left, -0.02, high + bar), (width, 0, 0), (0, 0, -bar), trim, True),
        ]
        if self.plan.outdoors and not house:
            return quads
        inner = Surface('plaster', (0.42, 0.44, 0.45), seed=seed(self.rng), density=60)
        tint = _LEAVES[self.rng.integers(len(_LEAVES))]
        leaf = Surface('door', tint, (0.3, 0.31, 0.32), seed(self.rng))
        right, deep = left + width, RECESS_M
        return [
            *quads,
            face((left, deep, 0.002), (width, 0, 0), (0, -deep, 0), self.ground, True),
            face((left, 0, high), (width, 0, 0), (0, deep, 0), inner, True),
            face((left, 0, high), (0, deep, 0), (0, 0, -high), inner, True),
            face((right, deep, high), (0, -deep, 0), (0, 0, -high), inner, True),
            face((left, deep, high), (width, 0, 0), (0, 0, -high), leaf, True),
        ]

    def _hung(
        self, span: float, tall: float, openings: list[tuple[float, float, float]], house: bool
    ) -> list[Quad]:
        """Windows and posters between the doors of a wall."""
        rng = self.rng
        quads: list[Quad] = []
        if self.plan.outdoors and not house:
            return quads
        x = float(rng.uniform(0.5, 1.2))
        while x < span - 1.0:
            width = float(rng.uniform(1.0, 2.4))
            free = x + width < span - 0.3 and not any(
                x < left + wide + 0.25 and left < x + width + 0.25 for left, wide, _ in openings
            )
            if free and house:
                for low in (1.1, 3.9):
                    pane = Surface('pane', (0.75, 0.77, 0.78), seed=seed(rng))
                    quads.append(
                        face((x, -0.02, low + 1.4), (1.2, 0, 0), (0, 0, -1.4), pane, True)
                    )
            elif free and rng.random() < self.plan.windows:
                high = min(tall - 0.4, float(rng.uniform(2.1, 2.6)))
                glass = Surface('window', (0.85, 0.86, 0.87), seed=seed(rng), glow=0.9)
                quads.append(
                    face((x, -0.02, high), (width, 0, 0), (0, 0, 0.95 - high), glass, True)
                )
            elif free and rng.random() < 0.5:
                tints = np.clip(
                    rng.uniform(0.15, 0.85, (2, 1)) * np.exp(rng.normal(0, 0.25, (2, 3))),
                    0.05,
                    0.9,
                ).tolist()
                print_ = Surface('poster', tuple(tints[0]), tuple(tints[1]), seed(rng), 130)
                broad = min(width, 1.2) * 0.6
                quads.append(
                    face((x, -0.02, 2.05), (broad, 0, 0), (0, 0, -broad * 1.35), print_, True)
                )
            x += width + float(rng.uniform(0.5, 1.6))
        return quads

    def above(self, light: Light) -> list[Quad]:
        """The ceiling with its lamps, or the sky."""
        x, y = self.size
        if self.plan.outdoors:
            return self._sky()
        tall = self.height
        paint = float(self.rng.uniform(0.78, 0.9))
        scale = float(self.rng.choice([1.0, 2.0]))
        cover = Surface(
            'ceiling', (paint, paint, paint), seed=seed(self.rng), density=50, scale=scale
        )
        quads = [face((0, 0, tall), (x, 0, 0), (0, y, 0), cover, True)]
        lamp = Surface('lamp', (1, 1, 1), seed=seed(self.rng), density=50, glow=1.0)
        wide, long = (
            float(side) for side in self.rng.choice([[0.6, 0.6], [0.2, 1.4], [0.3, 1.2]])
        )
        for spot in light.spots:
            corner = (spot[0] - wide / 2, spot[1] - long / 2, tall - 0.02)
            quads.append(face(corner, (wide, 0, 0), (0, long, 0), lamp, True))
        return quads

    def _sky(self) -> list[Quad]:
        x, y = self.size
        far, tall = 60.0, 45.0
        blue = float(self.rng.uniform(0.0, 1.0))
        zenith = (0.72 + 0.08 * blue, 0.66 - 0.1 * blue, 0.64 - 0.26 * blue)
        sky = Surface('sky', zenith, (0.9, 0.87, 0.84), seed(self.rng), 7, glow=1.0)
        a, b = x + 2 * far, y + 2 * far
        sides = (
            ((-far, y + far, tall), (a, 0, 0)),
            ((x + far, y + far, tall), (0, -b, 0)),
            ((x + far, -far, tall), (-a, 0, 0)),
            ((-far, -far, tall), (0, b, 0)),
        )
        quads, left, whole = [], 0.0, 2 * (a + b)
        for corner, along in sides:
            part = face(corner, along, (0, 0, -tall), sky, True)
            quads.append(replace(part, sheet=(left, 0.0, whole, tall)))
            left += part.size[0]
        top = replace(sky, density=2, scale=2.0)
        return [*quads, face((-far, -far, tall), (a, 0, 0), (0, b, 0), top, True)]


def _wall_of(door: DoubleArray) -> int:
    return (round(float(door[2]) / (np.pi / 2)) - 1) % 4


def _frame(wall: int, size: tuple[float, float]) -> tuple[float, float, float]:
    """Turn and origin of a wall's own axes: x to the right as seen from inside, y outwards."""
    x, y = size
    return ((np.pi, x, 0.0), (-np.pi / 2, x, y), (0.0, 0.0, y), (np.pi / 2, 0.0, 0.0))[wall]


def _local(wall: int, size: tuple[float, float], x: float, y: float) -> float:
    """How far right on its wall a point is."""
    return float((size[0] - x, size[1] - y, x, y)[wall])
