"""8 bits and 16: what is made of a graph, and what it may cost."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
onnx = pytest.importorskip('onnx', reason='export needs onnx')

import exported as toys  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from reid_ros.train import artefact, export  # noqa: E402
from reid_ros.train.export import ExportError, Runner  # noqa: E402
from reid_ros.train.front import fed_bytes  # noqa: E402
from reid_ros.train.halved import half, stored_half  # noqa: E402
from reid_ros.train.quantise import int8  # noqa: E402

torch.set_num_threads(1)
MEAN, SCALE = np.array([124.0, 116.0, 104.0]), 1 / np.array([58.4, 57.1, 57.4])


@pytest.fixture(scope='module')
def graph():
    return export.graph(toys.network())


@pytest.fixture(scope='module')
def crops():
    return artefact.some(toys.Coloured(seed=1), 32)


@pytest.fixture(scope='module')
def cpu(graph, crops):
    return int8(graph, crops)


@pytest.fixture(scope='module')
def tensorrt(graph, crops):
    return int8(graph, crops, symmetric=True)


def nodes(graph, kind):
    return [node for node in graph.graph.node if node.op_type == kind]


def constants(graph):
    return {entry.name: numpy_helper.to_array(entry) for entry in graph.graph.initializer}


def makers(graph):
    return {name: node for node in graph.graph.node for name in node.output}


def convolution(
    size=(33, 18), kernel=3, stride=2, padding=1, flip=True, bias=False, groups=1, shared=False
):
    """A graph that begins as ours do, with a mean colour that bytes hold exactly."""
    draw = np.random.default_rng(0)
    shift = (-MEAN * SCALE).reshape(3, 1, 1)
    weights = {
        'scale': SCALE.reshape(3, 1, 1),
        'shift': shift,
        'w': draw.normal(size=(8, 3 // groups if groups == 1 else 1, kernel, kernel)),
        **({'b': draw.normal(size=8)} if bias else {}),
    }
    if groups == 3:
        weights['w'] = draw.normal(size=(9, 1, kernel, kernel))
    values = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    ends = {'from': [-1], 'to': [-(2**62)], 'axis': [1]}
    values += [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in ends.items()]
    made = [helper.make_node('Transpose', ['images'], ['planes0'], name='a', perm=[0, 3, 1, 2])]
    name = 'planes0'
    if flip:
        made.append(helper.make_node('Slice', [name, *ends, 'from'], ['turned'], name='b'))
        name = 'turned'
    options = {
        'kernel_shape': [kernel] * 2, 'strides': [stride] * 2, 'pads': [padding] * 4,
        'group': groups,
    }  # fmt: skip
    given = ['normal', 'w', *(['b'] if bias else [])]
    made += [
        helper.make_node('Cast', [name], ['float'], name='c', to=TensorProto.FLOAT),
        helper.make_node('Mul', ['float', 'scale'], ['times'], name='d'),
        helper.make_node('Add', ['times', 'shift'], ['normal'], name='e'),
        helper.make_node('Conv', given, ['maps'], name='f', **options),
        helper.make_node('GlobalMaxPool', ['normal' if shared else 'maps'], ['g'], name='h'),
        helper.make_node('Flatten', ['maps'], ['vectors'], name='g'),
    ]
    entry = helper.make_tensor_value_info('images', TensorProto.UINT8, ['n', *size, 3])
    answer = helper.make_tensor_value_info('vectors', TensorProto.FLOAT, ['n', None])
    body = helper.make_graph(made, 'toy', [entry], [answer], values)
    return helper.make_model(body, opset_imports=[helper.make_opsetid('', 18)], ir_version=8)


@pytest.mark.parametrize('flip', [True, False])
@pytest.mark.parametrize(
    ('size', 'kernel', 'stride', 'padding', 'bias'),
    [
        ((33, 18), 3, 2, 1, False),
        ((32, 16), 3, 2, 1, True),
        ((32, 16), 7, 2, 3, False),
        ((31, 17), 3, 1, 1, True),
        ((32, 16), 4, 4, 0, False),
        ((32, 16), 5, 3, 2, True),
    ],
)
def test_a_convolution_of_bytes_answers_as_one_of_normalised_pixels(
    size, kernel, stride, padding, bias, flip
):
    """At the borders, too, where it pads with what is zero only after normalisation."""
    plain = convolution(size, kernel, stride, padding, flip, bias)
    images = np.random.default_rng(1).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    wanted = Runner(plain, 1)(images)
    changed = onnx.ModelProto()
    changed.CopyFrom(plain)
    assert fed_bytes(changed)
    kinds = [node.op_type for node in changed.graph.node]
    assert not {'Mul', 'Add'} & set(kinds)
    np.testing.assert_allclose(Runner(changed, 1)(images), wanted, atol=2e-4)
    np.testing.assert_allclose(Runner(changed, 1)(images[:1]), wanted[:1], atol=2e-4)


@pytest.mark.parametrize('how', [{'groups': 3}, {'shared': True}])
def test_a_graph_that_begins_otherwise_is_left_alone(how):
    plain = convolution(**how)
    before = plain.SerializeToString()
    assert not fed_bytes(plain)
    assert plain.SerializeToString() == before


def test_a_cpu_multiplies_the_bytes_of_the_camera(cpu):
    first, made, values = nodes(cpu, 'Conv')[0], makers(cpu), constants(cpu)
    wide = made[first.input[0]]
    assert wide.op_type == 'DequantizeLinear'
    assert values[wide.input[1]] == 1
    assert values[wide.input[2]] == 0
    assert values[wide.input[2]].dtype == np.uint8
    name, kinds = wide.input[0], []
    while name in made:
        kinds.append(made[name].op_type)
        name = made[name].input[-1 if made[name].op_type == 'Concat' else 0]
    assert set(kinds) == {'Transpose', 'Concat'}
    assert name == 'images'


@pytest.mark.parametrize(('which', 'kind'), [('cpu', np.uint8), ('tensorrt', np.int8)])
def test_activations_and_weights_are_what_the_machine_wants(request, which, kind):
    found = request.getfixturevalue(which)
    made, values = makers(found), constants(found)
    assert nodes(found, 'Conv')
    for node in nodes(found, 'Conv') + nodes(found, 'Gemm'):
        activation, weight = (made[name] for name in node.input[:2])
        assert activation.op_type == weight.op_type == 'DequantizeLinear'
        assert values[activation.input[2]].dtype == kind
        assert values[weight.input[0]].dtype == np.int8
        channels = len(values[weight.input[0]])
        assert values[weight.input[1]].shape == (channels,), 'one scale for all channels'
        assert not values[weight.input[2]].any()
        if kind == np.int8:
            assert values[activation.input[2]] == 0
    others = {node.op_type for node in found.graph.node} - {'QuantizeLinear', 'DequantizeLinear'}
    for node in found.graph.node:
        if node.op_type not in ('Conv', 'Gemm', 'Add', 'Relu', 'QuantizeLinear'):
            inputs = [made[name].op_type for name in node.input if name in made]
            assert node.op_type == 'ReduceMean' or 'DequantizeLinear' not in inputs
    assert others >= {'Conv', 'Gemm', 'ReduceMean'}


def test_tensorrt_finds_nothing_between_what_it_fuses(tensorrt):
    for node in nodes(tensorrt, 'QuantizeLinear'):
        source = makers(tensorrt)[node.input[0]]
        assert source.op_type in ('Relu', 'Add', 'ReduceMean'), source.op_type
    assert len(nodes(tensorrt, 'Relu')) == 3


@pytest.mark.parametrize('which', ['cpu', 'tensorrt'])
@pytest.mark.parametrize('number', [1, 2, 5])
def test_8_bits_take_any_batch_and_stay_close(request, graph, crops, which, number):
    found = Runner(request.getfixturevalue(which), 1)(crops[:number])
    wanted = Runner(graph, 1)(crops[:number])
    alone = Runner(request.getfixturevalue(which), 1)(crops[:1])
    np.testing.assert_allclose(found[:1], alone, atol=1e-5)
    assert np.abs(found - wanted).max() < 0.1 * np.abs(wanted).max()


@pytest.mark.parametrize('which', ['cpu', 'tensorrt'])
def test_the_mean_vector_of_the_crops_is_kept(request, graph, crops, which):
    found = Runner(request.getfixturevalue(which), 1)(crops)
    np.testing.assert_allclose(found.mean(0), Runner(graph, 1)(crops).mean(0), atol=1e-4)


def test_quantising_leaves_the_graph_as_it_is_and_is_repeatable(graph, crops, cpu):
    before = graph.SerializeToString()
    again = int8(graph, crops)
    assert graph.SerializeToString() == before
    assert again.SerializeToString(deterministic=True) == cpu.SerializeToString(deterministic=True)


def test_clips_are_quantised_too(crops):
    plain = export.graph(toys.network(temporal='attention'), clip=2)
    clips = crops.reshape(-1, 2, *crops.shape[1:])
    found = int8(plain, clips)
    wanted = Runner(plain, 1)(clips[:3])
    assert np.abs(Runner(found, 1)(clips[:3]) - wanted).max() < 0.1 * np.abs(wanted).max()


def products():
    """A graph whose weights stand in products of matrices, as those of a transformer."""
    weight = numpy_helper.from_array(np.ones((12, 8), np.float32), 'w')
    made = [
        helper.make_node('Cast', ['images'], ['float'], to=TensorProto.FLOAT),
        helper.make_node('Flatten', ['float'], ['flat']),
        helper.make_node('MatMul', ['flat', 'w'], ['vectors']),
    ]
    entry = helper.make_tensor_value_info('images', TensorProto.UINT8, ['n', 2, 2, 3])
    answer = helper.make_tensor_value_info('vectors', TensorProto.FLOAT, ['n', 8])
    return helper.make_model(helper.make_graph(made, 'toy', [entry], [answer], [weight]))


@pytest.mark.parametrize(
    ('make', 'number', 'words'),
    [
        (products, 4, 'only 0% of the weights are those of convolutions.*export fp16'),
        (convolution, 0, 'no crops to calibrate'),
    ],
)
def test_what_cannot_become_8_bits_is_told(crops, make, number, words):
    with pytest.raises(ExportError, match=words):
        int8(make(), crops[:number])


def test_stored_halves_are_half_the_file_and_compute_in_full(graph, crops):
    found = stored_half(graph)
    sizes = [len(model.SerializeToString()) for model in (found, graph)]
    assert sizes[0] < 0.55 * sizes[1]
    wanted = Runner(graph, 1)(crops)
    np.testing.assert_allclose(Runner(found, 1)(crops), wanted, atol=5e-3 * np.abs(wanted).max())
    full = [e for e in found.graph.initializer if e.data_type == TensorProto.FLOAT]
    assert full, 'short vectors of weights are not worth a node'
    for entry in full:
        assert np.prod(entry.dims) < 256


def test_16_bit_arithmetic_has_no_32_bit_weights(graph, crops):
    found = half(graph)
    assert all(entry.data_type != TensorProto.FLOAT for entry in found.graph.initializer)
    wanted = Runner(graph, 1)(crops)
    answer = Runner(found, 1)(crops)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, wanted, atol=2e-2 * np.abs(wanted).max())


@pytest.mark.parametrize('lower', [stored_half, half])
def test_weights_that_16_bits_cannot_hold_are_refused(graph, lower):
    changed = onnx.ModelProto()
    changed.CopyFrom(graph)
    entry = next(e for e in changed.graph.initializer if np.prod(e.dims) > 256)
    values = numpy_helper.to_array(entry) * 1e7
    entry.CopyFrom(numpy_helper.from_array(values, entry.name))
    with pytest.raises(ExportError, match=f'{entry.name} holds .* too large for 16 bits'):
        lower(changed)
