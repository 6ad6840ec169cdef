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


def out_folder(path: str | Path) -> tuple[Path, bool]:
    """The folder for the outputs, and whether it had to be made.

    Raises:
        OutputError: it is a file, or nothing may be written in it.
    """
    folder = Path(path)
    made = not folder.exists()
    probe = folder / f'.probe-{os.getpid()}'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b'')
        probe.unlink()
    except FileExistsError as error:
        raise OutputError(f'{folder} is a file: give a folder for the results') from error
    except OSError as error:
        raise OutputError(
            f'{folder}: nothing can be written here ({error.strerror}): give another --out'
        ) from error
    return folder, made


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
