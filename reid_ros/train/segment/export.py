"""A trained silhouette network as files that a robot runs: the graph and its card."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from reid_ros.card import Card, Input, Output
from reid_ros.train import saved
from reid_ros.train.artefact import LICENCE, put, writable
from reid_ros.train.export import ExportError, Runner, proven
from reid_ros.train.halved import stored_half
from reid_ros.train.quantise import int8
from reid_ros.train.segment import loop, score
from reid_ros.train.segment.disturb import Disturbed
from reid_ros.train.segment.net import Masks, Segmenter
from reid_ros.train.segment.pictures import Tell, drawn, silent
from reid_ros.types import UInt8Array

PRECISIONS = ('fp32', 'fp16', 'int8', 'int8-tensorrt')
OUTPUT = 'masks'
LOST = 0.01
"""Most overlap that a lower precision may lose."""

Scores = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Made:
    """What was exported.

    Attributes:
        path: the file; the card lies beside it.
        card: its card.
        megabytes: of the file.
        scores: of `score.scores`, as exported, by set.
        full: in fp32.
    """

    path: Path
    card: Card
    megabytes: float
    scores: Scores
    full: Scores


def graph(network: Segmenter) -> onnx.ModelProto:
    """The graph of a network: (n, h, w, 3) uint8 BGR -> (n, h, w) probabilities.

    Args:
        network: is left as it is.

    Raises:
        ExportError: torch cannot export it, or the graph answers something else.
    """
    plain = copy.deepcopy(network).cpu().float()
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return proven(
        Masks(plain).eval(), (*network.size, 3), 'the silhouette network', 'crops', OUTPUT
    )


def exported(
    folder: Path,
    path: Path,
    *,
    precision: str = 'fp32',
    name: str = '',
    note: str = '',
    command: str = '',
    crops: int = 512,
    threads: int = 0,
    tell: Tell = silent,
) -> Made:
    """Export a finished training, judged on the validation sets of its recipe.

    Args:
        folder: of the training.
        path: the .onnx file to write; the card goes beside it.
        precision: one of `PRECISIONS`.
        name: of the network; '' = that of the file.
        note: for the card.
        command: that repeats this.
        crops: how many training crops the ranges of 8 bits are learnt from.
        threads: of the CPU, 0 = all cores.
        tell: is called with the number of pictures that had to be drawn.

    Raises:
        TrainError: the folder holds no finished training.
        DataError: its sets cannot be read.
        ExportError: it cannot be exported so, or would lose too much.
    """
    writable(path)
    if precision not in PRECISIONS:
        raise ExportError(
            f'precision {precision!r} of a silhouette network: choose {", ".join(PRECISIONS)}'
        )
    recipe, network = loop.recipe_of(folder), loop.load(folder)
    data = recipe.data
    tested = {one: drawn(data, one, tell) for one in data.validation}
    if precision != 'fp32' and not tested:
        raise ExportError(f'{precision}: data.validation names no set, so nobody knows the loss')
    plain = graph(network)
    found = plain
    sets = [drawn(data, one, tell) for one in data.train]
    disturbed = Disturbed(recipe, sets)
    rows = np.linspace(0, len(disturbed) - 1, crops).astype(int).tolist()
    shown = np.stack([disturbed(row, 0)[0] for row in rows])
    if precision == 'fp16':
        found = stored_half(plain)
    elif precision.startswith('int8'):
        found = int8(plain, shown, precision == 'int8-tensorrt', centred=False)
    full, own = (
        {
            one: score.scores(Runner(graph_, threads), pictures, network.size)
            for one, pictures in tested.items()
        }
        for graph_ in (plain, found)
    )
    _refuse(full, own, precision)
    content = found.SerializeToString()
    told = saved.scores(folder)
    card = Card(
        name=name or path.stem,
        kind='silhouette',
        file=path.name,
        input=_input(network),
        output=Output(scores='probability'),
        licence=LICENCE,
        source='reid_ros/train',
        command=command,
        note=note,
        training={
            'parameters': told['parameters'],
            'data': list(data.train),
            'command': told['command'],
            'steps': told['steps'],
            'seed': recipe.run.seed,
            'commit': told['commit'],
            'precision': precision,
            'validation': own,
            'fp32': full,
        },
    )
    card = put(content, card, path, _picture(shown))
    return Made(path, card, len(content) / 1e6, own, full)


def _refuse(full: Scores, own: Scores, precision: str) -> None:
    for name, values in full.items():
        lost = values['iou'] - own[name]['iou']
        if not lost <= LOST:
            raise ExportError(
                f'{precision} loses {100 * lost:.2f} points of overlap on {name}, and '
                f'{100 * LOST:g} are allowed: calibrate it on more crops, or export fp16'
            )


def _input(network: Segmenter) -> Input:
    height, width = network.size
    return Input(
        layout='NHWC', height=height, width=width, order='bgr', fit='stretch', dtype='uint8'
    )


def _picture(shown: UInt8Array) -> UInt8Array:
    """(h, w, 3) a crop to run it on."""
    return np.ascontiguousarray(shown[0])
