"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from reid_ros.types import ReidError


class OutputError(ReidError):
    """A folder or file that cannot be written."""


def check_writable(path: str | Path) -> None:
    """Refuse a folder that cannot be made or written; leaves nothing behind.

    Raises:
        OutputError: it is a file, or lies where nothing may be written.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f'{folder} is a file: give a folder for the results')
    standing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not standing.is_dir():
        raise OutputError(f'{folder}: {standing} is a file: give another folder for the results')
    if not os.access(standing, os.W_OK | os.X_OK):
        raise OutputError(f'{folder}: you may not write in {standing}: give another folder')


def out_folder(path: str | Path) -> Path:
    """The folder for the results, made where it is not there.

    Raises:
        OutputError: it cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f'{folder} cannot be made ({error.strerror}): give another folder for the results'
        ) from error
    return folder


def part(path: Path) -> Path:
    """Name of a file while it is being written, of the same suffix."""
    return path.with_name(f'.{path.stem}.part{path.suffix}')


@contextmanager
def whole(path: Path) -> Iterator[TextIO]:
    """A text file that appears under its name when the block ends well.

    Raises:
        OutputError: it cannot be written.
    """
    temporary = part(path)
    try:
        with temporary.open('w', encoding='utf-8', newline='\n') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f'{path}: cannot be written: {error.strerror}') from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
