"""How tall somebody is, as evidence of who it is: clothes are copied, statures are not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from reid_ros.boxes import cover, crowded
from reid_ros.types import AnyArray, DoubleArray, FloatArray

Measured = tuple[float, int, int]
"""Metres, and the half seconds and tracks behind them."""
NS = 1_000_000_000
BIN_NS = NS // 2
"""Errors of a box's edges within half a second are one error."""
BINS = 16
"""Half seconds that are remembered of a track."""
LEAST = 3
"""Half seconds behind a stature before it says anything."""
SHAKE_M = 0.1
"""Standard deviation of what a half second errs by, metres: edges of boxes, hidden feet."""
LASTING_M = 0.025
"""The same of a whole track: poses, lenses, hats. Of 116 rendered tracks: 0.017 to 0.027 in a
camera, and 0.02 between the means of cameras."""
POPULATION_M = 0.09
"""Standard deviation of adults' statures, women and men together (NCD-RisC, eLife 5, 2016)."""
PEOPLE = 100
"""So many statures are remembered, of whoever was measured last."""
WRONG = 0.05
"""Share of tracks whose stature means nothing: somebody sits, or stands behind a table."""


@dataclass(slots=True)
class Stature:
    """What the images of one track say; the median of half seconds.

    Attributes:
        metres: 0 before the first.
        count: half seconds behind it.
    """

    metres: float = 0.0
    count: int = 0
    _means: deque[float] = field(default_factory=lambda: deque(maxlen=BINS))
    _bin: int = -1
    _sum: float = 0.0
    _images: int = 0

    def add(self, stamp_ns: int, metres: float) -> None:
        """One more measurement; one that comes late counts for nothing."""
        number = stamp_ns // BIN_NS
        if 0 < self._bin - number <= BINS:
            return
        if number != self._bin and self._images:
            self._means.append(self._sum / self._images)
            self.metres, self.count = float(np.median(self._means)), len(self._means)
            self._sum, self._images = 0.0, 0
        self._bin = number
        self._sum += metres
        self._images += 1


class Statures:
    """How tall those are who bear numbers, as far as feet and head were seen at once."""

    def __init__(self) -> None:
        self._known: dict[int, Stature] = {}  # whoever was measured last stands last

    def note(self, stamp_ns: int, persons: AnyArray, tall: DoubleArray, boxes: FloatArray) -> None:
        """Take in one image.

        Args:
            stamp_ns: of the image.
            persons: (n,) numbers, 0 = nobody.
            tall: (n,) metres, 0 = not seen.
            boxes: (n, 4) pixels: who is covered by another is not measured.
        """
        open_ = (persons > 0) & (tall > 0)
        if open_.any():
            open_ &= ~crowded(cover(boxes))
        for row in np.flatnonzero(open_).tolist():
            known = self._known.pop(int(persons[row]), None) or Stature()
            known.add(stamp_ns, float(tall[row]))
            self._known[int(persons[row])] = known
        while len(self._known) > PEOPLE:
            del self._known[next(iter(self._known))]

    def of(self, persons: AnyArray, usual_m: float) -> DoubleArray:
        """(n,) metres: the posterior mean, with what is usual as the prior's.

        Args:
            persons: (n,) numbers, 0 = nobody.
            usual_m: height of whoever was not measured.
        """
        result = np.full(len(persons), usual_m)
        for row, number in enumerate(persons.tolist()):
            known = self._known.get(number)
            if known is not None and known.count >= LEAST:
                error = LASTING_M**2 + SHAKE_M**2 / known.count
                share = POPULATION_M**2 / (POPULATION_M**2 + error)
                result[row] += share * (known.metres - usual_m)
        return result


def mean(tracks: Iterable[Stature]) -> Measured:
    """What several tracks of one person say together; zeros where nothing is known."""
    known = [(track.metres, track.count) for track in tracks if track.count]
    total = sum(count for _, count in known)
    metres = sum(metres * count for metres, count in known) / total if total else 0.0
    return metres, total, len(known)


def llr(first: Measured, second: Measured) -> float:
    """Log-likelihood ratio of 'one person' over 'two', 0 where too little is known."""
    return float(llrs(first, np.array([second]))[0])


def llrs(first: Measured, others: DoubleArray) -> DoubleArray:
    """(n,) the same of one with many.

    Two of a population differ by a normal distribution of twice its variance, two measurements of
    one person by their errors alone.

    Args:
        first: of the one.
        others: (n, 3) the same of each.
    """
    metres = others[:, 0]
    counts, tracks = np.maximum(others[:, 1], 1.0), np.maximum(others[:, 2], 1.0)
    same = LASTING_M**2 * (1 / max(first[2], 1) + 1 / tracks)
    same += SHAKE_M**2 * (1 / max(first[1], 1) + 1 / counts)
    wide = same + 2 * POPULATION_M**2
    square = (first[0] - metres) ** 2
    ratio = np.sqrt(wide / same) * np.exp(-square / 2 * (1 / same - 1 / wide))
    known = np.minimum(counts, first[1]) >= LEAST
    result: DoubleArray = np.where(known, np.log((1 - WRONG) * ratio + WRONG), 0.0)
    return result
