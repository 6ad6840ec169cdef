"""The gallery's file: readable, private, and of the configured model."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from reid_ros.doctor.finding import Finding

if TYPE_CHECKING:
    from reid_ros.config import Config

SECTION = 'gallery'


def findings(config: Config) -> list[Finding]:
    """The configured gallery; nothing is written and no lock is taken."""
    if not config.gallery.path:
        return [
            Finding(
                SECTION,
                'gallery',
                'ok',
                'kept in memory: everybody is forgotten when the node ends',
                'nothing to do if that is meant; else set gallery.path',
            )
        ]
    path = Path(config.gallery.path).expanduser()
    if not path.exists():
        return [_new(path)]
    return [*_access(path), *_content(path, config)]


def _new(path: Path) -> Finding:
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not _writable(folder):
        return Finding(
            SECTION, 'gallery', 'problem', f'{path} cannot be made: {folder} is not writable',
            f'chown {folder}, or set gallery.path to another file', stops=True,
        )  # fmt: skip
    return Finding(SECTION, 'gallery', 'ok', f'{path} will be made at the first run')


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK)


def _access(path: Path) -> Iterator[Finding]:
    facts = path.stat()
    mode = stat.S_IMODE(facts.st_mode)
    if mode & 0o077:
        yield Finding(
            SECTION, 'access', 'problem',
            f'{path} (mode {mode:03o}) can be read by others: it holds what people look like',
            f'chmod 600 {path}',
        )  # fmt: skip
    else:
        yield Finding(SECTION, 'access', 'ok', f'only its owner reads it (mode {mode:03o})')
    for place in (path, path.parent):
        if not _writable(place):
            yield Finding(
                SECTION, 'access', 'problem', f'{place} is not writable for this user',
                f'run as its owner, or chown {place}', stops=True,
            )  # fmt: skip


def _content(path: Path, config: Config) -> Iterator[Finding]:
    from reid_ros.gallery_store import VERSION

    another = 'move it away, or set gallery.path to another file'
    try:
        # Without a log beside it nobody writes: immutable leaves no file of SQLite's behind.
        quiet = '' if Path(f'{path}-wal').exists() else '&immutable=1'
        address = f'{path.absolute().as_uri()}?mode=ro{quiet}'
        with closing(sqlite3.connect(address, uri=True, timeout=2)) as db:
            version = int(db.execute('PRAGMA user_version').fetchone()[0])
            if version > VERSION:
                yield Finding(
                    SECTION, 'gallery', 'problem',
                    f'{path} is of format {version}, this reid_ros reads up to {VERSION}',
                    'update reid_ros, or set gallery.path to another file', stops=True,
                )  # fmt: skip
                return
            if not db.execute('SELECT count(*) FROM sqlite_master').fetchone()[0]:
                yield Finding(SECTION, 'gallery', 'ok', f'{path} is empty and will be filled')
                return
            people = db.execute('SELECT count(*) FROM person').fetchone()[0]
            named = db.execute("SELECT count(*) FROM person WHERE name != ''").fetchone()[0]
            about = dict(db.execute('SELECT key, value FROM about'))
    except sqlite3.Error as error:
        yield Finding(
            SECTION, 'gallery', 'problem', f'{path} cannot be read ({error})', another, stops=True
        )
        return
    made_by = about.get('model', 'no model yet')
    text = f'{people} persons, {named} of them named, made by {made_by} ({path})'
    wrong = _other_model(people, about, config)
    if wrong:
        yield Finding(
            SECTION, 'gallery', 'problem', f'{text}, but {wrong}',
            f"'reid_ros gallery clear {path}', or use the model it was filled with", stops=True,
        )  # fmt: skip
    elif _in_use(path):
        yield Finding(
            SECTION, 'gallery', 'note', f'{text}; in use by a running process',
            'nothing to do while that is your node; a second one needs another file',
        )  # fmt: skip
    else:
        yield Finding(SECTION, 'gallery', 'ok', text)


def _other_model(people: int, about: dict[str, str], config: Config) -> str:
    """Why the vectors do not fit the configured model, '' where they do or cannot be compared."""
    from reid_ros.card import checksum, find
    from reid_ros.types import ReidError

    if config.model.appearance == 'none':
        return 'model.appearance is "none": without vectors there is nothing to keep'
    if not people or 'sha256' not in about:
        return ''
    try:
        path, card = find(config.model.appearance, 'appearance', 'search')
    except ReidError:
        return ''  # the line of the model says so
    mine = checksum(path, card)
    if mine == about['sha256']:
        return ''
    return f'the model is {card.name} of another file (sha256 {mine[:8]})'


def _in_use(path: Path) -> bool:
    try:
        with Path(f'{path}.lock').open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
