"""Run an exported network: one `infer(batch)` over ONNX Runtime and its providers."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as _state

from reid_ros.card import Card, sha256
from reid_ros.fit import (
    ModelError,
    chosen_outputs,
    example,
    extras,
    image_port,
    input_problems,
    output_problems,
    ports,
)
from reid_ros.types import AnyArray

PROVIDERS = {
    'ort_tensorrt': 'TensorrtExecutionProvider',
    'ort_cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
# ONNX Runtime's exceptions share no base of their own.
ORT_ERRORS: tuple[type[Exception], ...] = (
    *(v for v in vars(_state).values() if isinstance(v, type) and issubclass(v, Exception)),
    RuntimeError,
    ValueError,
)
# Where these ran is where the work was done; shape arithmetic stays on the CPU even on a GPU.
_HEAVY = ('Conv', 'MatMul', 'Gemm', 'Attention', 'TRTKernel', 'LSTM', 'GRU')


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the nodes of a network ran in one real inference.

    Attributes:
        nodes: number of nodes per provider.
        heavy: the same of those that do the arithmetic (convolutions, matrix products).
    """

    nodes: Mapping[str, int]
    heavy: Mapping[str, int]

    @property
    def provider(self) -> str:
        """The provider that did most of the work."""
        counts = self.heavy or self.nodes
        return max(counts, key=lambda name: counts[name]) if counts else ''


class Model:
    """A network that is loaded and has run once.

    Attributes:
        card: the network's card.
        path: its file.
        provider: what really runs it: ort_tensorrt, ort_cuda or cpu.
        fallback_reason: why it is not the backend that was asked for, '' where it is.
        placement: how many of its nodes ran where in the first inference.
        inputs, outputs: what the file says about them; outputs in the order that `infer` answers.
    """

    def __init__(
        self, session: Any, path: Path, card: Card, provider: str, placement: Placement,
        reason: str, max_batch: int,
    ) -> None:  # fmt: skip
        self.card = card
        self.path = path
        self.provider = provider
        self.fallback_reason = reason
        self.placement = placement
        self.inputs = ports(session.get_inputs())
        self.outputs = chosen_outputs(ports(session.get_outputs()), card)
        self._session = session
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
        threads: int = 0,
    ) -> Model:
        """Load a network and prove with one inference what runs it.

        Args:
            path: the .onnx file.
            card: its card.
            backend: 'auto' (the fastest that runs), 'ort_tensorrt', 'ort_cuda' or 'cpu'.
            strict: refuse to run on another backend than the one asked for; with 'auto', refuse
                the CPU where this onnxruntime was built for a GPU.
            engine_cache_dir: folder of TensorRT's engines.
            precision: 'fp16' or 'fp32', of TensorRT's engines.
            max_batch: most images in one inference of a network whose batch is free.
            threads: CPU threads of one operator, 0 = all cores.

        Raises:
            ModelError: unreadable, does not fit the card, or strict and not on the backend.
        """
        path = Path(path).expanduser()
        reasons: list[str] = []
        for name in _order(backend):
            wanted = PROVIDERS[name]
            if wanted not in ort.get_available_providers():
                reasons.append(
                    f'{name}: this onnxruntime {ort.__version__} was built without {wanted}'
                )
                continue
            try:
                with _quiet(name):
                    providers = _providers(
                        name, path, card, engine_cache_dir, precision, max_batch
                    )
                    session, placement = _proven(path, card, providers, threads)
            except ORT_ERRORS as error:
                if name == 'cpu':
                    raise ModelError(f'{path} does not run: {first_line(error)}') from error
                reasons.append(f'{name}: {missing_library(name) or first_line(error)}')
                continue
            if name != 'cpu' and placement.provider != wanted:
                ran = f'its nodes ran on {_counts(placement.nodes)}'
                reasons.append(f'{name}: {missing_library(name) or ran}')
                continue
            reason = '; '.join(reasons) if _matters(backend, reasons) else ''
            if reason and strict and (backend != 'auto' or name == 'cpu'):
                break
            return Model(session, path, card, name, placement, reason, max_batch)
        raise ModelError(
            f'{path.name}: backend {backend} is demanded (backend_strict) but would fall back: '
            f'{"; ".join(reasons)}. Install an onnxruntime with that provider '
            "('reid_ros doctor' says what is missing), or set backend: cpu or "
            'backend_strict: false'
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
        try:
            outputs: list[AnyArray] = self._session.run(self._names, feeds)
        except ORT_ERRORS as error:
            raise ModelError(f'{self.path.name} failed: {first_line(error)}') from error
        if not short:
            return outputs
        return [
            output[:n] if port.shape[:1] == (self._chunk,) else output
            for port, output in zip(self.outputs, outputs)
        ]

    def close(self) -> None:
        """Give the network's memory back."""
        self._session = None

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_session(
    path: Path, providers: Sequence[Any], threads: int = 0, profile: Path | None = None
) -> Any:
    """An ONNX Runtime session that never changes its providers on its own.

    Args:
        path: the .onnx file.
        providers: ONNX Runtime's, best first.
        threads: CPU threads of one operator, 0 = all cores.
        profile: where the record of what ran where is to begin, None keeps none.

    Raises:
        ModelError: no such file, or not a network.
    """
    if not path.is_file():
        raise ModelError(f'{path}: no such model file')
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # Threads that wait for the next image in a busy loop took half of all CPU time here.
    options.add_session_config_entry('session.force_spinning_stop', '1')
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    try:
        session = ort.InferenceSession(
            str(path), options, providers=list(providers), enable_fallback=0
        )
    except (_state.InvalidProtobuf, _state.InvalidGraph, _state.NoModel) as error:
        raise ModelError(f'{path} is no ONNX network: {first_line(error)}') from error
    return session


def _order(backend: str) -> list[str]:
    names = list(PROVIDERS)
    if backend == 'auto':
        return names
    if backend not in PROVIDERS:
        raise ModelError(f'backend {backend!r}: choose auto, {", ".join(names)}')
    return names[names.index(backend) :]


def _matters(backend: str, reasons: Sequence[str]) -> bool:
    """Whether the reasons tell of a fallback: an 'auto' on a CPU-only build never had a choice."""
    if backend != 'auto':
        return bool(reasons)
    return any('was built without' not in reason for reason in reasons)


def _providers(
    name: str, path: Path, card: Card, cache: str | Path, precision: str, max_batch: int
) -> list[Any]:
    if name == 'cpu':
        return [PROVIDERS['cpu']]
    if name == 'ort_cuda':
        return [PROVIDERS['ort_cuda'], PROVIDERS['cpu']]
    # One folder per network and precision: the cache's own key does not hold the weights.
    folder = Path(cache).expanduser() / f'{path.stem}-{sha256(path)[:16]}-{precision}-{max_batch}'
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        'trt_engine_cache_enable': True,
        'trt_engine_cache_path': str(folder),
        'trt_timing_cache_enable': True,
        'trt_timing_cache_path': str(folder),
        'trt_fp16_enable': precision == 'fp16',
        **_shape_range(path, card, max_batch),
    }
    return [(PROVIDERS['ort_tensorrt'], options), PROVIDERS['ort_cuda'], PROVIDERS['cpu']]


def _shape_range(path: Path, card: Card, max_batch: int) -> dict[str, str]:
    """TensorRT's options for a free batch; without them it builds anew for every new size."""
    inputs = ports(open_session(path, [PROVIDERS['cpu']]).get_inputs())
    if image_port(inputs, card.input).shape[0] is not None:
        return {}
    ranges = {'min': 1, 'opt': max_batch, 'max': max_batch}
    return {
        f'trt_profile_{name}_shapes': ','.join(
            f'{key}:{"x".join(map(str, value.shape))}'
            for key, value in example(inputs, card, n).items()
        )
        for name, n in ranges.items()
    }


def _proven(
    path: Path, card: Card, providers: Sequence[Any], threads: int
) -> tuple[Any, Placement]:
    """A session that has run once, and where its nodes ran."""
    with tempfile.TemporaryDirectory(prefix='reid_ros_') as folder:
        session = open_session(path, providers, threads, Path(folder) / 'run')
        try:
            inputs = ports(session.get_inputs())
            image = image_port(inputs, card.input)
            _refuse(input_problems(image, card.input), path, card)
            n = image.shape[0] or 1
            names = [port.name for port in chosen_outputs(ports(session.get_outputs()), card)]
            outputs = session.run(names, example(inputs, card, n))
        finally:
            profile = Path(session.end_profiling())
        placement = _placement(profile)
    _refuse(output_problems(outputs, card, n), path, card)
    return session, placement


def _refuse(problems: Sequence[str], path: Path, card: Card) -> None:
    if problems:
        raise ModelError(
            f'{path} does not fit its card {card.path or card.name}: {"; ".join(problems)}'
        )


def _placement(profile: Path) -> Placement:
    nodes: Counter[str] = Counter()
    heavy: Counter[str] = Counter()
    for event in json.loads(profile.read_text(encoding='utf-8')):
        facts = event.get('args', {})
        provider = facts.get('provider')
        if event.get('cat') != 'Node' or not provider:
            continue
        nodes[provider] += 1
        text = f'{facts.get("op_name", "")} {event.get("name", "")}'
        heavy[provider] += any(word in text for word in _HEAVY)
    return Placement(dict(nodes), {name: n for name, n in heavy.items() if n})


def _counts(nodes: Mapping[str, int]) -> str:
    return ', '.join(f'{name} ({n})' for name, n in nodes.items()) or 'no provider'


def missing_library(name: str) -> str:
    """What the backend's part of ONNX Runtime cannot find on this machine, '' where nothing."""
    word = name.removeprefix('ort_')
    for path in (Path(ort.__file__).parent / 'capi').glob(f'*onnxruntime_providers_{word}.*'):
        try:
            ctypes.CDLL(str(path))
        except OSError as error:
            # Loaded alone it also misses symbols of ONNX Runtime itself; those are no news.
            if 'cannot open shared object' in str(error):
                return str(error)
    return ''


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Try a backend without ONNX Runtime's own words on the terminal; the reason is told later."""
    if name == 'cpu':
        yield
        return
    ort.set_default_logger_severity(4)
    try:
        if hasattr(ort, 'preload_dlls'):  # finds the CUDA libraries that pip installed
            with contextlib.redirect_stdout(io.StringIO()):
                ort.preload_dlls()
        yield
    finally:
        ort.set_default_logger_severity(2)


def first_line(error: BaseException) -> str:
    """What an exception says, without ONNX Runtime's stack of calls."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r'^/\S+\.cc:\d+ .*\) (?=[A-Z])', '', line)
