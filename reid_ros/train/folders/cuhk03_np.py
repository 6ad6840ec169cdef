"""CUHK03 by the new protocol (Zhong et al., CVPR 2017), 767 and 700 people to learn and to test.

    detected/bounding_box_train/0003_c1_21.png      person, camera, image; boxes of a detector
    detected/bounding_box_test/..., detected/query/...
    labeled/...                                     the same with boxes drawn by hand

An image is a tracklet of one frame. Five pairs of cameras are all called 1 and 2; everybody was
seen by one pair, so the two suffice for the rules, which are those of Market-1501.
"""

from __future__ import annotations

import re
from pathlib import Path

from reid_ros.train.folders.layout import images, root
from reid_ros.train.folders.pictures import Part, Track
from reid_ros.train.settings import SetConfig

_NAME = re.compile(r'(?P<person>\d{4})_c(?P<camera>[12])_\d+\.(png|jpg)')
_EXAMPLE = '0003_c1_21.png'


def train(spec: SetConfig) -> Part:
    """What is learnt from."""
    need = f'{spec.boxes}/bounding_box_train'
    return _part(root(spec.path, (need,), 'CUHK03-NP') / need)


def test(spec: SetConfig) -> tuple[Part, Part]:
    """Queries and gallery."""
    needs = f'{spec.boxes}/query', f'{spec.boxes}/bounding_box_test'
    base = root(spec.path, needs, 'CUHK03-NP')
    return _part(base / needs[0]), _part(base / needs[1])


def _part(folder: Path) -> Part:
    tracks = [
        Track(int(match['person']), int(match['camera']) - 1, (match[0],))
        for match in images(folder, _NAME, _EXAMPLE)
    ]
    return Part(folder, tracks)
