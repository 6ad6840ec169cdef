"""vision_msgs, where it is installed: tracks and identities out, detections in.

Messages are of version 4 (Humble to Rolling): `bbox.center.position.x`,
`results[].hypothesis.class_id`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from reid_ros.types import Detections, ReidError, Sightings


class MissingMessagesError(ReidError):
    """A setting asks for messages whose package is not installed."""


def installed() -> bool:
    """Whether vision_msgs can be imported."""
    return importlib.util.find_spec('vision_msgs') is not None


def messages() -> Any:
    """The module vision_msgs.msg.

    Raises:
        MissingMessagesError: it is not installed.
    """
    try:
        return importlib.import_module('vision_msgs.msg')
    except ImportError as error:
        raise MissingMessagesError(
            'detections: vision_msgs needs the package vision_msgs: install '
            'ros-$ROS_DISTRO-vision-msgs, or send <camera>/detections_table and set '
            'detections: table'
        ) from error


def detections(message: Any, labels: Sequence[str]) -> Detections:
    """The people in a Detection2DArray.

    A detection counts where its best hypothesis bears one of the labels; names and numbers are
    compared as texts, since some detectors write the class 'person' and some '0'.
    """
    boxes, scores = [], []
    for found in message.detections:
        best = max(found.results, key=lambda r: r.hypothesis.score, default=None)
        if best is None or str(best.hypothesis.class_id) not in labels:
            continue
        x, y = found.bbox.center.position.x, found.bbox.center.position.y
        w, h = found.bbox.size_x, found.bbox.size_y
        boxes.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
        scores.append(best.hypothesis.score)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32).reshape(-1)
    )


def _boxed(msg: Any, header: Any, box: Sequence[float], ident: str) -> Any:
    result = msg.Detection2D()
    result.header = header
    result.id = ident
    x0, y0, x1, y1 = (float(v) for v in box)
    result.bbox.center.position.x = (x0 + x1) / 2
    result.bbox.center.position.y = (y0 + y1) / 2
    result.bbox.size_x = x1 - x0
    result.bbox.size_y = y1 - y0
    return result


def _hypothesis(msg: Any, name: str, score: float) -> Any:
    result = msg.ObjectHypothesisWithPose()
    result.hypothesis.class_id = name
    result.hypothesis.score = float(score)
    return result


def tracks(msg: Any, header: Any, sightings: Sightings) -> Any:
    """`<camera>/tracks`: id is `<camera>_<track>`, results[0] the class person."""
    result = msg.Detection2DArray()
    result.header = header
    rows = []
    for box, score, track in zip(sightings.boxes, sightings.scores, sightings.tracks):
        row = _boxed(msg, header, box, f'{sightings.camera}_{track}')
        row.results = [_hypothesis(msg, 'person', score)]
        rows.append(row)
    result.detections = rows
    return result


def identities(msg: Any, header: Any, sightings: Sightings) -> Any:
    """`<camera>/identities`: id is the person's number, '' while undecided."""
    result = msg.Detection2DArray()
    result.header = header
    rows = []
    for box, person, score in zip(sightings.boxes, sightings.persons, sightings.person_scores):
        number = int(person)
        row = _boxed(msg, header, box, str(number) if number else '')
        if number:
            row.results = [_hypothesis(msg, str(number), score)]
        rows.append(row)
    result.detections = rows
    return result


def info(msg: Any, header: Any, location: str, version: int) -> Any:
    """`vision_info`: where the persons are kept; the version rises when the gallery changes."""
    result = msg.VisionInfo()
    result.header = header
    result.method = 'reid_ros'
    result.database_location = location
    result.database_version = version
    return result
