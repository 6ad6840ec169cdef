"""Prepared images for a node that runs elsewhere, at a rate of our choice, and what it answers."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from reid_ros.ros.convert import stamp_ns
from reid_ros.ros.picture import raw
from reid_ros.ros.table import (
    cloud_to_table,
    detections_table,
    table_sightings,
    table_to_cloud,
)
from reid_ros.types import Detections, Frame, ReidError, Sightings

WAIT_S = 60.0
ON_THE_WAY = 6
"""Images of one camera that may wait for their answer where the node is not to be rushed."""
PARAMETER_DOUBLE = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What the node said of one image.

    Attributes:
        index: which of the camera's prepared images it was.
        sent_s: seconds from the start of the run until it was published.
        latency_s: seconds from then until its sightings were here.
        sightings: of the people in it.
    """

    index: int
    sent_s: float
    latency_s: float
    sightings: Sightings


@dataclass
class Run:
    """One run.

    Attributes:
        seconds: it took.
        sent: (camera, index, seconds from the start) of every image.
        answers: by camera.
        node: diagnostics of the node when the last image was sent.
    """

    seconds: float = 0.0
    sent: list[tuple[str, int, float]] = field(default_factory=list)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    node: Mapping[str, str] = field(default_factory=dict)


class Feed:
    """Cameras of a node; listens in a thread of its own until `close`.

    Args:
        node: publishes.
        films: of each camera its images, each with the people found in it.
        target: name of the node that looks at them.
    """

    def __init__(
        self, node: Node, films: Mapping[str, Sequence[tuple[Frame, Detections]]], target: str
    ) -> None:
        self._node, self._target = node, target
        self._images = {n: node.create_publisher(Image, f'{n}/image', 10) for n in films}
        self._tables = {
            n: node.create_publisher(PointCloud2, f'{n}/detections_table', 10) for n in films
        }
        self._films = {
            name: [
                (
                    raw(Header(frame_id=name), frame.image),
                    table_to_cloud(detections_table(found), Header(frame_id=name)),
                )
                for frame, found in film
            ]
            for name, film in films.items()
        }
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, int], tuple[int, float, float]] = {}
        self._run = Run()
        self._status: dict[str, dict[str, str]] = {}
        for name in films:
            node.create_subscription(
                PointCloud2, f'{name}/sightings', self._ear(name), QoSProfile(depth=200)
            )
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name='reid_feed')
        self._open = True
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._open = False
        self._thread.join()
        self._executor.shutdown()

    def ready(self, alive: Any) -> None:
        """Wait until the node listens to every camera.

        Raises:
            ReidError: it does not come up.
        """
        end = time.monotonic() + WAIT_S
        senders = [*self._images.values(), *self._tables.values()]
        while not all(sender.get_subscription_count() for sender in senders):
            if time.monotonic() > end or not alive():
                raise ReidError(f'{self._target} does not listen to the cameras: see its log')
            time.sleep(0.05)
        time.sleep(1.0)

    def play(self, rates_hz: Mapping[str, float], seconds: float, *, rush: bool = True) -> Run:
        """Publish the cameras' images, to and fro without an end.

        Args:
            rates_hz: of each camera that is to send.
            seconds: for how long, by the stamps.
            rush: at the stamps' own pace, whatever the node makes of it; else each camera waits
                for answers.

        Raises:
            ReidError: no answer comes.
        """
        run = self._run = Run(answers={name: [] for name in rates_hz})
        turns = sorted(
            ((i + k / len(rates_hz)) / rate, name, i)
            for k, (name, rate) in enumerate(rates_hz.items())
            for i in range(int(seconds * rate))
        )
        base_ns, began = time.time_ns(), time.monotonic()
        for at_s, name, number in turns:
            if rush:
                time.sleep(max(began + at_s - time.monotonic(), 0.0))
                at_ns = time.time_ns()
            else:
                self._let_pass(name)
                at_ns = base_ns + round(at_s * 1e9)
            self._send(run, name, number, at_ns, began)
        with self._lock:
            run.node = self._status.get('node', {})
        self._settle(1.0 if rush else WAIT_S)
        run.seconds = time.monotonic() - began
        return run

    def told(self) -> Mapping[str, Mapping[str, str]]:
        """The next diagnostics: of each camera, and of 'node'.

        Raises:
            ReidError: none come.
        """
        with self._lock:
            self._status.clear()
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            with self._lock:
                if 'node' in self._status:  # one message tells all
                    return dict(self._status)
            time.sleep(0.05)
        raise ReidError(f'{self._target} publishes no diagnostics')

    def call(self, name: str) -> None:
        """Call a service of the node that takes nothing.

        Raises:
            ReidError: it does not answer, or refuses.
        """
        answer = self._answer(Trigger, f'{self._target}/{name}', Trigger.Request())
        if not answer.success:
            raise ReidError(f'{self._target}/{name}: {answer.message}')

    def set(self, name: str, value: float) -> None:
        """Set a parameter of the node.

        Raises:
            ReidError: it does not answer, or refuses.
        """
        told = ParameterValue(type=PARAMETER_DOUBLE, double_value=value)
        request = SetParameters.Request(parameters=[ParameterMessage(name=name, value=told)])
        answer = self._answer(SetParameters, f'{self._target}/set_parameters', request)
        if not answer.results[0].successful:
            raise ReidError(f'{name}: {answer.results[0].reason}')

    # ------------------------------------------------------------------------------------------

    def _send(self, run: Run, name: str, number: int, at_ns: int, began: float) -> None:
        film = self._films[name]
        # To and fro: nobody jumps from the last place to the first.
        place = number % max(2 * len(film) - 2, 1)
        index = place if place < len(film) else 2 * len(film) - 2 - place
        image, table = film[index]
        stamp = Time(sec=at_ns // 10**9, nanosec=at_ns % 10**9)
        image.header.stamp = table.header.stamp = stamp
        now = time.monotonic()
        with self._lock:
            self._waiting[name, at_ns] = index, now - began, now
            run.sent.append((name, index, now - began))
        self._tables[name].publish(table)
        self._images[name].publish(image)

    def _let_pass(self, name: str) -> None:
        end = time.monotonic() + WAIT_S
        while True:
            with self._lock:
                waiting = Counter(camera for camera, _ in self._waiting)[name]
            if waiting < ON_THE_WAY:
                return
            if time.monotonic() > end:
                raise ReidError(f'no sightings came for the images of {name}: see the log')
            time.sleep(0.001)

    def _settle(self, seconds: float) -> None:
        """Wait for the last answers; what did not come until then does not come."""
        end = time.monotonic() + seconds
        count = -1
        while time.monotonic() < end and self._waiting and count != len(self._waiting):
            count = len(self._waiting)
            time.sleep(0.7)
        with self._lock:
            self._waiting.clear()

    def _answer(self, kind: Any, name: str, request: Any) -> Any:
        client = self._node.create_client(kind, name)
        try:
            if not client.wait_for_service(WAIT_S):
                raise ReidError(f'there is no service {name}')
            future = client.call_async(request)
            end = time.monotonic() + WAIT_S
            while not future.done():
                if time.monotonic() > end:
                    raise ReidError(f'{name} did not answer')
                time.sleep(0.01)
            return future.result()
        finally:
            self._node.destroy_client(client)

    def _spin(self) -> None:
        while self._open:
            self._executor.spin_once(timeout_sec=0.05)

    def _ear(self, camera: str) -> Any:
        def hear(cloud: PointCloud2) -> None:
            now, stamp = time.monotonic(), stamp_ns(cloud.header)
            with self._lock:
                sent = self._waiting.pop((camera, stamp), None)
                if sent is None:
                    return
                found = table_sightings(cloud_to_table(cloud), camera, stamp)
                index, sent_s, at = sent
                self._run.answers[camera].append(Answer(index, sent_s, now - at, found))

        return hear

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self._lock:
            for status in message.status:
                values = {value.key: value.value for value in status.values}
                self._status[status.name.rsplit(': ', 1)[-1]] = values


@contextlib.contextmanager
def opened(
    films: Mapping[str, Sequence[tuple[Frame, Detections]]], target: str, domain: int
) -> Iterator[Feed]:
    """A feed with a node of its own in a ROS domain, which ends with the block."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=domain)
    node = rclpy.create_node('reid_feed', context=context)
    feed = Feed(node, films, target)
    try:
        yield feed
    finally:
        feed.close()
        node.destroy_node()
        rclpy.try_shutdown(context=context)
