"""ONNX Runtime: a session on a provider, and the proof of what ran it."""

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
from typing import Any

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as _state

from reid_ros.card import Card, sha256
from reid_ros.fit import (
    ModelError,
    chosen_outputs,
    example,
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


class Session:
    """A network in ONNX Runtime that has run once.

    Attributes:
        inputs, outputs: what the file says about them.
        placement: how many of its nodes ran where in the first inference.
    """

    def __init__(self, session: Any, placement: Placement) -> None:
        self.inputs = ports(session.get_inputs())
        self.outputs = ports(session.get_outputs())
        self.placement = placement
        self._session = session

    def run(self, names: Sequence[str], feeds: Mapping[str, AnyArray]) -> list[AnyArray]:
        """The outputs of those names, in their order.

        Raises:
            ModelError: the network failed.
        """
        try:
            answers: list[AnyArray] = self._session.run(names, feeds)
        except ORT_ERRORS as error:
            raise ModelError(first_line(error)) from error
        return answers

    def close(self) -> None:
        """Give the network's memory back."""
        self._session = None


def open_session(
    network: Path | bytes,
    providers: Sequence[Any],
    threads: int = 0,
    profile: Path | None = None,
    plain: bool = False,
) -> Any:
    """An ONNX Runtime session that never changes its providers on its own.

    Args:
        network: the .onnx file, or what it would hold.
        providers: ONNX Runtime's, best first.
        threads: CPU threads of one operator, 0 = all cores.
        profile: where the record of what ran where is to begin, None keeps none.
        plain: compute node by node as the file says, nothing joined or replaced.

    Raises:
        ModelError: no such file, or not a network.
    """
    if isinstance(network, Path) and not network.is_file():
        raise ModelError(f'{network}: no such model file')
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    if plain:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Threads that wait for the next image in a busy loop took half of all CPU time here.
    options.add_session_config_entry('session.force_spinning_stop', '1')
    # A pattern is one block for all that lies between a network's layers, anew for each number of
    # images: without, three shipped networks took 6 MB less, and no more time (ratio 0.97-1.03).
    options.enable_mem_pattern = list(providers) != [PROVIDERS['cpu']]
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    source = network if isinstance(network, bytes) else str(network)
    try:
        session = ort.InferenceSession(
            source, options, providers=list(providers), enable_fallback=0
        )
    except (_state.InvalidProtobuf, _state.InvalidGraph, _state.NoModel) as error:
        name = 'the changed network' if isinstance(network, bytes) else network
        raise ModelError(f'{name} is no ONNX network: {first_line(error)}') from error
    return session


def proven(
    name: str,
    path: Path,
    card: Card,
    *,
    engine_cache_dir: str | Path,
    precision: str,
    max_batch: int,
    threads: int,
) -> Session:
    """A session on a backend that has run once, and where its nodes ran.

    Args:
        name: of PROVIDERS.
        path: the .onnx file.
        card: its card.
        engine_cache_dir, precision, max_batch, threads: as of `model.Model.load`.

    Raises:
        ModelError: it does not fit its card; ORT_ERRORS where it does not run.
    """
    with _quiet(name):
        providers = _providers(name, path, card, engine_cache_dir, precision, max_batch)
        return Session(*_tried(path, card, providers, threads))


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


def _tried(
    path: Path, card: Card, providers: Sequence[Any], threads: int
) -> tuple[Any, Placement]:
    with tempfile.TemporaryDirectory(prefix='reid_ros_') as folder:
        session = open_session(path, providers, threads, Path(folder) / 'run')
        try:
            inputs = ports(session.get_inputs())
            image = image_port(inputs, card.input)
            refuse(input_problems(image, card.input), path, card)
            n = image.shape[0] or 1
            names = [port.name for port in chosen_outputs(ports(session.get_outputs()), card)]
            outputs = session.run(names, example(inputs, card, n))
        finally:
            profile = Path(session.end_profiling())
        placement = _placement(profile)
    refuse(output_problems(outputs, card, n), path, card)
    # A session whose profile was ended goes on to note a kilobyte of every run (ONNX Runtime
    # 1.31, several threads): another one does the work.
    del session
    session = open_session(path, providers, threads)
    session.run(names, example(inputs, card, n))
    return session, placement


def refuse(problems: Sequence[str], path: Path, card: Card) -> None:
    """Raise ModelError where there are problems between a network and its card."""
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
