"""Run an exported network: one `infer(batch)` over TensorRT and ONNX Runtime's providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort

from reid_ros.card import Card, sha256
from reid_ros.engine import native
from reid_ros.engine.error import EngineError
from reid_ros.engine.plan import buckets
from reid_ros.engine.progress import Tell
from reid_ros.fit import ModelError, Port, chosen_outputs, example, extras, image_port
from reid_ros.session import ORT_ERRORS, PROVIDERS, Placement, first_line, missing_library, proven
from reid_ros.types import AnyArray

NATIVE = 'tensorrt'
BACKENDS = (NATIVE, *PROVIDERS)
"""What can run a network, in the order in which one stands in for another."""


class Runs(Protocol):
    """A loaded network, whatever runs it."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """Of the file."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """Of the file."""

    def run(self, names: Sequence[str], feeds: Mapping[str, AnyArray]) -> list[AnyArray]:
        """The outputs of those names, in their order; ModelError where it failed."""

    def close(self) -> None:
        """Give its memory back."""


class Model:
    """A network that is loaded and has run once.

    Attributes:
        card: the network's card.
        path: its file.
        provider: what really runs it: tensorrt, ort_tensorrt, ort_cuda or cpu.
        fallback_reason: why it is not the backend that was asked for, '' where it is.
        placement: how many of its nodes ran where in the first inference.
        facts: of an engine of TensorRT: whether it was kept, what was measured; else empty.
        inputs, outputs: what the file says about them; outputs in the order that `infer` answers.
    """

    def __init__(
        self, runs: Runs, path: Path, card: Card, provider: str, placement: Placement,
        reason: str, max_batch: int, facts: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.card = card
        self.path = path
        self.provider = provider
        self.fallback_reason = reason
        self.placement = placement
        self.facts = facts
        self.inputs = runs.inputs
        self.outputs = chosen_outputs(runs.outputs, card)
        self._runs: Runs | None = runs
        self._image = image_port(self.inputs, card.input)
        self._names = [port.name for port in self.outputs]
        self._chunk = self._image.shape[0] or max_batch
        self._fixed = self._image.shape[0] is not None

    @staticmethod
    def load(
        path: str | Path,
        card: Card,
        *,
        backend: str = 'auto',
        strict: bool = False,
        engine_cache_dir: str | Path = '~/.cache/reid_ros/engines',
        precision: str = 'fp16',
        max_batch: int = 16,
        typical: int = 0,
        threads: int = 0,
        tell: Tell | None = None,
    ) -> Model:
        """Load a network and prove with one inference what runs it.

        Args:
            path: the .onnx file.
            card: its card.
            backend: 'auto' (the fastest that runs; TensorRT itself only where an engine of this
                network was built before, for that takes minutes), 'tensorrt', 'ort_tensorrt',
                'ort_cuda' or 'cpu'.
            strict: refuse to run on another backend than the one asked for; with 'auto', refuse
                the CPU where this onnxruntime was built for a GPU.
            engine_cache_dir: folder of TensorRT's engines.
            precision: 'fp16' or 'fp32', of TensorRT's engines.
            max_batch: most images in one inference of a network whose batch is free.
            typical: images in most inferences, which an engine is tuned for; 0 = as usual for the
                network's kind.
            threads: CPU threads of one operator, 0 = all cores.
            tell: told how far the build of an engine is.

        Raises:
            ModelError: unreadable, does not fit the card, or strict and not on the backend.
        """
        path = Path(path).expanduser()
        wish = native.Wish(precision, max_batch, typical, engine_cache_dir, backend == NATIVE)
        kept = backend == 'auto' and path.is_file() and native.is_kept(path, engine_cache_dir)
        reasons: list[str] = []
        for name in order(backend, kept):
            try:
                runs, placement, facts = (
                    _native(path, card, wish, tell)
                    if name == NATIVE
                    else _session(name, path, card, wish, threads)
                )
            except EngineError as error:
                reasons.append(f'{name}: {error}')
                continue
            reason = '; '.join(reasons) if matters(backend, reasons) else ''
            if reason and strict and (backend != 'auto' or name == 'cpu'):
                runs.close()
                break
            return Model(runs, path, card, name, placement, reason, max_batch, facts)
        raise ModelError(
            f'{path.name}: backend {backend} is demanded (backend_strict) but would fall back: '
            f"{'; '.join(reasons)}. Mend that ('reid_ros doctor' says what is missing), or set "
            'backend: cpu or backend_strict: false'
        )

    @property
    def checksum(self) -> str:
        """Says which vectors can be compared: that of the file."""
        return sha256(self.path)

    def infer(self, batch: AnyArray) -> list[AnyArray]:
        """The network's outputs, in the order of the card's names or else of the file.

        Args:
            batch: (n, ...) as `images.normalise` makes it; any n, also 0. A network of a fixed
                batch runs as often as needed, its last batch filled up with copies of the last
                image; the answer always has n rows.

        Raises:
            ModelError: the network failed.
        """
        if len(batch) == 0:
            return [
                np.empty((0, *(axis or 0 for axis in port.shape[1:])), port.dtype or np.float32)
                for port in self.outputs
            ]
        parts = [self._run(batch[i : i + self._chunk]) for i in range(0, len(batch), self._chunk)]
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(column) for column in zip(*parts)]

    def _run(self, batch: AnyArray) -> list[AnyArray]:
        n = len(batch)
        short = self._fixed and n < self._chunk
        if short:
            batch = np.concatenate([batch, np.repeat(batch[-1:], self._chunk - n, axis=0)])
        feeds = {self._image.name: batch, **extras(self.inputs, self.card.input, len(batch))}
        if self._runs is None:
            raise ModelError(f'{self.path.name} failed: it is closed')
        try:
            outputs = self._runs.run(self._names, feeds)
        except ModelError as error:
            raise ModelError(f'{self.path.name} failed: {error}') from error
        if not short:
            return outputs
        return [
            output[:n] if port.shape[:1] == (self._chunk,) else output
            for port, output in zip(self.outputs, outputs)
        ]

    def warm(self, most: int) -> None:
        """Run batches of up to `most` images now, that no later one has to ask for memory.

        What ONNX Runtime once took it keeps: unprepared, a process grows whenever more people come
        together than ever before.

        Raises:
            ModelError: it cannot run so many images at once.
        """
        if self._fixed or self._runs is None:
            return
        for n in buckets(min(most, self._chunk))[1:]:  # `load` has run one image
            try:
                self._runs.run(self._names, example(self.inputs, self.card, n))
            except ModelError as error:
                raise ModelError(
                    f'{self.path.name} fails with {n} images at once: {error}; set max_batch lower'
                ) from error

    def close(self) -> None:
        """Give the network's memory back."""
        if self._runs is not None:
            self._runs.close()
        self._runs = None

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def order(backend: str, kept: bool = False) -> list[str]:
    """The backends to try, best first.

    Args:
        backend: asked for.
        kept: an engine of the network was built before, so that 'auto' may use TensorRT itself.

    Raises:
        ModelError: there is no such backend.
    """
    if backend == 'auto':
        return list(BACKENDS if kept else PROVIDERS)
    if backend not in BACKENDS:
        raise ModelError(f'backend {backend!r}: choose auto, {", ".join(BACKENDS)}')
    return list(BACKENDS[BACKENDS.index(backend) :])


def matters(backend: str, reasons: Sequence[str]) -> bool:
    """Whether the reasons tell of a fallback: an 'auto' on a CPU-only build never had a choice."""
    if backend != 'auto':
        return bool(reasons)
    return any('was built without' not in reason for reason in reasons)


Loaded = tuple[Runs, Placement, Mapping[str, Any]]


def _native(path: Path, card: Card, wish: native.Wish, tell: Tell | None) -> Loaded:
    if not path.is_file():
        raise ModelError(f'{path}: no such model file')
    engine = native.load(path, card, wish, tell)
    layers: Mapping[str, int] = engine.facts.get('layers', {})
    heavy = sum(n for kind, n in layers.items() if kind != 'other')
    total = sum(layers.values())
    return engine, Placement({'TensorRT': total}, {'TensorRT': heavy}), engine.facts


def _session(name: str, path: Path, card: Card, wish: native.Wish, threads: int) -> Loaded:
    """A session of ONNX Runtime.

    Raises:
        EngineError: the backend does not run it, and another may.
    """
    wanted = PROVIDERS[name]
    if wanted not in ort.get_available_providers():
        raise EngineError(f'this onnxruntime {ort.__version__} was built without {wanted}')
    try:
        session = proven(
            name, path, card, engine_cache_dir=wish.cache_dir, precision=wish.precision,
            max_batch=wish.max_batch, threads=threads,
        )  # fmt: skip
    except ORT_ERRORS as error:
        if name == 'cpu':
            raise ModelError(f'{path} does not run: {first_line(error)}') from error
        raise EngineError(missing_library(name) or first_line(error)) from error
    placement = session.placement
    if name != 'cpu' and placement.provider != wanted:
        ran = ', '.join(f'{name} ({n})' for name, n in placement.nodes.items()) or 'no provider'
        session.close()
        raise EngineError(missing_library(name) or f'its nodes ran on {ran}')
    return session, placement, {}
