"""Random changes of a clip, alike for all its frames, as one camera sees one person.

Geometry is one affine map and colour one affine map of colours, so that a crop costs two passes
however much of both is asked for.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from reid_ros.train.settings import AugmentConfig
from reid_ros.types import DoubleArray, UInt8Array

SHIFT = 0.18
"""Largest part of a side by which a cut misses or adds, at strength 1."""
BRIGHT, CONTRAST, SATURATION, HUE = 0.5, 0.4, 0.6, 0.5
"""Largest changes at strength 1: factors 1 - x to 1 + x; hue in radians."""
CHANNEL = 0.25
"""Largest change of one colour's gain at strength 1."""
AREA, ASPECT = (0.02, 0.33), (0.3, 3.3)
"""Erased share of a crop and its height over width (Zhong et al., Random Erasing, AAAI 2020)."""
BLUR, COARSE, NOISE, JPEG = (0.4, 1.6), (0.25, 0.75), (2.0, 14.0), (18, 70)
"""Sigma in pixels at 128 pixels of height; share of the resolution; sigma in grey values;
quality."""
_LUMA = np.array([0.114, 0.587, 0.299])  # blue, green, red


def augment(clip: UInt8Array, settings: AugmentConfig, draw: np.random.Generator) -> UInt8Array:
    """(t, h, w, 3) the clip as another camera might have seen it.

    Args:
        clip: (t, h, w, 3) uint8 BGR, left untouched.
        settings: chances and strengths.
        draw: decides; equal draws change equal clips alike.
    """
    height, width = clip.shape[1:3]
    # The numbers are drawn in any case, so that one setting does not change what others do.
    geometry, colours, erased = draw.random(8), draw.random(12), draw.random(6)
    chances, strengths = draw.random(5), draw.random(5)
    frames = _moved(clip, _geometry(settings, geometry, height, width))
    _degrade(frames, settings, chances, strengths, draw)
    matrix = _colours(settings, colours)
    if matrix is not None:
        for frame in frames:
            cv2.transform(frame, matrix, dst=frame)
    if erased[0] < settings.erase:
        _erase(frames, erased, draw)
    return frames


def _geometry(
    settings: AugmentConfig, drawn: DoubleArray, height: int, width: int
) -> DoubleArray | None:
    """(2, 3) from the new crop's pixels to the old one's, None where nothing moves."""
    mirrored = drawn[0] < settings.flip
    inset = (2 * drawn[1:5] - 1) * SHIFT * settings.shift
    pad = np.round((2 * drawn[5:7] - 1) * settings.pad)
    if not mirrored and not inset.any() and not pad.any():
        return None
    x0, x1 = inset[0] * width + pad[0], (1 + inset[1]) * width + pad[0]
    y0, y1 = inset[2] * height + pad[1], (1 + inset[3]) * height + pad[1]
    sx, sy = (x1 - x0) / width, (y1 - y0) / height
    # Of pixel centres: those of the crop's corners stay corners.
    bx, by = x0 + sx / 2 - 0.5, y0 + sy / 2 - 0.5
    if mirrored:
        sx, bx = -sx, bx + sx * (width - 1)
    return np.array([[sx, 0.0, bx], [0.0, sy, by]])


def _moved(clip: UInt8Array, matrix: DoubleArray | None) -> UInt8Array:
    if matrix is None:
        same: UInt8Array = clip.copy()
        return same
    size = (clip.shape[2], clip.shape[1])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = np.empty_like(clip)
    for frame, out in zip(clip, moved):
        cv2.warpAffine(frame, matrix, size, out, flags, cv2.BORDER_REPLICATE)
    return moved


def _colours(settings: AugmentConfig, drawn: DoubleArray) -> DoubleArray | None:
    """(3, 4) of blue, green, red and 1, None where nothing changes."""
    grey = drawn[0] < settings.grey
    if not (grey or settings.colour or settings.channel):
        return None
    spread = 2 * drawn - 1
    saturation = 0.0 if grey else 1 + spread[1] * SATURATION * settings.colour
    contrast = 1 + spread[2] * CONTRAST * settings.colour
    bright = 1 + spread[3] * BRIGHT * settings.colour
    gains = 1 + spread[4:7] * CHANNEL * settings.channel
    if grey:
        gains = np.ones(3)
    mix = saturation * np.eye(3) + (1 - saturation) * np.outer(np.ones(3), _LUMA)
    mix = (gains[:, None] * mix) @ _turned(0.0 if grey else spread[7] * HUE * settings.colour)
    middle = 128.0 * (1 - contrast)
    return np.hstack([bright * contrast * mix, np.full((3, 1), bright * middle)])


def _turned(angle: float) -> DoubleArray:
    """(3, 3) rotation of colours about the axis of greys."""
    axis = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turned: DoubleArray = axis + math.cos(angle) * (np.eye(3) - axis) + math.sin(angle) * cross
    return turned


def _degrade(
    frames: UInt8Array,
    settings: AugmentConfig,
    chances: DoubleArray,
    strengths: DoubleArray,
    draw: np.random.Generator,
) -> None:
    height, width = frames.shape[1:3]

    def between(limits: tuple[float, float], k: int) -> float:
        return limits[0] + (limits[1] - limits[0]) * float(strengths[k])

    if chances[0] < settings.coarse:
        share = between(COARSE, 0)
        small = max(2, round(width * share)), max(2, round(height * share))
        for frame in frames:
            less = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
            cv2.resize(less, (width, height), frame, interpolation=cv2.INTER_LINEAR)
    if chances[1] < settings.blur:
        sigma = between(BLUR, 1) * height / 128
        for frame in frames:
            cv2.GaussianBlur(frame, (0, 0), sigma, frame)
    if chances[2] < settings.noise:
        grain = draw.normal(0.0, between(NOISE, 2), frames.shape).astype(np.int16)
        np.clip(frames + grain, 0, 255, out=frames, casting='unsafe')
    if chances[3] < settings.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, round(between(JPEG, 3))]
        for frame in frames:
            frame[:] = cv2.imdecode(cv2.imencode('.jpg', frame, quality)[1], cv2.IMREAD_COLOR)


def _erase(frames: UInt8Array, drawn: DoubleArray, draw: np.random.Generator) -> None:
    """One rectangle of noise, at one place of all frames."""
    height, width = frames.shape[1:3]
    area = (AREA[0] + (AREA[1] - AREA[0]) * drawn[1]) * height * width
    low, high = np.log(ASPECT)
    aspect = math.exp(low + (high - low) * drawn[2])
    tall = min(height, max(1, round(math.sqrt(area * aspect))))
    wide = min(width, max(1, round(math.sqrt(area / aspect))))
    y, x = int(drawn[3] * (height - tall + 1)), int(drawn[4] * (width - wide + 1))
    frames[:, y : y + tall, x : x + wide] = draw.integers(0, 256, (tall, wide, 3), np.uint8)
