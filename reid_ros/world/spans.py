"""Figures in a camera: their silhouettes cut into the rows of pixels that they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.lens import View
from reid_ros.types import BoolArray, DoubleArray, FloatArray, IntArray
from reid_ros.world.figure import Figure
from reid_ros.world.values import Light

NEAR_M = 0.15
"""What is nearer to the camera is not drawn."""
# Columns of the table of a span, which changes linearly from pixel to pixel.
ACROSS, DEPTH, PLAIN, ROW = range(4)
# Of the four edges of a slice: place across and its change, place along and its change.
_OUTLINE = np.array([[-1, 1, 1, -1], [2, 0, -2, 0], [0, 0, 1, 1], [0, 1, 0, -1]], np.float32)


@dataclass(frozen=True, slots=True)
class Slices:
    """Quadrilaterals between neighbouring rings as the camera sees them; s of them.

    Attributes:
        person: (s,) int64 index into the figures, ascending.
        tube: (s,) int64 number of the slice's tube in its person.
        corners: (s, 4, 2) float32 pixels: left and right of the first ring, right and left of
            the second, as seen.
        ends: (s, 2, k) float32: what changes along it, at the first and the second ring.
        turn: (s,) float32: +1 or -1: which way the paint's columns run.
    """

    person: IntArray
    tube: IntArray
    corners: FloatArray
    ends: FloatArray
    turn: FloatArray


@dataclass(frozen=True, slots=True)
class Spans:
    """Runs of pixels in one row of the image; n of them, ordered by person.

    Attributes:
        slice: (n,) int64 row of `Slices`.
        first: (n,) int64 flat index of the first pixel.
        count: (n,) int64 pixels.
        start: (4, n) float32: place across the tube (-1 to 1), depth of its axis, light that
            falls on it whichever way it bulges, and row of the paint, at the first pixel.
        step: (4, n) float32: what they change by from pixel to pixel.
        bulge: (n,) float32 metres by which the tube's middle is nearer than its axis.
        side, face: (n,) float32: light on what looks sideways, and at the camera.
        column: (n,) float32: direction of the paint where the tube ends on the right, radians.
        turn: (n,) float32.
    """

    slice: IntArray
    first: IntArray
    count: IntArray
    start: FloatArray
    step: FloatArray
    bulge: FloatArray
    side: FloatArray
    face: FloatArray
    column: FloatArray
    turn: FloatArray


def project(view: View, points: DoubleArray) -> DoubleArray:
    """(n, 2) pixels of (n, 3) points in the optical frame, all in front of it.

    Beyond the image's corners the lens is continued straight: its polynomial would fold what lies
    far outside back into the picture.
    """
    lens = view.lens
    if not lens.distortion.any():
        return lens.pixels(points)
    corners = np.array([(0.0, 0), (view.width, 0), (0, view.height), (view.width, view.height)])
    most = 1.15 * float(np.linalg.norm(lens.rays(corners)[:, :2], axis=1).max())
    away = np.hypot(points[:, 0], points[:, 1]) / points[:, 2]
    shrink = np.minimum(1.0, most / np.maximum(away, 1e-9))
    near = points.copy()
    near[:, :2] *= shrink[:, None]
    centre = lens.matrix[:2, 2]
    result: DoubleArray = centre + (lens.pixels(near) - centre) / shrink[:, None]
    return result


def heights(figures: Sequence[Figure], view: View) -> FloatArray:
    """(n,) pixels, roughly, that each person is high; 0 where wholly behind the camera."""
    middle = np.array([np.add(f.ground, (0.0, 0.0, 0.5 * f.height)) for f in figures])
    away = np.linalg.norm(middle - view.pose.position, axis=1)
    tall = np.array([f.height for f in figures])
    ahead = view.pose.inside(middle)[:, 2] > -tall
    pixels = view.lens.matrix[1, 1] * tall / np.maximum(away, 0.3)
    return np.where(ahead, pixels, 0.0).astype(np.float32)


def slices(figures: Sequence[Figure], height_px: FloatArray, view: View, light: Light) -> Slices:
    """Every figure's slices before the camera, those outside the image too."""
    sizes = [len(f.centres) for f in figures]
    starts = np.cumsum([0, *sizes[:-1]])
    looks = [f.look for f in figures]
    before = np.concatenate([own.before + k for own, k in zip(looks, starts)])
    after = np.concatenate([own.after + k for own, k in zip(looks, starts)])
    dome = np.concatenate([own.dome for own in looks])
    rows = np.concatenate([own.rows for own in looks])
    behind = np.concatenate([own.behind for own in looks])
    centres = view.pose.inside(np.concatenate([f.centres for f in figures]))
    axes = view.pose.rotation.T @ np.concatenate([f.axes for f in figures])
    toward = _unit(-centres)
    along = _unit(centres[after] - centres[before])
    # Up in the image where a tube points straight at the camera.
    flat = along - toward * _dot(along, toward)[:, None] + (0.0, -1e-4, 0.0)
    ahead = _unit(flat - toward * _dot(flat, toward)[:, None])
    right = np.cross(toward, ahead)
    # Support of each ellipsoid to the right, to the camera, and along the tube in the image.
    to_right, to_camera = _onto(axes, right), _onto(axes, toward)
    half = np.maximum(np.linalg.norm(to_right, axis=1), 1e-4)
    tilt = _dot(to_right, to_camera) / half
    bulge = np.sqrt(np.maximum((to_camera**2).sum(axis=1) - tilt**2, 1e-6))
    reach = np.linalg.norm(_onto(axes, ahead), axis=1)
    middle = centres + ahead * (reach * dome[:, 0])[:, None]
    across = right * (half * dome[:, 1])[:, None]
    # Both ends of a ring must be before the camera, which a limb right beside it may not be.
    nearest = middle[:, 2] - np.abs(across[:, 2])
    good = (np.minimum(middle[:, 2], centres[:, 2]) > NEAR_M) & (nearest > 0.2 * NEAR_M)
    middle[~good], across[~good] = (0.0, 0.0, 1.0), 0.0
    outline = project(view, np.concatenate([middle - across, middle + across]))
    left_px, right_px = np.split(outline.astype(np.float32), 2)
    table = _shading(along, toward, right, dome, half, (before, after), centres, view, light)
    column = np.arctan2(to_right[:, 0], to_right[:, 1])
    turn = -np.sin(column) * to_camera[:, 1] + np.cos(column) * to_camera[:, 0]
    ends = np.column_stack(
        [centres[:, 2] + behind, tilt, bulge * dome[:, 1], *table, rows, column]
    )
    ends = ends.astype(np.float32)
    wanted = [own.least_px <= tall for own, tall in zip(looks, height_px)]
    first = np.concatenate([own.links[w] + k for own, w, k in zip(looks, wanted, starts)])
    person = np.repeat(np.arange(len(figures)), [int(w.sum()) for w in wanted])
    tube = np.concatenate([own.tube[w] for own, w in zip(looks, wanted)])
    kept = good[first] & good[first + 1] & (np.array(height_px) > 0)[person]
    first, person, tube = first[kept], person[kept], tube[kept]
    last = first + 1
    pair = np.stack([ends[first], ends[last]], axis=1)
    pair[:, 1, -1] = pair[:, 0, -1] + _wrapped(pair[:, 1, -1] - pair[:, 0, -1])
    corners = np.stack([left_px[first], right_px[first], right_px[last], left_px[last]], axis=1)
    way = np.where(turn[first] + turn[last] < 0, -1.0, 1.0).astype(np.float32)
    return Slices(person, tube, corners, pair, way)


def spans(found: Slices, width: int, height: int) -> Spans:
    """The pixels of all slices inside the image: those whose centre is covered."""
    ys, xs = found.corners[:, :, 1], found.corners[:, :, 0]
    top = np.clip(np.ceil(ys.min(axis=1) - 0.5), 0, height).astype(np.int64)
    bottom = np.clip(np.ceil(ys.max(axis=1) - 0.5), 0, height).astype(np.int64)
    within = (xs.max(axis=1) > 0) & (xs.min(axis=1) < width)
    lines = np.where(within, np.maximum(bottom - top, 0), 0)
    at = np.repeat(np.arange(len(lines)), lines)
    y = np.arange(len(at)) - np.take(np.cumsum(lines) - lines - top, at)
    left, right = _crossings(found, at, (y + 0.5).astype(np.float32))
    begin = np.clip(np.ceil(left[0] - 0.5), 0, width).astype(np.int64)
    count = np.clip(np.ceil(right[0] - 0.5), 0, width).astype(np.int64) - begin
    kept = np.flatnonzero(count > 0)
    at, y, begin, count = at[kept], y[kept], begin[kept], count[kept]
    first = y * width + begin
    return _tabled(found, at, first, count, begin, left[:, kept], right[:, kept])


def _crossings(found: Slices, at: IntArray, centre: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(3, n) twice: x, place across and place along where a row enters and leaves its slice."""
    left = np.empty((3, len(at)), np.float32)
    left[0] = 1e9
    right = -left
    for edge in range(4):
        start, end = found.corners[:, edge], found.corners[:, (edge + 1) % 4]
        rise = end[:, 1] - start[:, 1]
        flat = rise == 0
        per_row = np.where(flat, 0, 1 / np.where(flat, 1, rise))
        x0, y0, y1 = (np.take(values, at) for values in (start[:, 0], start[:, 1], end[:, 1]))
        share = (centre - y0) * np.take(per_row, at)
        x = x0 + share * np.take(end[:, 0] - start[:, 0], at)
        crosses = (y0 <= centre) != (y1 <= centre)
        u = _OUTLINE[0, edge] + share * _OUTLINE[1, edge]
        v = _OUTLINE[2, edge] + share * _OUTLINE[3, edge]
        for side, better in ((left, x < left[0]), (right, x > right[0])):
            better &= crosses
            for row, values in enumerate((x, u, v)):
                np.copyto(side[row], values, where=better)
    return left, right


def _tabled(
    found: Slices,
    at: IntArray,
    first: IntArray,
    count: IntArray,
    begin: IntArray,
    left: FloatArray,
    right: FloatArray,
) -> Spans:
    per_pixel = 1 / np.maximum(right[0] - left[0], np.float32(1e-3))
    lead = (begin + np.float32(0.5)) - left[0]
    half = np.float32(0.5) * (left[2] + right[2])
    near = np.ascontiguousarray(found.ends[:, 0].T)
    change = np.ascontiguousarray(found.ends[:, 1].T) - near
    depth, tilt, bulge, plain, side, face, rows, column = range(8)

    def along(kind: int, *places: FloatArray) -> list[FloatArray]:
        begins, slopes = np.take(near[kind], at), np.take(change[kind], at)
        return [begins + slopes * place for place in places]

    ends = [[left[1], right[1]], *(along(k, left[2], right[2]) for k in (depth, plain, rows))]
    # A leaning ellipse is nearer on one side: linear across, as its depth is.
    (leaning,) = along(tilt, half)
    ends[1] = [z - leaning * u for z, u in zip(ends[1], ends[0])]
    start = np.empty((4, len(at)), np.float32)
    step = np.empty((4, len(at)), np.float32)
    for k, (a, b) in enumerate(ends):
        step[k] = (b - a) * per_pixel
        start[k] = a + lead * step[k]
    return Spans(
        slice=at,
        first=first,
        count=count,
        start=start,
        step=step,
        bulge=along(bulge, half)[0],
        side=along(side, half)[0],
        face=along(face, half)[0],
        column=along(column, half)[0],
        turn=np.take(found.turn, at),
    )


def _shading(
    along: DoubleArray,
    toward: DoubleArray,
    right: DoubleArray,
    dome: DoubleArray,
    half: DoubleArray,
    neighbours: tuple[IntArray, IntArray],
    centres: DoubleArray,
    view: View,
    light: Light,
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """(r,) of the light: caught by the rings' tilt, by their sides, by their face."""
    before, after = neighbours
    length = np.linalg.norm(centres[after] - centres[before], axis=1)
    slope = (half[before] - half[after]) / np.maximum(length, 0.02)
    slope = np.where(dome[:, 0] == 0, np.clip(slope, -1.5, 1.5), 0.0)
    lean = np.where(dome[:, 0] == 0, slope / np.sqrt(1 + slope**2), 0.92 * dome[:, 0])
    upright = np.sqrt(1 - lean**2)
    sun = view.pose.rotation.T @ light.direction
    outward = _unit(toward - along * (0.98 * _dot(toward, along))[:, None])
    return lean * (along @ sun), upright * (right @ sun), upright * (outward @ sun)


def _unit(vectors: DoubleArray) -> DoubleArray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: DoubleArray = vectors / np.maximum(length, 1e-9)
    return result


def _dot(first: DoubleArray, second: DoubleArray) -> DoubleArray:
    result: DoubleArray = np.einsum('ri,ri->r', first, second)
    return result


def _onto(axes: DoubleArray, direction: DoubleArray) -> DoubleArray:
    """(r, 3) how far each semi-axis reaches along a direction."""
    result: DoubleArray = np.einsum('rij,ri->rj', axes, direction)
    return result


def _wrapped(angle: FloatArray) -> FloatArray:
    result: FloatArray = (angle + np.float32(np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi)
    return result


def inside(boxes: FloatArray, width: int, height: int) -> BoolArray:
    """(n,) whether any of an (n, 4) box lies in the image."""
    result: BoolArray = (
        (boxes[:, 2] > 0) & (boxes[:, 0] < width) & (boxes[:, 3] > 0) & (boxes[:, 1] < height)
    )
    return result
