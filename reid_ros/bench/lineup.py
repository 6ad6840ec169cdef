"""Tracks of rendered people as every embedder sees them: drawn once, kept as vectors."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from reid_ros import world
from reid_ros.bench.contenders import DIMENSIONS, ORACLE_NOISE, Contender
from reid_ros.embed import GATE
from reid_ros.patience import DECIDE_CROPS, DECIDE_WEIGHT
from reid_ros.scene import SeenTrack
from reid_ros.types import AnyArray, BoolArray, FloatArray, Frame, IntArray, ReidError
from reid_ros.world.seeds import Split, generator
from reid_ros.world.studio import Studio
from reid_ros.world.tracklets import Tracklet, dataset

FRAMES = 4
RATE_HZ = 5.0
SIZE = (256, 128)
"""Height and width of the crops: the largest input that a network for people usually has."""
"""Length of the noise in each of the oracle's vectors, whose own length is 1."""
_BATCH = 16  # tracklets


@dataclass(frozen=True, slots=True)
class Group:
    """Tracklets of some people of a split.

    Attributes:
        split, seed: of the studio and of all walks.
        first, people: index of the first person in the split's population, and how many.
        seen_by: how many of the cameras see each.
        walks: of each before each of these cameras.
        cameras: of the studio; two share a place.
    """

    split: Split
    seed: int
    first: int
    people: int
    seen_by: int
    walks: int = 1
    cameras: int = 24

    def __len__(self) -> int:
        return self.people * self.seen_by * self.walks


@dataclass(frozen=True, slots=True)
class Seen:
    """What is left of tracklets: a vector each.

    Attributes:
        vectors: (n, d) float32 unit mean vectors by quality; nan where nothing could be seen.
        weights: (n,) float64 sums of the qualities.
        counts: (n,) int64 how many crops were good enough.
        persons: (n,) int64 indices in the population.
        cameras: (n,) int64 numbers within the studio.
    """

    vectors: FloatArray
    weights: AnyArray
    counts: IntArray
    persons: IntArray
    cameras: IntArray

    def __len__(self) -> int:
        return len(self.persons)

    @property
    def enough(self) -> BoolArray:
        """(n,) True where a track may be taken for somebody at once, without waiting for more."""
        result: BoolArray = (self.counts >= DECIDE_CROPS) & (self.weights >= DECIDE_WEIGHT)
        return result

    @staticmethod
    def joined(parts: Sequence[Seen]) -> Seen:
        """One after the other."""
        names = Seen.__slots__
        return Seen(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def take(self, rows: AnyArray) -> Seen:
        """Some of them, in this order."""
        return Seen(*(getattr(self, name)[rows] for name in Seen.__slots__))


def seen(
    group: Group,
    contenders: Sequence[Contender],
    cache: Path | None = None,
    tell: Callable[[int], None] = lambda tracklets: None,
) -> list[Seen]:
    """A group's tracklets as each contender sees them; drawn once for all, or not at all.

    Args:
        group: whom to draw.
        contenders: who looks.
        cache: folder of what was seen before; None keeps nothing.
        tell: is told how many more tracklets were drawn.

    Raises:
        ReidError: the folder cannot be written, or a file in it is damaged.
    """
    files = [None if cache is None else cache / _name(group, one) for one in contenders]
    found = [_read(file) for file in files]
    missing = [k for k, one in enumerate(found) if one is None]
    if not missing:
        tell(len(group))
        return [one for one in found if one is not None]
    _make(cache)
    columns: list[list[tuple[FloatArray, float, int]]] = [[] for _ in missing]
    persons, cameras = [], []
    for some in _drawn(group):
        for column, k in zip(columns, missing):
            column += _looked(contenders[k], group, some)
        persons += [one.person for one in some]
        cameras += [one.camera for one in some]
        tell(len(some))
    for column, k in zip(columns, missing):
        vectors, weights, counts = zip(*column)
        one = Seen(
            np.stack(vectors).astype(np.float32), np.array(weights), np.array(counts, np.int64),
            np.array(persons, np.int64), np.array(cameras, np.int64),
        )  # fmt: skip
        found[k] = one
        _write(files[k], one)
    return [one for one in found if one is not None]


def _drawn(group: Group) -> Iterator[list[Tracklet]]:
    studio = Studio(group.split, group.cameras, group.seed)
    data = dataset(
        group.split,
        range(group.first, group.first + group.people),
        studio,
        per_camera=group.walks,
        frames=FRAMES,
        size=SIZE,
        seed=group.seed,
        seen_by=group.seen_by,
        rate_hz=RATE_HZ,
    )
    for start in range(0, len(data), _BATCH):
        yield data[start : start + _BATCH]


def _looked(
    contender: Contender, group: Group, some: Sequence[Tracklet]
) -> list[tuple[FloatArray, float, int]]:
    """Mean vector, weight and number of crops of some tracklets, as `identify` sums a track up."""
    result = []
    for one, vectors in zip(some, _vectors(contender, group, some)):
        track = SeenTrack('', 1, 0, 0, one.boxes[0])
        for vector, quality in zip(vectors, one.quality.tolist()):
            if quality >= GATE and np.isfinite(vector).all():
                track.add(vector, quality)
        nothing = np.full(vectors.shape[1], np.nan, np.float32)
        mean = nothing if track.total is None else track.mean()
        result.append((mean, track.weight, track.count))
    return result


def _vectors(contender: Contender, group: Group, some: Sequence[Tracklet]) -> list[FloatArray]:
    """(t, d) unit vectors of each tracklet's crops."""
    if contender.embedder is None:
        return [_told(group, one) for one in some]
    card = contender.embedder.model.card
    if card.kind == 'search':
        raise ReidError(
            f'{card.name} sees whole pictures and no crops: it cannot be compared on tracklets'
        )
    height, width = SIZE
    wanted = []
    for one in some:
        # One image per tracklet, crop below crop, cut again where they were joined.
        image = one.crops.reshape(-1, width, 3)
        top = np.arange(len(one), dtype=np.float32) * height
        boxes = np.stack([0 * top, top, 0 * top + width, top + height], axis=1)
        wanted.append((Frame('crops', 1, image), boxes))
    return contender.embedder.vectors(wanted)


def _told(group: Group, one: Tracklet) -> FloatArray:
    """(t, d) the oracle's vectors, which tell who it is."""
    scale = 1 / np.sqrt(DIMENSIONS)
    own = generator(group.split, 'oracle', one.person).normal(size=DIMENSIONS) * scale
    rng = generator(group.split, 'oracle', group.seed, one.person, one.camera, one.walk)
    vectors = own + ORACLE_NOISE * scale * rng.normal(size=(len(one), DIMENSIONS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    result: FloatArray = vectors.astype(np.float32)
    return result


@dataclass(frozen=True, slots=True)
class Crowd:
    """Tracklets as one contender sees them.

    Attributes:
        enrolled: what the galleries are filled with.
        probes: other tracklets of the same people.
        strangers: tracklets of others.
        unseen: share of the drawn tracklets of which no crop was good enough.
    """

    enrolled: Seen
    probes: Seen
    strangers: Seen
    unseen: float

    @staticmethod
    def of(known: Seen, strangers: Seen, enrol: int, draw: np.random.Generator) -> Crowd:
        """Enrol everybody from their first tracklets, in random order, of enough good crops."""
        order = np.lexsort((draw.random(len(known)), ~known.enough, known.persons))
        first = np.searchsorted(known.persons[order], np.unique(known.persons))
        rows = order[(first[:, None] + np.arange(enrol)).ravel()]
        rest = np.setdiff1d(np.arange(len(known)), rows)
        parts = known.take(rows), known.take(rest), strangers
        enrolled, probes, others = (part.take(part.counts > 0) for part in parts)
        left = len(enrolled) + len(probes) + len(others)
        return Crowd(enrolled, probes, others, 1 - left / sum(map(len, parts)))


# -- the cache -----------------------------------------------------------------------------------


def _name(group: Group, contender: Contender) -> str:
    """Says everything that the vectors depend on, the world's own code too."""
    words = '-'.join(str(value) for value in asdict(group).values())
    model = 'oracle' if contender.embedder is None else contender.embedder.model.checksum[:16]
    return f'{contender.name}-{model}-{words}-{_world():08x}.npz'


def _world() -> int:
    code = 0
    for file in sorted(Path(world.__file__).parent.rglob('*.py')):
        code = zlib.crc32(file.read_bytes(), code)
    return code


def _read(file: Path | None) -> Seen | None:
    if file is None or not file.is_file():
        return None
    try:
        with np.load(file) as data:
            return Seen(*(data[name] for name in Seen.__slots__))
    except (OSError, ValueError, KeyError) as error:
        raise ReidError(
            f'{file} cannot be read ({error}): delete it, and it is made anew'
        ) from error


def _make(folder: Path | None) -> None:
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReidError(f'cannot keep vectors in {folder}: {error}') from error


def _write(file: Path | None, one: Seen) -> None:
    """Under another name first, so that a broken run leaves no half of a file."""
    if file is None:
        return
    part = file.with_name(f'.{file.name}.{os.getpid()}')
    try:
        with part.open('wb') as stream:
            np.savez(stream, **{name: getattr(one, name) for name in Seen.__slots__})
        part.replace(file)
    except OSError as error:
        raise ReidError(f'cannot keep vectors in {file.parent}: {error}') from error
