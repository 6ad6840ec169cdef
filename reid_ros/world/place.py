"""Places that people walk in: floor, walls, ceiling or sky, doors, windows, furniture, light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reid_ros.types import DoubleArray, ReidError
from reid_ros.world.furniture import MAKERS, Piece, Style
from reid_ros.world.plan import KINDS, MARGINS, MOST, Plan
from reid_ros.world.quads import Quad
from reid_ros.world.shell import RECESS_M, Shell
from reid_ros.world.values import Light

WALKWAY_M = 1.25
"""Least gap between things, and between a thing and a wall that it does not stand against."""


__all__ = ['KINDS', 'RECESS_M', 'WALKWAY_M', 'Place', 'PlaceError', 'draw']


class PlaceError(ReidError):
    """A place that cannot be drawn."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a world happens. The floor spans 0 to x and 0 to y, metres.

    Attributes:
        kind: a key of `KINDS`.
        size: x and y, metres.
        height: of the ceiling, metres; of what surrounds it, outdoors.
        obstacles: (k, 4) float64 metres x0 y0 x1 y1, what stands on the floor.
        doors: (d, 3) float64: x, y of the middle of each threshold, metres, and the heading of
            who comes in. The floor goes on for `RECESS_M` behind it.
        light: how it is lit.
        quads: all that is seen of it.
    """

    kind: str
    size: tuple[float, float]
    height: float
    obstacles: DoubleArray
    doors: DoubleArray
    light: Light
    quads: tuple[Quad, ...]


def draw(rng: np.random.Generator, kind: str = 'hall') -> Place:
    """A place of this kind; the same random numbers give the same place.

    Raises:
        PlaceError: an unknown kind.
    """
    if kind not in KINDS:
        raise PlaceError(f'no kind of place is named {kind!r}: choose one of {", ".join(KINDS)}')
    plan = KINDS[kind]
    size = (float(rng.uniform(*plan.length)), float(rng.uniform(*plan.breadth)))
    height = float(rng.uniform(*plan.height))
    doors = _doors(rng, plan, size)
    pieces, obstacles = _furnish(rng, plan, size, height, doors)
    light = _light(rng, plan, size)
    shell = Shell(rng, plan, size, height)
    quads = [*shell.floor(), *shell.walls(doors), *shell.above(light), *pieces]
    return Place(kind, size, height, obstacles, doors[:, :3], light, tuple(quads))


def _doors(rng: np.random.Generator, plan: Plan, size: tuple[float, float]) -> DoubleArray:
    """(d, 5): x, y, heading inward, width, height; far from corners and from each other."""
    count = int(rng.integers(plan.doors[0], plan.doors[1] + 1))
    ends = [1, 3] if size[1] < 5 else []
    doors: list[list[float]] = []
    for attempt in range(400):
        if len(doors) == count:
            break
        wall = ends.pop() if ends else int(rng.integers(4))
        width = float(rng.uniform(1.1, 1.9)) if size[1] > 5 else float(rng.uniform(1.0, 1.3))
        span = size[wall % 2]
        at = float(rng.uniform(width / 2 + 0.5, span - width / 2 - 0.5))
        x, y, heading = (
            (at, 0.0, np.pi / 2),
            (size[0], at, np.pi),
            (at, size[1], -np.pi / 2),
            (0.0, at, 0.0),
        )[wall]
        # Late attempts accept doors that are closer together.
        apart = 4.0 if attempt < 200 else 2.5
        if all(np.hypot(x - door[0], y - door[1]) > apart for door in doors):
            doors.append([x, y, heading, width, float(rng.uniform(2.05, 2.35))])
    return np.array(doors)


def _furnish(
    rng: np.random.Generator,
    plan: Plan,
    size: tuple[float, float],
    height: float,
    doors: DoubleArray,
) -> tuple[list[Quad], DoubleArray]:
    """Things and their footprints, with walkways all round and room in front of the doors."""
    style = Style.draw(rng)
    goal = float(rng.uniform(*plan.cover)) * size[0] * size[1]
    taken: list[tuple[float, float, float, float]] = []
    quads: list[Quad] = []
    covered = 0.0
    landings = [_landing(door) for door in doors]
    left = dict(MOST)
    for turn in range(90):
        if covered >= goal:
            break
        # The middle first: what stands against walls finds room later too.
        walled = not plan.free or rng.random() < (0.15 if turn < 12 else 0.5)
        names = [name for name in (plan.against if walled else plan.free) if left.get(name, 1)]
        if not names:
            continue
        name = names[rng.integers(len(names))]
        piece = MAKERS[name](rng, style)
        tight = [*(_grown(other, WALKWAY_M) for other in taken), *landings]
        margin = 0.0 if walled else max(WALKWAY_M, MARGINS.get(name, 0.0))
        for _ in range(25):
            turns = int(rng.integers(4))
            wide, deep = (piece.width, piece.depth)[:: 1 if turns % 2 == 0 else -1]
            x, y = _spot(rng, size, wide, deep, turns, walled)
            foot = (x - wide / 2, y - deep / 2, x + wide / 2, y + deep / 2)
            if _inside(foot, size, margin) and not any(_meet(foot, other) for other in tight):
                taken.append(foot)
                covered += wide * deep
                left[name] = left.get(name, 99) - 1
                faces = _lowered(piece, height, plan)
                quads += [quad.moved(turns * np.pi / 2, x, y) for quad in faces]
                break
    return quads, np.array(taken).reshape(-1, 4)


def _lowered(piece: Piece, height: float, plan: Plan) -> tuple[Quad, ...]:
    """The faces of a thing, pillars cut at the ceiling."""
    if plan.outdoors:
        return piece.quads
    kept = []
    for quad in piece.quads:
        over = quad.corner[2] - height
        if over <= 0:
            kept.append(quad)
        elif abs(quad.down[2]) > over:
            low = np.array([0.0, 0.0, over])
            kept.append(replace(quad, corner=quad.corner - low, down=quad.down + low))
    return tuple(kept)


def _landing(door: DoubleArray) -> tuple[float, float, float, float]:
    """The floor before a door that stays free."""
    x = door[0] + 1.1 * np.cos(door[2])
    y = door[1] + 1.1 * np.sin(door[2])
    half = max(1.1, door[3] / 2 + 0.3)
    return (x - half, y - half, x + half, y + half)


def _spot(
    rng: np.random.Generator,
    size: tuple[float, float],
    wide: float,
    deep: float,
    turns: int,
    walled: bool,
) -> tuple[float, float]:
    """Where a thing goes: its back to the wall that it looks away from, or anywhere."""
    x = float(rng.uniform(wide / 2, max(size[0] - wide / 2, wide / 2 + 0.01)))
    y = float(rng.uniform(deep / 2, max(size[1] - deep / 2, deep / 2 + 0.01)))
    if walled:
        gap = 0.03
        edge = (size[1] - deep / 2 - gap, wide / 2 + gap, deep / 2 + gap, size[0] - wide / 2 - gap)
        if turns % 2 == 0:
            y = edge[turns]
        else:
            x = edge[turns]
    return x, y


def _grown(rect: tuple[float, ...], by: float) -> tuple[float, float, float, float]:
    return (rect[0] - by, rect[1] - by, rect[2] + by, rect[3] + by)


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _inside(foot: tuple[float, ...], size: tuple[float, float], least: float) -> bool:
    """Whether a thing is on the floor, that far from every wall."""
    return (
        foot[0] >= least
        and foot[1] >= least
        and foot[2] <= size[0] - least
        and foot[3] <= size[1] - least
    )


def _light(rng: np.random.Generator, plan: Plan, size: tuple[float, float]) -> Light:
    warmth = float(rng.normal(0, 0.05))
    colour = np.array([1 - warmth, 1.0, 1 + warmth], np.float32)
    if plan.outdoors:
        rise, turn = rng.uniform(0.6, 1.1), rng.uniform(0, 2 * np.pi)
        direction = np.array(
            [np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise)]
        )
        sun = float(rng.uniform(0.15, 0.55))
        return Light(direction, 1.0 - 0.75 * sun, sun, colour, np.zeros((0, 3)), 0.0)
    direction = np.array([*rng.uniform(-0.5, 0.5, 2), 1.0])
    diffuse = float(rng.uniform(0.22, 0.38))
    step = float(rng.uniform(2.6, 4.0))
    across, over = (max(round(side / step), 1) for side in size)
    spots = [
        ((i + 0.5) * size[0] / across, (j + 0.5) * size[1] / over, step * 0.5)
        for i in range(across)
        for j in range(over)
    ]
    return Light(
        direction / np.linalg.norm(direction),
        float(rng.uniform(0.98, 1.08)) - diffuse,
        diffuse,
        colour,
        np.array(spots),
        float(rng.uniform(0.12, 0.35)),
    )
