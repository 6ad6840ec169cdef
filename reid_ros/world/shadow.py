"""Soft shadows of people on the floor."""

from __future__ import annotations

from collections.abc import Sequence

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
    return (np.clip(1 - away, 0, 1) ** 1.3).astype(np.float32)


_SPOT = _blot()


def cast(canvas: Canvas, figures: Sequence[Figure], view: View, light: Light) -> None:
    """Darken the floor below the figures; what stands in front of it stays as it is."""
    if not figures:
        return
    spots: list[tuple[DoubleArray, DoubleArray, DoubleArray, float]] = []
    sun = light.direction
    share = light.diffuse / max(light.ambient + light.diffuse, 1e-6)
    flat = sun[:2] / max(float(sun[2]), 0.35)
    reach = float(np.linalg.norm(flat))
    away = -flat / max(reach, 1e-6)
    for figure in figures:
        # A long one away from the light, a round one from the light all around, two at the feet.
        long = min(0.5 * figure.height * reach, 1.6)
        if long > 0.15:
            middle = figure.ground.copy()
            middle[:2] += away * long
            along = np.array([*away, 0.0]) * (long + 0.25)
            spots.append((middle, along, _across(along, 0.3), 0.5 * share))
        round_ = np.array([0.48, 0.0, 0.0])
        spots.append((figure.ground, round_, _across(round_, 0.48), 0.3))
        for foot in figure.feet:
            near = 1 - float(foot[2]) / _ABOVE_M
            if near > 0:
                along = np.array([0.17, 0.0, 0.0])
                floor = foot * (1.0, 1.0, 0.0)
                spots.append((floor, along, _across(along, 0.17), 0.45 * near))
    _darken(canvas, spots, view)


def _across(along: DoubleArray, length: float) -> DoubleArray:
    across = np.array([-along[1], along[0], 0.0])
    result: DoubleArray = across * (length / max(float(np.linalg.norm(across)), 1e-9))
    return result


def _darken(
    canvas: Canvas, spots: list[tuple[DoubleArray, DoubleArray, DoubleArray, float]], view: View
) -> None:
    points = np.array([(m, m + a, m + b, m - a, m - b) for m, a, b, _ in spots])
    seen = view.pose.inside(points.reshape(-1, 3))
    ahead = (seen[:, 2].reshape(-1, 5) > 2 * NEAR_M).all(axis=1)
    seen[seen[:, 2] <= NEAR_M, 2] = 1.0
    pixels = project(view, seen).reshape(-1, 5, 2)
    depths = seen[:, 2].reshape(-1, 5)
    height, width = canvas.depth.shape
    for k in np.flatnonzero(ahead).tolist():
        middle, a, b, a2, b2 = pixels[k]
        half = np.maximum(np.abs(0.5 * (a - a2)), 1.0) + np.maximum(np.abs(0.5 * (b - b2)), 1.0)
        x0, y0 = np.maximum(np.floor(middle - half), 0).astype(int).tolist()
        x1, y1 = np.minimum(np.ceil(middle + half), (width, height)).astype(int).tolist()
        if x1 <= x0 or y1 <= y0:
            continue
        along, across = 0.5 * (a - a2), 0.5 * (b - b2)
        spread = np.column_stack([along, across]) * (2.0 / _SIZE)
        if abs(float(np.linalg.det(spread))) < 1e-4:
            continue
        corner = middle - (x0, y0) - spread @ np.array([0.5 * _SIZE, 0.5 * _SIZE])
        size = (x1 - x0, y1 - y0)
        alpha = cv2.warpAffine(_SPOT, np.column_stack([spread, corner]), size)
        # Depth of the floor here, linear within so small a piece; below it lies furniture.
        tilt = np.linalg.solve(
            np.column_stack([along, across]).T,
            [
                0.5 * (depths[k, 1] - depths[k, 3]),
                0.5 * (depths[k, 2] - depths[k, 4]),
            ],
        )
        xs = np.arange(x0, x1, dtype=np.float32) + np.float32(0.5 - middle[0])
        ys = np.arange(y0, y1, dtype=np.float32) + np.float32(0.5 - middle[1])
        floor = np.float32(depths[k, 0]) + np.float32(tilt[0]) * xs[None, :]
        floor = floor + np.float32(tilt[1]) * ys[:, None]
        part = canvas.depth[y0:y1, x0:x1]
        alpha[part < 0.95 * floor - 0.05] = 0
        alpha *= np.float32(-spots[k][3])
        alpha += 1
        piece = canvas.image[y0:y1, x0:x1]
        cv2.multiply(piece, cv2.merge([alpha, alpha, alpha]), dst=piece, dtype=cv2.CV_8U)
