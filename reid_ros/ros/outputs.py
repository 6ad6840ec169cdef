"""What the node publishes after each moment."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseArray,
    Quaternion,
)
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Float32MultiArray, Header, MultiArrayDimension
from visualization_msgs.msg import MarkerArray

from reid_ros.config import CameraConfig, Config
from reid_ros.ground import Places, by_height, on_ground
from reid_ros.lens import Lens
from reid_ros.ros import picture
from reid_ros.ros.diagnostics import publish_events
from reid_ros.ros.frames import Standpoint
from reid_ros.ros.humans import BodyTopics
from reid_ros.ros.markers import Markers, Standing
from reid_ros.ros.people import People, Spot
from reid_ros.ros.subscribe import QUIET_PUBLISHER
from reid_ros.ros.table import sightings_table, table_to_cloud
from reid_ros.ros.target import TargetTopics
from reid_ros.ros.vision_topics import Ranked, VisionTopics
from reid_ros.types import Frame, Moment, Sightings

if TYPE_CHECKING:
    from reid_ros.scene import Observation


@dataclass(frozen=True)
class Shot:
    """One processed image.

    Attributes:
        frame: its pixels.
        header: of its message, copied to every result.
        info: the camera's last sensor_msgs/CameraInfo, None where it sent none.
        standpoint: where a camera on a robot was by its odometry, None where that is not known.
    """

    frame: Frame
    header: Header
    info: Any
    standpoint: Standpoint | None = None


class Outputs:
    """The node's publishers: made once, silent while nobody calls `publish`.

    Args:
        node: owns the publishers.
        cameras: names.

    Attributes:
        vision: what is published with vision_msgs.
        bodies: what is published with hri_msgs; None where that is not asked for.
    """

    def __init__(self, node: Node, cameras: Sequence[str]) -> None:
        self._node = node
        self.events = self._publisher(DiagnosticArray, 'reid/events', 50)
        self._markers = self._publisher(MarkerArray, 'reid/people/markers')
        self._poses = self._publisher(PoseArray, 'reid/people/poses')
        self._embeddings = self._publisher(Float32MultiArray, 'reid/debug/embeddings')
        self._of: dict[str, dict[str, Any]] = {name: self._camera(name) for name in cameras}
        self.vision = VisionTopics(self._publisher, cameras)
        self.bodies: BodyTopics | None = None
        self.configure(Config())

    def configure(self, config: Config) -> None:
        """Take the settings of the next run."""
        self._config = config
        self._shown = Markers(config.person_height_m)
        self._people = People()
        self.vision.configure(config)
        self._lenses: dict[str, tuple[Any, tuple[int, int], Lens | None]] = {}

    def publish(
        self,
        shots: Sequence[Shot],
        moment: Moment,
        target: TargetTopics,
        names: Mapping[int, str],
        ranked: Ranked = MappingProxyType({}),
    ) -> None:
        """Everything that one moment has to say.

        Args:
            shots: images of the moment.
            moment: what was found in them.
            target: is told, and published by itself.
            names: of the persons.
            ranked: whom the tracks may be, where somebody asked.
        """
        for shot, found in zip(shots, moment.sightings):
            self._of[found.camera]['sightings'].publish(
                table_to_cloud(sightings_table(found), shot.header)
            )
        self.vision.publish(shots, moment, ranked)
        places = [self._places(shot, found) for shot, found in zip(shots, moment.sightings)]
        standing = [self._standing(*group) for group in zip(shots, moment.sightings, places)]
        everybody = [one for group in standing for one in group]
        cameras = [shot.frame.camera for shot in shots]
        markers = self._shown.step(cameras, everybody, names)
        if markers.markers:
            self._markers.publish(markers)
        self._publish_poses(everybody)
        target.publish(shots, moment, names, places)
        spots = self._spots(shots, moment, target)
        if self.bodies is not None:
            self.bodies.publish(shots, moment, names, everybody, spots)
        publish_events(self.events, moment.events, (shot.header for shot in shots), names)
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
        return {
            'sightings': self._publisher(PointCloud2, f'{name}/sightings'),
            'debug': self._publisher(Image, f'{name}/debug_image', 1),
            'debug_jpeg': self._publisher(CompressedImage, f'{name}/debug_image/compressed', 1),
        }

    def _spots(
        self, shots: Sequence[Shot], moment: Moment, target: TargetTopics
    ) -> Sequence[Spot]:
        """Where everybody is on the ground, where somebody wants to know; published, too."""
        wanted = self.vision.people_wanted
        if not shots or not (wanted or (self.bodies is not None and self.bodies.places_wanted)):
            return ()
        frame, looks = self._config.target_frame, target.looks()
        self._people.step(looks, frame, moment.events)
        newest = max(shots, key=lambda shot: shot.frame.stamp_ns)
        spots = self._people.at(newest.frame.stamp_ns)
        grounded = any(look.places is not None and look.frame == frame for look in looks)
        if wanted and grounded:
            header = Header(stamp=newest.header.stamp, frame_id=frame)
            self.vision.publish_people(header, spots)
        return spots

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
        if view is not None and self._of_camera(shot).pose:
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
