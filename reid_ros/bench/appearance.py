"""What a person's vector costs: crops cut out of a frame, made ready, and run through networks.

All networks take turns within one run, so that a machine that slows down slows all of them, and
ratios are taken between neighbours in time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reid_ros.bench import encoders
from reid_ros.bench.encoders import Named
from reid_ros.images import crop_batch, normalise
from reid_ros.types import DoubleArray, FloatArray, UInt8Array
from reid_ros.world.seeds import generator

BATCHES = (1, 8, 32)
THREADS = 2
ROUNDS = 20
SIZE = (640, 480)
"""Width and height of the frame that the crops come from."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one network takes for one crop, in batches of one size.

    Attributes:
        network: its label.
        megabytes: of its file.
        batch: crops asked for at once.
        own_batch: crops that its file takes at once, 0 = any: a file that takes one alone runs as
            often as there are crops.
        ms, median_ms: of one crop, from the frame to the vector: fastest and middle call.
        prepare_ms, prepare_median_ms: of that, cutting, resizing and making ready.
        network_ms, network_median_ms: of that, the network.
        per_second: crops, by the fastest call.
        against: whom the ratios compare with.
        ratio: of the time to that network's, the middle one of all rounds.
        ratio_fastest: the same of the fastest calls.
    """

    network: str
    megabytes: float
    batch: int
    own_batch: int
    ms: float
    median_ms: float
    prepare_ms: float
    prepare_median_ms: float
    network_ms: float
    network_median_ms: float
    per_second: float
    against: str
    ratio: float
    ratio_fastest: float


def reference(labels: Sequence[str], against: str | None = None) -> int:
    """Whom the ratios compare with: the network asked for, else OSNet, else the first.

    Raises:
        ValueError: it is not among them.
    """
    if against is not None:
        return labels.index(against)
    found = [k for k, label in enumerate(labels) if label == encoders.OSNET]
    return found[0] if found else 0


def measure(
    names: Sequence[str],
    batches: Sequence[int] = BATCHES,
    threads: int = THREADS,
    rounds: int = ROUNDS,
    size: tuple[int, int] = SIZE,
    against: str | None = None,
) -> list[Row]:
    """Time networks in turns; to be run in a process whose libraries use as many threads.

    Args:
        names: cards or files.
        batches: crops in a call.
        threads: of the networks and of OpenCV.
        rounds: turns of every network; in each it sees as many crops at every batch size.
        size: width and height of the frame, pixels.
        against: label of the network that ratios compare with; None: OSNet, or the first.

    Raises:
        ReidError: a network that is missing or does not run.
    """
    most = max(batches)
    found = encoders.load(names, threads, most)
    image, boxes = scene(*size, most)
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        spent = _spent(found, batches, rounds, image, boxes)
    finally:
        cv2.setNumThreads(before)
    k = reference([one.label for one in found], against)
    return [
        _row(one, batch, spent[one.label, batch], found[k].label, spent[found[k].label, batch])
        for one in found
        for batch in batches
    ]


def scene(width: int, height: int, people: int) -> tuple[UInt8Array, FloatArray]:
    """A frame of soft coloured noise, and (people, 4) boxes of standing people in it."""
    draw = generator('test', 'bench', 'appearance', width, height)
    rough = draw.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    image: UInt8Array = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    tall = draw.uniform(0.3, 0.9, people) * height
    wide = tall * draw.uniform(0.3, 0.5, people)
    x, y = draw.uniform(0, width - wide), draw.uniform(0, height - tall)
    return image, np.stack([x, y, x + wide, y + tall], axis=1).astype(np.float32)


def _spent(
    found: Sequence[Named],
    batches: Sequence[int],
    rounds: int,
    image: UInt8Array,
    boxes: FloatArray,
) -> dict[tuple[str, int], DoubleArray]:
    """(rounds, calls, 2) seconds of preparing and of the network, of each and each batch size."""
    most = max(batches)
    result = {
        (one.label, batch): np.zeros((rounds, max(1, most // batch), 2))
        for one in found
        for batch in batches
    }
    for one in found:
        for batch in batches:
            _call(one, image, boxes[:batch])
    for turn in range(rounds):
        first = turn % len(found)
        for one in [*found[first:], *found[:first]]:
            for batch in batches:
                table = result[one.label, batch]
                for call in range(table.shape[1]):
                    start = call * batch
                    table[turn, call] = _call(one, image, boxes[start : start + batch])
    return result


def _call(one: Named, image: UInt8Array, boxes: FloatArray) -> tuple[float, float]:
    """Seconds of preparing the crops and of the network, as `embed.Embedder` does both."""
    spec = one.encoder.card.input
    start = time.perf_counter()
    batch = normalise(crop_batch(image, boxes, spec), spec)
    ready = time.perf_counter()
    one.encoder.infer(batch)
    return ready - start, time.perf_counter() - ready


def _row(one: Named, batch: int, spent: DoubleArray, against: str, reference: DoubleArray) -> Row:
    both, theirs = spent.sum(axis=2), reference.sum(axis=2)

    def per_crop(seconds: DoubleArray, of: Callable[[DoubleArray], np.float64]) -> float:
        return round(float(of(seconds)) / batch * 1e3, 4)

    return Row(
        one.label,
        one.megabytes,
        batch,
        one.own_batch,
        per_crop(both, np.min),
        per_crop(both, np.median),
        per_crop(spent[..., 0], np.min),
        per_crop(spent[..., 0], np.median),
        per_crop(spent[..., 1], np.min),
        per_crop(spent[..., 1], np.median),
        round(batch / float(both.min()), 1),
        against,
        round(float(np.median(both.min(axis=1) / theirs.min(axis=1))), 3),
        round(float(both.min() / theirs.min()), 3),
    )


def busy() -> float:
    """How many programs wanted a core in the last minute, per core; 0 where nobody knows."""
    if not hasattr(os, 'getloadavg'):
        return 0.0
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)


def table(rows: Sequence[Row]) -> str:
    """The rows for people."""
    wide = max(len('network'), *(len(row.network) for row in rows))
    lines = [
        f'{"network":{wide}}     MB  batch   ms/crop  median  preparing  network  crops/s   times '
        f'{rows[0].against}'
    ]
    for row in rows:
        mark = '*' if row.own_batch and row.own_batch < row.batch else ' '
        lines.append(
            f'{row.network:{wide}}  {row.megabytes:5.2f}  {row.batch:5d}{mark}  {row.ms:7.3f} '
            f'{row.median_ms:7.3f}  {row.prepare_ms:9.3f}  {row.network_ms:7.3f}  '
            f'{row.per_second:7.0f}  {row.ratio:6.2f}'
        )
    if any(row.own_batch and row.own_batch < row.batch for row in rows):
        lines.append('* the file has a smaller batch of its own and ran more than once')
    return '\n'.join(lines)
