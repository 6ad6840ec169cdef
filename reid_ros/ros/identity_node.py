"""The node that knows the people of several machines: tables of sight nodes in, identities out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rclpy.clock import Clock

from reid_ros.budget import Allowance
from reid_ros.config import Config, ConfigError
from reid_ros.pipeline import Pipeline
from reid_ros.ros import hri
from reid_ros.ros.clocks import Asker
from reid_ros.ros.intake import Arrival
from reid_ros.ros.links import Links, visible_tables
from reid_ros.ros.loop import Loop
from reid_ros.ros.managed import run
from reid_ros.ros.node import ReidNode
from reid_ros.ros.observed import Serial, networks
from reid_ros.ros.outputs import Outputs, Shot
from reid_ros.ros.parameters import DISCOVERY_S
from reid_ros.ros.target import TargetTopics
from reid_ros.ros.worker import Worker
from reid_ros.scene import Observation
from reid_ros.types import Frame, Moment, UInt8Array


class IdentityWorker(Worker):
    """Tables in, identities out.

    Args:
        pipeline, links, outputs, target, clock: see `Worker`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        links: Links,
        outputs: Outputs,
        target: TargetTopics,
        clock: Clock,
    ) -> None:
        super().__init__(pipeline, links.intake, links.cameras, outputs, target, clock, links.base)
        self._last: dict[str, tuple[Serial, Observation]] = {}
        self._seen: dict[str, Observation] = {}

    def _shot(self, arrival: Arrival) -> Shot | None:
        """The image that a table tells of, without its pixels."""
        report, header = arrival.message.report, arrival.message.header
        camera, name = self._cameras[arrival.camera], arrival.camera
        self._seen[name] = self._whole(name, report.serial, report.observation)
        size = report.height, report.width
        if camera.resized(*size):
            camera.health.count('resolution_changes')
        standpoint = None
        if self._base is not None:
            standpoint = self._base.standpoint(camera, arrival.stamp_ns, *size)
        index = report.serial.sequence
        view = camera.view(*size)
        frame = Frame(name, arrival.stamp_ns, _blank(*size), index, view=view)
        return Shot(frame, header, camera.info, standpoint)

    def _whole(self, camera: str, serial: Serial, seen: Observation) -> Observation:
        """What a table says, after what went before: tracks begin anew, or ended unheard."""
        last = self._last.get(camera)
        self._last[camera] = (serial, seen)
        if last is None:
            return seen
        before, old = last
        if (before.session, before.epoch) != (serial.session, serial.epoch):
            self._reset(camera)
        elif serial.sequence != before.sequence + 1:
            tracks = seen.tracks
            gone = np.setdiff1d(old.tracks.ids, np.union1d(tracks.ids, tracks.ended))
            ended = np.concatenate([tracks.ended, gone.astype(np.uint32)])
            return dataclasses.replace(seen, tracks=dataclasses.replace(tracks, ended=ended))
        return seen

    def _moment(self, shots: Sequence[Shot], allowance: Allowance | None) -> Moment:
        observations = [self._seen.pop(shot.frame.camera) for shot in shots]
        return self._pipeline.identify(observations, [shot.frame.index for shot in shots])


class IdentityNode(ReidNode):
    """Says who the people are that sight nodes on other machines see.

    Everything that the one-process node publishes comes from here, but for pictures: the debug
    images show the boxes alone.

    Args:
        defaults: what holds where no parameter is given.
        load: makes the pipeline of a configuration.
    """

    pictures = False

    def __init__(
        self,
        defaults: Config | None = None,
        load: Callable[[Config], Pipeline] = Pipeline.load,
        **options: Any,
    ) -> None:
        super().__init__(
            defaults, lambda config: load(_without(config)), name='identity_node', **options
        )
        self._asker = Asker(self, self.steady)

    def _check(self, config: Config) -> None:
        hri.check(config)
        if not config.camera_names:
            time.sleep(DISCOVERY_S)
            raise ConfigError(f'camera_names is empty; {visible_tables(self)}')

    def _open(self, pipeline: Pipeline) -> Loop:
        links = self.eyes = Links(
            self,
            self.config,
            self.parameters.given,
            lambda: self.enabled,
            self._asker,
            networks(pipeline),
        )
        return IdentityWorker(pipeline, links, self._outputs, self.target, self.get_clock())


def _without(config: Config) -> Config:
    """The settings without what looks at images.

    The networks of appearance and gait are loaded for what their cards and files say: thresholds,
    and whose vectors can be compared. They do not run again.
    """
    model = dataclasses.replace(config.model, detector='none')
    return dataclasses.replace(config, model=model, backend='cpu', backend_strict=False)


def _blank(height: int, width: int) -> UInt8Array:
    """An image of a size that takes no memory."""
    result: UInt8Array = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (height, width, 3))
    return result


def main(args: Sequence[str] | None = None, defaults: Config | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run(lambda: IdentityNode(defaults), args)
