"""The node that does it all: camera topics in, identities out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reid_ros.config import Config
from reid_ros.pipeline import Pipeline
from reid_ros.ros.eyes import Eyes
from reid_ros.ros.loop import Loop
from reid_ros.ros.managed import run
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
    """

    def __init__(
        self,
        defaults: Config | None = None,
        load: Callable[[Config], Pipeline] = Pipeline.load,
        *,
        name: str = 'reid_node',
        **options: Any,
    ) -> None:
        super().__init__(name, defaults, load, **options)
        self.target = TargetTopics(self, self.usable_names)
        self._outputs = Outputs(self, self.usable_names)
        Services(self)
        TargetServices(self, self.target)
        self.create_timer(LOCKED_S, self._publish_locked, clock=self.steady)

    def _configured(self, config: Config) -> None:
        self.target.configure(config)
        self._outputs.configure(config)

    def _changed(self, config: Config) -> None:
        self.target.configure(config)

    def _open(self, pipeline: Pipeline) -> Loop:
        eyes = self.eyes = Eyes(self, self.config, self.parameters.given, lambda: self.enabled)
        return Worker(
            pipeline,
            eyes.intake,
            eyes.cameras,
            self._outputs,
            self.target,
            self.get_clock(),
            eyes.base,
        )

    def _look_after(self) -> None:
        super()._look_after()
        if self.pipeline is not None:
            edition = self.pipeline.gallery.edition
            self._outputs.vision.tell(edition, self.get_clock().now().to_msg())

    def _cleared(self) -> None:
        self._outputs.clear()

    def _released(self) -> None:
        self.target.release()

    def _publish_locked(self) -> None:
        if self._state == 'active':
            self.target.publish_locked()

    def _facts(self) -> Mapping[str, Any]:
        return self.target.facts()


def main(args: Sequence[str] | None = None, defaults: Config | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run(lambda: ReidNode(defaults), args)
            eyes.budget,
