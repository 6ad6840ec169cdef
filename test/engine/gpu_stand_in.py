"""What stands for a GPU in tests: TensorRT and CUDA that record their calls and really compute.

A 'GPU' here is memory of the host, and an 'engine' is an ONNX network that ONNX Runtime runs on
the addresses it was given. Work is queued in a stream and done only when somebody waits for it, so
a missing copy, a wrong address, a bucket mixed up or a missing wait shows as wrong numbers.
"""

import ctypes
import enum
import inspect
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime

NAMES = Path(__file__).with_name('tensorrt_names.txt')
NUMPY = {1: np.float32, 10: np.float16, 2: np.uint8, 7: np.int64}
OUT_OF_MEMORY = 2


def listed():
    """Name -> names of its arguments, None where it takes none because it is no call."""
    found = {}
    for line in NAMES.read_text().splitlines():
        if line and not line.startswith('#'):
            name, bracket, rest = line.partition('(')
            found[name] = [w.strip() for w in rest[:-1].split(',') if w] if bracket else None
    return found


class Library:
    """libcudart with a GPU of some bytes.

    Attributes:
        calls: names of the calls in their order.
        held: address -> buffer, of everything that was not given back.
        room: bytes of the GPU.
        uncapturable: captures fail, as they do for loops.
    """

    def __init__(self, room=1 << 30, gpu='Orin (nvgpu)', count=1):
        self.calls = []
        self.held = {}
        self.room, self.gpu, self.count = room, gpu, count
        self.queues = {}
        self.capturing = None
        self.graphs = {}
        self.uncapturable = False
        self.next = 1000
        for name in dir(self):
            if name.startswith('_do_'):
                call = self._recorded(name[4:], getattr(self, name))
                setattr(self, name[4:], call)

    def _recorded(self, name, action):
        def call(*arguments):
            self.calls.append(name)
            plain = [a.value if isinstance(a, ctypes._SimpleCData) else a for a in arguments]
            return action(*plain) or 0

        return call

    def put(self, stream, job):
        """Queue a job, or record it into the graph being captured."""
        assert stream in self.queues, f'{stream} is no stream'
        (self.queues[stream] if self.capturing is None else self.capturing).append(job)

    def _new(self):
        self.next += 1
        return self.next

    def _memory(self, place, size):
        used = sum(len(buffer) for buffer in self.held.values())
        if used + size > self.room:
            return OUT_OF_MEMORY
        buffer = ctypes.create_string_buffer(b'\xff' * size, size)  # NaN, where nobody wrote
        self.held[ctypes.addressof(buffer)] = buffer
        place._obj.value = ctypes.addressof(buffer)
        return 0

    def _do_cudaGetLastError(self):
        return 0

    def _do_cudaGetErrorString(self, code):
        return {2: b'out of memory', 100: b'no CUDA-capable device is detected'}.get(
            code, b'error'
        )

    def _do_cudaGetDeviceCount(self, place):
        place._obj.value = self.count
        return 0 if self.count else 100

    def _do_cudaGetDeviceProperties(self, place, device):
        ctypes.memmove(place, self.gpu.encode() + b'\0', len(self.gpu) + 1)

    def _do_cudaDeviceGetAttribute(self, place, number, device):
        place._obj.value = {75: 8, 76: 7, 16: 8}[number]

    def _do_cudaMemGetInfo(self, free, total):
        free._obj.value = total._obj.value = self.room

    def _do_cudaMalloc(self, place, size):
        return self._memory(place, size)

    def _do_cudaHostAlloc(self, place, size, flags):
        return self._memory(place, size)

    def _do_cudaFree(self, address):
        del self.held[address]

    def _do_cudaFreeHost(self, address):
        del self.held[address]

    def _do_cudaStreamCreateWithFlags(self, place, flags):
        place._obj.value = self._new()
        self.queues[self.next] = []

    def _do_cudaStreamDestroy(self, stream):
        del self.queues[stream]

    def _do_cudaStreamSynchronize(self, stream):
        jobs, self.queues[stream] = self.queues[stream], []
        for job in jobs:
            job()

    def _do_cudaMemcpyAsync(self, target, source, size, kind, stream):
        self.put(stream, lambda: ctypes.memmove(target, source, size))

    def _do_cudaStreamBeginCapture(self, stream, mode):
        self.capturing = []

    def _do_cudaStreamEndCapture(self, stream, place):
        jobs, self.capturing = self.capturing, None
        if self.uncapturable:
            return 900
        place._obj.value = self._new()
        self.graphs[self.next] = jobs
        return 0

    def _do_cudaGraphInstantiateWithFlags(self, place, graph, flags):
        place._obj.value = self._new()
        self.graphs[self.next] = self.graphs[graph]

    def _do_cudaGraphLaunch(self, graph, stream):
        self.queues[stream] += self.graphs[graph]

    def _do_cudaGraphDestroy(self, graph):
        del self.graphs[graph]

    def _do_cudaGraphExecDestroy(self, graph):
        del self.graphs[graph]

    def left(self):
        """What was not given back."""
        return len(self.held) + len(self.queues) + len(self.graphs)


class Strict:
    """Lets only the properties of the list be set."""

    def __setattr__(self, name, value):
        if not name.startswith('_'):
            kind = type(self).__name__
            if listed().get(f'{kind}.{name}', ()) is not None:
                raise AttributeError(f'{kind} has no property {name}')
        object.__setattr__(self, name, value)


class Severity(enum.IntEnum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class Trouble:
    """What goes wrong.

    Attributes:
        build, load, context: what TensorRT logs while the step fails, '' where it works.
        start: Builder and Runtime cannot be made.
        parse: what the parser says.
        answer: added to every float that an engine answers.
        layers: number type that the inspector tells of the arithmetic, '' tells the truth.
    """

    def __init__(self):
        self.build = self.load = self.context = self.parse = self.layers = self.run = ''
        self.start = False
        self.answer = 0.0


def tensorrt(library, version='10.3.0'):
    """TensorRT's Python package, over a library's memory.

    Its attributes `calls` (name, arguments) and `trouble` are the test's.
    """
    calls, trouble = [], Trouble()
    major = int(version.split('.')[0])

    def told(function):
        """Records a call, and holds it to the list."""
        kind = function.__qualname__.split('.')[-2]
        name = kind if function.__name__ == '__init__' else f'{kind}.{function.__name__}'
        arguments = list(inspect.signature(function).parameters)[1:]
        assert listed()[name] == arguments, f'{name} takes {listed()[name]}'

        def call(self, *given):
            calls.append((name, given))
            return function(self, *given)

        return call

    class ILogger(Strict):
        Severity = Severity

        @told
        def __init__(self):
            pass

    class IProgressMonitor:
        @told
        def __init__(self):
            pass

    class IHostMemory(bytes):
        pass

    class ITimingCache(Strict):
        def __init__(self, data):
            self._data = data

        @told
        def serialize(self):
            return IHostMemory(self._data + b'+')

    class IOptimizationProfile(Strict):
        def __init__(self):
            self._shapes = {}

        @told
        def set_shape(self, input, min, opt, max):
            assert len(min) == len(opt) == len(max)
            assert all(a <= b <= c for a, b, c in zip(min, opt, max))
            self._shapes[input] = (min, opt, max)

    class IBuilderConfig(Strict):
        def __init__(self):
            self._cache = self._profile = None
            self._exact = False

        @told
        def set_memory_pool_limit(self, pool, pool_size):
            assert pool_size > 0

        @told
        def clear_flag(self, flag):
            self._exact = True

        @told
        def add_optimization_profile(self, profile):
            self._profile = profile
            return 0

        @told
        def create_timing_cache(self, serialized_timing_cache):
            return ITimingCache(bytes(serialized_timing_cache))

        @told
        def set_timing_cache(self, cache, ignore_mismatch):
            if cache._data.startswith(b'foreign'):
                return False
            self._cache = cache
            return True

        @told
        def get_timing_cache(self):
            return self._cache

    class ITensor(Strict):
        def __init__(self, kind):
            object.__setattr__(self, 'dtype', kind)

    class ILayer(Strict):
        def __init__(self, type_, dtype):
            object.__setattr__(self, 'type', type_)
            self._dtype = dtype

        @told
        def get_output(self, index):
            return ITensor(self._dtype)

    class INetworkDefinition(Strict):
        def __init__(self):
            self._data = b''
            self._layers = []

        @property
        def num_layers(self):
            return len(self._layers)

        @told
        def get_layer(self, index):
            return self._layers[index]

    class ParserError(Strict):
        @told
        def desc(self):
            return trouble.parse

        @told
        def node_name(self):
            return 'lstm_3'

        @told
        def node_operator(self):
            return 'LSTM'

    class OnnxParser(Strict):
        @told
        def __init__(self, network, logger):
            self._network = network

        @property
        def num_errors(self):
            return 1 if trouble.parse else 0

        @told
        def get_error(self, index):
            return ParserError()

        def parse(self, model, path=None):
            calls.append(('OnnxParser.parse', (len(model),)))
            if trouble.parse:
                return False
            self._network._data = bytes(model)
            self._network._layers += [ILayer(*one) for one in arithmetic(trt, bytes(model))]
            return True

    class Builder(Strict):
        @told
        def __init__(self, logger):
            if trouble.start:
                logger.log(Severity.ERROR, 'CUDA initialization failure with error: 35')
                raise TypeError('pybind11::init(): factory function returned nullptr')
            self._logger = logger

        @told
        def create_network(self, flags):
            assert flags == 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
            return INetworkDefinition()

        @told
        def create_builder_config(self):
            return IBuilderConfig()

        @told
        def create_optimization_profile(self):
            return IOptimizationProfile()

        @told
        def build_serialized_network(self, network, config):
            self._logger.log(Severity.WARNING, 'a warning is no reason')
            watch = config.progress_monitor
            watch.phase_start('Building Engine', None, 2)
            for k in range(2):
                watch.phase_start('Timing graph nodes', 'Building Engine', 4)
                for step in range(4):
                    if not watch.step_complete('Timing graph nodes', step):
                        return None
                watch.phase_finish('Timing graph nodes')
                watch.step_complete('Building Engine', k)
            watch.phase_finish('Building Engine')
            if trouble.build:
                self._logger.log(Severity.ERROR, trouble.build)
                self._logger.log(Severity.ERROR, 'Could not find any implementation for node X')
                return None
            shapes = config._profile._shapes if config._profile else None
            head = json.dumps({'version': version, 'gpu': library.gpu, 'shapes': shapes})
            return IHostMemory(head.encode() + b'\n' + network._data)

    class Runtime(Strict):
        @told
        def __init__(self, logger):
            self._logger = logger

        @told
        def deserialize_cuda_engine(self, serialized_engine):
            head, _, data = serialized_engine.partition(b'\n')
            made = json.loads(head)
            if trouble.load or (made['version'], made['gpu']) != (version, library.gpu):
                told_why = 'Version tag does not match. Note: Current Version: 240'
                self._logger.log(Severity.ERROR, trouble.load or told_why)
                return None
            return ICudaEngine(data, made['shapes'], self._logger)

    class ICudaEngine(Strict):
        device_memory_size_v2 = 4096

        def __init__(self, data, shapes, logger):
            self._data, self._shapes, self._logger = data, shapes, logger
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.intra_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(
                data, options, providers=['CPUExecutionProvider']
            )
            graph = onnx.load_from_string(data).graph
            self._ports = {v.name: v for v in [*graph.input, *graph.output]}
            self._given = {v.name for v in graph.input}

        @property
        def num_io_tensors(self):
            return len(self._ports)

        @told
        def get_tensor_name(self, index):
            return list(self._ports)[index]

        @told
        def get_tensor_location(self, name):
            return trt.TensorLocation.DEVICE

        @told
        def get_tensor_mode(self, name):
            return trt.TensorIOMode.INPUT if name in self._given else 'an output'

        @told
        def get_tensor_dtype(self, name):
            return NUMPY[self._ports[name].type.tensor_type.elem_type]

        @told
        def create_execution_context(self, strategy):
            assert strategy == trt.ExecutionContextAllocationStrategy.USER_MANAGED
            if trouble.context:
                self._logger.log(Severity.ERROR, trouble.context)
                return None
            return IExecutionContext(self)

        @told
        def create_engine_inspector(self):
            return EngineInspector(self._data)

    class EngineInspector(Strict):
        def __init__(self, data):
            self._data = data

        @told
        def get_engine_information(self, format):
            words = {'FLOAT': 'Float', 'HALF': 'Half'}
            rows = [{'Name': 'r', 'LayerType': 'Reformat', 'Inputs': []}]
            for _, dtype in arithmetic(trt, self._data):
                word = trouble.layers or words[dtype.name]
                kind = {'Format/Datatype': word}
                if major > 10:
                    kind = {'Format': 'Row major linear (kLINEAR)', 'DataType': word}
                rows.append({'Name': 'c', 'LayerType': 'CaskConvolution', 'Inputs': [kind]})
            return json.dumps({'Layers': rows})

    class IExecutionContext(Strict):
        def __init__(self, engine):
            self._engine, self._sizes, self._places = engine, {}, {}
            self._scratch = 0

        @told
        def set_device_memory(self, memory, size):
            assert memory in library.held
            assert size >= 4096
            self._scratch = memory

        @told
        def set_input_shape(self, name, shape):
            ranges = self._engine._shapes
            if ranges and not all(
                a <= n <= c for a, n, c in zip(ranges[name][0], shape, ranges[name][2])
            ):
                return False
            self._sizes[name] = shape
            return True

        @told
        def get_tensor_shape(self, name):
            if name in self._sizes:
                return self._sizes[name]
            return next(array.shape for n, array in self._answers() if n == name)

        @told
        def set_tensor_address(self, name, memory):
            assert memory in library.held, 'an address that is no memory of the GPU'
            self._places[name] = memory
            return True

        @told
        def execute_async_v3(self, stream_handle):
            if trouble.run:
                self._engine._logger.log(Severity.ERROR, trouble.run)
                return False
            library.put(stream_handle, self._work)
            return True

        def _answers(self, feeds=None):
            if feeds is None:
                ports = self._engine._ports
                feeds = {
                    name: np.zeros(size, NUMPY[ports[name].type.tensor_type.elem_type])
                    for name, size in self._sizes.items()
                }
            names = [o.name for o in self._engine._session.get_outputs()]
            return zip(names, self._engine._session.run(names, feeds))

        def _work(self):
            assert self._scratch in library.held, 'scratch memory was given back too early'
            feeds = {}
            for name, size in self._sizes.items():
                dtype = np.dtype(NUMPY[self._engine._ports[name].type.tensor_type.elem_type])
                data = ctypes.string_at(self._places[name], int(np.prod(size)) * dtype.itemsize)
                feeds[name] = np.frombuffer(data, dtype).reshape(size)
            for name, array in self._answers(feeds):
                if array.dtype.kind == 'f':
                    array = array + array.dtype.type(trouble.answer)
                ctypes.memmove(self._places[name], array.tobytes(), array.nbytes)

    def init_libnvinfer_plugins(logger, namespace):
        calls.append(('init_libnvinfer_plugins', (namespace,)))
        return True

    def members(name):
        found = [n.split('.')[1] for n in listed() if n.startswith(f'{name}.')]
        return enum.IntEnum(name, found, start=0)

    enums = [
        'NetworkDefinitionCreationFlag', 'BuilderFlag', 'MemoryPoolType', 'ProfilingVerbosity',
        'LayerInformationFormat', 'ExecutionContextAllocationStrategy', 'TensorIOMode',
        'TensorLocation', 'LayerType', 'DataType',
    ]  # fmt: skip
    classes = [
        ILogger, IProgressMonitor, ITimingCache, IOptimizationProfile, IBuilderConfig, ITensor,
        ILayer, INetworkDefinition, ParserError, OnnxParser, Builder, Runtime, ICudaEngine,
        EngineInspector, IExecutionContext,
    ]  # fmt: skip
    trt = SimpleNamespace(
        __version__=version, nptype=lambda trt_type: trt_type, calls=calls, trouble=trouble,
        init_libnvinfer_plugins=init_libnvinfer_plugins,
        **{name: members(name) for name in enums}, **{c.__name__: c for c in classes},
    )  # fmt: skip
    return trt


def arithmetic(trt, data):
    """(layer type, number type) of the convolutions and products of an ONNX network."""
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data))
    types = {v.name: v.type.tensor_type.elem_type for v in model.graph.value_info}
    types.update({v.name: v.type.tensor_type.elem_type for v in model.graph.output})
    for node in model.graph.node:
        if node.op_type in ('Conv', 'Gemm', 'MatMul'):
            half = types[node.output[0]] == 10
            kind = trt.LayerType.CONVOLUTION if node.op_type == 'Conv' else (
                trt.LayerType.MATRIX_MULTIPLY
            )  # fmt: skip
            yield kind, trt.DataType.HALF if half else trt.DataType.FLOAT
