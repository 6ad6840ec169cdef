"""Public data sets by layout: to learn from, or to be scored on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reid_ros.evaluate.retrieval import MARKET1501, MARS, MSMT17, Protocol
from reid_ros.train.clips import DataError, Source, Trial
from reid_ros.train.folders import cuhk03_np, ilids_vid, ls_vid, market1501, mars, msmt17
from reid_ros.train.folders.pictures import Part, Pictures
from reid_ros.train.settings import SetConfig
from reid_ros.world.seeds import generator


@dataclass(frozen=True, slots=True)
class Reader:
    """How a data set is read.

    Attributes:
        rules: of its test.
        train: what is learnt from.
        test: queries and gallery.
        validation: what a choice is made by, everybody among all others; None: not given out.
    """

    rules: Protocol
    train: Callable[[SetConfig], Part]
    test: Callable[[SetConfig], tuple[Part, Part]]
    validation: Callable[[SetConfig], Part] | None = None


READERS = {
    'mars': Reader(MARS, mars.train, mars.test),
    'ilids_vid': Reader(Protocol('iLIDS-VID'), ilids_vid.train, ilids_vid.test),
    'ls_vid': Reader(Protocol('LS-VID'), ls_vid.train, ls_vid.test, ls_vid.validation),
    'market1501': Reader(MARKET1501, market1501.train, market1501.test),
    'msmt17': Reader(MSMT17, msmt17.train, msmt17.test, msmt17.validation),
    'cuhk03_np': Reader(Protocol('CUHK03-NP'), cuhk03_np.train, cuhk03_np.test),
}


def learn(spec: SetConfig, size: tuple[int, int]) -> Source:
    """The training people of a data set, without those that are held out for validation.

    Args:
        spec: the set, of split 'train'.
        size: height and width of the images, pixels.

    Raises:
        DataError: another split, or a folder that is not laid out as the authors' own.
    """
    if spec.split != 'train':
        raise DataError(f"split: {spec.split!r} is scored; learn from split 'train'")
    return Pictures(_halves(spec)[0], size)


def trial(spec: SetConfig, size: tuple[int, int]) -> Trial:
    """What a data set scores.

    Split 'test' is the authors' own. Split 'validation' searches everybody among all others: the
    training people held out where `held_out` is above 0, else those of the authors' own list.

    Args:
        spec: the set, of split 'validation' or 'test'.
        size: height and width of the images, pixels.

    Raises:
        DataError: another split, nobody to validate with, or a folder that is not laid out as the
            authors' own.
    """
    reader = READERS[spec.layout]
    if spec.split == 'test':
        query, gallery = reader.test(spec)
        return Trial(Pictures(query, size), Pictures(gallery, size), reader.rules)
    if spec.split != 'validation':
        raise DataError("split: 'train' is learnt from; score split 'validation' or 'test'")
    if spec.held_out:
        part = _halves(spec)[1]
    elif reader.validation is None:
        raise DataError(
            f'held_out: {reader.rules.name} has no people for validation of its own; hold some '
            'out, 0.1 say, here and in the set that is learnt from'
        )
    else:
        part = reader.validation(spec)
    everybody = Pictures(part, size)
    return Trial(everybody, everybody, Protocol(reader.rules.name))


def _halves(spec: SetConfig) -> tuple[Part, Part]:
    """The training people who are learnt, and those who are held out."""
    part = READERS[spec.layout].train(spec)
    if not spec.held_out:
        return part, Part(part.folder, [])
    people = np.unique([track.person for track in part.tracks])
    number = round(spec.held_out * len(people))
    if not 0 < number < len(people):
        raise DataError(
            f'held_out: {spec.held_out} of {len(people)} people is {number}; needs 1 to '
            f'{len(people) - 1}'
        )
    order = generator('validation', 'held out', spec.layout, spec.seed).permutation(people)
    chosen = set(order[:number].tolist())
    learnt = [track for track in part.tracks if track.person not in chosen]
    others = [track for track in part.tracks if track.person in chosen]
    return Part(part.folder, learnt), Part(part.folder, others)
