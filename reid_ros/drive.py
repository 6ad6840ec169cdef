"""Sources -> moments -> pipeline -> recorder: one run, for videos, bags and webcams alike.

A room above `replay` and `report`, which know nothing of each other; it sees the pipeline by its
public methods only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

from reid_ros.moments import Moments, Order
from reid_ros.progress import Progress
from reid_ros.replay.source import Ahead, Source
from reid_ros.report.recorder import CameraRecord
from reid_ros.types import Frame, Moment, ReidError

SILENT_S = 1.0  # a webcam that sends nothing for so long is not waited for
_POLL_S = 0.1


class Stepper(Protocol):
    """The part of a pipeline that a run needs."""

    def step(self, frames: Sequence[Frame]) -> Moment:
        """The people in the frames of one moment."""

    def reset_camera(self, camera: str) -> None:
        """Forget the tracks of a camera whose clock jumped back."""

    def names(self) -> Mapping[int, str]:
        """Names of the persons that have one."""


def records(sources: Sequence[Source]) -> list[CameraRecord]:
    """The cameras of a run, for a `Recorder`."""
    return [CameraRecord(s.camera, s.place, s.rate_hz) for s in sources]


class Sink(Protocol):
    """The part of a recorder that a run needs."""

    @property
    def cameras(self) -> Mapping[str, CameraRecord]:
        """What is noted of each camera."""

    def add(self, frames: Sequence[Frame], moment: Moment, names: Mapping[int, str]) -> None:
        """Take in one moment."""


class Drive:
    """One run over some sources.

    Frames are pulled camera by camera, so that however far apart the clocks of the cameras are,
    only a few frames of each are in memory.

    Args:
        pipeline: steps the moments.
        sources: one per camera, names differ.
        recorder: made with `records(sources)`.
        stop: asked after every moment; the run ends where it is true.
        progress: told how many frames are done.
    """

    def __init__(
        self,
        pipeline: Stepper,
        sources: Sequence[Source],
        recorder: Sink,
        stop: Callable[[], bool] = lambda: False,
        progress: Progress | None = None,
    ) -> None:
        self._pipeline, self._recorder, self._stop = pipeline, recorder, stop
        self._progress = progress or Progress(None)
        self._sources = {source.camera: source for source in sources}
        self._moments: Moments[Frame] = Moments(list(self._sources))
        self._orders = {camera: Order() for camera in self._sources}
        self._late = dict.fromkeys(self._sources, 0)
        self._back: set[tuple[str, int]] = set()
        self._silent: set[str] = set()
        self._readers: dict[str, Ahead] = {}

    def run(self) -> None:
        """Process everything, or until `stop`.

        Raises:
            ReidError: the pipeline or the recorder cannot go on.
        """
        with ExitStack() as stack:
            for camera, source in self._sources.items():
                self._readers[camera] = Ahead(source)
                stack.callback(self._readers[camera].close)
            try:
                while not self._stop() and self._pull():
                    for frames in self._moments.ready():
                        self._step(frames)
                        if self._stop():
                            break
            finally:
                self._note()

    def _step(self, frames: list[Frame]) -> None:
        for frame in frames:
            if (frame.camera, frame.index) in self._back:
                self._pipeline.reset_camera(frame.camera)
        moment = self._pipeline.step(frames)
        self._recorder.add(frames, moment, self._pipeline.names())
        self._progress.add(len(frames))

    def _pull(self) -> bool:
        """One frame of every camera that has none waiting; False when all have ended."""
        came, going = False, False
        for camera, reader in self._readers.items():
            if reader.ended:
                going = going or self._moments.waiting(camera) > 0
                continue
            going = True
            if self._moments.waiting(camera):
                continue
            came = self._next(camera, reader) or came
        if going and not came and self._silent:
            time.sleep(0.005)
        return going

    def _next(self, camera: str, reader: Ahead) -> bool:
        """Push the camera's next usable frame, or close it; False where a live one is silent."""
        waited = 0.0
        while not self._stop():
            try:
                frame = reader.take(0.0 if camera in self._silent else _POLL_S)
            except ReidError as error:  # one broken camera must not end the others
                self._recorder.cameras[camera].notes.append(f'gave up: {error}')
                frame = None
            if reader.ended:
                self._moments.close(camera)
                return True
            if frame is not None:
                if self._usable(frame):
                    if camera in self._silent:
                        self._silent.discard(camera)
                        self._moments.reopen(camera)
                    self._moments.push(frame)
                    return True
                continue
            if camera in self._silent:
                return False
            waited += _POLL_S
            if reader.source.live and waited >= SILENT_S:
                self._silent.add(camera)
                self._moments.close(camera)
                return True
        return False

    def _usable(self, frame: Frame) -> bool:
        verdict = self._orders[frame.camera].judge(frame.stamp_ns)
        if verdict == 'late':
            self._late[frame.camera] += 1
        elif verdict == 'back':
            self._back.add((frame.camera, frame.index))
        return verdict != 'late'

    def _note(self) -> None:
        """What the run learnt about its sources."""
        for camera, source in self._sources.items():
            notes = self._recorder.cameras[camera].notes
            notes += [note for note in source.notes if note not in notes]
            if self._late[camera]:
                notes.append(
                    f'{self._late[camera]} frames were not later than the one before and were '
                    'left out'
                )
            back = sum(name == camera for name, _ in self._back)
            if back:
                notes.append(
                    f'its clock jumped back {back} times: its tracks began anew there'
                    if back > 1
                    else 'its clock jumped back: its tracks began anew there'
                )
            dropped = self._readers[camera].dropped if camera in self._readers else 0
            if dropped:
                notes.append(f'{dropped} frames were dropped for newer ones')
