"""One camera of the node: its subscriptions, and which of its images are used."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from reid_ros.config import Config
from reid_ros.ros import vision
from reid_ros.ros.convert import stamp_ns
from reid_ros.ros.diagnostics import camera_status
from reid_ros.ros.intake import Arrival, Join
from reid_ros.ros.source import Source
from reid_ros.ros.stamps import Stamps
from reid_ros.ros.subscribe import Subscription
from reid_ros.ros.table import TableError, cloud_to_table, table_detections

# Images whose detections have not come yet: a second at 30 Hz.
JOIN_LIMIT = 30
# Images that the middleware keeps while the executor is held up: a third of a second at 30 Hz, for
# older ones come too late. What memory they once took it keeps: 1 MB in VGA, 6 MB in full HD.
DEPTH = 10


class Camera(Source):
    """Subscribes to one camera and hands its usable images on, not decoded.

    Args:
        node: owns the subscriptions.
        name: of the camera; its topics are below it.
        config: all settings.
        accept: called with each image that is to be used.
        overrides: names of the parameters given to the node.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        config: Config,
        accept: Callable[[Arrival], None],
        overrides: Collection[str] = (),
    ) -> None:
        super().__init__(node, name, config)
        self._accept, self._clock = accept, node.get_clock()
        self._stamps = Stamps(self.config.max_rate_hz, config.max_future_s)
        self._join = Join(JOIN_LIMIT, lambda number: self.health.count('unmatched', number))
        self._labels = config.detect.person_labels
        everything = config.late_frame_policy == 'process_all'
        compressed = self.config.transport == 'compressed'
        topic = self.config.image_topic or f'{name}/image'
        if compressed and not topic.endswith('/compressed'):
            topic += '/compressed'
        kind = CompressedImage if compressed else Image
        depth = config.queue_images if everything else DEPTH
        self.stream = Subscription(
            node, kind, topic, self._on_image, self.config.qos, depth, overrides, watched=True
        )
        depth = config.queue_images if everything else JOIN_LIMIT
        topic = self.config.camera_info_topic or f'{name}/camera_info'
        others: list[tuple[Any, str, Callable[[Any], None]]] = [(CameraInfo, topic, self._on_info)]
        if self.config.detections == 'table':
            others.append((PointCloud2, f'{name}/detections_table', self._on_table))
        elif self.config.detections == 'vision_msgs':
            found = vision.messages().Detection2DArray
            others.append((found, f'{name}/detections', self._on_vision))
        for kind, topic, callback in others:
            self._others.append(
                Subscription(node, kind, topic, callback, depth=depth, overrides=overrides)
            )

    @property
    def missing(self) -> int:
        """Images that the gaps between stamps suggest were lost before they came here."""
        return self._stamps.missing

    @property
    def images(self) -> Subscription:
        """The subscription to its images."""
        return self.stream

    def status(self, node: str, config: Config, now_s: float) -> Any:
        """Rates, latency, losses, and what is wrong with it."""
        return camera_status(node, self, config, now_s)

    def _on_image(self, message: Any) -> None:
        self.health.arrived(time.monotonic())
        stamp = stamp_ns(message.header)
        now = self._clock.now().nanoseconds
        verdict = self._stamps.judge(stamp, now)
        if verdict in ('next', 'back'):
            self.health.ages.append((now - stamp) * 1e-9)
            if verdict == 'back':
                self.note('back')
                self.health.count('jumps')
            arrival = Arrival(self.name, stamp, message, reset=verdict == 'back')
            self._route(arrival)
        elif verdict == 'thinned':
            self.health.count('thinned')
        else:
            self.note('no_clock' if verdict == 'future' and now == 0 else verdict)
            self.health.count('bad_stamps')

    def _route(self, arrival: Arrival) -> None:
        if self.config.detections in ('model', 'none'):
            self._accept(arrival)
            return
        joined = self._join.image(arrival)
        if joined is not None:
            self._accept(joined)

    def _on_table(self, cloud: Any) -> None:
        try:
            found = table_detections(cloud_to_table(cloud))
        except TableError as error:
            self.health.count('bad_detections')
            self.note('table', f'{self.name}/detections_table: {error}')
            return
        joined = self._join.detections(stamp_ns(cloud.header), found)
        if joined is not None:
            self._accept(joined)

    def _on_vision(self, message: Any) -> None:
        found = vision.detections(message, self._labels)
        joined = self._join.detections(stamp_ns(message.header), found)
        if joined is not None:
            self._accept(joined)
