"""A robot's base on topics: driven by `cmd_vel`, it tells its odometry and hears the target."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, Twist
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2, RegionOfInterest
from std_msgs.msg import Bool, String

from reid_ros.ros.convert import stamp_ns
from reid_ros.ros.table import cloud_to_table, table_sightings
from reid_ros.types import DoubleArray, Sightings

COMMAND_S = 0.5
"""A base stands when nobody has commanded it for so long."""
TOLD_S = 1.0
"""Whether the target is locked counts for so long."""


class Driven:
    """What a driven robot hears and says, but for its images and odometry.

    Args:
        node: owns the topics; whoever spins it calls back.
        cameras: names.
        shift_ns: what stamps on topics are ahead of the world's.
        frame: of the world; a pose that comes in another tells no place here.

    Attributes:
        place: (2,) metres, the newest pose of the target, and the world's stamp of its image;
            None before the first.
        rois: the target's boxes x0 y0 x1 y1, whole pixels, by camera; the newest last. They
            carry no stamp, and may be heard after the pose of their image.
        strangers: poses that came in another frame.
        state: of the target, as diagnostics tell it.
        sightings: that came since they were taken.
    """

    def __init__(self, node: Node, cameras: Sequence[str], shift_ns: int, frame: str) -> None:
        self.place: tuple[DoubleArray, int] | None = None
        self.rois: dict[str, deque[tuple[int, ...]]] = {name: deque(maxlen=8) for name in cameras}
        self.strangers = 0
        self.state = ''
        self.sightings: list[Sightings] = []
        self._shift_ns, self._frame = shift_ns, frame
        self._command = (0.0, 0.0, -1e9)  # m/s, rad/s, when it came
        self._locked = (False, -1e9)
        self._choice = node.create_publisher(String, '/reid_node/select_target', 10)
        plenty = QoSProfile(depth=50)
        for kind, topic, hear in (
            (Twist, 'cmd_vel', self._on_command),
            (Bool, 'reid/target/locked', self._on_locked),
            (PoseStamped, 'reid/target/pose', self._on_pose),
            (DiagnosticArray, '/diagnostics', self._on_diagnostics),
        ):
            node.create_subscription(kind, topic, hear, plenty)
        for name in cameras:
            node.create_subscription(PointCloud2, f'{name}/sightings', self._ear(name), plenty)
            node.create_subscription(
                RegionOfInterest, f'{name}/target_roi', self._roi(name), plenty
            )

    @property
    def command(self) -> tuple[float, float]:
        """Forward m/s and turn rad/s; a base stands where nobody commands it."""
        forward, turn, came_s = self._command
        return (forward, turn) if time.monotonic() - came_s < COMMAND_S else (0.0, 0.0)

    @property
    def locked(self) -> bool:
        """Whether the node says that the target is followed."""
        said, came_s = self._locked
        return said and time.monotonic() - came_s < TOLD_S

    def choose(self, person: int) -> None:
        """Select a target by number."""
        self._choice.publish(String(data=str(person)))

    def _on_command(self, message: Any) -> None:
        self._command = (message.linear.x, message.angular.z, time.monotonic())

    def _on_locked(self, message: Any) -> None:
        self._locked = (bool(message.data), time.monotonic())

    def _on_pose(self, message: Any) -> None:
        if message.header.frame_id != self._frame:
            self.strangers += 1
            return
        at = message.pose.position
        stamp = stamp_ns(message.header) - self._shift_ns
        self.place = (np.array([at.x, at.y]), stamp)

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            for pair in status.values:
                if pair.key == 'target_state':
                    self.state = pair.value

    def _ear(self, camera: str) -> Callable[[Any], None]:
        def hear(cloud: Any) -> None:
            stamp = stamp_ns(cloud.header) - self._shift_ns
            self.sightings.append(table_sightings(cloud_to_table(cloud), camera, stamp))

        return hear

    def _roi(self, camera: str) -> Callable[[Any], None]:
        def hear(roi: Any) -> None:
            x, y = roi.x_offset, roi.y_offset
            self.rois[camera].append((x, y, x + roi.width, y + roi.height))

        return hear
