"""What TensorRT's ONNX parser wants otherwise than ONNX allows it.

Learnt from its source and its table of operators (onnx/onnx-tensorrt, onnxOpImporters.cpp and
docs/operators.md of 10.x): bytes may be an input but nothing other than a cast may take them, and
the bias of a convolution must be stored, not computed.
"""

from __future__ import annotations

from collections.abc import Mapping

from reid_ros.engine.graph import FLOAT, HALF, UINT8, Graph, Node


def stored(graph: Graph) -> bool:
    """Store what nodes would make of stored numbers alone; whether there was any.

    Constants become stored tensors, and 16-bit weights that a cast widens are widened for good.

    Args:
        graph: is changed.
    """
    kept = []
    for node in graph.nodes:
        name = node.outputs[0] if node.outputs else ''
        done = name not in graph.outputs and (
            (node.kind == 'Constant' and graph.add_constant(node, name))
            or (
                node.kind == 'Cast'
                and node.number('to') == FLOAT
                and graph.weight_type(node.inputs[0]) == HALF
                and graph.add_wide(node.inputs[0], name)
            )
        )
        if not done:
            kept.append(node)
    changed = len(kept) < len(graph.nodes)
    graph.nodes = kept
    return changed


def cast_first(graph: Graph, inputs: Mapping[str, int]) -> bool:
    """Cast inputs of bytes before they are turned or cut; whether there was any.

    Args:
        graph: is changed.
        inputs: number type of every input of the network.
    """
    casts = []
    for name, kind in inputs.items():
        takers = [node for node in graph.nodes if name in node.inputs]
        if kind != UINT8 or all(node.kind == 'Cast' for node in takers):
            continue
        new = f'{name}/wide'
        casts.append(Node.cast(name, FLOAT, new))
        for node in takers:
            node.inputs = [new if given == name else given for given in node.inputs]
    graph.nodes = [*casts, *graph.nodes]
    return bool(casts)
