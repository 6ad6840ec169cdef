"""How well silhouette networks cut people out, and what a silhouette costs.

Against the truth of rendered people whom no network has seen, before cameras that no network has
seen, in boxes as a detector gives them. On real footage there is no truth: networks are compared
with each other, and before a fixed camera with what differs from its empty place.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from reid_ros.background import Background
from reid_ros.bench import reel
from reid_ros.silhouette import SIZE, Silhouetter, Silhouettes, aligned, around, made
from reid_ros.types import AnyArray, BoolArray, FloatArray, Frame, UInt8Array
from reid_ros.world.cast import person
from reid_ros.world.crops import detected
from reid_ros.world.photo import Photo
from reid_ros.world.seeds import generator
from reid_ros.world.studio import Studio, stroll

SEED = 90
CAMERAS = 12
MOMENTS = 2
EYES_M = (0.9, 1.9)
SETS: Mapping[str, tuple[str, tuple[float, float] | None]] = {
    'usual': ('usual', None),
    'eyes': ('usual', EYES_M),
    'harsh': ('harsh', None),
}
"""Level of the pictures and heights of the cameras, by name of the set."""
WHOLE, HIDDEN = 0.97, 0.7
"""Share of a person that is seen, from which on nothing is missing, and below which a lot is."""
STEP = 5
"""Of the labelled frames of real footage, every fifth is looked at."""
ROUNDS = 60
FIXED = 'one-by-one'

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Truth:
    """Pictures of rendered people in detected boxes.

    Attributes:
        frames: n frames, the neighbourhood of one person each.
        boxes: (n, 4) pixels of the frames.
        masks: n of (h, w) uint8 of the frames, 255 where the person is seen.
        visible: (n,) float32, 0 to 1.
    """

    frames: tuple[Frame, ...]
    boxes: FloatArray
    masks: tuple[UInt8Array, ...]
    visible: FloatArray


@dataclass(frozen=True, slots=True)
class Score:
    """How one network did on rendered people.

    Attributes:
        network: its name.
        pictures: the set.
        crops: how many.
        overlap: mean intersection over union with the true mask, in the image's pixels.
        overlap_whole, overlap_hidden: of people who are seen wholly, and of those hidden by 30 %
            and more.
        overlap_aligned: of silhouettes of people who are seen wholly, with those of the true mask.
        kept: share of wholly seen people whose silhouette is to be used.
        refused: share of people hidden by 30 % and more whose silhouette is not.
        reasons: how often each reason was given.
    """

    network: str
    pictures: str
    crops: int
    overlap: float
    overlap_whole: float
    overlap_hidden: float
    overlap_aligned: float
    kept: float
    refused: float
    reasons: dict[str, int]


def truth(name: str, people: int) -> Truth:
    """The pictures of one of `SETS`: people of the test split, each before one camera.

    Args:
        name: of the set.
        people: how many; each is seen twice.
    """
    level, heights = SETS[name]
    studio = Studio('test', CAMERAS, SEED, level, heights_m=heights)
    frames: list[Frame] = []
    boxes, masks, visible = [], [], []
    for index in range(people):
        who = person('test', index)
        rng = generator('test', 'bench silhouette', name, index)
        way = stroll(who, who.outfits[0], rng, studio.level.standing)
        camera = int(rng.integers(len(studio.stands)))
        for photo in studio.photograph(way, camera, rng, MOMENTS, 1.0):
            box = detected(photo, studio.level.shake, rng) - np.array(photo.corner * 2)
            frames.append(_frame(photo, len(frames)))
            boxes.append(box)
            masks.append(photo.mask)
            visible.append(photo.visible)
    return Truth(
        tuple(frames),
        np.array(boxes, np.float32),
        tuple(masks),
        np.array(visible, np.float32),
    )


def _frame(photo: Photo, index: int) -> Frame:
    return Frame('photo', index, photo.image, index)


def score(name: str, network: Silhouetter, pictures: str, true: Truth, tell: Tell) -> Score:
    """One network on one set of rendered people.

    Args:
        name: of the network.
        network: the network.
        pictures: name of the set.
        true: the set.
        tell: is called with the number of pictures done.
    """
    overlaps, aligned_, reasons = [], [], []
    for frame, box, mask in zip(true.frames, true.boxes, true.masks):
        width, height = frame.image.shape[1], frame.image.shape[0]
        region = around(box[None], width, height)
        (found,) = network.masks([(frame, region)])
        x0, y0, x1, y1 = region[0].astype(int).tolist()
        soft = cv2.resize(found[0], (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        own = np.zeros(mask.shape, np.bool_)
        own[y0:y1, x0:x1] = soft > 0.5
        overlaps.append(overlap(own, mask > 127))
        seen = made(found, region, box[None], (width, height), 0)
        ideal = aligned(mask, 1.0)
        alike = 0.0 if ideal is None else overlap(seen.masks[0] > 127, ideal > 127)
        aligned_.append(alike)
        reasons.append(seen.reasons[0])
        tell(1)
    each, same = np.array(overlaps), np.array(aligned_)
    good = np.array([not reason for reason in reasons])
    all_, hidden = true.visible >= WHOLE, true.visible < HIDDEN
    return Score(
        name,
        pictures,
        len(each),
        _mean(each),
        _mean(each[all_]),
        _mean(each[hidden]),
        _mean(same[all_]),
        _mean(good[all_]),
        _mean(~good[hidden]),
        dict(sorted(Counter(reasons).items())),
    )


def overlap(found: BoolArray, true: BoolArray) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    either = int(np.count_nonzero(found | true))
    return float(np.count_nonzero(found & true) / either) if either else 1.0


def _mean(values: FloatArray | BoolArray) -> float:
    return round(float(np.mean(values)), 4) if len(values) else 0.0


# -- real footage --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike two sources of silhouettes are on real footage.

    Attributes:
        footage: its name.
        one, other: names of the sources.
        crops: how many are compared.
        overlap: mean intersection over union of the aligned silhouettes, where both give one.
        kept_one, kept_other: shares that are to be used.
    """

    footage: str
    one: str
    other: str
    crops: int
    overlap: float
    kept_one: float
    kept_other: float


@dataclass(frozen=True, slots=True)
class Seen:
    """One real person in one frame, and the silhouettes of all sources, by name.

    Attributes:
        crop: (h, w, 3) uint8 BGR, what was looked at.
        silhouettes: one each.
    """

    crop: UInt8Array
    silhouettes: dict[str, Silhouettes]


def footage(
    name: str, data: Path, networks: Mapping[str, Silhouetter], tell: Tell, step: int = STEP
) -> list[Seen]:
    """What networks see of the people of real development footage.

    Args:
        name: 'one-by-one' or 'multicam'.
        data: folder with `video` and `multicam`.
        networks: by name.
        tell: is called with the number of images read.
        step: of the labelled frames, only every so many.

    Raises:
        FootageError: something is missing.
    """
    fixed = name == FIXED
    films, _ = reel.labels(name, data, reel.needed(name, data), tell)
    found: list[Seen] = []
    for camera, one in enumerate(films):
        background = Background() if fixed else None
        numbers = np.unique(one.frames)
        wanted = set(numbers[::step].tolist())
        # Frames between labelled ones show people whom nobody boxed: not to be learnt from.
        free = set(range(int(numbers[-1]) + 1)) - _near(numbers)
        for index, image in reel.images(one.film):
            tell(1)
            rows = one.people[one.frames == index] >= 0
            boxes = one.boxes[one.frames == index]
            frame = Frame(f'{name}-{camera}', index, image, index)
            known = len(boxes) or index in free
            ground = background.look([(frame, boxes)])[0] if background and known else None
            if index not in wanted or not len(boxes):
                continue
            looks = {key: net.look([(frame, boxes)])[0] for key, net in networks.items()}
            if ground is not None:
                looks['background'] = ground
            regions = around(boxes, image.shape[1], image.shape[0]).astype(int)
            for k in np.flatnonzero(rows).tolist():
                x0, y0, x1, y1 = regions[k].tolist()
                crop = np.ascontiguousarray(image[y0:y1, x0:x1])
                found.append(Seen(crop, {key: _row(look, k) for key, look in looks.items()}))
    return found


def _near(numbers: AnyArray) -> set[int]:
    """Numbers of frames within a second and a half of labelled ones, at 10 frames a second."""
    return {number + shift for number in numbers.tolist() for shift in range(-15, 16)}


def _row(found: Silhouettes, k: int) -> Silhouettes:
    return Silhouettes(found.masks[k : k + 1], found.quality[k : k + 1], found.reasons[k : k + 1])


def agreement(name: str, seen: Sequence[Seen], one: str, other: str) -> Agreement:
    """How alike two sources are."""
    pairs = [(each.silhouettes[one], each.silhouettes[other]) for each in seen]
    alike = [
        overlap(a.masks[0] > 127, b.masks[0] > 127)
        for a, b in pairs
        if a.masks.any() and b.masks.any()
    ]
    return Agreement(
        name,
        one,
        other,
        len(pairs),
        _mean(np.array(alike)),
        _mean(np.array([a.quality[0] > 0 for a, _ in pairs])),
        _mean(np.array([b.quality[0] > 0 for _, b in pairs])),
    )


def sheet(seen: Sequence[Seen], columns: int = 6, high: int = 160) -> UInt8Array:
    """(h, w, 3) a contact sheet: each crop and its silhouettes, red where not to be used.

    Args:
        seen: what to show.
        columns: people in a row.
        high: of a crop, pixels.
    """
    tiles = []
    across = high * SIZE[1] // SIZE[0]
    for each in seen:
        wide = min(round(each.crop.shape[1] * high / each.crop.shape[0]), across)
        parts = [np.zeros((high, across, 3), np.uint8)]
        parts[0][:, :wide] = cv2.resize(each.crop, (wide, high), interpolation=cv2.INTER_AREA)
        for name, found in each.silhouettes.items():
            mask = cv2.resize(found.masks[0], (across, high), interpolation=cv2.INTER_NEAREST)
            tile = np.repeat(mask[..., None], 3, axis=2)
            tile[:, -1] = 80
            good = not found.reasons[0]
            if not good:
                tile[..., :2] //= 3
            for text, y in ((name[:10], 12), (found.reasons[0], high - 6)):
                cv2.putText(tile, text, (2, y), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 200, 0), 1)
            parts.append(tile)
        tiles.append(np.hstack(parts))
    while len(tiles) % columns:
        tiles.append(np.zeros_like(tiles[0]))
    rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    return np.vstack(rows)


# -- speed ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Speed:
    """What one silhouette takes: processor time of one thread, fastest of many calls.

    Attributes:
        network: its name.
        megabytes: of its file.
        batch: people at once.
        ms: of one, from the frame to the judged silhouette.
        network_ms: of that, the network.
    """

    network: str
    megabytes: float
    batch: int
    ms: float
    network_ms: float


def speed(name: str, path: Path, network: Silhouetter, batch: int, true: Truth) -> Speed:
    """Time one network.

    Args:
        name: of the network.
        path: its file.
        network: loaded with one thread.
        batch: people at once, in frames of their own.
        true: who is looked at.
    """
    rows = np.arange(batch) % len(true.frames)
    wanted = [(true.frames[k], true.boxes[k : k + 1]) for k in rows.tolist()]
    spec = network.model.card.input
    shape = (3, spec.height, spec.width) if spec.layout == 'NCHW' else (spec.height, spec.width, 3)
    blank = np.zeros((batch, *shape), np.dtype(spec.dtype))
    best = [np.inf, np.inf]
    calls: tuple[Callable[[], object], ...] = (
        lambda: network.look(wanted),
        lambda: network.model.infer(blank),
    )
    for _ in range(ROUNDS):
        for k, call in enumerate(calls):
            start = time.thread_time()
            call()
            best[k] = min(best[k], time.thread_time() - start)
    each = [round(1e3 * seconds / batch, 3) for seconds in best]
    return Speed(name, round(path.stat().st_size / 1e6, 2), batch, each[0], each[1])
