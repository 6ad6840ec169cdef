"""One gait network as the files that a robot runs: two graphs and the card of both."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from reid_ros.card import Card, Input, Output, sha256
from reid_ros.check import check
from reid_ros.train import saved as trained
from reid_ros.train.artefact import (
    LICENCE,
    Made,
    Scores,
    Wanted,
    calibrated,
    lost,
    refuse_loss,
    writable,
)
from reid_ros.train.export import ExportError
from reid_ros.train.gait import saved
from reid_ros.train.gait.data.sequences import GaitTrial, Walks
from reid_ros.train.gait.data.sources import Tell, learnt, silent, trials
from reid_ros.train.gait.export import Pair, Walker, graphs
from reid_ros.train.gait.nets.cost import flops, parameters
from reid_ros.train.gait.nets.network import SIZE, GaitNetwork
from reid_ros.train.gait.settings import SEEN, GaitRecipe
from reid_ros.train.gait.worth import calibration, look, scores
from reid_ros.train.halved import stored_half
from reid_ros.train.quantise import int8
from reid_ros.types import FloatArray, UInt8Array

PRECISIONS = ('fp32', 'fp16', 'int8')


def exported(
    folder: Path, path: Path, wanted: Wanted, tell: Tell = silent, silhouette: str = ''
) -> Made:
    """Export a finished training, with the sets of its recipe.

    Args:
        folder: of the training.
        path: of the first graph; the second and the card go beside it.
        wanted: how; `frames` are taken from the recipe.
        tell: is called with a number of walks that had to be drawn.
        silhouette: network through which the people of validation are seen, as on a robot; '' =
            with the masks of the recipe.

    Raises:
        TrainError: the folder holds no finished training.
        DataError: its sets cannot be read.
        ExportError: it cannot be exported so, or would lose too much.
    """
    writable(path)
    recipe, network = saved.recipe(folder), saved.load(folder)
    source = learnt(recipe.data, tell) if wanted.precision == 'int8' else None
    data = recipe.data
    if silhouette:
        data = replace(data, masks=SEEN, silhouette=silhouette)
    tested = trials(data, data.validation, tell)
    wanted = replace(wanted, frames=recipe.data.score_frames)
    past = history(folder, recipe) | ({'calibrated through': silhouette} if silhouette else {})
    return export(network, path, wanted, tested, source, past)


def history(folder: Path, recipe: GaitRecipe) -> dict[str, Any]:
    """Facts for the card of a finished training: its teachers, data, command, seed and commit."""
    told = trained.scores(folder)
    taught = [Path(name).name for name in recipe.distil.teachers]
    return {
        **({'teachers': taught} if taught else {}),
        'data': list(recipe.data.train),
        'masks': recipe.data.masks,
        'command': told.get('command', ''),
        'steps': told.get('steps', recipe.optim.steps),
        'seed': recipe.run.seed,
        'commit': told.get('commit', ''),
    }


def export(
    network: GaitNetwork,
    path: Path,
    wanted: Wanted,
    tested: Mapping[str, GaitTrial],
    source: Walks | None = None,
    training: Mapping[str, Any] | None = None,
) -> Made:
    """Export a network: NAME.onnx of frames, NAME_head.onnx of walks and NAME.json, all or none.

    Args:
        network: is left as it is.
        path: of the first graph.
        wanted: how; `frames` counts those of a walk that are looked at, 0 = all, and `crops` the
            training frames that the ranges of 8 bits are learnt from.
        tested: of people that training did not see, by name: what is lost, and what angles mean.
        source: walks of training, for 8 bits.
        training: facts for the card.

    Raises:
        ExportError: it cannot be exported so, loses too much, or is too large.
    """
    writable(path)
    _possible(wanted, tested, source)
    plain = graphs(network)
    pair = _lowered(plain, wanted, source)
    full, _ = _looked(plain, tested, wanted)
    own, seen = (full, _) if pair is plain else _looked(pair, tested, wanted)
    refuse_loss(full, own, wanted)
    contents = [part.SerializeToString() for part in (pair.frames, pair.head)]
    megabytes = sum(map(len, contents)) / 1e6
    if wanted.megabytes and megabytes > wanted.megabytes:
        raise ExportError(
            f'{path.name} and its head would be {megabytes:.2f} MB, and {wanted.megabytes:g} are '
            'allowed: train fewer parts or less width, or take a lower precision'
        )
    said: list[str] = []
    card = Card(
        name=wanted.name or path.stem,
        kind='gait',
        file=path.name,
        head=f'{path.stem}_head.onnx',
        input=Input(layout='NHW', height=SIZE[0], width=SIZE[1], dtype='uint8'),
        output=Output(vector=network.length),
        licence=LICENCE,
        source='reid_ros/train',
        command=wanted.command,
        note=wanted.note,
        calibration=calibrated(
            lambda: calibration(tested, seen),
            said,
            'without one gait counts as a cautious guess',
        ),
        training={
            **facts(network),
            **(training or {}),
            'precision': wanted.precision,
            'validation': own,
            'lost': lost(full, own),
        },
    )
    card = _put(contents, card, path, _picture(tested))
    return Made(path, card, megabytes, own, full, said)


def facts(network: GaitNetwork) -> dict[str, Any]:
    """What a card says of a network: its kind, parts, numbers that a robot loads, and FLOPs."""
    settings = network.settings
    return {
        'encoder': settings.encoder,
        'width': settings.width,
        'depths': list(settings.depths),
        'parts': settings.parts,
        'parameters': sum(parameters(network)),
        'flops': round(flops(network)),
    }


def _possible(wanted: Wanted, tested: Mapping[str, GaitTrial], source: Walks | None) -> None:
    """Raise ExportError where it cannot be exported so, before anything is computed."""
    if wanted.precision not in PRECISIONS:
        raise ExportError(
            f'precision {wanted.precision!r} of a gait network: choose {", ".join(PRECISIONS)}'
        )
    if wanted.clip:
        raise ExportError('a gait network takes walks of any length: export it without --clip')
    if wanted.precision != 'fp32' and not tested:
        raise ExportError(
            f'{wanted.precision}: data.validation names no set, so nobody knows what is lost: '
            'name one in the recipe, or export fp32'
        )
    if wanted.precision == 'int8' and (source is None or not len(source.labels)):
        raise ExportError('there are no training walks to calibrate 8 bits on')


def _lowered(plain: Pair, wanted: Wanted, source: Walks | None) -> Pair:
    """The head stays in floats: it runs once a walk, and quantised products fail at run time."""
    if wanted.precision == 'int8' and source is not None:
        frames = int8(plain.frames, some(source, wanted.crops), centred=False)
        return Pair(frames, stored_half(plain.head))
    if wanted.precision == 'fp16':
        return Pair(stored_half(plain.frames), stored_half(plain.head))
    return plain


def some(walks: Walks, number: int) -> UInt8Array:
    """(number, 64, 44) frames evenly spread over walks, one of each."""
    count = len(walks.labels)
    rows = np.linspace(0, count - 1, min(number, count)).round().astype(np.int64)
    # Moments differ too: the first of one walk, the next of another.
    return np.concatenate(
        [
            walks.frames(row, np.array([k % walks.length(row)]))
            for k, row in enumerate(rows.tolist())
        ]
    )


def _looked(
    pair: Pair, tested: Mapping[str, GaitTrial], wanted: Wanted
) -> tuple[Scores, dict[str, FloatArray]]:
    run = Walker(pair, wanted.threads)
    seen = {name: look(run, trial.walks, wanted.frames) for name, trial in tested.items()}
    return {name: scores(trial, seen[name]) for name, trial in tested.items()}, seen


def _picture(tested: Mapping[str, GaitTrial]) -> UInt8Array:
    """(h, w, 3) something to run it on: a silhouette where there is one, else coarse noise."""
    for trial in tested.values():
        mask = trial.walks.frames(0, np.zeros(1, np.int64))[0]
        return np.repeat(mask[:, :, None], 3, axis=2)
    coarse = np.random.default_rng(0).integers(0, 256, (8, 4, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=0).repeat(11, axis=1)


def _put(contents: list[bytes], card: Card, path: Path, picture: UInt8Array) -> Card:
    """Write both graphs and the card once they are known to fit each other."""
    try:
        with TemporaryDirectory(prefix='.export.', dir=path.parent) as folder:
            parts = [Path(folder) / card.file, Path(folder) / card.head]
            for part, content in zip(parts, contents):
                part.write_bytes(content)
            card = Card.of({**card.to_json(), 'sha256': sha256(parts[0])})
            problems = check(parts[0], card, picture, 'cpu').problems
            if problems:
                raise ExportError(f'{path.name} does not fit its card: {"; ".join(problems)}')
            parts.insert(0, Path(folder) / f'{path.stem}.json')
            card.write(parts[0])
            for part in reversed(parts):  # the card last: it says that the rest is there
                os.replace(part, path.parent / part.name)
    except OSError as error:
        raise ExportError(f'{path}: {error.strerror}') from error
    return card
