"""What a detector would make of the truth: boxes that miss, shake, double and see ghosts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.types import BoolArray, Detections, DoubleArray, IntArray
from reid_ros.world.values import Truth

LEAST_VISIBLE = 0.05
"""Of whom less than this is seen, no detector knows."""
LEAST_PX = 12.0
"""Boxes with a shorter side than this, or a third of it, are not reported."""


@dataclass(frozen=True, slots=True)
class Detector:
    """How good the detector is.

    Attributes:
        miss: share of people in full view who are missed.
        shake: standard deviation of each side of a box, as a share of its size, in full view.
        clutter: mean number of ghosts per image.
        double: share of found people who are reported twice.
        small_px: height below which people are missed more and more.
    """

    miss: float = 0.02
    shake: float = 0.015
    clutter: float = 0.08
    double: float = 0.005
    small_px: float = 50.0


@dataclass(frozen=True, slots=True)
class Disturbed:
    """What a detector reports, and of whom.

    Attributes:
        detections: boxes within the image, in no order; no vectors.
        rows: (n,) int64, row of the truth that each box shows, -1 = ghost.
    """

    detections: Detections
    rows: IntArray


def disturb(
    truth: Truth,
    width: int,
    height: int,
    rng: np.random.Generator,
    detector: Detector = Detector(),
) -> Disturbed:
    """A detector's boxes for one image.

    Hidden people are missed more often, get lower scores, and boxes that shake more and shrink
    towards what is seen of them, as boxes of real detectors do.
    """
    visible = truth.visible.astype(np.float64)
    boxes = truth.boxes.astype(np.float64)
    tall = boxes[:, 3] - boxes[:, 1]
    chance = _missed(visible, tall, detector)
    found = (rng.random(len(truth)) >= chance) & (visible >= LEAST_VISIBLE)
    rows = np.flatnonzero(found)
    twice = rows[rng.random(len(rows)) < detector.double]
    rows = np.concatenate([rows, twice])
    first = np.arange(len(rows)) < len(rows) - len(twice)
    shown = _towards_seen(truth, boxes[rows], rows, visible[rows], rng)
    size = np.tile(shown[:, 2:] - shown[:, :2], 2)
    hidden = 1 - visible[rows]
    shake = detector.shake + 0.06 * hidden**1.5 + np.where(first, 0.0, 0.07)
    shown = shown + np.clip(rng.standard_normal(shown.shape), -2.5, 2.5) * size * shake[:, None]
    scores = 0.93 - 0.45 * hidden**1.3 - 0.2 * np.exp(-tall[rows] / (0.6 * detector.small_px))
    scores = scores + rng.normal(0, 0.05, len(rows)) - np.where(first, 0.0, 0.3)
    scores = np.clip(scores, np.where(first, 0.5, 0.1), 0.98)
    ghosts = _ghosts(width, height, int(rng.poisson(detector.clutter)), tall, rng)
    every = np.concatenate([shown, ghosts])
    owner = np.concatenate([rows, np.full(len(ghosts), -1, np.int64)])
    sure = np.concatenate([scores, rng.uniform(0.1, 0.75, len(ghosts))])
    every = np.clip(every, 0, [width, height, width, height])
    kept = np.flatnonzero(_large(every))
    kept = kept[rng.permutation(len(kept))]
    return Disturbed(
        Detections(every[kept].astype(np.float32), sure[kept].astype(np.float32)),
        owner[kept].astype(np.int64),
    )


def _missed(visible: DoubleArray, tall: DoubleArray, detector: Detector) -> DoubleArray:
    """(n,) chance that nobody is found: half at 30 % in view, and at half of small_px."""
    hidden = 1 / (1 + np.exp((visible - 0.3) / 0.08))
    small = 1 / (1 + np.exp((tall - 0.5 * detector.small_px) / (0.1 * detector.small_px)))
    seen: DoubleArray = (1 - detector.miss) * (1 - hidden) * (1 - small)
    result: DoubleArray = 1 - seen
    return result


def _towards_seen(
    truth: Truth,
    boxes: DoubleArray,
    rows: IntArray,
    visible: DoubleArray,
    rng: np.random.Generator,
) -> DoubleArray:
    """(n, 4) boxes, drawn towards what is seen where that is not the whole."""
    result: DoubleArray = boxes.copy()
    share = rng.uniform(0.0, 1.0, len(rows))
    for k in np.flatnonzero(visible < 0.7).tolist():
        x0, y0 = np.maximum(np.floor(boxes[k, :2]), 0).astype(int).tolist()
        x1, y1 = np.ceil(boxes[k, 2:]).astype(int).tolist()
        part = truth.labels[y0:y1, x0:x1] == rows[k] + 1
        across, down = np.flatnonzero(part.any(axis=0)), np.flatnonzero(part.any(axis=1))
        if len(across) and len(down):
            seen = np.array([x0 + across[0], y0 + down[0], x0 + across[-1] + 1, y0 + down[-1] + 1])
            result[k] += share[k] * (seen - boxes[k])
    return result


def _ghosts(
    width: int, height: int, count: int, tall: DoubleArray, rng: np.random.Generator
) -> DoubleArray:
    """(count, 4) boxes of nobody, of the sizes that people have in this image."""
    usual = float(np.median(tall)) if len(tall) else 0.35 * height
    high = np.clip(usual * np.exp(rng.normal(-0.2, 0.4, count)), 20.0, height)
    wide = high * rng.uniform(0.3, 0.6, count)
    x, y = rng.uniform(0, width, count), rng.uniform(0.1, 1.0, count) * height
    return np.stack((x - wide / 2, y - high, x + wide / 2, y), axis=1)


def _large(boxes: DoubleArray) -> BoolArray:
    size = boxes[:, 2:] - boxes[:, :2]
    result: BoolArray = (size[:, 1] >= LEAST_PX) & (size[:, 0] >= LEAST_PX / 3)
    return result
