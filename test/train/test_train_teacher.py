"""A teacher says the same whether it runs or remembers, and never remembers for another."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros.train import saved, settings  # noqa: E402
from reid_ros.train.batches import Batches  # noqa: E402
from reid_ros.train.checkpoint import TrainError  # noqa: E402
from reid_ros.train.clips import Joined  # noqa: E402
from reid_ros.train.conflict import cosine  # noqa: E402
from reid_ros.train.nets.network import Network  # noqa: E402
from reid_ros.train.settings import (  # noqa: E402
    AugmentConfig,
    DataConfig,
    DistilConfig,
    NetConfig,
    Recipe,
    RunConfig,
    SetConfig,
)
from reid_ros.train.store import Store, StoreError  # noqa: E402
from reid_ros.train.teacher import Teacher, TeacherError  # noqa: E402
from reid_ros.world.seeds import generator  # noqa: E402

torch.set_num_threads(1)

PEOPLE, TRACKLETS, FRAMES = 4, 3, 3
CPU = torch.device('cpu')
NET = NetConfig(embed=24)


class Patches:
    """Tracklets of coloured noise, each person of an own colour."""

    def __init__(self, seed=0):
        draw = generator('train', 'patches', seed)
        self.people = np.repeat(np.arange(PEOPLE), TRACKLETS)
        self.cameras = np.tile(np.arange(TRACKLETS), PEOPLE)
        self.lengths = np.full(len(self.people), FRAMES)
        size = (len(self.people), FRAMES, 32, 16, 3)
        colour = draw.integers(60, 200, (PEOPLE, 3))[self.people][:, None, None, None]
        self._pixels = (colour + draw.integers(0, 50, size)).astype(np.uint8)

    def frames(self, row, which):
        return self._pixels[row][which]


def recipe(folder, views=4, **changes):
    data = DataConfig(
        sets={'some': SetConfig(people=PEOPLE)},
        train=('some',),
        height=32,
        width=16,
        people=2,
        clips=2,
        frames=2,
        views=views,
        workers=0,
    )
    return replace(Recipe(data=data, distil=DistilConfig(teacher=str(folder))), **changes)


def finished(folder, seed=0, people=PEOPLE, **data):
    """A training's folder as the loop leaves it; its statistics are not those of a start."""
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    network = Network(NET, people, (32, 16))
    network.neck.running_mean.uniform_(-0.5, 0.5)
    torch.nn.init.normal_(network.classifier.weight)
    made = recipe('')
    settings.write(replace(made, net=NET, data=replace(made.data, **data)), folder / saved.RECIPE)
    saved.save(folder, network.state_dict())
    return folder


@pytest.fixture
def folder(tmp_path):
    return finished(tmp_path / 'teacher')


@pytest.fixture(scope='module')
def source():
    return Joined([Patches()])


def batch(wanted, source, step=0):
    return Batches(wanted, source)[step]


def rows_views(found):
    return [*zip(found.rows.tolist(), found.views.tolist())]


def test_answers_are_those_of_the_network_in_use(folder, source):
    wanted = recipe(folder)
    shown = batch(wanted, source)
    told = Teacher(wanted, source, CPU).answers(shown)
    with torch.no_grad():
        network = saved.load(folder)(shown.clips, shown.cameras)
    for name in ('embedding', 'vector', 'logits'):
        found, expected = getattr(told, name), getattr(network, name)
        assert found.dtype == torch.float32
        assert not found.requires_grad
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    # Neck and classifier do something here, so that a skipped one would show.
    assert (told.vector - told.embedding).abs().max() > 0.1
    assert told.logits.std(0).min() > 0


def test_what_was_said_once_is_remembered_by_every_student(folder, source):
    wanted = recipe(folder)
    shown = batch(wanted, source)
    first = Teacher(wanted, source, CPU)
    told = first.answers(shown)
    again = first.answers(shown)
    assert first.calls == 1
    # Another seed of training draws from the same views.
    other = Teacher(replace(wanted, run=RunConfig(seed=5)), source, CPU)
    remembered = other.answers(shown)
    assert other.calls == 0
    for found in (again, remembered):
        assert torch.equal(found.embedding, told.embedding)
        assert torch.equal(found.logits, told.logits)


def test_only_what_is_missing_runs_and_lands_at_its_place(folder, source):
    wanted = recipe(folder)
    every = [batch(wanted, source, step) for step in range(12)]
    teacher = Teacher(wanted, source, CPU)
    known = rows_views(every[0])
    teacher.answers(every[0])
    mixed = next(
        b for b in every if 0 < sum(pair in known for pair in rows_views(b)) < len(b.rows)
    )
    # Known clips are blanked: whoever runs them notices.
    clips = mixed.clips.clone()
    clips[[pair in known for pair in rows_views(mixed)]] = 0
    told = teacher.answers(replace(mixed, clips=clips))
    with torch.no_grad():
        expected = saved.load(folder)(mixed.clips, mixed.cameras)
    torch.testing.assert_close(told.embedding, expected.embedding, rtol=1e-4, atol=1e-5)
    assert teacher.calls == 2


def test_a_live_teacher_stores_nothing_and_runs_every_time(folder, source):
    wanted = recipe(folder, views=0)
    teacher = Teacher(wanted, source, CPU)
    shown = batch(wanted, source)
    assert torch.equal(teacher.answers(shown).logits, teacher.answers(shown).logits)
    assert teacher.calls == 2
    assert not (folder / 'answers').exists()


def test_live_and_stored_answers_are_alike(folder, source):
    shown = batch(recipe(folder), source)
    live = Teacher(recipe(folder, views=0), source, CPU).answers(shown)
    stored = Teacher(recipe(folder), source, CPU).answers(shown)
    assert torch.equal(live.logits, stored.logits)


CHANGES = {
    'augmentation': lambda r: replace(r, augment=AugmentConfig(flip=0.9)),
    'frames': lambda r: replace(r, data=replace(r.data, frames=3)),
    'views': lambda r: replace(r, data=replace(r.data, views=5)),
    'number type': lambda r: replace(r, run=RunConfig(amp='bfloat16')),
    'cameras of the set': lambda r: replace(
        r, data=replace(r.data, sets={'some': SetConfig(people=PEOPLE, seed=9)})
    ),
}


@pytest.mark.parametrize('what', CHANGES)
def test_a_change_of_what_is_seen_begins_another_store(folder, source, what):
    wanted = recipe(folder)
    Teacher(wanted, source, CPU).answers(batch(wanted, source))
    other = CHANGES[what](wanted)
    teacher = Teacher(other, source, CPU)
    teacher.answers(batch(other, source))
    assert teacher.calls == 1
    assert len(list((folder / 'answers').iterdir())) == 2


def test_other_pixels_begin_another_store(folder, source):
    """The settings are the same, but what draws the clips has changed."""
    wanted = recipe(folder)
    Teacher(wanted, source, CPU).answers(batch(wanted, source))
    changed = Joined([Patches(seed=1)])
    teacher = Teacher(wanted, changed, CPU)
    teacher.answers(batch(wanted, changed))
    assert teacher.calls == 1


def test_another_teacher_in_the_same_store_is_never_taken_for_the_first(tmp_path, source):
    store = str(tmp_path / 'store')
    told = []
    for seed in (0, 1):
        wanted = recipe(finished(tmp_path / f'teacher{seed}', seed))
        wanted = replace(wanted, distil=replace(wanted.distil, store=store))
        teacher = Teacher(wanted, source, CPU)
        told.append(teacher.answers(batch(wanted, source)).logits)
        assert teacher.calls == 1
    assert (told[0] - told[1]).abs().max() > 0.1
    assert len(list((tmp_path / 'store' / 'answers').iterdir())) == 2


def test_a_half_written_answer_is_asked_again(folder, source):
    wanted = recipe(folder)
    shown = batch(wanted, source)
    told = Teacher(wanted, source, CPU).answers(shown)
    (path,) = (folder / 'answers').glob('*/embeddings.f32')
    values = np.memmap(path, '<f4', 'r+', shape=(PEOPLE * TRACKLETS, 4, 24))
    values[shown.rows[1], shown.views[1], 20:] = 0
    values.flush()
    del values
    healing = Teacher(wanted, source, CPU)
    torch.testing.assert_close(
        healing.answers(shown).embedding, told.embedding, rtol=1e-4, atol=1e-5
    )
    assert healing.calls == 1
    healed = Teacher(wanted, source, CPU)
    healed.answers(shown)
    assert healed.calls == 0


def test_asking_changes_nothing_of_the_teacher(folder, source):
    wanted = recipe(folder, views=0)
    teacher = Teacher(wanted, source, CPU)
    network = teacher._network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for step in range(3):
        teacher.answers(batch(wanted, source, step))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize(
    ('made', 'named'),
    [
        ({'people': 5}, 'tells 5 people apart, the student 4'),
        (
            {'sets': {'some': SetConfig(people=PEOPLE, first=7)}},
            'the same people in the same order',
        ),
        ({'height': 48}, 'crops of one size'),
    ],
)
def test_a_teacher_of_other_people_or_crops_is_refused(tmp_path, source, made, named):
    with pytest.raises(TeacherError, match=named):
        Teacher(recipe(finished(tmp_path / 'teacher', **made)), source, CPU)


def test_cameras_may_differ_where_the_teacher_does_not_see_them(tmp_path, source):
    sets = {'some': SetConfig(people=PEOPLE, seed=3)}
    Teacher(recipe(finished(tmp_path / 'teacher', sets=sets)), source, CPU)


def test_a_teacher_that_is_not_finished_is_named(tmp_path, source):
    with pytest.raises(TrainError, match='no folder of a training'):
        Teacher(recipe(tmp_path), source, CPU)


def test_a_store_that_cannot_be_written_is_named(folder, source, tmp_path):
    (tmp_path / 'file').write_text('')
    wanted = recipe(folder)
    wanted = replace(wanted, distil=replace(wanted.distil, store=str(tmp_path / 'file')))
    with pytest.raises(StoreError, match='cannot be written'):
        Teacher(wanted, source, CPU)


SHAPE = (60, 3, 8)


FILL = """
import sys
from pathlib import Path
import numpy as np
from reid_ros.train.store import Store
folder, parity = Path(sys.argv[1]), int(sys.argv[2])
store = Store(folder, (60, 3, 8), {})
(folder / f'here{parity}').touch()
while not (folder / f'here{1 - parity}').exists():
    pass
for row in range(60):
    if row % 2 == parity or row % 3 == 0:
        views = np.arange(3)
        values = row + views[:, None] / 4 + np.arange(8) / 64
        store.put(np.full(3, row), views, values.astype(np.float32))
"""


def test_two_processes_fill_one_store_at_once(tmp_path):
    """Each half of the entries, and a third of them both; neither needs torch."""
    pair = [
        subprocess.Popen([sys.executable, '-c', FILL, str(tmp_path), str(parity)])
        for parity in (0, 1)
    ]
    assert [process.wait(60) for process in pair] == [0, 0]
    store, views = Store(tmp_path, SHAPE, {}), np.arange(3)
    for row in range(SHAPE[0]):
        values, there = store.find(np.full(3, row), views)
        assert there.all()
        assert np.array_equal(values, row + views[:, None] / 4 + np.arange(8) / 64)


def test_an_empty_store_knows_nothing_and_an_open_one_sees_what_comes(tmp_path):
    reader, writer = Store(tmp_path, SHAPE, {}), Store(tmp_path, SHAPE, {})
    rows, views = np.array([4, 59]), np.array([2, 0])
    assert reader.find(rows, views)[1].tolist() == [False, False]
    # An embedding of zeros is an answer, too.
    writer.put(rows[1:], views[1:], np.zeros((1, 8), np.float32))
    assert reader.find(rows, views)[1].tolist() == [False, True]


def test_the_angle_of_gradients_is_that_of_the_shared_weights():
    shared = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    unused = torch.nn.Parameter(torch.tensor([1.0]))
    task, distil = shared[0] * 3 + shared[1] * 4, -shared[1] * 7
    assert cosine(task, distil, [shared, unused]) == pytest.approx(-0.8)
    assert cosine(task, 0.01 * task, [shared]) == pytest.approx(1)
    assert cosine(task, shared[2] * 2, [shared]) == 0
    assert cosine(task, unused.sum(), [shared]) == 0
    # The step goes on afterwards.
    assert shared.grad is None
    (task + distil).backward()
    assert shared.grad.tolist() == [3, -3, 0]
