"""Crops of people for training and testing re-identification: who, when, before which camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from reid_ros.types import AnyArray, FloatArray, IntArray, UInt8Array
from reid_ros.world.cast import Person, look_alike, person
from reid_ros.world.crops import checked_size, condition, crop, detected, dressed, quality
from reid_ros.world.outfit import Outfit
from reid_ros.world.scenario import WorldError
from reid_ros.world.seeds import Split, generator
from reid_ros.world.studio import Studio, stroll

AS_DRAWN = 'as drawn'
"""Condition of people who carry and wear what they were drawn with."""


@dataclass(frozen=True, slots=True)
class Tracklet:
    """A few moments of one person before one camera.

    Attributes:
        crops: (t, h, w, 3) uint8 BGR.
        masks: (t, h, w) uint8, 255 where a crop shows the person.
        person: index in the split's population.
        outfit: which of the person's outfits, from 0.
        camera: number within the studio.
        place: number within the studio.
        walk: number among the person's walks before this camera.
        condition: 'normal', 'bag' or 'coat', what is worn.
        boxes: (t, 4) float32 pixels of the camera's image, as detected.
        times_s: (t,) float64 since the first moment.
        views: (t,) float32 degrees: 0 = towards the camera, 90 = across, 180 = away.
        visible: (t,) float32, 0 to 1: share of the person that is seen.
        quality: (t,) float32, 0 to 1: visible, times the pixels there are of those of a crop.
    """

    crops: UInt8Array
    masks: UInt8Array
    person: int
    outfit: int
    camera: int
    place: int
    walk: int
    condition: str
    boxes: FloatArray
    times_s: AnyArray
    views: FloatArray
    visible: FloatArray
    quality: FloatArray

    def __len__(self) -> int:
        return len(self.crops)


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of every tracklet without drawing it; each (n,) int64.

    Attributes:
        persons, outfits, cameras, places, walks: as of `Tracklet`.
    """

    persons: IntArray
    outfits: IntArray
    cameras: IntArray
    places: IntArray
    walks: IntArray


class Tracklets(Sequence[Tracklet]):
    """Tracklets by number; any can be had at any time, the same one is always the same.

    Person by person is fastest: whoever was drawn lately is kept dressed.

    Attributes:
        studio: the cameras.
        labels: of all tracklets.
    """

    def __init__(
        self,
        studio: Studio,
        labels: Labels,
        frames: int,
        size: tuple[int, int],
        rate_hz: float,
        conditions: tuple[str, ...],
        alike: bool = False,
    ) -> None:
        """Use `dataset`."""
        self.studio, self.labels = studio, labels
        self._frames, self._size, self._rate_hz = frames, size, rate_hz
        self._conditions, self._alike = conditions, alike
        self._last: tuple[int, Person] | None = None

    def __len__(self) -> int:
        return len(self.labels.persons)

    @overload
    def __getitem__(self, index: int) -> Tracklet: ...

    @overload
    def __getitem__(self, index: slice) -> list[Tracklet]: ...

    def __getitem__(self, index: int | slice) -> Tracklet | list[Tracklet]:
        """One tracklet, or a list of those of a slice."""
        if isinstance(index, slice):
            return [self._drawn(k) for k in range(*index.indices(len(self)))]
        number = int(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f'tracklet {number} of {len(self)}')
        return self._drawn(number % len(self))

    def __iter__(self) -> Iterator[Tracklet]:
        return (self._drawn(k) for k in range(len(self)))

    def _drawn(self, row: int) -> Tracklet:
        found = self.labels
        index, camera = int(found.persons[row]), int(found.cameras[row])
        number, walk = int(found.outfits[row]), int(found.walks[row])
        studio = self.studio
        who = self._person(index, number)
        words = ('tracklet', studio.seed, index, camera, walk)
        rng = generator(studio.split, *words)
        worn = self._worn(who.outfits[number], index, number, walk)
        hard = studio.level
        photos = studio.photograph(
            stroll(who, worn, rng, hard.standing), camera, rng, self._frames, self._rate_hz
        )
        boxes = np.array([detected(photo, hard.shake, rng) for photo in photos], np.float32)
        cut = [crop(photo, box, self._size) for photo, box in zip(photos, boxes)]
        visible = np.array([photo.visible for photo in photos])
        tall = boxes[:, 3] - boxes[:, 1]
        return Tracklet(
            np.stack([pixels for pixels, _ in cut]),
            np.stack([mask for _, mask in cut]),
            index,
            number,
            camera,
            int(found.places[row]),
            walk,
            condition(worn),
            boxes,
            np.array([photo.time_s for photo in photos]),
            np.array([photo.view_deg for photo in photos], np.float32),
            visible.astype(np.float32),
            quality(visible, tall.astype(np.float64), self._size[0]),
        )

    def _person(self, index: int, outfit: int) -> Person:
        if self._last is None or self._last[0] != index or len(self._last[1].outfits) <= outfit:
            split, copied = self.studio.split, self._alike and index % 2 == 1
            who = look_alike(split, index, index - 1, outfit + 1) if copied else None
            self._last = index, who or person(split, index, outfit + 1)
        return self._last[1]

    def _worn(self, outfit: Outfit, index: int, number: int, walk: int) -> Outfit:
        wanted = self._conditions[walk % len(self._conditions)]
        if wanted == AS_DRAWN:
            return outfit
        rng = generator(self.studio.split, 'worn', index, number)
        return dressed(outfit, wanted, rng)


def dataset(
    split: Split,
    people: int | Sequence[int],
    cameras: int | Studio = 8,
    per_camera: int = 1,
    frames: int = 4,
    size: tuple[int, int] = (128, 64),
    seed: int = 0,
    randomise: str = 'usual',
    seen_by: int | None = None,
    outfits: int = 1,
    conditions: Sequence[str] = (AS_DRAWN,),
    rate_hz: float = 5.0,
    alike: bool = False,
) -> Tracklets:
    """People of a split before cameras of the same split; drawn when asked for.

    Args:
        split: no person, place, texture or camera of one is in another.
        people: how many, from index 0, or their indices.
        cameras: how many, or a studio that is there already.
        per_camera: walks of every person before each camera that sees them.
        frames: moments of a tracklet.
        size: height and width of the crops.
        seed: of the cameras, their places, and all walks. People do not depend on it.
        randomise: 'clean', 'usual' or 'harsh'; that of the studio where there is one.
        seen_by: how many of the cameras see a person; None: all.
        outfits: clothes of a person; walks take them in turns.
        conditions: 'normal', 'bag', 'coat' or 'as drawn'; walks take them in turns.
        rate_hz: moments a second.
        alike: people of odd index wear the clothes of the one before them.

    Raises:
        WorldError: a number out of range, or another split's studio.
    """
    indices = list(range(people)) if isinstance(people, int) else [int(k) for k in people]
    studio = cameras if isinstance(cameras, Studio) else Studio(split, cameras, seed, randomise)
    number = len(studio.stands)
    wanted = number if seen_by is None else seen_by
    if studio.split != split:
        raise WorldError(f'the studio is of split {studio.split!r}, the people are of {split!r}')
    for name, value, high in (
        ('people', len(indices), 1 << 40),
        ('per_camera', per_camera, 10_000),
        ('frames', frames, 10_000),
        ('seen_by', wanted, number),
        ('outfits', outfits, per_camera),
    ):
        if not 1 <= value <= high:
            raise WorldError(f'{name}: {value} is outside 1 to {high}')
    if min(indices) < 0 or max(indices) >= 1 << 40 or len(set(indices)) < len(indices):
        raise WorldError(f'people: indices must differ and be 0 to {(1 << 40) - 1}')
    unknown = [name for name in conditions if name not in (AS_DRAWN, 'normal', 'bag', 'coat')]
    if unknown or not conditions:
        raise WorldError(f'conditions: {unknown} are not among normal, bag, coat, {AS_DRAWN!r}')
    labels = _labels(studio, indices, per_camera, wanted, outfits)
    return Tracklets(studio, labels, frames, checked_size(size), rate_hz, tuple(conditions), alike)


def _labels(
    studio: Studio, indices: Sequence[int], per_camera: int, seen_by: int, outfits: int
) -> Labels:
    """Person by person, camera by camera, walk by walk."""
    number = len(studio.stands)
    seers = np.array(
        [
            np.sort(
                generator(studio.split, 'seen by', studio.seed, index).permutation(number)[
                    :seen_by
                ]
            )
            for index in indices
        ],
        np.int64,
    )
    cameras = np.repeat(seers.ravel(), per_camera)
    walks = np.tile(np.arange(per_camera, dtype=np.int64), seers.size)
    places = np.array([stand.place for stand in studio.stands], np.int64)
    return Labels(
        np.repeat(np.array(indices, np.int64), seen_by * per_camera),
        walks % outfits,
        cameras,
        places[cameras],
        walks,
    )
