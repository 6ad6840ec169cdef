"""CUHK-SYSU (Xiao et al., CVPR 2017), as its archive unpacks.

    Image/SSM/s1.jpg
    annotation/Images.mat     Img: imname, box(idlocate), of every picture
    annotation/pool.mat       pool: names of the pictures of the test
    annotation/test/train_test/Train.mat      Train: scene(imname, idlocate), of each person
    annotation/test/train_test/TestG100.mat   TestG100: Query, Gallery(imname, idlocate)

`idlocate` is x, y, width, height; in a gallery it is empty where the person is not in the picture.
The set names no cameras: all pictures have one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.train.folders.layout import refuse_missing, root
from reid_ros.train.search.data.files import Part, Rows, listed, part
from reid_ros.train.search.data.matlab import entry, items, numbers, variable, words
from reid_ros.train.search.data.prw import corners
from reid_ros.train.search.oim import UNKNOWN
from reid_ros.train.search.settings import SearchSetConfig
from reid_ros.types import FloatArray, IntArray

LISTS = Path('annotation') / 'test' / 'train_test'
NEEDS = (
    'Image/SSM', 'annotation/Images.mat', 'annotation/pool.mat', f'{LISTS}/Train.mat',
)  # fmt: skip
SIZES = (50, 100, 500, 1000, 2000, 4000)
"""Pictures of the galleries that the set has lists for."""

Boxes = dict[str, tuple[FloatArray, IntArray]]
"""By name of the picture (k, 4) x, y, width, height and (k,) people."""


def train(spec: SearchSetConfig) -> Part:
    """The pictures to learn from.

    Raises:
        DataError: a folder that is not laid out as the authors' own.
    """
    folder = root(spec.path, NEEDS, 'CUHK-SYSU')
    boxes = _boxes(folder)
    pool = set(_pool(folder, boxes))
    path = folder / LISTS / 'Train.mat'
    for number, item in enumerate(items(variable(path, 'Train'))):
        # Each person is a structure, some exports keep it in a cell of its own.
        (person,) = items(item)
        for scene in items(entry(path, person, 'scene')):
            _name(path, boxes, scene, number)
    names = [name for name in boxes if name not in pool]
    return _part(folder, boxes, names)


def test(spec: SearchSetConfig) -> tuple[Part, IntArray, list[IntArray]]:
    """The pictures of the test, rows of the boxes that are searched, and their galleries.

    Raises:
        DataError: a folder that is not laid out as the authors' own, or a size of galleries that
            it has no list for.
    """
    if spec.gallery not in SIZES:
        raise DataError(
            f'gallery: {spec.gallery}; CUHK-SYSU has lists of {", ".join(map(str, SIZES))}'
        )
    name = f'TestG{spec.gallery}'
    folder = root(spec.path, (*NEEDS, f'{LISTS}/{name}.mat'), 'CUHK-SYSU')
    boxes = _boxes(folder)
    names = _pool(folder, boxes)
    numbered = {word: row for row, word in enumerate(names)}
    path = folder / LISTS / f'{name}.mat'
    asked, galleries = [], []
    for number, item in enumerate(items(variable(path, name))):
        (query,) = items(entry(path, item, 'Query'))
        asked.append((str(entry(path, query, 'imname')), _name(path, boxes, query, number)))
        shown = items(entry(path, item, 'Gallery'))
        for scene in shown:
            _name(path, boxes, scene, number)
        own = [str(entry(path, scene, 'imname')) for scene in shown]
        unknown = [word for word in (*own, asked[-1][0]) if word not in numbered]
        if unknown:
            raise DataError(f'{path}: names pictures that pool.mat does not: {listed(unknown)}')
        galleries.append(np.array([numbered[word] for word in own], np.int64))
    found = _part(folder, boxes, names)
    starts = found.standing.starts
    rows = np.array([starts[numbered[word]] + row for word, row in asked], np.int64)
    return found, rows, galleries


def _boxes(folder: Path) -> Boxes:
    path = folder / 'annotation' / 'Images.mat'
    found: Boxes = {}
    for item in items(variable(path, 'Img')):
        rows = [entry(path, box, 'idlocate') for box in items(entry(path, item, 'box'))]
        table = numbers(path, np.array(rows, np.float64), 4).astype(np.float32)
        table = table[(table[:, 2] > 0) & (table[:, 3] > 0)]
        found[str(entry(path, item, 'imname'))] = (
            table, np.full(len(table), UNKNOWN, np.int64),
        )  # fmt: skip
    refuse_missing(folder / 'Image' / 'SSM', found, path)
    return found


def _pool(folder: Path, boxes: Boxes) -> list[str]:
    path = folder / 'annotation' / 'pool.mat'
    names = words(path, 'pool')
    unknown = [name for name in names if name not in boxes]
    if unknown:
        raise DataError(f'{path}: names pictures that Images.mat does not: {listed(unknown)}')
    return names


def _name(path: Path, boxes: Boxes, scene: Any, person: int) -> int:
    """Say who stands in a box; returns its row, -1 where the person is not in the picture."""
    name = str(entry(path, scene, 'imname'))
    place = numbers(path, entry(path, scene, 'idlocate'), 4)
    if not len(place):
        return -1
    if name not in boxes:
        raise DataError(f'{path}: names {name}, which Images.mat does not')
    held, people = boxes[name]
    rows = np.flatnonzero((held == place[0].astype(np.float32)).all(axis=1))
    if not len(rows):
        raise DataError(
            f'{path}: no box {place[0].tolist()} of {name} in Images.mat, where person '
            f'{person + 1} should stand'
        )
    people[rows[0]] = person
    return int(rows[0])


def _part(folder: Path, boxes: Boxes, names: list[str]) -> Part:
    rows = {name: Rows(corners(boxes[name][0]), boxes[name][1], 0) for name in names}
    return part(folder / 'Image' / 'SSM', rows)
