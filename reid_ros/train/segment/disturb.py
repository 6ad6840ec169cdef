"""Pictures as a tracker's boxes show them: badly cut, with others before and behind, elsewhere.

The mask is always that of the person whom the box belongs to; where somebody or something stands
before the person, it has a hole.
"""

from __future__ import annotations

import cv2
import numpy as np

from reid_ros.silhouette import AROUND
from reid_ros.train.augment import augment
from reid_ros.train.segment.pictures import ABOVE, BESIDE, HEIGHT, TALL, WIDE, WIDTH, Pictures
from reid_ros.train.segment.settings import SegmentRecipe
from reid_ros.types import DoubleArray, UInt8Array

WILD = 3.0
"""How many times as far off the boxes of lost tracks are."""
HIDDEN = 0.65
"""Most of a person that is hidden on purpose."""
SOFT = 1.2
"""Deviation of the blur of pasted outlines, pixels: cameras mix the colours there."""
SCALE = (0.75, 1.35)
"""Of the other person, measured in the height of this one."""
ASIDE = (0.3, 1.0)
"""How far beside the person the other one stands, in widths of the box."""
TURNED = 0.4
"""Share of crops that are rotated at all."""
LEAST = 8.0
"""Pixels of a picture; a box that leaves less of the image shows all of it instead."""
SHAKE = 0.03
"""Of the boxes that are scored."""


class Disturbed:
    """Crops and masks to learn from; row and view tell all of it."""

    def __init__(self, recipe: SegmentRecipe, sets: list[Pictures]) -> None:
        """Of the pictures of some sets, one after the other."""
        self._recipe, self._sets = recipe, sets
        self._ends = np.cumsum([len(one) for one in sets])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __call__(self, row: int, view: int) -> tuple[UInt8Array, UInt8Array]:
        """(h, w, 3) BGR crop and (h, w) mask, 0 to 255.

        Args:
            row: which picture.
            view: another number gives another disturbance.
        """
        draw = np.random.default_rng((row, view))
        wanted = self._recipe.disturb
        chances = draw.random(5)
        nobody = chances[0] < wanted.nobody
        if nobody:
            image, mask = self._empty(draw), np.zeros((HEIGHT, WIDTH), np.uint8)
            limits = np.array([0.0, 0.0, WIDTH, HEIGHT])
        else:
            image, mask, limits = self._picture(row)
        # Numbers of its own, so that the others are the same without it.
        worn = np.random.default_rng((row, view, 5))
        if worn.random() < wanted.cloth and not nobody:
            image = self._clothed(image, mask, worn)
        if chances[1] < wanted.ground:
            image = _over(self._ground(draw), image, mask)
        if chances[2] < wanted.company and not nobody:
            image, mask = self._company(image, mask, draw)
        if chances[3] < wanted.screen:
            image, mask = self._screen(image, mask, draw)
        box = _box(wanted.shake * (WILD if chances[4] < wanted.wild else 1.0), draw)
        return self._cut(image, mask, box, limits, draw)

    # ------------------------------------------------------------------------------------------

    def _where(self, row: int) -> tuple[Pictures, int]:
        number = int(np.searchsorted(self._ends, row, side='right'))
        found = self._sets[number]
        return found, row - int(self._ends[number]) + len(found)

    def _picture(self, row: int) -> tuple[UInt8Array, UInt8Array, DoubleArray]:
        found, own = self._where(row)
        limits = found.limits[own].astype(np.float64)
        return np.ascontiguousarray(found.image(own)), found.mask(own).copy(), limits

    def _empty(self, draw: np.random.Generator) -> UInt8Array:
        found = self._sets[int(draw.integers(len(self._sets)))].empty
        piece: UInt8Array = np.ascontiguousarray(found[int(draw.integers(len(found)))])
        return piece

    def _ground(self, draw: np.random.Generator) -> UInt8Array:
        """(HEIGHT, WIDTH, 3) another place, or something that no place looks like."""
        kind = draw.random()
        if kind < 0.6:
            ground = self._empty(draw)
            return np.ascontiguousarray(ground[:, ::-1]) if draw.random() < 0.5 else ground
        cells = tuple(int(n) for n in draw.integers(1, 40, 2))
        coarse = draw.integers(0, 256, (*cells, 3), dtype=np.uint8)
        if kind < 0.7:  # what is as bright everywhere as what stands before it
            coarse[:] = coarse[:1, :1]
        how = cv2.INTER_NEAREST if draw.random() < 0.4 else cv2.INTER_CUBIC
        drawn: UInt8Array = np.asarray(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=how))
        flat = draw.integers(0, 256, 3)
        share = draw.uniform(0.0, 0.8)
        return (share * flat + (1 - share) * drawn).astype(np.uint8)

    def _clothed(
        self, image: UInt8Array, mask: UInt8Array, draw: np.random.Generator
    ) -> UInt8Array:
        """(h, w, 3) the person with textures on one or two parts of the body, in its light."""
        for _ in range(int(draw.integers(1, 3))):
            middle, half = draw.uniform(0.0, 1.0), draw.uniform(0.06, 0.45)
            if draw.random() < 0.2:  # all of the person
                middle, half = 0.5, 1.0
            tilt = draw.normal(0.0, 0.15) * (np.arange(WIDTH) - WIDTH / 2)
            away = np.abs(np.arange(HEIGHT)[:, None] - ABOVE - middle * TALL - tilt)
            part = np.where(away < half * TALL, mask, 0).astype(np.uint8)
            if not part.any():
                continue
            # Folds and light stay, as strong as they may be.
            light = image.mean(2, dtype=np.float32)
            light = (light + 8.0) / (light[part > 0].mean() + 8.0)
            light = np.clip(light, 0.25, 3.0) ** draw.uniform(0.0, 1.0)
            texture = self._texture(draw).astype(np.float32) * light[..., None]
            strength = draw.uniform(0.5, 1.0)
            mixed = strength * np.clip(texture, 0.0, 255.0) + (1 - strength) * image
            soft = np.minimum(np.asarray(cv2.GaussianBlur(part, (0, 0), SOFT)), mask)
            share = (soft / 255.0).astype(np.float32)[..., None]
            image = (share * mixed + (1 - share) * image).astype(np.uint8)
        return image

    def _texture(self, draw: np.random.Generator) -> UInt8Array:
        """(HEIGHT, WIDTH, 3) what hair, knitwear, prints and skin may look like."""
        kind = draw.random()
        if kind < 0.2:
            return self._ground(draw)
        size = WIDTH, HEIGHT
        if kind < 0.45:  # a piece of some picture, as a print
            other, _, _ = self._picture(int(draw.integers(len(self))))
            tall = int(draw.integers(HEIGHT // 8, HEIGHT + 1))
            wide = max(1, tall * WIDTH // HEIGHT)
            y, x = draw.integers(0, HEIGHT - tall + 1), draw.integers(0, WIDTH - wide + 1)
            piece = np.ascontiguousarray(other[y : y + tall, x : x + wide])
            return np.asarray(cv2.resize(piece, size), np.uint8)
        # Noise of several sizes; strands and stripes where its cells are long.
        long = np.exp2(draw.normal(0.0, 1.2))
        found = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        channels = 3 if draw.random() < 0.3 else 1
        for cells in 2.0 ** np.arange(1, 7):
            rows, columns = (max(1, round(cells * one)) for one in (1 / long, 0.5 * long))
            noise = draw.standard_normal((min(rows, HEIGHT), min(columns, WIDTH), channels))
            how = cv2.INTER_NEAREST if draw.random() < 0.2 else cv2.INTER_CUBIC
            layer = cv2.resize(noise.astype(np.float32), size, interpolation=how)
            found += np.float32(draw.uniform(0.0, 1.0)) * layer.reshape(HEIGHT, WIDTH, channels)
        value, depth = draw.uniform(10, 240), draw.uniform(0.0, 35.0)
        flat = value + draw.normal(0.0, draw.choice([4.0, 40.0]), 3)
        return np.clip(flat + depth * found, 0, 255).astype(np.uint8)

    def _company(
        self, image: UInt8Array, mask: UInt8Array, draw: np.random.Generator
    ) -> tuple[UInt8Array, UInt8Array]:
        other, shape, _ = self._picture(int(draw.integers(len(self))))
        scale = float(draw.uniform(*SCALE))
        aside = float(draw.uniform(*ASIDE) * draw.choice([-1.0, 1.0])) * WIDE
        # Who stands higher in the picture is further away; feet tell.
        deeper = float(draw.normal(0.0, 0.08)) * TALL
        flip = -1.0 if draw.random() < 0.5 else 1.0
        foot_x, foot_y = BESIDE + WIDE / 2, ABOVE + TALL
        matrix = np.array(
            [
                [flip * scale, 0.0, foot_x + aside - flip * scale * foot_x],
                [0.0, scale, foot_y + deeper - scale * foot_y],
            ]
        )
        size = WIDTH, HEIGHT
        other = np.asarray(cv2.warpAffine(other, matrix, size, borderMode=cv2.BORDER_REPLICATE))
        shape = np.asarray(cv2.warpAffine(shape, matrix, size), np.uint8)
        if deeper < 0.0:
            return _over(image, other, np.minimum(shape, 255 - mask)), mask
        return self._before(image, mask, other, shape)

    def _screen(
        self, image: UInt8Array, mask: UInt8Array, draw: np.random.Generator
    ) -> tuple[UInt8Array, UInt8Array]:
        """Furniture, a pillar, a leaf: a polygon of some texture before the person."""
        kind = draw.random()
        x0, y0, x1, y1 = BESIDE, ABOVE, BESIDE + WIDE, ABOVE + TALL
        if kind < 0.45:  # from below
            edge = y1 - draw.uniform(0.05, 0.5) * TALL
            tilt = draw.normal(0.0, 0.05, 2) * TALL
            corners = [[0, edge + tilt[0]], [WIDTH, edge + tilt[1]], [WIDTH, HEIGHT], [0, HEIGHT]]
        elif kind < 0.8:  # a pillar
            middle = draw.uniform(x0, x1)
            half = draw.uniform(0.05, 0.3) * WIDE
            lean = draw.normal(0.0, 0.1) * WIDE
            corners = [
                [middle - half + lean, 0], [middle + half + lean, 0],
                [middle + half - lean, HEIGHT], [middle - half - lean, HEIGHT],
            ]  # fmt: skip
        else:
            middle_ = draw.uniform([x0, y0], [x1, y1])
            corners = (middle_ + draw.normal(0.0, 0.15 * TALL, (5, 2))).tolist()
        shape = np.zeros((HEIGHT, WIDTH), np.uint8)
        hull = cv2.convexHull(np.rint(np.array(corners)).astype(np.int32))
        cv2.fillConvexPoly(shape, hull, 255)
        return self._before(image, mask, self._ground(draw), shape)

    @staticmethod
    def _before(
        image: UInt8Array, mask: UInt8Array, front: UInt8Array, shape: UInt8Array
    ) -> tuple[UInt8Array, UInt8Array]:
        left = np.minimum(mask, 255 - shape)
        if left.sum() < (1 - HIDDEN) * mask.sum():
            return image, mask
        return _over(image, front, shape), left

    def _cut(
        self,
        image: UInt8Array,
        mask: UInt8Array,
        box: DoubleArray,
        limits: DoubleArray,
        draw: np.random.Generator,
    ) -> tuple[UInt8Array, UInt8Array]:
        wanted, data = self._recipe.disturb, self._recipe.data
        turn = float(draw.uniform(-1.0, 1.0)) * wanted.turn * (draw.random() < TURNED)
        flip = draw.random() < wanted.flip
        size = data.width, data.height
        crop, target = cut(image, mask, region(box, limits), size, turn, bool(flip))
        return augment(crop[None], self._recipe.augment, draw)[0], target


def _box(shake: float, draw: np.random.Generator) -> DoubleArray:
    """(4,) pixels of the picture: the box of a tracker, all sides off and the whole moved."""
    size = np.array([WIDE, TALL] * 2)
    own = np.clip(draw.standard_normal(4), -2.5, 2.5)
    whole = np.tile(np.clip(draw.standard_normal(2), -2.0, 2.0), 2)
    true = np.array([BESIDE, ABOVE, BESIDE + WIDE, ABOVE + TALL], np.float64)
    return true + size * shake * (own + 0.5 * whole)


def _over(below: UInt8Array, above: UInt8Array, shape: UInt8Array) -> UInt8Array:
    """(h, w, 3) one picture over another where its shape is, with a soft outline."""
    soft = cv2.GaussianBlur(shape, (0, 0), SOFT).astype(np.uint16)[..., None]
    mixed: UInt8Array = ((above * soft + below * (255 - soft)) // 255).astype(np.uint8)
    return mixed


def region(box: DoubleArray, limits: DoubleArray) -> DoubleArray:
    """(4,) what the runtime cuts out for a box: something around it, up to the image's border."""
    margin = AROUND * np.tile(box[2:] - box[:2], 2) * np.array([-1, -1, 1, 1])
    grown: DoubleArray = np.clip(box + margin, np.tile(limits[:2], 2), np.tile(limits[2:], 2))
    return limits if (grown[2:] - grown[:2] < LEAST).any() else grown


def cut(
    image: UInt8Array,
    mask: UInt8Array,
    where: DoubleArray,
    size: tuple[int, int],
    turn: float = 0.0,
    flip: bool = False,
) -> tuple[UInt8Array, UInt8Array]:
    """A region of a picture and of its mask as a crop.

    Args:
        image: (h, w, 3).
        mask: (h, w).
        where: (4,) pixels x0 y0 x1 y1.
        size: width and height of the crop.
        turn: degrees by which it is rotated.
        flip: whether it is mirrored.
    """
    scale = (where[2:] - where[:2]) / np.array(size)
    cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag(scale * [-1.0 if flip else 1.0, 1.0])
    # Of pixel centres.
    middle = 0.5 * (where[:2] + where[2:]) - 0.5
    matrix = np.column_stack([linear, middle - linear @ (0.5 * np.array(size) - 0.5)])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(image, matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    target = cv2.warpAffine(mask, matrix, size, flags=how)
    return np.asarray(crop, np.uint8), np.asarray(target, np.uint8)


def plain(
    pictures: Pictures, row: int, size: tuple[int, int], shake: float = SHAKE
) -> tuple[UInt8Array, UInt8Array]:
    """(h, w, 3) and (h, w) a picture as it is, in a box that is off as a good tracker's is.

    For scores: nothing is pasted and no colour changed; the same row is always the same.

    Args:
        pictures: of a set.
        row: which.
        size: width and height of the crop.
        shake: deviation of the box' sides, as a share of its size.
    """
    box = _box(shake, np.random.default_rng((row, 7)))
    where = region(box, pictures.limits[row].astype(np.float64))
    image = np.ascontiguousarray(pictures.image(row))
    return cut(image, pictures.mask(row).copy(), where, size)
