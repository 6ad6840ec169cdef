"""Find one person in footage: a picture of them against every track that the cameras saw."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reid_ros.calibration import angles
from reid_ros.evidence import SMALLEST_GALLERY
from reid_ros.pipeline import Pipeline
from reid_ros.report.recorder import CameraRecord
from reid_ros.report.sheet import Hit, crop
from reid_ros.scene import Observation
from reid_ros.types import FloatArray, Frame, Moment, ReidError, UInt8Array

WIDER = (2.0, 4.0)
"""How much larger a picture is made by a grey border where nobody is found in it: in what networks
learn from, people rarely fill the picture. Of tight crops YOLOX-nano found 4 of 7 surely, and with
the first border all; FastestDet needs the second."""
GREY, LARGEST = 114, 1280  # of that border, and of a picture with it, pixels; networks see fewer
UPRIGHT = 1.2
"""A picture so much higher than wide may be all person."""
BETTER = 1.05
"""A view must be so much better than the best so far to be kept in its place."""


class SearchError(ReidError):
    """A query that shows nobody who could be looked for."""


@dataclass(frozen=True, slots=True)
class Query:
    """Whom to look for.

    Attributes:
        vector: (d,) float32 unit vector.
        jpeg: the person.
        box: (4,) where in the picture, pixels.
        notes: what is doubtful about it.
    """

    vector: FloatArray
    jpeg: bytes
    box: FloatArray
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(
        pipeline: Pipeline, image: UInt8Array, name: str, box: Sequence[float] | None = None
    ) -> Query:
        """The person in a picture.

        Args:
            pipeline: its networks look.
            image: (h, w, 3) uint8 BGR, the person alone or a whole scene.
            name: of the picture, for errors.
            box: x0 y0 x1 y1 of the person, pixels; None takes the largest person found.

        Raises:
            SearchError: nobody is in it, or the box lies outside of it.
        """
        if pipeline.embedder is None:
            raise SearchError(
                'model.appearance is "none": without vectors nobody can be compared; name a '
                'network by --appearance or --model'
            )
        frame = Frame('query', 0, image)
        notes: tuple[str, ...] = ()
        if box is not None:
            where = _inside(box, image, name)
        else:
            where, notes = _largest(pipeline, image, name)
        vector = _vector(pipeline, image, where)
        if vector is None:
            raise SearchError(
                f'{name}: {pipeline.embedder.model.card.name} finds nobody at '
                f'{_numbers(where)}: give a --box close around one whole person, or a larger '
                'picture'
            )
        return Query(vector, crop(frame, where), where, notes)


def _inside(box: Sequence[float], image: UInt8Array, name: str) -> FloatArray:
    height, width = image.shape[:2]
    result = np.clip(np.array(box, np.float32), 0, np.array([width, height] * 2, np.float32))
    if not (result[2] - result[0] >= 2 and result[3] - result[1] >= 4):
        raise SearchError(
            f'--box {_numbers(box)}: {name} is {width} x {height} pixels; give x0,y0,x1,y1 of a '
            'box inside it, the left upper corner first'
        )
    return result


def _largest(
    pipeline: Pipeline, image: UInt8Array, name: str
) -> tuple[FloatArray, tuple[str, ...]]:
    """The largest person in a picture, and what is doubtful about it."""
    detector, sure = pipeline.detector, pipeline.config.track.high_score
    best: tuple[float, FloatArray] | None = None
    if detector is not None:
        for canvas in _canvases(image):
            found = detector.detect([canvas.frame])[0]
            if not len(found):
                continue
            boxes = canvas.back(found.boxes)
            clear = np.flatnonzero(found.scores >= sure)
            if len(clear):
                sides = boxes[clear, 2:] - boxes[clear, :2]
                return _inside(boxes[clear[sides.prod(axis=1).argmax()]].tolist(), image, name), ()
            if best is None or found.scores[0] > best[0]:
                best = float(found.scores[0]), boxes[0]
    if best is not None:
        note = (
            f'{name}: whether it shows a person is not sure (score {best[0]:.2f}); --box says '
            'who is meant'
        )
        return _inside(best[1].tolist(), image, name), (note,)
    why = 'nobody was found in it' if detector else 'there is no detector (model.detector)'
    height, width = image.shape[:2]
    if height >= UPRIGHT * width:
        note = f'{name}: {why}, so all of it was taken for the person'
        return np.array([0, 0, width, height], np.float32), (note,)
    raise SearchError(
        f'{name}: {why}: give a picture of one person, or say where they stand with '
        '--box x0,y0,x1,y1'
    )


@dataclass(frozen=True, slots=True)
class _Canvas:
    """A picture as a network is shown it: a pixel p of the picture lies at p * scale + moved."""

    image: UInt8Array
    scale: float = 1.0
    moved: tuple[float, float] = (0.0, 0.0)

    @property
    def frame(self) -> Frame:
        return Frame('query', 0, self.image)

    def to(self, boxes: FloatArray) -> FloatArray:
        """(..., 4) boxes of the picture, here."""
        result: FloatArray = boxes * np.float32(self.scale) + np.array(self.moved * 2, np.float32)
        return result

    def back(self, boxes: FloatArray) -> FloatArray:
        """(..., 4) boxes found here, in the picture."""
        result: FloatArray = (boxes - np.array(self.moved * 2, np.float32)) / np.float32(
            self.scale
        )
        return result


def _canvases(image: UInt8Array) -> Iterator[_Canvas]:
    """The picture, and it with more and more grey around."""
    yield _Canvas(image)
    grey = (GREY, GREY, GREY)
    for factor in WIDER:
        scale = min(1.0, LARGEST / (factor * max(image.shape[:2])))
        small = image
        if scale < 1.0:
            small = np.asarray(
                cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
            )
        height, width = small.shape[:2]
        y, x = round((factor - 1) * height / 2), round((factor - 1) * width / 2)
        wider = cv2.copyMakeBorder(small, y, y, x, x, cv2.BORDER_CONSTANT, value=grey)
        yield _Canvas(np.asarray(wider, np.uint8), scale, (float(x), float(y)))


def _vector(pipeline: Pipeline, image: UInt8Array, box: FloatArray) -> FloatArray | None:
    """The vector of a box: of the whole picture, else of its surroundings; None where none."""
    if pipeline.embedder is None:
        return None
    x0, y0, x1, y1 = box.tolist()
    around = 0.5 * (y1 - y0)
    left, top = max(0, int(x0 - around)), max(0, int(y0 - around))
    near = image[top : int(y1 + around) + 1, left : int(x1 + around) + 1]
    for picture, corner in ((image, (0, 0)), (near, (left, top))):
        own = box - np.array(corner * 2, np.float32)
        for canvas in _canvases(picture):
            vector: FloatArray = pipeline.embedder.vectors([(canvas.frame, canvas.to(own[None]))])[
                0
            ][0]
            if np.isfinite(vector).all():
                return vector
    return None


def _numbers(box: Sequence[float] | FloatArray) -> str:
    return ','.join(f'{float(value):g}' for value in box)


@dataclass(slots=True)
class _Track:
    """What is kept of a track while it lasts."""

    camera: str
    number: int
    first_ns: int
    last_ns: int
    frames: int = 0
    total: FloatArray | None = None
    vectors: int = 0
    quality: float = 0.0
    best_ns: int = 0
    index: int = 0
    box: FloatArray | None = None
    jpeg: bytes = b''


class Search:
    """Takes the place of a pipeline and of a recorder in a run, and keeps the tracks most alike.

    Memory is bounded: of the tracks that ended only as many stay as are asked for.
    """

    def __init__(
        self, pipeline: Pipeline, query: Query, cameras: Sequence[CameraRecord], most: int
    ) -> None:
        """Most: hits that are wanted."""
        self.cameras: Mapping[str, CameraRecord] = {c.name: c for c in cameras}
        self.tracks = self.unseen = self.frames = 0
        self._pipeline, self._query, self._most = pipeline, query, most
        self._alive: dict[tuple[str, int], _Track] = {}
        self._best: list[tuple[float, int, _Track]] = []

    def step(self, frames: Sequence[Frame]) -> Moment:
        """Compare what one moment shows; identifies nobody."""
        for frame, seen in zip(frames, self._pipeline.observe(frames)):
            self._take(frame, seen)
        return Moment([])

    def reset_camera(self, camera: str) -> None:
        """The camera's clock jumped back: its tracks ended."""
        self._pipeline.reset_camera(camera)
        for key in [key for key in self._alive if key[0] == camera]:
            self._finish(self._alive.pop(key))

    def names(self) -> Mapping[int, str]:
        """Nobody has a name here."""
        return {}

    def add(self, frames: Sequence[Frame], moment: Moment, names: Mapping[int, str]) -> None:
        """Count frames."""
        self.frames += len(frames)
        for frame in frames:
            self.cameras[frame.camera].add(frame)

    def _take(self, frame: Frame, seen: Observation) -> None:
        tracks, camera = seen.tracks, seen.camera
        for number in tracks.ended.tolist():
            track = self._alive.pop((camera, number), None)
            if track is not None:
                self._finish(track)
        for row in np.flatnonzero((tracks.detection >= 0) & tracks.confirmed).tolist():
            key = camera, int(tracks.ids[row])
            if key not in self._alive:
                self._alive[key] = _Track(*key, seen.stamp_ns, seen.stamp_ns)
            self._alive[key].last_ns = seen.stamp_ns
            self._alive[key].frames += 1
        for row, vector, quality in zip(seen.rows.tolist(), seen.vectors, seen.qualities.tolist()):
            if np.isfinite(vector).all():
                track = self._alive[camera, int(tracks.ids[row])]
                weighted = vector * np.float32(quality)
                track.total = weighted if track.total is None else track.total + weighted
                track.vectors += 1
                if quality > BETTER * track.quality:
                    track.quality, track.best_ns = quality, seen.stamp_ns
                    track.index, track.box = frame.index, tracks.boxes[row].copy()
                    track.jpeg = crop(frame, track.box)

    def _finish(self, track: _Track) -> None:
        if track.total is None:
            self.unseen += 1
            return
        self.tracks += 1
        length = max(float(np.linalg.norm(track.total)), 1e-12)
        cosine = float(self._query.vector @ track.total) / length
        # Of equals the earlier one stays; the number keeps tracks from being compared.
        heapq.heappush(self._best, (cosine, -self.tracks, track))
        if len(self._best) > self._most:
            heapq.heappop(self._best)

    def hits(self) -> list[Hit]:
        """The tracks most like the person, best first; ends those that were still seen."""
        for track in self._alive.values():
            self._finish(track)
        self._alive.clear()
        return [self._hit(cosine, track) for cosine, _, track in sorted(self._best, reverse=True)]

    def _hit(self, cosine: float, track: _Track) -> Hit:
        """One of several tracks is expected to be the person; each may be a stranger's."""
        angle = angles(np.array([cosine]))
        condition = self._pipeline.calibration.cross_camera
        llr, log_p = float(condition.llr(angle)[0]), float(condition.log_p(angle)[0])
        share = -math.log(max(self.tracks, SMALLEST_GALLERY))
        allowed = math.log(self._pipeline.config.identity.false_accept) + share
        value = min(max(llr + share, -700.0), 700.0)
        record = self.cameras[track.camera]
        box = [0.0] * 4 if track.box is None else track.box.tolist()
        return Hit(
            track.camera,
            record.place,
            track.number,
            record.first_ns,
            track.first_ns,
            track.last_ns,
            track.frames,
            track.best_ns,
            track.index,
            (box[0], box[1], box[2], box[3]),
            track.vectors,
            cosine,
            1.0 / (1.0 + math.exp(-value)),
            math.exp(log_p),
            llr > 0 and log_p <= allowed,
            track.jpeg,
        )
