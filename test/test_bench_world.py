"""Audits of the world: they find what is there, and nothing where nothing is."""

import dataclasses
import json

import numpy as np
import pytest

from reid_ros.bench import world_audit
from reid_ros.bench.audits import background, learn, strides
from reid_ros.bench.audits.finding import at_chance
from reid_ros.cli import main
from reid_ros.types import ReidError
from reid_ros.world.silhouettes import GaitStudio
from reid_ros.world.studio import Studio
from reid_ros.world.tracklets import dataset

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def studio():
    return Studio('test', 2, kinds=('corridor',), size=(320, 240), places_=1)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize(('hits', 'passed'), [(0, True), (2, True), (6, True), (30, False)])
def test_guessing_passes_and_knowing_fails(hits, passed):
    assert at_chance('a', 'b', hits, 100, 0.02, 4).passed is passed


class Data(list):
    """Tracklets with their labels."""

    def __init__(self, tracklets, labels):
        super().__init__(tracklets)
        self.labels = labels


def test_a_background_that_tells_who_it_is_fails_the_audit(studio, rng):
    data = dataset('test', 10, studio, per_camera=2, frames=1)
    clean = background.examined(Data(list(data), data.labels), None)
    assert all(found.passed is not False for found in clean)
    tints = rng.integers(0, 256, (10, 3))
    leaky = []
    for one in data:
        crops = one.crops.copy()
        crops[:, :40] = np.where(one.masks[:, :40, :, None] > 0, crops[:, :40], tints[one.person])
        leaky.append(dataclasses.replace(one, crops=crops))
    found = background.examined(Data(leaky, data.labels), None)
    assert sum(one.passed is False for one in found) >= 3


def test_the_person_is_cut_out_wholly(studio):
    """Other clothes on the same pixels change nothing of what the audit looks at."""
    one = dataset('test', 3, studio, frames=1)[0]
    repainted = np.where(one.masks[..., None] > 0, 255 - one.crops, one.crops)
    holes = background._grown(one.masks)[None]
    before = background._features(one.crops[None], holes)
    assert np.array_equal(before, background._features(repainted[None], holes))


def test_classifiers_learn_what_is_linearly_there(rng):
    means = rng.normal(size=(5, 20))
    labels = np.repeat(np.arange(5), 30)
    values = means[labels] + 0.3 * rng.normal(size=(150, 20))
    fresh = means[labels] + 0.3 * rng.normal(size=(150, 20))
    for classify in (learn.ridge(values, labels, 0.1), learn.nearest(values, labels)):
        assert (classify(fresh) == labels).mean() > 0.95
    project = learn.whitened(values, 10)
    assert np.allclose(project(values).std(axis=0), 1, atol=0.02)


def test_a_discriminant_finds_the_direction_in_which_classes_differ(rng):
    labels = np.repeat(np.arange(8), 25)
    values = rng.normal(size=(200, 6)) * (1, 10, 10, 10, 10, 10)
    values[:, 0] += 5 * labels
    turned = learn.discriminant(values, labels, 1, 0.01)(values)[:, 0]
    assert abs(np.corrcoef(turned, labels)[0, 1]) > 0.98


def test_the_cadence_is_that_of_the_feet():
    time = (np.arange(44) - 22) / 25
    opening = 4 + np.cos(2 * np.pi * 1.87 * time + 0.4) + 0.2 * np.cos(4 * np.pi * 1.87 * time)
    assert strides._cadence(time, opening) == pytest.approx(0.935, abs=0.006)


def test_movement_depends_on_the_order_of_frames_and_the_bag_does_not(studio):
    gait = GaitStudio('test', 30, (64, 44), studio=studio)
    taken = [gait.sequence(k, 'normal', 0, 30) for k in range(4)]
    features = strides.Strides(taken)
    order = np.random.default_rng(1).permutation(30)
    mixed = dataclasses.replace(taken[0], masks=taken[0].masks[order])
    assert np.allclose(features.bag(mixed), features.bag(taken[0]), atol=1e-5)
    before, after = (features.movement(one)[1:] for one in (taken[0], mixed))
    assert np.linalg.norm(before - after) > 0.5 * np.linalg.norm(before)


def identity_file(folder, oracle, colour):
    rows = [
        {'contender': name, 'world': world, 'idf1': value}
        for name, values in (('oracle', oracle), ('colour', colour))
        for world, value in enumerate(values)
    ]
    path = folder / 'identity.json'
    path.write_text(json.dumps({'rows': rows}))
    return path


@pytest.mark.parametrize(
    ('oracle', 'colour', 'passed'),
    [([97, 96], [60, 70], [True, True]), ([97, 90], [60, 95], [False, False])],
)
def test_association_is_read_from_its_own_results(tmp_path, oracle, colour, passed):
    found = world_audit.of_identity(identity_file(tmp_path, oracle, colour))
    assert [one.passed for one in found] == passed
    assert found[0].value == pytest.approx(np.mean(oracle) / 100)


def test_a_broken_file_of_identity_results_is_named(tmp_path):
    path = tmp_path / 'identity.json'
    path.write_text('{"rows": [{"idf1": 3}]}')
    with pytest.raises(ReidError, match=r'identity\.json is not what'):
        world_audit.of_identity(path)
    assert world_audit.of_identity(tmp_path / 'none.json') == []


def test_an_unknown_audit_is_named():
    with pytest.raises(ReidError, match="'moon': choose of background"):
        world_audit.findings(['moon'], world_audit.QUICK, 1, None, None)


def test_the_command_writes_what_it_shows(tmp_path, capsys):
    out = tmp_path / 'audit.json'
    identity = identity_file(tmp_path, [99, 98], [90, 91])
    options = ['--audits', 'identity', '--identity', str(identity), '--out', str(out)]
    assert main(['bench', 'world', '--quick', *options]) == 1
    shown = capsys.readouterr().out
    content = json.loads(out.read_text())
    assert '1 of 2 hold' in shown
    assert 'BAD' in shown
    assert content['command'] == 'reid_ros bench world --seed 1 --quick --audits identity'
    assert [row['passed'] for row in content['rows']] == [True, False]
    assert set(content) >= {'commit', 'versions', 'seeds', 'sizes', 'network'}
