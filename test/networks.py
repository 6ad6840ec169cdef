"""Tiny real networks, written as ONNX files."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {
    'float32': TensorProto.FLOAT,
    'float16': TensorProto.FLOAT16,
    'uint8': TensorProto.UINT8,
    'int64': TensorProto.INT64,
}


def _save(path, nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, 'test', inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return Path(path)


def _value(name, kind, shape):
    return helper.make_tensor_value_info(name, TYPES[kind], shape)


def means(
    path, *, batch=1, height=8, width=4, layout='NCHW', dtype='float32', channels=3, frames=0
):
    """A network that answers the mean of each colour, of images or clips: (n, 3) float32."""
    size = (channels, height, width) if layout == 'NCHW' else (height, width, channels)
    axes = [2, 3] if layout == 'NCHW' else [1, 2]
    if frames:
        size, axes = (frames, *size), [1, *[axis + 1 for axis in axes]]
    nodes = [
        helper.make_node('Cast', ['image'], ['wide'], to=TensorProto.FLOAT),
        helper.make_node('ReduceMean', ['wide'], ['vector'], axes=axes, keepdims=0),
    ]
    return _save(
        path,
        nodes,
        [_value('image', dtype, [batch, *size])],
        [_value('vector', 'float32', [batch, channels])],
        [],
    )


def alone(path):
    """As `means`, of a batch that is free by what the file says, but two images make it fail."""
    network = onnx.load(means(path, batch='n'))
    network.graph.node[-1].output[0] = 'any'
    network.graph.initializer.append(numpy_helper.from_array(np.array([1, 3], np.int64), 'rows'))
    network.graph.node.append(helper.make_node('Reshape', ['any', 'rows'], ['vector']))
    onnx.save(network, str(path))
    return Path(path)


def convolutions(path, *, batch='n', height=32, width=16, length=24, seed=0):
    """A small convolutional network with random weights that answers (n, length) vectors."""
    draw = np.random.RandomState(seed)

    def weights(name, *shape):
        return numpy_helper.from_array(draw.randn(*shape).astype(np.float32) * 0.1, name)

    nodes = [
        helper.make_node('Conv', ['image', 'w1'], ['a'], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node('Relu', ['a'], ['b']),
        helper.make_node('Conv', ['b', 'w2'], ['c'], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node('GlobalAveragePool', ['c'], ['d']),
        helper.make_node('Flatten', ['d'], ['e']),
        helper.make_node('Gemm', ['e', 'w3', 'bias'], ['vector'], transB=1),
    ]
    return _save(
        path,
        nodes,
        [_value('image', 'float32', [batch, 3, height, width])],
        [_value('vector', 'float32', [batch, length])],
        [
            weights('w1', 16, 3, 3, 3),
            weights('w2', 32, 16, 3, 3),
            weights('w3', length, 32),
            weights('bias', length),
        ],
    )


def constant(path, outputs, *, height=64, width=64, batch=1, extra=()):
    """A network that answers the given arrays whatever it sees.

    Args:
        path: file to write.
        outputs: name -> array with the batch axis.
        height, width: of the image input.
        batch: size of the batch, a name for a free one.
        extra: further inputs as (name, type, length); answered as output `seen_NAME`.
    """
    nodes, constants, values = [], [], []
    nodes.append(helper.make_node('ReduceMean', ['image'], ['mean'], keepdims=0))
    constants.append(numpy_helper.from_array(np.float32(0), 'zero'))
    nodes.append(helper.make_node('Mul', ['mean', 'zero'], ['nothing']))
    for name, array in outputs.items():
        constants.append(numpy_helper.from_array(array, f'{name}_value'))
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        nodes.append(helper.make_node('Cast', ['nothing'], [f'{name}_zero'], to=kind))
        nodes.append(helper.make_node('Add', [f'{name}_value', f'{name}_zero'], [name]))
        values.append(helper.make_tensor_value_info(name, kind, array.shape))
    inputs = [_value('image', 'float32', [batch, 3, height, width])]
    for name, kind, length in extra:
        inputs.append(_value(name, kind, [batch, length]))
        nodes.append(helper.make_node('Identity', [name], [f'seen_{name}']))
        values.append(_value(f'seen_{name}', kind, [batch, length]))
    return _save(path, nodes, inputs, values, constants)


PALETTE = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]], np.float32)
"""Red, green and blue of the six people whom `blobs` knows, 0 or 1."""


def blobs(path, *, height=96, width=128, batch='n', layout='NCHW', dtype='uint8', least=30):
    """A search network that finds, for each colour of PALETTE, the box of its pixels.

    Scores say how much of the box has the colour, and are 0 where fewer than `least` pixels have
    it; vectors are mean colours. All of it is computed from the pixels: (n, 6, 4), (n, 6),
    (n, 6, 3).
    """
    node = helper.make_node
    across, down = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    chroma = PALETTE - PALETTE.mean(axis=1, keepdims=True)
    constants = {
        'full': np.float32(255), 'half': np.float32(0.5), 'one': np.float32(1),
        'none': np.float32(0), 'far': np.float32(1e4), 'low': np.float32(-1e4),
        'clear': np.float32(0.2), 'least': np.float32(least), 'top': np.float32(0.95),
        'x': across.reshape(1, 1, width, 1), 'y': down.reshape(1, height, 1, 1),
        'palette': chroma.T, 'axes': np.array([1, 2]), 'last': np.array([2]),
        'rows6': np.array([0, -1, 6]), 'rows3': np.array([0, -1, 3]),
    }  # fmt: skip
    size = (3, height, width) if layout == 'NCHW' else (height, width, 3)
    swap = [0, 2, 3, 1] if layout == 'NCHW' else [0, 1, 2, 3]
    nodes = [
        node('Transpose', ['image'], ['pixels'], perm=swap),
        node('Cast', ['pixels'], ['wide'], to=TensorProto.FLOAT),
        node('Div', ['wide', 'full'], ['colour']),
        node('ReduceMean', ['colour'], ['grey'], axes=[3], keepdims=1),
        node('Sub', ['colour', 'grey'], ['chroma']),
        node('MatMul', ['chroma', 'palette'], ['alike']),
        node('ReduceMax', ['alike'], ['most'], axes=[3], keepdims=1),
        node('Equal', ['alike', 'most'], ['own']),
        node('Greater', ['most', 'clear'], ['sure']),
        node('And', ['own', 'sure'], ['mask']),
        node('Cast', ['mask'], ['ones'], to=TensorProto.FLOAT),
        node('ReduceSum', ['ones', 'axes'], ['count'], keepdims=0),
        node('Greater', ['count', 'least'], ['there']),
    ]
    for name, axis in (('x', 'x'), ('y', 'y')):
        nodes += [
            node('Where', ['mask', axis, 'far'], [f'{name}_low']),
            node('ReduceMin', [f'{name}_low'], [f'{name}0'], axes=[1, 2], keepdims=0),
            node('Where', ['mask', axis, 'low'], [f'{name}_high']),
            node('ReduceMax', [f'{name}_high'], [f'{name}_last'], axes=[1, 2], keepdims=0),
            node('Add', [f'{name}_last', 'one'], [f'{name}1']),
            node('Sub', [f'{name}1', f'{name}0'], [f'{name}_size']),
        ]
        for edge in (f'{name}0', f'{name}1'):
            nodes.append(node('Where', ['there', edge, 'none'], [f'{edge}_or_none']))
            nodes.append(node('Unsqueeze', [f'{edge}_or_none', 'last'], [f'{edge}_column']))
    columns = [f'{edge}_column' for edge in ('x0', 'y0', 'x1', 'y1')]
    nodes += [
        node('Concat', columns, ['boxes'], axis=2),
        node('Mul', ['x_size', 'y_size'], ['area']),
        node('Div', ['count', 'area'], ['fill']),
        node('Min', ['fill', 'top'], ['fill_or_top']),
        node('Where', ['there', 'fill_or_top', 'none'], ['scores']),
        node('Reshape', ['ones', 'rows6'], ['flat']),
        node('Transpose', ['flat'], ['slots'], perm=[0, 2, 1]),
        node('Sub', ['colour', 'half'], ['around']),
        node('Reshape', ['around', 'rows3'], ['looks']),
        node('MatMul', ['slots', 'looks'], ['sums']),
        node('Max', ['count', 'one'], ['number']),
        node('Unsqueeze', ['number', 'last'], ['numbers']),
        node('Div', ['sums', 'numbers'], ['vectors']),
    ]
    return _save(
        path,
        nodes,
        [_value('image', dtype, [batch, *size])],
        [
            _value('boxes', 'float32', [batch, 6, 4]),
            _value('scores', 'float32', [batch, 6]),
            _value('vectors', 'float32', [batch, 6, 3]),
        ],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )


def search(name='toy', **entries):
    """A card of `blobs`, as the mapping of its JSON file."""
    entry = {
        'height': 96, 'width': 128, 'dtype': 'uint8', 'fit': 'letterbox_centre',
        **entries.pop('input', {}),
    }  # fmt: skip
    output = {'decoder': 'search', 'vector': 3, **entries.pop('output', {})}
    return {
        'name': name,
        'kind': 'search',
        'file': f'{name}.onnx',
        'input': entry,
        'output': output,
        **entries,
    }


def appearance(name='toy', **entries):
    """A card of a network that answers vectors, as the mapping of its JSON file."""
    entry = {'height': 8, 'width': 4, **entries.pop('input', {})}
    output = {'vector': 3, **entries.pop('output', {})}
    return {
        'name': name,
        'kind': 'appearance',
        'file': f'{name}.onnx',
        'input': entry,
        'output': output,
        **entries,
    }


def detector(decoder, name='toy', **entries):
    """A card of a detector of 3 classes on 64 x 64 pixels, as the mapping of its JSON file."""
    entry = {'height': 64, 'width': 64, 'order': 'bgr', **entries.pop('input', {})}
    output = {'decoder': decoder, 'classes': 3, **entries.pop('output', {})}
    return {
        'name': name,
        'kind': 'detector',
        'file': f'{name}.onnx',
        'input': entry,
        'output': output,
        **entries,
    }


def write(folder, card):
    """Write a card as JSON; returns its path."""
    path = Path(folder) / f'{card["name"]}.json'
    path.write_text(json.dumps(card))
    return path
