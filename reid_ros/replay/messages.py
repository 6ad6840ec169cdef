"""Serialised messages of a bag -> messages and their stamps."""

from __future__ import annotations

import struct
from typing import Any

from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_typestore

from reid_ros.replay.encodings import EncodingError
from reid_ros.replay.salvage import Raw

INFO = 'sensor_msgs/msg/CameraInfo'
TABLE = 'sensor_msgs/msg/PointCloud2'
ODOMETRY = 'nav_msgs/msg/Odometry'

# The messages that are read here have had one layout through all of ROS 2: a bag without
# definitions, or with broken ones of some other message, is no obstacle.
TYPES = get_typestore(Stores.ROS2_HUMBLE)


def stamped(raw: Raw) -> tuple[Any, int]:
    """A message with a header, and its stamp in nanoseconds (0 = unset).

    Raises:
        EncodingError: the message is damaged.
    """
    try:
        message: Any = TYPES.deserialize_cdr(raw.data, raw.type)
    except (SerdeError, struct.error, ValueError, IndexError, AssertionError) as error:
        raise EncodingError(f'the message is cut off: {len(raw.data)} bytes') from error
    stamp = message.header.stamp
    return message, int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
