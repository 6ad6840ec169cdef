"""Image messages -> pixels; the usual encodings without a copy, the rare ones by cv_bridge."""

from __future__ import annotations

import importlib
from array import array
from typing import Any

import numpy as np

from reid_ros.replay.encodings import (
    EncodingError,
    UnknownEncodingError,
    decode_compressed,
    image_view,
)
from reid_ros.types import AnyArray, ColourOrder, UInt8Array


def stamp_ns(header: Any) -> int:
    """Nanoseconds of a std_msgs/Header."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def pixels(message: Any) -> tuple[UInt8Array, ColourOrder]:
    """(height, width, 3) uint8 of an Image or CompressedImage, and the order of its channels.

    bgr8 and rgb8 are views into the message.

    Raises:
        EncodingError: the data is corrupt, does not fit its description, or is of an encoding
            that neither we nor cv_bridge know.
    """
    if not hasattr(message, 'encoding'):
        return decode_compressed(message.data, message.format), 'bgr'
    try:
        return image_view(
            message.encoding, message.height, message.width, message.step, message.data
        )
    except UnknownEncodingError as error:
        return _by_cv_bridge(message, error), 'bgr'


def _by_cv_bridge(message: Any, reason: UnknownEncodingError) -> UInt8Array:
    try:
        # cv_bridge of Humble and Jazzy is built for numpy 1 and fails with AttributeError on 2.
        bridge = importlib.import_module('cv_bridge')
    except (ImportError, AttributeError) as error:
        raise UnknownEncodingError(
            f'{reason}; or install cv_bridge (ros-$ROS_DISTRO-cv-bridge), which knows more '
            f'({error})'
        ) from error
    try:
        image: UInt8Array = bridge.CvBridge().imgmsg_to_cv2(message, 'bgr8')
    except bridge.CvBridgeError as error:
        raise EncodingError(f'cv_bridge cannot convert {message.encoding!r}: {error}') from error
    return np.ascontiguousarray(image)


def byte_array(values: AnyArray) -> array[int]:
    """The bytes of an array in the form that a message's data takes without looking at each.

    Assigning an ndarray takes a hundred times as long.
    """
    result = array('B')
    result.frombytes(np.ascontiguousarray(values).tobytes())
    return result
