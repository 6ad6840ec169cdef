"""Where images wait for the worker: the newest of each camera, or all of them in moments."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reid_ros.budget import Budget, Waiting
from reid_ros.moments import WINDOW_NS, Moments
from reid_ros.types import Detections

AGAIN_S = 0.05
"""Seconds after which images that came too late are looked at again."""


@dataclass(frozen=True)
class Arrival:
    """One image message as it came, not decoded.

    Attributes:
        camera: name of the camera.
        stamp_ns: of the message's header.
        message: sensor_msgs/Image or CompressedImage.
        reset: the camera's tracks must be forgotten before this image.
        detections: people found by somebody else.
        due_s: when its result is due, on the clock of the budget.
    """

    camera: str
    stamp_ns: int
    message: Any
    reset: bool = False
    detections: Detections | None = None
    due_s: float = math.inf


class Intake(Protocol):
    """Filled by the executor's thread, emptied by the worker's."""

    def put(self, arrival: Arrival) -> None:
        """Add an image."""

    def take(self, timeout_s: float) -> list[Arrival]:
        """The next images to process together; empty after the timeout or `wake`."""

    def silent(self, camera: str) -> None:
        """The camera has sent nothing for a while: nobody waits for it."""

    def waiting(self, camera: str) -> int:
        """Number of the camera's images that wait."""

    def wake(self) -> None:
        """Make `take` return."""


class Newest:
    """Keeps each camera's newest image; what it replaces is dropped by policy.

    Args:
        dropped: called with the camera of every image that is dropped.
        budget: says which of the waiting images are taken, and which come too late; None: all.
        age_s: seconds since the stamp of an image that comes in.
    """

    def __init__(
        self,
        dropped: Callable[[str], None],
        budget: Budget | None = None,
        age_s: Callable[[Arrival], float] = lambda arrival: 0.0,
    ) -> None:
        self._slots: dict[str, tuple[Arrival, Waiting | None]] = {}
        self._changed = threading.Condition()
        self._dropped, self._budget, self._age_s = dropped, budget, age_s

    def put(self, arrival: Arrival) -> None:
        """Replace what waits in the camera's slot, but not that its tracks must be forgotten."""
        camera, waiting = arrival.camera, None
        with self._changed:
            if self._budget is not None:
                waiting = self._budget.offered(camera, self._age_s(arrival))
                arrival = dataclasses.replace(arrival, due_s=waiting.due_s)
            old = self._slots.pop(camera, None)
            if old is not None:
                if self._budget is not None:
                    self._budget.dropped(camera)
                if old[0].reset:
                    arrival = dataclasses.replace(arrival, reset=True)
            self._slots[camera] = arrival, waiting
            self._changed.notify()
        if old is not None:
            self._dropped(camera)

    def take(self, timeout_s: float) -> list[Arrival]:
        """The waiting images that are used now, earliest stamp first."""
        with self._changed:
            if not self._slots:
                self._changed.wait(timeout_s)
            taken = list(self._slots)
            if self._budget is not None:
                waiting = [one for _, one in self._slots.values() if one is not None]
                taken = self._budget.choose(waiting)
            if self._slots and not taken:
                self._changed.wait(min(timeout_s, AGAIN_S))  # for newer ones
            result = [self._slots.pop(camera)[0] for camera in taken]
        return sorted(result, key=lambda arrival: arrival.stamp_ns)

    def silent(self, camera: str) -> None:
        """Nobody waits for anybody here."""

    def waiting(self, camera: str) -> int:
        """0 or 1."""
        return int(camera in self._slots)

    def wake(self) -> None:
        """Make `take` return."""
        with self._changed:
            self._changed.notify_all()


class Everything:
    """Gives out every image, in moments that depend on the stamps alone.

    Args:
        cameras: names.
        limit: most images of a camera that wait; a further one is dropped, and `dropped` called
            with its camera.
        dropped: called with the camera of every image that is dropped.
        leapt: called with a camera whose stamps are far ahead of the others', and how many of its
            images were dropped for that.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        limit: int,
        dropped: Callable[[str], None],
        leapt: Callable[[str, int], None] = lambda camera, images: None,
    ) -> None:
        self._moments: Moments[Arrival] = Moments(cameras)
        self._ready: deque[list[Arrival]] = deque()
        self._waiting = dict.fromkeys(cameras, 0)
        self._reset: set[str] = set()
        self._silent: set[str] = set()
        self._limit = limit
        self._changed = threading.Condition()
        self._dropped, self._leapt = dropped, leapt

    def put(self, arrival: Arrival) -> None:
        """Add an image behind those of its camera."""
        camera = arrival.camera
        lost: list[Arrival] = []
        with self._changed:
            if self._waiting[camera] >= self._limit:
                lost = self._moments.restart(camera)
                self._waiting[camera] -= len(lost)
                if any(one.reset for one in lost):
                    self._reset.add(camera)
            if self._waiting[camera] >= self._limit:
                if arrival.reset:
                    self._reset.add(camera)
                full = True
            else:
                full = False
                if camera in self._reset:
                    self._reset.discard(camera)
                    arrival = dataclasses.replace(arrival, reset=True)
                if camera in self._silent:
                    self._silent.discard(camera)
                    self._moments.reopen(camera)
                self._waiting[camera] += 1
                self._moments.push(arrival)
                self._collect()
        if lost:
            self._leapt(camera, len(lost))
        if full:
            self._dropped(camera)

    def take(self, timeout_s: float) -> list[Arrival]:
        """The next moment."""
        with self._changed:
            if not self._ready:
                self._changed.wait(timeout_s)
            if not self._ready:
                return []
            moment = self._ready.popleft()
            for arrival in moment:
                self._waiting[arrival.camera] -= 1
            return moment

    def silent(self, camera: str) -> None:
        """Go on without the camera until its next image."""
        with self._changed:
            if camera not in self._silent:
                self._silent.add(camera)
                self._moments.close(camera)
                self._collect()

    def waiting(self, camera: str) -> int:
        """Number of the camera's images that are not taken yet."""
        return self._waiting[camera]

    def wake(self) -> None:
        """Make `take` return."""
        with self._changed:
            self._changed.notify_all()

    def _collect(self) -> None:
        self._ready.extend(self._moments.ready())
        if self._ready:
            self._changed.notify()


class InTurn:
    """Gives out everything, without waiting for anybody: the earliest that is here.

    Args:
        cameras: names.
        limit: most arrivals of a camera that wait; the oldest gives way to a further one, and
            `dropped` is called with its camera.
        dropped: called with the camera of everything that is dropped.
    """

    def __init__(self, cameras: Sequence[str], limit: int, dropped: Callable[[str], None]) -> None:
        self._queues: dict[str, deque[Arrival]] = {name: deque() for name in cameras}
        self._limit = limit
        self._changed = threading.Condition()
        self._dropped = dropped

    def put(self, arrival: Arrival) -> None:
        """Add an arrival behind those of its camera."""
        with self._changed:
            queue = self._queues[arrival.camera]
            full = len(queue) >= self._limit
            if full:
                queue.popleft()
            queue.append(arrival)
            self._changed.notify()
        if full:
            self._dropped(arrival.camera)

    def take(self, timeout_s: float) -> list[Arrival]:
        """The earliest arrival, and those of other cameras that belong to its moment."""
        with self._changed:
            if not any(self._queues.values()):
                self._changed.wait(timeout_s)
            waiting = [queue for queue in self._queues.values() if queue]
            if not waiting:
                return []
            end = min(queue[0].stamp_ns for queue in waiting) + WINDOW_NS
            return [queue.popleft() for queue in waiting if queue[0].stamp_ns < end]

    def silent(self, camera: str) -> None:
        """Nobody waits for anybody here."""

    def waiting(self, camera: str) -> int:
        """Number of the camera's arrivals that are not taken yet."""
        return len(self._queues[camera])

    def wake(self) -> None:
        """Make `take` return."""
        with self._changed:
            self._changed.notify_all()


class Join:
    """Brings an image and the detections of the same stamp together.

    Detectors answer in order: once one has answered, what is older waits in vain.

    Args:
        limit: most images, and most detections, that wait.
        unmatched: called with the number of images that were given up.
    """

    def __init__(self, limit: int, unmatched: Callable[[int], None]) -> None:
        self._images: OrderedDict[int, Arrival] = OrderedDict()
        self._found: OrderedDict[int, Detections] = OrderedDict()
        self._limit = limit
        self._unmatched = unmatched

    def image(self, arrival: Arrival) -> Arrival | None:
        """The image with its detections, where they are here already."""
        if arrival.reset:
            self._images.clear()
        found = self._found.pop(arrival.stamp_ns, None)
        if found is not None:
            return self._joined(arrival, found)
        self._images[arrival.stamp_ns] = arrival
        if len(self._images) > self._limit:
            self._images.popitem(last=False)
            self._unmatched(1)
        return None

    def detections(self, stamp_ns: int, found: Detections) -> Arrival | None:
        """The image of these detections, where it is here already."""
        arrival = self._images.pop(stamp_ns, None)
        if arrival is not None:
            return self._joined(arrival, found)
        self._found[stamp_ns] = found
        if len(self._found) > self._limit:
            self._found.popitem(last=False)
        return None

    def _joined(self, arrival: Arrival, found: Detections) -> Arrival:
        older = [stamp for stamp in self._images if stamp < arrival.stamp_ns]
        reset = arrival.reset
        for stamp in older:
            reset |= self._images.pop(stamp).reset
        for stamp in [stamp for stamp in self._found if stamp < arrival.stamp_ns]:
            del self._found[stamp]
        if older:
            self._unmatched(len(older))
        return dataclasses.replace(arrival, detections=found, reset=reset)
