"""The chase in real time: the live node and follow_node, processes of their own, over topics.

With pictures the node is reid_node, and looks at them; without, it is identity_node, which hears
what a sight node would have made of them.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reid_ros.bench.following.chase import MAP, Asking, Scene, quarry
from reid_ros.bench.following.eyes import Glance, Pictures, Wire
from reid_ros.bench.following.robot import STEP_S, Robot, waiting
from reid_ros.bench.following.score import Claim, Judge, Score
from reid_ros.bench.node import applied, domain, environment
from reid_ros.boxes import inside, iou
from reid_ros.follow import FollowConfig
from reid_ros.types import DoubleArray, FloatArray, IntArray, ReidError, Sightings
from reid_ros.world.live import LiveWorld
from reid_ros.world.rig import Camera
from reid_ros.world.scenario import START_NS
from reid_ros.world.seeds import generator

if TYPE_CHECKING:
    from reid_ros.bench.following.lines import Line
    from reid_ros.ros.driven import Driven
    from reid_ros.ros.stage import Stage

START_S = 60.0
"""Longest wait for the node to come up."""
KEPT = 60
"""Images that wait for what is said of them."""
AIM_S = 0.3
"""The box of a pose is heard before or so long after it; else it is nobody's."""
SAME = 0.6
"""Overlap of a published box, in whole pixels, with the one it came from."""
NS = 1_000_000_000


class Live:
    """One run in real time.

    Where the machine is too slow, cameras take fewer images, as real ones would not wait either;
    the score counts by the clock all the same.

    Args:
        world: its robot is driven by whoever publishes `cmd_vel`.
        show: hears of every image that was answered.
        pictures: whether there are any; else people are of wire, and their vectors made up.

    Attributes:
        robot, whom, right, place: as of `chase.Chase`.
    """

    def __init__(
        self,
        world: LiveWorld,
        show: Callable[[Any, Scene], None] | None = None,
        pictures: bool = True,
    ) -> None:
        self.world, self.whom = world, quarry(world)
        self._show, self._pictures = show, pictures
        self.score = Score(world.seed)
        self._asking = Asking(self.score)
        rng = generator(world.split, 'chase', 'robot', world.seed)
        self.robot = Robot(world.floor, waiting(world.floor), rng)
        period = 1 / min(camera.rate_hz for camera in world.cameras)
        self._judge = Judge(self.score, self.whom, FollowConfig().keep_m, 2 * period)
        self._due = [camera.phase / camera.rate_hz for camera in world.cameras]
        self._index = [0] * len(world.cameras)
        self._glances: OrderedDict[tuple[str, int], Glance] = OrderedDict()
        self._aimed: int | None = None
        self._aims_s: float | None = None  # since when the box of the newest pose is looked for
        self._told_ns = 0
        self._place: DoubleArray | None = None
        self.sent = 0

    @property
    def right(self) -> bool:
        """Whether the box aimed at last truly was the target's."""
        return self._aimed == self.whom

    @property
    def place(self) -> DoubleArray | None:
        """(2,) metres, where the target was said to be last."""
        return self._place

    def visible(self, now: float) -> bool:
        """Whether the target is half in view of a camera."""
        return self._judge.visible(now)

    def run(self) -> Score:
        """Play the whole world.

        Raises:
            ReidError: there is no ROS 2, or the nodes did not come up.
        """
        try:
            from reid_ros.bench.following.lines import Images, Tabled
            from reid_ros.ros.driven import Driven
            from reid_ros.ros.stage import opened
        except ModuleNotFoundError as error:
            raise ReidError(
                f'{error}: source a ROS 2 (. /opt/ros/$ROS_DISTRO/setup.sh), or use ./dev run'
            ) from error
        names, where = [camera.name for camera in self.world.cameras], domain()
        with (
            applied(environment(where, tuned=True)),  # this process is the camera driver
            tempfile.TemporaryDirectory() as folder,
            nodes(self.world, Path(folder), where, self._pictures) as running,
            opened(names, answers=False, odom=MAP, domain=where) as stage,
        ):
            line = (Images if self._pictures else Tabled)(stage, self.world)
            line.wait(START_S, lambda: all(one.poll() is None for one in running))
            stage.begin(START_NS)
            self._play(stage, line, Driven(stage.node, names, stage.shift_ns, MAP))
            if any(one.poll() is not None for one in running):
                raise ReidError('a node ended: ' + tail(Path(folder)))
        return self._judge.close(self.robot.driven_m)

    def _play(self, stage: Stage, line: Line, driven: Driven) -> None:
        began, seconds, steps = time.monotonic(), self.world.scenario.seconds, 0
        while (now := time.monotonic() - began) < seconds:
            while steps * STEP_S <= now:
                self._step(stage, driven, steps * STEP_S)
                steps += 1
            self._take_image(line, (steps - 1) * STEP_S, now)
            stage.spin(0.0)
            self._hear(driven, (steps - 1) * STEP_S)
            left = min(*self._due, steps * STEP_S) - (time.monotonic() - began)
            stage.spin(max(left, 0.0))

    def _step(self, stage: Stage, driven: Driven, now: float) -> None:
        """The world and the base go on."""
        self.world.advance(now, self.robot.base)
        spots, present = self.world.where(now)
        claim = Claim(driven.locked, self._aimed, self.place)
        self._judge.step(now, STEP_S, claim, (spots, present), self.robot.base)
        others = present.copy()
        others[self.whom] = False
        self.robot.drive(*driven.command, spots[others])
        stage.tell_base(self.robot.told, START_NS + round(now * NS))

    def _take_image(self, line: Line, at: float, now: float) -> None:
        """One image of the camera that is most overdue, if any is."""
        k = int(np.argmin(self._due))
        if self._due[k] > now:
            return
        camera = self.world.cameras[k]
        stamp_ns, glance = line.send(camera, self._index[k], at, self.robot.base, self.robot.told)
        self.sent += 1
        self._judge.see(camera.name, at, glance.shares)
        self._glances[camera.name, stamp_ns] = glance
        while len(self._glances) > KEPT:
            self._glances.popitem(last=False)
        self._index[k] += 1
        period = 1 / camera.rate_hz
        self._due[k] = max(self._due[k] + period, now)  # what was missed is lost

    # -- what is said ----------------------------------------------------------------------------

    def _hear(self, driven: Driven, now: float) -> None:
        """Take in what the nodes said since."""
        if driven.place is not None and driven.place[1] != self._told_ns:
            self._place, self._told_ns = driven.place
            self._aims_s = now
        self._aim(driven, now)
        self._asking.hear(driven.state, now)
        heard, driven.sightings = driven.sightings, []
        for found in heard:
            glance = self._glances.get((found.camera, found.stamp_ns))
            if glance is None:
                continue
            if self._asking.due(now):
                self._choose(driven, found, _owners(found.boxes, glance), now)
            if self._show is not None:
                self._show(self, self._scene(driven, glance, found))

    def _aim(self, driven: Driven, now: float) -> None:
        """Who truly is in the box that the newest pose came from, once that box was heard."""
        if self._aims_s is None:
            return
        for (camera, stamp), glance in self._glances.items():
            if stamp != self._told_ns:
                continue
            height, width = glance.image.shape[:2]
            for box, owner in zip(glance.found.boxes, glance.owners.tolist()):
                if inside(box, width, height) in driven.rois[camera]:
                    self._aimed, self._aims_s = owner, None
                    return
        if now - self._aims_s > AIM_S:
            self._aimed, self._aims_s = -1, None

    def _choose(self, driven: Driven, found: Sightings, owners: IntArray, now: float) -> None:
        """Somebody chooses the target, by the number that it truly bears now."""
        for row in np.flatnonzero(owners == self.whom).tolist():
            if found.confirmed[row] and found.persons[row]:
                driven.choose(int(found.persons[row]))
                driven.state = ''
                self._asking.chose(now)
                return

    def _scene(self, driven: Driven, glance: Glance, found: Sightings) -> Scene:
        camera = next(c for c in self.world.cameras if c.name == found.camera)
        rois, aimed = driven.rois[found.camera], -1
        if rois and driven.locked and self._told_ns == found.stamp_ns and len(found):
            overlap = iou(np.array([rois[-1]], np.float32), found.boxes)[0]
            aimed = int(np.argmax(overlap)) if overlap.max() > SAME else -1
        target = int(found.persons[aimed]) if aimed >= 0 else 0
        now = (found.stamp_ns - START_NS) / NS
        state = 'locked' if driven.locked else driven.state or 'no target yet'
        return Scene(now, camera, glance.image, found, target, aimed, driven.locked, state)


def _owners(boxes: FloatArray, glance: Glance) -> IntArray:
    """(n,) who truly is in each box, -1 = nobody, by what the detector made of the image."""
    found, owners = glance.found.boxes, glance.owners
    if not len(found) or not len(boxes):
        return np.full(len(boxes), -1, np.int64)
    overlap = iou(boxes, found)
    best = overlap.argmax(axis=1)
    sure = overlap[np.arange(len(boxes)), best] > SAME
    return np.where(sure, owners[best], -1).astype(np.int64)


def settings(cameras: Sequence[Camera], world: LiveWorld, looks: str) -> dict[str, Any]:
    """What the node is told: boxes come as tables, looks from a network."""
    blocks = {
        camera.name: {
            'detections': 'table',
            'mount' if camera.moving else 'pose': list(camera.pose.numbers()),
        }
        for camera in cameras
    }
    return {
        'camera_names': list(blocks),
        'cameras': blocks,
        'model': {'detector': 'none', 'appearance': looks},
        'topology': {'overlap': list(world.overlap), 'transit': list(world.transit)},
        'target_frame': MAP,
    }


@contextmanager
def nodes(
    world: LiveWorld, folder: Path, where: int, pictures: bool = True
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The live node and follow_node, which end with the block; their logs lie in the folder."""
    config = folder / 'config.json'  # JSON is YAML too
    looks = (Pictures if pictures else Wire).appearance
    config.write_text(json.dumps(settings(world.cameras, world, looks)), encoding='utf-8')
    threads = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'), '1')
    env = {**environment(where, tuned=True), **threads}
    node = ['reid_ros', 'node', '--config', str(config), '--ros-args']
    if not pictures:
        renamed = ['--ros-args', '-r', '__node:=reid_node']
        node = ['reid_ros.bench.following.believing', str(config), *renamed]
    commands = {
        'reid_node': [*node, '-p', 'autostart:=true'],
        'follow_node': ['reid_ros.ros.follow'],
    }
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in commands.items():
            with (folder / f'{name}.log').open('wb') as log:
                running.append(
                    subprocess.Popen(
                        [sys.executable, '-m', *command], stdout=log, stderr=log, env=env
                    )
                )
        yield running
    finally:
        for one in running:
            one.send_signal(signal.SIGINT)
        for one in running:
            try:
                one.wait(15)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


def tail(folder: Path) -> str:
    """The last lines of the logs."""
    lines = []
    for log in sorted(folder.glob('*.log')):
        text = log.read_text(encoding='utf-8', errors='replace').splitlines()
        lines += [f'{log.stem}: {line}' for line in text[-5:]]
    return '\n'.join(lines)
