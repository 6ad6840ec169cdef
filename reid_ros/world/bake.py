"""How light falls on the faces of a place: lamps, soft shadows, dark corners, bright windows."""

from __future__ import annotations

import cv2
import numpy as np

from reid_ros.types import DoubleArray, FloatArray, UInt8Array
from reid_ros.world.fittings import paint
from reid_ros.world.place import RECESS_M, Place
from reid_ros.world.quads import Quad
from reid_ros.world.surface import Surface

_CELLS_PER_M = 20.0
_MARGIN_M = 2.0
_LIGHT_PER_M = 14.0
_BOUNCE = 0.3
"""What a bright floor throws back at a ceiling, as a share of full light."""


class Bakery:
    """Paints the faces of a place as they look under its light."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._sheets: dict[tuple[Surface, float, float], FloatArray] = {}
        self._outdoors = not len(place.light.spots)
        x, y = place.size
        cells = (
            round((y + 2 * _MARGIN_M) * _CELLS_PER_M),
            round((x + 2 * _MARGIN_M) * _CELLS_PER_M),
        )
        self._dark = np.zeros(cells, np.float32)
        self._tall = np.zeros(cells, np.float32)
        self._bright = np.zeros(cells, np.float32)
        self._cast()
        if not self._outdoors:
            self._windows()

    def picture(self, quad: Quad) -> tuple[UInt8Array, UInt8Array | None]:
        """(h, w, 3) uint8 BGR of a face, and (h, w) uint8 of what is solid where it has holes."""
        width, height = quad.size
        left, top, wide, high = quad.sheet or (0.0, 0.0, width, height)
        key = (quad.surface, wide, high)
        if key not in self._sheets:
            self._sheets[key] = paint(quad.surface, wide, high)
        density = quad.surface.density
        x, y = round(left * density), round(top * density)
        rows, columns = max(round(height * density), 2), max(round(width * density), 2)
        sheet = self._sheets[key][y : y + rows, x : x + columns]
        light = self._light(quad, sheet.shape[:2])
        light = light + (1 - light) * np.float32(quad.surface.glow)
        colour = self._place.light.colour
        colour = colour + (1 - colour) * np.float32(quad.surface.glow)
        factor = cv2.merge([light * np.float32(255 * one) for one in colour])
        lit = cv2.multiply(np.ascontiguousarray(sheet[..., :3]), factor)
        solid = None
        if quad.surface.cutout:
            solid = (sheet[..., 3] * 255).astype(np.uint8)
        return np.asarray(cv2.convertScaleAbs(lit), np.uint8), solid

    def _cells(self, points: DoubleArray) -> DoubleArray:
        result: DoubleArray = (points[..., :2] + _MARGIN_M) * _CELLS_PER_M - 0.5
        return result

    def _cast(self) -> None:
        """Shadows on the floor: of the main light, and of what stands close above it."""
        direction = self._place.light.direction
        slope = -direction[:2] / max(float(direction[2]), 0.3)
        strength = 1.0 if self._outdoors else 0.5
        layers = {0.5: 0.06, 1.3: 0.14, 9.0: 0.26}
        if self._outdoors:
            layers = {0.5: 0.03, 1.3: 0.05, 9.0: 0.08}
        cast = {limit: np.zeros(self._dark.shape, np.float32) for limit in layers}
        under = np.zeros(self._dark.shape, np.float32)
        for quad in self._place.quads:
            if quad.shell:
                continue
            corners = quad.corner + np.array(
                [np.zeros(3), quad.along, quad.along + quad.down, quad.down]
            )
            middle = float(corners[:, 2].mean())
            layer = cast[next(limit for limit in layers if middle <= limit or limit == 9.0)]
            thin = 0.45 if quad.surface.cutout else 1.0
            fallen = corners[:, :2] + slope * np.minimum(corners[:, 2:], 4.0)
            _fill(layer, self._cells(fallen), thin)
            _fill(under, self._cells(corners), thin * (1.0 if corners[:, 2].min() < 1.2 else 0.2))
            _fill(self._tall, self._cells(corners), float(corners[:, 2].max()))
        diffuse = self._place.light.diffuse
        total = self._place.light.ambient + diffuse
        for limit, soft in layers.items():
            shadow = cv2.GaussianBlur(cast[limit], (0, 0), soft * _CELLS_PER_M)
            np.maximum(self._dark, shadow * np.float32(strength * diffuse / total), out=self._dark)
        near = cv2.GaussianBlur(under, (0, 0), 0.1 * _CELLS_PER_M)
        wide = cv2.GaussianBlur(under, (0, 0), 0.35 * _CELLS_PER_M)
        contact = np.float32(0.32) * near + np.float32(0.2) * wide
        self._dark = 1 - (1 - self._dark) * (1 - contact)

    def _windows(self) -> None:
        """Daylight that windows throw on the floor in front of them."""
        for quad in self._place.quads:
            if quad.surface.pattern != 'window':
                continue
            inward = quad.normal[:2]
            corners = quad.corner + np.array(
                [np.zeros(3), quad.along, quad.along + quad.down, quad.down]
            )
            aside = np.array([-inward[1], inward[0]]) * self._place.light.direction[0]
            fallen = corners[:, :2] + (inward * 0.9 + aside) * corners[:, 2:]
            patch = np.zeros(self._dark.shape, np.float32)
            _fill(patch, self._cells(fallen), 1.0)
            sharp = cv2.GaussianBlur(patch, (0, 0), 0.12 * _CELLS_PER_M)
            broad = cv2.GaussianBlur(patch, (0, 0), 0.8 * _CELLS_PER_M)
            self._bright += np.float32(0.13) * sharp + np.float32(0.14) * broad

    def _light(self, quad: Quad, shape: tuple[int, int]) -> FloatArray:
        """(h, w) float32 brightness over a face."""
        width, height = quad.size
        per_m = _LIGHT_PER_M if max(width, height) < 40 else 2.0
        rows, columns = max(round(height * per_m), 2), max(round(width * per_m), 2)
        down = ((np.arange(rows) + 0.5) / rows)[:, None, None] * quad.down
        points = quad.corner + down + ((np.arange(columns) + 0.5) / columns)[:, None] * quad.along
        light, normal = self._place.light, quad.normal
        toward = float(normal @ light.direction)
        if quad.surface.cutout:
            toward = abs(toward)
        level = light.ambient + light.diffuse * max(toward, 0.0) + _BOUNCE * max(-normal[2], 0.0)
        flat = points.reshape(-1, 3)
        factor = light.brightness(flat).reshape(rows, columns)
        factor = factor * level * self._corners(points, quad) * self._floor_shade(points, normal)
        result: FloatArray = cv2.resize(
            factor.astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR
        )
        return result

    def _corners(self, points: DoubleArray, quad: Quad) -> DoubleArray:
        """How much darker it is where faces meet, and in the recesses behind doors."""
        x, y = self._place.size
        normal, z = quad.normal, points[..., 2]
        shade = np.ones(points.shape[:2])
        if abs(normal[2]) < 0.5:
            shade *= 1 - 0.25 * np.exp(-np.maximum(z, 0) / 0.22)
        if self._outdoors:
            return shade
        if not quad.shell:
            return shade
        for axis, span in ((0, x), (1, y)):
            if abs(normal[axis]) > 0.5:
                continue
            near = np.minimum(points[..., axis], span - points[..., axis])
            shade *= 1 - 0.2 * np.exp(-np.maximum(near, 0) / 0.3)
        if normal[2] < 0.5:
            room = self._place.height - z
            shade *= 1 - 0.14 * np.exp(-np.maximum(room, 0) / 0.35) * (abs(normal[2]) < 0.5)
        beyond = np.maximum.reduce(
            [-points[..., 0], points[..., 0] - x, -points[..., 1], points[..., 1] - y]
        )
        result: DoubleArray = shade * (1 - 0.5 * np.clip((beyond - 0.03) / RECESS_M, 0, 1))
        return result

    def _floor_shade(self, points: DoubleArray, normal: DoubleArray) -> FloatArray:
        """Shadows and daylight on what faces up near the floor; dimness behind furniture."""
        z = points[..., 2].astype(np.float32)
        if normal[2] > 0.5:
            cells = self._cells(points).astype(np.float32)
            dark = cv2.remap(self._dark, cells[..., 0], cells[..., 1], cv2.INTER_LINEAR)
            light = cv2.remap(self._bright, cells[..., 0], cells[..., 1], cv2.INTER_LINEAR)
            low = np.clip(1 - z / 0.25, 0, 1)
            result: FloatArray = (1 - dark * low) * (1 + light)
            return result
        cells = self._cells(points + 0.14 * normal).astype(np.float32)
        top = cv2.remap(self._tall, cells[..., 0], cells[..., 1], cv2.INTER_LINEAR)
        hidden = np.clip((top - z) / 0.12 + 0.5, 0, 1)
        behind: FloatArray = 1 - np.float32(0.3) * hidden * (top > 0.02)
        return behind


def _fill(layer: FloatArray, corners: DoubleArray, value: float) -> None:
    """Raise a layer to the value inside a polygon of cells."""
    mask = np.zeros(layer.shape, np.uint8)
    lo = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    hi = np.ceil(corners.max(axis=0)).astype(int) + 2
    if (hi <= lo).any() or lo[0] >= layer.shape[1] or lo[1] >= layer.shape[0]:
        return
    part = layer[lo[1] : hi[1], lo[0] : hi[0]]
    mask = np.zeros(part.shape, np.uint8)
    cv2.fillConvexPoly(mask, np.round((corners - lo) * 16).astype(np.int32), 1, cv2.LINE_8, 4)
    np.maximum(part, mask * np.float32(value), out=part)
