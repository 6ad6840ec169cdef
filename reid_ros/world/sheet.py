"""A contact sheet: one look tells whether a world is plausible."""

from __future__ import annotations

import cv2
import numpy as np

from reid_ros.types import UInt8Array
from reid_ros.world.values import Shot
from reid_ros.world.world import World

TILE_HEIGHT = 240
_GAP = 4


def sheet(world: World, columns: int = 4, truth: bool = False) -> UInt8Array:
    """(h, w, 3) images of every camera, one row each, spread over the world's time.

    Args:
        columns: images per camera.
        truth: outline what the labels say, and write the person's number above.
    """
    rows = []
    for camera in world.cameras:
        count = len(world.stamps[camera.name])
        at = np.linspace(0.1, 0.9, columns) * (count - 1)
        rows.append(np.concatenate([_tile(world, camera.name, int(i), truth) for i in at], axis=1))
    width = max(row.shape[1] for row in rows)
    full = [np.pad(r, ((0, _GAP), (0, width - r.shape[1]), (0, 0)), constant_values=255)
            for r in rows]  # fmt: skip
    result: UInt8Array = np.concatenate(full, axis=0)
    return result


def _tile(world: World, name: str, index: int, truth: bool) -> UInt8Array:
    shot = world.shot(name, index)
    image = _outlined(shot) if truth else shot.frame.image
    scale = TILE_HEIGHT / image.shape[0]
    size = round(image.shape[1] * scale), TILE_HEIGHT
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    result: UInt8Array = np.pad(small, ((0, 0), (0, _GAP), (0, 0)), constant_values=255)
    return result


def _outlined(shot: Shot) -> UInt8Array:
    image: UInt8Array = shot.frame.image.copy()
    for row, (person, box) in enumerate(zip(shot.truth.persons.tolist(), shot.truth.boxes)):
        mask = shot.truth.silhouette(row)
        found = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[-2]
        cv2.drawContours(image, found, -1, (0, 255, 255), 1)
        x0, y0, x1, y1 = (round(float(v)) for v in box)
        cv2.rectangle(image, (x0, y0), (x1, y1), (255, 255, 255), 1)
        at = (x0, max(12, y0 - 3))
        text = f'{person} {shot.truth.visible[row]:.0%}'
        cv2.putText(
            image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA
        )
    return image
