"""What a sight node tells the identity node: one table per camera and frame, in PointCloud2.

The first row is the image itself (state 0, its size as the box); then one row per live track
(state 1) and one per track that ended (state 2). Vectors are columns of several float32, and stand
there only where a track of the frame got one. Reading the table gives the observation back, number
by number.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reid_ros.replay.clouds import BOX, TableError
from reid_ros.scene import Observation
from reid_ros.types import AnyArray, IntArray, Tracks

if TYPE_CHECKING:
    from reid_ros.pipeline import Pipeline

Networks = tuple[int, int]

IMAGE, TRACK, ENDED = 0, 1, 2
"""States of a row."""


def _parts() -> dict[str, type[Any]]:
    """The optional parts of an observation: its fields that are dataclasses of arrays, or None."""
    hints = typing.get_type_hints(Observation)
    kinds = {name: typing.get_args(hint) for name, hint in hints.items()}
    optional = {n: k[0] for n, k in kinds.items() if len(k) == 2 and k[1] is type(None)}
    return {name: kind for name, kind in optional.items() if hasattr(kind, '__dataclass_fields__')}


PARTS = _parts()
"""By name: a part with a field `rows` has values of these tracks alone, any other of each track;
a field of texts has one of each track."""

_HEAD = np.dtype(
    [
        *((name, '<f4') for name in BOX),
        ('track', '<u4'),
        ('state', 'u1'),
        ('confirmed', 'u1'),
        ('detection', '<i4'),
        ('session', '<u4'),
        ('sequence', '<u4'),
        ('epoch', '<u4'),
        ('network_appearance', '<u4'),
        ('network_gait', '<u4'),
    ]
)
# Of columns whose values have more than one dimension, what a flat column cannot tell.
_SHAPES = {'places_covariances': (3, 3)}
_DIMENSIONS = {'vectors': 2}
_ORDER = 'order'


@dataclass(frozen=True, slots=True)
class Serial:
    """Which table of which sight node.

    Attributes:
        session: drawn when the sight node began; another one is another run of it.
        sequence: number of the camera's table in that run, from 0.
        epoch: how often the camera's tracks were forgotten in that run.
        network_appearance, network_gait: which networks made the vectors, 0 = none.
    """

    session: int
    sequence: int
    epoch: int = 0
    network_appearance: int = 0
    network_gait: int = 0

    @property
    def networks(self) -> Networks:
        """The numbers of the networks, of appearance and of gait."""
        return self.network_appearance, self.network_gait


@dataclass(frozen=True, slots=True)
class Report:
    """One frame of one camera, as a sight node saw it.

    Attributes:
        serial: which table it was.
        width, height: of the image, pixels.
        observation: what the frame adds.
    """

    serial: Serial
    width: int
    height: int
    observation: Observation


def networks(pipeline: Pipeline) -> Networks:
    """Which networks make the vectors of a pipeline, in 32 bits each; 0 = none."""
    embedder, walks = pipeline.embedder, pipeline.sight.walks
    sums = (
        embedder.model.checksum if embedder else '',
        getattr(walks.gaits, 'checksum', '') if walks else '',
    )
    appearance, gait = (int(found[:8], 16) if found else 0 for found in sums)
    return appearance, gait


def report_table(report: Report) -> AnyArray:
    """(1 + tracks + ended,) structured array; its columns depend on what was observed."""
    seen = report.observation
    tracks, n = seen.tracks, len(seen.tracks)
    columns: dict[str, AnyArray] = {}
    appearance = {'vectors': seen.vectors, 'qualities': seen.qualities}
    _sparse(columns, 'appearance', n, seen.rows, appearance)
    for name in PARTS:
        part = getattr(seen, name)
        if part is not None:
            values = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
            if 'rows' in values:
                _sparse(columns, name, n, values.pop('rows'), values)
            else:
                _dense(columns, name, n, values)
    more = [
        (name, value.dtype.str, value.shape[1:]) if value.shape[1] > 1 else (name, value.dtype.str)
        for name, value in columns.items()
    ]
    table = np.zeros(1 + n + len(tracks.ended), np.dtype([*_HEAD.descr, *more]))
    for name, value in dataclasses.asdict(report.serial).items():
        table[name] = value
    table[0]['x1'], table[0]['y1'] = report.width, report.height
    rows, ended = table[1 : n + 1], table[n + 1 :]
    rows['state'], ended['state'] = TRACK, ENDED
    for i, name in enumerate(BOX[:4]):
        rows[name] = tracks.boxes[:, i]
    rows['score'], rows['track'], rows['confirmed'] = tracks.scores, tracks.ids, tracks.confirmed
    rows['detection'], ended['track'] = tracks.detection, tracks.ended
    for name, value in columns.items():
        rows[name] = value if value.shape[1] > 1 else value[:, 0]
    return table


def table_report(table: AnyArray, camera: str, stamp_ns: int) -> Report:
    """What `report_table` was made of.

    Raises:
        TableError: a column is missing, or the rows contradict each other.
    """
    have = table.dtype.names or ()
    missing = [name for name in _HEAD.names or () if name not in have]
    if missing:
        raise TableError(f'observations of {camera} lack the columns {", ".join(missing)}')
    states = table['state'].tolist()
    n = states.count(TRACK)
    if states != [IMAGE] + [TRACK] * n + [ENDED] * (len(states) - n - 1):
        raise TableError(
            f'the rows of {camera} have the states {states[:20]}: an image (0), then tracks (1), '
            'then tracks that ended (2) are expected'
        )
    image, rows = table[0], table[1 : n + 1]
    boxes = np.stack([rows[name].astype(np.float32) for name in BOX[:4]], axis=-1).reshape(-1, 4)
    finite = np.isfinite(boxes).all() and np.isfinite(rows['score']).all()
    if not (finite and 0 < image['x1'] < 1e6 and 0 < image['y1'] < 1e6):
        raise TableError(f'a box of {camera} is not finite, or its image has no size')
    tracks = Tracks(
        rows['track'].astype(np.uint32),
        boxes,
        rows['score'].astype(np.float32),
        rows['detection'].astype(np.int64),
        rows['confirmed'] > 0,
        table['track'][n + 1 :].astype(np.uint32),
    )
    seen, values = _read(rows, 'appearance', {'vectors': np.float32, 'qualities': np.float32})
    parts = {
        name: _part(rows, name, kind)
        for name, kind in PARTS.items()
        if any(f'{name}_{field}' in have for field in (_ORDER, *kind.__dataclass_fields__))
    }
    serial = Serial(*(int(image[f.name]) for f in dataclasses.fields(Serial)))
    observation = Observation(
        camera, stamp_ns, tracks, seen, values['vectors'], values['qualities'], **parts
    )
    return Report(serial, int(image['x1']), int(image['y1']), observation)


def _dense(columns: dict[str, AnyArray], part: str, n: int, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if len(value) == n:  # none of texts that were left out
            columns[f'{part}_{name}'] = _wired(_numbers(value), n)


def _sparse(
    columns: dict[str, AnyArray], part: str, n: int, rows: IntArray, values: dict[str, Any]
) -> None:
    """Columns of values of some tracks alone, and of the places of these tracks in `rows`."""
    order = np.zeros(n, np.uint16)
    order[rows] = np.arange(1, len(rows) + 1)
    columns[f'{part}_{_ORDER}'] = order[:, None]
    for name, value in values.items():
        if isinstance(value, tuple):
            _dense(columns, part, n, {name: value})
        elif len(rows):
            wired = _wired(value, len(rows))
            whole = np.zeros((n, wired.shape[1]), wired.dtype)
            whole[rows] = wired
            columns[f'{part}_{name}'] = whole


def _part(rows: AnyArray, name: str, kind: type[Any]) -> Any:
    kinds = {field: _kind(hint) for field, hint in typing.get_type_hints(kind).items()}
    if 'rows' not in kinds:
        return kind(**_columns(rows, name, kinds))
    del kinds['rows']
    seen, values = _read(rows, name, kinds)
    return kind(rows=seen, **values)


def _read(rows: AnyArray, part: str, kinds: dict[str, Any]) -> tuple[IntArray, dict[str, Any]]:
    """The rows of a sparse part in their order, and its values."""
    name = f'{part}_{_ORDER}'
    if name not in (rows.dtype.names or ()):
        raise TableError(f'observations lack the column {name}')
    order = rows[name].astype(np.int64)
    seen: IntArray = np.flatnonzero(order)
    seen = seen[np.argsort(order[seen], kind='stable')]
    if order[seen].tolist() != list(range(1, len(seen) + 1)):
        raise TableError(f'{name} does not count the rows from 1')
    texts = {field: kind for field, kind in kinds.items() if kind is str}
    values = _columns(rows, part, texts)
    numbers = {field: kind for field, kind in kinds.items() if kind is not str}
    values.update(_columns(rows[seen], part, numbers))
    return seen, values


def _columns(rows: AnyArray, part: str, kinds: dict[str, Any]) -> dict[str, Any]:
    """Each field of a part, as it was before it went into columns."""
    result: dict[str, Any] = {}
    for field, kind in kinds.items():
        name = f'{part}_{field}'
        if name in (rows.dtype.names or ()):
            result[field] = found = _unwired(rows[name], name, field, kind)
            # Of vectors the rooms behind take care themselves, as they do in one process.
            if kind is not str and field != 'vectors' and not np.isfinite(found).all():
                raise TableError(f'a number in {name} is not finite')
        elif kind is str:
            result[field] = ()
        elif len(rows):
            raise TableError(f'observations lack the column {name}')
        else:
            result[field] = np.empty((0,) * _DIMENSIONS.get(field, 1), kind)
    return result


def _numbers(value: Any) -> AnyArray:
    """An array; of texts, one fixed number of bytes each."""
    if not isinstance(value, tuple):
        result: AnyArray = value
        return result
    texts = np.array([text.encode() for text in value] or [b''], np.bytes_)
    return texts.view(np.uint8).reshape(len(texts), -1)[: len(value)]


def _wired(value: AnyArray, n: int) -> AnyArray:
    """(n, count) in a type that PointField has: of 64-bit integers two halves, of bool a byte."""
    size = int(np.prod(value.shape[1:], dtype=int))
    flat = np.ascontiguousarray(value.reshape(n, size))
    if flat.dtype == np.bool_:
        return flat.astype(np.uint8)
    if flat.dtype.kind in 'iu' and flat.dtype.itemsize == 8:
        return flat.astype(flat.dtype.newbyteorder('<')).view('<u4').reshape(n, 2 * size)
    return flat.astype(flat.dtype.newbyteorder('<'))


def _unwired(column: AnyArray, name: str, field: str, kind: Any) -> Any:
    n, size = len(column), int(np.prod(column.shape[1:], dtype=int))
    if kind is str:
        flat = column.astype(np.uint8).reshape(n, size)
        return tuple(bytes(row).rstrip(b'\0').decode(errors='replace') for row in flat)
    wanted = np.dtype(kind)
    if wanted.kind in 'iu' and wanted.itemsize == 8:
        if size % 2:
            raise TableError(f'{name} has {size} halves of 64-bit integers')
        halves = np.ascontiguousarray(column.astype('<u4')).reshape(n, size)
        values: AnyArray = halves.view(wanted.newbyteorder('<')).astype(wanted)
    else:
        values = column.astype(wanted)
    try:
        if name in _SHAPES:
            return values.reshape(n, *_SHAPES[name])
        size = int(np.prod(values.shape[1:], dtype=int))
        whole = values.ndim > 1 and size > 1
        return values.reshape((n, size) if whole or field in _DIMENSIONS else (n,))
    except ValueError as error:
        raise TableError(f'{name} has {values.shape} numbers: {error}') from error


def _kind(hint: Any) -> Any:
    """The dtype of an array's annotation; str of a tuple of texts."""
    if typing.get_origin(hint) is tuple:
        return str
    return typing.get_args(typing.get_args(hint)[1])[0]
