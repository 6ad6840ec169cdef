"""Whether a mask shows one whole walking person; a part of `silhouette`.

All lengths are shares of the body's height, so that nothing depends on the mask's resolution.
"""

from __future__ import annotations

import cv2
import numpy as np

from reid_ros.types import FloatArray, UInt8Array

HOLE = 0.08
"""Mean of a mask in a hole of the body, from which on it is no gap between arm and trunk that the
network is sure of, but hair, skin or a print that it does not know."""
SPECK = 0.05
"""Pieces below this share of the largest piece are no part of the body."""
HIDDEN = 0.35
"""Share of a box in the box of somebody nearer, from which on the body is not whole."""
LEFT_OUT = 0.6
"""A body that fills less of its box' height than this is hidden in part, or somebody else's."""
SQUAT = 1.25
"""Height over width below which a mask is no standing person; the longest strides have 1.5."""
RIM = 0.02
"""Of a mask's sides: what counts as its edge; networks are unsure at the very border."""
BORDER, ROOM = 0.04, 0.1
"""How long a piece of the mask's edge the body of a whole person may touch: where that is the
image's border, and where the mask shows more than the box."""
TIGHT = (0.6, 0.3, 0.6, 0.3)
"""The same where the mask ends with the box: arms and feet always touch it. Left, up, right, down.
"""
HEADS = 0.2
"""The part of the body, from above, in which two pieces side by side are two heads."""
HEAD = 0.05
"""Least width of a head."""
UNSURE = 0.6
"""Unsure pixels for each sure one, from which on an outline is blurred; those within the body do
not count. Chosen when they did, with an earlier network: on rendered people the aligned
silhouettes below it overlapped the true ones by 0.82 to 0.86 on average, those above by 0.4 to
0.5; of real people it was less sure at the same quality."""
FULL_HEIGHT_PX = 64.0
"""Height of a silhouette: what is lower is blurred by enlarging it."""


def whole(mask: FloatArray) -> UInt8Array:
    """(h, w) 0 or 255: a soft mask cut at one half, without specks and without unsure holes.

    Args:
        mask: (h, w) 0 to 1.
    """
    solid: UInt8Array = (mask > 0.5).astype(np.uint8)
    _fill(solid, mask)
    count, labels, facts, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    if count > 2:
        areas = facts[1:, cv2.CC_STAT_AREA]
        kept = np.concatenate([[False], areas >= SPECK * areas.max()])
        solid = kept[labels].astype(np.uint8)
    solid *= np.uint8(255)
    return solid


def _fill(solid: UInt8Array, mask: FloatArray) -> None:
    """Close the holes of a body, 0 or 1, where the mask is unsure."""
    count, labels, facts, _ = cv2.connectedComponentsWithStats(1 - solid, connectivity=4)
    if count <= 2:
        return
    high, wide = solid.shape
    left, top = facts[:, cv2.CC_STAT_LEFT], facts[:, cv2.CC_STAT_TOP]
    right, bottom = left + facts[:, cv2.CC_STAT_WIDTH], top + facts[:, cv2.CC_STAT_HEIGHT]
    inside = (left > 0) & (top > 0) & (right < wide) & (bottom < high)
    sums = np.bincount(labels.ravel(), mask.ravel(), count)
    filled = inside & (sums > HOLE * facts[:, cv2.CC_STAT_AREA])
    filled[0] = False
    solid[filled[labels]] = 1


def judged(
    mask: FloatArray,
    solid: UInt8Array,
    region: FloatArray,
    box: FloatArray,
    image: tuple[int, int],
    hidden: float,
) -> tuple[str, float]:
    """Why a mask is not to be used, '' where it is, and its quality, 0 to 1.

    Args:
        mask: (h, w) 0 to 1.
        solid: (h, w) `whole` of it, not empty.
        region: (4,) pixels of the image, what the mask shows.
        box: (4,) pixels of the image, the person's.
        image: its width and height, pixels.
        hidden: share of the box that lies in the box of somebody nearer.
    """
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    high, wide = solid.shape
    down = float(region[3] - region[1]) / high
    across = float(region[2] - region[0]) / wide
    tall = (rows[-1] + 1 - rows[0]) * down
    broad = (columns[-1] + 1 - columns[0]) * across
    if hidden > HIDDEN or tall < LEFT_OUT * float(box[3] - box[1]):
        return 'truncated', 0.0
    sides = np.array([*region[:2], image[0] - region[2], image[1] - region[3]], np.float32)
    room = np.concatenate([box[:2] - region[:2], region[2:] - box[2:]])
    if _cut(solid, across, down, tall, sides, room):
        return 'truncated', 0.0
    if _heads(solid[rows[0] : rows[-1] + 1], across / tall):
        return 'merged', 0.0
    if tall < SQUAT * broad:
        return 'merged' if broad > 0.8 * float(box[2] - box[0]) else 'truncated', 0.0
    # What is enclosed by the body is body, however unsure.
    within = cv2.erode(solid, np.ones((3, 3), np.uint8)) > 0
    sure = float(np.count_nonzero((mask > 0.8) | within))
    unsure = float(np.count_nonzero((mask > 0.2) & (mask <= 0.8) & ~within))
    doubt = unsure / max(sure, 1.0)
    if doubt > UNSURE:
        return 'blurred', 0.0
    value = min(1.0, tall / FULL_HEIGHT_PX) * (1.0 - hidden) * (1.0 - 0.5 * doubt / UNSURE)
    return '', max(value, 1e-3)


def _cut(
    solid: UInt8Array,
    across: float,
    down: float,
    tall: float,
    sides: FloatArray,
    room: FloatArray,
) -> bool:
    """Whether the body goes on beyond what the mask shows.

    Args:
        solid: (h, w) the body.
        across, down: size of a pixel of it in the image.
        tall: the body's height in the image.
        sides: (4,) pixels from what the mask shows to the image's border: left, up, right, down.
        room: (4,) pixels around the box that the mask shows, too, in the same order.
    """
    high, wide = (max(1, round(RIM * side)) for side in solid.shape)
    touching = np.array(
        [
            np.count_nonzero(solid[:, :wide].any(axis=1)) * down,
            np.count_nonzero(solid[:high].any(axis=0)) * across,
            np.count_nonzero(solid[:, -wide:].any(axis=1)) * down,
            np.count_nonzero(solid[-high:].any(axis=0)) * across,
        ]
    )
    allowed = np.where(room > 1.0, ROOM, np.array(TIGHT))
    allowed[sides < 1.0] = BORDER
    return bool((touching > allowed * tall).any())


def _heads(body: UInt8Array, across: float) -> bool:
    """Whether there are two heads side by side.

    Args:
        body: (h, w) the rows of a body.
        across: width of a pixel, as a share of the body's height.
    """
    top = body[: max(2, round(HEADS * len(body)))] > 0
    edges = np.diff(np.pad(top, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    double = 0
    for row in edges[np.count_nonzero(edges, axis=1) >= 4]:
        widths = (np.flatnonzero(row < 0) - np.flatnonzero(row > 0)) * across
        double += int(np.count_nonzero(widths >= HEAD) >= 2)
    # Of the height of a head, some 0.13 of the body's; a hand beside the face is no head.
    return double >= 0.05 * len(body)
