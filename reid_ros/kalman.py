"""Where boxes will be: a small Kalman filter per box, all boxes in a few array operations.

The state of a box is its centre, its size and how fast these four change. With independent noise
the eight states split into four filters of two states, and the covariances into three numbers
each, so predicting and correcting all tracks takes a few array operations.

Time is continuous: velocity is an Ornstein-Uhlenbeck process, white acceleration that fades with
a time constant, so any interval between two frames has an exact transition. For short intervals
it is the constant-velocity filter of SORT; over a long gap a box comes to rest instead of flying
off. Variances are kept in units of the box's own area: a box twice as large is expected to move
and to jitter twice as far, and no scale enters the recursion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reid_ros.types import BoolArray, DoubleArray, FloatArray, IntArray

MEAN, SPEED, VAR, COV, SPEED_VAR = range(5)
SMALLEST_PX = 1.0
# Weights of squared innovations, chosen with the constants of track. A likelihood would have 0.5,
# but they multiply an overlap that knows of them already. A width swings with the stride.
_FITTED = np.array([[0.075], [0.075], [0.0], [0.075]])


@dataclass(frozen=True, slots=True)
class Noise:
    """How people move and detectors jitter, per state x, y, width, height.

    Lengths are in units of the square root of the box's area (a standing adult is about 1.1 m).

    Attributes:
        measured: standard deviation of a detection.
        speed: standard deviation of the speed of a box never seen before, per second.
        drift: square root of the density of the white acceleration, per second ** 1.5.
        fade_s: time constant with which speed fades, seconds.
    """

    measured: tuple[float, float, float, float] = (0.12, 0.12, 0.16, 0.16)
    speed: tuple[float, float, float, float] = (1.0, 0.4, 0.2, 0.2)
    drift: tuple[float, float, float, float] = (1.2, 0.6, 0.4, 0.4)
    fade_s: tuple[float, float, float, float] = (4.0, 4.0, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a filter expects to see of its boxes; good until it changes.

    Attributes:
        corners: (4, n) float32 x0 y0 x1 y1, pixels.
        spread: (2, n) float32 standard deviation of the centres, pixels.
        mean: (4, n) centres and sizes, pixels.
        weights: (4, n) what their squared errors count for.
    """

    corners: FloatArray
    spread: FloatArray
    mean: DoubleArray
    weights: DoubleArray

    def fit(self, rows: IntArray, measured: DoubleArray) -> DoubleArray:
        """(k,) 1 where a box is just where it was expected, towards 0 the farther off it is.

        Args:
            rows: (k,) boxes; may repeat.
            measured: (4, k) centres and sizes, pixels.
        """
        off = measured - self.mean.take(rows, axis=1)
        off *= off
        off *= self.weights.take(rows, axis=1)
        result: DoubleArray = np.exp(-off.sum(axis=0))
        return result


class BoxFilter:
    """The boxes of all tracks of one camera, oldest first.

    Attributes:
        n: number of boxes.
    """

    def __init__(self, noise: Noise | None = None) -> None:
        noise = noise or Noise()
        self._measured = np.square(np.array(noise.measured))[:, None]
        self._speed = np.square(np.array(noise.speed))[:, None]
        self._drift = np.square(np.array(noise.drift))
        self._fade_s = np.array(noise.fade_s)
        self._state = np.zeros((4, 5, 32))
        self._steps: dict[float, tuple[DoubleArray, DoubleArray]] = {}
        self.n = 0

    def clear(self) -> None:
        """Forget every box."""
        self.n = 0

    def corners(self) -> FloatArray:
        """(4, n) x0 y0 x1 y1 of each box, pixels."""
        mean = self._state[:, MEAN, : self.n]
        half = mean[2:] * 0.5
        result = np.empty((4, self.n), np.float32)
        result[:2] = mean[:2] - half
        result[2:] = mean[:2] + half
        return result

    def outlook(self) -> Outlook:
        """What is expected of each box now."""
        mean, var = self._state[:, MEAN, : self.n], self._state[:, VAR, : self.n]
        area = mean[2] * mean[3]
        spread = np.sqrt(var[:2] * area).astype(np.float32)
        weights = _FITTED / ((var + self._measured) * area)
        return Outlook(self.corners(), spread, mean, weights)

    def predict(self, dt_s: float) -> None:
        """Advance every box by dt_s seconds, 0 or more."""
        if not self.n or dt_s == 0.0:
            return
        transition, noise = self._step(dt_s)
        state = self._state[:, :, : self.n]
        moved = transition @ state
        moved += noise
        sizes = moved[2:, MEAN]
        np.maximum(sizes, SMALLEST_PX, out=sizes)
        state[:] = moved

    def _step(self, dt_s: float) -> tuple[DoubleArray, DoubleArray]:
        """What dt_s does to (mean, speed, var, cov, speed_var): (4, 5, 5), and (4, 5, 1) added.

        The exact discretisation of the process; the moments of a linear filter are linear too.
        """
        known = self._steps.get(dt_s)
        if known is not None:
            return known
        tau = self._fade_s
        x = dt_s / tau
        gone = -np.expm1(-x)
        stay, reach = 1.0 - gone, tau * gone
        transition = np.zeros((4, 5, 5))
        for row, column, value in (
            (MEAN, MEAN, 1.0),
            (MEAN, SPEED, reach),
            (SPEED, SPEED, stay),
            (VAR, VAR, 1.0),
            (VAR, COV, 2.0 * reach),
            (VAR, SPEED_VAR, reach * reach),
            (COV, COV, stay),
            (COV, SPEED_VAR, stay * reach),
            (SPEED_VAR, SPEED_VAR, stay * stay),
        ):
            transition[:, row, column] = value
        # The bracket of the variance cancels to x ** 3 / 3 for short steps: the series there.
        bracket = np.where(
            x < 0.05,
            x**3 * (1 / 3 - x * (0.25 - x * 7 / 60)),
            x - 2.0 * gone - 0.5 * np.expm1(-2.0 * x),
        )
        noise = np.zeros((4, 5, 1))
        noise[:, VAR, 0] = self._drift * tau**3 * bracket
        noise[:, COV, 0] = self._drift * reach * reach * 0.5
        noise[:, SPEED_VAR, 0] = self._drift * tau * 0.5 * -np.expm1(-2.0 * x)
        if len(self._steps) >= 64:
            self._steps.clear()
        self._steps[dt_s] = transition, noise
        return transition, noise

    def shift(self, by: DoubleArray) -> None:
        """Move every box by (2,) pixels."""
        self._state[:2, MEAN, : self.n] += by[:, None]

    def surprise(self, rows: IntArray, measured: DoubleArray) -> DoubleArray:
        """(2, k) pixels from the predicted centres of boxes to their measured (4, k) ones."""
        result: DoubleArray = measured[:2] - self._state[:2, MEAN, rows]
        return result

    def correct(self, rows: IntArray, measured: DoubleArray) -> None:
        """Move boxes to what was measured.

        Args:
            rows: (k,) boxes that were seen.
            measured: (4, k) their centres and sizes, pixels.
        """
        state = self._state.take(rows, axis=2)
        cov = state[:, COV].copy()
        gain = state[:, VAR : COV + 1] / (state[:, VAR] + self._measured)[:, None]
        state[:, :VAR] += gain * (measured - state[:, MEAN])[:, None]
        state[:, SPEED_VAR] -= gain[:, 1] * cov
        state[:, VAR : COV + 1] *= 1.0 - gain[:, :1]
        self._state[:, :, rows] = state

    def append(self, measured: DoubleArray) -> None:
        """Add boxes at rest.

        Args:
            measured: (4, k) centres and sizes, pixels.
        """
        start, self.n = self.n, self.n + measured.shape[1]
        if self.n > self._state.shape[2]:
            grown = np.zeros((4, 5, 2 * self.n))
            grown[:, :, :start] = self._state[:, :, :start]
            self._state = grown
        new = self._state[:, :, start : self.n]
        new[:, MEAN] = measured
        new[:, SPEED] = 0.0
        new[:, VAR] = self._measured
        new[:, COV] = 0.0
        new[:, SPEED_VAR] = self._speed

    def keep(self, first: int, kept: IntArray) -> None:
        """Drop boxes.

        Args:
            first: the first box that goes; those before it stay in place.
            kept: the boxes behind it that stay, ascending.
        """
        self.n = first + len(kept)
        self._state[:, :, first : self.n] = self._state[:, :, kept]

    def warp(self, ego: DoubleArray) -> BoolArray:
        """Move every box with the camera.

        A box keeps its upright shape: its sides scale as the homography's Jacobian at its centre
        scales lengths along them, its speed turns with it.

        Args:
            ego: (3, 3) from the pixels of the previous frame to this one's, as `homography` gives.

        Returns:
            (n,) bool, False for boxes that it sends behind the camera; their states are void.
        """
        state = self._state[:, :, : self.n]
        centre, speed, var = state[:2, MEAN], state[:2, SPEED], state[:2, VAR:]
        seen = ego[:, :2] @ centre
        seen += ego[:, 2:]
        depth = seen[2]
        ahead: BoolArray = depth > 1e-3
        if not ahead.all():
            depth[~ahead] = 1.0
        centre[:] = seen[:2] / depth
        # Rows: where x and y go; columns: the x and y they come from (a quotient's derivative).
        jacobian = (ego[:2, :2, None] - centre[:, None] * ego[2, :2, None]) / depth
        square = jacobian * jacobian
        side = np.sqrt(square[0] + square[1])
        if side.min(initial=1.0) < 1e-3:
            ahead &= (side > 1e-3).all(axis=0)
            np.maximum(side, 1e-3, out=side)
        speed[:] = jacobian[:, 0] * speed[0] + jacobian[:, 1] * speed[1]
        # Variances are in units of the area, which grows by both sides; a turn mixes the axes.
        square /= side[0] * side[1]
        var[:] = square[:, :1] * var[0] + square[:, 1:] * var[1]
        state[2:, :VAR] *= side[:, None]
        ratio = side[0] / side[1]
        state[2, VAR:] *= ratio
        state[3, VAR:] /= ratio
        sizes = state[2:, MEAN]
        np.maximum(sizes, SMALLEST_PX, out=sizes)
        return ahead


def centred(corners: FloatArray) -> DoubleArray:
    """(4, n) centres and sizes of (4, n) corners, pixels; sizes at least one pixel."""
    corners = corners.astype(np.float64)
    result: DoubleArray = np.empty(corners.shape)
    np.subtract(corners[2:], corners[:2], out=result[2:])
    np.add(corners[2:], corners[:2], out=result[:2])
    result[:2] *= 0.5
    np.maximum(result[2:], SMALLEST_PX, out=result[2:])
    return result


def homography(ego: DoubleArray) -> DoubleArray:
    """Ego, checked and scaled to a last element of 1.

    Raises:
        ValueError: not a finite, invertible (3, 3) matrix with a last element.
    """
    matrix: DoubleArray = np.array(ego, np.float64)
    if matrix.shape == (3, 3):
        (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
        # For nine numbers plain arithmetic is ten times faster than np.linalg.det.
        det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
        if i != 0.0 and math.isfinite(det) and abs(det) > 1e-9 * abs(i) ** 3:
            matrix /= i
            return matrix
    raise ValueError(f'ego must be a finite, invertible (3, 3) homography, got {matrix.tolist()}')
