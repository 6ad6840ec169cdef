"""Whether an engine computes what the network says, and in the precision asked for."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_ros.card import Card
from reid_ros.fit import Port, example, image_port, probabilities
from reid_ros.types import AnyArray, DoubleArray, FloatArray

LIMITS = {'float': 0.002, 'half': 0.03, 'int8': 0.15}
"""Largest root mean square of the difference to ONNX Runtime, as a share of the answer's own. A
miscompiled layer makes it about 1, rounding in 16 bits a few thousandths."""
LEAST = 0.8
"""Share of the arithmetic that must be in the precision asked for. Less than all: TensorRT may
join a cast at the border to its neighbour."""
# They sort or cut by score: near ties change places by rounding, so only their scores compare.
_SELECTING = ('yolo_nms', 'efficient_nms', 'rtdetr_deploy', 'paddle_nms')
_SEARCH = 'search'
# How far a box may move by rounding, pixels, and the share of boxes that may fall out of the best.
_MOVED_PX, _LOST = 2.0, 0.2
_SMALL = 8
_CHANGING, _LOOSER = 0.1, 5.0
_WORDS = (
    ('int8', re.compile(r'\bint8\b', re.IGNORECASE)),
    ('half', re.compile(r'\b(half|fp16)\b', re.IGNORECASE)),
    ('float', re.compile(r'\b(float|fp32)\b', re.IGNORECASE)),
)
_HEAVY = re.compile(r'conv|gemm|matri|matmul|correlation|mha|attention', re.IGNORECASE)
_MOVES = re.compile(r'reformat|shuffle|constant|noop', re.IGNORECASE)
# 10.x tells format and type in one entry, 11 in two (TensorRT migration guide, IEngineInspector).
_TYPE_KEYS = ('Format/Datatype', 'Format/DataType', 'DataType', 'Datatype', 'Format')


@dataclass(frozen=True, slots=True)
class Difference:
    """How far an output lies from ONNX Runtime's.

    Attributes:
        name: of the output.
        error: root mean square of the difference, as a share of the output's own.
        limit: largest allowed.
    """

    name: str
    error: float
    limit: float

    @property
    def passes(self) -> bool:
        """Whether it is allowed; no number at all is not."""
        return bool(self.error <= self.limit)


def pictures(inputs: Sequence[Port], card: Card, n: int) -> dict[str, AnyArray]:
    """What n different pictures are fed as: patches of colour with noise, the same at every call.

    Black images alone would not tell a layer that answers a constant.
    """
    feeds = example(inputs, card, n)
    name = image_port(inputs, card.input).name
    buffer = feeds[name]
    draw = np.random.default_rng(20)
    high, wide = (-3, -2) if card.input.layout == 'NHWC' else (-2, -1)
    small = list(buffer.shape)
    small[high] = small[wide] = _SMALL
    values = draw.uniform(0, 255, small)
    for axis in (high, wide):
        size = buffer.shape[axis]
        values = np.take(values, np.arange(size) * _SMALL // size, axis=axis)
    values = np.clip(values + draw.normal(0, 12, buffer.shape), 0, 255)
    # Every other picture is dark, so that they differ as a whole, too.
    values[1::2] *= 0.3
    if buffer.dtype != np.uint8:
        values = _normalised(values, card)
    np.copyto(buffer, values, casting='unsafe')
    return feeds


def _normalised(values: DoubleArray, card: Card) -> DoubleArray:
    """Pixels as the network wants them; of features, as of a gait network's head, about 0 to 1."""
    spec = card.input
    axis = 1 if spec.layout == 'NCHW' else values.ndim - 1
    if values.shape[axis] != len(spec.mean):
        return values / 255.0
    shape = [-1 if k == axis else 1 for k in range(values.ndim)]
    mean, std = (np.array(v, np.float64).reshape(shape) for v in (spec.mean, spec.std))
    result: DoubleArray = (values - mean) / std
    return result


def differences(
    names: Sequence[str],
    right: Sequence[AnyArray],
    found: Sequence[AnyArray],
    card: Card,
    kind: str,
) -> list[Difference]:
    """How far an engine's outputs lie from ONNX Runtime's, output by output.

    Args:
        names: of the outputs.
        right: ONNX Runtime's answers.
        found: the engine's, in the same order.
        card: of the network.
        kind: what most of the arithmetic is in: float, half or int8.
    """
    limit = LIMITS[kind]
    if card.output.decoder == _SEARCH:
        return [
            Difference('scores', _ranked(right[1], found[1]), limit),
            Difference('vectors', _of_one_box(right, found), limit),
        ]
    if card.output.decoder in _SELECTING:
        pairs = zip(probabilities(right, card), probabilities(found, card))
        return [Difference('scores', _ranked(a, b), limit) for a, b in pairs]
    return [
        Difference(name, _error(a, b), limit) for name, a, b in zip(names, right, found)
    ]  # fmt: skip


def _ranked(right: AnyArray, found: AnyArray) -> float:
    if right.shape != found.shape:
        return float('inf')
    return _error(*(np.sort(v.reshape(len(v), -1), axis=1) for v in (right, found)))


def _of_one_box(right: Sequence[AnyArray], found: Sequence[AnyArray]) -> float:
    """How far the vectors of the same boxes lie apart; infinite where too many boxes are others.

    Args:
        right, found: boxes (n, k, 4), scores (n, k) and vectors (n, k, d), in different orders.
    """
    if [a.shape for a in right[:3]] != [a.shape for a in found[:3]]:
        return float('inf')
    pairs: list[tuple[AnyArray, AnyArray]] = []
    most = 0
    for boxes, scores, vectors, boxes_b, vectors_b in zip(*right[:3], found[0], found[2]):
        rows = np.flatnonzero(scores > 0.0)
        most += len(rows)
        apart = np.abs(boxes[rows, None].astype(np.float64) - boxes_b[None]).max(axis=2)
        nearest = apart.argmin(axis=1)
        same = apart[np.arange(len(rows)), nearest] <= _MOVED_PX
        pairs.append((vectors[rows[same]], vectors_b[nearest[same]]))
    first, second = (np.concatenate(side) for side in zip(*pairs))
    if not most or len(first) < (1.0 - _LOST) * most:
        return float('inf')
    return _error(first, second)


def _error(right: AnyArray, found: AnyArray) -> float:
    """The larger of two: over everything, and over what changes from picture to picture.

    The second finds an output whose large constant part hides a wrong rest.
    """
    if right.shape != found.shape or not np.isfinite(found).all():
        return float('inf')
    a, b = (values.astype(np.float64).reshape(len(values), -1) for values in (right, found))
    worst = _relative(a, b)
    if len(a) > 1:
        first, second = (values - values.mean(axis=0) for values in (a, b))
        # Rounding is a share of the whole, so of a small part it is a large one.
        if np.linalg.norm(first) > _CHANGING * np.linalg.norm(a):
            worst = max(worst, _relative(first, second) / _LOOSER)
    return worst


def _relative(right: FloatArray | AnyArray, found: FloatArray | AnyArray) -> float:
    scale = float(np.linalg.norm(right))
    error = float(np.linalg.norm(right - found))
    return error / scale if scale else float(error > 1e-6)


def layers(text: str) -> Counter[str]:
    """How many layers of an engine do arithmetic in which type of number; 'other' is the rest.

    Args:
        text: what TensorRT's inspector says as JSON.
    """
    counts: Counter[str] = Counter()
    try:
        found = json.loads(text)
    except json.JSONDecodeError:  # a name with a quote in it makes TensorRT's JSON none
        return counts
    for layer in found.get('Layers', []) if isinstance(found, Mapping) else []:
        # Without detailed verbosity a layer is its name alone.
        counts[_kind(layer) if isinstance(layer, Mapping) else 'other'] += 1
    return counts


def _kind(layer: Mapping[str, Any]) -> str:
    what = f'{layer.get("LayerType", "")} {layer.get("ParameterType", "")}'
    if _MOVES.search(what) or not _HEAVY.search(what):
        return 'other'
    first = (layer.get('Inputs') or [{}])[0]
    text = ' '.join(str(first.get(key, '')) for key in _TYPE_KEYS)
    return next((word for word, pattern in _WORDS if pattern.search(text)), 'other')


def audit(counts: Mapping[str, int], kind: str) -> str:
    """Why an engine is not in the precision asked for, '' where it is or the layers do not say.

    Args:
        counts: of `layers`.
        kind: float, half or int8.
    """
    known = {word: counts.get(word, 0) for word, _ in _WORDS}
    total = sum(known.values())
    if not total or known[kind] >= LEAST * total:
        return ''
    told = ', '.join(f'{n} {word}' for word, n in known.items() if n)
    return f'of {total} layers that do arithmetic only {known[kind]} compute in {kind} ({told})'
