"""Where everybody is at every moment: they come, walk about, meet, leave and come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from reid_ros.types import BoolArray, DoubleArray, UInt8Array
from reid_ros.world import walk
from reid_ros.world.crowd import STEP_S
from reid_ros.world.odometry import RobotPath
from reid_ros.world.place import KINDS
from reid_ros.world.plans import Play
from reid_ros.world.rig import Camera
from reid_ros.world.routes import Floor, Ground
from reid_ros.world.scenario import Scenario
from reid_ros.world.seeds import Split, generator

RATE_HZ = 60
SMOOTH_S = 0.12  # standard deviation of the kernel that rounds the steps of the simulation
REACH = int(4 * SMOOTH_S * RATE_HZ)
"""Moments to each side that the kernel takes in."""
PIVOT_M = 0.15  # who turns on the spot steps as if walking on a circle of this radius


class Walker(Protocol):
    """What is needed of a person (`cast.Person`)."""

    @property
    def number(self) -> int:
        """From 1."""

    @property
    def body(self) -> Any:
        """`body.Body`."""

    @property
    def gait(self) -> Any:
        """`gait.Gait`."""

    @property
    def changes(self) -> bool:
        """Whether they come back in other clothes."""


@dataclass(frozen=True, slots=True)
class Step:
    """One person at some moments.

    Attributes:
        time_s: (n,) seconds since the world began.
        xy: (n, 2) float64 metres, on the floor.
        heading: (n,) float64 radians, not wrapped.
        speed: (n,) float64 m/s, of the legs: turning on the spot counts.
        phase: (n,) float64 gait cycles.
        present: (n,) bool, whether the person is there at all.
        visit: (n,) uint8, which stay it is, from 0.
        outfit: (n,) uint8, which outfit is worn, from 0.
    """

    time_s: DoubleArray
    xy: DoubleArray
    heading: DoubleArray
    speed: DoubleArray
    phase: DoubleArray
    present: BoolArray
    visit: UInt8Array
    outfit: UInt8Array


@dataclass(frozen=True, slots=True)
class Path:
    """Where one person is, at RATE_HZ; the fields of Step are theirs at all the moments.

    Attributes:
        person: number.
        steps: from 0 s on, at RATE_HZ.
        gaits: one for each visit: how the person walks varies from walk to walk.
    """

    person: int
    steps: Step
    gaits: tuple[Any, ...]

    def at(self, time_s: DoubleArray | float) -> Step:
        """The person at some moments (n,) or one; held at both ends."""
        times = np.atleast_1d(np.asarray(time_s, np.float64))
        s = self.steps
        row = np.clip(times * RATE_HZ, 0, len(s.time_s) - 1)
        low = np.minimum(row.astype(np.int64), max(0, len(s.time_s) - 2))
        near = np.minimum(np.round(row).astype(np.int64), len(s.time_s) - 1)
        # Between an absence and a visit there is nothing to interpolate.
        part = np.where(s.visit[low] == s.visit[np.minimum(low + 1, near.max())], row - low, 0.0)
        high = np.minimum(low + 1, len(s.time_s) - 1)

        def between(values: DoubleArray) -> DoubleArray:
            share = part if values.ndim == 1 else part[:, None]
            result: DoubleArray = values[low] * (1 - share) + values[high] * share
            return result

        return Step(
            times,
            between(s.xy),
            between(s.heading),
            between(s.speed),
            between(s.phase),
            s.present[low] & s.present[high],
            s.visit[low],
            s.outfit[low],
        )

    def visits(self) -> list[tuple[float, float]]:
        """Begin and end of each stay, seconds."""
        edges = np.diff(np.concatenate([[0], self.steps.present.astype(np.int8), [0]]))
        begin, end = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        return [(a / RATE_HZ, (b - 1) / RATE_HZ) for a, b in zip(begin.tolist(), end.tolist())]


@dataclass(frozen=True, slots=True)
class Walks:
    """Everything that moves.

    Attributes:
        people: one path per person, in their order.
        robot: None where there is none.
    """

    people: tuple[Path, ...]
    robot: RobotPath | None


def walks(
    scenario: Scenario,
    people: Sequence[Walker],
    place: Ground,
    cameras: Sequence[Camera],
    seed: int,
    split: Split = 'test',
) -> Walks:
    """The paths of a world's people and robot.

    Raises:
        WorldError: the people do not fit on the floor.
    """
    floor = Floor(place, KINDS[scenario.place].outdoors)
    scenario.fits(floor.free_m2)
    rng = generator(split, 'paths', scenario.name, seed)
    play = Play(scenario, people, floor, cameras, rng)
    play.run()
    count = int(np.floor(scenario.seconds * RATE_HZ)) + 1
    paths = []
    for row, person in enumerate(people):
        gaits = tuple(
            walk.vary(person.gait, generator(split, 'walk', scenario.name, seed, person.number, k))
            for k in range(max(1, play.visits(row)))
        )
        steps = _steps(play, row, count, person, gaits)
        paths.append(Path(person.number, steps, gaits))
    robot = None
    if scenario.robot:
        at, heading, _, _ = play.track(len(people))
        xy, turned, _ = smoothed(at, heading, count)
        wheels = generator(split, 'odometry', scenario.name, seed)
        robot = RobotPath.of(RATE_HZ, xy, turned, wheels)
    return Walks(tuple(paths), robot)


def blank(count: int) -> Step:
    """Somebody who never comes, for so many moments at RATE_HZ."""
    return Step(
        np.arange(count) / RATE_HZ,
        np.full((count, 2), -100.0),
        np.zeros(count),
        np.zeros(count),
        np.zeros(count),
        np.zeros(count, np.bool_),
        np.zeros(count, np.uint8),
        np.zeros(count, np.uint8),
    )


def _steps(play: Play, row: int, count: int, person: Walker, gaits: tuple[Any, ...]) -> Step:
    at, heading, here, visit = play.track(row)
    steps = blank(count)
    for number, gait in enumerate(gaits):
        rows = np.flatnonzero(here & (visit == number))
        if len(rows) < 2:
            continue
        first = int(np.ceil(rows[0] * STEP_S * RATE_HZ - 1e-6))
        last = min(count - 1, int(np.floor(rows[-1] * STEP_S * RATE_HZ + 1e-6)))
        xy, turned, speed = smoothed(at[rows], heading[rows], last - first + 1)
        here_rows = slice(first, last + 1)
        steps.xy[here_rows], steps.heading[here_rows] = xy, turned
        steps.speed[here_rows] = speed
        steps.phase[here_rows] = number / 3 + walk.phases(gait, person.body, speed, 1 / RATE_HZ)
        steps.present[here_rows] = True
        steps.visit[first:] = number
        steps.outfit[first:] = 1 if person.changes and number % 2 else 0
    return steps


def smoothed(
    at: DoubleArray, heading: DoubleArray, count: int
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Positions (n, 2), headings (n,) and leg speeds (n,) at RATE_HZ of steps at STEP_S.

    Args:
        at: (m, 2) metres, of the steps.
        heading: (m,) radians.
        count: n; the first lies at the first step.
    """
    moments = np.arange(count) / RATE_HZ
    given = np.arange(len(at)) * STEP_S
    columns = [np.interp(moments, given, column) for column in (*at.T, heading)]
    kernel = np.exp(-0.5 * (np.arange(-REACH, REACH + 1) / (SMOOTH_S * RATE_HZ)) ** 2)
    kernel /= kernel.sum()
    pad: Any = REACH
    smooth = []
    for column in columns:
        if len(column) <= REACH:
            smooth.append(column)
            continue
        # Odd about both ends, so that they stay where they are and nobody stops there.
        padded = np.pad(column, pad, mode='reflect', reflect_type='odd')
        smooth.append(np.convolve(padded, kernel, mode='valid'))
    xy, turned = np.stack(smooth[:2], axis=1), smooth[2]
    if count < 2:
        return xy, turned, np.zeros(count)
    velocity = np.gradient(xy, 1 / RATE_HZ, axis=0)
    forward = velocity[:, 0] * np.cos(turned) + velocity[:, 1] * np.sin(turned)
    pivot = PIVOT_M * np.abs(np.gradient(turned, 1 / RATE_HZ))
    return xy, turned, np.maximum(np.maximum(forward, 0.0), pivot)
