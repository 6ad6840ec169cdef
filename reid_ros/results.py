"""Measured tables as files that say how to measure them again."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import reid_ros
from reid_ros.types import ReidError


def document(
    command: str,
    seeds: Sequence[int],
    rows: Sequence[Mapping[str, Any]],
    packages: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """What a file of results holds.

    Args:
        command: that prints the same rows again.
        seeds: of everything random.
        rows: what was measured.
        packages: others that took part, besides numpy, scipy and OpenCV.
        more: further facts about the whole table.
    """
    wanted = ('reid_ros', 'numpy', 'scipy', 'opencv-python-headless', *packages)
    versions = {name: found for name in wanted if (found := version(name))}
    return {
        'command': command,
        'seeds': list(seeds),
        'commit': commit(),
        'machine': machine(),
        'versions': {'python': platform.python_version(), **versions},
        **more,
        'rows': [dict(row) for row in rows],
    }


def version(package: str) -> str:
    """Of an installed package, '' where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ''


@functools.cache
def machine() -> str:
    """The board by name, where there is one, its processor, and how many cores there are."""
    name = platform.processor() or platform.machine()
    if found := re.search(r'^model name\s*:\s*(.+)$', _read('/proc/cpuinfo'), re.MULTILINE):
        name = found[1].strip()
    board = _read('/proc/device-tree/model').strip('\0 \n')
    return f'{board + ", " if board else ""}{name}, {os.cpu_count()} cores'


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding='utf-8', errors='replace')
    except OSError:
        return ''


@functools.cache
def commit() -> str:
    """Commit of the running code, with a + where its files were changed; '' outside git.

    It is that of the first call: ask before a long measurement, for the tree may move on.
    """
    folder = Path(reid_ros.__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ('git', '-C', str(folder), *arguments), capture_output=True, text=True, timeout=20
        )
        return done.stdout.strip() if done.returncode == 0 else ''

    try:
        # An installed copy may lie inside somebody else's repository.
        if not git('ls-files', '--', '__init__.py'):
            return ''
        changed = git('status', '--porcelain', '--untracked-files=no', '--', '.')
        return git('rev-parse', 'HEAD') + ('+' if changed else '')
    except (OSError, subprocess.TimeoutExpired):
        return ''


def write(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a document, whole or not at all; one row a line, so that a changed figure is one, too.

    Raises:
        ReidError: the file cannot be written.
    """
    parts = [f' {_json(key)}: {_json(value)}' for key, value in content.items() if key != 'rows']
    rows = ',\n'.join(f'  {_json(row)}' for row in content['rows'])
    parts.append(f' "rows": [\n{rows}\n ]')
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f'.{path.name}.{os.getpid()}')
        try:
            half.write_text('{\n' + ',\n'.join(parts) + '\n}\n', encoding='utf-8')
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        raise ReidError(f'cannot write results to {path}: {error}') from error


def rows(path: str | Path, kinds: Mapping[str, type | tuple[type, ...]]) -> list[dict[str, Any]]:
    """The rows of a file of `write`; none where there is no file.

    Args:
        path: of the file.
        kinds: what every row has, and of which type.

    Raises:
        ReidError: the file cannot be read, or is no such table.
    """
    path = Path(path)
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding='utf-8'))['rows']
        for row in found:
            for name, kind in kinds.items():
                if not isinstance(row[name], kind):
                    raise ValueError(f'{name} is {row[name]!r}')
        return found
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReidError(
            f'{path} is no table of results: {type(error).__name__} {error}; name another file'
        ) from error


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
