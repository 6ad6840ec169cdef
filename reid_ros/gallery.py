"""The persons known so far: prototypes, names, who cannot be whom, expiry."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from reid_ros.prototypes import GalleryError as GalleryError
from reid_ros.prototypes import Prototypes
from reid_ros.types import DoubleArray, FloatArray, IntArray

Kind = Literal['look', 'gait']
"""What vectors are of."""
LISTED = 20
"""Most numbers in an error message."""


@dataclass(slots=True)
class Person:
    """One person.

    Attributes:
        number: from 1, never used again.
        name: given by the user, '' where there is none.
        confirmed: False while provisional.
        born_ns: stamp of the first sighting.
        seen_ns: stamp of the last sighting, by camera.
        crops, walks: how many vectors of looks and of gait stand behind the person.
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
    walks: int = 0

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
    """Persons with up to eight prototypes of their looks each, and as many of their gait.

    Attributes:
        edition: rises whenever somebody comes, goes, is confirmed or named.
        changed, removed: numbers of whom more is known than the file holds, and of whom less.
        seen: numbers that were seen since the last whole saving.
        names: of the persons that have one.
    """

    def __init__(self) -> None:
        self.next_number = 1
        self.edition = 0
        self.changed: set[int] = set()
        self.removed: set[int] = set()
        self.seen: set[int] = set()
        self.names: dict[int, str] = {}
        self._persons: dict[int, Person] = {}
        self._slot: dict[int, int] = {}
        self._numbers = np.zeros(0, np.int64)
        self._tracks = np.zeros(0)
        self._known: dict[Kind, Prototypes] = {'look': Prototypes(), 'gait': Prototypes()}

    def __len__(self) -> int:
        return len(self._persons)

    @property
    def columns(self) -> Mapping[int, int]:
        """The column of each person's number in what `closeness` answers."""
        return self._slot

    @property
    def numbers(self) -> IntArray:
        """(n,) of everybody, in the order of what `closeness` answers."""
        result: IntArray = self._numbers[: len(self._persons)].copy()
        return result

    @property
    def tracks(self) -> DoubleArray:
        """(n,) how many tracks showed each, in the same order, and one more. No file holds it."""
        result: DoubleArray = self._tracks[: len(self._persons)]
        return result

    def met(self, number: int) -> None:
        """One more track shows a person."""
        self._tracks[self._slot[number]] += 1

    def __iter__(self) -> Iterator[Person]:
        return iter(self._persons.values())

    def __contains__(self, number: object) -> bool:
        return number in self._persons

    def __getitem__(self, number: int) -> Person:
        """Raises GalleryError where nobody has this number."""
        try:
            return self._persons[number]
        except KeyError:
            known = [str(n) for n in itertools.islice(self._persons, LISTED)] or ['nobody']
            more = len(self._persons) - LISTED
            rest = f' and {more} more' if more > 0 else ''
            raise GalleryError(
                f'there is no person {number}; the gallery holds {", ".join(known)}{rest}'
            ) from None

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
        self._tracks[slot] = 1.0
        if person.name:
            self.names[person.number] = person.name
        for known in self._known.values():
            known.empty(slot)
        self.edition += 1
        self.changed.add(person.number)
        self.next_number = max(self.next_number, person.number + 1)

    def expect(self, length: int, kind: Kind = 'look') -> None:
        """Take vectors of this length from now on.

        Raises:
            GalleryError: the gallery holds vectors of another length.
        """
        self._known[kind].expect(length)

    def learn(
        self, number: int, vector: FloatArray, camera: str, weight: float, kind: Kind = 'look'
    ) -> None:
        """Let a unit vector, seen by a camera, count for a person.

        It joins the nearest prototype of that camera, or founds one where it is new; where no
        place is left, the two most alike prototypes become one.
        """
        known, person = self._known[kind], self._persons[number]
        known.expect(len(vector))
        if kind == 'look':
            person.crops += 1
        else:
            person.walks += 1
        self.changed.add(number)
        known.learn(self._slot[number], vector, camera, weight)

    def prototypes(self, number: int, kind: Kind = 'look') -> list[tuple[str, float, FloatArray]]:
        """(camera, weight, unit vector) of each prototype of a person."""
        return self._known[kind].of(self._slot[self[number].number])

    def restore(
        self,
        number: int,
        prototypes: Iterable[tuple[str, float, FloatArray]],
        kind: Kind = 'look',
    ) -> None:
        """Give a person the prototypes that `prototypes` returned."""
        self._known[kind].restore(self._slot[number], prototypes)

    def closeness(
        self, vectors: FloatArray, cameras: Sequence[str], kind: Kind = 'look'
    ) -> Closeness:
        """How close (m, d) unit vectors, each seen by the camera of its row, are to everyone."""
        numbers = self.numbers
        everybody = slice(len(numbers))
        return Closeness(numbers, *self._known[kind].closeness(everybody, vectors, cameras))

    def likely(
        self, vectors: FloatArray, cameras: Sequence[str], most: int, kind: Kind = 'look'
    ) -> tuple[IntArray, Closeness]:
        """As `closeness`, to those who are closest to the vectors' mean; at most so many.

        Returns:
            Their columns in what `closeness` answers, rising, and how close they are.
        """
        known, numbers = self._known[kind], self.numbers
        columns = known.nearest(len(numbers), vectors.mean(axis=0), most)
        return columns, Closeness(numbers[columns], *known.closeness(columns, vectors, cameras))

    def own_closeness(
        self,
        vectors: FloatArray,
        cameras: Sequence[str],
        numbers: Sequence[int],
        kind: Kind = 'look',
    ) -> Closeness:
        """(m, 1) how close each vector is to the one person whose number stands in its row."""
        slots = [self._slot[number] for number in numbers]
        found = self._known[kind].own(slots, vectors, cameras)
        return Closeness(np.zeros(1, np.int64), *found)

    def confirm(self, number: int) -> None:
        """Turn a provisional person into a confirmed one."""
        self[number].confirmed = True
        self.edition += 1
        self.changed.add(number)

    def name(self, number: int, name: str) -> None:
        """Give a person a name, '' takes it away.

        Raises:
            GalleryError: nobody has the number, or somebody else has the name.
        """
        person = self[number]
        for other, taken in self.names.items():
            if name and taken == name and other != number:
                raise GalleryError(
                    f'person {other} is already called {name!r}: merge the two, or choose another '
                    'name'
                )
        self._call(person, name)
        person.confirmed = person.confirmed or bool(name)
        self.edition += 1
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
        crops, walks = person.crops + other.crops, person.walks + other.walks
        for kind in self._known:
            for camera, weight, vector in self.prototypes(gone, kind):
                self.learn(into, vector, camera, weight, kind)
        person.crops, person.walks = crops, walks
        self._tracks[self._slot[into]] += self._tracks[self._slot[gone]] - 1.0
        person.born_ns = min(person.born_ns, other.born_ns)
        for camera, stamp in other.seen_ns.items():
            person.seen_ns[camera] = max(stamp, person.seen_ns.get(camera, stamp))
        self._call(person, person.name or other.name)
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
            self._numbers[slot] = self._numbers[last]
            self._tracks[slot] = self._tracks[last]
        for known in self._known.values():
            known.move(slot, last)
        self.edition += 1
        self.names.pop(number, None)
        self.seen.discard(number)
        self.changed.discard(number)
        self.removed.add(number)

    def clear(self) -> None:
        """Forget everybody; vectors of any length may follow."""
        for number in list(self._persons):
            self.forget(number)
        for known in self._known.values():
            known.length = 0

    def _call(self, person: Person, name: str) -> None:
        person.name = name
        if name:
            self.names[person.number] = name
        else:
            self.names.pop(person.number, None)

    def _grow(self, size: int) -> None:
        n = len(self._persons)
        numbers, tracks = np.zeros(size, np.int64), np.zeros(size)
        numbers[:n], tracks[:n] = self._numbers[:n], self._tracks[:n]
        self._numbers, self._tracks = numbers, tracks
        for known in self._known.values():
            known.grow(size, n)
