"""Where boxes will be: a small Kalman filter per box, all boxes in a few array operations.

The state of a box is its centre, its size and how fast these four change. With independent noise
the eight states split into four filters of two states, and the covariances into three numbers
each, so predicting and correcting every track is elementwise arithmetic.

Time is continuous: velocity is an Ornstein-Uhlenbeck process, white acceleration that fades with
a time constant, so any interval between two frames has an exact transition. For short intervals
it is the constant-velocity filter of SORT; over a long gap a box comes to rest instead of flying
off. Variances are kept in units of the box's own area: a box twice as large is expected to move
and to jitter twice as far, and no scale enters the recursion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.types import BoolArray, DoubleArray, FloatArray, IntArray

MEAN, SPEED, VAR, COV, SPEED_VAR = range(5)
SMALLEST_PX = 1.0


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

    measured: tuple[float, float, float, float] = (0.06, 0.06, 0.08, 0.08)
    speed: tuple[float, float, float, float] = (1.0, 0.4, 0.2, 0.2)
    drift: tuple[float, float, float, float] = (1.2, 0.6, 0.4, 0.4)
    fade_s: tuple[float, float, float, float] = (4.0, 4.0, 0.5, 0.5)


class BoxFilter:
    """The boxes of all tracks of one camera, oldest first.

    Attributes:
        n: number of boxes.
    """

    def __init__(self, noise: Noise | None = None) -> None:
        noise = noise or Noise()
        self._measured = np.square(np.array(noise.measured))[:, None]
        self._speed = np.square(np.array(noise.speed))[:, None]
        self._drift = np.square(np.array(noise.drift))[:, None]
        self._fade_s = np.array(noise.fade_s)[:, None]
        self._state = np.zeros((5, 4, 32))
        self._steps: dict[float, tuple[DoubleArray, ...]] = {}
        self.n = 0

    def clear(self) -> None:
        """Forget every box."""
        self.n = 0

    def corners(self) -> tuple[DoubleArray, DoubleArray]:
        """(2, n) upper left and (2, n) lower right corners, pixels."""
        mean = self._state[MEAN, :, : self.n]
        half = mean[2:] * 0.5
        return mean[:2] - half, mean[:2] + half

    def spread(self, rows: IntArray) -> DoubleArray:
        """(2, len(rows)) standard deviation of the centres, pixels."""
        state = self._state[:, :, rows]
        area = state[MEAN, 2] * state[MEAN, 3]
        result: DoubleArray = np.sqrt(state[VAR, :2] * area)
        return result

    def predict(self, dt_s: float) -> None:
        """Advance every box by dt_s seconds, 0 or more."""
        if not self.n or dt_s == 0.0:
            return
        stay, reach, twice, square, stay2, var, cov, speed_var = self._step(dt_s)
        state = self._state[:, :, : self.n]
        mean, speed, var_, cov_, speed_var_ = state
        mean += reach * speed
        np.maximum(mean[2:], SMALLEST_PX, out=mean[2:])
        speed *= stay
        var_ += twice * cov_
        var_ += square * speed_var_
        var_ += var
        cov_ += reach * speed_var_
        cov_ *= stay
        cov_ += cov
        speed_var_ *= stay2
        speed_var_ += speed_var

    def _step(self, dt_s: float) -> tuple[DoubleArray, ...]:
        """The exact discrete transition and noise of the process over dt_s, (4, 1) each."""
        known = self._steps.get(dt_s)
        if known is None:
            tau = self._fade_s
            x = dt_s / tau
            gone = -np.expm1(-x)
            stay = 1.0 - gone
            reach = tau * gone
            speed_var = self._drift * tau * 0.5 * -np.expm1(-2.0 * x)
            cov = self._drift * np.square(reach) * 0.5
            # The bracket cancels to x ** 3 / 3 for short steps: take the series there.
            bracket = np.where(
                x < 0.05,
                x**3 * (1 / 3 - x * (0.25 - x * 7 / 60)),
                x - 2.0 * gone - 0.5 * np.expm1(-2.0 * x),
            )
            var = self._drift * tau**3 * bracket
            known = (stay, reach, 2.0 * reach, reach**2, stay**2, var, cov, speed_var)
            if len(self._steps) > 64:
                self._steps.clear()
            self._steps[dt_s] = known
        return known

    def correct(self, rows: IntArray, measured: DoubleArray, doubt: DoubleArray | None) -> None:
        """Move boxes to what was measured.

        Args:
            rows: (k,) boxes that were seen.
            measured: (4, k) their centres and sizes, pixels.
            doubt: (k,) factor on the variance of each measurement; None means 1.
        """
        state = self._state[:, :, rows]
        mean, speed, var, cov, speed_var = state
        off = measured - mean
        total = var + (self._measured if doubt is None else self._measured * doubt)
        gain = var / total
        speed_gain = cov / total
        mean += gain * off
        speed += speed_gain * off
        speed_var -= speed_gain * cov
        np.subtract(1.0, gain, out=gain)
        var *= gain
        cov *= gain
        self._state[:, :, rows] = state

    def append(self, measured: DoubleArray) -> None:
        """Add boxes at rest.

        Args:
            measured: (4, k) centres and sizes, pixels.
        """
        start, self.n = self.n, self.n + measured.shape[1]
        if self.n > self._state.shape[2]:
            grown = np.zeros((5, 4, 2 * self.n))
            grown[:, :, :start] = self._state[:, :, :start]
            self._state = grown
        new = self._state[:, :, start : self.n]
        new[MEAN] = measured
        new[SPEED] = 0.0
        new[VAR] = self._measured
        new[COV] = 0.0
        new[SPEED_VAR] = self._speed

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
            (n,) bool, False for boxes that it sends behind the camera; these are left in place.
        """
        state = self._state[:, :, : self.n]
        mean, speed, _, _, _ = state
        x, y = mean[0], mean[1]
        depth = ego[2, 0] * x + ego[2, 1] * y + ego[2, 2]
        ahead: BoolArray = depth > 1e-3
        depth = np.where(ahead, depth, 1.0)
        u = (ego[0, 0] * x + ego[0, 1] * y + ego[0, 2]) / depth
        v = (ego[1, 0] * x + ego[1, 1] * y + ego[1, 2]) / depth
        xx, xy = (ego[0, 0] - u * ego[2, 0]) / depth, (ego[0, 1] - u * ego[2, 1]) / depth
        yx, yy = (ego[1, 0] - v * ego[2, 0]) / depth, (ego[1, 1] - v * ego[2, 1]) / depth
        wide, high = np.hypot(xx, yx), np.hypot(xy, yy)
        ahead &= (wide > 1e-3) & (high > 1e-3) & (wide < 1e3) & (high < 1e3)
        moved = state.copy()
        moved[MEAN, 0], moved[MEAN, 1] = u, v
        moved[SPEED, 0] = xx * speed[0] + xy * speed[1]
        moved[SPEED, 1] = yx * speed[0] + yy * speed[1]
        moved[MEAN:VAR, 2] *= wide
        moved[MEAN:VAR, 3] *= high
        # Variances are in units of the area, which scales by wide * high; a turn mixes the axes.
        area = wide * high
        moved[VAR:, 0] = (xx**2 * state[VAR:, 0] + xy**2 * state[VAR:, 1]) / area
        moved[VAR:, 1] = (yx**2 * state[VAR:, 0] + yy**2 * state[VAR:, 1]) / area
        moved[VAR:, 2] *= wide / high
        moved[VAR:, 3] *= high / wide
        np.maximum(moved[MEAN, 2:], SMALLEST_PX, out=moved[MEAN, 2:])
        state[:] = np.where(ahead, moved, state)
        return ahead


def centred(boxes: FloatArray) -> DoubleArray:
    """(4, n) centres and sizes of (n, 4) corners, pixels; sizes at least one pixel."""
    corners = boxes.T.astype(np.float64)
    result: DoubleArray = np.empty_like(corners)
    np.subtract(corners[2:], corners[:2], out=result[2:])
    np.add(corners[2:], corners[:2], out=result[:2])
    result[:2] *= 0.5
    np.maximum(result[2:], SMALLEST_PX, out=result[2:])
    return result


def homography(ego: DoubleArray) -> DoubleArray:
    """Ego, checked and scaled to a last element of 1.

    Raises:
        ValueError: not a finite, invertible (3, 3) matrix that keeps the image's corner in view.
    """
    matrix: DoubleArray = np.array(ego, np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or matrix[2, 2] == 0.0:
        raise ValueError(f'ego must be a finite (3, 3) homography, got {matrix.tolist()}')
    matrix /= matrix[2, 2]
    if abs(np.linalg.det(matrix)) < 1e-9:
        raise ValueError(f'ego is not invertible: {matrix.tolist()}')
    return matrix
