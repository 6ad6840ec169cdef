"""What students of person search learn of teachers: each level alone, and look-up tables."""

import gc
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from search_recipes import RECIPE, TWO_STAGE  # noqa: E402
from search_trees import prw  # noqa: E402

from reid_ros.train import curves, loop  # noqa: E402
from reid_ros.train import saved as trained  # noqa: E402
from reid_ros.train import settings as appearance  # noqa: E402
from reid_ros.train.nets.network import Network  # noqa: E402
from reid_ros.train.optimiser import Precision  # noqa: E402
from reid_ros.train.search import (  # noqa: E402
    detector,
    lookup,
    saved,
    score,
    searching,
    settings,
    table,
)
from reid_ros.train.search.configs import SearchDistilConfig  # noqa: E402
from reid_ros.train.search.data.sources import learnt  # noqa: E402
from reid_ros.train.search.nets.searcher import Searcher  # noqa: E402
from reid_ros.train.task import Place  # noqa: E402
from reid_ros.train.teacher import TeacherError  # noqa: E402

HEADS = [{}, TWO_STAGE]
ALONE = {'distil.hint': 0.0, 'distil.classes': 0.0, 'distil.box': 0.0}


def here():
    device = torch.device('cpu')
    return Place(device, Precision(settings.RunConfig(device='cpu'), device))


def terms(task, batch):
    """The loss of a batch, and its parts by name."""
    noted = {}
    return task.loss(task.network, batch, 0, 0.0, noted.__setitem__), noted


def alive():
    """How many networks of person search are in memory."""
    gc.collect()
    return sum(issubclass(type(one), Searcher) for one in gc.get_objects())


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp('recipe')
    (folder / 'recipe.yaml').write_text(RECIPE.replace('ROOT', str(prw(folder / 'prw'))))
    return folder / 'recipe.yaml'


@pytest.fixture(scope='module')
def teachers(path, tmp_path_factory):
    """One of each head, hardly trained; the second knows longer vectors."""
    folders = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, '_draw', lambda path, state: path.write_bytes(b''))
        for changes in HEADS:
            recipe = settings.read(path, {**changes, 'optim.steps': 1})
            folders.append(tmp_path_factory.mktemp('teacher'))
            loop.learn(searching.kind(), recipe, folders[-1])
    return folders


def test_soft_labels_are_weighted_by_what_the_teacher_says():
    wanted = SearchDistilConfig(background=1.5, foreground=1.0)
    student, teacher = torch.tensor([0.3, -2.0]), torch.tensor([1.0, 0.5])
    p, q = 1 / (1 + np.exp(-teacher.numpy())), 1 / (1 + np.exp(-student.numpy()))
    plain = -(p * np.log(q) + 1.5 * (1 - p) * np.log(1 - q))
    assert detector.soft_sigmoid(student, teacher, wanted).numpy() == pytest.approx(
        plain, abs=1e-5
    )
    both = [torch.stack([torch.zeros(2), one], -1) for one in (student, teacher)]
    assert detector.soft_classes(*both, wanted).numpy() == pytest.approx(plain, abs=1e-5)


def test_boxes_nearer_than_the_teachers_are_left_alone():
    true = torch.zeros(3, 4)
    student = torch.tensor([[0.1, 0, 0, 0], [0.3, 0, 0, 0], [0.2, 0, 0, 0]]).requires_grad_()
    teacher = torch.tensor([[0.3, 0, 0, 0], [0.1, 0, 0, 0], [0.21, 0, 0, 0]])
    loss = detector.bounded(student, teacher, true, 0.01)
    # The last is nearer, but by less than the margin.
    assert loss.item() == pytest.approx((0.09 + 0.04) / 3, abs=1e-6)
    loss.backward()
    assert not student.grad[0].any()
    assert detector.bounded(true[:0], true[:0], true[:0], 0.01).item() == 0


@pytest.mark.parametrize('number', [0, 1], ids=['dense', 'two_stage'])
def test_each_level_is_a_term_of_its_own_that_moves_the_student(path, teachers, number):
    base = {**HEADS[number], 'distil.teacher': str(teachers[number]), 'run.seed': 1}
    levels = {'hint': 'distil.hint', 'soft': 'distil.classes', 'bound': 'distil.box'}
    for term, setting in levels.items():
        only = {**base, **ALONE, setting: 1.0, 'distil.margin': 100.0}
        task = searching.Searching(settings.read(path, only), here())
        batch = next(task.batches(range(1)))
        loss, noted = terms(task, batch)
        assert {'hint', 'soft', 'bound'} & {*noted} == {term}
        assert loss.item() == pytest.approx(
            sum(value.item() for value in noted.values()), rel=1e-4
        )
        weights = [p for p in task.network.backbone.parameters() if p.requires_grad]
        found = torch.autograd.grad(noted[term], weights, allow_unused=True)
        assert sum(float(g.abs().sum()) for g in found if g is not None) > 0, term
        assert task.facts()['teacher_calls'] == 1
        assert all(not p.requires_grad for p in task._teacher.network.parameters())
        adapters = list(task.extra.parameters())
        assert bool(adapters) == (term == 'hint')
    off = settings.read(path, {**base, 'distil.dose': 0.0})
    assert not off.distil.used


@pytest.mark.parametrize('number', [0, 1], ids=['dense', 'two_stage'])
def test_heavy_operations_in_16_bits_learn_the_same_terms(path, teachers, number):
    base = {
        **HEADS[number],
        'distil.teacher': str(teachers[number]),
        'table.teacher': str(teachers[1]),
    }
    found = []
    for amp in ('float32', 'bfloat16'):
        recipe = settings.read(path, {**base, 'run.amp': amp, 'table.store': str(path.parent)})
        place = Place(torch.device('cpu'), Precision(recipe.run, torch.device('cpu')))
        task = searching.Searching(recipe, place)
        loss, noted = terms(task, next(task.batches(range(1))))
        loss.backward()
        found.append({name: value.item() for name, value in noted.items()})
    assert found[0].keys() == found[1].keys() > {'identity', 'hint', 'soft', 'bound'}
    for name, value in found[0].items():
        assert found[1][name] == pytest.approx(value, rel=0.2, abs=0.1), name


def test_pictures_without_labels_teach_by_the_detector_alone(path, teachers, tmp_path):
    source = settings.read(path).data.sets['few'].path
    own = {
        'data.sets': {'real': {'layout': 'footage', 'path': f'{source}/frames'}},
        'data.train': ['few', 'real'], 'data.batch': 22,
    }  # fmt: skip
    for number, changes in enumerate(HEADS):
        recipe = settings.read(
            path, {**changes, **own, 'distil.teacher': str(teachers[number]), 'distil.hint': 0.0}
        )
        task = searching.Searching(recipe, here())
        batch = next(task.batches(range(1)))
        assert (~batch.truth.labelled).sum() == 14
        loss, noted = terms(task, batch)
        assert loss.isfinite()
        only = type(batch.truth)(
            batch.truth.boxes, batch.truth.people, torch.zeros_like(batch.truth.labelled)
        )
        there = torch.full_like(only.people, -2)
        blank = type(batch)(batch.images, type(only)(only.boxes, there, only.labelled))
        _, noted = terms(task, blank)
        assert noted['class'].item() == 0, 'nobody says that there is nobody'
        assert noted['soft'].item() != 0


def test_a_teacher_that_asks_other_places_is_refused(path, teachers):
    for changes in (
        {**TWO_STAGE, 'distil.teacher': str(teachers[0])},
        {'net.strides': [16], 'distil.teacher': str(teachers[0])},
        {**TWO_STAGE, 'net.sizes': [30.0], 'distil.teacher': str(teachers[1])},
        {'data.height': 112, 'distil.teacher': str(teachers[0])},
    ):
        with pytest.raises(TeacherError, match='make both alike'):
            searching.Searching(settings.read(path, changes), here())


def test_a_table_is_the_mean_of_what_the_teacher_says_of_everybody(path, teachers, tmp_path):
    recipe = settings.read(
        path, {'table.teacher': str(teachers[1]), 'table.store': str(tmp_path), 'net.embed': 16}
    )
    source = learnt(recipe.data)
    found = lookup.lookup(recipe, source, here())
    network, where = saved.load(teachers[1]), source.standing
    for person in range(source.people):
        told = []
        for box in np.flatnonzero(where.people == person):
            image = torch.from_numpy(source.image(int(where.pictures[box])))[None]
            with torch.no_grad():
                one = network.describe(image, torch.from_numpy(where.boxes[None, box : box + 1]))
            told.append(one[0, 0].numpy() / np.linalg.norm(one[0, 0].numpy()))
        mean = np.mean(told, axis=0)
        assert found.vectors[person] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-4)
    assert (found.calls, lookup.lookup(recipe, source, here()).calls) == (1, 0), 'stored'
    assert len(list((tmp_path / 'tables').glob('*.npy'))) == 1


def test_a_network_of_appearance_fills_a_table_from_what_is_cut_out(path, tmp_path, monkeypatch):
    monkeypatch.setattr(curves, '_draw', lambda path, state: path.write_bytes(b''))
    crops = Path(__file__).parents[2] / 'config' / 'train' / 'dense.yaml'
    own = appearance.read(crops, {'net.embed': 16, 'data.height': 64, 'data.width': 32})
    teacher = Network(own.net, 3, (64, 32)).eval()
    appearance.write(own, tmp_path / trained.RECIPE)
    trained.save(tmp_path, teacher.state_dict())
    recipe = settings.read(path, {'table.teacher': str(tmp_path)})
    source = learnt(recipe.data)
    found = lookup.lookup(recipe, source, here())
    where = source.standing
    for person in range(source.people):
        told = []
        for box in np.flatnonzero(where.people == person):
            image = source.image(int(where.pictures[box]))
            x0, y0, x1, y1 = where.boxes[box].round().astype(int)
            crop = cv2.resize(image[y0:y1, x0:x1], (32, 64))
            with torch.no_grad():
                one = teacher(torch.from_numpy(crop)[None, None]).vector[0].numpy()
            told.append(one / np.linalg.norm(one))
        mean = np.mean(told, axis=0)
        assert found.vectors[person] @ mean / np.linalg.norm(mean) > 0.98
    copied = settings.read(path, {'table.teacher': str(tmp_path), 'table.variant': 'copied'})
    with pytest.raises(TeacherError, match='learnt appearance without a table'):
        searching.Searching(copied, here())


def test_the_teacher_is_gone_while_the_student_learns_and_a_frozen_table_stays(
    path, teachers, tmp_path, monkeypatch
):
    monkeypatch.setattr(curves, '_draw', lambda path, state: path.write_bytes(b''))
    seen, kept = [], {}
    for variant in ('mean', 'updated', 'copied'):
        given = {'table.teacher': str(teachers[1]), 'table.variant': variant, 'optim.steps': 1}
        recipe = settings.read(path, {**given, 'run.score_steps': 10})
        before = alive()
        done = loop.learn(
            searching.kind(), recipe, tmp_path / variant, lambda steps: seen.append(alive())
        )
        assert seen.pop() == before + 1, 'the student alone'
        kept[variant] = saved.load(done.folder).table.vectors.numpy()
        assert done.scores['teacher_calls'] == 0
    recipe = settings.read(path, {'table.teacher': str(teachers[1])})
    mean = lookup.lookup(recipe, learnt(recipe.data), here()).vectors
    own = trained.weights(teachers[1])[saved.VECTORS].numpy()
    assert kept['mean'] == pytest.approx(mean, abs=1e-6)
    assert kept['copied'] == pytest.approx(own, abs=1e-6)
    assert np.abs(kept['updated'] - mean).max() > 1e-3
    assert np.linalg.norm(kept['updated'], axis=1) == pytest.approx(1, abs=1e-5)


def test_longer_vectors_keep_their_angles_as_far_as_a_shorter_one_can():
    draw = np.random.default_rng(2)
    low = draw.normal(size=(30, 4)) @ draw.normal(size=(4, 16)) + 3.0 * draw.normal(size=16)
    low = (low / np.linalg.norm(low, axis=1, keepdims=True)).astype(np.float32)
    short = lookup._narrow(low, 8)
    assert short.shape == (30, 8)
    assert short @ short.T == pytest.approx(low @ low.T, abs=1e-4)
    few = lookup._narrow(low[:3], 8)
    assert few.shape == (3, 8)
    assert few @ few.T == pytest.approx(low[:3] @ low[:3].T, abs=1e-4)


def test_teachers_without_vectors_or_of_other_people_are_refused(path, teachers, tmp_path):
    recipe = settings.read(path, {'table.teacher': str(teachers[0]), 'net.embed': 32})
    with pytest.raises(TeacherError, match='has vectors of 16, the student of 32'):
        searching.Searching(recipe, here())
    changes = {
        'table.teacher': str(teachers[0]), 'table.variant': 'copied',
        'data.sets.few.held_out': 0.5, 'data.sets.few.seed': 4,
    }  # fmt: skip
    with pytest.raises(TeacherError, match='learnt from other people'):
        searching.Searching(settings.read(path, changes), here())


def test_what_is_lost_by_finding_shows_in_true_boxes_and_a_detectors(path, teachers):
    from reid_ros.train.search.data.sources import trials

    recipe = settings.read(path)
    trial = trials(recipe.data, ['asked'])['asked']
    networks = [saved.load(folder) for folder in teachers]
    told = score.diagnosis(networks[1], trial, score.Limits(0.0, 0.9), networks[0])
    assert list(told) == ['truth', 'joint', 'detector']
    assert told['truth']['recall'] == 100
    assert told['truth']['detection precision'] == 100
    assert told['truth']['detection AP'] == 100
    assert (
        told['detector']['detection recall']
        == score.score(networks[0], trial, score.Limits(0.0, 0.9))['detection recall']
    )


def test_a_gain_counts_behind_the_gates_alone():
    def row(name, rank1, seed=0, **more):
        return {
            'name': name, 'seed': seed, 'test': {'final': {'rank-1': rank1}},
            'boxes': {'final': {'truth': {'rank-1': rank1}}}, 'gates_failed': [], **more,
        }  # fmt: skip

    def told(alone, teacher, seeds):
        taught = [row('both', 60.0, seed, **{'identity teacher': 'crops'}) for seed in seeds]
        plain = [row('alone', alone, seed) for seed in seeds]
        crops = {'name': 'crops', 'seed': 0, 'note': '', 'test': {'final': {'rank-1': teacher}}}
        return table._compared(taught[0], [*plain, *taught, crops])

    assert told(55.0, 60.0, range(3)) == []
    assert told(55.0, 60.0, [0]) == ['1 paired seeds, fewer than 3']
    assert any('2.0 points' in gate for gate in told(58.0, 60.0, range(3)))
    assert any('rank-1 alone is 40.0' in gate for gate in told(40.0, 60.0, range(3)))
