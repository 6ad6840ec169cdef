"""Whole images with boxes and identities for person search, from worlds of any split."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace

import numpy as np

from reid_ros.types import BoolArray, FloatArray, IntArray, UInt8Array
from reid_ros.world.scenario import KINDS, Scenario, WorldError
from reid_ros.world.seeds import Split, generator
from reid_ros.world.values import Shot
from reid_ros.world.world import World

UNKNOWN = -1
"""Identity of who is boxed but not labelled, as in CUHK-SYSU and PRW."""
PEOPLE = 1000
"""Identities of world k begin at k * PEOPLE."""
_ATTEMPTS = 5
_BASE = Scenario(
    'search', 'images for person search', people=14, at_once=8, seconds=40.0, rate_hz=2.0,
    overlapping=2, apart=1, absence_s=4.0, loss=0.0,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SearchFrame:
    """One image and who is in it.

    Attributes:
        image: (h, w, 3) uint8 BGR.
        boxes: (n, 4) float32 pixels x0 y0 x1 y1, whole people, cut at the border.
        persons: (n,) int64 identities, different over all worlds; UNKNOWN = not labelled.
        visible: (n,) float32, 0 to 1.
        outfits: (n,) uint8.
        camera: number over all worlds.
        scene: number of the world.
        stamp_ns: of the image.
    """

    image: UInt8Array
    boxes: FloatArray
    persons: IntArray
    visible: FloatArray
    outfits: UInt8Array
    camera: int
    scene: int
    stamp_ns: int


def scenarios(split: Split, count: int, seed: int = 0, base: Scenario = _BASE) -> list[Scenario]:
    """The scenarios of a search data set: the base's in all kinds of places in turns.

    Args:
        split: of the worlds.
        count: how many, 1 to 1000.
        seed: of the order of the places.
        base: everything but the kind of place.

    Raises:
        WorldError: a count out of range.
    """
    if not 1 <= count <= 1000:
        raise WorldError(f'worlds: {count} is outside 1 to 1000')
    order = generator(split, 'search', seed, 'places').permutation(len(KINDS)).tolist()
    kinds = [KINDS[order[k % len(KINDS)]] for k in range(count)]
    # Corridors and offices are too small for a camera that shares no ground with the others.
    return [
        replace(base, place=kind, apart=0 if kind in ('corridor', 'office') else base.apart)
        for kind in kinds
    ]


def worlds(split: Split, count: int, seed: int = 0, base: Scenario = _BASE) -> Iterator[World]:
    """Worlds of a split, one after the other; no split shares a person, place or camera.

    Raises:
        WorldError: a count out of range, or a scenario that does not fit its place.
    """
    for k, scenario in enumerate(scenarios(split, count, seed, base)):
        yield _world(scenario, (seed * 1000 + k) * _ATTEMPTS, split)


def _world(scenario: Scenario, seed: int, split: Split) -> World:
    """The first world from this seed on whose cameras fit into their place."""
    for attempt in range(_ATTEMPTS - 1):
        try:
            return World(scenario, seed + attempt, split)
        except WorldError:
            continue
    return World(scenario, seed + _ATTEMPTS - 1, split)


def frames(
    split: Split,
    count: int,
    seed: int = 0,
    unlabelled: float = 0.25,
    least_visible: float = 0.2,
    base: Scenario = _BASE,
    only: Container[int] | None = None,
) -> Iterator[SearchFrame]:
    """Images of `worlds` with everybody's boxes.

    Args:
        split: of the worlds.
        count: how many worlds.
        seed: of them.
        unlabelled: share of people who are boxed but have no identity.
        least_visible: of whom less is seen, there is no box.
        base: everything but the kind of place; its rate gives the number of images.
        only: numbers of the worlds to draw; they are as among all. None = all.

    Raises:
        WorldError: a number out of range, or a scenario that does not fit its place.
    """
    for name, value in (('unlabelled', unlabelled), ('least_visible', least_visible)):
        if not 0 <= value <= 1:
            raise WorldError(f'{name}: {value} is outside 0 to 1')
    first = 0
    for scene, scenario in enumerate(scenarios(split, count, seed, base)):
        if only is None or scene in only:
            world = _world(scenario, (seed * 1000 + scene) * _ATTEMPTS, split)
            rng = generator(split, 'search', seed, 'labelled', scene)
            known = rng.random(len(world.people)) >= unlabelled
            names = [camera.name for camera in world.cameras]
            for shot in world.shots():
                camera = first + names.index(shot.frame.camera)
                yield _frame(shot, known, scene, camera, least_visible)
        first += scenario.cameras


def _frame(shot: Shot, known: BoolArray, scene: int, camera: int, least: float) -> SearchFrame:
    truth = shot.truth
    rows = np.flatnonzero(truth.visible >= least)
    numbers = truth.persons[rows].astype(np.int64)
    identities = np.where(known[numbers - 1], scene * PEOPLE + numbers, UNKNOWN)
    return SearchFrame(
        shot.frame.image,
        truth.boxes[rows],
        identities.astype(np.int64),
        truth.visible[rows],
        truth.outfits[rows],
        camera,
        scene,
        shot.frame.stamp_ns,
    )
