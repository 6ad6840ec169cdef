"""Which part of a graph computes in 16 bits, and the graph with that written into it.

From version 11 on TensorRT takes the precision from the graph alone, and from 10 on it can; so
one way serves both. Halved is what lies between the first and the last operator that does the
arithmetic. What comes before (pixels becoming colours) and after (boxes in pixels, whose values
16 bits round to half a pixel; the last normalisation) costs next to nothing and stays in 32.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reid_ros.engine.graph import FLOAT, HALF, HEAVY, Graph, Node, producers

# Generic in their number type, and harmless in 16 bits. Sums over many numbers, powers, roots and
# exponents are not among them: they leave the range or lose all digits. Nor is the normalisation
# of batches, whose root TensorRT's parser takes in the type of its weights.
SAFE = frozenset({
    *HEAVY, 'Add', 'Sub', 'Mul', 'Relu', 'LeakyRelu', 'PRelu', 'Clip', 'Sigmoid', 'HardSigmoid',
    'HardSwish', 'Tanh', 'Elu', 'Gelu', 'Mish', 'Softmax', 'MaxPool', 'AveragePool',
    'GlobalAveragePool', 'GlobalMaxPool', 'Concat', 'Split', 'Reshape',
    'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze', 'Slice', 'Gather', 'Expand', 'Pad', 'Resize',
    'Identity', 'Max', 'Min', 'Where', 'ReduceMax', 'Tile', 'DepthToSpace', 'SpaceToDepth', 'Neg',
    'Abs',
})  # fmt: skip
# Inputs that the ONNX operators want in 32 bits whatever the rest is.
_WIDE_INPUTS = {'Resize': (1, 2)}
_LARGEST = float(np.finfo(np.float16).max)


def halved(graph: Graph, types: Mapping[str, int]) -> Graph:
    """The graph itself, with its inner part in 16 bits and casts at the borders.

    Args:
        graph: in 32 bits; it is changed.
        types: number type of every tensor between nodes, and of the inputs.
    """
    narrow = _narrow(graph, types)
    return _Rewriting(graph, types, narrow).done() if narrow else graph


def _narrow(graph: Graph, types: Mapping[str, int]) -> set[int]:
    """Which nodes compute in 16 bits."""
    nodes = graph.nodes
    made = producers(nodes)
    heavy = {
        k
        for k, node in enumerate(nodes)
        if node.kind in HEAVY and types.get(node.outputs[0]) == FLOAT
    }
    after: set[int] = set()  # nodes with the arithmetic before them; an ONNX graph is sorted
    for k, node in enumerate(nodes):
        if k in heavy or any(made.get(name, -1) in after for name in node.inputs):
            after.add(k)
    before: set[int] = set()
    for k in reversed(range(len(nodes))):
        if k in heavy or k in before:
            before |= {k} | {made[name] for name in nodes[k].inputs if name in made}
    return {
        k
        for k in after & before
        if nodes[k].kind in SAFE and not nodes[k].nested and _fits(graph, nodes[k])
    }


def _fits(graph: Graph, node: Node) -> bool:
    """Whether the stored weights of a node can be told in 16 bits."""
    for name in node.inputs:
        if graph.weight_type(name) == FLOAT:
            values = graph.floats(name)
            if len(values) and not float(np.abs(values).max()) <= _LARGEST:
                return False
    return True


class _Rewriting:
    """One pass over the nodes; every cast is made once, where it is first needed."""

    def __init__(self, graph: Graph, types: Mapping[str, int], narrow: set[int]) -> None:
        self._graph, self._types, self._narrow = graph, types, narrow
        self._have: dict[str, str] = {}  # tensor -> its twin in 16 bits
        self._nodes: list[Node] = []
        nested = any(node.nested for node in graph.nodes)
        # A nested graph may take any tensor, and does not say so outside.
        made = producers(graph.nodes)
        self._wide = set(made) if nested else set(graph.outputs)
        for k, node in enumerate(graph.nodes):
            for place, name in enumerate(node.inputs):
                if k not in narrow or place in _WIDE_INPUTS.get(node.kind, ()):
                    self._wide.add(name)

    def done(self) -> Graph:
        for k, node in enumerate(self._graph.nodes):
            if k not in self._narrow:
                self._nodes.append(node)
                continue
            keep = _WIDE_INPUTS.get(node.kind, ())
            node.inputs = [
                name if place in keep else self._half(name)
                for place, name in enumerate(node.inputs)
            ]
            widened = []
            for place, name in enumerate(node.outputs):
                if self._types.get(name) != FLOAT:
                    continue
                node.outputs[place] = self._have[name] = twin(name)
                if name in self._wide:
                    widened.append(Node.cast(twin(name), FLOAT, name))
            self._nodes += [node, *widened]
        self._graph.nodes = self._nodes
        return self._graph

    def _half(self, name: str) -> str:
        """The name under which a narrow node finds an input."""
        if name in self._have:
            return self._have[name]
        if self._graph.weight_type(name) == FLOAT:
            self._graph.add_half(name, twin(name))
        elif self._types.get(name) == FLOAT:
            self._nodes.append(Node.cast(name, HALF, twin(name)))
        else:
            return name
        self._have[name] = twin(name)
        return twin(name)


def twin(name: str) -> str:
    """What a tensor is called in 16 bits."""
    return f'{name}/half'
