"""MARS (Zheng et al., ECCV 2016), 6 cameras, 625 people to learn from and 636 to test with.

    bbox_train/0001/0001C1T0001F001.jpg     person, camera, tracklet, frame
    bbox_test/00-1/..., bbox_test/0000/...  junk and distractors among those to test with
    info/train_name.txt, info/test_name.txt              a name on each line
    info/tracks_train_info.mat, info/tracks_test_info.mat
                    (n, 4) first and last line from 1, person, camera from 1: tracklet by tracklet
    info/query_IDX.mat                                   tracklets, from 1, that are searched

The gallery are all tracklets of the test, queries too, as in the authors' own evaluation
(github.com/liangzheng06/MARS-evaluation, test_mars.m); loaders that take the queries out lose the
right answer of 140 of them. Junk exists for no query, so it is not read at all.
"""

from __future__ import annotations

import re

from reid_ros.train.clips import DataError
from reid_ros.train.folders.layout import listed, matrix, refuse_missing, root
from reid_ros.train.folders.pictures import Part, Track
from reid_ros.train.settings import SetConfig

_NAME = re.compile(r'(?P<folder>\d{4}|00-1)C(?P<camera>[1-6])T\d{4}F\d{3,}\.jpg')
_EXAMPLE = '0001C1T0001F001.jpg'
_JUNK = -1


def train(spec: SetConfig) -> Part:
    """What is learnt from."""
    return _part(spec, 'train')[0]


def test(spec: SetConfig) -> tuple[Part, Part]:
    """Queries and gallery."""
    gallery, rows = _part(spec, 'test', 'info/query_IDX.mat')
    path = gallery.folder.parent / 'info' / 'query_IDX.mat'
    numbers = matrix(path, 'query_IDX').reshape(-1) - 1
    wrong = [int(number) + 1 for number in numbers if int(number) not in rows]
    if wrong:
        raise DataError(f'{path}: tracklet {wrong[0]} is junk, or beyond the end of the tracklets')
    return Part(gallery.folder, [gallery.tracks[rows[int(k)]] for k in numbers]), gallery


def _part(spec: SetConfig, split: str, *more: str) -> tuple[Part, dict[int, int]]:
    """Tracklets that are no junk, and which row of the table became which of them."""
    names, table = f'info/{split}_name.txt', f'info/tracks_{split}_info.mat'
    base = root(spec.path, (f'bbox_{split}', names, table, *more), 'MARS')
    frames = listed(base / names, _NAME, _EXAMPLE)
    found = matrix(base / table, f'track_{split}_info', 4)
    tracks: list[Track] = []
    rows: dict[int, int] = {}
    for row, (first, last, person, camera) in enumerate(found.tolist()):
        if not 1 <= first <= last <= len(frames):
            raise DataError(
                f'{base / table}: row {row + 1} is lines {first} to {last}, but {names} has 1 to '
                f'{len(frames)}: the two files are not of one release'
            )
        shown = frames[first - 1 : last]
        _refuse_other(shown, person, camera, f'{base / table}: row {row + 1}')
        if person != _JUNK:
            rows[row] = len(tracks)
            files = tuple(f'{match["folder"]}/{match[0]}' for match in shown)
            tracks.append(Track(person, camera - 1, files))
    part = Part(base / f'bbox_{split}', tracks)
    refuse_missing(part.folder, (f for track in tracks for f in track.files), base / names)
    return part, rows


def _refuse_other(shown: list[re.Match[str]], person: int, camera: int, where: str) -> None:
    folder = '00-1' if person == _JUNK else f'{person:04d}'
    for match in shown:
        if match['folder'] != folder or int(match['camera']) != camera:
            raise DataError(
                f'{where} is person {person} in camera {camera}, but names {match[0]}: the two '
                'files are not of one release'
            )
