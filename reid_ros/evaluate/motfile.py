"""MOT text: `frame,id,x,y,w,h,conf,class,visibility`, one box a line, frames from 1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_ros.evaluate.values import Boxes, EvaluateError
from reid_ros.types import BoolArray, DoubleArray, IntArray

COLUMNS = (6, 10)
"""Fewest and most columns of a line; conf, class and visibility may be missing or -1."""
PEDESTRIAN = 1
DISTRACTORS = (2, 7, 8, 12)
"""Classes of MOT16 and later that look like people: on a vehicle, still, picture, reflection."""


@dataclass(frozen=True, slots=True)
class MotRows:
    """The rows of one file.

    Attributes:
        frame: (n,) int64, from 1.
        ids: (n,) int64.
        corners: (n, 4) float64 pixels x0 y0 x1 y1.
        confidence: (n,) float64; in truth, 0 says that the row does not count.
        kind: (n,) int64, class, -1 where there is none.
        visible: (n,) float64, 0 to 1; 1 where the file does not say.
    """

    frame: IntArray
    ids: IntArray
    corners: DoubleArray
    confidence: DoubleArray
    kind: IntArray
    visible: DoubleArray

    def boxes(self, camera: int = 0) -> Boxes:
        """All rows as results of a camera."""
        return Boxes(np.full(len(self.ids), camera), self.frame, self.ids, self.corners)

    def counts(self) -> BoolArray:
        """(n,) True for rows of truth that are people; rows of other things do not count."""
        person = (self.kind < 0) | (self.kind == PEDESTRIAN)
        result: BoolArray = person & (self.confidence != 0)
        return result

    def distracts(self) -> BoolArray:
        """(n,) True for rows of truth that look like people, and are neither right nor wrong."""
        result: BoolArray = np.isin(self.kind, DISTRACTORS)
        return result


def read_mot(path: str | Path) -> MotRows:
    """The rows of a file, in its order; an empty file has none.

    Raises:
        EvaluateError: names the file and the line that is none of MOT text.
    """
    place = Path(path)
    try:
        lines = place.read_text(encoding='utf-8').splitlines()
    except OSError as error:
        raise EvaluateError(f'{place}: cannot be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise EvaluateError(f'{place}: is no text: MOT text has numbers with commas') from error
    rows = [_row(place, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    table = np.array(rows, np.float64).reshape(-1, 9)
    corners = table[:, 2:6].copy()
    corners[:, 2:] += corners[:, :2]
    visible = np.where(table[:, 8] < 0, 1.0, table[:, 8])
    frame, ids, kind = (table[:, k].astype(np.int64) for k in (0, 1, 7))
    return MotRows(frame, ids, corners, table[:, 6].copy(), kind, visible)


def _row(path: Path, number: int, line: str) -> list[float]:
    """Frame, id, x, y, w, h, confidence, class, visibility."""
    words = line.strip().strip(',').split(',')
    least, most = COLUMNS
    if not least <= len(words) <= most:
        raise EvaluateError(
            f'{path}:{number}: {len(words)} columns in {line[:60]!r}: MOT text has {least} to '
            f'{most}, frame,id,x,y,w,h,conf,class,visibility'
        )
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        wrong = next(word for word in words if not _is_number(word))
        raise EvaluateError(f'{path}:{number}: {wrong.strip()!r} is no number') from error
    if not np.isfinite(values).all():
        raise EvaluateError(f'{path}:{number}: {line[:60]!r} holds a value that is not finite')
    if values[0] < 1 or values[0] != int(values[0]):
        raise EvaluateError(f'{path}:{number}: frame {words[0]}: frames are whole, from 1')
    if values[1] != int(values[1]):
        raise EvaluateError(f'{path}:{number}: id {words[1]}: ids are whole numbers')
    if values[4] < 0 or values[5] < 0:
        raise EvaluateError(
            f'{path}:{number}: a box {words[4]} wide and {words[5]} high: width and height are '
            'in pixels, 0 or more'
        )
    # Results of ten columns have x, y, z in the last three, all -1: no class, no visibility.
    rest = [1.0, -1.0, -1.0]
    given = values[6:9]
    return [*values[:6], *given, *rest[len(given) :]]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
