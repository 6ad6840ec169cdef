"""The names of TensorRT and CUDA that we use, against the real ones where they are.

TensorRT's bindings are wheels of 1 MB that import without TensorRT once something stands for its
nine symbols; these tests make that with the C compiler. Get them, and the CUDA runtime, with

    mkdir wheels && cd wheels
    for v in 10.3.0 10.16.1.11 11.4.0.106; do
        pip download --no-deps tensorrt-cu12-bindings==$v; done
    pip download --no-deps nvidia-cuda-runtime-cu12==12.6.77
    pip download --no-deps nvidia-cuda-runtime==13.2.75

and run them with REID_ROS_TENSORRT_WHEELS=wheels; without, they are skipped.
"""

import ctypes
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import gpu_stand_in
import pytest

from reid_ros.engine import cuda
from reid_ros.engine.cuda import Cuda
from reid_ros.engine.error import EngineError

VERSIONS = ('10.3.0', '10.16.1.11', '11.4.0.106')
SYMBOLS = (
    'createInferBuilder_INTERNAL', 'createInferRefitter_INTERNAL', 'createInferRuntime_INTERNAL',
    'createNvOnnxParserRefitter_INTERNAL', 'createNvOnnxParser_INTERNAL',
    'getBuilderPluginRegistry', 'getNvOnnxParserVersion', 'getPluginRegistry',
    'initLibNvInferPlugins',
)  # fmt: skip

PROBE = """
import json, sys
import tensorrt_bindings as trt
sys.modules['tensorrt'] = trt
found = {}
for name in json.loads(sys.argv[1]):
    thing = trt
    try:
        for part in name.split('.'):
            thing = getattr(thing, part)
    except AttributeError:
        continue
    if isinstance(thing, type):
        thing = thing.__init__
    found[name] = thing.__doc__ or ''
# What TensorRT calls back into: classes of ours that derive from its own.
from reid_ros.engine import build, plan
from reid_ros.engine.error import EngineError
from reid_ros.engine.progress import Phases
speaker, watch = build.logger(trt, build.Said()), build.monitor(trt, Phases(None))
speaker.log(trt.ILogger.Severity.ERROR, 'text')
watch.phase_start('a', None, 2)
watch.phase_start('b', 'a', 2)
assert watch.step_complete('b', 0) is True
watch.phase_finish('b')
assert isinstance(speaker, trt.ILogger) and isinstance(watch, trt.IProgressMonitor)
assert build.bindings() is trt
# Nothing is behind the symbols, as on a machine without a driver.
shapes = plan.Profile({'image': ((1, 3), (1, 3), (1, 3))}, (1,))
try:
    build.build(trt, b'', shapes, exact=True, workspace=1)
    said = ''
except EngineError as error:
    said = str(error)
print(json.dumps({
    'names': found, 'said': said, 'half': str(trt.nptype(trt.DataType.HALF)),
    'names_of_types': [trt.DataType.HALF.name, trt.DataType.FLOAT.name],
    'shape': tuple(trt.Dims([2, 3])), 'version': trt.__version__,
}))
"""


def wheel(pattern):
    """The newest wheel of that name; skips the test where there is none."""
    folder = os.environ.get('REID_ROS_TENSORRT_WHEELS', '')
    found = sorted(Path(folder).glob(pattern)) if folder else []
    if not found:
        pytest.skip(f'{pattern} is not in REID_ROS_TENSORRT_WHEELS ({folder or "not set"})')
    return found[-1].resolve()


@pytest.fixture(params=VERSIONS)
def real(request, tmp_path):
    """What the real bindings of a version say."""
    tag = f'cp{sys.version_info.major}{sys.version_info.minor}'
    path = wheel(f'tensorrt_cu*_bindings-{request.param}-{tag}-*.whl')
    compiler = shutil.which('cc')
    if compiler is None:
        pytest.skip('no C compiler stands TensorRT in for its bindings')
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    major = request.param.split('.')[0]
    source = tmp_path / 'nothing.c'
    source.write_text('\n'.join(f'void *{name}(void) {{ return 0; }}' for name in SYMBOLS))
    for name in ('nvinfer', 'nvonnxparser', 'nvinfer_plugin'):
        file = f'lib{name}.so.{major}'
        command = [compiler, '-shared', '-fPIC', f'-Wl,-soname,{file}', '-o', file, source.name]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    root = Path(__file__).parents[2]
    paths = [tmp_path, root, sysconfig.get_paths()['purelib']]
    done = subprocess.run(
        [sys.executable, '-c', PROBE, json.dumps(list(gpu_stand_in.listed()))],
        env={
            **os.environ,
            'LD_LIBRARY_PATH': f'{tmp_path}:{os.environ.get("LD_LIBRARY_PATH", "")}',
            'PYTHONPATH': os.pathsep.join(map(str, paths)),
        },
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def signatures(text):
    """Names of the arguments of every way to call something, of its docstring."""
    found = []
    for match in re.finditer(r'\w+\((self: [^,)]+|logger|.*?)(.*)\) ->', text):
        inner = f'{match[1]}{match[2]}'
        names = re.findall(r'(?:^|, )(\w+):', inner)
        found.append([name for name in names if name != 'self'])
    return found


def test_every_name_that_we_use_is_there_and_takes_what_we_give(real):
    for name, arguments in gpu_stand_in.listed().items():
        assert name in real['names'], f'TensorRT {real["version"]} has no {name}'
        if arguments is None or name == 'nptype':
            continue
        ways = signatures(real['names'][name])
        assert any(way[: len(arguments)] == arguments for way in ways), (
            f'{name}: {ways} and not {arguments}'
        )


def test_what_is_ours_fits_what_tensorrt_calls(real):
    assert real['half'] == "<class 'numpy.float16'>"
    assert real['names_of_types'] == ['HALF', 'FLOAT']
    assert real['shape'] == [2, 3]


def test_without_a_driver_the_real_builder_is_refused_in_words(real):
    assert real['said'].startswith('TensorRT does not start: ')


def test_the_code_uses_no_name_beside_the_list():
    """Every member of an enumeration and every class that is named in the source."""
    folder = Path(inspect.getfile(cuda)).parent
    listed = set(gpu_stand_in.listed())
    known = {name.split('.')[0] for name in listed} | listed
    for path in folder.glob('*.py'):
        for name in re.findall(r'\btrt\.([A-Za-z_]\w*(?:\.[A-Z]\w*)*)', path.read_text()):
            assert name in known, f'{path.name}: trt.{name}'


def libraries():
    for pattern in ('nvidia_cuda_runtime_cu12-*.whl', 'nvidia_cuda_runtime-13*.whl'):
        yield pytest.param(pattern, id=pattern.split('-')[0])


@pytest.fixture(params=libraries())
def runtime(request, tmp_path):
    """The real CUDA runtime."""
    machine = os.uname().machine
    path = wheel(request.param.replace('.whl', f'{machine}*.whl'))
    with zipfile.ZipFile(path) as archive:
        (name,) = (n for n in archive.namelist() if re.search(r'/libcudart\.so\.\d+$', n))
        return ctypes.CDLL(archive.extract(name, tmp_path))


def test_the_real_cuda_runtime_has_every_call(runtime):
    Cuda(runtime)


def test_the_real_cuda_runtime_says_in_words_that_there_is_no_gpu(runtime):
    try:
        gpu = Cuda(runtime).gpu()
    except cuda.CudaError as error:
        assert re.fullmatch(r'cudaGetDeviceCount: [\w -]+ \(\d+\)', str(error))  # noqa: PT017
        assert error.code  # noqa: PT017
    else:
        assert gpu[0]
        assert re.fullmatch(r'\d+\.\d', gpu[1])


def test_a_call_that_is_missing_is_told():
    class Old(gpu_stand_in.Library):
        def __init__(self):
            super().__init__()
            del self.cudaGraphInstantiateWithFlags

    with pytest.raises(EngineError, match='has no cudaGraphInstantiateWithFlags'):
        Cuda(Old())


def test_pinned_memory_begins_as_zeros_and_the_stream_outlives_a_failed_capture():
    library = gpu_stand_in.Library()
    found = Cuda(library)
    address, data = found.pinned(64)
    assert not data.any()
    stream = found.stream()

    def fails():
        raise EngineError('no')

    with pytest.raises(EngineError, match=r'^no$'):
        found.captured(stream, fails)
    assert library.capturing is None
    found.free_pinned(address)
    found.close_stream(stream)
    assert library.left() == 0
