"""PRW (Zheng et al., Person Re-identification in the Wild, CVPR 2017), as its archive unpacks.

    frames/c1s1_000151.jpg          annotations/c1s1_000151.jpg.mat
    frame_train.mat  frame_test.mat  query_info.txt

The rows of an annotation are person, x, y, width, height; person -2 has no label. A query is one
line: person, x, y, width, height, frame. PRW-mini has the same lines and frames, and a list of its
own.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.train.folders.layout import lines, refuse_missing, refuse_names, root
from reid_ros.train.search.data.files import Part, Rows, part
from reid_ros.train.search.data.matlab import numbers, variable, words
from reid_ros.train.search.oim import UNKNOWN
from reid_ros.train.search.settings import SearchSetConfig
from reid_ros.types import FloatArray, IntArray

NEEDS = ('frames', 'annotations', 'frame_train.mat', 'frame_test.mat')
QUERIES = 'query_info.txt'
EXAMPLE = 'c1s1_000151'
_NAME = re.compile(r'c(\d+)s\d+_\d+')
_TABLES = ('box_new', 'anno_file', 'anno_previous')
"""Names that the matrix of an annotation has in one file or another."""
_NEAR_PX = 2.0


def pictures(spec: SearchSetConfig, name: str) -> Part:
    """The frames of 'train' or 'test'.

    Raises:
        DataError: a folder that is not laid out as the authors' own.
    """
    folder = root(spec.path, NEEDS, 'PRW')
    source = folder / f'frame_{name}.mat'
    frames = words(source, f'img_index_{name}')
    refuse_names(source, [frame for frame in frames if not _NAME.fullmatch(frame)], EXAMPLE)
    refuse_missing(folder / 'frames', [f'{frame}.jpg' for frame in frames], source)
    refuse_missing(folder / 'annotations', [f'{frame}.jpg.mat' for frame in frames], source)
    return part(folder / 'frames', {f'{frame}.jpg': _rows(folder, frame) for frame in frames})


def _rows(folder: Path, frame: str) -> Rows:
    path = folder / 'annotations' / f'{frame}.jpg.mat'
    table = numbers(path, variable(path, *_TABLES), 5)
    table = table[(table[:, 3] > 0) & (table[:, 4] > 0)]
    people = np.where(table[:, 0] < 0, UNKNOWN, table[:, 0]).astype(np.int64)
    camera = int(frame[1 : frame.index('s')]) - 1
    return Rows(corners(table[:, 1:]), people, camera)


def corners(boxes: FloatArray) -> FloatArray:
    """(n, 4) of x, y, width, height as x0 y0 x1 y1."""
    boxes = boxes.astype(np.float32)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def queries(spec: SearchSetConfig, test: Part) -> IntArray:
    """(q,) rows of the boxes of the test frames that are searched, in the order of the file.

    Raises:
        DataError: no list of queries, or one that names a box that the annotations have not.
    """
    path = Path(spec.queries).expanduser() if spec.queries else Path(spec.path).expanduser()
    path = path if spec.queries else path / QUERIES
    if not path.is_file():
        mini = '' if spec.queries else '; the list of PRW-mini goes into `queries`'
        raise DataError(f'queries: there is no file {path}{mini}')
    numbered = {file: row for row, file in enumerate(test.files)}
    return np.array([_query(path, line, test, numbered) for line in lines(path)], np.int64)


def _query(path: Path, line: str, test: Part, numbered: dict[str, int]) -> int:
    parts = line.split()
    try:
        person, x, y, width, height = (float(part) for part in parts[:5])
        file = f'{Path(parts[5]).stem}.jpg'
        if len(parts) != 6:
            raise ValueError
    except (ValueError, IndexError):
        raise DataError(
            f'{path}: {line!r} is not like "479 1018.77 393.94 132.44 307.31 c1s3_016471"'
        ) from None
    if file not in numbered:
        raise DataError(f'{path}: {line!r} names a frame that frame_test.mat does not')
    where = test.standing
    own = np.arange(where.starts[numbered[file]], where.starts[numbered[file] + 1])
    own = own[where.people[own] == int(person)]
    wanted = np.array([x, y, x + width, y + height], np.float32)
    if not len(own) or np.abs(where.boxes[own[0]] - wanted).max() > _NEAR_PX:
        raise DataError(f'{path}: {line!r} is no box of the annotations of {file}')
    return int(own[0])
