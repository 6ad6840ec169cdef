"""Values passed between rooms: frames go in, sightings of persons come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from reid_ros.lens import View

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
UInt32Array = npt.NDArray[np.uint32]
AnyArray = npt.NDArray[Any]

ColourOrder = Literal['bgr', 'rgb']
EventKind = Literal[
    'born',
    'confirmed',
    'reacquired',
    'handover',
    'lost',
    'merged',
    'split',
    'expired',
    'forgotten',
]


class ReidError(Exception):
    """A user's mistake or a broken input: says what, where, and the next move."""


def _column(name: str, values: AnyArray, length: int, width: int | None = None) -> None:
    shape = (length,) if width is None else (length, width)
    if values.shape != shape:
        raise ValueError(f'{name} has shape {values.shape}, expected {shape}')


@dataclass(frozen=True, slots=True)
class Detections:
    """People found in one image.

    Attributes:
        boxes: (n, 4) float32, pixels, corners x0 y0 x1 y1.
        scores: (n,) float32, 0 to 1.
        vectors: (n, d) float32 unit appearance vectors where the detector gives them, else None.
        masks: (n, h, w) uint8, 0 to 255, what of each box' crop is the person, brought to one
            size, where the detector gives it, else None.
    """

    boxes: FloatArray
    scores: FloatArray
    vectors: FloatArray | None = None
    masks: UInt8Array | None = None

    def __post_init__(self) -> None:
        _column('scores', self.scores, len(self.boxes))
        _column('boxes', self.boxes, len(self.scores), 4)
        if self.vectors is not None and len(self.vectors) != len(self.scores):
            raise ValueError(f'{len(self.vectors)} vectors for {len(self.scores)} detections')
        masks = self.masks
        if masks is not None and (
            masks.ndim != 3 or len(masks) != len(self.scores) or masks.dtype != np.uint8
        ):
            raise ValueError(
                f'masks are {masks.dtype} {masks.shape}, expected uint8 ({len(self.scores)}, h, w)'
            )

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def none() -> Detections:
        """A frame in which nobody was found."""
        return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of one camera.

    Attributes:
        camera: name of the camera.
        stamp_ns: acquisition time, nanoseconds.
        image: (height, width, 3) uint8, read-only by agreement; may be a view into a message.
        index: number of the frame in its source, from 0.
        order: order of the colour channels.
        detections: people found by somebody else; None asks the pipeline's own detector.
        ego: (3, 3) float64 homography that maps a pixel (x, y, 1) of this camera's previous
            frame to this frame, where the camera moved and its motion is known.
        view: how the camera projects and where it stands, where both are known; then people are
            placed on the floor z = 0.
    """

    camera: str
    stamp_ns: int
    image: UInt8Array
    index: int = 0
    order: ColourOrder = 'bgr'
    detections: Detections | None = None
    ego: DoubleArray | None = None
    view: View | None = None

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                f'image of camera {self.camera} is {self.image.dtype} {self.image.shape}, '
                'expected uint8 (height, width, 3)'
            )


@dataclass(frozen=True, slots=True)
class Tracks:
    """The live tracks of one camera after one frame, oldest first.

    Attributes:
        ids: (n,) uint32, from 1, never reused within a camera.
        boxes: (n, 4) float32 pixels: the detection's box, or the filter's where predicted.
        scores: (n,) float32, score of the last detection.
        detection: (n,) int64, row of the track's detection in the frame, -1 where it is predicted.
        confirmed: (n,) bool, False while a new track is on probation.
        ended: (m,) uint32, tracks that were given up in this step.
    """

    ids: UInt32Array
    boxes: FloatArray
    scores: FloatArray
    detection: IntArray
    confirmed: BoolArray
    ended: UInt32Array

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def predicted(self) -> BoolArray:
        """(n,) bool, True where a track was coasted and not seen in this frame."""
        result: BoolArray = self.detection < 0
        return result


@dataclass(frozen=True, slots=True)
class Sightings:
    """Who is in one frame: one row per confirmed track, in the order of the tracks.

    Attributes:
        camera, stamp_ns, index: those of the frame.
        boxes: (n, 4) float32, pixels, corners x0 y0 x1 y1.
        scores: (n,) float32, detector score.
        tracks: (n,) uint32, number of the track within its camera.
        persons: (n,) uint32, number of the person over all cameras, 0 = undecided.
        person_scores: (n,) float32, probability 0 to 1 that the track is that person.
        confirmed: (n,) bool, False while the person is provisional (or undecided).
        predicted: (n,) bool, True where the box was coasted and not seen.
        gait_persons: (n,) uint32, the person by gait alone, 0 = undecided.
        gait_scores: (n,) float32, probability of gait_persons.
    """

    camera: str
    stamp_ns: int
    index: int
    boxes: FloatArray
    scores: FloatArray
    tracks: UInt32Array
    persons: UInt32Array
    person_scores: FloatArray
    confirmed: BoolArray
    predicted: BoolArray
    gait_persons: UInt32Array
    gait_scores: FloatArray

    def __post_init__(self) -> None:
        n = len(self.tracks)
        _column('boxes', self.boxes, n, 4)
        for name in (
            'scores', 'persons', 'person_scores', 'confirmed', 'predicted',
            'gait_persons', 'gait_scores',
        ):  # fmt: skip
            _column(name, getattr(self, name), n)

    def __len__(self) -> int:
        return len(self.tracks)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Whom the tracks of one frame may be, the likeliest first; made only where somebody asks.

    Attributes:
        persons: (n, k) uint32, 0 where there are no more.
        scores: (n, k) float32, probability 0 to 1 that the track is that person and no stranger,
            whatever it is that the others have.
    """

    persons: UInt32Array
    scores: FloatArray

    def __post_init__(self) -> None:
        if self.persons.ndim != 2 or self.persons.shape != self.scores.shape:
            raise ValueError(f'persons {self.persons.shape} and scores {self.scores.shape} differ')


@dataclass(frozen=True, slots=True)
class Event:
    """A change in what is known about a person.

    Attributes:
        kind: born (a provisional person), confirmed, reacquired (seen again by the same camera),
            handover (seen by another camera), lost (left every camera), merged, split, expired
            (not seen for the time to live), forgotten (on request).
        person: number of the person that the event leaves valid.
        stamp_ns: time of the frame that caused it.
        camera: camera of that frame, '' where none did.
        track: number of the track within that camera, 0 where there is none.
        previous: for merged and split, the number that the track had before; otherwise 0.
        score: probability 0 to 1 behind the decision.
        margin: log-likelihood ratio by which it beat the second best person.
    """

    kind: EventKind
    person: int
    stamp_ns: int
    camera: str = ''
    track: int = 0
    previous: int = 0
    score: float = 0.0
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What one `Pipeline.step` found.

    Attributes:
        sightings: one per frame of the step, in its order.
        events: what changed, oldest first.
        cost_s: seconds spent in each stage: detect, track, embed, identify.
    """

    sightings: list[Sightings]
    events: list[Event] = field(default_factory=list)
    cost_s: Mapping[str, float] = field(default_factory=dict)
