"""Reads what is left of a damaged bag: an mcap file without its end, a database that is torn.

rosbags reads the healthy ones; it rightly refuses a file whose index is missing.
"""

from __future__ import annotations

import io
import sqlite3
import struct
import sys
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import apsw
from lz4.frame import decompress as lz4_decompress  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b'\x89MCAP0\r\n'
# Opcodes of the mcap specification, version 0 (mcap.dev/spec).
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
_CUT_CHUNK = 1 << 26  # what is read of a chunk whose length cannot be true
CORRUPT_CHUNK = zstd.ZstdError
_CORRUPT = (struct.error, ValueError, RuntimeError, EOFError, zstd.ZstdError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class Raw:
    """One serialised message of a bag.

    Attributes:
        topic, type: its topic and message type (sensor_msgs/msg/Image).
        stamp_ns: when the recorder received it.
        data: in CDR.
    """

    topic: str
    type: str
    stamp_ns: int
    data: bytes


class Damage:
    """What a salvage met, in words; empty where nothing is wrong."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def add(self, reason: str) -> None:
        """Note a reason once."""
        if reason not in self.reasons:
            self.reasons.append(reason)


def mcap_messages(path: Path, damage: Damage) -> Iterator[Raw]:
    """Every message in an mcap file up to where it ends, in the order of the file.

    A damaged chunk is left out; reading goes on behind it.
    """
    schemas: dict[int, str] = {}
    channels: dict[int, tuple[str, str]] = {}
    with path.open('rb') as file:
        if file.read(len(MAGIC)) != MAGIC:
            damage.add('does not begin like an mcap file')
            return
        yield from _records(file, schemas, channels, damage, path.stat().st_size)


def _records(
    file: BinaryIO,
    schemas: dict[int, str],
    channels: dict[int, tuple[str, str]],
    damage: Damage,
    size: int,
) -> Iterator[Raw]:
    while True:
        head = file.read(9)
        if len(head) < 9:
            if size:
                damage.add('ends without its index')
            return
        opcode, length = head[0], int.from_bytes(head[1:], 'little')
        if opcode == _DATA_END or opcode == 0:
            return
        if opcode not in (_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK):
            file.seek(length, io.SEEK_CUR)
            continue
        if size and length > size - file.tell():
            damage.add('is cut off in the middle')
            if opcode != _CHUNK:
                return
        body = file.read(min(length, _CUT_CHUNK) if size and length > size else length)
        try:
            if opcode == _SCHEMA:
                (key,) = struct.unpack_from('<H', body)
                schemas[key] = _text(body, 2)[0]
            elif opcode == _CHANNEL:
                key, schema = struct.unpack_from('<HH', body)
                channels[key] = (_text(body, 4)[0], schemas.get(schema, ''))
            elif opcode == _MESSAGE:
                channel, _, stamp, _ = struct.unpack_from('<HIQQ', body)
                topic, kind = channels.get(channel, ('', ''))
                if len(body) == length:
                    yield Raw(topic, kind, stamp, body[22:])
            else:
                chunk = io.BytesIO(_chunk(body, damage))
                yield from _records(chunk, schemas, channels, damage, 0)
        except _CORRUPT as error:
            damage.add(f'holds a damaged block ({error})')


def _text(body: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from('<I', body, at)
    return body[at + 4 : at + 4 + length].decode(), at + 4 + length


def _chunk(body: bytes, damage: Damage) -> bytes:
    """The records of a chunk; of a chunk that is cut off, those in front of the cut."""
    _, _, size, crc = struct.unpack_from('<QQQI', body)
    compression, at = _text(body, 28)
    (length,) = struct.unpack_from('<Q', body, at)
    data = body[at + 8 : at + 8 + length]
    whole = len(data) == length
    if compression == 'zstd':
        plain = bytes(zstd.decompress(data)) if whole else zstd.ZstdDecompressor().decompress(data)
    elif compression == 'lz4':
        plain = lz4_decompress(data) if whole else b''
    elif compression == '':
        plain = data
    else:
        raise ValueError(f'compression {compression!r}')
    if whole and (len(plain) != size or (crc and zlib.crc32(plain) != crc)):
        damage.add('holds a block whose checksum is wrong')
        return b''
    return plain


def sqlite_messages(path: Path, damage: Damage) -> Iterator[Raw]:
    """Every message of a database that can still be read, in the order it was written.

    A write-ahead log beside the database, left by a recorder that was killed, is read too; of a
    database that is cut off, the messages in front of the cut.
    """
    for number, connect in enumerate((_with_log, _as_it_is, _cut_off)):
        first = True
        try:
            database = connect(path)
            try:
                for raw in _rows(database):
                    first = False
                    yield raw
                return
            finally:
                database.close()
        except (sqlite3.Error, apsw.Error) as error:
            if not first or number == 2:
                damage.add(str(error))
                return


def _rows(database: Any) -> Iterator[Raw]:
    topics = {key: (name, kind) for key, name, kind in database.execute(
        'SELECT id, name, type FROM topics'
    )}  # fmt: skip
    # By id and not by the index of times, which may be torn while the table is whole.
    for topic_id, stamp, data in database.execute(
        'SELECT topic_id, timestamp, data FROM messages NOT INDEXED ORDER BY id'
    ):
        name, kind = topics.get(topic_id, ('', ''))
        yield Raw(name, kind, stamp, data)


def _with_log(path: Path) -> Any:
    return sqlite3.connect(f'{path.resolve().as_uri()}?mode=ro', uri=True)


def _as_it_is(path: Path) -> Any:
    return sqlite3.connect(f'{path.resolve().as_uri()}?immutable=1', uri=True)


def _cut_off(path: Path) -> Any:
    return _LenientConnection(path)


class _LenientConnection:
    def __init__(self, path: Path) -> None:
        name = f'reid_ros-{uuid.uuid4()}'
        self._vfs = _Lenient(name)  # must live as long as the connection
        self._database = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=name)

    def execute(self, text: str) -> Any:
        return self._database.execute(text)

    def close(self) -> None:
        self._database.close()


class _Lenient(apsw.VFS):
    """Opens databases that are shorter than they say.

    SQLite believes the length in the header where 'version-valid-for' (bytes 92 to 95) equals the
    change counter (24 to 27), and else the size of the file (sqlite.org/fileformat2.html, 1.3.7).
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, base='')

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        """A file whose header does not insist."""
        return _LenientFile('', name, flags)


class _LenientFile(apsw.VFSFile):
    def xRead(self, amount: int, offset: int) -> bytes:
        """The bytes of the file; another 'version-valid-for' in the header."""
        data = bytearray(super().xRead(amount, offset))
        if offset <= 92 and offset + len(data) >= 96 and offset <= 24:
            counter = int.from_bytes(data[24 - offset : 28 - offset], 'big')
            data[92 - offset : 96 - offset] = ((counter + 1) % 2**32).to_bytes(4, 'big')
        return bytes(data)
