from __future__ import annotations

from array import array

import cv2
import numpy as np
import pytest

from reid_ros.replay.encodings import (
    EncodingError,
    UnknownEncodingError,
    decode_compressed,
    image_view,
)

HEIGHT, WIDTH = 48, 64


def picture() -> np.ndarray:
    """A smooth bgr picture: chroma at half the resolution loses little of it."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.dstack([x * 3, y * 4, 255 - x * 2 - y]).clip(0, 255).astype(np.uint8)


def padded(rows: np.ndarray, padding: int) -> tuple[bytes, int]:
    rows = rows.reshape(len(rows), -1)
    wide = np.full((len(rows), rows.shape[1] + padding), 77, np.uint8)
    wide[:, : rows.shape[1]] = rows
    return wide.tobytes(), wide.shape[1]


def packed_yuv(bgr: np.ndarray, order: str) -> np.ndarray:
    yuv = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    luma = yuv[:HEIGHT]
    u = yuv[HEIGHT : HEIGHT + HEIGHT // 4].reshape(HEIGHT // 2, WIDTH // 2).repeat(2, 0)
    v = yuv[HEIGHT + HEIGHT // 4 :].reshape(HEIGHT // 2, WIDTH // 2).repeat(2, 0)
    planes = {'u': u, 'v': v, 'y': luma[:, ::2], 'Y': luma[:, 1::2]}
    return np.stack([planes[letter] for letter in order], -1).reshape(HEIGHT, WIDTH * 2)


def planar_yuv(bgr: np.ndarray, order: str) -> np.ndarray:
    yuv = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    u = yuv[HEIGHT : HEIGHT + HEIGHT // 4].reshape(HEIGHT // 2, WIDTH // 2)
    v = yuv[HEIGHT + HEIGHT // 4 :].reshape(HEIGHT // 2, WIDTH // 2)
    pair = (u, v) if order == 'uv' else (v, u)
    return np.vstack([yuv[:HEIGHT], np.stack(pair, -1).reshape(HEIGHT // 2, WIDTH)])


def encoded(encoding: str) -> tuple[np.ndarray, np.ndarray, int]:
    """The picture's rows in an encoding, the bgr picture it shows, and the error allowed."""
    bgr = picture()
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    alpha = np.full((HEIGHT, WIDTH, 1), 9, np.uint8)
    return {
        'bgr8': (bgr, bgr, 0),
        'rgb8': (bgr[..., ::-1], bgr, 0),
        '8UC3': (bgr, bgr, 0),
        'bgra8': (np.dstack([bgr, alpha]), bgr, 0),
        'rgba8': (np.dstack([bgr[..., ::-1], alpha]), bgr, 0),
        'mono8': (grey, np.dstack([grey] * 3), 0),
        'yuv422': (packed_yuv(bgr, 'uyvY'), bgr, 12),
        'uyvy': (packed_yuv(bgr, 'uyvY'), bgr, 12),
        'yuv422_yuy2': (packed_yuv(bgr, 'yuYv'), bgr, 12),
        'yuyv': (packed_yuv(bgr, 'yuYv'), bgr, 12),
        'nv12': (planar_yuv(bgr, 'uv'), bgr, 12),
        'nv21': (planar_yuv(bgr, 'vu'), bgr, 12),
    }[encoding]


@pytest.mark.parametrize('padding', [0, 10])
@pytest.mark.parametrize(
    'encoding',
    ['bgr8', 'rgb8', '8UC3', 'bgra8', 'rgba8', 'mono8', 'yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv',
     'nv12', 'nv21'],
)  # fmt: skip
def test_every_encoding_gives_the_picture_back_with_and_without_padding(encoding, padding):
    rows, expected, error = encoded(encoding)
    data, step = padded(np.ascontiguousarray(rows), padding)
    image, order = image_view(encoding, HEIGHT, WIDTH, step, data)
    assert image.shape == (HEIGHT, WIDTH, 3)
    bgr = image[..., ::-1] if order == 'rgb' else image
    assert np.abs(bgr.astype(int) - expected).max() <= error


@pytest.mark.parametrize(('encoding', 'order'), [('bgr8', 'bgr'), ('rgb8', 'rgb')])
@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview, np.array, 'array'])
def test_three_channels_are_a_view_into_the_message_whatever_holds_it(encoding, order, kind):
    data, step = padded(picture(), 6)
    if kind == 'array':
        message = array('B', data)
    elif kind is np.array:
        message = np.frombuffer(data, np.uint8)
    else:
        message = kind(data)
    image, got = image_view(encoding, HEIGHT, WIDTH, step, message)
    assert got == order
    assert np.shares_memory(image, np.frombuffer(message, np.uint8))
    assert not image.flags.writeable


def test_a_step_of_zero_means_rows_without_padding():
    image, _ = image_view('bgr8', HEIGHT, WIDTH, 0, picture().tobytes())
    assert np.array_equal(image, picture())


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16', 'bayer_rggb8', '32FC1', 'h264', ''])
def test_an_unknown_encoding_is_named_with_what_works_instead(encoding):
    with pytest.raises(UnknownEncodingError, match=r'bgr8.*compressed') as caught:
        image_view(encoding, HEIGHT, WIDTH, WIDTH * 2, bytes(WIDTH * 2 * HEIGHT))
    assert repr(encoding) in str(caught.value)


@pytest.mark.parametrize(
    ('encoding', 'height', 'width', 'step', 'size', 'says'),
    [
        ('bgr8', 4, 4, 12, 47, '47 bytes of bgr8 data .* need 48'),
        ('bgr8', 4, 4, 8, 48, 'step 8 is shorter than a row of bgr8'),
        ('bgr8', 0, 4, 12, 48, '4 x 0 pixels'),
        ('nv12', 4, 4, 4, 16, '16 bytes of nv12 data'),
        ('nv12', 3, 4, 4, 24, 'even sizes'),
        ('yuv422', 4, 3, 6, 24, 'even width'),
        ('bgr8', 4, 4, 12, 0, '0 bytes of bgr8 data'),
    ],
)
def test_data_that_does_not_fit_its_description_is_refused(
    encoding, height, width, step, size, says
):
    with pytest.raises(EncodingError, match=says):
        image_view(encoding, height, width, step, bytes(size))


def compressed(kind: str) -> bytes:
    done, data = cv2.imencode(kind, picture())
    assert done
    return data.tobytes()


def test_png_is_exact_and_jpeg_is_close():
    assert np.array_equal(decode_compressed(compressed('.png'), 'png'), picture())
    jpeg = decode_compressed(compressed('.jpg'), 'bgr8; jpeg compressed bgr8')
    assert np.abs(jpeg.astype(int) - picture()).mean() < 4


def test_a_grey_jpeg_becomes_three_channels():
    _, data = cv2.imencode('.jpg', picture()[..., 0])
    assert decode_compressed(data.tobytes()).shape == (HEIGHT, WIDTH, 3)


def test_padding_behind_a_jpeg_is_no_damage():
    assert decode_compressed(compressed('.jpg') + bytes(100)).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    ('data', 'says'),
    [
        (b'', 'empty image: 0 bytes'),
        (b'not a picture at all', 'corrupt image'),
        (compressed('.jpg')[:-300], 'cut-off JPEG'),
        (compressed('.png')[:20], 'corrupt image'),
        (b'\xff\xd8' + bytes(50) + b'\xff\xd9', 'corrupt image'),
    ],
)
def test_data_that_is_no_picture_is_an_error_and_no_grey_image(data, says):
    with pytest.raises(EncodingError, match=says) as caught:
        decode_compressed(data, 'jpeg')
    assert 'jpeg' in str(caught.value)


@pytest.mark.parametrize('name', ['16UC1; compressedDepth png', 'h264', 'ffmpeg;hevc'])
def test_formats_that_are_no_colour_pictures_are_refused_by_name(name):
    with pytest.raises(UnknownEncodingError, match=name.split()[0]):
        decode_compressed(compressed('.png'), name)
