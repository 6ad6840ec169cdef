"""What the node publishes after each moment."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseArray,
    PoseStamped,
    PoseWithCovarianceStamped,
    Quaternion,
)
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, RegionOfInterest
from std_msgs.msg import Bool, Float32MultiArray, Header, MultiArrayDimension
from visualization_msgs.msg import MarkerArray

from reid_ros.config import CameraConfig, Config
from reid_ros.ground import Places, by_height, on_ground
from reid_ros.lens import Lens
from reid_ros.ros import picture, vision
from reid_ros.ros.diagnostics import event_status
from reid_ros.ros.markers import Markers, Standing
from reid_ros.ros.subscribe import QUIET_PUBLISHER
from reid_ros.ros.table import sightings_table, table_to_cloud
from reid_ros.ros.target import Aim, Target
from reid_ros.types import Frame, Moment, Sightings

if TYPE_CHECKING:
    from reid_ros.scene import Observation

UNKNOWN_VARIANCE = 1e3  # of what one image cannot tell: the target's turn, rad²


@dataclass(frozen=True)
class Shot:
    """One processed image.

    Attributes:
        frame: its pixels.
        header: of its message, copied to every result.
        info: the camera's last sensor_msgs/CameraInfo, None where it sent none.
    """

    frame: Frame
    header: Header
    info: Any


class Outputs:
    """The node's publishers: made once, silent while nobody calls `publish`.

    Args:
        node: owns the publishers.
        cameras: names.
    """

    def __init__(self, node: Node, cameras: Sequence[str]) -> None:
        self._node = node
        self._vision = vision.messages() if vision.installed() else None
        self.events = self._publisher(DiagnosticArray, 'reid/events', 50)
        self._markers = self._publisher(MarkerArray, 'reid/people/markers')
        self._poses = self._publisher(PoseArray, 'reid/people/poses')
        self._target_pose = self._publisher(PoseStamped, 'reid/target/pose')
        self._target_cov = self._publisher(PoseWithCovarianceStamped, 'reid/target/pose_cov')
        self._locked = self._publisher(Bool, 'reid/target/locked')
        self._embeddings = self._publisher(Float32MultiArray, 'reid/debug/embeddings')
        self._of: dict[str, dict[str, Any]] = {name: self._camera(name) for name in cameras}
        self._info: Any = None
        if self._vision:
            self._info = self._publisher(
                self._vision.VisionInfo, 'reid/vision_info', 1, latched=True
            )
        self._version = 0
        self.configure(Config())

    def configure(self, config: Config) -> None:
        """Take the settings of the next run."""
        self._config = config
        self._shown = Markers(config.person_height_m)
        self._lenses: dict[str, tuple[Any, tuple[int, int], Lens | None]] = {}

    def publish(
        self,
        shots: Sequence[Shot],
        moment: Moment,
        target: Target,
        names: Mapping[int, str],
        now_s: float,
    ) -> None:
        """Everything that one moment has to say."""
        for shot, found in zip(shots, moment.sightings):
            self._tables(shot, found)
        places = [self._places(shot, found) for shot, found in zip(shots, moment.sightings)]
        standing = [self._standing(*group) for group in zip(shots, moment.sightings, places)]
        everybody = [one for group in standing for one in group]
        cameras = [shot.frame.camera for shot in shots]
        markers = self._shown.step(cameras, everybody, names)
        if markers.markers:
            self._markers.publish(markers)
        self._publish_poses(everybody)
        distances = [
            self._distances(shot, found, place)
            for shot, found, place in zip(shots, moment.sightings, places)
        ]
        aims = target.step(moment.sightings, moment.events, distances, names, now_s)
        self._publish_target(aims, shots, moment.sightings, standing)
        if moment.events:
            self._publish_events(moment, shots, names)
        for shot, found in zip(shots, moment.sightings):
            self._debug(shot, found, names, target.person)

    def publish_embeddings(self, observations: Sequence[Observation]) -> None:
        """The vectors of one moment, where the settings ask for them.

        One message per image: rows are vectors, the first dimension's label is
        `<camera> <stamp_ns> <track> <track> ...`.
        """
        if not self._config.debug_embeddings:
            return
        for seen in observations:
            if not len(seen.rows):
                continue
            n, length = seen.vectors.shape
            tracks = ' '.join(str(track) for track in seen.tracks.ids[seen.rows])
            message = Float32MultiArray()
            message.layout.dim = [
                MultiArrayDimension(
                    label=f'{seen.camera} {seen.stamp_ns} {tracks}', size=n, stride=n * length
                ),
                MultiArrayDimension(label='vector', size=length, stride=length),
            ]
            message.data = array('f', seen.vectors.astype(np.float32).tobytes())
            self._embeddings.publish(message)

    def publish_locked(self, locked: bool) -> None:
        """Whether the target is followed: a latched message would outlive a dead node."""
        self._locked.publish(Bool(data=locked))

    def clear(self) -> None:
        """Take the markers off the screens."""
        self._markers.publish(self._shown.clear())

    def _publisher(self, kind: Any, topic: str, depth: int = 10, *, latched: bool = False) -> Any:
        profile = QoSProfile(
            depth=depth,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=(
                DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
            ),
        )
        return self._node.create_publisher(
            kind,
            topic,
            profile,
            event_callbacks=QUIET_PUBLISHER,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _camera(self, name: str) -> dict[str, Any]:
        result = {
            'sightings': self._publisher(PointCloud2, f'{name}/sightings'),
            'target_roi': self._publisher(RegionOfInterest, f'{name}/target_roi'),
            'debug': self._publisher(Image, f'{name}/debug_image', 1),
            'debug_jpeg': self._publisher(CompressedImage, f'{name}/debug_image/compressed', 1),
        }
        if self._vision:
            kind = self._vision.Detection2DArray
            result['tracks'] = self._publisher(kind, f'{name}/tracks')
            result['identities'] = self._publisher(kind, f'{name}/identities')
        return result

    def _tables(self, shot: Shot, found: Sightings) -> None:
        to = self._of[shot.frame.camera]
        to['sightings'].publish(table_to_cloud(sightings_table(found), shot.header))
        if self._vision:
            to['tracks'].publish(vision.tracks(self._vision, shot.header, found))
            to['identities'].publish(vision.identities(self._vision, shot.header, found))

    def _lens(self, shot: Shot) -> Lens | None:
        """Of the last CameraInfo, worked out once."""
        if shot.info is None:
            return None
        name = shot.frame.camera
        height, width = shot.frame.image.shape[:2]
        known = self._lenses.get(name)
        if known is None or known[0] is not shot.info or known[1] != (height, width):
            lens = Lens.of(shot.info, height, width)
            known = self._lenses[name] = (shot.info, (height, width), lens)
        return known[2]

    def _places(self, shot: Shot, found: Sightings) -> Places | None:
        view = shot.frame.view
        if view is not None:
            return on_ground(found.boxes, view.lens, view.pose, view.height)
        lens = self._lens(shot)
        return None if lens is None else by_height(found.boxes, lens, self._config.person_height_m)

    def _of_camera(self, shot: Shot) -> CameraConfig:
        return self._config.cameras.get(shot.frame.camera, CameraConfig())

    def _standing(self, shot: Shot, found: Sightings, places: Places | None) -> list[Standing]:
        """Everybody who has a place: on the ground only where the feet are seen there."""
        if places is None:
            return []
        camera = self._of_camera(shot)
        header = shot.header
        if camera.pose:
            header = Header(stamp=header.stamp, frame_id=self._config.target_frame)
        elif camera.optical_frame:
            header = Header(stamp=header.stamp, frame_id=camera.optical_frame)
        return [
            Standing(
                shot.frame.camera,
                int(found.tracks[row]),
                int(found.persons[row]),
                header,
                places.positions[row],
                places.covariances[row],
                bool(camera.pose),
                bool(places.sure[row] and found.confirmed[row] and not found.predicted[row]),
                float(found.person_scores[row]),
            )
            for row in range(len(found))
            if not camera.pose or places.sure[row]
        ]

    def _publish_poses(self, everybody: Sequence[Standing]) -> None:
        """One pose per person who surely stands on the ground."""
        best: dict[int, Standing] = {}
        grounded = False
        for one in everybody:
            grounded |= one.on_ground
            if one.sure and one.person:
                other = best.get(one.person)
                if other is None or np.trace(one.covariance) < np.trace(other.covariance):
                    best[one.person] = one
        if not grounded:
            return
        newest = max(
            (one.header for one in everybody if one.on_ground),
            key=lambda header: (header.stamp.sec, header.stamp.nanosec),
        )
        self._poses.publish(PoseArray(header=newest, poses=[_pose(o) for o in best.values()]))

    def _distances(self, shot: Shot, found: Sightings, places: Places | None) -> list[float]:
        """Metres from the camera to each row, inf where unknown."""
        if places is None:
            return [float('inf')] * len(found)
        pose = self._of_camera(shot).pose
        origin = np.array(pose[:3]) if pose else np.zeros(3)
        far = np.linalg.norm(places.positions - origin, axis=1)
        if pose:
            far = np.where(places.sure, far, np.inf)
        return [float(value) for value in far]

    def _publish_target(
        self,
        aims: Sequence[Aim],
        shots: Sequence[Shot],
        sightings: Sequence[Sightings],
        standing: Sequence[Sequence[Standing]],
    ) -> None:
        placed: list[Standing] = []
        for aim in aims:
            found = sightings[aim.image]
            camera = found.camera
            height, width = shots[aim.image].frame.image.shape[:2]
            self._of[camera]['target_roi'].publish(_roi(found.boxes[aim.row], height, width))
            placed += [s for s in standing[aim.image] if s.track == int(found.tracks[aim.row])]
        if not placed:
            return
        best = min(placed, key=lambda one: (not one.on_ground, float(np.trace(one.covariance))))
        pose = _pose(best)
        self._target_pose.publish(PoseStamped(header=best.header, pose=pose))
        message = PoseWithCovarianceStamped(header=best.header)
        message.pose.pose = pose
        covariance = np.diag([0.0, 0.0, 0.0] + [UNKNOWN_VARIANCE] * 3)
        covariance[:3, :3] = best.covariance
        message.pose.covariance = covariance.reshape(-1).tolist()
        self._target_cov.publish(message)

    def _publish_events(
        self, moment: Moment, shots: Sequence[Shot], names: Mapping[int, str]
    ) -> None:
        array = DiagnosticArray()
        array.header.stamp = max(
            (shot.header.stamp for shot in shots), key=lambda stamp: (stamp.sec, stamp.nanosec)
        )
        array.status = [event_status(event, names) for event in moment.events]
        self.events.publish(array)
        if self._info is not None:
            self._version += 1
            header = Header(stamp=array.header.stamp)
            path = self._config.gallery.path
            self._info.publish(vision.info(self._vision, header, path, self._version))

    def _debug(self, shot: Shot, found: Sightings, names: Mapping[int, str], target: int) -> None:
        to = self._of[shot.frame.camera]
        raw = to['debug'].get_subscription_count() > 0
        jpeg = to['debug_jpeg'].get_subscription_count() > 0
        if not raw and not jpeg:
            return
        image = picture.draw(shot.frame, found, names, target)
        if raw:
            to['debug'].publish(picture.raw(shot.header, image))
        if jpeg:
            to['debug_jpeg'].publish(picture.jpeg(shot.header, image))


def _pose(one: Standing) -> Pose:
    x, y, z = (float(v) for v in one.position)
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(w=1.0))


def _roi(box: Any, height: int, width: int) -> RegionOfInterest:
    """The part of a box that lies within the image."""
    x0, x1 = (int(v) for v in np.clip(np.round(box[[0, 2]]), 0, width))
    y0, y1 = (int(v) for v in np.clip(np.round(box[[1, 3]]), 0, height))
    return RegionOfInterest(x_offset=x0, y_offset=y0, width=x1 - x0, height=y1 - y0)
