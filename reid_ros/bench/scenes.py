"""Synthetic people before one camera: what a detector would report, and who they truly are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reid_ros.boxes import iou
from reid_ros.types import Detections, DoubleArray, FloatArray, IntArray

_SIM_HZ = 60.0
_PAN_PERIOD_S = 4.0
_BIAS_S = 2.0  # how long the slow part of an odometry's error stays what it is

# Lifelike looks: shares of the variance of a vector that all people have in common, that are a
# person's own, that wander within _WANDER_S, and that are new in every frame. Fitted to the angles
# between vectors of OSNet x0.25 (MSMT17) on PETS2009 S2L1, degrees, mean and deviation: the same
# person after 1 s 38 (10), 5 s 46 (8), more than 12 s 49 (7), others 61 (6); where one of two is
# partly covered, 49 (9) and 59 (5).
_COMMON, _OWN, _WANDERING, _NEW = 0.48, 0.17, 0.19, 0.16
_WANDER_S = 2.7
_COVERING = 1.5  # what the covered share of a box takes of its vector: the body fills the middle


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the camera is like.

    Attributes:
        people: how many walk about.
        seconds: length of the scene.
        rate_hz: nominal frame rate.
        jitter: standard deviation of each interval, as a share of it.
        drop: share of frames that never arrive.
        pan_px_s: greatest speed of the camera's pan to and fro, pixels per second.
        miss: share of visible people that the detector misses.
        clutter: false detections per person and frame.
        blur: standard deviation of a detection's sides, as a share of its size.
        doubt: how far the detector's score of a person wanders, 0 to 1; that also lowers it.
        width, height: of the image, pixels.
        dimensions: length of the appearance vectors, 0 = none.
        lifelike: looks wander and take after whoever covers a person, as a small network's do
            on footage; else only noise is added to them, and they are easy to tell apart.
        odometry_noise: error of the camera's motion as odometry tells it, as a share of it: that
            of each frame, and again that of a slow bias. Half a pixel per frame is always there.
        seed: of everything random.
    """

    people: int = 20
    seconds: float = 15.0
    rate_hz: float = 30.0
    jitter: float = 0.0
    drop: float = 0.0
    pan_px_s: float = 0.0
    miss: float = 0.03
    clutter: float = 0.02
    blur: float = 0.02
    doubt: float = 0.0
    width: int = 1920
    height: int = 1080
    dimensions: int = 0
    lifelike: bool = False
    odometry_noise: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame of a scene.

    Attributes:
        stamp_ns: its time.
        detections: what the detector reports.
        vectors: (n, d) float32 appearance of the detections, None where the scene has none.
        ego: (3, 3) from the last frame's pixels to this one's, as odometry would give it.
        boxes: (k, 4) float32, where people truly are (a quarter of them visible at least).
        people: (k,) their numbers.
    """

    stamp_ns: int
    detections: Detections
    vectors: FloatArray | None
    ego: DoubleArray
    boxes: FloatArray
    people: IntArray


def scene(conditions: Conditions) -> list[Shot]:
    """The frames of a scene; the same conditions give the same scene."""
    rng = np.random.default_rng(conditions.seed)
    times = _times(conditions, rng)
    reach = conditions.pan_px_s * _PAN_PERIOD_S / (2 * np.pi)
    pan = reach * np.sin(2 * np.pi * times / _PAN_PERIOD_S)
    walks = _walks(conditions, rng, times, reach)
    looks = _unit(rng.normal(size=(conditions.people, max(conditions.dimensions, 1))))
    common = _unit(rng.normal(size=(1, looks.shape[1])))
    # Networks find all people rather alike: strangers have a cosine of about two thirds here.
    looks = _unit(1.4 * common + looks)
    moods = _moods(conditions, rng, times)
    lifelike = _Looks(conditions, times) if conditions.lifelike else None
    error = conditions.odometry_noise * _odometry(conditions, times)
    shots: list[Shot] = []
    before = pan[0]
    for row, (time, shift, boxes, mood) in enumerate(zip(times, pan, walks, moods)):
        seen = boxes - np.array([shift, 0, shift, 0])
        ego = np.eye(3)
        ego[0, 2] = (before - shift) * (1 + error[row]) + rng.normal(0, 0.5)
        before = shift
        shot = _shot(conditions, rng, round(time * 1e9), seen, ego, looks, mood)
        shots.append(shot if lifelike is None else lifelike.of(row, shot, seen))
    return shots


def _odometry(conditions: Conditions, times: DoubleArray) -> DoubleArray:
    """(frames,) relative error of the odometry, in units of its share: white and slow parts."""
    # A stream of its own: the same people walk before a camera with good or bad odometry.
    rng = np.random.default_rng((conditions.seed, 1))
    slow = _wander(rng, times, _BIAS_S, (1,))[:, 0]
    result: DoubleArray = rng.standard_normal(len(times)) + slow
    return result


def _wander(
    rng: np.random.Generator, times: DoubleArray, span_s: float, shape: tuple[int, ...]
) -> DoubleArray:
    """(frames, *shape) numbers of variance 1 that forget what they were within span_s."""
    result = np.empty((len(times), *shape))
    level = rng.standard_normal(shape)
    for row, gap in enumerate(np.diff(times, prepend=times[0])):
        stay = np.exp(-gap / span_s)
        level = stay * level + np.sqrt(1 - stay**2) * rng.standard_normal(shape)
        result[row] = level
    return result


def _times(conditions: Conditions, rng: np.random.Generator) -> DoubleArray:
    count = max(2, round(conditions.seconds * conditions.rate_hz))
    steps = 1 + conditions.jitter * rng.standard_normal(count)
    times = np.cumsum(np.clip(steps, 0.2, 3.0)) / conditions.rate_hz
    kept = rng.random(count) >= conditions.drop
    kept[0] = True
    result: DoubleArray = times[kept]
    return result


def _moods(conditions: Conditions, rng: np.random.Generator, times: DoubleArray) -> DoubleArray:
    """(frames, people) what is added to a detector's score, which wanders over a second or so."""
    if not conditions.doubt:
        return np.zeros((len(times), conditions.people))
    return conditions.doubt * (_wander(rng, times, 0.7, (conditions.people,)) - 1)


def _walks(
    conditions: Conditions, rng: np.random.Generator, times: DoubleArray, reach: float
) -> DoubleArray:
    """(frames, people, 4) boxes in the panorama, pixels.

    Each person walks from one chosen place to the next and now and then stands still. Feet lower
    in the image are nearer, and nearer people are larger.
    """
    n = conditions.people
    left, right = -reach, conditions.width + reach
    far, near = 0.3 * conditions.height, 0.95 * conditions.height
    # A crowd is seen from farther away, or nobody behind the first row would be visible.
    scale = conditions.height * min(1.0, np.sqrt(30 / n))
    smallest, largest = 0.07 * scale, 0.26 * scale
    build = rng.uniform(0.9, 1.1, n)
    aspect = rng.uniform(0.34, 0.44, n)

    def tall(feet: DoubleArray) -> DoubleArray:
        result: DoubleArray = smallest + (largest - smallest) * (feet - far) / (near - far)
        return result

    def place(k: int) -> DoubleArray:
        return np.stack((rng.uniform(left, right, k), rng.uniform(far, near, k)))

    at, goal = place(n), place(n)
    speed = np.zeros((2, n))
    pace = rng.uniform(0.4, 1.0, n)
    rest_s = np.zeros(n)
    steps = int(times[-1] * _SIM_HZ) + 3
    path = np.empty((steps, 4, n))
    dt = 1 / _SIM_HZ
    for step in range(steps):
        height = tall(at[1]) * build
        stride = 0.5 + 0.08 * np.sin(step * dt * 2 * np.pi * 1.8 + build * 60)
        path[step] = at[0], at[1], height, height * aspect * stride * 2
        away = goal - at
        # A metre along the line of sight is short in the image.
        distance = np.hypot(away[0], away[1] * 2.5)
        arrived = distance < 0.3 * height
        rest_s = np.where(arrived & (rng.random(n) < 0.3), rng.uniform(0.5, 2.5, n), rest_s - dt)
        goal = np.where(arrived, place(n), goal)
        wanted = away / np.maximum(distance, 1.0) * pace * height * (rest_s <= 0)
        speed += (wanted - speed) * (dt / 0.35)
        at = at + speed * dt
    moment = times * _SIM_HZ
    lower = moment.astype(np.int64)
    part = (moment - lower)[:, None, None]
    x, feet, height, width = np.moveaxis(path[lower] * (1 - part) + path[lower + 1] * part, 1, 0)
    return np.stack((x - width / 2, feet - height, x + width / 2, feet), axis=2)


def _shot(
    conditions: Conditions,
    rng: np.random.Generator,
    stamp_ns: int,
    boxes: DoubleArray,
    ego: DoubleArray,
    looks: DoubleArray,
    mood: DoubleArray,
) -> Shot:
    middle = (boxes[:, 0] + boxes[:, 2]) / 2
    inside = (middle > 0) & (middle < conditions.width)
    people = inside.nonzero()[0]
    boxes = boxes[people]
    shown = _visible(boxes)
    count = len(people)
    found = (rng.random(count) >= conditions.miss) & (shown > 0.3)
    partly = np.clip((shown - 0.3) / 0.4, 0, 1)
    scores = 0.25 + 0.6 * partly + rng.normal(0, 0.08, count) + mood[people]
    scores = np.clip(scores, 0.05, 0.99)
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    noisy = (
        boxes
        + rng.normal(0, 1, (count, 4)) * size * (conditions.blur + 0.05 * (1 - partly))[:, None]
    )
    vectors = looks[people] + rng.normal(0, 1, (count, looks.shape[1])) * (
        0.45 + 0.7 * (1 - partly[:, None])
    ) / np.sqrt(looks.shape[1])
    false = rng.poisson(conditions.clutter * count)
    tall = rng.uniform(0.07, 0.26, false) * conditions.height
    x, y = rng.uniform(0, conditions.width, false), rng.uniform(0, conditions.height, false)
    noise = np.stack((x - 0.2 * tall, y - tall / 2, x + 0.2 * tall, y + tall / 2), axis=1)
    order = rng.permutation(int(found.sum()) + false)
    reported = np.concatenate((noisy[found], noise))[order].astype(np.float32)
    scores = np.concatenate((scores[found], rng.uniform(0.1, 0.75, false)))[order]
    appearance = np.concatenate((vectors[found], rng.normal(size=(false, looks.shape[1]))))
    true = shown > 0.25
    return Shot(
        stamp_ns,
        Detections(reported, scores.astype(np.float32)),
        _unit(appearance)[order].astype(np.float32) if conditions.dimensions else None,
        ego,
        boxes[true].astype(np.float32),
        people[true],
    )


class _Looks:
    """Appearance vectors as a small network gives them on footage."""

    def __init__(self, conditions: Conditions, times: DoubleArray) -> None:
        # A stream of its own: with other looks the same people walk the same ways.
        self._rng = np.random.default_rng((conditions.seed, 2))
        shape = conditions.people, max(conditions.dimensions, 1)
        common = _unit(self._rng.normal(size=(1, shape[1])))
        own = _unit(self._rng.normal(size=shape))
        changing = _wander(self._rng, times, _WANDER_S, shape) / np.sqrt(shape[1])
        steady = np.sqrt(_COMMON) * common + np.sqrt(_OWN) * own
        self._looks = steady + np.sqrt(_WANDERING) * changing
        self._common = np.sqrt(_COMMON) * common

    def of(self, row: int, shot: Shot, boxes: DoubleArray) -> Shot:
        """The shot with other vectors.

        Args:
            row: number of the frame.
            boxes: (people, 4) where all people are.
        """
        looks = self._looks[row]
        hidden = _COVERING * _hidden(boxes)
        # A crop shows of a covered person what is free, and of the others what covers them.
        mixed = looks + hidden @ (looks - self._common)
        mixed -= (looks - self._common) * np.minimum(hidden.sum(axis=1), 1)[:, None]
        near = iou(shot.detections.boxes, boxes[shot.people].astype(np.float32))
        best = near.argmax(axis=1) if near.shape[1] else np.empty(0, np.int64)
        real = near[np.arange(len(best)), best] >= 0.5
        vectors = self._common + self._rng.normal(size=(len(shot.detections), looks.shape[1])) * (
            np.sqrt((1 - _COMMON) / looks.shape[1])
        )
        who = shot.people[best[real]]
        # Most crops are good and some are bad: an exponential variance.
        noise = self._rng.normal(size=(len(who), looks.shape[1]))
        noise *= np.sqrt(_NEW / looks.shape[1] * self._rng.exponential(size=len(who)))[:, None]
        vectors[real] = mixed[who] + noise
        return replace(shot, vectors=_unit(vectors).astype(np.float32))


def _visible(boxes: DoubleArray) -> DoubleArray:
    """(n,) share of each box that no nearer box covers, counting one coverer at a time."""
    result: DoubleArray = np.clip(1 - _hidden(boxes).sum(axis=1), 0, 1)
    return result


def _hidden(boxes: DoubleArray) -> DoubleArray:
    """(n, n) share of each box that each nearer box covers."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    shared *= boxes[None, :, 3] > boxes[:, None, 3]
    result: DoubleArray = shared / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)[:, None]
    return result


def _unit(vectors: DoubleArray) -> DoubleArray:
    result: DoubleArray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return result
