"""Pieces cut out of photos, as a detector's box or a silhouette's window cuts them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from reid_ros.types import DoubleArray, FloatArray, UInt8Array
from reid_ros.world.clutter import Detector, disturb
from reid_ros.world.outfit import Outfit, change, with_bag, with_coat
from reid_ros.world.photo import Photo
from reid_ros.world.scenario import WorldError
from reid_ros.world.values import Truth

CONDITIONS = ('normal', 'bag', 'coat')
"""As in CASIA-B: without, with a bag, with a coat."""


def detected(photo: Photo, shake: float, rng: np.random.Generator) -> FloatArray:
    """(4,) pixels of the image: the person's box as a detector would give it.

    Args:
        photo: of the person.
        shake: standard deviation of each side, as a share of the size, in full view.
        rng: draws it.
    """
    shift = np.array(photo.corner * 2, np.float32)
    height, width = photo.mask.shape
    truth = Truth(
        np.ones(1, np.uint32),
        (photo.box - shift)[None],
        np.array([photo.visible], np.float32),
        np.zeros((1, 3)),
        np.zeros(1, np.float32),
        np.zeros(1, np.uint8),
        (photo.mask > 0).astype(np.uint8),
    )
    sure = Detector(miss=0.0, shake=shake, clutter=0.0, double=0.0, small_px=12.0)
    found = disturb(truth, width, height, rng, sure)
    # Who is hardly seen is missed: a tracker that bridges the gap gives about the true box.
    box = found.detections.boxes[0] if len(found.rows) else (photo.box - shift)
    result: FloatArray = box + shift
    return result


def crop(photo: Photo, box: FloatArray, size: tuple[int, int]) -> tuple[UInt8Array, UInt8Array]:
    """(height, width, 3) what a box shows, and (height, width) 255 where it shows the person.

    Args:
        photo: where to cut.
        box: (4,) pixels of the image, cut to whole ones outwards and at the photo's border.
        size: height and width of the result.
    """
    height, width = photo.mask.shape
    shift = np.array(photo.corner)
    x0, y0 = np.clip(np.floor(box[:2]).astype(int) - shift, 0, [width - 1, height - 1]).tolist()
    x1, y1 = np.clip(np.ceil(box[2:]).astype(int) - shift, 1, [width, height]).tolist()
    region = slice(y0, max(y1, y0 + 1)), slice(x0, max(x1, x0 + 1))
    return _scaled(photo.image[region], size), _outline(_scaled(photo.mask[region], size))


def window(photo: Photo, box: FloatArray, size: tuple[int, int]) -> tuple[UInt8Array, UInt8Array]:
    """As `crop`, but the box' height fills the result and nothing is stretched.

    Args:
        photo: where to cut.
        box: (4,) pixels of the image; its middle becomes the result's middle.
        size: height and width of the result.
    """
    height, width = size
    tall = max(float(box[3] - box[1]), 2.0)
    corner = np.array(photo.corner)
    middle = 0.5 * float(box[0] + box[2]) - corner[0]
    wide = tall * width / height
    x0, x1 = round(middle - wide / 2), round(middle + wide / 2)
    y0, y1 = round(float(box[1]) - corner[1]), round(float(box[3]) - corner[1])
    y1, x1 = max(y1, y0 + 1), max(x1, x0 + 1)
    high, broad = photo.mask.shape
    edges = (max(-y0, 0), max(y1 - high, 0), max(-x0, 0), max(x1 - broad, 0))
    image, mask = photo.image, photo.mask
    if any(edges):
        image = np.asarray(cv2.copyMakeBorder(image, *edges, cv2.BORDER_REPLICATE), np.uint8)
        mask = np.asarray(
            cv2.copyMakeBorder(mask, *edges, cv2.BORDER_CONSTANT, value=[0]), np.uint8
        )
    region = (
        slice(y0 + edges[0], y1 + edges[0]),
        slice(x0 + edges[2], x1 + edges[2]),
    )
    return _scaled(image[region], size), _outline(_scaled(mask[region], size))


def dressed(outfit: Outfit, condition: str, rng: np.random.Generator) -> Outfit:
    """The outfit for a condition of gait recognition; a bag of its own or a coat come off.

    Args:
        outfit: somebody's.
        condition: one of `CONDITIONS`.
        rng: draws bag or coat.

    Raises:
        WorldError: an unknown condition.
    """
    if condition not in CONDITIONS:
        raise WorldError(f'condition {condition!r}: choose one of {", ".join(CONDITIONS)}')
    worn = outfit
    while worn.upper.kind == 'coat' and condition != 'coat':
        worn = change(worn, rng)
    worn = without_bag(worn)
    if condition == 'bag':
        return with_bag(worn, rng)
    return with_coat(worn, rng) if condition == 'coat' else worn


def without_bag(outfit: Outfit) -> Outfit:
    """The same clothes, nothing carried."""
    return replace(outfit, bag='none')


def condition(outfit: Outfit) -> str:
    """Which of `CONDITIONS` somebody's clothes are; a coat outweighs a bag."""
    if outfit.upper.kind == 'coat':
        return 'coat'
    return 'normal' if outfit.bag == 'none' else 'bag'


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of crops.

    Raises:
        WorldError: one is out of range.
    """
    if len(size) != 2 or not all(8 <= side <= 1024 for side in size):
        raise WorldError(f'size: {size} is not height and width, each 8 to 1024 pixels')
    return size


def quality(visible: DoubleArray, tall_px: DoubleArray, height: int) -> FloatArray:
    """(n,) 0 to 1: share that is seen, times the pixels there are of those that are wanted."""
    return np.clip(visible * np.minimum(tall_px / height, 1.0), 0, 1).astype(np.float32)


def _scaled(image: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    height, width = size
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def _outline(soft: UInt8Array) -> UInt8Array:
    result: UInt8Array = (soft > 127).astype(np.uint8) * np.uint8(255)
    return result
