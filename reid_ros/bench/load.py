"""More images than a machine can carry: what the live node gives up, and what it keeps.

The node is a process of its own and gets rendered images over real DDS, from cameras whose people
are found by their truth, disturbed as by a detector. First its throughput with everything is
measured, image by image in lockstep; that is load 1. Each load is then played twice, with the
limit of latency and without.
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reid_ros.bench.node import applied, domain, environment, process
from reid_ros.evaluate.idf1 import idf1
from reid_ros.evaluate.overlaps import overlaps
from reid_ros.evaluate.values import Boxes
from reid_ros.types import Detections, Frame, ReidError
from reid_ros.world.scenario import Scenario
from reid_ros.world.world import World
from reid_ros.world.write import settings

if TYPE_CHECKING:
    from reid_ros.ros.feed import Feed, Run

LOADS = (0.5, 1.0, 1.5, 2.0, 3.0)
LIMIT_S = 0.3
RATE_HZ = 8.0
"""Most images a second of a camera; more load is more cameras."""
WARM_S = 2.0
"""Seconds of a run that do not count: the node learns of the load."""
LEAST_VISIBLE = 0.3
"""Of whom less can be seen counts neither for nor against."""
KINDS = ('gait', 'embeddings', 'frames')
SCENARIO = Scenario(
    name='load', people=8, at_once=6, seconds=5.0, overlapping=2, apart=2,
    rate_hz=RATE_HZ, jitter=0.0, loss=0.0,
)  # fmt: skip

Film = Sequence[tuple[Frame, Detections]]


@dataclass(frozen=True, slots=True)
class Row:
    """One load, with or without a limit.

    Attributes:
        load: times what the machine can carry.
        limit_s: of latency; 0 = none.
        cameras, offered_hz: how many sent, and images a second of all of them.
        processed: share of the images that got an answer, 0 to 1.
        least: the same of the camera that got the fewest.
        p50_ms, p95_ms, max_ms: from publishing an image to receiving its sightings.
        gait, embeddings, frames: share that was given up of what was asked for, 0 to 1.
        level: how far the order of giving up had gone at the end, 0 to 3.
        idf1: percent, of the images that got an answer.
        reason: what the node says of its work.
    """

    load: float
    limit_s: float
    cameras: int
    offered_hz: float
    processed: float
    least: float
    p50_ms: float
    p95_ms: float
    max_ms: float
    gait: float
    embeddings: float
    frames: float
    level: int
    idf1: float
    reason: str


class Stand:
    """A world's images, and the nodes that look at them.

    Args:
        seed: of the world.
        detector: network that finds people; 'none' takes boxes from the truth, disturbed.
        tell: is told what happens.
    """

    def __init__(self, seed: int, detector: str, tell: Callable[[str], None]) -> None:
        self._detector, self._tell = detector, tell
        self.world = World(SCENARIO, seed)
        tell(f'rendering {len(self.world)} images')
        self._names = [camera.name for camera in self.world.cameras]
        self._films: dict[str, list[tuple[Frame, Detections]]] = {n: [] for n in self._names}
        self._truth: dict[str, list[Any]] = {n: [] for n in self._names}
        for shot in self.world.shots():
            film = self._films[shot.frame.camera]
            film.append((shot.frame, self.world.detected(shot).detections))
            self._truth[shot.frame.camera].append(shot.truth)

    def films(self, number: int) -> dict[str, Film]:
        """So many cameras; those beyond the world's stand where others stand."""
        names = [self._names[k % len(self._names)] for k in range(number)]
        return {f'cam{k + 1}': self._films[name] for k, name in enumerate(names)}

    @contextlib.contextmanager
    def feed(self, number: int, **changes: Any) -> Iterator[Feed]:
        """A running node with so many cameras, and what feeds it.

        Raises:
            ReidError: the node does not come up.
        """
        from reid_ros.ros.feed import opened

        chosen = settings(self.world)
        films = self.films(number)
        blocks = [chosen['cameras'][self._names[k % len(self._names)]] for k in range(number)]
        given = 'table' if self._detector == 'none' else 'model'
        chosen['cameras'] = {name: {**b, 'detections': given} for name, b in zip(films, blocks)}
        chosen['camera_names'] = list(films)
        chosen['model'].update(detector=self._detector, gait='gait', silhouette='silhouette')
        chosen.update(topology={}, silent_after_s=60.0, **changes)
        where = domain()
        env = environment(where, tuned=True)
        with tempfile.TemporaryDirectory(prefix='reid_load_') as folder, applied(env):
            file = Path(folder) / 'config.yaml'
            file.write_text(json.dumps(chosen), encoding='utf-8')
            with (
                process('reid_ros', 'node', '--config', str(file), env=env) as node,
                opened(films, '/reid_node', where) as feed,
            ):
                feed.ready(lambda: node.poll() is None)
                yield feed

    def capacity_hz(self, seconds: float) -> float:
        """Images a second that the node can carry with everything it does."""
        number = len(self._names)
        changes = {'late_frame_policy': 'process_all', 'max_future_s': 60.0}
        with self.feed(number, **changes) as feed:
            rates = dict.fromkeys(self.films(number), RATE_HZ)
            run = feed.play(rates, seconds, rush=False)
        times = np.sort([a.sent_s + a.latency_s for mine in run.answers.values() for a in mine])
        # Of three parts the fastest: in the first the networks warm up, others may share the
        # machine.
        part = len(times) // 3
        if part < 2:
            raise ReidError('the node answered too few images to be measured: see its log')
        spent = min(float(times[i + part - 1] - times[i]) for i in (0, part, 2 * part))
        return (part - 1) / max(spent, 1e-9)

    def row(self, feed: Feed, load: float, limit_s: float, rate_hz: float, seconds: float) -> Row:
        """Play one load."""
        number = max(1, math.ceil(rate_hz / RATE_HZ - 1e-6))
        names = list(self.films(number))
        feed.set('max_latency_s', limit_s)
        feed.call('reset_tracks')
        feed.call('clear_gallery')
        before = self._counts(feed, names)
        run = feed.play(dict.fromkeys(names, rate_hz / number), WARM_S + seconds)
        after = self._counts(feed, names)
        asked = {key: after[key] - before[key] for key in after}
        shares = {
            kind: asked[f'{kind}_given_up'] / max(asked[f'{kind}_wanted'], 1) for kind in KINDS
        }
        sent = [(name, index) for name, index, at in run.sent if at >= WARM_S]
        heard = {n: [a for a in mine if a.sent_s >= WARM_S] for n, mine in run.answers.items()}
        each = [len(heard[n]) / max(sum(name == n for name, _ in sent), 1) for n in names]
        latency = np.array([a.latency_s for mine in heard.values() for a in mine] or [np.nan])
        p50, p95, most = 1e3 * np.percentile(latency, [50, 95, 100])
        return Row(
            load, limit_s, number, rate_hz,
            len(latency) / max(len(sent), 1), min(each), p50, p95, most,
            shares['gait'], shares['embeddings'], shares['frames'],
            int(run.node['given_up_level']), self._idf1(run), run.node['given_up_reason'],
        )  # fmt: skip

    def _counts(self, feed: Feed, names: Sequence[str]) -> dict[str, int]:
        result: dict[str, int] = {}
        told = feed.told()
        for name in names:
            for key in (f'{kind}_{what}' for kind in KINDS for what in ('wanted', 'given_up')):
                result[key] = result.get(key, 0) + int(told[name][key])
        return result

    def _idf1(self, run: Run) -> float:
        """Percent, over all cameras; confirmed and provisional persons alike."""
        truth, found = _Rows(), _Rows()
        for k, answers in enumerate(run.answers.values()):
            people = self._truth[self._names[k % len(self._names)]]
            for answer in answers:
                who, seen = people[answer.index], answer.sightings
                stamp = seen.stamp_ns
                truth.add(k, stamp, who.persons, who.boxes, who.visible < LEAST_VISIBLE)
                kept = (seen.persons > 0) & ~seen.predicted
                found.add(k, stamp, seen.persons[kept], seen.boxes[kept], None)
        return 100.0 * idf1(overlaps(truth.boxes(), found.boxes())).idf1


class _Rows:
    """Boxes as they come."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, int, Any, bool]] = []

    def add(self, camera: int, stamp_ns: int, ids: Any, boxes: Any, ignored: Any) -> None:
        skipped = np.zeros(len(ids), np.bool_) if ignored is None else ignored
        self._rows += [(camera, stamp_ns, *row) for row in zip(ids.tolist(), boxes, skipped)]

    def boxes(self) -> Boxes:
        camera, stamp, ids, boxes, ignored = zip(*self._rows) if self._rows else ((),) * 5
        return Boxes(
            np.array(camera, np.int64),
            np.array(stamp, np.int64),
            np.array(ids, np.int64),
            np.array(boxes, np.float64).reshape(-1, 4),
            np.array(ignored, np.bool_),
        )


def measure(
    loads: Sequence[float] = LOADS,
    *,
    seed: int = 101,
    seconds: float = 6.0,
    limit_s: float = LIMIT_S,
    detector: str = 'none',
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[float, list[Row]]:
    """The capacity, images a second, and every load with and without the limit.

    Raises:
        ReidError: a node does not come up or does not answer.
    """
    stand = Stand(seed, detector, tell)
    tell('measuring what the node can carry')
    capacity = stand.capacity_hz(5.0)
    tell(f'it carries {capacity:.1f} images a second')
    most = max(1, math.ceil(max(loads) * capacity / RATE_HZ - 1e-6))
    if most > 64:
        raise ReidError(f'{max(loads):g} times {capacity:.0f} images a second are {most} cameras')
    rows = []
    with stand.feed(most, late_frame_policy='drop_oldest') as feed:
        for load in loads:
            for limit in (limit_s, 0.0):
                row = stand.row(feed, load, limit, load * capacity, seconds)
                tell(line(row))
                rows.append(row)
    return capacity, rows


HEAD = (
    'load  limit ms  cameras  offered/s  processed %  least %  p50 ms  p95 ms  max ms'
    '   given up %: gait  embed  frames   IDF1'
)


def line(row: Row) -> str:
    """One row of the table."""
    limit = f'{1e3 * row.limit_s:8.0f}' if row.limit_s else '    none'
    return (
        f'{row.load:4.1f}  {limit}  {row.cameras:7d}  {row.offered_hz:9.1f}  '
        f'{100 * row.processed:11.0f}  {100 * row.least:7.0f}  {row.p50_ms:6.0f}  '
        f'{row.p95_ms:6.0f}  {row.max_ms:6.0f}   {100 * row.gait:16.0f}  '
        f'{100 * row.embeddings:5.0f}  {100 * row.frames:6.0f}  {row.idf1:5.1f}'
    )
