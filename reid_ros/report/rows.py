"""sightings.csv: every row as it was published, the record that the other files are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reid_ros.report.files import OutputError
from reid_ros.types import Sightings

COLUMNS = (
    'moment', 'camera', 'index', 'stamp_ns', 'track', 'person', 'person_score', 'confirmed',
    'predicted', 'x0', 'y0', 'x1', 'y1', 'score', 'gait_person', 'gait_score',
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One track in one frame: the columns of sightings.csv; box in corners, pixels."""

    moment: int
    camera: str
    index: int
    stamp_ns: int
    track: int
    person: int
    person_score: float
    confirmed: bool
    predicted: bool
    box: tuple[float, float, float, float]
    score: float
    gait_person: int
    gait_score: float


class RowWriter:
    """Appends to sightings.csv; the file is readable at every moment."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open('w', encoding='utf-8', newline='\n')
        except OSError as error:
            raise OutputError(f'{path}: cannot be written: {error.strerror}') from error
        self.path = path
        self._file.write(','.join(COLUMNS) + '\n')

    def add(self, moment: int, found: Sightings) -> None:
        """The rows of one frame. Floats are written so that they read back the same."""
        head = f'{moment},{found.camera},{found.index},{found.stamp_ns}'
        lines = [
            f'{head},{track},{person},{p:.9g},{c:d},{q:d},'
            f'{b[0]:.9g},{b[1]:.9g},{b[2]:.9g},{b[3]:.9g},{s:.9g},{g},{gs:.9g}\n'
            for track, person, p, c, q, b, s, g, gs in zip(
                found.tracks.tolist(),
                found.persons.tolist(),
                found.person_scores.tolist(),
                found.confirmed.tolist(),
                found.predicted.tolist(),
                found.boxes.tolist(),
                found.scores.tolist(),
                found.gait_persons.tolist(),
                found.gait_scores.tolist(),
            )
        ]
        self._file.write(''.join(lines))

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Finish the file; may be called twice."""
        self._file.close()


def read_rows(path: str | Path) -> Iterator[Row]:
    """The rows of a sightings.csv, in the order in which they were published.

    Raises:
        OutputError: the file is none.
    """
    with Path(path).open(encoding='utf-8') as file:
        if file.readline().rstrip('\n') != ','.join(COLUMNS):
            raise OutputError(f'{path} is no sightings.csv of this version')
        for line in file:
            v = line.rstrip('\n').split(',')
            if len(v) != len(COLUMNS):
                return  # the last line of a run that was killed
            yield Row(
                int(v[0]), v[1], int(v[2]), int(v[3]), int(v[4]), int(v[5]), float(v[6]),
                v[7] == '1', v[8] == '1',
                (float(v[9]), float(v[10]), float(v[11]), float(v[12])),
                float(v[13]), int(v[14]), float(v[15]),
            )  # fmt: skip
