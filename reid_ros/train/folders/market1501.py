"""Market-1501 (Zheng et al., ICCV 2015), 6 cameras, 751 people to learn from and 750 to test with.

    bounding_box_train/0002_c1s1_000451_03.jpg      person, camera, sequence, frame, box
    bounding_box_test/-1_..., 0000_...              junk and distractors among the gallery
    query/0001_c1s1_001051_00.jpg

An image is a tracklet of one frame. Junk exists for no query, so it is not read at all.
"""

from __future__ import annotations

import re
from pathlib import Path

from reid_ros.train.folders.layout import images, root
from reid_ros.train.folders.pictures import Part, Track
from reid_ros.train.settings import SetConfig

# Some copies end a few names with .jpg.jpg.
_NAME = re.compile(r'(?P<person>-1|\d{4})_c(?P<camera>[1-6])s\d+_\d+_\d+(\.jpg)+')
_EXAMPLE = '0002_c1s1_000451_03.jpg'
_JUNK = -1


def train(spec: SetConfig) -> Part:
    """What is learnt from."""
    base = root(spec.path, ('bounding_box_train',), 'Market-1501')
    return _part(base / 'bounding_box_train')


def test(spec: SetConfig) -> tuple[Part, Part]:
    """Queries and gallery."""
    base = root(spec.path, ('query', 'bounding_box_test'), 'Market-1501')
    return _part(base / 'query'), _part(base / 'bounding_box_test')


def _part(folder: Path) -> Part:
    tracks = [
        Track(int(match['person']), int(match['camera']) - 1, (match[0],))
        for match in images(folder, _NAME, _EXAMPLE)
    ]
    return Part(folder, [track for track in tracks if track.person != _JUNK])
