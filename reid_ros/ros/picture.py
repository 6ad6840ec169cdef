"""The debug image: boxes and persons drawn onto the camera's image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from reid_ros.ros.convert import byte_array
from reid_ros.ros.markers import colour
from reid_ros.types import ColourOrder, Frame, Sightings, UInt8Array

JPEG_QUALITY = 80


def draw(frame: Frame, found: Sightings, names: Mapping[int, str], target: int) -> UInt8Array:
    """(height, width, 3) bgr copy of the frame; predicted boxes are thin, the target's thick."""
    image: UInt8Array = np.array(frame.image if frame.order == 'bgr' else frame.image[..., ::-1])
    for row in range(len(found)):
        person = int(found.persons[row])
        c = colour(person)
        bgr = (int(255 * c.b), int(255 * c.g), int(255 * c.r))
        x0, y0, x1, y1 = (round(float(v)) for v in found.boxes[row])
        thick = 1 if found.predicted[row] else 4 if person and person == target else 2
        cv2.rectangle(image, (x0, y0), (x1, y1), bgr, thick)
        label = names.get(person) or (str(person) if person else '?')
        if person and not found.confirmed[row]:
            label += '?'
        place = (x0 + 2, max(y0 - 4, 12))
        cv2.putText(image, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, bgr, 2, cv2.LINE_AA)
    return image


def raw(header: Any, image: UInt8Array, order: ColourOrder = 'bgr') -> Image:
    """A bgr8 or rgb8 sensor_msgs/Image."""
    height, width = image.shape[:2]
    message = Image(header=header, height=height, width=width, encoding=f'{order}8')
    message.step = 3 * width
    message.data = byte_array(image)
    return message


def jpeg(header: Any, image: UInt8Array) -> CompressedImage:
    """A JPEG sensor_msgs/CompressedImage."""
    done, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(f'OpenCV cannot encode {image.shape} {image.dtype} as JPEG')
    message = CompressedImage(header=header, format='bgr8; jpeg compressed bgr8')
    message.data = byte_array(np.asarray(data))
    return message
