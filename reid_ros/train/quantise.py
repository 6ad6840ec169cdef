"""Graphs of 8-bit integers: quantised after training, calibrated on training crops.

Two kinds, for two machines. ONNX Runtime on a CPU multiplies unsigned activations with signed
weights, each channel with a scale of its own; TensorRT wants both signed and symmetric, which a
CPU runs 2 to 3 times slower.

The graph for a CPU begins as `front` says: pixels are taken for quantised activations as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from reid_ros.train.export import OUTPUT, ExportError, Runner
from reid_ros.train.front import PIXELS, fed_bytes, take_bytes
from reid_ros.types import UInt8Array

OPERATORS = ('Conv', 'Add', 'Relu', 'Gemm')
"""What is quantised. Others lose more than they win; a quantised batched product of matrices even
fails at run time."""
LEAST = 0.5
"""Share of the weights that must become 8 bits, or the trouble is not worth it."""
BATCH = 16
"""Images of one calibration step, whose least and largest activations are found together."""


def int8(
    found: onnx.ModelProto, images: UInt8Array, symmetric: bool = False, centred: bool = True
) -> onnx.ModelProto:
    """The graph with 8-bit weights and activations.

    Args:
        found: in fp32.
        images: (n, h, w, 3) uint8 BGR crops, (n, t, h, w, 3) clips or (n, h, w) masks, to learn
            ranges from.
        symmetric: signed activations around 0, for TensorRT; else unsigned ones, for a CPU.
        centred: whether the answers are vectors, to which what they lost on average is added.

    Raises:
        ExportError: nothing to calibrate on, or hardly anything to quantise.
    """
    if not len(images):
        raise ExportError('there are no crops to calibrate 8 bits on')
    share = _reached(found)
    if share < LEAST:
        raise ExportError(
            f'only {share:.0%} of the weights are those of convolutions; the rest, products of '
            'matrices as in a transformer, stay as they are: export fp16'
        )
    source = copy.deepcopy(found)
    fed = not symmetric and fed_bytes(source)
    # Or the quantiser asks for a treatment that the exporter has given already.
    source.metadata_props.add(key='onnx.quant.pre_process', value='onnxruntime.quant')
    kind = QuantType.QInt8 if symmetric else QuantType.QUInt8
    extra: dict[str, Any] = dict(_TENSORRT if symmetric else _CPU)
    if fed:
        exact = {'scale': np.array(1, np.float32), 'zero_point': np.array(0, np.uint8)}
        extra['TensorQuantOverrides'] = {PIXELS: [{**exact, 'quant_type': kind}]}
    with TemporaryDirectory(prefix='reid_ros_') as folder:
        path = Path(folder) / 'quantised.onnx'
        quantize_static(
            source,
            path,
            _Reader(images, source.graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=['Conv', 'Gemm'] if symmetric else list(OPERATORS),
            nodes_to_exclude=_constant_sums(source),
            per_channel=True,
            activation_type=kind,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options=extra,
        )
        result = onnx.load(path)
    if fed:
        take_bytes(result)
    if centred:
        _centre(found, result, images)
    del result.metadata_props[:]
    del result.graph.value_info[:]
    result.producer_name, result.producer_version = found.producer_name, found.producer_version
    onnx.checker.check_model(result, full_check=True)
    return result


# TensorRT adds and rectifies within its convolutions, as long as nothing is quantised in between:
# only what a convolution takes is, not what it gives (TensorRT developer guide, 'Q/DQ layer-
# placement recommendations'); it adds a bias in floats.
_TENSORRT = {
    'ActivationSymmetric': True,
    'WeightSymmetric': True,
    'QuantizeBias': False,
    'OpTypesToExcludeOutputQuantization': ['Conv', 'Gemm'],
    'CalibMovingAverage': True,
}
# Vectors stay as exact as they come. A range is the mean over batches of the least and largest
# value: the extremes of all crops would widen it for rare outliers (mobile_s after 400 steps on
# the world: rank-1 lost 1.1 points, won 0.25 with means).
_CPU = {'OpTypesToExcludeOutputQuantization': ['Gemm'], 'CalibMovingAverage': True}


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands out images, some at a time."""

    def __init__(self, images: UInt8Array, given: str) -> None:
        self._given = given
        starts = range(0, len(images), BATCH)
        self._parts: Iterator[UInt8Array] = (images[k : k + BATCH] for k in starts)

    def get_next(self) -> dict[str, UInt8Array] | None:
        """The next batch, None after the last."""
        part = next(self._parts, None)
        return None if part is None else {self._given: part}


def _reached(found: onnx.ModelProto) -> float:
    """Share of the weights that belong to convolutions and linear layers."""
    sizes = {entry.name: int(np.prod(entry.dims)) for entry in found.graph.initializer}
    own = {n.input[1] for n in found.graph.node if n.op_type in ('Conv', 'Gemm')}
    return sum(sizes.get(name, 0) for name in own) / max(1, sum(sizes.values()))


def _constant_sums(found: onnx.ModelProto) -> list[str]:
    """Names of the sums with a constant: the shift of pixels, biases, places of a transformer."""
    constants = {entry.name for entry in found.graph.initializer}
    sums = (node for node in found.graph.node if node.op_type == 'Add')
    return [node.name for node in sums if constants & set(node.input)]


def _centre(full: onnx.ModelProto, found: onnx.ModelProto, images: UInt8Array) -> None:
    """Add to all vectors what the mean vector lost: errors of 8 bits lie on one side of zero.

    It takes away half and more of the change of a vector (mobile_s: 1 - cosine 0.0071 to 0.0028).
    """
    runs = [Runner(model) for model in (full, found)]
    starts = range(0, len(images), BATCH)
    totals = [
        np.sum([run(images[k : k + BATCH]).sum(axis=0) for k in starts], axis=0) for run in runs
    ]
    offset = ((totals[0] - totals[1]) / len(images)).astype(np.float32)
    for node in found.graph.node:
        for k, name in enumerate(node.output):
            if name == OUTPUT:
                node.output[k] = 'uncentred'
    found.graph.initializer.append(numpy_helper.from_array(offset, 'offset'))
    found.graph.node.append(helper.make_node('Add', ['uncentred', 'offset'], [OUTPUT]))
