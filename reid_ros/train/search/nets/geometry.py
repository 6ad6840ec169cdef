"""Boxes as tensors: overlap, anchors, distances to them, and what a map shows within them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

FURTHEST = math.log(1000 / 16)
"""Largest logarithm of a change of size, as usual since Fast R-CNN's code."""
SAMPLES = 2
"""Points of a cell of a region, each way, that are averaged."""


def pairwise(a: Tensor, b: Tensor) -> Tensor:
    """(..., k, m) intersection over union of (..., k, 4) and (..., m, 4); 0 of empty ones."""
    low = torch.maximum(a[..., :, None, :2], b[..., None, :, :2])
    high = torch.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    union = area(a)[..., :, None] + area(b)[..., None, :] - shared
    return shared / union.clamp(min=1e-6)


def area(boxes: Tensor) -> Tensor:
    """(...) of (..., 4); a box turned inside out has none."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def generalised(a: Tensor, b: Tensor) -> Tensor:
    """(n,) of (n, 4) and (n, 4), row by row, -1 to 1 (Rezatofighi et al., GIoU, CVPR 2019)."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    union = (area(a) + area(b) - shared).clamp(min=1e-6)
    around = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    whole = around.clamp(min=0).prod(1).clamp(min=1e-6)
    return shared / union - (whole - union) / whole


def cells(height: int, width: int, stride: int) -> Tensor:
    """(rows * columns, 2) middles of the cells of a picture, x and y in pixels, row by row."""
    y = (torch.arange(height // stride) + 0.5) * stride
    x = (torch.arange(width // stride) + 0.5) * stride
    rows, columns = torch.meshgrid(y, x, indexing='ij')
    return torch.stack([columns, rows], -1).flatten(0, 1)


def anchors(middles: Tensor, sizes: tuple[float, ...], ratios: tuple[float, ...]) -> Tensor:
    """(c * k, 4) boxes around each of (c, 2) middles, cell by cell.

    Args:
        middles: x and y, pixels.
        sizes: sides of a square of the same area, pixels.
        ratios: heights over widths.
    """
    shapes = torch.tensor([(s / r**0.5, s * r**0.5) for s in sizes for r in ratios])
    half = 0.5 * shapes.to(middles)
    whole = torch.cat([middles[:, None] - half, middles[:, None] + half], -1)
    return whole.flatten(0, 1)


def encoded(boxes: Tensor, around: Tensor) -> Tensor:
    """(..., 4) how far boxes lie from those they are told from, in sizes (Girshick, R-CNN)."""
    size, own = around[..., 2:] - around[..., :2], boxes[..., 2:] - boxes[..., :2]
    size, own = size.clamp(min=1e-3), own.clamp(min=1e-3)
    middle = 0.5 * (boxes[..., :2] + boxes[..., 2:] - around[..., :2] - around[..., 2:])
    return torch.cat([middle / size, torch.log(own / size)], -1)


def decoded(deltas: Tensor, around: Tensor) -> Tensor:
    """(..., 4) boxes of what `encoded` gives."""
    size = (around[..., 2:] - around[..., :2]).clamp(min=1e-3)
    middle = 0.5 * (around[..., :2] + around[..., 2:]) + deltas[..., :2] * size
    half = 0.5 * size * torch.exp(deltas[..., 2:].clamp(max=FURTHEST))
    return torch.cat([middle - half, middle + half], -1)


def inside(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., 4) the parts of boxes in a picture of this height and width."""
    height, width = size
    limit = torch.tensor([width, height, width, height], dtype=boxes.dtype, device=boxes.device)
    return torch.minimum(boxes.clamp(min=0), limit)


def cut(maps: Tensor, boxes: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """(n, k, c, rows, columns) what maps show within boxes.

    RoIAlign (He et al., Mask R-CNN, ICCV 2017) with its half-pixel corrected: SAMPLES x SAMPLES
    points of each cell, read between the pixels of the map, are averaged. Beyond the border it
    shows the border.

    Args:
        maps: (n, c, h, w).
        boxes: (n, k, 4) pixels of the picture, k of each map.
        size: rows and columns of the result.
        stride: pixels of a cell of the maps.
    """
    n, k = boxes.shape[:2]
    (rows, columns), (height, width) = size, maps.shape[-2:]
    y = (torch.arange(rows * SAMPLES, device=maps.device) + 0.5) / (rows * SAMPLES)
    x = (torch.arange(columns * SAMPLES, device=maps.device) + 0.5) / (columns * SAMPLES)
    x0, y0, x1, y1 = (boxes / stride).unbind(-1)
    across = (x0[..., None] + (x1 - x0)[..., None] * x) / width * 2 - 1
    down = (y0[..., None] + (y1 - y0)[..., None] * y) / height * 2 - 1
    shape = n, k, len(y), len(x)
    grid = torch.stack(
        [across[:, :, None, :].expand(shape), down[:, :, :, None].expand(shape)], -1
    )
    found = functional.grid_sample(
        maps, grid.reshape(n, k * len(y), len(x), 2).to(maps), padding_mode='border',
        align_corners=False,
    )  # fmt: skip
    found = functional.avg_pool2d(found, SAMPLES)
    return found.reshape(n, -1, k, rows, columns).transpose(1, 2)
