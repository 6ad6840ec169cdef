"""What the node listens to for one camera: its counters, its lens, and what it does wrong."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from reid_ros.config import CameraConfig, Config
from reid_ros.lens import View, seen
from reid_ros.ros.subscribe import Subscription

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
    'leapt': 'stamps are far ahead of those of other cameras: synchronise the clocks of the hosts '
    '(chrony, PTP); images that waited for the others were lost',
    'full': 'more images wait than queue_images: play the bag slower; the newest were lost',
}


class Health:
    """What diagnostics tell of one camera; counts since activation.

    Attributes:
        ages, latencies: seconds from the stamps of the last images until they arrived, and until
            their results were out.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.arrivals: deque[float] = deque(maxlen=300)
        self.ages: deque[float] = deque(maxlen=300)
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


class Source:
    """One camera, seen from here: by its images, or by the tables of a sight node.

    Args:
        node: owns the subscriptions.
        name: of the camera; its topics are below it.
        config: all settings.

    Attributes:
        config: of the camera.
        health: what diagnostics tell.
        info: its last camera_info, None where it sent none.
        opened_s: when it was opened, steady clock.
        ahead_ns: by how much the clock of its machine is ahead of ours.
        stream: the subscription to what it sends.
    """

    stream: Subscription

    def __init__(self, node: Node, name: str, config: Config) -> None:
        self.name = name
        self.config: CameraConfig = config.cameras.get(name, CameraConfig())
        self.health = Health()
        self.info: CameraInfo | None = None
        self.opened_s = time.monotonic()
        self.ahead_ns = 0
        topic = self.config.camera_info_topic or f'{name}/camera_info'
        self.info_topic = node.resolve_topic_name(topic)
        self._node = node
        self._sized: tuple[int, int] | None = None
        self._others: list[Subscription] = []

    @property
    def missing(self) -> int:
        """Images that were lost before they came here, as far as can be told."""
        return 0

    def tend(self, *, hurried: bool = False) -> None:
        """Follow the publishers' QoS; hurried looks only at those that are known not to fit."""
        for subscription in (self.stream, *self._others):
            if subscription.unsettled or not hurried:
                subscription.tend()

    def destroy(self) -> None:
        """End the subscriptions."""
        for subscription in (self.stream, *self._others):
            subscription.destroy()

    def silent_s(self) -> float:
        """Seconds since something came, or since it was opened."""
        return time.monotonic() - (self.health.last_arrival_s or self.opened_s)

    def resized(self, height: int, width: int) -> bool:
        """Whether an image is of another size than the one before."""
        old, self._sized = self._sized, (height, width)
        return old is not None and old != self._sized

    def status(self, node: str, config: Config, now_s: float) -> Any:
        """Its DiagnosticStatus."""
        raise NotImplementedError

    def view(self, height: int, width: int) -> View | None:
        """How it sees the floor, where its pose and its lens are known."""
        info = self.info
        if info is None or not self.config.pose:
            return None
        return seen(info, self.config.pose, height, width)

    def note(self, kind: str, words: str = '') -> None:
        """Remember a problem for diagnostics, and log it where it is new."""
        if self.health.problem(kind, words):
            self._node.get_logger().warning(f'camera {self.name}: {words or WORDS[kind]}')

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message
