"""What a bag holds beside a camera's images: where its robot was, and people found by others."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from reid_ros.config import CameraConfig, Config
from reid_ros.lens import Lens, Pose, View, seen
from reid_ros.moments import JUMP_NS
from reid_ros.odometry import Motion, Odometry
from reid_ros.replay.bags import Bag
from reid_ros.replay.clouds import TableError, cloud_to_table, table_detections
from reid_ros.replay.encodings import EncodingError
from reid_ros.replay.messages import INFO, ODOMETRY, TABLE, stamped
from reid_ros.replay.salvage import Raw
from reid_ros.replay.source import SourceError
from reid_ros.types import Detections, DoubleArray, Frame

LATER_NS = 1_000_000_000
"""What was recorded longer after an image than this is not for it any more."""
_INFOS = 100  # messages that are looked at for one with a lens


class Beside:
    """What goes with the images of one camera, as its settings want it.

    The camera's block of settings is the one of its name, or the one with its topic as
    `image_topic`.

    Raises:
        SourceError: people are to come from a table that is not in the bag, and there is no
            detector.
    """

    def __init__(self, bag: Bag, topic: str, camera: str, config: Config) -> None:
        plain = topic[: -len('/compressed')] if topic.endswith('/compressed') else topic
        same = (b for b in config.cameras.values() if b.image_topic in (plain, topic))
        block = config.cameras.get(camera) or next(same, CameraConfig())
        self.problems: list[str] = []
        self._alone = 0
        self._found: _Found | None = None
        self._ride: _Ride | None = None
        if block.detections == 'table':
            self._find(bag, f'/{camera}/detections_table', config.model.detector)
        self._stand: tuple[Any, tuple[float, ...]] | None = None
        if block.mount:
            self._mount(bag, plain, camera, block, config)
        elif block.pose:
            info = _info(bag, plain, camera, block.camera_info_topic)
            self._stand = info and (info, block.pose)

    def _view(self, frame: Frame) -> View | None:
        if self._ride is not None:
            return self._ride.view(frame)
        if self._stand is None:
            return None
        return seen(*self._stand, *frame.image.shape[:2])

    def complete(self, frame: Frame, received_ns: int) -> Frame | None:
        """The frame with what goes with it; None where nobody said who is in it.

        Args:
            frame: in the order of the topic.
            received_ns: when it was recorded.
        """
        people, ego = frame.detections, None
        if self._found is not None:
            people = self._found.at(frame.stamp_ns, received_ns)
            if people is None:
                self._alone += 1
                return None
        if self._ride is not None:
            ego = self._ride.ego(frame, received_ns)
        return dataclasses.replace(frame, detections=people, ego=ego, view=self._view(frame))

    def notes(self) -> list[str]:
        """What was amiss, once all frames are complete."""
        result = []
        if self._alone:
            result.append(
                f'{self._alone} images have no people of their stamp in detections_table and were '
                'left out'
            )
        if self._found is not None and self._found.bad:
            result.append(f'{self._found.bad} messages of detections_table are no such table')
        if self._ride is not None and self._ride.missed:
            result.append(
                f'{self._ride.missed} images have no odometry near their stamp: tracked as if the '
                'camera stood still'
            )
        return result

    def _find(self, bag: Bag, tables: str, detector: str) -> None:
        if bag.types.get(tables) == TABLE:
            self._found = _Found(bag, tables)
            return
        missing = f'{bag.path}: no topic {tables} ({TABLE}) in the bag'
        if detector == 'none':
            raise SourceError(f'{missing}: record it, or set model.detector')
        self.problems.append(f'{missing}: {detector} finds the people')

    def _mount(
        self, bag: Bag, topic: str, camera: str, block: CameraConfig, config: Config
    ) -> None:
        info = _info(bag, topic, camera, block.camera_info_topic)
        odom = '/' + (config.odom_topic or 'odom').lstrip('/')
        if bag.types.get(odom) != ODOMETRY:
            held = ', '.join(t for t, kind in sorted(bag.types.items()) if kind == ODOMETRY)
            lacking = f'odometry on {odom}' + (f' (but on {held}: set odom_topic)' if held else '')
        elif info is None:
            lacking = 'usable camera_info for it (set camera_info_topic)'
        else:
            self._ride = _Ride(Along(bag, odom), info, block.mount, config.target_frame)
            return
        self.problems.append(f'has a mount, but the bag has no {lacking}: tracked without')


class Along:
    """The messages of one topic, read along with the images of another."""

    def __init__(self, bag: Bag, topic: str) -> None:
        self._messages = bag.messages(topic)
        self._begun = False
        self._next: Raw | None = None

    def until(self, received_ns: int) -> Iterator[tuple[Any, int]]:
        """Messages and stamps that were recorded until then; what is not taken waits."""
        if not self._begun:
            self._begun, self._next = True, next(self._messages, None)
        while self._next is not None and self._next.stamp_ns <= received_ns:
            raw, self._next = self._next, next(self._messages, None)
            try:
                found = stamped(raw)
            except EncodingError:
                continue
            yield found


class _Ride:
    """Homographies for the images of a camera on a robot's base, and whence it sees the floor.

    Attributes:
        missed: images for which there was none although one came before.
    """

    def __init__(
        self, poses: Along, info: Any, mount: tuple[float, ...], target_frame: str
    ) -> None:
        self.missed = 0
        self._poses, self._info, self._target_frame = poses, info, target_frame
        self._mount, self._frame = Pose.of(mount), ''
        self._odometry = Odometry()
        self._motion = Motion(self._odometry, self._mount)

    def ego(self, frame: Frame, received_ns: int) -> DoubleArray | None:
        """See `odometry.Motion`."""
        stamp = frame.stamp_ns
        if not self._covers(stamp):
            for message, _ in self._poses.until(received_ns + LATER_NS):
                self._odometry.hear(message)
                self._frame = message.header.frame_id
                if self._covers(stamp):
                    break
        lens = Lens.of(self._info, *frame.image.shape[:2])
        result = self._motion.step(stamp, lens)
        self.missed += bool(self._motion.lacking)
        return result

    def view(self, frame: Frame) -> View | None:
        """Of an image after `ego`; None where odometry drifts in a frame of its own."""
        base = self._odometry.at(frame.stamp_ns)
        if base is None or self._frame.lstrip('/') != self._target_frame:
            return None
        return seen(self._info, (base @ self._mount).numbers(), *frame.image.shape[:2])

    def _covers(self, stamp_ns: int) -> bool:
        newest = self._odometry.newest_ns
        return newest is not None and stamp_ns <= newest <= stamp_ns + JUMP_NS


def _info(bag: Bag, topic: str, camera: str, told: str) -> Any:
    """The first sensor_msgs/CameraInfo of a camera that says something, or None."""
    beside = f'{topic.rsplit("/", 1)[0]}/camera_info'
    for place in [told] if told else [beside, f'{camera}/camera_info']:
        name = '/' + place.lstrip('/')
        if bag.types.get(name) != INFO:
            continue
        for _, raw in zip(range(_INFOS), bag.messages(name)):
            try:
                message, _ = stamped(raw)
            except EncodingError:
                continue
            if Lens.of(message, message.height, message.width) is not None:
                return message
    return None


class _Found:
    """People found by somebody else.

    Attributes:
        bad: messages that were no table of people.
    """

    def __init__(self, bag: Bag, topic: str) -> None:
        self.bad = 0
        self._tables = Along(bag, topic)
        self._waiting: tuple[int, Detections] | None = None

    def at(self, stamp_ns: int, received_ns: int) -> Detections | None:
        """Who was found in the image of this stamp; None where nobody answered for it.

        As in the node, detectors answer in order: an answer for a later image leaves this without.
        """
        if self._waiting is None or not stamp_ns <= self._waiting[0] <= stamp_ns + JUMP_NS:
            self._waiting = None
            for message, stamp in self._tables.until(received_ns + LATER_NS):
                try:
                    found = table_detections(cloud_to_table(message))
                except TableError:
                    self.bad += 1
                    continue
                if stamp_ns <= stamp <= stamp_ns + JUMP_NS:
                    self._waiting = stamp, found
                    break
        if self._waiting is None or self._waiting[0] != stamp_ns:
            return None
        return self._waiting[1]
