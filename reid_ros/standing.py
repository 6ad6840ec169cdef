"""Who stands where, as the newest image of each camera says: one camera checks another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.ground import Places
from reid_ros.types import BoolArray, DoubleArray, Sightings, UInt32Array

FRESH_NS = 400_000_000
"""An image older than this says nothing about now: somebody who walks is half a metre on."""
CLEARER_M = 0.25
"""So much nearer to a place somebody must stand than somebody else to be the one who is there,
metres: what two cameras err by."""


@dataclass(frozen=True, slots=True)
class _Image:
    stamp_ns: int
    frame: str
    spots: DoubleArray
    persons: UInt32Array
    placed: BoolArray


class Standings:
    """Remembers the newest image of each camera."""

    def __init__(self) -> None:
        self._images: dict[str, _Image] = {}

    def note(self, found: Sightings, places: Places | None, frame: str) -> None:
        """Take in an image.

        Args:
            found: who is in it.
            places: of the rows; None = not known.
            frame: that the places are in.
        """
        if places is None:
            self._images.pop(found.camera, None)
            return
        placed = places.sure & found.confirmed & ~found.predicted
        spots = places.positions[:, :2]
        image = _Image(found.stamp_ns, frame, spots, found.persons, placed)
        self._images[found.camera] = image

    def contradict(self, camera: str, spot: DoubleArray, frame: str, person: int) -> bool:
        """Whether another camera shows the person elsewhere, and somebody else on the spot.

        Args:
            camera: that took somebody on the spot for the person, in its newest image.
            spot: (2,) metres.
            frame: that the spot is in.
            person: number.
        """
        here = self._images.get(camera)
        return here is not None and any(
            self._denies(image, spot, person)
            for name, image in self._images.items()
            if name != camera
            and image.frame == frame
            and abs(image.stamp_ns - here.stamp_ns) <= FRESH_NS
        )

    def _denies(self, image: _Image, spot: DoubleArray, person: int) -> bool:
        away = np.linalg.norm(image.spots - spot, axis=1)
        mine = image.placed & (image.persons == person)
        others = image.placed & (image.persons != person) & (image.persons > 0)
        if not mine.any() or not others.any():
            return False
        return bool(away[others].min() + CLEARER_M < away[mine].min())
