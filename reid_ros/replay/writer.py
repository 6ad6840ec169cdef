"""Messages -> a ROS 2 bag in mcap, without ROS; the same messages make the same bytes."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
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

from reid_ros.lens import Lens, Pose
from reid_ros.replay.clouds import columns
from reid_ros.replay.messages import INFO, ODOMETRY, TABLE
from reid_ros.replay.source import SourceError
from reid_ros.replay.topics import COMPRESSED, IMAGE
from reid_ros.types import AnyArray, ColourOrder, UInt8Array

Encoding = Literal['raw', 'jpeg', 'png']
TRANSFORMS = 'tf2_msgs/msg/TFMessage'
VERSION: Literal[8] = 8  # of the metadata; the older of the two that rosbags writes
QUALITY = 90  # of JPEG
_FOREVER = QosTime(2147483647, 4294967295)


def _qos(durability: QosDurability) -> Qos:
    # What camera drivers offer; ros2 bag play takes it over.
    return Qos(
        QosHistory.KEEP_LAST, 10, QosReliability.RELIABLE, durability, _FOREVER, _FOREVER,
        QosLiveliness.AUTOMATIC, _FOREVER, False,
    )  # fmt: skip


class BagWriter:
    """Writes a bag folder: metadata.yaml and one mcap file in it.

    The bag is whole when the block ends. Topics appear with their first message. Stamps are
    nanoseconds; 0 would be read as none.

    Attributes:
        messages: how many were written.
    """

    def __init__(self, folder: Path) -> None:
        """The folder must not exist; its parent must."""
        self.messages = 0
        self._store: Any = get_typestore(Stores.ROS2_HUMBLE)
        self._types = self._store.types
        self._writer = Writer(folder, version=VERSION, storage_plugin=StoragePlugin.MCAP)
        self._connections: dict[str, Any] = {}

    def __enter__(self) -> BagWriter:
        self._writer.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def announce(self, topic: str, kind: str, latched: bool = False) -> None:
        """Let a topic be in the bag even if nothing is written to it."""
        if topic not in self._connections:
            held = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self._store, offered_qos_profiles=[_qos(held)]
            )

    def image(
        self,
        topic: str,
        frame_id: str,
        stamp_ns: int,
        image: UInt8Array,
        encoding: Encoding = 'raw',
        order: ColourOrder | Literal['mono'] = 'bgr',
    ) -> None:
        """An image (height, width, 3) or, in order mono, (height, width).

        Raises:
            SourceError: it cannot be compressed.
        """
        header = self._header(stamp_ns, frame_id)
        if encoding == 'raw':
            height, width = image.shape[:2]
            step = width * (1 if order == 'mono' else 3)
            data = np.ascontiguousarray(image).reshape(-1)
            message = self._types[IMAGE](header, height, width, f'{order}8', 0, step, data)
            self._write(topic, IMAGE, stamp_ns, message)
            return
        if order == 'rgb':
            image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
        options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if encoding == 'jpeg' else []
        fine, packed = cv2.imencode('.jpg' if encoding == 'jpeg' else '.png', image, options)
        if not fine:
            raise SourceError(f'the image of {stamp_ns} ns on {topic} cannot be compressed')
        # as image_transport writes it
        inner = 'mono8' if order == 'mono' else 'bgr8'
        form = f'{inner}; {encoding} compressed {inner}'
        message = self._types[COMPRESSED](header, form, np.asarray(packed).reshape(-1))
        self._write(topic, COMPRESSED, stamp_ns, message)

    def info(
        self, topic: str, frame_id: str, stamp_ns: int, lens: Lens, width: int, height: int
    ) -> None:
        """A CameraInfo: no rectification, one camera."""
        region = self._types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
        matrix = lens.matrix.astype(np.float64)
        message = self._types[INFO](
            self._header(stamp_ns, frame_id), height, width,
            'equidistant' if lens.fisheye else 'plumb_bob', lens.distortion.astype(np.float64),
            matrix.reshape(-1), np.eye(3).reshape(-1),
            np.column_stack([matrix, np.zeros(3)]).reshape(-1), 0, 0, region,
        )  # fmt: skip
        self._write(topic, INFO, stamp_ns, message)

    def table(self, topic: str, frame_id: str, stamp_ns: int, table: AnyArray) -> None:
        """A structured array (n,) of 1 to 4 byte integers and floats, as PointCloud2."""
        kind = table.dtype
        fields = [self._types['sensor_msgs/msg/PointField'](*column) for column in columns(kind)]
        rows = np.frombuffer(table.tobytes(), np.uint8)
        size = kind.itemsize
        message = self._types[TABLE](
            self._header(stamp_ns, frame_id), 1, len(table), fields, False, size,
            size * len(table), rows, True,
        )  # fmt: skip
        self._write(topic, TABLE, stamp_ns, message)

    def odometry(
        self,
        topic: str,
        frames: tuple[str, str],
        stamp_ns: int,
        pose: Pose,
        speed: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """An Odometry: frames are (frame_id, child_frame_id), speed is forward m/s, turn rad/s."""
        vector = self._types['geometry_msgs/msg/Vector3']
        twist = self._types['geometry_msgs/msg/Twist'](
            vector(speed[0], 0.0, 0.0), vector(0.0, 0.0, speed[1])
        )
        unknown = np.zeros(36)
        x, y, z, *turned = pose.numbers()
        where = self._types['geometry_msgs/msg/Pose'](
            self._types['geometry_msgs/msg/Point'](x, y, z),
            self._types['geometry_msgs/msg/Quaternion'](*turned),
        )
        message = self._types[ODOMETRY](
            self._header(stamp_ns, frames[0]), frames[1],
            self._types['geometry_msgs/msg/PoseWithCovariance'](where, unknown),
            self._types['geometry_msgs/msg/TwistWithCovariance'](twist, unknown),
        )  # fmt: skip
        self._write(topic, ODOMETRY, stamp_ns, message)

    def transforms(
        self, stamp_ns: int, poses: dict[tuple[str, str], Pose], static: bool = False
    ) -> None:
        """Poses of child frames in parent frames, by (parent, child), on /tf or /tf_static."""
        moved = []
        for (parent, child), pose in poses.items():
            x, y, z, *turned = pose.numbers()
            transform = self._types['geometry_msgs/msg/Transform'](
                self._types['geometry_msgs/msg/Vector3'](x, y, z),
                self._types['geometry_msgs/msg/Quaternion'](*turned),
            )
            moved.append(
                self._types['geometry_msgs/msg/TransformStamped'](
                    self._header(stamp_ns, parent), child, transform
                )
            )
        topic = '/tf_static' if static else '/tf'
        self.announce(topic, TRANSFORMS, latched=static)
        self._write(topic, TRANSFORMS, stamp_ns, self._types[TRANSFORMS](moved))

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
        stamp = self._types['builtin_interfaces/msg/Time'](seconds, nanoseconds)
        return self._types['std_msgs/msg/Header'](stamp, frame_id)

    def _write(self, topic: str, kind: str, stamp_ns: int, message: Any) -> None:
        self.announce(topic, kind)
        data = self._store.serialize_cdr(message, kind)
        self._writer.write(self._connections[topic], stamp_ns, data)
        self.messages += 1
