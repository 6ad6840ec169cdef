"""Graphs of half the bytes: 16-bit weights, with or without 16-bit arithmetic.

On a CPU only the weights should be halved. ONNX Runtime widens them once, while it loads, so the
file is half as large and the network as fast as before (0.585 ms a crop, both); with 16-bit
arithmetic it widens and narrows around every operator instead (0.73 ms; 3 times slower in 1.15).
Measured with mobile_s on 128 x 64 pixels, batch 8, one thread of a Zen 4.
"""

from __future__ import annotations

import copy

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from reid_ros.train.export import OUTPUT, ExportError

SMALL = 256
"""Weights of fewer numbers stay as they are: a graph node more costs more bytes than they do."""
_LARGEST = float(np.finfo(np.float16).max)


def stored_half(found: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with its weights stored in 16 bits; it computes in 32.

    Raises:
        ExportError: a weight is too large for 16 bits.
    """
    result = copy.deepcopy(found)
    widened = []
    for entry in result.graph.initializer:
        if entry.data_type == TensorProto.FLOAT and np.prod(entry.dims) >= SMALL:
            name = entry.name
            entry.CopyFrom(numpy_helper.from_array(_halved(entry), f'{name}.half'))
            widened.append(
                helper.make_node('Cast', [f'{name}.half'], [name], to=TensorProto.FLOAT)
            )
    nodes = list(result.graph.node)
    del result.graph.node[:]
    result.graph.node.extend([*widened, *nodes])
    onnx.checker.check_model(result, full_check=True)
    return result


def half(found: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with weights and arithmetic in 16 bits, pixels in bytes, vectors in 32 bits.

    For TensorRT, which from version 11 on takes the precision from the graph alone, and for CUDA.

    Raises:
        ExportError: a weight is too large for 16 bits.
    """
    result = copy.deepcopy(found)
    for entry in result.graph.initializer:
        if entry.data_type == TensorProto.FLOAT:
            entry.CopyFrom(numpy_helper.from_array(_halved(entry), entry.name))
    for node in result.graph.node:
        for attribute in node.attribute:
            if (node.op_type, attribute.name, attribute.i) == ('Cast', 'to', TensorProto.FLOAT):
                attribute.i = TensorProto.FLOAT16
            tensor = attribute.t
            if attribute.HasField('t') and tensor.data_type == TensorProto.FLOAT:
                tensor.CopyFrom(numpy_helper.from_array(_halved(tensor), tensor.name))
        for k, name in enumerate(node.output):
            if name == OUTPUT:
                node.output[k] = f'{OUTPUT}.half'
    result.graph.node.append(
        helper.make_node('Cast', [f'{OUTPUT}.half'], [OUTPUT], to=TensorProto.FLOAT)
    )
    onnx.checker.check_model(result, full_check=True)
    return result


def _halved(entry: TensorProto) -> np.typing.NDArray[np.float16]:
    values = numpy_helper.to_array(entry)
    largest = float(np.abs(values).max(initial=0.0))
    if not largest <= _LARGEST:
        raise ExportError(f'{entry.name} holds {largest:.3g}, too large for 16 bits: export fp32')
    result: np.typing.NDArray[np.float16] = values.astype(np.float16)
    return result
