"""Flat faces, of which all that stands in a place is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reid_ros.types import DoubleArray
from reid_ros.world.surface import Surface


@dataclass(frozen=True, slots=True)
class Quad:
    """A flat rectangle, seen from the side on which `along` points right and `down` down.

    Attributes:
        corner: (3,) float64 metres, its upper left corner.
        along: (3,) float64 metres to the upper right corner.
        down: (3,) float64 metres to the lower left corner; at right angles to `along`.
        surface: what it is made of.
        sheet: left, top, width, height, metres: which part of a larger sheet of its surface it
            shows; None for a sheet of its own size.
        shell: whether it belongs to the place itself, which casts no shadow.
    """

    corner: DoubleArray
    along: DoubleArray
    down: DoubleArray
    surface: Surface
    sheet: tuple[float, float, float, float] | None = None
    shell: bool = False

    @property
    def size(self) -> tuple[float, float]:
        """Width and height, metres."""
        return float(np.linalg.norm(self.along)), float(np.linalg.norm(self.down))

    @property
    def normal(self) -> DoubleArray:
        """(3,) unit vector towards the side from which it is seen."""
        across = np.cross(self.down, self.along)
        result: DoubleArray = across / np.linalg.norm(across)
        return result

    def raised(self, by: float) -> Quad:
        """Lifted by metres."""
        return replace(self, corner=self.corner + np.array([0.0, 0.0, by]))

    def moved(self, turn: float, x: float, y: float) -> Quad:
        """Turned by radians about the vertical through the origin, then shifted on the floor."""
        c, s = np.cos(turn), np.sin(turn)
        spin = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        return replace(
            self,
            corner=spin @ self.corner + np.array([x, y, 0.0]),
            along=spin @ self.along,
            down=spin @ self.down,
        )


def seed(rng: np.random.Generator) -> int:
    """A number that a surface may be painted from."""
    return int(rng.integers(1 << 31))


def face(
    corner: tuple[float, ...],
    along: tuple[float, ...],
    down: tuple[float, ...],
    surface: Surface,
    shell: bool = False,
) -> Quad:
    """A quad from plain numbers."""
    return Quad(
        np.array(corner, float),
        np.array(along, float),
        np.array(down, float),
        surface,
        None,
        shell,
    )


def box(
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    side: Surface,
    top: Surface | None = None,
    front: Surface | None = None,
    under: bool = False,
) -> list[Quad]:
    """The four sides of a box, its top, and its underside where asked for."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    dx, dy, dz = x1 - x0, y1 - y0, z1 - z0
    top = top or side
    quads = [
        face((x0, y0, z1), (dx, 0, 0), (0, 0, -dz), front or side),
        face((x1, y1, z1), (-dx, 0, 0), (0, 0, -dz), following(side, 1)),
        face((x1, y0, z1), (0, dy, 0), (0, 0, -dz), following(side, 2)),
        face((x0, y1, z1), (0, -dy, 0), (0, 0, -dz), following(side, 3)),
        face((x0, y1, z1), (dx, 0, 0), (0, -dy, 0), following(top, 4)),
    ]
    if under:
        quads.append(face((x0, y0, z0), (dx, 0, 0), (0, dy, 0), side))
    return quads


def following(surface: Surface, step: int) -> Surface:
    """The same material, painted with other random numbers."""
    return replace(surface, seed=surface.seed + step)
