"""Identify only: bodies that somebody else publishes under /humans, and who they are."""

from __future__ import annotations

import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from reid_ros.config import Config
from reid_ros.ros import hri
from reid_ros.ros.convert import stamp_ns
from reid_ros.ros.diagnostics import pairs
from reid_ros.ros.eyes import Eyes
from reid_ros.ros.intake import Arrival, Intake
from reid_ros.ros.subscribe import QUIET

GATHER_S = 0.03
"""The pictures of one image come one by one: the first waits so long for the others."""
MOST = 100
"""Bodies that are looked at."""
COUNTS = ('received', 'processed', 'undecodable', 'bad_stamps', 'dropped_by_policy')


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a body as it came.

    Attributes:
        body: its name.
        number: of the body, used once.
        message: sensor_msgs/Image.
        region: NormalizedRegionOfInterest2D; None where none came.
    """

    body: str
    number: int
    message: Any
    region: Any


@dataclass(frozen=True, slots=True)
class Group:
    """What came since the last moment, and who is followed now.

    Attributes:
        pictures: the newest of each body that has a new one.
        bodies: number of everybody who is followed, by name.
    """

    pictures: Sequence[Picture]
    bodies: Mapping[str, int]


class Pictures:
    """Where pictures of bodies wait for the worker; an intake, though of no images."""

    def __init__(self) -> None:
        self.dropped = 0
        self._changed = threading.Condition()
        self._new: dict[str, Picture] = {}
        self._bodies: dict[str, int] = {}
        self._count = 0
        self._told = True

    @property
    def bodies(self) -> Mapping[str, int]:
        """Number of everybody who is followed, by name."""
        return self._bodies

    def follow(self, names: Sequence[str]) -> None:
        """Somebody else says whom they follow now."""
        with self._changed:
            if set(names) == set(self._bodies):
                return
            bodies = {name: n for name, n in self._bodies.items() if name in names}
            for name in names:
                if name not in bodies:
                    self._count += 1
                    bodies[name] = self._count
            self._bodies, self._told = bodies, False
            self._new = {name: one for name, one in self._new.items() if name in bodies}
            self._changed.notify()

    def add(self, name: str, message: Any, region: Any) -> None:
        """A picture came; the one before it gives way."""
        with self._changed:
            if name in self._bodies:
                self.dropped += name in self._new
                self._new[name] = Picture(name, self._bodies[name], message, region)
                self._changed.notify()

    def take(self, timeout_s: float) -> list[Any]:
        """What came, as one Group; empty after the timeout or `wake`."""
        with self._changed:
            if not self._new and self._told:
                self._changed.wait(timeout_s)
            if not self._new and self._told:
                return []
        time.sleep(GATHER_S)
        with self._changed:
            group = Group(list(self._new.values()), self._bodies)
            self._new, self._told = {}, True
        return [group]

    def put(self, arrival: Arrival) -> None:
        """No images come here."""

    def silent(self, camera: str) -> None:
        """Nobody waits for anybody here."""

    def waiting(self, camera: str) -> int:
        """Number of pictures."""
        return len(self._new)

    def wake(self) -> None:
        """Make `take` return."""
        with self._changed:
            self._changed.notify_all()


@dataclass(slots=True)
class _Body:
    """Subscriptions of one body, and where it was last."""

    subscriptions: list[Any] = field(default_factory=list)
    region: Any = None


class OtherBodies(Eyes):
    """Listens to the bodies of /humans.

    Args:
        node: owns the subscriptions.
        config: all settings.
        enabled: whether pictures are used now.

    Attributes:
        pictures: where they wait.
        counts: of pictures, by what became of them.
        problem: what is wrong with them, '' where nothing is.
    """

    def __init__(self, node: Node, config: Config, enabled: Callable[[], bool]) -> None:
        super().__init__(node, config, (), enabled)
        self._msg = hri.messages()
        self.counts: Counter[str] = Counter()
        self.problem = ''
        self._of: dict[str, _Body] = {}
        self._tracked: Any = self._subscribe(self._msg.IdsList, 'tracked', self._on_tracked)

    def destroy(self) -> None:
        """End the subscriptions."""
        super().destroy()
        if self._tracked is not None:
            self._node.destroy_subscription(self._tracked)
            self._tracked = None
        for name in list(self._of):
            self._leave(name)

    def tend(self) -> None:
        """Nobody is followed any more where nobody is left who would."""
        if self._of and not self._node.count_publishers(f'{hri.BODIES}/tracked'):
            self._follow(())

    def statuses(self, config: Config, now_s: float) -> list[Any]:
        """One DiagnosticStatus of all bodies."""
        self.counts['dropped_by_policy'] = self.pictures.dropped
        facts = {name: self.counts[name] for name in COUNTS}
        facts['bodies'] = len(self._of)
        status = DiagnosticStatus(
            name=f'{self._node.get_name()}: {hri.BODIES}', hardware_id=hri.BODIES
        )
        status.level = DiagnosticStatus.WARN if self.problem else DiagnosticStatus.OK
        status.message = self.problem or f'{len(self._of)} bodies'
        if not self._node.count_publishers(f'{hri.BODIES}/tracked'):
            status.level = DiagnosticStatus.ERROR
            status.message = f'nobody publishes {hri.BODIES}/tracked: start what finds bodies'
        status.values = pairs(facts)
        return [status]

    def note(self, kind: str, words: str) -> None:
        """Count what is wrong with a picture, and log it where it is new."""
        self.counts[kind] += 1
        if words != self.problem:
            self.problem = words
            self._node.get_logger().warning(words)

    def _waiting_room(self, config: Config) -> Intake:
        self.pictures = Pictures()
        return self.pictures

    def _on_tracked(self, message: Any) -> None:
        self._follow(list(dict.fromkeys(message.ids))[:MOST] if self._enabled() else ())

    def _follow(self, names: Sequence[str]) -> None:
        for name in [name for name in self._of if name not in names]:
            self._leave(name)
        for name in names:
            if name not in self._of:
                self._meet(name)
        self.pictures.follow(list(self._of))

    def _meet(self, name: str) -> None:
        body = _Body()
        try:
            kind = self._msg.NormalizedRegionOfInterest2D
            body.subscriptions = [
                self._subscribe(kind, f'{name}/roi', functools.partial(self._on_region, name)),
                self._subscribe(
                    Image, f'{name}/cropped', functools.partial(self._on_picture, name)
                ),
            ]
        except InvalidTopicNameException:
            words = f'{hri.BODIES}/tracked names {name!r}, which no topic can be called'
            self.note('bad_names', words)
        self._of[name] = body

    def _leave(self, name: str) -> None:
        for subscription in self._of.pop(name).subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_region(self, name: str, message: Any) -> None:
        if name in self._of:
            self._of[name].region = message

    def _on_picture(self, name: str, message: Any) -> None:
        body = self._of.get(name)
        if body is None or not self._enabled():
            return
        self.counts['received'] += 1
        if not stamp_ns(message.header):
            self.note('bad_stamps', f'{hri.BODIES}/{name}/cropped has stamp 0: it is not used')
            return
        self.pictures.add(name, message, body.region)

    def _subscribe(self, kind: Any, topic: str, callback: Callable[[Any], None]) -> Any:
        # Best effort fits every publisher. No overriding options: each would leave parameters
        # behind when the body is gone.
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        return self._node.create_subscription(
            kind, f'{hri.BODIES}/{topic}', callback, qos, event_callbacks=QUIET
        )
