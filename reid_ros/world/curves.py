"""The angles of hip, knee and ankle over one gait cycle, as Fourier series.

The normal curves are those of healthy adults at natural cadence, as printed in Winter (2009),
appendix A (knee, ankle), Kadaba et al., J. Orthop. Res. 8:383 (1990), and Bovi et al., Gait &
Posture 33:6 (2011), read at every 5 % and rounded to 0.5 degrees. Six harmonics keep 99.6 % of the
ankle's variance, more of the others'.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from reid_ros.types import DoubleArray

Joint = Literal['hip', 'knee', 'ankle']
LEG_JOINTS: tuple[Joint, ...] = get_args(Joint)
HARMONICS = 6
TERMS = 1 + 2 * HARMONICS

# Degrees from heel strike on. Hip: the thigh's angle to the vertical (hip flexion less the
# pelvis' anterior tilt), forward positive. Knee: flexion. Ankle: dorsiflexion.
_NORMAL: dict[Joint, tuple[float, ...]] = {
    'hip': (
        25.0, 23.5, 20.5, 16.0, 11.0, 6.0, 1.0, -4.0, -8.5, -12.5,
        -15.0, -14.5, -10.0, -2.0, 7.0, 15.5, 21.5, 25.5, 27.0, 26.5,
    ),
    'knee': (
        5.0, 12.0, 18.0, 19.5, 17.5, 14.0, 10.5, 8.0, 7.0, 9.0,
        15.0, 26.0, 41.0, 55.0, 62.0, 60.0, 50.0, 34.0, 17.0, 6.0,
    ),
    'ankle': (
        0.0, -5.0, -3.0, 0.0, 2.5, 4.5, 6.0, 7.5, 9.0, 9.5,
        7.0, -3.0, -16.0, -17.5, -10.0, -3.5, -0.5, 1.0, 1.5, 1.0,
    ),
}  # fmt: skip


def series(samples: DoubleArray) -> DoubleArray:
    """(TERMS,) coefficients of evenly spaced samples of one cycle: mean, cosines, sines."""
    spectrum = np.fft.rfft(samples)[: HARMONICS + 1] / len(samples)
    return np.concatenate([spectrum[:1].real, 2 * spectrum[1:].real, -2 * spectrum[1:].imag])


def basis(phase: DoubleArray) -> DoubleArray:
    """(n, TERMS) values of the terms at (n,) phases in cycles; times coefficients = angles."""
    turns = 2 * np.pi * phase[:, None] * np.arange(1, HARMONICS + 1)
    return np.concatenate([np.ones((len(phase), 1)), np.cos(turns), np.sin(turns)], axis=1)


def later(coefficients: DoubleArray, shift: float) -> DoubleArray:
    """The same curve, everything happening `shift` cycles later."""
    turns = 2 * np.pi * shift * np.arange(1, HARMONICS + 1)
    cosine, sine = np.cos(turns), np.sin(turns)
    a, b = coefficients[1 : 1 + HARMONICS], coefficients[1 + HARMONICS :]
    return np.concatenate([coefficients[:1], a * cosine - b * sine, a * sine + b * cosine])


def normal() -> DoubleArray:
    """(3, TERMS) degrees: the normal curves of hip, knee and ankle."""
    return np.stack([series(np.asarray(_NORMAL[joint])) for joint in LEG_JOINTS])


_FOREMOST = 0.965
"""Of the cycle: the foot is farthest ahead of the hip just before its heel strike."""


def timed(leg: DoubleArray) -> DoubleArray:
    """(3, TERMS) the curves of a leg, moved as one so that heel strike is at phase 0."""
    grid = np.arange(-25, 26) / 250.0
    thigh, knee = np.radians(basis(grid) @ leg[:2].T).T
    foremost = grid[np.argmax(np.sin(thigh) + np.sin(thigh - knee))]
    return np.stack([later(curve, _FOREMOST - 1.0 - foremost) for curve in leg])


# Spread between people of one joint's curve: of the amplitude (relative), of the mean (degrees),
# of the timing (cycles), of the shape (degrees in harmonic 2, falling with the harmonic). Together
# they give the 4 to 6 degrees (hip, knee) and 3 to 4 degrees (ankle) of one standard deviation in
# the bands of Bovi et al. (2011); the hip's amplitude follows from stride and leg besides.
SPREADS: dict[Joint, tuple[float, float, float, float]] = {
    'hip': (0.06, 2.0, 0.008, 1.0),
    'knee': (0.08, 3.0, 0.010, 1.3),
    'ankle': (0.15, 2.5, 0.010, 1.1),
}


def perturbed(coefficients: DoubleArray, share: float, rng: np.random.Generator) -> DoubleArray:
    """(3, TERMS) curves changed at random, `share` times as much as people differ."""
    order = np.maximum(np.arange(1, HARMONICS + 1) / 2.0, 1.0)
    changed = []
    for row, joint in enumerate(LEG_JOINTS):
        amplitude, mean, timing, shape = (share * value for value in SPREADS[joint])
        draws = np.clip(rng.normal(size=3 + 2 * HARMONICS), -2.5, 2.5)
        curve = later(coefficients[row], timing * draws[0])
        curve[1:] *= 1.0 + amplitude * draws[1]
        curve[0] += mean * draws[2]
        curve[1:] += shape / np.tile(order, 2) * draws[3:]
        changed.append(curve)
    return np.stack(changed)
