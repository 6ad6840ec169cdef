"""Cameras that are known by the tables of sight nodes on other machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, PointCloud2

from reid_ros.config import Config
from reid_ros.ros.clocks import Asker, Machine
from reid_ros.ros.convert import stamp_ns
from reid_ros.ros.diagnostics import pairs, percentiles_ms
from reid_ros.ros.eyes import Eyes
from reid_ros.ros.intake import Arrival, Everything, Intake, InTurn
from reid_ros.ros.observed import Networks, Report, table_report
from reid_ros.ros.order import Order, Ordered
from reid_ros.ros.source import Source
from reid_ros.ros.subscribe import Subscription
from reid_ros.ros.table import TableError, cloud_to_table

# Tables that the middleware keeps while the executor is held up: three seconds at 30 Hz.
DEPTH = 100
ORDERING = ('duplicated', 'late', 'lost', 'stale', 'restarts')
COUNTS = ('received', 'processed', 'dropped_by_policy', 'bad_tables', 'refused_by_clock',
          'refused_by_network')  # fmt: skip
WORDS = {
    'lost': 'tables of the sight node are missing: the network between the machines loses them, '
    'or this machine is too busy; the vectors in them are lost, tracks go on',
    'stale': 'tables of two sight nodes arrive, or of one that was replaced; those of the older '
    'one are not used: let one sight node alone have the camera',
    'restarts': 'the sight node was restarted: the tracks of the camera begin anew',
    'full': 'more tables wait than queue_images: this machine is too slow; tables are dropped',
}


@dataclass(frozen=True)
class Delivery:
    """A table that was read.

    Attributes:
        header: of its message, which is that of the image.
        report: what it says.
    """

    header: Any
    report: Report


class Link(Source):
    """One camera of a sight node: its tables, in order, and what is wrong with them.

    Args:
        node: owns the subscriptions.
        name: of the camera; its topics are below it.
        config: all settings.
        accept: called with each table that is to be used.
        asker: knows the clocks of other machines.
        networks: those whose vectors can be compared here.
        overrides: names of the parameters given to the node.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        config: Config,
        accept: Callable[[Arrival], None],
        asker: Asker,
        networks: Networks,
        overrides: Collection[str] = (),
    ) -> None:
        super().__init__(node, name, config)
        self._accept, self._asker, self._networks = accept, asker, networks
        self._limit_s = config.link.max_offset_s
        self._order: Order[Delivery] = Order(config.link.wait_s)
        self._session = 0
        self._refused = ''
        self._used_s = self.opened_s
        self.stream = Subscription(
            node, PointCloud2, f'{name}/observations', self._on_table, depth=DEPTH,
            overrides=overrides,
        )  # fmt: skip
        topic = self.config.camera_info_topic or f'{name}/camera_info'
        info = Subscription(node, CameraInfo, topic, self._on_info, overrides=overrides)
        self._others.append(info)

    @property
    def machine(self) -> Machine:
        """Where its sight node runs."""
        return self._asker.machine(self._session)

    def silent_s(self) -> float:
        """Seconds since a table was used, or since it was opened."""
        return time.monotonic() - self._used_s

    def tend(self, *, hurried: bool = False) -> None:
        """Follow the publishers' QoS, and go on without tables that do not come."""
        super().tend(hurried=hurried)
        self._use(self._order.due(time.monotonic()))

    def status(self, node: str, config: Config, now_s: float) -> Any:
        """Rates, latency, losses, the other machine's clock, and what is wrong."""
        p50, p95 = percentiles_ms(list(self.health.latencies))
        machine = self.machine
        status = DiagnosticStatus(name=f'{node}: {self.name}', hardware_id=self.name)
        status.values = pairs(
            {
                'topic': self.stream.topic,
                'publishers': self.stream.publishers(),
                'input_rate_hz': self.health.rate_hz(now_s),
                'latency_p50_ms': p50,
                'latency_p95_ms': p95,
                **{name: self.health.counts[name] for name in COUNTS},
                **{name: self._order.counts[name] for name in ORDERING},
                'machine': machine.name,
                'session': self._session,
                'clock_answers': machine.offset.answers,
                'clock_offset_ms': 1e3 * machine.offset.seconds,
                'clock_error_ms': 1e3 * machine.offset.error_s,
            }
        )
        wrong, warnings = self._wrong(config), self.health.problems()
        if config.max_latency_s and p95 > 1e3 * config.max_latency_s:
            warnings.append(
                f'results come {p95:.0f} ms after the image: see the costs that sight node and '
                'identity node tell of, and the network between them'
            )
        if wrong:
            status.level, status.message = DiagnosticStatus.ERROR, '; '.join([wrong, *warnings])
        elif warnings:
            status.level, status.message = DiagnosticStatus.WARN, '; '.join(warnings)
        else:
            status.level, status.message = DiagnosticStatus.OK, 'tables arrive'
        return status

    def _wrong(self, config: Config) -> str:
        """What stops the camera, or ''."""
        silent = time.monotonic() - (self.health.last_arrival_s or self.opened_s)
        if silent < config.silent_after_s:
            return self._refused
        if not self.stream.publishers():
            return (
                f'nobody publishes {self.stream.topic}: start a sight node with the camera '
                f'{self.name}, in the same ROS_DOMAIN_ID; is the network up?'
            )
        if not self.health.counts['received']:
            return f'{self.stream.topic} has a publisher that never sent a table'
        return f'no table for {silent:.0f} s: the sight node or the network stopped'

    def _on_table(self, cloud: Any) -> None:
        now = time.monotonic()
        self.health.arrived(now)
        stamp = stamp_ns(cloud.header)
        try:
            report = table_report(cloud_to_table(cloud), self.name, stamp)
        except TableError as error:
            self.health.count('bad_tables')
            self.note('table', f'{self.stream.topic}: {error}')
            return
        before = dict(self._order.counts)
        delivery = Delivery(cloud.header, report)
        serial = report.serial
        self._use(self._order.put(serial.session, serial.sequence, delivery, now))
        for kind in ('stale', 'restarts'):
            if self._order.counts[kind] > before.get(kind, 0):
                self.note(kind, WORDS[kind])

    def _use(self, turns: list[Ordered[Delivery]]) -> None:
        for turn in turns:
            if turn.missed:
                self.note('lost', WORDS['lost'])
            serial = turn.item.report.serial
            self._session = serial.session
            self._refused = self._refusal(serial.networks)
            if not self._refused:
                self._used_s = time.monotonic()
                seen = turn.item.report.observation
                self._accept(Arrival(self.name, seen.stamp_ns, turn.item))

    def _refusal(self, networks: Networks) -> str:
        """Why the table at hand is not used, or ''; it is counted."""
        offset = self.machine.offset
        self.ahead_ns = round(offset.seconds * 1e9)
        if offset.surely_beyond(self._limit_s):
            self.health.count('refused_by_clock')
            words = (
                f'the clock of {self.machine.name} is {offset.seconds:+.3f} s from ours, more '
                f'than link.max_offset_s = {self._limit_s:g}: synchronise the clocks of the '
                'machines (chrony, PTP); its tables are not used'
            )
            self.note('clock', words)
            return words
        if networks != self._networks:
            self.health.count('refused_by_network')
            theirs, ours = (
                '/'.join(f'{n:08x}' for n in both) for both in (networks, self._networks)
            )
            words = (
                f'its vectors are of the networks {theirs} (appearance/gait), those here of '
                f'{ours}: give all machines the same model.appearance and model.gait, and the '
                'same files; its tables are not used'
            )
            self.note('network', words)
            return words
        return ''


class Links(Eyes):
    """Every camera by its tables; no images come here.

    Args:
        node, config, overrides, enabled: see `Eyes`.
        asker: knows the clocks of other machines.
        networks: those whose vectors can be compared here.
    """

    def __init__(
        self,
        node: Node,
        config: Config,
        overrides: Collection[str],
        enabled: Callable[[], bool],
        asker: Asker,
        networks: Networks,
    ) -> None:
        self._asker, self._networks = asker, networks
        super().__init__(node, config, overrides, enabled)

    def _waiting_room(self, config: Config) -> Intake:
        names, limit = config.camera_names, config.queue_images
        if config.late_frame_policy == 'process_all':
            return Everything(names, limit, self._overflowed, self._leapt)
        return InTurn(names, limit, self._overflowed)

    def _source(self, name: str, overrides: Collection[str]) -> Source:
        return Link(
            self._node, name, self._config, self._accept, self._asker, self._networks, overrides
        )

    def _overflowed(self, camera: str) -> None:
        self._dropped(camera)
        self.cameras[camera].note('full', WORDS['full'])

    def _advice(self) -> str:
        return visible_tables(self._node)


def visible_tables(node: Node) -> str:
    """The cameras whose tables are published now."""
    suffix = '/observations'
    names = sorted(
        topic[: -len(suffix)].lstrip('/')
        for topic, _ in node.get_topic_names_and_types()
        if topic.endswith(suffix) and node.count_publishers(topic)
    )
    if not names:
        return 'no tables of sight nodes are visible: start them, or compare ROS_DOMAIN_ID'
    return f'sight nodes publish the tables of these cameras: {", ".join(names)}'
