"""identities.json: who was seen where and when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_ros.report.files import whole
from reid_ros.report.ledger import Ledger
from reid_ros.report.rows import Row

GAP_NS = 1_000_000_000  # a person out of sight for less than this was there all the time
MOST_VISITS = 400  # per person and camera; beyond it, neighbours are joined


@dataclass
class Presence:
    """One person in one camera.

    Attributes:
        visits: first and last stamp of each time the person was there, nanoseconds.
        sightings: number of frames in which the person was seen.
    """

    visits: list[list[int]] = field(default_factory=list)
    sightings: int = 0
    gap_ns: int = GAP_NS

    def add(self, stamp_ns: int) -> None:
        """The person was seen."""
        self.sightings += 1
        if self.visits and self.visits[-1][0] <= stamp_ns <= self.visits[-1][1] + self.gap_ns:
            self.visits[-1][1] = max(stamp_ns, self.visits[-1][1])
            return
        self.visits.append([stamp_ns, stamp_ns])
        if len(self.visits) > MOST_VISITS:
            self.gap_ns *= 2
            visits, self.visits = self.visits, []
            for first, last in visits:
                if self.visits and 0 <= first - self.visits[-1][1] <= self.gap_ns:
                    self.visits[-1][1] = last
                else:
                    self.visits.append([first, last])

    @property
    def first_ns(self) -> int:
        """Stamp of the first sighting."""
        return min(first for first, _ in self.visits)

    @property
    def last_ns(self) -> int:
        """Stamp of the last sighting."""
        return max(last for _, last in self.visits)


@dataclass
class Identity:
    """One person of a run.

    Attributes:
        number: of the person, over all cameras.
        name: '' where none was given.
        confirmed: False where the person stayed provisional.
        cameras: presence in each camera, in order of appearance.
        merged_from: numbers that the person had before.
    """

    number: int
    name: str = ''
    confirmed: bool = False
    cameras: dict[str, Presence] = field(default_factory=dict)
    merged_from: list[int] = field(default_factory=list)

    @property
    def sightings(self) -> int:
        """Number of frames in which the person was seen, over all cameras."""
        return sum(presence.sightings for presence in self.cameras.values())

    @property
    def first_ns(self) -> int:
        """Stamp of the first sighting."""
        return min(presence.first_ns for presence in self.cameras.values())

    @property
    def label(self) -> str:
        """What people call them: the name or the number, with ? while provisional."""
        return (self.name or f'#{self.number}') + ('' if self.confirmed else '?')


def collect(
    rows: Iterable[Row], ledger: Ledger, names: Mapping[int, str], found: dict[int, Identity]
) -> Iterator[Row]:
    """Passes the rows on while it fills `found` with the persons in them."""
    for row in rows:
        number = ledger.person(row.camera, row.track, row.moment)
        if number and not row.predicted:
            identity = found.get(number)
            if identity is None:
                identity = found[number] = Identity(
                    number,
                    names.get(number, ''),
                    ledger.confirmed(number),
                    merged_from=_all_merged(ledger, number),
                )
            identity.cameras.setdefault(row.camera, Presence()).add(row.stamp_ns)
        yield row


def _all_merged(ledger: Ledger, number: int) -> list[int]:
    result: list[int] = []
    queue = ledger.merged_from(number)
    while queue:
        gone = queue.pop()
        if gone not in result and gone != number:
            result.append(gone)
            queue += ledger.merged_from(gone)
    return sorted(result)


def as_json(identity: Identity, start_ns: int) -> dict[str, Any]:
    """The person as identities.json shows it; seconds are counted from start_ns."""
    return {
        'id': identity.number,
        'name': identity.name,
        'confirmed': identity.confirmed,
        'sightings': identity.sightings,
        'cameras': [
            {
                'camera': camera,
                'first_ns': presence.first_ns,
                'last_ns': presence.last_ns,
                'first_s': round((presence.first_ns - start_ns) / 1e9, 3),
                'last_s': round((presence.last_ns - start_ns) / 1e9, 3),
                'sightings': presence.sightings,
                'visits_s': [
                    [round((first - start_ns) / 1e9, 3), round((last - start_ns) / 1e9, 3)]
                    for first, last in presence.visits
                ],
            }
            for camera, presence in identity.cameras.items()
        ],
        'merged_from': identity.merged_from,
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write identities.json.

    Raises:
        OutputError: it cannot be written.
    """
    with whole(path) as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write('\n')
