"""An appearance vector without a network: which colours a person wears, and where.

A crop is cut into overlapping stripes from head to feet. In each, every pixel votes softly for
the colours beside it in a small chart of the CIE Lab space: greys by lightness, colours by hue,
lightness and chroma (the hue of dark and grey pixels is noise, so they vote for greys). Pixels
near the body's axis count more, and what the crop's own border shows counts less. Square roots of
shares (the Hellinger kernel: Arandjelovic and Zisserman, Three things everyone should know to
improve object retrieval, CVPR 2012) at length 1 make cosines comparable.

It is the honest baseline: it knows nothing of faces, texture or gait, and people in the same
clothes are one person to it. Numbers were chosen on indoor footage of nine people.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reid_ros.card import Card, CardError, checksum
from reid_ros.types import AnyArray, DoubleArray, FloatArray, IntArray

STRIPES = 6
GREYS, HUES, LIGHTS, CHROMAS = 6, 8, 3, 2
COLOURS = GREYS + HUES * LIGHTS * CHROMAS
LENGTH = STRIPES * COLOURS
"""Numbers in a vector."""

_GREY_BELOW, _COLOUR_ABOVE = 8.0, 22.0
"""Chroma (Lab) up to which a pixel is grey, and from which it is all colour."""
_VIVID = 62.0
"""Chroma of the most colourful bin."""
_LEVELS = 32
"""Steps of each channel in the table of votes."""
_MEAN_GREY = 110.0
"""Brightness of a crop to which others are brought."""
_EXPOSURE, _BALANCE = 0.85, 0.5
"""How much of a crop's brightness and of its tint is taken for the light: all of it (1) would take
away what a person in white or blue brings into the mean."""
_BORDER = 0.1
"""Share of the width, left and right, that is taken for background."""
_BACKGROUND, _KEPT = 0.3, 0.05
"""How much of the border's colours is taken away, and what is left of a colour at least."""
# Half the breadth of a body (one sigma, in widths of the crop) at heights from head to feet.
_HEIGHTS = (0.0, 0.12, 0.2, 0.5, 0.75, 1.0)
_BREADTHS = (0.12, 0.13, 0.22, 0.22, 0.2, 0.2)


class Colour:
    """Crops to colour-and-layout vectors; stands where an appearance network would.

    Attributes:
        card: its card, which holds the calibration.
        path: the card's file; there is no other.
        provider: 'cpu'.
        fallback_reason: '', it never runs elsewhere.
    """

    def __init__(self, card: Card) -> None:
        """Raises CardError where the card describes another input or another vector."""
        spec = card.input
        if (spec.layout, spec.order, spec.dtype) != ('NHWC', 'bgr', 'uint8'):
            raise CardError(f'{card.name}: {card.built_in} reads NHWC, bgr, uint8')
        if card.output.vector != LENGTH:
            raise CardError(
                f'{card.name}: output.vector is {card.output.vector}, but {card.built_in} '
                f'gives {LENGTH}'
            )
        self.card = card
        self.path = card.path or Path()
        self.provider = 'cpu'
        self.fallback_reason = ''
        self._votes = votes()
        self._where = _where(spec.height, spec.width)

    @property
    def checksum(self) -> str:
        """Says which vectors can be compared."""
        return checksum(self.path, self.card)

    def infer(self, batch: AnyArray) -> list[AnyArray]:
        """One (n, LENGTH) float32 table of unit vectors.

        Args:
            batch: (n, h, w, 3) uint8, BGR.
        """
        found = np.empty((len(batch), STRIPES, COLOURS), np.float32)
        for crop, shares in zip(batch, found):
            pixels = crop.reshape(-1, 3)
            both = self._where @ self._votes[_codes(pixels)]
            person, border = both[:STRIPES], both[STRIPES:]
            np.maximum(person - _BACKGROUND * border, _KEPT * person, out=shares)
        found /= found.sum(axis=2, keepdims=True)
        # Each stripe's shares add up to one: the length is known before it is measured.
        result = np.sqrt(found, out=found).reshape(len(batch), LENGTH)
        result /= np.float32(np.sqrt(STRIPES))
        return [result]

    def close(self) -> None:
        """Nothing to give back."""


def _codes(pixels: AnyArray) -> IntArray:
    """(p,) rows in the table of votes of (p, 3) pixels, the light taken out."""
    mean = np.maximum(pixels.mean(axis=0, dtype=np.float64), 4.0)
    bright = max(float(mean @ (0.114, 0.587, 0.299)), 8.0)
    gain = (_MEAN_GREY / bright) ** _EXPOSURE * (bright / mean) ** _BALANCE
    values = np.minimum(np.arange(256)[:, None] * gain, 255.0)
    steps = (values * (_LEVELS / 256)).astype(np.int64) * (_LEVELS**2, _LEVELS, 1)
    blue, green, red = pixels.T
    result: IntArray = steps[blue, 0] + steps[green, 1] + steps[red, 2]
    return result


def votes() -> FloatArray:
    """(LEVELS^3, COLOURS) share of a pixel's vote for each colour; rows blue, green, red."""
    level = (np.arange(_LEVELS) + 0.5) * (256 / _LEVELS)
    blue, green, red = (a.ravel() for a in np.meshgrid(level, level, level, indexing='ij'))
    lab = _lab(np.stack([red, green, blue], axis=1) / 255)
    light, chroma = lab[:, 0] / 100, np.hypot(lab[:, 1], lab[:, 2])
    hue = np.arctan2(lab[:, 2], lab[:, 1]) / (2 * np.pi) * HUES
    ramp = (chroma - _GREY_BELOW) / (_COLOUR_ABOVE - _GREY_BELOW)
    coloured = np.clip(ramp, 0.0, 1.0)[:, None]
    grey = _between(light, GREYS)
    # Colours are neither black nor white: their lightness spreads over the middle.
    parts = (
        _around(hue, HUES)[:, :, None, None],
        _between((light - 0.15) / 0.7, LIGHTS)[:, None, :, None],
        _between((chroma - _COLOUR_ABOVE) / (_VIVID - _COLOUR_ABOVE), CHROMAS)[:, None, None],
    )
    colour = (parts[0] * parts[1] * parts[2]).reshape(len(lab), -1)
    return np.concatenate([grey * (1 - coloured), colour * coloured], axis=1).astype(np.float32)


def _lab(rgb: DoubleArray) -> DoubleArray:
    """(n, 3) CIE Lab, white D65, of sRGB from 0 to 1 (IEC 61966-2-1)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    light, a, b = 116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])
    return np.stack([light, a, b], axis=1)


def _between(values: DoubleArray, n: int) -> DoubleArray:
    """(m, n) shares of values from 0 to 1 among n bins, those beside a value only."""
    place = np.clip(values, 0.0, 1.0) * (n - 1)
    result: DoubleArray = np.maximum(1 - np.abs(place[:, None] - np.arange(n)), 0.0)
    return result


def _around(values: DoubleArray, n: int) -> DoubleArray:
    """(m, n) shares of values on a circle of length n."""
    away = np.abs(values[:, None] - np.arange(n)) % n
    result: DoubleArray = np.maximum(1 - np.minimum(away, n - away), 0.0)
    return result


def _where(height: int, width: int) -> FloatArray:
    """(2 * STRIPES, height * width) weights of the pixels: of the stripes, then of their borders.

    Each row adds up to one.
    """
    y, x = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    centres = (np.arange(STRIPES) + 0.5) / STRIPES
    down = np.maximum(1 - np.abs(y - centres[:, None]) * STRIPES, 0.0)
    breadth = np.interp(y, _HEIGHTS, _BREADTHS)[:, None]
    across = np.exp(-0.5 * ((x - 0.5) / breadth) ** 2)
    border = np.broadcast_to(np.minimum(x, 1 - x) < _BORDER, (height, width))
    both = np.stack([down[:, :, None] * across, down[:, :, None] * border])
    rows = both.reshape(2 * STRIPES, height * width)
    result: FloatArray = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    return result
