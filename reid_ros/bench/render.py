"""How fast a world is drawn, by one thread: fixed cameras, and one on a moving robot."""

from __future__ import annotations

import time
from dataclasses import dataclass

import cv2
import numpy as np

from reid_ros.world.scenario import SCENARIOS
from reid_ros.world.world import World

SEED = 1
IMAGES = 60


@dataclass(frozen=True, slots=True)
class Row:
    """Drawing images of one camera.

    Attributes:
        camera: fixed or moving.
        people: in view of the images that were timed, on average.
        images: timed.
        median_ms, mean_ms, p95_ms: of one image, with its truth; of several rounds the fastest.
        per_second: images per second, by the mean.
    """

    camera: str
    people: float
    images: int
    median_ms: float
    mean_ms: float
    p95_ms: float
    per_second: float


def measure(people: int = 8, repeats: int = 3) -> list[Row]:
    """Time those VGA images in which nearly so many people are in view, hidden ones too."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return [_measure(moving, people, repeats) for moving in (False, True)]
    finally:
        cv2.setNumThreads(threads)


def _measure(moving: bool, people: int, repeats: int) -> Row:
    scenario = SCENARIOS['crowded'].custom(
        at_once=16 if moving else people, seconds=30.0, portrait=0, robot=moving, apart=0,
        overlapping=0 if moving else 2,
    )  # fmt: skip
    world = World(scenario, SEED)
    name = next(camera.name for camera in world.cameras if camera.moving == moving)
    counts = np.array([len(world.shot(name, i).truth) for i in range(len(world.stamps[name]))])
    nearest = np.argsort(np.abs(counts - people), kind='stable')[:IMAGES]
    rows = np.sort(nearest)
    taken_ms = np.full(len(rows), np.inf)
    for _ in range(max(repeats, 1)):
        for k, index in enumerate(rows.tolist()):
            start = time.perf_counter()
            world.shot(name, index)
            taken_ms[k] = min(taken_ms[k], (time.perf_counter() - start) * 1e3)
    return Row(
        'moving' if moving else 'fixed',
        float(counts[rows].mean()),
        len(rows),
        float(np.median(taken_ms)),
        float(taken_ms.mean()),
        float(np.percentile(taken_ms, 95)),
        float(1e3 / taken_ms.mean()),
    )
