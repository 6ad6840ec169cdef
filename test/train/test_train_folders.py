"""Public data sets in the layouts of their authors, and layouts that are wrong."""

import pickle
import re
import shutil
from dataclasses import replace

import cv2
import data_trees
import numpy as np
import pytest
import scipy.io

from reid_ros.evaluate.retrieval import Samples, retrieve
from reid_ros.train.clips import DataError
from reid_ros.train.folders.registry import READERS, learn, trial
from reid_ros.train.settings import LAYOUTS, DataConfig, SetConfig
from reid_ros.train.sources import learnt, trials

SIZE = 16, 8


@pytest.fixture
def tree(tmp_path):
    """Writes a data set and gives the setting that reads it."""

    def write(layout, split='train', **settings):
        return SetConfig(
            layout, str(data_trees.TREES[layout](tmp_path / layout)), split, **settings
        )

    return write


def grey(source, row):
    """Mean grey of a tracklet."""
    return float(source.frames(row, np.arange(source.lengths[row])).mean())


def greys(source):
    return [round(grey(source, row)) for row in range(len(source.people))]


def scored(found):
    """The retrieval of a trial; who is as grey is as alike."""
    query, gallery = np.array(greys(found.query)), np.array(greys(found.gallery))
    alike = -np.abs(query[:, None] - gallery[None])
    samples = [Samples(part.people, part.cameras) for part in (found.query, found.gallery)]
    return retrieve(alike, *samples, found.rules)


def test_every_layout_but_the_world_has_a_reader_and_a_tree():
    assert sorted(READERS) == sorted(data_trees.TREES) == sorted({*LAYOUTS} - {'world'})


def test_market1501(tree):
    spec = tree('market1501')
    source = learn(spec, SIZE)
    assert source.people.tolist() == [2, 2, 7, 7, 7]
    assert source.cameras.tolist() == [0, 2, 1, 1, 5]
    assert source.lengths.tolist() == [1] * 5
    assert greys(source) == [20, 21, 70, 71, 72]
    found = trial(replace(spec, split='test'), SIZE)
    assert found.query.people.tolist() == [1, 3]
    assert found.gallery.people.tolist() == [0, 1, 1, 1, 3, 3], 'junk exists for no query'
    answer = scored(found)
    # Before person 1's two in other cameras stands the distractor; person 3's stands first.
    assert answer.first.tolist() == [2, 1]
    assert answer.last.tolist() == [3, 1]
    assert answer.scores()['mAP'] == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1) / 2)


@pytest.mark.parametrize('boxes', ['detected', 'labeled'])
def test_cuhk03_np(boxes, tmp_path):
    path = data_trees.cuhk03_np(tmp_path / 'cuhk03-np', boxes)
    spec = SetConfig('cuhk03_np', str(path), boxes=boxes)
    source = learn(spec, SIZE)
    assert source.people.tolist() == [1, 1, 4, 4]
    assert source.cameras.tolist() == [0, 1, 0, 1]
    assert greys(source) == [10, 11, 40, 41]
    answer = scored(trial(replace(spec, split='test'), SIZE))
    # Query 2 at 100: the same camera does not exist, 130 of the other is right. Query 3 at 200:
    # 180 is right.
    assert answer.first.tolist() == [1, 1]
    other = {'detected': 'labeled', 'labeled': 'detected'}[boxes]
    with pytest.raises(DataError, match=f'{other}/bounding_box_train'):
        learn(replace(spec, boxes=other), SIZE)


@pytest.mark.parametrize('version', [1, 2])
def test_msmt17(version, tmp_path):
    path = data_trees.msmt17(tmp_path / f'MSMT17_V{version}', version)
    spec = SetConfig('msmt17', str(path))
    source = learn(spec, SIZE)
    assert source.people.tolist() == [0, 0, 1, 2], 'list_val is not learnt from'
    assert source.cameras.tolist() == [0, 13, 0, 14]
    assert greys(source) == [10, 11, 20, 30]
    test = trial(replace(spec, split='test'), SIZE)
    assert test.rules.distractor is None, 'its person 0 is a person'
    assert scored(test).first.tolist() == [2], 'person 1 at 105 stands before 110'
    chosen = trial(replace(spec, split='validation'), SIZE)
    assert chosen.query is chosen.gallery
    assert chosen.query.people.tolist() == [0, 0, 1]
    assert scored(chosen).first.tolist() == [1, 1]


def test_mars(tree):
    spec = tree('mars')
    source = learn(spec, SIZE)
    assert source.people.tolist() == [1, 1, 3, 3]
    assert source.cameras.tolist() == [0, 2, 1, 5]
    assert source.lengths.tolist() == [2, 3, 2, 2]
    assert greys(source) == [11, 13, 31, 32]
    found = trial(replace(spec, split='test'), SIZE)
    assert found.query.people.tolist() == [2, 4]
    assert found.query.cameras.tolist() == [0, 2]
    assert found.gallery.people.tolist() == [0, 2, 2, 2, 4, 4, 4], 'queries too, but no junk'
    answer = scored(found)
    assert answer.first.tolist() == [2, 1], 'the distractor at 95 stands before 90'
    assert answer.scores()['mAP'] == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1) / 2)


@pytest.mark.parametrize(
    ('fold', 'learnt_people', 'tested'), [(0, [4, 4, 9, 9], [1, 2]), (1, [4, 4, 2, 2], [9, 1])]
)
def test_ilids_vid(fold, learnt_people, tested, tree):
    spec = tree('ilids_vid', fold=fold)
    source = learn(spec, SIZE)
    assert source.people.tolist() == learnt_people
    assert source.cameras.tolist() == [0, 1, 0, 1]
    assert source.lengths.tolist() == [2, 3, 2, 3]
    found = trial(replace(spec, split='test'), SIZE)
    assert found.query.people.tolist() == found.gallery.people.tolist() == tested
    assert found.query.cameras.tolist() == [0, 0]
    assert found.gallery.cameras.tolist() == [1, 1]
    answer = scored(found)
    # Fold 0: person 2 is 40 in camera 1 and 70 in camera 2, so person 1 at 20 stands before.
    assert answer.first.tolist() == ([1, 2] if fold == 0 else [1, 1])
    assert answer.scores()['mAP'] == pytest.approx(0.75 if fold == 0 else 1.0)


def test_ilids_vid_has_as_many_folds_as_its_file(tree):
    with pytest.raises(DataError, match=r'fold: 2, but .*ilidsvid\.mat has 0 to 1'):
        learn(tree('ilids_vid', fold=2), SIZE)


def test_ls_vid(tree):
    spec = tree('ls_vid')
    source = learn(spec, SIZE)
    assert source.people.tolist() == [0, 0, 1]
    assert source.cameras.tolist() == [0, 14, 1]
    assert source.lengths.tolist() == [2, 1, 3], 'tracklet 0001 is not 0001 and 0010'
    chosen = trial(replace(spec, split='validation'), SIZE)
    assert chosen.query is chosen.gallery
    assert chosen.query.people.tolist() == [2, 2, 3]
    assert chosen.query.lengths.tolist() == [1, 2, 1]
    found = trial(replace(spec, split='test'), SIZE)
    assert found.query.people.tolist() == [4]
    assert found.query.lengths.tolist() == [2]
    assert found.gallery.people.tolist() == [4, 4, 5], 'without the queries'
    assert scored(found).first.tolist() == [2], '101 is of the same camera, 106 is another person'


def test_ls_vid_with_its_lists_in_info(tree, tmp_path):
    spec = tree('ls_vid', 'test')
    base = tmp_path / 'ls_vid'
    (base / 'info').mkdir()
    shutil.move(base / 'list_sequence', base / 'info')
    shutil.move(base / 'test' / 'data', base / 'info')
    assert trial(spec, SIZE).query.people.tolist() == [4]


def test_ls_vid_reads_its_queries_from_matlab_73(tree, tmp_path):
    h5py = pytest.importorskip('h5py', reason='reads MATLAB 7.3, which few need')
    spec = tree('ls_vid', 'test')
    with h5py.File(tmp_path / 'ls_vid/test/data/info_test.mat', 'w', userblock_size=512) as file:
        file['query'] = np.array([[1.0, 3.0]])
    with (tmp_path / 'ls_vid/test/data/info_test.mat').open('r+b') as file:
        file.write(_matlab73())
    assert trial(spec, SIZE).query.lengths.tolist() == [2, 2]


def _matlab73():
    """The first 128 bytes of a file of MATLAB 7.3."""
    return b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM'


def test_matlab_73_without_h5py_says_how_to_go_on(tree, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'h5py', None)
    spec = tree('ls_vid', 'test')
    (tmp_path / 'ls_vid/test/data/info_test.mat').write_bytes(_matlab73() + bytes(600))
    with pytest.raises(DataError, match=r'MATLAB 7\.3.*pip install h5py.*-v7'):
        trial(spec, SIZE)


# Who is held out.


def test_people_held_out_are_not_learnt(tree):
    spec = tree('msmt17', held_out=0.34)
    kept = set(learn(spec, SIZE).people.tolist())
    chosen = trial(replace(spec, split='validation'), SIZE)
    held = set(chosen.query.people.tolist())
    assert chosen.query is chosen.gallery
    assert len(held) == 1
    assert kept | held == {0, 1, 2}
    assert not kept & held


def test_the_seed_says_who_is_held_out(tree):
    spec = tree('ilids_vid', 'validation', held_out=0.5)
    held = [
        tuple(trial(replace(spec, seed=seed), SIZE).query.people.tolist()) for seed in range(8)
    ]
    assert set(held) == {(4, 4), (9, 9)}
    again = trial(replace(spec, seed=3), SIZE).query.people.tolist()
    assert tuple(again) == held[3]


@pytest.mark.parametrize('layout', ['mars', 'market1501', 'cuhk03_np', 'ilids_vid'])
def test_sets_without_validation_say_what_to_set(layout, tree):
    with pytest.raises(DataError, match=r'held_out: .* hold some out, 0\.1 say'):
        trial(tree(layout, 'validation'), SIZE)


def test_nobody_held_out_is_refused(tree):
    with pytest.raises(DataError, match=r'held_out: 0\.1 of 2 people is 0; needs 1 to 1'):
        learn(tree('market1501', held_out=0.1), SIZE)


# Pixels.


def test_frames_are_decoded_one_by_one_in_the_order_asked_for(tree, tmp_path):
    source = learn(tree('mars'), SIZE)
    (tmp_path / 'mars/bbox_train/0001/0001C3T0002F002.jpg').unlink()
    found = source.frames(1, np.array([2, 0, 2]))
    assert found.dtype == np.uint8
    assert found.shape == (3, 16, 8, 3)
    assert [round(float(frame.mean())) for frame in found] == [15, 11, 15]
    with pytest.raises(DataError, match=r'0001C3T0002F002\.jpg cannot be read: No such file'):
        source.frames(1, np.array([1]))
    with pytest.raises(IndexError):
        source.frames(1, np.array([3]))
    with pytest.raises(IndexError):
        source.frames(1, np.array([-1]))


@pytest.mark.parametrize('cut', [0, 30, 200, -60], ids=['empty', 'head', 'part', 'tail'])
@pytest.mark.parametrize('layout', ['market1501', 'cuhk03_np'])
def test_a_damaged_image_is_named(layout, cut, tree, tmp_path):
    spec = tree(layout)
    path = next((tmp_path / layout).rglob('bounding_box_train')) / 'x'
    path = sorted(path.parent.iterdir())[1]
    image = np.full((128, 64, 3), 90, np.uint8)
    image[20:90] = 200
    cv2.imwrite(str(path), image)
    source = learn(spec, SIZE)
    source.frames(1, np.array([0]))
    left = path.read_bytes()[:cut]
    path.write_bytes(left)
    words = rf'{path.name} is no complete image \({len(left)} bytes\)'
    with pytest.raises(DataError, match=words):
        source.frames(1, np.array([0]))


def test_colours_are_blue_green_red_and_sizes_are_brought_to_one(tree, tmp_path):
    spec = tree('cuhk03_np')
    folder = tmp_path / 'cuhk03_np/detected/bounding_box_train'
    fine = np.zeros((64, 32, 3), np.uint8)
    fine[:, ::4] = 20, 100, 200  # every fourth column: only a mean over all pixels keeps it
    cv2.imwrite(str(folder / '0001_c1_1.png'), fine)
    coarse = np.zeros((2, 1, 3), np.uint8)
    coarse[1] = 255
    cv2.imwrite(str(folder / '0001_c2_6.png'), coarse)
    source = learn(spec, SIZE)
    assert (source.frames(0, np.array([0])) == (5, 25, 50)).all()
    bridge = source.frames(1, np.array([0]))[0, :, 0, 0].astype(int)
    assert (np.diff(bridge) >= 0).all()
    assert len(np.unique(bridge)) > 5, 'larger is smooth'


@pytest.mark.parametrize('layout', sorted(data_trees.TREES))
def test_a_source_travels_to_another_process(layout, tree):
    source = learn(tree(layout), SIZE)
    again = pickle.loads(pickle.dumps(source))
    assert greys(again) == greys(source)


# Wrong layouts.


def refused(spec, split='train'):
    with pytest.raises(DataError) as error:
        learn(spec, SIZE) if split == 'train' else trial(replace(spec, split=split), SIZE)
    return str(error.value)


def test_no_path_says_what_the_folder_holds():
    said = refused(SetConfig('mars'))
    assert said.startswith('path: is not set')
    for name in ('bbox_train', 'info/train_name.txt', 'info/tracks_train_info.mat'):
        assert name in said


def test_a_path_that_is_not_there_names_its_neighbour(tree, tmp_path):
    spec = tree('market1501')
    said = refused(replace(spec, path=str(tmp_path / 'market15O1' / 'deeper')))
    assert f'did you mean {tmp_path / "market1501"}?' in said
    said = refused(replace(spec, path=str(tmp_path / 'elsewhere')))
    assert f'{tmp_path} holds no elsewhere' in said


def test_an_archive_is_to_be_unpacked(tree, tmp_path):
    (tmp_path / 'Market.zip').write_bytes(b'PK')
    said = refused(replace(tree('market1501'), path=str(tmp_path / 'Market.zip')))
    assert 'is a file; unpack it' in said


@pytest.mark.parametrize('layout', sorted(data_trees.TREES))
def test_a_path_too_high_or_too_deep_says_which_to_give(layout, tmp_path):
    right = tmp_path / 'data' / 'set'
    data_trees.TREES[layout](right)
    inside = next(path for path in sorted(right.iterdir()) if path.is_dir())
    for wrong in (tmp_path, tmp_path / 'data', inside):
        said = refused(SetConfig(layout, str(wrong)))
        assert said.endswith(f'; give path: {right}'), said


@pytest.mark.parametrize(
    ('layout', 'split', 'gone'),
    [
        ('mars', 'train', 'bbox_train'), ('mars', 'train', 'info/train_name.txt'),
        ('mars', 'train', 'info/tracks_train_info.mat'), ('mars', 'test', 'info/query_IDX.mat'),
        ('ilids_vid', 'train', 'i-LIDS-VID/sequences/cam2'),
        ('ilids_vid', 'test', 'train-test people splits/train_test_splits_ilidsvid.mat'),
        ('ls_vid', 'train', 'list_sequence/list_seq_train.txt'),
        ('ls_vid', 'validation', 'tracklet_val'), ('ls_vid', 'test', 'test/data/info_test.mat'),
        ('market1501', 'train', 'bounding_box_train'), ('market1501', 'test', 'query'),
        ('msmt17', 'train', 'train'), ('msmt17', 'test', 'list_query.txt'),
        ('msmt17', 'validation', 'list_val.txt'),
        ('cuhk03_np', 'train', 'detected/bounding_box_train'),
        ('cuhk03_np', 'test', 'detected/query'),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_what_is_there(layout, split, gone, tree, tmp_path):
    spec = tree(layout)
    base = tmp_path / layout
    (base / gone).rename(tmp_path / 'gone')
    said = refused(spec, split)
    assert f'path: {base} holds no {gone!r}' in said
    assert ' needs ' in said
    assert all(repr(path.name) in said for path in base.iterdir())


@pytest.mark.parametrize(
    ('gone', 'now', 'hint'),
    [
        ('bounding_box_train', 'bounding_box_train.zip', 'bounding_box_train.zip: unpack it'),
        ('bounding_box_train', 'boundingbox_train', "rename it to 'bounding_box_train' if it is"),
    ],
)
def test_another_name_is_shown_beside_what_is_missing(gone, now, hint, tree, tmp_path):
    spec = tree('market1501')
    base = tmp_path / 'market1501'
    (base / gone).rename(base / now)
    if now.endswith('.zip'):
        shutil.rmtree(base / now)
        (base / now).write_bytes(b'PK')
    assert hint in refused(spec)


@pytest.mark.parametrize(
    ('layout', 'name'),
    [
        ('market1501', 'bounding_box_train/0002_c7s1_000451_03.jpg'),
        ('market1501', 'bounding_box_train/copy of 0002_c1s1_000451_03.jpg'),
        ('cuhk03_np', 'detected/bounding_box_train/0003_c3_21.png'),
        ('ilids_vid', 'i-LIDS-VID/sequences/cam1/person004/cam2_person004_00001.png'),
        ('ls_vid', 'tracklet_train/0000/0000_0001_xx_0000001.jpg'),
    ],
)
def test_a_name_that_is_none_is_reported(layout, name, tree, tmp_path):
    spec = tree(layout)
    data_trees.picture(tmp_path / layout / name, 3)
    said = refused(spec)
    assert re.search(r'1 name not like \S+\.(jpg|png): ', said), said
    assert repr(name.rpartition('/')[2]) in said


@pytest.mark.parametrize(
    ('layout', 'file', 'line'),
    [
        ('mars', 'info/train_name.txt', '0001C7T0001F001.jpg'),
        ('mars', 'info/train_name.txt', '001C1T0001F001.jpg'),
        ('msmt17', 'list_train.txt', '0000/0000_000_16_0303morning_0008_0.jpg 0'),
        ('msmt17', 'list_train.txt', '0000/0000_000_01_0303morning_0008_0.jpg'),
        ('msmt17', 'list_train.txt', '0000/0001_000_01_0303morning_0008_0.jpg 0'),
        ('ls_vid', 'list_sequence/list_seq_train.txt', 'tracklet_train/0000/0000_0001'),
    ],
)
def test_a_line_that_is_none_is_reported(layout, file, line, tree, tmp_path):
    spec = tree(layout)
    path = tmp_path / layout / file
    path.write_text(path.read_text() + line + '\n')
    said = refused(spec)
    assert said.startswith(f'{path}: 1 name not like ')
    assert repr(line) in said


@pytest.mark.parametrize(
    ('layout', 'gone'),
    [
        ('mars', 'bbox_train/0003/0003C2T0003F002.jpg'),
        ('msmt17', 'train/0001/0001_000_01_0113afternoon_0017_2.jpg'),
    ],
)
def test_files_that_a_list_names_but_nobody_has_are_counted(layout, gone, tree, tmp_path):
    spec = tree(layout)
    (tmp_path / layout / gone).unlink()
    said = refused(spec)
    assert re.search(r'lacks 1 of the \d+ files that \S+\.txt names', said), said
    assert gone.rpartition('/')[2] in said


def test_an_empty_list_and_an_empty_folder_are_refused(tree, tmp_path):
    spec = tree('msmt17')
    (tmp_path / 'msmt17/list_train.txt').write_text('\n')
    assert refused(spec).endswith('list_train.txt is empty')
    spec = tree('market1501')
    folder = tmp_path / 'market1501/bounding_box_train'
    shutil.rmtree(folder)
    folder.mkdir()
    assert 'holds no image like 0002_c1s1_000451_03.jpg: nothing' in refused(spec)


def test_a_tracklet_without_images_is_named(tree, tmp_path):
    spec = tree('ls_vid')
    (tmp_path / 'ls_vid/tracklet_train/0000/0000_0002_15_0000001.jpg').unlink()
    assert "has no image whose name begins with '0000_0002_'" in refused(spec)


def test_a_person_in_one_camera_alone_is_named(tree, tmp_path):
    spec = tree('ilids_vid')
    shutil.rmtree(tmp_path / 'ilids_vid/i-LIDS-VID/sequences/cam2/person004')
    said = refused(spec)
    assert 'cam1 has 4 people and cam2 3' in said
    assert 'person004' in said


def matrices(path, **values):
    scipy.io.savemat(path, {name: np.asarray(value) for name, value in values.items()})


def test_tables_of_matlab_that_do_not_fit_are_refused(tree, tmp_path):
    spec = tree('mars')
    info = tmp_path / 'mars/info/tracks_train_info.mat'
    good = scipy.io.loadmat(info)['track_train_info']
    matrices(info, other=good)
    assert "holds no 'track_train_info'; it holds 'other'" in refused(spec)
    matrices(info, track_train_info=good[:, :3])
    assert 'track_train_info is (4, 3) int32, not whole numbers (n, 4)' in refused(spec)
    matrices(info, track_train_info=np.add(good, [0, 90, 0, 0]))
    assert 'row 1 is lines 1 to 92, but info/train_name.txt has 1 to 9' in refused(spec)
    matrices(info, track_train_info=np.add(good, [0, 0, 1, 0]))
    assert 'row 1 is person 2 in camera 1, but names 0001C1T0001F001.jpg' in refused(spec)
    matrices(info, track_train_info=np.add(good, [0, 0, 0, 1]))
    assert 'row 1 is person 1 in camera 2' in refused(spec)
    whole = info.read_bytes()
    for damaged in (b'', b'<html>not found</html>' * 10, whole[:140], whole[:60] + bytes(200)):
        info.write_bytes(damaged)
        assert f'{info} is no MATLAB file' in refused(spec)


def test_queries_that_are_no_tracklets_are_refused(tree, tmp_path):
    spec = tree('mars')
    for wrong in (1, 9):  # junk, and the ninth of eight
        matrices(tmp_path / 'mars/info/query_IDX.mat', query_IDX=[[3, wrong]])
        assert f'query_IDX.mat: tracklet {wrong} is junk, or beyond' in refused(spec, 'test')
    spec = tree('ls_vid')
    matrices(tmp_path / 'ls_vid/test/data/info_test.mat', query=[[1.0, 5.0]])
    assert 'queries 1 to 5 of 4 tracklets' in refused(spec, 'test')


def test_halvings_of_other_people_are_refused(tree, tmp_path):
    spec = tree('ilids_vid')
    path = tmp_path / 'ilids_vid/train-test people splits/train_test_splits_ilidsvid.mat'
    matrices(path, ls_set=[[1, 2, 3, 4, 5, 6]])
    assert 'holds 4 people, but' in refused(spec)
    matrices(path, ls_set=[[1, 2, 3, 3]])
    assert 'row 1 is no order of 1 to 4' in refused(spec)


# The sets of a recipe.


def config(sets, **settings):
    return DataConfig(sets=sets, height=16, width=8, **settings)


def test_sets_are_learnt_as_one_and_scored_by_name(tree):
    sets = {
        'video': tree('mars'),
        'image': tree('market1501'),
        'final': replace(tree('msmt17'), split='test'),
    }
    data = config(sets, train=('video', 'image'), test=('final',))
    joined = learnt(data)
    assert joined.people.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 3]
    assert joined.cameras.tolist() == [0, 2, 1, 5, 6, 8, 7, 7, 11]
    assert greys(joined) == [11, 13, 31, 32, 20, 21, 70, 71, 72]
    found = trials(data, data.test)
    assert list(found) == ['final']
    assert scored(found['final']).first.tolist() == [2]


def test_a_set_nobody_defined_names_the_nearest():
    data = config({'many': SetConfig()}, train=('mny',))
    with pytest.raises(
        DataError, match=r"data.train: no set is called 'mny'; did you mean 'many'"
    ):
        learnt(data)
    with pytest.raises(DataError, match=r'data\.sets defines none'):
        trials(config({}), ['many'])
    with pytest.raises(DataError, match='names no set'):
        learnt(config({}))


def test_what_is_wrong_with_a_set_begins_with_its_name(tree):
    sets = {'far': replace(tree('mars'), path='/nowhere')}
    with pytest.raises(DataError, match=r'^data\.sets\.far: path: there is no folder /nowhere'):
        learnt(config(sets, train=('far',)))
    with pytest.raises(DataError, match=r"^data\.sets\.far: split: 'train' is learnt from"):
        trials(config(sets), ['far'])


@pytest.mark.parametrize('layout', ['world', 'market1501'])
def test_a_test_is_not_learnt(layout):
    data = config({'final': SetConfig(layout, split='test')}, train=('final',))
    with pytest.raises(DataError, match="'final' is of split 'test', which is scored once"):
        learnt(data)


def test_a_validation_is_not_learnt_of_a_public_set(tree):
    data = config({'choose': tree('ls_vid', 'validation')}, train=('choose',))
    with pytest.raises(DataError, match="split: 'validation' is scored; learn from split 'train'"):
        learnt(data)


@pytest.mark.parametrize(
    ('layout', 'split', 'mine', 'theirs', 'field'),
    [
        ('market1501', 'validation', {}, {'held_out': 0.5}, 'held_out'),
        ('market1501', 'validation', {'held_out': 0.5}, {'held_out': 0.5, 'seed': 1}, 'seed'),
        ('ilids_vid', 'test', {}, {'fold': 1}, 'fold'),
    ],
)
def test_people_who_are_scored_are_never_learnt(layout, split, mine, theirs, field, tree):
    spec = tree(layout, **mine)
    sets = {'a': spec, 'b': replace(spec, split=split, **{'held_out': 0.0, **theirs})}
    places = {'validation': ('b',)} if split == 'validation' else {'test': ('b',)}
    with pytest.raises(DataError, match=rf'data\.sets\.a\.{field}: .* set both alike'):
        learnt(config(sets, train=('a',), **places))
    alike = {**sets, 'a': replace(spec, **theirs)}
    assert len(learnt(config(alike, train=('a',), **places)).people)
