"""Walks of the rendered world as files: silhouettes drawn once, read as often as wanted.

There are two columns of masks: the truth, and what a silhouette network sees in a camera's
picture, in the box of a tracker.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np

from reid_ros.card import Card, find
from reid_ros.model import Model
from reid_ros.silhouette import Silhouetter, align
from reid_ros.train.clips import DataError
from reid_ros.train.drawing import save, spread, tidy
from reid_ros.train.gait.data.sequences import (
    BAG,
    COAT,
    CONDITIONS,
    NORMAL,
    SIZE,
    GaitTrial,
    Labels,
    Question,
)
from reid_ros.train.gait.settings import SEEN, TRUTH, GaitDataConfig, GaitSetConfig
from reid_ros.types import AnyArray, BoolArray, Frame, IntArray, ReidError, UInt8Array
from reid_ros.world.cast import same_body
from reid_ros.world.crops import detected
from reid_ros.world.photo import Photo
from reid_ros.world.scenario import WorldError
from reid_ros.world.seeds import Split, generator
from reid_ros.world.silhouettes import GaitStudio

PART = 240
"""Walks of one file; what an interrupted drawing loses at most, once a process."""
VERSION = 1
"""Of what is drawn and stored; a change makes older files unused."""
_TRUTH = (
    'split', 'first', 'people', 'alike', 'normal', 'bag', 'coat', 'views', 'frames', 'rate_hz',
    'cameras', 'heights', 'turn', 'seed', 'randomise',
)  # fmt: skip
"""Settings that change a true mask; `shake` changes only what is seen."""

Network = tuple[Path, Card] | None
Walk = tuple[int, str, int, int]
"""Person, condition, walk, view."""


class WorldWalks:
    """Drawn walks, mapped into memory; those that nothing is seen of are left out.

    Attributes:
        labels: of each walk.
        lengths: (n,) int64, frames that show something.
    """

    def __init__(self, folder: Path, column: str, labels: Labels, good: BoolArray) -> None:
        """Open what `drawn` has filled.

        Args:
            folder: of the set.
            column: of its masks.
            labels: of all walks.
            good: (n, t) frames that show something.
        """
        self._state = folder, column, labels, good
        self._rows: IntArray = np.flatnonzero(good.any(axis=1))
        self._good = good
        self.labels = labels.of(self._rows)
        self.lengths: IntArray = good[self._rows].sum(axis=1, dtype=np.int64)
        self._parts: list[UInt8Array] = [
            np.load(folder / f'{number:05d}.{column}.npy', mmap_mode='r')
            for number in range(-(-len(labels) // PART))
        ]

    def __reduce__(self) -> tuple[type[WorldWalks], tuple[Path, str, Labels, BoolArray]]:
        """Another process maps the same files; the pixels do not travel."""
        return WorldWalks, self._state

    def length(self, row: int) -> int:
        """Frames of one walk that show something."""
        return int(self.lengths[row])

    def frames(self, row: int, which: IntArray) -> UInt8Array:
        """(t, 64, 44) 0 to 255, the frames of one walk with these numbers."""
        at = int(self._rows[row])
        picked: UInt8Array = self._parts[at // PART][at % PART][
            np.flatnonzero(self._good[at])[which]
        ]
        return picked


def drawn(
    data: GaitDataConfig,
    name: str,
    processes: int = 0,
    tell: Callable[[int], None] = lambda walks: None,
) -> WorldWalks:
    """The walks of a set of layout `world`; draws what is not drawn yet.

    Args:
        data: the sets, the column of masks, its network, and the folder of drawn walks.
        name: of the set.
        processes: that draw; 0 = one a core.
        tell: is called with the number of walks drawn.

    Raises:
        DataError: a number that the world refuses, no silhouette network, or a folder that cannot
            be written.
    """
    spec = data.sets[name]
    labels = _labels(walks(spec))
    folder, column = place(data, name), column_of(data, name)
    marks = folder / f'{column}.good.npy'
    try:
        if not marks.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            _draw(folder, column, data, spec, processes or os.cpu_count() or 1, tell)
    except OSError as error:
        raise DataError(f'data.cache: cannot write to {folder}: {error}') from error
    except DataError:
        raise
    except ReidError as error:
        raise DataError(f'data.sets.{name}: {error}') from error
    try:
        return WorldWalks(folder, column, labels, np.load(marks))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f'data.cache: {folder} cannot be read ({error}): delete it, and it is drawn again'
        ) from error


def trial(data: GaitDataConfig, name: str, tell: Callable[[int], None]) -> GaitTrial:
    """Each walk of a set is searched among the first normal walks, as in CASIA-B."""
    found, gallery = drawn(data, name, tell=tell), data.sets[name].gallery
    conditions = np.array(found.labels.conditions)
    stored = (conditions == NORMAL) & (found.labels.walks < gallery)
    questions = [
        Question(word, np.flatnonzero((conditions == word) & ~stored), np.flatnonzero(stored))
        for word in CONDITIONS
        if ((conditions == word) & ~stored).any()
    ]
    try:
        return GaitTrial(found, tuple(questions))
    except DataError as error:
        raise DataError(f'data.sets.{name}: {error}; see its normal and gallery') from error


def place(data: GaitDataConfig, name: str) -> Path:
    """The folder of a drawn set; every setting that changes a true mask is in its name."""
    spec = data.sets[name]
    facts = {'version': VERSION, **{fact: getattr(spec, fact) for fact in _TRUTH}}
    return Path(data.cache).expanduser() / f'gait-{_key(facts)}'


def column_of(data: GaitDataConfig, name: str) -> str:
    """Name of the files of a set's masks: the truth, or what which network saw.

    Raises:
        DataError: no network.
    """
    if data.masks == TRUTH:
        return TRUTH
    network = hashlib.sha256(_network(data)[0].read_bytes()).hexdigest()
    return f'{SEEN}-{_key({"network": network, "shake": data.sets[name].shake})}'


def _network(data: GaitDataConfig) -> tuple[Path, Card]:
    try:
        return find(data.silhouette, 'silhouette')
    except ReidError as error:
        raise DataError(f'data.silhouette, which data.masks: seen needs: {error}') from error


def walks(spec: GaitSetConfig) -> list[Walk]:
    """Everything that is drawn of a set, in its order."""
    counts = {NORMAL: spec.normal, BAG: spec.bag, COAT: spec.coat}
    return [
        (who, condition, walk, view)
        for who in range(spec.first, spec.first + spec.people)
        for condition, count in counts.items()
        for walk in range(count)
        for view in spec.views
    ]


def _key(facts: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _labels(every: list[Walk]) -> Labels:
    numbers = np.array([(who, walk, view) for who, _, walk, view in every], np.int64)
    people, walk, views = numbers.reshape(-1, 3).T
    return Labels(people, views, tuple(condition for _, condition, _, _ in every), walk)


def _draw(
    folder: Path,
    column: str,
    data: GaitDataConfig,
    spec: GaitSetConfig,
    processes: int,
    tell: Callable[[int], None],
) -> None:
    total = len(walks(spec))
    network = _network(data) if data.masks == SEEN else None
    numbers = range(-(-total // PART))
    missing = [k for k in numbers if not (folder / f'{k:05d}.{column}.npy').is_file()]
    rows = [range(k * PART, min((k + 1) * PART, total)) for k in numbers]
    tasks = [(folder, column, spec, network, number, rows[number]) for number in missing]
    spread(_part, tasks, processes, tell, folder)
    good = [np.load(folder / f'{k:05d}.{column}.good.npy') for k in numbers]
    save(folder / f'{column}.good.npy', np.concatenate(good))
    for k in numbers:
        (folder / f'{k:05d}.{column}.good.npy').unlink(missing_ok=True)
    tidy(folder)


_LAST: dict[GaitSetConfig, GaitStudio] = {}


def _studio(spec: GaitSetConfig) -> GaitStudio:
    """The studio of a set; kept, for its places are painted on first use."""
    if spec not in _LAST:
        _LAST.clear()
        split = cast(Split, spec.split)
        people = (lambda index: same_body(split, index, spec.seed)) if spec.alike else None
        _LAST[spec] = GaitStudio(
            split, spec.frames, (64, 64), spec.rate_hz, spec.cameras, spec.seed, spec.randomise,
            people, heights_m=_heights(spec), turn_deg=spec.turn,
        )  # fmt: skip
    return _LAST[spec]


def _heights(spec: GaitSetConfig) -> tuple[float, float] | None:
    if not spec.heights:
        return None
    if len(spec.heights) != 2 or not 0 < spec.heights[0] <= spec.heights[1]:
        raise WorldError(
            f'heights: {list(spec.heights)}: give the lowest and the highest camera, metres above '
            'the floor, or nothing'
        )
    return spec.heights[0], spec.heights[1]


def _part(
    folder: Path, column: str, spec: GaitSetConfig, network: Network, number: int, rows: range
) -> int:
    """Draw one file."""
    wanted = walks(spec)[rows.start : rows.stop]
    studio = _studio(spec)
    look = _seen(spec, network) if network else _true
    result = np.zeros((len(wanted), spec.frames, *SIZE), np.uint8)
    for row, walk in enumerate(wanted):
        _, photos = studio.photos(*walk, painted=network is not None)
        for k, mask in enumerate(look(walk, photos)):
            if mask is not None:
                result[row, k] = mask
    save(folder / f'{number:05d}.{column}.good.npy', np.asarray(result.any(axis=(2, 3))))
    save(folder / f'{number:05d}.{column}.npy', result)
    return len(wanted)


def _true(walk: Walk, photos: list[Photo]) -> Iterator[UInt8Array | None]:
    for photo in photos:
        yield align(photo.mask)


def _seen(
    spec: GaitSetConfig, network: tuple[Path, Card]
) -> Callable[[Walk, list[Photo]], Iterator[AnyArray | None]]:
    """What a network sees in the boxes of a tracker; None where it should not be used."""
    silhouetter = Silhouetter(Model.load(*network, backend='cpu', threads=1))

    def look(walk: Walk, photos: list[Photo]) -> Iterator[AnyArray | None]:
        who, condition, number, view = walk
        split = cast(Split, spec.split)
        draw = generator(split, 'gait box', spec.seed, who, condition, number, view)
        wanted = []
        for photo in photos:
            box = detected(photo, spec.shake, draw) - np.array(photo.corner * 2, np.float32)
            wanted.append((Frame('gait', 0, photo.image), box[None]))
        for found in silhouetter.look(wanted):
            yield found.masks[0] if found.quality[0] > 0 else None

    return look
