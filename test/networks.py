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
