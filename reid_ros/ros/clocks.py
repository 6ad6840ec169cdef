"""Whether the clocks of several machines agree: the identity node asks, sight nodes answer.

Both ways a sensor_msgs/TimeReference travels. In a question `header.stamp` is the asker's time and
`source` its name; in an answer `header.stamp` is the answerer's time, `time_ref` the time of the
question, and `source` is `<asker> <session> <machine>`.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from typing import Any

from rclpy.clock import Clock
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.time import Time
from sensor_msgs.msg import TimeReference

from reid_ros.ros.convert import stamp_ns
from reid_ros.ros.offset import Offset
from reid_ros.ros.subscribe import QUIET, QUIET_PUBLISHER

QUESTIONS, ANSWERS = 'reid/link/ping', 'reid/link/pong'
PERIOD_S, SOONEST_S = 1.0, 0.1
DEPTH = 10


@dataclass
class Machine:
    """One run of a sight node.

    Attributes:
        name: of its machine.
        offset: of its clock.
    """

    name: str = ''
    offset: Offset = field(default_factory=Offset)


class Asker:
    """Keeps the offsets of every sight node that answers.

    Time that comes from /clock is one for all machines: then nobody is asked.

    Args:
        node: owns publisher, subscription and timer, from here on.
        steady: clock of the timer.
    """

    def __init__(self, node: Node, steady: Clock) -> None:
        self._clock = node.get_clock()
        self._name = f'{node.get_fully_qualified_name()}@{os.getpid()}'.replace(' ', '_')
        self._machines: dict[int, Machine] = {}
        self._asked_s = 0.0
        self._publisher = node.create_publisher(
            TimeReference, QUESTIONS, QoSProfile(depth=DEPTH), event_callbacks=QUIET_PUBLISHER
        )
        node.create_subscription(
            TimeReference, ANSWERS, self._on_answer, QoSProfile(depth=DEPTH), event_callbacks=QUIET
        )
        node.create_timer(PERIOD_S, self.ask, clock=steady)

    def machine(self, session: int) -> Machine:
        """What is known of a run of a sight node; asks at once where that is nothing."""
        known = self._machines.get(session)
        if known is None:
            self.ask()
            return Machine()
        return known

    def ask(self) -> None:
        """Send a question, unless one has just gone."""
        now = time.monotonic()
        if self._clock.ros_time_is_active or now - self._asked_s < SOONEST_S:
            return
        self._asked_s = now
        message = TimeReference(source=self._name)
        message.header.stamp = self._clock.now().to_msg()
        self._publisher.publish(message)

    def _on_answer(self, message: Any) -> None:
        heard = self._clock.now().nanoseconds
        asker, _, rest = message.source.partition(' ')
        session, _, name = rest.partition(' ')
        if asker != self._name or not session.isdecimal():
            return
        machine = self._machines.setdefault(int(session), Machine())
        machine.name = name
        asked = Time.from_msg(message.time_ref).nanoseconds
        machine.offset.hear(asked, stamp_ns(message.header), heard)


class Answerer:
    """Tells every asker this machine's time.

    Args:
        node: owns publisher and subscription, from here on.
        session: of the sight node.

    Attributes:
        pretend_ns: added to the time, for tests.
    """

    def __init__(self, node: Node, session: int) -> None:
        self.pretend_ns = 0
        self._clock = node.get_clock()
        self._about = f'{session} {platform.node()}'
        self._publisher = node.create_publisher(
            TimeReference, ANSWERS, QoSProfile(depth=DEPTH), event_callbacks=QUIET_PUBLISHER
        )
        node.create_subscription(
            TimeReference,
            QUESTIONS,
            self._on_question,
            QoSProfile(depth=DEPTH),
            event_callbacks=QUIET,
        )

    def _on_question(self, message: Any) -> None:
        now = self._clock.now().nanoseconds + self.pretend_ns
        answer = TimeReference(source=f'{message.source} {self._about}')
        answer.header.stamp = Time(nanoseconds=now).to_msg()
        answer.time_ref = message.header.stamp
        self._publisher.publish(answer)
