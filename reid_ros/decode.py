"""A detector's outputs as boxes: one reader per family of networks, chosen by the card.

Every reader looks at the scores first and does the arithmetic of boxes for the few candidates
only. Boxes are x0 y0 x1 y1 in pixels of the network's input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.card import Card
from reid_ros.types import AnyArray, FloatArray, IntArray

Found = tuple[FloatArray, FloatArray]
Read = Callable[[Sequence[AnyArray], float], list[Found]]
Tell = Callable[[Sequence[AnyArray], float], list[FloatArray]]


@dataclass(frozen=True, slots=True)
class Decoder:
    """How the outputs of one network are read.

    Attributes:
        read: of the outputs of a batch and the lowest score, per image boxes (n, 4) float32 in
            input pixels and scores (n,) float32, in no order.
        overlapping: whether one person may come as several boxes (suppression is still to do).
        shapes: what each output should look like, without the batch axis; None = any size.
        vectors: where the network gives them, per image the (n, d) float32 unit vectors of the
            people that `read` finds in the same outputs, in its order; NaN where one has no
            direction.
    """

    read: Read
    overlapping: bool
    shapes: tuple[tuple[int | None, ...], ...]
    vectors: Tell | None = None


def decoder(card: Card) -> Decoder:
    """The reader of the card's network."""
    return MAKERS[card.output.decoder](card)


def _sigmoid(values: AnyArray) -> FloatArray:
    result: FloatArray = (0.5 * np.tanh(0.5 * values.astype(np.float32)) + 0.5).astype(np.float32)
    return result


def _corners(boxes: FloatArray) -> FloatArray:
    """Boxes of centre and size as boxes of corners."""
    half = boxes[:, 2:] * 0.5
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _grid(card: Card, round_up: bool = False) -> tuple[FloatArray, FloatArray]:
    """(n, 2) column and row of each cell, (n, 1) its stride; levels one after the other."""
    cells, strides = [], []
    for stride in card.output.strides:
        extra = stride - 1 if round_up else 0
        down, across = (card.input.height + extra) // stride, (card.input.width + extra) // stride
        rows, columns = np.divmod(np.arange(down * across), across)
        cells.append(np.stack([columns, rows], axis=1))
        strides.append(np.full((down * across, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _powers(objectness: AnyArray, classes: AnyArray, card: Card) -> FloatArray:
    a, b = card.output.objectness_power, card.output.class_power
    if (a, b) == (1.0, 1.0):
        return np.asarray(objectness * classes, np.float32)
    return np.asarray(objectness**a * classes**b, np.float32)


def _scaled(boxes: AnyArray, card: Card, usual_boxes: str, usual_units: str) -> FloatArray:
    """Candidates' boxes as corners in input pixels."""
    result = boxes.astype(np.float32)
    if (card.output.units or usual_units) == 'fraction':
        size = [card.input.width, card.input.height]
        result = result * np.array(size * 2, np.float32)
    if (card.output.boxes or usual_boxes) == 'cxcywh':
        result = _corners(result)
    return result


def _yolox_raw(card: Card) -> Decoder:
    cells, strides = _grid(card)
    column = 5 + card.output.person

    def one(rows: AnyArray, least: float) -> Found:
        scores = _powers(rows[:, 4], rows[:, column], card)
        keep = np.flatnonzero(scores >= least)
        boxes = rows[keep, :4].astype(np.float32)
        boxes[:, :2] += cells[keep]
        boxes[:, 2:] = np.exp(boxes[:, 2:])
        return _corners(boxes * strides[keep]), scores[keep]

    def read(outputs: Sequence[AnyArray], least: float) -> list[Found]:
        return [one(rows, least) for rows in outputs[0]]

    return Decoder(read, True, ((len(cells), 5 + card.output.classes),))


def _yolov5(card: Card) -> Decoder:
    column = 5 + card.output.person

    def one(rows: AnyArray, least: float) -> Found:
        scores = _powers(rows[:, 4], rows[:, column], card)
        keep = np.flatnonzero(scores >= least)
        return _scaled(rows[keep, :4], card, 'cxcywh', 'pixels'), scores[keep]

    def read(outputs: Sequence[AnyArray], least: float) -> list[Found]:
        return [one(rows, least) for rows in outputs[0]]

    return Decoder(read, True, ((None, 5 + card.output.classes),))


def _yolov8(card: Card) -> Decoder:
    columns = 4 + card.output.classes

    def one(values: AnyArray, least: float) -> Found:
        # Upstream gives one column per box; exports with a transposition give one row.
        table = values if values.shape[0] == columns else values.T
        scores = table[4 + card.output.person]
        if card.output.scores == 'sigmoid':
            scores = _sigmoid(scores)
        keep = np.flatnonzero(scores >= least)
        return (
            _scaled(table[:4, keep].T, card, 'cxcywh', 'pixels'),
            scores[keep].astype(np.float32),
        )

    def read(outputs: Sequence[AnyArray], least: float) -> list[Found]:
        return [one(values, least) for values in outputs[0]]

    return Decoder(read, True, ((columns, None),))


def _yolo_nms(card: Card) -> Decoder:
    def one(rows: AnyArray, least: float) -> Found:
        keep = (rows[:, 4] >= least) & (rows[:, 5] == card.output.person)
        return (
            _scaled(rows[keep, :4], card, 'xyxy', 'pixels'),
            rows[keep, 4].astype(np.float32),
        )

    def read(outputs: Sequence[AnyArray], least: float) -> list[Found]:
        return [one(rows, least) for rows in outputs[0]]

    return Decoder(read, False, ((None, 6),))


def _efficient_nms(card: Card) -> Decoder:
    def one(
        count: AnyArray, boxes: AnyArray, scores: AnyArray, classes: AnyArray, least: float
    ) -> Found:
        n = int(count.reshape(-1)[0])
        keep = np.flatnonzero((scores[:n] >= least) & (classes[:n] == card.output.person))
        return (
            _scaled(boxes[keep], card, 'xyxy', 'pixels'),
            scores[keep].astype(np.float32),
        )

    def read(outputs: Sequence[AnyArray], least: float) -> list[Found]:
        return [one(n, b, s, c, least) for n, b, s, c in zip(*outputs[:4])]

    return Decoder(read, False, ((1,), (None, 4), (None,), (None,)))


def _detr(card: Card) -> Decoder:
    """Boxes and class scores per query, in two outputs or side by side in one."""
    kind = card.output.scores or 'sigmoid'
    person = card.output.person

    def score(values: AnyArray) -> FloatArray:
        if kind == 'softmax':
            powers = np.exp(values - values.max(axis=1, keepdims=True))
            return np.asarray(powers[:, person] / powers.sum(axis=1), np.float32)
        own = values[:, person]
        return _sigmoid(own) if kind == 'sigmoid' else own.astype(np.float32)

    def one(boxes: AnyArray, values: AnyArray, least: float) -> Found:
        scores = score(values)
        keep = np.flatnonzero(scores >= least)
        return _scaled(boxes[keep], card, 'cxcywh', 'fraction'), scores[keep]

    def read(outputs: Sequence[AnyArray], least: float) -> list[Found]:
        if len(outputs) == 1:
            return [one(rows[:, :4], rows[:, 4:], least) for rows in outputs[0]]
        return [one(boxes, values, least) for boxes, values in zip(*outputs[:2])]

    classes = card.output.classes + (kind == 'softmax')
    return Decoder(read, False, ((None, 4), (None, classes)))


def _rtdetr_deploy(card: Card) -> Decoder:
    def one(labels: AnyArray, boxes: AnyArray, scores: AnyArray, least: float) -> Found:
        keep = np.flatnonzero((scores >= least) & (labels == card.output.person))
        return _scaled(boxes[keep], card, 'xyxy', 'pixels'), scores[keep].astype(np.float32)

    def read(outputs: Sequence[AnyArray], least: float) -> list[Found]:
        return [one(n, b, s, least) for n, b, s in zip(*outputs[:3])]

    return Decoder(read, False, ((None,), (None, 4), (None,)))


def _paddle_nms(card: Card) -> Decoder:
    """Rows class, score, box of all images one after the other, and the images' row counts."""

    def read(outputs: Sequence[AnyArray], least: float) -> list[Found]:
        rows, counts = outputs[:2]
        found: list[Found] = []
        ends = np.cumsum(counts.reshape(-1))
        for start, end in zip([0, *ends[:-1]], ends):
            part = rows[start:end]
            keep = (part[:, 1] >= least) & (part[:, 0] == card.output.person)
            boxes = _scaled(part[keep, 2:6], card, 'xyxy', 'pixels')
            found.append((boxes, part[keep, 1].astype(np.float32)))
        return found

    return Decoder(read, False, ((6,), ()))


def _nanodet(card: Card) -> Decoder:
    cells, strides = _grid(card, round_up=True)
    centres = (cells + card.output.cell_offset) * strides
    bins = card.output.reg_max + 1
    steps = np.arange(bins, dtype=np.float32)
    classes = card.output.classes
    limit = np.array([card.input.width, card.input.height] * 2, np.float32)

    def distances(logits: AnyArray, keep: IntArray) -> FloatArray:
        sides = logits.reshape(-1, 4, bins).astype(np.float32)
        powers = np.exp(sides - sides.max(axis=2, keepdims=True))
        result: FloatArray = (powers @ steps) / powers.sum(axis=2) * strides[keep]
        return result

    def one(values: AnyArray, sides: AnyArray, least: float) -> Found:
        scores = values[:, card.output.person]
        if card.output.scores == 'sigmoid':
            scores = _sigmoid(scores)
        keep = np.flatnonzero(scores >= least)
        far = distances(sides[keep], keep)
        centre = centres[keep]
        boxes = np.concatenate([centre - far[:, :2], centre + far[:, 2:]], axis=1)
        return np.clip(boxes, 0, limit), scores[keep].astype(np.float32)

    def read(outputs: Sequence[AnyArray], least: float) -> list[Found]:
        if len(outputs) > 1:  # one output per level: all class scores first, then all distances
            half = len(outputs) // 2
            values = np.concatenate(outputs[:half], axis=1)
            sides = np.concatenate(outputs[half:], axis=1)
            return [one(v, s, least) for v, s in zip(values, sides)]
        return [one(rows[:, :classes], rows[:, classes:], least) for rows in outputs[0]]

    return Decoder(read, True, ((len(cells), classes + 4 * bins),))


def _fastestdet(card: Card) -> Decoder:
    (stride,) = card.output.strides
    down, across = card.input.height // stride, card.input.width // stride
    size = np.array([card.input.width, card.input.height], np.float32)
    column = 5 + card.output.person

    def one(planes: AnyArray, least: float) -> Found:
        table = planes.reshape(planes.shape[0], -1)
        scores = _powers(table[0], table[column], card)
        keep = np.flatnonzero(scores >= least)
        # A cell is of its best class only.
        keep = keep[table[5:, keep].argmax(axis=0) == card.output.person]
        part = table[1:5, keep].astype(np.float32)
        cell = np.stack([keep % across, keep // across]).astype(np.float32)
        centre = (np.tanh(part[:2]) + cell).T / np.array([across, down], np.float32) * size
        boxes = np.concatenate([centre, _sigmoid(part[2:]).T * size], axis=1)
        return _corners(boxes), scores[keep]

    def read(outputs: Sequence[AnyArray], least: float) -> list[Found]:
        return [one(planes, least) for planes in outputs[0]]

    return Decoder(read, True, ((5 + card.output.classes, down, across),))


def _search(card: Card) -> Decoder:
    """Boxes, scores and vectors of as many places as the network always answers."""

    def chosen(scores: AnyArray, least: float) -> IntArray:
        # Places that hold nobody have score 0 and are no people where the lowest score is 0, too.
        result: IntArray = np.flatnonzero((scores >= least) & (scores > 0.0))
        return result

    def read(outputs: Sequence[AnyArray], least: float) -> list[Found]:
        found: list[Found] = []
        for boxes, scores in zip(*outputs[:2]):
            keep = chosen(scores, least)
            found.append(
                (_scaled(boxes[keep], card, 'xyxy', 'pixels'), scores[keep].astype(np.float32))
            )
        return found

    def vectors(outputs: Sequence[AnyArray], least: float) -> list[FloatArray]:
        found: list[FloatArray] = []
        for scores, rows in zip(*outputs[1:3]):
            own = rows[chosen(scores, least)].astype(np.float32)
            with np.errstate(invalid='ignore', divide='ignore'):
                found.append(own / np.linalg.norm(own, axis=1, keepdims=True))
        return found

    shapes = ((None, 4), (None,), (None, card.output.vector))
    return Decoder(read, True, shapes, vectors)


# Sources of the definitions: test/test_decode.py cites one per reader.
MAKERS: dict[str, Callable[[Card], Decoder]] = {
    'yolox_raw': _yolox_raw,
    'yolox': _yolov5,
    'yolov5': _yolov5,
    'yolov8': _yolov8,
    'yolo_nms': _yolo_nms,
    'efficient_nms': _efficient_nms,
    'detr': _detr,
    'rtdetr_deploy': _rtdetr_deploy,
    'paddle_nms': _paddle_nms,
    'nanodet': _nanodet,
    'fastestdet': _fastestdet,
    'search': _search,
}
