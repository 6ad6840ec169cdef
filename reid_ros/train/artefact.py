"""One training as files that a robot runs: the network, and the card that tells about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx

from reid_ros.calibration import Calibration, CalibrationError
from reid_ros.card import Card, Input, Output, sha256
from reid_ros.check import check
from reid_ros.train import saved
from reid_ros.train.clips import Source, Trial
from reid_ros.train.export import ExportError, Runner, graph
from reid_ros.train.halved import half, stored_half
from reid_ros.train.history import history
from reid_ros.train.nets.network import Network
from reid_ros.train.quantise import int8
from reid_ros.train.sources import Tell, learnt, silent, trials
from reid_ros.train.worth import Looked, calibration, look, scores
from reid_ros.types import UInt8Array

PRECISIONS: Mapping[str, str] = {
    'fp32': 'as trained',
    'fp16': 'weights stored in 16 bits: half the file, as fast on a CPU',
    'fp16-tensorrt': 'arithmetic in 16 bits too: for TensorRT and CUDA, slow on a CPU',
    'int8': '8 bits, for ONNX Runtime on a CPU',
    'int8-tensorrt': '8 bits, symmetric, for TensorRT, slow on a CPU',
}
LICENCE = 'Apache-2.0'
_NO_CROPS = 'there are no training crops to calibrate 8 bits on'
Scores = Mapping[str, Mapping[str, float]]
"""rank-1 and mAP in percent, by name of the set."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported.

    Attributes:
        precision: one of `PRECISIONS`.
        clip: frames of a clip; 0 = single crops, which alone a robot can use.
        name: of the network; '' = that of the file.
        crops: how many training crops the ranges of 8 bits are learnt from.
        rank1_loss, map_loss: points of retrieval that may be lost to fp32.
        megabytes: largest file, 0 = any.
        frames: of each validation tracklet that are looked at; `exported` takes the recipe's.
        resize: how a robot brings crops to the size. 'linear' takes 0.016 ms at any height,
            'area' 0.1 to 0.5 ms from 260 to 700 pixels, more than the network itself, and is worth
            nothing: at 4 times the size mAP 39.77 against 39.63, at 2 times 39.79 against 39.87.
        note: for the card.
        command: that repeats this.
        threads: of the CPU, 0 = all cores.
    """

    precision: str = 'fp32'
    clip: int = 0
    name: str = ''
    crops: int = 512
    rank1_loss: float = 0.5
    map_loss: float = 1.0
    megabytes: float = 0.0
    frames: int = 4
    resize: str = 'linear'
    note: str = ''
    command: str = ''
    threads: int = 0

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ExportError(f'precision {self.precision!r}: choose {", ".join(PRECISIONS)}')


@dataclass(frozen=True, slots=True)
class Data:
    """What an export is judged and calibrated on.

    Attributes:
        trials: of people that training did not see, by name.
        crops: (n, h, w, 3) uint8 BGR of training, for the ranges of 8 bits.
    """

    trials: Mapping[str, Trial] = field(default_factory=dict)
    crops: UInt8Array | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What was exported.

    Attributes:
        path: the file; the card lies beside it.
        card: its card.
        megabytes: of the file.
        scores: as exported.
        full: in fp32.
        said: what a user should know.
    """

    path: Path
    card: Card
    megabytes: float
    scores: Scores
    full: Scores
    said: list[str] = field(default_factory=list)


def exported(folder: Path, path: Path, wanted: Wanted, tell: Tell = silent) -> Made:
    """Export a finished training, with the sets of its recipe.

    Args:
        folder: of the training.
        path: the .onnx file to write; the card goes beside it.
        wanted: how.
        tell: is called with a number of tracklets that had to be drawn.

    Raises:
        TrainError: the folder holds no finished training.
        DataError: its sets cannot be read.
        ExportError: it cannot be exported so, or would lose too much.
    """
    writable(path)
    recipe, network = saved.recipe(folder), saved.load(folder)
    crops = None
    if wanted.precision.startswith('int8'):
        crops = some(learnt(recipe.data, tell), wanted.crops)
    data = Data(trials(recipe.data, recipe.data.validation, tell), crops)
    wanted = replace(wanted, frames=recipe.data.score_frames)
    return export(network, path, wanted, data, history(folder, recipe, network))


def export(
    network: Network,
    path: Path,
    wanted: Wanted,
    data: Data,
    training: Mapping[str, Any] | None = None,
) -> Made:
    """Export a network: the file and its card, both or none.

    Args:
        network: is left as it is.
        path: the .onnx file to write.
        wanted: how.
        data: what it is judged on; a precision that loses something needs it.
        training: facts for the card.

    Raises:
        ExportError: it cannot be exported so, loses too much, or is too large.
    """
    writable(path)
    _judged(wanted, data)
    plain = graph(network, wanted.clip)
    full = _looked(plain, wanted, data)
    full_scores = scores(data.trials, full)
    found, seen, own_scores = plain, full, full_scores
    if wanted.precision != 'fp32':
        found = _lowered(plain, wanted, data)
        seen = _looked(found, wanted, data)
        own_scores = scores(data.trials, seen)
        refuse_loss(
            full_scores,
            own_scores,
            wanted,
            'calibrate it on more crops, allow more, or export fp16',
        )
    content = found.SerializeToString()
    megabytes = len(content) / 1e6
    if wanted.megabytes and megabytes > wanted.megabytes:
        raise ExportError(
            f'{path.name} would be {megabytes:.2f} MB, and {wanted.megabytes:g} are allowed: '
            'prune more, or take a lower precision'
        )
    said: list[str] = []
    card = Card(
        name=wanted.name or path.stem,
        kind='appearance',
        file=path.name,
        input=_input(network, wanted),
        output=Output(vector=network.width),
        licence=LICENCE,
        source='reid_ros/train',
        command=wanted.command,
        note=wanted.note,
        # Nothing for clips, which no robot compares.
        calibration={}
        if wanted.clip
        else calibrated(
            lambda: calibration(data.trials, seen),
            said,
            "fit one with 'reid_ros calibrate --rendered'",
        ),
        training={
            **(training or {}),
            'precision': wanted.precision,
            'validation': own_scores,
            'lost': lost(full_scores, own_scores),
        },
    )
    card = put(content, card, path, _picture(network, data))
    return Made(path, card, megabytes, own_scores, full_scores, said)


def lost(full: Scores, own: Scores) -> dict[str, dict[str, float]]:
    """Points lost of rank-1 and mAP, by set; below 0 where some were won."""
    return {
        name: {key: round(value - own[name][key], 2) for key, value in found.items()}
        for name, found in full.items()
    }


def some(source: Source, number: int) -> UInt8Array:
    """(number, h, w, 3) crops evenly spread over the tracklets of a source, one of each."""
    count = len(source.people)
    rows = np.linspace(0, count - 1, min(number, count)).round().astype(np.int64)
    # Moments differ too: the first of one tracklet, the next of another.
    moments = np.arange(len(rows)) % source.lengths[rows]
    return np.concatenate(
        [source.frames(int(row), moments[k : k + 1]) for k, row in enumerate(rows)]
    )


def writable(path: Path) -> None:
    """Raise ExportError where no .onnx file can be written."""
    if path.suffix != '.onnx':
        raise ExportError(f'{path}: the file must end in .onnx')
    if not path.parent.is_dir():
        raise ExportError(f'{path}: there is no folder {path.parent}')


def _judged(wanted: Wanted, data: Data) -> None:
    """Raise ExportError where nobody could say what the precision loses."""
    if wanted.precision != 'fp32' and not data.trials:
        raise ExportError(
            f'{wanted.precision}: data.validation names no set, so nobody knows what is lost: '
            'name one in the recipe, or export fp32'
        )
    if wanted.precision.startswith('int8') and (data.crops is None or not len(data.crops)):
        raise ExportError(_NO_CROPS)


def _looked(found: onnx.ModelProto, wanted: Wanted, data: Data) -> dict[str, Looked]:
    run = Runner(found, wanted.threads)
    return look(run, data.trials, wanted.frames, wanted.clip)


def _lowered(plain: onnx.ModelProto, wanted: Wanted, data: Data) -> onnx.ModelProto:
    if wanted.precision == 'fp16':
        return stored_half(plain)
    if wanted.precision == 'fp16-tensorrt':
        return half(plain)
    images = data.crops
    if images is None:
        raise ExportError(_NO_CROPS)
    if wanted.clip:
        whole = len(images) // wanted.clip * wanted.clip
        images = images[:whole].reshape(-1, wanted.clip, *images.shape[1:])
    return int8(plain, images, symmetric=wanted.precision == 'int8-tensorrt')


def refuse_loss(
    full: Scores,
    own: Scores,
    wanted: Wanted,
    advice: str = 'allow more, or export fp16',
) -> None:
    """Refuse a network that finds people worse than fp32 by more than is wanted.

    Args:
        full, own: scores in fp32 and as exported, by set.
        wanted: limits, in points of rank-1 and mAP.
        advice: what to do about it.

    Raises:
        ExportError: it does.
    """
    limits = {'rank-1': wanted.rank1_loss, 'mAP': wanted.map_loss}
    for name, points in lost(full, own).items():
        for key, limit in limits.items():
            if not points.get(key, 0.0) <= limit:
                raise ExportError(
                    f'{wanted.precision} loses {points[key]:.2f} points of {key} on {name} '
                    f'({full[name][key]:.2f} to {own[name][key]:.2f} %), and {limit:g} are '
                    f'allowed: {advice}'
                )


def _input(network: Network, wanted: Wanted) -> Input:
    height, width = network.size
    return Input(
        layout='NHWC',
        height=height,
        width=width,
        order='bgr',
        fit='stretch',
        resize=wanted.resize,
        dtype='uint8',
        frames=wanted.clip,
    )


def calibrated(make: Callable[[], Calibration], said: list[str], advice: str) -> dict[str, Any]:
    """What angles mean, for the card; where that cannot be told, nothing, and `said` hears why.

    Args:
        make: tells it, or raises CalibrationError.
        said: notes for people.
        advice: what follows from a card without it.
    """
    try:
        return rounded(make().to_json())
    except CalibrationError as error:
        said.append(f'the card has no calibration ({error}): {advice}')
        return {}


def rounded(block: Mapping[str, Any]) -> dict[str, Any]:
    """A calibration for a card, in hundredths of a degree; left sides are rounded already."""
    return {
        name: rounded(value) if isinstance(value, Mapping)
        else round(value, 2) if isinstance(value, float) else value
        for name, value in block.items()
    }  # fmt: skip


def _picture(network: Network, data: Data) -> UInt8Array:
    """(h, w, 3) something to run it on: a person where there is one, else coarse noise."""
    for trial in data.trials.values():
        shown: UInt8Array = trial.query.frames(0, np.zeros(1, np.int64))[0]
        return np.ascontiguousarray(shown)
    coarse = np.random.default_rng(0).integers(0, 256, (8, 4, 3), dtype=np.uint8)
    height, width = network.size
    noise: UInt8Array = cv2.resize(coarse, (width, height))
    return noise


def put(content: bytes, card: Card, path: Path, picture: UInt8Array) -> Card:
    """Write file and card once they are known to fit each other; the card as written.

    Args:
        content: of the .onnx file.
        card: its card, without a checksum.
        path: the file; the card goes beside it.
        picture: (h, w, 3) something to run it on.

    Raises:
        ExportError: they do not fit, or cannot be written.
    """
    part = path.with_name(f'.{path.stem}.{os.getpid()}.onnx')
    try:
        part.write_bytes(content)
        card = Card.of({**card.to_json(), 'sha256': sha256(part)})
        problems = check(part, card, picture, 'cpu').problems
        if problems:
            raise ExportError(f'{path.name} does not fit its card: {"; ".join(problems)}')
        os.replace(part, path)
    except OSError as error:
        raise ExportError(f'{path}: {error.strerror}') from error
    finally:
        part.unlink(missing_ok=True)
    card.write(path.with_suffix('.json'))
    return card
