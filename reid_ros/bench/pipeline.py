"""What a frame costs around the networks: letterbox, decoding, tracking, crops, identities.

Each network's answer is replaced by one made from a drawn scene, so that there are always people
to find. Where the networks' files are at hand, a second run has them work on the same input: it
shows their own time, and what the rest costs when they empty the processor's caches in between.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import cv2
import numpy as np

from reid_ros import card as cards
from reid_ros.bench import alone
from reid_ros.bench.scenes import Conditions, Shot, scene
from reid_ros.config import Config, GalleryConfig
from reid_ros.detect import Detector
from reid_ros.embed import Embedder
from reid_ros.gallery import Gallery
from reid_ros.model import Model
from reid_ros.pipeline import Pipeline
from reid_ros.types import AnyArray, FloatArray, Frame, UInt8Array

WARM_UP_S = 3.0
NETWORKS = (('yolox_nano', 'detector'), ('osnet_x0_25_msmt17', 'appearance'))


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds per frame.

    Attributes:
        cameras, people: in the scene, people per camera.
        median_ms, p95_ms: of a frame, everything but the networks.
        stages_ms: mean of each stage, without the networks.
        beside_ms: median of a frame, everything but the networks, when they run in between; 0
            where they are not at hand.
        networks_ms: mean time of each network on the same input.
        crops: mean number embedded per frame.
        persons: in the gallery at the end.
    """

    cameras: int
    people: int
    median_ms: float
    p95_ms: float
    stages_ms: dict[str, float]
    beside_ms: float
    networks_ms: dict[str, float]
    crops: float
    persons: int


class _Network:
    """A network whose answer is known; the real one runs beside it where there is one."""

    def __init__(self, name: str, kind: str, real: bool) -> None:
        self.card = cards.named(name)
        path = cards.onnx_of(self.card) if real else None
        self._real = Model.load(path, self.card, backend='cpu') if path else None
        self.provider, self.fallback_reason = 'stand-in', ''
        self.kind = kind
        self.spent_s = 0.0
        self.spent_real_s = 0.0
        self.rows = 0
        self.answer: AnyArray = np.empty(0, np.float32)

    @property
    def has_real(self) -> bool:
        return self._real is not None

    def infer(self, batch: AnyArray) -> list[AnyArray]:
        """The prepared answer; the time it took belongs to the network."""
        start = time.perf_counter()
        if self._real is not None:
            self._real.infer(batch)
            self.spent_real_s += time.perf_counter() - start
        self.rows += len(batch)
        result = self.answer[: len(batch)] if self.kind == 'detector' else _looks(batch)
        self.spent_s += time.perf_counter() - start
        return [result]


_PROJECTION = np.random.default_rng(7).normal(size=(48, 512)).astype(np.float32)


def _looks(batch: AnyArray) -> FloatArray:
    """(n, 512) vectors from the colours of (n, 3, h, w) crops: enough to tell drawn people."""
    n, _, height, width = batch.shape
    cells = batch[:, :, height // 16 :: height // 8, width // 4 :: width // 2].reshape(n, -1)
    result: FloatArray = cells[:, :48].astype(np.float32) @ _PROJECTION
    return result


def measure(people: int = 20, cameras: int = 1, repeats: int = 3) -> Result:
    """The fastest of some runs without the networks, and one with them where they are at hand.

    Every run has a process of its own.
    """
    runs = [alone(run, people, cameras) for _ in range(repeats)]
    best = min(runs, key=lambda result: result.median_ms)
    if not all(cards.onnx_of(cards.named(name)) for name, _ in NETWORKS):
        return best
    with_networks = alone(run, people, cameras, True)
    return replace(best, beside_ms=with_networks.median_ms, networks_ms=with_networks.networks_ms)


def run(people: int, cameras: int, real: bool = False, seconds: float = 20.0) -> Result:
    """Measure a VGA scene at 30 Hz with known people; real networks run where asked for."""
    detector, embedder = (_Network(name, kind, real) for name, kind in NETWORKS)
    config = replace(Config(), gallery=GalleryConfig(max_persons=max(100, 4 * people * cameras)))
    pipeline = Pipeline(
        config,
        Detector(cast(Model, detector), config.detect),
        Embedder(cast(Model, embedder)),
        Gallery(),
    )
    conditions = Conditions(people=people, seconds=seconds, width=640, height=480)
    shots = [scene(replace(conditions, seed=camera)) for camera in range(cameras)]
    backdrop = np.random.default_rng(0).integers(90, 130, (480, 640, 3), np.uint8)
    frames_ms: list[float] = []
    stages: dict[str, float] = {}
    crops = counted = 0
    for index in range(min(map(len, shots))):
        now = [camera[index] for camera in shots]
        frames = [_frame(f'cam{i}', shot, backdrop, index) for i, shot in enumerate(now)]
        detector.answer = np.stack([_yolox(shot, detector.card) for shot in now])
        detector.spent_s = embedder.spent_s = 0.0
        rows = embedder.rows
        start = time.perf_counter()
        moment = pipeline.step(frames)
        spent = time.perf_counter() - start - detector.spent_s - embedder.spent_s
        if now[0].stamp_ns < WARM_UP_S * 1e9:
            detector.spent_real_s = embedder.spent_real_s = 0.0
            continue
        counted += 1
        crops += embedder.rows - rows
        frames_ms.append(spent / cameras * 1e3)
        own = {'detect': detector.spent_s, 'embed': embedder.spent_s}
        for stage, cost in moment.cost_s.items():
            stages[stage] = stages.get(stage, 0.0) + cost - own.get(stage, 0.0)
    per_frame = 1e3 / (max(counted, 1) * cameras)
    return Result(
        cameras,
        people,
        float(np.median(frames_ms)),
        float(np.percentile(frames_ms, 95)),
        {stage: cost * per_frame for stage, cost in stages.items()},
        0.0,
        {
            network.card.name: network.spent_real_s * per_frame
            for network in (detector, embedder)
            if network.has_real
        },
        crops / (max(counted, 1) * cameras),
        len(pipeline.gallery),
    )


def _frame(camera: str, shot: Shot, backdrop: UInt8Array, index: int) -> Frame:
    """A drawn picture: every person a pattern of eight colours of their own."""
    image = backdrop.copy()
    order = np.argsort(shot.boxes[:, 3])
    for box, person in zip(shot.boxes[order], shot.people[order].tolist()):
        x0, y0, x1, y1 = np.clip(box, 0, [640, 480, 640, 480]).astype(int).tolist()
        if x1 <= x0 or y1 <= y0:
            continue
        coat = np.random.default_rng(person).integers(0, 255, (8, 2, 3), np.uint8)
        image[y0:y1, x0:x1] = cv2.resize(coat, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)
    return Frame(camera, shot.stamp_ns, image, index)


def _yolox(shot: Shot, card: Any) -> FloatArray:
    """(3549, 85) what YOLOX would answer to find exactly the shot's detections.

    The inverse of Megvii-BaseDetection/YOLOX, yolox/utils/demo_utils.py, demo_postprocess.
    """
    side = card.input.height
    cells = np.concatenate(
        [
            np.stack([*np.meshgrid(np.arange(side // s), np.arange(side // s))], 2).reshape(-1, 2)
            for s in card.output.strides
        ]
    )
    strides = np.repeat(card.output.strides, [(side // s) ** 2 for s in card.output.strides])
    answer = np.full((len(cells), 85), 0.01, np.float32)
    answer[:, :4] = 0.0
    scale = min(side / 640, side / 480)
    boxes = shot.detections.boxes * scale
    free = strides == 8
    for box, score in zip(boxes, shot.detections.scores.tolist()):
        centre = (box[:2] + box[2:]) / 2
        distance = np.abs(cells - centre / 8 + 0.5).sum(axis=1)
        row = int(np.argmin(np.where(free, distance, np.inf)))
        free[row] = False
        answer[row, :2] = centre / 8 - cells[row]
        answer[row, 2:4] = np.log(np.maximum((box[2:] - box[:2]) / 8, 1e-3))
        answer[row, 4], answer[row, 5] = 1.0, score
    return answer


def table(results: Sequence[Result]) -> str:
    """The results for people."""
    lines = ['cameras  people  ms/frame   p95   detect  track  embed  identify   crops  persons']
    for r in results:
        stages = '  '.join(
            f'{r.stages_ms.get(name, 0.0):5.2f}' for name in ('detect', 'track', 'embed')
        )
        lines.append(
            f'{r.cameras:7d}  {r.people:6d}  {r.median_ms:8.2f}  {r.p95_ms:5.2f}   {stages}'
            f'  {r.stages_ms.get("identify", 0.0):8.2f}  {r.crops:6.2f}  {r.persons:7d}'
        )
    for r in results:
        if r.networks_ms:
            total = r.beside_ms + sum(r.networks_ms.values())
            share = ', '.join(f'{name} {ms:.1f} ms' for name, ms in r.networks_ms.items())
            lines.append(
                f'{r.cameras:7d}  {r.people:6d}  {r.beside_ms:8.2f}  with networks in between: '
                f'{share} ({100 * (1 - r.beside_ms / total):.0f} % of a frame)'
            )
    if results and not results[0].networks_ms:
        lines.append(
            "networks: their files are not here ('reid_ros models pull yolox_nano'), not measured"
        )
    return '\n'.join(lines)
