"""Drawn tracklets as files: alike however they are drawn, and never drawn twice."""

import os
import pickle
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reid_ros.train import rendered as room
from reid_ros.train import settings
from reid_ros.train.clips import DataError
from reid_ros.train.rendered import place, rendered
from reid_ros.train.settings import DataConfig, SetConfig
from reid_ros.train.sources import learnt, trials
from reid_ros.world.tracklets import dataset

ROOT = Path(__file__).parents[2]
FEW = SetConfig(people=3, first=5, cameras=2, seen_by=2, frames=2, seed=4)
ROWS = 6  # tracklets of it


def data(cache, spec=FEW, height=32):
    return DataConfig(sets={'few': spec}, cache=str(cache), height=height, width=16)


def pixels(drawn):
    return np.stack([drawn.frames(row, np.arange(2)) for row in range(len(drawn.people))])


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Two files, of four tracklets and of two."""
    monkeypatch.setattr(room, 'PART', 4)


@pytest.fixture(scope='module')
def drawn_folder(tmp_path_factory):
    """The cache of one drawing in this process; not to be changed."""
    cache = tmp_path_factory.mktemp('cache')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, 'PART', 4)
        rendered(data(cache), 'few', processes=1)
    return cache


@pytest.fixture
def cache(drawn_folder, tmp_path):
    """The same, to be changed."""
    return Path(shutil.copytree(drawn_folder, tmp_path / 'cache'))


def test_pairs_wear_the_same_and_stay_in_one_group(tmp_path):
    """Who has an odd index is drawn in other clothes than without, everybody else alike."""
    spec = replace(FEW, people=3, first=6, alike=True)
    assert place(data(tmp_path, spec), 'few') != place(
        data(tmp_path, replace(spec, alike=False)), 'few'
    )
    drawn = rendered(data(tmp_path, spec), 'few', processes=1)
    assert drawn.groups.tolist() == [3, 3, 3, 3, 4, 4]
    assert pickle.loads(pickle.dumps(drawn)).groups.tolist() == drawn.groups.tolist()
    assert rendered(data(tmp_path, spec), 'few').groups.tolist() == drawn.groups.tolist()
    plain = dataset('train', range(6, 9), 2, frames=2, size=(32, 16), seed=4)
    same = [np.array_equal(crops, one.crops) for crops, one in zip(pixels(drawn), plain)]
    assert same == [True, True, False, False, True, True]


def test_a_drawn_set_is_what_the_world_draws(drawn_folder):
    drawn = rendered(data(drawn_folder), 'few')
    world = dataset('train', range(5, 8), 2, frames=2, size=(32, 16), seed=4)
    assert drawn.people.tolist() == [5, 5, 6, 6, 7, 7]
    assert drawn.cameras.tolist() == [0, 1] * 3
    assert drawn.lengths.tolist() == [2] * ROWS
    for row in (0, 5):
        assert (drawn.frames(row, np.array([1, 0, 1])) == world[row].crops[[1, 0, 1]]).all()
        assert (drawn.quality[row] == world[row].quality).all()


def test_two_processes_draw_the_same_bytes_as_one(drawn_folder, tmp_path):
    told = []
    rendered(data(tmp_path), 'few', processes=2, tell=told.append)
    assert told == [4, 2]
    mine, other = place(data(drawn_folder), 'few'), place(data(tmp_path), 'few')
    assert mine.name == other.name
    for name in ('00000.npy', '00001.npy', '00000.quality.npy', '00001.quality.npy'):
        assert (mine / name).read_bytes() == (other / name).read_bytes()
    assert sorted(p.name for p in other.iterdir()) == sorted(p.name for p in mine.iterdir())


def test_what_a_killed_drawing_left_is_kept_and_the_rest_drawn(cache):
    folder = place(data(cache), 'few')
    before = pixels(rendered(data(cache), 'few'))
    for name in ('labels.npz', '00001.npy'):
        (folder / name).unlink()
    (folder / '00001.77.half').write_bytes(b'half')
    (folder / '00002.78.half').write_bytes(b'old half')
    os.utime(folder / '00002.78.half', (time.time() - 90000,) * 2)
    written = (folder / '00000.npy').stat().st_mtime_ns
    told = []
    again = rendered(data(cache), 'few', tell=told.append)
    assert told == [2]
    assert (folder / '00000.npy').stat().st_mtime_ns == written
    assert (pixels(again) == before).all()
    assert (folder / '00001.77.half').exists(), 'somebody may be writing it'
    assert not (folder / '00002.78.half').exists()


def test_a_finished_set_is_only_read(cache):
    told = []
    rendered(data(cache), 'few', tell=told.append)
    assert told == []


def test_a_drawn_set_is_learnt_and_scored_by_its_name(drawn_folder):
    config = replace(data(drawn_folder), train=('few',), validation=('few',))
    joined = learnt(config)
    assert joined.people.tolist() == [0, 0, 1, 1, 2, 2]
    trial = trials(config, config.validation)['few']
    assert trial.query is trial.gallery, 'everybody among all others'
    assert trial.rules.other_cameras
    assert (trial.rules.junk, trial.rules.distractor) == (None, None), 'person 0 is a person'
    assert (joined.frames(3, np.arange(2)) == trial.query.frames(3, np.arange(2))).all()


def test_another_process_gets_the_files_and_not_the_pixels(drawn_folder):
    drawn = rendered(data(drawn_folder), 'few')
    sent = pickle.dumps(drawn)
    assert len(sent) < 1000
    assert (pixels(pickle.loads(sent)) == pixels(drawn)).all()


@pytest.mark.parametrize(
    'change',
    [
        {'split': 'test'}, {'first': 6}, {'people': 4}, {'cameras': 3}, {'seen_by': 1},
        {'per_camera': 2}, {'frames': 3}, {'seed': 5}, {'randomise': 'harsh'},
        {'kinds': ('hall',)},
    ],
)  # fmt: skip
def test_a_changed_setting_is_another_folder(change, tmp_path):
    assert place(data(tmp_path, replace(FEW, **change)), 'few') != place(data(tmp_path), 'few')


def test_crops_of_another_size_are_another_folder(tmp_path):
    assert place(data(tmp_path, height=40), 'few') != place(data(tmp_path), 'few')


def test_the_standard_worlds_keep_their_folders():
    """Hours of drawing lie there; a change of what is drawn needs a new VERSION."""
    recipe = settings.read(ROOT / 'config/train/world.yaml')
    assert {name: place(recipe.data, name).name for name in recipe.data.sets} == {
        'many': 'world-acad1e51c69c8f1b',
        'harsh': 'world-690abca8cd42f01a',
        'choose': 'world-5a6e5728e2e9a84f',
        'final': 'world-0fe5ddf153286f92',
    }


@pytest.mark.parametrize(
    ('config', 'words'),
    [
        (lambda cache: data(cache, replace(FEW, kinds=('moon',))), 'moon'),
        (lambda cache: data(cache, replace(FEW, frames=0)), 'frames: 0'),
        (lambda cache: data(cache, replace(FEW, cameras=1001)), '1 to 1000'),
        (lambda cache: data(cache, height=4), '8 to 1024'),
    ],
)
def test_what_cannot_be_drawn_names_the_set_and_leaves_no_folder(config, words, tmp_path):
    with pytest.raises(DataError, match=f'data.sets.few.*{words}'):
        rendered(config(tmp_path / 'cache'), 'few')
    assert not (tmp_path / 'cache').exists()


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('no folder')
    with pytest.raises(DataError, match=r'data\.cache: cannot write to .*/file/world-'):
        rendered(data(tmp_path / 'file'), 'few')


@pytest.mark.parametrize('name', ['00001.npy', 'labels.npz'])
def test_a_damaged_file_is_told_with_what_to_do(cache, name):
    path = place(data(cache), 'few') / name
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match='delete it, and it is drawn again'):
        rendered(data(cache), 'few')
