"""Real footage as labelled crops: who is in them, where and when; kept in a folder if asked.

The films are not part of this package. Boxes are the truth's where there is one, and a detector's
elsewhere. The boxes of `multicam` are those of YOLOX-nano, told by hand whose they are
(config/footage/multicam.tsv; every tenth frame).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from reid_ros import card as cards
from reid_ros.config import DetectConfig, EmbedConfig, TrackConfig, config_dir
from reid_ros.detect import Detector
from reid_ros.embed import GATE, quality
from reid_ros.evaluate.motfile import read_mot
from reid_ros.model import Model
from reid_ros.track import Tracker
from reid_ros.types import (
    AnyArray,
    DoubleArray,
    FloatArray,
    Frame,
    IntArray,
    ReidError,
    Tracks,
    UInt8Array,
)

DETECTOR = 'yolox_nano'
EVERY = 2
"""Of `one-by-one`, a crop is cut from every second frame: five in a second."""
NOBODY = -1
"""A box that hides others but is no person to be scored."""

Tell = Callable[[int], None]
"""Is told how many more frames were looked at."""


class FootageError(ReidError):
    """Footage that is missing, or is not what it should be."""


@dataclass(frozen=True, slots=True)
class Reel:
    """Labelled crops, in no particular order.

    Attributes:
        crops: n images (h, w, 3) uint8 BGR, each in the size in which it was seen.
        quality: (n,) float32, as `embed.quality` says; all are good enough for a vector.
        people: (n,) int64, rows of names.
        cameras: (n,) int64.
        stamps_s: (n,) float64, seconds; cameras of one reel share a clock.
        names: of the people.
    """

    crops: tuple[UInt8Array, ...]
    quality: FloatArray
    people: IntArray
    cameras: IntArray
    stamps_s: DoubleArray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.crops)


@dataclass(frozen=True, slots=True)
class Labels:
    """Boxes of one film and who is in them.

    Attributes:
        film: its file.
        frames: (n,) int64, from 0.
        boxes: (n, 4) float32, pixels.
        scores: (n,) float32, of the detector; 1 where a person drew or approved the box.
        people: (n,) int64; NOBODY for who only hides others.
    """

    film: Path
    frames: IntArray
    boxes: FloatArray
    scores: FloatArray
    people: IntArray


def one_by_one(data: Path, detector: Detector, tell: Tell) -> tuple[list[Labels], tuple[str, ...]]:
    """Six people who come and go one after another: whoever is seen during a visit is the visitor.

    Of the tracks of a visit the longest is taken, so that a false box of some frames is nobody.
    """
    film, table = (data / name for name in FILES['one-by-one'])
    rows = _rows(table, ('person', 'first_frame', 'last_frame'))
    spans = [range(int(first), int(last) + 1) for _, first, last in rows]
    wanted = {frame for span in spans for frame in span if frame % EVERY == 0}
    found = _tracked(film, wanted, detector, tell)
    kept = []
    for person, span in enumerate(spans):
        inside = (found[:, 0] >= span.start) & (found[:, 0] < span.stop)
        numbers, counts = np.unique(found[inside, 1], return_counts=True)
        if not len(numbers):
            continue
        chosen = found[inside & (found[:, 1] == numbers[counts.argmax()])]
        kept.append(np.column_stack([chosen, np.full(len(chosen), person)]))
    if len(kept) < 2:
        raise FootageError(
            f'{film}: {detector.model.card.name} finds somebody in {len(kept)} of {len(rows)} '
            f'visits of {table.name}: is this the right film, or is it a weak detector?'
        )
    frames, _, *edges, scores, people = np.concatenate(kept).T
    labels = Labels(
        film,
        frames.astype(np.int64),
        np.stack(edges, axis=1).astype(np.float32),
        scores.astype(np.float32),
        people.astype(np.int64),
    )
    return [labels], tuple(row[0] for row in rows)


def multicam(data: Path) -> tuple[list[Labels], tuple[str, ...]]:
    """Four cameras around one man, a woman who was drawn into the films, and a bystander."""
    table = config_dir() / 'footage' / 'multicam.tsv'
    rows = _rows(table, ('camera', 'frame', 'x0', 'y0', 'x1', 'y1', 'person'))
    names = tuple(sorted({row[6] for row in rows}))
    result = []
    for film in FILES['multicam']:
        mine = [row for row in rows if row[0] == Path(film).stem]
        numbers = np.array([row[1:6] for row in mine], np.float64).reshape(-1, 5)
        people = np.array([names.index(row[6]) for row in mine], np.int64)
        result.append(_labels(data / film, numbers[:, 0], numbers[:, 1:], people))
    return result, names


def vtest(data: Path) -> tuple[list[Labels], tuple[str, ...]]:
    """A crossing of ways from above, boxes and identities by hand in every tenth frame."""
    film, truth = (data / name for name in FILES['vtest'])
    rows = read_mot(truth)
    ids = np.unique(rows.ids[rows.counts()])
    if len(ids) < 2:
        raise FootageError(f'{truth}: {len(ids)} people who count: nobody to compare')
    people = np.searchsorted(ids, rows.ids)
    people = np.where(rows.counts(), people, NOBODY).astype(np.int64)
    labels = _labels(film, rows.frame - 1, rows.corners, people)
    return [labels], tuple(str(number) for number in ids)


FILES: dict[str, tuple[str, ...]] = {
    'one-by-one': ('video/one-by-one-person-detection.mp4', 'video/one-by-one.visits.tsv'),
    'multicam': tuple(f'multicam/cam{number:02d}.mp4' for number in range(1, 5)),
    'vtest': ('video/vtest.avi', 'video/vtest_gt_sparse.txt'),
}
"""What each footage needs, below the folder of the data."""


def reel(
    name: str,
    data: Path,
    detector: str = DETECTOR,
    cache: Path | None = None,
    tell: Tell = lambda frames: None,
) -> Reel:
    """The crops of one footage.

    Args:
        name: of FILES.
        data: folder that holds `video` and `multicam`.
        detector: card or file, for footage without boxes.
        cache: folder that keeps crops; None keeps none.
        tell: is told how many more frames were looked at.

    Raises:
        FootageError: something is missing or cannot be read; says what and where it belongs.
        CardError, ModelError: the detector is needed, and not here.
    """
    model = needed(name, data, detector)
    place = None if cache is None else cache / f'{name}-{_key(name, data, model):08x}.npz'
    if place is not None and place.is_file():
        return _read(place)
    films, names = labels(name, data, model, tell)
    made = _joined([_cut(one, camera, tell) for camera, one in enumerate(films)], names)
    if place is not None:
        _write(place, made)
    return made


def needed(name: str, data: Path, detector: str = DETECTOR) -> tuple[Path, cards.Card] | None:
    """The detector that a footage needs, None where it has boxes; errors as of `reel`."""
    for file in FILES[name]:
        if not (data / file).is_file():
            raise FootageError(
                f'{data / file}: no such footage: --data is a folder that holds '
                f'{", ".join(FILES[name])}'
            )
    return cards.find(detector, 'detector') if name == 'one-by-one' else None


def labels(
    name: str, data: Path, model: tuple[Path, cards.Card] | None, tell: Tell
) -> tuple[list[Labels], tuple[str, ...]]:
    """The boxes of one footage, by film, and the people's names; model is as `needed` says."""
    if model is not None:
        detector = Detector(Model.load(*model, backend='cpu'), DetectConfig())
        return one_by_one(data, detector, tell)
    return (multicam if name == 'multicam' else vtest)(data)


def _rows(path: Path, header: tuple[str, ...]) -> list[list[str]]:
    """The rows of a table with tabs under its header."""
    try:
        lines = [line.split('\t') for line in path.read_text(encoding='utf-8').splitlines()]
    except OSError as error:
        raise FootageError(f'{path}: cannot be read: {error.strerror}') from error
    if not lines or tuple(lines[0]) != header:
        raise FootageError(f'{path}: its first line must be {" ".join(header)}, with tabs')
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(header):
            raise FootageError(f'{path}:{number}: {len(line)} columns, not {len(header)}')
    return lines[1:]


def _labels(film: Path, frames: AnyArray, boxes: AnyArray, people: IntArray) -> Labels:
    ones = np.ones(len(frames), np.float32)
    return Labels(film, frames.astype(np.int64), boxes.astype(np.float32), ones, people)


def images(film: Path) -> Iterator[tuple[int, UInt8Array]]:
    """Number and picture of each frame of a film.

    Raises:
        FootageError: not one can be decoded.
    """
    capture = cv2.VideoCapture(str(film))
    try:
        index = 0
        while True:
            fine, image = capture.read()
            if not fine or image is None:
                break
            yield index, image
            index += 1
    finally:
        capture.release()
    if not index:
        raise FootageError(f'{film}: not one frame can be decoded')


def _rate(film: Path) -> float:
    capture = cv2.VideoCapture(str(film))
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    capture.release()
    if not 1 <= rate <= 1000:
        raise FootageError(f'{film}: says {rate:g} frames per second')
    return rate


def _tracked(film: Path, wanted: set[int], detector: Detector, tell: Tell) -> DoubleArray:
    """(n, 7) frame, track, box and score of everybody whom the detector finds in some frames."""
    rate = _rate(film)
    tracker = Tracker(TrackConfig(appearance=False))
    parts = [np.empty((0, 7))]
    for index, image in images(film):
        tell(1)
        if index not in wanted:
            continue
        stamp_ns = round(index * 1e9 / rate)
        (found,) = detector.detect([Frame(film.stem, stamp_ns, image, index)])
        tracks = tracker.step(found, stamp_ns)
        seen = tracks.confirmed & ~tracks.predicted
        count = int(seen.sum())
        parts.append(
            np.column_stack(
                [np.full(count, index), tracks.ids[seen], tracks.boxes[seen], tracks.scores[seen]]
            )
        )
    return np.concatenate(parts)


def _cut(labels: Labels, camera: int, tell: Tell) -> Reel:
    """The crops of one film that are good enough for a vector."""
    rate = _rate(labels.film)
    least = EmbedConfig().min_height_px
    wanted = set(labels.frames.tolist())
    crops: list[UInt8Array] = []
    good: list[float] = []
    who: list[int] = []
    when: list[float] = []
    for index, image in images(labels.film):
        tell(1)
        if index not in wanted:
            continue
        rows = np.flatnonzero(labels.frames == index)
        height, width = image.shape[:2]
        boxes = labels.boxes[rows]
        values = quality(_standing(boxes, labels.scores[rows]), width, height, least)
        for row, box, value in zip(rows.tolist(), boxes, values.tolist()):
            if value < GATE or labels.people[row] == NOBODY:
                continue
            # The very pixels that `images.crop_batch` would take of the frame.
            x0, y0 = np.clip(np.floor(box[:2]), 0, [width - 1, height - 1]).astype(int)
            x1, y1 = np.clip(np.ceil(box[2:]).astype(int), [x0 + 1, y0 + 1], [width, height])
            crops.append(np.ascontiguousarray(image[y0:y1, x0:x1]))
            good.append(value)
            who.append(int(labels.people[row]))
            when.append(index / rate)
    return Reel(
        tuple(crops),
        np.array(good, np.float32),
        np.array(who, np.int64),
        np.full(len(who), camera, np.int64),
        np.array(when, np.float64),
        (),
    )


def _standing(boxes: FloatArray, scores: FloatArray) -> Tracks:
    """Boxes in the form that `embed.quality` reads."""
    rows = np.arange(len(boxes))
    return Tracks(
        rows.astype(np.uint32),
        boxes,
        scores,
        rows,
        np.ones(len(rows), np.bool_),
        np.empty(0, np.uint32),
    )


def _joined(parts: Sequence[Reel], names: tuple[str, ...]) -> Reel:
    return Reel(
        tuple(crop for part in parts for crop in part.crops),
        np.concatenate([part.quality for part in parts]),
        np.concatenate([part.people for part in parts]),
        np.concatenate([part.cameras for part in parts]),
        np.concatenate([part.stamps_s for part in parts]),
        names,
    )


# -- the cache -----------------------------------------------------------------------------------


def _key(name: str, data: Path, model: tuple[Path, cards.Card] | None) -> int:
    """Says everything that the crops depend on, this file too."""
    code = zlib.crc32(Path(__file__).read_bytes())
    for file in FILES[name]:
        code = zlib.crc32((data / file).read_bytes(), code)
    if name == 'multicam':
        code = zlib.crc32((config_dir() / 'footage' / 'multicam.tsv').read_bytes(), code)
    if model is not None:
        code = zlib.crc32(cards.checksum(*model).encode(), code)
    return code


def _write(place: Path, one: Reel) -> None:
    """Under another name first, so that a broken run leaves no half of a file."""
    part = place.with_name(f'.{place.name}.{os.getpid()}')
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with part.open('wb') as stream:
            np.savez(
                stream,
                pixels=np.concatenate([crop.ravel() for crop in one.crops]),
                shapes=np.array([crop.shape for crop in one.crops], np.int64),
                quality=one.quality,
                people=one.people,
                cameras=one.cameras,
                stamps_s=one.stamps_s,
                names=np.array(one.names),
            )
        part.replace(place)
    except OSError as error:
        raise FootageError(f'cannot keep crops in {place.parent}: {error}') from error


def _read(place: Path) -> Reel:
    try:
        with np.load(place) as data:
            shapes = data['shapes']
            flat = np.split(data['pixels'], np.cumsum(shapes.prod(axis=1))[:-1])
            return Reel(
                tuple(part.reshape(shape) for part, shape in zip(flat, shapes.tolist())),
                data['quality'],
                data['people'],
                data['cameras'],
                data['stamps_s'],
                tuple(data['names'].tolist()),
            )
    except (OSError, ValueError, KeyError) as error:
        raise FootageError(
            f'{place} cannot be read ({error}): delete it, and it is made anew'
        ) from error
