"""Where the one to follow is, seen from the base of a robot: by `target/pose`, or by sightings."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from nav_msgs.msg import Odometry as OdometryMessage
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, PointCloud2
from std_msgs.msg import Bool, Header

from reid_ros.config import TargetConfig, setting
from reid_ros.follow import FollowConfig
from reid_ros.ground import by_height
from reid_ros.lens import Lens, Pose
from reid_ros.odometry import Odometry
from reid_ros.ros.convert import stamp_ns
from reid_ros.ros.diagnostics import status_event
from reid_ros.ros.frames import Frames
from reid_ros.ros.subscribe import Subscription
from reid_ros.ros.table import TableError, cloud_to_table, table_sightings
from reid_ros.stature import Statures
from reid_ros.target import Look, Target
from reid_ros.types import DoubleArray, Event
from reid_ros.whereabouts import measured

NS = 1_000_000_000
# A stamp this far ahead of the clock is no stamp of this robot's clock.
AHEAD_S = 0.2
# An optical frame (x right, y down, z forward) in the axes of a base that looks along x.
FORWARD = (0.0, 0.0, 0.0, -0.5, 0.5, -0.5, 0.5)
TF_S = 0.05


@dataclass(frozen=True)
class FollowNodeConfig(FollowConfig):
    """Settings of the follow node."""

    source: str = setting(
        'pose',
        'who says where the person is: pose (reid/target/pose and reid/target/locked) or '
        'sightings (of one camera, by this node itself)',
        choices=('pose', 'sightings'),
    )
    camera: str = setting('', 'name of the camera whose sightings are used')
    mount: tuple[float, ...] = setting(
        (),
        'x y z qx qy qz qw of the optical frame on the base, metres, of the camera whose '
        'sightings are used or in whose optical frame the pose comes; empty = it looks forward',
        pose=True,
    )
    mode: str = setting(
        'nearest',
        'with sightings, who is followed: nobody, the nearest (kept), or person_id',
        choices=('off', 'nearest', 'id'),
        live=True,
    )
    person_id: str = setting('', 'number of the person, for mode id', live=True)
    person_height_m: float = setting(
        1.7, 'height of a person, metres, until theirs was measured', 0.5, 2.5
    )
    base_frame: str = setting('base_link', 'frame of the base: x forward, y left')
    odom_topic: str = setting('odom', 'nav_msgs/Odometry of the base; "" = there is none')
    stamped: bool = setting(False, 'publish cmd_vel as TwistStamped, not as Twist')
    rate_hz: float = setting(20.0, 'commands per second', 5.0, 100.0)
    enabled: bool = setting(True, 'whether the base may move', live=True)


class Ground:
    """Takes places that were measured some time ago to the base as it stands now.

    Args:
        node: owns the subscription.
        config: of the node.
    """

    def __init__(self, node: Node, config: FollowNodeConfig) -> None:
        self._config, self._clock = config, node.get_clock()
        self._mount = Pose.of(config.mount or FORWARD)
        self._odometry, self._frame = Odometry(), ''
        self._frames = Frames(node)
        self._frames.configure(TF_S)
        self.subscription: Subscription | None = None
        if config.odom_topic:
            self.subscription = Subscription(
                node, OdometryMessage, config.odom_topic, self._on_odometry, depth=50
            )

    def seen(self, point: DoubleArray, header: Header) -> tuple[tuple[float, float] | None, str]:
        """x forward and y left of the base now, or None and why not.

        Args:
            point: (3,) metres in the frame of the header.
            header: with the stamp of the measurement.
        """
        frame, then_ns = header.frame_id, stamp_ns(header)
        if frame == self._config.base_frame:
            return self._since(point, then_ns), ''
        if frame == self._frame:
            now = self._base(self._clock.now().nanoseconds)
            if now is None:
                return None, f'{self._topic} is silent'
            return _flat(now.inside(point[None])[0]), ''
        found = self._frames.pose(self._config.base_frame, header)
        if found is not None:
            return self._since(_moved(found, point), then_ns), ''
        if self._config.mount or 'optical' in frame:
            return self._since(_moved(self._mount, point), then_ns), ''
        return None, (
            f'places come in frame {frame!r}, and where the base is in it nobody says: publish '
            f'{self._topic} in that frame, or the transform to {self._config.base_frame} (needs '
            'tf2_ros)'
        )

    @property
    def mount(self) -> Pose:
        """Of the optical frame on the base."""
        return self._mount

    @property
    def _topic(self) -> str:
        return self.subscription.topic if self.subscription is not None else 'odometry'

    def _since(self, point: DoubleArray, then_ns: int) -> tuple[float, float]:
        """A place that was before the base at a stamp, after what the base has moved since."""
        then, now = self._odometry.at(then_ns), self._base(self._clock.now().nanoseconds)
        if then is not None and now is not None:
            point = now.inside(_moved(then, point)[None])[0]
        return _flat(point)

    def _base(self, now_ns: int) -> Pose | None:
        newest = self._odometry.newest_ns
        if newest is None or now_ns - newest > self._config.stale_s * NS:
            return None
        return self._odometry.at(now_ns) or self._odometry.at(newest)

    def _on_odometry(self, message: Any) -> None:
        if self._odometry.hear(message):
            self._frame = message.header.frame_id


def _moved(pose: Pose, point: DoubleArray) -> DoubleArray:
    result: DoubleArray = pose.position + pose.rotation @ point
    return result


def _flat(point: DoubleArray) -> tuple[float, float]:
    return float(point[0]), float(point[1])


class Source:
    """Says where to go, or why not.

    Args:
        node: owns the subscriptions.
        config: of the node.

    Attributes:
        spread_m: standard deviation of the newest place, metres.
    """

    def __init__(self, node: Node, config: FollowNodeConfig) -> None:
        self.config = config
        self._clock = node.get_clock()
        self._ground = Ground(node, config)
        self._newest: tuple[DoubleArray, Header, float] | None = None
        self.spread_m = 0.0

    def configure(self, config: FollowNodeConfig) -> None:
        """Take the settings that may change live."""
        self.config = config

    def place(self) -> tuple[tuple[float, float] | None, str]:
        """x forward and y left of the base, metres; or None and why nobody is followed."""
        reason = self._doubt()
        if reason:
            return None, reason
        if self._newest is None:
            return None, 'no place of the target yet'
        point, header, arrived_s = self._newest
        if time.monotonic() - arrived_s > self.config.stale_s:
            return None, 'no new place of the target: it is not surely seen'
        age_s = self._age_s(header)
        if not -AHEAD_S <= age_s <= self.config.stale_s:
            when = 'older than stale_s' if age_s > 0 else 'ahead of the clock'
            return None, (
                f'the place is {when} by its stamp: synchronise the clocks of the hosts, or raise '
                'stale_s'
            )
        return self._ground.seen(point, header)

    def _doubt(self) -> str:
        """Why nobody is surely followed, '' where somebody is."""
        raise NotImplementedError

    def _take(self, point: DoubleArray, header: Header) -> None:
        last = self._newest
        if (
            last is None
            or stamp_ns(header) > stamp_ns(last[1])
            or not self._recent(last[2])
            or self._age_s(last[1]) < -AHEAD_S
        ):
            self._newest = (point, header, time.monotonic())

    def _age_s(self, header: Header) -> float:
        return float(self._clock.now().nanoseconds - stamp_ns(header)) / NS

    def _recent(self, arrived_s: float) -> bool:
        return time.monotonic() - arrived_s <= self.config.stale_s


class Poses(Source):
    """By `reid/target/pose`, while `reid/target/locked` says so."""

    def __init__(self, node: Node, config: FollowNodeConfig) -> None:
        super().__init__(node, config)
        self._locked = False
        self._told_s = -1e9
        self._subscriptions = [
            Subscription(node, PoseStamped, 'reid/target/pose', self._on_pose),
            Subscription(node, PoseWithCovarianceStamped, 'reid/target/pose_cov', self._on_cov),
            Subscription(node, Bool, 'reid/target/locked', self._on_locked),
        ]

    def _doubt(self) -> str:
        if time.monotonic() - self._told_s > self.config.deadman_s:
            return 'nobody says whether the target is locked: is the reid node alive?'
        return '' if self._locked else 'the target is not locked'

    def _on_pose(self, message: Any) -> None:
        at = message.pose.position
        self._take(np.array([at.x, at.y, at.z]), message.header)

    def _on_cov(self, message: Any) -> None:
        self.spread_m = _spread(np.array(message.pose.covariance).reshape(6, 6)[:3, :3])

    def _on_locked(self, message: Any) -> None:
        self._locked, self._told_s = bool(message.data), time.monotonic()


class Seen(Source):
    """By the sightings of one camera; who is followed is chosen and kept here."""

    def __init__(self, node: Node, config: FollowNodeConfig) -> None:
        super().__init__(node, config)
        self._target = Target(_target(config))
        self._statures = Statures()
        self._lens: Lens | None = None
        self._height = 0
        self._events: list[Event] = []
        name = config.camera
        self._subscriptions = [
            Subscription(node, PointCloud2, f'{name}/sightings', self._on_sightings),
            Subscription(node, CameraInfo, f'{name}/camera_info', self._on_info),
            Subscription(node, DiagnosticArray, 'reid/events', self._on_events, depth=50),
        ]

    def configure(self, config: FollowNodeConfig) -> None:
        """Take the settings that may change live."""
        super().configure(config)
        self._target.configure(_target(config))

    def _doubt(self) -> str:
        if self._lens is None:
            return f'no camera_info of {self.config.camera}'
        if self._target.locked(time.monotonic()):
            return ''
        reason = f': {self._target.reason}' if self._target.reason else ''
        return f'the target is not locked ({self._target.state}{reason})'

    def _on_sightings(self, cloud: Any) -> None:
        if self._lens is None:
            return
        try:
            table = cloud_to_table(cloud)
            found = table_sightings(table, self.config.camera, stamp_ns(cloud.header))
        except TableError:
            return
        usual = self.config.person_height_m
        if self.config.mount:
            mount = self._ground.mount
            spots = measured(found, self._statures, usual, self._lens, mount, self._height)
        else:  # the height of the camera is not known: nor is the floor
            rough = by_height(found.boxes, self._lens, usual)
            turned = Pose.of(FORWARD).rotation
            spots = dataclasses.replace(rough, positions=rough.positions @ turned.T)
        away = np.linalg.norm(spots.positions[:, :2], axis=1)
        # The base moves, so places of two images do not compare: the target asks for none.
        events, self._events = self._events, []
        aims = self._target.step([Look(found, away)], events, {}, time.monotonic())
        for aim in aims[:1]:
            header = Header(stamp=cloud.header.stamp, frame_id=self.config.base_frame)
            self._take(spots.positions[aim.row], header)
            self.spread_m = _spread(spots.covariances[aim.row])

    def _on_info(self, message: Any) -> None:
        self._lens = Lens.of(message, message.height, message.width)
        self._height = int(message.height)

    def _on_events(self, message: Any) -> None:
        self._events += [status_event(status) for status in message.status]


def _spread(covariance: DoubleArray) -> float:
    return float(np.sqrt(max(np.linalg.eigvalsh(covariance)[-1], 0.0)))


def _target(config: FollowNodeConfig) -> TargetConfig:
    return TargetConfig(config.mode, config.person_id, config.stale_s)
