"""A world on real topics: its cameras publish, and what the node makes of them comes back.

Free-running, the world keeps its own rate by the wall clock and does not wait. In lockstep it
drives /clock and has only a few images of each camera on the way, so that with
`late_frame_policy: process_all` the result does not depend on how fast the machine is.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Point, PoseWithCovariance, Quaternion
from geometry_msgs.msg import Pose as PoseMessage
from nav_msgs.msg import Odometry
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from reid_ros.lens import Lens, Pose, View
from reid_ros.ros.convert import byte_array, stamp_ns
from reid_ros.ros.diagnostics import status_event
from reid_ros.ros.subscribe import QUIET_PUBLISHER
from reid_ros.ros.table import (
    cloud_to_table,
    detections_table,
    table_sightings,
    table_to_cloud,
)
from reid_ros.types import Detections, Event, ReidError, Sightings
from reid_ros.world.values import Shot

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]
ON_THE_WAY = 6
"""Images of one camera that may wait for their sightings in lockstep: a moment is final only when
every camera has sent a later image."""
CLOCK_S = 0.5
FAREWELL_NS = 1_000_000_000
ODOM, BASE = 'odom', 'base_link'


class StageError(ReidError):
    """Nobody listens, or nobody answers."""


@dataclass(frozen=True, slots=True)
class Played:
    """One image and what the node said of it.

    Attributes:
        shot: what was published.
        sightings: the node's answer.
        events: that came since the answer before.
    """

    shot: Shot
    sightings: Sightings
    events: list[Event]


class Stage:
    """Publishers of a world's cameras, and ears for the node's answers.

    Args:
        node: owns the publishers.
        executor: spins the node; only `play` spins it.
        cameras: names.
        compressed: JPEG instead of raw images.
        clock: drive /clock.
        answers: whether to listen for sightings.
        odom: frame of the odometry.

    Attributes:
        node: that was given.
        shift_ns: what stamps on topics are ahead of the world's.
    """

    def __init__(
        self,
        node: Node,
        executor: Executor,
        cameras: Sequence[str],
        *,
        compressed: bool = False,
        clock: bool = False,
        answers: bool = True,
        odom: str = ODOM,
    ) -> None:
        self.node, self.shift_ns = node, 0
        self._executor, self._compressed, self._odom = executor, compressed, odom
        kind, suffix = (CompressedImage, '/compressed') if compressed else (Image, '')
        self._images = {name: self._publisher(kind, f'{name}/image{suffix}') for name in cameras}
        self._tables = {n: self._publisher(PointCloud2, f'{n}/detections_table') for n in cameras}
        self._truths = {n: self._publisher(PointCloud2, f'{n}/truth') for n in cameras}
        self._infos = {n: self._publisher(CameraInfo, f'{n}/camera_info') for n in cameras}
        self._odometry = self._publisher(Odometry, ODOM)
        self._base = self._publisher(Odometry, f'truth/{ODOM}')
        self._clock = self._publisher(Clock, '/clock') if clock else None
        self._running = False
        self._answers: dict[tuple[str, int], Sightings] = {}
        self._events: list[Event] = []
        if answers:
            for name in cameras:
                node.create_subscription(
                    PointCloud2, f'{name}/sightings', self._ear(name), QoSProfile(depth=100)
                )
            node.create_subscription(
                DiagnosticArray, 'reid/events', self._on_events, QoSProfile(depth=100)
            )

    def wait(
        self,
        seconds: float,
        alive: Callable[[], bool] = lambda: True,
        senders: Mapping[str, Any] | None = None,
        what: str = 'images',
    ) -> None:
        """Until somebody subscribes to what every camera sends.

        Args:
            seconds: to wait at most.
            alive: whether it is worth to wait on.
            senders: the publishers, by camera; None: those of the images.
            what: they send.

        Raises:
            StageError: nobody came.
        """
        end = time.monotonic() + seconds
        senders = self._images if senders is None else senders
        while True:
            deaf = [n for n, sender in senders.items() if not sender.get_subscription_count()]
            if not deaf:
                break
            if time.monotonic() > end or not alive():
                raise StageError(
                    f'nobody subscribes to the {what} of {", ".join(deaf)}: is the node active, '
                    'with these cameras, in the same ROS_DOMAIN_ID?'
                )
            self._executor.spin_once(timeout_sec=0.05)
        # The other side of a match may come a moment later.
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.05)

    def begin(self, stamp_ns: int) -> None:
        """Let this stamp of the world be now."""
        self.shift_ns = self.node.get_clock().now().nanoseconds - stamp_ns

    def spin(self, seconds: float) -> None:
        """Hear what comes within so many seconds, at least what has come already."""
        end = time.monotonic() + seconds
        while True:
            self._executor.spin_once(timeout_sec=max(0.0, min(0.02, end - time.monotonic())))
            if time.monotonic() >= end:
                return

    def tell_base(self, pose: Pose, stamp_ns: int) -> None:
        """Publish where the robot believes to be."""
        self._odometry.publish(_odometry(pose, _time(stamp_ns + self.shift_ns), self._odom))

    def tell_lens(self, camera: str, view: View, stamp_ns: int) -> None:
        """Publish a camera's CameraInfo without an image."""
        self._infos[camera].publish(camera_info(view, self.header(camera, stamp_ns)))

    def header(self, camera: str, stamp_ns: int) -> Header:
        """Of everything of one image, by the world's stamp."""
        stamp = _time(stamp_ns + self.shift_ns)
        return Header(stamp=stamp, frame_id=f'{camera}_optical_frame')

    def perform(self, shots: Iterable[tuple[Shot, Detections | None]]) -> int:
        """Publish in real time, stamped with the present; returns the number of images.

        An image that is late is published at once, as a camera would.

        Args:
            shots: images in the order of their stamps, and the people found in each.
        """
        sent, began_ns, first_ns = 0, 0, 0
        for shot, found in shots:
            if not sent:
                began_ns, first_ns = time.monotonic_ns(), shot.frame.stamp_ns
                self.begin(first_ns)
            due_ns = began_ns + shot.frame.stamp_ns - first_ns
            while (left := due_ns - time.monotonic_ns()) > 0:
                self._executor.spin_once(timeout_sec=min(left / 1e9, 0.05))
            self.publish(shot, found)
            sent += 1
        return sent

    def play(
        self,
        shots: Iterable[tuple[Shot, Detections | None]],
        timeout_s: float = 20.0,
        alive: Callable[[], bool] = lambda: True,
    ) -> Iterator[Played]:
        """Publish in lockstep; gives every image with its sightings, in the order published.

        Args:
            shots: images in the order of their stamps, and the people found in each.
            timeout_s: for one answer.
            alive: whether it is worth to wait on.

        Raises:
            StageError: an answer did not come.
        """
        waiting: deque[Shot] = deque()
        count = dict.fromkeys(self._images, 0)
        last: dict[str, Shot] = {}
        for shot, found in shots:
            if not self._running:
                self._run_clock(shot.frame.stamp_ns)
            self.publish(shot, found)
            waiting.append(shot)
            last[shot.frame.camera] = shot
            count[shot.frame.camera] += 1
            self._executor.spin_once(timeout_sec=0.0)
            while waiting and (max(count.values()) > ON_THE_WAY or self._has(waiting[0])):
                yield self._answer(waiting.popleft(), count, timeout_s, alive)
        self._farewell(last.values())
        while waiting:
            yield self._answer(waiting.popleft(), count, timeout_s, alive)

    def _farewell(self, shots: Iterable[Shot]) -> None:
        """One more image of each camera, of nobody: it makes all moments before it final."""
        for shot in shots:
            stamp = shot.frame.stamp_ns + FAREWELL_NS
            frame = dataclasses.replace(shot.frame, stamp_ns=stamp)
            self.publish(dataclasses.replace(shot, frame=frame), Detections.none())

    def _run_clock(self, stamp_ns: int) -> None:
        """Start /clock a moment before the first image: while it says nothing none is used."""
        self._running = True
        end = time.monotonic() + CLOCK_S
        while self._clock is not None and time.monotonic() < end:
            self._clock.publish(Clock(clock=_time(stamp_ns)))
            self._executor.spin_once(timeout_sec=0.05)

    def _answer(
        self, shot: Shot, count: dict[str, int], timeout_s: float, alive: Callable[[], bool]
    ) -> Played:
        end = time.monotonic() + timeout_s
        while not self._has(shot):
            if time.monotonic() > end or not alive():
                raise StageError(
                    f'no sightings came for the image of {shot.frame.camera} with the stamp '
                    f'{shot.frame.stamp_ns} ns: see what the node logged'
                )
            self._executor.spin_once(timeout_sec=0.05)
        count[shot.frame.camera] -= 1
        events, self._events = self._events, []
        found = self._answers.pop((shot.frame.camera, shot.frame.stamp_ns))
        return Played(shot, found, events)

    def _has(self, shot: Shot) -> bool:
        return (shot.frame.camera, shot.frame.stamp_ns) in self._answers

    def publish(self, shot: Shot, found: Detections | None = None) -> None:
        """Publish one image with its truth and what belongs to it."""
        name = shot.frame.camera
        header = self.header(name, shot.frame.stamp_ns)
        stamp = header.stamp
        if self._clock is not None:
            self._clock.publish(Clock(clock=stamp))
        if found is not None:
            self._tables[name].publish(table_to_cloud(detections_table(found), header))
        self._truths[name].publish(table_to_cloud(shot.truth.table(), header))
        self._infos[name].publish(camera_info(shot.view, header))
        if shot.odometry is not None:
            self._odometry.publish(_odometry(shot.odometry, stamp, self._odom))
        if shot.base is not None:
            self._base.publish(_odometry(shot.base, stamp, self._odom))
        self._images[name].publish(self._image(shot, header))

    def _image(self, shot: Shot, header: Header) -> Any:
        image = shot.frame.image
        if self._compressed:
            _, data = cv2.imencode('.jpg', image, JPEG)
            return CompressedImage(
                header=header,
                format='bgr8; jpeg compressed bgr8',
                data=byte_array(np.asarray(data, np.uint8)),
            )
        height, width = image.shape[:2]
        message = Image(header=header, height=height, width=width, encoding='bgr8')
        message.step, message.data = 3 * width, byte_array(image)
        return message

    def _publisher(self, kind: Any, topic: str) -> Any:
        return self.node.create_publisher(
            kind, topic, QoSProfile(depth=10), event_callbacks=QUIET_PUBLISHER
        )

    def _ear(self, camera: str) -> Callable[[PointCloud2], None]:
        def hear(cloud: PointCloud2) -> None:
            stamp = stamp_ns(cloud.header)
            self._answers[camera, stamp] = table_sightings(cloud_to_table(cloud), camera, stamp)

        return hear

    def _on_events(self, message: DiagnosticArray) -> None:
        self._events += [status_event(status) for status in message.status]


@contextmanager
def opened(
    cameras: Sequence[str], *, clock: bool = False, domain: int | None = None, **options: Any
) -> Iterator[Stage]:
    """A stage with a node of its own, which ends with the block.

    Args:
        domain: of ROS; None: that of the environment.
        options: of the stage.
    """
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=domain)
    node = rclpy.create_node('reid_world', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield Stage(node, executor, cameras, clock=clock, **options)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def camera_info(view: View, header: Header) -> CameraInfo:
    """The CameraInfo of a camera's lens."""
    lens: Lens = view.lens
    matrix = lens.matrix
    result = CameraInfo(header=header, width=view.width, height=view.height)
    result.distortion_model = 'plumb_bob'
    result.d = [float(value) for value in lens.distortion]
    result.k = [float(value) for value in matrix.ravel()]
    result.r = [float(value) for value in np.eye(3).ravel()]
    result.p = [float(value) for value in np.column_stack([matrix, np.zeros(3)]).ravel()]
    return result


def _time(nanoseconds: int) -> Time:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return Time(sec=seconds, nanosec=rest)


def _odometry(pose: Pose, stamp: Time, frame: str) -> Odometry:
    x, y, z, *turned = pose.numbers()
    result = Odometry(header=Header(stamp=stamp, frame_id=frame), child_frame_id=BASE)
    a, b, c, d = turned
    result.pose = PoseWithCovariance(
        pose=PoseMessage(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=a, y=b, z=c, w=d))
    )
    return result
