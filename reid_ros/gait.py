"""A track's silhouettes over the last moments to a unit vector of how the person walks.

The network is two graphs. The first turns one silhouette into features; over time only their
element-wise maximum counts, so each new silhouette is looked at once and not again with every
vector. The second turns the maximum over the newest silhouettes into the vector.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_ros.card import Card
from reid_ros.config import GaitConfig
from reid_ros.model import Model
from reid_ros.pace import Gait as Gait
from reid_ros.pace import Step, Walk
from reid_ros.silhouette import LEAST_MASS, SIZE, Silhouettes
from reid_ros.types import DoubleArray, FloatArray, ReidError, Tracks

NS = 1_000_000_000
REASONS = ('', 'few', 'still', 'gap', 'jump', 'unfit')
"""Why there is no vector although silhouettes are good, besides those of `silhouette.REASONS`."""


FARTHEST = 1e9
"""Entries of a camera's motion beyond which it cannot be told any more what moved whither."""
AWAY = 'away'
"""Of a track that was not seen in the frame: no reason to be told."""


class GaitError(ReidError):
    """A gait network that cannot serve."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame with the silhouettes of its tracks.

    Attributes:
        camera, stamp_ns: those of the frame.
        tracks: of the camera after the frame.
        silhouettes: of the boxes of tracks.
    """

    camera: str
    stamp_ns: int
    tracks: Tracks
    silhouettes: Silhouettes


class Gaits:
    """How the people of all cameras walk.

    Attributes:
        counts: of each camera, how often a track had a vector ('') or which reason it had none.
    """

    def __init__(self, frames: Model, head: Model, config: GaitConfig) -> None:
        """Use a network.

        Args:
            frames: silhouettes to features.
            head: the maximum of features to a vector.
            config: how much has to be seen.

        Raises:
            GaitError: a network for silhouettes of another size.
        """
        card = frames.card
        if (card.input.height, card.input.width) != SIZE:
            raise GaitError(
                f'{card.name} takes silhouettes of {card.input.width} x {card.input.height}, but '
                f'they are {SIZE[1]} x {SIZE[0]}: export it anew'
            )
        self.frames, self.head, self.config = frames, head, config
        self.counts: dict[str, Counter[str]] = {}
        self._walks: dict[str, dict[int, Walk]] = {}
        self._next_ns: dict[str, int] = {}
        self._egos: dict[str, DoubleArray] = {}

    @property
    def card(self) -> Card:
        """Of the network."""
        return self.frames.card

    @property
    def checksum(self) -> str:
        """Says which vectors can be compared: of both files."""
        both = self.frames.checksum + self.head.checksum
        return hashlib.sha256(both.encode()).hexdigest()

    def reset_camera(self, camera: str) -> None:
        """Forget the tracks of one camera."""
        self._walks.pop(camera, None)
        self._next_ns.pop(camera, None)
        self._egos.pop(camera, None)

    def is_due(self, camera: str, stamp_ns: int, ego: DoubleArray | None = None) -> bool:
        """Whether silhouettes of a frame are wanted; fast cameras are thinned. Ask once a frame.

        Args:
            camera, stamp_ns: those of the frame.
            ego: (3, 3) from the previous frame's pixels to this one's, where that is known.
        """
        if ego is not None:
            since = ego @ self._egos.get(camera, np.eye(3))
            # Under load nobody may ask for long; the walks of before are over then.
            self._egos[camera] = since if np.abs(since).max() < FARTHEST else np.eye(3)
        period = round(NS / self.config.rate_hz)
        due_ns = self._next_ns.get(camera, stamp_ns)
        if stamp_ns < due_ns - period // 4:
            return False
        self._next_ns[camera] = max(due_ns, stamp_ns - period) + period
        return True

    def step(self, seen: Sequence[Seen]) -> list[Gait]:
        """Take in one moment's frames: each graph runs once over all cameras."""
        fresh = [self._fresh(one) for one in seen]
        found = iter(self._features(seen, fresh))
        window = max(self.config.window, self.config.min_frames)
        told = []
        for one, (steps, reasons) in zip(seen, fresh):
            due: dict[int, Walk] = {}
            for row, step in steps.items():
                walk = self._walks[one.camera][int(one.tracks.ids[row])]
                broken = walk.add(step, next(found), window)
                reasons[row] = broken or walk.lack(self.config.min_frames)
                waited_ns = one.stamp_ns - walk.told_ns
                if not reasons[row] and waited_ns >= self.config.period_s * NS:
                    due[row] = walk
            told.append(due)
            self.counts.setdefault(one.camera, Counter()).update(r for r in reasons if r != AWAY)
        return self._answers(seen, told, [reasons for _, reasons in fresh])

    # ------------------------------------------------------------------------------------------

    def _fresh(self, seen: Seen) -> tuple[dict[int, Step], list[str]]:
        """The good silhouettes by their tracks' rows, and why the other tracks have none."""
        own = self._walks.setdefault(seen.camera, {})
        for number in own.keys() - set(seen.tracks.ids.tolist()):
            del own[number]
        ego = self._egos.pop(seen.camera, None)
        if ego is not None:
            for walk in own.values():
                walk.pan(ego)
        shapes, n = seen.silhouettes, len(seen.tracks)
        if shapes.masks.shape != (n, *SIZE) or shapes.masks.dtype != np.uint8:
            return {}, ['unfit'] * n
        steps, reasons = {}, list(shapes.reasons)
        mass = shapes.masks.sum(axis=(1, 2), dtype=np.int64).tolist()
        for row, number in enumerate(seen.tracks.ids.tolist()):
            quality = float(shapes.quality[row])
            if seen.tracks.detection[row] < 0:
                reasons[row] = AWAY
            elif mass[row] <= LEAST_MASS:
                reasons[row] = reasons[row] or 'empty'
            elif quality > 0:
                own.setdefault(number, Walk())
                box = seen.tracks.boxes[row]
                steps[row] = Step.of(seen.stamp_ns, shapes.masks[row], quality, box, ego)
        return steps, reasons

    def _features(
        self, seen: Sequence[Seen], fresh: Sequence[tuple[dict[int, Step], list[str]]]
    ) -> FloatArray:
        """(k, c, h, w) features of all steps, in one batch."""
        masks = [one.silhouettes.masks[list(steps)] for one, (steps, _) in zip(seen, fresh)]
        if not any(map(len, masks)):
            return np.empty((0, 0, 0, 0), np.float32)
        found: FloatArray = np.asarray(self.frames.infer(np.concatenate(masks))[0], np.float32)
        return found

    def _answers(
        self,
        seen: Sequence[Seen],
        told: Sequence[dict[int, Walk]],
        reasons: Sequence[list[str]],
    ) -> list[Gait]:
        walks = [walk for due in told for walk in due.values()]
        if not walks:
            return [Gait.none(own) for own in reasons]
        vectors = self.vectors(np.stack([walk.held.maximum() for walk in walks]))
        ends = np.cumsum([len(due) for due in told])[:-1]
        result = []
        for one, due, own, found in zip(seen, told, reasons, np.split(vectors, ends)):
            for walk in due.values():
                walk.told_ns = one.stamp_ns
            result.append(
                Gait(
                    np.array(list(due), np.int64),
                    found,
                    np.array([walk.quality() for walk in due.values()], np.float32),
                    np.array([walk.steps[0].stamp_ns for walk in due.values()], np.int64),
                    tuple(own),
                )
            )
        return result

    def vectors(self, maxima: FloatArray) -> FloatArray:
        """(k, d) unit vectors of (k, c, h, w) maxima of features."""
        found = np.asarray(self.head.infer(maxima)[0], np.float32).reshape(len(maxima), -1)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        with np.errstate(invalid='ignore', divide='ignore'):
            unit: FloatArray = found / length
        return unit
