"""LS-VID (Li et al., Global-Local Temporal Representations, ICCV 2019), 15 cameras.

    list_sequence/list_seq_train.txt     842 people; list_seq_val.txt 200, list_seq_test.txt 2,730
                    'PATH PERSON' for every tracklet: the names of its images begin with PATH
    tracklet_train/..., tracklet_val/..., tracklet_test/.../0000_0001_01_0000001.jpg
                    person, tracklet, camera from 1, frame
    test/data/info_test.mat              'query', tracklets of list_seq_test.txt from 1; MATLAB 7.3

The lists and info_test.mat may also lie in info/, as some loaders want them. The gallery are the
tracklets that are no queries, 7,829 of 11,333, the number of the paper. For validation everybody
is searched among all others. The data are given out on request only: this is what four public
loaders agree on that read them (BiCnet-TKS, TF-CLIP and others), and was not tried on the data.
"""

from __future__ import annotations

import re
from pathlib import Path

from reid_ros.train.clips import DataError
from reid_ros.train.folders.layout import listed, matrix, pictures, refuse_names, root
from reid_ros.train.folders.pictures import Part, Track
from reid_ros.train.settings import SetConfig

_LINE = re.compile(r'(?P<prefix>\S+) (?P<person>\d+)')
_NAME = re.compile(r'[^_]+_[^_]+_(?P<camera>\d+)_[^_]+(_[^_]+)*\.(jpg|png)')
_EXAMPLE = '0000_0001_01_0000001.jpg'
_CAMERAS = 15


def train(spec: SetConfig) -> Part:
    """What is learnt from."""
    return _part(spec, 'train')


def validation(spec: SetConfig) -> Part:
    """What a choice is made by; other people than those of `train`."""
    return _part(spec, 'val')


def test(spec: SetConfig) -> tuple[Part, Part]:
    """Queries and gallery."""
    info = _place(spec, 'test/data/info_test.mat', 'info/data/info_test.mat')
    part = _part(spec, 'test', info)
    path = Path(spec.path).expanduser() / info
    rows = (matrix(path, 'query').reshape(-1) - 1).tolist()
    if not 0 <= min(rows) <= max(rows) < len(part.tracks):
        raise DataError(
            f'{path}: queries {min(rows) + 1} to {max(rows) + 1} of {len(part.tracks)} tracklets: '
            'the file is not of this release'
        )
    chosen = set(rows)
    others = [track for row, track in enumerate(part.tracks) if row not in chosen]
    return Part(part.folder, [part.tracks[row] for row in rows]), Part(part.folder, others)


def _part(spec: SetConfig, split: str, *more: str) -> Part:
    name = f'list_sequence/list_seq_{split}.txt'
    file = _place(spec, name, f'info/{name}')
    base = root(spec.path, (f'tracklet_{split}', file, *more), 'LS-VID')
    held: dict[str, list[str]] = {}
    tracks = []
    for match in listed(base / file, _LINE, 'tracklet_train/0000/0000_0001 0'):
        folder, _, prefix = match['prefix'].removeprefix('./').rpartition('/')
        if folder not in held:
            held[folder] = pictures(base / folder) if (base / folder).is_dir() else []
        start = prefix.rstrip('_') + '_'
        names = [name for name in held[folder] if name.startswith(start)]
        if not names:
            raise DataError(
                f'{base / file} names {match[0]!r}, but {base / folder} has no image whose name '
                f'begins with {start!r}: unpack the archive again'
            )
        camera = _camera(base / folder, names)
        tracks.append(Track(int(match['person']), camera, tuple(f'{folder}/{n}' for n in names)))
    return Part(base, tracks)


def _camera(folder: Path, names: list[str]) -> int:
    """Of a tracklet, from 0."""
    found = [_NAME.fullmatch(name) for name in names]
    refuse_names(folder, [n for n, match in zip(names, found) if match is None], _EXAMPLE)
    cameras = {int(match['camera']) for match in found if match is not None}
    if len(cameras) != 1 or not 1 <= min(cameras) <= _CAMERAS:
        raise DataError(
            f'{folder}: {names[0]} and its {len(names)} images are of cameras {sorted(cameras)}, '
            f'not of one of 1 to {_CAMERAS}'
        )
    return cameras.pop() - 1


def _place(spec: SetConfig, usual: str, other: str) -> str:
    """The first that exists, else the usual."""
    base = Path(spec.path).expanduser()
    return other if not (base / usual).exists() and (base / other).exists() else usual
