"""Protocol buffers field by field, so that a graph can be changed where no onnx package is.

A message is the list of its fields in their order; what is not touched is written back as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reid_ros.engine.error import EngineError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_WIDTH = {FIXED64: 8, FIXED32: 4}


@dataclass(slots=True)
class Field:
    """One field of a message.

    Attributes:
        number: of the field in the .proto file.
        kind: its wire type.
        value: an int for VARINT, else the bytes.
    """

    number: int
    kind: int
    value: int | bytes


Message = list[Field]


def parse(data: bytes) -> Message:
    """The fields of a serialised message.

    Raises:
        EngineError: it is none.
    """
    result = []
    place, end = 0, len(data)
    while place < end:
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _varint(data, place)
            result.append(Field(number, kind, value))
            continue
        if kind == BYTES:
            width, place = _varint(data, place)
        elif kind in _WIDTH:
            width = _WIDTH[kind]
        else:
            raise EngineError(f'the file is no ONNX network: wire type {kind} at byte {place}')
        if place + width > end:
            raise EngineError(f'the file is no ONNX network: it ends at byte {end} within a field')
        result.append(Field(number, kind, data[place : place + width]))
        place += width
    return result


def write(message: Message) -> bytes:
    """The serialised message."""
    parts = []
    for field in message:
        parts.append(_number(field.number << 3 | field.kind))
        if isinstance(field.value, int):
            parts.append(_number(field.value))
            continue
        if field.kind == BYTES:
            parts.append(_number(len(field.value)))
        parts.append(field.value)
    return b''.join(parts)


def texts(message: Message, number: int) -> list[str]:
    """Every text of a field."""
    return [data.decode('utf-8', 'replace') for data in blocks(message, number)]


def text(message: Message, number: int) -> str:
    """The last text of a field, '' where there is none."""
    found = texts(message, number)
    return found[-1] if found else ''


def blocks(message: Message, number: int) -> list[bytes]:
    """Every block of bytes of a field."""
    return [f.value for f in message if f.number == number and isinstance(f.value, bytes)]


def numbers(message: Message, number: int) -> list[int]:
    """Every integer of a field, packed or not; as they stand, negative ones as 2**64 more."""
    return list(_numbers(message, number))


def _numbers(message: Message, number: int) -> Iterator[int]:
    for field in message:
        if field.number != number:
            continue
        if isinstance(field.value, int):
            yield field.value
            continue
        place = 0
        while place < len(field.value):
            value, place = _varint(field.value, place)
            yield value


def block(number: int, value: bytes | str) -> Field:
    """A field of bytes or of a text."""
    return Field(number, BYTES, value.encode() if isinstance(value, str) else value)


def integer(number: int, value: int) -> Field:
    """A field of an integer that is not negative."""
    return Field(number, VARINT, value)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise EngineError(f'the file is no ONNX network: a broken number at byte {place}')
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def _number(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
