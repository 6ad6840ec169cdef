"""A network of one convolution as the bytes of an ONNX file, made without the onnx package.

The field numbers are those of `onnx.proto3` of the ONNX project; the encoding is that of protocol
buffers: a key (number and wire type), then a varint, or a length and bytes.
"""

from __future__ import annotations

from reid_ros.types import FloatArray

SIDE = 8
VECTOR = 4
_FLOAT = 1  # TensorProto.DataType


def convolution(weights: FloatArray) -> bytes:
    """The network image (1, 3, SIDE, SIDE) -> vector (1, VECTOR, 1, 1).

    Args:
        weights: (VECTOR, 3, SIDE, SIDE) float32; each row times the image is a number.
    """
    node = _text(1, 'image') + _text(1, 'weights') + _text(2, 'vector') + _text(4, 'Conv')
    tensor = b''.join(_number(1, axis) for axis in weights.shape)
    tensor += _number(2, _FLOAT) + _text(8, 'weights')
    tensor += _bytes(9, weights.astype('<f4').tobytes())
    graph = _bytes(1, node) + _text(2, 'proof') + _bytes(5, tensor)
    graph += _bytes(11, _port('image', (1, 3, SIDE, SIDE)))
    graph += _bytes(12, _port('vector', (1, VECTOR, 1, 1)))
    opset = _text(1, '') + _number(2, 13)
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, opset)


def _port(name: str, shape: tuple[int, ...]) -> bytes:
    axes = b''.join(_bytes(1, _number(1, axis)) for axis in shape)
    tensor = _number(1, _FLOAT) + _bytes(2, axes)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
