"""Truth of a run: out of MOT text or out of a bag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_ros.evaluate.motfile import MotRows, read_mot
from reid_ros.evaluate.values import EvaluateError
from reid_ros.replay import names
from reid_ros.replay.bags import FILES, Bag
from reid_ros.replay.clouds import TableError, cloud_to_table
from reid_ros.replay.encodings import EncodingError
from reid_ros.replay.messages import TABLE, stamped
from reid_ros.types import AnyArray, BoolArray, DoubleArray, IntArray

ENDING = '/truth'
NEEDED = ('person', 'x0', 'y0', 'x1', 'y1')


@dataclass(frozen=True, slots=True)
class CameraTruth:
    """Who truly is in the images of one camera.

    Attributes:
        images: (k,) int64, the images with known truth: frame numbers from 1, or stamps in
            nanoseconds; ascending. People may be in none of them.
        by_stamp: whether images are named by their stamps.
        image: (n,) int64, image of each row.
        persons: (n,) int64.
        boxes: (n, 4) float64 pixels, corners.
        visible: (n,) float64, 0 to 1.
        ignored: (n,) bool, rows that are neither right nor wrong whatever is visible of them.
    """

    images: IntArray
    by_stamp: bool
    image: IntArray
    persons: IntArray
    boxes: DoubleArray
    visible: DoubleArray
    ignored: BoolArray


def of_mot(rows: MotRows) -> CameraTruth:
    """Truth of a MOT file; what is no person is left out, what looks like one is ignored."""
    kept = rows.counts() | rows.distracts()
    frames = np.arange(1, rows.frame.max(initial=0) + 1)
    return CameraTruth(
        frames, False, rows.frame[kept], rows.ids[kept], rows.corners[kept], rows.visible[kept],
        rows.distracts()[kept],
    )  # fmt: skip


def of_bag(bag: Bag, wanted: str = '') -> dict[str, CameraTruth]:
    """Truth of every camera that has a topic `<camera>/truth`; none where the bag has no such.

    Args:
        bag: where to look.
        wanted: name of the one camera of interest; '' = all.

    Raises:
        EvaluateError: a truth topic whose messages are no truth; names topic and message.
    """
    found: dict[str, CameraTruth] = {}
    for topic in sorted(bag.types):
        camera = names.of_topic(topic[: -len(ENDING)])
        if topic.endswith(ENDING) and bag.types[topic] == TABLE and wanted in ('', camera):
            found[camera] = _of_topic(bag, topic)
    return found


def _of_topic(bag: Bag, topic: str) -> CameraTruth:
    stamps: list[int] = []
    tables: list[AnyArray] = []
    for number, raw in enumerate(bag.messages(topic), 1):
        where = f'{bag.path}:{topic}, message {number}'
        try:
            cloud, stamp_ns = stamped(raw)
            table = cloud_to_table(cloud)
        except (EncodingError, TableError) as error:
            raise EvaluateError(f'{where}: {error}') from error
        missing = [name for name in NEEDED if name not in (table.dtype.names or ())]
        if missing:
            raise EvaluateError(
                f'{where}: no column {", ".join(missing)}: truth has {", ".join(NEEDED)} and may '
                'have visible'
            )
        stamps.append(stamp_ns or raw.stamp_ns)
        tables.append(table)
    return of_tables(stamps, tables)


def of_tables(stamps_ns: Sequence[int], tables: Sequence[AnyArray]) -> CameraTruth:
    """Truth of the images of these stamps, each with its table of people (columns NEEDED)."""
    stamps = np.array(stamps_ns, np.int64)
    counts = [len(table) for table in tables]
    return CameraTruth(
        np.unique(stamps),
        True,
        np.repeat(stamps, counts),
        _column(tables, 'person').astype(np.int64),
        np.stack([_column(tables, name) for name in NEEDED[1:]], axis=1),
        _column(tables, 'visible'),
        np.zeros(sum(counts), np.bool_),
    )


def _column(tables: Sequence[AnyArray], name: str) -> DoubleArray:
    """(n,) of all tables; 1 where a table lacks the column."""
    parts = [
        table[name].astype(np.float64)
        if name in (table.dtype.names or ())
        else np.ones(len(table))
        for table in tables
    ]
    return np.concatenate([np.empty(0), *parts])


def read_truth(place: str | Path, cameras: Sequence[str]) -> dict[str, CameraTruth]:
    """The truth of some cameras.

    Args:
        place: a MOT file (for one camera), a folder with `<camera>.txt`, or a bag with topics
            `<camera>/truth`.
        cameras: of the run.

    Raises:
        EvaluateError: there is no truth, or none of these cameras; names both sides.
        SourceError: the bag cannot be read.
    """
    path = Path(place)
    if not path.exists():
        raise EvaluateError(f'{path}: no such truth: give MOT text, a folder of it, or a bag')
    if is_bag(path):
        return _known(path, of_bag(Bag(path)), cameras)
    if path.is_dir():
        return _of_folder(path, cameras)
    if len(cameras) != 1:
        raise EvaluateError(
            f'{path} is truth for one camera, but there are {len(cameras)} '
            f'({", ".join(cameras)}): give a folder with {cameras[0] if cameras else "CAMERA"}.txt'
        )
    return {cameras[0]: of_mot(read_mot(path))}


def is_bag(place: str | Path) -> bool:
    """Whether a file or folder is a bag and not MOT text."""
    path = Path(place)
    if path.is_dir():
        return any(p.suffix in FILES for p in path.iterdir())
    return path.suffix in FILES or path.name == 'metadata.yaml'


def _of_folder(folder: Path, cameras: Sequence[str]) -> dict[str, CameraTruth]:
    files = {camera: folder / f'{camera}.txt' for camera in cameras}
    found = {camera: of_mot(read_mot(file)) for camera, file in files.items() if file.is_file()}
    return _known(folder, found, cameras, sorted(p.stem for p in folder.glob('*.txt')))


def _known(
    path: Path,
    found: Mapping[str, CameraTruth],
    cameras: Sequence[str],
    held: Iterable[str] | None = None,
) -> dict[str, CameraTruth]:
    """Of what was found, the cameras asked for."""
    result = {camera: found[camera] for camera in cameras if camera in found}
    if not result:
        there = ', '.join(found if held is None else held)
        raise EvaluateError(
            f'{path}: no truth for {", ".join(cameras) or "any camera"}; it is there for '
            f'{there or "no camera"}'
        )
    return result
