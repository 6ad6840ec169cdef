"""Does noise or the floor alone tell which camera of a world this is, in another world? No."""

from __future__ import annotations

import cv2
import numpy as np

from reid_ros.bench.audits.finding import Finding, at_chance, compared
from reid_ros.bench.audits.learn import ridge, whitened
from reid_ros.evaluate.intervals import share
from reid_ros.types import AnyArray, DoubleArray, IntArray, UInt8Array
from reid_ros.world import place, rig
from reid_ros.world.scenario import named
from reid_ros.world.seeds import Split, generator
from reid_ros.world.studio import Studio

AUDIT = 'the camera from noise or floor'
_PATCH = 96
_PATCHES = 4
_DIMENSIONS = 40


def audit(worlds: int, studios: int, seed: int) -> list[Finding]:
    """Learn the cameras' names in half of the worlds, then name those of the other half.

    Args:
        worlds: how many, for the noise of their cameras on even grey.
        studios: how many, for the floors that their cameras see.
        seed: of the first world.
    """
    found = []
    noise = _noises('test', worlds, seed)
    found += _named('noise', *noise, tests=2)
    found += _named('floor', *_floors('test', studios, seed), tests=2)
    # That the learner could: in one and the same world noise tells cameras apart.
    values, cameras, world, shots = noise
    hits = n = 0
    for which in np.unique(world):
        own = world == which
        known, asked = own & (shots < shots.max()), own & (shots == shots.max())
        hits += int((_classified(values, cameras, known, asked) == cameras[asked]).sum())
        n += int(asked.sum())
    chance = 1 / len(np.unique(cameras))
    why = 'above chance'
    found.append(compared(AUDIT, 'control: noise, same world', share(hits, n), chance, why))
    return found


def _named(
    name: str, values: DoubleArray, cameras: IntArray, world: IntArray, shots: IntArray, tests: int
) -> list[Finding]:
    """A camera's answers are not independent, so each camera answers once, by their majority."""
    half = np.unique(world)[: len(np.unique(world)) // 2]
    known = np.isin(world, half)
    guess = _classified(values, cameras, known, ~known)
    hits = n = 0
    for which in np.unique(world[~known]):
        for camera in np.unique(cameras):
            own = (world[~known] == which) & (cameras[~known] == camera)
            if own.any():
                hits += int(np.bincount(guess[own]).argmax() == camera)
                n += 1
    chance = 1 / len(np.unique(cameras))
    return [at_chance(AUDIT, f'{name}, other worlds', hits, n, chance, tests)]


def _classified(
    values: DoubleArray, cameras: IntArray, known: AnyArray, asked: AnyArray
) -> IntArray:
    project = whitened(values[known], _DIMENSIONS)
    return ridge(project(values[known]), cameras[known], 0.3)(project(values[asked]))


_Table = tuple[DoubleArray, IntArray, IntArray, IntArray]


def _noises(split: Split, worlds: int, seed: int) -> _Table:
    """What the cameras of worlds make of an even ramp of greys: the same scene for all."""
    scenario = named('crossing')
    ramp = np.linspace(30, 220, 256).astype(np.uint8)
    scene = np.repeat(np.tile(ramp, (128, 1))[..., None], 3, axis=2)
    rows, cameras, world, shots = [], [], [], []
    for k in range(worlds):
        draws = generator(split, 'world', scenario.name, seed + k, 'place')
        ground = place.draw(draws, scenario.place)
        for number, camera in enumerate(rig.cameras(scenario, ground, seed + k, split)):
            for shot in range(3):
                rng = generator(split, 'audit', 'noise', seed + k, number, shot)
                taken = camera.sensor.expose(scene, rng, time_s=float(shot * 7))
                rows.append(_residual(taken))
                cameras.append(number)
                world.append(k)
                shots.append(shot)
    return np.array(rows), np.array(cameras), np.array(world), np.array(shots)


def _residual(image: UInt8Array) -> DoubleArray:
    """What noise looks like: its strength by brightness and colour, and its spectrum."""
    pixels = image.astype(np.float32)
    rest = pixels - cv2.medianBlur(image, 5).astype(np.float32)
    strips = np.array_split(rest, 8, axis=1)
    strength = np.array([np.log(strip.std(axis=(0, 1)) + 0.05) for strip in strips])
    grey = rest.mean(axis=2)
    power = np.abs(np.fft.rfft2(grey * np.hanning(len(grey))[:, None])) ** 2
    bands = cv2.resize(
        np.log(np.fft.fftshift(power, axes=0) + 1).astype(np.float32),
        (6, 6),
        interpolation=cv2.INTER_AREA,
    )
    mixed = np.corrcoef(rest.reshape(-1, 3).T)
    result: DoubleArray = np.concatenate(
        [strength.ravel(), bands.ravel(), mixed[np.triu_indices(3, 1)]]
    )
    return result


def _floors(split: Split, studios: int, seed: int) -> _Table:
    """Patches of the floor as the cameras of studios see it."""
    rows, cameras, world, shots = [], [], [], []
    for k in range(studios):
        studio = Studio(split, 3, seed + k, places_=1, kinds=(('corridor', 'office')[k % 2],))
        for stand in studio.stands:
            empty = studio.empty(stand.number)
            rng = generator(split, 'audit', 'floor', seed + k, stand.number)
            image = stand.sensor.expose(empty.image, rng)
            spots = stand.spots[rng.integers(0, len(stand.spots), _PATCHES)]
            pixels, _ = stand.view.look(np.column_stack([spots, np.zeros(len(spots))]))
            for shot, (x, y) in enumerate(np.rint(pixels).astype(int).tolist()):
                x0 = min(max(x - _PATCH // 2, 0), image.shape[1] - _PATCH)
                y0 = min(max(y - _PATCH // 2, 0), image.shape[0] - _PATCH)
                rows.append(_texture(image[y0 : y0 + _PATCH, x0 : x0 + _PATCH]))
                cameras.append(stand.number)
                world.append(k)
                shots.append(shot)
    return np.array(rows), np.array(cameras), np.array(world), np.array(shots)


def _texture(patch: UInt8Array) -> DoubleArray:
    """Colours and gradients of a patch."""
    hsv = cv2.cvtColor(patch, cv2.COLOR_BGR2HSV).reshape(-1, 3).astype(np.float64)
    table, _ = np.histogramdd(hsv, bins=(8, 3, 4), range=((0, 180), (0, 256), (0, 256)))
    grey = cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY).astype(np.float32)
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    ways, _ = np.histogram(
        np.arctan2(dy, dx), bins=8, range=(-np.pi, np.pi), weights=np.hypot(dx, dy)
    )
    coarse = cv2.resize(patch, (4, 4), interpolation=cv2.INTER_AREA).ravel() / 255
    shares = np.sqrt(table.ravel() / table.sum())
    result: DoubleArray = np.concatenate(
        [shares, coarse, ways / (ways.sum() + 1e-6), [np.log(np.hypot(dx, dy).mean() + 1)]]
    )
    return result
