import subprocess
import sys

import networks
import numpy as np
import onnxruntime
import pytest
from samples import data

from reid_ros.card import Card, card_of
from reid_ros.images import crop_batch, normalise
from reid_ros.model import Model, ModelError
from reid_ros.session import PROVIDERS, Placement


def load(path, card, **options):
    return Model.load(path, Card.of(card), **{'backend': 'cpu', **options})


def crops(n, height=8, width=4, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize('batch', [1, 3, 'n'])
@pytest.mark.parametrize('n', [0, 1, 2, 3, 7])
def test_every_number_of_images_gets_that_many_answers_in_order(tmp_path, batch, n):
    path = networks.means(tmp_path / 'toy.onnx', batch=batch)
    with load(path, networks.appearance(), max_batch=4) as model:
        images = crops(n)
        (answer,) = model.infer(normalise(images, model.card.input))
        assert answer.shape == (n, 3)
        np.testing.assert_allclose(answer, images.mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize('layout', ['NCHW', 'NHWC'])
@pytest.mark.parametrize('order', ['rgb', 'bgr'])
@pytest.mark.parametrize('dtype', ['float32', 'float16', 'uint8'])
@pytest.mark.parametrize('scaled', [False, True])
def test_a_network_sees_what_its_card_says(tmp_path, layout, order, dtype, scaled):
    if dtype == 'uint8' and scaled:
        pytest.skip('bytes are not scaled')
    entry = {'layout': layout, 'order': order, 'dtype': dtype}
    mean, std = np.array([103.0, 116.0, 123.0]), np.array([57.0, 58.0, 59.0])
    if scaled:
        entry |= {'mean': mean.tolist(), 'std': std.tolist()}
    path = networks.means(tmp_path / 'toy.onnx', layout=layout, dtype=dtype)
    with load(path, networks.appearance(input=entry)) as model:
        image = crops(1)[0]  # BGR
        box = np.array([[0, 0, 4, 8]], np.float32)
        batch = normalise(crop_batch(image, box, model.card.input), model.card.input)
        seen = model.infer(batch)[0][0]
    expected = image.reshape(-1, 3).mean(0)[:: 1 if order == 'bgr' else -1]
    if scaled:
        expected = (expected - mean) / std
    np.testing.assert_allclose(
        seen, expected, rtol=2e-2 if dtype == 'float16' else 1e-5, atol=1e-3
    )


@pytest.mark.parametrize('batch', [1, 'n'])
def test_an_image_gives_the_same_whatever_stands_beside_it(tmp_path, batch):
    path = networks.convolutions(tmp_path / 'toy.onnx', batch=batch)
    card = networks.appearance(input={'height': 32, 'width': 16}, output={'vector': 24})
    with load(path, card, max_batch=8) as model:
        images = normalise(crops(11, 32, 16), model.card.input)
        alone = np.concatenate([model.infer(images[i : i + 1])[0] for i in range(11)])
        for part in (slice(0, 2), slice(3, 8), slice(0, 11)):
            np.testing.assert_allclose(model.infer(images[part])[0], alone[part], rtol=1e-5)
        np.testing.assert_array_equal(model.infer(images)[0], model.infer(images)[0])


def test_outputs_come_in_the_order_of_the_card(tmp_path):
    outputs = {'a': np.ones((1, 3), np.float32), 'b': np.full((1, 5), 2, np.float32)}
    path = networks.constant(tmp_path / 'toy.onnx', outputs, height=8, width=4)
    card = networks.appearance(output={'names': ['b'], 'vector': 5})
    with load(path, card) as model:
        (answer,) = model.infer(np.zeros((1, 3, 8, 4), np.float32))
    np.testing.assert_array_equal(answer, [[2] * 5])


def test_further_inputs_are_fed_as_the_card_says(tmp_path):
    extra = [('size', 'int64', 2), ('shape', 'float32', 2), ('scale', 'float32', 2)]
    path = networks.constant(
        tmp_path / 'toy.onnx', {'v': np.ones((2, 3), np.float32)}, height=8, width=4, batch=2,
        extra=extra,
    )  # fmt: skip
    told = ['size size_wh', 'shape size_hw', 'scale ones']
    with load(path, networks.appearance(input={'extra': told})) as model:
        _, size, shape, scale = model.infer(np.zeros((2, 3, 8, 4), np.float32))
    np.testing.assert_array_equal(size, [[4, 8]] * 2)
    np.testing.assert_array_equal(shape, [[8, 4]] * 2)
    np.testing.assert_array_equal(scale, [[1, 1]] * 2)


def test_the_provider_is_the_one_that_ran(tmp_path):
    path = networks.convolutions(tmp_path / 'toy.onnx')
    card = networks.appearance(input={'height': 32, 'width': 16}, output={'vector': 24})
    with load(path, card) as model:
        assert model.provider == 'cpu'
        assert model.fallback_reason == ''
        assert set(model.placement.nodes) == {'CPUExecutionProvider'}
        assert model.placement.heavy['CPUExecutionProvider'] >= 3  # two convolutions and a product


def test_shape_arithmetic_on_the_cpu_does_not_hide_the_gpu():
    mixed = Placement({'CPUExecutionProvider': 50, 'CUDAExecutionProvider': 9},
                      {'CUDAExecutionProvider': 7})  # fmt: skip
    assert mixed.provider == 'CUDAExecutionProvider'
    assert Placement({'CPUExecutionProvider': 2}, {}).provider == 'CPUExecutionProvider'


GPU = [name for name in PROVIDERS if name != 'cpu']
ABSENT = [n for n in GPU if PROVIDERS[n] not in onnxruntime.get_available_providers()]


@pytest.mark.parametrize('backend', GPU)
def test_a_backend_that_this_build_lacks_falls_back_with_a_reason(tmp_path, backend):
    if backend not in ABSENT:
        pytest.skip(f'this onnxruntime has {backend}')
    path = networks.means(tmp_path / 'toy.onnx')
    with load(path, networks.appearance(), backend=backend, engine_cache_dir=tmp_path) as model:
        assert model.provider == 'cpu'
        assert f'built without {PROVIDERS[backend]}' in model.fallback_reason


@pytest.mark.parametrize('backend', GPU)
def test_strict_refuses_the_fallback_and_says_what_to_do(tmp_path, backend):
    if backend not in ABSENT:
        pytest.skip(f'this onnxruntime has {backend}')
    path = networks.means(tmp_path / 'toy.onnx')
    with pytest.raises(ModelError, match=r'toy\.onnx: backend .* fall back.*doctor.*backend: cpu'):
        load(path, networks.appearance(), backend=backend, strict=True)


@pytest.mark.parametrize('backend', GPU)
def test_a_gpu_that_is_there_runs_the_network(tmp_path, backend):
    if backend in ABSENT:
        pytest.skip(f'this onnxruntime has no {backend}')
    path = networks.convolutions(tmp_path / 'toy.onnx')
    card = networks.appearance(input={'height': 32, 'width': 16}, output={'vector': 24})
    options = {'engine_cache_dir': tmp_path, 'precision': 'fp32'}
    images = normalise(crops(3, 32, 16), Card.of(card).input)
    with load(path, card, backend=backend, **options) as model, load(path, card) as plain:
        assert model.provider == backend or model.fallback_reason
        np.testing.assert_allclose(model.infer(images)[0], plain.infer(images)[0], atol=1e-2)


def test_auto_on_a_build_for_the_cpu_is_no_fallback(tmp_path):
    if len(ABSENT) < len(GPU):
        pytest.skip('this onnxruntime is built for a GPU')
    path = networks.means(tmp_path / 'toy.onnx')
    with load(path, networks.appearance(), backend='auto', strict=True) as model:
        assert (model.provider, model.fallback_reason) == ('cpu', '')


def test_a_failure_while_running_is_told_with_the_file(tmp_path):
    path = networks.means(tmp_path / 'toy.onnx')
    with load(path, networks.appearance()) as model, pytest.raises(ModelError) as error:
        model.infer(np.zeros((1, 3, 9, 4), np.float32))
    assert str(error.value).startswith('toy.onnx failed: ')
    assert '\n' not in str(error.value)


def test_a_network_that_cannot_run_is_told(tmp_path):
    path = networks.constant(
        tmp_path / 'toy.onnx', {'v': np.ones((1, 3), np.float32)}, height=8, width=4,
        extra=[('size', 'int64', 3)],
    )  # fmt: skip
    with pytest.raises(ModelError, match=r'toy\.onnx does not run: .*size'):
        load(path, networks.appearance(input={'extra': ['size size_wh']}))


def test_an_unknown_backend_is_refused(tmp_path):
    path = networks.means(tmp_path / 'toy.onnx')
    with pytest.raises(ModelError, match='choose auto, tensorrt, ort_tensorrt'):
        load(path, networks.appearance(), backend='gpu')


@pytest.mark.parametrize(
    ('entry', 'output', 'words'),
    [
        ({'layout': 'NHWC'}, {}, 'NCHW and not NHWC: mend input.layout'),
        ({'height': 16}, {}, '8 pixels in height, the card says 16'),
        ({'width': 5}, {}, '4 pixels in width, the card says 5'),
        ({'dtype': 'float16'}, {}, 'float32, the card says float16'),
        ({'name': 'picture'}, {}, "no input 'picture', only image"),
        ({}, {'vector': 512}, 'vectors of length 3, the card says 512'),
        ({}, {'names': ['embedding']}, "no output 'embedding', only vector"),
    ],
)
def test_a_network_that_does_not_fit_its_card_is_refused_in_words(tmp_path, entry, output, words):
    path = networks.means(tmp_path / 'toy.onnx')
    with pytest.raises(ModelError, match=words):
        load(path, networks.appearance(input=entry, output=output))


def test_a_grey_network_is_refused(tmp_path):
    path = networks.means(tmp_path / 'toy.onnx', channels=1)
    with pytest.raises(ModelError, match='1 colour channels'):
        load(path, networks.appearance())


def test_an_input_that_the_card_does_not_mention_is_refused(tmp_path):
    path = networks.constant(
        tmp_path / 'toy.onnx', {'v': np.ones((1, 3), np.float32)}, height=8, width=4,
        extra=[('size', 'int64', 2)],
    )  # fmt: skip
    with pytest.raises(ModelError, match=r'second input, size 1x2 int64.*"size size_wh"'):
        load(path, networks.appearance())


@pytest.mark.parametrize(
    ('outputs', 'decoder', 'words'),
    [
        (
            {'a': (1, 84, 9)},
            'yolox_raw',
            '1x84x9, the decoder yolox_raw with 3 classes reads 1x84x8',
        ),
        ({'a': (1, 80, 8)}, 'yolox_raw', 'reads 1x84x8'),
        ({'a': (1, 9, 84)}, 'yolov8', 'reads 1x7xany'),
        ({'a': (1, 20, 6)}, 'rtdetr_deploy', '1 outputs, the decoder rtdetr_deploy reads 3'),
        ({'a': (1, 20, 4), 'b': (1, 20, 91)}, 'detr', 'reads 1xanyx3'),
        ({'a': (1, 20, 7)}, 'yolo_nms', 'reads 1xanyx6'),
    ],
)
def test_a_detector_that_answers_something_else_is_refused(tmp_path, outputs, decoder, words):
    arrays = {name: np.zeros(shape, np.float32) for name, shape in outputs.items()}
    path = networks.constant(tmp_path / 'toy.onnx', arrays)
    with pytest.raises(ModelError, match=words):
        load(path, networks.detector(decoder))


def test_a_file_that_is_no_network_is_refused(tmp_path):
    path = tmp_path / 'toy.onnx'
    with pytest.raises(ModelError, match='no such model file'):
        load(path, networks.appearance())
    path.write_bytes(b'<html>not found</html>')
    with pytest.raises(ModelError, match=r'toy\.onnx is no ONNX network'):
        load(path, networks.appearance())
    whole = networks.convolutions(tmp_path / 'whole.onnx').read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r'toy\.onnx'):
        load(path, networks.appearance())


def test_nothing_is_left_behind_by_the_first_inference(tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path / 'temporary'))
    (tmp_path / 'temporary').mkdir()
    monkeypatch.setattr('tempfile.tempdir', None)
    path = networks.means(tmp_path / 'toy.onnx')
    load(path, networks.appearance()).close()
    with pytest.raises(ModelError):
        load(path, networks.appearance(output={'vector': 4}))
    assert list((tmp_path / 'temporary').iterdir()) == []


@pytest.mark.parametrize(
    'name',
    [
        'osnet_x0_25_msmt17.onnx',
        'person-reidentification-retail-0248.onnx',
        'person-reidentification-retail-0288.onnx',
        'seg_selfie_segmentation.onnx',
        'FastestDet.onnx',
        'yolox_nano_416x416.onnx',
    ],
)
def test_every_sample_network_fits_its_card_and_runs(name):
    path = data('models', name)
    card = card_of(path)
    with Model.load(path, card, backend='cpu') as model:
        size = (card.input.height, card.input.width)
        outputs = model.infer(normalise(crops(2, *size), card.input))
    assert all(len(output) == 2 and np.isfinite(output).all() for output in outputs)
    if card.output.vector:
        assert outputs[0].shape == (2, card.output.vector)


MEMORY = """
import random, sys
from pathlib import Path
import numpy as np
from reid_ros.card import Card, card_of
from reid_ros.model import Model

def own_mb():
    with open('/proc/self/status') as file:
        return int(next(line for line in file if line.startswith('RssAnon')).split()[1]) / 1e3

path = Path(sys.argv[1])
model = Model.load(path, card_of(path), backend='cpu', threads=1)
batch = np.zeros((16, 3, 256, 128), np.float32)
model.infer(batch[:2])
if sys.argv[2] == 'warm':
    model.warm(16)
before = own_mb()
draw = random.Random(0)
for n in [3, 5, 16, 7, 16, *(draw.randint(1, 16) for _ in range(40))]:
    model.infer(batch[:n])
print(own_mb() - before)
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='reads what the kernel of Linux counts')
def test_a_warm_network_asks_for_no_memory_when_more_people_come_than_ever_before(tmp_path):
    size = {'height': 256, 'width': 128}
    path = networks.convolutions(tmp_path / 'look.onnx', **size)
    networks.write(tmp_path, networks.appearance('look', input=size, output={'vector': 24}))
    grown = {
        how: float(subprocess.check_output([sys.executable, '-c', MEMORY, str(path), how]))
        for how in ('warm', 'cold')
    }
    assert grown['warm'] < 1.0
    assert grown['cold'] > 5.0


def test_a_network_that_cannot_run_so_many_images_says_so_before_they_come(tmp_path):
    path = networks.alone(tmp_path / 'toy.onnx')
    with load(path, networks.appearance(), max_batch=4) as model:
        model.warm(1)
        with pytest.raises(ModelError, match='fails with 2 images at once') as raised:
            model.warm(16)
    assert 'set max_batch lower' in str(raised.value)
