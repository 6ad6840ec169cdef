"""Run an engine: pinned buffers, one stream, and a captured graph for every batch bucket."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_ros.engine.build import Said, logger
from reid_ros.engine.cuda import Cuda
from reid_ros.engine.error import EngineError
from reid_ros.engine.plan import Shape, bucket
from reid_ros.types import AnyArray

Shapes = Mapping[int, Mapping[str, Shape]]
"""Bucket -> input -> shape."""


@dataclass(slots=True)
class _Tensor:
    """An input or output with its memory on both sides, as large as the largest bucket wants."""

    name: str
    dtype: np.dtype[Any]
    given: bool
    device: int = 0
    host: int = 0
    data: AnyArray | None = None

    def array(self, shape: Shape) -> AnyArray:
        """The pinned memory as an array of a bucket's shape."""
        if self.data is None:
            raise EngineError('the engine is closed')
        size = self.bytes(shape)
        return self.data[:size].view(self.dtype).reshape(shape)

    def bytes(self, shape: Shape) -> int:
        return int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(slots=True)
class _Slot:
    """What runs one bucket: a context with its sizes, and a captured graph where that worked."""

    context: Any
    shapes: dict[str, Shape]
    graph: int = 0


class Runner:
    """An engine in memory, ready to run.

    Every bucket has a context of its own, for a captured graph holds only as long as its context
    keeps its sizes; all share one block of scratch memory, since one runs at a time (TensorRT
    developer guide, 'CUDA Graphs').

    Attributes:
        graphs: buckets whose graph was captured; the others run call by call.
        why_no_graph: what the first capture that failed said, '' where none did.
    """

    def __init__(self, trt: Any, cuda: Cuda, plan: bytes, shapes: Shapes) -> None:
        """Take an engine into memory.

        Args:
            trt: TensorRT's Python package.
            cuda: the CUDA runtime.
            plan: the serialised engine.
            shapes: sizes of the inputs for every bucket.

        Raises:
            EngineError: it was built for another machine or version, or memory is short.
        """
        self._trt, self._cuda = trt, cuda
        self._said = Said()
        self._logger = logger(trt, self._said)
        self._tensors: dict[str, _Tensor] = {}
        self._slots: dict[int, _Slot] = {}
        self._scratch = self._stream = 0
        self._engine: Any = None
        self._runtime: Any = None
        self.graphs: tuple[int, ...] = ()
        self.why_no_graph = ''
        try:
            self._engine = self._deserialised(plan)
            self._open(shapes)
        except BaseException:
            self.close()
            raise

    def _deserialised(self, plan: bytes) -> Any:
        trt = self._trt
        # An engine may hold layers that are plugins; they must be known before it is read.
        trt.init_libnvinfer_plugins(self._logger, '')
        try:
            runtime = trt.Runtime(self._logger)
        except (TypeError, RuntimeError) as error:
            raise EngineError(self._said.reason(f'TensorRT does not start: {error}')) from error
        self._runtime = runtime
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineError(self._said.reason('TensorRT does not take the engine'))
        return engine

    def _open(self, shapes: Shapes) -> None:
        trt, engine = self._trt, self._engine
        self._stream = self._cuda.stream()
        for k in range(engine.num_io_tensors):
            name = engine.get_tensor_name(k)
            if engine.get_tensor_location(name) != trt.TensorLocation.DEVICE:
                raise EngineError(f'its tensor {name} is a size that lies on the host')
            try:
                dtype = np.dtype(trt.nptype(engine.get_tensor_dtype(name)))
            except TypeError as error:
                raise EngineError(f'its tensor {name} is of a type that numpy lacks') from error
            given = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            self._tensors[name] = _Tensor(name, dtype, given)
        size = int(engine.device_memory_size_v2)
        if size:
            self._scratch = self._cuda.device(size)
        for n in sorted(shapes):
            self._slots[n] = self._slot(shapes[n], size)
        for tensor in self._tensors.values():
            room = max(tensor.bytes(slot.shapes[tensor.name]) for slot in self._slots.values())
            tensor.device = self._cuda.device(room)
            tensor.host, tensor.data = self._cuda.pinned(room)
        for slot in self._slots.values():
            self._ready(slot)
        self.graphs = tuple(n for n, slot in self._slots.items() if slot.graph)

    def _slot(self, shapes: Mapping[str, Shape], scratch: int) -> _Slot:
        """A context that has its sizes."""
        strategy = self._trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(strategy)
        if context is None:
            raise EngineError(self._said.reason('TensorRT makes no context for the engine'))
        if scratch:
            context.set_device_memory(self._scratch, scratch)
        found: dict[str, Shape] = {}
        for name, shape in shapes.items():
            if name not in self._tensors:
                raise EngineError(f'the engine has no input {name}')
            if not context.set_input_shape(name, tuple(shape)):
                size = 'x'.join(map(str, shape))
                raise EngineError(self._said.reason(f'the engine takes no {name} of {size}'))
        for name in self._tensors:
            found[name] = tuple(context.get_tensor_shape(name))
            if min(found[name], default=0) < 0:
                raise EngineError(
                    f'the size of its output {name} depends on the picture, which a captured '
                    'graph cannot follow'
                )
        return _Slot(context, found)

    def _ready(self, slot: _Slot) -> None:
        """Give a context its addresses, run it once and capture what it does."""
        for tensor in self._tensors.values():
            if not slot.context.set_tensor_address(tensor.name, tensor.device):
                raise EngineError(self._said.reason(f'the engine refuses {tensor.name}'))
        # The first run after a change of sizes does work that must not be in the graph.
        self._enqueue(slot)
        self._cuda.wait(self._stream)
        self._said.clear()
        try:
            slot.graph = self._cuda.captured(self._stream, lambda: self._enqueue(slot))
        except EngineError as error:
            # Loops and the like cannot be captured; call by call they run all the same.
            self.why_no_graph = self.why_no_graph or str(error)

    def _enqueue(self, slot: _Slot) -> None:
        """Put copy, inference and copy back into the stream."""
        for tensor in self._tensors.values():
            if tensor.given:
                size = tensor.bytes(slot.shapes[tensor.name])
                self._cuda.to_device(tensor.device, tensor.host, size, self._stream)
        if not slot.context.execute_async_v3(self._stream):
            raise EngineError(self._said.reason('TensorRT does not run the engine'))
        for tensor in self._tensors.values():
            if not tensor.given:
                size = tensor.bytes(slot.shapes[tensor.name])
                self._cuda.to_host(tensor.host, tensor.device, size, self._stream)

    # ------------------------------------------------------------------------------------------

    def run(self, names: Sequence[str], feeds: Mapping[str, AnyArray]) -> list[AnyArray]:
        """The outputs of those names, in their order; memory of their own.

        Args:
            names: of outputs.
            feeds: input -> (n, ...) array, n up to the largest bucket. A smaller batch fills part
                of a bucket; the rest of it computes on older images, and nobody sees that.

        Raises:
            EngineError: it failed, or an input is missing, of another size or of another type.
        """
        n = len(next(iter(feeds.values())))
        size = bucket(n, tuple(self._slots)) if self._slots else 0
        if not 0 < n <= size:
            raise EngineError(f'{n} images do not fit an engine of at most {size}')
        slot = self._slots[size]
        for tensor in self._tensors.values():
            if tensor.given:
                self._feed(tensor, slot, feeds.get(tensor.name), n)
        if slot.graph:
            self._cuda.launch(slot.graph, self._stream)
        else:
            self._enqueue(slot)
        self._cuda.wait(self._stream)
        answers = []
        for name in names:
            answer = self._tensors[name].array(slot.shapes[name])
            answers.append((answer[:n] if answer.shape[:1] == (size,) else answer).copy())
        return answers

    def _feed(self, tensor: _Tensor, slot: _Slot, values: AnyArray | None, n: int) -> None:
        target = tensor.array(slot.shapes[tensor.name])[:n]
        if values is None or values.shape != target.shape or values.dtype != target.dtype:
            found = 'nothing' if values is None else f'{values.shape} {values.dtype}'
            raise EngineError(
                f'input {tensor.name} wants {target.shape} {target.dtype} and got {found}'
            )
        np.copyto(target, values)

    def layers(self) -> str:
        """What TensorRT's inspector says about the engine, as JSON."""
        inspector = self._engine.create_engine_inspector()
        return str(inspector.get_engine_information(self._trt.LayerInformationFormat.JSON))

    def close(self) -> None:
        """Give everything back; may be called twice."""
        cuda = self._cuda
        for slot in self._slots.values():
            self._give_back(cuda.close_graph, slot.graph)
        # Contexts before the memory that they use, and before their engine.
        self._slots = {}
        for tensor in self._tensors.values():
            tensor.data = None
            self._give_back(cuda.free, tensor.device)
            self._give_back(cuda.free_pinned, tensor.host)
            tensor.device = tensor.host = 0
        self._give_back(cuda.free, self._scratch)
        self._give_back(cuda.close_stream, self._stream)
        self._scratch = self._stream = 0
        self._engine = None
        self._runtime = None

    @staticmethod
    def _give_back(call: Callable[[int], None], address: int) -> None:
        if address:
            # A GPU that failed fails here again; the first error has been told.
            with contextlib.suppress(EngineError):
                call(address)
