"""Walks as sequences of silhouettes for gait recognition, with truth masks and colours.

By angle of view and condition as in CASIA-B (Yu, Tan, Tan, ICPR 2006): 11 views from 0 (towards
the camera) to 180 degrees; normal, bag, coat. One walk is the same gait in every view, as where
cameras all around see it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from reid_ros.types import FloatArray, UInt8Array
from reid_ros.world.cast import Person, person
from reid_ros.world.crops import checked_size, dressed, window
from reid_ros.world.photo import Photo
from reid_ros.world.scenario import WorldError
from reid_ros.world.seeds import Split, generator
from reid_ros.world.studio import Studio, stroll

VIEWS: tuple[int, ...] = tuple(range(0, 181, 18))
"""Degrees, as of CASIA-B."""
WALKS: Mapping[str, int] = MappingProxyType({'normal': 6, 'bag': 2, 'coat': 2})
"""Walks of a person by condition, as of CASIA-B."""
RATE_HZ = 25.0
EYES_M = (0.9, 1.9)
"""Heights of the cameras of a gait studio."""
SPOTS = 240
"""Floor points of a camera of a gait studio, 16 a square metre: walks are long."""
MOST_S = 4.0
"""Longest walk before one camera: longer ones leave its picture."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One walk of somebody before one camera.

    Attributes:
        masks: (t, h, w) uint8, 255 where the person is seen; the height of the true box fills
            the frame, its middle is in the middle, nothing is stretched.
        crops: (t, h, w, 3) uint8 BGR, the same windows of the camera's image.
        boxes: (t, 4) float32 pixels of the camera's image, true.
        person: index in the split's population.
        condition: 'normal', 'bag' or 'coat'.
        walk: number among the person's walks in that condition, from 0.
        view: angle of view that was asked for, degrees.
        camera: number within the studio.
        views: (t,) float32, angle of view at each moment, degrees.
        visible: (t,) float32, 0 to 1.
        rate_hz: moments a second.
    """

    masks: UInt8Array
    crops: UInt8Array
    boxes: FloatArray
    person: int
    condition: str
    walk: int
    view: int
    camera: int
    views: FloatArray
    visible: FloatArray
    rate_hz: float

    def __len__(self) -> int:
        return len(self.masks)


class GaitStudio:
    """Takes sequences of a split's people; the same one is always the same.

    Attributes:
        studio: its cameras.
        frames: moments of a sequence.
        size: height and width of masks and crops.
        rate_hz: moments a second.
        turn_deg: standard deviation of how much a walk turns, degrees a metre.
    """

    def __init__(
        self,
        split: Split,
        frames: int = 30,
        size: tuple[int, int] = (128, 88),
        rate_hz: float = RATE_HZ,
        cameras: int = 4,
        seed: int = 0,
        randomise: str = 'clean',
        people: Callable[[int], Person] | None = None,
        studio: Studio | None = None,
        heights_m: tuple[float, float] | None = EYES_M,
        turn_deg: float = 0.0,
    ) -> None:
        """Set up the cameras.

        Args:
            split: of people, places and cameras.
            frames: moments of a sequence.
            size: height and width of masks and crops.
            rate_hz: moments a second; frames / rate_hz is at most `MOST_S`.
            cameras: how many; which one takes a view of a walk is drawn.
            seed: of cameras, places and walks.
            randomise: 'clean', 'usual' or 'harsh'.
            people: person by index; None: the split's population.
            studio: one that is there already, instead of cameras, seed, randomise and heights.
            heights_m: of the cameras, see `Studio`.
            turn_deg: standard deviation of how much a walk turns, degrees a metre.

        Raises:
            WorldError: a number out of range, or another split's studio.
        """
        if frames < 1 or frames / rate_hz > MOST_S:
            raise WorldError(
                f'{frames} frames at {rate_hz:g} Hz: valid are 1 frame to {MOST_S:g} seconds'
            )
        if studio is not None and studio.split != split:
            raise WorldError(f'the studio is of split {studio.split!r}, not of {split!r}')
        if studio is None:
            studio = Studio(split, cameras, seed, randomise, heights_m=heights_m, spots=SPOTS)
        self.studio, self.frames, self.rate_hz = studio, frames, rate_hz
        self.turn_deg = turn_deg
        self.size = checked_size(size)
        self._people = people or (lambda index: person(split, index))
        self._last: tuple[int, Person] | None = None

    def sequence(self, index: int, condition: str, walk: int, view: int) -> Passage:
        """One walk of person `index`.

        Args:
            index: from 0.
            condition: 'normal', 'bag' or 'coat'.
            walk: from 0; each has its own variation of the person's gait.
            view: degrees at the middle of the walk, 0 to 180.

        Raises:
            WorldError: a condition or a view that does not exist.
        """
        camera, photos = self.photos(index, condition, walk, view)
        cut = [window(photo, photo.box, self.size) for photo in photos]
        return Passage(
            np.stack([mask for _, mask in cut]),
            np.stack([pixels for pixels, _ in cut]),
            np.array([photo.box for photo in photos], np.float32),
            index,
            condition,
            walk,
            view,
            camera,
            np.array([photo.view_deg for photo in photos], np.float32),
            np.array([photo.visible for photo in photos], np.float32),
            self.rate_hz,
        )

    def photos(
        self, index: int, condition: str, walk: int, view: int, painted: bool = True
    ) -> tuple[int, list[Photo]]:
        """The camera that took a sequence, and its pictures.

        Args:
            index, condition, walk, view: as for `sequence`.
            painted: as for `Studio.photograph`.

        Raises:
            WorldError: a condition or a view that does not exist.
        """
        if not 0 <= view <= 180:
            raise WorldError(f'view: {view} degrees are outside 0 to 180')
        split, seed = self.studio.split, self.studio.seed
        if self._last is None or self._last[0] != index:
            self._last = index, self._people(index)
        who = self._last[1]
        worn = dressed(who.outfits[0], condition, generator(split, 'worn', index, 0))
        # Without the view: all views show one walk.
        step = stroll(who, worn, generator(split, 'gait walk', seed, index, condition, walk))
        rng = generator(split, 'gait view', seed, index, condition, walk, view)
        camera = int(rng.integers(len(self.studio.stands)))
        return camera, self.studio.photograph(
            step, camera, rng, self.frames, self.rate_hz, float(view), True, painted,
            self.turn_deg,
        )  # fmt: skip

    def sequences(
        self,
        people: int | Sequence[int],
        walks: Mapping[str, int] = WALKS,
        views: Sequence[int] = VIEWS,
    ) -> Iterator[Passage]:
        """All sequences of these people: condition by condition, walk by walk, view by view.

        Args:
            people: how many, from index 0, or their indices.
            walks: number of walks by condition.
            views: degrees.
        """
        for index in range(people) if isinstance(people, int) else people:
            for condition, count in walks.items():
                for walk in range(count):
                    for view in views:
                        yield self.sequence(index, condition, walk, view)
