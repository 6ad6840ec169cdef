"""Run a network on a real picture and say in words what fits its card and what does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reid_ros.boxes import nms
from reid_ros.card import Card, CardError, head_of, sha256
from reid_ros.colour import Colour
from reid_ros.decode import decoder
from reid_ros.fit import (
    ModelError,
    Port,
    chosen_outputs,
    extras,
    image_port,
    input_problems,
    output_problems,
    ports,
    value_problems,
)
from reid_ros.images import crop_batch, letterbox_into, normalise
from reid_ros.model import Model
from reid_ros.session import ORT_ERRORS, first_line, open_session
from reid_ros.types import AnyArray, UInt8Array


@dataclass
class Verdict:
    """What a check found.

    Attributes:
        fits: what agrees with the card.
        problems: what does not; the network cannot serve while there is one.
        notes: what a user should know or could not be checked.
    """

    fits: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check(path: Path, card: Card, picture: UInt8Array, backend: str = 'auto') -> Verdict:
    """Compare a network with its card, first its file, then its answers to a picture.

    Args:
        path: the .onnx file.
        card: what it should be.
        picture: (h, w, 3) uint8 BGR; for a detector one with people in it is best.
        backend: what to run it on.

    Raises:
        ModelError: the file is no network.
    """
    verdict = Verdict()
    if card.built_in:
        _built_in(card, picture, verdict)
        return verdict
    session = open_session(path, ['CPUExecutionProvider'])
    inputs, outputs = ports(session.get_inputs()), ports(session.get_outputs())
    verdict.notes += [f'takes {port}' for port in inputs]
    verdict.notes += [f'answers {port}' for port in outputs]
    verdict.problems += _declared(inputs, outputs, card)
    if card.sha256 and sha256(path) != card.sha256:
        verdict.notes.append('the file is not the one whose sha256 stands in the card')
    if verdict.problems:
        return verdict
    image = image_port(inputs, card.input)
    size = f'{card.input.width} x {card.input.height}'
    clip = f'clips of {card.input.frames}, ' if card.input.frames else ''
    verdict.fits.append(f'input {clip}{card.input.layout}, {size} pixels, {card.input.dtype}')
    _answers(session, inputs, card, picture, verdict)
    if verdict.problems:
        return verdict
    _batch(session, inputs, image, card, picture, verdict)
    if card.kind == 'gait' and not verdict.problems:
        _head(path, card, _run(session, inputs, card, _pixels(picture, card)), verdict)
    with Model.load(path, card, backend=backend) as model:
        nodes = ', '.join(f'{n} nodes on {name}' for name, n in model.placement.nodes.items())
        verdict.fits.append(f'runs on {model.provider} ({nodes})')
        if model.fallback_reason:
            verdict.notes.append(model.fallback_reason)
    if card.kind == 'gait':
        return verdict
    verdict.notes.append(
        f'cannot be checked: that the network wants {card.input.order.upper()}, '
        f'mean {_numbers(card.input.mean)} and std {_numbers(card.input.std)}'
    )
    return verdict


def _built_in(card: Card, picture: UInt8Array, verdict: Verdict) -> None:
    colour = Colour(card)
    first, second = colour.infer(normalise(_pixels(picture, card), card.input))[0]
    _vectors(first[None], second[None], verdict)
    verdict.notes.append(f'{card.built_in} is built in: no network, runs on the CPU')


def described(path: Path) -> list[str]:
    """What a network's file says about itself: its inputs and outputs.

    Raises:
        ModelError: the file is no network.
    """
    session = open_session(path, ['CPUExecutionProvider'])
    lines = [f'takes   {port}' for port in ports(session.get_inputs())]
    return lines + [f'answers {port}' for port in ports(session.get_outputs())]


def _declared(inputs: Sequence[Port], outputs: Sequence[Port], card: Card) -> Iterator[str]:
    try:
        yield from input_problems(image_port(inputs, card.input), card.input)
        extras(inputs, card.input, 1)
    except ModelError as error:
        yield str(error)
    try:
        chosen_outputs(outputs, card)
    except ModelError as error:
        yield str(error)


def _pixels(picture: UInt8Array, card: Card) -> UInt8Array:
    """(2, h, w, 3) the picture, and it upside down in other colours, as the network sees them.

    (2, t, h, w, 3) for a network of clips, which stand still; (2, h, w) for one of masks.
    """
    spec = card.input
    changed = np.ascontiguousarray(picture[::-1])
    changed[..., 0] //= 2
    if card.kind == 'gait':
        grey = [cv2.cvtColor(source, cv2.COLOR_BGR2GRAY) for source in (picture, changed)]
        size = (spec.width, spec.height)
        return np.stack([cv2.resize(g, size, interpolation=cv2.INTER_AREA) for g in grey])
    if card.kind in ('detector', 'search'):
        batch = np.empty((2, spec.height, spec.width, 3), np.uint8)
        for source, out in zip((picture, changed), batch):
            letterbox_into(source, out, spec)
        return batch
    height, width = picture.shape[:2]
    whole = np.array([[0, 0, width, height]], np.float32)
    both = np.concatenate([crop_batch(source, whole, spec) for source in (picture, changed)])
    return np.repeat(both[:, None], spec.frames, axis=1) if spec.frames else both


def _run(session: Any, inputs: Sequence[Port], card: Card, batch: AnyArray) -> list[AnyArray]:
    outputs = chosen_outputs(ports(session.get_outputs()), card)
    feeds = {image_port(inputs, card.input).name: batch, **extras(inputs, card.input, len(batch))}
    answer: list[AnyArray] = session.run([port.name for port in outputs], feeds)
    return answer


def _answers(
    session: Any, inputs: Sequence[Port], card: Card, picture: UInt8Array, verdict: Verdict
) -> None:
    n = image_port(inputs, card.input).shape[0] or 1
    pixels = _pixels(picture, card)
    batch = np.ascontiguousarray(np.repeat(normalise(pixels[:1], card.input), n, axis=0))
    try:
        outputs = _run(session, inputs, card, batch)
    except ORT_ERRORS as error:
        verdict.problems.append(f'it does not run: {first_line(error)}')
        return
    verdict.problems += output_problems(outputs, card, n) or value_problems(outputs, card)
    if verdict.problems:
        return
    shapes = ', '.join('x'.join(map(str, output.shape)) for output in outputs)
    verdict.fits.append(f'output {shapes}, all numbers finite')
    if card.output.decoder:
        reader = decoder(card)
        boxes, scores = reader.read(outputs, 0.25)[0]
        found = nms(boxes, scores, 0.6)
        best = f', the surest with {scores.max():.2f}' if len(found) else ''
        verdict.fits.append(f'finds {len(found)} people above 0.25 in the picture{best}')
        if reader.vectors is not None:
            _looks(reader.vectors(outputs, 0.25)[0][found], card, verdict)
    elif card.output.vector and card.kind != 'gait':
        other = np.repeat(normalise(pixels[1:], card.input), n, axis=0)
        _vectors(outputs[0], _run(session, inputs, card, other)[0], verdict)


def _looks(vectors: AnyArray, card: Card, verdict: Verdict) -> None:
    """What can be said of the vectors of the people in one picture."""
    if len(vectors) < 2:
        verdict.notes.append(
            f'whether its vectors ({card.output.vector} numbers) tell people apart cannot be seen '
            'with fewer than two of them: give a photograph of several (--image)'
        )
        return
    others = (vectors @ vectors.T)[~np.eye(len(vectors), dtype=np.bool_)]
    if others.min() > 0.99999:
        verdict.problems.append(
            f'it gives one vector for {len(vectors)} people: the output of the vectors does not '
            'depend on where they stand'
        )
        return
    verdict.fits.append(
        f'vectors of length {card.output.vector}; cosines among {len(vectors)} people from '
        f'{others.min():.2f} to {others.max():.2f}'
    )


def _head(path: Path, card: Card, outputs: Sequence[AnyArray], verdict: Verdict) -> None:
    """Check the second graph on the features of two masks."""
    features = outputs[0]
    channels, height, width = features.shape[1:]
    try:
        file, head = head_of(path, card, (channels, height, width))
        session = open_session(file, ['CPUExecutionProvider'])
    except (CardError, ModelError) as error:
        verdict.problems.append(str(error))
        return
    inputs, answers = ports(session.get_inputs()), ports(session.get_outputs())
    problems = [f'head: {problem}' for problem in _declared(inputs, answers, head)]
    if not problems:
        vectors = _run(session, inputs, head, features)
        problems = output_problems(vectors, head, 2) or value_problems(vectors, head)
    verdict.problems += problems
    if not problems:
        _vectors(vectors[0][:1], vectors[0][1:], verdict)
        if not np.allclose(np.linalg.norm(vectors[0], axis=1), 1.0, atol=1e-3):
            verdict.problems.append('head: its vectors are not of unit length')


def _vectors(first: AnyArray, second: AnyArray, verdict: Verdict) -> None:
    a, b = first[0].ravel().astype(np.float64), second[0].ravel().astype(np.float64)
    cosine = float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))
    if cosine > 0.99999:
        verdict.problems.append(
            'it gives one vector for two different pictures: the input does not reach the output, '
            'or mean and std push every pixel out of range'
        )
        return
    verdict.fits.append(f'vector of length {a.size}, norm {np.linalg.norm(a):.3g}')
    verdict.fits.append(
        f'tells a picture from itself upside down in other colours (cosine {cosine:.2f})'
    )


def _batch(
    session: Any, inputs: Sequence[Port], image: Port, card: Card, picture: UInt8Array,
    verdict: Verdict,
) -> None:  # fmt: skip
    if image.shape[0] is not None:
        verdict.fits.append(f'batch fixed at {image.shape[0]}')
        return
    both = normalise(_pixels(picture, card), card.input)
    try:
        together = _run(session, inputs, card, both)
    except ORT_ERRORS as error:
        verdict.problems.append(
            f'its batch is declared free, but two images at once fail: {first_line(error)}; '
            'export it again with a free batch, or with a batch fixed at 1'
        )
        return
    problems = output_problems(together, card, 2)
    if problems:
        verdict.problems.append(f'its batch is declared free, but {"; ".join(problems)}')
        return
    alone = _run(session, inputs, card, both[:1])
    same = all(np.allclose(a[: len(b)], b, rtol=1e-2, atol=1e-3) for a, b in zip(together, alone))
    if same:
        verdict.fits.append('batch free: two images at once give what one gives')
    else:
        verdict.problems.append('an image gives something else beside another than alone')


def _numbers(values: Sequence[float]) -> str:
    return ' '.join(f'{value:g}' for value in values)
