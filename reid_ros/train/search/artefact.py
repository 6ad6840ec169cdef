"""One training of person search as files that a robot runs: the graph, and its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from reid_ros.card import Card, Input, Output
from reid_ros.train import saved as trained
from reid_ros.train.artefact import (
    LICENCE,
    Made,
    Scores,
    Wanted,
    calibrated,
    lost,
    put,
    refuse_loss,
    writable,
)
from reid_ros.train.export import ExportError
from reid_ros.train.halved import stored_half
from reid_ros.train.quantise import int8
from reid_ros.train.search import saved, score
from reid_ros.train.search.data.pictures import Pictures, SearchTrial
from reid_ros.train.search.data.sources import Tell, learnt, silent, trials
from reid_ros.train.search.data.world import FIT
from reid_ros.train.search.export import INPUT, OUTPUTS, Asker, graph
from reid_ros.train.search.nets.dense import Dense
from reid_ros.train.search.nets.searcher import Searcher
from reid_ros.train.search.score import Limits
from reid_ros.train.search.settings import SearchRecipe
from reid_ros.train.search.worth import Seen, calibration, look, meaning, meant, scores
from reid_ros.types import UInt8Array

PRECISIONS = ('fp32', 'fp16', 'int8')


def exported(folder: Path, path: Path, wanted: Wanted, tell: Tell = silent) -> Made:
    """Export a finished training, judged on the validation sets of its recipe.

    Args:
        folder: of the training.
        path: the .onnx file to write; the card goes beside it.
        wanted: how; `crops` counts training pictures, for the ranges of 8 bits.
        tell: is called with a number of pictures that had to be drawn.

    Raises:
        TrainError: the folder holds no finished training.
        DataError: its sets cannot be read.
        ExportError: it cannot be exported so, or would lose too much.
    """
    writable(path)
    recipe, network = saved.recipe(folder), saved.load(folder)
    tested = trials(recipe.data, recipe.data.validation, tell)
    _possible(wanted, tested)
    limits, scale, shift = score.limits(recipe.data), 1.0, 0.0
    if isinstance(network, Dense):
        with torch.inference_mode():
            scale, shift = meaning(score.asked(network), tested, limits)
        network.rescale(scale, shift)
        limits = meant(limits, scale, shift)
    plain = graph(network)
    shown = None
    if wanted.precision == 'int8':
        shown = some(learnt(recipe.data, tell), wanted.crops)
    found = lowered(plain, wanted.precision, shown)
    full, seen = _looked(plain, tested, limits, wanted)
    own = full
    if found is not plain:
        own, seen = _looked(found, tested, limits, wanted)
    refuse_loss(full, own, wanted)
    content = found.SerializeToString()
    megabytes = len(content) / 1e6
    if wanted.megabytes and megabytes > wanted.megabytes:
        raise ExportError(
            f'{path.name} would be {megabytes:.2f} MB, and {wanted.megabytes:g} are allowed: '
            'train a smaller net.encoder or less net.width, or take a lower precision'
        )
    said: list[str] = []
    facts = {
        'precision': wanted.precision,
        'logits': {'scale': round(scale, 4), 'shift': round(shift, 4)},
        'validation': own,
        'lost': lost(full, own),
    }
    card = replace(
        _card(network, path, wanted, history(folder, recipe) | facts),
        calibration=calibrated(
            lambda: calibration(tested, seen),
            said,
            "fit one with 'reid_ros calibrate' on footage",
        ),
    )
    card = put(content, card, path, _picture(tested, network.size))
    return Made(path, card, megabytes, own, full, said)


def _card(network: Searcher, path: Path, wanted: Wanted, training: Mapping[str, Any]) -> Card:
    return Card(
        name=wanted.name or path.stem,
        kind='search',
        file=path.name,
        input=_input(network.size),
        output=Output(
            names=OUTPUTS, vector=network.width, decoder='search', classes=1,
            scores='probability',
        ),
        licence=LICENCE,
        source='reid_ros/train',
        command=wanted.command,
        note=wanted.note,
        training=training,
    )  # fmt: skip


def history(folder: Path, recipe: SearchRecipe) -> dict[str, Any]:
    """Facts for the card of a finished training: teachers, data, command, seed and commit."""
    told = trained.scores(folder)
    facts: dict[str, Any] = {
        'encoder': recipe.net.encoder,
        'parameters': told['parameters'],
        'data': list(recipe.data.train),
        'command': told['command'],
        'steps': told['steps'],
        'wall_s': told['wall_s'],
        'seed': recipe.run.seed,
        'commit': told['commit'],
    }
    if recipe.distil.used:
        facts['detector teacher'] = Path(recipe.distil.teacher).name
    if recipe.table.used:
        facts['identity teacher'] = Path(recipe.table.teacher).name
        facts['table'] = recipe.table.variant
    return facts


def some(pictures: Pictures, number: int) -> UInt8Array:
    """(number, h, w, 3) pictures, evenly spread."""
    count = len(pictures.standing)
    rows = np.linspace(0, count - 1, min(number, count)).round().astype(int).tolist()
    return np.stack([pictures.image(row) for row in rows])


def lowered(
    plain: onnx.ModelProto, precision: str, shown: UInt8Array | None = None
) -> onnx.ModelProto:
    """A graph in one of `PRECISIONS`.

    Args:
        plain: in fp32.
        precision: which.
        shown: (n, h, w, 3) pictures that the ranges of 8 bits are learnt from.

    Raises:
        ExportError: 8 bits without a picture.
    """
    if precision == 'fp16':
        return stored_half(plain)
    if precision != 'int8':
        return plain
    if shown is None:
        raise ExportError('there are no training pictures to calibrate 8 bits on')
    # Nothing is added to vectors: of most places they are no vectors of anybody.
    return int8(plain, shown, centred=False)


def _possible(wanted: Wanted, tested: Mapping[str, SearchTrial]) -> None:
    """Raise ExportError where it cannot be exported so, before anything is computed."""
    if wanted.precision not in PRECISIONS:
        raise ExportError(
            f'precision {wanted.precision!r} of a network of person search: choose '
            f'{", ".join(PRECISIONS)}'
        )
    if wanted.clip:
        raise ExportError('a network of person search takes single pictures: leave out --clip')
    if wanted.precision != 'fp32' and not tested:
        raise ExportError(
            f'{wanted.precision}: data.validation names no set, so nobody knows what is lost: '
            'name one in the recipe, or export fp32'
        )


def _looked(
    found: onnx.ModelProto, tested: Mapping[str, SearchTrial], limits: Limits, wanted: Wanted
) -> tuple[Scores, dict[str, Seen]]:
    run = Asker(found, wanted.threads).people
    seen = {name: look(run, trial, limits) for name, trial in tested.items()}
    return scores(tested, seen, limits), seen


def _input(size: tuple[int, int]) -> Input:
    height, width = size
    return Input(
        name=INPUT, layout='NHWC', height=height, width=width, order='bgr', fit=FIT, dtype='uint8'
    )


def _picture(tested: Mapping[str, SearchTrial], size: tuple[int, int]) -> UInt8Array:
    """(h, w, 3) something to run it on: a picture where there is one, else coarse noise."""
    for trial in tested.values():
        shown = trial.pictures.standing.pictures[trial.queries[0]]
        return np.ascontiguousarray(trial.pictures.image(int(shown)))
    height, width = size
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)
