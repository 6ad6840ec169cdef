"""Soft shadows of people on the floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reid_ros.lens import View
from reid_ros.types import DoubleArray, FloatArray
from reid_ros.world.figure import Figure
from reid_ros.world.spans import NEAR_M, project
from reid_ros.world.values import Canvas, Light

_SIZE = 48
_ABOVE_M = 0.06
"""A foot higher than this touches nothing."""


def _blot() -> FloatArray:
    """(48, 48) float32: a soft round spot, 1 in the middle and 0 at the rim."""
    axis = np.linspace(-1, 1, _SIZE, dtype=np.float32)
    away = np.hypot(axis[:, None], axis[None, :])
    return np.asarray(np.clip(1 - away, 0, 1) ** 1.1, np.float32)


_SPOT = _blot()


@dataclass(frozen=True, slots=True)
class _Spots:
    """Dark ellipses on the floor of one person: the first is the one around the feet.

    Attributes:
        points: (k, 3, 3) float64 metres: middle, and the ends of both half axes.
        weights: (k,) float64, how much darker the middle is.
    """

    points: DoubleArray
    weights: DoubleArray


def cast(canvas: Canvas, figures: Sequence[Figure], view: View, light: Light) -> None:
    """Darken the floor below the figures; what stands in front of it stays as it is."""
    if not figures:
        return
    spots = [_spots(figure, light) for figure in figures]
    seen = view.pose.inside(np.concatenate([s.points for s in spots]).reshape(-1, 3))
    depths = seen[:, 2].reshape(-1, 3).copy()
    seen[seen[:, 2] <= NEAR_M, 2] = 1.0
    pixels = project(view, seen).reshape(-1, 3, 2)
    start = 0
    for some in spots:
        run = slice(start, start + len(some.weights))
        start = run.stop
        if depths[run].min() > 2 * NEAR_M:
            _darken(canvas, pixels[run], depths[run], some.weights)


def _spots(figure: Figure, light: Light) -> _Spots:
    """One from the light all around, one away from the main light, one at each foot."""
    sun = light.direction
    share = light.diffuse / max(light.ambient + light.diffuse, 1e-6)
    flat = -sun[:2] / max(float(sun[2]), 0.35)
    reach = float(np.linalg.norm(flat))
    ground = figure.ground
    ellipses = [(ground, 0.55, 0.0, 0.55, 0.5)]
    long = min(0.5 * figure.height * reach, 1.6)
    if long > 0.15:
        middle = ground + np.array([*flat, 0.0]) * (long / reach)
        angle = float(np.arctan2(flat[1], flat[0]))
        ellipses.append((middle, long + 0.25, angle, 0.3, 0.6 * share))
    for foot in figure.feet:
        near = 1 - float(foot[2]) / _ABOVE_M
        if near > 0:
            ellipses.append((foot * (1.0, 1.0, 0.0), 0.2, 0.0, 0.2, 0.6 * near))
    points = []
    for middle, along, angle, across, _ in ellipses:
        c, s = np.cos(angle), np.sin(angle)
        first = middle + np.array([c, s, 0.0]) * along
        points.append((middle, first, middle + np.array([-s, c, 0.0]) * across))
    return _Spots(np.array(points), np.array([ellipse[4] for ellipse in ellipses]))


def _darken(
    canvas: Canvas, pixels: DoubleArray, depths: DoubleArray, weights: DoubleArray
) -> None:
    height, width = canvas.depth.shape
    axes = pixels[:, 1:] - pixels[:, :1]
    half = np.sqrt((axes**2).sum(axis=1)) + 1.0
    low = np.maximum(np.floor((pixels[:, 0] - half).min(axis=0)), 0).astype(int).tolist()
    high = np.minimum(np.ceil((pixels[:, 0] + half).max(axis=0)), (width, height))
    (x0, y0), (x1, y1) = low, high.astype(int).tolist()
    size = (x1 - x0, y1 - y0)
    area = axes[0, 0, 0] * axes[0, 1, 1] - axes[0, 0, 1] * axes[0, 1, 0]
    if min(size) <= 0 or abs(area) < 1.0:
        return
    left = np.ones(size[::-1], np.float32)
    for place, (along, across), weight in zip(pixels[:, 0] - (x0, y0), axes, weights.tolist()):
        spread = np.column_stack([along, across]) * (2.0 / _SIZE)
        corner = place - spread.sum(axis=1) * (0.5 * _SIZE)
        spot = cv2.warpAffine(_SPOT * np.float32(weight), np.column_stack([spread, corner]), size)
        left = cv2.multiply(left, cv2.subtract(1.0, spot))
    # Depth of the floor, linear within so small a piece; what is nearer stands on it.
    (ax, ay), (bx, by) = axes[0]
    da, db = depths[0, 1:] - depths[0, 0]
    slope_x, slope_y = (da * by - db * ay) / area, (db * ax - da * bx) / area
    xs = np.arange(x0, x1, dtype=np.float32) + np.float32(0.5 - pixels[0, 0, 0])
    ys = np.arange(y0, y1, dtype=np.float32) + np.float32(0.5 - pixels[0, 0, 1])
    floor = np.float32(0.93 * slope_x) * xs[None, :]
    floor = (
        floor + (np.float32(0.93 * slope_y) * ys + np.float32(0.93 * depths[0, 0] - 0.05))[:, None]
    )
    left[canvas.depth[y0:y1, x0:x1] < floor] = 1
    piece = canvas.image[y0:y1, x0:x1]
    cv2.multiply(piece, cv2.merge([left, left, left]), dst=piece, dtype=cv2.CV_8U)
