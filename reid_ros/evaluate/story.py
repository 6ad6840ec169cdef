"""Every true person's identities over time, and the worst moments, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.evaluate.named import GAP_S, Named, Visit, visits
from reid_ros.types import IntArray

SPREAD_S = 1.5
"""Two moments to look at lie further apart than this, in one camera."""
LATER_S = 0.5
"""How long after a moment its last picture is."""
MOST_MOMENTS = 12


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch in which a person in a camera had one number; all of them cover all visits.

    Attributes:
        person, camera: of the truth.
        number: 0 = found but undecided, -1 = not found.
        confirmed: whether the number was confirmed at its end.
        right: whether it is the person's own number.
        before: another number above 0 that the person had last: in this camera or, where they
            had none here yet, in any; 0 where there is no switch.
        rows: rows of Named.people, by time.
        first_ns, last_ns: from its first sighting to the next stretch, or to the visit's end.
    """

    person: int
    camera: int
    number: int
    confirmed: bool
    right: bool
    before: int
    rows: IntArray
    first_ns: int
    last_ns: int


def pieces(seen: Named, gap_s: float = GAP_S) -> list[Piece]:
    """By person, then camera, then time."""
    shown = np.where(seen.answer < 0, -1, seen.persons)
    before = _switches(seen)
    stamp = seen.people.stamp_ns
    found = []
    for visit in visits(seen, gap_s):
        stretches = _stretches(visit, shown)
        ends = [*(rows[0] for rows in stretches[1:]), visit.rows[-1]]
        for rows, end in zip(stretches, ends):
            first, last = rows[0], rows[-1]
            found.append(
                Piece(
                    visit.person, visit.camera, int(shown[first]), bool(seen.confirmed[last]),
                    bool(seen.right[first]), int(before[first]), rows, int(stamp[first]),
                    int(stamp[end]),
                )
            )  # fmt: skip
    return sorted(found, key=lambda piece: (piece.person, piece.camera, piece.first_ns))


def _stretches(visit: Visit, shown: IntArray) -> list[IntArray]:
    return np.split(visit.rows, np.flatnonzero(np.diff(shown[visit.rows])) + 1)


def _switches(seen: Named) -> IntArray:
    """(n,) the number before, where it was another one; else 0."""
    people = seen.people
    decided = np.flatnonzero(seen.persons > 0)
    result = np.zeros(len(people), np.int64)
    # By person and time, whatever the camera; then by person, camera and time over it.
    anywhere = np.zeros(len(people), np.int64)
    same = np.diff(people.ids[decided]) == 0
    anywhere[decided[1:][same]] = seen.persons[decided[:-1][same]]
    order = decided[np.lexsort((people.stamp_ns[decided], people.camera[decided],
                                people.ids[decided]))]  # fmt: skip
    here = (np.diff(people.ids[order]) == 0) & (np.diff(people.camera[order]) == 0)
    result[decided] = anywhere[decided]
    result[order[1:][here]] = seen.persons[order[:-1][here]]
    result[result == seen.persons] = 0
    return result


@dataclass(frozen=True, slots=True)
class Worst:
    """A moment worth a look.

    Attributes:
        piece: the stretch that begins there.
        rows: up to three rows of Named.people to show: the person's sighting before in this
            camera, if they were just there; the first of the stretch; one a little later.
        cost: sightings with this number from here on that are wrong, at least 1.
    """

    piece: Piece
    rows: tuple[int, ...]
    cost: int


def worst(seen: Named, told: Sequence[Piece], most: int = MOST_MOMENTS) -> list[Worst]:
    """The switches and wrong numbers that cost the most sightings, in the order of time."""
    found = [_moment(seen, group, last) for group, last in _runs(told)]
    found.sort(key=lambda one: (-one.cost, one.piece.first_ns, one.piece.camera))
    chosen: list[Worst] = []
    for one in found:
        near = any(
            one.piece.camera == other.piece.camera
            and abs(one.piece.first_ns - other.piece.first_ns) < SPREAD_S * 1e9
            for other in chosen
        )
        if not near and len(chosen) < most:
            chosen.append(one)
    return sorted(chosen, key=lambda one: (one.piece.first_ns, one.piece.camera))


def _runs(told: Sequence[Piece]) -> list[tuple[list[Piece], Piece | None]]:
    """Stretches of one number that is wrong or new, and what stood before each of these runs.

    Stretches in which the person was undecided or not found interrupt no run.
    """
    result: list[tuple[list[Piece], Piece | None]] = []
    number = 0
    last: Piece | None = None
    for piece in told:
        if last is not None and (last.person, last.camera) != (piece.person, piece.camera):
            number, last = 0, None
        if piece.number > 0:
            if piece.number != number and (piece.before or not piece.right):
                result.append(([], last))
            if result and (piece.before or not piece.right):
                result[-1][0].append(piece)
            number = piece.number
        last = piece
    return result


def _moment(seen: Named, group: Sequence[Piece], last: Piece | None) -> Worst:
    piece = group[0]
    stamps = seen.people.stamp_ns[piece.rows]
    later = int(np.searchsorted(stamps, stamps[0] + LATER_S * 1e9))
    rows = [] if last is None else [int(last.rows[-1])]
    rows += [int(piece.rows[0]), int(piece.rows[min(later, len(stamps) - 1)])]
    wrong = sum(len(one.rows) for one in group if not one.right)
    return Worst(piece, tuple(dict.fromkeys(rows)), max(wrong, 1))
