"""Long studies as small cells: one JSON each, shared by processes, continued after a stop."""

from __future__ import annotations

import fcntl
import fnmatch
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_ros import results
from reid_ros.types import ReidError

RETRY_S = 5.0
"""Between two looks at work that another process holds."""
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.+=-]*')
# What goes wrong in one cell and not in the next; a mistake in the code itself stops the queue.
_FAILURES = (
    ReidError, RuntimeError, ValueError, ArithmeticError, LookupError, OSError, MemoryError,
)  # fmt: skip


class QueueError(ReidError):
    """A queue that cannot be worked off."""


class Busy(ReidError):
    """Another process is making what this cell needs; the cell's turn comes later."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One small piece of a study.

    Attributes:
        name: of its file; letters, digits and _.+=-
        run: does the work; returns what is written, numbers and texts by name.
        key: says what is asked, e.g. a digest of the settings: a record of another key is no
            answer, and the cell runs again.
    """

    name: str
    run: Callable[[], Mapping[str, Any]]
    key: str = ''


def work(
    cells: Sequence[Cell],
    folder: Path,
    after: Callable[[Mapping[str, Any]], None] = lambda record: None,
    again: bool = False,
    only: Sequence[str] = ('*',),
) -> list[dict[str, Any]]:
    """Run every cell that has no record yet; several processes may share a folder.

    A record is `folder/NAME.json`: the result with cell, key, commit and wall_s, or `failed` with
    the reason. A cell that another process runs is left to it; where that process died, its claim
    died with it.

    Args:
        cells: in the order of their importance.
        folder: of the records.
        after: is called with each record that this process wrote.
        again: run those that failed before once more.
        only: patterns of the names to work on; the others stay as they are.

    Returns:
        `records` at the end.

    Raises:
        QueueError: two cells of one name, a name that makes no file, a folder that cannot be made.
    """
    _check(cells)
    locks = folder / '.locks'
    _made(locks)
    tried: list[str] = []
    waiting = True
    while waiting:
        waiting, worked = False, False
        for cell in cells:
            wanted = cell.name not in tried and chosen(cell.name, only)
            if not wanted or not _open(cell, folder, again):
                continue
            with claimed(locks / cell.name) as mine:
                # It may have been finished between the look and the claim.
                if not mine or not _open(cell, folder, again):
                    continue
                record = _run(cell)
                if record is None:
                    waiting = True
                    continue
                _write(folder / f'{cell.name}.json', record)
            tried.append(cell.name)
            worked = True
            after(record)
        if waiting and not worked:
            time.sleep(RETRY_S)
    return records(cells, folder)


def chosen(name: str, only: Sequence[str]) -> bool:
    """Whether a cell is worked on: its name matches one of the patterns, as in a shell."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in only)


def records(cells: Sequence[Cell], folder: Path) -> list[dict[str, Any]]:
    """The records of those cells that have one, failed ones too, in the order of the cells."""
    found = [_record(cell, folder) for cell in cells]
    return [record for record in found if record is not None]


def take(cells: Sequence[Cell], known: Iterable[Mapping[str, Any]], folder: Path) -> int:
    """Give cells without a record theirs, where one is known from elsewhere under the same key.

    Args:
        cells: of the study.
        known: records, e.g. of a table that another machine wrote; failed ones are left.
        folder: of the records.

    Returns:
        How many were taken.

    Raises:
        QueueError: the folder cannot be used.
    """
    wanted = {cell.name: cell for cell in cells}
    _check(cells)
    _made(folder)
    taken = 0
    for record in known:
        cell = wanted.get(str(record.get('cell')))
        if cell is None or not cell.key or record.get('key') != cell.key or 'failed' in record:
            continue
        if _record(cell, folder) is None:
            _write(folder / f'{cell.name}.json', record)
            taken += 1
    return taken


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether this process alone holds a file's lock until the block ends.

    The kernel drops the lock of a process that dies, so no claim goes stale; children do not
    inherit it. The file stays, for taking it away would part those who wait for it.
    """
    with path.open('a', encoding='utf-8') as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # EACCES or EAGAIN, as the system likes
            yield False
            return
        file.truncate(0)
        file.write(f'{os.getpid()}\n')
        file.flush()
        yield True


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Make what several cells need, e.g. a trained trunk, in one process alone.

    Raises:
        Busy: another process makes it now; `work` comes back to the cell later.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with claimed(path) as mine:
        if not mine:
            raise Busy(f'{path.parent} is being made by another process')
        yield


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise QueueError(f'{folder}: cannot be made ({error.strerror}): give another') from error


def _check(cells: Sequence[Cell]) -> None:
    names = [cell.name for cell in cells]
    for name in names:
        if not _NAME.fullmatch(name):
            raise QueueError(f'{name!r} names no file: use letters, digits and _.+=-')
        if names.count(name) > 1:
            raise QueueError(f'two cells are called {name!r}')


def _record(cell: Cell, folder: Path) -> dict[str, Any] | None:
    path = folder / f'{cell.name}.json'
    try:
        record = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise QueueError(f'{path} is no record ({error}): remove it and run again') from error
    return record if isinstance(record, dict) and record.get('key') == cell.key else None


def _open(cell: Cell, folder: Path, again: bool) -> bool:
    record = _record(cell, folder)
    return record is None or (again and 'failed' in record)


def _run(cell: Cell) -> dict[str, Any] | None:
    """The record of a cell; None where something it needs is being made elsewhere."""
    facts = {
        'cell': cell.name,
        'key': cell.key,
        'commit': results.commit(),
        'machine': results.machine(),
    }
    begun = time.perf_counter()
    try:
        result = dict(cell.run())
    except Busy:
        return None
    except _FAILURES as error:
        result = {'failed': f'{type(error).__name__}: {error}'}
    return {**facts, 'wall_s': round(time.perf_counter() - begun, 1), **result}


def _write(path: Path, record: Mapping[str, Any]) -> None:
    half = path.with_name(f'.{path.name}.{os.getpid()}')
    half.write_text(json.dumps(record, ensure_ascii=False, indent=1) + '\n', encoding='utf-8')
    half.replace(path)
