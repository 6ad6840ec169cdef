"""The common layout of public gait sets: person/kind/view/*.pkl, one file for each walk.

A file is an array (t, 64, 64) of bytes, aligned as `silhouette.align` does it (GaitSet's and
OpenGait's pretreatment); 10 columns are cut from each side when it is read.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_ros.train.clips import DataError
from reid_ros.train.gait.data.sequences import SIZE, Labels
from reid_ros.types import AnyArray, IntArray, UInt8Array

CUT = 10
"""Columns that are cut from each side of 64."""
FORM = 'person/kind/view/NAME.pkl'
_ALLOWED = {
    ('numpy.core.multiarray', '_reconstruct'),
    ('numpy._core.multiarray', '_reconstruct'),
    ('numpy.core.numeric', '_frombuffer'),
    ('numpy._core.numeric', '_frombuffer'),
    ('numpy', 'ndarray'),
    ('numpy', 'dtype'),
    ('_codecs', 'encode'),  # of arrays that Python 2 wrote
}
_DAMAGED = (OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, ImportError)


@dataclass(frozen=True, slots=True)
class Walk:
    """One file.

    Attributes:
        person, kind, view: names of its folders.
        path: of the file.
    """

    person: str
    kind: str
    view: str
    path: Path


class PickledWalks:
    """Walks in files, read when they are needed; the last one is kept.

    Attributes:
        labels: of each walk; people and views are numbered in the order of their names.
    """

    def __init__(self, found: Sequence[Walk], conditions: Sequence[str]) -> None:
        """Of some files.

        Args:
            found: the files.
            conditions: of each.
        """
        self._paths = [walk.path for walk in found]
        people = np.unique([walk.person for walk in found], return_inverse=True)[1]
        views = np.unique([walk.view for walk in found], return_inverse=True)[1]
        kinds = np.unique([walk.kind for walk in found], return_inverse=True)[1]
        self.labels = Labels(
            people.reshape(-1).astype(np.int64),
            views.reshape(-1).astype(np.int64),
            tuple(conditions),
            kinds.reshape(-1).astype(np.int64),
        )
        self._last: tuple[int, UInt8Array] | None = None

    @property
    def lengths(self) -> IntArray:
        """(n,) frames of each, at least 1; every file is read for it."""
        return np.array([len(read(path)) for path in self._paths], np.int64)

    def length(self, row: int) -> int:
        """Frames that one walk has."""
        return len(self._walk(row))

    def frames(self, row: int, which: IntArray) -> UInt8Array:
        """(t, 64, 44) 0 to 255, the frames of one walk with these numbers."""
        return self._walk(row)[which]

    def _walk(self, row: int) -> UInt8Array:
        if self._last is None or self._last[0] != row:
            self._last = row, read(self._paths[row])
        return self._last[1]


def listed(root: Path, one_of_many: str = '') -> list[Walk]:
    """Every walk below a folder, sorted by name.

    Args:
        root: of a set.
        one_of_many: where a walk's folder holds several files, the name of the right one ends
            so, whatever stands before it, but for 'sync-'.

    Raises:
        DataError: no folder, or one of another layout.
    """
    if not root.is_dir():
        raise DataError(f'path: there is no folder {root}; give the one that holds {FORM}')
    found = []
    for folder in sorted(path for path in root.glob('*/*/*') if path.is_dir()):
        files = sorted(path for path in folder.glob('*.pkl') if path.is_file())
        if one_of_many and len(files) > 1:
            files = [
                path
                for path in files
                if path.name.endswith(one_of_many) and 'sync-' not in path.name
            ]
        if len(files) > 1 or (not files and any(folder.glob('*.pkl'))):
            wanted = f'one *{one_of_many}' if one_of_many else 'one'
            raise DataError(f'{folder} holds {_names(folder)}, expected {wanted} of them')
        if files:
            person, kind, view = folder.relative_to(root).parts
            found.append(Walk(person, kind, view, files[0]))
    if not found:
        raise DataError(f'{root} holds no {FORM}{_instead(root)}')
    return found


def read(path: Path) -> UInt8Array:
    """(t, 64, 44) the silhouettes of a file.

    Raises:
        DataError: damaged, of another shape or type, or something else than an array.
    """
    try:
        found = _Arrays(io.BytesIO(path.read_bytes())).load()
    except pickle.UnpicklingError as error:
        raise DataError(f'{path} is no pickled array: {error}') from error
    except _DAMAGED as error:
        raise DataError(f'{path} cannot be read: {error}') from error
    height, width = SIZE
    shapes = ((height, width + 2 * CUT), SIZE)
    if (
        not isinstance(found, np.ndarray)
        or found.dtype != np.uint8
        or found.ndim != 3
        or found.shape[1:] not in shapes
        or not len(found)
    ):
        raise DataError(
            f'{path} holds {_form(found)}, expected uint8 (frames, 64, 64): aligned silhouettes, '
            "as 'reid_ros train convert-gait' writes them"
        )
    return np.ascontiguousarray(found if found.shape[2] == width else found[:, :, CUT:-CUT])


class _Arrays(pickle.Unpickler):
    """Reads arrays and nothing else: a pickle may run any code, and sets come from anywhere."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _ALLOWED:
            raise pickle.UnpicklingError(f'it asks for {module_name}.{global_name}')
        return super().find_class(module_name.replace('numpy._core', _CORE), global_name)


_CORE = 'numpy._core' if int(np.__version__.split('.')[0]) >= 2 else 'numpy.core'


def _form(found: object) -> str:
    if isinstance(found, np.ndarray):
        array: AnyArray = found
        return f'{array.dtype} {array.shape}'
    return f'a {type(found).__name__}'


def _names(folder: Path) -> str:
    return ', '.join(sorted(path.name for path in folder.glob('*.pkl')))


def _instead(root: Path) -> str:
    """Where such files lie, where they are one folder off."""
    for deeper in sorted(path for path in root.iterdir() if path.is_dir()):
        if next(deeper.glob('*/*/*/*.pkl'), None):
            return f'; give path: {deeper}'
    if next(root.glob('*/*/*.pkl'), None):
        return f'; give path: {root.parent}'
    if next(root.glob('**/*.png'), None):
        return "; of images, 'reid_ros train convert-gait' makes such files"
    content = sorted(path.name for path in root.iterdir())[:8]
    return f', found there: {", ".join(content) or "nothing"}'
