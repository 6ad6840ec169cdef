"""Raw and compressed ROS image data -> (height, width, 3) uint8; shared with the live node."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from typing import Union

import cv2
import numpy as np

from reid_ros.types import ColourOrder, ReidError, UInt8Array

# Encodings of sensor_msgs/image_encodings.hpp, with both names where one was renamed. A packed
# encoding has its bytes per pixel here; the planar ones have 12 bits per pixel.
PACKED = {
    'bgr8': 3, 'rgb8': 3, '8UC3': 3, 'bgra8': 4, 'rgba8': 4, '8UC4': 4, 'mono8': 1, '8UC1': 1,
    'yuv422': 2, 'uyvy': 2, 'yuv422_yuy2': 2, 'yuyv': 2,
}  # fmt: skip
PLANAR = ('nv12', 'nv21')
KNOWN = (*PACKED, *PLANAR)
SHORTEST_JPEG = 4  # start and end marker
MOST_PIXELS = 1 << 26
"""Of a compressed image, 8192 x 8192: a few bytes can claim gigabytes."""

# Markers of a JPEG: those whose segment holds the size (ITU-T T.81, table B.1), and the data's.
_SIZED = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA

_TO_BGR = {
    'bgra8': cv2.COLOR_BGRA2BGR,
    '8UC4': cv2.COLOR_BGRA2BGR,
    'rgba8': cv2.COLOR_RGBA2BGR,
    'mono8': cv2.COLOR_GRAY2BGR,
    '8UC1': cv2.COLOR_GRAY2BGR,
    'yuv422': cv2.COLOR_YUV2BGR_UYVY,
    'uyvy': cv2.COLOR_YUV2BGR_UYVY,
    'yuv422_yuy2': cv2.COLOR_YUV2BGR_YUY2,
    'yuyv': cv2.COLOR_YUV2BGR_YUY2,
    'nv12': cv2.COLOR_YUV2BGR_NV12,
    'nv21': cv2.COLOR_YUV2BGR_NV21,
}

Buffer = Union[bytes, bytearray, memoryview, 'array[int]', UInt8Array]


class EncodingError(ReidError):
    """Image data of an encoding that is not understood, or that does not fit its description."""


class UnknownEncodingError(EncodingError):
    """An encoding that is converted by nobody here; the node may ask cv_bridge."""


def image_view(
    encoding: str, height: int, width: int, step: int, data: Buffer
) -> tuple[UInt8Array, ColourOrder]:
    """The pixels of a sensor_msgs/Image and the order of their channels.

    Args:
        encoding: one of KNOWN; bgr8 and rgb8 give a view into data, the others a new bgr image.
        height, width: pixels.
        step: bytes from one row to the next; may be larger than a row.
        data: at least step * height bytes (the last row may lack its padding); for nv12 and nv21
            half as many rows of colour follow, of the same step.

    Raises:
        UnknownEncodingError: the encoding is not one of KNOWN.
        EncodingError: height, width, step and data do not fit.
    """
    if encoding not in KNOWN:
        raise UnknownEncodingError(
            f'encoding {encoding!r} is not supported: have the camera send one of '
            f'{", ".join(KNOWN)} or compressed images'
        )
    if height < 1 or width < 1:
        raise EncodingError(f'the image is {width} x {height} pixels: the camera sends no picture')
    if encoding in PLANAR:
        if height % 2 or width % 2:
            raise EncodingError(f'{encoding} needs even sizes, the image is {width} x {height}')
        planes = _rows(encoding, height + height // 2, width, step, data)
        return cv2.cvtColor(np.ascontiguousarray(planes), _TO_BGR[encoding]), 'bgr'
    channels = PACKED[encoding]
    if channels == 2 and width % 2:
        raise EncodingError(f'{encoding} needs an even width, the image is {width} wide')
    image = _pixels(_rows(encoding, height, width * channels, step, data), channels)
    if channels == 3:
        return image, 'rgb' if encoding == 'rgb8' else 'bgr'
    return cv2.cvtColor(np.ascontiguousarray(image), _TO_BGR[encoding]), 'bgr'


def _rows(encoding: str, height: int, row: int, step: int, data: Buffer) -> UInt8Array:
    """(height, row) view of the rows' bytes without their padding."""
    step = step or row  # some drivers leave it at 0 where there is no padding
    if step < row:
        raise EncodingError(
            f'step {step} is shorter than a row of {encoding} ({row} bytes): '
            'width, encoding or step of the message is wrong'
        )
    flat = data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
    needed = step * (height - 1) + row
    if flat.size < needed:
        raise EncodingError(
            f'{flat.size} bytes of {encoding} data where {height} rows of {step} bytes need '
            f'{needed}: the message is cut off or its size is wrong'
        )
    result: UInt8Array = np.lib.stride_tricks.as_strided(
        flat, (height, row), (step, 1), writeable=False
    )
    return result


def _pixels(rows: UInt8Array, channels: int) -> UInt8Array:
    """(height, width, channels) view of rows."""
    height, row = rows.shape
    result: UInt8Array = np.lib.stride_tricks.as_strided(
        rows,
        (height, row // channels, channels),
        (rows.strides[0], channels, 1),
        writeable=False,
    )
    return result


def decode_compressed(data: Buffer, format: str = '') -> UInt8Array:
    """The (height, width, 3) bgr image of a sensor_msgs/CompressedImage.

    Args:
        data: a JPEG or PNG (or whatever else OpenCV reads).
        format: as in the message, '<encoding>; jpeg compressed bgr8' or 'jpeg'; only for errors
            and for refusing what is no picture: compressedDepth and video packets.

    Raises:
        EncodingError: the data is empty, cut off or no picture.
    """
    kind = format or 'no format given'
    lower = format.lower()
    if 'compresseddepth' in lower or any(k in lower for k in ('h264', 'h265', 'hevc', 'ffmpeg')):
        raise UnknownEncodingError(
            f'format {format!r} is not supported: have the camera send jpeg or png, or raw images'
        )
    flat = data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
    if flat.size < SHORTEST_JPEG:
        raise EncodingError(f'empty image: {flat.size} bytes ({kind})')
    if flat[0] == 0xFF and flat[1] == 0xD8 and not _ends(flat):
        # OpenCV fills what is missing with grey and says so on stderr only.
        raise EncodingError(f'cut-off JPEG: {flat.size} bytes without an end ({kind})')
    height, width = _claimed(flat)
    if height * width > MOST_PIXELS:
        raise EncodingError(
            f'the image claims to be {width} x {height} pixels in {flat.size} bytes: more than '
            f'{MOST_PIXELS} pixels are refused ({kind})'
        )
    decode: Callable[[UInt8Array, int], UInt8Array | None] = cv2.imdecode
    try:
        image = decode(flat, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise EncodingError(f'corrupt image: {flat.size} bytes ({kind}): {error.err}') from error
    if image is None:
        raise EncodingError(f'corrupt image: {flat.size} bytes that are no picture ({kind})')
    return image


def _claimed(flat: UInt8Array) -> tuple[int, int]:
    """Height and width that a JPEG or PNG says it has; 0, 0 where it says nothing."""
    head = flat[:24].tobytes()
    if head.startswith(b'\x89PNG'):
        width, height = struct.unpack('>II', head[16:24].ljust(8, b'\0'))
        return height, width
    if not head.startswith(b'\xff\xd8'):
        return 0, 0
    at = 2
    while at + 9 <= flat.size:
        mark, kind = int(flat[at]), int(flat[at + 1])
        if mark != 0xFF or kind == _SCAN:
            break
        if kind == 0xFF:  # filling
            at += 1
        elif kind in _SIZED:
            height, width = struct.unpack('>HH', flat[at + 5 : at + 9].tobytes())
            return height, width
        else:
            at += 2 + int(flat[at + 2]) * 256 + int(flat[at + 3])
    return 0, 0


def _ends(jpeg: UInt8Array) -> bool:
    """Whether the end marker is there, perhaps before padding; it never occurs within the data."""
    return b'\xff\xd9' in jpeg[-4096:].tobytes()
