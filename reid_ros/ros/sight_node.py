"""The node beside the cameras: images in, one small table per image out."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rclpy.clock import Clock
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import PointCloud2

from reid_ros.budget import Allowance
from reid_ros.config import Config, TopologyConfig
from reid_ros.pipeline import Clock as Stages
from reid_ros.pipeline import Pipeline
from reid_ros.ros.clocks import Answerer
from reid_ros.ros.eyes import Eyes
from reid_ros.ros.loop import Loop
from reid_ros.ros.managed import run
from reid_ros.ros.observed import Networks, Report, Serial, networks, report_table
from reid_ros.ros.outputs import Shot
from reid_ros.ros.services import Services
from reid_ros.ros.subscribe import QUIET_PUBLISHER
from reid_ros.ros.table import table_to_cloud
from reid_ros.ros.watching import Watching
from reid_ros.ros.worker import Watcher

# Tables that are kept for an identity node that is slow or asks again: three seconds at 30 Hz.
DEPTH = 100


class Tables:
    """Publishes the tables of one run of the node.

    Args:
        node: owns the publishers.
        cameras: names.

    Attributes:
        session: of this run.
        sent, sent_bytes: tables so far, and their size.
        publishers: by camera.
    """

    def __init__(self, node: Node, cameras: Sequence[str]) -> None:
        self.session = 1 + secrets.randbelow(2**32 - 1)
        self.sent = self.sent_bytes = 0
        self._next = dict.fromkeys(cameras, 0)
        self._epoch = dict.fromkeys(cameras, 0)
        self.publishers = {
            name: node.create_publisher(
                PointCloud2,
                f'{name}/observations',
                QoSProfile(depth=DEPTH),
                event_callbacks=QUIET_PUBLISHER,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for name in cameras
        }

    def forget(self, camera: str) -> None:
        """The tracks of a camera were forgotten: the next table says so."""
        self._epoch[camera] += 1

    def publish(self, shot: Shot, observation: Any, networks: Networks) -> None:
        """Say what was seen in one image, under the header of the image."""
        camera = shot.frame.camera
        height, width = shot.frame.image.shape[:2]
        serial = Serial(self.session, self._next[camera], self._epoch[camera], *networks)
        self._next[camera] += 1
        table = report_table(Report(serial, width, height, observation))
        self.publishers[camera].publish(table_to_cloud(table, shot.header))
        self.sent += 1
        self.sent_bytes += table.nbytes


class SightWorker(Watcher):
    """Images in, tables out.

    Args:
        pipeline, eyes, clock: see `Watcher`.
        tables: publishes what was seen.
    """

    def __init__(self, pipeline: Pipeline, eyes: Eyes, clock: Clock, tables: Tables) -> None:
        super().__init__(pipeline, eyes.intake, eyes.cameras, clock, eyes.base, eyes.budget)
        self._tables = tables
        self._networks = networks(pipeline)

    def _use(self, shots: Sequence[Shot], allowance: Allowance | None) -> Mapping[str, float]:
        with self.lock:
            clock = Stages()
            frames = [shot.frame for shot in shots]
            observations = self._pipeline.observe(frames, clock, allowance)
            for shot, observation in zip(shots, observations):
                self._tables.publish(shot, observation, self._networks)
        clock.lap('publish')
        return clock.laps

    def _forget(self, camera: str) -> None:
        super()._forget(camera)
        self._tables.forget(camera)


class SightNode(Watching):
    """Detects, tracks and embeds people; who they are is said by an identity node elsewhere.

    Args:
        defaults: what holds where no parameter is given.
        load: makes the pipeline of a configuration.

    Attributes:
        tables: what goes out.
    """

    def __init__(
        self,
        defaults: Config | None = None,
        load: Callable[[Config], Pipeline] = Pipeline.load,
        **options: Any,
    ) -> None:
        super().__init__('sight_node', defaults, lambda config: load(_without(config)), **options)
        self.tables = Tables(self, self.usable_names)
        self._answerer = Answerer(self, self.tables.session)
        Services(self, gallery=False)

    def _configured(self, config: Config) -> None:
        self._answerer.pretend_ns = round(config.link.pretend_offset_s * 1e9)

    def _open(self, pipeline: Pipeline) -> Loop:
        eyes = self.eyes = Eyes(self, self.config, self.parameters.given, lambda: self.enabled)
        return SightWorker(pipeline, eyes, self.get_clock(), self.tables)

    def _facts(self) -> Mapping[str, Any]:
        tables = self.tables
        return {
            'session': tables.session,
            'tables_sent': tables.sent,
            'table_bytes_mean': tables.sent_bytes / max(tables.sent, 1),
        }


def _without(config: Config) -> Config:
    """The settings without gallery and topology: nobody is known, nor where other cameras are."""
    gallery = dataclasses.replace(config.gallery, path='')
    return dataclasses.replace(config, gallery=gallery, topology=TopologyConfig())


def main(args: Sequence[str] | None = None, defaults: Config | None = None) -> int:
    """Run the node until SIGINT or SIGTERM."""
    return run(lambda: SightNode(defaults), args)
