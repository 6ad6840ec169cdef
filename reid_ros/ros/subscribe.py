"""A subscription that takes the reliability its publishers offer, and tells a misfit by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

try:
    from rclpy.event_handler import (
        PublisherEventCallbacks,
        SubscriptionEventCallbacks,
        UnsupportedEventTypeError,
    )
except ImportError:  # Humble
    from rclpy.qos_event import (
        PublisherEventCallbacks,
        SubscriptionEventCallbacks,
        UnsupportedEventTypeError,
    )

# rclpy watches some events of every publisher and subscription by default, and its executor looks
# at each of them on every turn: with 30 publishers that cost more than receiving the images.
QUIET_PUBLISHER = PublisherEventCallbacks(use_default_callbacks=False)
QUIET = SubscriptionEventCallbacks(use_default_callbacks=False)

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


class Subscription:
    """One subscription, made again where its publishers offer another reliability.

    Args:
        node: owns the subscription.
        kind: message class.
        topic: name; remapped as usual.
        callback: called with each message.
        qos: auto (reliable where every publisher offers it, else sensor data), reliable or
            sensor_data.
        depth: messages that wait in the middleware.
        overrides: names of the parameters given to the node; a reliability among its
            `qos_overrides` settles the matter.
        watched: hear of misfits and losses at once, for what each turn of the executor then costs.
    """

    def __init__(
        self,
        node: Node,
        kind: Any,
        topic: str,
        callback: Callable[[Any], None],
        qos: str = 'auto',
        depth: int = 10,
        overrides: Collection[str] = (),
        *,
        watched: bool = False,
    ) -> None:
        self._node, self._kind, self._topic, self._callback = node, kind, topic, callback
        self._depth, self._watched = depth, watched
        self._auto = qos == 'auto'
        self._reliability = BEST_EFFORT if qos == 'sensor_data' else RELIABLE
        self._misfit = False
        self.topic = node.resolve_topic_name(topic)
        self.mismatches = 0
        self.lost = 0
        self.problem = ''
        self._overridden = f'qos_overrides.{self.topic}.subscription.reliability' in overrides
        self._subscription: Any = None
        self._open()

    @property
    def reliable(self) -> bool:
        """Whether lost messages are asked for again."""
        return bool(self._reliability == RELIABLE)

    def tend(self) -> None:
        """Follow the publishers; call it now and then, outside of the callbacks."""
        if not self._auto or self._overridden:
            return
        offers = self._offers()
        if offers:
            wanted = RELIABLE if all(offer == RELIABLE for offer in offers) else BEST_EFFORT
        else:
            wanted = BEST_EFFORT if self._misfit else self._reliability
        self._misfit = False
        if wanted != self._reliability:
            self._reliability = wanted
            self._close()
            self._open()

    @property
    def unsettled(self) -> bool:
        """Whether a publisher does not fit and `tend` should be called soon."""
        return self._misfit

    def publishers(self) -> int:
        """Number of publishers of the topic and type."""
        return len(self._offers())

    def destroy(self) -> None:
        """End the subscription."""
        self._close()

    def _offers(self) -> list[ReliabilityPolicy]:
        kind = f'{self._kind.__module__.split(".")[0]}/msg/{self._kind.__name__}'
        return [
            info.qos_profile.reliability
            for info in self._node.get_publishers_info_by_topic(self.topic)
            if info.topic_type == kind
        ]

    def _open(self) -> None:
        # An override of the reliability is a parameter that is declared once and would hold `auto`
        # at its first choice, so it exists only where the user gave it.
        kinds = [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH]
        if self._overridden:
            kinds.append(QoSPolicyKind.RELIABILITY)
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=self._depth,
            reliability=self._reliability,
            durability=DurabilityPolicy.VOLATILE,
        )
        if not self._watched:
            self._subscription = self._make(profile, kinds)
            return
        try:
            self._subscription = self._make(
                profile, kinds, incompatible_qos=self._on_misfit, message_lost=self._on_lost
            )
        except UnsupportedEventTypeError:  # not every middleware counts what it lost
            self._subscription = self._make(profile, kinds, incompatible_qos=self._on_misfit)

    def _make(self, profile: QoSProfile, kinds: list[Any], **events: Any) -> Any:
        result = self._node.create_subscription(
            self._kind,
            self._topic,
            self._callback,
            profile,
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False, **events),
            qos_overriding_options=QoSOverridingOptions(kinds),
        )
        for handler in result.event_handlers:
            handler.take_data = functools.partial(_taken, handler.take_data)
        return result

    def _close(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _on_misfit(self, event: Any) -> None:
        self._misfit = True
        if self._auto and not self._overridden:
            return  # `tend` takes what is offered
        self.mismatches += max(event.total_count_change, 1)  # 0 where the event was read before
        policy = QoSPolicyKind(event.last_policy_kind).name.lower()
        self.problem = (
            f'incompatible QoS on {self.topic}: a publisher offers another {policy} than is asked '
            'for; set qos: auto (or sensor_data) for this camera, or mend the publisher'
        )
        self._node.get_logger().error(self.problem)

    def _on_lost(self, event: Any) -> None:
        self.lost += event.total_count_change


def _taken(take: Callable[[], Any]) -> Any:
    """What an event says; nothing where its subscription was destroyed before it was looked at.

    rclpy spares the executor that race for messages (ros2/rclpy#1150), but not for events.
    """
    try:
        return take()
    except _rclpy.InvalidHandle:
        return None
