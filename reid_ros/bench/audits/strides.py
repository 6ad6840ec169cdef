"""Features of silhouette sequences: what one frame shows, what all show, and how they move."""

from __future__ import annotations

import cv2
import numpy as np

from reid_ros.bench.audits.learn import Projector, components
from reid_ros.types import AnyArray, DoubleArray, FloatArray, UInt8Array
from reid_ros.world.silhouettes import Passage

SIZE = (64, 44)
"""Height and width of the aligned silhouettes."""
_LEAST_ROWS = 8
"""Of whom fewer rows are seen is as good as hidden."""
_SHAPES = 24
_LEARN_FROM = 900
_HARMONICS = 4
_DAMP = 0.01
_CADENCES_HZ = np.arange(0.65, 1.35, 0.005)
"""Strides a second that are tried."""


def aligned(masks: UInt8Array) -> FloatArray:
    """(t, h, w) 0 to 1: silhouettes cut at head and sole, middle of the mass in the middle.

    As GaitSet (Chao et al., AAAI 2019) and its successors align them.
    """
    height, width = SIZE
    result = np.zeros((len(masks), height, width), np.float32)
    for mask, out in zip(masks, result):
        rows = np.flatnonzero(mask.any(axis=1))
        if len(rows) < _LEAST_ROWS:
            continue
        body = mask[rows[0] : rows[-1] + 1]
        weight = body.sum(axis=0, dtype=np.float64)
        middle = float((weight * np.arange(len(weight))).sum() / weight.sum())
        wide = len(body) * width / height
        x0, x1 = round(middle - wide / 2), round(middle + wide / 2)
        edges = max(-x0, 0), max(x1 - body.shape[1], 0)
        body = np.pad(body, ((0, 0), edges))[:, x0 + edges[0] : x1 + edges[0]]
        out[:] = cv2.resize(body, (width, height), interpolation=cv2.INTER_AREA) / 255.0
    return result


class Strides:
    """Describes sequences; the shapes between which bodies move are learnt from some."""

    def __init__(self, learnt_from: list[Passage]) -> None:
        step = max(sum(len(one) for one in learnt_from) // _LEARN_FROM, 1)
        frames = np.concatenate([aligned(one.masks[::step]) for one in learnt_from])
        self._shapes: Projector = components(frames.reshape(len(frames), -1), _SHAPES)
        # The shape that swings most once a stride: it tells left steps from right ones.
        odd = np.zeros(_SHAPES)
        for one in learnt_from[::4]:
            flat = aligned(one.masks).reshape(len(one), -1)
            odd += np.abs(_turning(_times(one), self._shapes(flat), _opening(flat))[1][0])
        self._sided = int(np.argmax(odd))

    def frame(self, one: Passage, moment: int) -> DoubleArray:
        """(d,) one silhouette."""
        result: DoubleArray = aligned(one.masks[moment : moment + 1]).ravel().astype(np.float64)
        return result

    def bag(self, one: Passage) -> DoubleArray:
        """(d,) what does not depend on the order: gait energy image and each pixel's spread.

        Han and Bhanu, Individual recognition using gait energy image, PAMI 2006.
        """
        frames = aligned(one.masks)
        result: DoubleArray = np.concatenate(
            [frames.mean(axis=0).ravel(), frames.std(axis=0).ravel()]
        ).astype(np.float64)
        return result

    def movement(self, one: Passage) -> DoubleArray:
        """(d,) cadence, and amplitudes and relative phases of the harmonics of all shapes."""
        flat = aligned(one.masks).reshape(len(one), -1)
        series = self._shapes(flat)
        cadence, turning, opening = _turning(_times(one), series, _opening(flat))
        # Time starts where the feet are farthest apart, which they are twice a stride; of the two
        # the one where the body's first shape leans to the same side.
        orders = np.arange(1, _HARMONICS + 1)
        turning = turning * np.exp(-0.5j * np.angle(opening[1]) * orders)[:, None]
        if turning[0, self._sided].real < 0:
            turning = turning * ((-1.0) ** orders)[:, None]
        return np.concatenate([[cadence], turning.real.ravel(), turning.imag.ravel()])


def _times(one: Passage) -> DoubleArray:
    """(t,) seconds, 0 in the middle."""
    return np.asarray((np.arange(len(one)) - 0.5 * len(one)) / one.rate_hz, np.float64)


def _opening(flat: FloatArray) -> DoubleArray:
    """(t,) how far the feet are apart: spread of the lowest sixth of each silhouette."""
    height, width = SIZE
    low = flat.reshape(-1, height, width)[:, -(height // 6) :].sum(axis=1).astype(np.float64)
    share = low / np.maximum(low.sum(axis=1, keepdims=True), 1e-6)
    x = np.arange(width)
    mean = share @ x
    result: DoubleArray = np.sqrt(np.maximum(share @ (x * x) - mean**2, 0))
    return result


def _cadence(time: DoubleArray, opening: DoubleArray) -> float:
    """Strides a second: the feet part and meet twice a stride."""
    best, least = 0.0, np.inf
    for cadence in _CADENCES_HZ.tolist():
        waves = _waves(time, 2 * cadence, 2)
        weights, _, _, _ = np.linalg.lstsq(waves, opening, rcond=None)
        left = float(((opening - waves @ weights) ** 2).sum())
        if left < least:
            best, least = cadence, left
    return best


def _turning(
    time: DoubleArray, series: DoubleArray, opening: DoubleArray
) -> tuple[float, AnyArray, AnyArray]:
    """Strides a second, and the complex harmonics of (t, k) series and of the feet's distance."""
    cadence = _cadence(time, opening)
    waves = _waves(time, cadence, _HARMONICS)
    both = np.column_stack([opening, series])
    # A little damping: of a walk of hardly more than a stride, trend and first wave look alike.
    gram = waves.T @ waves + _DAMP * len(time) * np.eye(waves.shape[1])
    weights = np.linalg.solve(gram, waves.T @ (both - both.mean(axis=0)))
    turning = weights[2::2] - 1j * weights[3::2]
    return cadence, turning[:, 1:], turning[:, 0]


def _waves(time: DoubleArray, cadence: float, harmonics: int) -> DoubleArray:
    """(t, 2 + 2 harmonics): constant, trend, cosine and sine of each harmonic."""
    columns = [np.ones_like(time), time]
    for order in range(1, harmonics + 1):
        turn = 2 * np.pi * order * cadence * time
        columns += [np.cos(turn), np.sin(turn)]
    return np.stack(columns, axis=1)
