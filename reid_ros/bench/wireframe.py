"""People as upright bodies of wire before cameras: true boxes and who hides whom, no images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.lens import View
from reid_ros.types import BoolArray, Detections, DoubleArray, FloatArray, IntArray
from reid_ros.world.clutter import Detector

WIDE_M = 0.24
"""Half the width of a body, metres."""
FURNITURE_M = 0.85
"""Height of what stands on the floor, metres."""
DIMENSIONS = 64
NOISE = 0.3
"""Length of the noise in a vector, whose own length is 1."""
ALIKE = 0.8
"""Cosine of the looks of two people in the same clothes."""
SHARES = np.linspace(0.02, 0.98, 9)
ACROSS = np.array([-0.7, 0.0, 0.7])
DETECTOR = Detector()
LEAST_PX = 14.0
LEAST_VISIBLE = 0.1


@dataclass(frozen=True, slots=True)
class Figures:
    """The people in one image.

    Attributes:
        persons: (n,) int64, indices into the people of the world.
        boxes: (n, 4) float64 pixels, cut at the border of the image.
        visible: (n,) float64, share of the body that is in the image and hidden by nothing.
        clear: (n,) float64, share of what is in the image that is hidden by nothing.
        shown: (n, 4) float64 pixels, box of what is not hidden.
        hider: (n,) int64, person who hides most of this one, -1 = nobody.
        spots: (n, 2) metres.
    """

    persons: IntArray
    boxes: DoubleArray
    visible: DoubleArray
    clear: DoubleArray
    shown: DoubleArray
    hider: IntArray
    spots: DoubleArray


def figures(
    view: View, spots: DoubleArray, tall: DoubleArray, present: BoolArray, furniture: DoubleArray
) -> Figures:
    """Whom a camera sees.

    Args:
        view: the camera.
        spots: (p, 2) metres, of everybody.
        tall: (p,) metres.
        present: (p,) bool.
        furniture: (k, 4) x0 y0 x1 y1 metres.
    """
    size = np.array([view.width, view.height, view.width, view.height], np.float64)
    rows, boxes, grids, ranges = [], [], [], []
    for person in np.flatnonzero(present).tolist():
        away = spots[person] - view.pose.position[:2]
        far = float(np.linalg.norm(away))
        if far < 0.35:
            continue
        side = np.array([-away[1], away[0]]) / far * WIDE_M
        flat = spots[person] + ACROSS[:, None] * side
        grid = np.column_stack(
            [np.tile(flat, (len(SHARES), 1)), np.repeat(SHARES * tall[person], len(ACROSS))]
        )
        pixels, depth = view.look(grid)
        if not (depth > 0.2).all() or not np.isfinite(pixels).all():
            continue
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        box = np.array([low[0], low[1], high[0], high[1]])
        cut = np.clip(box, 0, size)
        if cut[2] - cut[0] < 3 or cut[3] - cut[1] < LEAST_PX:
            continue
        rows.append(person)
        boxes.append(cut)
        grids.append((grid, pixels))
        ranges.append(far)
    return _hidden(view, rows, boxes, grids, ranges, spots, furniture)


def _hidden(
    view: View,
    rows: Sequence[int],
    boxes: Sequence[DoubleArray],
    grids: Sequence[tuple[DoubleArray, DoubleArray]],
    ranges: Sequence[float],
    spots: DoubleArray,
    furniture: DoubleArray,
) -> Figures:
    n = len(rows)
    visible, clear, hider = np.zeros(n), np.zeros(n), np.full(n, -1, np.int64)
    shown = np.zeros((n, 4))
    eye = view.pose.position
    for i in range(n):
        grid, pixels = grids[i]
        seen = ((pixels >= 0) & (pixels < [view.width, view.height])).all(axis=1)
        inside = max(int(seen.sum()), 1)
        seen &= ~_behind(eye, grid, furniture)
        most = 0
        for j in range(n):
            if ranges[j] >= ranges[i] - 0.1:
                continue
            b = boxes[j]
            covered = ((pixels >= b[:2]) & (pixels <= b[2:])).all(axis=1) & seen
            if covered.sum() > most:
                most, hider[i] = int(covered.sum()), rows[j]
            seen &= ~covered
        visible[i], clear[i] = seen.mean(), seen.sum() / inside
        if seen.any():
            low, high = pixels[seen].min(axis=0), pixels[seen].max(axis=0)
            # What is seen goes on to the middle between this point and the next.
            beyond = np.ptp(pixels, axis=0) * [0.25, 0.5 / (len(SHARES) - 1)]
            box = boxes[i]
            shown[i] = [*np.maximum(low - beyond, box[:2]), *np.minimum(high + beyond, box[2:])]
    order = np.array(rows, np.int64)
    stacked = np.array(boxes).reshape(-1, 4)
    return Figures(order, stacked, visible, clear, shown, hider, spots[order].reshape(-1, 2))


def _behind(eye: DoubleArray, grid: DoubleArray, furniture: DoubleArray) -> BoolArray:
    """(n,) True where a piece of furniture stands between the eye and a point."""
    way = grid - eye
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)[:, None]
    floor, top = np.zeros((len(furniture), 1)), np.full((len(furniture), 1), FURNITURE_M)
    low = (np.hstack([furniture[:, :2], floor])[None] - eye) / way
    high = (np.hstack([furniture[:, 2:], top])[None] - eye) / way
    enter = np.minimum(low, high).max(axis=2)
    leave = np.maximum(low, high).min(axis=2)
    result: BoolArray = ((enter < leave) & (enter < 0.999) & (leave > 0)).any(axis=1)
    return result


class Looks:
    """Vectors that tell who somebody is, but for people in the same clothes and what hides them.

    Args:
        people: how many there are.
        alike: pairs of people who wear the same.
        rng: draws their looks.
    """

    def __init__(
        self, people: int, alike: Sequence[tuple[int, int]], rng: np.random.Generator
    ) -> None:
        looks = rng.normal(size=(people, DIMENSIONS))
        for one, other in alike:
            looks[other] -= looks[other] @ looks[one] / (looks[one] @ looks[one]) * looks[one]
            looks[other] /= np.linalg.norm(looks[other])
            looks[one] /= np.linalg.norm(looks[one])
            looks[other] = ALIKE * looks[one] + np.sqrt(1 - ALIKE**2) * looks[other]
        self._looks = looks / np.linalg.norm(looks, axis=1, keepdims=True)

    def __call__(self, seen: Figures, rows: IntArray, rng: np.random.Generator) -> FloatArray:
        """(m, d) float32 unit vectors of boxes of these rows, -1 = a ghost."""
        result = rng.normal(size=(len(rows), DIMENSIONS)) / np.sqrt(DIMENSIONS)
        real = np.flatnonzero(rows >= 0)
        row = rows[real]
        share = seen.clear[row][:, None]
        own = self._looks[seen.persons[row]]
        hider = np.where(seen.hider[row] >= 0, seen.hider[row], seen.persons[row])
        mixed = np.where(share < 0.7, share * own + (1 - share) * self._looks[hider], own)
        result[real] = mixed + NOISE * result[real]
        result /= np.linalg.norm(result, axis=1, keepdims=True)
        return np.asarray(result, np.float32)


def detected(
    seen: Figures,
    width: int,
    height: int,
    looks: Looks,
    rng: np.random.Generator,
    detector: Detector = DETECTOR,
) -> tuple[Detections, IntArray]:
    """What a detector makes of it, with vectors, and the row that each box shows (-1 = a ghost).

    As `world.clutter`: hidden people are missed more, their boxes shake more and shrink towards
    what is seen.
    """
    tall = seen.boxes[:, 3] - seen.boxes[:, 1]
    hidden = 1 / (1 + np.exp((seen.clear - 0.3) / 0.08))
    small = 1 / (1 + np.exp((tall - 0.5 * detector.small_px) / (0.1 * detector.small_px)))
    chance = 1 - (1 - detector.miss) * (1 - hidden) * (1 - small)
    rows = np.flatnonzero((rng.random(len(tall)) >= chance) & (seen.visible >= LEAST_VISIBLE))
    part = seen.clear[rows][:, None]
    share = np.where(part < 0.7, rng.uniform(0.0, 1.0, (len(rows), 1)), 0.0)
    boxes = seen.boxes[rows] + share * (seen.shown[rows] - seen.boxes[rows])
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    shake = detector.shake + 0.06 * (1 - part) ** 1.5
    boxes = boxes + np.clip(rng.standard_normal(boxes.shape), -2.5, 2.5) * size * shake
    scores = 0.93 - 0.45 * (1 - part[:, 0]) ** 1.3 + rng.normal(0, 0.04, len(rows))
    number = int(rng.poisson(detector.clutter))
    corner = rng.uniform(0, 0.8, (number, 2)) * [width, height]
    ghosts = np.column_stack([corner, corner + rng.uniform(0.1, 0.3, (number, 2)) * height])
    boxes = np.clip(np.concatenate([boxes, ghosts]), 0, [width, height, width, height])
    scores = np.concatenate([np.clip(scores, 0.3, 0.98), rng.uniform(0.1, 0.75, number)])
    owner = np.concatenate([rows, np.full(number, -1)]).astype(np.int64)
    vectors = looks(seen, owner, rng)
    found = Detections(boxes.astype(np.float32), scores.astype(np.float32), vectors)
    return found, owner
