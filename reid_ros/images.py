"""Pixels on their way into a network: letterbox, crop, normalise; one copy, used by training too.

Between the camera and the network stands one uint8 buffer, (n, height, width, 3) in the colour
order of the network's card; `normalise` alone knows about layout, mean and number type.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from reid_ros.boxes import Letterbox, letterbox
from reid_ros.card import Input
from reid_ros.types import AnyArray, FloatArray, Frame, UInt8Array

_INTERPOLATION = {'linear': cv2.INTER_LINEAR, 'area': cv2.INTER_AREA, 'cubic': cv2.INTER_CUBIC}


def letterbox_into(
    image: UInt8Array, out: UInt8Array, spec: Input, order: str = 'bgr'
) -> Letterbox:
    """Draw an image into a network's input; returns how it lies there.

    Args:
        image: (h, w, 3), any strides, left untouched.
        out: (spec.height, spec.width, 3) contiguous, overwritten.
        spec: the input of the card.
        order: order of the image's colours; out has the card's.
    """
    height, width = image.shape[:2]
    into_height, into_width = out.shape[:2]
    place = letterbox(width, height, into_width, into_height, spec.fit)
    x0, y0 = int(place.offset_x), int(place.offset_y)
    x1, y1 = x0 + round(place.scale_x * width), y0 + round(place.scale_y * height)
    out[:y0] = spec.pad
    out[y1:] = spec.pad
    out[y0:y1, :x0] = spec.pad
    out[y0:y1, x1:] = spec.pad
    _resize(image, out[y0:y1, x0:x1], spec)
    _reorder(out, order, spec.order)
    return place


def crop_batch(
    image: UInt8Array,
    boxes: FloatArray,
    spec: Input,
    order: str = 'bgr',
    out: UInt8Array | None = None,
) -> UInt8Array:
    """(n, spec.height, spec.width, 3) what the boxes show, in the card's colour order.

    A box is cut at the border of the image; one that lies outside of it shows the nearest pixel.

    Args:
        image: (h, w, 3), any strides, left untouched.
        boxes: (n, 4) pixels of the image.
        spec: the input of the card.
        order: order of the image's colours.
        out: buffer for the answer, at least n long; None makes one.
    """
    shape = (len(boxes), spec.height, spec.width, 3)
    batch = np.empty(shape, np.uint8) if out is None else out[: len(boxes)]
    height, width = image.shape[:2]
    low = np.floor(boxes[:, :2]).astype(np.int64)
    high = np.ceil(boxes[:, 2:]).astype(np.int64)
    low = np.clip(low, 0, [width - 1, height - 1])
    high = np.clip(high, low + 1, [width, height])
    for crop, (x0, y0), (x1, y1) in zip(batch, low.tolist(), high.tolist()):
        if spec.fit == 'stretch':
            _resize(image[y0:y1, x0:x1], crop, spec)
            _reorder(crop, order, spec.order)
        else:
            letterbox_into(image[y0:y1, x0:x1], crop, spec, order)
    return batch


def frames_batch(wanted: Sequence[tuple[Frame, FloatArray]], spec: Input) -> UInt8Array:
    """(n, spec.height, spec.width, 3) what each frame's (k, 4) boxes show, one after the other.

    Args:
        wanted: frames and boxes, pixels of their images.
        spec: the input of the card.
    """
    batch = np.empty((sum(len(b) for _, b in wanted), spec.height, spec.width, 3), np.uint8)
    start = 0
    for frame, boxes in wanted:
        if len(boxes):
            end = start + len(boxes)
            crop_batch(frame.image, boxes, spec, frame.order, batch[start:end])
            start = end
    return batch


def normalise(batch: UInt8Array, spec: Input, out: AnyArray | None = None) -> AnyArray:
    """The network's input: (n, 3, h, w) or (n, h, w, 3) as the card says.

    Args:
        batch: (n, h, w, 3) contiguous, in the card's colour order.
        spec: the input of the card.
        out: buffer for the answer, at least n long; None makes one.
    """
    if spec.layout != 'NCHW' and spec.dtype == 'uint8' and out is None:
        return batch
    result = input_buffer(spec, len(batch)) if out is None else out[: len(batch)]
    trivial = set(spec.mean) == {0.0} and set(spec.std) == {1.0}
    if spec.layout == 'NCHW':
        _planes(batch, result, spec, trivial)
        return result
    if trivial:
        np.copyto(result, batch)
        return result
    # Whole rows at a time: a broadcast over the three colours alone is five times slower.
    n, height, width = batch.shape[:3]
    scale = np.tile(1.0 / np.array(spec.std, np.float64), width)
    shift = -np.tile(np.array(spec.mean, np.float64), width) * scale
    wide = result if result.dtype == np.float32 else np.empty(result.shape, np.float32)
    np.copyto(wide, batch)
    rows = wide.reshape(n, height, width * 3)
    rows *= scale.astype(np.float32)
    rows += shift.astype(np.float32)
    if wide is not result:
        np.copyto(result, wide, casting='same_kind')
    return result


def input_buffer(spec: Input, n: int) -> AnyArray:
    """An uninitialised network input for n images, clips or masks."""
    size = (spec.height, spec.width)
    clip = (spec.frames,) if spec.frames else ()
    shapes: dict[str, tuple[int, ...]] = {
        'NCHW': (n, spec.channels, *size),
        'NHWC': (n, *clip, *size, 3),
        'NHW': (n, *size),
    }
    shape = shapes[spec.layout]
    return np.empty(shape, np.dtype(spec.dtype))


def _planes(batch: UInt8Array, result: AnyArray, spec: Input, trivial: bool) -> None:
    wide = np.empty(batch.shape[1:3], np.float32) if result.dtype == np.float16 else None
    for pixels, planes in zip(batch, result):
        # Splitting bytes first, then widening each plane, is the fastest of seven ways measured.
        for plane, colour, mean, std in zip(planes, cv2.split(pixels), spec.mean, spec.std):
            target = plane if wide is None else wide
            if trivial:
                np.copyto(target, colour)
            else:  # one pass: scale, shift and widen
                cv2.addWeighted(colour, 1.0 / std, colour, 0.0, -mean / std, target, cv2.CV_32F)
            if wide is not None:
                np.copyto(plane, wide, casting='same_kind')


def _resize(image: UInt8Array, out: UInt8Array, spec: Input) -> None:
    height, width = out.shape[:2]
    if image.shape[:2] == (height, width):
        np.copyto(out, image)
        return
    done = cv2.resize(image, (width, height), dst=out, interpolation=_INTERPOLATION[spec.resize])
    if not np.shares_memory(done, out):
        np.copyto(out, done)


def _reorder(out: UInt8Array, order: str, wanted: str) -> None:
    if order != wanted:
        cv2.cvtColor(out, cv2.COLOR_BGR2RGB, dst=out)
