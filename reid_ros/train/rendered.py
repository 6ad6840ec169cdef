"""Tracklets of the rendered world as files: drawn once, read as often as wanted."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.train.drawing import save, spread, tidy
from reid_ros.train.settings import DataConfig, SetConfig
from reid_ros.types import AnyArray, IntArray, ReidError, UInt8Array
from reid_ros.world.scenario import KINDS
from reid_ros.world.seeds import Split
from reid_ros.world.studio import Studio
from reid_ros.world.tracklets import Tracklets, dataset

PART = 256
"""Tracklets of one file; what an interrupted drawing loses at most, once a process."""
VERSION = 1
"""Of what is drawn and stored; a change makes older files unused."""
_FACTS = (
    'layout', 'path', 'split', 'first', 'people', 'cameras', 'seen_by', 'per_camera', 'frames',
    'seed', 'randomise', 'kinds',
)  # fmt: skip
"""Settings that name a folder: named here, so that a new one elsewhere moves no drawn world."""


class Rendered:
    """Drawn tracklets, mapped into memory.

    Attributes:
        people, cameras, lengths: (n,) int64.
        groups: (n,) int64, people who wear the same have the same.
        quality: (n, t) float32, 0 to 1: how much of the person a crop shows, and how large.
    """

    def __init__(self, folder: Path, alike: bool = False) -> None:
        """Open a folder that `rendered` has filled; alike: pairs of people wear the same."""
        self._folder, self._alike = folder, alike
        with (folder / 'labels.npz').open('rb') as file, np.load(file) as labels:
            self.people: IntArray = labels['people']
            self.cameras: IntArray = labels['cameras']
            self.quality: AnyArray = labels['quality']
        self.groups: IntArray = self.people // 2 if alike else self.people
        self.lengths: IntArray = np.full(len(self.people), self.quality.shape[1], np.int64)
        self._parts: list[UInt8Array] = [
            np.load(folder / f'{number:05d}.npy', mmap_mode='r')
            for number in range(-(-len(self.people) // PART))
        ]

    def __reduce__(self) -> tuple[type[Rendered], tuple[Path, bool]]:
        """Another process maps the same files; the pixels do not travel."""
        return Rendered, (self._folder, self._alike)

    def frames(self, row: int, which: IntArray) -> UInt8Array:
        """(t, h, w, 3) BGR, the frames of one tracklet with these numbers."""
        picked: UInt8Array = self._parts[row // PART][row % PART][which]
        return picked


def rendered(
    data: DataConfig,
    name: str,
    processes: int = 0,
    tell: Callable[[int], None] = lambda tracklets: None,
) -> Rendered:
    """The tracklets of a set of layout `world`; draws what is not drawn yet.

    Args:
        data: the sets, the size of crops and the folder of drawn ones.
        name: of the set.
        processes: that draw; 0 = one a core.
        tell: is called with the number of tracklets drawn.

    Raises:
        DataError: a number that the world refuses, or a folder that cannot be written.
    """
    spec = data.sets[name]
    size = data.height, data.width
    folder = place(data, name)
    if (folder / 'labels.npz').is_file():
        return _opened(folder, spec.alike)
    try:
        total = len(_tracklets(spec, size))
    except ReidError as error:
        raise DataError(f'data.sets.{name}: {error}') from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        parts = [range(k, min(k + PART, total)) for k in range(0, total, PART)]
        missing = {
            k: rows for k, rows in enumerate(parts) if not (folder / f'{k:05d}.npy').is_file()
        }
        _draw(folder, spec, size, missing, processes or os.cpu_count() or 1, tell)
        _label(folder, spec, size, len(parts))
    except OSError as error:
        raise DataError(f'data.cache: cannot write to {folder}: {error}') from error
    return _opened(folder, spec.alike)


def place(data: DataConfig, name: str) -> Path:
    """The folder of a drawn set; every setting that changes a pixel is in its name."""
    spec = data.sets[name]
    facts = {
        'version': VERSION,
        'size': (data.height, data.width),
        **{fact: getattr(spec, fact) for fact in _FACTS},
        **({'alike': True} if spec.alike else {}),  # what was drawn without keeps its name
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return Path(data.cache).expanduser() / f'world-{key}'


def _opened(folder: Path, alike: bool) -> Rendered:
    try:
        return Rendered(folder, alike)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f'data.cache: {folder} cannot be read ({error}): delete it, and it is drawn again'
        ) from error


def _tracklets(spec: SetConfig, size: tuple[int, int]) -> Tracklets:
    studio = Studio(
        cast(Split, spec.split), spec.cameras, spec.seed, spec.randomise, kinds=spec.kinds or KINDS
    )
    return dataset(
        cast(Split, spec.split),
        range(spec.first, spec.first + spec.people),
        studio,
        spec.per_camera,
        spec.frames,
        size,
        spec.seed,
        seen_by=min(spec.seen_by, spec.cameras),
        alike=spec.alike,
    )


def _draw(
    folder: Path,
    spec: SetConfig,
    size: tuple[int, int],
    missing: dict[int, range],
    processes: int,
    tell: Callable[[int], None],
) -> None:
    tasks = [(folder, spec, size, number, rows) for number, rows in missing.items()]
    spread(_part, tasks, processes, tell, folder)


_LAST: dict[tuple[SetConfig, tuple[int, int]], Tracklets] = {}


def _part(folder: Path, spec: SetConfig, size: tuple[int, int], number: int, rows: range) -> int:
    """Draw one file; a studio is kept, for its places are painted on first use."""
    if (spec, size) not in _LAST:
        _LAST.clear()
        _LAST[spec, size] = _tracklets(spec, size)
    found = _LAST[spec, size][rows.start : rows.stop]
    quality = np.stack([tracklet.quality for tracklet in found])
    save(folder / f'{number:05d}.quality.npy', quality)
    save(folder / f'{number:05d}.npy', np.stack([tracklet.crops for tracklet in found]))
    return len(found)


def _label(folder: Path, spec: SetConfig, size: tuple[int, int], parts: int) -> None:
    labels = _tracklets(spec, size).labels
    quality = np.concatenate([np.load(folder / f'{k:05d}.quality.npy') for k in range(parts)])
    half = folder / f'labels.{os.getpid()}.npz'
    np.savez(half, people=labels.persons, cameras=labels.cameras, quality=quality)
    half.replace(folder / 'labels.npz')
    tidy(folder)
