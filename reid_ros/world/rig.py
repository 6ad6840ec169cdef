"""Cameras of a world: where they hang, what they see, and when they take their pictures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reid_ros.lens import Lens, Pose, View
from reid_ros.types import BoolArray, DoubleArray, IntArray
from reid_ros.world import sensor
from reid_ros.world.routes import Floor, Ground
from reid_ros.world.scenario import START_NS, Scenario, WorldError
from reid_ros.world.seeds import Split, generator

GRID_M = 0.4  # of the floor points on which fields of view are compared
TALL_M = 1.7  # a person for whom fields of view are made
PIXELS = (80.0, 360.0)  # heights of people who count as well seen, in an image 480 px high
COMMON = 0.25
"""Least share of the floor seen by either of two overlapping cameras that both see."""
HASTE_MPS = 2.6  # nobody walks faster from camera to camera
_LOW, _HIGH = 2.3, 3.2  # metres, height of a fixed camera
_TRIES, _CANDIDATES = 8, 110


@dataclass(frozen=True)
class Camera:
    """One camera.

    Attributes:
        name: of the camera, fit for a ROS topic.
        width, height: of its images, pixels.
        lens: how it projects.
        pose: of the optical frame in the world; of a moving camera on the robot's base.
        moving: whether it is on the robot.
        rate_hz: nominal frames per second.
        jitter: standard deviation of a stamp, in frame intervals.
        loss: share of frames that never arrive.
        phase: when its first frame is due, in frame intervals.
        sensor: how it turns light into pixels (`world.sensor`).
    """

    name: str
    width: int
    height: int
    lens: Lens
    pose: Pose
    moving: bool
    rate_hz: float
    jitter: float
    loss: float
    phase: float
    sensor: Any

    @cached_property
    def fixed_view(self) -> View:
        """What a fixed camera sees: always the same object, so that backdrops can be kept."""
        return View(self.width, self.height, self.lens, self.pose)

    def view(self, base: Pose | None = None) -> View:
        """The camera while the robot is at `base`; a fixed camera needs none.

        Raises:
            ValueError: a moving camera without a base.
        """
        if not self.moving:
            return self.fixed_view
        if base is None:
            raise ValueError(f'{self.name} moves: where is the robot?')
        return View(self.width, self.height, self.lens, base @ self.pose)


def cameras(
    scenario: Scenario, place: Ground, seed: int, split: Split = 'test'
) -> tuple[Camera, ...]:
    """The cameras of a world: those with common ground, those apart, then the robot's.

    Raises:
        WorldError: the place is too small for so many cameras without common ground.
    """
    rng = generator(split, 'rig', scenario.name, seed)
    floor = Floor(place)
    chosen = _fixed(scenario, floor, rng) if scenario.fixed else []
    result = []
    for number, (upright, lens, pose) in enumerate(chosen, 1):
        result.append(_camera(scenario, f'cam{number}', upright, lens, pose, False, rng))
    if scenario.robot:
        lens = _lens(scenario, False, rng)
        tilt = np.radians(rng.uniform(0, 8))
        at = np.array([rng.uniform(0.05, 0.2), 0.0, rng.uniform(0.6, 1.2)])
        mount = Pose(looking(np.array([np.cos(tilt), 0.0, np.sin(tilt)])), at)
        result.append(_camera(scenario, 'robot', False, lens, mount, True, rng))
    return tuple(result)


def stamps_ns(camera: Camera, seconds: float, rng: np.random.Generator) -> IntArray:
    """(n,) stamps of the frames that arrive in so many seconds from START_NS; they increase."""
    count = max(1, int(np.floor(seconds * camera.rate_hz - camera.phase)))
    shake = np.clip(rng.standard_normal(count), -1.6, 1.6) * camera.jitter
    due = (camera.phase + np.arange(count) + np.maximum(shake, -camera.phase)) / camera.rate_hz
    kept = rng.random(count) >= camera.loss
    kept[0] = True
    result: IntArray = START_NS + np.round(due[kept] * 1e9).astype(np.int64)
    return result


def seen(camera: Camera, points: DoubleArray) -> BoolArray:
    """(n,) True where somebody who stands at a floor point (n, 2) is whole in a fixed image, and
    neither tiny nor huge; furniture hides nobody here."""
    feet, head = (_pixels(camera, points, z)[0] for z in (0.0, TALL_M))
    inside = _inside(camera, feet, 0.0) & _inside(camera, head, 0.0)
    tall = np.linalg.norm(head - feet, axis=1) * 480 / min(camera.width, camera.height)
    result: BoolArray = inside & (tall >= PIXELS[0]) & (tall <= PIXELS[1])
    return result


def glimpsed(camera: Camera, points: DoubleArray) -> BoolArray:
    """(n,) True where any part of somebody at a floor point (n, 2) may be in a fixed image."""
    result = np.zeros(len(points), np.bool_)
    for z in (0.0, 0.3, 0.7, 1.2, 1.6, 2.0):
        pixels, depth = _pixels(camera, points, z)
        reach = camera.lens.matrix[0, 0] * 0.6 / np.maximum(depth, 0.2)
        result |= _inside(camera, pixels, reach)
    return result


def overlaps(fixed_and_moving: Sequence[Camera], place: Ground) -> tuple[str, ...]:
    """Which cameras see common ground, as `config.TopologyConfig.overlap` wants it.

    Every camera stands in a group, so every pair that stands in none is apart. A robot's camera
    may see anything.
    """
    points = Floor(place).grid(GRID_M)
    fields = [None if c.moving else glimpsed(c, points) for c in fixed_and_moving]
    groups, paired = [], set()
    for (i, a), (j, b) in itertools.combinations(enumerate(fields), 2):
        if a is None or b is None or (a & b).any():
            groups.append(f'{fixed_and_moving[i].name} {fixed_and_moving[j].name}')
            paired |= {i, j}
    groups += [c.name for i, c in enumerate(fixed_and_moving) if i not in paired]
    return tuple(groups)


def transits(fixed_and_moving: Sequence[Camera], place: Ground, seconds: float) -> tuple[str, ...]:
    """Least and most seconds between cameras apart, as `config.TopologyConfig.transit` wants it.

    Least: the shortest way between what they see, at a haste; pairs with none worth a mention are
    left out.
    """
    points = Floor(place).grid(GRID_M)
    fixed = [c for c in fixed_and_moving if not c.moving]
    result = []
    for a, b in itertools.combinations(fixed, 2):
        mine, theirs = points[glimpsed(a, points)], points[glimpsed(b, points)]
        if not len(mine) or not len(theirs):
            continue
        way = np.linalg.norm(mine[:, None] - theirs[None], axis=2).min() - 2 * GRID_M
        least = np.floor(10 * max(way, 0.0) / HASTE_MPS) / 10
        if least >= 0.3:
            result.append(f'{a.name} {b.name} {least:g} {np.ceil(seconds):g}')
    return tuple(result)


def _camera(
    scenario: Scenario,
    name: str,
    upright: bool,
    lens: Lens,
    pose: Pose,
    moving: bool,
    rng: np.random.Generator,
) -> Camera:
    width, height = _size(scenario, upright)
    return Camera(
        name=name,
        width=width,
        height=height,
        lens=lens,
        pose=pose,
        moving=moving,
        rate_hz=scenario.rate_hz,
        jitter=scenario.jitter,
        loss=scenario.loss,
        phase=float(rng.uniform(0.0, 1.0)),
        sensor=sensor.draw(rng),
    )


def _size(scenario: Scenario, upright: bool) -> tuple[int, int]:
    long, short = scenario.width, scenario.height
    return (short, long) if upright else (long, short)


def _lens(scenario: Scenario, upright: bool, rng: np.random.Generator) -> Lens:
    width, height = _size(scenario, upright)
    # Wide angles of usual lenses: 58 to 78 degrees over the longer side.
    focal = scenario.width / 2 / np.tan(np.radians(rng.uniform(58, 78)) / 2)
    result = drawn_lens(width, height, focal, rng)
    result.distortion[2:4] = rng.normal(0, 3e-4, 2)
    return result


def drawn_lens(width: int, height: int, focal: float, rng: np.random.Generator) -> Lens:
    """A lens with a little barrel distortion, its middle a little beside that of the image."""
    matrix = np.array(
        [
            [focal, 0, width / 2 + rng.normal(0, 0.008) * width],
            [0, focal * rng.uniform(0.998, 1.002), height / 2 + rng.normal(0, 0.008) * height],
            [0, 0, 1.0],
        ]
    )
    k1 = -rng.uniform(0.01, 0.13)
    # With k2 > 0.45 k1^2 the radius grows without end: no ghosts from outside the picture.
    return Lens(matrix, np.array([k1, k1 * k1 * rng.uniform(0.5, 0.8), 0, 0, 0]))


def looking(forward: DoubleArray, roll: float = 0.0) -> DoubleArray:
    """(3, 3) axes x right, y down, z forward of a camera that looks along `forward`."""
    z = forward / np.linalg.norm(forward)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    y = np.cross(z, x)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack((c * x + s * y, c * y - s * x, z), axis=1)


_Mount = tuple[bool, Lens, Pose]


def _candidate(
    scenario: Scenario,
    low: DoubleArray,
    high: DoubleArray,
    upright: bool,
    rng: np.random.Generator,
) -> _Mount:
    """A camera somewhere on the border of the floor between two corners, looking into it."""
    size = high - low
    side, along = int(rng.integers(4)), rng.uniform(0.0, 1.0)
    if rng.random() < 0.35:
        along = float(rng.integers(2))  # in a corner
    share = np.array([along, side % 2] if side < 2 else [side % 2, along], np.float64)
    at = np.clip(low + share * size, low + 0.12, high - 0.12)
    aim = low + rng.uniform(0.1, 0.9, 2) * size
    if np.linalg.norm(aim - at) < 2.0:
        aim = (low + high) / 2
    elif rng.random() < 0.5:  # steeply, so that the picture ends before the far wall
        aim = at + (aim - at) * rng.uniform(2.6, 4.5) / np.linalg.norm(aim - at)
    eye = np.array([*at, rng.uniform(_LOW, _HIGH)])
    forward = np.array([*aim, rng.uniform(0.3, 1.1)]) - eye
    # Nobody hangs a camera to look straight down.
    steepest = np.tan(np.radians(42.0)) * np.linalg.norm(forward[:2])
    forward[2] = max(forward[2], -steepest)
    pose = Pose(looking(forward, np.radians(rng.normal(0, 1.0))), eye)
    return upright, _lens(scenario, upright, rng), pose


def _fixed(scenario: Scenario, floor: Floor, rng: np.random.Generator) -> list[_Mount]:
    """Mounts of the fixed cameras: the best of many that keep the rules.

    Cameras with common ground share one part of the floor, each camera apart has its own, and
    none glimpses anything of another's part.
    """
    points = floor.grid(GRID_M)
    upright = np.isin(rng.permutation(scenario.fixed), np.arange(scenario.portrait))
    groups = [list(range(scenario.overlapping))] if scenario.overlapping else []
    groups += [[scenario.overlapping + k] for k in range(scenario.apart)]
    for attempt in range(_TRIES):
        # Less is asked for from try to try.
        least = (0.10, 0.08, 0.06, 0.05, 0.04, 0.03, 0.025, 0.02)[attempt]
        mounts: dict[int, _Mount] = {}
        mixed = [groups[k] for k in rng.permutation(len(groups)).tolist()]
        for group, low, high in _parts(mixed, np.zeros(2), np.array(floor.size), rng):
            inside: BoolArray = np.all((points >= low) & (points < high), axis=1)
            found = _group(scenario, upright[group], points, inside, (low, high), least, rng)
            if found is None:
                break
            mounts.update(zip(group, found))
        if len(mounts) == scenario.fixed:
            return [mounts[k] for k in range(scenario.fixed)]
    raise WorldError(
        f'{scenario.name}: {scenario.overlapping} overlapping cameras and {scenario.apart} apart '
        f'do not fit into a place of {floor.size[0]:.0f} x {floor.size[1]:.0f} m: ask for fewer '
        'cameras or a larger place'
    )


def _parts(
    groups: list[list[int]], low: DoubleArray, high: DoubleArray, rng: np.random.Generator
) -> list[tuple[list[int], DoubleArray, DoubleArray]]:
    """Each group of cameras and its part of the floor, which is halved again and again."""
    if len(groups) == 1:
        return [(groups[0], low, high)]
    axis = int(np.argmax(high - low))
    half = (len(groups) + int(rng.integers(2))) // 2
    share = np.array([1.0 + 0.3 * (len(group) > 1) for group in groups])
    part = share[:half].sum() / share.sum() * rng.uniform(0.9, 1.1)
    first, second = high.copy(), low.copy()
    first[axis] = second[axis] = low[axis] + part * (high[axis] - low[axis])
    return _parts(groups[:half], low, first, rng) + _parts(groups[half:], second, high, rng)


def _group(
    scenario: Scenario,
    upright: BoolArray,
    points: DoubleArray,
    inside: BoolArray,
    corners: tuple[DoubleArray, DoubleArray],
    least: float,
    rng: np.random.Generator,
) -> list[_Mount] | None:
    """Cameras that see one part of the floor alone and overlap pairwise; None: nothing fits."""
    kinds = np.repeat(np.unique(upright), _CANDIDATES)
    mounts = [_candidate(scenario, *corners, bool(kind), rng) for kind in kinds]
    probes = [_probe(scenario, mount) for mount in mounts]
    whole = np.array([seen(probe, points) for probe in probes])
    share = whole.astype(np.float64)
    both = share @ share.T
    count = share.sum(axis=1)
    common = both / np.maximum(count[:, None] + count[None] - both, 1) >= COMMON
    useful = count >= least * len(points)
    if not inside.all():
        for row in np.flatnonzero(useful).tolist():
            useful[row] = not (glimpsed(probes[row], points) & ~inside).any()
    best, best_value = None, -1.0
    for _ in range(150):
        rows: list[int] = []
        for kind in upright.tolist():
            fit = useful & (kinds == kind)
            for row in rows:
                fit &= common[row]
            fit[rows] = False
            options = np.flatnonzero(fit)
            if not len(options):
                break
            rows.append(int(rng.choice(options)))
        if len(rows) < len(upright):
            continue
        # Worth: what they see together and each for itself, from different points of view.
        eyes = np.array([mounts[row][2].position[:2] for row in rows])
        spread = np.linalg.norm(eyes - eyes.mean(axis=0), axis=1).mean() / max(corners[1])
        value = whole[rows].any(axis=0).mean() + 0.5 * count[rows].min() / len(points)
        value += 0.3 * spread
        if value > best_value:
            best, best_value = rows, float(value)
    return None if best is None else [mounts[row] for row in best]


def _probe(scenario: Scenario, mount: _Mount) -> Camera:
    width, height = _size(scenario, mount[0])
    return Camera('', width, height, mount[1], mount[2], False, 1.0, 0.0, 0.0, 0.0, None)


def _pixels(camera: Camera, points: DoubleArray, z: float) -> tuple[DoubleArray, DoubleArray]:
    return camera.fixed_view.look(np.column_stack([points, np.full(len(points), z)]))


def _inside(camera: Camera, pixels: DoubleArray, reach: DoubleArray | float) -> BoolArray:
    """True where a pixel is in the image, or not farther outside than `reach` pixels."""
    with np.errstate(invalid='ignore'):
        result: BoolArray = (
            (pixels[:, 0] >= -np.asarray(reach))
            & (pixels[:, 0] < camera.width + np.asarray(reach))
            & (pixels[:, 1] >= 0.0)
            & (pixels[:, 1] < camera.height)
        )
    return result
