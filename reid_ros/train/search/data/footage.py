"""Real pictures without labels: a detector that teaches is all that is learnt of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.train.folders.layout import pictures as named
from reid_ros.train.search.data.files import Part, Rows, part
from reid_ros.train.search.settings import SearchSetConfig


def pictures(spec: SearchSetConfig) -> Part:
    """All pictures of a folder and of those within it, in the order of their names.

    Each folder is a camera.

    Raises:
        DataError: no such folder, or no picture.
    """
    root = Path(spec.path).expanduser()
    if not spec.path or not root.is_dir():
        raise DataError(f'path: there is no folder {spec.path!r}; give one of JPEG or PNG files')
    rows = {}
    for camera, (folder, _, _) in enumerate(sorted(os.walk(root))):
        for name in named(Path(folder)):
            file = str((Path(folder) / name).relative_to(root))
            rows[file] = Rows(np.empty((0, 4), np.float32), np.empty(0, np.int64), camera)
    if not rows:
        raise DataError(f'path: {root} holds no JPEG or PNG file')
    return part(root, rows, labelled=False)
