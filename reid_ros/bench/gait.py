"""What gait costs: one silhouette a frame into the running maximum, or whole windows again.

People are drawn: a torso and two legs that swing, so that everybody is found to walk. Only the
gait network is timed; what silhouettes cost is told by `reid_ros bench silhouette`, and here once
more where that network is at hand.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from reid_ros import card, loading
from reid_ros.config import Config, GaitConfig, ModelConfig
from reid_ros.gait import Gaits, Seen
from reid_ros.model import Model
from reid_ros.silhouette import SIZE, Silhouetter, Silhouettes
from reid_ros.types import FloatArray, Frame, Tracks, UInt8Array

NS = 1_000_000_000
RATE_HZ = 15.0
WINDOW = 30
WARM_UP_S = 3.0
"""Of video, before anything is timed: then every window is full."""


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds per track and second of video.

    Attributes:
        network: name of the gait network's card.
        tracks, threads: at once; of the processor.
        rate_hz, window, period_s: silhouettes a second, in a window, seconds between vectors.
        cached_ms: with the running maximum.
        whole_ms: where each vector looks at its whole window anew.
        frame_ms: of `cached_ms`, per silhouette.
        silhouette_ms: per track and second, what the silhouettes themselves take; None without
            that network.
        difference: largest between the vectors of both ways.
    """

    network: str
    tracks: int
    threads: int
    rate_hz: float
    window: int
    period_s: float
    cached_ms: float
    whole_ms: float
    frame_ms: float
    silhouette_ms: float | None
    difference: float


def drawn(phase: float, wide: int) -> UInt8Array:
    """(64, 44) somebody from the side, whose legs are at a phase of the walking cycle."""
    mask = np.zeros(SIZE, np.uint8)
    cv2.ellipse(mask, (22, 6), (4, 6), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (22, 23), (wide, 14), 0, 0, 360, 255, -1)
    for side in (-1, 1):
        foot = 22 + side * 9.0 * np.sin(2 * np.pi * phase)
        cv2.line(mask, (22, 34), (round(foot), 62), 255, 6)
    return mask


def seen(moment: int, tracks: int, rate_hz: float) -> Seen:
    """What one camera shows of people who all walk to the right."""
    time_s = moment / rate_hz
    left = 120.0 * time_s + 90.0 * np.arange(tracks)
    high = np.full(tracks, 100.0)
    boxes = np.stack([left, high, left + 64.0, high + 160.0], axis=1).astype(np.float32)
    rows = np.arange(tracks)
    masks = [drawn(0.9 * time_s + 0.13 * k, 7 + k % 5) for k in range(tracks)]
    ones = np.ones(tracks, np.float32)
    return Seen(
        'cam',
        round(time_s * NS),
        Tracks(
            (rows + 1).astype(np.uint32), boxes, ones, rows, np.ones(tracks, np.bool_),
            np.empty(0, np.uint32),
        ),
        Silhouettes(np.stack(masks), ones, ('',) * tracks),
    )  # fmt: skip


def measure(
    network: str, tracks: int, threads: int, seconds: float = 16.0, period_s: float = 0.5
) -> Result:
    """Time a gait network both ways on the same silhouettes; to be run in a process of its own.

    Raises:
        ReidError: there is no such network, or it does not fit its card.
    """
    cv2.setNumThreads(threads)
    config = Config(
        backend='cpu',
        model=ModelConfig(detector='none', appearance='none', gait=network),
        gait=GaitConfig(window=WINDOW, period_s=period_s, rate_hz=RATE_HZ),
    )
    gaits = loading.walking(config, threads)
    count = round((WARM_UP_S + seconds) * RATE_HZ)
    moments = [seen(moment, tracks, RATE_HZ) for moment in range(count)]
    warm = round(WARM_UP_S * RATE_HZ)
    cached_s, vectors = _cached(gaits, moments, warm)
    whole_s, others = _whole(gaits, moments, warm, vectors)
    difference = max(
        (float(np.abs(a - b).max()) for a, b in zip(vectors[warm:], others[warm:]) if len(a)),
        default=0.0,
    )
    shapes = _silhouettes(tracks, threads)
    return Result(
        gaits.card.name, tracks, threads, RATE_HZ, gaits.config.window, period_s,
        1e3 * cached_s * RATE_HZ / tracks, 1e3 * whole_s * RATE_HZ / tracks,
        1e3 * cached_s / tracks,
        None if shapes is None else shapes * RATE_HZ, difference,
    )  # fmt: skip


def _timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _cached(gaits: Gaits, moments: list[Seen], warm: int) -> tuple[float, list[FloatArray]]:
    """Seconds per moment, and the vectors."""
    vectors: list[FloatArray] = []

    def some(part: list[Seen]) -> None:
        vectors.extend(gaits.step([one])[0].vectors for one in part)

    some(moments[:warm])
    parts = _parts(warm, len(moments))
    return min(_timed(partial(some, moments[a:b])) / (b - a) for a, b in parts), vectors


def _whole(
    gaits: Gaits, moments: list[Seen], warm: int, wanted: list[FloatArray]
) -> tuple[float, list[FloatArray]]:
    """The same vectors, each from all the silhouettes of its window."""
    windows: deque[UInt8Array] = deque(maxlen=gaits.config.window)
    vectors: list[FloatArray] = []

    def some(first: int, end: int) -> None:
        for one, asked in zip(moments[first:end], wanted[first:end]):
            windows.append(one.silhouettes.masks)
            if not len(asked):
                vectors.append(asked)
                continue
            masks = np.stack(list(windows))  # (t, n, 64, 44)
            features = gaits.frames.infer(masks.reshape(-1, *SIZE))[0]
            maxima = features.reshape(*masks.shape[:2], *features.shape[1:]).max(axis=0)
            vectors.append(gaits.vectors(maxima))

    some(0, warm)
    parts = _parts(warm, len(moments))
    return min(_timed(partial(some, a, b)) / (b - a) for a, b in parts), vectors


def _parts(first: int, end: int) -> list[tuple[int, int]]:
    """Whole windows: the fastest counts, for other work on the machine slows some of them."""
    return [(a, a + WINDOW) for a in range(first, end - WINDOW + 1, WINDOW)]


def _silhouettes(tracks: int, threads: int, rounds: int = 20) -> float | None:
    """Milliseconds per silhouette of the shipped network; None where it is not at hand."""
    known = card.named('silhouette')
    path = card.onnx_of(known)
    if path is None:
        return None
    source = Silhouetter(Model.load(path, known, backend='cpu', threads=threads))
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    boxes = np.array([[20 + 60 * (k % 9), 100, 84 + 60 * (k % 9), 260] for k in range(tracks)])
    wanted = [(Frame('cam', 0, image), boxes.astype(np.float32))]
    source.look(wanted)
    times = [_timed(lambda: source.look(wanted)) for _ in range(rounds)]
    return 1e3 * min(times) / tracks


def table(results: list[Result]) -> str:
    """The results for people."""
    lines = [
        'network         tracks  threads  period s  with cache  without  times  per frame  '
        'silhouettes  difference'
    ]
    for r in results:
        shapes = '-' if r.silhouette_ms is None else f'{r.silhouette_ms:.1f}'
        lines.append(
            f'{r.network:15} {r.tracks:6d}  {r.threads:7d}  {r.period_s:8g}  {r.cached_ms:10.2f}  '
            f'{r.whole_ms:7.1f}  {r.whole_ms / max(r.cached_ms, 1e-9):5.1f}  {r.frame_ms:9.3f}  '
            f'{shapes:>11}  {r.difference:10.1e}'
        )
    lines.append('milliseconds per track and second of video')
    return '\n'.join(lines)
