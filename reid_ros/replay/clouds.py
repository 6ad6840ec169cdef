"""Tables in sensor_msgs/PointCloud2, read and laid out with numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from reid_ros.types import AnyArray, Detections, ReidError

# sensor_msgs/PointField: INT8 = 1 ... FLOAT64 = 8
KINDS = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}

BOX = ('x0', 'y0', 'x1', 'y1', 'score')
DETECTIONS = np.dtype([(name, '<f4') for name in BOX])

_NUMBERS = {name: number for number, name in KINDS.items()}


class TableError(ReidError):
    """A PointCloud2 that is not the table it should be."""


def cloud_to_table(cloud: Any) -> AnyArray:
    """The rows of a PointCloud2 as a structured array that shares the message's memory.

    Args:
        cloud: sensor_msgs/PointCloud2, of rclpy or as rosbags reads it.

    Raises:
        TableError: the fields, sizes and data of the message do not fit each other.
    """
    order = '>' if cloud.is_bigendian else '<'
    names, formats, offsets = [], [], []
    for column in cloud.fields:
        if column.datatype not in KINDS:
            raise TableError(f'column {column.name!r} has the unknown type {column.datatype}')
        kind = np.dtype(order + KINDS[column.datatype])
        names.append(column.name)
        formats.append(kind if column.count <= 1 else (kind, (column.count,)))
        offsets.append(column.offset)
    rows = cloud.width * cloud.height
    try:
        layout = np.dtype(
            {
                'names': names,
                'formats': formats,
                'offsets': offsets,
                'itemsize': cloud.point_step,
            }
        )
    except ValueError as error:
        raise TableError(f'the columns do not fit into point_step {cloud.point_step}') from error
    if len(cloud.data) < rows * layout.itemsize or (rows and not layout.itemsize):
        raise TableError(
            f'{len(cloud.data)} bytes where {rows} rows of {layout.itemsize} bytes need '
            f'{rows * layout.itemsize}: the message is cut off or its width is wrong'
        )
    result: AnyArray = np.frombuffer(cloud.data, layout, count=rows) if rows else _empty(layout)
    return result


def columns(kind: np.dtype[Any]) -> list[tuple[str, int, int, int]]:
    """Name, offset, PointField type and count of each column of a table.

    Raises:
        ValueError: it has no columns.
    """
    if kind.names is None or kind.fields is None:
        raise ValueError(f'{kind} has no columns')
    parts = ((name, *kind.fields[name][:2]) for name in kind.names)
    return [
        (name, int(offset), _NUMBERS[part.base.str[1:]], int(np.prod(part.shape, dtype=int)))
        for name, part, offset in parts
    ]


def detections_table(detections: Detections) -> AnyArray:
    """(n,) of dtype DETECTIONS."""
    table = np.empty(len(detections), DETECTIONS)
    for i, name in enumerate(BOX[:4]):
        table[name] = detections.boxes[:, i]
    table['score'] = detections.scores
    return table


def table_detections(table: AnyArray) -> Detections:
    """The people in a table that has at least the columns x0, y0, x1, y1 and score.

    Raises:
        TableError: a column is missing, or a box is not finite.
    """
    have = table.dtype.names or ()
    missing = [name for name in BOX if name not in have]
    if missing:
        raise TableError(
            f'the table has the columns {", ".join(have) or "(none)"} but lacks '
            f'{", ".join(missing)}'
        )
    boxes = np.stack([table[n].astype(np.float32) for n in BOX[:4]], axis=-1)
    scores = table['score'].astype(np.float32)
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise TableError('a box or score of the table is not a finite number')
    return Detections(boxes.reshape(-1, 4), scores)


def _empty(layout: np.dtype[Any]) -> AnyArray:
    return np.empty(0, layout)
