"""The target on topics: where it is while that is sure, and silence while it is not."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseStamped,
    PoseWithCovarianceStamped,
    Quaternion,
)
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Bool, Header

from reid_ros.boxes import inside
from reid_ros.config import CameraConfig, Config, TargetConfig
from reid_ros.ground import Places
from reid_ros.ros.frames import Frames, Standpoint
from reid_ros.ros.subscribe import QUIET_PUBLISHER
from reid_ros.stature import Statures
from reid_ros.target import Aim, Look, Target, nearest
from reid_ros.types import Moment, Sightings
from reid_ros.whereabouts import POSE_M, Estimate, Whereabouts, measured

if TYPE_CHECKING:
    from reid_ros.ros.outputs import Shot

UNKNOWN_VARIANCE = 1e3  # of what is not known of a pose: radians, or metres above the floor
# Who is slower may go sideways or stand: their velocity tells no heading.
HEADING_MPS = 0.4
# Without images for so long nobody is locked, even where the ROS clock stands still.
STEADY_S = 3.0
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Glance:
    """What is needed of one image."""

    sightings: Sightings
    header: Header
    rough: Places | None
    standpoint: Standpoint | None
    height: int
    width: int


class TargetTopics:
    """The node's target: steps it with each moment and publishes it. Silent when unsure.

    Args:
        node: owns the publishers.
        cameras: names.
    """

    def __init__(self, node: Node, cameras: Sequence[str]) -> None:
        self._node, self._clock = node, node.get_clock()
        self._pose = self._publisher(PoseStamped, 'reid/target/pose')
        self._cov = self._publisher(PoseWithCovarianceStamped, 'reid/target/pose_cov')
        self._locked = self._publisher(Bool, 'reid/target/locked')
        self._roi = {
            name: self._publisher(RegionOfInterest, f'{name}/target_roi') for name in cameras
        }
        self.target = Target(TargetConfig())
        self.frames = Frames(node)
        self._config = Config()
        self._latest: dict[str, tuple[float, _Glance]] = {}
        self._glances: list[_Glance] = []
        self._looks: list[Look] | None = None
        self._ways: dict[str, Whereabouts] = {}
        self._statures = Statures()
        self._choice = self.target.choice
        self._stepped_s = 0.0

    @property
    def config(self) -> TargetConfig:
        """Mode, person and timeout."""
        return self.target.config

    @property
    def person(self) -> int:
        """Number of the target, 0 = nobody."""
        return self.target.person

    def configure(self, config: Config) -> None:
        """Take the settings of a run, or those that changed live."""
        self._config = config
        self.target.configure(config.target)
        self.frames.configure(config.tf_timeout_s)

    def choose(self, mode: str, person_id: str = '') -> None:
        """Choose at once and anew, also where the same was chosen before."""
        self.target.configure(dataclasses.replace(self.config, mode=mode, person_id=person_id))
        self.target.release()

    def release(self) -> None:
        """Forget whom the mode chose; it chooses anew."""
        self.target.release()

    def facts(self) -> Mapping[str, str]:
        """What diagnostics tell."""
        person = str(self.person or 'nobody')
        reason = f': {self.target.reason}' if self.target.reason else ''
        return {'target': person, 'target_state': f'{self.target.state}{reason}'}

    def locked(self) -> bool:
        """Whether the target is surely followed right now."""
        guard = max(STEADY_S, 4 * self.config.lost_timeout_s)
        fresh = time.monotonic() - self._stepped_s < guard
        return fresh and self.target.locked(self._clock.now().nanoseconds / NS)

    def publish_locked(self) -> None:
        """Say whether the target is followed: a latched message would outlive a dead node."""
        self._locked.publish(Bool(data=self.locked()))

    def publish(
        self,
        shots: Sequence[Shot],
        moment: Moment,
        names: Mapping[int, str],
        rough: Sequence[Places | None],
    ) -> None:
        """Take in one moment and publish the target where it is surely seen.

        Args:
            shots: images of the moment.
            moment: what was found in them.
            names: of the persons.
            rough: where people are, by each camera alone; for cameras without a standpoint in the
                optical frame.
        """
        self._stepped_s = time.monotonic()
        glances = [
            self._glance(shot, found, spots)
            for shot, found, spots in zip(shots, moment.sightings, rough)
        ]
        self._glances, self._looks = glances, None
        for glance in glances:
            self._latest[glance.sightings.camera] = (self._stepped_s, glance)
        if self.config.mode == 'off':
            return
        looks = self.looks()
        now_s = self._clock.now().nanoseconds / NS
        aims = self.target.step(looks, moment.events, names, now_s)
        if self.target.choice != self._choice:
            self._choice = self.target.choice
            self._ways.clear()
        if not aims:
            return
        for aim in aims:
            glance = glances[aim.image]
            box = glance.sightings.boxes[aim.row]
            self._roi[glance.sightings.camera].publish(_roi(box, glance.height, glance.width))
        self._place(aims, glances, looks)

    def looks(self) -> list[Look]:
        """What the images of the last moment show, and where; worked out when it is asked for."""
        if self._looks is None:
            self._looks = [self._look(glance) for glance in self._glances]
        return self._looks

    def nearest(self, within_s: float = 1.0) -> int:
        """The person who is nearest right now; 0 where that is not sure."""
        now = time.monotonic()
        recent = [glance for at, glance in list(self._latest.values()) if now - at < within_s]
        return nearest([self._look(glance) for glance in recent])

    # --------------------------------------------------------------------------------------------

    def _glance(self, shot: Shot, found: Sightings, rough: Places | None) -> _Glance:
        frame = shot.frame
        height, width = frame.image.shape[:2]
        standpoint = shot.standpoint
        if standpoint is None and frame.view is not None:
            standpoint = Standpoint(frame.view, self._config.target_frame)
        elif standpoint is None or standpoint.frame != self._config.target_frame:
            standpoint = self.frames.standpoint(shot, self._config.target_frame) or standpoint
        return _Glance(found, shot.header, rough, standpoint, height, width)

    def _look(self, glance: _Glance) -> Look:
        found = glance.sightings
        riding = any(camera.mount for camera in self._config.cameras.values())
        asked = bool(self._of(found.camera).mount) or not riding
        seen = glance.standpoint
        if seen is not None:
            lens, pose, usual = seen.view.lens, seen.view.pose, self._config.person_height_m
            spots = measured(found, self._statures, usual, lens, pose, glance.height)
            away = (spots.positions - seen.view.pose.position)[:, :2]
            return Look(found, np.linalg.norm(away, axis=1), spots, seen.frame, asked)
        if glance.rough is None:
            return Look(found, np.full(len(found), np.inf), asked=asked)
        return Look(found, np.linalg.norm(glance.rough.positions, axis=1), asked=asked)

    def _of(self, camera: str) -> CameraConfig:
        return self._config.cameras.get(camera, CameraConfig())

    def _place(
        self, aims: Sequence[Aim], glances: Sequence[_Glance], looks: Sequence[Look]
    ) -> None:
        """Publish where the target is: on the ground if that is known, else before a camera."""
        told: dict[str, int] = {}  # frame -> image with the newest place in it
        for aim in aims:
            look, stamp_ns = looks[aim.image], looks[aim.image].sightings.stamp_ns
            if look.places is None:
                continue
            way = self._ways.get(look.frame)
            if way is None or way.at(stamp_ns) is None:
                if not look.places.sure[aim.row]:
                    continue
                way = self._ways[look.frame] = Whereabouts()
            row = aim.row
            if way.add(stamp_ns, look.places.positions[row], look.places.covariances[row]):
                last = told.setdefault(look.frame, aim.image)
                if stamp_ns > looks[last].sightings.stamp_ns:
                    told[look.frame] = aim.image
        if not told:
            if all(looks[aim.image].places is None for aim in aims):
                # Whoever follows takes an optical frame for that of the robot's own camera.
                own = [aim for aim in aims if looks[aim.image].asked]
                if own:
                    self._publish_before_camera(own[0], glances[own[0].image])
            return
        wanted = self._config.target_frame
        frame = wanted if wanted in told else sorted(told)[0]
        glance = glances[told[frame]]
        estimate = self._ways[frame].at(glance.sightings.stamp_ns)
        if estimate is not None:
            header = Header(stamp=glance.header.stamp, frame_id=frame)
            pose, covariance = ground_pose(estimate)
            self._say(header, pose, covariance)
            self.frames.tell(header, self.person, pose)

    def _publish_before_camera(self, aim: Aim, glance: _Glance) -> None:
        """In the optical frame, by the height of the box: nobody knows where the camera is."""
        if glance.rough is None:
            return
        frame = self._of(glance.sightings.camera).optical_frame or glance.header.frame_id
        header = Header(stamp=glance.header.stamp, frame_id=frame)
        x, y, z = (float(v) for v in glance.rough.positions[aim.row])
        covariance = np.diag([0.0] * 3 + [UNKNOWN_VARIANCE] * 3)
        covariance[:3, :3] = glance.rough.covariances[aim.row]
        pose = Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(w=1.0))
        self._say(header, pose, covariance)

    def _say(self, header: Header, pose: Pose, covariance: Any) -> None:
        self._pose.publish(PoseStamped(header=header, pose=pose))
        message = PoseWithCovarianceStamped(header=header)
        message.pose.pose = pose
        message.pose.covariance = covariance.reshape(-1).tolist()
        self._cov.publish(message)

    def _publisher(self, kind: Any, topic: str) -> Any:
        return self._node.create_publisher(
            kind,
            topic,
            QoSProfile(depth=10),
            event_callbacks=QUIET_PUBLISHER,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )


def ground_pose(estimate: Estimate) -> tuple[Pose, Any]:
    """The pose of somebody on the ground, turned to where they go, and its (6, 6) covariance."""
    (x, y), (vx, vy) = estimate.position.tolist(), estimate.velocity.tolist()
    covariance = np.diag([0.0, 0.0, POSE_M**2] + [UNKNOWN_VARIANCE] * 3)
    covariance[:2, :2] = estimate.spread
    pose = Pose(position=Point(x=x, y=y, z=0.0), orientation=Quaternion(w=1.0))
    speed = float(np.hypot(vx, vy))
    if speed > HEADING_MPS:
        half = float(np.arctan2(vy, vx)) / 2
        pose.orientation = Quaternion(z=float(np.sin(half)), w=float(np.cos(half)))
        side = np.array([-vy, vx]) / speed
        covariance[5, 5] = float(side @ estimate.covariance[2:, 2:] @ side) / speed**2
    return pose, covariance


def _roi(box: Any, height: int, width: int) -> RegionOfInterest:
    """The part of a box that lies within the image."""
    x0, y0, x1, y1 = inside(box, width, height)
    return RegionOfInterest(x_offset=x0, y_offset=y0, width=x1 - x0, height=y1 - y0)
