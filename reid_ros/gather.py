"""One vector of several views, where every frame brings some."""

from __future__ import annotations

import numpy as np

from reid_ros.embed import GATE
from reid_ros.types import FloatArray, IntArray, Tracks


class Gathered:
    """Of one camera, what its tracks looked like since each last got a vector.

    A search network gives vectors of everybody in every frame. A track still gets no more of them
    than it would of crops, so that many views of one moment make nobody sure; but each is the
    mean, by quality, of all good views since the one before. On eleven rendered worlds of the
    split validation, with the shipped student's vectors of every box, IDF1 was 53.4 so, 50.3 with
    the last view alone (standard error of the difference 0.8), 52.2 with every view by itself.
    """

    def __init__(self) -> None:
        self._sums: dict[int, FloatArray] = {}

    def mean(
        self, tracks: Tracks, qualities: FloatArray, vectors: FloatArray, due: IntArray
    ) -> FloatArray:
        """(k, d) unit vectors of the tracks that are due; NaN where there was no good view.

        Args:
            tracks: of the camera after this frame.
            qualities: (n,) of its tracks, as `embed.quality` says.
            vectors: (m, d) unit vectors of the frame's detections, NaN where there is none.
            due: (k,) rows of the tracks that get a vector now.
        """
        for number in tracks.ended.tolist():
            self._sums.pop(number, None)
        numbers = tracks.ids.tolist()
        good = np.flatnonzero((qualities >= GATE) & tracks.confirmed)
        for row, vector in zip(good.tolist(), vectors[tracks.detection[good]]):
            if np.isfinite(vector).all():
                weighted = vector * qualities[row]
                before = self._sums.get(numbers[row])
                self._sums[numbers[row]] = weighted if before is None else before + weighted
        nothing = np.full(vectors.shape[1], np.nan, np.float32)
        rows = [self._sums.pop(numbers[row], nothing) for row in due.tolist()]
        sums = np.array(rows, np.float32).reshape(-1, vectors.shape[1])
        with np.errstate(invalid='ignore', divide='ignore'):
            result: FloatArray = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return result
