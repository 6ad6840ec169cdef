"""Folders of silhouette images to the common layout of pickles."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from reid_ros.silhouette import align
from reid_ros.train.clips import DataError
from reid_ros.train.drawing import spread
from reid_ros.train.gait.data.pickles import CUT, read
from reid_ros.types import UInt8Array

PROTOCOL = 4
"""Of pickles: read by every Python 3."""
_IMAGES = ('.png', '.jpg', '.jpeg', '.bmp')


@dataclass(frozen=True, slots=True)
class Converted:
    """What was made.

    Attributes:
        walks: files written, or there already.
        frames: silhouettes in those written.
        empty: images that show too little of anybody.
        lost: folders of which no image showed anybody.
    """

    walks: int
    frames: int
    empty: int
    lost: tuple[str, ...]


def convert(
    source: Path,
    target: Path,
    processes: int = 0,
    tell: Callable[[int], None] = lambda walks: None,
) -> Converted:
    """Write target/person/kind/view/view.pkl for each folder of images; what is there stays.

    Args:
        source: holds person/kind/view/*.png, silhouettes from white to black, in order of names.
        target: folder of the pickles.
        processes: that convert; 0 = one a core.
        tell: is called with the number of walks that were done.

    Raises:
        DataError: no such images, an unreadable one, or a folder that cannot be written.
    """
    walks = _walks(source)
    missing = [walk for walk in walks if not _place(walk, target).is_file()]
    tasks = [(source, walk, target) for walk in missing]
    try:
        target.mkdir(parents=True, exist_ok=True)
        spread(_counted, tasks, processes or os.cpu_count() or 1, tell, target)
        facts = [_facts(source, walk, target) for walk in missing]
    except OSError as error:
        raise DataError(f'{target}: cannot be written ({error.strerror})') from error
    return Converted(
        len(walks) - sum(not kept for kept, _ in facts),
        sum(kept for kept, _ in facts),
        sum(empty for _, empty in facts),
        tuple(str(walk) for walk, (kept, _) in zip(missing, facts) if not kept),
    )


def _walks(source: Path) -> list[Path]:
    """person/kind/view of every folder with images, sorted."""
    if not source.is_dir():
        raise DataError(f'there is no folder {source}; give one that holds person/kind/view/*.png')
    found = [folder for folder in sorted(source.glob('*/*/*')) if folder.is_dir()]
    found = [folder.relative_to(source) for folder in found if _images(folder)]
    if not found:
        content = sorted(path.name for path in source.iterdir())[:8]
        raise DataError(
            f'{source} holds no person/kind/view/*.png; found there: '
            f'{", ".join(content) or "nothing"}'
        )
    return found


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _IMAGES and not path.name.startswith('.')
    )


def _place(walk: Path, target: Path) -> Path:
    return target / walk / f'{walk.name}.pkl'


def _counted(source: Path, walk: Path, target: Path) -> int:
    """Write one walk."""
    frames = []
    for path in _images(source / walk):
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise DataError(f'{path} is no image that can be read; remove it or get it again')
        mask = align(picture)
        if mask is not None:
            frames.append(mask)
    if frames:
        _write(_place(walk, target), np.stack(frames))
    return 1


def _write(path: Path, masks: UInt8Array) -> None:
    """Whole or not at all, 64 columns wide as everybody's reader expects them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = np.pad(masks, ((0, 0), (0, 0), (CUT, CUT)))
    half = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        half.write_bytes(pickle.dumps(whole, protocol=PROTOCOL))
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _facts(source: Path, walk: Path, target: Path) -> tuple[int, int]:
    """Silhouettes of a walk that was just done, and its images that showed nobody."""
    total = len(_images(source / walk))
    path = _place(walk, target)
    if not path.is_file():
        return 0, total
    frames = len(read(path))
    return frames, total - frames
