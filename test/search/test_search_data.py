"""Pictures with people: public layouts, the world's frames, and what changes them."""

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import scipy.io

torch = pytest.importorskip('torch', reason='training needs torch')

from search_trees import COLOURS, cuhk_sysu, prw  # noqa: E402

from reid_ros.boxes import iou  # noqa: E402
from reid_ros.train.clips import DataError  # noqa: E402
from reid_ros.train.search.data import sources, world  # noqa: E402
from reid_ros.train.search.data.augment import augment  # noqa: E402
from reid_ros.train.search.data.batches import SearchBatches  # noqa: E402
from reid_ros.train.search.data.pictures import Joined  # noqa: E402
from reid_ros.train.search.oim import NOBODY, UNKNOWN  # noqa: E402
from reid_ros.train.search.settings import (  # noqa: E402
    SearchAugmentConfig,
    SearchDataConfig,
    SearchRecipe,
    SearchSetConfig,
)
from reid_ros.world.frames import frames  # noqa: E402


def data(root, layout, **changes):
    learnt = SearchSetConfig(layout=layout, path=str(root), **changes)
    return SearchDataConfig(
        sets={'a': learnt, 'b': replace(learnt, split='test', gallery=50)},
        train=('a',), test=('b',), height=48, width=64, batch=3,
    )  # fmt: skip


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sets')
    return {'prw': prw(folder / 'prw'), 'cuhk_sysu': cuhk_sysu(folder / 'sysu')}


@pytest.mark.parametrize('layout', ['prw', 'cuhk_sysu'])
def test_a_public_set_shows_everybody_where_the_boxes_say(roots, layout):
    found = sources.learnt(data(roots[layout], layout))
    where = found.standing
    assert (len(where), found.people) == (8, 2)
    assert np.bincount(where.people + 1).tolist() == [8, 6, 6]
    first = 1 if layout == 'prw' else 0
    for row in range(len(where)):
        image = found.image(row)
        assert image.shape == (48, 64, 3)
        for k in range(int(where.starts[row]), int(where.starts[row + 1])):
            if where.people[k] != UNKNOWN:
                x, y = where.boxes[k].reshape(2, 2).mean(0).astype(int)
                wanted = COLOURS[where.people[k] + first]
                assert np.abs(image[y, x].astype(int) - wanted).max() < 40


def test_prw_is_searched_in_all_frames_but_the_querys_own_and_mini_by_its_list(roots):
    given = data(roots['prw'], 'prw')
    trial = sources.trials(given, ['b'])['b']
    where = trial.pictures.standing
    assert where.people[trial.queries].tolist() == [3, 4, 3, 4, 3, 4]
    own = where.pictures[trial.queries]
    assert [sorted({*range(6)} - {*one.tolist()}) for one in trial.gallery] == [[k] for k in own]
    others = replace(given.sets['b'], other_cameras=True)
    trial = sources.trials(replace(given, sets={'b': others}), ['b'])['b']
    assert trial.gallery[0].tolist() == [1, 3, 5]
    mini = replace(given.sets['b'], queries=str(roots['prw'] / 'mini.txt'))
    trial = sources.trials(replace(given, sets={'b': mini}), ['b'])['b']
    assert where.pictures[trial.queries].tolist() == [1]


def test_cuhk_sysu_is_searched_in_its_own_galleries(roots):
    trial = sources.trials(data(roots['cuhk_sysu'], 'cuhk_sysu'), ['b'])['b']
    where = trial.pictures.standing
    assert where.people[trial.queries].tolist() == [0, 1]
    assert where.pictures[trial.queries].tolist() == [0, 0]
    assert [one.tolist() for one in trial.gallery] == [[1, 2, 3, 4, 5]] * 2
    # The last picture is in the list, and shows neither of them.
    assert (where.people[where.starts[5] :] == UNKNOWN).all()
    given = data(roots['cuhk_sysu'], 'cuhk_sysu')
    given = replace(given, sets={'b': replace(given.sets['b'], gallery=70)})
    with pytest.raises(DataError, match=r'gallery: 70; .* 50, 100, 500'):
        sources.trials(given, ['b'])


@pytest.mark.parametrize('layout', ['prw', 'cuhk_sysu'])
def test_nobody_who_is_held_out_is_learnt(roots, layout):
    given = data(roots[layout], layout, held_out=0.5)
    choose = replace(given.sets['a'], split='validation')
    given = replace(given, sets={**given.sets, 'c': choose}, validation=('c',))
    learnt = sources.learnt(given)
    trial = sources.trials(given, ['c'])['c']
    assert (len(learnt.standing), learnt.people) == (2, 1)
    assert len(trial.pictures.standing) == 6
    with pytest.raises(DataError, match=r'0\.9 of 2 people is 2; needs 1 to 1'):
        sources.learnt(replace(given, sets={'a': replace(given.sets['a'], held_out=0.9)}))
    other = replace(given, sets={**given.sets, 'c': replace(choose, seed=3)})
    with pytest.raises(DataError, match='held_out and seed'):
        sources.learnt(other)


def test_a_wrong_layout_is_refused_with_what_was_expected(roots, tmp_path):
    with pytest.raises(DataError, match=r"PRW needs 'frames', 'annotations'"):
        sources.learnt(data(tmp_path, 'prw'))
    with pytest.raises(DataError, match=rf'give path: .*{roots["prw"].name}'):
        sources.learnt(data(roots['prw'].parent, 'prw'))
    with pytest.raises(DataError, match=r'CUHK-SYSU needs .*Images\.mat'):
        sources.learnt(data(roots['prw'], 'cuhk_sysu'))
    broken = shutil.copytree(roots['prw'], tmp_path / 'prw')
    (broken / 'query_info.txt').write_text('3 1 2 3 4 c1s1_000100\n')
    with pytest.raises(DataError, match='is no box of the annotations'):
        sources.trials(data(broken, 'prw'), ['b'])
    (broken / 'query_info.txt').write_text('one two\n')
    with pytest.raises(DataError, match='is not like'):
        sources.trials(data(broken, 'prw'), ['b'])
    (broken / 'frames' / 'c1s1_000000.jpg').unlink()
    with pytest.raises(DataError, match='lacks 1 of the 8 files'):
        sources.learnt(data(broken, 'prw'))
    scipy.io.savemat(broken / 'frame_train.mat', {'img_index_trian': 1.0})
    with pytest.raises(DataError, match="no 'img_index_train'; it holds 'img_index_trian'"):
        sources.learnt(data(broken, 'prw'))


def test_pictures_without_labels_say_so(roots, tmp_path):
    shutil.copytree(roots['prw'] / 'frames', tmp_path / 'one')
    given = data(tmp_path, 'footage')
    given = replace(
        given, sets={**given.sets, 'p': data(roots['prw'], 'prw').sets['a']}, train=('p', 'a')
    )
    found = sources.learnt(given)
    assert found.standing.labelled.tolist() == [True] * 8 + [False] * 14
    assert found.people == 2
    assert found.image(20).shape == (48, 64, 3)
    batch = SearchBatches(SearchRecipe(data=replace(given, train=('a',))), found)[0]
    assert set(batch.truth.labelled.tolist()) <= {True, False}
    with pytest.raises(DataError, match='footage has no labels'):
        sources.trials(given, ['b'])


def test_people_of_two_sets_differ_and_those_without_a_label_stay_so(roots):
    parts = [sources.learnt(data(roots[name], name)) for name in ('prw', 'cuhk_sysu')]
    both = Joined(parts)
    assert both.people == 4
    assert sorted(set(both.standing.people.tolist())) == [UNKNOWN, 0, 1, 2, 3]
    assert both.image(11).tolist() == parts[1].image(3).tolist()


def test_boxes_follow_their_people_through_every_change():
    """A bright bar, found again by its pixels."""
    image = np.full((96, 128, 3), 90, np.uint8)
    image[30:70, 40:60] = (0, 255, 0)
    boxes = np.array([[40, 30, 60, 70]], np.float32)
    settings = SearchAugmentConfig(zoom=0.4, shift=0.2, colour=0.0, channel=0.0)
    seen = 0
    for k in range(30):
        changed, moved, kept = augment(image, boxes, settings, np.random.default_rng(k))
        green = (changed[..., 1] > 172) & (changed[..., 0] < 60)
        if kept[0]:
            rows, columns = np.nonzero(green)
            wanted = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert moved[0] == pytest.approx(wanted, abs=1.1)
            seen += 1
    assert seen > 20
    assert image[30, 40].tolist() == [0, 255, 0]
    away = SearchAugmentConfig(shift=0.8)
    lost = [augment(image, boxes - 38, away, np.random.default_rng(k))[2][0] for k in range(20)]
    assert not all(lost)


def test_a_batch_is_the_same_at_any_time_and_every_picture_comes_once(roots):
    found = sources.learnt(data(roots['prw'], 'prw'))
    recipe = SearchRecipe(data=data(roots['prw'], 'prw'))
    batches = SearchBatches(recipe, found)
    again = pickle.loads(pickle.dumps(SearchBatches(recipe, found)))
    assert torch.equal(batches[5].images, again[5].images)
    assert torch.equal(batches[5].truth.boxes, again[5].truth.boxes)
    assert not torch.equal(batches[0].images, batches[8].images), 'the same pictures, changed'
    still = replace(
        recipe, augment=SearchAugmentConfig(flip=0, zoom=0, shift=0, colour=0, channel=0)
    )
    calm = SearchBatches(still, found)
    seen = [image.tobytes() for step in range(8) for image in calm[step].images.numpy()]
    assert len(set(seen[:8])) == 8
    assert set(seen[:8]) == set(seen[8:16])
    truth = calm[0].truth
    assert truth.boxes.shape == (3, 3, 4)
    assert truth.there.sum() == (truth.people != NOBODY).sum() < 9
    assert not truth.boxes[~truth.there].any()


@pytest.fixture(scope='module')
def rendered(tmp_path_factory):
    spec = SearchSetConfig(
        worlds=1, people=4, at_once=1, seconds=20.0, rate_hz=0.5, camera_width=160,
        camera_height=120, gallery=12, asked=2, unlabelled=0.34, seed=3,
    )  # fmt: skip
    return SearchDataConfig(
        sets={'w': spec}, train=('w',), cache=str(tmp_path_factory.mktemp('cache')), height=96,
        width=128,
    )  # fmt: skip


def test_frames_of_the_world_are_drawn_once_and_kept(rendered):
    told = []
    found = world.drawn(rendered, 'w', 1, told.append)
    where = found.standing
    assert sum(told) == len(where) > 5
    assert (where.people == UNKNOWN).any()
    assert (where.people >= 0).any()
    assert len(np.unique(where.cameras)) > 1
    assert where.boxes.min() >= 0
    assert (where.boxes.max(0) <= [128, 96, 128, 96]).all()
    again = pickle.loads(pickle.dumps(world.drawn(rendered, 'w', 1, told.append)))
    assert sum(told) == len(where), 'drawn once'
    last = len(where) - 1
    assert np.array_equal(again.image(last), found.image(last))
    spec = rendered.sets['w']
    one = next(frames('train', 1, spec.seed, spec.unlabelled, spec.visible, world.base(spec)))
    assert np.array_equal(found.image(0), world.fitted(one.image, (96, 128), one.boxes)[0])
    with pytest.raises(DataError, match='at_once'):
        sources.learnt(replace(rendered, sets={'w': replace(spec, at_once=5)}))


def test_everybody_of_the_world_is_searched_in_a_gallery_that_holds_them(rendered):
    trial = world.trial(rendered, 'w', lambda pictures: None)
    where = trial.pictures.standing
    assert (where.people[trial.queries] >= 0).all()
    for row, images in zip(trial.queries, trial.gallery):
        shown = where.pictures[where.people == where.people[row]]
        own = where.pictures[row]
        assert len(images) == 12
        assert own not in images
        assert np.isin(shown[shown != own], images).all()
    large = replace(rendered.sets['w'], gallery=90)
    with pytest.raises(DataError, match=r'data\.sets\.w\.gallery: no gallery of 90'):
        world.trial(replace(rendered, sets={'w': large}), 'w', lambda pictures: None)


def test_a_picture_in_the_network_keeps_its_shape():
    boxes = np.array([[0, 0, 60, 80]], np.float32)
    image, moved = world.fitted(np.zeros((80, 60, 3), np.uint8), (48, 64), boxes)
    assert moved.tolist() == [[0, 0, 36, 48]]
    assert (image[:, 36:] == 114).all()
    assert iou(moved, np.array([[0, 0, 36, 48]], np.float32))[0, 0] == 1
