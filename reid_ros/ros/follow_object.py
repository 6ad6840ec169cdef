"""Nav2's FollowObject as a client: `ros2 run reid_ros follow_object`, an example to build on.

Asks Nav2's following server (Jazzy and later) to follow `reid/target/pose` while the target is
locked. When the target is lost Nav2 gives up with FAILED_TO_DETECT_OBJECT; the client asks again
only when `reid/target/locked` is true again.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from builtin_interfaces.msg import Duration
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Bool

from reid_ros.ros.ending import until_signalled
from reid_ros.types import ReidError

# The action, in Nav2 itself, and in the package of its own that Humble has.
PACKAGES = ('nav2_msgs.action', 'opennav_following_msgs.action')
# Without a word about the target for so long, nobody is locked.
DEADMAN_S = 1.0
AGAIN_S = 1.0


class MissingNav2Error(ReidError):
    """The messages of Nav2's following server are not installed."""


def action() -> Any:
    """The class of the action FollowObject.

    Raises:
        MissingNav2Error: no package that is installed has it.
    """
    for package in PACKAGES:
        try:
            return importlib.import_module(package).FollowObject
        except (ImportError, AttributeError):
            continue
    raise MissingNav2Error(
        'FollowObject is neither in nav2_msgs nor in opennav_following_msgs: install '
        'ros-$ROS_DISTRO-nav2-msgs (Jazzy or later), or use follow_node'
    )


def goal(kind: Any, pose_topic: str, tracked_frame: str = '', max_s: float = 0.0) -> Any:
    """A goal of FollowObject.

    Args:
        kind: the class of the action.
        pose_topic: PoseStamped topic to follow, '' to follow a frame.
        tracked_frame: frame to follow where there is no topic, e.g. `person_7`.
        max_s: seconds until it ends by itself, 0 = never.
    """
    result = kind.Goal()
    result.pose_topic, result.tracked_frame = pose_topic, tracked_frame
    whole = int(max_s)
    result.max_duration = Duration(sec=whole, nanosec=int((max_s - whole) * 1e9))
    return result


def reason(kind: Any, result: Any) -> str:
    """Why following ended, in the action's own word; Humble's action has none."""
    code = getattr(result, 'error_code', 0)
    names = [
        name for name in dir(kind.Result) if name.isupper() and getattr(kind.Result, name) == code
    ]
    words = names[0] if names else str(code)
    more = getattr(result, 'error_msg', '')
    return f'{words}: {more}' if more else words


class FollowObject(Node):  # type: ignore[misc]
    """Has Nav2 follow the target while it is locked, and stop while it is not.

    Args:
        kind: the class of the action; None imports it.
        client: makes an action client of a node, a class and a name; None is rclpy's.
    """

    def __init__(self, kind: Any = None, client: Any = None, **options: Any) -> None:
        super().__init__('follow_object', **options)
        self._kind = kind or action()
        self._pose_topic = str(self.declare_parameter('pose_topic', 'reid/target/pose').value)
        self._max_s = float(self.declare_parameter('max_duration_s', 0.0).value)
        name = str(self.declare_parameter('action', 'follow_object').value)
        make = client or importlib.import_module('rclpy.action').ActionClient
        self._client = make(self, self._kind, name)
        self.state = 'waits for the target'
        self._locked, self._told_s, self._asked_s = False, -1e9, -1e9
        self._pending: Any = None
        self._handle: Any = None
        self.create_subscription(Bool, 'reid/target/locked', self._on_locked, 10)
        self.create_timer(0.1, self._tend, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_locked(self, message: Any) -> None:
        self._locked, self._told_s = bool(message.data), time.monotonic()

    def _tend(self) -> None:
        now = time.monotonic()
        locked = self._locked and now - self._told_s < DEADMAN_S
        if locked and self._pending is None and now - self._asked_s > AGAIN_S:
            self._asked_s = now
            if not self._client.server_is_ready():
                self._tell('waits for the action server follow_object of Nav2')
                return
            topic = self.resolve_topic_name(self._pose_topic)
            self._pending = self._client.send_goal_async(
                goal(self._kind, topic, max_s=self._max_s)
            )
            self._pending.add_done_callback(self._on_answer)
        elif not locked and self._handle is not None:
            handle, self._handle = self._handle, None
            handle.cancel_goal_async()
            self._tell('the target is not locked: Nav2 is told to stop')

    def _on_answer(self, future: Any) -> None:
        handle = future.result()
        if not handle.accepted:
            self._pending = None
            self._tell('Nav2 refused the goal')
            return
        self._handle = handle
        self._tell('Nav2 follows')
        handle.get_result_async().add_done_callback(self._on_end)

    def _on_end(self, future: Any) -> None:
        self._pending = self._handle = None
        self._tell(f'Nav2 ended: {reason(self._kind, future.result().result)}')

    def _tell(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.get_logger().info(state)


def main(args: Sequence[str] | None = None) -> int:
    """Run the client until SIGINT or SIGTERM."""
    with until_signalled(args) as goes_on:
        try:
            node = FollowObject()
        except MissingNav2Error as error:
            rclpy.logging.get_logger('follow_object').error(str(error))
            return 2
        try:
            while goes_on():
                rclpy.spin_once(node, timeout_sec=0.1)
        finally:
            node.destroy_node()
    return 0


if __name__ == '__main__':
    sys.exit(main())
