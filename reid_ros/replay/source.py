"""What every source of frames has in common, and reading ahead of the one who uses them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Protocol

from reid_ros.types import Frame, ReidError

# Decoded frames that may wait for the pipeline, per camera: enough to keep it busy while a key
# frame is decoded, and no more than a few large pictures.
AHEAD_FRAMES = 8
AHEAD_BYTES = 24_000_000


class SourceError(ReidError):
    """A source that cannot be read at all."""


class Source(Protocol):
    """One camera's frames, in order.

    Attributes:
        camera: its name.
        place: the file, folder, topic or device, as shown to people.
        live: frames come when they come, and the newest counts.
        rate_hz: nominal frames per second, 0 where unknown.
        length: number of frames expected, 0 where unknown.
    """

    camera: str
    place: str
    live: bool
    rate_hz: float
    length: int

    @property
    def notes(self) -> list[str]:
        """What people should know about this source."""

    def frames(self) -> Iterator[Frame]:
        """The frames, once; releases the source when the iterator ends or is closed."""


class Ahead:
    """Reads a source in a thread of its own, a few frames ahead.

    A file waits for whoever takes its frames; of a live source the oldest frame gives way.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.dropped = 0
        self.ended = False
        self._frames: queue.Queue[Frame | BaseException | None] = queue.Queue()
        self._room = threading.Semaphore(AHEAD_FRAMES)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name=source.camera, daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> Frame | None:
        """The next frame; None after timeout_s without one, or at the end (then `ended`).

        Raises:
            Exception: what the source raised.
        """
        if self.ended:
            return None
        try:
            item = self._frames.get(timeout=timeout_s) if timeout_s else self._frames.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, Frame):
            self._room.release()
            return item
        self.ended = True
        if item is not None:
            raise item
        return None

    def close(self) -> None:
        """Stop reading; returns when the source is released, or after a few seconds."""
        self._stop.set()
        self._room.release()
        self._thread.join(timeout=5.0)

    def _read(self) -> None:
        frames = self.source.frames()
        try:
            first = True
            for frame in frames:
                if first:  # now the size is known: hold fewer of large pictures
                    first = False
                    spare = AHEAD_FRAMES - max(2, AHEAD_BYTES // max(1, frame.image.nbytes))
                    for _ in range(spare):
                        self._room.acquire(blocking=False)
                if not self._wait_for_room():
                    return
                self._frames.put(frame)
            self._frames.put(None)
        except BaseException as error:  # noqa: BLE001 -- raised again where the frames are taken
            self._frames.put(error)
        finally:
            close = getattr(frames, 'close', None)
            if close is not None:
                close()

    def _wait_for_room(self) -> bool:
        while not self._stop.is_set():
            if self._room.acquire(timeout=0.0 if self.source.live else 0.2):
                return not self._stop.is_set()
            if self.source.live:
                try:
                    self._frames.get_nowait()
                except queue.Empty:
                    continue
                self.dropped += 1
                return True
        return False
