"""How well masks fit: intersection over union, crop by crop."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from reid_ros.train.segment.disturb import plain
from reid_ros.train.segment.net import Masks, Segmenter
from reid_ros.train.segment.pictures import Pictures
from reid_ros.types import BoolArray, FloatArray, UInt8Array

Run = Callable[[UInt8Array], FloatArray]
"""(n, h, w, 3) uint8 BGR crops to (n, h, w) masks, 0 to 1."""
BATCH = 32
CLEAR = 0.7
"""Share of a person that is seen, from which on nothing important is hidden."""


def in_torch(network: Segmenter) -> Run:
    """A network as something that is scored."""
    masks = Masks(network)
    device = next(network.parameters()).device

    def run(crops: UInt8Array) -> FloatArray:
        with torch.inference_mode():
            found: FloatArray = masks(torch.from_numpy(crops).to(device)).cpu().numpy()
        return found

    return run


def overlap(found: BoolArray, true: BoolArray) -> FloatArray:
    """(n,) intersection over union of masks (n, h, w); 1 where both are empty."""
    both = np.count_nonzero(found & true, axis=(1, 2))
    either = np.count_nonzero(found | true, axis=(1, 2))
    result: FloatArray = np.where(either > 0, both / np.maximum(either, 1), 1.0).astype(np.float32)
    return result


def overlaps(run: Run, pictures: Pictures, size: tuple[int, int]) -> FloatArray:
    """(n,) intersection over union for all pictures of a set.

    Args:
        run: what makes masks.
        pictures: of the set.
        size: height and width of its crops, pixels.
    """
    found = []
    for start in range(0, len(pictures), BATCH):
        rows = range(start, min(start + BATCH, len(pictures)))
        pairs = [plain(pictures, row, size[::-1]) for row in rows]
        crops, masks = (np.stack(part) for part in zip(*pairs))
        found.append(overlap(run(crops) > 0.5, masks > 127))
    return np.concatenate(found)


def scores(run: Run, pictures: Pictures, size: tuple[int, int]) -> dict[str, float]:
    """Means over a set: of all, of those who are hardly hidden, of the others; the worst tenth."""
    each = overlaps(run, pictures, size)
    clear = pictures.visible >= CLEAR
    parts = {'iou': each, 'iou_clear': each[clear], 'iou_hidden': each[~clear]}
    result = {name: float(part.mean()) for name, part in parts.items() if len(part)}
    result['tenth'] = float(np.quantile(each, 0.1))
    return {name: round(value, 4) for name, value in result.items()} | {'crops': float(len(each))}


def all_scores(network: Segmenter, sets: Mapping[str, Pictures]) -> dict[str, dict[str, float]]:
    """`scores` of each set, by its name.

    Args:
        network: is left in the mode, training or not, that it came in.
        sets: pictures.
    """
    was = network.training
    network.eval()
    try:
        run = in_torch(network)
        return {name: scores(run, one, network.size) for name, one in sets.items()}
    finally:
        network.train(was)
