import gc
import hashlib
import json
import sys
import weakref

import networks
import numpy as np
import onnx
import pytest

from reid_ros.card import Card
from reid_ros.engine import native
from reid_ros.engine.error import EngineError, NoEngineError
from reid_ros.engine.progress import in_steps, watched
from reid_ros.fit import ModelError
from reid_ros.images import normalise
from reid_ros.model import Model, order

CARD = networks.appearance(input={'height': 32, 'width': 16}, output={'vector': 24})
VERSIONS = ('10.3.0', '10.16.1.11', '11.4.0.106')


def load(path, folder, **options):
    options = {'backend': 'tensorrt', 'engine_cache_dir': folder, 'max_batch': 4, **options}
    return Model.load(path, Card.of(CARD), **options)


def crops(n, seed=0):
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 256, (n, 32, 16, 3), dtype=np.uint8)
    return normalise(images, Card.of(CARD).input)


@pytest.fixture
def toy(tmp_path):
    return networks.convolutions(tmp_path / 'toy.onnx')


def names(machine):
    return [name for name, _ in machine.calls]


@pytest.mark.parametrize('machine', VERSIONS, indirect=True)
@pytest.mark.parametrize(
    ('precision', 'kind', 'nearness'), [('fp32', 'float', 1e-5), ('fp16', 'half', 0.02)]
)
def test_an_engine_answers_what_onnx_runtime_does(
    machine, toy, tmp_path, precision, kind, nearness
):
    with (
        load(toy, tmp_path, precision=precision) as model,
        load(toy, tmp_path, backend='cpu') as plain,
    ):
        assert (model.provider, model.fallback_reason) == ('tensorrt', '')
        assert (model.facts['kind'], model.facts['layers']) == (kind, {'other': 1, kind: 3})
        assert model.placement.provider == 'TensorRT'
        for n in (1, 2, 3, 4, 9, 0):
            right, found = (m.infer(crops(n, seed=n))[0] for m in (plain, model))
            assert found.shape == (n, 24)
            scale = np.abs(right).max(initial=1e-9)
            np.testing.assert_allclose(found, right, atol=nearness * scale)
        assert model.facts['graphs'] == (1, 2, 4)
    assert machine.library.left() == 0


def test_answers_are_not_overwritten_by_the_next_batch(machine, toy, tmp_path):
    with load(toy, tmp_path) as model:
        first = model.infer(crops(2, seed=1))[0]
        copy = first.copy()
        model.infer(crops(2, seed=2))
        np.testing.assert_array_equal(first, copy)


def test_the_calls_of_a_build_come_in_their_order(machine, toy, tmp_path):
    load(toy, tmp_path, precision='fp32', typical=2).close()
    told = names(machine)
    expected = [
        'Builder', 'Builder.create_network', 'OnnxParser', 'OnnxParser.parse',
        'Builder.create_builder_config', 'IBuilderConfig.set_memory_pool_limit',
        'IBuilderConfig.clear_flag', 'Builder.create_optimization_profile',
        'IOptimizationProfile.set_shape', 'IBuilderConfig.add_optimization_profile',
        'IBuilderConfig.create_timing_cache', 'IBuilderConfig.set_timing_cache',
        'Builder.build_serialized_network', 'ITimingCache.serialize', 'Runtime',
        'Runtime.deserialize_cuda_engine', 'ICudaEngine.create_execution_context',
        'IExecutionContext.set_device_memory', 'IExecutionContext.set_input_shape',
        'IExecutionContext.set_tensor_address', 'IExecutionContext.execute_async_v3',
        'EngineInspector.get_engine_information',
    ]  # fmt: skip
    places = [told.index(name) for name in expected]
    assert places == sorted(places)
    shapes = dict(machine.calls)['IOptimizationProfile.set_shape']
    assert shapes == ('image', (1, 3, 32, 16), (2, 3, 32, 16), (4, 3, 32, 16))
    assert told.count('ICudaEngine.create_execution_context') == 3  # one per bucket
    cuda = machine.library.calls
    assert cuda.count('cudaGraphInstantiateWithFlags') == 3
    # Each bucket runs once by itself, so that nothing of the first run lands in its graph.
    first = cuda.index('cudaStreamBeginCapture')
    assert cuda[:first].count('cudaStreamSynchronize') == 1


def test_once_built_a_batch_is_one_launch_and_one_wait(machine, toy, tmp_path):
    with load(toy, tmp_path) as model:
        machine.library.calls.clear()
        machine.calls.clear()
        model.infer(crops(3))
        assert machine.library.calls == ['cudaGraphLaunch', 'cudaStreamSynchronize']
        assert machine.calls == []


def test_fp16_needs_no_exact_arithmetic_and_fp32_gets_it(machine, toy, tmp_path):
    load(toy, tmp_path, precision='fp16').close()
    assert 'IBuilderConfig.clear_flag' not in names(machine)
    load(toy, tmp_path, precision='fp32').close()
    assert 'IBuilderConfig.clear_flag' in names(machine)


def test_a_network_of_a_fixed_batch_has_one_bucket_and_no_profile(machine, tmp_path):
    path = networks.convolutions(tmp_path / 'toy.onnx', batch=3)
    with load(path, tmp_path) as model:
        assert model.facts['graphs'] == (3,)
        assert len(model.infer(crops(5))[0]) == 5
    assert 'Builder.create_optimization_profile' not in names(machine)


def test_a_second_load_takes_the_kept_engine(machine, toy, tmp_path):
    load(toy, tmp_path).close()
    machine.calls.clear()
    with load(toy, tmp_path) as model:
        assert model.facts['kept']
        assert model.facts['worst'] < 1
        assert len(model.infer(crops(2))[0]) == 2
    assert 'Builder' not in names(machine)


@pytest.mark.parametrize(
    'change',
    [
        {'precision': 'fp32'},
        {'max_batch': 8},
        {'typical': 2},
        {'gpu': 'Thor'},
        {'version': '11.4.0.106'},
        {'weights': 1},
    ],
)
def test_another_precision_profile_gpu_version_or_model_builds_anew(
    machine, toy, tmp_path, change
):
    load(toy, tmp_path).close()
    machine.calls.clear()
    machine.library.gpu = change.pop('gpu', machine.library.gpu)
    machine.__version__ = change.pop('version', machine.__version__)
    if change.pop('weights', 0):
        networks.convolutions(toy, seed=9)
    load(toy, tmp_path, **change).close()
    assert 'Builder' in names(machine)
    assert len(list(tmp_path.glob('*.engine'))) == 2


def test_what_one_build_measured_helps_the_next_and_a_foreign_cache_does_not(
    machine, toy, tmp_path
):
    load(toy, tmp_path).close()
    (cache,) = tmp_path.glob('timing-*.cache')
    assert cache.read_bytes() == b'+'
    load(toy, tmp_path, precision='fp32').close()
    assert cache.read_bytes() == b'++'
    cache.write_bytes(b'foreign')
    load(toy, tmp_path, max_batch=2).close()
    assert cache.read_bytes() == b'+'


def engine_file(folder):
    (path,) = folder.glob('*.engine')
    return path


def test_an_engine_that_tensorrt_refuses_is_built_again(machine, toy, tmp_path):
    load(toy, tmp_path).close()
    path = engine_file(tmp_path)
    # As after a driver that changes what a plan must hold while every version stays the same.
    plan = path.read_bytes().replace(b'"10.3.0"', b'"10.3.9"')
    path.write_bytes(plan)
    facts = json.loads(path.with_suffix('.json').read_text())
    facts['sha256'] = hashlib.sha256(plan).hexdigest()
    path.with_suffix('.json').write_text(json.dumps(facts))
    machine.calls.clear()
    with load(toy, tmp_path) as model:
        assert not model.facts['kept']
    told = names(machine)
    assert told.index('Runtime.deserialize_cuda_engine') < told.index('Builder')
    assert b'"10.3.0"' in path.read_bytes()
    assert machine.library.left() == 0


@pytest.mark.parametrize('harm', ['cut', 'flipped', 'no facts', 'facts of another', 'no json'])
def test_a_damaged_engine_is_never_given_to_tensorrt(machine, toy, tmp_path, harm):
    load(toy, tmp_path).close()
    path = engine_file(tmp_path)
    plan, facts = path.read_bytes(), path.with_suffix('.json')
    if harm == 'cut':
        path.write_bytes(plan[:-10])
    elif harm == 'flipped':
        path.write_bytes(plan[:-1] + bytes([plan[-1] ^ 1]))
    elif harm == 'no facts':
        facts.unlink()
    else:
        facts.write_text('[]' if harm == 'facts of another' else '{"sha256": ')
    machine.calls.clear()
    load(toy, tmp_path).close()
    told = names(machine)
    assert told.index('Builder') < told.index('Runtime.deserialize_cuda_engine')


def test_an_engine_that_answers_something_else_is_refused_and_not_kept(machine, toy, tmp_path):
    machine.trouble.answer = 1.0
    with load(toy, tmp_path) as model:
        assert model.provider == 'cpu'
        assert 'tensorrt: the engine answers something else than ONNX Runtime: vector differs' in (
            model.fallback_reason
        )
    assert not list(tmp_path.glob('*.engine'))
    assert machine.library.left() == 0


def test_a_kept_engine_is_proven_again(machine, toy, tmp_path):
    load(toy, tmp_path).close()
    machine.trouble.answer = float('nan')
    with load(toy, tmp_path) as model:
        assert 'answers something else' in model.fallback_reason
    assert machine.library.left() == 0


@pytest.mark.parametrize('machine', VERSIONS, indirect=True)
def test_an_engine_in_another_precision_is_refused(machine, toy, tmp_path):
    machine.trouble.layers = 'Float'
    with load(toy, tmp_path, precision='fp16') as model:
        assert model.provider == 'cpu'
        assert 'of 3 layers that do arithmetic only 0 compute in half (3 float)' in (
            model.fallback_reason
        )
    assert machine.library.left() == 0


@pytest.mark.parametrize(
    ('trouble', 'words'),
    [
        ({'start': True}, 'CUDA initialization failure with error: 35'),
        ({'parse': 'unsupported'}, 'does not read the network: LSTM lstm_3: unsupported'),
        ({'build': 'Error Code 10: no implementation'}, 'Error Code 10: no implementation'),
        ({'build': 'Error 2: OutOfMemory (Requested size was 9 bytes)'}, 'lower max_batch'),
        ({'load': 'Cuda Runtime (out of memory)'}, 'lower max_batch'),
        ({'context': 'Error 2: out of memory'}, 'out of memory; lower max_batch'),
        ({'run': 'Error Code 1: Cask'}, 'Error Code 1: Cask'),
    ],
)
def test_every_failure_falls_back_with_its_reason_and_leaves_nothing(
    machine, toy, tmp_path, trouble, words
):
    vars(machine.trouble).update(trouble)
    with load(toy, tmp_path) as model:
        assert model.provider == 'cpu'
        assert model.fallback_reason.startswith('tensorrt: ')
        assert words in model.fallback_reason
        assert 'ort_tensorrt: this onnxruntime' in model.fallback_reason
        assert len(model.infer(crops(2))[0]) == 2
    assert machine.library.left() == 0
    assert not list(tmp_path.glob('*.engine'))


def test_strict_refuses_every_fallback(machine, toy, tmp_path):
    machine.trouble.build = 'Error 2: out of memory'
    with pytest.raises(
        ModelError, match=r'toy\.onnx: backend tensorrt is demanded.*out of memory'
    ):
        load(toy, tmp_path, strict=True)
    machine.trouble.build = ''
    load(toy, tmp_path, strict=True).close()


@pytest.mark.parametrize('room', [3000, 5000, 20000, 60000])
def test_a_gpu_that_is_full_falls_back_and_keeps_an_engine_that_was_good(
    machine, toy, tmp_path, room
):
    load(toy, tmp_path, max_batch=16).close()
    machine.library.room = room
    with load(toy, tmp_path, max_batch=16) as model:
        assert model.provider == 'cpu'
        assert 'out of memory' in model.fallback_reason
    assert machine.library.left() == 0
    assert engine_file(tmp_path).is_file()


def test_without_a_gpu_the_reason_is_cudas(machine, toy, tmp_path):
    machine.library.count = 0
    with load(toy, tmp_path) as model:
        assert 'tensorrt: cudaGetDeviceCount: no CUDA-capable device' in model.fallback_reason


def test_without_tensorrt_the_reason_is_the_missing_package(toy, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    with load(toy, tmp_path) as model:
        assert "tensorrt: TensorRT's Python package does not load" in model.fallback_reason


@pytest.mark.parametrize(
    ('machine', 'words'), [('8.6.2', 'older than 10.3'), ('12.0.1', 'not known')],
    indirect=['machine'],
)  # fmt: skip
def test_an_unknown_version_is_not_touched(machine, toy, tmp_path, words):
    with load(toy, tmp_path) as model:
        assert words in model.fallback_reason
    assert machine.calls == []


def test_a_logger_outlives_what_was_made_with_it(machine, toy, tmp_path, monkeypatch):
    """TensorRT keeps the address of the first one for good, whatever is freed."""
    made = []
    plain = machine.ILogger.__init__

    def noted(self):
        plain(self)
        made.append(weakref.ref(self))

    monkeypatch.setattr(machine.ILogger, '__init__', noted)
    load(toy, tmp_path).close()
    gc.collect()
    assert len(made) == 2
    assert all(one() is not None for one in made)


def test_what_cannot_be_captured_runs_call_by_call(machine, toy, tmp_path):
    machine.library.uncapturable = True
    with load(toy, tmp_path) as model, load(toy, tmp_path, backend='cpu') as plain:
        assert (model.provider, model.facts['graphs']) == ('tensorrt', ())
        right = plain.infer(crops(3))[0]
        np.testing.assert_allclose(
            model.infer(crops(3))[0], right, atol=0.02 * np.abs(right).max()
        )
    assert machine.library.left() == 0


def test_a_failure_while_running_is_told_with_the_file(machine, toy, tmp_path):
    machine.library.uncapturable = True
    with load(toy, tmp_path) as model:
        machine.trouble.run = 'Error Code 1: illegal address'
        with pytest.raises(ModelError, match=r'^toy\.onnx failed: Error Code 1: illegal address'):
            model.infer(crops(1))
        with pytest.raises(ModelError, match=r'toy\.onnx failed: input image wants .*float32'):
            model.infer(crops(1).astype(np.float64))
    with pytest.raises(ModelError, match='closed'):
        model.infer(crops(1))


def test_progress_rises_to_the_end(machine, toy, tmp_path):
    told = []
    load(toy, tmp_path, tell=lambda share, what: told.append((share, what))).close()
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.89 < shares[-1] <= 1
    assert {what for _, what in told} == {
        'toy.onnx: Building Engine',
        'toy.onnx: Timing graph nodes',
    }


def test_whoever_watches_is_told_of_a_build_deep_below(machine, toy, tmp_path):
    lines = []
    with watched(in_steps(lines.append, 0.25)):
        load(toy, tmp_path).close()
    load(toy, tmp_path, precision='fp32').close()
    start = 'building the TensorRT engine of toy.onnx: '
    assert [line.removeprefix(start) for line in lines] == ['0 %', '34 %', '56 %', '79 %']


@pytest.mark.parametrize('error', [KeyboardInterrupt, RuntimeError('the bar broke')])
def test_whoever_is_told_can_stop_the_build(machine, toy, tmp_path, error):
    """The bindings swallow an exception; it is raised again when TensorRT has returned."""

    def tell(share, what):
        if share > 0.2:
            raise error

    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        load(toy, tmp_path, tell=tell)
    steps = names(machine).count('IProgressMonitor')
    assert steps == 1
    assert 'Runtime' not in names(machine)
    assert machine.library.left() == 0


def test_auto_takes_an_engine_that_is_there_and_never_builds_one(machine, toy, tmp_path):
    with load(toy, tmp_path, backend='auto') as model:
        assert (model.provider, model.fallback_reason) == ('cpu', '')
    assert machine.calls == []
    load(toy, tmp_path).close()
    with load(toy, tmp_path, backend='auto') as model:
        assert (model.provider, model.fallback_reason) == ('tensorrt', '')
    machine.calls.clear()
    with load(toy, tmp_path, backend='auto', max_batch=8) as model:
        assert model.provider == 'cpu'
        assert f"'reid_ros bench engine {toy}' builds one" in model.fallback_reason
    assert 'Builder' not in names(machine)


def test_backends_stand_in_for_one_another_in_order():
    assert order('tensorrt') == ['tensorrt', 'ort_tensorrt', 'ort_cuda', 'cpu']
    assert order('ort_cuda') == ['ort_cuda', 'cpu']
    assert order('auto') == ['ort_tensorrt', 'ort_cuda', 'cpu']
    assert order('auto', kept=True) == ['tensorrt', 'ort_tensorrt', 'ort_cuda', 'cpu']


def test_a_network_that_onnx_runtime_cannot_run_is_refused(machine, tmp_path):
    """Nothing could say whether its engine is right."""
    path = networks.convolutions(tmp_path / 'toy.onnx')
    model = onnx.load(path)
    model.graph.node[1].op_type, model.graph.node[1].domain = 'EfficientNMS_TRT', 'TRT'
    model.opset_import.append(onnx.helper.make_opsetid('TRT', 1))
    onnx.save(model, path)
    with pytest.raises(EngineError, match='ONNX Runtime does not run it'):
        native.load(path, Card.of(CARD), native.Wish(cache_dir=tmp_path))


def test_no_engine_is_told_apart_from_an_engine_that_fails(machine, toy, tmp_path):
    wish = native.Wish(cache_dir=tmp_path, build=False)
    with pytest.raises(NoEngineError):
        native.load(toy, Card.of(CARD), wish)


def test_a_card_that_does_not_fit_is_refused_and_not_fallen_back_from(machine, toy, tmp_path):
    card = Card.of({**CARD, 'output': {'vector': 512}})
    with pytest.raises(ModelError, match='vectors of length 24, the card says 512'):
        Model.load(toy, card, backend='tensorrt', engine_cache_dir=tmp_path, max_batch=2)
    assert machine.library.left() == 0


def test_an_engine_that_cannot_be_kept_runs_all_the_same(machine, toy, tmp_path):
    """A full disk does not stop a robot; the next start builds again."""
    (tmp_path / 'file').write_text('')
    with load(toy, tmp_path / 'file') as model:
        assert model.provider == 'tensorrt'
        assert 'cannot be written' in model.facts['unkept']
    assert machine.library.left() == 0
