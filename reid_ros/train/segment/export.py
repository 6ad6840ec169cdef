"""A trained silhouette network as files that a robot runs: the graph and its card."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from reid_ros.card import Card, Input, Output
from reid_ros.train.artefact import LICENCE, Made, Scores, put, writable
from reid_ros.train.export import ExportError, Runner, proven
from reid_ros.train.halved import stored_half
from reid_ros.train.quantise import int8
from reid_ros.train.saved import scores
from reid_ros.train.segment import saved, score
from reid_ros.train.segment.disturb import Disturbed
from reid_ros.train.segment.net import Masks, Segmenter
from reid_ros.train.segment.pictures import Tell, drawn, silent
from reid_ros.train.segment.settings import SegmentRecipe
from reid_ros.types import UInt8Array

PRECISIONS = ('fp32', 'fp16', 'int8', 'int8-tensorrt')
OUTPUT = 'masks'
LOST = 0.01
"""Most overlap that a lower precision may lose."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported.

    Attributes:
        precision: one of `PRECISIONS`.
        name: of the network; '' = that of the file.
        note: for the card.
        command: that repeats this.
        crops: how many training crops the ranges of 8 bits are learnt from.
        threads: of the CPU, 0 = all cores.
    """

    precision: str = 'fp32'
    name: str = ''
    note: str = ''
    command: str = ''
    crops: int = 512
    threads: int = 0

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ExportError(
                f'precision {self.precision!r} of a silhouette network: choose '
                f'{", ".join(PRECISIONS)}'
            )


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


def exported(folder: Path, path: Path, wanted: Wanted, tell: Tell = silent) -> Made:
    """Export a finished training, judged on the validation sets of its recipe.

    Args:
        folder: of the training.
        path: the .onnx file to write; the card goes beside it.
        wanted: how.
        tell: is called with the number of pictures that had to be drawn.

    Raises:
        TrainError: the folder holds no finished training.
        DataError: its sets cannot be read.
        ExportError: it cannot be exported so, or would lose too much.
    """
    writable(path)
    recipe, network = saved.recipe(folder), saved.load(folder)
    tested = {name: drawn(recipe.data, name, tell) for name in recipe.data.validation}
    if wanted.precision != 'fp32' and not tested:
        raise ExportError(
            f'{wanted.precision}: data.validation names no set, so nobody knows what is lost'
        )
    shown = _crops(recipe, wanted.crops, tell)
    plain = graph(network)
    found = _lowered(plain, shown, wanted.precision)

    def judged(graph: onnx.ModelProto) -> Scores:
        run = Runner(graph, wanted.threads)
        return {name: score.scores(run, one, network.size) for name, one in tested.items()}

    full = judged(plain)
    own = full if found is plain else judged(found)
    _refuse(full, own, wanted.precision)
    content = found.SerializeToString()
    card = _card(folder, recipe, path, network, wanted, own, full)
    card = put(content, card, path, np.ascontiguousarray(shown[0]))
    return Made(path, card, len(content) / 1e6, own, full)


def _crops(recipe: SegmentRecipe, number: int, tell: Tell) -> UInt8Array:
    """(n, h, w, 3) crops as in training, evenly spread over its sets."""
    made = Disturbed(recipe, [drawn(recipe.data, name, tell) for name in recipe.data.train])
    rows = np.linspace(0, len(made) - 1, number).astype(int).tolist()
    return np.stack([made(row, 0)[0] for row in rows])


def _lowered(plain: onnx.ModelProto, shown: UInt8Array, precision: str) -> onnx.ModelProto:
    if precision == 'fp32':
        return plain
    if precision == 'fp16':
        return stored_half(plain)
    # Nothing is added to masks: probabilities have no mean to be kept.
    return int8(plain, shown, precision == 'int8-tensorrt', centred=False)


def _card(
    folder: Path,
    recipe: SegmentRecipe,
    path: Path,
    network: Segmenter,
    wanted: Wanted,
    own: Scores,
    full: Scores,
) -> Card:
    told, (height, width) = scores(folder), network.size
    return Card(
        name=wanted.name or path.stem,
        kind='silhouette',
        file=path.name,
        input=Input(
            layout='NHWC', height=height, width=width, order='bgr', fit='stretch', dtype='uint8'
        ),
        output=Output(scores='probability'),
        licence=LICENCE,
        source='reid_ros/train',
        command=wanted.command,
        note=wanted.note,
        training={
            'parameters': told['parameters'],
            'data': list(recipe.data.train),
            'command': told['command'],
            'steps': told['steps'],
            'wall_s': told['wall_s'],
            'seed': recipe.run.seed,
            'commit': told['commit'],
            'precision': wanted.precision,
            'validation': own,
            'fp32': full,
        },
    )


def _refuse(full: Scores, own: Scores, precision: str) -> None:
    for name, values in full.items():
        lost = values['iou'] - own[name]['iou']
        if not lost <= LOST:
            raise ExportError(
                f'{precision} loses {100 * lost:.2f} points of overlap on {name}, and '
                f'{100 * LOST:g} are allowed: calibrate it on more crops, or export fp16'
            )
