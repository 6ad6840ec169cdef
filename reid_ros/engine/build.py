"""Ask TensorRT for an engine: the only place that touches its builder.

The same few names serve 10.3 to 11: a strongly typed network, whose precision is that of the
graph, a profile, a timing cache, a progress monitor.
"""

from __future__ import annotations

import importlib
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reid_ros.engine.error import EngineError
from reid_ros.engine.plan import Profile, version_problem
from reid_ros.engine.progress import Phases, Tell

_KINDS = {'FLOAT': 'float', 'HALF': 'half'}
_HEAVY = ('CONVOLUTION', 'DECONVOLUTION', 'MATRIX_MULTIPLY')
# TensorRT keeps the address of the first logger that it sees, for its registry of plugins, and may
# call it at any time: none is ever freed (developer guide, 'Error handling and logging').
_LOGGERS: list[Any] = []
_MEMORY = ('out of memory', 'outofmemory', 'insufficient memory', 'insufficient workspace')


@dataclass(frozen=True, slots=True)
class Built:
    """What TensorRT made.

    Attributes:
        plan: the serialised engine.
        timings: what it measured, for the next build.
        network: layers of the parsed network that do arithmetic, by the type of their answers.
    """

    plan: bytes
    timings: bytes
    network: Mapping[str, int]


def bindings() -> Any:
    """TensorRT's Python package.

    Raises:
        EngineError: it does not load, or is of a version that we do not know.
    """
    try:
        found = importlib.import_module('tensorrt')
    except (ImportError, OSError, RuntimeError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EngineError(f"TensorRT's Python package does not load: {line}") from error
    problem = version_problem(str(found.__version__))
    if problem:
        raise EngineError(problem)
    return found


class Said:
    """What TensorRT said: the first error tells the cause, later ones its consequences.

    Attributes:
        errors: in their order.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []

    def clear(self) -> None:
        """Forget what was said."""
        self.errors.clear()

    def reason(self, otherwise: str) -> str:
        """Why something failed, in one line."""
        lines = [' '.join(text.split()) for text in self.errors]
        for line in lines:
            if any(word in line.lower() for word in _MEMORY):
                return f'{line}: out of memory; lower max_batch, or stop what else uses the GPU'
        return lines[0] if lines else otherwise


def logger(trt: Any, said: Said) -> Any:
    """A logger that writes down errors and lets the rest pass."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                said.errors.append(msg)

    made = Logger()
    _LOGGERS.append(made)
    return made


def monitor(trt: Any, phases: Phases) -> Any:
    """A progress monitor; an exception of whoever is told, also Ctrl-C, stops the build.

    The bindings swallow what is raised into them, so it is kept in `raised`. TensorRT calls from
    several threads.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.raised: BaseException | None = None
            self._lock = threading.RLock()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._try(phases.start, phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._try(phases.step, phase_name, step)
            return self.raised is None

        def phase_finish(self, phase_name: str) -> None:
            self._try(phases.finish, phase_name)

        def _try(self, call: Any, *arguments: Any) -> None:
            try:
                with self._lock:
                    call(*arguments)
            except BaseException as error:  # noqa: BLE001  raised again after the build
                self.raised = self.raised or error

    return Monitor()


def build(
    trt: Any,
    data: bytes,
    wanted: Profile,
    *,
    exact: bool,
    workspace: int,
    timings: bytes = b'',
    tell: Tell | None = None,
) -> Built:
    """An engine of a network.

    Args:
        trt: TensorRT's Python package.
        data: the ONNX network, in the precision that it is to be computed in.
        wanted: its sizes.
        exact: compute 32 bits in 32 bits, not in the 19 of TF32.
        workspace: bytes of scratch that ways to compute may use.
        timings: of an earlier build on this machine.
        tell: told how far it is.

    Raises:
        EngineError: TensorRT cannot.
    """
    said = Said()
    speaker = logger(trt, said)
    try:
        builder = trt.Builder(speaker)
    except (TypeError, RuntimeError) as error:
        raise EngineError(said.reason(f'TensorRT does not start: {error}')) from error
    # Of networks only, before 11; a flag of no effect from 11 on, where nothing else is left.
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    # The ONNX parser of 10.3 makes some operators (instance normalisation) of plugins.
    trt.init_libnvinfer_plugins(speaker, '')
    parser = trt.OnnxParser(network, speaker)
    if not parser.parse(data):
        raise EngineError(_refusal(parser, said))
    settings = _settings(trt, builder, wanted, exact, workspace)
    _use_timings(settings, timings)
    watch = monitor(trt, Phases(tell))
    settings.progress_monitor = watch
    plan = builder.build_serialized_network(network, settings)
    if watch.raised is not None:
        raise watch.raised
    if plan is None:
        raise EngineError(said.reason('TensorRT made no engine and does not say why'))
    cache = settings.get_timing_cache()
    measured = bytes(cache.serialize()) if cache is not None else b''
    return Built(bytes(plan), measured, _arithmetic(trt, network))


def _settings(trt: Any, builder: Any, wanted: Profile, exact: bool, workspace: int) -> Any:
    settings = builder.create_builder_config()
    settings.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    settings.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # for the audit of layers
    if exact:
        settings.clear_flag(trt.BuilderFlag.TF32)
    if any(least != most for least, _, most in wanted.shapes.values()):
        sizes = builder.create_optimization_profile()
        for name, (least, typical, most) in wanted.shapes.items():
            sizes.set_shape(name, least, typical, most)
        settings.add_optimization_profile(sizes)
    return settings


def _use_timings(settings: Any, timings: bytes) -> None:
    """A cache of another machine is refused by TensorRT; then it starts with an empty one."""
    if timings:
        cache = settings.create_timing_cache(timings)
        if cache is not None and settings.set_timing_cache(cache, False):
            return
    settings.set_timing_cache(settings.create_timing_cache(b''), False)


def _refusal(parser: Any, said: Said) -> str:
    for k in range(parser.num_errors):
        error = parser.get_error(k)
        where = f'{error.node_operator()} {error.node_name()}'.strip()
        text = ' '.join(str(error.desc()).split())
        return f'TensorRT does not read the network: {f"{where}: " if where else ""}{text}'
    return said.reason('TensorRT does not read the network and does not say why')


def _arithmetic(trt: Any, network: Any) -> Mapping[str, int]:
    heavy = {getattr(trt.LayerType, name) for name in _HEAVY}
    counts: Counter[str] = Counter()
    for k in range(network.num_layers):
        layer = network.get_layer(k)
        if layer.type in heavy:
            counts[_KINDS.get(layer.get_output(0).dtype.name, 'other')] += 1
    return counts
