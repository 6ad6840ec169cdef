"""iLIDS-VID (Wang et al., Person Re-Identification by Video Ranking, ECCV 2014), 2 cameras.

    i-LIDS-VID/sequences/cam1/person001/cam1_person001_00317.png   300 people, one tracklet each
    i-LIDS-VID/sequences/cam2/person001/cam2_person001_00317.png   in either camera
    train-test people splits/train_test_splits_ilidsvid.mat        ls_set, (10, 300)

A row of `ls_set` is one of ten halvings, numbers from 1 of the sorted folders: the first half is
tested, the second learnt (as read by torchreid, after the authors). The first camera is searched
in the second, where everybody has one match. Published figures are means over the ten.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.train.folders.layout import images, matrix, root
from reid_ros.train.folders.pictures import Part, Track
from reid_ros.train.settings import SetConfig

_SEQUENCES = 'i-LIDS-VID/sequences'
_SPLITS = 'train-test people splits/train_test_splits_ilidsvid.mat'
_PERSON = re.compile(r'person(\d+)')


def train(spec: SetConfig) -> Part:
    """What is learnt from: both cameras."""
    folder, people = _people(spec)
    chosen = people[len(people) // 2 :]
    tracks = [_track(folder, person, camera) for person in chosen for camera in (0, 1)]
    return Part(folder, tracks)


def test(spec: SetConfig) -> tuple[Part, Part]:
    """Queries, of the first camera, and gallery, of the second."""
    folder, people = _people(spec)
    chosen = people[: len(people) // 2]
    first, second = ([_track(folder, who, camera) for who in chosen] for camera in (0, 1))
    return Part(folder, first), Part(folder, second)


def _people(spec: SetConfig) -> tuple[Path, list[str]]:
    """Folder of the cameras, and names of the people in the order of the halving."""
    base = root(spec.path, (f'{_SEQUENCES}/cam1', f'{_SEQUENCES}/cam2', _SPLITS), 'iLIDS-VID')
    folder = base / _SEQUENCES
    one, two = ({p.name for p in (folder / cam).glob('person*')} for cam in ('cam1', 'cam2'))
    if one != two or not one:
        lone = sorted(one ^ two)[:3]
        raise DataError(
            f'{folder}: cam1 has {len(one)} people and cam2 {len(two)}; all are in both, but not '
            f'{lone}: unpack the archive again'
        )
    splits = matrix(base / _SPLITS, 'ls_set')
    if splits.shape[1] != len(one):
        raise DataError(
            f'{folder} holds {len(one)} people, but {base / _SPLITS} halves {splits.shape[1]}: '
            'unpack the archive again'
        )
    if spec.fold >= len(splits):
        raise DataError(f'fold: {spec.fold}, but {base / _SPLITS} has 0 to {len(splits) - 1}')
    order = splits[spec.fold]
    if not np.array_equal(np.sort(order), np.arange(1, len(one) + 1)):
        raise DataError(f'{base / _SPLITS}: row {spec.fold + 1} is no order of 1 to {len(one)}')
    names = sorted(one)
    return folder, [names[number - 1] for number in order.tolist()]


def _track(folder: Path, person: str, camera: int) -> Track:
    cam = f'cam{camera + 1}'
    number = _PERSON.fullmatch(person)
    if number is None:
        raise DataError(f'{folder / cam}: {person!r} is no folder like person001')
    pattern = re.compile(rf'{cam}_{person}_\d+\.png')
    found = images(folder / cam / person, pattern, f'{cam}_{person}_00317.png')
    return Track(int(number[1]), camera, tuple(f'{cam}/{person}/{match[0]}' for match in found))
