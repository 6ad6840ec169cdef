"""Walks of the world are drawn once, and batches of them are alike for all who learn from them."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from reid_ros.silhouette import align
from reid_ros.train.clips import DataError
from reid_ros.train.gait.data import world
from reid_ros.train.gait.data.augment import augment
from reid_ros.train.gait.data.sequences import Joined
from reid_ros.train.gait.data.sources import learnt, trials
from reid_ros.train.gait.data.world import column_of, drawn, place
from reid_ros.train.gait.settings import GaitAugmentConfig, GaitDataConfig, GaitSetConfig
from reid_ros.world.silhouettes import GaitStudio

FEW = GaitSetConfig(
    people=3, first=2, normal=2, bag=1, coat=0, gallery=1, views=(0, 90), frames=3, cameras=1,
    seed=4,
)  # fmt: skip
WALKS = 3 * 3 * 2


def data(cache, spec=FEW, **more):
    return GaitDataConfig(sets={'few': spec}, train=('few',), cache=str(cache), **more)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Two files, of twelve walks and of six."""
    monkeypatch.setattr(world, 'PART', 12)


@pytest.fixture(scope='module')
def drawn_folder(tmp_path_factory):
    """The cache of one drawing in this process; not to be changed."""
    cache = tmp_path_factory.mktemp('cache')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, 'PART', 12)
        drawn(data(cache), 'few', processes=1)
    return cache


@pytest.fixture
def cache(drawn_folder, tmp_path):
    """The same, to be changed."""
    return Path(shutil.copytree(drawn_folder, tmp_path / 'cache'))


def test_a_drawn_walk_is_what_the_studio_shows(drawn_folder):
    walks = drawn(data(drawn_folder), 'few')
    labels = walks.labels
    assert len(labels) == WALKS
    assert labels.people.tolist()[::6] == [2, 3, 4]
    assert labels.conditions[:6] == ('normal',) * 4 + ('bag',) * 2
    assert labels.walks[:6].tolist() == [0, 0, 1, 1, 0, 0]
    assert labels.views[:3].tolist() == [0, 90, 0]
    assert walks.lengths.tolist() == [3] * WALKS
    studio = GaitStudio('train', 3, (64, 64), 12.5, 1, 4, 'usual')
    for row, walk in ((1, (2, 'normal', 0, 90)), (17, (4, 'bag', 0, 90))):
        _, photos = studio.photos(*walk)
        masks = np.stack([align(photo.mask) for photo in photos])
        own = walks.frames(row, np.arange(3))
        # Painted and unpainted masks differ by rounding alone.
        assert (own != masks).mean() < 1e-3
        assert own.any()


def test_two_processes_draw_the_same_bytes_as_one(drawn_folder, tmp_path):
    told = []
    drawn(data(tmp_path), 'few', processes=2, tell=told.append)
    assert sorted(told) == [6, 12]
    mine, other = place(data(drawn_folder), 'few'), place(data(tmp_path), 'few')
    assert mine.name == other.name
    names = sorted(path.name for path in mine.iterdir())
    assert names == ['00000.truth.npy', '00001.truth.npy', 'truth.good.npy']
    assert names == sorted(path.name for path in other.iterdir())
    for name in names:
        assert (mine / name).read_bytes() == (other / name).read_bytes()


def test_a_killed_drawing_goes_on_and_a_whole_one_is_not_repeated(cache):
    folder = place(data(cache), 'few')
    before = drawn(data(cache), 'few').frames(15, np.arange(3))
    told = []
    drawn(data(cache), 'few', 1, told.append)
    assert told == []
    # What one that was killed in its second file leaves.
    good = np.load(folder / 'truth.good.npy')
    np.save(folder / '00000.truth.good.npy', good[:12])
    (folder / 'truth.good.npy').unlink()
    (folder / '00001.truth.npy').unlink()
    again = drawn(data(cache), 'few', 1, told.append)
    assert told == [6]
    assert (again.frames(15, np.arange(3)) == before).all()


def test_frames_that_show_nothing_are_left_out(cache):
    folder = place(data(cache), 'few')
    good = np.load(folder / 'truth.good.npy')
    good[0] = False
    good[1, 1] = False
    np.save(folder / 'truth.good.npy', good)
    whole = np.load(folder / '00000.truth.npy')
    walks = drawn(data(cache), 'few')
    assert len(walks.labels) == WALKS - 1
    assert walks.labels.views[0] == 90
    assert walks.length(0) == walks.lengths[0] == 2
    assert (walks.frames(0, np.array([0, 1])) == whole[1, [0, 2]]).all()
    copied = pickle.loads(pickle.dumps(walks))
    assert (copied.frames(0, np.array([1])) == whole[1, [2]]).all()


def test_later_walks_are_searched_among_the_first_normal_ones(drawn_folder):
    (trial,) = trials(data(drawn_folder), ['few']).values()
    assert trial.rules == 'views'
    labels = trial.walks.labels
    by = {question.name: question for question in trial.questions}
    assert list(by) == ['normal', 'bag'], 'nobody wears a coat'
    for name, question in by.items():
        assert {labels.conditions[row] for row in question.probes} == {name}
        assert {labels.conditions[row] for row in question.gallery} == {'normal'}
        assert set(labels.walks[question.gallery].tolist()) == {0}
    assert labels.walks[by['normal'].probes].tolist() == [1] * 6
    with pytest.raises(DataError, match='nothing to score; see its normal and gallery'):
        world.trial(
            data(drawn_folder, FEW.__class__(**{**FEW.__dict__, 'normal': 0})), 'few', print
        )


@pytest.mark.slow
def test_a_network_sees_about_the_truth_in_a_column_of_its_own(cache):
    true, wanted = drawn(data(cache), 'few'), data(cache, masks='seen', silhouette='silhouette')
    assert column_of(wanted, 'few').startswith('seen-')
    seen = drawn(wanted, 'few', 1)
    assert place(wanted, 'few') == place(data(cache), 'few')
    both = []
    for row in range(0, len(seen.labels), 5):
        same = (true.labels.people == seen.labels.people[row]).nonzero()[0]
        at = next(k for k in same if _key(true, k) == _key(seen, row))
        if seen.length(row) == true.length(at) == 3:
            masks = [walks.frames(k, np.arange(3)) > 127 for walks, k in ((seen, row), (true, at))]
            both.append((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())
    assert len(both) >= 2
    assert 0.6 < np.mean(both) < 0.999


def _key(walks, row):
    labels = walks.labels
    return labels.views[row], labels.conditions[row], labels.walks[row]


@pytest.mark.parametrize(
    ('spec', 'more', 'named'),
    [
        ({'frames': 100}, {}, 'few: 100 frames at 12.5 Hz'),
        ({'views': (190,)}, {}, 'few: view: 190 degrees'),
        ({'heights': (2.0,)}, {}, 'heights: .*lowest and the highest camera'),
        ({'heights': (2.4, 2.0)}, {}, 'lowest and the highest camera'),
        ({'heights': (0.0, 2.0)}, {}, 'metres above the floor'),
        ({}, {'masks': 'seen'}, 'data.silhouette'),
        ({}, {'masks': 'seen', 'silhouette': 'nobody'}, 'data.silhouette'),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_its_name(tmp_path, spec, more, named):
    few = GaitSetConfig(**{**FEW.__dict__, **spec})
    with pytest.raises(DataError, match=named):
        drawn(data(tmp_path, few, **more), 'few', 1)


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'train': ('many',)}, "no set is called 'many'"),
        ({'train': ()}, 'nothing to learn from'),
        ({'sets': {'few': GaitSetConfig(split='test')}}, 'people of split train are learnt'),
    ],
)
def test_sets_that_cannot_be_learnt_are_refused(tmp_path, changes, named):
    with pytest.raises(DataError, match=named):
        learnt(GaitDataConfig(**{**data(tmp_path).__dict__, **changes}))


def test_people_of_two_sets_stay_two(drawn_folder):
    walks = drawn(data(drawn_folder), 'few')
    joined = Joined([walks, walks])
    assert joined.people == 6
    assert joined.labels.people.tolist() == sorted(joined.labels.people.tolist())
    assert joined.length(WALKS) == 3
    assert joined.lengths.tolist() == [3] * 2 * WALKS
    assert (joined.frames(WALKS + 2, np.arange(3)) == walks.frames(2, np.arange(3))).all()


def test_a_walk_is_changed_as_a_whole():
    walk = np.zeros((3, 64, 44), np.uint8)
    walk[:, 10:50, 8:20] = 255
    always = GaitAugmentConfig(1.0, 1.0, 1.0)
    for number in range(4):
        found = augment(walk, always, np.random.default_rng(number))
        assert (found == found[0]).all()
        assert found.dtype == np.uint8
        assert 0.5 < found.sum() / walk.sum() < 2.0
        assert (found != walk).any()
    never = GaitAugmentConfig(0.0, 0.0, 0.0)
    assert (augment(walk, never, np.random.default_rng(0)) == walk).all()
    flipped = augment(walk, GaitAugmentConfig(0.0, 1.0, 0.0), np.random.default_rng(0))
    assert (flipped == walk[:, :, ::-1]).all()


def test_a_rotation_stays_within_its_degrees():
    walk = np.zeros((1, 64, 44), np.uint8)
    walk[:, 4:60, 20:24] = 255
    config = GaitAugmentConfig(0.0, 0.0, 1.0, 10.0)
    angles = []
    for number in range(40):
        found = augment(walk, config, np.random.default_rng(number))[0]
        rows, columns = np.nonzero(found > 127)
        slope = np.polyfit(rows, columns, 1)[0]
        angles.append(np.degrees(np.arctan(slope)))
    assert max(map(abs, angles)) < 11
    assert max(angles) > 5
    assert min(angles) < -5
