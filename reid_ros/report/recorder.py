"""Everything a run leaves behind, in one folder.

| file | what | when |
|---|---|---|
| sightings.csv | every row as it was published | grows |
| events.jsonl | every event | grows |
| <camera>.mp4 | annotated video | a few seconds late |
| <camera>.txt, tracks/<camera>.txt | MOT text by person, by track | at the end |
| identities.json | persons, where and when | at the end |
| report.html | the same for people | at the end |

Where truth is known, whoever scores the run adds scores.json and a part of report.html.

The first two can be read at any moment; the others appear under their names when they are whole.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reid_ros.report import mot, page, summary
from reid_ros.report.files import OutputError
from reid_ros.report.ledger import Ledger
from reid_ros.report.rows import RowWriter, read_rows
from reid_ros.report.strips import Strips
from reid_ros.report.summary import Identity
from reid_ros.report.video import Videos
from reid_ros.types import Event, Frame, Moment, Sightings

FLUSH_S = 1.0
MOST_EVENTS = 2000  # on the page; events.jsonl has all


@dataclass
class CameraRecord:
    """What was recorded of one camera.

    Attributes:
        name, place: of the camera and where its frames came from.
        rate_hz: nominal frames per second, 0 where unknown.
        frames: number of frames processed.
        size: width and height of the first frame.
        first_ns, last_ns: stamps of the first and last frame, -1 before the first.
        notes: what people should know about this camera.
    """

    name: str
    place: str = ''
    rate_hz: float = 0.0
    frames: int = 0
    size: tuple[int, int] = (0, 0)
    first_ns: int = -1
    last_ns: int = -1
    notes: list[str] = field(default_factory=list)
    sizes: int = 0
    _size_now: tuple[int, int] = (0, 0)

    def add(self, frame: Frame) -> None:
        """Count a frame; a change of resolution is noted."""
        size = (frame.image.shape[1], frame.image.shape[0])
        if not self.frames:
            self.size, self.first_ns = size, frame.stamp_ns
        elif size != self._size_now:
            self.sizes += 1
            if self.sizes <= 3:
                self.notes.append(
                    f'changed from {self._size_now[0]} x {self._size_now[1]} to {size[0]} x '
                    f'{size[1]} pixels at frame {frame.index + 1}'
                )
        self._size_now = size
        self.frames += 1
        self.first_ns = min(self.first_ns, frame.stamp_ns)
        self.last_ns = max(self.last_ns, frame.stamp_ns)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found, after `Recorder.close`.

    Attributes:
        persons: confirmed first, in order of appearance.
        undecided: number of tracks that never got a person.
        cameras: in the order given.
        frames: number of frames processed.
        wall_s: seconds from the first to the last.
        cost_s: seconds spent in each stage.
    """

    persons: list[Identity]
    undecided: int
    cameras: list[CameraRecord]
    frames: int
    wall_s: float
    cost_s: dict[str, float]
    start_ns: int

    @property
    def rate_hz(self) -> float:
        """Frames processed per second, all cameras together."""
        return self.frames / self.wall_s if self.wall_s else 0.0


class Recorder:
    """Writes the files of a run. Not thread-safe: one caller adds moments.

    Args:
        folder: exists; files of an earlier run are replaced.
        cameras: in the order in which they are shown.
        video: whether to write annotated videos.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, cameras: Sequence[CameraRecord], video: bool = True) -> None:
        self.folder = folder
        self.cameras = {camera.name: camera for camera in cameras}
        self.ledger = Ledger()
        self.moments = 0
        self.cost_s: dict[str, float] = {}
        self._names: Mapping[int, str] = {}
        self._strips = Strips(self.ledger.person)
        self._rows = RowWriter(folder / 'sightings.csv')
        self._events: list[Event] = []
        try:
            self._event_file = (folder / 'events.jsonl').open('w', encoding='utf-8', newline='\n')
        except OSError as error:
            self._rows.close()
            raise OutputError(f'{folder}/events.jsonl: {error.strerror}') from error
        rates = {camera.name: camera.rate_hz for camera in cameras}
        self._videos = Videos(folder, rates, self._known) if video else None
        self._begun = self._last = time.perf_counter()
        self._flushed = self._begun

    def add(self, frames: Sequence[Frame], moment: Moment, names: Mapping[int, str]) -> None:
        """Record one step of the pipeline.

        Args:
            frames: of the step, in its order.
            moment: what it found.
            names: of the persons that have one.

        Raises:
            OutputError: something cannot be written.
        """
        self._names = names
        self.ledger.add(self.moments, moment.sightings, moment.events)
        try:
            self._write(frames, moment)
        except OSError as error:
            raise OutputError(f'{self.folder}: cannot be written: {error.strerror}') from error
        for name, seconds in moment.cost_s.items():
            self.cost_s[name] = self.cost_s.get(name, 0.0) + seconds
        self.moments += 1
        self._last = time.perf_counter()

    def _write(self, frames: Sequence[Frame], moment: Moment) -> None:
        for frame, found in zip(frames, moment.sightings):
            self.cameras[frame.camera].add(frame)
            self._rows.add(self.moments, found)
            self._strips.add(frame, self.moments, found)
            if self._videos is not None:
                self._videos.add(frame, self.moments, found)
        for event in moment.events:
            self._event_file.write(json.dumps(dataclasses.asdict(event)) + '\n')
        self._events += moment.events
        del self._events[:-MOST_EVENTS]
        now = time.perf_counter()
        if now - self._flushed > FLUSH_S:
            self._flushed = now
            self._rows.flush()
            self._event_file.flush()

    def close(
        self,
        names: Mapping[int, str],
        facts: Mapping[str, str] | None = None,
        stopped: str = '',
    ) -> Outcome:
        """Finish all files.

        Args:
            names: of the persons that have one.
            facts: what ran, shown on the page.
            stopped: why the run ended early, '' where it did not.

        Raises:
            OutputError: a file cannot be written; the others are finished all the same.
        """
        self._names = names
        self._rows.close()
        self._event_file.close()
        problem: OutputError | None = None
        if self._videos is not None:
            try:
                self._videos.close()
            except OutputError as error:
                problem = error
        outcome = self._collect(names)
        start = outcome.start_ns
        confirmed = [p for p in outcome.persons if p.confirmed]
        provisional = [p for p in outcome.persons if not p.confirmed]
        summary.write(
            self.folder / 'identities.json',
            {
                'complete': not stopped,
                'stopped': stopped,
                'start_ns': start,
                'persons': [summary.as_json(p, start) for p in confirmed],
                'provisional': [summary.as_json(p, start) for p in provisional],
                'undecided_tracks': outcome.undecided,
                'cameras': [
                    {
                        'camera': c.name, 'source': c.place, 'frames': c.frames,
                        'width': c.size[0], 'height': c.size[1], 'rate_hz': c.rate_hz,
                        'first_ns': c.first_ns, 'last_ns': c.last_ns, 'notes': c.notes,
                    }
                    for c in outcome.cameras
                ],
                'frames': outcome.frames,
                'wall_s': round(outcome.wall_s, 3),
                'frames_per_second': round(outcome.rate_hz, 2),
                'cost_s': {name: round(cost, 3) for name, cost in outcome.cost_s.items()},
                'ran': dict(facts or {}),
            },
        )  # fmt: skip
        page.write(
            self.folder / 'report.html', outcome, self._strips.of_persons(), self._events,
            facts or {}, stopped,
        )  # fmt: skip
        if problem is not None:
            raise problem
        return outcome

    def abandon(self) -> None:
        """Close the files after an error without finishing them; what is readable stays."""
        self._rows.close()
        self._event_file.close()
        if self._videos is not None:
            with suppress(OutputError):
                self._videos.close()

    def _collect(self, names: Mapping[int, str]) -> Outcome:
        found: dict[int, Identity] = {}
        rows = summary.collect(read_rows(self._rows.path), self.ledger, names, found)
        mot.write(
            self.folder,
            list(self.cameras),
            rows,
            lambda row: self.ledger.person(row.camera, row.track, row.moment),
        )
        persons = sorted(found.values(), key=lambda p: (not p.confirmed, p.first_ns, p.number))
        cameras = list(self.cameras.values())
        return Outcome(
            persons,
            self.ledger.undecided(),
            cameras,
            sum(c.frames for c in cameras),
            self._last - self._begun,
            dict(self.cost_s),
            min((c.first_ns for c in cameras if c.frames), default=0),
        )

    def _known(self, moment: int, found: Sightings) -> tuple[list[int], list[str]]:
        """Person and label of each row, with what is known by now; called by the video thread."""
        persons = [self.ledger.person(found.camera, t, moment) for t in found.tracks.tolist()]
        labels = [
            (self._names.get(p) or f'#{p}') + ('' if self.ledger.confirmed(p) else '?')
            if p
            else ''
            for p in persons
        ]
        return persons, labels
