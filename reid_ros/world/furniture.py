"""What stands about in a place: tables, shelves, pillars, sofas, plants, made of flat faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from reid_ros.world.quads import Quad, box, face, following, seed
from reid_ros.world.surface import Colour, Surface


@dataclass(frozen=True, slots=True)
class Piece:
    """A thing around the origin; its back looks along +y.

    Attributes:
        width, depth: of its footprint, metres.
        quads: its faces.
    """

    width: float
    depth: float
    quads: tuple[Quad, ...]


@dataclass(frozen=True, slots=True)
class Style:
    """The colours that the things of one place share."""

    wood: Colour
    cloth: Colour
    metal: Colour
    leaf: Colour

    @staticmethod
    def draw(rng: np.random.Generator) -> Style:
        """Some style."""
        woods: tuple[Colour, ...] = (
            (0.32, 0.48, 0.62),
            (0.16, 0.27, 0.4),
            (0.5, 0.64, 0.74),
            (0.13, 0.18, 0.26),
            (0.74, 0.76, 0.77),
            (0.22, 0.38, 0.56),
        )
        cloths: tuple[Colour, ...] = (
            (0.42, 0.3, 0.2),
            (0.28, 0.3, 0.31),
            (0.25, 0.36, 0.22),
            (0.2, 0.22, 0.5),
            (0.3, 0.45, 0.55),
            (0.16, 0.16, 0.17),
            (0.5, 0.52, 0.53),
            (0.18, 0.3, 0.45),
        )
        metals: tuple[Colour, ...] = (
            (0.62, 0.62, 0.61),
            (0.24, 0.24, 0.25),
            (0.75, 0.76, 0.77),
            (0.5, 0.45, 0.38),
        )
        green = rng.uniform(0.3, 0.5)
        return Style(
            woods[rng.integers(len(woods))],
            cloths[rng.integers(len(cloths))],
            metals[rng.integers(len(metals))],
            (float(green * 0.45), float(green), float(green * rng.uniform(0.5, 0.85))),
        )


def _darker(colour: Colour, by: float) -> Colour:
    return (colour[0] * by, colour[1] * by, colour[2] * by)


def _board(rng: np.random.Generator, colour: Colour) -> Surface:
    return Surface('board', colour, seed=seed(rng))


def _table_quads(
    rng: np.random.Generator, style: Style, width: float, depth: float, height: float
) -> list[Quad]:
    top = _board(rng, style.wood)
    legs = Surface('legs', style.wood, style.metal, seed(rng), 110, cutout=True)
    x, y = width / 2, depth / 2
    sides = box((-x, -y, 0), (x, y, height), legs, top)
    slab = height - 0.035
    return [*sides, face((-x, -y, slab), (width, 0, 0), (0, depth, 0), top)]


def _chair(rng: np.random.Generator, style: Style) -> list[Quad]:
    seat = Surface('cloth', style.cloth, seed=seed(rng))
    legs = Surface('legs', style.cloth, style.metal, seed(rng), 110, cutout=True)
    quads = box((-0.22, -0.22, 0), (0.22, 0.22, 0.46), legs, seat)
    back = [
        face((-0.21, 0.19, 0.92), (0.42, 0, 0), (0, 0, -0.36), seat),
        face((0.21, 0.21, 0.92), (-0.42, 0, 0), (0, 0, -0.36), following(seat, 5)),
    ]
    bars = face((-0.2, 0.2, 0.6), (0.4, 0, 0), (0, 0, -0.2), legs)
    return [*quads, *back, bars]


def _screen(rng: np.random.Generator) -> list[Quad]:
    """A computer's screen on a desk, from the desk's top up."""
    dark = Surface('metal', (0.09, 0.09, 0.1), seed=seed(rng))
    lit = (
        dark
        if rng.random() < 0.4
        else Surface(
            'poster', _tone(rng, 0.3, 0.8), _tone(rng, 0.2, 0.5), seed(rng), 130, glow=0.4
        )
    )
    return [
        face((-0.27, -0.01, 0.46), (0.54, 0, 0), (0, 0, -0.33), lit),
        face((0.27, 0.02, 0.46), (-0.54, 0, 0), (0, 0, -0.33), following(dark, 1)),
        face((-0.04, 0.0, 0.14), (0.08, 0, 0), (0, 0, -0.14), following(dark, 2)),
        face((0.04, 0.01, 0.14), (-0.08, 0, 0), (0, 0, -0.14), following(dark, 3)),
    ]


def _tone(rng: np.random.Generator, least: float, most: float) -> Colour:
    """A colour that is seldom a pure one, as in most rooms."""
    grey = rng.uniform(least, most)
    blue, green, red = np.clip(grey * np.exp(rng.normal(0, 0.22, 3)), 0.04, 0.92).tolist()
    return (blue, green, red)


def _bank(rng: np.random.Generator, style: Style) -> Piece:
    """Four desks in a block with a low screen between those that face each other."""
    width = float(rng.uniform(2.8, 3.4))
    quads = _table_quads(rng, style, width, 1.6, 0.74)
    for turn in (0.0, np.pi):
        for x in (-width / 4, width / 4):
            place = _turned(_screen(rng), rng.normal(0, 0.15), x + rng.normal(0, 0.08), 0.25)
            seat = _chair(rng, style)
            away = -1.0 + rng.uniform(-0.12, 0.1)
            place = [quad.raised(0.74) for quad in place]
            place += _turned(seat, np.pi + rng.normal(0, 0.4), x + rng.normal(0, 0.1), away)
            quads += _turned(place, turn, 0, 0)
    cloth = Surface('cloth', style.cloth, seed=seed(rng))
    quads += box((-width / 2, -0.02, 0.74), (width / 2, 0.02, 1.15), cloth)
    return Piece(width, 2.7, tuple(quads))


def _turned(quads: list[Quad], turn: float, x: float, y: float) -> list[Quad]:
    return [quad.moved(turn, x, y) for quad in quads]


def _table(rng: np.random.Generator, style: Style) -> Piece:
    width, depth = float(rng.uniform(1.1, 1.8)), float(rng.uniform(0.7, 0.95))
    quads = _table_quads(rng, style, width, depth, 0.75)
    for sign in (-1.0, 1.0):
        for x in (-width / 4, width / 4) if width > 1.4 else (0.0,):
            if rng.random() < 0.85:
                turn = (0.0 if sign > 0 else np.pi) + rng.normal(0, 0.2)
                away = depth / 2 + rng.uniform(0.0, 0.22)
                quads += _turned(_chair(rng, style), turn, x + rng.normal(0, 0.05), sign * away)
    return Piece(width, depth + 0.9, tuple(quads))


def _desk(rng: np.random.Generator, style: Style) -> Piece:
    width = float(rng.uniform(1.4, 1.8))
    quads = _table_quads(rng, style, width, 0.8, 0.74)
    x = float(rng.uniform(-0.25, 0.25))
    screen = [quad.raised(0.74) for quad in _screen(rng)]
    quads += _turned(screen, rng.normal(0, 0.15), x, 0.15)
    if rng.random() < 0.6:
        drawers = Surface('cabinet', style.metal, seed=seed(rng))
        quads += box((width / 2 - 0.47, -0.3, 0), (width / 2 - 0.07, 0.3, 0.6), drawers)
    quads += _turned(_chair(rng, style), np.pi + rng.normal(0, 0.4), -0.1, -0.55)
    cloth = Surface('cloth', style.cloth, seed=seed(rng))
    if rng.random() < 0.5:
        quads += box((-width / 2, 0.4, 0.4), (width / 2, 0.44, 1.25), cloth)
    return Piece(width, 1.6, tuple(_turned(quads, 0, 0, 0.3)))


def _shelf(rng: np.random.Generator, style: Style) -> Piece:
    width, high = float(rng.uniform(1.2, 3.0)), float(rng.uniform(1.5, 2.2))
    goods = Surface('goods', style.wood, seed=seed(rng), density=140)
    return Piece(
        width,
        0.45,
        tuple(
            box(
                (-width / 2, -0.225, 0),
                (width / 2, 0.225, high),
                _board(rng, style.wood),
                front=goods,
            )
        ),
    )


def _gondola(rng: np.random.Generator, style: Style) -> Piece:
    """A shop's shelf that is open on both sides."""
    width, high = float(rng.uniform(2.2, 4.2)), float(rng.uniform(1.3, 1.9))
    goods = Surface('goods', style.metal, seed=seed(rng), density=140)
    quads = box((-width / 2, -0.45, 0), (width / 2, 0.45, high), goods, _board(rng, style.metal))
    return Piece(width, 0.9, tuple(quads))


def _counter(rng: np.random.Generator, style: Style) -> Piece:
    width, depth = float(rng.uniform(1.8, 3.2)), float(rng.uniform(0.6, 0.8))
    side = Surface('cabinet', style.wood, _darker(style.wood, 0.4), seed(rng))
    quads = box((-width / 2, -depth / 2, 0), (width / 2, depth / 2, 1.05), side)
    top = _board(rng, _darker(style.wood, 0.55))
    quads += box(
        (-width / 2 - 0.04, -depth / 2 - 0.04, 1.05),
        (width / 2 + 0.04, depth / 2 + 0.04, 1.1),
        top,
        under=True,
    )
    till = Surface('metal', (0.16, 0.16, 0.17), seed=seed(rng))
    x = float(rng.uniform(-width / 3, width / 3))
    quads += box((x - 0.2, -0.15, 1.1), (x + 0.2, 0.15, 1.38), till)
    return Piece(width + 0.08, depth + 0.08, tuple(quads))


def _sofa(rng: np.random.Generator, style: Style) -> Piece:
    width = float(rng.uniform(1.5, 2.3))
    cloth = Surface('cloth', style.cloth, seed=seed(rng))
    x = width / 2
    quads = box((-x + 0.15, -0.42, 0.06), (x - 0.15, 0.3, 0.42), cloth)
    quads += box((-x, 0.22, 0.06), (x, 0.45, 0.85), cloth)
    quads += box((-x, -0.42, 0.06), (-x + 0.18, 0.22, 0.62), following(cloth, 9))
    quads += box((x - 0.18, -0.42, 0.06), (x, 0.22, 0.62), following(cloth, 17))
    return Piece(width, 0.9, tuple(quads))


def _cabinet(rng: np.random.Generator, style: Style) -> Piece:
    width, high = float(rng.uniform(0.8, 1.8)), float(rng.choice([0.75, 1.1, 1.4, 2.0]))
    colour = style.metal if rng.random() < 0.5 else style.wood
    front = Surface('cabinet', colour, _darker(colour, 0.35), seed(rng))
    quads = box((-width / 2, -0.22, 0), (width / 2, 0.22, high), _board(rng, colour), front=front)
    return Piece(width, 0.45, tuple(quads))


def _bench(rng: np.random.Generator, style: Style) -> Piece:
    width = float(rng.uniform(1.4, 2.2))
    quads = _table_quads(rng, style, width, 0.42, 0.45)
    return Piece(width, 0.45, tuple(quads))


def _pillar(rng: np.random.Generator, style: Style) -> Piece:
    side = float(rng.uniform(0.4, 0.65))
    grey = float(rng.uniform(0.5, 0.8))
    name = str(rng.choice(['painted', 'concrete', 'plaster']))
    cover = Surface(name, (grey, grey, grey), _darker(style.wood, 0.8), seed(rng))
    return Piece(
        side, side, tuple(box((-side / 2, -side / 2, 0), (side / 2, side / 2, 7.0), cover))
    )


def _partition(rng: np.random.Generator, style: Style) -> Piece:
    width, high = float(rng.uniform(1.6, 3.0)), float(rng.uniform(1.5, 2.0))
    cloth = Surface('screen', style.cloth, style.metal, seed(rng))
    return Piece(width, 0.15, tuple(box((-width / 2, -0.04, 0), (width / 2, 0.04, high), cloth)))


def _crown(
    rng: np.random.Generator, style: Style, wide: float, low: float, high: float, scale: float
) -> list[Quad]:
    """Two or three crossed sheets of leaves."""
    leaf = Surface(
        'leaves',
        style.leaf,
        seed=seed(rng),
        density=100 / max(scale**0.5, 1),
        scale=scale,
        cutout=True,
    )
    start = rng.uniform(0, np.pi)
    quads = []
    for sheet in range(3):
        quad = face((-wide / 2, 0, high), (wide, 0, 0), (0, 0, low - high), following(leaf, sheet))
        quads.append(quad.moved(start + sheet * np.pi / 3, 0, 0))
    return quads


def _plant(rng: np.random.Generator, style: Style) -> Piece:
    high = float(rng.uniform(0.9, 1.8))
    pot = Surface('plaster', _darker((0.75, 0.8, 0.85), rng.uniform(0.3, 1.0)), seed=seed(rng))
    quads = box(
        (-0.19, -0.19, 0),
        (0.19, 0.19, 0.4),
        pot,
        Surface('asphalt', (0.1, 0.14, 0.18), seed=seed(rng)),
    )
    return Piece(
        0.5, 0.5, tuple(quads + _crown(rng, style, 0.8, 0.32, high, float(rng.uniform(0.6, 1.1))))
    )


def _planter(rng: np.random.Generator, style: Style) -> Piece:
    width = float(rng.uniform(1.2, 2.4))
    wall = Surface(
        str(rng.choice(['concrete', 'board', 'brick'])),
        (0.5, 0.53, 0.56),
        (0.6, 0.62, 0.63),
        seed(rng),
    )
    quads = box(
        (-width / 2, -0.35, 0),
        (width / 2, 0.35, 0.5),
        wall,
        Surface('asphalt', (0.1, 0.14, 0.18), seed=seed(rng)),
    )
    for x in np.arange(-width / 2 + 0.4, width / 2 - 0.2, 0.6):
        quads += _turned(_crown(rng, style, 0.8, 0.4, float(rng.uniform(0.9, 1.3)), 0.8), 0, x, 0)
    return Piece(width, 0.7, tuple(quads))


def _tree(rng: np.random.Generator, style: Style) -> Piece:
    bark = Surface('board', (0.2, 0.26, 0.32), seed=seed(rng))
    quads = box((-0.13, -0.13, 0), (0.13, 0.13, 2.8), bark)
    high = float(rng.uniform(4.2, 5.5))
    return Piece(
        0.8, 0.8, tuple(quads + _crown(rng, style, float(rng.uniform(2.4, 3.2)), 1.9, high, 1.3))
    )


def _bin(rng: np.random.Generator, style: Style) -> Piece:
    side = Surface('metal', _darker(style.metal, 0.7), seed=seed(rng))
    lid = Surface('metal', (0.07, 0.07, 0.07), seed=seed(rng))
    return Piece(0.42, 0.42, tuple(box((-0.2, -0.2, 0), (0.2, 0.2, 0.85), side, lid)))


def _crates(rng: np.random.Generator, style: Style) -> Piece:
    quads: list[Quad] = []
    for x in (-0.4, 0.4):
        high = 0.0
        for _ in range(int(rng.integers(1, 4))):
            card = Surface(
                'board', _darker((0.42, 0.58, 0.7), rng.uniform(0.7, 1.1)), seed=seed(rng)
            )
            rise = float(rng.uniform(0.3, 0.5))
            stack = box((-0.34, -0.3, high), (0.34, 0.3, high + rise), card)
            quads += _turned(stack, rng.normal(0, 0.07), x, 0)
            high += rise
    return Piece(1.6, 0.7, tuple(quads))


def _car(rng: np.random.Generator, style: Style) -> Piece:
    """A parked van: plain, but it hides people as vans do."""
    paint = float(rng.uniform(0.15, 0.8))
    body = Surface('metal', _darker((1.0, 0.97, 0.95), paint), seed=seed(rng))
    dark = Surface('metal', (0.06, 0.06, 0.06), seed=seed(rng))
    glass = Surface('pane', (0.2, 0.2, 0.2), seed=seed(rng))
    quads = box((-2.1, -0.88, 0.3), (2.1, 0.88, 1.1), body, under=True)
    quads += box((-2.1, -0.82, 1.1), (1.2, 0.82, 1.9), body)
    quads += [face((-0.2 + x, -0.83, 1.75), (1.2, 0, 0), (0, 0, -0.55), glass) for x in (0.0,)]
    quads += [face((1.0, 0.83, 1.75), (-1.2, 0, 0), (0, 0, -0.55), glass)]
    quads += [face((1.21, -0.7, 1.8), (0, 1.4, 0), (0, 0, -0.6), glass)]
    wheel = Surface('wheel', (0.06, 0.06, 0.06), (0.5, 0.5, 0.5), seed(rng), cutout=True)
    for x in (-1.4, 1.35):
        quads += [
            face((x - 0.34, y, 0.68), (0.68, 0, 0), (0, 0, -0.68), wheel) for y in (-0.89, 0.89)
        ]
    quads.append(face((2.0, -0.7, 0.35), (0, 1.4, 0), (0, 0.0, -0.3), dark))
    lamp = Surface('board', (0.8, 0.85, 0.86), seed=seed(rng))
    quads += [face((2.11, y, 0.85), (0, 0.3, 0), (0, 0, -0.2), lamp) for y in (-0.8, 0.5)]
    return Piece(4.3, 1.8, tuple(quads))


Maker = Callable[[np.random.Generator, Style], Piece]

MAKERS: Mapping[str, Maker] = {
    'table': _table,
    'desk': _desk,
    'bank': _bank,
    'shelf': _shelf,
    'gondola': _gondola,
    'counter': _counter,
    'sofa': _sofa,
    'cabinet': _cabinet,
    'bench': _bench,
    'pillar': _pillar,
    'partition': _partition,
    'plant': _plant,
    'planter': _planter,
    'tree': _tree,
    'bin': _bin,
    'crates': _crates,
    'van': _car,
}
