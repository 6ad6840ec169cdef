"""vision_msgs, where it is installed: what its messages say, and detections in.

Messages are of version 4 (Humble to Lyrical: 4.2.0 changed no field): `bbox.center.position.x`,
`results[].hypothesis.class_id`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from reid_ros.types import (
    AnyArray,
    Candidates,
    Detections,
    ReidError,
    Sightings,
)

WIDTH_M = 0.5
"""Width of a person's box, metres."""


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


def tracks(msg: Any, header: Any, sightings: Sightings) -> Any:
    """`<camera>/tracks`: id is `<camera>_<track>`, results[0] the class person."""
    rows = []
    for box, score, track in zip(sightings.boxes, sightings.scores, sightings.tracks):
        row = _boxed(msg, header, box, f'{sightings.camera}_{track}')
        row.results = [_hypothesis(msg, 'person', score)]
        rows.append(row)
    return msg.Detection2DArray(header=header, detections=rows)


def identities(
    msg: Any, header: Any, sightings: Sightings, candidates: Candidates | None = None
) -> Any:
    """`<camera>/identities`: id is the person's number, '' while undecided.

    `results` are the candidates, the likeliest first; whoever the track is taken for comes before
    them all. None: that person alone.
    """
    decided = sightings.persons, sightings.person_scores
    return _persons(msg, header, sightings, *decided, candidates)


def gaits(
    msg: Any, header: Any, sightings: Sightings, candidates: Candidates | None = None
) -> Any:
    """`<camera>/gait`: as `<camera>/identities`, by how people walk alone."""
    decided = sightings.gait_persons, sightings.gait_scores
    return _persons(msg, header, sightings, *decided, candidates)


def person(msg: Any, header: Any, number: int, score: float, pose: Any, height_m: float) -> Any:
    """A Detection3D of somebody who stands on the ground.

    Args:
        number, score: who it is, and the probability.
        pose: geometry_msgs/PoseWithCovariance of the middle of the body.
        height_m: of the box.
    """
    row = msg.Detection3D(header=header, id=str(number))
    row.results = [_hypothesis(msg, str(number), score)]
    row.results[0].pose = pose
    row.bbox.center = pose.pose
    row.bbox.size.x = row.bbox.size.y = WIDTH_M
    row.bbox.size.z = float(height_m)
    return row


def info(msg: Any, header: Any, location: str, version: int) -> Any:
    """`vision_info`: where the persons are kept; the version rises when the gallery changes."""
    return msg.VisionInfo(
        header=header, method='reid_ros', database_location=location, database_version=version
    )


def _persons(
    msg: Any,
    header: Any,
    sightings: Sightings,
    persons: AnyArray,
    scores: AnyArray,
    candidates: Candidates | None,
) -> Any:
    rows = []
    for i, (number, score) in enumerate(zip(persons.tolist(), scores.tolist())):
        row = _boxed(msg, header, sightings.boxes[i], str(number) if number else '')
        ranked = [(number, score)] if number else []
        if candidates is not None:
            others = zip(candidates.persons[i].tolist(), candidates.scores[i].tolist())
            ranked += [(n, value) for n, value in others if n and n != number]
            ranked = ranked[: candidates.persons.shape[1]]
        row.results = [_hypothesis(msg, str(n), value) for n, value in ranked]
        rows.append(row)
    return msg.Detection2DArray(header=header, detections=rows)


def _boxed(msg: Any, header: Any, box: Sequence[float], ident: str) -> Any:
    result = msg.Detection2D(header=header, id=ident)
    x0, y0, x1, y1 = (float(v) for v in box)
    result.bbox.center.position.x = (x0 + x1) / 2
    result.bbox.center.position.y = (y0 + y1) / 2
    result.bbox.size_x = x1 - x0
    result.bbox.size_y = y1 - y0
    return result


def _hypothesis(msg: Any, name: str, score: float) -> Any:
    result = msg.ObjectHypothesisWithPose()
    result.hypothesis.class_id = name
    result.hypothesis.score = min(max(float(score), 0.0), 1.0)
    return result
