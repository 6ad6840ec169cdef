"""A video of a chase: what the robot saw, who was followed, and a map from above."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from reid_ros.bench.following.chase import Scene
from reid_ros.bench.following.robot import ROBOT_M, Robot
from reid_ros.report.colours import colour
from reid_ros.report.draw import Shown, draw
from reid_ros.report.files import OutputError, part
from reid_ros.types import DoubleArray, UInt8Array
from reid_ros.world.live import LiveWorld

HIGH = 480
"""Height of the video, pixels."""
STRIP = 28
INK, GROUND, WALL = (40, 40, 40), (245, 245, 245), (170, 170, 170)
GREEN, RED, BLUE = (60, 170, 60), (50, 50, 220), (200, 120, 30)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
TRUE_M = 0.22
"""Radius of a person on the map."""


class Run(Protocol):
    """A chase that is filmed."""

    robot: Robot
    whom: int

    @property
    def right(self) -> bool:
        """Whether the box aimed at last truly was the target's."""

    @property
    def place(self) -> DoubleArray | None:
        """(2,) metres, where the target was said to be last."""

    def visible(self, now: float) -> bool:
        """Whether the target is half in view of a camera."""


Show = Callable[[Run, Scene], None]


@contextmanager
def film(path: Path | None, world: LiveWorld) -> Iterator[Show | None]:
    """What a chase is to show its images to; the video has its name when the block ends well.

    Args:
        path: None: there is no video.

    Raises:
        OutputError: it cannot be written.
    """
    if path is None:
        yield None
        return
    reel = Film(path, world)
    try:
        yield reel
        reel.close()
    finally:
        reel.drop()


class Film:
    """Writes one picture per image of the robot's camera.

    Args:
        path: of the video; written beside it until `close`.
        world: that is filmed.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, world: LiveWorld) -> None:
        self.path, self._world = path, world
        robot = world.cameras[-1]
        self._map = Map(world, HIGH)
        self._size = round(robot.width * HIGH / robot.height), HIGH
        still = [camera for camera in world.cameras if not camera.moving]
        self._small = {c.name: round(c.width * (HIGH // 2) / c.height) for c in still}
        wide = self._size[0] + self._map.wide + max(self._small.values(), default=0)
        self._whole = (wide // 2 * 2, HIGH + STRIP)
        self._others: dict[str, UInt8Array] = {}
        # The only codec for .mp4 that every build of OpenCV 4 and 5 can write.
        code = cv2.VideoWriter_fourcc(*'mp4v')  # type: ignore[attr-defined,unused-ignore]
        try:
            path.absolute().parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f'{path}: cannot be written: {error.strerror}') from error
        self._writer: Any = cv2.VideoWriter(str(part(path)), code, robot.rate_hz, self._whole)
        if not self._writer.isOpened():
            raise OutputError(f'{path}: OpenCV cannot write this video; try a name in .mp4')

    def __call__(self, chase: Run, scene: Scene) -> None:
        """Take in an image; those of fixed cameras wait for the robot's next."""
        picture = marked(scene)
        if not scene.camera.moving:
            size = self._small[scene.camera.name], HIGH // 2
            self._others[scene.camera.name] = np.asarray(
                cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8
            )
            return
        self._writer.write(self.page(chase, scene, picture))

    def page(self, chase: Run, scene: Scene, picture: UInt8Array) -> UInt8Array:
        """(h, w, 3) everything at one moment."""
        whole = np.full((self._whole[1], self._whole[0], 3), 255, np.uint8)
        wide = self._size[0]
        whole[STRIP:, :wide] = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        spots, present = self._world.where(scene.now)
        above = self._map.drawn(chase, scene, spots, present)
        whole[STRIP:, wide : wide + self._map.wide] = above
        for rank, name in enumerate(self._small):
            small = self._others.get(name)
            if small is not None and rank < 2:
                at, left = STRIP + rank * (HIGH // 2), wide + self._map.wide
                shown = small[:, : whole.shape[1] - left]
                whole[at : at + HIGH // 2, left : left + shown.shape[1]] = shown
        visible = chase.visible(scene.now)
        text = f'{scene.now:6.1f} s   {scene.state}   target #{scene.target or "-"}   '
        text += 'half in view' if visible else 'not in view'
        tone = GREEN if scene.locked and chase.right else RED if scene.locked else INK
        cv2.putText(whole, text, (8, 20), _FONT, 0.55, tone, 1, cv2.LINE_AA)
        return whole

    def close(self) -> None:
        """Give the file its name.

        Raises:
            OutputError: it cannot be written.
        """
        self._writer.release()
        try:
            part(self.path).replace(self.path)
        except OSError as error:
            raise OutputError(f'{self.path}: cannot be written: {error.strerror}') from error

    def drop(self) -> None:
        """Leave nothing half written behind."""
        self._writer.release()
        part(self.path).unlink(missing_ok=True)


def marked(scene: Scene) -> UInt8Array:
    """(h, w, 3) the image with boxes, the target's between white lines."""
    image: UInt8Array = scene.image.copy()
    found = scene.sightings
    persons = found.persons.tolist()
    labels = [f'#{p}' + ('' if c else '?') if p else '' for p, c in zip(persons, found.confirmed)]
    draw(image, Shown(found.boxes, persons, labels, found.predicted), scene.camera.name)
    if scene.aimed >= 0:
        x0, y0, x1, y1 = (round(float(v)) for v in found.boxes[scene.aimed])
        cv2.rectangle(image, (x0 - 4, y0 - 4), (x1 + 4, y1 + 4), (255, 255, 255), 5)
        cv2.rectangle(image, (x0 - 4, y0 - 4), (x1 + 4, y1 + 4), GREEN, 3)
    return image


class Map:
    """The place from above.

    Args:
        world: that is drawn.
        high: pixels.
    """

    def __init__(self, world: LiveWorld, high: int) -> None:
        across, along = world.place.size
        self._turned = across > along  # the longer side goes up
        wide_m, high_m = (along, across) if self._turned else (across, along)
        self._scale = (high - 20) / high_m
        self.wide = round(wide_m * self._scale) + 20
        self._high, self._wide_m = high, wide_m
        self._plan = np.full((high, self.wide, 3), GROUND, np.uint8)
        cv2.rectangle(self._plan, (10, 10), (self.wide - 11, high - 11), WALL, 2)
        for x0, y0, x1, y1 in world.place.obstacles.tolist():
            cv2.rectangle(self._plan, self._at(x0, y0), self._at(x1, y1), (205, 205, 205), -1)
        for camera in world.cameras:
            if not camera.moving:
                self._eye(camera.pose.position, camera.pose.rotation[:, 2], camera.name)

    def drawn(self, chase: Run, scene: Scene, spots: DoubleArray, present: Any) -> UInt8Array:
        """(h, w, 3) everybody as they truly are, and where the target is said to be."""
        plan: UInt8Array = self._plan.copy()
        for k in np.flatnonzero(present).tolist():
            at, size = self._at(*spots[k].tolist()), max(4, round(TRUE_M * self._scale))
            cv2.circle(plan, at, size, colour(k + 1)[::-1], -1, cv2.LINE_AA)
            if k == chase.whom:
                cv2.circle(plan, at, size + 3, INK, 2, cv2.LINE_AA)
        place = chase.place
        if scene.locked and place is not None:
            tone = GREEN if chase.right else RED
            cv2.drawMarker(plan, self._at(*place[:2].tolist()), tone, cv2.MARKER_CROSS, 16, 2)
        base = chase.robot.base
        at = self._at(base.x, base.y)
        cv2.circle(plan, at, max(5, round(ROBOT_M * self._scale)), BLUE, 2, cv2.LINE_AA)
        ahead = self._at(base.x + 0.8 * np.cos(base.heading), base.y + 0.8 * np.sin(base.heading))
        cv2.arrowedLine(plan, at, ahead, BLUE, 2, cv2.LINE_AA, 0, 0.3)
        return plan

    def _eye(self, position: DoubleArray, forward: DoubleArray, name: str) -> None:
        x, y = position[:2].tolist()
        dx, dy = (forward[:2] / np.linalg.norm(forward[:2])).tolist()
        cv2.arrowedLine(
            self._plan, self._at(x, y), self._at(x + dx, y + dy), INK, 2, cv2.LINE_AA, 0, 0.35
        )
        u, v = self._at(x, y)
        u = min(max(u - 16, 2), self.wide - 40)
        cv2.putText(
            self._plan, name, (u, min(max(v - 6, 12), self._high - 4)), _FONT, 0.4, INK, 1,
            cv2.LINE_AA,
        )  # fmt: skip

    def _at(self, x: float, y: float) -> tuple[int, int]:
        """Pixel of a place; y goes up."""
        # A turn, no mirror: left stays left.
        right, up = (self._wide_m - y, x) if self._turned else (x, y)
        return 10 + round(right * self._scale), self._high - 11 - round(up * self._scale)
