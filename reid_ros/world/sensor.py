"""What a camera does to a picture: exposure, colour, vignette, blur, noise, JPEG."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reid_ros.types import ReidError, UInt8Array

_BANK = 1024
_BLOCK = 512
_UNIT = 32
"""Steps of the noise bank per standard deviation."""


class SensorError(ReidError):
    """A sensor that cannot be drawn."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One camera's way with light; every camera is a little different.

    Attributes:
        gain: overall factor on brightness.
        balance: factors on blue, green, red.
        saturation: of colours, 1 = as they are.
        turn: how far hues are turned, radians.
        gamma: exponent of the tone curve, below 1 lifts the shadows.
        contrast: strength of its S shape, 0 = none.
        vignette: share of light lost in the corners.
        blur_px: standard deviation of defocus.
        read: noise in the dark, levels of 255.
        shot: noise that grows with the root of brightness, levels at full white.
        exposure_s: shutter time, which blurs what moves.
        quality: of JPEG, 1 to 100; None for raw images.
        drift: how far automatic exposure wanders, as a share.
        drift_s: period of that.
        drift_at: phase of it, radians.
    """

    gain: float
    balance: tuple[float, float, float]
    saturation: float
    turn: float
    gamma: float
    contrast: float
    vignette: float
    blur_px: float
    read: float
    shot: float
    exposure_s: float
    quality: int | None
    drift: float
    drift_s: float
    drift_at: float

    def expose(
        self,
        image: UInt8Array,
        rng: np.random.Generator,
        exposure: float = 1.0,
        time_s: float = 0.0,
        velocity: tuple[float, float] = (0.0, 0.0),
    ) -> UInt8Array:
        """The (h, w, 3) uint8 picture that this camera gives of an ideal one.

        Args:
            image: (h, w, 3) uint8 BGR.
            rng: for this frame's noise.
            exposure: factor on brightness, on top of the camera's own.
            time_s: when, for the drift of automatic exposure and white balance.
            velocity: of the picture, pixels per second, for motion blur.
        """
        shot: Any = _smeared(image, velocity[0] * self.exposure_s, velocity[1] * self.exposure_s)
        if self.blur_px > 0.05:
            shot = cv2.GaussianBlur(shot, (0, 0), self.blur_px)
        shot = cv2.transform(shot, self._colours(exposure, time_s))
        if self.vignette:
            loss = _vignette(image.shape[1], image.shape[0], round(self.vignette, 3))
            shot = cv2.multiply(shot, loss, scale=1 / 255)
        shot = cv2.LUT(shot, self._curve())
        if self.read or self.shot:
            levels = cv2.LUT(shot, self._noise_levels())
            noise = cv2.multiply(
                levels, _noise(image.shape[0], image.shape[1], rng), scale=1 / (_UNIT * 64)
            )
            shot = cv2.add(shot, noise, dtype=cv2.CV_8U)
        return self.packed(np.asarray(shot, np.uint8))

    def packed(self, image: UInt8Array) -> UInt8Array:
        """The image after a round trip through JPEG, where this camera sends that."""
        if self.quality is None:
            return image
        _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    def _colours(self, exposure: float, time_s: float) -> npt.NDArray[np.float32]:
        """(3, 3) matrix from the true colours to those of the camera."""
        angle = 2 * math.pi * time_s / self.drift_s + self.drift_at
        swing = math.exp(self.drift * math.sin(angle))
        tint = 0.25 * self.drift * math.sin(0.63 * angle + 1.0)
        gains = np.array(self.balance) * np.array([1 + tint, 1.0, 1 - tint])
        gains *= self.gain * exposure * swing
        # Grey axis of BGR with the weights of ITU-R BT.601; hues turn about it.
        grey = np.tile([0.114, 0.587, 0.299], (3, 1))
        axis = np.full((3, 3), 1 / 3)
        cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
        c, s = math.cos(self.turn), math.sin(self.turn)
        hue = c * np.eye(3) + (1 - c) * axis + s * cross
        matrix = (grey + self.saturation * (np.eye(3) - grey)) @ hue @ np.diag(gains)
        return np.asarray(matrix, np.float32)

    def _curve(self) -> UInt8Array:
        x = np.arange(256) / 255
        lifted = x**self.gamma
        bent = lifted + self.contrast * lifted * (1 - lifted) * (2 * lifted - 1)
        return np.clip(np.round(255 * bent), 0, 255).astype(np.uint8)

    def _noise_levels(self) -> npt.NDArray[np.int16]:
        """Standard deviation of the noise at each level, in 64ths of a level."""
        x = np.arange(256) / 255
        return np.round(64 * np.sqrt(self.read**2 + self.shot**2 * x)).astype(np.int16)


@dataclass(frozen=True, slots=True)
class _Spread:
    """Ranges from which a sensor is drawn."""

    gain: float
    balance: float
    saturation: tuple[float, float]
    turn: float
    gamma: tuple[float, float]
    contrast: tuple[float, float]
    vignette: tuple[float, float]
    blur_px: tuple[float, float]
    read: tuple[float, float]
    shot: tuple[float, float]
    exposure_s: tuple[float, float]
    quality: tuple[int, int] | None
    drift: tuple[float, float]


_SPREADS: Mapping[str, _Spread] = {
    'clean': _Spread(
        0.02,
        0.01,
        (0.97, 1.03),
        0.01,
        (0.97, 1.03),
        (0, 0.1),
        (0, 0.08),
        (0.3, 0.5),
        (0.5, 0.9),
        (0.5, 1.2),
        (0.002, 0.005),
        None,
        (0, 0.01),
    ),
    'usual': _Spread(
        0.1,
        0.05,
        (0.8, 1.15),
        0.05,
        (0.85, 1.1),
        (0, 0.5),
        (0.05, 0.3),
        (0.35, 0.9),
        (0.8, 2.0),
        (1.5, 4.0),
        (0.004, 0.014),
        (70, 95),
        (0.01, 0.05),
    ),
    'harsh': _Spread(
        0.3,
        0.13,
        (0.45, 1.4),
        0.14,
        (0.65, 1.35),
        (-0.3, 0.9),
        (0.1, 0.5),
        (0.4, 1.6),
        (1.0, 5.0),
        (2.0, 9.0),
        (0.006, 0.025),
        (30, 90),
        (0.02, 0.12),
    ),
}
LEVELS = tuple(_SPREADS)
"""How much a camera changes a picture: for tests, as usual, and for training on the worst."""


def draw(rng: np.random.Generator, level: str = 'usual') -> Sensor:
    """A sensor; the same random numbers give the same sensor.

    Raises:
        SensorError: an unknown level.
    """
    if level not in _SPREADS:
        raise SensorError(f'no level {level!r} of sensors: choose one of {", ".join(LEVELS)}')
    spread = _SPREADS[level]
    # Daylight to lamp light moves blue against red; green stays.
    warmth, green = rng.normal(0, spread.balance), rng.normal(0, spread.balance / 4)
    quality = None if spread.quality is None else int(rng.integers(*spread.quality))
    return Sensor(
        gain=math.exp(rng.normal(0, spread.gain)),
        balance=(math.exp(-warmth), math.exp(green), math.exp(warmth)),
        saturation=float(rng.uniform(*spread.saturation)),
        turn=float(rng.normal(0, spread.turn)),
        gamma=float(rng.uniform(*spread.gamma)),
        contrast=float(rng.uniform(*spread.contrast)),
        vignette=float(rng.uniform(*spread.vignette)),
        blur_px=float(rng.uniform(*spread.blur_px)),
        read=float(rng.uniform(*spread.read)),
        shot=float(rng.uniform(*spread.shot)),
        exposure_s=float(rng.uniform(*spread.exposure_s)),
        quality=quality,
        drift=float(rng.uniform(*spread.drift)),
        drift_s=float(rng.uniform(15, 60)),
        drift_at=float(rng.uniform(0, 2 * math.pi)),
    )


def _smeared(image: UInt8Array, x: float, y: float) -> UInt8Array:
    """The image averaged along a motion of x, y pixels."""
    reach = math.ceil(max(abs(x), abs(y)))
    if reach < 1:
        return image
    edge = reach + 1
    smeared = np.asarray(
        cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_REPLICATE), np.uint8
    )
    # Averages of two, half as far apart each time, make an even smear.
    step = 0.5
    while reach * step >= 0.5:
        right, down = round(abs(x) * step), round(abs(y) * step)
        high, wide = smeared.shape[0] - down, smeared.shape[1] - right
        left, moved = (0, right) if x * y >= 0 else (right, 0)
        first, second = smeared[:high, left : left + wide], smeared[down:, moved : moved + wide]
        smeared = np.asarray(cv2.addWeighted(first, 0.5, second, 0.5, 0), np.uint8)
        step /= 2
    top, left = ((smeared.shape[k] - image.shape[k]) // 2 for k in (0, 1))
    return smeared[top : top + image.shape[0], left : left + image.shape[1]]


@lru_cache(maxsize=32)
def _vignette(width: int, height: int, strength: float) -> UInt8Array:
    """(h, w, 3) share of the light that arrives, of 255."""
    x = (np.arange(width) - (width - 1) / 2) / (width / 2)
    y = (np.arange(height) - (height - 1) / 2) / (height / 2)
    aspect = height / width
    square = (x[None] ** 2 + (y[:, None] * aspect) ** 2) / (1 + aspect**2)
    share = 255 * (1 - strength * square**1.3)
    return np.repeat(np.round(share).astype(np.uint8)[..., None], 3, axis=2)


@lru_cache(maxsize=1)
def _bank() -> npt.NDArray[np.int16]:
    """Noise of deviation 1 in steps of 1 / _UNIT, as a demosaiced image has it."""
    rng = np.random.Generator(np.random.PCG64(20))
    luma = rng.standard_normal((_BANK, _BANK, 1), np.float32)
    chroma = rng.standard_normal((_BANK, _BANK, 3), np.float32)
    # Interpolated colours share the noise of their neighbours.
    mixed = 0.75 * luma + 0.8 * cv2.GaussianBlur(chroma, (0, 0), 0.7) * 2.2
    return np.asarray(np.clip(mixed / mixed.std() * _UNIT, -120, 120), np.int16)


def _noise(height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """(h, w, 3) noise, in blocks from anywhere in the bank, so that no pixel has its own."""
    bank = _bank()
    noise = np.empty((height, width, 3), np.int16)
    for y in range(0, height, _BLOCK):
        for x in range(0, width, _BLOCK):
            part = noise[y : y + _BLOCK, x : x + _BLOCK]
            top, left = rng.integers(0, _BANK - _BLOCK, 2)
            part[:] = bank[top : top + part.shape[0], left : left + part.shape[1]]
    return noise
