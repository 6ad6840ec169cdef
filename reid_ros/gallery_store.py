"""The gallery in an SQLite file: crash-safe, of one model, readable by its owner only."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from reid_ros.gallery import Gallery, GalleryError, Kind, Person

try:
    import fcntl
except ImportError:  # not a POSIX system: nobody guards the file there
    fcntl = None  # type: ignore[assignment]

VERSION = 2
_TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE person (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, confirmed INTEGER NOT NULL,
    born_ns INTEGER NOT NULL, seen_ns TEXT NOT NULL, crops INTEGER NOT NULL,
    never TEXT NOT NULL, merged TEXT NOT NULL);
CREATE TABLE prototype (
    number INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,
    camera TEXT NOT NULL, weight REAL NOT NULL, vector BLOB NOT NULL);
CREATE INDEX prototype_number ON prototype (number);
"""
# What version 2 added.
_GAIT = """
ALTER TABLE person ADD COLUMN walks INTEGER NOT NULL DEFAULT 0;
CREATE TABLE gait (
    number INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,
    camera TEXT NOT NULL, weight REAL NOT NULL, vector BLOB NOT NULL);
CREATE INDEX gait_number ON gait (number);
"""
_OF: tuple[tuple[Kind, str], ...] = (('look', 'prototype'), ('gait', 'gait'))
"""Which table holds vectors of which kind."""
_ABOUT: dict[Kind, tuple[str, str, str]] = {
    'look': ('model', 'length', 'sha256'),
    'gait': ('gait_model', 'gait_length', 'gait_sha256'),
}
"""Under which keys the model of each kind stands."""


LARGE = 16_000_000
"""Bytes of a file from which on it takes long to write it anew: some 1,600 persons."""
_TRACES = 'traces'
"""Stands in `about` while traces of removed persons may be in the file."""


@dataclass(frozen=True, slots=True)
class ModelId:
    """Which network made the vectors.

    Attributes:
        name: of its card.
        length: numbers in a vector.
        sha256: of the network's file; two exports of one network are two models.
    """

    name: str
    length: int
    sha256: str


class GalleryStore:
    """One SQLite file, open for one process at a time.

    WAL mode: a kill at any moment leaves the last saved state. Of whoever is removed nothing stays
    in any of its files once `save` returns; see `_wipe`.
    """

    def __init__(
        self, path: str | Path, model: ModelId | None = None, gait: ModelId | None = None
    ) -> None:
        """Open or make the file.

        Args:
            path: of the file; its folder is made where it is missing.
            model: the model whose vectors will be stored; None takes what the file holds.
            gait: the same of gait.

        Raises:
            GalleryError: not a gallery, of another model, of a newer version, in use by another
                process, or not writable.
        """
        self.path = Path(path).expanduser()
        self._lock = -1
        self._traces = False  # of persons who were removed since the file was last written anew
        self._next = 1  # the number after the highest that the file knows to be given
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = self._locked()
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            self._unlock()
            why = error.strerror if isinstance(error, OSError) else error
            raise GalleryError(f'gallery {self.path}: {why}') from error
        try:
            self._prepare(model, gait)
        except sqlite3.DatabaseError as error:
            self._abandon()
            raise GalleryError(
                f'gallery {self.path} cannot be read ({error}): move it away, or name another file'
            ) from error
        except GalleryError:
            self._abandon()
            raise

    def __enter__(self) -> GalleryStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def model(self) -> ModelId | None:
        """The model whose vectors the file holds; None while it holds none."""
        return self._held('look')

    @property
    def gait(self) -> ModelId | None:
        """The model whose gait vectors the file holds; None while it holds none."""
        return self._held('gait')

    def _held(self, kind: Kind) -> ModelId | None:
        about = dict(self._db.execute('SELECT key, value FROM about'))
        name, length, checksum = _ABOUT[kind]
        if not {name, length, checksum} <= about.keys():
            return None
        return ModelId(about[name], int(about[length]), about[checksum])

    def load(self, gallery: Gallery) -> None:
        """Put everybody in the file into an empty gallery.

        Raises:
            GalleryError: the file is damaged.
        """
        try:
            self._load(gallery)
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            raise GalleryError(
                f'gallery {self.path} is damaged ({error}): move it away, or name another file'
            ) from error

    def _load(self, gallery: Gallery) -> None:
        for row in self._db.execute(
            'SELECT number, name, confirmed, born_ns, seen_ns, crops, never, merged, walks'
            ' FROM person'
            ' ORDER BY number'
        ):
            number, name, confirmed, born, seen, crops, never, merged, walks = row
            gallery.insert(
                Person(
                    number,
                    born,
                    name,
                    bool(confirmed),
                    json.loads(seen),
                    crops,
                    set(json.loads(never)),
                    set(json.loads(merged)),
                    walks,
                )
            )
            for kind, table in _OF:
                found = self._db.execute(
                    f'SELECT camera, weight, vector FROM {table} WHERE number = ? ORDER BY rowid',
                    (number,),
                )
                vectors = ((camera, w, np.frombuffer(v, np.float32)) for camera, w, v in found)
                gallery.restore(number, vectors, kind)
        following = self._db.execute("SELECT value FROM about WHERE key = 'next'").fetchone()
        if following:
            gallery.next_number = max(gallery.next_number, int(following[0]))
        self._next = gallery.next_number
        gallery.changed.clear()
        gallery.removed.clear()

    def save(self, gallery: Gallery, *, hurry: bool = False) -> None:
        """Write what changed since the last call, all of it or nothing.

        Provisional persons are not written: nobody has vouched for them.

        Args:
            gallery: what is known now.
            hurry: leave the last traces of removed persons in a large file until later.

        Raises:
            GalleryError: the disk is full or the file went away; nothing is lost in memory.
        """
        kept = [n for n in sorted(gallery.changed) if n in gallery and gallery[n].confirmed]
        if not kept and not gallery.removed and gallery.next_number == self._next:
            self._wipe(hurry)
            return
        try:
            self._db.execute('BEGIN IMMEDIATE')
            if sum(map(self._delete, sorted(gallery.removed))):
                self._db.execute(f"INSERT OR REPLACE INTO about VALUES ('{_TRACES}', '')")
                self._traces = True
            for number in kept:
                self._write(gallery, gallery[number])
            self._db.execute(
                "INSERT OR REPLACE INTO about VALUES ('next', ?)", (str(gallery.next_number),)
            )
            self._db.execute('COMMIT')
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute('ROLLBACK')
            raise GalleryError(f'gallery {self.path} was not saved: {error}') from error
        self._next = gallery.next_number
        gallery.changed.clear()
        gallery.removed.clear()
        self._wipe(hurry)

    def _delete(self, number: int) -> int:
        return self._db.execute('DELETE FROM person WHERE number = ?', (number,)).rowcount

    def _wipe(self, hurry: bool = False) -> None:
        """Take what is left of removed persons out of the file and its log.

        The log holds the pages as they were; `secure_delete` overwrites what is deleted, but not
        what SQLite once copied from page to page (btree.c, rebuildPage). So the file is written
        anew and the log is cut to nothing. A note in the file tells whoever opens it next, after a
        crash too, that this is still to be done.

        Raises:
            GalleryError: the disk is full, or another program reads the file; it is tried again
                with the next call of `save`, and when the file is opened.
        """
        if not self._traces:
            return
        try:
            if hurry and self.path.stat().st_size > LARGE:
                self._cut()
                return
            self._db.execute('VACUUM')
            self._cut()
            self._db.execute(f"DELETE FROM about WHERE key = '{_TRACES}'")
        except (sqlite3.Error, OSError) as error:
            raise GalleryError(
                f'gallery {self.path}: removed persons are not known any more, but traces of them '
                f'are still in the file ({error}): make room on the disk, end other programs that '
                'read it, and save again'
            ) from error
        self._traces = False

    def _cut(self) -> None:
        """Bring the log into the file and leave nothing of it."""
        busy, *_ = self._db.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchone()
        if busy:
            raise sqlite3.OperationalError('another program reads it')

    def close(self) -> None:
        """Empty the log and let the file go; may be called twice."""
        if self._lock < 0:
            return
        with contextlib.suppress(sqlite3.Error, GalleryError):
            self._wipe(hurry=True)
            self._cut()
        self._abandon()

    def _write(self, gallery: Gallery, person: Person) -> None:
        self._db.execute('DELETE FROM person WHERE number = ?', (person.number,))
        self._db.execute(
            'INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
            (
                person.number,
                person.name,
                int(person.confirmed),
                person.born_ns,
                json.dumps(person.seen_ns),
                person.crops,
                json.dumps(sorted(person.never)),
                json.dumps(sorted(person.merged)),
                person.walks,
            ),
        )
        for kind, table in _OF:
            self._db.executemany(
                f'INSERT INTO {table} VALUES (?, ?, ?, ?)',
                [
                    (person.number, camera, weight, vector.astype(np.float32).tobytes())
                    for camera, weight, vector in gallery.prototypes(person.number, kind)
                ],
            )

    def _prepare(self, model: ModelId | None, gait: ModelId | None) -> None:
        with self.path.open('rb') as file:
            # SQLite takes a file of a few bytes for an empty one, and overwrites it.
            if file.read(16) not in (b'', b'SQLite format 3\0'):
                raise sqlite3.DatabaseError('file is not a database')
        db = self._db
        db.execute('PRAGMA busy_timeout = 2000')
        db.execute('PRAGMA foreign_keys = ON')
        db.execute('PRAGMA secure_delete = ON')
        version = int(db.execute('PRAGMA user_version').fetchone()[0])
        tables = {row[0] for row in db.execute('SELECT name FROM sqlite_master')}
        if tables if version == 0 else not {'about', 'person'} <= tables:
            raise GalleryError(f'{self.path} is an SQLite file but no gallery: name another file')
        if version > VERSION:
            raise GalleryError(
                f'gallery {self.path} was written by a newer reid_ros (format {version}, this one '
                f'reads up to {VERSION}): update reid_ros, or name another file'
            )
        os.chmod(self.path, 0o600)
        db.execute('PRAGMA journal_mode = WAL')
        db.execute('PRAGMA synchronous = NORMAL')
        if version == 0:
            db.executescript(f'BEGIN; {_TABLES} {_GAIT} PRAGMA user_version = {VERSION}; COMMIT;')
        elif version < VERSION:
            db.executescript(f'BEGIN; {_GAIT} PRAGMA user_version = {VERSION}; COMMIT;')
        found = db.execute('SELECT 1 FROM about WHERE key = ?', (_TRACES,)).fetchone()
        self._traces = found is not None
        self._wipe()
        if model is not None:
            self._claim(model, 'look')
        if gait is not None:
            self._claim(gait, 'gait')

    def _claim(self, model: ModelId, kind: Kind) -> None:
        """Note the model of the vectors, or refuse it where the file holds another's."""
        held = self._held(kind)
        people = self._people(kind)
        if held is not None and held != model and people:
            raise GalleryError(
                f'gallery {self.path} holds {people} persons by {held.name} '
                f'({held.length} numbers, sha256 {held.sha256[:8]}) but the model is {model.name} '
                f'({model.length} numbers, sha256 {model.sha256[:8]}): clear it with '
                f"'reid_ros gallery clear {self.path}' or use the model it was filled with"
            )
        if held == model:
            return
        self._db.execute('BEGIN IMMEDIATE')
        self._db.executemany(
            'INSERT OR REPLACE INTO about VALUES (?, ?)',
            [
                (key, str(value))
                for key, value in zip(_ABOUT[kind], (model.name, model.length, model.sha256))
            ],
        )
        self._db.execute('COMMIT')

    def _people(self, kind: Kind) -> int:
        wanted = 'FROM person' if kind == 'look' else 'FROM gait'
        row = self._db.execute(f'SELECT count(DISTINCT number) {wanted}').fetchone()
        return int(row[0])

    def _locked(self) -> int:
        lock = os.open(f'{self.path}.lock', os.O_RDWR | os.O_CREAT, 0o600)
        if fcntl is None:
            return lock
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 20).decode(errors='replace').strip()
            os.close(lock)
            raise GalleryError(
                f'gallery {self.path} is in use by process {owner or "unknown"}: stop it, call a '
                'service of the node (~/forget_target, ~/clear_gallery), or name another file'
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        return lock

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _abandon(self) -> None:
        self._db.close()
        self._unlock()
