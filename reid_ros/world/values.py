"""Values passed between the parts of the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.lens import Pose, View
from reid_ros.types import AnyArray, DoubleArray, FloatArray, Frame, UInt8Array, UInt32Array

# Axes of the world: x, y on the floor, z up, metres. Headings: radians about z, 0 along x.
MOST_PEOPLE = 250
"""In one image: rows of a label image are numbered from 1 in uint8."""


TRUTH = np.dtype(
    [
        *((name, '<f4') for name in ('x0', 'y0', 'x1', 'y1', 'visible', 'x', 'y', 'z', 'heading')),
        ('person', '<u4'),
        ('outfit', 'u1'),
    ]
)
"""The columns of `<camera>/truth`, in a bag and live."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Who truly is in one image: everybody of whom at least one pixel could be seen.

    Attributes:
        persons: (n,) uint32, numbers of the people, from 1, over all cameras of a world.
        boxes: (n, 4) float32 pixels x0 y0 x1 y1 of the whole body, hidden parts too, cut at the
            image's border.
        visible: (n,) float32, 0 to 1: share of the whole body's pixels that is inside the image
            and hidden by nobody and nothing.
        ground: (n, 3) float64 metres in the world: below the pelvis, on the floor.
        headings: (n,) float32 radians.
        outfits: (n,) uint8, which of the person's outfits is worn, from 0.
        labels: (height, width) uint8: 0 = nobody, k + 1 = row k is what this pixel shows.
    """

    persons: UInt32Array
    boxes: FloatArray
    visible: FloatArray
    ground: DoubleArray
    headings: FloatArray
    outfits: UInt8Array
    labels: UInt8Array

    def __len__(self) -> int:
        return len(self.persons)

    def silhouette(self, row: int) -> UInt8Array:
        """(height, width) uint8, 255 where person `row` is seen, else 0."""
        result: UInt8Array = (self.labels == row + 1).astype(np.uint8) * np.uint8(255)
        return result

    def table(self) -> AnyArray:
        """(n,) of dtype TRUTH."""
        rows = np.empty(len(self), TRUTH)
        for i, name in enumerate(('x0', 'y0', 'x1', 'y1')):
            rows[name] = self.boxes[:, i]
        for i, name in enumerate(('x', 'y', 'z')):
            rows[name] = self.ground[:, i]
        rows['visible'], rows['heading'] = self.visible, self.headings
        rows['person'], rows['outfit'] = self.persons, self.outfits
        return rows


@dataclass(frozen=True, slots=True)
class Shot:
    """One image of one camera of a world, and what is true in it.

    Attributes:
        frame: the image; `ego` is set for a camera on a moving robot, from its odometry.
        truth: who is there.
        view: the camera at that moment.
        base: the robot's true pose in the world, None for a fixed camera.
        odometry: the robot's pose as its drifting odometry gives it, None for a fixed camera.
    """

    frame: Frame
    truth: Truth
    view: View
    base: Pose | None = None
    odometry: Pose | None = None


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture in the making; drawing changes the arrays in place.

    Attributes:
        image: (height, width, 3) uint8 BGR.
        depth: (height, width) float32 metres along the optical axis, of what is drawn there.
    """

    image: UInt8Array
    depth: FloatArray


@dataclass(frozen=True, slots=True)
class Light:
    """How a place is lit.

    Attributes:
        direction: (3,) float64 unit vector in the world, from a surface towards the main light.
        ambient: 0 to 1, brightness of what the main light does not reach.
        diffuse: 0 to 1, what the main light adds where it falls straight on.
        colour: (3,) float32 BGR factors near 1.
        spots: (k, 3) float64: lamps above (x, y) on the floor, metres, and their reach, metres.
        spot_gain: how much brighter it is right below a lamp, 0 = evenly lit.
    """

    direction: DoubleArray
    ambient: float
    diffuse: float
    colour: FloatArray
    spots: DoubleArray
    spot_gain: float

    def brightness(self, ground: DoubleArray) -> DoubleArray:
        """(n,) factor by which the lamps lighten what stands at (n, 2 or more) floor points."""
        if not len(self.spots):
            return np.ones(len(ground))
        away = np.linalg.norm(ground[:, None, :2] - self.spots[None, :, :2], axis=2)
        near = np.exp(-0.5 * (away / self.spots[:, 2]) ** 2).sum(axis=1)
        result: DoubleArray = 1.0 + self.spot_gain * (np.minimum(near, 1.5) - 0.5)
        return result
