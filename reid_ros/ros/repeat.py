"""Cameras that show a short film over and over, for long runs.

Between two showings nobody is there, so that everybody has to be known again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from reid_ros.ros import picture
from reid_ros.ros.convert import stamp_ns
from reid_ros.ros.stage import camera_info
from reid_ros.ros.subscribe import QUIET, QUIET_PUBLISHER
from reid_ros.ros.table import (
    cloud_to_table,
    detections_table,
    table_sightings,
    table_to_cloud,
)
from reid_ros.types import Detections, Sightings
from reid_ros.world.values import Truth
from reid_ros.world.world import World

NOBODY_S = 3.0
"""Between two showings: longer than a track lives."""
LATE_NS = 1_000_000_000
"""A picture this late is not shown any more: a camera does not catch up."""
LAST_S = 2.0
"""For the answers to the last images."""


class Audience(Protocol):
    """Whoever wants to know what was shown, and what was said of it."""

    def send(self, camera: str, stamp_ns: int, truth: Truth | None) -> None:
        """An image goes out; nobody is in it where there is no truth."""

    def hear(self, found: Sightings, now_ns: int) -> None:
        """The node speaks of an image, now."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of the film.

    Attributes:
        image: the message; its stamp is set anew every time.
        found: the detections of it.
        truth: who is in it.
    """

    image: Any
    found: Detections
    truth: Truth


class Repeat:
    """The cameras.

    Args:
        node: owns publishers and subscriptions.
        spin: waits at most so many seconds for messages.
        world: what is shown.
        rate_hz: of each camera; an image of the world is shown several times in a row.
        audience: is told.
        reliable: whether lost images are sent again.

    Attributes:
        cameras: their names.
        sent: how many images went out.
        skipped: moments that came too late to be shown.
    """

    def __init__(
        self,
        node: Node,
        spin: Callable[[float], None],
        world: World,
        rate_hz: float,
        audience: Audience,
        reliable: bool = True,
    ) -> None:
        self._node, self._spin, self._audience = node, spin, audience
        self._period_ns = round(1e9 / rate_hz)
        self._again = max(1, round(rate_hz / world.scenario.rate_hz))
        self.cameras = [camera.name for camera in world.cameras]
        self.sent = self.skipped = 0
        self._film: dict[str, list[Picture]] = {name: [] for name in self.cameras}
        self._lenses: dict[str, CameraInfo] = {}
        for shot in world.shots():
            name = shot.frame.camera
            header = Header(frame_id=f'{name}_optical_frame')
            found = world.detected(shot).detections
            image = picture.raw(header, shot.frame.image)
            self._film[name].append(Picture(image, found, shot.truth))
            self._lenses[name] = camera_info(shot.view, header)

        def publisher(kind: Any, topic: str, policy: Any = ReliabilityPolicy.RELIABLE) -> Any:
            quality = QoSProfile(depth=10, reliability=policy)
            return node.create_publisher(kind, topic, quality, event_callbacks=QUIET_PUBLISHER)

        policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        self._images = {n: publisher(Image, f'{n}/image', policy) for n in self.cameras}
        self._tables = {n: publisher(PointCloud2, f'{n}/detections_table') for n in self.cameras}
        self._infos = {n: publisher(CameraInfo, f'{n}/camera_info') for n in self.cameras}
        for name in self.cameras:
            node.create_subscription(
                PointCloud2, f'{name}/sightings', self._ear(name), 100, event_callbacks=QUIET
            )

    def wait(self, seconds: float) -> bool:
        """Until somebody listens to every camera; False where nobody does."""
        end = time.monotonic() + seconds
        while not all(sender.get_subscription_count() for sender in self._images.values()):
            if time.monotonic() > end:
                return False
            self._spin(0.05)
        return True

    def show(self, seconds: float) -> None:
        """Show the film, in real time, for so long."""
        length = min(map(len, self._film.values())) * self._again
        showing = length + round(NOBODY_S * 1e9 / self._period_ns)
        due_ns = time.monotonic_ns()
        end_ns, tick = due_ns + round(seconds * 1e9), 0
        while due_ns < end_ns:
            while (left := due_ns - time.monotonic_ns()) > 0:
                self._spin(left * 1e-9)
            self._spin(0.0)
            if left < -LATE_NS:
                self.skipped += 1
            else:
                place = tick % showing
                self._tick(place, place < length)
            tick, due_ns = tick + 1, due_ns + self._period_ns
        end = time.monotonic() + LAST_S
        while time.monotonic() < end:
            self._spin(0.05)

    def _tick(self, place: int, somebody: bool) -> None:
        for name in self.cameras:
            film = self._film[name]
            shown = film[min(place // self._again, len(film) - 1)]
            header = shown.image.header
            header.stamp = self._node.get_clock().now().to_msg()
            found = shown.found if somebody else Detections.none()
            truth = shown.truth if somebody else None
            self._audience.send(name, stamp_ns(header), truth)
            if not place:
                self._lenses[name].header.stamp = header.stamp
                self._infos[name].publish(self._lenses[name])
            self._tables[name].publish(table_to_cloud(detections_table(found), header))
            self._images[name].publish(shown.image)
            self.sent += 1

    def _ear(self, camera: str) -> Callable[[Any], None]:
        def hear(cloud: Any) -> None:
            now_ns = self._node.get_clock().now().nanoseconds
            found = table_sightings(cloud_to_table(cloud), camera, stamp_ns(cloud.header))
            self._audience.hear(found, now_ns)

        return hear


@contextmanager
def opened(
    world: World, rate_hz: float, audience: Audience, *, reliable: bool = True
) -> Iterator[Repeat]:
    """The cameras of a world, in a node that ends with the block; rendering takes its time."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('repeat', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin(seconds: float) -> None:
        executor.spin_once(timeout_sec=seconds)

    try:
        yield Repeat(node, spin, world, rate_hz, audience, reliable)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)
