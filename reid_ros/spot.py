"""Vectors of people whom somebody else found, by a network that finds people of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid_ros.boxes import iou
from reid_ros.detect import Detector
from reid_ros.embed import Embedder
from reid_ros.types import Detections, FloatArray, Frame

SAME_IOU = 0.5
"""A found box that overlaps a given one by more shows the same person."""


class Spotter(Embedder):
    """Takes for each given box the vector of the person whom the search network finds there.

    A search network sees a whole picture and no crops. Where it finds the people of a camera
    itself, their vectors come with them and nothing is asked here.
    """

    def __init__(self, detector: Detector) -> None:
        """Detector: of a search network, with looks."""
        super().__init__(detector.model)
        self._detector = detector
        self._last: dict[str, tuple[Frame, Detections]] = {}

    def vectors(self, wanted: Sequence[tuple[Frame, FloatArray]]) -> list[FloatArray]:
        """(k, d) float32 unit vectors of each frame's (k, 4) boxes; nan where it finds nobody."""
        length = self.model.card.output.vector
        found = iter(self._found([frame for frame, boxes in wanted if len(boxes)]))
        return [
            _taken(boxes, next(found), length) if len(boxes) else np.empty((0, length), np.float32)
            for _, boxes in wanted
        ]

    def _found(self, frames: Sequence[Frame]) -> list[Detections]:
        """The people of each frame; a camera's last one, often asked for twice, is kept."""
        kept = [self._last.get(frame.camera) for frame in frames]
        known = [None if k is None or k[0] is not f else k[1] for k, f in zip(kept, frames)]
        fresh = iter(self._detector.detect([f for f, k in zip(frames, known) if k is None]))
        result = [next(fresh) if k is None else k for k in known]
        self._last.update((f.camera, (f, found)) for f, found in zip(frames, result))
        return result


def _taken(boxes: FloatArray, found: Detections, length: int) -> FloatArray:
    """(k, length) of each box its person's vector; nobody's vector is given to two boxes."""
    result = np.full((len(boxes), length), np.nan, np.float32)
    if not len(found) or found.vectors is None:
        return result
    overlap = iou(boxes, found.boxes)
    best = overlap.argmax(axis=1)
    rows = np.arange(len(boxes))
    mutual = overlap.argmax(axis=0)[best] == rows
    same = mutual & (overlap[rows, best] > SAME_IOU)
    result[same] = found.vectors[best[same]]
    return result
