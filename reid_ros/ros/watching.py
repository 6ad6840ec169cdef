"""A node with eyes: what the nodes that look at cameras share, by images or by tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reid_ros.config import Config
from reid_ros.ros import vision
from reid_ros.ros.eyes import Eyes, visible_images
from reid_ros.ros.managed import Managed
from reid_ros.ros.parameters import check
from reid_ros.ros.source import Source


class Watching(Managed):
    """Subclasses open the eyes in `_open`.

    Attributes:
        eyes: what comes in, from activate to deactivate, else None.
    """

    eyes: Eyes | None = None

    @property
    def cameras(self) -> Mapping[str, Source]:
        """By name, from activate to deactivate."""
        return self.eyes.cameras if self.eyes is not None else {}

    def _check(self, config: Config) -> None:
        check(config, lambda: visible_images(self))
        if any(config.cameras[name].detections == 'vision_msgs' for name in config.camera_names):
            vision.messages()

    def _shut(self) -> None:
        if self.eyes is not None:
            self.eyes.destroy()
            self.eyes = None

    def _look_after(self) -> None:
        if self.eyes is not None:
            self.eyes.tend()

    def _statuses(self, now_s: float) -> list[Any]:
        return self.eyes.statuses(self.config, now_s) if self.eyes is not None else []
