"""Single cameras that look into a place, and where somebody can walk before one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reid_ros.lens import Pose, View
from reid_ros.types import BoolArray, DoubleArray, FloatArray
from reid_ros.world.place import Place
from reid_ros.world.rig import drawn_lens, looking
from reid_ros.world.routes import Floor
from reid_ros.world.scenario import WorldError
from reid_ros.world.sensor import Sensor
from reid_ros.world.values import Light

STEP_M = 0.25
"""Distance of the floor points that are tried."""
NEAREST_M = 1.3
CLEAR_M = 0.38
"""Nobody's middle comes nearer to a wall or to furniture."""
TALL_M = 1.75
LEAST_SPOTS = 80
"""A camera with fewer places for a person is hung elsewhere."""
_TRIES = 300
_EDGE = 0.02
_PROPOSALS = 96
_HEIGHTS_M = (0.1, 0.3, 0.5, 0.75, 1.0, 1.3, 1.6)
_MARK_M = 0.4
_FURNITURE_M, _SHINS_M = 1.4, 0.3
_SAMPLES = 160  # of a line of sight: partitions are thin


@dataclass(frozen=True, slots=True, eq=False)
class Stand:
    """A fixed camera.

    Attributes:
        number: within its studio, from 0.
        place: number of the place within its studio, from 0.
        light: of the place.
        view: the camera; always this object.
        sensor: how it turns light into pixels.
        floor: on which people walk.
        spots: (n, 2) metres, floor points where somebody fills the picture well.
    """

    number: int
    place: int
    light: Light
    view: View
    sensor: Sensor
    floor: Floor
    spots: DoubleArray


@dataclass(frozen=True, slots=True)
class Path:
    """Where somebody walks.

    Attributes:
        xy: (t, 2) metres.
        headings: (t,) radians.
    """

    xy: DoubleArray
    headings: DoubleArray


def mount(
    place: Place,
    floor: Floor,
    size: tuple[int, int],
    heights_m: tuple[float, float] | None,
    pixels: tuple[float, float],
    rng: np.random.Generator,
    least: int = LEAST_SPOTS,
) -> tuple[View, DoubleArray]:
    """A camera somewhere on the border of the place, and the spots before it.

    Args:
        place: what it looks into.
        floor: its floor.
        size: width and height of the images.
        heights_m: lowest and highest above the floor; None: under the ceiling for most cameras,
            at a person's height for some, at that of a robot for a few.
        pixels: least and most height of a person in an image 480 pixels high.
        rng: draws it.
        least: spots that it is to have; the camera with most of many where none has.

    Raises:
        WorldError: nobody can be photographed well in this place.
    """
    grid = floor.grid(STEP_M)
    grid = grid[floor.clearance(grid) > CLEAR_M]
    best: tuple[View, DoubleArray] | None = None
    for _ in range(_TRIES):
        view = _drawn(place, floor, size, heights_m, rng)
        spots = grid[well_seen(view, grid, pixels)]
        if len(spots) > (len(best[1]) if best else 0):
            spots = spots[_unhidden(floor, view, spots)]
            best = (view, spots) if best is None or len(spots) > len(best[1]) else best
        if len(spots) >= least:
            return view, spots
    if best is None or len(best[1]) < LEAST_SPOTS // 4:
        raise WorldError(
            f'no camera of {size[0]}x{size[1]} pixels sees people {pixels[0]:.0f} to '
            f'{pixels[1]:.0f} pixels high in a place of {floor.size[0]:.1f} x '
            f'{floor.size[1]:.1f} m: take another kind of place or larger images'
        )
    return best


def _drawn(
    place: Place,
    floor: Floor,
    size: tuple[int, int],
    heights_m: tuple[float, float] | None,
    rng: np.random.Generator,
) -> View:
    low, high = (
        heights_m
        or ((2.2, 3.3), (1.2, 1.9), (0.5, 1.1))[int(np.searchsorted((0.65, 0.88), rng.random()))]
    )
    side, along = int(rng.integers(4)), rng.uniform(0.0, 1.0)
    share = np.array([along, side % 2] if side < 2 else [side % 2, along], np.float64)
    ground = np.array(floor.size)
    at = np.clip(share * ground, 0.12, ground - 0.12)
    if floor.clearance(at) < 0.02:
        # Not inside of a cupboard: over it, where there is room.
        low = high = min(max(high, 2.6), place.height - 0.15)
    away = rng.uniform(3.0, 7.0)
    aim = rng.uniform(0.1, 0.9, 2) * ground
    aim = at + (aim - at) * away / max(float(np.linalg.norm(aim - at)), 0.5)
    eye = np.array([*at, min(rng.uniform(low, high), place.height - 0.1)])
    forward = np.array([*aim, rng.uniform(0.7, 1.1)]) - eye
    width, height = size
    focal = max(size) / 2 / np.tan(np.radians(rng.uniform(46, 78)) / 2)
    lens = drawn_lens(width, height, focal, rng)
    pose = Pose(looking(forward, np.radians(rng.normal(0, 1.2))), eye)
    return View(width, height, lens, pose)


def well_seen(view: View, points: DoubleArray, pixels: tuple[float, float]) -> BoolArray:
    """(n,) whether a person at (n, 2) is whole in the picture, and neither too low nor too high.

    Furniture is not looked at.
    """
    n = len(points)
    feet, depth = view.look(np.column_stack([points, np.zeros(n)]))
    heads, _ = view.look(np.column_stack([points, np.full(n, TALL_M)]))
    tall = np.linalg.norm(heads - feet, axis=1) * 480 / view.height
    edge = _EDGE * view.height
    size = np.array([view.width, view.height])
    with np.errstate(invalid='ignore'):
        result: BoolArray = (depth > NEAREST_M) & (tall >= pixels[0]) & (tall <= pixels[1])
        for ends in (feet, heads):
            result &= ((ends > edge) & (ends < size - edge)).all(axis=1)
    return result


def _unhidden(floor: Floor, view: View, points: DoubleArray) -> BoolArray:
    """(n,) whether the way from the camera to the shins of who is at (n, 2) is free.

    As if all furniture were _FURNITURE_M high; true depths are known when the place is painted.
    """
    eye = view.pose.position
    shares = np.linspace(0.03, 0.97, _SAMPLES)
    low = np.flatnonzero(eye[2] + shares * (_SHINS_M - eye[2]) < _FURNITURE_M)
    between = eye[:2] + shares[low, None, None] * (points - eye[:2])
    result: BoolArray = np.all(floor.clearance(between) > 0.06, axis=0)
    return result


def bearing(view: View, points: DoubleArray) -> DoubleArray:
    """(n,) headings, radians, from (n, 2) floor points towards the camera."""
    away = view.pose.position[:2] - points
    result: DoubleArray = np.arctan2(away[:, 1], away[:, 0])
    return result


def angle_of_view(view: View, path: Path) -> FloatArray:
    """(t,) degrees as in CASIA-B: 0 = walks towards the camera, 90 = across, 180 = away."""
    off = path.headings - bearing(view, path.xy)
    return np.degrees(np.abs((off + np.pi) % (2 * np.pi) - np.pi)).astype(np.float32)


def path(
    stand: Stand,
    depth: FloatArray,
    pixels: tuple[float, float],
    ways: DoubleArray,
    view_deg: float | None,
    rng: np.random.Generator,
    turn_deg: float = 0.0,
) -> Path:
    """A way before the camera, an arc, clear of furniture and in view where possible.

    Args:
        stand: the camera.
        depth: (h, w) metres, of the empty place before it.
        pixels: least and most height of a person in an image 480 pixels high.
        ways: (t,) metres walked since the first moment.
        view_deg: angle of view at the middle moment as of `angle_of_view`; None: any.
        rng: draws it.
        turn_deg: standard deviation of how much it turns, degrees a metre, where the direction is
            given; it is nearly straight where not.
    """
    # A given direction leaves fewer places for a long way.
    tries = _PROPOSALS if view_deg is None else 4 * _PROPOSALS
    middle = stand.spots[rng.integers(0, len(stand.spots), tries)]
    middle = middle + rng.uniform(-0.5, 0.5, middle.shape) * STEP_M
    if view_deg is None:
        headings = rng.uniform(-np.pi, np.pi, tries)
    else:
        # All from one side, as where the cameras stand on one side of the walkway.
        headings = bearing(stand.view, middle) + np.radians(view_deg)
    bends = rng.normal(0, 1, tries) * (0.05 if view_deg is None else np.radians(turn_deg) / 2)
    offsets = ways - ways[len(ways) // 2]
    # Furniture may hide the middle of a long way too.
    count = min(3 + int(ways[-1] / _MARK_M), 12)
    marks = np.linspace(offsets[0], offsets[-1], count)
    tried = _along(middle[:, None], headings[:, None], bends[:, None], marks[None])
    flat = tried.reshape(-1, 2)
    good = well_seen(stand.view, flat, pixels) & (stand.floor.clearance(flat) > CLEAR_M - 0.08)
    good &= _in_view(stand.view, depth, flat)
    best = int(np.argmax(good.reshape(tried.shape[:2]).sum(axis=1)))
    xy = _along(middle[best], headings[best], bends[best], offsets)
    return Path(xy, headings[best] + 2 * bends[best] * offsets)


def _along(
    middle: DoubleArray, heading: DoubleArray, bend: DoubleArray, way: DoubleArray
) -> DoubleArray:
    """(..., 2) points at `way` metres along; the heading changes by 2 bend a metre."""
    # The chord of an arc points half way between the headings at its ends.
    turned = heading + bend * way
    forth = np.stack([np.cos(turned), np.sin(turned)], axis=-1)
    result: DoubleArray = middle + way[..., None] * forth
    return result


def _in_view(view: View, depth: FloatArray, points: DoubleArray) -> BoolArray:
    """(n,) whether no furniture hides who stands at (n, 2)."""
    result = np.ones(len(points), np.bool_)
    # A bench hides a strip of the legs alone.
    for z in _HEIGHTS_M:
        pixels, away = view.look(np.column_stack([points, np.full(len(points), z)]))
        column, row = np.nan_to_num(np.rint(pixels), nan=0.0).astype(np.int64).T
        behind = depth[np.clip(row, 0, view.height - 1), np.clip(column, 0, view.width - 1)]
        result &= behind > away - 0.3
    return result
