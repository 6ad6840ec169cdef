"""MOT text: one file per camera with the persons, one with the bare tracks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from reid_ros.report.files import whole
from reid_ros.report.rows import Row


def line(frame: int, number: int, row: Row) -> str:
    """A line of MOTChallenge: `frame,id,x,y,w,h,score,-1,-1,-1`, frames from 1.

    x and y are the pixel coordinates of the box's upper left corner, counted from 0.
    """
    x0, y0, x1, y1 = row.box
    return (
        f'{frame},{number},{x0:.2f},{y0:.2f},{x1 - x0:.2f},{y1 - y0:.2f},'
        f'{row.score:.4f},-1,-1,-1\n'
    )


def write(
    folder: Path,
    cameras: Sequence[str],
    rows: Iterable[Row],
    person: Callable[[Row], int],
) -> None:
    """`<camera>.txt` by person and `tracks/<camera>.txt` by track, a file for every camera.

    Only people who were seen count: predicted boxes are left out of both, undecided tracks out
    of the first.

    Args:
        person: number of the person in a row, 0 = undecided.

    Raises:
        OutputError: a file cannot be written.
    """
    (folder / 'tracks').mkdir(exist_ok=True)
    with ExitStack() as stack:
        persons = {c: stack.enter_context(whole(folder / f'{c}.txt')) for c in cameras}
        tracks = {c: stack.enter_context(whole(folder / 'tracks' / f'{c}.txt')) for c in cameras}
        for row in rows:
            if row.predicted:
                continue
            tracks[row.camera].write(line(row.index + 1, row.track, row))
            number = person(row)
            if number:
                persons[row.camera].write(line(row.index + 1, number, row))
