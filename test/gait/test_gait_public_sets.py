"""Public gait sets are read as their authors split them, and refused where they are others."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from gait_trees import TREES, casia_b, images, put, walk

from reid_ros.cli import main
from reid_ros.train.clips import DataError
from reid_ros.train.gait.data import layouts, pickles
from reid_ros.train.gait.data.convert import convert
from reid_ros.train.gait.settings import GaitSetConfig


def spec(layout, root, split='train', **more):
    return GaitSetConfig(layout=layout, path=str(root), split=split, **more)


def asked(layout, root, split='test', **more):
    """Who asks and who is there to be found, by condition: (person, kind, view) of files."""
    trial = layouts.trial(spec(layout, root, split, **more))
    paths = [path.relative_to(root).parts[:3] for path in trial.walks._paths]
    return {
        question.name: tuple(
            {paths[row] for row in rows.tolist()} for rows in (question.probes, question.gallery)
        )
        for question in trial.questions
    }


@pytest.mark.parametrize(
    ('layout', 'learnt'),
    [
        ('casia_b', {'073', '074'}),
        ('ou_mvlp', {'00001', '10305'}),
        ('gait3d', {'0000'}),
        ('grew', {'00001train', '00002train'}),
        ('ccpg', {'098', '099'}),
        ('sustech1k', {'0000'}),
    ],
)
def test_the_training_people_of_each_set_are_its_authors(tmp_path, layout, learnt):
    root = TREES[layout](tmp_path)
    walks = layouts.learn(spec(layout, root))
    assert {path.relative_to(root).parts[0] for path in walks._paths} == learnt
    assert len(np.unique(walks.labels.people)) == len(learnt)
    assert walks.length(0) == walks.lengths[0] == 5
    frames = walks.frames(0, np.array([3, 1]))
    assert frames.shape == (2, 64, 44)
    whole = pickle.loads(walks._paths[0].read_bytes())
    assert (frames == whole[[3, 1], :, 10:-10]).all()


def test_casia_b_asks_with_walks_5_and_6_and_with_bags_and_coats(tmp_path):
    found = asked('casia_b', casia_b(tmp_path))
    assert set(found) == {'normal', 'bag', 'coat'}
    kinds = {
        name: tuple({kind for _, kind, _ in walks} for walks in both)
        for name, both in found.items()
    }
    gallery = {'nm-01', 'nm-02', 'nm-04'}
    assert kinds == {
        'normal': ({'nm-05', 'nm-06'}, gallery),
        'bag': ({'bg-01', 'bg-02'}, gallery),
        'coat': ({'cl-01', 'cl-02'}, gallery),
    }
    assert {person for probes, _ in found.values() for person, _, _ in probes} == {'075', '076'}


@pytest.mark.parametrize(
    ('layout', 'condition', 'probe', 'entry'),
    [
        ('ou_mvlp', 'normal', ('10307', '00', '030'), ('10307', '01', '030')),
        ('gait3d', 'all', ('0001', 'cam0_video2', 'seq0'), ('0001', 'cam9_video2', 'seq0')),
        ('grew', 'normal', ('00002', '02', 't16VLaQf'), ('00002', '01', '79XJefi8')),
        ('ccpg', 'upper', ('100', 'U3_D3', '03_0'), ('100', 'U0_D3', '00_0')),
        ('sustech1k', 'night', ('0001', '02-nt-cl', '000'), ('0003', '00-nm', '090-near')),
    ],
)  # fmt: skip
def test_probes_and_gallery_are_those_of_the_protocol(tmp_path, layout, condition, probe, entry):
    probes, gallery = asked(layout, TREES[layout](tmp_path))[condition]
    assert probe in probes
    assert probe not in gallery
    assert entry in gallery
    assert entry not in probes


def test_views_of_ccpg_are_cameras_whatever_the_walk(tmp_path):
    walks = layouts.learn(spec('ccpg', TREES['ccpg'](tmp_path)))
    assert len(np.unique(walks.labels.views)) == 2


def test_people_held_out_of_training_ask_as_the_test_does(tmp_path):
    root = casia_b(tmp_path)
    learnt = layouts.learn(spec('casia_b', root, held_out=0.5, seed=3))
    held = asked('casia_b', root, 'validation', held_out=0.5, seed=3)
    mine = {path.relative_to(root).parts[0] for path in learnt._paths}
    theirs = {person for person, _, _ in held['bag'][0]}
    assert len(mine) == len(theirs) == 1
    assert mine | theirs == {'073', '074'}


@pytest.mark.parametrize(
    ('spoil', 'named'),
    [
        (lambda root: None, 'holds no person/kind/view'),
        (lambda root: put(root / 'deeper', '001', 'nm-01', '000'), 'give path: .*deeper'),
        (lambda root: images(root), 'convert-gait'),
        (lambda root: [put(root, '001', 'nm-01', '000', name=n) for n in 'ab'], 'a.pkl, b.pkl'),
        (lambda root: put(root, '999', 'nm-01', '000'), 'nobody of 999'),
        (lambda root: put(root, '001', 'nm-01', '000', columns=128), r'uint8 \(5, 64, 128\)'),
        (lambda root: put(root, '001', 'nm-01', '000', masks=[1, 2]), 'a list, expected uint8'),
        (
            lambda root: put(root, '001', 'nm-01', '000', masks=np.zeros((2, 64, 64))),
            'float64',
        ),
        (lambda root: put(root, '001', 'nm-01', '000').write_bytes(b'\x80\x04'), 'cannot be read'),
    ],
)
def test_another_layout_is_refused_with_what_was_expected(tmp_path, spoil, named):
    spoil(tmp_path)
    with pytest.raises(DataError, match=named):
        layouts.learn(spec('casia_b', tmp_path)).length(0)


def test_a_set_without_a_folder_or_a_partition_says_so(tmp_path):
    with pytest.raises(DataError, match='give the folder of GREW'):
        layouts.learn(spec('grew', ''))
    with pytest.raises(DataError, match='there is no folder'):
        layouts.learn(spec('grew', tmp_path / 'nowhere'))
    root = TREES['gait3d'](tmp_path)
    (root / 'Gait3D.json').rename(tmp_path / 'elsewhere.json')
    with pytest.raises(DataError, match=r'needs the Gait3D\.json of its authors'):
        layouts.learn(spec('gait3d', root))
    found = layouts.learn(spec('gait3d', root, partition=str(tmp_path / 'elsewhere.json')))
    assert len(found.labels) == 2
    (tmp_path / 'elsewhere.json').write_text('{"TRAIN_SET": ["7"], "TEST_SET": ["8"]}')
    with pytest.raises(DataError, match='not those of the partition'):
        layouts.learn(spec('gait3d', root, partition=str(tmp_path / 'elsewhere.json')))


class Evil:
    def __reduce__(self):
        return os.mkdir, (str(self.path),)

    def __init__(self, path):
        self.path = path


def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path):
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(Evil(tmp_path / 'made')))
    with pytest.raises(DataError, match=r'asks for (posix|nt)\.mkdir'):
        pickles.read(tmp_path / 'a.pkl')
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
def test_pickles_of_every_python_are_read(tmp_path, protocol):
    masks = walk(1)
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(masks, protocol=protocol))
    assert (pickles.read(tmp_path / 'a.pkl') == masks[:, :, 10:-10]).all()


def test_images_become_aligned_pickles_that_recipes_read(tmp_path, capsys):
    source, target = images(tmp_path / 'images'), tmp_path / 'pickles'
    assert main(['train', 'convert-gait', str(source), str(target), '--processes', '1']) == 0
    assert '2 walks; 8 silhouettes' in capsys.readouterr().out
    path = target / '001' / 'nm-01' / '090' / '090.pkl'
    assert pickle.loads(path.read_bytes()).shape == (4, 64, 64)
    masks = pickles.read(path)
    assert masks[:, [0, 63]].any(axis=2).all(), 'the body fills the height'
    mass = (masks.sum(axis=(0, 1)) * np.arange(44)).sum() / masks.sum()
    assert abs(mass - 21.5) < 1.5, 'its middle is in the middle'
    walks = layouts.learn(spec('casia_b', target))
    assert len(walks.labels) == 2


def test_a_conversion_goes_on_where_it_stopped_and_tells_what_is_empty(tmp_path):
    source, target = images(tmp_path / 'images'), tmp_path / 'pickles'
    first = convert(source, target, 1)
    kept = target / '000' / 'nm-01' / '090' / '090.pkl'
    before = kept.stat().st_mtime_ns
    (target / '001' / 'nm-01' / '090' / '090.pkl').unlink()
    black = source / '001' / 'nm-01' / '090' / '999.png'
    black.write_bytes(_black())
    (source / '002' / 'nm-01' / '090').mkdir(parents=True)
    (source / '002' / 'nm-01' / '090' / '000.png').write_bytes(_black())
    told = []
    again = convert(source, target, 2, told.append)
    assert (first.walks, first.frames, first.empty, first.lost) == (2, 8, 0, ())
    assert (again.walks, again.frames, again.empty) == (2, 4, 2)
    assert again.lost == (str(Path('002/nm-01/090')),)
    assert sum(told) == 2
    assert kept.stat().st_mtime_ns == before


def _black():
    import cv2

    return cv2.imencode('.png', np.zeros((40, 30), np.uint8))[1].tobytes()


def test_what_is_no_folder_of_images_is_refused(tmp_path):
    with pytest.raises(DataError, match='there is no folder'):
        convert(tmp_path / 'nowhere', tmp_path / 'out')
    (tmp_path / 'in' / 'flat').mkdir(parents=True)
    with pytest.raises(DataError, match='found there: flat'):
        convert(tmp_path / 'in', tmp_path / 'out')
    source = images(tmp_path / 'images', people=1)
    (source / '000' / 'nm-01' / '090' / '001.png').write_bytes(b'no image')
    with pytest.raises(DataError, match='is no image'):
        convert(source, tmp_path / 'out', 1)
