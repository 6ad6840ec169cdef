"""Privacy: what the gallery's files still say of whoever was removed, byte by byte."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reid_ros import gallery_store
from reid_ros.cli import main
from reid_ros.config import Config, GalleryConfig
from reid_ros.gallery import Gallery, GalleryError
from reid_ros.gallery_store import GalleryStore, ModelId
from reid_ros.pipeline import Pipeline
from reid_ros.types import Detections, Frame
from reid_ros.world.seeds import generator

LOOK, GAIT = ModelId('look', 64, 'a' * 64), ModelId('walk', 32, 'b' * 64)
S = 1_000_000_000
NAME = 'Ada Lovelace of Marylebone'


class Life:
    """A gallery that people come to, whom it learns, merges and forgets; and all that it saved.

    Attributes:
        secrets: of every number, what stood in the file at any time.
    """

    def __init__(self, folder, seed=0):
        folder.mkdir(exist_ok=True)
        self.file = folder / 'people.db'
        self.store = GalleryStore(self.file, LOOK, GAIT)
        self.gallery = Gallery()
        self.secrets = {}
        self.random = generator('test', 'traces', seed)

    def vector(self, length):
        vector = self.random.normal(size=length).astype(np.float32)
        return vector / np.linalg.norm(vector)

    def born(self, name):
        person = self.gallery.born(S)
        person.seen_ns['hall'] = S
        self.gallery.name(person.number, name)
        self.secrets[person.number] = {name.encode()}
        return person.number

    def learn(self, number, times=1):
        for _ in range(times):
            for kind, length in (('look', 64), ('gait', 32)):
                camera = f'camera{self.random.integers(3)}'
                self.gallery.learn(number, self.vector(length), camera, 1.0, kind)

    def save(self):
        self.store.save(self.gallery)
        for person in self.gallery:
            for kind in ('look', 'gait'):
                for _, _, vector in self.gallery.prototypes(person.number, kind):
                    whole = vector.tobytes()
                    self.secrets[person.number] |= {whole[:16], whole[-16:]}

    def traces(self, number):
        return traces(self.file, self.secrets[number])


def traces(file, secrets):
    """What of the secrets stands in any file of the gallery."""
    raw = b''.join(path.read_bytes() for path in file.parent.iterdir())
    return {secret for secret in secrets if secret in raw}


@pytest.fixture
def life(tmp_path):
    """Three persons, each saved several times as they were learnt."""
    result = Life(tmp_path)
    for name in (NAME, 'Grace Hopper of Arlington', 'Alan Turing of Maida Vale'):
        result.born(name)
    for number in (1, 2, 3, 1, 3, 2, 1):
        result.learn(number, 3)
        result.save()
    assert len(result.traces(1)) > 10, 'the log and the file hold what was saved'
    return result


def test_of_a_forgotten_person_no_byte_is_left_while_the_file_is_open(life):
    life.gallery.forget(1)
    life.save()
    assert life.traces(1) == set()
    assert life.traces(2)
    assert life.traces(3)
    life.store.close()
    assert life.traces(1) == set()


def test_of_merged_persons_no_byte_is_left_once_they_are_forgotten(life):
    life.gallery.merge(2, 1)
    life.save()
    life.gallery.forget(2)
    life.save()
    assert life.traces(1) == life.traces(2) == set()
    assert life.traces(3)


@pytest.mark.parametrize('seed', [6, 9])
def test_no_byte_is_left_after_years_of_coming_and_going(tmp_path, seed):
    """Rows that SQLite moved from page to page leave copies behind, which it never overwrites."""
    life = Life(tmp_path, seed)
    for turn in range(12):
        for _ in range(life.random.integers(1, 6)):
            life.born(f'Visitor number {len(life.secrets):05d}')
        for person in list(life.gallery):
            if life.random.random() < 0.5:
                life.learn(person.number)
        life.save()
        if turn % 4 == 3:
            gone = [p.number for p in life.gallery if life.random.random() < 0.3]
            for number in gone:
                life.gallery.forget(number)
            life.save()
            assert [number for number in gone if life.traces(number)] == []
    life.store.close()


KILLED = """
import os, signal, sys
from reid_ros.gallery import Gallery
from reid_ros.gallery_store import GalleryStore
def killed(*args): os.kill(os.getpid(), signal.SIGKILL)
store = GalleryStore(sys.argv[1])
gallery = Gallery()
store.load(gallery)
gallery.forget(1)
GalleryStore._wipe = killed
store.save(gallery)
"""


def test_a_kill_before_the_log_was_emptied_is_made_good_by_whoever_opens_the_file(life, capsys):
    life.store.close()
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, '-c', KILLED, str(life.file)], env=environment, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert life.traces(1), 'the test shows nothing unless the kill left traces'
    assert main(['gallery', 'list', str(life.file)]) == 0
    assert life.traces(1) == set()
    assert NAME not in capsys.readouterr().out


def test_the_command_forgets_to_the_last_byte(life, capsys):
    life.store.close()
    assert main(['gallery', 'forget', str(life.file), '1', '3']) == 0
    assert life.traces(1) == life.traces(3) == set()
    assert life.traces(2)


def test_clear_forgets_to_the_last_byte(life):
    life.store.close()
    assert main(['gallery', 'clear', str(life.file), '--yes']) == 0
    assert [life.traces(number) for number in (1, 2, 3)] == [set()] * 3


def test_the_command_does_not_pretend_while_another_process_holds_the_file(life, capsys):
    assert main(['gallery', 'forget', str(life.file), '1']) == 2
    said = capsys.readouterr().err
    assert '~/forget_target' in said
    assert str(os.getpid()) in said
    assert 1 in life.gallery
    assert life.traces(1)


def test_another_reader_of_the_file_is_told_of_and_the_traces_go_later(life):
    import sqlite3

    reader = sqlite3.connect(life.file)
    reader.execute('BEGIN')
    reader.execute('SELECT count(*) FROM person').fetchone()
    life.store._db.execute('PRAGMA busy_timeout = 50')
    life.gallery.forget(1)
    with pytest.raises(GalleryError, match=r'traces of them are still in the file'):
        life.save()
    reader.close()
    life.save()
    assert life.traces(1) == set()


def test_a_large_file_is_not_written_anew_in_a_hurry_but_when_it_is_opened(life, monkeypatch):
    monkeypatch.setattr(gallery_store, 'LARGE', 1000)
    life.gallery.forget(1)
    life.store.save(life.gallery, hurry=True)
    assert life.store._traces, 'what is left is known to be to do'
    life.store.close()
    with GalleryStore(life.file) as store:
        assert not store._traces
    assert life.traces(1) == set()


def test_a_forgotten_person_leaves_memory_too(life):
    vectors = [v for _, _, v in life.gallery.prototypes(1)]
    life.gallery.forget(1)
    held = life.gallery._known['look']._vectors
    assert not any((held == vector).all(axis=-1).any() for vector in vectors)


def test_whoever_was_not_seen_for_the_retention_time_leaves_the_file(tmp_path):
    """By the stamps of images, with nothing else called: as the node runs."""
    life = Life(tmp_path)
    for name in ('', '', NAME):
        life.born(name or f'nobody {len(life.secrets)}')
    for number in (1, 2, 3):
        life.learn(number, 4)
    life.save()
    for number in (1, 2):
        life.gallery.name(number, '')
    life.gallery[2].seen_ns['hall'] = 100 * S
    life.save()
    config = Config(gallery=GalleryConfig(ttl_s=60.0))
    with Pipeline(config, gallery=life.gallery, store=life.store) as pipeline:
        for second in (1, 40, 66, 72):
            image = np.zeros((48, 64, 3), np.uint8)
            frame = Frame('hall', second * S, image, detections=Detections.none())
            pipeline.step([frame])
        assert not pipeline.save_error
        assert life.traces(1) == set(), 'nobody, unseen for 71 s'
        assert life.traces(2), 'seen within the time'
        assert life.traces(3), 'who has a name stays'
    assert life.traces(1) == set()
