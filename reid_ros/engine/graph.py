"""The few things of an ONNX graph that decide how TensorRT computes it.

Field numbers are those of onnx.proto3 of the ONNX project.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reid_ros.engine import wire
from reid_ros.engine.error import EngineError
from reid_ros.types import AnyArray

FLOAT, UINT8, INT8, HALF = 1, 2, 3, 10  # TensorProto.DataType
HEAVY = ('Conv', 'ConvTranspose', 'MatMul', 'Gemm')
"""The operators that do the arithmetic."""

_IN, _OUT, _NAME, _TYPE, _ATTRIBUTE, _DOMAIN = 1, 2, 3, 4, 5, 7
_VERSION, _GRAPH = 1, 7  # of the model
_STORED_ALONE = 4  # the first version whose stored tensors need not be inputs
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 1, 5, 11, 12, 13
_DIMS, _DATA_TYPE, _FLOATS, _TENSOR_NAME, _RAW, _WHERE = 1, 2, 4, 8, 9, 14
_EXTERNAL = 1


@dataclass(slots=True)
class Node:
    """An operator.

    Attributes:
        kind: its type, '' of a domain of its own.
        inputs, outputs: names of tensors, '' where left out.
        nested: it holds graphs (If, Loop, Scan).
        own: its fields but inputs and outputs.
    """

    kind: str
    inputs: list[str]
    outputs: list[str]
    nested: bool = False
    own: wire.Message = field(default_factory=list)

    @staticmethod
    def cast(name: str, to: int, new: str) -> Node:
        """A conversion of a tensor to another type of number."""
        attribute = [wire.block(1, 'to'), wire.integer(3, to), wire.integer(20, 2)]
        own = [wire.block(_TYPE, 'Cast'), wire.block(_ATTRIBUTE, wire.write(attribute))]
        return Node('Cast', [name], [new], False, [*own, wire.block(_NAME, f'cast to {new}')])

    def attribute(self, name: str) -> wire.Message:
        """The attribute of that name, without fields where there is none."""
        for block in wire.blocks(self.own, _ATTRIBUTE):
            found = wire.parse(block)
            if wire.text(found, 1) == name:
                return found
        return []

    def number(self, name: str) -> int:
        """An attribute that is an integer, 0 where there is none."""
        return next(iter(wire.numbers(self.attribute(name), 3)), 0)

    def field(self) -> wire.Field:
        """As a field of the graph."""
        names = [wire.block(_IN, name) for name in self.inputs]
        names += [wire.block(_OUT, name) for name in self.outputs]
        return wire.block(_NODE, wire.write([*names, *self.own]))


class Graph:
    """An ONNX network that is looked at, and changed.

    Attributes:
        nodes: the operators in their order.
        inputs, outputs: names of the network's own.

    Raises:
        EngineError: it is none, or keeps its weights in another file.
    """

    def __init__(self, data: bytes) -> None:
        self._model = wire.parse(data)
        graphs = wire.blocks(self._model, _GRAPH)
        if len(graphs) != 1:
            raise EngineError('the file is no ONNX network: it holds no graph')
        self._graph = wire.parse(graphs[0])
        self.nodes = [_node(wire.parse(block)) for block in wire.blocks(self._graph, _NODE)]
        self.outputs = [
            wire.text(wire.parse(block), 1) for block in wire.blocks(self._graph, _OUTPUT)
        ]
        self.inputs = [
            wire.text(wire.parse(block), 1) for block in wire.blocks(self._graph, _INPUT)
        ]
        self._weights: dict[str, wire.Message] = {}
        for block in wire.blocks(self._graph, _INITIALIZER):
            tensor = wire.parse(block)
            if _EXTERNAL in wire.numbers(tensor, _WHERE):
                raise EngineError(
                    'it keeps its weights in another file: save it as one .onnx file '
                    '(onnx.save of what onnx.load read)'
                )
            self._weights[wire.text(tensor, _TENSOR_NAME)] = tensor
        # Old files name stored tensors among the inputs, too.
        self.inputs = [name for name in self.inputs if name not in self._weights]

    def weight_type(self, name: str) -> int:
        """The number type of a stored tensor, 0 where nothing of that name is stored."""
        tensor = self._weights.get(name)
        return wire.numbers(tensor, _DATA_TYPE)[-1] if tensor else 0

    def floats(self, name: str) -> AnyArray:
        """The numbers of a stored float32 tensor, flat."""
        tensor = self._weights[name]
        raw = wire.blocks(tensor, _RAW)
        # Field 4 holds floats packed, or, from old writers, one by one.
        data = raw[-1] if raw else b''.join(wire.blocks(tensor, _FLOATS))
        return np.frombuffer(data, '<f4')

    def integers(self, name: str) -> AnyArray:
        """The bytes of a stored tensor of 8-bit numbers, flat; empty where it is none."""
        tensor = self._weights.get(name, [])
        raw = wire.blocks(tensor, _RAW)
        if raw:
            return np.frombuffer(raw[-1], np.uint8)
        return np.array([value & 0xFF for value in wire.numbers(tensor, 5)], np.uint8)

    def add_half(self, name: str, new: str) -> None:
        """Store a float32 tensor once more, in 16 bits."""
        self._add(name, new, HALF, self.floats(name).astype('<f2').tobytes())

    def add_wide(self, name: str, new: str) -> bool:
        """Store a float16 tensor once more, in 32 bits; False where it is told in another way."""
        raw = wire.blocks(self._weights[name], _RAW)
        if raw:
            values = np.frombuffer(raw[-1], '<f2').astype('<f4')
            self._add(name, new, FLOAT, values.tobytes())
        return bool(raw)

    def add_constant(self, node: Node, new: str) -> bool:
        """Store what a Constant holds; False where that is no tensor."""
        blocks = wire.blocks(node.attribute('value'), 5)
        if blocks:
            fields = [f for f in wire.parse(blocks[-1]) if f.number != _TENSOR_NAME]
            self._weights[new] = [*fields, wire.block(_TENSOR_NAME, new)]
        return bool(blocks)

    def _add(self, name: str, new: str, kind: int, values: bytes) -> None:
        dims = [wire.integer(_DIMS, axis) for axis in wire.numbers(self._weights[name], _DIMS)]
        self._weights[new] = [
            *dims,
            wire.integer(_DATA_TYPE, kind),
            wire.block(_TENSOR_NAME, new),
            wire.block(_RAW, values),
        ]

    def used(self) -> set[str]:
        """Names of the tensors that a node or the outside takes."""
        return {name for node in self.nodes for name in node.inputs} | set(self.outputs)

    def write(self) -> bytes:
        """The network as a file, without stored tensors that nobody takes and without notes."""
        drop = (_NODE, _INITIALIZER, _INPUT, _VALUE_INFO)
        rest = [field for field in self._graph if field.number not in drop]
        # Old files name stored tensors among the inputs; what is not stored any more would be fed.
        ports = [
            wire.block(_INPUT, block)
            for block in wire.blocks(self._graph, _INPUT)
            if wire.text(wire.parse(block), 1) in self.inputs
        ]
        used, nested = self.used(), any(node.nested for node in self.nodes)
        weights = [
            wire.block(_INITIALIZER, wire.write(tensor))
            for name, tensor in self._weights.items()
            if nested or name in used
        ]
        graph = wire.write([*(node.field() for node in self.nodes), *rest, *ports, *weights])
        fields = [f for f in self._model if f.number not in (_GRAPH, _VERSION)]
        version = max(_STORED_ALONE, *wire.numbers(self._model, _VERSION))
        return wire.write([wire.integer(_VERSION, version), *fields, wire.block(_GRAPH, graph)])

    def with_all_outputs(self) -> bytes:
        """The network with every tensor between its nodes as a further output, of unsaid type."""
        found = [name for node in self.nodes for name in node.outputs if name]
        names = [name for name in found if name not in self.outputs]
        ports = [wire.block(_OUTPUT, wire.write([wire.block(1, name)])) for name in names]
        graph = wire.write([*self._graph, *ports])
        fields = [field for field in self._model if field.number != _GRAPH]
        return wire.write([*fields, wire.block(_GRAPH, graph)])


def arithmetic(graph: Graph, types: Mapping[str, int]) -> Counter[str]:
    """How many of the operators that do the arithmetic compute in 'float', 'half' and 'int8'.

    Args:
        graph: the network.
        types: number type of every tensor between nodes.
    """
    made = {name: node for node in graph.nodes for name in node.outputs}
    words = {FLOAT: 'float', HALF: 'half'}
    counts: Counter[str] = Counter()
    for node in graph.nodes:
        if node.kind not in HEAVY:
            continue
        sources = [made[name].kind for name in node.inputs[:2] if name in made]
        if sources.count('DequantizeLinear') == 2:
            counts['int8'] += 1
        else:
            first = node.inputs[0]
            counts[words.get(types.get(first, graph.weight_type(first)), 'float')] += 1
    return counts


def quantised_for_a_cpu(graph: Graph) -> bool:
    """Whether its 8-bit numbers are unsigned or off centre, which TensorRT refuses.

    TensorRT quantises symmetrically and signed only (TensorRT developer guide, 'Working with
    quantized types').
    """
    for node in graph.nodes:
        if node.kind not in ('QuantizeLinear', 'DequantizeLinear'):
            continue
        zero = node.inputs[2] if len(node.inputs) > 2 else ''
        # Without a zero point QuantizeLinear makes unsigned numbers.
        if (not zero and node.kind == 'QuantizeLinear') or graph.weight_type(zero) == UINT8:
            return True
        if graph.weight_type(zero) == INT8 and graph.integers(zero).any():
            return True
    return False


def _node(message: wire.Message) -> Node:
    domain = wire.text(message, _DOMAIN)
    attributes = [wire.parse(block) for block in wire.blocks(message, _ATTRIBUTE)]
    return Node(
        '' if domain not in ('', 'ai.onnx') else wire.text(message, _TYPE),
        wire.texts(message, _IN),
        wire.texts(message, _OUT),
        any(wire.blocks(a, 6) or wire.blocks(a, 11) for a in attributes),
        [field for field in message if field.number not in (_IN, _OUT)],
    )


def producers(nodes: Sequence[Node]) -> dict[str, int]:
    """Which node makes a tensor."""
    return {name: k for k, node in enumerate(nodes) for name in node.outputs if name}
