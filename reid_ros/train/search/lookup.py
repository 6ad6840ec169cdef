"""A teacher's vectors of everybody in training, computed once: all that a student gets of it.

Munjal, Galasso and Amin (BMVC 2019): the look-up table of a student is the teacher's, and the
student learns to match it. The teacher itself is gone before the first step. It may be a network
of person search, or one of appearance, which is shown what is cut out of the true boxes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reid_ros.train import saved as trained
from reid_ros.train.clips import DataError
from reid_ros.train.drawing import save
from reid_ros.train.optimiser import Precision, placed
from reid_ros.train.search import saved
from reid_ros.train.search.cropped import cut_out, of_appearance
from reid_ros.train.search.data.pictures import Joined
from reid_ros.train.search.data.sources import labels, learnt
from reid_ros.train.search.score import described
from reid_ros.train.search.settings import SearchRecipe
from reid_ros.train.task import Place
from reid_ros.train.teacher import TeacherError, digest
from reid_ros.types import FloatArray

VERSION = 1
"""Of stored tables; a change makes older ones unused."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a student begins with.

    Attributes:
        vectors: (people, d) float32, of unit length; 0 of whom the teacher never saw.
        calls: 1 where the teacher has run for it, 0 where the table was stored.
    """

    vectors: FloatArray
    calls: int


def lookup(recipe: SearchRecipe, source: Joined, place: Place) -> Lookup:
    """The table of a student's recipe.

    Args:
        recipe: of the student; `table.teacher` is the folder.
        source: what the student learns from.
        place: where the teacher runs, if it has to.

    Raises:
        TrainError: no finished training there.
        TeacherError: it gives no vectors, shorter ones, or has learnt other people.
        DataError: the table cannot be stored.
    """
    folder = Path(recipe.table.teacher).expanduser()
    width = _width(folder)
    if width < recipe.net.embed or not width:
        raise TeacherError(
            f'table.teacher: {folder} has vectors of {width}, the student of {recipe.net.embed}; '
            f'take a teacher with net.embed {recipe.net.embed} or more'
        )
    if recipe.table.variant == 'copied':
        return Lookup(_narrow(_copied(folder, recipe), recipe.net.embed), 0)
    facts = _facts(folder, recipe, source)
    root = Path(recipe.table.store).expanduser() if recipe.table.store else folder
    path = root / 'tables' / f'{digest(facts)[:16]}.npy'
    calls = 0
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path, _means(folder, recipe, source, place))
            calls = 1
        stored: FloatArray = np.load(path)
    except OSError as error:
        raise DataError(f'table.store: {path} cannot be used: {error}') from error
    return Lookup(_narrow(stored, recipe.net.embed), calls)


def _width(folder: Path) -> int:
    """Length of a teacher's vectors; 0 of a detector."""
    if of_appearance(folder):
        return trained.load(folder).width
    return saved.recipe(folder).net.embed


def _copied(folder: Path, recipe: SearchRecipe) -> FloatArray:
    """The table that the teacher has learnt with, from its weights alone."""
    if of_appearance(folder):
        raise TeacherError(
            f"table.variant: 'copied', but {folder} learnt appearance without a table: take "
            "'mean' or 'updated'"
        )
    mine, yours = labels(saved.recipe(folder).data), labels(recipe.data)
    if digest({'sets': mine}) != digest({'sets': yours}):
        raise TeacherError(
            f'table.teacher: {folder} learnt from other people: {mine}, the student from {yours}; '
            "both need the same in the same order, or table.variant 'mean'"
        )
    found: FloatArray = trained.weights(folder)[saved.VECTORS].numpy()
    return found


def _means(folder: Path, recipe: SearchRecipe, source: Joined, place: Place) -> FloatArray:
    """(people, d) of unit length: of the vectors in all true boxes of each person."""
    rows = np.flatnonzero(source.standing.people >= 0)
    with Precision(recipe.run, place.device).automatic():
        if of_appearance(folder):
            found = cut_out(placed(trained.load(folder), place.device), source, rows)
        else:
            network = placed(saved.load(folder), place.device)
            height, width = network.size
            if network.size != (recipe.data.height, recipe.data.width):
                # The same people, as the teacher is used to see them.
                source = learnt(replace(recipe.data, height=height, width=width))
            found = described(network, source, rows)
    sums = np.zeros((source.people, found.shape[1]))
    np.add.at(sums, source.standing.people[rows], found)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    result: FloatArray = (sums / np.maximum(lengths, 1e-12)).astype(np.float32)
    return result


def _narrow(vectors: FloatArray, width: int) -> FloatArray:
    """(people, width) the most of longer vectors: their first directions, about the origin.

    Not about their mean: angles between vectors are what a student learns.
    """
    if vectors.shape[1] == width:
        return vectors
    _, _, directions = np.linalg.svd(vectors, full_matrices=False)
    # Few people span few directions; the rest of a vector is then 0.
    shorter = np.zeros((len(vectors), width), np.float32)
    shorter[:, : len(directions)] = vectors @ directions[:width].T
    lengths = np.linalg.norm(shorter, axis=1, keepdims=True)
    result: FloatArray = (shorter / np.maximum(lengths, 1e-12)).astype(np.float32)
    return result


def _facts(folder: Path, recipe: SearchRecipe, source: Joined) -> dict[str, Any]:
    """Everything that decides the table."""
    where, rows = source.standing, hashlib.sha256()
    for part in (where.starts, where.people):
        rows.update(np.ascontiguousarray(part, '<i8').tobytes())
    rows.update(np.ascontiguousarray(where.boxes, '<f4').tobytes())
    return {
        'version': VERSION,
        'teacher': hashlib.sha256((folder / trained.WEIGHTS).read_bytes()).hexdigest(),
        'numbers': recipe.run.amp,
        'sets': labels(recipe.data),
        'rows': rows.hexdigest(),
    }
