"""A folder that a run wrote, read for scoring."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_ros.evaluate.motfile import read_mot
from reid_ros.evaluate.truth import CameraTruth
from reid_ros.evaluate.values import Answers, Boxes, EvaluateError, People
from reid_ros.types import BoolArray, DoubleArray, IntArray

SIGHTINGS = 'sightings.csv'
_NEEDED = (
    'camera', 'index', 'stamp_ns', 'track', 'person', 'confirmed', 'predicted', 'x0', 'y0', 'x1',
    'y1',
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CameraClock:
    """The images of a camera that a run looked at.

    Attributes:
        first_ns, last_ns: stamps of the first and the last one.
        index, stamp_ns: (k,) int64, of the images in which anybody was seen; ascending.
        period_ns: usual time from one image to the next.
    """

    first_ns: int
    last_ns: int
    index: IntArray
    stamp_ns: IntArray
    period_ns: float

    def stamps(self, index: IntArray) -> IntArray:
        """(n,) stamp of images by their number from 0; between known ones by rule of three."""
        if not len(self.index):
            return self.first_ns + np.round(index * self.period_ns).astype(np.int64)
        # Relative to the first: stamps of today have more digits than float64.
        zero = self.stamp_ns[0]
        known = (self.stamp_ns - zero).astype(np.float64)
        at = np.interp(index, self.index, known)
        at += np.minimum(index - self.index[0], 0) * self.period_ns
        at += np.maximum(index - self.index[-1], 0) * self.period_ns
        result: IntArray = zero + np.round(at).astype(np.int64)
        return result


@dataclass(frozen=True, slots=True)
class Run:
    """What a run left behind.

    Attributes:
        folder: where.
        cameras: names; other columns have their numbers in this order.
        complete: False where the run was stopped early.
        start_ns: stamp of the first image of all.
        clocks: of each camera.
        answers: every seen row as it was published; frame is the image's number from 1.
        hindsight: what `<camera>.txt` says, with identities applied back to the start of their
            tracks; None where a file is missing.
        merges: (stamp_ns, number given up, number kept), oldest first.
    """

    folder: Path
    cameras: tuple[str, ...]
    complete: bool
    start_ns: int
    clocks: tuple[CameraClock, ...]
    answers: Answers
    hindsight: Boxes | None
    merges: tuple[tuple[int, int, int], ...]

    def judged(self, truth: Mapping[str, CameraTruth]) -> BoolArray:
        """(cameras,) bool, whether a camera has truth."""
        return np.array([camera in truth for camera in self.cameras], np.bool_)

    def people(self, truth: Mapping[str, CameraTruth]) -> People:
        """The truth of the images that the run looked at; frames are numbers from 1.

        Rows that are ignored whatever is visible have visible -1.

        Raises:
            EvaluateError: truth goes by stamps, and no image has one of them.
        """
        parts = [
            self._of_camera(number, truth[camera])
            for number, camera in enumerate(self.cameras)
            if camera in truth
        ]
        if not parts:
            return _people([], [], [], [], [], [])
        return _people(*(list(column) for column in zip(*parts)))

    def _of_camera(self, camera: int, truth: CameraTruth) -> tuple[Any, ...]:
        clock = self.clocks[camera]
        if truth.by_stamp:
            stamp = truth.image
            frame = self._frames(camera, truth)
        else:
            frame = truth.image
            stamp = clock.stamps(frame - 1)
        kept = (stamp >= clock.first_ns) & (stamp <= clock.last_ns)
        if self.complete and not truth.by_stamp:
            kept = np.ones(len(stamp), np.bool_)  # interpolated stamps are no reason to drop rows
        visible = np.where(truth.ignored, -1.0, truth.visible)
        return (
            np.full(int(kept.sum()), camera), frame[kept], truth.persons[kept],
            truth.boxes[kept], stamp[kept], visible[kept],
        )  # fmt: skip

    def _frames(self, camera: int, truth: CameraTruth) -> IntArray:
        """Frame numbers of truth that goes by stamps.

        An image in which nobody was seen has left no number: it gets a negative one of its own.
        """
        clock = self.clocks[camera]
        if len(clock.stamp_ns) and len(truth.images):
            shared = np.isin(clock.stamp_ns, truth.images)
            if not shared.any():
                raise EvaluateError(
                    f'{self.folder}: no image of {self.cameras[camera]} has a stamp of the truth '
                    f'({clock.stamp_ns[0]} ns and later, truth {truth.images[0]} ns and later): '
                    'is it the truth of another recording?'
                )
        own = -1 - np.searchsorted(truth.images, truth.image)
        if not len(clock.stamp_ns):
            return own
        at = np.minimum(np.searchsorted(clock.stamp_ns, truth.image), len(clock.stamp_ns) - 1)
        known = clock.stamp_ns[at] == truth.image
        result: IntArray = np.where(known, clock.index[at] + 1, own)
        return result


def _people(
    camera: list[Any], frame: list[Any], ids: list[Any], boxes: list[Any], stamp: list[Any],
    visible: list[Any],
) -> People:  # fmt: skip
    none = np.empty(0, np.int64)
    return People(
        np.concatenate([none, *camera]), np.concatenate([none, *frame]),
        np.concatenate([none, *ids]), np.concatenate([np.empty((0, 4)), *boxes]),
        np.concatenate([none, *stamp]), np.concatenate([np.empty(0), *visible]),
    )  # fmt: skip


def read_run(folder: str | Path) -> Run:
    """The folder that `run`, `replay` or the node's recorder wrote.

    Raises:
        EvaluateError: it is none; names the file and what is wrong with it.
    """
    place = Path(folder)
    about = _about(place)
    cameras = tuple(str(c['camera']) for c in about['cameras'])
    answers, seen = _answers(place / SIGHTINGS, cameras)
    files = [place / f'{camera}.txt' for camera in cameras]
    hindsight = None
    if cameras and all(file.is_file() for file in files):
        parts = [read_mot(file).boxes(number) for number, file in enumerate(files)]
        hindsight = Boxes(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ('camera', 'frame', 'ids', 'boxes')
            )
        )
    clocks = tuple(_clock(number, c, answers, seen) for number, c in enumerate(about['cameras']))
    return Run(
        place, cameras, bool(about['complete']), int(about['start_ns']), clocks,
        answers.take(seen), hindsight, _merges(place / 'events.jsonl'),
    )  # fmt: skip


def _about(place: Path) -> dict[str, Any]:
    file = place / 'identities.json'
    try:
        about = json.loads(file.read_text(encoding='utf-8'))
        for key in ('complete', 'start_ns', 'cameras'):
            about[key]
        for camera in about['cameras']:
            for key in ('camera', 'first_ns', 'last_ns', 'frames'):
                camera[key]
    except OSError as error:
        raise EvaluateError(
            f'{place}: no finished run: {file.name} cannot be read ({error.strerror}); give a '
            "folder that 'reid_ros run' or 'reid_ros replay' wrote"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluateError(f'{file}: not as a run writes it: {error!r}') from error
    result: dict[str, Any] = about
    return result


def _answers(file: Path, cameras: tuple[str, ...]) -> tuple[Answers, BoolArray]:
    """All rows, and which of them were seen and not predicted."""
    columns: list[list[str]]
    try:
        with file.open(encoding='utf-8', newline='') as text:
            lines = csv.reader(text)
            head = next(lines, [])
            missing = [name for name in _NEEDED if name not in head]
            if missing:
                raise EvaluateError(f'{file}: no column {", ".join(missing)}')
            at = [head.index(name) for name in _NEEDED]
            # The last line of a run that was killed may be cut off.
            columns = [[row[k] for k in at] for row in lines if len(row) == len(head)]
    except OSError as error:
        raise EvaluateError(f'{file}: cannot be read: {error.strerror}') from error
    number = {camera: k for k, camera in enumerate(cameras)}
    try:
        camera = np.array([number[row[0]] for row in columns], np.int64)
        whole = np.array([[int(v) for v in row[1:7]] for row in columns], np.int64).reshape(-1, 6)
        boxes: DoubleArray = np.array([row[7:] for row in columns], np.float64).reshape(-1, 4)
    except (KeyError, ValueError) as error:
        raise EvaluateError(f'{file}: not as a run writes it: {error}') from error
    index, stamp, track, person, confirmed, predicted = whole.T
    rows = Answers(camera, index + 1, boxes, stamp, track, person, confirmed == 1)
    return rows, predicted == 0


def _clock(
    camera: int, about: Mapping[str, Any], answers: Answers, seen: BoolArray
) -> CameraClock:
    own = answers.camera == camera
    index, first = np.unique(answers.frame[own] - 1, return_index=True)
    frames, begin, end = int(about['frames']), int(about['first_ns']), int(about['last_ns'])
    period = (end - begin) / (frames - 1) if frames > 1 else 1e9 / (about.get('rate_hz') or 30.0)
    return CameraClock(begin, end, index, answers.stamp_ns[own][first], period)


def _merges(file: Path) -> tuple[tuple[int, int, int], ...]:
    if not file.is_file():
        return ()
    found = []
    for number, line in enumerate(file.read_text(encoding='utf-8').splitlines(), 1):
        try:
            event = json.loads(line)
            if event['kind'] == 'merged' and event['previous']:
                found.append((event['stamp_ns'], event['previous'], event['person']))
        except (ValueError, KeyError, TypeError) as error:
            raise EvaluateError(f'{file}:{number}: no event: {line[:60]!r}') from error
    return tuple(sorted(found))
