"""One network that finds and tells people in a single pass, beside two that share the work.

Both pipelines get the same images of the same worlds, one after the other in one run, and find
the people themselves.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.bench.contenders import Contender, settings
from reid_ros.bench.identity import Run, Witness
from reid_ros.config import Config
from reid_ros.evaluate.values import People
from reid_ros.moments import Moments
from reid_ros.pipeline import Pipeline
from reid_ros.types import Frame
from reid_ros.world.world import World

HEATING = 5
"""Moments that are not timed: memory and buffers are made in them."""


@dataclass(frozen=True, slots=True)
class Networks:
    """What looks.

    Attributes:
        name: for people.
        detector, appearance: names of cards or files; the same of a search network = one pass.
        every: whether every box gets a vector in every image, or only where it is due.
    """

    name: str
    detector: str
    appearance: str
    every: bool = False

    def config(self, world: World) -> Config:
        """The settings of a pipeline for a world."""
        plain = settings(world)
        looks = plain.embed
        return dataclasses.replace(
            plain,
            model=dataclasses.replace(
                plain.model, detector=self.detector, appearance=self.appearance
            ),
            embed=dataclasses.replace(looks, period_s=0.0) if self.every else looks,
        )


@dataclass(frozen=True, slots=True)
class Row:
    """What one pair of networks did in one world.

    Attributes:
        networks, world, seed: which.
        people, cameras, images: of the world.
        boxes: found in an image, mean.
        vectors: made of an image, mean.
        frame_ms: median time of a moment over its images.
        idf1, assa, hota: percent, with identities applied back to the start of their tracks.
        live_idf1: percent, with what was known at the time.
        confirmed, wrong: percent of found sightings with a number, with one that is not the
            person's own.
    """

    networks: str
    world: str
    seed: int
    people: int
    cameras: int
    images: int
    boxes: float
    vectors: float
    frame_ms: float
    idf1: float
    assa: float
    hota: float
    live_idf1: float
    confirmed: float
    wrong: float


class Timed(Run):
    """A pipeline that finds the people itself, with a watch beside it."""

    def __init__(self, world: World, networks: Networks) -> None:
        """Load the networks.

        Raises:
            ReidError: a network that is missing or does not fit.
        """
        pipeline = Pipeline.load(networks.config(world))
        super().__init__(world, Contender(networks.name, None), pipeline)
        self._images = self._boxes = self._vectors = 0
        self._spent: list[float] = []

    def step(self, frames: Sequence[Frame]) -> None:
        """One moment."""
        begun = time.perf_counter()
        moment = self.pipeline.step(frames)
        self._spent.append((time.perf_counter() - begun) / len(frames))
        self._ledger.add(self._moment, moment.sightings, moment.events)
        self._note(moment)
        self._moment += 1
        self._images += len(frames)
        for seen in self.pipeline.observations:
            self._boxes += int((seen.tracks.detection >= 0).sum())
            self._vectors += len(seen.rows)

    def told(self, world: World, people: People) -> Row:
        """The scores."""
        scored = self.row(world, people)
        names = ('idf1', 'assa', 'hota', 'live_idf1', 'confirmed', 'wrong')
        return Row(
            self.contender.name, world.scenario.name, world.seed, len(world.people),
            len(world.cameras), len(world), self._boxes / max(self._images, 1),
            self._vectors / max(self._images, 1),
            1000 * float(np.median(self._spent[HEATING:] or self._spent)),
            *(getattr(scored, name) for name in names),
        )  # fmt: skip


def watch(
    world: World,
    contenders: Sequence[Networks],
    tell: Callable[[int], None] = lambda images: None,
) -> list[Row]:
    """Every pair of networks in one world, image by image in turns.

    Args:
        world: what is played.
        contenders: who looks.
        tell: is called with the number of images shown.
    """
    runs = [Timed(world, networks) for networks in contenders]
    numbers = {camera.name: i for i, camera in enumerate(world.cameras)}
    moments: Moments[Frame] = Moments(list(numbers))
    truth = Witness()

    def step() -> None:
        for frames in moments.ready():
            for run in runs:
                run.step(frames)

    for shot in world.shots():
        moments.push(shot.frame)
        truth.see(numbers[shot.frame.camera], shot)
        step()
        tell(1)
    for name in numbers:
        moments.close(name)
    step()
    return [run.told(world, truth.people()) for run in runs]
