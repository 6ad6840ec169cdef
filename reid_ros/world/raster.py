"""Draws figures into a picture, hidden by what is nearer, and says exactly what was drawn."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from reid_ros.lens import View
from reid_ros.types import AnyArray, FloatArray, IntArray, UInt8Array, UInt32Array
from reid_ros.world.cloth import COLUMNS
from reid_ros.world.figure import LEVELS, Figure
from reid_ros.world.shadow import cast
from reid_ros.world.spans import (
    ACROSS,
    DEPTH,
    PLAIN,
    ROW,
    Slices,
    Spans,
    heights,
    inside,
    slices,
    spans,
)
from reid_ros.world.values import MOST_PEOPLE, Canvas, Light

FULL_PX = 190.0
"""A person this high is painted from the finest sheets; half as high, from the next."""
_KEPT = threading.local()
_STEPS = 256
_ARC = np.arccos(np.linspace(-1, 1, _STEPS)).astype(np.float32)


Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is true of a drawn picture.

    Attributes:
        labels: (height, width) uint8: 0 = nobody, k + 1 = this pixel shows figure k.
        boxes: (n, 4) float32 pixels x0 y0 x1 y1 of the whole bodies, hidden parts too, not cut
            at the image's border; zeros for who is wholly behind the camera.
        whole: (n,) float32 pixels of the whole body: counted inside the image, hidden ones too,
            and estimated outside from the box.
        seen: (n,) int64 visible pixels.
    """

    labels: UInt8Array
    boxes: FloatArray
    whole: FloatArray
    seen: IntArray


def draw(canvas: Canvas, figures: Sequence[Figure], view: View, light: Light) -> Drawn:
    """Draw the figures and their shadows into the canvas.

    Raises:
        ValueError: more figures than a label image can tell apart, or a canvas whose arrays are
            not contiguous.
    """
    n = len(figures)
    if n > MOST_PEOPLE:
        raise ValueError(f'{n} figures in one picture: at most {MOST_PEOPLE}')
    if not (canvas.image.flags.c_contiguous and canvas.depth.flags.c_contiguous):
        raise ValueError('the canvas is a view into other arrays: copy it')
    labels = np.zeros(canvas.depth.shape, np.uint8)
    tall = heights(figures, view) if n else np.empty(0, np.float32)
    if not tall.any():
        empty = np.zeros((n, 4), np.float32)
        return Drawn(labels, empty, np.zeros(n, np.float32), np.zeros(n, np.int64))
    found = slices(figures, tall, view, light)
    boxes = _boxes(found, n)
    shown = inside(boxes, view.width, view.height).tolist()
    cast(canvas, [figure for figure, near in zip(figures, shown) if near], view, light)
    covered = spans(found, view.width, view.height)
    edges = np.searchsorted(found.person[covered.slice], np.arange(n + 1)).tolist()
    bright = light.brightness(np.array([figure.ground for figure in figures]))
    away = np.array([np.linalg.norm(f.ground - view.pose.position) for f in figures])
    brush = _Brush(canvas, labels, light)
    whole = np.zeros(n, np.float32)
    # From near to far: what is hidden need not be painted.
    for k in np.argsort(away, kind='stable').tolist():
        if edges[k + 1] > edges[k]:
            level = int(np.clip(np.log2(FULL_PX / tall[k]) + 1.0, 0, LEVELS - 1))
            run = slice(edges[k], edges[k + 1])
            paint = figures[k].look.paint[level]
            count = brush.stroke(k, covered, run, found.tube, paint, level, float(bright[k]))
            whole[k] = _whole(count, boxes[k], view)
    brush.finish(boxes)
    seen = brush.seen[1 : n + 1]
    return Drawn(labels, boxes, np.maximum(whole, seen.astype(np.float32)), seen)


def outlines(
    depth: FloatArray, moments: Sequence[Figure], view: View, light: Light
) -> Iterator[Drawn]:
    """What `draw` would say of each figure alone in the picture, without painting it.

    All at once, since most of the time of a small figure goes into starting numpy's functions.

    Args:
        depth: (height, width) float32 metres of the empty picture; it stays as it is.
        moments: the figures.
        view: of the picture.
        light: of the place; it does not matter.

    Yields:
        One for each figure, whose labels are valid until the next one is asked for.
    """
    labels = np.zeros(depth.shape, np.uint8)
    flat, deep = labels.reshape(-1), depth.reshape(-1)
    found = slices(moments, heights(moments, view), view, light)
    boxes = _boxes(found, len(moments))
    covered = spans(found, view.width, view.height)
    edges = np.searchsorted(found.person[covered.slice], np.arange(len(moments) + 1)).tolist()
    for k, run in enumerate(map(slice, edges[:-1], edges[1:])):
        pixel, z = _candidates(covered, run)
        flat[pixel] = 1
        whole = np.array([_whole(int(np.count_nonzero(flat)), boxes[k], view)], np.float32)
        flat[pixel] = 0
        flat[pixel[z < deep.take(pixel)]] = 1
        seen = np.array([np.count_nonzero(flat)], np.int64)
        yield Drawn(labels, boxes[k : k + 1], np.maximum(whole, seen.astype(np.float32)), seen)
        flat[pixel] = 0


def _candidates(covered: Spans, run: slice) -> tuple[IntArray, FloatArray]:
    """Flat pixels of some spans, several of one place, and their depths, as `_Brush` has them."""
    count = covered.count[run]
    ends = count.cumsum()
    order = np.arange(int(ends[-1]) if len(ends) else 0, dtype=np.int32)
    which = np.repeat(np.arange(len(count)), count)
    pixel = order + (covered.first[run] - ends + count).take(which)
    at = order.astype(np.float32)
    step = covered.step[:, run]
    start = covered.start[:, run] - step * (ends - count).astype(np.float32)
    u = step[ACROSS].take(which) * at + start[ACROSS].take(which)
    z = step[DEPTH].take(which) * at + start[DEPTH].take(which)
    z -= covered.bulge[run].take(which) * np.sqrt(np.maximum(1 - u * u, 0))
    return pixel, z


def _scratch(shape: tuple[int, ...]) -> tuple[UInt8Array, UInt32Array, Int32Array]:
    """Arrays of a picture's size that are kept: fresh memory costs a tenth of the whole drawing.

    Each thread has its own. Only the first is read before it is written.
    """
    kept: dict[tuple[int, ...], tuple[UInt8Array, UInt32Array, Int32Array]]
    kept = _KEPT.__dict__.setdefault('arrays', {})
    if shape not in kept:
        kept.clear()
        kept[shape] = (
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.uint32),
            np.zeros(int(np.prod(shape)), np.int32),
        )
    return kept[shape]


class _Brush:
    """Paints one figure after the other, and keeps what is needed to tell them apart.

    Attributes:
        seen: (251,) int64, pixels that show figure k - 1.
    """

    def __init__(self, canvas: Canvas, labels: UInt8Array, light: Light) -> None:
        self._canvas = canvas
        self._depth = canvas.depth.reshape(-1)
        self._labels = labels.reshape(-1)
        self._parts, self._colours, self._owner = _scratch(labels.shape)
        self._parts.fill(0)
        self._light = light
        self.seen = np.zeros(MOST_PEOPLE + 1, np.int64)

    def stroke(
        self,
        number: int,
        covered: Spans,
        run: slice,
        tubes: IntArray,
        paint: AnyArray,
        level: int,
        bright: float,
    ) -> int:
        """Paint figure `number`, the spans `run`; pixels it would fill were it alone."""
        count, first = covered.count[run], covered.first[run]
        ends = count.cumsum()
        total = int(ends[-1])
        begins = ends - count
        order = np.arange(total, dtype=np.int32)
        which = np.repeat(np.arange(len(count)), count)
        pixel = order + (first - begins).take(which)
        # Everything linear in a row is counted from the figure's first candidate.
        at = order.astype(np.float32)
        step = covered.step[:, run]
        start = covered.start[:, run] - step * begins.astype(np.float32)
        u = step[ACROSS].take(which) * at + start[ACROSS].take(which)
        s = np.sqrt(np.maximum(1 - u * u, 0))
        z = step[DEPTH].take(which) * at + start[DEPTH].take(which)
        z -= covered.bulge[run].take(which) * s
        won = self._nearest(pixel, z, order)
        ahead = z.take(won) < self._depth.take(pixel.take(won))
        shown = won[ahead]
        place = pixel.take(shown)
        which, at, u, s = (values.take(shown) for values in (which, at, u, s))
        self._depth[place] = z.take(shown)
        self.seen -= np.bincount(self._labels.take(place), minlength=len(self.seen))
        self._labels[place] = number + 1
        self.seen[number + 1] += len(place)
        code = (tubes[covered.slice[run]] * 11 + number * 37) % 255 + 1
        self._parts.reshape(-1)[place] = np.take(code.astype(np.uint8), which)
        slant = step[PLAIN].take(which) * at + start[PLAIN].take(which)
        slant += covered.side[run].take(which) * u + covered.face[run].take(which) * s
        row = step[ROW].take(which) * at + start[ROW].take(which)
        arc = _ARC.take((u * (_STEPS / 2 - 1) + _STEPS / 2).astype(np.int64), mode='clip')
        arc = covered.turn[run].take(which) * arc + covered.column[run].take(which)
        columns = COLUMNS >> level
        # Two turns ahead, so that it is positive before it is cut to whole columns.
        column = (arc * (columns / (2 * np.pi)) + 2 * columns).astype(np.int64) & (columns - 1)
        index = (row.astype(np.int64) >> level) * columns + column
        colour = np.take(paint.reshape(-1), index, mode='clip').view(np.uint8).reshape(1, -1, 4)
        shade = self._shade(slant, s, bright)[None]
        planes = [shade * factor for factor in self._light.colour]
        if shade.size:
            glow = cv2.merge([*planes, shade])
            lit = cv2.multiply(colour, glow, dtype=cv2.CV_8U)
            self._colours.reshape(-1)[place] = lit.reshape(-1, 4).view(np.uint32)[:, 0]
        return len(won)

    def _nearest(self, pixel: IntArray, z: FloatArray, order: Int32Array) -> IntArray:
        """Which candidates are the nearest of their pixel.

        The last one written to a pixel owns it; those nearer than their pixel's owner are written
        again, until none is: a few rounds, since people are a few limbs deep.
        """
        owner = self._owner
        owner[pixel] = order
        rivals = np.flatnonzero(z < z.take(owner.take(pixel)))
        while len(rivals):
            owner[pixel[rivals]] = rivals
            rivals = rivals[z[rivals] < z[owner[pixel[rivals]]]]
        return np.flatnonzero(owner.take(pixel) == order)

    def _shade(self, slant: FloatArray, facing: FloatArray, bright: float) -> FloatArray:
        """Lambert's law, softened as by light from all around; darker towards the outline."""
        light = self._light
        direct = np.clip(slant * np.float32(0.7) + np.float32(0.3), 0, 1)
        result: FloatArray = (direct * np.float32(light.diffuse) + np.float32(light.ambient)) * (
            facing * np.float32(0.36 * bright) + np.float32(0.68 * bright)
        )
        return result

    def finish(self, boxes: FloatArray) -> None:
        """Lay the people over the picture, their outlines blurred by a pixel as a lens does."""
        height, width = self._parts.shape
        low = np.floor(np.maximum(boxes[:, :2].min(axis=0) - 2, 0))
        high = np.ceil(np.minimum(boxes[:, 2:].max(axis=0) + 2, (width, height)))
        x0, y0, x1, y1 = int(low[0]), int(low[1]), int(high[0]), int(high[1])
        if x1 <= x0 or y1 <= y0:
            return
        region = slice(y0, y1), slice(x0, x1)
        parts, image = np.ascontiguousarray(self._parts[region]), self._canvas.image[region]
        colours = np.ascontiguousarray(self._colours[region]).view(np.uint8)
        colours = colours.reshape(*parts.shape, 4)
        sharp = cv2.copyTo(cv2.cvtColor(colours, cv2.COLOR_BGRA2BGR), parts, image.copy())
        edge = cv2.morphologyEx(parts, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
        image[...] = cv2.copyTo(cv2.blur(sharp, (3, 3)), edge, sharp)


def _boxes(found: Slices, n: int) -> FloatArray:
    """(n, 4) extents of each person's slices; zeros where there are none."""
    result = np.zeros((n, 4), np.float32)
    starts = np.searchsorted(found.person, np.arange(n))
    some = np.flatnonzero(np.bincount(found.person, minlength=n)[:n])
    if len(some):
        low, high = found.corners.min(axis=1), found.corners.max(axis=1)
        result[some, :2] = np.minimum.reduceat(low, starts[some])
        result[some, 2:] = np.maximum.reduceat(high, starts[some])
    return result


def _whole(count: int, box: FloatArray, view: View) -> float:
    """Pixels of a body of which `count` are inside the image."""
    x0, y0, x1, y1 = map(float, box)
    area = (x1 - x0) * (y1 - y0)
    shown = max(min(x1, view.width) - max(x0, 0.0), 0.0)
    shown *= max(min(y1, view.height) - max(y0, 0.0), 0.0)
    # What is outside fills its box as what is inside does, within what bodies do.
    fill = min(max(count / max(shown, 1.0), 0.3), 0.6)
    return count + fill * max(area - shown, 0.0)
