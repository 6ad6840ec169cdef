"""Tracklets of the rendered world as files: drawn once, read as often as wanted."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.train.settings import DataConfig, SetConfig
from reid_ros.types import AnyArray, IntArray, UInt8Array
from reid_ros.world.scenario import KINDS, WorldError
from reid_ros.world.seeds import Split
from reid_ros.world.studio import Studio
from reid_ros.world.tracklets import Tracklets, dataset

PART = 256
"""Tracklets of one file; what an interrupted drawing loses at most, once a process."""
VERSION = 1
"""Of what is drawn and stored; a change makes older files unused."""


class Rendered:
    """Drawn tracklets, mapped into memory.

    Attributes:
        people, cameras, lengths: (n,) int64.
        quality: (n, t) float32, 0 to 1: how much of the person a crop shows, and how large.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder that `rendered` has filled."""
        with np.load(folder / 'labels.npz') as labels:
            self.people: IntArray = labels['people']
            self.cameras: IntArray = labels['cameras']
            self.quality: AnyArray = labels['quality']
        self.lengths: IntArray = np.full(len(self.people), self.quality.shape[1], np.int64)
        self._parts: list[UInt8Array] = [
            np.load(folder / f'{number:05d}.npy', mmap_mode='r')
            for number in range(-(-len(self.people) // PART))
        ]

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
    facts = {'version': VERSION, 'size': size, **dataclasses.asdict(spec)}
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    folder = Path(data.cache).expanduser() / f'world-{key}'
    if (folder / 'labels.npz').is_file():
        return Rendered(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = -(-len(_tracklets(spec, size)) // PART)
        missing = [k for k in range(number) if not (folder / f'{k:05d}.npy').is_file()]
        _draw(folder, spec, size, missing, processes or os.cpu_count() or 1, tell)
        _label(folder, spec, size, number)
    except WorldError as error:
        raise DataError(f'data.sets.{name}: {error}') from error
    except OSError as error:
        raise DataError(f'data.cache: cannot write to {folder}: {error}') from error
    return Rendered(folder)


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
    )


def _draw(
    folder: Path,
    spec: SetConfig,
    size: tuple[int, int],
    missing: list[int],
    processes: int,
    tell: Callable[[int], None],
) -> None:
    if processes == 1 or len(missing) < 2:
        for number in missing:
            tell(_part(folder, spec, size, number))
        return
    with ProcessPoolExecutor(min(processes, len(missing))) as pool:
        for done in pool.map(
            _part, *zip(*[(folder, spec, size, number) for number in missing]), chunksize=1
        ):
            tell(done)


_LAST: dict[tuple[SetConfig, tuple[int, int]], Tracklets] = {}


def _part(folder: Path, spec: SetConfig, size: tuple[int, int], number: int) -> int:
    """Draw one file; a studio is kept, for its places are painted on first use."""
    if (spec, size) not in _LAST:
        _LAST.clear()
        _LAST[spec, size] = _tracklets(spec, size)
    found = _LAST[spec, size][number * PART : (number + 1) * PART]
    quality = np.stack([tracklet.quality for tracklet in found])
    _save(folder / f'{number:05d}.quality.npy', quality)
    _save(folder / f'{number:05d}.npy', np.stack([tracklet.crops for tracklet in found]))
    return len(found)


def _label(folder: Path, spec: SetConfig, size: tuple[int, int], parts: int) -> None:
    labels = _tracklets(spec, size).labels
    quality = np.concatenate([np.load(folder / f'{k:05d}.quality.npy') for k in range(parts)])
    half = folder / 'half.npz'
    np.savez(half, people=labels.persons, cameras=labels.cameras, quality=quality)
    half.replace(folder / 'labels.npz')


def _save(path: Path, values: AnyArray) -> None:
    half = path.with_suffix(f'.{os.getpid()}')
    with half.open('wb') as file:
        np.save(file, values)
    half.replace(path)
