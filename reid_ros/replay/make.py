"""Frames -> a ROS 2 bag in mcap, without ROS."""

from __future__ import annotations

import heapq
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from reid_ros.replay.source import Source, SourceError
from reid_ros.replay.topics import COMPRESSED, IMAGE
from reid_ros.types import Frame

Encoding = Literal['raw', 'jpeg', 'png']
# What camera drivers offer; ros2 bag play takes it over.
_FOREVER = QosTime(2147483647, 4294967295)
QOS = Qos(
    QosHistory.KEEP_LAST,
    10,
    QosReliability.RELIABLE,
    QosDurability.VOLATILE,
    _FOREVER,
    _FOREVER,
    QosLiveliness.AUTOMATIC,
    _FOREVER,
    False,
)
VERSION: Literal[8] = 8  # of the metadata; the older of the two that rosbags writes
QUALITY = 90  # of JPEG


def topic(camera: str, encoding: Encoding) -> str:
    """Image topic of a camera in a bag that is made here."""
    return f'/{camera}/image' if encoding == 'raw' else f'/{camera}/image/compressed'


def write(
    sources: Sequence[Source],
    out: str | Path,
    encoding: Encoding = 'raw',
    tell: Callable[[int], None] = lambda frames: None,
) -> int:
    """Write the frames of all sources, in the order of their stamps.

    rosbags makes a folder with metadata.yaml and one mcap file in it. For `NAME.mcap` that file
    alone is kept, for any other name the folder. Both appear under their name when they are whole.

    Args:
        sources: one per camera; a stamp of 0 would be read as none, so begin later.
        out: NAME.mcap or a folder; neither may exist.
        tell: called with the number of frames added.

    Returns:
        Number of messages.

    Raises:
        SourceError: out exists or cannot be written.
    """
    out = Path(out)
    if out.exists():
        raise SourceError(f'{out} exists: delete it or choose another name')
    if out.suffix == '.db3':
        raise SourceError(f'{out}: bags are written as mcap: name it {out.stem}.mcap')
    try:
        workshop = Path(tempfile.mkdtemp(prefix=f'.{out.stem}.', dir=out.absolute().parent))
    except OSError as error:
        raise SourceError(f'{out} cannot be written: {error.strerror}') from error
    try:
        name = out.stem if out.suffix == '.mcap' else out.name
        bag = workshop / name
        number = _fill(bag, sources, encoding, tell)
        made = bag / f'{name}.mcap' if out.suffix == '.mcap' else bag
        made.rename(out)
    except OSError as error:
        raise SourceError(f'{out} cannot be written: {error.strerror}') from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return number


def _fill(
    bag: Path, sources: Sequence[Source], encoding: Encoding, tell: Callable[[int], None]
) -> int:
    store = get_typestore(Stores.ROS2_HUMBLE)
    kind = IMAGE if encoding == 'raw' else COMPRESSED
    number = 0
    with Writer(bag, version=VERSION, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {
            source.camera: writer.add_connection(
                topic(source.camera, encoding), kind, typestore=store, offered_qos_profiles=[QOS]
            )
            for source in sources
        }
        merged = heapq.merge(*(source.frames() for source in sources), key=lambda f: f.stamp_ns)
        for frame in merged:
            message = _message(store, frame, encoding)
            writer.write(
                connections[frame.camera], frame.stamp_ns, store.serialize_cdr(message, kind)
            )
            number += 1
            tell(1)
    return number


def _message(store: Any, frame: Frame, encoding: Encoding) -> Any:
    types = store.types
    seconds, nanoseconds = divmod(frame.stamp_ns, 1_000_000_000)
    header = types['std_msgs/msg/Header'](
        types['builtin_interfaces/msg/Time'](seconds, nanoseconds), f'{frame.camera}_optical_frame'
    )
    image = frame.image
    if encoding == 'raw':
        height, width = image.shape[:2]
        data = np.ascontiguousarray(image).reshape(-1)
        return types[IMAGE](header, height, width, f'{frame.order}8', 0, 3 * width, data)
    if frame.order == 'rgb':
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if encoding == 'jpeg' else []
    fine, data = cv2.imencode('.jpg' if encoding == 'jpeg' else '.png', image, options)
    if not fine:
        raise SourceError(f'frame {frame.index + 1} of {frame.camera} cannot be compressed')
    # as image_transport writes it
    return types[COMPRESSED](header, f'bgr8; {encoding} compressed bgr8', data.reshape(-1))
