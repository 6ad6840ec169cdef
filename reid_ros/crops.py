"""Pictures of people whom somebody else follows, made into observations: no tracker of ours."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.config import EmbedConfig
from reid_ros.embed import Embedder, Schedule, quality
from reid_ros.scene import Observation
from reid_ros.types import ColourOrder, FloatArray, Frame, Tracks, UInt8Array

NS = 1_000_000_000
SEEN_NS = NS
"""Whoever had no picture for so long counts as out of sight."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One picture of one person.

    Attributes:
        track: number of whoever is in it, given by who follows them.
        image: (h, w, 3) uint8, the person alone.
        box: where it was cut out, pixels, corners x0 y0 x1 y1.
        width, height: of the image that it was cut out of, pixels.
        score: of the detector, 0 to 1.
        order: of the colour channels.
    """

    track: int
    image: UInt8Array
    box: tuple[float, float, float, float]
    width: int
    height: int
    score: float = 1.0
    order: ColourOrder = 'bgr'


@dataclass(slots=True)
class _Seen:
    crop: Crop
    stamp_ns: int


class Album:
    """The people of one camera, by their pictures. Time comes from the pictures.

    Args:
        camera: its name.
        config: how often somebody is looked at.
        embedder: makes the vectors.

    Attributes:
        last_ns: stamp of the newest picture; None before the first.
    """

    def __init__(self, camera: str, config: EmbedConfig, embedder: Embedder) -> None:
        self._camera, self._config, self._embedder = camera, config, embedder
        self._schedule = Schedule(config)
        self._seen: dict[int, _Seen] = {}
        self.last_ns: int | None = None

    def __len__(self) -> int:
        """Number of the people who are followed."""
        return len(self._seen)

    def observe(
        self, crops: Sequence[Crop], followed: Collection[int], stamp_ns: int
    ) -> Observation:
        """What new pictures add.

        Args:
            crops: at most one of each person.
            followed: numbers of everybody who is followed now; the others are gone.
            stamp_ns: of the newest picture. One that is older than what was before counts as just
                as old.
        """
        stamp_ns = stamp_ns if self.last_ns is None else max(stamp_ns, self.last_ns)
        self.last_ns = stamp_ns
        for crop in crops:
            if crop.track in followed:
                self._seen[crop.track] = _Seen(crop, stamp_ns)
        ended = sorted(set(self._seen) - set(followed))
        for number in ended:
            del self._seen[number]
        numbers = sorted(self._seen)
        held = [self._seen[number] for number in numbers]
        fresh = np.array([seen.stamp_ns == stamp_ns for seen in held], np.bool_)
        lately = np.array([stamp_ns - seen.stamp_ns <= SEEN_NS for seen in held], np.bool_)
        count = len(numbers)
        tracks = Tracks(
            np.array(numbers, np.uint32),
            np.array([seen.crop.box for seen in held], np.float32).reshape(count, 4),
            np.array([seen.crop.score for seen in held], np.float32),
            np.where(lately, np.arange(count), -1),
            np.ones(count, np.bool_),
            np.array(ended, np.uint32),
        )
        width = max((seen.crop.width for seen in held), default=1)
        height = max((seen.crop.height for seen in held), default=1)
        values = quality(tracks, width, height, self._config.min_height_px)
        values[~fresh] = 0.0
        rows = self._schedule.due(tracks, values, stamp_ns)
        vectors = self._vectors([held[row].crop for row in rows.tolist()], stamp_ns)
        return Observation(self._camera, stamp_ns, tracks, rows, vectors, values[rows])

    def _vectors(self, crops: Sequence[Crop], stamp_ns: int) -> FloatArray:
        """(k, d) in one batch."""
        wanted = []
        for crop in crops:
            height, width = crop.image.shape[:2]
            whole = np.array([[0, 0, width, height]], np.float32)
            wanted.append((Frame(self._camera, stamp_ns, crop.image, order=crop.order), whole))
        if not wanted:
            return np.empty((0, 0), np.float32)
        return np.concatenate(self._embedder.vectors(wanted))
