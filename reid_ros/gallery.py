"""The persons known so far: prototypes, names, who cannot be whom, expiry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Person:
    """One person.

    Attributes:
        number: from 1, never used again.
        name: given by the user, '' where there is none.
        confirmed: False while provisional.
        born_ns: stamp of the first sighting.
        seen_ns: stamp of the last sighting, by camera.
        crops: how many vectors stand behind the person.
        never: numbers of persons that were seen beside this one and so cannot be it.
        merged: numbers that turned out to be this person.
    """

    number: int
    born_ns: int
    name: str = ''
    confirmed: bool = False
    seen_ns: dict[str, int] = field(default_factory=dict)
    crops: int = 0
    never: set[int] = field(default_factory=set)
    merged: set[int] = field(default_factory=set)

    @property
    def last_ns(self) -> int:
        """Stamp of the last sighting in any camera."""
        return max(self.seen_ns.values(), default=self.born_ns)


@dataclass(frozen=True, slots=True)
class Closeness:
    """Cosines of query vectors to every person: the best prototype by condition.

    Attributes:
        persons: (n,) int64 numbers.
        same: (m, n) best cosine to a prototype of the query's own camera, nan where none.
        cross: (m, n) best cosine to a prototype of another camera, nan where none.
    """

    persons: IntArray
    same: FloatArray
    cross: FloatArray


class Gallery:
    """Persons with up to eight prototypes each, in one block of memory.

    Prototypes are unit vectors: sequential means of similar vectors of one camera.
    """

    def __init__(self) -> None:
        self.next_number = 1
        self.changed: set[int] = set()
        self.removed: set[int] = set()
        self._persons: dict[int, Person] = {}
        self._slot: dict[int, int] = {}
        self._cameras: dict[str, int] = {}
        self._length = 0
        self._numbers = np.zeros(0, np.int64)
        self._vectors = np.zeros((0, PROTOTYPES, 0), np.float32)
        self._weights = np.zeros((0, PROTOTYPES), np.float32)
        self._camera = np.full((0, PROTOTYPES), -1, np.int64)

    def __len__(self) -> int:
        return len(self._persons)

    @property
    def columns(self) -> Mapping[int, int]:
        """The column of each person's number in what `closeness` answers."""
        return self._slot

    def __iter__(self) -> Iterator[Person]:
        return iter(self._persons.values())

    def __contains__(self, number: object) -> bool:
        return number in self._persons

    def __getitem__(self, number: int) -> Person:
        """Raises GalleryError where nobody has this number."""
        try:
            return self._persons[number]
        except KeyError:
            known = ', '.join(map(str, self._persons)) or 'nobody'
            raise GalleryError(f'there is no person {number}; the gallery holds {known}') from None

    def born(self, stamp_ns: int) -> Person:
        """A new provisional person."""
        person = Person(self.next_number, stamp_ns)
        self.next_number += 1
        self.insert(person)
        return person

    def insert(self, person: Person) -> None:
        """Add a person who already has a number.

        Raises:
            GalleryError: somebody else has it.
        """
        if person.number in self._persons:
            raise GalleryError(f'there is a person {person.number} already')
        slot = len(self._persons)
        if slot == len(self._numbers):
            self._grow(max(16, 2 * slot))
        self._persons[person.number] = person
        self._slot[person.number] = slot
        self._numbers[slot] = person.number
        self._camera[slot] = -1
        self._weights[slot] = 0
        self.changed.add(person.number)
        self.next_number = max(self.next_number, person.number + 1)

    def expect(self, length: int) -> None:
        """Take vectors of this length from now on.

        Raises:
            GalleryError: the gallery holds vectors of another length.
        """
        if self._length == length:
            return
        if self._length:
            raise GalleryError(
                f'a vector of {length} numbers does not fit a gallery of {self._length}: clear it '
                "with 'reid_ros gallery clear' or use the model it was filled with"
            )
        self._length = length
        self._vectors = np.zeros((len(self._numbers), PROTOTYPES, length), np.float32)

    def learn(self, number: int, vector: FloatArray, camera: str, weight: float) -> None:
        """Let a unit vector, seen by a camera, count for a person.

        It joins the nearest prototype of that camera, or founds one where it is new; where no
        place is left, the two most alike prototypes become one.
        """
        self.expect(len(vector))
        slot = self._slot[number]
        place = self._camera_number(camera)
        vectors, cameras = self._vectors[slot], self._camera[slot]
        self._persons[number].crops += 1
        self.changed.add(number)
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

    def prototypes(self, number: int) -> list[tuple[str, float, FloatArray]]:
        """(camera, weight, unit vector) of each prototype of a person."""
        slot = self._slot[self[number].number]
        names = {i: name for name, i in self._cameras.items()}
        return [
            (names[int(place)], float(self._weights[slot, row]), self._vectors[slot, row].copy())
            for row, place in enumerate(self._camera[slot])
            if place >= 0
        ]

    def restore(self, number: int, prototypes: Iterable[tuple[str, float, FloatArray]]) -> None:
        """Give a person the prototypes that `prototypes` returned."""
        slot = self._slot[number]
        for row, (camera, weight, vector) in enumerate(list(prototypes)[:PROTOTYPES]):
            self.expect(len(vector))
            self._vectors[slot, row] = vector
            self._weights[slot, row] = weight
            self._camera[slot, row] = self._camera_number(camera)

    def closeness(self, vectors: FloatArray, cameras: Sequence[str]) -> Closeness:
        """How close (m, d) unit vectors, each seen by the camera of its row, are to everyone."""
        n = len(self._persons)
        numbers = self._numbers[:n].copy()
        if not n or not self._length:
            nothing = np.full((len(vectors), n), np.nan, np.float32)
            return Closeness(numbers, nothing, nothing)
        self.expect(vectors.shape[1])
        block = self._vectors[:n].reshape(n * PROTOTYPES, self._length)
        cosines = (vectors @ block.T).reshape(len(vectors), n, PROTOTYPES)
        places = np.array([self._cameras.get(camera, -2) for camera in cameras])
        own = self._camera[:n][None] == places[:, None, None]
        other = (self._camera[:n] >= 0)[None] & ~own
        return Closeness(numbers, _best(cosines, own), _best(cosines, other))

    def own_closeness(
        self, vectors: FloatArray, cameras: Sequence[str], numbers: Sequence[int]
    ) -> Closeness:
        """(m, 1) how close each vector is to the one person whose number stands in its row."""
        self.expect(vectors.shape[1])
        slots = [self._slot[number] for number in numbers]
        cosines = np.einsum('md,mpd->mp', vectors, self._vectors[slots])
        places = np.array([self._cameras.get(camera, -2) for camera in cameras])
        camera = self._camera[slots]
        own = camera == places[:, None]
        other = (camera >= 0) & ~own
        return Closeness(
            np.zeros(1, np.int64),
            _best(cosines[:, None], own[:, None]),
            _best(cosines[:, None], other[:, None]),
        )

    def confirm(self, number: int) -> None:
        """Turn a provisional person into a confirmed one."""
        self[number].confirmed = True
        self.changed.add(number)

    def name(self, number: int, name: str) -> None:
        """Give a person a name, '' takes it away.

        Raises:
            GalleryError: nobody has the number, or somebody else has the name.
        """
        person = self[number]
        for other in self:
            if name and other.name == name and other is not person:
                raise GalleryError(
                    f'person {other.number} is already called {name!r}: merge the two, or choose '
                    'another name'
                )
        person.name = name
        person.confirmed = person.confirmed or bool(name)
        self.changed.add(number)

    def cannot_link(self, first: int, second: int) -> None:
        """Remember that two numbers are two people."""
        if second not in self._persons[first].never:
            self._persons[first].never.add(second)
            self._persons[second].never.add(first)
            self.changed.update((first, second))

    def merge(self, into: int, gone: int) -> None:
        """Let one person take over everything that is known of another.

        Raises:
            GalleryError: they were seen side by side, or one does not exist.
        """
        person, other = self[into], self[gone]
        if person is other:
            raise GalleryError(f'person {into} cannot be merged with itself')
        if gone in person.never:
            raise GalleryError(
                f'persons {into} and {gone} were seen at the same time and so are two people'
            )
        for camera, weight, vector in self.prototypes(gone):
            self.learn(into, vector, camera, weight)
        person.crops += other.crops - len(self.prototypes(gone))
        person.born_ns = min(person.born_ns, other.born_ns)
        for camera, stamp in other.seen_ns.items():
            person.seen_ns[camera] = max(stamp, person.seen_ns.get(camera, stamp))
        person.name = person.name or other.name
        person.confirmed = person.confirmed or other.confirmed
        person.merged |= other.merged | {gone}
        for number in other.never:
            if number in self._persons:
                self.cannot_link(into, number)
        self.forget(gone)

    def forget(self, number: int) -> None:
        """Remove a person and every vector of them.

        Raises:
            GalleryError: nobody has this number.
        """
        person = self[number]
        for other in person.never & self._persons.keys():
            self._persons[other].never.discard(number)
            self.changed.add(other)
        slot, last = self._slot.pop(number), len(self._persons) - 1
        del self._persons[number]
        if slot != last:
            moved = int(self._numbers[last])
            self._slot[moved] = slot
            for block in (self._numbers, self._vectors, self._weights, self._camera):
                block[slot] = block[last]
        self._vectors[last] = 0
        self._camera[last] = -1
        self.changed.discard(number)
        self.removed.add(number)

    def clear(self) -> None:
        """Forget everybody; vectors of any length may follow."""
        for number in list(self._persons):
            self.forget(number)
        self._length = 0

    def _grow(self, size: int) -> None:
        n = len(self._persons)
        for name in ('_numbers', '_vectors', '_weights', '_camera'):
            old = getattr(self, name)
            new = np.zeros((size, *old.shape[1:]), old.dtype)
            new[:n] = old[:n]
            setattr(self, name, new)

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
