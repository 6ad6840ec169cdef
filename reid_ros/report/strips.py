"""A few good pictures of every person, chosen while the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from reid_ros.types import Frame, Sightings, UInt8Array

HEIGHT = 160  # pixels of a picture in the strip
PERIOD_NS = 700_000_000  # a track is looked at this often
PER_TRACK = 8
MOST = 1500  # pictures kept; at about 6 kB each
PER_PERSON = 12  # pictures of one person on the page


@dataclass(frozen=True, slots=True)
class Picture:
    """A crop of one person.

    Attributes:
        camera, track, moment, stamp_ns: where and when.
        value: how good it is, larger is better.
        jpeg: the picture.
    """

    camera: str
    track: int
    moment: int
    stamp_ns: int
    value: float
    jpeg: bytes


class Strips:
    """Keeps the best pictures of each track, far apart in time, in bounded memory."""

    def __init__(self, person: Callable[[str, int, int], int], most: int = MOST) -> None:
        self._person, self._most = person, most
        self._tracks: dict[tuple[str, int], list[Picture]] = {}
        self._due: dict[tuple[str, int], int] = {}
        self._number = 0

    def add(self, frame: Frame, moment: int, found: Sightings) -> None:
        """Look at the tracks of a frame that are due."""
        height, width = frame.image.shape[:2]
        for i, track in enumerate(found.tracks.tolist()):
            key = (found.camera, track)
            if found.predicted[i] or not self._is_due(key, found.stamp_ns):
                continue
            self._due[key] = found.stamp_ns
            crop = _crop(frame, found.boxes[i])
            if crop is None:
                continue
            value = _value(crop, found, i, width, height)
            self._keep(key, crop, value, moment, found.stamp_ns)
        if len(self._due) > 4 * self._most:
            self._due.clear()
        if self._number > self._most:
            self._thin()

    def of_persons(self) -> dict[int, list[Picture]]:
        """The pictures of each person, spread over cameras and time, oldest first."""
        found = self._by_person()
        return {
            person: _spread(pictures, PER_PERSON) for person, pictures in found.items() if person
        }

    def _is_due(self, key: tuple[str, int], stamp_ns: int) -> bool:
        last = self._due.get(key)
        return last is None or not last <= stamp_ns < last + PERIOD_NS

    def _keep(
        self, key: tuple[str, int], crop: UInt8Array, value: float, moment: int, stamp_ns: int
    ) -> None:
        kept = self._tracks.setdefault(key, [])
        if len(kept) >= PER_TRACK and value <= min(p.value for p in kept):
            return
        fine, jpeg = cv2.imencode('.jpg', crop, [cv2.IMWRITE_JPEG_QUALITY, 82])
        if not fine:
            return
        kept.append(Picture(*key, moment, stamp_ns, value, jpeg.tobytes()))
        self._number += 1
        if len(kept) > PER_TRACK:
            kept.remove(_needless(kept))
            self._number -= 1

    def _by_person(self) -> dict[int, list[Picture]]:
        found: dict[int, list[Picture]] = {}
        for (camera, track), pictures in self._tracks.items():
            for picture in pictures:
                person = self._person(camera, track, picture.moment)
                found.setdefault(person, []).append(picture)
        return found

    def _thin(self) -> None:
        """Keep twice a strip per person, and of the undecided a share of what may be kept."""
        kept: list[Picture] = []
        for person, pictures in self._by_person().items():
            room = 2 * PER_PERSON if person else self._most // 4
            kept += _spread(pictures, room) if person else pictures[-room:]
        if len(kept) > self._most * 3 // 4:  # very many persons: the best pictures overall
            kept = sorted(kept, key=lambda p: -p.value)[: self._most * 3 // 4]
        self._tracks.clear()
        for picture in kept:
            self._tracks.setdefault((picture.camera, picture.track), []).append(picture)
        self._number = len(kept)


def _crop(
    frame: Frame, box: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> UInt8Array | None:
    height, width = frame.image.shape[:2]
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = min(width, int(box[2]) + 1), min(height, int(box[3]) + 1)
    if x1 - x0 < 8 or y1 - y0 < 16:
        return None
    crop = frame.image[y0:y1, x0:x1]
    scale = HEIGHT / (y1 - y0)
    wide = int(np.clip(round((x1 - x0) * scale), 24, 2 * HEIGHT))
    small: UInt8Array = cv2.resize(
        crop, (wide, HEIGHT), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return cv2.cvtColor(small, cv2.COLOR_RGB2BGR) if frame.order == 'rgb' else small


def _value(crop: UInt8Array, found: Sightings, row: int, width: int, height: int) -> float:
    """Large, sure, sharp, alone and wholly in the picture is good."""
    box = found.boxes[row]
    tall = min(1.0, float(box[3] - box[1]) / (0.5 * height))
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    sharp = min(1.0, float(cv2.Laplacian(grey, cv2.CV_32F).std()) / 20.0)
    inside = box[0] > 2 and box[1] > 2 and box[2] < width - 2 and box[3] < height - 2
    upright = box[3] - box[1] > 1.2 * (box[2] - box[0])
    value = float(found.scores[row]) * (0.3 + tall) * (0.3 + sharp)
    value *= (1.0 if inside else 0.5) * (1.0 if upright else 0.6) * (1.0 - _covered(found, row))
    return value * (1.0 if found.persons[row] else 0.7)


def _covered(found: Sightings, row: int) -> float:
    """Largest share of the box that lies under another one."""
    others = np.delete(found.boxes, row, axis=0)
    if not len(others):
        return 0.0
    box = found.boxes[row]
    size = np.minimum(others[:, 2:], box[2:]) - np.maximum(others[:, :2], box[:2])
    shared = np.clip(size, 0, None).prod(axis=1)
    return min(1.0, float(shared.max() / max(1.0, float((box[2:] - box[:2]).prod()))))


def _needless(pictures: list[Picture]) -> Picture:
    """The worse of the two that lie closest in time; pictures are in the order of time."""
    pairs = list(pairwise(pictures))
    closest = min(pairs, key=lambda pair: pair[1].stamp_ns - pair[0].stamp_ns)
    return min(closest, key=lambda p: p.value)


def _spread(pictures: list[Picture], number: int) -> list[Picture]:
    """At most `number`, from every camera, the best of each stretch of time."""
    if len(pictures) <= number:
        return sorted(pictures, key=lambda p: p.stamp_ns)
    cameras = sorted({p.camera for p in pictures})
    chosen: list[Picture] = []
    for position, camera in enumerate(cameras):
        own = sorted((p for p in pictures if p.camera == camera), key=lambda p: p.stamp_ns)
        share = (number - len(chosen)) // (len(cameras) - position)
        if share and own:
            groups = np.array_split(np.arange(len(own)), min(share, len(own)))
            chosen += [max((own[i] for i in group), key=lambda p: p.value) for group in groups]
    return sorted(chosen, key=lambda p: p.stamp_ns)
