"""A robot that looks to and fro between people who stand still: images, tables, odometry, lens."""

from __future__ import annotations

from collections.abc import Sequence

import clips
import numpy as np
from clips import MS, STORE, S, message, paint

from reid_ros.config import CameraConfig, Config, ModelConfig
from reid_ros.drive import records
from reid_ros.lens import Lens, Pose
from reid_ros.replay.source import Source
from reid_ros.report.recorder import CameraRecord
from reid_ros.types import Moment, Sightings

WIDTH, HEIGHT = 320, 240
LENS = Lens(
    np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]]), np.array([-0.08, 0.005, 0, 0, 0])
)
# 0.12 m before and 1 m above the middle of the wheels, looking forward.
MOUNT = Pose(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([0.12, 0.0, 1.0]))
PEOPLE = ((5.0, -1.5), (5.0, -0.8), (4.5, -0.1), (5.0, 0.6), (5.2, 1.3))
BEGIN_NS = 100 * S
BOX = ('x0', 'y0', 'x1', 'y1', 'score')
TABLE = 'sensor_msgs/msg/PointCloud2'


def heading(seconds: float) -> float:
    """Fast enough that people change places in the picture from one image to the next."""
    return 0.5 * np.sin(2.6 * seconds)


def base(seconds: float) -> Pose:
    return Pose.planar(0.2 * seconds, 0.0, heading(seconds))


def people(seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) boxes of those in the picture, from left to right, and (n,) who they are."""
    eye = base(seconds) @ MOUNT
    boxes, who = [], []
    for number, (x, y) in enumerate(PEOPLE, 1):
        ends = eye.inside(np.array([[x, y, 1.7], [x, y, 0.0]]))
        (u, top), (_, bottom) = LENS.pixels(ends)
        half = 0.25 * 300 / ends[0, 2]
        if 5 < u < WIDTH - 5:
            boxes.append([u - half, top, u + half, min(bottom, HEIGHT - 1)])
            who.append(number)
    order = np.argsort([box[0] for box in boxes])
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    return rows[order], np.array(who, np.int64)[order]


def settings(*, mount: bool = True, pose: tuple[float, ...] = (), **more: object) -> Config:
    ride = MOUNT.numbers() if mount else ()
    camera = CameraConfig(detections='table', mount=ride, pose=pose)
    return Config(
        model=ModelConfig(detector='none', appearance='none'),
        camera_names=('eye',),
        cameras={'eye': camera},
        **more,
    )


def content(
    number: int = 40,
    step_ns: int = 200 * MS,
    odometry_ns: int = 20 * MS,
    late_ns: int = 7 * MS,
    without: tuple[str, ...] = (),
) -> list[tuple[str, int, object]]:
    """(topic, time of reception, message) in the order of reception.

    Args:
        number: of images, every step_ns.
        odometry_ns: between two poses, which are 5 ms beside the images.
        late_ns: by which poses come later than they are stamped.
        without: topics that are left out.
    """
    result = []
    for i in range(number):
        stamp = BEGIN_NS + i * step_ns
        seconds = i * step_ns / S
        result += [
            ('/eye/camera_info', stamp, camera_info(stamp)),
            ('/eye/image', stamp, message(clips.IMAGE, stamp, paint(i % 25, WIDTH, HEIGHT))),
            ('/eye/detections_table', stamp + 3 * MS, table(stamp, people(seconds)[0])),
        ]
    first, last = BEGIN_NS - 95 * MS, BEGIN_NS + number * step_ns
    for stamp in range(first, last, odometry_ns):
        pose = base((stamp - BEGIN_NS) / S)
        result.append(('/odom', stamp + late_ns, odometry(stamp, pose)))
    kept = [item for item in result if item[0] not in without]
    return sorted(kept, key=lambda item: item[1])


def header(stamp_ns: int, frame: str) -> object:
    types = STORE.types
    time = types['builtin_interfaces/msg/Time'](stamp_ns // S, stamp_ns % S)
    return types['std_msgs/msg/Header'](time, frame)


def odometry(stamp_ns: int, pose: Pose) -> object:
    types, zeros = STORE.types, np.zeros(36)
    x, y, z, *turned = pose.numbers()
    place = types['geometry_msgs/msg/Pose'](
        types['geometry_msgs/msg/Point'](x, y, z), types['geometry_msgs/msg/Quaternion'](*turned)
    )
    still = types['geometry_msgs/msg/Vector3'](0.0, 0.0, 0.0)
    return types['nav_msgs/msg/Odometry'](
        header(stamp_ns, 'odom'),
        'base_link',
        types['geometry_msgs/msg/PoseWithCovariance'](place, zeros),
        types['geometry_msgs/msg/TwistWithCovariance'](
            types['geometry_msgs/msg/Twist'](still, still), zeros
        ),
    )


def camera_info(stamp_ns: int, lens: Lens = LENS) -> object:
    types = STORE.types
    return types['sensor_msgs/msg/CameraInfo'](
        header(stamp_ns, 'eye_optical_frame'),
        HEIGHT,
        WIDTH,
        'plumb_bob',
        lens.distortion,
        lens.matrix.ravel(),
        np.eye(3).ravel(),
        np.column_stack([lens.matrix, np.zeros(3)]).ravel(),
        0,
        0,
        types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False),
    )


def table(stamp_ns: int, boxes: np.ndarray) -> object:
    types = STORE.types
    rows = np.column_stack([boxes, np.full(len(boxes), 0.9)]).astype('<f4')
    fields = [types['sensor_msgs/msg/PointField'](n, 4 * i, 7, 1) for i, n in enumerate(BOX)]
    data = np.frombuffer(rows.tobytes(), np.uint8)
    return types[TABLE](
        header(stamp_ns, 'eye_optical_frame'), 1, len(rows), fields, False, 20, 20 * len(rows),
        data, True,
    )  # fmt: skip


def switches(found: list) -> int:
    """How often somebody's track is another than the one before, given sightings in order."""
    last: dict[int, int] = {}
    count = 0
    for sightings in found:
        boxes, who = people((sightings.stamp_ns - BEGIN_NS) / S)
        for box, person in zip(boxes, who.tolist()):
            rows = np.flatnonzero(
                ~sightings.predicted & (np.abs(sightings.boxes - box).max(axis=1) < 1.0)
            )
            for row in rows[:1].tolist():
                track = int(sightings.tracks[row])
                count += last.get(person, track) != track
                last[person] = track
    return count


class Notebook:
    """Keeps what a run says, in the place of a recorder."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.cameras = {r.name: CameraRecord(r.name, r.place) for r in records(sources)}
        self.sightings: list[Sightings] = []

    def add(self, frames: object, moment: Moment, names: object) -> None:
        self.sightings += moment.sightings
