"""What is published with vision_msgs; nothing where it is not installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from geometry_msgs.msg import PoseWithCovariance
from std_msgs.msg import Header

from reid_ros.config import Config
from reid_ros.ros import vision
from reid_ros.ros.people import Spot
from reid_ros.types import Candidates, Moment

if TYPE_CHECKING:
    from reid_ros.pipeline import Pipeline
    from reid_ros.ros.outputs import Shot

Ranked = Mapping[str, tuple[Candidates | None, Candidates | None]]
"""By camera: whom its tracks may be by all that is known, and by gait alone."""


class VisionTopics:
    """Made once with the node.

    Args:
        publisher: makes one of a message class, a topic and a depth, latched or not.
        cameras: names.
    """

    def __init__(self, publisher: Callable[..., Any], cameras: Sequence[str]) -> None:
        self._config = Config()
        self._of: dict[str, dict[str, Any]] = {}
        self._told = -1
        msg: Any = vision.messages() if vision.installed() else None
        self._msg = msg
        if msg is None:
            return
        for name in cameras:
            self._of[name] = {
                topic: publisher(msg.Detection2DArray, f'{name}/{topic}')
                for topic in ('tracks', 'identities', 'gait')
            }
        self._people = publisher(msg.Detection3DArray, 'reid/people')
        self._info = publisher(msg.VisionInfo, 'reid/vision_info', 1, latched=True)

    def configure(self, config: Config) -> None:
        """Take the settings of the next run."""
        self._config = config
        self._told = -1

    def ranked(self, pipeline: Pipeline, moment: Moment) -> Ranked:
        """The candidates that somebody listens to; asks the pipeline for nothing else."""
        result = {}
        for found in moment.sightings:
            to = self._of.get(found.camera)
            if to is None or not len(found):
                continue
            looks, gaits = to['identities'], to['gait']
            result[found.camera] = (
                pipeline.candidates(found) if looks.get_subscription_count() else None,
                pipeline.candidates(found, gait=True) if gaits.get_subscription_count() else None,
            )
        return result

    def publish(self, shots: Sequence[Shot], moment: Moment, ranked: Ranked) -> None:
        """The boxes of one moment, to whom listens: to write them costs more than to find them."""
        for shot, found in zip(shots, moment.sightings):
            looks, gaits = ranked.get(found.camera, (None, None))
            msg, header = self._msg, shot.header
            for topic, publisher in self._of.get(found.camera, {}).items():
                if not publisher.get_subscription_count():
                    continue
                if topic == 'tracks':
                    publisher.publish(vision.tracks(msg, header, found))
                elif topic == 'identities':
                    publisher.publish(vision.identities(msg, header, found, looks))
                else:
                    publisher.publish(vision.gaits(msg, header, found, gaits))

    @property
    def people_wanted(self) -> bool:
        """Whether somebody listens to where people are."""
        return self._msg is not None and bool(self._people.get_subscription_count())

    def publish_people(self, header: Header, spots: Sequence[Spot]) -> None:
        """Everybody who has a place on the ground, in the frame of the header."""
        tall = self._config.person_height_m
        rows = []
        for spot in spots:
            x, y = spot.pose.position.x, spot.pose.position.y
            pose = PoseWithCovariance(covariance=spot.covariance.reshape(-1).tolist())
            pose.pose.orientation = spot.pose.orientation
            pose.pose.position.x, pose.pose.position.y = x, y
            pose.pose.position.z = tall / 2
            rows.append(vision.person(self._msg, header, spot.person, spot.score, pose, tall))
        self._people.publish(self._msg.Detection3DArray(header=header, detections=rows))

    def tell(self, edition: int, stamp: Any) -> None:
        """Say which persons there are now, where they changed.

        Args:
            edition: of the gallery.
            stamp: builtin_interfaces/Time of now.
        """
        if self._msg is None or edition == self._told:
            return
        self._told = edition
        path = self._config.gallery.path
        self._info.publish(vision.info(self._msg, Header(stamp=stamp), path, edition))
