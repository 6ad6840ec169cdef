"""Frames of several cameras -> moments, by stamp alone.

The same frames make the same moments in whichever order the cameras' frames arrive, so a bag read
from disk and the same bag played to the node (with `process_all`) take the same steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, Literal, Protocol, TypeVar

# Cameras triggered together differ by a few milliseconds; two frames of one camera lie 33 ms apart
# at 30 Hz and 16.7 ms at 60 Hz. 15 ms joins the first and never spans the second.
WINDOW_NS = 15_000_000
# A step back in time that is no jitter: the clock was set, or the bag began again.
JUMP_NS = 1_000_000_000
# Stamps of images that wait for one another differ by less, however slow a camera or a network is.
LEAP_NS = 10_000_000_000

Verdict = Literal['next', 'late', 'back']


class Stamped(Protocol):
    """What can be put into a moment: a Frame, or a message that still has to be decoded."""

    @property
    def camera(self) -> str:
        """Name of the camera."""

    @property
    def stamp_ns(self) -> int:
        """Acquisition time, nanoseconds."""


T = TypeVar('T', bound=Stamped)


class Order:
    """Judges the stamps of one camera, one after the other.

    A frame judged `late` is not used; before one judged `back` the tracks of the camera are reset.
    """

    def __init__(self) -> None:
        self.last_ns: int | None = None

    def judge(self, stamp_ns: int) -> Verdict:
        """next: later than all before; late: not later; back: more than a second earlier."""
        last = self.last_ns
        if last is not None and last - JUMP_NS <= stamp_ns <= last:
            return 'late'
        self.last_ns = stamp_ns
        return 'next' if last is None or stamp_ns > last else 'back'


class _Camera(Generic[T]):
    def __init__(self) -> None:
        self.queue: deque[T] = deque()
        self.open = True
        self.shift_ns = 0  # from the camera's stamps to the common time
        self.last_ns: int | None = None  # stamp of the last frame that entered a moment
        self.head_ns: int | None = None  # common time of queue[0], once it is known
        self.leapt = False  # the next frame goes on as after a jump


class Moments(Generic[T]):
    """Groups frames into moments of at most one frame per camera.

    The next moment starts at the earliest waiting frame of all cameras and takes each camera's
    earliest waiting frame that is less than `window_ns` later. It is final, and given out, when
    every open camera is in it or has a later frame waiting; so each camera's frames must come in
    order, and a camera that has nothing to say must be closed.

    A camera whose stamps jump back by more than a second goes on a second after everything that
    was seen before, and further cameras that jump back at that time stay in step with it: neither
    a bag that begins again nor a camera whose clock was set holds up the others.

    Args:
        cameras: names; the order of the frames within a moment.
        window_ns: length of a moment.
    """

    def __init__(self, cameras: Sequence[str], window_ns: int = WINDOW_NS) -> None:
        if window_ns < 1:
            raise ValueError(f'a window of {window_ns} ns holds no frame')
        self._cameras: dict[str, _Camera[T]] = {name: _Camera() for name in cameras}
        self._window_ns = window_ns
        self._now_ns: int | None = None  # latest common time given out

    def push(self, frame: T) -> None:
        """Add a frame behind those of its camera; raises KeyError for an unknown camera."""
        self._cameras[frame.camera].queue.append(frame)

    def close(self, camera: str) -> None:
        """Wait no longer for the camera; what it has waiting is still given out."""
        self._cameras[camera].open = False

    def reopen(self, camera: str) -> None:
        """Wait for the camera again."""
        self._cameras[camera].open = True

    def waiting(self, camera: str) -> int:
        """Number of the camera's frames that are in no moment yet."""
        return len(self._cameras[camera].queue)

    def restart(self, camera: str) -> list[T]:
        """Give up what waits for a time that never comes; the next frame goes on as after a jump.

        So it is where the camera's clock has leapt ahead, or where that of the others is not set.

        Returns:
            The frames that are given up, none where the first is not LEAP_NS ahead of all moments.
        """
        own = self._cameras[camera]
        if not own.queue or self._now_ns is None:
            return []
        if own.queue[0].stamp_ns + own.shift_ns - self._now_ns <= LEAP_NS:
            return []
        lost = list(own.queue)
        own.queue.clear()
        own.head_ns, own.leapt = None, True
        return lost

    def ready(self) -> Iterator[list[T]]:
        """The moments that are final, oldest first; their frames wait no longer."""
        while True:
            cameras = [camera for camera in self._cameras.values() if camera.queue]
            if not cameras or any(c.open and not c.queue for c in self._cameras.values()):
                return
            times = self._times(cameras)
            start = min(times)
            end = start + self._window_ns
            taken = [c for c, time in zip(cameras, times) if time < end]
            self._now_ns = max(
                time for time in (self._now_ns, *(t for t in times if t < end)) if time is not None
            )
            yield [self._take(camera) for camera in taken]

    def _times(self, cameras: list[_Camera[T]]) -> list[int]:
        """Common time of the first waiting frame of each camera.

        Decided here and not on arrival: at this point what is known does not depend on the order
        in which the cameras' frames came.
        """
        jumped = []
        for camera in cameras:
            stamp = camera.queue[0].stamp_ns
            if camera.head_ns is None:
                back = camera.last_ns is not None and stamp < camera.last_ns - JUMP_NS
                if back or camera.leapt:
                    jumped.append(camera)
                else:
                    camera.head_ns = stamp + camera.shift_ns
        for camera in jumped:
            camera.shift_ns, camera.leapt = self._shift(camera), False
            camera.head_ns = camera.queue[0].stamp_ns + camera.shift_ns
        return [camera.head_ns for camera in cameras if camera.head_ns is not None]

    def _shift(self, jumped: _Camera[T]) -> int:
        """The shift of a camera that jumped: one in use that brings it up to now, or new."""
        stamp = jumped.queue[0].stamp_ns
        now = self._now_ns if self._now_ns is not None else stamp
        used = {c.shift_ns for c in self._cameras.values() if c is not jumped}
        fitting = [shift for shift in used if now < stamp + shift <= now + 2 * JUMP_NS]
        return min(fitting, default=now + JUMP_NS - stamp)

    def _take(self, camera: _Camera[T]) -> T:
        frame = camera.queue.popleft()
        camera.last_ns = frame.stamp_ns
        camera.head_ns = None
        return frame
