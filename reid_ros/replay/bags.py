"""ROS 2 bags (mcap and sqlite3) -> frames, without ROS."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw
from rosbags.rosbag2 import Reader, ReaderError

from reid_ros.replay.salvage import CORRUPT_CHUNK, Damage, Raw, mcap_messages, sqlite_messages
from reid_ros.replay.source import SourceError

FILES = ('.mcap', '.db3')
SILHOUETTES = '/truth/labels'
"""Ending of topics with images whose pixels are rows of a truth."""
# What rosbags lets through, beside its own error, where a file is torn in the wrong place.
TORN = (
    ReaderError, OSError, AssertionError, struct.error, TypeError, KeyError, ValueError, EOFError,
    RuntimeError, IndexError, sqlite3.Error, apsw.Error, CORRUPT_CHUNK,
)  # fmt: skip


class Bag:
    """A bag: a folder as `ros2 bag record` makes it, or one .mcap or .db3 file.

    What is damaged is read as far as it goes, and said in `notes`.

    Attributes:
        path: as given.
        notes: what is wrong with it; grows while it is read.
        types: message type of every topic.
        counts: number of messages of every topic.

    Raises:
        SourceError: there is no bag, or nothing of it can be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.name == 'metadata.yaml':
            self.path = self.path.parent
        self.notes: list[str] = []
        self.types: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self._parts: list[tuple[Path, bool]] = []  # a file or folder, and whether it is whole
        self._refuse_what_is_no_bag()
        problem = self._open(self.path)
        if problem:
            self._salvage(problem)

    def messages(self, topic: str) -> Iterator[Raw]:
        """The messages of one topic in the order of their reception."""
        for part, whole in self._parts:
            last_ns = -1
            if whole:
                try:
                    for raw in _read(part, topic):
                        last_ns = raw.stamp_ns
                        yield raw
                    continue
                except TORN as error:
                    self._note(f'is damaged ({_reason(error)}): what can be read is used')
            damage = Damage()
            for file in _files(part):
                for raw in _salvaged(file, damage):
                    if raw.topic == topic and raw.stamp_ns > last_ns:
                        yield raw

    def _refuse_what_is_no_bag(self) -> None:
        if not self.path.exists():
            raise SourceError(f'{self.path}: no such bag')
        if self.path.suffix == '.bag':
            raise SourceError(
                f'{self.path} is a ROS 1 bag: convert it with rosbags-convert '
                f'--src {self.path.name} --dst {self.path.stem}'
            )
        if self.path.is_file() and self.path.suffix not in FILES:
            raise SourceError(
                f'{self.path} is no ROS 2 bag: give the folder that ros2 bag record made, or its '
                '.mcap or .db3 file'
            )
        if not _files(self.path):
            raise SourceError(f'{self.path}: no .mcap or .db3 file in this folder: it is no bag')

    def _open(self, part: Path) -> str:
        """Add a part that rosbags can read; returns the reason where it cannot."""
        if part.is_file() and not part.stat().st_size:
            return 'it is empty'
        logs = [file for file in _files(part) if file.suffix == '.db3' and _log(file)]
        if logs:
            return f'{logs[0].name} was never closed'
        try:
            with Reader(part) as reader:
                for connection in reader.connections:
                    self._count(connection.topic, connection.msgtype, connection.msgcount)
        except TORN as error:
            return _reason(error)
        self._parts.append((part, True))
        return ''

    def _salvage(self, problem: str) -> None:
        """Take the bag file by file, and of each what can still be read."""
        for file in _files(self.path):
            if file != self.path:
                reason = self._open(file)
                if not reason:
                    continue
            else:
                reason = problem
            damage, number = Damage(), 0
            for raw in _salvaged(file, damage):
                self._count(raw.topic, raw.type, 1)
                number += 1
            said = '; '.join(damage.reasons) or reason
            self._note(f'is damaged ({file.name} {said}): its {number} readable messages are used')
            if number:
                self._parts.append((file, False))
        if not self._parts:
            raise SourceError(
                f'{self.path}: nothing in this bag can be read ({problem}): '
                'record or copy it again'
            )
        if not self.notes:
            self._note(f'is damaged ({problem}): it was read file by file')

    def _count(self, topic: str, kind: str, number: int) -> None:
        self.types[topic] = kind
        self.counts[topic] = self.counts.get(topic, 0) + number

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(
        (p for p in path.iterdir() if p.suffix in FILES and p.is_file()),
        key=lambda p: (len(p.name), p.name),  # bag_9 before bag_10
    )


def _log(database: Path) -> bool:
    log = database.with_name(f'{database.name}-wal')
    return log.exists() and log.stat().st_size > 0


def _read(part: Path, topic: str) -> Iterator[Raw]:
    with Reader(part) as reader:
        wanted = [c for c in reader.connections if c.topic == topic]
        if not wanted:
            return
        for connection, stamp, data in reader.messages(connections=wanted):
            yield Raw(topic, connection.msgtype, stamp, data)


def _salvaged(file: Path, damage: Damage) -> Iterator[Raw]:
    read = mcap_messages if file.suffix == '.mcap' else sqlite_messages
    return read(file, damage)


def _reason(error: Exception) -> str:
    return str(error).rstrip('.') or type(error).__name__


def image_topics(bag: Bag, types: Sequence[str]) -> list[str]:
    """Topics of the given message types, sorted; the silhouettes of a truth are no camera.

    Raises:
        SourceError: none; lists what the bag holds.
    """
    found = sorted(
        topic
        for topic, kind in bag.types.items()
        if kind in types and not topic.endswith(SILHOUETTES)
    )
    if not found:
        held = ', '.join(f'{topic} ({kind})' for topic, kind in sorted(bag.types.items()))
        raise SourceError(
            f'{bag.path}: no image topic in this bag: record topics of type '
            f'{" or ".join(types)}; it holds {held or "no topic at all"}'
        )
    return found
