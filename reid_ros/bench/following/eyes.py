"""What the cameras of a chase see: people of wire, or rendered pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reid_ros import ego
from reid_ros.bench.wireframe import Looks, detected, figures
from reid_ros.calibration import Calibration, Condition, Spread
from reid_ros.lens import Pose, View
from reid_ros.types import Detections, DoubleArray, Frame, IntArray, UInt8Array
from reid_ros.world.live import Base, LiveWorld
from reid_ros.world.rig import Camera
from reid_ros.world.scenario import START_NS
from reid_ros.world.seeds import generator
from reid_ros.world.values import Shot

NS = 1_000_000_000

WIRE_LOOKS = Calibration(
    Condition(Spread(18.0, 3.0, 1000), Spread(85.0, 12.0, 1000)),
    Condition(Spread(18.0, 3.0, 1000), Spread(85.0, 12.0, 1000)),
)
"""Of the vectors of people of wire, by construction; look-alikes are 37 degrees apart."""


@dataclass(frozen=True, slots=True)
class Glance:
    """One image and what is true in it.

    Attributes:
        image: (h, w, 3) uint8 BGR.
        found: what a detector makes of it.
        owners: (n,) int64, index of the person in each box found, -1 = nobody.
        shares: (p,) float64, how much of each person of the world is seen, 0 to 1.
    """

    image: UInt8Array
    found: Detections
    owners: IntArray
    shares: DoubleArray


class Frames:
    """Frames of glances: a camera on the robot was where odometry says."""

    def __init__(self) -> None:
        self._told: dict[str, Pose] = {}

    def frame(
        self, camera: Camera, index: int, now: float, told: Pose, glance: Glance
    ) -> tuple[Frame, View]:
        """One image of a camera, later than its last, and how the camera is believed to see.

        Arguments are those of `Eyes.look`.
        """
        view = camera.view(told) if camera.moving else camera.fixed_view
        warp = None
        if camera.moving and camera.name in self._told:
            warp = ego.between(camera.lens, self._told[camera.name], view.pose)
        self._told[camera.name] = view.pose
        frame = Frame(
            camera.name, START_NS + round(now * NS), glance.image, index, detections=glance.found,
            ego=warp, view=view,
        )  # fmt: skip
        return frame, view


class Eyes(Protocol):
    """Takes a chase's images.

    Attributes:
        appearance: the network for the boxes; none: they bring their vectors.
        calibration: of these vectors; None: the network's own.
    """

    appearance: str
    calibration: Calibration | None

    def look(self, camera: Camera, index: int, now: float, base: Base, told: Pose) -> Glance:
        """One image.

        Args:
            camera: of the world.
            index: of the image.
            now: seconds since the world began.
            base: the robot.
            told: where it believes to be.
        """


class Wire:
    """No pictures: bodies of wire, and vectors that tell who somebody is but for look-alikes."""

    appearance = 'none'
    calibration: Calibration | None = WIRE_LOOKS

    def __init__(self, world: LiveWorld) -> None:
        self._world = world
        self._rng = generator(world.split, 'chase', 'wire', world.seed)
        self._tall = np.array([person.body.stature for person in world.people])
        alike = [(p.look_alike_of - 1, p.number - 1) for p in world.people if p.look_alike_of]
        self._looks = Looks(len(world.people), alike, self._rng)
        self._blank = {c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in world.cameras}

    def look(self, camera: Camera, index: int, now: float, base: Base, told: Pose) -> Glance:
        """One image."""
        spots, present = self._world.where(now)
        view = camera.view(base.pose if camera.moving else None)
        seen = figures(view, spots, self._tall, present, self._world.place.obstacles)
        shares = np.zeros(len(present))
        shares[seen.persons] = seen.visible
        found, rows = detected(seen, view.width, view.height, self._looks, self._rng)
        owners = np.full(len(rows), -1, np.int64)
        owners[rows >= 0] = seen.persons[rows[rows >= 0]]
        return Glance(self._blank[camera.name], found, owners, shares)


class Pictures:
    """Rendered images, true boxes disturbed as by a detector, and the shipped network."""

    appearance = 'appearance'
    calibration: Calibration | None = None

    def __init__(self, world: LiveWorld) -> None:
        self._world = world

    def look(self, camera: Camera, index: int, now: float, base: Base, told: Pose) -> Glance:
        """One image."""
        return self.shoot(camera, index, now, base, told)[1]

    def shoot(
        self, camera: Camera, index: int, now: float, base: Base, told: Pose
    ) -> tuple[Shot, Glance]:
        """One image, and all that belongs to it; arguments are those of `Eyes.look`."""
        world = self._world
        shot = world.shot(camera, index, now, base, told)
        people = shot.truth.persons.astype(np.int64) - 1
        shares = np.zeros(len(world.people))
        shares[people] = shot.truth.visible
        boxes = world.detected(shot)
        owners = np.full(len(boxes.rows), -1, np.int64)
        real = boxes.rows >= 0
        owners[real] = people[boxes.rows[real]]
        return shot, Glance(shot.frame.image, boxes.detections, owners, shares)
