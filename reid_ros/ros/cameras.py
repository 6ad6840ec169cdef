"""One camera of the node: its subscriptions, what it was seen to do wrong, and its counters."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from reid_ros.config import CameraConfig, Config
from reid_ros.lens import View, seen
from reid_ros.ros import vision
from reid_ros.ros.convert import stamp_ns
from reid_ros.ros.intake import Arrival, Join
from reid_ros.ros.stamps import Stamps
from reid_ros.ros.subscribe import Subscription
from reid_ros.ros.table import TableError, cloud_to_table, table_detections

# Images whose detections have not come yet: a second at 30 Hz.
JOIN_LIMIT = 30
# Images that the middleware keeps while the executor is held up: a second at 30 Hz.
DEPTH = 30
# Seconds for which a problem stays in the diagnostics after it was last seen.
REMEMBER_S = 10.0

WORDS = {
    'zero': 'images have stamp 0: the driver must fill header.stamp; they are not used',
    'future': 'images are stamped in the future: synchronise the clocks of the hosts (chrony, '
    'PTP), or raise max_future_s; they are not used',
    'no_clock': 'use_sim_time is set but /clock says nothing: play the bag with --clock; images '
    'are not used until then',
    'late': 'images arrive out of order or twice: is there a second publisher on the topic? they '
    'are not used',
    'back': 'stamps jumped back in time: the tracks of the camera were reset',
    'resolution': 'the resolution changed: the tracks of the camera were reset',
    'full': 'more images wait than queue_images: play the bag slower; the newest were lost',
}


class Health:
    """What diagnostics tell of one camera; counts since activation."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.arrivals: deque[float] = deque(maxlen=300)
        self.latencies: deque[float] = deque(maxlen=300)
        self.last_arrival_s: float | None = None
        self._problems: dict[str, tuple[float, str]] = {}

    def arrived(self, now_s: float) -> None:
        """An image came in."""
        self.counts['received'] += 1
        self.arrivals.append(now_s)
        self.last_arrival_s = now_s

    def count(self, what: str, number: int = 1) -> None:
        """Count something under its name."""
        self.counts[what] += number

    def problem(self, kind: str, words: str = '') -> bool:
        """Note a problem; True where it is new, and worth a line in the log."""
        new = kind not in self._problems
        self._problems[kind] = (time.monotonic(), words or WORDS[kind])
        return new

    def problems(self) -> list[str]:
        """In words, what was seen within the last seconds."""
        oldest = time.monotonic() - REMEMBER_S
        self._problems = {k: v for k, v in self._problems.items() if v[0] >= oldest}
        return [words for _, words in self._problems.values()]

    def rate_hz(self, now_s: float) -> float:
        """Images per second over the last five seconds."""
        recent = [t for t in self.arrivals if t > now_s - 5.0]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / max(now_s - recent[0], 1e-3)


class Camera:
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
        self.name = name
        self.config: CameraConfig = config.cameras.get(name, CameraConfig())
        self.health = Health()
        self.info: CameraInfo | None = None
        self.opened_s = time.monotonic()
        self._node, self._accept = node, accept
        self._clock = node.get_clock()
        self._stamps = Stamps(self.config.max_rate_hz, config.max_future_s)
        self._join = Join(JOIN_LIMIT, lambda number: self.health.count('unmatched', number))
        self._labels = config.detect.person_labels
        self._sized: tuple[int, int] | None = None
        depth = config.queue_images if config.late_frame_policy == 'process_all' else DEPTH
        compressed = self.config.transport == 'compressed'
        topic = self.config.image_topic or f'{name}/image'
        if compressed and not topic.endswith('/compressed'):
            topic += '/compressed'
        kind = CompressedImage if compressed else Image
        self.images = Subscription(
            node, kind, topic, self._on_image, self.config.qos, depth, overrides, watched=True
        )
        self._others = []
        topic = self.config.camera_info_topic or f'{name}/camera_info'
        self.info_topic = node.resolve_topic_name(topic)
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

    def tend(self, *, hurried: bool = False) -> None:
        """Follow the publishers' QoS; hurried looks only at those that are known not to fit."""
        for subscription in (self.images, *self._others):
            if subscription.unsettled or not hurried:
                subscription.tend()

    def destroy(self) -> None:
        """End the subscriptions."""
        for subscription in (self.images, *self._others):
            subscription.destroy()

    def silent_s(self) -> float:
        """Seconds since the last image, or since the camera was opened."""
        return time.monotonic() - (self.health.last_arrival_s or self.opened_s)

    def resized(self, height: int, width: int) -> bool:
        """Whether an image is of another size than the one before."""
        old, self._sized = self._sized, (height, width)
        return old is not None and old != self._sized

    def _on_image(self, message: Any) -> None:
        self.health.arrived(time.monotonic())
        stamp = stamp_ns(message.header)
        now = self._clock.now().nanoseconds
        verdict = self._stamps.judge(stamp, now)
        if verdict in ('next', 'back'):
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

    def view(self, height: int, width: int) -> View | None:
        """How it sees the floor, where its pose and its lens are known."""
        info = self.info
        if info is None or not self.config.pose:
            return None
        return seen(info, self.config.pose, height, width)

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message

    def note(self, kind: str, words: str = '') -> None:
        """Remember a problem for diagnostics, and log it where it is new."""
        if self.health.problem(kind, words):
            self._node.get_logger().warning(f'camera {self.name}: {words or WORDS[kind]}')
