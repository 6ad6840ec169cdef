"""TF, where tf2_ros is installed: where cameras are, and where the target is."""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geometry_msgs.msg import Pose as PoseMessage
from geometry_msgs.msg import Transform, TransformStamped, Vector3
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from reid_ros.lens import Pose, View, seen
from reid_ros.ros.hri import PERSONS, others

if TYPE_CHECKING:
    from reid_ros.ros.outputs import Shot

# A person manager of ROS4HRI owns the frames of persons; ours would contradict it.
PERSON_MANAGER = f'{PERSONS}/tracked'


@dataclass(frozen=True, slots=True)
class Standpoint:
    """From where an image was taken.

    Attributes:
        view: of the camera; its pose is in the frame below.
        frame: name of a frame whose ground is z = 0.
    """

    view: View
    frame: str


class Frames:
    """Looks poses of cameras up, and broadcasts `person_<id>`; does nothing without tf2_ros.

    Args:
        node: owns what is published and subscribed.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._timeout_s = 0.0
        self._tf2: Any = None
        self._broadcaster: Any = None
        self._buffer: Any = None
        self._listener: Any = None
        with contextlib.suppress(ImportError):
            self._tf2 = importlib.import_module('tf2_ros')

    @property
    def installed(self) -> bool:
        """Whether there is a tf2_ros."""
        return self._tf2 is not None

    def configure(self, timeout_s: float) -> None:
        """Listen to /tf, or no longer.

        Args:
            timeout_s: how long a transform is waited for; 0 does not ask TF for cameras.
        """
        self._timeout_s = timeout_s
        if timeout_s and self.installed and self._listener is None:
            self._buffer = self._tf2.Buffer()
            self._listener = self._tf2.TransformListener(self._buffer, self._node)

    def standpoint(self, shot: Shot, target_frame: str) -> Standpoint | None:
        """From where an image was taken, in the target's frame, at the image's own stamp.

        None where TF is not asked or does not know, or the camera sent no camera_info.
        """
        if shot.info is None:
            return None
        pose = self.pose(target_frame, shot.header)
        if pose is None:
            return None
        view = seen(shot.info, pose.numbers(), *shot.frame.image.shape[:2])
        return None if view is None else Standpoint(view, target_frame)

    def pose(self, target_frame: str, header: Header) -> Pose | None:
        """Where the frame of a header was at its stamp; None where TF is not asked or silent."""
        if not self._timeout_s or self._buffer is None:
            return None
        try:
            found = self._buffer.lookup_transform(
                target_frame,
                header.frame_id,
                Time.from_msg(header.stamp),
                Duration(seconds=self._timeout_s),
            ).transform
        except self._tf2.TransformException:
            return None
        at, turned = found.translation, found.rotation
        return Pose.of((at.x, at.y, at.z, turned.x, turned.y, turned.z, turned.w))

    def tell(self, header: Header, person: int, pose: PoseMessage) -> None:
        """Broadcast the frame of a person, unless a person manager does."""
        if self.installed and not others(self._node, PERSON_MANAGER):
            self.send(header, f'person_{person}', pose)

    def send(self, header: Header, child: str, pose: PoseMessage) -> None:
        """Broadcast a frame at a pose in the frame of the header."""
        if not self.installed:
            return
        if self._broadcaster is None:
            self._broadcaster = self._tf2.TransformBroadcaster(self._node)
        at = pose.position
        self._broadcaster.sendTransform(
            TransformStamped(
                header=header,
                child_frame_id=child,
                transform=Transform(
                    translation=Vector3(x=at.x, y=at.y, z=at.z), rotation=pose.orientation
                ),
            )
        )
