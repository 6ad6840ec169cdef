"""Pictures of an empty place with the depth of every pixel, lens distortion included."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from reid_ros.lens import Lens, View
from reid_ros.types import DoubleArray, FloatArray, UInt8Array
from reid_ros.world.atlas import Atlas
from reid_ros.world.bake import Bakery
from reid_ros.world.place import Place
from reid_ros.world.values import Canvas

FAR_M = 1000.0
"""Depth where nothing is."""
_NEAR_M = 0.03
_FINE = 3
"""Samples per pixel and axis in a picture that is kept."""
_STRIP_PIXELS = 1 << 20
_KEPT = 24
_SLACK = 1e-3
_SOLID = 110
"""Least opaque share, of 255, that hides what is behind."""
_BEND = 2e-4


@dataclass(frozen=True, slots=True)
class _Rays:
    """Where the samples of an image look: x, y of the ray with z = 1.

    `left` and `right` bound for each column where its samples may look, and grow to the right;
    `upper` and `lower` do for each row. So a span of directions gives a span of columns.
    """

    x: FloatArray
    y: FloatArray
    left: FloatArray
    right: FloatArray
    upper: FloatArray
    lower: FloatArray

    @staticmethod
    def of(lens: Lens, width: int, first: int, last: int, scale: int) -> _Rays:
        """Of rows first to last of an image, scale x scale samples per pixel."""
        wide, high = width * scale, (last - first) * scale
        # A sample in the middle of a pixel lies at the pixel's whole coordinate.
        step = 4
        columns, rows = -(-wide // step) + 2, -(-high // step) + 2
        across = ((np.arange(columns) - 0.5) * step - 0.5 - (scale - 1) / 2) / scale
        along = ((np.arange(rows) - 0.5) * step - 0.5 - (scale - 1) / 2) / scale + first
        lattice = np.stack(np.meshgrid(across, along), axis=-1).reshape(-1, 2)
        directions = _undistorted(lens, lattice).reshape(rows, columns, 2)
        # Linear between lattice points: off by less than a hundredth of a pixel.
        size = (columns * step, rows * step)
        dense = cv2.resize(directions, size, interpolation=cv2.INTER_LINEAR)
        dense = dense[step : step + high, step : step + wide].astype(np.float32)
        x, y = np.ascontiguousarray(dense[..., 0]), np.ascontiguousarray(dense[..., 1])
        return _Rays(
            x,
            y,
            np.minimum.accumulate(x.min(axis=0)[::-1])[::-1],
            np.maximum.accumulate(x.max(axis=0)),
            np.minimum.accumulate(y.min(axis=1)[::-1])[::-1],
            np.maximum.accumulate(y.max(axis=1)),
        )


def _undistorted(lens: Lens, pixels: DoubleArray) -> DoubleArray:
    """(n, 2) x, y of the rays with z = 1 of pixels; `Lens.pixels` gives the pixels back."""
    rays = np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(lens.matrix).T
    if lens.distortion.any():
        start = rays.copy()
        # The fixed point that OpenCV's undistortPoints seeks too, with more rounds.
        inverse = np.linalg.inv(lens.matrix[:2, :2]).T
        for _ in range(30):
            rays[:, :2] += (pixels - lens.pixels(rays)) @ inverse * 0.8
        lost = ~np.isfinite(rays).all(axis=1) | (np.abs(rays - start).max(axis=1) > 3)
        rays[lost] = start[lost]
    result: DoubleArray = rays[:, :2]
    return result


class Backdrop:
    """Renders one place from any camera."""

    def __init__(self, place: Place) -> None:
        bakery = Bakery(place)
        quads = place.quads
        self._atlas = Atlas([bakery.picture(quad) for quad in quads])
        self._corner = np.array([quad.corner for quad in quads])
        self._along = np.array([quad.along for quad in quads])
        self._down = np.array([quad.down for quad in quads])
        self._normal = np.array([quad.normal for quad in quads])
        self._density = np.array([quad.surface.density for quad in quads])
        self._cutout = np.array([quad.surface.cutout for quad in quads])
        self._kept: OrderedDict[tuple[Any, ...], Canvas] = OrderedDict()
        self._rays: dict[tuple[Any, ...], _Rays] = {}

    def canvas(self, view: View, moving: bool = False) -> Canvas:
        """The place as this camera sees it, in arrays of the caller's own.

        Args:
            view: the camera.
            moving: False renders finely and keeps the picture for the next call with an equal
                view; True renders fast, and the same for the same view, whatever came before.
        """
        if moving:
            return self._quick(view)
        pose = (view.pose.rotation.tobytes(), view.pose.position.tobytes())
        key = (*_lens_key(view), *pose)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = self._fine(view)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return Canvas(kept.image.copy(), kept.depth.copy())

    def _quick(self, view: View) -> Canvas:
        key = _lens_key(view)
        if key not in self._rays:
            self._rays[key] = _Rays.of(view.lens, view.width, 0, view.height, 1)
        image, nearness = self._render(view, self._rays[key], 1)
        # Nearness is linear over a face, so it bends at edges only: smooth the stairs there.
        bend = cv2.Laplacian(nearness, cv2.CV_32F)
        edges = (np.abs(bend, out=bend) > _BEND).view(np.uint8)
        cv2.copyTo(cv2.blur(image, (3, 3)), edges, image)
        return Canvas(image, np.reciprocal(nearness, out=nearness))

    def _fine(self, view: View) -> Canvas:
        image = np.empty((view.height, view.width, 3), np.uint8)
        depth = np.empty((view.height, view.width), np.float32)
        rows = max(1, _STRIP_PIXELS // (view.width * _FINE * _FINE))
        for first in range(0, view.height, rows):
            last = min(first + rows, view.height)
            rays = _Rays.of(view.lens, view.width, first, last, _FINE)
            strip, nearness = self._render(view, rays, _FINE)
            size = (view.width, last - first)
            image[first:last] = cv2.resize(strip, size, interpolation=cv2.INTER_AREA)
            depth[first:last] = 1 / nearness[_FINE // 2 :: _FINE, _FINE // 2 :: _FINE]
        return Canvas(image, depth)

    def _render(self, view: View, rays: _Rays, scale: int) -> tuple[UInt8Array, FloatArray]:
        """The samples' colours, and 1 / depth of each."""
        shape = rays.x.shape
        nearness = np.full(shape, 1 / FAR_M, np.float32)
        column, row = np.full(shape, 1, np.float32), np.full(shape, 1, np.float32)
        room = np.empty((3, shape[0] * shape[1]), np.float32)
        marks = np.empty((2, shape[0] * shape[1]), np.bool_)
        focal = float(view.lens.matrix[0, 0]) * scale
        for piece in self._pieces(view, rays, focal):
            x0, x1, y0, y1 = piece.window
            part, form = (slice(y0, y1), slice(x0, x1)), (y1 - y0, x1 - x0)
            count = form[0] * form[1]
            across, along, before = rays.x[part], rays.y[part], nearness[part]
            # Packed scratch stays in the cache; windows of a full-sized one would not.
            w = room[0, :count].reshape(form)
            mask, test = marks[0, :count].reshape(form), marks[1, :count].reshape(form)
            _linear(across, along, piece.nearness, w)
            np.greater(w, before, out=mask)
            if piece.band is not None:
                mask &= np.greater(w, piece.band[0], out=test)
                mask &= np.less_equal(w, piece.band[1], out=test)
            if not mask.any():
                continue
            u, v = room[1, :count].reshape(form), room[2, :count].reshape(form)
            _linear(across, along, piece.column, u)
            _linear(across, along, piece.row, v)
            cv2.divide(u, w, dst=u)
            cv2.divide(v, w, dst=v)
            mask &= np.greater_equal(u, piece.columns[0], out=test)
            mask &= np.less_equal(u, piece.columns[1], out=test)
            mask &= np.greater_equal(v, piece.rows[0], out=test)
            mask &= np.less_equal(v, piece.rows[1], out=test)
            if piece.cutout:
                solid = cv2.remap(self._atlas.solid, u, v, cv2.INTER_LINEAR)
                mask &= np.greater(solid, _SOLID, out=test)
            chosen = mask.view(np.uint8)
            cv2.copyTo(w, chosen, before)
            cv2.copyTo(u, chosen, column[part])
            cv2.copyTo(v, chosen, row[part])
        return cv2.remap(self._atlas.image, column, row, cv2.INTER_LINEAR), nearness

    def _pieces(self, view: View, rays: _Rays, focal: float) -> list[_Piece]:
        """The faces that can be seen, long ones cut where the texture's level changes.

        A face is a plane n.(p - o) = 0, a sample sees p = c + z R r. So 1/z = R'n.r / n.(o - c),
        and a coordinate on the face is linear in r too once it is divided by z.
        """
        spin, centre = view.pose.rotation, view.pose.position
        away = ((centre - self._corner) * self._normal).sum(axis=1)
        corners = self._corner[:, None] + np.stack(
            [np.zeros_like(self._along), self._along, self._along + self._down, self._down], axis=1
        )
        local = (corners - centre) @ spin
        shown = ((away > 1e-6) | (self._cutout & (away < -1e-6))) & (
            local[..., 2].max(1) > _NEAR_M
        )
        index = np.flatnonzero(shown)
        away, local = away[index], local[index]
        low = np.maximum(local[..., 2].min(axis=1), _NEAR_M)
        high = local[..., 2].max(axis=1)
        zero = np.log2(self._density[index] / focal)
        slant = np.log2(np.abs(away))
        first, last = (
            np.clip(np.round(_level(zero, slant, z)), 0, self._atlas.deepest[index]).astype(int)
            for z in (low, high)
        )
        counts = np.maximum(last - first, 0) + 1
        owner = np.repeat(np.arange(len(index)), counts)
        level = (
            first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        )
        near = np.where(level > first[owner], _range(zero[owner], slant[owner], level - 0.5), 0)
        far = np.where(level < last[owner], _range(zero[owner], slant[owner], level + 0.5), 1e9)
        windows = _windows(
            local[owner], np.maximum(near, low[owner]), np.minimum(far, high[owner]), rays
        )
        nearness = -(self._normal[index] @ spin) / away[:, None]
        column = self._coordinate(self._along[index], centre - self._corner[index], spin, nearness)
        row = self._coordinate(self._down[index], centre - self._corner[index], spin, nearness)
        seen = (windows[:, 0] < windows[:, 1]) & (windows[:, 2] < windows[:, 3])
        # From near to far, so that what is hidden is found out early.
        order = np.flatnonzero(seen)
        order = order[np.argsort(np.maximum(near, low[owner])[order], kind='stable')]
        one, level = owner[order], level[order]
        left, top, wide, tall = self._atlas.where[index[one], level].T
        cut = (counts[one] > 1).tolist()
        bands = np.column_stack([1 / far[order], 1 / np.maximum(near[order], 1e-9)]).tolist()
        slack_x, slack_y = wide * _SLACK + 0.5, tall * _SLACK + 0.5
        return [
            _Piece(window, depth, x, y, columns, rows, band if parted else None, hole)
            for window, depth, x, y, columns, rows, band, parted, hole in zip(
                windows[order].tolist(),
                nearness[one].tolist(),
                (wide[:, None] * column[one] + (left - 0.5)[:, None] * nearness[one]).tolist(),
                (tall[:, None] * row[one] + (top - 0.5)[:, None] * nearness[one]).tolist(),
                np.column_stack([left - slack_x, left + wide + slack_x - 1]).tolist(),
                np.column_stack([top - slack_y, top + tall + slack_y - 1]).tolist(),
                bands,
                cut,
                self._cutout[index[one]].tolist(),
            )
        ]

    @staticmethod
    def _coordinate(
        axis: DoubleArray, offset: DoubleArray, spin: DoubleArray, nearness: DoubleArray
    ) -> DoubleArray:
        """(n, 3) linear forms of rays: the coordinate along an axis, 0 to 1, over depth."""
        square = (axis * axis).sum(axis=1, keepdims=True)
        start = (offset * axis).sum(axis=1, keepdims=True) / square
        result: DoubleArray = start * nearness + (axis @ spin) / square
        return result


@dataclass(frozen=True, slots=True)
class _Piece:
    """What to draw of one face: linear forms of rays, and the limits of its atlas coordinates."""

    window: list[int]
    nearness: list[float]
    column: list[float]
    row: list[float]
    columns: list[float]
    rows: list[float]
    band: list[float] | None
    cutout: bool


def _lens_key(view: View) -> tuple[Any, ...]:
    lens = view.lens
    return (view.width, view.height, lens.matrix.tobytes(), lens.distortion.tobytes())


def _linear(x: FloatArray, y: FloatArray, form: list[float], out: FloatArray) -> None:
    cv2.addWeighted(x, form[0], y, form[1], form[2], dst=out)


def _level(zero: DoubleArray, slant: DoubleArray, z: DoubleArray) -> DoubleArray:
    """Which halving of a texture suits a depth: a compromise where the face is seen aslant."""
    deep = np.log2(z)
    result: DoubleArray = zero + deep + 0.6 * np.maximum(deep - slant, 0)
    return result


def _range(zero: DoubleArray, slant: DoubleArray, level: DoubleArray) -> DoubleArray:
    """The depth at which `_level` reaches a level."""
    straight = level - zero
    result: DoubleArray = 2.0 ** np.where(
        straight > slant, (straight + 0.6 * slant) / 1.6, straight
    )
    return result


def _windows(local: DoubleArray, near: DoubleArray, far: DoubleArray, rays: _Rays) -> Any:
    """(n, 4) columns and rows, first and past the last, in which faces cut to depths can lie."""
    following = np.roll(local, -1, axis=1)
    points, valid = [local], [(local[..., 2] >= near[:, None]) & (local[..., 2] <= far[:, None])]
    with np.errstate(divide='ignore', invalid='ignore'):
        for limit in (near, far):
            share = (limit[:, None] - local[..., 2]) / (following[..., 2] - local[..., 2])
            crosses = (share >= 0) & (share <= 1)
            points.append(local + np.where(crosses, share, 0)[..., None] * (following - local))
            valid.append(crosses)
        every, known = np.concatenate(points, axis=1), np.concatenate(valid, axis=1)
        flat = every[..., :2] / np.maximum(every[..., 2:], _NEAR_M / 2)
    least = np.where(known[..., None], flat, np.inf).min(axis=1)
    most = np.where(known[..., None], flat, -np.inf).max(axis=1)
    return np.column_stack(
        [
            np.maximum(np.searchsorted(rays.right, least[:, 0]) - 1, 0),
            np.minimum(np.searchsorted(rays.left, most[:, 0], 'right') + 1, rays.x.shape[1]),
            np.maximum(np.searchsorted(rays.lower, least[:, 1]) - 1, 0),
            np.minimum(np.searchsorted(rays.upper, most[:, 1], 'right') + 1, rays.x.shape[0]),
        ]
    )
