"""People of the rendered world with their masks, as files: drawn once, read as often as wanted."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.train.drawing import save
from reid_ros.train.segment.settings import PicturesConfig, SegmentData
from reid_ros.types import AnyArray, FloatArray, ReidError, UInt8Array
from reid_ros.world.cast import person
from reid_ros.world.photo import Photo
from reid_ros.world.seeds import Split, generator
from reid_ros.world.studio import Studio, stroll

TALL, WIDE = 128, 64
"""Of the true box within a picture, pixels."""
ABOVE, BESIDE = 16, 20
"""What a picture shows around the box, pixels of it: an eighth of the height, as much across."""
HEIGHT, WIDTH = TALL + 2 * ABOVE, WIDE + 2 * BESIDE
PART = 512
"""Pictures of one file; what an interrupted drawing loses at most."""
EMPTY = 24
"""Pictures of nobody from each camera."""
VERSION = 1
"""Of what is drawn and stored; a change makes older files unused."""
EYES_M = (0.9, 1.9)

Tell = Callable[[int], None]


def silent(number: int) -> None:
    """Tell nobody."""


class Pictures:
    """Drawn pictures of one set, mapped into memory.

    Attributes:
        limits: (n, 4) float32, pixels of the picture: where the camera's image ends.
        tall: (n,) float32, height of the person in the camera's image, pixels.
        visible: (n,) float32, 0 to 1, share of the whole person that is seen.
        people, cameras: (n,) int64.
        empty: (m, HEIGHT, WIDTH, 3) uint8 BGR, of nobody.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder that `drawn` has filled."""
        with (folder / 'labels.npz').open('rb') as file, np.load(file) as labels:
            self.limits: FloatArray = labels['limits']
            self.tall: FloatArray = labels['tall']
            self.visible: FloatArray = labels['visible']
            self.people: AnyArray = labels['people']
            self.cameras: AnyArray = labels['cameras']
        self.empty: UInt8Array = np.load(folder / 'empty.npy', mmap_mode='r')
        self._parts: list[UInt8Array] = [
            np.load(folder / f'{number:05d}.npy', mmap_mode='r')
            for number in range(-(-len(self.tall) // PART))
        ]

    def __len__(self) -> int:
        return len(self.tall)

    def image(self, row: int) -> UInt8Array:
        """(HEIGHT, WIDTH, 3) BGR."""
        found: UInt8Array = self._parts[row // PART][row % PART, ..., :3]
        return found

    def mask(self, row: int) -> UInt8Array:
        """(HEIGHT, WIDTH) 255 where the person is seen."""
        found: UInt8Array = self._parts[row // PART][row % PART, ..., 3]
        return found


def place(data: SegmentData, name: str) -> Path:
    """The folder of a drawn set; every setting that changes a pixel is in its name."""
    facts = {
        'version': VERSION,
        'size': (HEIGHT, WIDTH, TALL, WIDE),
        'empty': EMPTY,
        **dataclasses.asdict(data.sets[name]),
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return Path(data.cache).expanduser() / f'people-{key}'


def size(spec: PicturesConfig) -> int:
    """How many pictures a set has."""
    return spec.people * spec.walks * spec.moments


def drawn(data: SegmentData, name: str, tell: Tell = silent) -> Pictures:
    """The pictures of a set; draws what is not drawn yet.

    Args:
        data: the sets, and the folder of drawn ones.
        name: of the set.
        tell: is called with the number of pictures drawn.

    Raises:
        DataError: no such set, a number that the world refuses, or a folder that cannot be
            written.
    """
    if name not in data.sets:
        raise DataError(f'data.sets: there is none called {name!r}')
    folder, spec = place(data, name), data.sets[name]
    try:
        if not (folder / 'labels.npz').is_file():
            folder.mkdir(parents=True, exist_ok=True)
            _draw(folder, spec, tell)
        return Pictures(folder)
    except OSError as error:
        raise DataError(f'data.cache: cannot use {folder}: {error}') from error
    except ReidError as error:
        raise DataError(f'data.sets.{name}: {error}') from error


def _draw(folder: Path, spec: PicturesConfig, tell: Tell) -> None:
    split = cast(Split, spec.split)
    heights = EYES_M if spec.eyes else None
    studio = Studio(split, spec.cameras, spec.seed, spec.randomise, heights_m=heights)
    walks = [(spec.first + p, w) for p in range(spec.people) for w in range(spec.walks)]
    step = max(1, PART // spec.moments)
    if PART % spec.moments:
        raise DataError(f'moments: {spec.moments} does not divide {PART}')
    count = -(-len(walks) // step)
    for number in range(count):
        path = folder / f'{number:05d}.npy'
        if path.is_file():
            continue
        some = walks[number * step : (number + 1) * step]
        photos = [_photos(studio, spec, index, walk) for index, walk in some]
        found = [(photo, one[0]) for one in photos for photo in one[1]]
        cut = [picture(photo, _size(studio, camera)) for photo, camera in found]
        facts = np.array(
            [
                (*limits, photo.box[3] - photo.box[1], photo.visible, camera)
                for (photo, camera), (_, limits) in zip(found, cut)
            ],
            np.float64,
        )
        save(path.with_suffix('.facts.npy'), facts)
        save(path, np.stack([pixels for pixels, _ in cut]))
        tell(len(found))
    save(folder / 'empty.npy', _nobody(studio))
    facts = np.concatenate([np.load(folder / f'{k:05d}.facts.npy') for k in range(count)])
    half = folder / f'labels.{os.getpid()}.npz'
    np.savez(
        half,
        limits=facts[:, :4].astype(np.float32),
        tall=facts[:, 4].astype(np.float32),
        visible=facts[:, 5].astype(np.float32),
        cameras=facts[:, 6].astype(np.int64),
        people=np.repeat([index for index, _ in walks], spec.moments).astype(np.int64),
    )
    half.replace(folder / 'labels.npz')


def _photos(
    studio: Studio, spec: PicturesConfig, index: int, walk: int
) -> tuple[int, list[Photo]]:
    """The camera of a walk, and what it sees."""
    split = cast(Split, spec.split)
    who = person(split, index)
    rng = generator(split, 'silhouettes', spec.seed, index, walk)
    camera = int(rng.integers(len(studio.stands)))
    way = stroll(who, who.outfits[0], rng, studio.level.standing)
    return camera, studio.photograph(way, camera, rng, spec.moments, 1.0)


def _size(studio: Studio, camera: int) -> tuple[int, int]:
    view = studio.stands[camera].view
    return view.width, view.height


def picture(photo: Photo, image: tuple[int, int]) -> tuple[UInt8Array, FloatArray]:
    """(HEIGHT, WIDTH, 4) BGR and mask around a photo's true box, and where the image ends in it.

    Args:
        photo: of the person.
        image: width and height of the camera's image, pixels.
    """
    x0, y0, x1, y1 = (photo.box - np.array(photo.corner * 2, np.float32)).tolist()
    across, down = max(x1 - x0, 2.0) / WIDE, max(y1 - y0, 4.0) / TALL
    # From pixel centres of the picture to those of the photo.
    matrix = np.array(
        [
            [across, 0.0, x0 + across * (0.5 - BESIDE) - 0.5],
            [0.0, down, y0 + down * (0.5 - ABOVE) - 0.5],
        ]
    )
    source, mask = photo.image, photo.mask
    shrink = min(across, down)
    if shrink > 1.0:  # or every other pixel would be skipped
        wide, high = round(mask.shape[1] / across), round(mask.shape[0] / down)
        scale = mask.shape[1] / wide, mask.shape[0] / high
        source = np.asarray(cv2.resize(source, (wide, high), interpolation=cv2.INTER_AREA))
        mask = np.asarray(cv2.resize(mask, (wide, high), interpolation=cv2.INTER_AREA))
        matrix[0] /= scale[0]
        matrix[1] /= scale[1]
        matrix[:, 2] += 0.5 / np.array(scale) - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    result = np.empty((HEIGHT, WIDTH, 4), np.uint8)
    result[..., :3] = cv2.warpAffine(
        source, matrix, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    result[..., 3] = cv2.warpAffine(mask, matrix, (WIDTH, HEIGHT), flags=flags)
    low = np.array([0.0, 0.0]) - photo.box[:2]
    high_ = np.array(image, np.float64) - photo.box[:2]
    scales = np.array([across, down])
    shift = np.array([BESIDE, ABOVE])
    limits = np.concatenate([low / scales + shift, high_ / scales + shift])
    border = np.array([WIDTH, HEIGHT] * 2)
    return result, np.clip(limits, 0, border).astype(np.float32)


def _nobody(studio: Studio) -> UInt8Array:
    """(m, HEIGHT, WIDTH, 3) pieces of the cameras' empty places, of all sizes."""
    found = []
    for stand in studio.stands:
        rng = generator(studio.split, 'silhouettes', 'nobody', studio.seed, stand.number)
        image = studio.empty(stand.number).image
        for _ in range(EMPTY):
            tall = float(np.exp(rng.uniform(np.log(60.0), np.log(image.shape[0] * 0.9))))
            wide = min(tall * rng.uniform(0.4, 0.8), image.shape[1] - 1.0)
            x = int(rng.integers(0, image.shape[1] - int(wide)))
            y = int(rng.integers(0, image.shape[0] - int(tall)))
            piece = image[y : y + int(tall), x : x + int(wide)]
            found.append(cv2.resize(piece, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR))
    return np.stack(found).astype(np.uint8)
