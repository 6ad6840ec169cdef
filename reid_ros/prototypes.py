"""Unit vectors that stand for persons: a few for each, in one block of memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from reid_ros.types import BoolArray, FloatArray, IntArray, ReidError

PROTOTYPES = 8
"""Most prototypes of a person."""
NOVEL_COSINE = 0.94
"""A vector farther than this (20 degrees) from every prototype of its camera founds a new one."""
HEAVIEST = 20.0
"""Weight at which a prototype stops growing, so that it goes on following slow changes."""


class GalleryError(ReidError):
    """The gallery cannot do what was asked."""


class Prototypes:
    """Up to eight prototypes of everybody, each of one camera; persons by slots from 0.

    Prototypes are unit vectors: sequential means of similar vectors of one camera.
    """

    def __init__(self) -> None:
        self.length = 0
        self._cameras: dict[str, int] = {}
        self._vectors = np.zeros((0, PROTOTYPES, 0), np.float32)
        self._weights = np.zeros((0, PROTOTYPES), np.float32)
        self._camera = np.full((0, PROTOTYPES), -1, np.int64)

    def grow(self, size: int, kept: int) -> None:
        """Make room for so many persons, of whom the first stay."""
        for name in ('_vectors', '_weights', '_camera'):
            old = getattr(self, name)
            new = np.zeros((size, *old.shape[1:]), old.dtype)
            new[:kept] = old[:kept]
            setattr(self, name, new)

    def empty(self, slot: int) -> None:
        """Nothing is known of the person there yet."""
        self._camera[slot] = -1
        self._weights[slot] = 0

    def move(self, slot: int, last: int) -> None:
        """The person of the last slot takes another, and what stood there is overwritten."""
        if slot != last:
            for block in (self._vectors, self._weights, self._camera):
                block[slot] = block[last]
        self._vectors[last] = 0
        self._camera[last] = -1

    def expect(self, length: int) -> None:
        """Take vectors of this length from now on.

        Raises:
            GalleryError: there are vectors of another length.
        """
        if self.length == length:
            return
        if self.length:
            raise GalleryError(
                f'a vector of {length} numbers does not fit a gallery of {self.length}: clear it '
                "with 'reid_ros gallery clear' or use the model it was filled with"
            )
        self.length = length
        self._vectors = np.zeros((len(self._camera), PROTOTYPES, length), np.float32)

    def learn(self, slot: int, vector: FloatArray, camera: str, weight: float) -> None:
        """Let a unit vector, seen by a camera, count for a person.

        It joins the nearest prototype of that camera, or founds one where it is new; where no
        place is left, the two most alike prototypes become one.
        """
        self.expect(len(vector))
        place = self._camera_number(camera)
        vectors, cameras = self._vectors[slot], self._camera[slot]
        mine = np.flatnonzero(cameras == place)
        if len(mine):
            cosines = vectors[mine] @ vector
            nearest = int(np.argmax(cosines))
            if cosines[nearest] >= NOVEL_COSINE:
                self._join(slot, int(mine[nearest]), vector, weight)
                return
        free = np.flatnonzero(cameras < 0)
        row = int(free[0]) if len(free) else self._freed(slot)
        vectors[row] = vector
        self._weights[slot, row] = weight
        cameras[row] = place

    def of(self, slot: int) -> list[tuple[str, float, FloatArray]]:
        """(camera, weight, unit vector) of each prototype of a person."""
        names = {i: name for name, i in self._cameras.items()}
        return [
            (names[int(place)], float(self._weights[slot, row]), self._vectors[slot, row].copy())
            for row, place in enumerate(self._camera[slot])
            if place >= 0
        ]

    def restore(self, slot: int, prototypes: Iterable[tuple[str, float, FloatArray]]) -> None:
        """Give a person the prototypes that `of` returned."""
        for row, (camera, weight, vector) in enumerate(list(prototypes)[:PROTOTYPES]):
            self.expect(len(vector))
            self._vectors[slot, row] = vector
            self._weights[slot, row] = weight
            self._camera[slot, row] = self._camera_number(camera)

    def closeness(
        self, slots: slice | IntArray, vectors: FloatArray, cameras: Sequence[str]
    ) -> tuple[FloatArray, FloatArray]:
        """(m, n) best cosine of each of (m, d) vectors to the persons of n slots, nan where none.

        Two: to prototypes of the vector's own camera, and of other cameras.
        """
        camera = self._camera[slots]
        n = len(camera)
        if not n or not self.length or not vectors.shape[1]:
            nothing = np.full((len(vectors), n), np.nan, np.float32)
            return nothing, nothing
        self.expect(vectors.shape[1])
        block = self._vectors[slots].reshape(n * PROTOTYPES, self.length)
        cosines = (vectors @ block.T).reshape(len(vectors), n, PROTOTYPES)
        places = self._places(cameras)
        own = camera[None] == places[:, None, None]
        other = (camera >= 0)[None] & ~own
        return _best(cosines, own), _best(cosines, other)

    def nearest(self, n: int, vector: FloatArray, most: int) -> IntArray:
        """Slots of those of the first n persons who are closest to a vector, at most so many."""
        block = self._vectors[:n].reshape(n * PROTOTYPES, self.length)
        cosines = (block @ vector).reshape(n, PROTOTYPES)
        best = np.where(self._camera[:n] >= 0, cosines, np.float32(-2.0)).max(axis=1)
        if n <= most:
            return np.arange(n)
        result: IntArray = np.sort(np.argpartition(-best, most)[:most])
        return result

    def own(
        self, slots: Sequence[int], vectors: FloatArray, cameras: Sequence[str]
    ) -> tuple[FloatArray, FloatArray]:
        """(m, 1) as `closeness`, of each vector to the one person whose slot stands in its row."""
        if not self.length:
            nothing = np.full((len(vectors), 1), np.nan, np.float32)
            return nothing, nothing
        self.expect(vectors.shape[1])
        cosines = np.einsum('md,mpd->mp', vectors, self._vectors[slots])
        camera = self._camera[slots]
        own = camera == self._places(cameras)[:, None]
        other = (camera >= 0) & ~own
        return _best(cosines[:, None], own[:, None]), _best(cosines[:, None], other[:, None])

    def _places(self, cameras: Sequence[str]) -> IntArray:
        return np.array([self._cameras.get(camera, -2) for camera in cameras])

    def _camera_number(self, camera: str) -> int:
        return self._cameras.setdefault(camera, len(self._cameras))

    def _join(self, slot: int, row: int, vector: FloatArray, weight: float) -> None:
        total = min(float(self._weights[slot, row]), HEAVIEST)
        mean = self._vectors[slot, row] * total + vector * weight
        self._vectors[slot, row] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        self._weights[slot, row] = total + weight

    def _freed(self, slot: int) -> int:
        """The row that is free once the two most alike prototypes are one.

        Two of one camera where any camera has two, so that no camera is forgotten for another.
        """
        vectors, cameras = self._vectors[slot], self._camera[slot]
        cosines = vectors @ vectors.T
        alike = cameras[:, None] == cameras[None]
        pairs = np.triu(np.ones_like(alike), 1)
        usable = pairs & alike if (pairs & alike).any() else pairs
        kept, freed = divmod(int(np.argmax(np.where(usable, cosines, -2.0))), PROTOTYPES)
        self._join(slot, kept, vectors[freed].copy(), float(self._weights[slot, freed]))
        return freed


def _best(cosines: FloatArray, mask: BoolArray) -> FloatArray:
    best = np.where(mask, cosines, np.float32(-2.0)).max(axis=2)
    best[best < -1.5] = np.nan
    result: FloatArray = best
    return result
