"""Frames of the rendered world as files: drawn once, read as often as wanted."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from reid_ros.card import Input
from reid_ros.evaluate import searchprotocol
from reid_ros.evaluate.ranking import ProtocolError
from reid_ros.images import letterbox_into
from reid_ros.train.clips import DataError
from reid_ros.train.drawing import save, spread, tidy
from reid_ros.train.search.data.pictures import SearchTrial, Standing
from reid_ros.train.search.settings import SearchDataConfig, SearchSetConfig
from reid_ros.types import AnyArray, FloatArray, IntArray, ReidError, UInt8Array
from reid_ros.world.frames import frames
from reid_ros.world.scenario import Scenario
from reid_ros.world.seeds import Split, generator

VERSION = 1
"""Of what is drawn and stored; a change makes older files unused."""
FIT = 'letterbox_topleft'
FACTS = (
    'split', 'seed', 'worlds', 'people', 'at_once', 'seconds', 'rate_hz', 'camera_width',
    'camera_height', 'portrait', 'unlabelled', 'visible',
)  # fmt: skip
"""Settings that change a pixel or a box."""

Tell = Callable[[int], None]


class WorldPictures:
    """Drawn frames, mapped into memory.

    Attributes:
        standing: who stands where in them.
        visible: (m,) float32, 0 to 1, share of each box' person that is seen.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder that `drawn` has filled."""
        self._folder = folder
        with (folder / 'labels.npz').open('rb') as file, np.load(file) as labels:
            cameras = labels['cameras']
            self.standing = Standing(
                labels['starts'], labels['boxes'], labels['people'], cameras,
                np.ones(len(cameras), bool),
            )  # fmt: skip
            self.visible: FloatArray = labels['visible']
            self._ends: IntArray = labels['ends']
        self._parts: list[UInt8Array] = [
            np.load(folder / f'{number:04d}.npy', mmap_mode='r')
            for number in range(len(self._ends))
        ]

    def __reduce__(self) -> tuple[type[WorldPictures], tuple[Path]]:
        """Another process maps the same files; the pixels do not travel."""
        return WorldPictures, (self._folder,)

    def image(self, row: int) -> UInt8Array:
        """(h, w, 3) BGR, as a network sees it."""
        number = int(np.searchsorted(self._ends, row, 'right'))
        found: UInt8Array = self._parts[number][row - (self._ends[number - 1] if number else 0)]
        return found


def drawn(
    data: SearchDataConfig,
    name: str,
    processes: int = 0,
    tell: Tell = lambda frames: None,
) -> WorldPictures:
    """The frames of a set of layout `world`; draws what is not drawn yet.

    Args:
        data: the sets, the size of pictures and the folder of drawn ones.
        name: of the set.
        processes: that draw; 0 = one a core.
        tell: is called with the number of frames drawn.

    Raises:
        DataError: a number that the world refuses, or a folder that cannot be written.
    """
    spec, folder = data.sets[name], place(data, name)
    try:
        if not (folder / 'labels.npz').is_file():
            base(spec)  # refuses what no world can be
            folder.mkdir(parents=True, exist_ok=True)
            missing = [k for k in range(spec.worlds) if not (folder / f'{k:04d}.npy').is_file()]
            tasks = [(folder, spec, (data.height, data.width), k) for k in missing]
            spread(_one, tasks, processes or os.cpu_count() or 1, tell, folder)
            _label(folder, spec.worlds)
        return WorldPictures(folder)
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f'data.cache: {folder} cannot be read ({error}): delete it, and it is drawn again'
        ) from error
    except OSError as error:
        raise DataError(f'data.cache: cannot use {folder}: {error}') from error
    except DataError:
        raise
    except ReidError as error:
        raise DataError(f'data.sets.{name}: {error}') from error


def trial(data: SearchDataConfig, name: str, tell: Tell) -> SearchTrial:
    """Everybody with a label, in evenly many pictures, is searched in a gallery of its own.

    Raises:
        DataError: galleries that are larger than what was drawn.
    """
    spec, found = data.sets[name], drawn(data, name, tell=tell)
    where = found.standing
    asked = queries(where, spec.asked)
    pictures = where.pictures
    known = where.people >= 0
    truth = searchprotocol.Truth(
        pictures[known], where.boxes[known], where.people[known], where.cameras
    )
    probes = searchprotocol.Queries(
        where.people[asked], pictures[asked], np.ones((len(asked), 1), np.float32)
    )
    draw = generator(cast(Split, spec.split), 'search', 'galleries', spec.seed)
    try:
        return SearchTrial(
            found, asked, searchprotocol.galleries(probes, truth, spec.gallery, draw)
        )
    except ProtocolError as error:
        raise DataError(f'data.sets.{name}.gallery: {error}') from error


def queries(where: Standing, most: int) -> IntArray:
    """(q,) rows of boxes: of everybody seen more than once at most so many, evenly spread."""
    rows = np.flatnonzero(where.people >= 0)
    order = rows[np.argsort(where.people[rows], kind='stable')]
    _, counts = np.unique(where.people[order], return_counts=True)
    found = []
    for end, count in zip(np.cumsum(counts).tolist(), counts.tolist()):
        if count > 1:
            taken = np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)
            found.append(order[end - count + np.unique(taken)])
    return np.sort(np.concatenate([np.empty(0, np.int64), *found]))


def place(data: SearchDataConfig, name: str) -> Path:
    """The folder of a drawn set; every setting that changes a pixel or a box is in its name."""
    spec = data.sets[name]
    facts = {
        'version': VERSION,
        'size': (data.height, data.width),
        **{fact: getattr(spec, fact) for fact in FACTS},
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return Path(data.cache).expanduser() / f'search-{key}'


def base(spec: SearchSetConfig) -> Scenario:
    """What all worlds of a set have in common.

    Raises:
        WorldError: numbers that do not fit each other.
    """
    return Scenario(
        'search', 'pictures for person search', people=spec.people, at_once=spec.at_once,
        seconds=spec.seconds, rate_hz=spec.rate_hz, overlapping=2, apart=1,
        portrait=spec.portrait, absence_s=4.0, loss=0.0, width=spec.camera_width,
        height=spec.camera_height,
    )  # fmt: skip


def _one(folder: Path, spec: SearchSetConfig, size: tuple[int, int], number: int) -> int:
    """Draw one world."""
    split = cast(Split, spec.split)
    found = [
        (frame, *fitted(frame.image, size, frame.boxes))
        for frame in frames(
            split, spec.worlds, spec.seed, spec.unlabelled, spec.visible, base(spec), (number,)
        )
    ]
    facts = {
        'counts': np.array([len(boxes) for _, _, boxes in found], np.int64),
        'boxes': np.concatenate([boxes for _, _, boxes in found]),
        'people': np.concatenate([frame.persons for frame, _, _ in found]),
        'visible': np.concatenate([frame.visible for frame, _, _ in found]),
        'cameras': np.array([frame.camera for frame, _, _ in found], np.int64),
    }
    half = folder / f'{number:04d}.{os.getpid()}.npz'
    np.savez(half, **facts)  # type: ignore[arg-type, unused-ignore]
    half.replace(folder / f'{number:04d}.facts.npz')
    save(folder / f'{number:04d}.npy', np.stack([image for _, image, _ in found]))
    return len(found)


def fitted(
    image: UInt8Array, size: tuple[int, int], boxes: FloatArray
) -> tuple[UInt8Array, FloatArray]:
    """A picture, and boxes in it, as a network of this height and width sees them.

    As a robot fits them, only smoother: a camera has no jagged edges.
    """
    height, width = size
    spec = Input(height=height, width=width, order='bgr', fit=FIT, resize='area')
    out: UInt8Array = np.empty((height, width, 3), np.uint8)
    lies = letterbox_into(image, out, spec)
    return out, lies.to_input(boxes.astype(np.float32))


def _label(folder: Path, worlds: int) -> None:
    columns: dict[str, list[AnyArray]] = {}
    ends = []
    for number in range(worlds):
        with np.load(folder / f'{number:04d}.facts.npz') as facts:
            for name in facts.files:
                columns.setdefault(name, []).append(facts[name])
        ends.append(len(columns['counts'][-1]))
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    starts = np.concatenate([[0], np.cumsum(whole.pop('counts'))]).astype(np.int64)
    half = folder / f'labels.{os.getpid()}.npz'
    np.savez(half, starts=starts, ends=np.cumsum(ends), **whole)  # type: ignore[arg-type, unused-ignore]
    half.replace(folder / 'labels.npz')
    tidy(folder)
