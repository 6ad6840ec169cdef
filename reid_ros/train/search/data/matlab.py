"""Structures of MATLAB files, as the public sets of person search have them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from reid_ros.train.clips import DataError
from reid_ros.types import AnyArray

_DAMAGED = (
    OSError, ValueError, TypeError, LookupError, EOFError, zlib.error, NotImplementedError,
    MatReadError,
)  # fmt: skip


def variable(path: Path, *names: str) -> Any:
    """The first of these variables that a file holds: structures as dictionaries, cells as lists.

    Raises:
        DataError: no file of MATLAB up to 7.2, or one that holds none of them.
    """
    try:
        held = scipy.io.loadmat(path, simplify_cells=True)
    except _DAMAGED as error:
        raise DataError(f'{path} is no MATLAB file, or a damaged one: {error}') from error
    for name in names:
        if name in held:
            return held[name]
    inside = ', '.join(repr(name) for name in held if not name.startswith('__'))
    wanted = ' or '.join(map(repr, names))
    raise DataError(f'{path} holds no {wanted}; it holds {inside or "nothing"}')


def items(value: Any) -> list[Any]:
    """A list of what may be one thing or several: MATLAB does not tell them apart."""
    if isinstance(value, np.ndarray):
        return list(value.ravel()) if value.dtype == object else [value] if value.size else []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def words(path: Path, *names: str) -> list[str]:
    """A cell array of texts.

    Raises:
        DataError: it holds anything else.
    """
    value = variable(path, *names)
    found = value.ravel().tolist() if isinstance(value, np.ndarray) else items(value)
    if not found or not all(isinstance(word, str) for word in found):
        raise DataError(f'{path}: {names[0]} is no list of names')
    # Arrays of texts are as wide as their longest.
    return [word.strip() for word in found]


def entry(path: Path, value: Any, name: str) -> Any:
    """One field of a structure.

    Raises:
        DataError: it is none, or has no such field.
    """
    if not isinstance(value, Mapping) or name not in value:
        inside = ', '.join(map(repr, value)) if isinstance(value, Mapping) else repr(value)[:80]
        raise DataError(f'{path}: expected a structure with {name!r}, found {inside}')
    return value[name]


def numbers(path: Path, value: Any, columns: int) -> AnyArray:
    """(n, columns) a matrix, or one row of it.

    Raises:
        DataError: something else.
    """
    found = np.asarray(value)
    if found.size == 0:
        return np.empty((0, columns))
    if found.dtype.kind not in 'iuf' or found.size % columns or found.shape[-1] != columns:
        raise DataError(
            f'{path}: expected rows of {columns} numbers, found {found.shape} {found.dtype}'
        )
    return found.reshape(-1, columns)
