"""Whether a network's file fits its card, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_ros.card import Card, Input
from reid_ros.decode import decoder
from reid_ros.images import input_buffer
from reid_ros.types import AnyArray, ReidError

_DTYPES = {
    'tensor(float)': 'float32',
    'tensor(float16)': 'float16',
    'tensor(double)': 'float64',
    'tensor(uint8)': 'uint8',
    'tensor(int32)': 'int32',
    'tensor(int64)': 'int64',
}


class ModelError(ReidError):
    """A network that cannot be loaded, does not fit its card, or does not run as demanded."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a network.

    Attributes:
        name: as in the file.
        shape: sizes of the axes, None where free.
        dtype: name of the numpy type, '' where numpy has none.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        size = 'x'.join('?' if axis is None else str(axis) for axis in self.shape)
        return f'{self.name} {size} {self.dtype}'.rstrip()


def ports(values: Sequence[Any]) -> tuple[Port, ...]:
    """Inputs or outputs of an ONNX Runtime session."""
    return tuple(
        Port(
            value.name,
            tuple(axis if isinstance(axis, int) and axis > 0 else None for axis in value.shape),
            _DTYPES.get(value.type, ''),
        )
        for value in values
    )


def image_port(inputs: Sequence[Port], spec: Input) -> Port:
    """The input that takes the image.

    Raises:
        ModelError: the card names one that is not there.
    """
    others = {text.split()[0] for text in spec.extra}
    for port in inputs:
        if port.name == spec.name or (not spec.name and port.name not in others):
            return port
    names = ', '.join(port.name for port in inputs)
    raise ModelError(f'the network has no input {spec.name!r}, only {names}: mend input.name')


def chosen_outputs(outputs: Sequence[Port], card: Card) -> tuple[Port, ...]:
    """The outputs in the card's order.

    Raises:
        ModelError: the card names one that is not there.
    """
    if not card.output.names:
        return tuple(outputs)
    known = {port.name: port for port in outputs}
    for name in card.output.names:
        if name not in known:
            raise ModelError(
                f'the network has no output {name!r}, only {", ".join(known)}: mend output.names '
                f'in the card {card.name}'
            )
    return tuple(known[name] for name in card.output.names)


def extras(inputs: Sequence[Port], spec: Input, n: int) -> dict[str, AnyArray]:
    """What the inputs other than the image are fed with, for n images.

    Raises:
        ModelError: the network has an input that the card does not tell about.
    """
    image = image_port(inputs, spec)
    meanings = dict(text.split() for text in spec.extra)
    values = {
        'size_wh': [spec.width, spec.height],
        'size_hw': [spec.height, spec.width],
        'ones': [1, 1],
    }
    feeds: dict[str, AnyArray] = {}
    for port in inputs:
        if port.name == image.name:
            continue
        if port.name not in meanings:
            raise ModelError(
                f'the network has a second input, {port}, that the card does not mention: add '
                f'"{port.name} size_wh" (or size_hw, ones) to input.extra'
            )
        row = np.array(values[meanings[port.name]], port.dtype or np.float32)
        feeds[port.name] = np.tile(row, (n, 1))
    return feeds


def example(inputs: Sequence[Port], card: Card, n: int) -> dict[str, AnyArray]:
    """What n black images are fed as, input by input."""
    blank = input_buffer(card.input, n)
    blank[:] = 0
    return {image_port(inputs, card.input).name: blank, **extras(inputs, card.input, n)}


def input_problems(image: Port, spec: Input) -> list[str]:
    """What does not fit between the image input and the card, in words."""
    what, axes = ('clips', 5) if spec.frames else ('images', 4)
    if spec.layout == 'NHW':
        what, axes = 'masks', 3
    if len(image.shape) != axes:
        return [
            f'its input {image} has {len(image.shape)} axes and not the {axes} of a batch '
            f'of {what}'
        ]
    problems = []
    if spec.frames and image.shape[1] not in (None, spec.frames):
        problems.append(f'its clips have {image.shape[1]} frames, the card says {spec.frames}')
    size = image.shape[-3:]
    layouts = {
        'NCHW': size,
        'NHWC': (size[2], *size[:2]),
        'NHW': (spec.channels, *size[1:]),
    }
    channels, height, width = layouts[spec.layout]
    other = 'NHWC' if spec.layout == 'NCHW' else 'NCHW'
    if channels not in (spec.channels, None):
        if layouts[other][0] == spec.channels:
            return [f'its input {image} is {other} and not {spec.layout}: mend input.layout']
        what = 'colour channels' if spec.channels == 3 else 'channels'
        return [f'its input {image} has {channels} {what}, and only {spec.channels} can be fed']
    for name, real, told in (('height', height, spec.height), ('width', width, spec.width)):
        if real not in (None, told):
            problems.append(f'its input is {real} pixels in {name}, the card says {told}')
    if image.dtype != spec.dtype:
        problems.append(f'its input is {image.dtype}, the card says {spec.dtype}')
    return problems


def output_problems(outputs: Sequence[AnyArray], card: Card, n: int) -> list[str]:
    """What does not fit between the shapes of the outputs for n images and the card, in words."""
    if not outputs:
        return ['it answers nothing']
    if card.output.decoder:
        return _detector_problems(outputs, card, n)
    first = outputs[0]
    if card.kind == 'gait':
        if first.ndim != 4 or first.shape[0] != n:
            return [f'{n} masks give features {_shape(first)} and not {n} x c x h x w']
        return []
    if card.output.vector:
        if first.shape[0] != n:
            return [f'{n} images give {first.shape[0]} rows: {_shape(first)}']
        length = int(np.prod(first.shape[1:]))
        if length != card.output.vector:
            return [
                f'it gives vectors of length {length}, the card says {card.output.vector}: '
                'mend output.vector'
            ]
        return []
    size = (card.input.height, card.input.width)
    if card.kind == 'silhouette' and not set(size) <= set(first.shape[1:]):
        return [f'its mask is {_shape(first)} and not of the size of the input']
    return []


def value_problems(outputs: Sequence[AnyArray], card: Card) -> list[str]:
    """What is wrong with the numbers that a network answered, in words."""
    problems = []
    for i, output in enumerate(outputs):
        if output.dtype.kind == 'f' and not np.isfinite(output).all():
            share = 1.0 - float(np.isfinite(output).mean())
            problems.append(f'output {i} holds {share:.1%} values that are no numbers')
    if problems:
        return problems
    if not np.linalg.norm(_vectors(outputs, card), axis=1).all():
        return ['a vector is all zero, so it has no direction']
    if card.output.decoder:
        for values in probabilities(outputs, card):
            low, high = float(values.min(initial=0)), float(values.max(initial=0))
            if low < -1e-3 or high > 1 + 1e-3:
                return [
                    f'its scores go from {low:.3g} to {high:.3g} and so are no probabilities: '
                    "output.scores may have to be 'sigmoid', or another decoder fits"
                ]
    if card.kind == 'silhouette' and card.output.scores == 'probability':
        low, high = float(outputs[0].min()), float(outputs[0].max())
        if low < -1e-3 or high > 1 + 1e-3:
            return [f'its mask goes from {low:.3g} to {high:.3g} and so is no probability']
    return []


def _vectors(outputs: Sequence[AnyArray], card: Card) -> AnyArray:
    """(n, d) the vectors of crops, or of the people that a search network found."""
    if card.kind == 'search':
        result: AnyArray = outputs[2][outputs[1] > 0]
        return result
    if card.output.vector and card.kind != 'gait':
        return outputs[0].reshape(len(outputs[0]), -1)
    return np.empty((0, 1))


def probabilities(outputs: Sequence[AnyArray], card: Card) -> list[AnyArray]:
    """The parts of a detector's outputs that the card promises to be probabilities."""
    name, classes = card.output.decoder, card.output.classes
    first = outputs[0]
    if name in ('yolox_raw', 'yolox', 'yolov5'):
        return [first[..., 4:]]
    if name == 'fastestdet':
        return [first[:, :1], first[:, 5:]]
    if name == 'search':
        return [outputs[1]]
    if name == 'yolo_nms':
        return [first[..., 4]]
    if name == 'paddle_nms':
        return [first[:, 1]]
    if name in ('efficient_nms', 'rtdetr_deploy'):
        return [outputs[2]]
    if name == 'detr':
        kind = card.output.scores or 'sigmoid'
        return (
            [] if kind != 'probability' else [outputs[1] if len(outputs) > 1 else first[..., 4:]]
        )
    if card.output.scores == 'sigmoid':
        return []
    if name == 'nanodet':
        return list(outputs[: len(outputs) // 2]) if len(outputs) > 1 else [first[..., :classes]]
    return [first[:, 4:] if first.shape[1] == 4 + classes else first[..., 4:]]


def _detector_problems(outputs: Sequence[AnyArray], card: Card, n: int) -> list[str]:
    wanted = decoder(card).shapes
    name = card.output.decoder
    if name == 'detr' and len(outputs) == 1:
        wanted = ((None, 4 + card.output.classes + (card.output.scores == 'softmax')),)
    if name == 'nanodet' and len(outputs) == 2 * len(card.output.strides):
        return []
    if len(outputs) < len(wanted):
        return [
            f'it has {len(outputs)} outputs, the decoder {name} reads {len(wanted)}: '
            'another decoder fits, or output.names is too short'
        ]
    problems = []
    for i, (output, shape) in enumerate(zip(outputs, wanted)):
        rows = len(output) if output.ndim else 0
        if rows != n and (name, i) != ('paddle_nms', 0):
            problems.append(f'{n} images give {rows} rows: {_shape(output)}')
            continue
        transposed = name == 'yolov8' and output.shape[2:] == shape[:1]
        if not transposed and not _fits(output.shape[1:], shape):
            problems.append(
                f'an output is {_shape(output)}, the decoder {name} with {card.output.classes} '
                f'classes reads {_wanted(n, shape)}'
            )
    return problems


def _fits(real: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    if wanted == (1,) and real in ((), (1,)):
        return True
    return len(real) == len(wanted) and all(w in (None, r) for r, w in zip(real, wanted))


def _shape(output: AnyArray) -> str:
    return 'x'.join(map(str, output.shape)) or 'a single number'


def _wanted(n: int, shape: tuple[int | None, ...]) -> str:
    return 'x'.join(str(axis or 'any') for axis in (n, *shape))
