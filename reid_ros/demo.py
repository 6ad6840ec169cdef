"""The demo: a world's cameras on real ROS 2 topics, the live node, and what it made of them.

The world and the node are two processes that know each other only by topics, as cameras and a
robot would be. The world waits for the node, so a slow machine takes longer and finds the same.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from reid_ros.evaluate.truth import CameraTruth, of_tables
from reid_ros.report.draw import Shown, draw
from reid_ros.report.files import OutputError, whole
from reid_ros.report.recorder import CameraRecord, Outcome, Recorder
from reid_ros.types import AnyArray, Event, Frame, Moment, ReidError, Sightings, UInt8Array
from reid_ros.world.scenario import Scenario
from reid_ros.world.values import Shot
from reid_ros.world.world import World
from reid_ros.world.write import settings

if TYPE_CHECKING:
    from reid_ros.ros.stage import Stage

APPEARANCE = 'appearance'
"""The network of the demo: the shipped student."""
START_S = 40.0
"""Longest wait for the node to come up."""
LOG, REFUSED = 'node.log', 'not configured'
QUALITY = 92  # of the JPEGs kept for the report
PICTURE, PICTURE_HEIGHT = 'picture.jpg', 400


class DemoError(ReidError):
    """The demo cannot be shown here: says why."""


def parameters(world: World, search: str = '') -> dict[str, Any]:
    """The node's settings for a world whose boxes come from its truth.

    Args:
        world: what is played.
        search: network that finds the people itself, in the place of the truth, and tells their
            looks; '' leaves those to the shipped student.
    """
    result = settings(world)
    result['model']['appearance'] = APPEARANCE
    if search:
        result['model'] = {'detector': search, 'appearance': search}
        for camera in result['cameras'].values():
            camera['detections'] = 'model'
    return result


@contextmanager
def node(chosen: Mapping[str, Any], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The live node in a process of its own, which ends with the block.

    Args:
        chosen: settings; written to `config.yaml` in the folder, to run the node again.
        folder: also gets `node.log`.

    Raises:
        OutputError: the folder cannot be written.
    """
    file = folder / 'config.yaml'
    with whole(file) as text:
        # JSON is YAML too, and yaml stays in the room of the settings.
        json.dump(chosen, text, indent=1)
        text.write('\n')
    command = [
        sys.executable, '-m', 'reid_ros', 'node', '--config', str(file),
        '--ros-args', '-p', 'use_sim_time:=true', '-p', 'autostart:=true',
    ]  # fmt: skip
    # One thread each for the node's numerics and the world: there may be two cores.
    threads = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'), '1')
    try:
        log = (folder / LOG).open('wb')
    except OSError as error:
        raise OutputError(f'{folder / LOG}: {error.strerror}') from error
    with log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **threads}, start_new_session=True
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Show:
    """One performance of a world, recorded.

    Args:
        world: what is played.
        folder: for the results; exists.
        video: whether to write annotated videos.
    """

    def __init__(self, world: World, folder: Path, video: bool = True) -> None:
        self.world, self.folder = world, folder
        records = [
            CameraRecord(camera.name, f'/{camera.name}/image', camera.rate_hz)
            for camera in world.cameras
        ]
        self.recorder = Recorder(folder, records, video)
        self._jpegs: dict[str, list[tuple[int, int, bytes]]] = {c.name: [] for c in world.cameras}
        self._truth: dict[str, list[tuple[int, AnyArray]]] = {c.name: [] for c in world.cameras}
        self._latest: dict[str, tuple[Frame, Sightings]] = {}
        self._best: tuple[int, int, dict[str, tuple[Frame, Sightings]]] = (-1, 0, {})
        self._moments = 0

    def perform(
        self,
        stage: Stage,
        alive: Callable[[], bool],
        tell: Callable[[int], None] = lambda images: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Play the world on a stage; ends early where `stop` is true.

        Raises:
            StageError: the node does not answer.
            OutputError: the results cannot be written.
        """
        for played in stage.play(self._boxed(stop), alive=alive):
            self._take(played.shot, played.sightings, played.events)
            tell(1)

    def _boxed(self, stop: Callable[[], bool]) -> Iterator[tuple[Shot, Any]]:
        world = self.world
        for shot in world.shots():
            if stop():
                return
            yield shot, world.detected(shot).detections

    def _take(self, shot: Shot, found: Sightings, events: list[Event]) -> None:
        frame = shot.frame
        found = dataclasses.replace(found, index=frame.index)
        self.recorder.add([frame], Moment([found], events), {})
        fine, data = cv2.imencode('.jpg', frame.image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if fine:
            self._jpegs[frame.camera].append((frame.index, frame.stamp_ns, data.tobytes()))
        self._truth[frame.camera].append((frame.stamp_ns, shot.truth.table()))
        self._latest[frame.camera] = frame, found
        shown = [f.persons[f.confirmed & ~f.predicted].tolist() for _, f in self._latest.values()]
        # Somebody whom two cameras know by one number is what there is to see.
        worth = 2 * sum(map(len, shown)) - len(set().union(*shown))
        if worth > self._best[0] and len(self._latest) == len(self.world.cameras):
            self._best = worth, self._moments, dict(self._latest)
        self._moments += 1

    def close(self, facts: Mapping[str, str], stopped: str = '') -> Outcome:
        """Finish the files; writes PICTURE beside them.

        Raises:
            OutputError: a file cannot be written.
        """
        outcome = self.recorder.close({}, facts, stopped)
        picture = self.picture()
        if picture is not None and not cv2.imwrite(
            str(self.folder / PICTURE), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        ):
            raise OutputError(f'{self.folder / PICTURE} cannot be written')
        return outcome

    def picture(self) -> UInt8Array | None:
        """(h, w, 3) all cameras at the moment when most was known; None before the first."""
        _, moment, cameras = self._best
        if not cameras:
            return None
        ledger, tiles = self.recorder.ledger, []
        for name in (camera.name for camera in self.world.cameras):
            frame, found = cameras[name]
            persons = [ledger.person(name, t, moment) for t in found.tracks.tolist()]
            labels = [f'#{p}' + ('' if ledger.confirmed(p) else '?') if p else '' for p in persons]
            image = frame.image.copy()
            draw(image, Shown(found.boxes, persons, labels, found.predicted), name)
            scale = PICTURE_HEIGHT / image.shape[0]
            size = round(image.shape[1] * scale), PICTURE_HEIGHT
            tiles.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
            tiles.append(np.full((PICTURE_HEIGHT, 6, 3), 255, np.uint8))
        result: UInt8Array = np.concatenate(tiles[:-1], axis=1)
        return result

    def truth(self) -> dict[str, CameraTruth]:
        """Who truly was in the images that were played."""
        return {name: of_tables(*zip(*rows)) for name, rows in self._truth.items() if rows}

    def sources(self) -> list[Kept]:
        """The images that were played."""
        return [Kept(name, frames) for name, frames in self._jpegs.items()]


class Kept:
    """The images of one camera, kept as JPEG: a `replay.Source`."""

    live = False

    def __init__(self, camera: str, frames: Sequence[tuple[int, int, bytes]]) -> None:
        self.camera, self.place = camera, f'/{camera}/image'
        self.rate_hz, self.length = 0.0, len(frames)
        self.notes: list[str] = []
        self._frames = frames

    def frames(self) -> Iterator[Frame]:
        """The frames in order."""
        for index, stamp_ns, data in self._frames:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            yield Frame(self.camera, stamp_ns, np.asarray(image, np.uint8), index)


def play(
    scenario: Scenario,
    seed: int,
    folder: Path,
    *,
    search: str = '',
    video: bool = True,
    tell: Callable[[int], None] = lambda images: None,
    say: Callable[[str], None] = lambda text: None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Show, Outcome]:
    """Perform a world before the live node and record it.

    Args:
        folder: for the results; exists.
        search: see `parameters`.
        tell: called with the number of images that are done.
        say: called with what happens next, for people.
        stop: asked before every image.

    Raises:
        WorldError: the scenario does not fit.
        DemoError: the node did not come up, or went down.
        OutputError: the results cannot be written.
    """
    from reid_ros.ros.stage import StageError, opened

    world = World(scenario, seed)
    chosen = parameters(world, search)
    say(
        f'world {scenario.name}, seed {seed}: {len(world.people)} people, {len(world.cameras)} '
        f'cameras, {len(world)} images of {scenario.seconds:g} s'
    )
    names = [camera.name for camera in world.cameras]
    show = Show(world, folder, video)
    try:
        with node(chosen, folder) as process, opened(names, clock=True) as stage:

            def alive() -> bool:
                # A node that cannot be configured stays, and says so, for whoever mends it.
                return process.poll() is None and not any(REFUSED in line for line in _log(folder))

            stage.wait(START_S, alive)
            say(f'the node is up: /{names[0]}/image ... -> /{names[0]}/sightings, /reid/events')
            show.perform(stage, alive, tell, stop)
    except StageError as error:
        show.recorder.abandon()
        raise DemoError('\n'.join([f'{error}; {folder / LOG}:', *_log(folder)[-8:]])) from error
    except BaseException:
        show.recorder.abandon()
        raise
    facts = {
        'world': f'{scenario.name}, seed {seed}',
        'detector': search or 'true boxes, disturbed: misses, shaking edges, ghosts',
        'appearance': chosen['model']['appearance'],
    }
    return show, show.close(facts, 'stopped' if stop() else '')


def _log(folder: Path) -> list[str]:
    """What the node has said."""
    return (folder / LOG).read_text(encoding='utf-8', errors='replace').splitlines()
