"""A tiny real gait network in its two graphs, with a card, written as files."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS, ROWS, COLUMNS = 4, 16, 11
LENGTH = 24
"""Length of the vector: of each of 8 horizontal strips and 3 numbers."""


def _save(path, nodes, given, answered, constants):
    graph = helper.make_graph(nodes, 'gait', [given], [answered], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return Path(path)


def _value(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, list(shape))


def frames(path, seed=0):
    """A strided convolution over masks: (n, 64, 44) uint8 to (n, 4, 16, 11) float32."""
    draw = np.random.RandomState(seed)
    weights = draw.randn(CHANNELS, 1, 4, 4).astype(np.float32) * 0.3
    nodes = [
        helper.make_node('Cast', ['masks'], ['wide'], to=TensorProto.FLOAT),
        helper.make_node('Div', ['wide', 'most'], ['share']),
        helper.make_node('Unsqueeze', ['share', 'axis'], ['image']),
        helper.make_node('Conv', ['image', 'w'], ['raw'], strides=[4, 4]),
        helper.make_node('LeakyRelu', ['raw'], ['features'], alpha=0.1),
    ]
    return _save(
        path,
        nodes,
        _value('masks', TensorProto.UINT8, 'n', 64, 44),
        _value('features', TensorProto.FLOAT, 'n', CHANNELS, ROWS, COLUMNS),
        [
            numpy_helper.from_array(weights, 'w'),
            numpy_helper.from_array(np.float32(255.0), 'most'),
            numpy_helper.from_array(np.array([1], np.int64), 'axis'),
        ],
    )


def head(path, seed=0, channels=CHANNELS, unit=True):
    """Horizontal strips of features to a unit vector: (n, 4, 16, 11) to (n, 24) float32."""
    draw = np.random.RandomState(seed + 1)
    weights = draw.randn(channels * 8, LENGTH).astype(np.float32)
    nodes = [
        helper.make_node(
            'AveragePool', ['features'], ['strips'],
            kernel_shape=[2, COLUMNS], strides=[2, COLUMNS],
        ),
        helper.make_node('Flatten', ['strips'], ['flat']),
        helper.make_node('MatMul', ['flat', 'w'], ['raw' if unit else 'vector']),
    ]  # fmt: skip
    if unit:
        nodes.append(helper.make_node('LpNormalization', ['raw'], ['vector'], axis=1, p=2))
    return _save(
        path,
        nodes,
        _value('features', TensorProto.FLOAT, 'n', channels, ROWS, COLUMNS),
        _value('vector', TensorProto.FLOAT, 'n', LENGTH),
        [numpy_helper.from_array(weights, 'w')],
    )


def card(name='walk', **entries):
    """The mapping of the card's JSON file."""
    return {
        'name': name,
        'kind': 'gait',
        'file': f'{name}.onnx',
        'head': f'{name}_head.onnx',
        'input': {
            'layout': 'NHW', 'height': 64, 'width': 44, 'dtype': 'uint8',
            **entries.pop('input', {}),
        },
        'output': {'vector': LENGTH},
        **entries,
    }  # fmt: skip


def write(folder, name='walk', seed=0, **entries):
    """Both graphs and their card in a folder; returns the path of the first graph."""
    head(folder / f'{name}_head.onnx', seed)
    (folder / f'{name}.json').write_text(json.dumps(card(name, **entries)))
    return frames(folder / f'{name}.onnx', seed)
