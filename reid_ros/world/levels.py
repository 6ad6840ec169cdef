"""How hard the pictures are: from clean ones for tests to harsh ones for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reid_ros.world.scenario import WorldError


@dataclass(frozen=True, slots=True)
class Level:
    """Ranges from which the conditions of a picture are drawn.

    Attributes:
        sensor: level of `sensor.draw`.
        pixels: least and most height of a person in an image 480 pixels high.
        shake: standard deviation of each side of a box, as a share of its size, in full view.
        hidden: share of walks before which somebody else passes or with whom somebody walks.
        exposure: standard deviation of the log of a walk's brightness.
        smear: largest motion of the camera during a walk, pixels per second.
        standing: share of walks in which the person stands.
    """

    sensor: str
    pixels: tuple[float, float]
    shake: float
    hidden: float
    exposure: float
    smear: float
    standing: float


LEVELS: Mapping[str, Level] = MappingProxyType(
    {
        'clean': Level('clean', (110.0, 360.0), 0.0, 0.0, 0.0, 0.0, 0.0),
        'usual': Level('usual', (70.0, 340.0), 0.015, 0.25, 0.08, 0.0, 0.1),
        'harsh': Level('harsh', (36.0, 300.0), 0.04, 0.45, 0.15, 160.0, 0.15),
    }
)
"""clean, usual (what the worlds of the suite look like), harsh (wider than any of them)."""


def level(name: str) -> Level:
    """A level by its name.

    Raises:
        WorldError: there is none of that name.
    """
    if name not in LEVELS:
        raise WorldError(f'no level {name!r} of pictures: choose one of {", ".join(LEVELS)}')
    return LEVELS[name]
