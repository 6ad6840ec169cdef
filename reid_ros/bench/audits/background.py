"""Does what is around a person tell who it is? It must not."""

from __future__ import annotations

import cv2
import numpy as np

from reid_ros.bench.audits.finding import Finding, at_chance, compared
from reid_ros.bench.audits.learn import nearest, ridge, whitened
from reid_ros.bench.audits.looks import Network
from reid_ros.evaluate.intervals import share
from reid_ros.types import BoolArray, DoubleArray, FloatArray, IntArray, UInt8Array
from reid_ros.world.tracklets import Tracklets, dataset

AUDIT = 'identity from the background'
_CELLS = (16, 8)
_GROWN_PX = 9
"""Lens blur and the halved colours of JPEG carry a person's colours over the outline: width of
the brush that takes away so much more."""
_OFTEN = 0.12
_DIMENSIONS = 120


def audit(people: int, seed: int, network: Network | None) -> list[Finding]:
    """Learn identities from some walks, then name other walks; with the person cut out.

    Both before the same cameras, where places and cameras repeat, and before others.
    """
    data = dataset('test', people, 4, per_camera=2, frames=2, seed=seed, rate_hz=2.0)
    return examined(data, network)


def examined(data: Tracklets, network: Network | None) -> list[Finding]:
    """The findings on tracklets of two walks of everybody before each of their cameras."""
    found = list(data)
    labels = data.labels
    crops = np.stack([one.crops for one in found])
    masks = np.stack([_grown(one.masks) for one in found])
    # Half of the cameras, not of the places: two cameras may share a place.
    first = labels.cameras < (labels.cameras.max() + 1) // 2
    splits = {
        'other walks, same cameras': labels.walks == 0,
        'other cameras': first,
    }
    features = {'pixels and colours': _features(crops, masks)}
    if network is not None:
        features[network.name] = _deep(network, _filled(crops, masks))
    seen = {'pixels and colours': _features(crops, np.zeros_like(masks))}
    chance = 1 / len(np.unique(labels.persons))
    tests = 2 * len(features) * len(splits)
    result = []
    for name, values in features.items():
        for split, part in splits.items():
            for learner, hits in _both(values, labels.persons, part).items():
                case = f'{name}, {learner}, {split}'
                result.append(at_chance(AUDIT, case, hits, len(part), chance, tests))
    for name, values in seen.items():
        for split, part in splits.items():
            hits = _both(values, labels.persons, part)['linear']
            rate = share(hits, len(part))
            case = f'control: with the person, {name}, linear, {split}'
            result.append(compared(AUDIT, case, rate, chance, 'far above chance'))
    return result


def _both(values: DoubleArray, persons: IntArray, part: BoolArray) -> dict[str, int]:
    """Right answers of each learner that learns from a part and names the rest, and vice versa."""
    there, back = _named(values, persons, part, ~part), _named(values, persons, ~part, part)
    return {name: there[name] + back[name] for name in there}


def _named(
    values: DoubleArray, persons: IntArray, known: BoolArray, asked: BoolArray
) -> dict[str, int]:
    """Right answers of each learner."""
    project = whitened(values[known], _DIMENSIONS)
    learnt, wanted = project(values[known]), project(values[asked])
    return {
        'linear': int((ridge(learnt, persons[known], 1.0)(wanted) == persons[asked]).sum()),
        'nearest': int((nearest(learnt, persons[known])(wanted) == persons[asked]).sum()),
    }


def _grown(masks: UInt8Array) -> UInt8Array:
    kernel = np.ones((_GROWN_PX, _GROWN_PX), np.uint8)
    return np.stack([np.asarray(cv2.dilate(mask, kernel), np.uint8) for mask in masks])


def _features(crops: UInt8Array, masks: UInt8Array) -> DoubleArray:
    """(n, d) means of cells and histograms of colour over what is no person, mean over frames.

    Nothing of it depends on the shape of the hole: cells without background take the crop's mean.
    """
    rows = []
    for tracklet, holes in zip(crops, masks):
        rows.append(np.mean([_feature(c, h) for c, h in zip(tracklet, holes)], axis=0))
    return np.stack(rows)


def _feature(crop: UInt8Array, hole: UInt8Array) -> FloatArray:
    kept = (hole == 0).astype(np.float32)
    size = _CELLS[::-1]
    pixels = crop.astype(np.float32)
    weight = cv2.resize(kept, size, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(pixels * kept[..., None], size, interpolation=cv2.INTER_AREA)
    mean = pixels[kept > 0].mean(axis=0) if kept.any() else pixels.mean(axis=(0, 1))
    cells = np.where((weight > 0.15)[..., None], sums / np.maximum(weight, 0.01)[..., None], mean)
    hsv = cv2.cvtColor(crop, cv2.COLOR_BGR2HSV)[kept > 0]
    table, _ = np.histogramdd(
        hsv.astype(np.float64), bins=(12, 4, 4), range=((0, 180), (0, 256), (0, 256))
    )
    shares = np.sqrt(table.ravel() / max(table.sum(), 1.0))
    result: FloatArray = np.concatenate([cells.ravel() / 255, 2 * shares]).astype(np.float32)
    return result


def _filled(crops: UInt8Array, masks: UInt8Array) -> UInt8Array:
    """Crops without the person, nor the outline: where people often are is filled for all."""
    often = (masks > 0).mean(axis=(0, 1)) > _OFTEN
    result: UInt8Array = crops.copy()
    for tracklet, holes in zip(result, masks):
        for crop, hole in zip(tracklet, holes):
            gone = ((hole > 0) | often).astype(np.uint8)
            crop[:] = cv2.inpaint(crop, gone, 3, cv2.INPAINT_TELEA)
    return result


def _deep(network: Network, crops: UInt8Array) -> DoubleArray:
    flat = network.vectors(crops.reshape(-1, *crops.shape[2:]))
    result: DoubleArray = flat.reshape(*crops.shape[:2], -1).mean(axis=1).astype(np.float64)
    return result
