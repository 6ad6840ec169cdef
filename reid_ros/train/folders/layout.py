"""What a folder must hold, and what is wrong with one that does not."""

from __future__ import annotations

import difflib
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from reid_ros.train.clips import DataError
from reid_ros.types import IntArray

_IMAGES = ('.jpg', '.jpeg', '.png')
_DAMAGED = (
    OSError, ValueError, TypeError, LookupError, EOFError, zlib.error, MatReadError,
)  # fmt: skip
_SHOWN = 8  # names of a list that is too long


def root(path: str, needs: Sequence[str], whose: str) -> Path:
    """The folder of a data set.

    Args:
        path: what the recipe says.
        needs: files and folders that it must hold.
        whose: name of the data set.

    Raises:
        DataError: one is missing; says where it is instead, where it is near.
    """
    wanted = f'{whose} needs {_listed(needs)}'
    if not path:
        raise DataError(f'path: is not set; {wanted} in one folder: give that folder')
    folder = Path(path).expanduser()
    if folder.is_file():
        raise DataError(f'path: {folder} is a file; unpack it and give the folder ({wanted})')
    if not folder.is_dir():
        raise DataError(f'path: there is no folder {folder}{_beside(folder)} ({wanted})')
    missing = [need for need in needs if not (folder / need).exists()]
    if not missing:
        return folder
    for other in _near(folder):
        if all((other / need).exists() for need in needs):
            raise DataError(f'path: {folder} holds no {_listed(missing)}; give path: {other}')
    raise DataError(
        f'path: {folder} holds no {_listed(missing)}{_instead(folder, missing)}; {wanted}, and '
        f'found there: {_content(folder)}'
    )


def images(folder: Path, pattern: re.Pattern[str], example: str) -> list[re.Match[str]]:
    """How the name of every image of a folder is read, in the order of names.

    Args:
        folder: is not searched deeper; other files and those that begin with a dot do not count.
        pattern: of the whole name.
        example: a name as it should be.

    Raises:
        DataError: a name that is no such name, or no image at all.
    """
    names = pictures(folder)
    found = [(name, pattern.fullmatch(name)) for name in names]
    refuse_names(folder, [name for name, match in found if match is None], example)
    if not names:
        raise DataError(f'{folder} holds no image like {example}: {_content(folder)}')
    return [match for _, match in found if match is not None]


def pictures(folder: Path) -> list[str]:
    """Names of the images of a folder, sorted; hidden ones do not count."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return sorted(n for n in names if n.lower().endswith(_IMAGES) and not n.startswith('.'))


def refuse_names(where: Path, wrong: Sequence[str], example: str) -> None:
    """Raise DataError where there is a wrong name."""
    if wrong:
        raise DataError(
            f'{where}: {len(wrong)} name{"s" * (len(wrong) > 1)} not like {example}: '
            f'{_listed(wrong)}; correct or remove what is wrong'
        )


def refuse_missing(folder: Path, files: Iterable[str], source: Path) -> None:
    """Raise DataError where files that a list names are not on disk.

    Args:
        folder: of the files.
        files: relative to it.
        source: the list.
    """
    held: dict[str, set[str]] = {}
    missing, number = [], 0
    for file in files:
        number += 1
        parent, name = os.path.split(file)
        if parent not in held:
            inside = folder / parent
            held[parent] = set(os.listdir(inside)) if inside.is_dir() else set()
        if name not in held[parent]:
            missing.append(file)
    if missing:
        raise DataError(
            f'{folder} lacks {len(missing)} of the {number} files that {source} names: '
            f'{_listed(missing)}; unpack the archive again'
        )


def lines(path: Path) -> list[str]:
    """The lines of a list that hold something.

    Raises:
        DataError: it cannot be read, or is empty.
    """
    try:
        found = [line.strip() for line in path.read_text(encoding='utf-8').splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f'{path} cannot be read as a list: {error}') from error
    found = [line for line in found if line]
    if not found:
        raise DataError(f'{path} is empty')
    return found


def listed(path: Path, pattern: re.Pattern[str], example: str) -> list[re.Match[str]]:
    """How every line of a list is read.

    Raises:
        DataError: a line that is not like the example.
    """
    found = [(line, pattern.fullmatch(line)) for line in lines(path)]
    refuse_names(path, [line for line, match in found if match is None], example)
    return [match for _, match in found if match is not None]


def matrix(path: Path, name: str, columns: int = 0) -> IntArray:
    """(n, m) a matrix of whole numbers of a MATLAB file.

    Args:
        path: the file.
        name: of the matrix.
        columns: that it must have; 0 = any number.

    Raises:
        DataError: the file is none, or holds no such matrix.
    """
    try:
        held = scipy.io.loadmat(path, variable_names=[name])
    except NotImplementedError:
        held = {name: _matlab73(path, name)}
    except _DAMAGED as error:
        raise DataError(f'{path} is no MATLAB file, or a damaged one: {error}') from error
    if name not in held:
        inside = _listed([word for word, *_ in scipy.io.whosmat(path)])
        raise DataError(f'{path} holds no {name!r}; it holds {inside or "nothing"}')
    values = np.asarray(held[name])
    whole = values.dtype.kind in 'iuf' and bool((values == np.round(values)).all())
    fits = values.ndim == 2 and values.size and values.shape[1] == (columns or values.shape[1])
    if not (whole and fits):
        raise DataError(
            f'{path}: {name} is {values.shape} {values.dtype}, not whole numbers (n, '
            f'{columns or "m"})'
        )
    found: IntArray = values.astype(np.int64)
    return found


def _matlab73(path: Path, name: str) -> IntArray:
    """MATLAB 7.3 writes HDF5."""
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            f'{path} is of MATLAB 7.3, which is HDF5: pip install h5py, or save it again in '
            f"MATLAB or Octave: load('{path.name}'); save('-v7', '{path.name}', '{name}')"
        ) from error
    try:
        with h5py.File(path, 'r') as file:
            return cast(IntArray, np.asarray(file[name]).T)
    except (OSError, KeyError) as error:
        raise DataError(f'{path} holds no {name!r} that can be read: {error}') from error


def _near(folder: Path) -> Iterator[Path]:
    """Folders one and two levels below and above."""
    below = [path for path in sorted(folder.glob('*')) if path.is_dir()]
    yield from below
    for path in below[:50]:
        yield from (inner for inner in sorted(path.glob('*')) if inner.is_dir())
    yield from list(folder.resolve().parents)[:2]


def _beside(folder: Path) -> str:
    """The name beside a folder that is not there which may be meant."""
    parent = next(path for path in folder.absolute().parents if path.is_dir())
    step = folder.absolute().relative_to(parent).parts[0]
    match = difflib.get_close_matches(step, sorted(os.listdir(parent)), n=1, cutoff=0.5)
    return f'; did you mean {parent / match[0]}?' if match else f'; {parent} holds no {step}'


def _instead(folder: Path, missing: Sequence[str]) -> str:
    """Where a missing entry may be under another name, or still packed."""
    for need in missing:
        place, step = folder, ''
        for step in Path(need).parts:
            if not (place / step).exists():
                break
            place = place / step
        names = sorted(os.listdir(place)) if place.is_dir() else []
        match = difflib.get_close_matches(step, names, n=1, cutoff=0.6)
        if match:
            packed = (place / match[0]).is_file() and not Path(step).suffix
            hint = 'unpack it' if packed else f'rename it to {step!r} if it is that'
            return f', but {place / match[0]}: {hint}'
    return ''


def _content(folder: Path) -> str:
    return _listed(sorted(os.listdir(folder))) or 'nothing'


def _listed(names: Sequence[str]) -> str:
    more = f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''
    return ', '.join(map(repr, names[:_SHOWN])) + more
