"""The dozen calls of the CUDA runtime that an engine needs, through ctypes.

A Jetson has libcudart.so, but neither pycuda nor cuda-python; names and arguments are the same in
CUDA 12 and 13.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reid_ros.engine.error import EngineError
from reid_ros.types import AnyArray

OUT_OF_MEMORY = 2
# driver_types.h: cudaMemcpyKind, cudaStreamCaptureMode, cudaStreamFlags, cudaDeviceAttr.
_TO_DEVICE, _TO_HOST = 1, 2
# Captures forbid only the calls of this thread; another's model may be loading meanwhile.
_THREAD_LOCAL = 1
_NON_BLOCKING = 1
_PROCESSORS, _MAJOR, _MINOR = 16, 75, 76
# struct cudaDeviceProp begins with the name in every version, and is about 1 kB long.
_NAME, _PROPERTIES = 256, 16384
_NAMES = ('libcudart.so.13', 'libcudart.so.12', 'libcudart.so')
_PLACES = ('/usr/local/cuda/lib64', '/usr/local/cuda/targets/aarch64-linux/lib')

_address, _size = ctypes.c_void_p, ctypes.c_size_t
_whole, _out = ctypes.c_int, ctypes.POINTER(ctypes.c_void_p)
SIGNATURES: dict[str, tuple[Any, ...]] = {
    'cudaGetDeviceCount': (ctypes.POINTER(_whole),),
    'cudaGetDeviceProperties': (_address, _whole),
    'cudaDeviceGetAttribute': (ctypes.POINTER(_whole), _whole, _whole),
    'cudaMemGetInfo': (ctypes.POINTER(_size), ctypes.POINTER(_size)),
    'cudaMalloc': (_out, _size),
    'cudaFree': (_address,),
    'cudaHostAlloc': (_out, _size, ctypes.c_uint),
    'cudaFreeHost': (_address,),
    'cudaMemcpyAsync': (_address, _address, _size, _whole, _address),
    'cudaStreamCreateWithFlags': (_out, ctypes.c_uint),
    'cudaStreamDestroy': (_address,),
    'cudaStreamSynchronize': (_address,),
    'cudaStreamBeginCapture': (_address, _whole),
    'cudaStreamEndCapture': (_address, _out),
    'cudaGraphInstantiateWithFlags': (_out, _address, ctypes.c_ulonglong),
    'cudaGraphLaunch': (_address, _address),
    'cudaGraphDestroy': (_address,),
    'cudaGraphExecDestroy': (_address,),
}
"""Arguments of every call; each answers a cudaError_t."""


class CudaError(EngineError):
    """A call of CUDA failed.

    Attributes:
        code: its cudaError_t.
    """

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Cuda:
    """The CUDA runtime on the first GPU.

    Args:
        library: the loaded library, or what stands for it.

    Raises:
        EngineError: it lacks a call.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._calls: dict[str, Callable[..., int]] = {}
        for name, arguments in SIGNATURES.items():
            try:
                call = getattr(library, name)
            except AttributeError as error:
                raise EngineError(f'this CUDA runtime has no {name}: install CUDA 12') from error
            call.argtypes, call.restype = arguments, ctypes.c_int
            self._calls[name] = call
        library.cudaGetErrorString.argtypes = (ctypes.c_int,)
        library.cudaGetErrorString.restype = ctypes.c_char_p

    @staticmethod
    def open() -> Cuda:
        """The runtime of this machine.

        Raises:
            EngineError: it is not here.
        """
        for name in _candidates():
            try:
                return Cuda(ctypes.CDLL(name))
            except OSError:
                continue
        raise EngineError(
            "libcudart, CUDA's runtime, is not here: on a Jetson 'sudo apt install nvidia-jetpack'"
        )

    def _call(self, name: str, *arguments: Any) -> None:
        code = self._calls[name](*arguments)
        if code:
            # Or the next call of somebody else reports it once more.
            self._library.cudaGetLastError()
            said = self._library.cudaGetErrorString(code)
            text = said.decode(errors='replace') if isinstance(said, bytes) else ''
            raise CudaError(f'{name}: {text or "error"} ({code})', code)

    def _made(self, name: str, *arguments: Any) -> int:
        """The address that a call writes to its first argument."""
        place = ctypes.c_void_p()
        self._call(name, ctypes.byref(place), *arguments)
        return place.value or 0

    # What is there ----------------------------------------------------------------------------

    def gpu(self) -> tuple[str, str, int]:
        """Name, generation ('8.7') and number of multiprocessors of the first GPU.

        Raises:
            CudaError: there is none.
        """
        count = ctypes.c_int()
        self._call('cudaGetDeviceCount', ctypes.byref(count))
        if not count.value:
            raise CudaError('CUDA sees no GPU', 100)
        room = ctypes.create_string_buffer(_PROPERTIES)
        self._call('cudaGetDeviceProperties', ctypes.cast(room, ctypes.c_void_p), 0)
        name = room.raw[:_NAME].split(b'\0')[0].decode(errors='replace')
        major, minor = self._attribute(_MAJOR), self._attribute(_MINOR)
        return name, f'{major}.{minor}', self._attribute(_PROCESSORS)

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self._call('cudaDeviceGetAttribute', ctypes.byref(value), number, 0)
        return value.value

    def free_bytes(self) -> int:
        """Memory free on the GPU."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._call('cudaMemGetInfo', ctypes.byref(free), ctypes.byref(total))
        return free.value

    # Memory -----------------------------------------------------------------------------------

    def device(self, size: int) -> int:
        """Address of new memory on the GPU, of `size` bytes."""
        return self._made('cudaMalloc', max(1, size))

    def free(self, address: int) -> None:
        """Give memory of the GPU back."""
        self._call('cudaFree', address)

    def pinned(self, size: int) -> tuple[int, AnyArray]:
        """Address and bytes of new memory of the host, zeroed, that the GPU copies by itself."""
        size = max(1, size)
        address = self._made('cudaHostAlloc', size, 0)
        array = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
        array[:] = 0
        return address, array

    def free_pinned(self, address: int) -> None:
        """Give memory of the host back; its array must not be used any more."""
        self._call('cudaFreeHost', address)

    def to_device(self, target: int, source: int, size: int, stream: int) -> None:
        """Copy from the host, in the order of the stream."""
        self._call('cudaMemcpyAsync', target, source, size, _TO_DEVICE, stream)

    def to_host(self, target: int, source: int, size: int, stream: int) -> None:
        """Copy from the GPU, in the order of the stream."""
        self._call('cudaMemcpyAsync', target, source, size, _TO_HOST, stream)

    # Streams and graphs -----------------------------------------------------------------------

    def stream(self) -> int:
        """A new stream; it does not wait for others, and theirs do not wait for it."""
        return self._made('cudaStreamCreateWithFlags', _NON_BLOCKING)

    def wait(self, stream: int) -> None:
        """Until everything in a stream is done."""
        self._call('cudaStreamSynchronize', stream)

    def close_stream(self, stream: int) -> None:
        """Give a stream back."""
        self._call('cudaStreamDestroy', stream)

    def captured(self, stream: int, work: Callable[[], None]) -> int:
        """What `work` puts into the stream, as a graph that can be launched again and again.

        Raises:
            CudaError: something in it cannot be captured.
            EngineError: `work` raised it; the stream is usable again.
        """
        self._call('cudaStreamBeginCapture', stream, _THREAD_LOCAL)
        try:
            work()
        except BaseException:
            # Only the end of the capture gives the stream back; its own error is no news.
            place = ctypes.c_void_p()
            self._calls['cudaStreamEndCapture'](stream, ctypes.byref(place))
            if place.value:
                self._calls['cudaGraphDestroy'](place)
            self._library.cudaGetLastError()
            raise
        place = ctypes.c_void_p()
        self._call('cudaStreamEndCapture', stream, ctypes.byref(place))
        graph = place.value or 0
        try:
            return self._made('cudaGraphInstantiateWithFlags', graph, 0)
        finally:
            self._call('cudaGraphDestroy', graph)

    def launch(self, graph: int, stream: int) -> None:
        """Run a captured graph in a stream."""
        self._call('cudaGraphLaunch', graph, stream)

    def close_graph(self, graph: int) -> None:
        """Give a captured graph back."""
        self._call('cudaGraphExecDestroy', graph)


def _candidates() -> Iterator[str]:
    yield from _NAMES
    for folder in _PLACES:
        yield from (str(path) for path in sorted(Path(folder).glob('libcudart.so*'), reverse=True))
    found = ctypes.util.find_library('cudart')
    if found:
        yield found
    # Where pip puts it beside its own TensorRT.
    spec = importlib.util.find_spec('nvidia')
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield from (str(path) for path in sorted(Path(place).glob('*/lib/libcudart.so*')))
