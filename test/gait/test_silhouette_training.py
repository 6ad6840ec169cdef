"""Silhouette networks learn from rendered people, and robots run what was learnt."""

import itertools
import json
import math

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros.card import Card  # noqa: E402
from reid_ros.check import check  # noqa: E402
from reid_ros.config import ConfigError, build, config_dir  # noqa: E402
from reid_ros.model import Model  # noqa: E402
from reid_ros.silhouette import Silhouetter  # noqa: E402
from reid_ros.train import loop, saved  # noqa: E402
from reid_ros.train.checkpoint import TrainError  # noqa: E402
from reid_ros.train.clips import DataError  # noqa: E402
from reid_ros.train.segment import (  # noqa: E402
    disturb,
    export,
    final,
    masking,
    pictures,
    score,
    settings,
)
from reid_ros.train.segment import saved as segmenters  # noqa: E402
from reid_ros.train.segment.net import Masks, Segmenter  # noqa: E402
from reid_ros.train.segment.settings import SegmentNet  # noqa: E402
from reid_ros.train.settings import changed, plain  # noqa: E402
from reid_ros.types import Frame  # noqa: E402

SMALL = {
    'data.sets': {
        'some': {'people': 4, 'walks': 1, 'moments': 2, 'cameras': 1, 'seed': 3},
        'others': {'split': 'validation', 'people': 3, 'walks': 1, 'moments': 2, 'cameras': 1},
    },
    'data.train': ['some'], 'data.validation': ['others'], 'data.test': ['others'],
    'data.height': 64, 'data.width': 32, 'data.batch': 4, 'data.workers': 0,
    'net.widths': [8, 8, 8, 8], 'net.depth': 1,
    'optim.steps': 4, 'run.threads': 1, 'run.log_steps': 2, 'run.save_s': 0.0,
    'run.amp': 'float32', 'run.device': 'cpu',
}  # fmt: skip


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp('pictures')


@pytest.fixture(scope='module')
def recipe(cache, tmp_path_factory):
    path = tmp_path_factory.mktemp('recipe') / 'recipe.yaml'
    path.write_text('task: silhouette\n')
    return settings.read(path, {**SMALL, 'data.cache': str(cache)})


@pytest.fixture(scope='module')
def some(recipe):
    return pictures.drawn(recipe.data, 'some')


@pytest.fixture(scope='module')
def trained(recipe, tmp_path_factory):
    return train(recipe, tmp_path_factory.mktemp('trained'), command='reid_ros train run x')


def train(recipe, folder, tell=pictures.silent, command=''):
    return loop.learn(masking.kind(), recipe, folder, tell, command=command)


def altered(recipe, changes):
    return build(settings.SegmentRecipe, changed(plain(recipe), changes))


# -- pictures ------------------------------------------------------------------------------------


def test_pictures_show_people_where_their_masks_say(some):
    assert len(some) == 8
    box = slice(pictures.ABOVE, pictures.ABOVE + pictures.TALL)
    for row in range(len(some)):
        mask = some.mask(row)
        assert some.image(row).shape == (pictures.HEIGHT, pictures.WIDTH, 3)
        assert 0.1 < (mask[box] > 127).mean() < 0.7
        # Nobody reaches far out of their true box.
        assert (mask > 127).sum() < 1.1 * (mask[box] > 127).sum()
    inside = [some.image(row)[some.mask(row) > 127].mean(axis=0) for row in range(len(some))]
    outside = [some.image(row)[some.mask(row) < 1].mean(axis=0) for row in range(len(some))]
    assert np.abs(np.array(inside) - np.array(outside)).mean() > 5


def test_pictures_are_drawn_once_and_always_the_same(recipe, some, tmp_path):
    told = []
    assert len(pictures.drawn(recipe.data, 'some', told.append)) == len(some)
    assert told == []
    again = settings.read(_recipe(tmp_path), {**SMALL, 'data.cache': str(tmp_path)})
    fresh = pictures.drawn(again.data, 'some', told.append)
    assert sum(told) == pictures.size(recipe.data.sets['some']) == 8
    assert all(np.array_equal(fresh.image(k), some.image(k)) for k in range(8))
    assert all(np.array_equal(fresh.mask(k), some.mask(k)) for k in range(8))


def test_a_set_that_nobody_named_is_refused(recipe):
    with pytest.raises(DataError, match="none called 'none'"):
        pictures.drawn(recipe.data, 'none')


# -- disturbances --------------------------------------------------------------------------------


def test_disturbances_are_told_by_row_and_view(recipe, some):
    made = disturb.Disturbed(recipe, [some])
    first, again, other = made(3, 5), made(3, 5), made(3, 6)
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert first[0].shape == (64, 32, 3)
    assert first[1].shape == (64, 32)


def _only(recipe, **chances):
    """The recipe with nothing but these disturbances."""
    none = dict.fromkeys(('shake', 'wild', 'flip', 'turn', 'ground', 'cloth', 'company', 'screen',
                          'nobody'), 0.0)  # fmt: skip
    still = {f'disturb.{name}': value for name, value in (none | chances).items()}
    plain = {f'augment.{name}': 0.0 for name in ('colour', 'channel', 'grey', 'blur', 'coarse',
                                                 'noise', 'jpeg')}  # fmt: skip
    return altered(recipe, {**still, **plain})


def test_a_mirrored_crop_has_a_mirrored_mask(recipe, some):
    plain = disturb.Disturbed(_only(recipe), [some])(0, 0)
    mirrored = disturb.Disturbed(_only(recipe, flip=1.0), [some])(0, 0)
    for one, other in zip(plain, mirrored):
        assert np.abs(one.astype(int) - other[:, ::-1].astype(int)).mean() < 1.0


def test_another_background_leaves_the_mask_and_the_person(recipe, some):
    plain = disturb.Disturbed(_only(recipe), [some])(0, 0)
    moved = disturb.Disturbed(_only(recipe, ground=1.0), [some])(0, 0)
    assert np.array_equal(plain[1], moved[1])
    change = np.abs(plain[0].astype(int) - moved[0].astype(int)).mean(axis=2)
    core = _core(plain[1])
    assert change[core].mean() < 0.2 * change[plain[1] < 1].mean()


def test_other_textures_are_on_the_person_alone_and_leave_the_mask(recipe, some):
    plain = disturb.Disturbed(_only(recipe), [some])
    clothed = disturb.Disturbed(_only(recipe, cloth=1.0), [some])
    shares = []
    for row, view in itertools.product(range(4), range(4)):
        (image, mask), (other, same) = plain(row, view), clothed(row, view)
        assert np.array_equal(mask, same)
        changed = np.abs(image.astype(int) - other).max(axis=2) > 8
        body = cv2.dilate(mask, np.ones((3, 3), np.uint8)) > 0
        assert not changed[~body].any()
        shares.append(changed[body].mean())
    assert np.mean(shares) > 0.2
    assert len(set(shares)) > 8  # no two alike


def test_who_stands_before_the_person_makes_a_hole_and_who_stands_behind_does_not(recipe, some):
    plain = disturb.Disturbed(_only(recipe), [some])
    made = disturb.Disturbed(_only(recipe, company=1.0), [some])
    holes = 0
    for view in range(30):
        crop, mask = made(0, view)
        before, true = plain(0, view)
        assert not ((mask > 127) & (true < 127)).any()
        left = _core(mask)
        assert np.abs(crop.astype(int) - before.astype(int))[left].mean() < 12
        lost = 1 - (mask > 127).sum() / (true > 127).sum()
        assert lost <= disturb.HIDDEN + 0.05
        holes += lost > 0.02
    assert 3 <= holes <= 27


def test_a_box_that_shows_nobody_has_no_mask(recipe, some):
    _, mask = disturb.Disturbed(_only(recipe, nobody=1.0, company=1.0), [some])(0, 0)
    assert not mask.any()


def _core(mask):
    """Pixels well within a mask."""
    inside = mask > 250
    for axis, shift in itertools.product((0, 1), (-1, 1)):
        inside &= np.roll(inside, shift, axis) & np.roll(inside, 2 * shift, axis)
    return inside


# -- network and loss ----------------------------------------------------------------------------


def test_the_network_gives_a_mask_of_the_size_of_the_crop_and_is_small():
    network = Segmenter(SegmentNet(), (128, 64)).eval()
    crops = torch.randint(0, 256, (2, 128, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        found = Masks(network)(crops)
    assert found.shape == (2, 128, 64)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    assert sum(p.numel() for p in network.parameters()) < 700_000


def test_the_loss_is_what_a_hand_computes():
    logits = torch.tensor([[[0.0, math.log(3.0)]]])
    masks = torch.tensor([[[0.0, 1.0]]])
    found = masking.loss_of(logits, masks, settings.SegmentLoss(cross=2.0, dice=3.0))
    cross = (math.log(2.0) + math.log(4 / 3)) / 2
    dice = 1 - (2 * 0.75 + 1) / (0.5 + 0.75 + 1 + 1)
    assert float(found['cross']) == pytest.approx(cross)
    assert float(found['dice']) == pytest.approx(dice)
    assert float(found['loss']) == pytest.approx(2 * cross + 3 * dice)


@pytest.mark.slow
def test_the_network_learns_one_crop_by_heart(recipe, some):
    torch.manual_seed(0)
    network = Segmenter(SegmentNet((8, 16, 16, 16), 1), (64, 32))
    crop, mask = (torch.from_numpy(part)[None] for part in disturb.plain(some, 0, (32, 64)))
    learner = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        learner.zero_grad()
        masking.loss_of(network(crop), mask.float() / 255, settings.SegmentLoss())[
            'loss'
        ].backward()
        learner.step()
    found = score.in_torch(network.train())(crop.numpy()) > 0.5
    assert score.overlap(found, mask.numpy() > 127)[0] > 0.9


def test_overlap_is_counted_pixel_by_pixel():
    one = np.zeros((3, 4, 4), bool)
    other = one.copy()
    one[0, :2], other[0, 1:3] = True, True
    one[1, 0], other[2, 0] = True, True
    assert score.overlap(one, other).tolist() == pytest.approx([1 / 3, 0.0, 0.0])
    assert score.overlap(one[:1] & False, other[:1] & False).tolist() == [1.0]


# -- training ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_training_leaves_recipe_weights_curves_and_scores(trained, recipe):
    assert {path.name for path in trained.folder.iterdir()} >= {
        'recipe.yaml', 'weights.safetensors', 'curves.csv', 'curves.png', 'scores.json',
    }  # fmt: skip
    assert segmenters.recipe(trained.folder) == recipe
    assert set(trained.scores['validation']) == {'others'}
    assert 0 <= trained.scores['validation']['others']['iou'] <= 1
    assert train(recipe, trained.folder).scores == trained.scores


@pytest.mark.slow
def test_a_killed_training_ends_in_the_same_weights(recipe, trained, tmp_path):
    class Killed(Exception):
        pass

    done = itertools.count()

    def kill(steps):
        if next(done) == 2:
            raise Killed

    with pytest.raises(Killed):
        train(recipe, tmp_path, kill)
    assert (tmp_path / loop.CHECKPOINT).is_file()
    train(recipe, tmp_path)
    one, other = saved.weights(trained.folder), saved.weights(tmp_path)
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_the_folder_of_another_recipe_is_refused(recipe, trained):
    other = altered(recipe, {'optim.steps': 5})
    with pytest.raises(TrainError, match='another recipe'):
        train(other, trained.folder)


@pytest.mark.slow
def test_test_sets_are_scored_once(trained):
    found = final.final_scores(trained.folder)
    assert set(found) == {'others'}
    path = trained.folder / 'test.json'
    path.write_text(json.dumps({'test': {'others': {'iou': 0.5}}}))
    assert final.final_scores(trained.folder) == {'others': {'iou': 0.5}}


def _recipe(folder, text='task: silhouette\n'):
    path = folder / 'recipe.yaml'
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('task: gait\n', 'task'),
        ('task: silhouette\ndata: {height: 120}\n', 'data.height: 120 is no multiple of 16'),
        ('task: silhouette\naugment: {flip: 0.5}\n', 'do not move the mask'),
        ('task: silhouette\ndisturb: {shakes: 0.5}\n', 'disturb.shakes: no such setting'),
    ],
)
def test_recipes_that_cannot_be_are_refused(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words):
        settings.read(_recipe(tmp_path, text))


def test_the_recipe_that_comes_along_learns_from_no_person_whom_it_is_scored_on():
    recipe = settings.read(config_dir() / 'train' / 'silhouette.yaml')
    sets = recipe.data.sets
    assert {sets[one].split for one in recipe.data.train} == {'train'}
    assert {sets[one].split for one in recipe.data.validation} == {'validation'}
    assert {sets[one].split for one in recipe.data.test} == {'test'}
    spans = [range(sets[one].first, sets[one].first + sets[one].people)
             for one in recipe.data.train]  # fmt: skip
    assert sum(map(len, spans)) == len(set(itertools.chain(*spans)))


@pytest.mark.slow
def test_a_training_goes_on_from_another(recipe, trained, tmp_path):
    more = altered(recipe, {
        'start': str(trained.folder), 'optim.rate': 1e-8, 'optim.steps': 1,
    })  # fmt: skip
    train(more, tmp_path)
    one, other = saved.weights(trained.folder), saved.weights(tmp_path)
    assert all(torch.allclose(one[name], other[name], atol=1e-5)
               for name in one if name.endswith('weight'))  # fmt: skip


# -- export --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize('precision', ['fp32', 'int8'])
def test_an_exported_network_runs_and_its_card_fits(trained, recipe, some, tmp_path, precision):
    wanted = export.Wanted(precision, crops=16, threads=1)
    made = export.exported(trained.folder, tmp_path / 'mask.onnx', wanted)
    card = Card.read(tmp_path / 'mask.json')
    crop, _ = disturb.plain(some, 0, (32, 64))
    assert check(made.path, card, crop).problems == []
    assert card.kind == 'silhouette'
    assert card.training['precision'] == precision
    assert card.training['command'] == 'reid_ros train run x'
    with Model.load(made.path, card, backend='cpu', threads=1) as model:
        whole = np.array([[0, 0, 32, 64]], np.float32)
        (found,) = Silhouetter(model).masks([(Frame('a', 0, crop), whole)])
    wanted = score.in_torch(segmenters.load(trained.folder))(crop[None])
    assert np.abs(found - wanted).max() < (1e-4 if precision == 'fp32' else 0.1)


def test_a_precision_that_is_not_offered_is_refused():
    with pytest.raises(export.ExportError, match='choose fp32, fp16, int8'):
        export.Wanted('fp16-tensorrt')
