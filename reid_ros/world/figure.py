"""A clothed person at one moment, ready to be drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from reid_ros.types import DoubleArray, FloatArray, IntArray, UInt32Array
from reid_ros.world.body import Body
from reid_ros.world.cloth import COLUMNS
from reid_ros.world.fabric import sheet
from reid_ros.world.outfit import Outfit
from reid_ros.world.shape import JOINT, Ring, Tube
from reid_ros.world.tubes import tubes
from reid_ros.world.walk import JOINTS, Skeleton

LEVELS = 3
"""Sizes of every sheet of paint: whole, a half, a quarter."""
_DOME = ((np.sqrt(0.5), np.sqrt(0.5)), (0.97, 0.24))
"""Sine and cosine of the two rings that close a tube's end."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The rings and the paint of one person in one outfit, in the person's own terms.

    Attributes:
        weights: (r, 23) float64: a ring's centre from the joints.
        frames: (r,) int64: in which of the eight frames offset and size are told.
        offsets: (r, 3) float64 metres.
        sizes: (r, 3) float64 semi-axes, metres.
        spreads: (r, 2) float64: see `tubes.Ring`.
        before, after: (r,) int64: neighbours along the tube, for its direction.
        behind: (r,) float64 metres: see `tubes.Tube`.
        dome: (r, 2) float64: sine and cosine by which a tube's end is rounded; 0, 1 elsewhere.
        rows: (r,) float32: row of the paint.
        links: (s,) int64: the ring at the start of each slice; the next ring ends it.
        least_px: (s,) float32: slices left out where the person is lower in the image.
        tube: (s,) int64: number of the slice's tube.
        paint: LEVELS atlases (rows >> level, 128 >> level) uint32, bytes B G R 0.
    """

    weights: DoubleArray
    frames: IntArray
    offsets: DoubleArray
    sizes: DoubleArray
    spreads: DoubleArray
    before: IntArray
    after: IntArray
    behind: DoubleArray
    dome: DoubleArray
    rows: FloatArray
    links: IntArray
    least_px: FloatArray
    tube: IntArray
    paint: tuple[UInt32Array, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Somebody at one place and moment.

    Attributes:
        look: what does not move.
        centres: (r, 3) float64 of the look's rings, metres in the world.
        axes: (r, 3, 3) float64: columns are the rings' semi-axes forward, left, up, metres.
        ground: (3,) float64: on the floor below the pelvis.
        feet: (2, 3) float64: middle of the left and right sole.
        height: metres from the floor to the top of the head.
    """

    look: Look
    centres: DoubleArray
    axes: DoubleArray
    ground: DoubleArray
    feet: DoubleArray
    height: float


@lru_cache(maxsize=512)
def look(body: Body, outfit: Outfit) -> Look:
    """The rings and the paint of this person in these clothes; kept for the last 512."""
    rng = np.random.Generator(np.random.PCG64(outfit.grain))
    parts = tubes(body, outfit)
    rings: list[Ring] = []
    before: list[int] = []
    after: list[int] = []
    behind: list[float] = []
    dome: list[tuple[float, float]] = []
    rows: list[float] = []
    links: list[int] = []
    number: list[int] = []
    sheets: list[list[FloatArray]] = [[] for _ in range(LEVELS)]
    base = 0
    for index, tube in enumerate(parts):
        order, ends = _closed(tube)
        start = len(rings)
        first = start + sum(sine < 0 for sine, _ in ends)
        last = first + len(tube.rings) - 1
        for place, (ring, end) in enumerate(zip(order, ends)):
            here = min(max(start + place, first), last)
            before.append(max(here - 1, first))
            after.append(min(here + 1, last))
            behind.append(tube.behind)
            dome.append(end)
            rows.append(base + min(max(ring.at, 0.0), 1.0) * (tube.rows - 0.1) + 0.05)
            rings.append(ring)
        links += range(start, len(rings) - 1)
        number += [index] * (len(rings) - 1 - start)
        for level, scaled in enumerate(_scaled(sheet(tube, body, outfit, rng))):
            sheets[level].append(scaled)
        base += tube.rows
    weights = np.zeros((len(rings), len(JOINTS)))
    for row, ring in enumerate(rings):
        for joint, weight in ring.joints:
            weights[row, joint] += weight
    return Look(
        weights=weights,
        frames=np.array([ring.frame for ring in rings], np.int64),
        offsets=np.array([ring.offset for ring in rings]),
        sizes=np.array([ring.size for ring in rings]),
        spreads=np.array([ring.spread for ring in rings]),
        before=np.array(before, np.int64),
        after=np.array(after, np.int64),
        behind=np.array(behind),
        dome=np.array(dome),
        rows=np.array(rows, np.float32),
        links=np.array(links, np.int64),
        least_px=np.array([parts[k].least_px for k in number], np.float32),
        tube=np.array(number, np.int64),
        paint=tuple(_packed(np.concatenate(level)) for level in sheets),
    )


def figure(
    body: Body, outfit: Outfit, skeleton: Skeleton, row: int, x: float, y: float, heading: float
) -> Figure:
    """Somebody at (x, y) metres on the floor, looking along heading, at moment `row`."""
    own = look(body, outfit)
    c, s = np.cos(heading), np.sin(heading)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    joints = skeleton.joints[row]
    pelvis, chest, head = skeleton.pelvis[row], skeleton.chest[row], skeleton.head[row]
    frames = np.stack(
        [
            pelvis, chest, _middle(pelvis, chest), head, _foot(joints, 'left'),
            _foot(joints, 'right'), np.eye(3), head[:, (2, 1, 0)],
        ]
    )  # fmt: skip
    axes = frames[own.frames]
    centres = own.weights @ joints + np.einsum('rij,rj->ri', axes, own.offsets)
    feet = abs(joints[JOINT['left_ankle'], 0] - joints[JOINT['right_ankle'], 0])
    knees = abs(joints[JOINT['left_knee'], 0] - joints[JOINT['right_knee'], 0])
    sizes = own.sizes.copy()
    sizes[:, 0] += own.spreads @ np.array([feet, knees])
    place = np.array([x, y, 0.0])
    soles = 0.5 * (
        joints[[JOINT['left_heel'], JOINT['right_heel']]]
        + joints[[JOINT['left_toe'], JOINT['right_toe']]]
    )
    ground = joints[JOINT['pelvis']] * (1.0, 1.0, 0.0)
    return Figure(
        look=own,
        centres=centres @ turn.T + place,
        axes=turn @ (axes * sizes[:, None, :]),
        ground=turn @ ground + place,
        feet=soles @ turn.T + place,
        height=body.stature,
    )


def _closed(tube: Tube) -> tuple[list[Ring], list[tuple[float, float]]]:
    """The tube's rings with those of its domes, and each one's sine and cosine."""
    rings = list(tube.rings)
    ends = [(0.0, 1.0)] * len(rings)
    if tube.ends[0]:
        rings = [rings[0]] * len(_DOME) + rings
        ends = [(-sine, cosine) for sine, cosine in reversed(_DOME)] + ends
    if tube.ends[1]:
        rings += [rings[-1]] * len(_DOME)
        ends += list(_DOME)
    return rings, ends


def _scaled(paint: FloatArray) -> list[FloatArray]:
    result = [paint]
    for level in range(1, LEVELS):
        size = (COLUMNS >> level, len(paint) >> level)
        result.append(np.asarray(cv2.resize(paint, size, interpolation=cv2.INTER_AREA)))
    return result


def _packed(paint: FloatArray) -> UInt32Array:
    channels = np.zeros((*paint.shape[:2], 4), np.uint8)
    channels[:, :, :3] = np.rint(paint)
    return channels.view(np.uint32)[:, :, 0]


def _middle(first: DoubleArray, second: DoubleArray) -> DoubleArray:
    """Axes half way between two that are not far apart."""
    u, _, v = np.linalg.svd(first + second)
    result: DoubleArray = u @ v
    return result


def _foot(joints: DoubleArray, side: str) -> DoubleArray:
    """Axes of a foot: up, left, to the toes."""
    along = joints[JOINT[f'{side}_toe']] - joints[JOINT[f'{side}_heel']]
    x, y, z = (along / np.linalg.norm(along)).tolist()
    flat = max(math.hypot(x, y), 1e-6)
    a, b = -y / flat, x / flat
    # np.cross costs more than all the rest of it.
    return np.array([[-z * b, a, x], [z * a, b, y], [x * b - y * a, 0.0, z]])
