"""The way of the pixels into the first convolution of an 8-bit graph.

The pixels of a camera are bytes already: quantised activations of scale 1 whose zero is black. So
an 8-bit convolution can take them as they are, with all of the normalisation in its weights and
its bias. Normalised in floats and quantised again they cost as much as the whole rest of a small
network (mobile_s on 128 x 64 pixels, batch 8, one thread of a Zen 4: 0.63 ms a crop against 0.29,
and 0.57 in fp32).

The border needs care: a padded zero is black there, and should be the mean colour. So the mean
colour, rounded to bytes, is put around the picture before, and the convolution pads no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from reid_ros.train.export import ExportError
from reid_ros.types import AnyArray

PIXELS = 'pixels'
"""Name of what the first convolution takes."""
_PLANES = 'planes'


@dataclass(frozen=True, slots=True)
class _Front:
    """The way of the pixels to the first convolution.

    Attributes:
        source: name of the bytes, channels last.
        flipped: whether their colours are turned round.
        scale, shift: (3,) what they are multiplied with then, and what is added.
        names: of the nodes on this way, the last one first.
        size: height and width, pixels.
        conv: the convolution.
    """

    source: str
    flipped: bool
    scale: AnyArray
    shift: AnyArray
    names: list[str]
    size: tuple[int, int]
    conv: NodeProto


def _front(found: onnx.ModelProto) -> _Front | None:
    """None where it is not as `nets.network.Pixels` makes it."""
    conv = next((node for node in found.graph.node if node.op_type == 'Conv'), None)
    values = {entry.name: entry for entry in found.graph.initializer}
    if conv is None or conv.input[1] not in values or _list(conv, 'group', [1]) != [1]:
        return None
    makers = {name: node for node in found.graph.node for name in node.output}
    uses = Counter(name for node in found.graph.node for name in node.input)
    chain: dict[str, NodeProto] = {}
    name = conv.input[0]
    for wanted in ('Add', 'Mul', 'Cast', 'Slice', 'Transpose'):
        node = makers.get(name)
        if node is None or node.op_type != wanted or uses[name] != 1:
            if wanted == 'Slice':
                continue
            return None
        chain[wanted], name = node, node.input[0]
    factors = []
    for kind in ('Mul', 'Add'):
        entry = values.get(chain[kind].input[1])
        if entry is None or np.prod(entry.dims) != 3:
            return None
        factors.append(numpy_helper.to_array(entry).astype(np.float64).ravel())
    names = [node.name for node in chain.values()]
    axes = found.graph.input[0].type.tensor_type.shape.dim[-3:-1]
    size = int(axes[0].dim_value), int(axes[1].dim_value)
    return _Front(name, 'Slice' in chain, factors[0], factors[1], names, size, conv)


def _list(node: NodeProto, name: str, usual: Sequence[int]) -> list[int]:
    """The numbers of an attribute."""
    for entry in node.attribute:
        if entry.name == name:
            return list(entry.ints) or [int(entry.i)]
    return list(usual)


def fed_bytes(found: onnx.ModelProto) -> bool:
    """Move the normalisation of pixels into the first convolution, in floats still.

    False, and nothing is changed, where the graph does not begin as `nets.network.Pixels` does.
    """
    front = _front(found)
    if front is None:
        return False
    body, conv = found.graph, front.conv
    values = {entry.name: numpy_helper.to_array(entry) for entry in body.initializer}
    weight = values[conv.input[1]].astype(np.float64)
    bias = values[conv.input[2]].astype(np.float64) if len(conv.input) > 2 else 0.0
    bias = bias + np.einsum('ocyx,c->o', weight, front.shift)
    weight = weight * front.scale[:, None, None]
    mean = -front.shift / front.scale
    if front.flipped:
        weight, mean = weight[:, ::-1], mean[::-1]
    for name, array in (('first.weight', weight), ('first.bias', bias)):
        body.initializer.append(numpy_helper.from_array(array.astype(np.float32), name))
    framed, new = _framed(found, front, mean)
    new += [
        helper.make_node('Transpose', [framed], [_PLANES], name=_PLANES, perm=[0, 3, 1, 2]),
        helper.make_node('Cast', [_PLANES], [PIXELS], name=PIXELS, to=TensorProto.FLOAT),
    ]
    del conv.input[:]
    conv.input.extend([PIXELS, 'first.weight', 'first.bias'])
    kept = [node for node in body.node if node.name not in front.names]
    place = next(k for k, node in enumerate(kept) if node.name == conv.name)
    _put(found, [*kept[:place], *new, *kept[place:]])
    return True


def _framed(found: onnx.ModelProto, front: _Front, mean: AnyArray) -> tuple[str, list[NodeProto]]:
    """Name of the bytes with the mean colour around them, and the nodes that put it there.

    The convolution loses its own padding. A side that no window of it reaches gets nothing.
    """
    conv = front.conv
    before_after = _list(conv, 'pads', [0, 0, 0, 0])
    kernel, steps = _list(conv, 'kernel_shape', []), _list(conv, 'strides', [1, 1])
    for k in reversed(range(len(conv.attribute))):
        if conv.attribute[k].name in ('pads', 'auto_pad'):
            del conv.attribute[k]
    colour = np.clip(np.rint(mean), 0, 255).astype(np.uint8)
    found.graph.initializer.extend(
        [
            numpy_helper.from_array(colour, 'frame.colour'),
            numpy_helper.from_array(np.array(False), 'frame.never'),
            numpy_helper.from_array(np.zeros(1, np.int64), 'frame.zero'),
        ]
    )
    name, nodes = front.source, []
    for axis, side in ((1, 'rows'), (2, 'columns')):
        low, high = before_after[axis - 1], before_after[axis + 1]
        length, window, step = front.size[axis - 1], kernel[axis - 1], steps[axis - 1]
        count = (length + low + high - window) // step + 1
        high = max(0, (count - 1) * step + window - low - length)
        parts = [name]
        for number, end in ((low, 'before'), (high, 'after')):
            if not number:
                continue
            own = f'frame.{side}.{end}'
            found.graph.initializer.extend(
                [
                    numpy_helper.from_array(np.array([number], np.int64), f'{own}.number'),
                    numpy_helper.from_array(np.array([axis], np.int64), f'{own}.axis'),
                ]
            )
            # A piece of the picture, for its shape alone: the batch is free.
            cut = [name, 'frame.zero', f'{own}.number', f'{own}.axis']
            nodes.append(helper.make_node('Slice', cut, [f'{own}.cut'], name=f'{own}.cut'))
            painted = ['frame.never', f'{own}.cut', 'frame.colour']
            nodes.append(helper.make_node('Where', painted, [own], name=own))
            parts = [own, *parts] if end == 'before' else [*parts, own]
        if len(parts) > 1:
            name = f'frame.{side}'
            nodes.append(helper.make_node('Concat', parts, [name], name=name, axis=axis))
    return name, nodes


def take_bytes(found: onnx.ModelProto) -> None:
    """Let the first convolution see the bytes themselves, not floats that are quantised again.

    Raises:
        ExportError: the quantiser did not keep scale 1 and zero at black.
    """
    nodes = list(found.graph.node)
    values = {entry.name: entry for entry in found.graph.initializer}
    narrow = next(
        (n for n in nodes if n.op_type == 'QuantizeLinear' and n.input[0] == PIXELS), None
    )
    if narrow is None:
        raise ExportError('the quantiser left the pixels out')
    scale, zero = (numpy_helper.to_array(values[name]) for name in narrow.input[1:3])
    if scale != 1 or zero != 0:
        raise ExportError(f'the quantiser took scale {scale} and zero {zero} for pixels')
    for node in nodes:
        if node.input and node.input[0] == narrow.output[0]:
            node.input[0] = _PLANES
    gone = {PIXELS, narrow.output[0]}
    _put(found, [node for node in nodes if node.output[0] not in gone])


def _put(found: onnx.ModelProto, nodes: Sequence[NodeProto]) -> None:
    """Replace the nodes; constants that none of them uses go."""
    body = found.graph
    used = {name for node in nodes for name in node.input}
    constants = [entry for entry in body.initializer if entry.name in used]
    del body.node[:], body.initializer[:]
    body.node.extend(nodes)
    body.initializer.extend(constants)
