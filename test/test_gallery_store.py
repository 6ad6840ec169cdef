"""The gallery's file: what it keeps, what it refuses, and what a crash leaves."""

import contextlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from people import figures

from reid_ros.gallery import Gallery, GalleryError
from reid_ros.gallery_store import VERSION, GalleryStore, ModelId

ANNA, BERT, CARL = figures('anna', 'bert', 'carl')
MODEL = ModelId('osnet', 64, 'a' * 64)
ROOT = Path(__file__).parents[1]


def filled(*people, confirmed=True):
    gallery = Gallery()
    for i, figure in enumerate(people):
        person = gallery.born(1000 + i)
        for camera in ('hall', 'yard'):
            gallery.learn(person.number, figure.look, camera, 1.5)
            person.seen_ns[camera] = 2000 + i
        if confirmed:
            gallery.confirm(person.number)
    return gallery


def saved(path, gallery, model=MODEL):
    with GalleryStore(path, model) as store:
        store.save(gallery)


def loaded(path, model=MODEL):
    gallery = Gallery()
    with GalleryStore(path, model) as store:
        store.load(gallery)
    return gallery


def told(gallery):
    """Everything about everybody, for comparing."""
    return {
        p.number: (
            p.name, p.confirmed, p.born_ns, p.seen_ns, p.crops, p.never, p.merged,
            [(c, w, v.tobytes()) for c, w, v in gallery.prototypes(p.number)],
        )
        for p in gallery
    }  # fmt: skip


def python(code, *arguments, **options):
    """Run a program beside us; its result."""
    return subprocess.run(
        [sys.executable, '-c', code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, 'PYTHONPATH': f'{ROOT}{os.pathsep}{ROOT / "test"}'},
        **options,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'persons' / 'gallery.sqlite'


# -- round trip ----------------------------------------------------------------------------------


def test_what_was_saved_is_loaded_again(path):
    gallery = filled(ANNA, BERT, CARL)
    gallery.name(2, 'Bert Ünal 🙂')
    gallery.cannot_link(1, 2)
    gallery.merge(1, 3)
    gallery.learn(1, ANNA.turn(50).look, 'hall', 0.7)
    saved(path, gallery)
    again = loaded(path)
    assert told(again) == told(gallery)
    assert again.next_number == gallery.next_number
    found = (g.closeness(ANNA.turn(20).look[None], ['hall']) for g in (gallery, again))
    first, second = found
    assert first.same.tobytes() == second.same.tobytes()
    assert first.cross.tobytes() == second.cross.tobytes()


def test_stamps_beyond_the_precision_of_a_float_survive(path):
    gallery = filled(ANNA)
    gallery[1].born_ns = gallery[1].seen_ns['hall'] = 1_763_700_000_123_456_789
    saved(path, gallery)
    again = loaded(path)
    assert again[1].born_ns == again[1].seen_ns['hall'] == 1_763_700_000_123_456_789


def test_only_what_changed_is_written_and_nothing_else_is_lost(path):
    gallery = filled(ANNA, BERT)
    with GalleryStore(path, MODEL) as store:
        store.save(gallery)
        gallery.name(1, 'Anna')
        assert gallery.changed == {1}
        store.save(gallery)
        assert gallery.changed == set()
    assert told(loaded(path)) == told(gallery)


def test_provisional_persons_are_not_stored(path):
    gallery = filled(ANNA)
    gallery.learn(gallery.born(0).number, BERT.look, 'hall', 1.0)
    saved(path, gallery)
    assert set(told(loaded(path))) == {1}
    assert BERT.look.tobytes() not in path.read_bytes()


def test_a_person_confirmed_after_a_saving_is_stored_by_the_next(path):
    gallery = filled(ANNA, confirmed=False)
    with GalleryStore(path, MODEL) as store:
        store.save(gallery)
        gallery.confirm(1)
        store.save(gallery)
    assert told(loaded(path)) == told(gallery)


@pytest.mark.parametrize('confirmed', [True, False])
def test_the_highest_number_is_not_used_again_after_it_was_forgotten(path, confirmed):
    """Provisional numbers were published too."""
    gallery = filled(ANNA, BERT, confirmed=confirmed)
    with GalleryStore(path, MODEL) as store:
        store.save(gallery)
        gallery.forget(2)
        store.save(gallery)
    assert loaded(path).born(0).number == 3
    gallery = loaded(path)
    with GalleryStore(path, MODEL) as store:
        gallery.clear()
        store.save(gallery)
    assert loaded(path).born(0).number == 3


def test_numbers_of_people_who_were_never_confirmed_are_not_used_again(path):
    saved(path, filled(ANNA, BERT, CARL, confirmed=False))
    assert loaded(path).born(0).number == 4


def test_closing_twice_is_fine(path):
    store = GalleryStore(path, MODEL)
    store.close()
    store.close()


def test_a_missing_folder_is_made(tmp_path):
    saved(tmp_path / 'a' / 'b' / 'gallery.sqlite', filled(ANNA))
    assert (tmp_path / 'a' / 'b' / 'gallery.sqlite').exists()


# -- privacy -------------------------------------------------------------------------------------


def test_every_file_is_readable_by_its_owner_only(path):
    before = os.umask(0)
    try:
        with GalleryStore(path, MODEL) as store:
            store.save(filled(ANNA))
            files = sorted(path.parent.iterdir())
            modes = {f.name: stat.S_IMODE(f.stat().st_mode) for f in files}
    finally:
        os.umask(before)
    names = {'gallery.sqlite', 'gallery.sqlite-wal', 'gallery.sqlite-shm', 'gallery.sqlite.lock'}
    assert set(modes) == names
    assert set(modes.values()) == {0o600}


def test_a_gallery_that_others_could_read_is_closed_to_them(path):
    saved(path, filled(ANNA))
    path.chmod(0o644)
    with GalleryStore(path, MODEL):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_vectors_of_forgotten_people_are_found_in_no_file(path):
    people = figures(*map(str, range(40)))
    gallery = filled(*people)
    parts = [figure.look.tobytes() for figure in people]

    def found(part):
        return any(part in file.read_bytes() for file in path.parent.iterdir())

    saved(path, gallery)
    assert all(map(found, parts))
    with GalleryStore(path, MODEL) as store:
        for number in range(1, 40, 2):
            gallery.forget(number)
        gallery.learn(40, people[39].turn(10).look, 'hall', 5.0)  # replaces what it learnt before
        gallery.learn(40, people[39].turn(10).look, 'yard', 5.0)
        store.save(gallery)
    assert not any(map(found, parts[0::2]))
    assert not found(parts[39])
    assert all(map(found, parts[1:39:2]))
    assert len(loaded(path)) == 20


# -- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'other',
    [
        ModelId('resnet', 64, 'a' * 64),
        ModelId('osnet', 32, 'a' * 64),
        ModelId('osnet', 64, 'b' * 64),
    ],
)
def test_vectors_of_another_model_are_refused_in_words(path, other):
    gallery = filled(ANNA, BERT)
    saved(path, gallery)
    with pytest.raises(GalleryError) as refusal:
        GalleryStore(path, other)
    words = str(refusal.value)
    assert 'holds 2 persons by osnet (64 numbers' in words
    assert f'the model is {other.name} ({other.length} numbers' in words
    assert f"clear it with 'reid_ros gallery clear {path}'" in words
    assert 'or use the model it was filled with' in words
    assert told(loaded(path)) == told(gallery)


def test_an_empty_gallery_takes_another_model(path):
    saved(path, Gallery())
    saved(path, filled(ANNA), ModelId('resnet', 64, 'c' * 64))
    with GalleryStore(path) as store:
        assert store.model == ModelId('resnet', 64, 'c' * 64)


def test_without_a_model_the_file_tells_its_own(path):
    saved(path, filled(ANNA))
    with GalleryStore(path) as store:
        assert store.model == MODEL
    with GalleryStore(path.with_name('new.sqlite')) as store:
        assert store.model is None


def test_a_newer_format_is_refused_unchanged(path):
    saved(path, filled(ANNA))
    db = sqlite3.connect(path)
    db.execute(f'PRAGMA user_version = {VERSION + 1}')
    db.close()
    before = path.read_bytes()
    with pytest.raises(GalleryError, match=f'newer reid_ros .*up to {VERSION}.*update reid_ros'):
        GalleryStore(path, MODEL)
    assert path.read_bytes() == before


@pytest.mark.parametrize('version', [0, 1, 7])
def test_an_sqlite_file_that_is_no_gallery_is_refused_unchanged(tmp_path, version):
    path = tmp_path / 'music.sqlite'
    db = sqlite3.connect(path)
    db.executescript(f'CREATE TABLE song (title TEXT); PRAGMA user_version = {version};')
    db.close()
    path.chmod(0o644)
    before = path.read_bytes()
    with pytest.raises(GalleryError, match='no gallery: name another file'):
        GalleryStore(path, MODEL)
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize('content', [b'my notes\n' * 200, bytes(range(256)) * 40, b'x'])
def test_another_file_is_refused_unchanged(tmp_path, content):
    path = tmp_path / 'notes.txt'
    path.write_bytes(content)
    with pytest.raises(GalleryError, match=r'cannot be read .* move it away'):
        GalleryStore(path, MODEL)
    assert path.read_bytes() == content


def test_a_damaged_gallery_is_refused_or_read_but_never_raises_anything_else(path):
    """Whichever page is overwritten."""
    saved(path, filled(ANNA, BERT, CARL))
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    for _ in range(30):
        broken = bytearray(whole)
        start = int(draw.integers(100, len(whole) - 300))
        broken[start : start + 300] = draw.integers(0, 256, 300, np.uint8).tobytes()
        path.write_bytes(bytes(broken))
        with contextlib.suppress(GalleryError):
            loaded(path)


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path):
    with pytest.raises(GalleryError, match='Is a directory'):
        GalleryStore(tmp_path, MODEL)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(GalleryError, match=r'gallery .*file/gallery\.sqlite: '):
        GalleryStore(tmp_path / 'file' / 'gallery.sqlite', MODEL)


_OPEN = """
import sys
from reid_ros.gallery import GalleryError
from reid_ros.gallery_store import GalleryStore, ModelId
try:
    GalleryStore(sys.argv[1], ModelId('osnet', 64, 'a' * 64))
except GalleryError as error:
    print(error)
"""


def test_a_read_only_folder_is_refused():
    folder = Path(tempfile.mkdtemp())  # root, who writes everywhere, becomes nobody to try it
    folder.chmod(0o555)
    try:
        become = 'import os\nif os.geteuid() == 0: os.seteuid(65534)\n'
        result = python(_OPEN.replace('try:', f'{become}try:'), folder / 'gallery.sqlite')
    finally:
        folder.rmdir()
    assert result.stdout == f'gallery {folder}/gallery.sqlite: Permission denied\n'


def test_a_place_where_nothing_can_be_written_is_refused():
    if not Path('/proc/self').exists():
        pytest.skip('no /proc')
    with pytest.raises(GalleryError, match='gallery /proc/self/gallery'):
        GalleryStore('/proc/self/gallery', MODEL)


def test_a_gallery_in_use_is_refused_with_the_number_of_the_process(path):
    with GalleryStore(path, MODEL):
        with pytest.raises(GalleryError, match=f'in use by process {os.getpid()}'):
            GalleryStore(path, MODEL)
        result = python(_OPEN, path)
    assert f'in use by process {os.getpid()}: stop it, call a service of the node' in result.stdout
    assert python(_OPEN, path).stdout == ''


# -- disasters -----------------------------------------------------------------------------------


def test_a_full_disk_leaves_memory_and_file_as_they_were(path):
    gallery = filled(ANNA)
    with GalleryStore(path, MODEL) as store:
        store.save(gallery)
        before = told(gallery)
        pages = store._db.execute('PRAGMA page_count').fetchone()[0]
        store._db.execute(f'PRAGMA max_page_count = {pages}')
        for figure in figures(*map(str, range(60))):
            number = gallery.born(0).number
            gallery.learn(number, figure.look, 'hall', 1.0)
            gallery.confirm(number)
        gallery.forget(1)
        with pytest.raises(GalleryError, match='was not saved: database or disk is full'):
            store.save(gallery)
        assert len(gallery) == 60
        assert gallery.removed == {1}
        reader = sqlite3.connect(f'file:{path}?mode=ro', uri=True)
        assert reader.execute('SELECT number FROM person').fetchall() == [(1,)]
        reader.close()
        store._db.execute('PRAGMA max_page_count = 100000')
        store.save(gallery)
    assert told(loaded(path)) == told(gallery)
    assert before


_LIMITED = """
import resource, sys
import numpy as np
from people import figures
from reid_ros.gallery import GalleryError
from reid_ros.gallery_store import GalleryStore, ModelId
from test_gallery_store import filled
gallery = filled(*figures('a', 'b'))
store = GalleryStore(sys.argv[1], ModelId('osnet', 64, 'a' * 64))
store.save(gallery)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
for figure in figures(*map(str, range(60))):
    for angle in range(0, 180, 25):
        number = gallery.born(0).number
        gallery.learn(number, figure.turn(angle).look, 'hall', 1.0)
        gallery.confirm(number)
try:
    store.save(gallery)
except GalleryError as error:
    print('refused', error)
print(len(gallery), gallery[1].number)
store.close()
"""


def test_a_file_that_may_not_grow_keeps_what_it_held(path):
    result = python(_LIMITED, path)
    assert result.stderr == ''
    first, second = result.stdout.splitlines()
    assert first.startswith(f'refused gallery {path} was not saved: ')
    assert second == '482 1'
    assert told(loaded(path)) == told(filled(*figures('a', 'b')))


_SAVER = """
import os, random, signal, sys, time
import numpy as np
from people import figures, turned
from reid_ros.gallery import Gallery
from reid_ros.gallery_store import GalleryStore, ModelId

path, kills = sys.argv[1], int(sys.argv[2])
model = ModelId('osnet', 64, 'a' * 64)
people = figures(*map(str, range(20)))


def save_for_ever(fresh):
    # Every saved state holds exactly one round: everybody carries its number as born_ns.
    gallery = Gallery()
    store = GalleryStore(path, model)
    store.load(gallery)
    draw = np.random.default_rng()
    round_ = max((p.born_ns for p in gallery), default=0)
    while True:
        round_ += 1
        # To wipe out traces takes many times as long as to save.
        gone = draw.integers(1, 5) if round_ % 25 == 0 else 0
        for number in [p.number for p in gallery][:gone]:
            gallery.forget(number)
        while len(gallery) < 15:
            number = gallery.born(0).number
            gallery.confirm(number)
        for person in gallery:
            person.born_ns = round_
            person.crops = len(gallery)
            gallery.learn(person.number, turned(people[0].look, 60, draw), 'hall', 1.0)
        gallery[max(p.number for p in gallery)].name = f'round {round_}'
        store.save(gallery)


random.seed(int(sys.argv[3]))
rounds = []
for kill in range(kills):
    if random.random() < 0.2:  # killed while the file is being made, too
        for suffix in ('', '-wal', '-shm', '.lock'):
            if os.path.exists(path + suffix):
                os.unlink(path + suffix)
        rounds.append(0)
    child = os.fork()
    if not child:
        save_for_ever(False)
    time.sleep(random.uniform(0.0, 0.12))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    gallery = Gallery()
    with GalleryStore(path, model) as store:
        check = store._db.execute('PRAGMA integrity_check').fetchone()[0]
        orphans = store._db.execute(
            'SELECT count(*) FROM prototype WHERE number NOT IN (SELECT number FROM person)'
        ).fetchone()[0]
        store.load(gallery)
    assert check == 'ok', check
    assert orphans == 0
    assert len({p.born_ns for p in gallery}) <= 1, [p.born_ns for p in gallery]
    assert len(gallery) in (0, 15), len(gallery)
    for person in gallery:
        assert 1 <= len(gallery.prototypes(person.number)) <= 8
    if len(gallery):
        last = max(p.number for p in gallery)
        assert gallery.next_number == last + 1
        rounds.append(gallery[last].born_ns)
    assert rounds == sorted(rounds) or 0 in rounds
print(len(rounds), max(rounds))
"""


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork')
@pytest.mark.parametrize('seed', [1, 2])
def test_a_kill_at_any_moment_leaves_one_whole_state(tmp_path, seed):
    result = python(_SAVER, tmp_path / 'gallery.sqlite', 40, seed)
    assert result.returncode == 0, result.stderr
    count, last = map(int, result.stdout.split())
    assert count > 10
    assert last > 20, 'the children hardly saved anything'


def test_a_kill_leaves_what_was_saved_before(path):
    code = """
import os, signal, sys
from people import figures
from reid_ros.gallery_store import GalleryStore, ModelId
from test_gallery_store import filled
store = GalleryStore(sys.argv[1], ModelId('osnet', 64, 'a' * 64))
store.save(filled(*figures('anna', 'bert')))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert python(code, path).returncode == -signal.SIGKILL
    assert told(loaded(path)) == told(filled(ANNA, BERT))


def test_a_kill_between_claiming_the_model_and_saving_leaves_an_openable_file(path):
    """Also where an older version wrote only a part of the model."""
    GalleryStore(path, MODEL).close()
    db = sqlite3.connect(path)
    db.execute("DELETE FROM about WHERE key IN ('length', 'sha256')")
    db.commit()
    db.close()
    with GalleryStore(path) as store:
        assert store.model is None
    saved(path, filled(ANNA))
    assert json.dumps(sorted(told(loaded(path)))) == '[1]'
