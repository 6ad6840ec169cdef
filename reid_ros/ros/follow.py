"""`follow_node`: drives a base after the target, for robots without Nav2.

It knows of no obstacle. A base that can hurt somebody needs a collision monitor after it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Twist, TwistStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from reid_ros.config import ConfigError, build, checked
from reid_ros.follow import STILL, Follower, Speed
from reid_ros.ros.ending import until_signalled
from reid_ros.ros.follow_sources import FollowNodeConfig, Poses, Seen, Source
from reid_ros.ros.parameters import descriptor, settings
from reid_ros.ros.subscribe import QUIET_PUBLISHER

HEARD_S = 0.5
"""Most seconds for which the end awaits that the base has heard to stand."""
# Zeros are repeated for so long after a stop; then others may drive.
FAREWELL_S = 1.0
DIAGNOSE_S = 1.0


class FollowNode(Node):  # type: ignore[misc]
    """Turns to the target and keeps a distance, while it is surely seen; else stands.

    Attributes:
        config: its settings now.
        reason: why the base stands, '' while somebody is followed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('follow_node', **options)
        self._settings = {one.name: one for one in settings(FollowNodeConfig())}
        for name, one in self._settings.items():
            default = list(one.default) if isinstance(one.default, tuple) else one.default
            kind = Parameter.Type.DOUBLE_ARRAY if default == [] else default
            self.declare_parameter(name, kind, descriptor(one))
        self.config = self._read()
        if self.config.source == 'sightings' and not self.config.camera:
            raise ConfigError('camera: name the camera whose sightings are to be followed')
        self.reason = 'just started'
        self._follower = Follower(self.config)
        self._source: Source = (Seen if self.config.source == 'sightings' else Poses)(
            self, self.config
        )
        self._kind = TwistStamped if self.config.stamped else Twist
        self._commands = self.create_publisher(
            self._kind,
            'cmd_vel',
            QoSProfile(depth=1),
            event_callbacks=QUIET_PUBLISHER,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._diagnostics = self.create_publisher(
            DiagnosticArray, '/diagnostics', 10, event_callbacks=QUIET_PUBLISHER
        )
        self._stepped_s = self._moved_s = time.monotonic()
        self._moved_s -= FAREWELL_S
        self.add_on_set_parameters_callback(self._on_set)
        self._changed = False
        self.create_service(SetBool, '~/enable', self._on_enable)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # a stopped /clock must not stop the base
        self.create_timer(1.0 / self.config.rate_hz, self._step, clock=steady)
        self.create_timer(DIAGNOSE_S, self._diagnose, clock=steady)

    def stop(self) -> None:
        """Stand at once, and say so."""
        self._say(self._follower.halt())

    def leave(self) -> None:
        """Stand, and end only when the base has heard it: what still waits would be lost."""
        self.stop()
        self._commands.wait_for_all_acked(Duration(seconds=HEARD_S))

    def _read(self) -> FollowNodeConfig:
        values = {}
        for name, one in self._settings.items():
            value = self.get_parameter_or(name).value
            value = one.default if value is None else value
            values[name] = list(value) if isinstance(one.default, tuple) else value
        return build(FollowNodeConfig, values)

    def _step(self) -> None:
        now = time.monotonic()
        seconds, self._stepped_s = now - self._stepped_s, now
        if self._changed:
            self._changed = False
            self.config = self._follower.config = self._read()
            self._source.configure(self.config)
        place, reason = None, 'disabled'
        if self.config.enabled:
            place, reason = self._source.place()
        if reason != self.reason:
            self.get_logger().info(f'stands: {reason}' if reason else 'follows')
            self.reason = reason
        speed = self._follower.step(place, seconds, self._source.spread_m)
        if place is not None or not speed.still:
            self._moved_s = now
        if now - self._moved_s <= FAREWELL_S:
            self._say(speed)

    def _say(self, speed: Speed) -> None:
        message = Twist()
        message.linear.x, message.angular.z = speed.forward, speed.turn
        if self.config.stamped:
            header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self.config.base_frame)
            message = TwistStamped(header=header, twist=message)
        self._commands.publish(message)

    def _on_set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            one = self._settings.get(parameter.name)
            if one is None:
                continue
            if not one.live:
                reason = f'{one.name} is read at start: start the node with another value'
                return SetParametersResult(successful=False, reason=reason)
            try:
                checked(one.name, parameter.value, one.field, one.kind)
            except ConfigError as error:
                return SetParametersResult(successful=False, reason=str(error))
        self._changed = True
        return SetParametersResult(successful=True)

    def _on_enable(self, request: Any, response: Any) -> Any:
        self.set_parameters([Parameter('enabled', value=bool(request.data))])
        response.success = True
        response.message = 'the base may move' if request.data else 'the base stands'
        return response

    def _diagnose(self) -> None:
        array = DiagnosticArray()
        array.header.stamp = self.get_clock().now().to_msg()
        speed = self._follower.speed if self.config.enabled else STILL
        status = DiagnosticStatus(name=self.get_name(), message=self.reason or 'follows')
        status.level = DiagnosticStatus.WARN if 'clock' in self.reason else DiagnosticStatus.OK
        status.values = [KeyValue(key=key, value=f'{value:.2f}') for key, value in _pairs(speed)]
        array.status = [status]
        self._diagnostics.publish(array)


def _pairs(speed: Speed) -> list[tuple[str, float]]:
    return [('forward_mps', speed.forward), ('turn_radps', speed.turn)]


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; the base stands at the end."""
    with until_signalled(args) as goes_on:
        try:
            node = FollowNode()
        except ConfigError as error:
            rclpy.logging.get_logger('follow_node').error(str(error))
            return 2
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            while goes_on():
                executor.spin_once(timeout_sec=0.1)
        finally:
            if rclpy.ok():
                node.leave()
            node.destroy_node()
            executor.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
