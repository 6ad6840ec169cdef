"""What a drawn person is made of: tubes around the joints, each a chain of ellipsoids."""

from __future__ import annotations

from typing import NamedTuple

from reid_ros.world.walk import JOINTS

JOINT = {name: index for index, name in enumerate(JOINTS)}
PELVIS, CHEST, WAIST, HEAD, LEFT_FOOT, RIGHT_FOOT, LEVEL, VISOR = range(8)
"""Frames that offsets and sizes are told in; WAIST lies between PELVIS and CHEST, LEVEL is turned
by the pelvis's heading only. Feet and VISOR are tipped over: their 'forward' is up."""
Sizes = tuple[float, float, float]
Joints = tuple[tuple[int, float], ...]
SIDES = (('left', 1.0), ('right', -1.0))
FINE = 90.0
"""Pixels: details of smaller people are not drawn."""


class Ring(NamedTuple):
    """One ellipsoid of a tube.

    Attributes:
        joints: (joint, weight): the centre before the offset.
        frame: axes of offset and size.
        offset: metres forward, left, up.
        size: semi-axes forward, left, up, metres.
        at: 0 to 1, where in the tube's paint.
        spread: what the feet's and the knees' distance along the heading adds to the size
            forward: a skirt makes room for the stride.
    """

    joints: Joints
    frame: int
    offset: Sizes
    size: Sizes
    at: float
    spread: tuple[float, float] = (0.0, 0.0)


class Tube(NamedTuple):
    """A chain of ellipsoids under one skin.

    Attributes:
        name: says how it is painted.
        rings: from one end to the other.
        ends: which ends are closed by a dome.
        rows: height of its paint, a multiple of 4.
        least_px: it is left out where the person is lower than this in the image.
        behind: metres by which it is drawn farther off than it is, so that no thigh pierces the
            garment that hangs over it.
    """

    name: str
    rings: tuple[Ring, ...]
    ends: tuple[bool, bool]
    rows: int
    least_px: float = 0.0
    behind: float = 0.0
