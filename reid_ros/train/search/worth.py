"""What an exported network of person search is worth, and what its scores and angles mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from reid_ros.boxes import iou
from reid_ros.calibration import Calibration, CalibrationError
from reid_ros.evaluate.searchprotocol import Found
from reid_ros.train.search.data.pictures import SearchTrial, Standing
from reid_ros.train.search.score import RIGHT, Limits, Run, answered, matched, searched, used
from reid_ros.train.worth import TWICE, few
from reid_ros.types import FloatArray, IntArray

LOOKS = 8
"""Pictures of a person before a camera that a track is made of, evenly spread, at most."""


LEAST = 0.02
"""Score from which detections tell what scores mean; below it there are too many."""
ROUNDS, TINY = 50, 1e-6


def meaning(run: Run, trials: Mapping[str, SearchTrial], limits: Limits) -> tuple[float, float]:
    """(scale, shift) of the logits such that a score is how likely a detection is right.

    A dense head learns how well a box fits, so even its surest are far from 1, where a tracker's
    limits are of a detector that is sure. Platt, Probabilistic Outputs for SVMs, 1999: logistic
    regression by Newton's method. The order of the scores stays.

    Args:
        run: the network.
        trials: of people that it has not seen; none: (1, 0).
        limits: their overlap counts.
    """
    columns: list[list[Any]] = [[], []]
    for trial in trials.values():
        rows = used(trial)
        found = searched(run, trial.pictures, rows, Limits(LEAST, limits.nms))
        right, sure, _ = matched(found, trial.pictures.standing, rows, LEAST)
        columns[0].append(np.clip(sure, TINY, 1 - TINY))
        columns[1].append(right)
    sure = np.concatenate([np.empty(0), *columns[0]])
    right = np.concatenate([np.empty(0), *columns[1]])
    if not 0 < right.sum() < len(right):
        return 1.0, 0.0
    # As if each kind had one more: few detections make nobody sure.
    number = float(right.sum()), float(len(right) - right.sum())
    aim = np.where(right > 0, (number[0] + 1) / (number[0] + 2), 1 / (number[1] + 2))
    inputs = np.stack([np.log(sure / (1 - sure)), np.ones(len(sure))], axis=1)
    values = np.array([1.0, 0.0])
    for _ in range(ROUNDS):
        likely = 1 / (1 + np.exp(-inputs @ values))
        slope = inputs.T @ (aim - likely) - TINY * values
        bend = (inputs * (likely * (1 - likely))[:, None]).T @ inputs + TINY * np.eye(2)
        values = values + np.linalg.solve(bend, slope)
    scale, shift = (float(value) for value in values)
    return (scale, shift) if np.isfinite(values).all() and scale > 0 else (1.0, 0.0)


def meant(limits: Limits, scale: float, shift: float) -> Limits:
    """The same limits of scores that were brought to their meaning."""
    sure = min(max(limits.score, TINY), 1 - TINY)
    logit = scale * math.log(sure / (1 - sure)) + shift
    return Limits(1 / (1 + math.exp(-logit)), limits.nms)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a network makes of a trial.

    Attributes:
        found: in all its pictures.
        probes: (q, d) vectors of the queries.
    """

    found: Found
    probes: FloatArray


def look(run: Run, trial: SearchTrial, limits: Limits) -> Seen:
    """Ask a network for everything in a trial, as a robot would.

    A query is what the network finds in its own picture nearest to its box.
    """
    pictures, where = trial.pictures, trial.pictures.standing
    found = searched(run, pictures, used(trial), limits)
    shown = where.pictures[trial.queries]
    probes: list[FloatArray] = [np.empty(0, np.float32)] * len(shown)
    for picture in np.unique(shown).tolist():
        boxes, scores, vectors = (part[0] for part in run(pictures.image(picture)[None]))
        rows = np.flatnonzero(shown == picture)
        near = iou(where.boxes[trial.queries[rows]], boxes) * scores
        for row, vector in zip(rows.tolist(), vectors[near.argmax(axis=1)]):
            probes[row] = vector
    return Seen(found, np.stack(probes))


def scores(
    trials: Mapping[str, SearchTrial], seen: Mapping[str, Seen], limits: Limits
) -> dict[str, dict[str, float]]:
    """rank-1, mAP and figures of detection of each trial, percent."""
    names = ('rank-1', 'mAP', 'detection AP', 'detection recall')
    result = {}
    for name, trial in trials.items():
        told = answered(seen[name].found, seen[name].probes, trial, limits)
        result[name] = {key: round(float(told[key]), 2) for key in names}
    return result


def calibration(trials: Mapping[str, SearchTrial], seen: Mapping[str, Seen]) -> Calibration:
    """What angles between tracks mean.

    A track is what a network found of a person before a camera. Where hardly anybody comes twice,
    the earlier and the later half of it stand for two tracks before one camera. Strangers are
    those of one site, as a robot meets them: what tells places apart tells nobody apart there.

    Raises:
        CalibrationError: too few people.
    """
    if not trials:
        raise CalibrationError('data.validation names no set')
    columns: list[list[Any]] = [[], [], [], []]
    first = site = 0
    for name, trial in trials.items():
        vectors, people, cameras = tracks(trial, seen[name].found)
        kept = few(people)
        whole, people, cameras = vectors[kept].mean(1), people[kept], cameras[kept]
        places = sites(trial.pictures.standing)[cameras] + site
        people = np.unique(people, return_inverse=True)[1].reshape(-1) + first
        site = int(places.max(initial=site)) + 1
        alone = np.arange(len(people)) + site
        half = LOOKS // 2
        parts = [(whole, places)]
        pairs, counts = np.unique(np.stack([people, cameras]), axis=1, return_counts=True)
        if len(np.unique(pairs[0, counts > 1])) < TWICE:
            parts += [(vectors[kept][:, :half].mean(1), alone)]
            parts += [(vectors[kept][:, half:].mean(1), alone)]
        for rows, together in parts:
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            for column, values in zip(columns, (rows / lengths, people, cameras, together)):
                column.append(values)
        first = int(people.max(initial=first - 1)) + 1
        site += len(people)
    return Calibration.of(*(np.concatenate(column) for column in columns))


def sites(where: Standing) -> IntArray:
    """(cameras,) number of each camera's site: cameras that saw one person share it."""
    known = where.people >= 0
    cameras = where.cameras[where.pictures[known]]
    people = np.unique(where.people[known], return_inverse=True)[1].reshape(-1)
    number = int(where.cameras.max(initial=-1)) + 1
    size = number + int(people.max(initial=-1)) + 1
    seen = coo_matrix((np.ones(len(cameras)), (cameras, people + number)), (size, size))
    found: IntArray = connected_components(seen, directed=False)[1][:number].astype(np.int64)
    return found


def tracks(trial: SearchTrial, found: Found) -> tuple[FloatArray, IntArray, IntArray]:
    """Vectors (t, LOOKS, d), people and cameras (t,) of those found in more than one picture.

    Where there are fewer pictures than LOOKS, some come twice, next to each other.
    """
    where = trial.pictures.standing
    boxes = np.flatnonzero(where.people >= 0)
    pictures = where.pictures
    chosen, rows = [], []
    for box in boxes.tolist():
        own = np.flatnonzero(found.images == pictures[box])
        near = iou(where.boxes[box : box + 1], found.boxes[own])[0]
        if len(near) and near.max() >= RIGHT:
            chosen.append(box)
            rows.append(int(own[near.argmax()]))
    who = where.people[chosen]
    cameras = where.cameras[pictures[chosen]]
    pairs, index = np.unique(np.stack([who, cameras]), axis=1, return_inverse=True)
    vectors, kept = [], []
    for track in range(pairs.shape[1]):
        own = np.flatnonzero(index.reshape(-1) == track)
        if len(own) > 1:
            looks = np.linspace(0, len(own) - 1, LOOKS).round().astype(np.int64)
            vectors.append(found.vectors[np.array(rows)[own[looks]]])
            kept.append(track)
    if not kept:
        raise CalibrationError('nobody was found in two pictures of one camera')
    return np.stack(vectors), pairs[0, kept], pairs[1, kept]
