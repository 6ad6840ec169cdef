"""Small real videos, folders of pictures and bags; sightings by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from reid_ros.types import Frame, Sightings

S = 1_000_000_000
MS = 1_000_000
STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'


def paint(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A picture whose brightness tells its number (0 to 24)."""
    return np.full((height, width, 3), 10 * number, np.uint8)


def number_of(image: np.ndarray) -> int:
    """The number of a painted picture, also after compression."""
    return round(float(image.mean()) / 10)


def video(
    path: Path, number: int = 12, rate: float = 10.0, width: int = 64, height: int = 48
) -> Path:
    codec = {'.avi': b'MJPG', '.mp4': b'mp4v', '.mkv': b'MJPG'}[path.suffix]
    writer = cv2.VideoWriter(str(path), int.from_bytes(codec, 'little'), rate, (width, height))
    assert writer.isOpened()
    for i in range(number):
        writer.write(paint(i, width, height))
    writer.release()
    return path


def pictures(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for number, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), paint(number))
    return folder


def message(
    kind: str, stamp_ns: int, image: np.ndarray | bytes, encoding: str = 'bgr8', frame: str = 'f'
) -> object:
    types = STORE.types
    time = types['builtin_interfaces/msg/Time'](stamp_ns // S, stamp_ns % S)
    header = types['std_msgs/msg/Header'](time, frame)
    if kind == COMPRESSED:
        if isinstance(image, np.ndarray):
            image = cv2.imencode('.jpg', image)[1].tobytes()
        return types[kind](header, 'jpeg', np.frombuffer(image, np.uint8))
    data = image if isinstance(image, np.ndarray) else np.frombuffer(image, np.uint8)
    height, width = data.shape[:2] if data.ndim > 1 else (48, 64)
    return types[kind](
        header, height, width, encoding, 0, width * (data.size // (height * width) or 3),
        data.reshape(-1),
    )  # fmt: skip


def bag(
    path: Path,
    messages: list[tuple[str, int, object]],
    storage: str = 'mcap',
    kinds: dict[str, str] | None = None,
    compressed: bool = False,
) -> Path:
    """A bag of (topic, time of reception, message)."""
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    writer = Writer(path, version=8, storage_plugin=plugin)
    if compressed:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, kind in (kinds or {}).items():
            connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
        for topic, received, content in messages:
            kind = content.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], received, STORE.serialize_cdr(content, kind))
    return path


def film(topic: str, number: int = 12, kind: str = IMAGE, begin_ns: int = S) -> list:
    """Messages of painted pictures at 10 Hz."""
    return [
        (topic, begin_ns + i * 100 * MS, message(kind, begin_ns + i * 100 * MS, paint(i)))
        for i in range(number)
    ]


def frame(camera: str = 'a', index: int = 0, stamp_ns: int | None = None, **size: int) -> Frame:
    return Frame(camera, index * 100 * MS if stamp_ns is None else stamp_ns,
                 paint(index % 25, **size), index)  # fmt: skip


def found(
    of: Frame,
    *rows: tuple[int, int],
    confirmed: bool = True,
    predicted: tuple[int, ...] = (),
) -> Sightings:
    """Sightings of a frame from (track, person) pairs; tracks in `predicted` were not seen."""
    n = len(rows)
    boxes = np.array([[5 + 20 * i, 5, 20 + 20 * i, 45] for i in range(n)], np.float32)
    persons = np.array([person for _, person in rows], np.uint32)
    return Sightings(
        of.camera, of.stamp_ns, of.index,
        boxes.reshape(n, 4),
        np.full(n, 0.875, np.float32),
        np.array([track for track, _ in rows], np.uint32),
        persons,
        np.full(n, 0.5, np.float32),
        (persons > 0) & confirmed,
        np.array([track in predicted for track, _ in rows], bool),
        np.zeros(n, np.uint32),
        np.zeros(n, np.float32),
    )  # fmt: skip
