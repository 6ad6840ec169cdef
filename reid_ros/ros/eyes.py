"""The cameras of a node: their subscriptions, and where their images wait."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from rclpy.node import Node

from reid_ros.budget import Budget
from reid_ros.config import Config
from reid_ros.ros.base import Base
from reid_ros.ros.cameras import Camera
from reid_ros.ros.diagnostics import advice, given_up, image_topics, pairs
from reid_ros.ros.intake import Arrival, Everything, Intake, Newest
from reid_ros.ros.source import Source
from reid_ros.types import ReidError

# After this a topic without a publisher is probably misspelt.
HINT_AFTER_S = 5.0


class Eyes:
    """Open from the start until `destroy`.

    Args:
        node: owns the subscriptions.
        config: all settings.
        overrides: names of the parameters given to the node.
        enabled: whether images are used now.

    Attributes:
        cameras: by name.
        intake: where images wait.
        base: what cameras with a mount ride on; None where there is no such camera.
        budget: what is done in time; None where every image is processed, however long it takes.

    Raises:
        ReidError: messages that a camera needs are not installed.
    """

    def __init__(
        self,
        node: Node,
        config: Config,
        overrides: Collection[str],
        enabled: Callable[[], bool],
    ) -> None:
        self._node, self._config, self._enabled = node, config, enabled
        self._hinted = False
        self.budget: Budget | None = None
        self.intake = self._waiting_room(config)
        self.cameras: dict[str, Source] = {}
        self.base: Base | None = None
        try:
            for name in config.camera_names:
                self.cameras[name] = self._source(name, overrides)
            if any(camera.config.mount for camera in self.cameras.values()):
                self.base = Base(node, config, overrides)
        except ReidError:
            self.destroy()
            raise

    def destroy(self) -> None:
        """End the subscriptions."""
        for camera in self.cameras.values():
            camera.destroy()
        self.cameras = {}
        if self.base is not None:
            self.base.destroy()
            self.base = None

    def tend(self) -> None:
        """Follow publishers that are known not to fit, and wait no longer for silent cameras."""
        for camera in self.cameras.values():
            camera.tend(hurried=True)
            if camera.silent_s() > self._config.silent_after_s:
                self.intake.silent(camera.name)

    def statuses(self, config: Config, now_s: float) -> list[Any]:
        """A DiagnosticStatus of each camera; follows every publisher, and gives a hint once."""
        result = []
        for camera in self.cameras.values():
            camera.tend()
            status = camera.status(self._node.get_name(), config, now_s)
            status.values += pairs(given_up(self.budget, camera.name))
            result.append(status)
        if self.base is not None:
            self.base.subscription.tend()
        self._hint(now_s)
        return result

    def _waiting_room(self, config: Config) -> Intake:
        if config.late_frame_policy == 'process_all':
            names, limit = config.camera_names, config.queue_images
            return Everything(names, limit, self._overflowed, self._leapt)
        self.budget = Budget(config.camera_names, config.max_latency_s)
        return Newest(self._dropped, self.budget, self._age_s)

    def _source(self, name: str, overrides: Collection[str]) -> Source:
        return Camera(self._node, name, self._config, self._accept, overrides)

    def _advice(self) -> str:
        return visible_images(self._node)

    def _accept(self, arrival: Arrival) -> None:
        if self._enabled():
            self.intake.put(arrival)

    def _age_s(self, arrival: Arrival) -> float:
        now_ns: int = self._node.get_clock().now().nanoseconds
        return (now_ns - arrival.stamp_ns) * 1e-9

    def _dropped(self, camera: str) -> None:
        self.cameras[camera].health.count('dropped_by_policy')

    def _overflowed(self, camera: str) -> None:
        self._dropped(camera)
        self.cameras[camera].note('full')

    def _leapt(self, camera: str, images: int) -> None:
        self.cameras[camera].health.count('dropped_by_policy', images)
        self.cameras[camera].note('leapt')

    def _hint(self, now_s: float) -> None:
        """Say once what to write, where a camera's topic does not exist."""
        if self._hinted or not self.cameras:
            return
        if now_s - min(camera.opened_s for camera in self.cameras.values()) < HINT_AFTER_S:
            return
        self._hinted = True
        missing = [c.stream.topic for c in self.cameras.values() if not c.stream.publishers()]
        if missing:
            self._node.get_logger().warning(
                f'nobody publishes {", ".join(missing)}; {self._advice()}'
            )


def visible_images(node: Node) -> str:
    """The image topics that are published now, and the lines of YAML that would use them."""
    return advice(
        [
            (topic, transport)
            for topic, transport in image_topics(node.get_topic_names_and_types())
            if not topic.endswith(('/debug_image', '/debug_image/compressed'))
            and node.count_publishers(topic)
        ]
    )
