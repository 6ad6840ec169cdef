"""How fast one network is on every backend of this machine, and whether all answer the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_ros import card as cards
from reid_ros.card import Card
from reid_ros.images import input_buffer
from reid_ros.model import BACKENDS, Model
from reid_ros.types import AnyArray
from reid_ros.world.seeds import generator

BATCHES = (1, 4, 16)
ROUNDS = 50
_WARM_UP = 5

Tell = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is measured.

    Attributes:
        backends: asked for, each by itself.
        batches: images in a call.
        rounds: calls of every batch.
        precision: of engines, fp16 or fp32.
        max_batch: most images in one inference.
        typical: images in most inferences, 0 = as usual for the network's kind.
        cache_dir: folder of engines.
        threads: of the CPU, 0 = all cores.
    """

    backends: Sequence[str] = BACKENDS
    batches: Sequence[int] = BATCHES
    rounds: int = ROUNDS
    precision: str = 'fp16'
    max_batch: int = 16
    typical: int = 0
    cache_dir: str = '~/.cache/reid_ros/engines'
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One network on one backend, in batches of one size.

    Attributes:
        network: its label.
        backend: asked for.
        ran: what ran instead, the same where it did run.
        reason: why another ran, '' where it did run; then nothing was timed.
        batch: images in a call, 0 where nothing was timed.
        ms, median_ms, p95_ms: of a call: the fastest, the middle one, one of the slowest.
        per_second: images, by the middle call.
        load_s: until it was ready, the build of an engine included.
        built_s: of that engine's build, 0 where there is none.
        kept: the engine was there before.
        arithmetic: of TensorRT's engine: float, half or int8; '' elsewhere.
        worst: the engine's largest difference to ONNX Runtime, as a share of the one allowed.
        graphs: batches that run as one captured graph.
        differs: root mean square of the difference to the CPU's answer, as a share of it.
    """

    network: str
    backend: str
    ran: str
    reason: str
    batch: int = 0
    ms: float = 0.0
    median_ms: float = 0.0
    p95_ms: float = 0.0
    per_second: float = 0.0
    load_s: float = 0.0
    built_s: float = 0.0
    kept: bool = False
    arithmetic: str = ''
    worst: float = 0.0
    graphs: tuple[int, ...] = ()
    differs: float = 0.0


def measure(name: str, wanted: Wanted, tell: Tell | None = None) -> list[Row]:
    """Time a network on each backend; one that does not run is told with its reason.

    A gait network is two: of a frame, and its head.

    Args:
        name: of a card, or path of an .onnx file.
        wanted: what is measured.
        tell: told how far the build of an engine is.

    Raises:
        ReidError: no such network, it does not fit its card, or it fails while it runs.
    """
    path, card = cards.find(name)
    rows = _measured(path, card, card.name, wanted, tell)
    if card.kind == 'gait':
        with _loaded(path, card, 'cpu', wanted, None) as frames:
            shape = frames.infer(pictures(card, 1))[0].shape
        path, card = cards.head_of(path, card, (shape[1], shape[2], shape[3]))
        rows += _measured(path, card, f'{card.name}, head', wanted, tell)
    return rows


def _measured(
    path: Path, card: Card, label: str, wanted: Wanted, tell: Tell | None
) -> list[Row]:  # fmt: skip
    images = pictures(card, max(wanted.batches))
    with _loaded(path, card, 'cpu', wanted, None) as plain:
        right = plain.infer(images)[0]
    rows: list[Row] = []
    for backend in wanted.backends:
        begun = time.perf_counter()
        with _loaded(path, card, backend, wanted, tell) as model:
            load_s = time.perf_counter() - begun
            if model.provider != backend:
                rows.append(Row(label, backend, model.provider, model.fallback_reason))
                continue
            apart = differs(right, model.infer(images)[0])
            rows += [
                _row(label, model, images[:batch], wanted.rounds, load_s, apart)
                for batch in wanted.batches
            ]
    return rows


def pictures(card: Card, n: int) -> AnyArray:
    """Input of a network for n images: noise, for time does not depend on what they show."""
    batch = input_buffer(card.input, n)
    draw = generator('test', 'bench', 'engine')
    if batch.dtype == np.uint8:
        np.copyto(batch, draw.integers(0, 256, batch.shape, np.uint8))
    else:
        np.copyto(batch, draw.normal(0.0, 1.0, batch.shape), casting='same_kind')
    return batch


def differs(right: AnyArray, found: AnyArray) -> float:
    """Root mean square of the difference of two answers, as a share of the first."""
    if right.shape != found.shape:
        return float('inf')
    scale = float(np.linalg.norm(right.astype(np.float64)))
    apart = float(np.linalg.norm(right.astype(np.float64) - found.astype(np.float64)))
    return apart / scale if scale else float(apart > 0)


def _loaded(
    path: Path, card: Card, backend: str, wanted: Wanted, tell: Tell | None
) -> Model:  # fmt: skip
    return Model.load(
        path, card, backend=backend, engine_cache_dir=wanted.cache_dir,
        precision=wanted.precision, max_batch=wanted.max_batch, typical=wanted.typical,
        threads=wanted.threads, tell=tell,
    )  # fmt: skip


def _row(
    label: str, model: Model, images: AnyArray, rounds: int, load_s: float, apart: float
) -> Row:
    spent = np.empty(rounds)
    for _ in range(_WARM_UP):
        model.infer(images)
    for k in range(rounds):
        begun = time.perf_counter()
        model.infer(images)
        spent[k] = time.perf_counter() - begun
    middle = float(np.median(spent))
    facts = model.facts
    return Row(
        label, model.provider, model.provider, '', len(images),
        ms=float(spent.min()) * 1e3, median_ms=middle * 1e3,
        p95_ms=float(np.percentile(spent, 95)) * 1e3, per_second=len(images) / middle,
        load_s=load_s, built_s=float(facts.get('built_s', 0.0)), kept=bool(facts.get('kept')),
        arithmetic=str(facts.get('kind', '')), worst=float(facts.get('worst', 0.0)),
        graphs=tuple(facts.get('graphs', ())), differs=apart,
    )  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """The rows for people."""
    wide = max((len(row.network) for row in rows), default=7)
    lines = [
        f'{"network":{wide}}  backend       batch  median ms   p95 ms  images/s  load s  differs'
        '  engine'
    ]
    for row in rows:
        if not row.batch:
            lines.append(f'{row.network:{wide}}  {row.backend:12}  does not run: {row.reason}')
            continue
        lines.append(
            f'{row.network:{wide}}  {row.backend:12}  {row.batch:5d}  {row.median_ms:9.2f}'
            f'  {row.p95_ms:7.2f}  {row.per_second:8.0f}  {row.load_s:6.1f}  {row.differs:7.4f}'
            f'  {engine(row)}'.rstrip()
        )
    return '\n'.join(lines)


def engine(row: Row) -> str:
    """What is to be known of TensorRT's engine, '' where there is none."""
    if not row.arithmetic:
        return ''
    came = 'kept' if row.kept else f'built in {row.built_s:.0f} s'
    captured = 'captured' if row.batch in row.graphs else 'in part of a larger batch'
    captured = captured if row.graphs else 'call by call'
    return f'{row.arithmetic}, {came}, {100 * row.worst:.0f} % of the error allowed, {captured}'
