"""/humans/persons of ROS4HRI, where no person manager publishes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Bool, Float32, Header, String

from reid_ros.ros import hri
from reid_ros.ros.subscribe import QUIET_PUBLISHER

LEFT_S = 10.0
"""Seconds over which it becomes unknown where somebody is who went out of sight; that is what
hri_person_manager takes."""
TELL_S = 1.0
"""So often it is told how well that is known."""
MOST = 100
"""Persons who have topics; whoever was unseen longest gives way. A gallery may hold thousands."""
TOPICS = {
    'anonymous': Bool,
    'body_id': String,
    'alias': String,
    'name': String,
    'location_confidence': Float32,
}


@dataclass(slots=True)
class _Known:
    """A person who has topics.

    Attributes:
        publishers: by the last part of the topic.
        said: what was said last on each.
        seen_s: when they were tracked last, on the steady clock.
        told_s, confidence: when it was told last how well it is known where they are, and what.
        alias: number of the person they turned out to be, 0 = they are themselves.
    """

    publishers: Mapping[str, Any]
    said: dict[str, str | bool] = field(default_factory=dict)
    seen_s: float = 0.0
    told_s: float = 0.0
    confidence: float = 0.0
    alias: int = 0


class Persons:
    """Publishes who is known and who is tracked; opened and closed as managers come and go.

    Stepped by the worker's thread, tended by the executor's.

    Args:
        node: owns the publishers.
        msg: the module hri_msgs.msg.
    """

    def __init__(self, node: Node, msg: Any) -> None:
        self._node, self._msg = node, msg
        self._lock = threading.Lock()
        self._lists: dict[str, Any] = {}
        self._known: dict[int, _Known] = {}
        self._told: dict[str, tuple[str, ...]] = {}

    @property
    def open(self) -> bool:
        """Whether we publish persons now."""
        return bool(self._lists)

    def start(self) -> None:
        """Begin to publish; nobody is known yet."""
        with self._lock:
            if self._lists:
                return
            self._lists = {
                name: self._publisher(self._msg.IdsList, name, hri.LATCHED)
                for name in ('tracked', 'known')
            }
            self._tell_lists(())

    def stop(self) -> None:
        """Say that nobody is tracked, and give the topics up."""
        with self._lock:
            if not self._lists:
                return
            for number in list(self._known):
                self._forget(number)
            self._tell_lists(())
            for publisher in self._lists.values():
                self._node.destroy_publisher(publisher)
            self._lists, self._told = {}, {}

    def step(
        self,
        bodies: Mapping[int, str],
        names: Mapping[int, str],
        merged: Sequence[tuple[int, int]],
        now_s: float,
    ) -> None:
        """Take in one moment.

        Args:
            bodies: of everybody who is tracked, by the number of the person.
            names: of the persons.
            merged: numbers that turned out to be others.
            now_s: steady clock.
        """
        with self._lock:
            if not self._lists:
                return
            for number in bodies:
                if number not in self._known:
                    self._meet(number)
            for gone, into in merged:
                if gone in self._known and into in self._known:
                    self._known[gone].alias = into
            for number, known in self._known.items():
                if number in bodies:
                    known.seen_s, known.alias = now_s, 0
                alias = hri.person_id(known.alias) if known.alias else ''
                self._say(known, 'body_id', bodies.get(number, ''))
                self._say(known, 'alias', alias)
                self._say(known, 'name', names.get(number, ''))
                if number in bodies and known.confidence < 1.0:
                    self._locate(known, 1.0, now_s)
            self._make_room(bodies)
            self._tell_lists(tuple(bodies))

    def tend(self, exists: Callable[[int], bool], now_s: float) -> None:
        """Let go of who was forgotten, and tell how well it is known where the others are.

        Args:
            exists: whether a number is still a person's.
            now_s: steady clock.
        """
        with self._lock:
            if not self._lists:
                return
            for number, known in list(self._known.items()):
                if not exists(known.alias or number):
                    self._forget(number)
                    continue
                left = max(0.0, 1.0 - (now_s - known.seen_s) / LEFT_S)
                # Whoever subscribes later hears of it, too: the topic is not latched.
                if now_s - known.told_s >= TELL_S and (left or known.confidence):
                    self._locate(known, left, now_s)
            tracked = self._told.get('tracked', ())
            self._tell_lists(tuple(n for n in self._known if hri.person_id(n) in tracked))

    def confidence(self, number: int, now_s: float) -> float:
        """How well it is known where somebody is, 0 to 1."""
        with self._lock:
            known = self._known.get(number)
            seen_s = known.seen_s if known is not None else -LEFT_S
            return max(0.0, 1.0 - (now_s - seen_s) / LEFT_S)

    def _meet(self, number: int) -> None:
        where = hri.person_id(number)
        publishers = {
            name: self._publisher(
                kind,
                f'{where}/{name}',
                QoSProfile(depth=1) if name == 'location_confidence' else hri.LATCHED,
            )
            for name, kind in TOPICS.items()
        }
        known = self._known[number] = _Known(publishers)
        self._say(known, 'anonymous', False)

    def _forget(self, number: int) -> None:
        known = self._known.pop(number)
        self._say(known, 'body_id', '')
        for publisher in known.publishers.values():
            self._node.destroy_publisher(publisher)

    def _make_room(self, bodies: Mapping[int, str]) -> None:
        surplus = len(self._known) - max(MOST, len(bodies))
        if surplus > 0:
            away = [number for number in self._known if number not in bodies]
            for number in sorted(away, key=lambda n: self._known[n].seen_s)[:surplus]:
                self._forget(number)

    def _say(self, known: _Known, topic: str, value: str | bool) -> None:
        """Publish what is not yet said."""
        if known.said.get(topic) != value:
            known.said[topic] = value
            known.publishers[topic].publish(TOPICS[topic](data=value))

    def _locate(self, known: _Known, confidence: float, now_s: float) -> None:
        known.told_s, known.confidence = now_s, confidence
        known.publishers['location_confidence'].publish(Float32(data=confidence))

    def _tell_lists(self, tracked: Sequence[int]) -> None:
        for name, numbers in (('known', tuple(self._known)), ('tracked', tuple(tracked))):
            found = tuple(hri.person_id(number) for number in numbers)
            if self._told.get(name) != found:
                self._told[name] = found
                header = Header(stamp=self._node.get_clock().now().to_msg())
                self._lists[name].publish(hri.ids(self._msg, header, found))

    def _publisher(self, kind: Any, topic: str, qos: QoSProfile) -> Any:
        # No overriding options: each would leave parameters behind when the person is gone.
        return self._node.create_publisher(
            kind, f'{hri.PERSONS}/{topic}', qos, event_callbacks=QUIET_PUBLISHER
        )
