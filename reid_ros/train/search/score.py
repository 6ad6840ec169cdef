"""How well a network finds people, and finds them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from reid_ros.boxes import claimed, nms
from reid_ros.evaluate import searchprotocol
from reid_ros.evaluate.searchprotocol import Found, Queries, Truth
from reid_ros.train.search.data.pictures import Pictures, SearchTrial, Standing
from reid_ros.train.search.nets.searcher import Searcher
from reid_ros.types import AnyArray, FloatArray, IntArray, UInt8Array

BATCH = 8
"""Pictures of one forward pass."""
RIGHT = 0.5
"""Overlap with a true box from which a detection is right, as in CUHK-SYSU's code."""

Run = Callable[[UInt8Array], tuple[AnyArray, AnyArray, AnyArray]]
"""(n, h, w, 3) pictures -> boxes (n, k, 4), scores (n, k), vectors (n, k, d)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Which detections are looked at.

    Attributes:
        score: the least.
        nms: overlap above which the less sure of two goes.
    """

    score: float = 0.5
    nms: float = 0.5


def asked(network: Searcher) -> Run:
    """A network as what answers for pictures."""
    device = next(network.parameters()).device

    def run(images: UInt8Array) -> tuple[AnyArray, AnyArray, AnyArray]:
        found = network.detect(torch.from_numpy(images).to(device))
        parts = (found.boxes, found.scores, found.vectors)
        boxes, scores, vectors = (part.float().cpu().numpy() for part in parts)
        return boxes, scores, vectors

    return run


def searched(run: Run, pictures: Pictures, rows: IntArray, limits: Limits) -> Found:
    """What is found in some pictures, without those that better ones overlap.

    Vectors are as long as the network's; of a detector alone they are one number.
    """
    images, boxes, scores, vectors = [], [], [], []
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH].tolist()
        told = run(np.stack([pictures.image(row) for row in some]))
        for row, place, sure, who in zip(some, *told):
            sound = (sure >= limits.score) & (place[:, 2:] > place[:, :2]).all(axis=1)
            kept = np.flatnonzero(sound)
            kept = kept[nms(place[kept], sure[kept], limits.nms)]
            images.append(np.full(len(kept), row))
            boxes.append(place[kept])
            scores.append(sure[kept])
            vectors.append(who[kept] if who.shape[1] else np.ones((len(kept), 1), np.float32))
    return Found(*(np.concatenate(part) for part in (images, boxes, scores, vectors)))


def described(network: Searcher, pictures: Pictures, rows: IntArray) -> FloatArray:
    """(n, d) float32 of unit length, of whom the boxes with these numbers show.

    Args:
        network: is left in the mode, training or not, that it came in.
        pictures: of the boxes.
        rows: numbers of the boxes.
    """
    where = pictures.standing
    return in_boxes(network, pictures, where.pictures[rows], where.boxes[rows])


def in_boxes(
    network: Searcher, pictures: Pictures, shown: IntArray, boxes: FloatArray
) -> FloatArray:
    """(n, d) float32 of unit length, of who stands in (n, 4) boxes of pictures `shown`."""
    result = np.empty((len(shown), network.width), np.float32)
    device = next(network.parameters()).device
    each, index = np.unique(shown, return_inverse=True)
    order = np.argsort(index.reshape(-1), kind='stable')
    counts = np.bincount(index.reshape(-1), minlength=len(each))
    spans = np.split(order, np.cumsum(counts)[:-1])
    was = network.training
    network.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(each), BATCH):
                some = spans[start : start + BATCH]
                images = np.stack([pictures.image(int(k)) for k in each[start : start + BATCH]])
                given = [torch.from_numpy(boxes[rows]) for rows in some]
                padded: Tensor = torch.nn.utils.rnn.pad_sequence(given, batch_first=True)
                told = network.describe(torch.from_numpy(images).to(device), padded.to(device))
                for rows, who in zip(some, told.float().cpu().numpy()):
                    result[rows] = who[: len(rows)]
    finally:
        network.train(was)
    return result


def scores(
    network: Searcher,
    trials: Mapping[str, SearchTrial],
    limits: Limits,
    intervals: bool = False,
) -> dict[str, dict[str, Any]]:
    """`score` of each trial, by its name."""
    return {name: score(network, trial, limits, intervals) for name, trial in trials.items()}


def score(
    network: Searcher,
    trial: SearchTrial,
    limits: Limits,
    intervals: bool = False,
    detector: Searcher | None = None,
    truth: bool = False,
) -> dict[str, Any]:
    """What was found of whom, in percent, and how many queries and people there were.

    'rank-1' is top-1 of the protocol. A detector alone has detection figures alone.

    Args:
        network: what is scored; is left in the mode that it came in.
        trial: who is searched where.
        limits: which detections count.
        intervals: also 95 % intervals, by bootstrap over people.
        detector: another network whose boxes are described in place of the own ones.
        truth: describe the true boxes.
    """
    was = network.training
    network.eval()
    try:
        with torch.inference_mode():
            found = _found(network, trial, limits, detector, truth)
            if not network.width:
                return detection(found, trial, limits)
            probes = described(network, trial.pictures, trial.queries)
    finally:
        network.train(was)
    return answered(found, probes, trial, limits, intervals)


def used(trial: SearchTrial) -> IntArray:
    """Numbers of the pictures of all galleries and queries."""
    where = trial.pictures.standing
    return np.unique(np.concatenate([where.pictures[trial.queries], *trial.gallery]))


def _found(
    network: Searcher,
    trial: SearchTrial,
    limits: Limits,
    detector: Searcher | None,
    truth: bool,
) -> Found:
    pictures, rows = trial.pictures, used(trial)
    if not truth and detector is None:
        return searched(asked(network), pictures, rows, limits)
    if detector is not None:
        seen = searched(asked(detector.eval()), pictures, rows, limits)
    else:
        part = pictures.standing.of(rows)
        ones = np.ones((len(part.people), 1), np.float32)
        seen = Found(rows[part.pictures], part.boxes, ones[:, 0], ones)
    who = in_boxes(network, pictures, seen.images, seen.boxes)
    return Found(seen.images, seen.boxes, seen.scores, who)


def answered(
    found: Found, probes: FloatArray, trial: SearchTrial, limits: Limits, intervals: bool = False
) -> dict[str, Any]:
    """`score` of detections and of the vectors of the queries.

    Args:
        found: in all pictures that are `used`.
        probes: (q, d).
        trial: who is searched where.
        limits: which detections count.
        intervals: also 95 % intervals, by bootstrap over people.
    """
    where = trial.pictures.standing
    known = where.people >= 0
    truth = Truth(where.pictures[known], where.boxes[known], where.people[known], where.cameras)
    who = where.people[trial.queries]
    queries = Queries(who, where.pictures[trial.queries], probes)
    answer = searchprotocol.search(found, truth, queries, trial.gallery, limits.score)
    values = answer.scores()
    result: dict[str, Any] = {
        'rank-1': _percent(values['top-1']),
        'mAP': _percent(values['mAP']),
        'top-5': _percent(values['top-5']),
        'recall': _percent(values['recall']),
        **detection(found, trial, limits),
        'queries': len(answer.queries),
        'people': len(np.unique(answer.ids)),
    }
    if intervals:
        ends = answer.intervals(np.random.default_rng(0))
        result['intervals'] = {
            name: [_percent(ends[key].low), _percent(ends[key].high)]
            for name, key in (('rank-1', 'top-1'), ('mAP', 'mAP'))
        }
    return result


def detection(found: Found, trial: SearchTrial, limits: Limits) -> dict[str, Any]:
    """How well people are found at all, in percent, and in how many pictures.

    As in CUHK-SYSU's code: average precision of the detections that count, times the share of
    people who were found. People without a label count, too.
    """
    rows = used(trial)
    right, sure, there = matched(found, trial.pictures.standing, rows, limits.score)
    recall = float(right.sum()) / max(there, 1)
    order = np.argsort(-sure, kind='stable')
    hits = right[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    average = float(precision[hits].mean()) if hits.any() else 0.0
    return {
        'detection AP': _percent(average * recall),
        'detection recall': _percent(recall),
        'detection precision': _percent(float(hits.mean()) if len(hits) else 0.0),
        'pictures': len(rows),
    }


def matched(
    found: Found, where: Standing, rows: IntArray, least: float
) -> tuple[AnyArray, AnyArray, int]:
    """(n,) which detections are right, (n,) how sure they are, and how many people there are.

    The surest takes the person that it overlaps most, and nobody else may.
    """
    right, sure, there = [], [], 0
    for row in rows.tolist():
        true = where.boxes[int(where.starts[row]) : int(where.starts[row + 1])]
        there += len(true)
        own = np.flatnonzero((found.images == row) & (found.scores >= least))
        own = own[np.argsort(-found.scores[own], kind='stable')]
        scores = found.scores[own]
        right += (claimed(found.boxes[own], scores, true, RIGHT) >= 0).tolist()
        sure += scores.tolist()
    return np.array(right, bool), np.array(sure, np.float64), there


def diagnosis(
    network: Searcher, trial: SearchTrial, limits: Limits, detector: Searcher | None = None
) -> dict[str, dict[str, Any]]:
    """What is lost by finding and what by telling: `score` in boxes of several origins.

    Args:
        network: whose vectors are compared.
        trial: who is searched where.
        limits: which detections count.
        detector: a specialised one, where there is one.
    """
    found = {
        'truth': score(network, trial, limits, truth=True),
        'joint': score(network, trial, limits),
    }
    if detector is not None:
        found['detector'] = score(network, trial, limits, detector=detector)
    return found


def limits(data: Any) -> Limits:
    """Those of a recipe's data."""
    return Limits(float(data.score), float(data.nms))


def points(found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """What the curves show, by name."""
    names: Sequence[str] = ('rank-1', 'mAP', 'detection AP')
    return {
        f'{name} {key}': cast(float, values[key])
        for name, values in found.items()
        for key in names
        if key in values
    }


def _percent(value: float) -> float:
    return round(100 * value, 3)
