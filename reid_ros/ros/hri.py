"""hri_msgs, where it is installed: what is said in the words of ROS4HRI (REP-155).

Identifiers begin with a letter, because topics are made from them: persons are `p<number>`, bodies
`b<number>`. The messages are those of hri_msgs 2 (2.1 to 2.3 changed none that we use).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from reid_ros.boxes import inside
from reid_ros.config import Config, ConfigError
from reid_ros.ros.bodies import Match
from reid_ros.ros.vision import MissingMessagesError
from reid_ros.types import AnyArray, Frame

BODIES, PERSONS = '/humans/bodies', '/humans/persons'
MATCHES = '/humans/candidate_matches'
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""For what is said once and holds until it changes."""


def messages() -> Any:
    """The module hri_msgs.msg.

    Raises:
        MissingMessagesError: it is not installed.
    """
    try:
        return importlib.import_module('hri_msgs.msg')
    except ImportError as error:
        raise MissingMessagesError(
            'hri.enabled needs the package hri_msgs: install ros-$ROS_DISTRO-hri-msgs (Humble, '
            'Jazzy, Lyrical; Kilted has none), or set hri.enabled: false'
        ) from error


def check(config: Config) -> None:
    """What the settings of ROS4HRI need.

    Raises:
        ReidError: hri_msgs is not installed, or the settings contradict one another.
    """
    hri = config.hri
    if hri.enabled:
        messages()
    elif hri.identify_only:
        raise ConfigError('hri.identify_only is set but hri.enabled is not: set both, or neither')
    if not hri.identify_only:
        return
    if config.camera_names:
        raise ConfigError(
            'hri.identify_only identifies bodies that somebody else finds, and camera_names is '
            f'not empty ({", ".join(config.camera_names)}): leave camera_names empty, or set '
            'hri.identify_only: false and let our own bodies be published'
        )
    if config.model.appearance == 'none':
        raise ConfigError(
            'hri.identify_only needs looks to go by and model.appearance is "none": name an '
            'appearance network'
        )


def person_id(number: int) -> str:
    """The identifier of a person."""
    return f'p{number}'


def ids(msg: Any, header: Any, names: Sequence[str]) -> Any:
    """An IdsList."""
    return msg.IdsList(header=header, ids=list(names))


def match(msg: Any, said: Match) -> Any:
    """An IdsMatch of a body and a person; confidence 0: it is not them, or no longer."""
    return msg.IdsMatch(
        id1=said.body,
        id1_type=msg.IdsMatch.BODY,
        id2=person_id(said.person),
        id2_type=msg.IdsMatch.PERSON,
        confidence=float(said.confidence),
    )


def same(msg: Any, gone: int, into: int, confidence: float) -> Any:
    """An IdsMatch of two persons who turned out to be one."""
    return msg.IdsMatch(
        id1=person_id(gone),
        id1_type=msg.IdsMatch.PERSON,
        id2=person_id(into),
        id2_type=msg.IdsMatch.PERSON,
        confidence=float(min(max(confidence, 0.0), 1.0)),
    )


def region(msg: Any, header: Any, box: AnyArray, score: float, height: int, width: int) -> Any:
    """The NormalizedRegionOfInterest2D of what of a box lies within the image."""
    x0, x1 = np.clip(box[[0, 2]].astype(np.float64) / width, 0.0, 1.0).tolist()
    y0, y1 = np.clip(box[[1, 3]].astype(np.float64) / height, 0.0, 1.0).tolist()
    confidence = min(max(float(score), 0.0), 1.0)
    return msg.NormalizedRegionOfInterest2D(
        header=header, xmin=x0, ymin=y0, xmax=x1, ymax=y1, c=confidence
    )


def crop(frame: Frame, box: AnyArray) -> AnyArray | None:
    """(h, w, 3) what of a box lies within the image; None where that is nothing."""
    height, width = frame.image.shape[:2]
    x0, y0, x1, y1 = inside(box, width, height)
    return frame.image[y0:y1, x0:x1] if x1 > x0 and y1 > y0 else None


def others(node: Node, topic: str) -> bool:
    """Whether anybody but this node publishes a topic."""
    if not node.count_publishers(topic):
        return False
    mine = (node.get_name(), node.get_namespace())
    return any(
        (info.node_name, info.node_namespace) != mine
        for info in node.get_publishers_info_by_topic(topic)
    )
