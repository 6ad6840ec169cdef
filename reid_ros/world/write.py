"""A world on disk: a bag, videos, truth as MOT text, and what a run needs to know of it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

import cv2

from reid_ros.lens import Pose
from reid_ros.replay.bags import SILHOUETTES
from reid_ros.replay.clouds import detections_table
from reid_ros.replay.make import topic
from reid_ros.replay.messages import INFO, TABLE
from reid_ros.replay.topics import COMPRESSED
from reid_ros.replay.writer import BagWriter
from reid_ros.types import UInt8Array
from reid_ros.world.scenario import START_NS, WorldError
from reid_ros.world.values import Shot
from reid_ros.world.world import World

BagKind = Literal['raw', 'jpeg', 'none']
MAP, ODOM, BASE = 'map', 'odom', 'base_link'
ODOMETRY_HZ = 50
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Written:
    """What a world became.

    Attributes:
        folder: where it is.
        images: of all cameras.
        messages: in the bag.
        files: names in the folder, sorted.
    """

    folder: Path
    images: int
    messages: int
    files: tuple[str, ...]


def write(
    world: World,
    out: str | Path,
    bag: BagKind = 'raw',
    videos: bool = False,
    silhouettes: bool = False,
    tell: Callable[[int], None] = lambda images: None,
) -> Written:
    """Render a world into a folder that appears when it is whole.

    It gets `world.mcap`, `CAMERA.mp4`, `CAMERA.stamps.txt` (one line per frame of the video, which
    itself knows no lost or late frames), `truth/CAMERA.txt` (MOT text: frame from 1, person, x, y,
    w, h, 1, class 1, visible share), `world.json` and `config.yaml`. The same world gives the same
    bytes.

    Args:
        world: what to render.
        out: the folder; it may exist if it is empty.
        bag: how images are stored in the bag; 'none' writes no bag.
        videos: whether to write videos.
        silhouettes: whether `CAMERA/truth/labels` with PNG images (0 = nobody, k + 1 = row k of
            `CAMERA/truth`) is in the bag.
        tell: called with the number of images added.

    Raises:
        WorldError: the folder holds something or cannot be written.
    """
    out = Path(out)
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise WorldError(f'{out} exists: delete it or choose another folder')
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=f'.{out.name}.', dir=out.absolute().parent))
    except OSError as error:
        raise WorldError(f'{out} cannot be written: {error.strerror}') from error
    try:
        folder = workshop / out.name
        folder.mkdir()
        messages = _fill(world, folder, bag, videos, silhouettes, tell)
        files = tuple(sorted(str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file()))
        os.replace(folder, out)
    except OSError as error:
        raise WorldError(f'{out} cannot be written: {error.strerror}') from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return Written(out, len(world), messages, files)


def _fill(
    world: World,
    folder: Path,
    bag: BagKind,
    videos: bool,
    silhouettes: bool,
    tell: Callable[[int], None],
) -> int:
    messages = 0
    with ExitStack() as stack:
        truth = _Truths(world, folder / 'truth', stack)
        films = _Films(world, folder, stack) if videos else None
        box = None
        if bag != 'none':
            box = _Box(world, stack.enter_context(BagWriter(folder / 'bag')), bag, silhouettes)
        for shot in world.shots():
            truth.add(shot)
            if films is not None:
                films.add(shot)
            if box is not None:
                box.add(shot)
            tell(1)
        if box is not None:
            messages = box.close()
    if bag != 'none':
        (folder / 'bag' / 'bag.mcap').rename(folder / 'world.mcap')
        shutil.rmtree(folder / 'bag')
    _save(folder / 'world.json', facts(world))
    # JSON is YAML too, and yaml stays in the room of the settings.
    _save(folder / 'config.yaml', settings(world, bag))
    return messages


def _save(file: Path, data: Mapping[str, Any]) -> None:
    text = json.dumps(data, indent=1, ensure_ascii=False)
    file.write_text(text + '\n', encoding='utf-8', newline='\n')


def settings(world: World, bag: BagKind = 'raw') -> dict[str, Any]:
    """What a run over the world's bag is to be told: `reid_ros replay --config`.

    People come from `CAMERA/detections_table`, which is the truth, disturbed; appearance from
    the shipped student, which was trained on other rendered people.
    """
    cameras: dict[str, dict[str, Any]] = {}
    for camera in world.cameras:
        block = cameras[camera.name] = {'detections': 'table'}
        if bag == 'jpeg':
            block['transport'] = 'compressed'
        block['mount' if camera.moving else 'pose'] = list(camera.pose.numbers())
    return {
        'camera_names': list(cameras),
        'cameras': cameras,
        'model': {'detector': 'none', 'appearance': 'appearance'},
        'topology': {'overlap': list(world.overlap), 'transit': list(world.transit)},
        'late_frame_policy': 'process_all',
        # However long the world takes to draw an image, the node waits for it.
        'silent_after_s': PATIENCE_S,
    }


def facts(world: World) -> dict[str, Any]:
    """What is known of a world, for people and programs."""
    paths = {path.person: path for path in world.walks.people}
    return {
        'scenario': asdict(world.scenario),
        'seed': world.seed,
        'split': world.split,
        'start_ns': START_NS,
        'size_m': list(world.place.size),
        'cameras': [
            {
                'name': camera.name,
                'width': camera.width,
                'height': camera.height,
                'matrix': camera.lens.matrix.tolist(),
                'distortion': camera.lens.distortion.tolist(),
                'mount' if camera.moving else 'pose': list(camera.pose.numbers()),
                'rate_hz': camera.rate_hz,
                'images': len(world.stamps[camera.name]),
            }
            for camera in world.cameras
        ],
        'overlap': list(world.overlap),
        'transit': list(world.transit),
        'people': [
            {
                'number': person.number,
                'stature_m': person.body.stature,
                'look_alike_of': person.look_alike_of,
                'same_body_as': person.same_body_as,
                'outfits': len(person.outfits),
                'visits_s': [list(visit) for visit in paths[person.number].visits()],
            }
            for person in world.people
        ],
    }


class _Truths:
    """MOT text of every camera."""

    def __init__(self, world: World, folder: Path, stack: ExitStack) -> None:
        folder.mkdir()
        self._files: dict[str, TextIO] = {
            camera.name: stack.enter_context(
                (folder / f'{camera.name}.txt').open('w', encoding='utf-8', newline='\n')
            )
            for camera in world.cameras
        }

    def add(self, shot: Shot) -> None:
        truth = shot.truth
        for person, (x0, y0, x1, y1), visible in zip(
            truth.persons.tolist(), truth.boxes.tolist(), truth.visible.tolist()
        ):
            self._files[shot.frame.camera].write(
                f'{shot.frame.index + 1},{person},{x0:.2f},{y0:.2f},{x1 - x0:.2f},{y1 - y0:.2f},'
                f'1,1,{visible:.4f}\n'
            )


class _Films:
    """A video of every camera, and the stamps of its frames."""

    def __init__(self, world: World, folder: Path, stack: ExitStack) -> None:
        self._writers: dict[str, Any] = {}
        self._stamps: dict[str, TextIO] = {}
        # The only codec for .mp4 that every build of OpenCV 4 and 5 can write.
        code = cv2.VideoWriter_fourcc(*'mp4v')  # type: ignore[attr-defined,unused-ignore]
        for camera in world.cameras:
            file = folder / f'{camera.name}.mp4'
            size = (camera.width, camera.height)
            writer = cv2.VideoWriter(str(file), code, camera.rate_hz, size)
            stack.callback(writer.release)
            if not writer.isOpened():
                raise WorldError(f'{file.name} cannot be written: OpenCV has no mp4v encoder')
            self._writers[camera.name] = writer
            self._stamps[camera.name] = stack.enter_context(
                (folder / f'{camera.name}.stamps.txt').open('w', encoding='utf-8', newline='\n')
            )

    def add(self, shot: Shot) -> None:
        self._writers[shot.frame.camera].write(shot.frame.image)
        self._stamps[shot.frame.camera].write(f'{shot.frame.stamp_ns}\n')


class _Box:
    """The bag."""

    def __init__(self, world: World, writer: BagWriter, bag: BagKind, silhouettes: bool) -> None:
        self._world, self._writer, self._silhouettes = world, writer, silhouettes
        self._encoding: Literal['raw', 'jpeg'] = 'jpeg' if bag == 'jpeg' else 'raw'
        self._ticks = self._odometry()
        self._tick = next(self._ticks, None)
        still: dict[tuple[str, str], Pose] = {}
        for camera in world.cameras:
            name = camera.name
            still[BASE if camera.moving else MAP, f'{name}_optical_frame'] = camera.pose
            writer.announce(f'/{name}/truth', TABLE)
            writer.announce(f'/{name}/detections_table', TABLE)
            writer.announce(f'/{name}/camera_info', INFO)
            if silhouettes:
                writer.announce(f'/{name}{SILHOUETTES}', COMPRESSED)
        if world.walks.robot is not None:
            # Odometry begins at the true pose, so the frames begin as one.
            still[MAP, ODOM] = Pose.planar(0.0, 0.0, 0.0)
        writer.transforms(START_NS, still, static=True)

    def add(self, shot: Shot) -> None:
        """One image and what goes with it, after the odometry before it."""
        name, stamp_ns = shot.frame.camera, shot.frame.stamp_ns
        self._drive(stamp_ns)
        frame, writer = f'{name}_optical_frame', self._writer
        view = shot.view
        writer.info(f'/{name}/camera_info', frame, stamp_ns, view.lens, view.width, view.height)
        found = self._world.detected(shot).detections
        writer.table(f'/{name}/detections_table', frame, stamp_ns, detections_table(found))
        writer.table(f'/{name}/truth', frame, stamp_ns, shot.truth.table())
        if self._silhouettes:
            shown: UInt8Array = shot.truth.labels
            where = f'/{name}{SILHOUETTES}'
            writer.image(where, frame, stamp_ns, shown, 'png', 'mono')
        place = topic(name, self._encoding)
        writer.image(place, frame, stamp_ns, shot.frame.image, self._encoding)

    def close(self) -> int:
        """Write what is left; returns the number of messages."""
        self._drive(START_NS + round(self._world.scenario.seconds * 1e9) + 1)
        return self._writer.messages

    def _drive(self, stamp_ns: int) -> None:
        robot = self._world.walks.robot
        while robot is not None and self._tick is not None and self._tick <= stamp_ns:
            time_s = (self._tick - START_NS) / 1e9
            told = robot.drifting(time_s)
            speed = robot.speed(time_s)
            self._writer.odometry('/odom', (ODOM, BASE), self._tick, told, speed)
            self._writer.odometry('/truth/odom', (MAP, BASE), self._tick, robot.base(time_s))
            self._writer.transforms(self._tick, {(ODOM, BASE): told})
            self._tick = next(self._ticks, None)

    def _odometry(self) -> Iterator[int]:
        """Stamps of the odometry."""
        for k in range(int(self._world.scenario.seconds * ODOMETRY_HZ) + 1):
            yield START_NS + k * 1_000_000_000 // ODOMETRY_HZ
