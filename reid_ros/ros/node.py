"""The node that does it all: camera topics in, identities out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reid_ros.config import Config
from reid_ros.pipeline import Pipeline
from reid_ros.ros import hri
from reid_ros.ros.eyes import Eyes
from reid_ros.ros.humans import BodyTopics, Humans
from reid_ros.ros.loop import Loop
from reid_ros.ros.managed import run
from reid_ros.ros.others import OtherBodies
from reid_ros.ros.others_worker import OthersWorker
from reid_ros.ros.outputs import Outputs
from reid_ros.ros.services import Services
from reid_ros.ros.target import TargetTopics
from reid_ros.ros.target_services import TargetServices
from reid_ros.ros.watching import Watching
from reid_ros.ros.worker import Worker

LOCKED_S = 0.1


class ReidNode(Watching):
    """Camera topics in, identities out.

    Publishers, services and timers are made once; subscriptions and the worker live from activate
    to deactivate, the models from configure to cleanup.

    Args:
        defaults: what holds where no parameter is given.
        load: makes the pipeline of a configuration.
        name: of the node, where nobody remaps it.

    Attributes:
        target: the person to follow.
        pictures: whether the images that it looks at have pixels.
    """

    pictures = True

    def __init__(
        self,
        defaults: Config | None = None,
        load: Callable[[Config], Pipeline] = Pipeline.load,
        *,
        name: str = 'reid_node',
        **options: Any,
    ) -> None:
        super().__init__(name, defaults, lambda config: load(_seeing(config)), **options)
        self._humans: Humans | BodyTopics | None = None
        self.target = TargetTopics(self, self.usable_names)
        self._outputs = Outputs(self, self.usable_names)
        Services(self)
        TargetServices(self, self.target)
        self.create_timer(LOCKED_S, self._publish_locked, clock=self.steady)

    def _check(self, config: Config) -> None:
        hri.check(config)
        if not config.hri.identify_only:
            super()._check(config)

    def _configured(self, config: Config) -> None:
        self.target.configure(config)
        self._outputs.configure(config)
        if not config.hri.enabled:
            return
        frames = self.target.frames
        if config.hri.identify_only:
            self._humans = Humans(self, config, frames)
        else:
            bodies = BodyTopics(self, config, frames, pictures=self.pictures)
            self._outputs.bodies = self._humans = bodies

    def _changed(self, config: Config) -> None:
        self.target.configure(config)

    def _open(self, pipeline: Pipeline) -> Loop:
        if isinstance(self._humans, Humans):
            others = self.eyes = OtherBodies(self, self.config, lambda: self.enabled)
            return OthersWorker(pipeline, others, self._humans, self._outputs.events)
        eyes = self.eyes = Eyes(self, self.config, self.parameters.given, lambda: self.enabled)
        return Worker(
            pipeline,
            eyes.intake,
            eyes.cameras,
            self._outputs,
            self.target,
            self.get_clock(),
            eyes.base,
            eyes.budget,
        )

    def _look_after(self) -> None:
        super()._look_after()
        if self.pipeline is not None:
            edition = self.pipeline.gallery.edition
            self._outputs.vision.tell(edition, self.get_clock().now().to_msg())
            if self._humans is not None and self._state == 'active':
                self._humans.tend(self.pipeline.gallery.__contains__)

    def _cleared(self) -> None:
        self._outputs.clear()
        if self._humans is not None:
            self._humans.rest()

    def _released(self) -> None:
        self.target.release()
        self._outputs.bodies = None
        if self._humans is not None:
            self._humans.destroy()
            self._humans = None

    def _publish_locked(self) -> None:
        if self._state == 'active':
            self.target.publish_locked()

    def _facts(self) -> Mapping[str, Any]:
        return self.target.facts()


def _seeing(config: Config) -> Config:
    """The settings, without a detector where somebody else finds people."""
    if not config.hri.identify_only:
        return config
    return dataclasses.replace(
        config, model=dataclasses.replace(config.model, detector='none', gait='none')
    )


def main(args: Sequence[str] | None = None, defaults: Config | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run(lambda: ReidNode(defaults), args)
