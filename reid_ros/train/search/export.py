"""A dense network of person search as one ONNX graph: pictures in; boxes, scores, vectors out."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from reid_ros.train.export import BATCHES, PARITY, ExportError, Runner, tidy, traced
from reid_ros.train.search.nets.dense import Dense
from reid_ros.train.search.nets.searcher import Searcher
from reid_ros.types import AnyArray, UInt8Array

INPUT = 'image'
OUTPUTS = ('boxes', 'scores', 'vectors')


class People(nn.Module):
    """A network as a robot asks it."""

    def __init__(self, network: Dense) -> None:
        """Wrap."""
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, h, w, 3) uint8 BGR -> boxes (n, k, 4), scores (n, k), vectors (n, k, d)."""
        found = self.network.detect(image)
        return found.boxes, found.scores, found.vectors


class Asker(Runner):
    """A graph in memory, asked as a robot asks it."""

    def people(self, images: UInt8Array) -> tuple[AnyArray, AnyArray, AnyArray]:
        """(n, h, w, 3) uint8 BGR -> boxes (n, k, 4), scores (n, k), vectors (n, k, d)."""
        boxes, scores, vectors = self._session.run(list(OUTPUTS), {INPUT: images})
        return boxes, scores, vectors


def graph(network: Searcher) -> onnx.ModelProto:
    """The graph of a network, with a free batch, and proof that it answers as torch does.

    Args:
        network: is left as it is; the table of the training people stays behind.

    Raises:
        ExportError: it proposes regions, has no vectors, torch cannot export it, or the graph
            answers something else.
    """
    settings = network.settings
    if not isinstance(network, Dense):
        raise ExportError(
            f'net.head: {settings.head} asks each region in turn, which no graph of one size can: '
            'distil it into a network with net.head dense, and export that'
        )
    if not settings.embed:
        raise ExportError(
            'net.embed: 0 is a detector alone, which learns others and serves no robot: train '
            'with net.embed 128, say'
        )
    plain = copy.deepcopy(network).cpu().float()
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    plain.table = None
    module = People(plain).eval()
    example = torch.zeros(2, *network.size, 3, dtype=torch.uint8)
    found = traced(module, example, settings.encoder, INPUT, OUTPUTS)
    tidy(found, 'people')
    worst = apart(found, module, network.size)
    if not worst <= PARITY:
        raise ExportError(
            f'{settings.encoder}: the exported network differs from torch by {worst:.2g}, and '
            f'{PARITY:g} is allowed; an operator of it does not survive the export'
        )
    return found


def apart(found: onnx.ModelProto, module: nn.Module, size: tuple[int, int]) -> float:
    """Largest difference between a graph and torch on noise: boxes as shares of the picture.

    Two places of almost the same score may change their order, and the last one its turn with one
    that is left out; so each place is held against its nearest.

    Args:
        found: the graph.
        module: what it was made of.
        size: height and width of a picture, pixels.
    """
    run, draw, worst = Asker(found, threads=1), np.random.default_rng(0), 0.0
    for number in BATCHES:
        images: UInt8Array = draw.integers(0, 256, (number, *size, 3), dtype=np.uint8)
        with torch.inference_mode():
            wanted = [part.numpy() for part in module(torch.from_numpy(images))]
        told = run.people(images)
        for one, two in zip(told, wanted):
            if one.shape != two.shape:
                raise ExportError(f'{number} images give {one.shape} and in torch {two.shape}')
        worst = max(worst, float(np.abs(told[1] - wanted[1]).max()))
        for boxes, scores, vectors, *true in zip(*told, *wanted):
            safe = true[1] > true[1][-1] + PARITY
            far = np.abs(true[0][safe, None] - boxes[None]).max(2) / max(size)
            far = np.maximum(far, np.abs(true[2][safe, None] - vectors[None]).max(2))
            far = np.maximum(far, np.abs(true[1][safe, None] - scores[None]))
            worst = max(worst, float(far.min(1).max(initial=0.0)))
    return worst
