"""What a live chase sends to the live node: images, or what a sight node makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from reid_ros.bench.following.eyes import Frames, Glance, Pictures, Wire
from reid_ros.config import CameraConfig, Config, ModelConfig
from reid_ros.lens import Pose
from reid_ros.pipeline import Pipeline
from reid_ros.world.live import Base, LiveWorld
from reid_ros.world.rig import Camera

if TYPE_CHECKING:
    from reid_ros.ros.stage import Stage


class Line(Protocol):
    """From the cameras of a world to the node."""

    def wait(self, seconds: float, alive: Callable[[], bool]) -> None:
        """Until the node listens; see `Stage.wait`."""

    def send(
        self, camera: Camera, index: int, now: float, base: Base, told: Pose
    ) -> tuple[int, Glance]:
        """Take one image and publish it; arguments are those of `Eyes.look`.

        Returns:
            The world's stamp of it, and what is true in it.
        """


class Images:
    """Rendered images, and boxes as tables."""

    def __init__(self, stage: Stage, world: LiveWorld) -> None:
        self._stage, self._eyes = stage, Pictures(world)

    def wait(self, seconds: float, alive: Callable[[], bool]) -> None:
        """Until the node listens."""
        self._stage.wait(seconds, alive)

    def send(
        self, camera: Camera, index: int, now: float, base: Base, told: Pose
    ) -> tuple[int, Glance]:
        """Take one image and publish it."""
        shot, glance = self._eyes.shoot(camera, index, now, base, told)
        self._stage.publish(shot, glance.found)
        return shot.frame.stamp_ns, glance


class Tabled:
    """No images: this process is the sight node, whose vectors are made up."""

    def __init__(self, stage: Stage, world: LiveWorld) -> None:
        from reid_ros.ros.clocks import Answerer
        from reid_ros.ros.observed import networks
        from reid_ros.ros.sight_node import Tables

        self._stage, self._eyes, self._frames = stage, Wire(world), Frames()
        names = tuple(camera.name for camera in world.cameras)
        config = Config(
            model=ModelConfig(detector='none', appearance=self._eyes.appearance),
            camera_names=names,
            cameras={name: CameraConfig(detections='table') for name in names},
        )
        self._pipeline = Pipeline(config)
        self._networks = networks(self._pipeline)
        self._tables = Tables(stage.node, names)
        self._answerer = Answerer(stage.node, self._tables.session)

    def wait(self, seconds: float, alive: Callable[[], bool]) -> None:
        """Until the node listens."""
        self._stage.wait(seconds, alive, self._tables.publishers, 'observations')

    def send(
        self, camera: Camera, index: int, now: float, base: Base, told: Pose
    ) -> tuple[int, Glance]:
        """Take one image and publish what is seen in it."""
        from reid_ros.ros.outputs import Shot

        glance = self._eyes.look(camera, index, now, base, told)
        frame, view = self._frames.frame(camera, index, now, told, glance)
        self._stage.tell_lens(camera.name, view, frame.stamp_ns)
        (seen,) = self._pipeline.observe([frame])
        header = self._stage.header(camera.name, frame.stamp_ns)
        self._tables.publish(Shot(frame, header, None), seen, self._networks)
        return frame.stamp_ns, glance
