"""MSMT17 (Wei et al., CVPR 2018), 15 cameras, 1,041 people to learn from and 3,060 to test with.

    list_train.txt, list_val.txt, list_query.txt, list_gallery.txt
                    '0000/0000_000_01_0303morning_0008_0.jpg 0': file and person on each line
    train/0000/...  of list_train.txt and list_val.txt: person, image, camera, time, frame, box
    test/0000/...   of list_query.txt and list_gallery.txt; its people are counted from 0 again
    mask_train_v2/..., mask_test_v2/...     the same in version 2, where faces are blurred

An image is a tracklet of one frame. list_val.txt shows other images of the people of
list_train.txt; it is not learnt from, so that figures compare with published ones.
"""

from __future__ import annotations

import re
from pathlib import Path

from reid_ros.train.folders.layout import listed, refuse_missing, root
from reid_ros.train.folders.pictures import Part, Track
from reid_ros.train.settings import SetConfig

_LINE = re.compile(
    r'(?P<file>(?P<folder>\d{4})/(?P=folder)_\d+_(?P<camera>0[1-9]|1[0-5])_\w+\.jpg)'
    r' +(?P<person>\d+)'
)
_EXAMPLE = '0000/0000_000_01_0303morning_0008_0.jpg 0'


def train(spec: SetConfig) -> Part:
    """What is learnt from."""
    return _parts(spec, 'train', 'list_train.txt')[0]


def validation(spec: SetConfig) -> Part:
    """What a choice is made by; the people are those of `train`."""
    return _parts(spec, 'train', 'list_val.txt')[0]


def test(spec: SetConfig) -> tuple[Part, Part]:
    """Queries and gallery."""
    query, gallery = _parts(spec, 'test', 'list_query.txt', 'list_gallery.txt')
    return query, gallery


def _parts(spec: SetConfig, split: str, *lists: str) -> list[Part]:
    masked = f'mask_{split}_v2'
    base = Path(spec.path).expanduser()
    inside = masked if spec.path and (base / masked).is_dir() else split
    base = root(spec.path, (inside, *lists), 'MSMT17')
    return [_part(base / inside, base / name) for name in lists]


def _part(folder: Path, path: Path) -> Part:
    tracks = [
        Track(int(match['person']), int(match['camera']) - 1, (match['file'],))
        for match in listed(path, _LINE, _EXAMPLE)
    ]
    refuse_missing(folder, (track.files[0] for track in tracks), path)
    return Part(folder, tracks)
