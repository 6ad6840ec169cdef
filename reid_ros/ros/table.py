"""Tables in sensor_msgs/PointCloud2: one row per person, typed columns, no custom message.

Reading `<camera>/sightings` needs numpy alone, and copies nothing:

    table = cloud_to_table(message)
    for row in table[table['confirmed'] == 1]:
        print(row['person'], row['x0'], row['y0'], row['x1'], row['y1'])
"""

from __future__ import annotations

import functools
from array import array
from typing import Any

import numpy as np

from reid_ros.replay.clouds import BOX, columns
from reid_ros.replay.clouds import DETECTIONS as DETECTIONS
from reid_ros.replay.clouds import TableError as TableError
from reid_ros.replay.clouds import cloud_to_table as cloud_to_table
from reid_ros.replay.clouds import detections_table as detections_table
from reid_ros.replay.clouds import table_detections as table_detections
from reid_ros.types import AnyArray, Sightings

SIGHTINGS = np.dtype(
    [
        *((name, '<f4') for name in BOX),
        ('track', '<u4'),
        ('person', '<u4'),
        ('person_score', '<f4'),
        ('gait_person', '<u4'),
        ('gait_score', '<f4'),
        ('confirmed', 'u1'),
        ('predicted', 'u1'),
    ]
)


def table_to_cloud(table: AnyArray, header: Any) -> Any:
    """A sensor_msgs/PointCloud2 with one row per element of a structured array.

    Args:
        table: (n,) of any structured dtype of 1 to 4 byte integers and floats, also several in one
            column.
        header: std_msgs/Header, used as it is.
    """
    from sensor_msgs.msg import PointCloud2

    kind = table.dtype
    cloud = PointCloud2(header=header, height=1, width=len(table), is_dense=True)
    cloud.fields = _columns(kind)
    cloud.is_bigendian = False
    cloud.point_step = kind.itemsize
    cloud.row_step = kind.itemsize * len(table)
    cloud.data = array('B', table.tobytes())
    return cloud


@functools.lru_cache(maxsize=16)
def _columns(kind: np.dtype[Any]) -> list[Any]:
    """The sensor_msgs/PointField of each column."""
    from sensor_msgs.msg import PointField

    return [
        PointField(name=name, offset=offset, datatype=number, count=count)
        for name, offset, number, count in columns(kind)
    ]


def sightings_table(sightings: Sightings) -> AnyArray:
    """(n,) of dtype SIGHTINGS."""
    table = np.empty(len(sightings), SIGHTINGS)
    for i, name in enumerate(('x0', 'y0', 'x1', 'y1')):
        table[name] = sightings.boxes[:, i]
    table['score'] = sightings.scores
    table['track'] = sightings.tracks
    table['person'] = sightings.persons
    table['person_score'] = sightings.person_scores
    table['gait_person'] = sightings.gait_persons
    table['gait_score'] = sightings.gait_scores
    table['confirmed'] = sightings.confirmed
    table['predicted'] = sightings.predicted
    return table


def table_sightings(table: AnyArray, camera: str, stamp_ns: int, index: int = 0) -> Sightings:
    """What `sightings_table` was made of.

    Raises:
        TableError: a column is missing.
    """
    have = table.dtype.names or ()
    missing = [name for name in SIGHTINGS.names or () if name not in have]
    if missing:
        raise TableError(f'sightings of {camera} lack the columns {", ".join(missing)}')
    boxes = np.stack([table[n].astype(np.float32) for n in ('x0', 'y0', 'x1', 'y1')], axis=-1)
    return Sightings(
        camera,
        stamp_ns,
        index,
        boxes.reshape(-1, 4),
        table['score'].astype(np.float32),
        table['track'].astype(np.uint32),
        table['person'].astype(np.uint32),
        table['person_score'].astype(np.float32),
        table['confirmed'] > 0,
        table['predicted'] > 0,
        table['gait_person'].astype(np.uint32),
        table['gait_score'].astype(np.float32),
    )
