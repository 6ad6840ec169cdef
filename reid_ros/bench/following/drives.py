"""Recorded drives: what the cameras of a chase saw, to be looked at again within seconds.

Rendering takes most of a chase with pictures. A drive is recorded once, by a robot that is told
where its target truly is, and replayed with changed code: everything but the pictures is real.
What it cannot show is what a robot sees that follows the wrong person; that takes a closed loop.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from reid_ros import loading
from reid_ros.bench.following.chase import Chase, Scene, chase_world
from reid_ros.bench.following.eyes import Eyes, Glance
from reid_ros.bench.following.robot import STEP_S, Robot, waiting
from reid_ros.calibration import Calibration
from reid_ros.config import CameraConfig, Config, ModelConfig
from reid_ros.embed import Embedder
from reid_ros.lens import Pose
from reid_ros.types import (
    AnyArray,
    Detections,
    DoubleArray,
    FloatArray,
    Frame,
    ReidError,
    UInt8Array,
)
from reid_ros.world.live import Base, LiveWorld
from reid_ros.world.rig import Camera
from reid_ros.world.seeds import generator

VERSION = 1
STEPS = ('bases', 'drifts')
IMAGES = ('cameras', 'counts', 'shares')
BOXES = ('boxes', 'scores', 'vectors', 'owners')


class DriveError(ReidError):
    """A recorded drive that cannot be read or written."""


class Recorder:
    """Eyes that remember what they saw, with a vector of every box.

    Args:
        eyes: whose pictures these are.

    Attributes:
        appearance, calibration: see `Eyes`.
        known: calibration of the vectors that are kept.
        names: of the cameras, as they were first looked through.
    """

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes
        self.appearance, self.calibration = eyes.appearance, eyes.calibration
        self.known: Calibration | None = eyes.calibration
        self._embedder: Embedder | None = None
        if self.calibration is None:
            model = ModelConfig(detector='none', appearance=self.appearance)
            parts = loading.parts(Config(model=model, camera_names=('a',), cameras=_TABLE))
            self._embedder, self.known = parts.embedder, parts.calibration
        self._kept: dict[str, list[AnyArray]] = {name: [] for name in (*IMAGES, *BOXES)}
        self.names: list[str] = []

    def look(self, camera: Camera, index: int, now: float, base: Base, told: Pose) -> Glance:
        """One image."""
        glance = self._eyes.look(camera, index, now, base, told)
        if camera.name not in self.names:
            self.names.append(camera.name)
        found, kept = glance.found, self._kept
        kept['cameras'].append(np.int16(self.names.index(camera.name)))
        kept['counts'].append(np.int32(len(found)))
        kept['shares'].append(glance.shares.astype(np.float32))
        kept['boxes'].append(found.boxes)
        kept['scores'].append(found.scores)
        kept['vectors'].append(self._vectors(glance))
        kept['owners'].append(glance.owners)
        return glance

    def _vectors(self, glance: Glance) -> FloatArray:
        found = glance.found
        if found.vectors is not None:
            return found.vectors
        if self._embedder is None:
            return np.zeros((len(found), 0), np.float32)
        return self._embedder.vectors([(Frame('a', 1, glance.image, 0), found.boxes)])[0]

    def arrays(self) -> dict[str, Any]:
        """What was seen, by the names in IMAGES and BOXES."""
        kept = self._kept
        wide = max(rows.shape[1] for rows in kept['vectors'])  # 0 where nobody was seen
        kept['vectors'] = [rows.reshape(len(rows), wide) for rows in kept['vectors']]
        stacked = {name: np.stack(kept[name]) for name in IMAGES}
        return stacked | {name: np.concatenate(kept[name]) for name in BOXES}


class Noted(Robot):
    """A robot that notes its way: at the beginning, and after every step."""

    def __init__(self, world: LiveWorld) -> None:
        rng = generator(world.split, 'chase', 'robot', world.seed)
        super().__init__(world.floor, waiting(world.floor), rng)
        self.bases: list[list[float]] = []
        self.drifts: list[list[float]] = []
        self._note()

    def drive(self, forward: float, turn: float, others: DoubleArray) -> None:
        """As any robot."""
        super().drive(forward, turn, others)
        self._note()

    def _note(self) -> None:
        base = self.base
        self.bases.append([base.x, base.y, base.heading, base.forward, base.turn])
        self.drifts.append(self._drift.tolist())


class Recording:
    """A chase that is recorded.

    Args:
        world: people, place and cameras.
        eyes: what takes its images.
    """

    def __init__(self, world: LiveWorld, eyes: Eyes) -> None:
        self._world, self._eyes, self._robot = world, Recorder(eyes), Noted(world)

    def chase(self, show: Callable[[Any, Scene], None] | None = None) -> Chase:
        """With a robot that is told where its target truly is."""
        return Chase(self._world, self._eyes, show=show, robot=self._robot, guided=True)

    def save(self, path: Path) -> None:
        """Write what was seen.

        Args:
            path: .npz file; its folder is made.

        Raises:
            DriveError: the file cannot be written.
        """
        world, calibration = self._world, self._eyes.known
        facts = {
            'version': VERSION,
            'seed': world.seed,
            'split': world.split,
            'seconds': world.scenario.seconds,
            'rate_hz': world.scenario.rate_hz,
            'cameras': self._eyes.names,
            'calibration': calibration.to_json() if calibration else None,
        }
        way = {'bases': np.array(self._robot.bases), 'drifts': np.array(self._robot.drifts)}
        arrays: dict[str, Any] = self._eyes.arrays() | way
        half = path.with_suffix('.half.npz')
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                np.savez_compressed(half, facts=np.array(json.dumps(facts)), **arrays)
                half.replace(path)
            finally:
                half.unlink(missing_ok=True)
        except OSError as error:
            raise DriveError(f'{path}: cannot be written ({error}); give another') from error


class Passenger(Robot):
    """A robot that goes a noted way, whatever it is told."""

    def __init__(self, world: LiveWorld, bases: DoubleArray, drifts: DoubleArray) -> None:
        super().__init__(world.floor, Base(*bases[0].tolist()), np.random.default_rng(0))
        self._bases, self._drifts, self._step = bases, drifts, 0
        self._drift = drifts[0]

    def drive(self, forward: float, turn: float, others: DoubleArray) -> None:
        """The next step of the way."""
        self._step = min(self._step + 1, len(self._bases) - 1)
        self.base = Base(*self._bases[self._step].tolist())
        self.driven_m += abs(self.base.forward) * STEP_S
        self._drift = self._drifts[self._step]


@dataclass(frozen=True, slots=True)
class Drive:
    """A recorded drive.

    Attributes:
        facts: seed, split, seconds, rate_hz, cameras and calibration.
        arrays: by the names in STEPS, IMAGES and BOXES.
    """

    facts: dict[str, Any]
    arrays: dict[str, AnyArray]

    @staticmethod
    def load(path: Path) -> Drive:
        """Read the file of `Recorder.save`.

        Raises:
            DriveError: there is none, or it is no drive of this version.
        """
        try:
            with np.load(path) as file:
                facts = json.loads(str(file['facts']))
                arrays = {name: file[name] for name in (*STEPS, *IMAGES, *BOXES)}
            if facts['version'] != VERSION:
                raise ValueError(f'version {facts["version"]}, not {VERSION}')
        except FileNotFoundError as error:
            raise DriveError(
                f'{path}: no such drive; record it with bench follow --pictures --record'
            ) from error
        except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise DriveError(f'{path} is no recorded drive ({error}): record it anew') from error
        return Drive(facts, arrays)

    def chase(self, world: LiveWorld, show: Callable[[Any, Scene], None] | None = None) -> Chase:
        """The drive once more, in the world that it was recorded in."""
        robot = Passenger(world, self.arrays['bases'], self.arrays['drifts'])
        return Chase(world, Recorded(self, world), show=show, robot=robot)

    def world(self) -> LiveWorld:
        """That it was recorded in."""
        facts = self.facts
        rate = facts['rate_hz']
        return chase_world(facts['seed'], facts['seconds'], facts['split'], rate_hz=rate)


class Recorded:
    """Eyes that see what others saw, in the same order."""

    appearance = 'none'

    def __init__(self, drive: Drive, world: LiveWorld) -> None:
        told = drive.facts['calibration']
        self.calibration: Calibration | None = None
        if isinstance(told, dict):
            self.calibration = Calibration.from_json(told, 'calibration of the drive')
        self._arrays = drive.arrays
        self.names = list(drive.facts['cameras'])
        self._ends = np.cumsum(drive.arrays['counts'])
        self._next = 0
        self._blank: dict[str, UInt8Array] = {
            c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in world.cameras
        }

    def look(self, camera: Camera, index: int, now: float, base: Base, told: Pose) -> Glance:
        """The next image.

        Raises:
            DriveError: it was another camera's.
        """
        k, arrays = self._next, self._arrays
        self._next += 1
        if k >= len(self._ends) or self.names[int(arrays['cameras'][k])] != camera.name:
            raise DriveError(
                f'image {k} of the drive is not of {camera.name}: the world has changed since it '
                'was recorded; record it anew'
            )
        rows = slice(int(self._ends[k] - arrays['counts'][k]), int(self._ends[k]))
        found = Detections(arrays['boxes'][rows], arrays['scores'][rows], arrays['vectors'][rows])
        shares = arrays['shares'][k].astype(np.float64)
        return Glance(self._blank[camera.name], found, arrays['owners'][rows], shares)


_TABLE = {'a': CameraConfig(detections='table')}
