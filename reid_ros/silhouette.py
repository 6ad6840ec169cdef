"""Crops of people to silhouettes: by a network, or from masks that came with the detections.

A silhouette is aligned as those of the public gait sets are: the rows cut to the body, 64 pixels
high, the median column of the mass in the middle, 44 columns of it. Fixed cameras can do without a
network: see `reid_ros.background`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from reid_ros import boxes as geometry
from reid_ros.card import Card
from reid_ros.images import frames_batch, normalise
from reid_ros.outline import judged, whole
from reid_ros.types import AnyArray, FloatArray, Frame, ReidError, UInt8Array

SIZE = (64, 44)
"""Rows and columns of a silhouette."""
REASONS = ('', 'empty', 'small', 'truncated', 'merged', 'blurred')
"""Why a silhouette is not to be used; '' = it is good."""
AROUND = 0.06
"""Of a box' sides: how much more than the box is looked at, for boxes cut hands and feet off."""
LEAST_MASS = 10_000
"""Sum over an aligned mask below which nothing is there (OpenGait's datasets/pretreatment.py)."""
MIN_HEIGHT_PX = 40
"""People who stand lower in the image have no silhouette that shows a gait."""
SAME_BOX = 0.5
"""Overlap from which on a box is that of a detection."""


class SilhouetteError(ReidError):
    """Masks or a network that cannot give silhouettes."""


@dataclass(frozen=True, slots=True)
class Silhouettes:
    """What is seen of the people in n boxes of one frame.

    Attributes:
        masks: (n, 64, 44) uint8, 0 to 255, aligned; zeros where there is none.
        quality: (n,) float32, 0 to 1; 0 = not to be used.
        reasons: n of `REASONS`; '' where the quality is above 0.
    """

    masks: UInt8Array
    quality: FloatArray
    reasons: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.reasons)
        if self.masks.shape != (n, *SIZE) or self.masks.dtype != np.uint8:
            raise ValueError(
                f'masks are {self.masks.dtype} {self.masks.shape}, expected uint8 {(n, *SIZE)}'
            )
        if self.quality.shape != (n,):
            raise ValueError(f'quality has shape {self.quality.shape}, expected {(n,)}')

    def __len__(self) -> int:
        return len(self.reasons)

    @staticmethod
    def none(number: int = 0, reason: str = 'empty') -> Silhouettes:
        """Of boxes that show nobody who could be used."""
        return Silhouettes(
            np.zeros((number, *SIZE), np.uint8),
            np.zeros(number, np.float32),
            (reason,) * number,
        )


class Network(Protocol):
    """What turns crops into masks; `model.Model` does.

    Attributes:
        card: of kind silhouette.
    """

    card: Card

    def infer(self, batch: AnyArray) -> list[AnyArray]:
        """Masks, (n, h, w) or with an axis of one channel, of n crops of `images.normalise`."""


class Source(Protocol):
    """What gives silhouettes: a network, masks that came along, or a camera's background."""

    def look(self, wanted: Sequence[tuple[Frame, FloatArray]]) -> list[Silhouettes]:
        """Of each frame's (k, 4) boxes; frames without boxes are to be given, too."""


def align(mask: AnyArray) -> UInt8Array | None:
    """(64, 44) a mask by the rule of the public gait sets; None where nothing is there.

    The rows are cut to the body and brought to 64, as many columns as that takes; the median
    column of the mass comes to the middle of 64 columns, of which 10 are cut from each side.

    Args:
        mask: (h, w) bool, or numbers from 0 to 255 that count as body above 127.
    """
    values = np.asarray(mask)
    if values.ndim != 2:
        raise ValueError(f'a mask has two axes, not the shape {values.shape}')
    solid = values if values.dtype == np.bool_ else values > 127
    return aligned(solid.astype(np.uint8) * np.uint8(255), 1.0)


def aligned(mask: UInt8Array, aspect: float) -> UInt8Array | None:
    """As `align`, of a mask whose pixels are `aspect` times as wide as high.

    Args:
        mask: (h, w) 0 or 255.
        aspect: above 0.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    body = mask[rows[0] : rows[-1] + 1]
    mass = body.sum(axis=0, dtype=np.int64)
    columns = np.flatnonzero(mass)
    # What lies further away than this would be cut in the end; it only costs time.
    reach = int(np.ceil(0.5 * len(body) / aspect)) + 2
    middle = int(np.searchsorted(np.cumsum(mass), mass.sum() / 2))
    left = max(int(columns[0]), middle - 2 * reach)
    right = min(int(columns[-1]) + 1, middle + 2 * reach + 1)
    high, wide = SIZE
    across = max(1, round((right - left) * aspect * high / len(body)))
    shrinks = len(body) >= high and right - left >= across
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    scaled = cv2.resize(body[:, left:right], (across, high), interpolation=how)
    sums = np.cumsum(scaled.sum(axis=0, dtype=np.int64))
    if sums[-1] <= LEAST_MASS:
        return None
    start = int(np.searchsorted(sums, sums[-1] / 2, side='right')) - wide // 2
    result = np.zeros(SIZE, np.uint8)
    low, end = max(start, 0), min(start + wide, across)
    result[:, low - start : end - start] = scaled[:, low:end]
    return result


def around(boxes: FloatArray, width: int, height: int) -> FloatArray:
    """(n, 4) whole pixels: the boxes with what is looked at around them, at least one pixel.

    Args:
        boxes: (n, 4) pixels of the image.
        width, height: of the image, pixels.
    """
    margin = AROUND * (boxes[:, 2:] - boxes[:, :2])
    limit = np.array([width, height], np.float32)
    low = np.clip(np.floor(boxes[:, :2] - margin), 0, limit - 1)
    high = np.clip(np.ceil(boxes[:, 2:] + margin), low + 1, limit)
    return np.concatenate([low, high], axis=1).astype(np.float32)


class Silhouetter:
    """Silhouettes by a network of kind silhouette."""

    def __init__(self, model: Network, min_height_px: int = MIN_HEIGHT_PX) -> None:
        """Use a network.

        Args:
            model: the network.
            min_height_px: lower boxes are 'small'.

        Raises:
            SilhouetteError: one of another kind, or whose masks cannot be read.
        """
        card = model.card
        if card.kind != 'silhouette':
            raise SilhouetteError(
                f'{card.name} is of kind {card.kind} and gives no masks; take one of kind '
                "silhouette ('reid_ros models list')"
            )
        if card.output.scores not in ('', 'probability', 'sigmoid'):
            raise SilhouetteError(
                f'{card.name}: output.scores {card.output.scores!r} of a mask cannot be read; '
                'probability and sigmoid can'
            )
        self.model, self._least = model, min_height_px

    def look(self, wanted: Sequence[tuple[Frame, FloatArray]]) -> list[Silhouettes]:
        """Silhouettes of each frame's (k, 4) boxes, all in one batch."""
        regions = [around(boxes, *_size(frame)) for frame, boxes in wanted]
        masks = self.masks([(frame, grown) for (frame, _), grown in zip(wanted, regions)])
        return [
            made(found, grown, boxes, _size(frame), self._least)
            for (frame, boxes), grown, found in zip(wanted, regions, masks)
        ]

    def masks(self, wanted: Sequence[tuple[Frame, FloatArray]]) -> list[FloatArray]:
        """(k, h, w) float32, 0 to 1, what the network says of exactly these boxes' crops."""
        spec = self.model.card.input
        counts = [len(boxes) for _, boxes in wanted]
        total = sum(counts)
        size = spec.height, spec.width
        if not total:
            return [np.empty((0, *size), np.float32) for _ in wanted]
        batch = frames_batch(wanted, spec)
        output = np.asarray(self.model.infer(normalise(batch, spec))[0], np.float32)
        if output.size != total * size[0] * size[1]:
            raise SilhouetteError(
                f'{self.model.card.name} gives {output.shape} for {total} crops, expected one '
                f'mask of {size[0]} x {size[1]} each'
            )
        output = output.reshape(total, *size)
        if self.model.card.output.scores == 'sigmoid':
            output = (1.0 / (1.0 + np.exp(-np.clip(output, -60.0, 60.0)))).astype(np.float32)
        return np.split(output, np.cumsum(counts)[:-1])


class Given:
    """Silhouettes from the masks that the frames' detections carry."""

    def __init__(self, min_height_px: int = MIN_HEIGHT_PX) -> None:
        """Take them as they are.

        Args:
            min_height_px: lower boxes are 'small'.
        """
        self._least = min_height_px

    def look(self, wanted: Sequence[tuple[Frame, FloatArray]]) -> list[Silhouettes]:
        """Silhouettes of each frame's (k, 4) boxes: 'empty' where no detection has that box."""
        return [self._of(frame, boxes) for frame, boxes in wanted]

    def _of(self, frame: Frame, boxes: FloatArray) -> Silhouettes:
        found = frame.detections
        if found is None or found.masks is None or not found.masks.size or not len(boxes):
            return Silhouettes.none(len(boxes))
        overlap = geometry.iou(boxes, found.boxes)
        rows = overlap.argmax(axis=1)
        masks = found.masks[rows].astype(np.float32) / 255.0
        masks[overlap[np.arange(len(boxes)), rows] < SAME_BOX] = 0.0
        return made(masks, found.boxes[rows], boxes, _size(frame), self._least)


def made(
    masks: Sequence[FloatArray] | FloatArray,
    regions: FloatArray,
    boxes: FloatArray,
    image: tuple[int, int],
    min_height_px: int,
) -> Silhouettes:
    """Aligned and judged silhouettes of one frame.

    Args:
        masks: n of (h, w) 0 to 1, of the regions; each of its own size.
        regions: (n, 4) pixels of the image, what the masks show.
        boxes: (n, 4) pixels of the image, all people who are known there.
        image: its width and height, pixels.
        min_height_px: lower boxes are 'small'.
    """
    n = len(boxes)
    result = np.zeros((n, *SIZE), np.uint8)
    quality = np.zeros(n, np.float32)
    reasons = []
    tall = boxes[:, 3] - boxes[:, 1]
    sides = np.maximum(regions[:, 2:] - regions[:, :2], 1.0)
    hidden = _hidden(boxes)
    for k in range(n):
        solid = whole(masks[k])
        aspect = float(sides[k, 0] / solid.shape[1] * solid.shape[0] / sides[k, 1])
        mask = aligned(solid, aspect)
        if mask is None:
            reasons.append('empty')
            continue
        result[k] = mask
        if tall[k] < min_height_px:
            reasons.append('small')
            continue
        reason, value = judged(masks[k], solid, regions[k], boxes[k], image, float(hidden[k]))
        reasons.append(reason)
        quality[k] = value
    return Silhouettes(result, quality, tuple(reasons))


def _hidden(boxes: FloatArray) -> FloatArray:
    """(n,) share of each box that lies in the box of somebody who stands nearer."""
    if len(boxes) < 2:
        return np.zeros(len(boxes), np.float32)
    share = geometry.cover(boxes)
    nearer = boxes[None, :, 3] > boxes[:, None, 3]
    covered: FloatArray = np.where(nearer, share, np.float32(0)).max(axis=1)
    return covered


def _size(frame: Frame) -> tuple[int, int]:
    """Width and height of the image."""
    return frame.image.shape[1], frame.image.shape[0]
