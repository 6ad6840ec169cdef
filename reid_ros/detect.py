"""Frames to people: one detector batch over all cameras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid_ros.boxes import Letterbox, nms
from reid_ros.config import DetectConfig
from reid_ros.decode import Decoder, decoder
from reid_ros.images import input_buffer, letterbox_into, normalise
from reid_ros.model import Model
from reid_ros.types import AnyArray, Detections, FloatArray, Frame


class Detector:
    """Finds people in images.

    The answer to an image does not depend on the images beside it.
    """

    def __init__(self, model: Model, config: DetectConfig, looks: bool = False) -> None:
        """Looks: detections bring the vectors of a search network, which else stay unread."""
        self.model = model
        self._config = config
        self._spec = model.card.input
        self._decoder: Decoder = decoder(model.card)
        self._tell = self._decoder.vectors if looks else None
        self._pixels = np.empty((0, self._spec.height, self._spec.width, 3), np.uint8)
        self._input: AnyArray = input_buffer(self._spec, 0)

    @property
    def looks(self) -> bool:
        """Whether detections bring vectors."""
        return self._tell is not None

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The people of each image, best first, boxes inside the image."""
        if not frames:
            return []
        batch, places = self.prepare(frames)
        outputs = self.model.infer(batch)
        least = self._config.score
        found = self._decoder.read(outputs, least)
        looks: Sequence[FloatArray | None] = [None] * len(found)
        if self._tell is not None:
            looks = self._tell(outputs, least)
        return [
            self._people(boxes, scores, vectors, place)
            for (boxes, scores), vectors, place in zip(found, looks, places)
        ]

    def prepare(self, frames: Sequence[Frame]) -> tuple[AnyArray, list[Letterbox]]:
        """The network's input and how each image lies in it; valid until the next call."""
        n = len(frames)
        if len(self._pixels) < n:
            self._pixels = np.empty((n, *self._pixels.shape[1:]), np.uint8)
            self._input = input_buffer(self._spec, n)
        places = [
            letterbox_into(frame.image, pixels, self._spec, frame.order)
            for frame, pixels in zip(frames, self._pixels)
        ]
        return normalise(self._pixels[:n], self._spec, self._input), places

    def _people(
        self, boxes: FloatArray, scores: FloatArray, vectors: FloatArray | None, place: Letterbox
    ) -> Detections:
        config = self._config
        if not len(scores):
            nobody = Detections.none()
            return Detections(nobody.boxes, nobody.scores, vectors)
        boxes = place.to_image(boxes)
        real = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes, scores = boxes[real], scores[real]
        vectors = None if vectors is None else vectors[real]
        if self._decoder.overlapping:
            kept = nms(boxes, scores, config.nms_iou, config.max_people)
        else:
            kept = np.argsort(-scores, kind='stable')[: config.max_people]
        return Detections(boxes[kept], scores[kept], None if vectors is None else vectors[kept])
