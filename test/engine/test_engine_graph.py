import networks
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from samples import data

from reid_ros.card import HEAD, Card, Input, Output, card_of
from reid_ros.engine import native, proof, wire
from reid_ros.engine.error import EngineError
from reid_ros.engine.graph import FLOAT, HALF, Graph, arithmetic, quantised_for_a_cpu
from reid_ros.fit import Port, ports
from reid_ros.session import open_session

CPU = ['CPUExecutionProvider']


@pytest.mark.parametrize(
    'name',
    [
        'osnet_x0_25_msmt17.onnx',
        'yolox_nano_416x416.onnx',
    ],
)
def test_a_real_network_computes_in_16_bits_what_it_did_in_32(name):
    path = data('models', name)
    made, kind = native.prepared(path, 'fp16')
    assert kind == 'half'
    assert len(made) < 0.6 * path.stat().st_size
    onnx.checker.check_model(onnx.load_from_string(made), full_check=True)
    wide, half = (open_session(source, CPU, plain=True) for source in (path, made))
    assert [o.type for o in half.get_outputs()] == [o.type for o in wide.get_outputs()]
    card, inputs = card_of(path), ports(wide.get_inputs())
    feeds = proof.pictures(inputs, card, inputs[0].shape[0] or 2)
    names = [o.name for o in wide.get_outputs()]
    found = proof.differences(names, wide.run(names, feeds), half.run(names, feeds), card, kind)
    assert all(one.passes for one in found), found
    assert max(one.error for one in found) > 1e-5  # something was rounded indeed


def test_a_network_is_left_as_it_is_where_fp32_is_asked_for(tmp_path):
    path = networks.convolutions(tmp_path / 'toy.onnx')
    assert native.prepared(path, 'fp32') == (path.read_bytes(), 'float')


@pytest.mark.parametrize('name', ['osnet_x0_25_msmt17.onnx', 'seg_selfie_segmentation.onnx'])
def test_a_file_is_written_back_as_it_was_read(name):
    content = data('models', name).read_bytes()
    assert wire.write(wire.parse(content)) == content
    read = onnx.load_from_string(Graph(content).write())
    onnx.checker.check_model(read)
    assert len(read.graph.node) == len(onnx.load_from_string(content).graph.node)


numbers = st.integers(0, 2**64 - 1)
fields = st.one_of(
    st.tuples(st.integers(1, 2**20), st.just(wire.VARINT), numbers),
    st.tuples(st.integers(1, 2**20), st.just(wire.BYTES), st.binary(max_size=300)),
    st.tuples(st.integers(1, 2**20), st.just(wire.FIXED32), st.binary(min_size=4, max_size=4)),
    st.tuples(st.integers(1, 2**20), st.just(wire.FIXED64), st.binary(min_size=8, max_size=8)),
)


@settings(max_examples=40)
@given(st.lists(fields, max_size=8))
def test_every_message_is_read_as_it_was_written(content):
    message = [wire.Field(*one) for one in content]
    assert wire.parse(wire.write(message)) == message


@settings(max_examples=40)
@given(st.binary(max_size=40))
def test_bytes_that_are_no_message_are_refused_in_words(content):
    try:
        wire.parse(content)
    except EngineError as error:
        assert 'no ONNX network' in str(error)  # noqa: PT017


def save(path, nodes, constants, inputs, outputs, opset=17):
    graph = helper.make_graph(nodes, 'test', inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def weights(name, *shape, seed=0, scale=0.1):
    values = np.random.RandomState(seed).randn(*shape).astype(np.float32) * scale
    return numpy_helper.from_array(values, name)


def halves(made):
    """Operator -> number types of its first output, of a written network."""
    types = native.tensor_types(Graph(made))
    found = {}
    for node in onnx.load_from_string(made).graph.node:
        found.setdefault(node.op_type, []).append(types[node.output[0]])
    return found


def test_only_what_lies_between_the_first_and_the_last_product_is_halved(tmp_path):
    """Pixels before and boxes behind stay in 32 bits, and so do sums over many numbers."""
    nodes = [
        helper.make_node('Sub', ['image', 'mean'], ['a']),
        helper.make_node('Conv', ['a', 'w1'], ['b']),
        helper.make_node('Relu', ['b'], ['c']),
        helper.make_node('ReduceMean', ['c'], ['m'], axes=[2, 3], keepdims=1),
        helper.make_node('Mul', ['c', 'm'], ['d']),
        helper.make_node('Conv', ['d', 'w2'], ['e']),
        helper.make_node('Mul', ['e', 'stride'], ['boxes']),
    ]
    constants = [
        weights('w1', 4, 3, 1, 1), weights('w2', 4, 4, 1, 1),
        numpy_helper.from_array(np.float32(100), 'mean'),
        numpy_helper.from_array(np.float32(640), 'stride'),
    ]  # fmt: skip
    path = save(
        tmp_path / 'toy.onnx', nodes, constants,
        [value('image', ['n', 3, 4, 4])], [value('boxes', ['n', 4, 4, 4])],
    )  # fmt: skip
    made, kind = native.prepared(path, 'fp16')
    found = halves(made)
    assert kind == 'half'
    assert found['Conv'] == [HALF, HALF]
    assert found['Relu'] == [HALF]
    assert found['Sub'] == [FLOAT]
    assert found['ReduceMean'] == [FLOAT]
    assert found['Mul'] == [HALF, FLOAT]


def test_a_size_that_must_stay_wide_stays_wide(tmp_path):
    nodes = [
        helper.make_node('Conv', ['image', 'w'], ['a']),
        helper.make_node('Resize', ['a', '', 'scales'], ['b'], mode='nearest'),
        helper.make_node('Conv', ['b', 'w2'], ['c']),
    ]
    constants = [
        weights('w', 3, 3, 1, 1), weights('w2', 3, 3, 1, 1),
        numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), 'scales'),
    ]  # fmt: skip
    path = save(
        tmp_path / 'toy.onnx', nodes, constants,
        [value('image', ['n', 3, 4, 4])], [value('c', ['n', 3, 8, 8])],
    )  # fmt: skip
    made, _ = native.prepared(path, 'fp16')
    onnx.checker.check_model(onnx.load_from_string(made), full_check=True)
    assert halves(made)['Resize'] == [HALF]


def test_weights_that_16_bits_cannot_hold_stay_wide(tmp_path):
    nodes = [
        helper.make_node('Conv', ['image', 'w'], ['a']),
        helper.make_node('Conv', ['a', 'w2'], ['b']),
    ]
    constants = [weights('w', 3, 3, 1, 1, scale=1e6), weights('w2', 3, 3, 1, 1)]
    path = save(
        tmp_path / 'toy.onnx', nodes, constants,
        [value('image', ['n', 3, 4, 4])], [value('b', ['n', 3, 4, 4])],
    )  # fmt: skip
    made, _ = native.prepared(path, 'fp16')
    assert halves(made)['Conv'] == [FLOAT, HALF]


def test_a_branch_may_take_any_tensor_and_finds_it_in_32_bits(tmp_path):
    """A nested graph does not say outside what it takes."""
    inner = helper.make_graph(
        [helper.make_node('Mul', ['a', 'a'], ['twice'])], 'then', [],
        [value('twice', ['n', 3, 4, 4])],
    )  # fmt: skip
    other = helper.make_graph(
        [helper.make_node('Identity', ['a'], ['same'])], 'else', [],
        [value('same', ['n', 3, 4, 4])],
    )  # fmt: skip
    nodes = [
        helper.make_node('Conv', ['image', 'w'], ['a']),
        helper.make_node('If', ['yes'], ['b'], then_branch=inner, else_branch=other),
        helper.make_node('Conv', ['b', 'w2'], ['c']),
    ]
    constants = [
        weights('w', 3, 3, 1, 1), weights('w2', 3, 3, 1, 1),
        numpy_helper.from_array(np.array(True), 'yes'),
    ]  # fmt: skip
    path = save(
        tmp_path / 'toy.onnx', nodes, constants,
        [value('image', ['n', 3, 4, 4])], [value('c', ['n', 3, 4, 4])],
    )  # fmt: skip
    made, _ = native.prepared(path, 'fp16')
    image = np.random.default_rng(0).normal(size=(1, 3, 4, 4)).astype(np.float32)
    wide, half = (open_session(s, CPU).run(None, {'image': image})[0] for s in (path, made))
    np.testing.assert_allclose(half, wide, atol=0.01 * np.abs(wide).max())


@pytest.mark.parametrize('precision', ['fp16', 'fp32'])
def test_weights_and_biases_reach_tensorrt_stored_and_not_computed(tmp_path, precision):
    """`export --precision fp16` stores halves and widens them; others write constants as nodes."""
    half = numpy_helper.from_array(np.full((3, 3, 1, 1), 0.5, np.float16), 'w.half')
    bias = numpy_helper.from_array(np.arange(3, dtype=np.float32))
    nodes = [
        helper.make_node('Cast', ['w.half'], ['w'], to=TensorProto.FLOAT),
        helper.make_node('Constant', [], ['bias'], value=bias),
        helper.make_node('Conv', ['image', 'w', 'bias'], ['a']),
    ]
    path = save(
        tmp_path / 'toy.onnx', nodes, [half],
        [value('image', ['n', 3, 4, 4])], [value('a', ['n', 3, 4, 4])],
    )  # fmt: skip
    made, _ = native.prepared(path, precision)
    model = onnx.load_from_string(made)
    onnx.checker.check_model(model, full_check=True)
    (conv,) = (n for n in model.graph.node if n.op_type == 'Conv')
    assert set(conv.input[1:]) <= {entry.name for entry in model.graph.initializer}
    image = np.random.default_rng(0).normal(size=(1, 3, 4, 4)).astype(np.float32)
    wide, other = (open_session(s, CPU).run(None, {'image': image})[0] for s in (path, made))
    np.testing.assert_allclose(other, wide, atol=0.01 if precision == 'fp16' else 1e-6)


@pytest.mark.parametrize('precision', ['fp16', 'fp32'])
def test_bytes_are_cast_before_anything_else_takes_them(tmp_path, precision):
    """As our exports begin: TensorRT takes bytes as an input, and only a cast may touch them."""
    names = ('starts', 'ends', 'axes', 'steps')
    limits = zip(names, (-1, -9, 1, -1))
    nodes = [
        helper.make_node('Transpose', ['image'], ['a'], perm=[0, 3, 1, 2]),
        helper.make_node('Slice', ['a', *names], ['b']),
        helper.make_node('Cast', ['b'], ['c'], to=TensorProto.FLOAT),
        helper.make_node('Mul', ['c', 'scale'], ['d']),
        helper.make_node('Conv', ['d', 'w'], ['e']),
    ]
    constants = [
        weights('w', 4, 3, 1, 1), numpy_helper.from_array(np.float32(1 / 255), 'scale'),
        *(numpy_helper.from_array(np.array([v], np.int64), name) for name, v in limits),
    ]  # fmt: skip
    path = save(
        tmp_path / 'toy.onnx', nodes, constants,
        [value('image', ['n', 4, 4, 3], TensorProto.UINT8)], [value('e', ['n', 4, 4, 4])],
    )  # fmt: skip
    made, _ = native.prepared(path, precision)
    model = onnx.load_from_string(made)
    onnx.checker.check_model(model, full_check=True)
    takers = [node.op_type for node in model.graph.node if 'image' in node.input]
    assert takers == ['Cast']
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    image = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    wide, other = (open_session(s, CPU).run(None, {'image': image})[0] for s in (path, made))
    np.testing.assert_allclose(other, wide, atol=0.005 if precision == 'fp16' else 1e-6)


def test_an_old_file_that_names_its_weights_as_inputs_keeps_one_input(tmp_path):
    path = networks.convolutions(tmp_path / 'toy.onnx')
    model = onnx.load(path)
    model.ir_version = 3
    for entry in model.graph.initializer:
        model.graph.input.append(value(entry.name, list(entry.dims)))
    onnx.checker.check_model(model)
    onnx.save(model, path)
    made, kind = native.prepared(path, 'fp16')
    assert kind == 'half'
    onnx.checker.check_model(onnx.load_from_string(made), full_check=True)
    assert [i.name for i in open_session(made, CPU).get_inputs()] == ['image']


def quantised(path, zero):
    scale = numpy_helper.from_array(np.float32(0.05), 's')
    point = numpy_helper.from_array(zero, 'z')
    nodes = []
    for name in ('image', 'w'):
        nodes += [
            helper.make_node('QuantizeLinear', [name, 's', 'z'], [f'{name}.q']),
            helper.make_node('DequantizeLinear', [f'{name}.q', 's', 'z'], [f'{name}.d']),
        ]
    nodes.append(helper.make_node('Conv', ['image.d', 'w.d'], ['a']))
    return save(
        path, nodes, [weights('w', 3, 3, 1, 1), scale, point],
        [value('image', ['n', 3, 4, 4])], [value('a', ['n', 3, 4, 4])],
    )  # fmt: skip


def test_a_symmetric_8_bit_network_is_built_as_it_is(tmp_path):
    path = quantised(tmp_path / 'toy.onnx', np.int8(0))
    made, kind = native.prepared(path, 'fp16')
    assert (made, kind) == (path.read_bytes(), 'int8')


@pytest.mark.parametrize('zero', [np.uint8(0), np.uint8(128), np.int8(3)])
def test_8_bits_for_a_cpu_are_refused_with_the_way_out(tmp_path, zero):
    path = quantised(tmp_path / 'toy.onnx', zero)
    assert quantised_for_a_cpu(Graph(path.read_bytes()))
    with pytest.raises(EngineError, match=r'toy\.onnx is quantised for a CPU.*int8-tensorrt'):
        native.prepared(path, 'fp16')


def test_weights_in_another_file_are_refused(tmp_path):
    model = onnx.load(networks.convolutions(tmp_path / 'toy.onnx'))
    path = tmp_path / 'apart.onnx'
    onnx.save(model, path, save_as_external_data=True, size_threshold=0, location='apart.bin')
    with pytest.raises(EngineError, match='weights in another file'):
        native.prepared(path, 'fp16')


def test_arithmetic_is_counted_by_number_type(tmp_path):
    graph = Graph(networks.convolutions(tmp_path / 'toy.onnx').read_bytes())
    assert arithmetic(graph, native.tensor_types(graph)) == {'float': 3}


@pytest.mark.parametrize(
    ('entry', 'shape'),
    [
        ({}, (None, 3, 32, 16)),
        ({'layout': 'NHWC', 'dtype': 'uint8'}, (None, 32, 16, 3)),
        ({'mean': [100, 110, 120], 'std': [50] * 3}, (None, 3, 32, 16)),
        ({'layout': 'NHWC', 'mean': [100, 110, 120], 'std': [50] * 3}, (None, 32, 16, 3)),
    ],
)
def test_pictures_differ_from_one_another_and_not_from_call_to_call(entry, shape):
    card = Card.of(networks.appearance(input={'height': 32, 'width': 16, **entry}))
    inputs = (Port('image', shape, card.input.dtype),)
    first, again = (proof.pictures(inputs, card, 3)['image'] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (3, *shape[1:])
    wide = first.astype(np.float64)
    assert wide.reshape(3, -1).std(axis=0).mean() > 0.1 * wide.std()
    if 'mean' in entry:
        assert -3 < wide.mean() < 3


def test_features_of_any_number_of_channels_and_masks_have_pictures_too():
    """As the head of a gait network takes them, and its first graph."""
    output = Output(vector=8)
    spec = Input(height=16, width=11, channels=40)
    head = Card(name='h', kind=HEAD, file='h.onnx', input=spec, output=output)
    spec = Input(layout='NHW', height=64, width=44, dtype='uint8')
    masks = Card(name='g', kind='gait', file='g.onnx', head='h.onnx', input=spec, output=output)
    for card, shape in ((head, (40, 16, 11)), (masks, (64, 44))):
        found = proof.pictures((Port('x', (None, *shape), 'float32'),), card, 2)['x']
        assert found.shape == (2, *shape)
        assert np.isfinite(found).all()
        assert found.std() > 0.1
    assert proof.pictures((Port('x', (None, 40, 16, 11), 'float32'),), head, 2)['x'].max() <= 1
