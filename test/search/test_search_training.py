"""Trainings of person search learn, go on after a kill, and heed their teachers."""


import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from search_trees import prw  # noqa: E402

from reid_ros.train import curves, loop  # noqa: E402
from reid_ros.train import saved as trained  # noqa: E402
from reid_ros.train.search import saved, searching, settings  # noqa: E402

pytestmark = pytest.mark.slow

RECIPE = """
task: search
data:
  sets:
    few: {layout: prw, path: ROOT}
    asked: {layout: prw, path: ROOT, split: test}
  train: [few]
  validation: [asked]
  test: [asked]
  height: 96
  width: 128
  batch: 2
  score: 0.05
  workers: 0
augment: {flip: 0.0, zoom: 0.1, shift: 0.05, colour: 0.0, channel: 0.0}
net: {head: dense, encoder: mobile_s, embed: 16, width: 16, depth: 1, answers: 20}
optim: {steps: 4, rate: 2.0e-3}
run: {device: cpu, log_steps: 1, score_steps: 2, save_s: 0.0, threads: 1}
"""
TWO_STAGE = {
    'net.head': 'two_stage', 'net.encoder': 'resnet18', 'net.pool': [4, 2], 'net.hidden': 16,
    'net.sizes': [24.0], 'net.ratios': [3.0], 'loss.regions': 8, 'loss.anchors': 16,
    'net.answers': 8,
}  # fmt: skip
QUEUE = """
recipe: recipe.yaml
plain: alone
headline: both
rivals: [table]
seeds: 1
inits: {pair: {table.teacher: TEACHER, distil.teacher: TEACHER}}
arms:
  alone: {table.variant: none, distil.dose: 0.0}
  both: {}
  table: {distil.dose: 0.0}
"""


@pytest.fixture(scope='module', autouse=True)
def no_pictures():
    """Of curves: the loop's own tests have them, and they take most of the time of these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, '_draw', lambda path, state: path.write_bytes(b''))
        yield


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    """A recipe file, and frames of four people beside it."""
    folder = tmp_path_factory.mktemp('recipe')
    root = prw(folder / 'prw')
    (folder / 'recipe.yaml').write_text(RECIPE.replace('ROOT', str(root)))
    return folder / 'recipe.yaml'


@pytest.fixture
def recipe(path):
    return lambda **changes: settings.read(
        path, {name.replace('__', '.'): value for name, value in changes.items()}
    )


def learn(recipe, folder, tell=lambda steps: None):
    return loop.learn(searching.kind(), recipe, folder, tell)


@pytest.fixture(scope='module')
def finished(path, tmp_path_factory):
    """The recipe, trained without a stop."""
    return learn(settings.read(path), tmp_path_factory.mktemp('whole'))


@pytest.fixture(scope='module')
def staged(path, tmp_path_factory):
    """The same with proposals."""
    return learn(settings.read(path, TWO_STAGE), tmp_path_factory.mktemp('staged'))


def test_a_finished_training_tells_what_it_found(finished, staged):
    for done in (finished, staged):
        told = trained.scores(done.folder)
        found = told['validation']['asked']
        assert (found['queries'], found['people'], found['pictures']) == (6, 2, 6)
        assert 0 <= found['mAP'] <= 100
        assert [point['step'] for point in told['points']] == [2, 4]
        assert {'asked rank-1', 'asked mAP', 'asked detection AP'} < {*told['points'][0]}
        assert told['teacher_calls'] == told['lookups'] == 0
        table = saved.load(done.folder).table
        assert table.vectors.norm(dim=1).numpy() == pytest.approx(1, abs=1e-5)
        assert len(table.queue) == round(0.9 * 2)


@pytest.mark.parametrize('changes', [{}, TWO_STAGE], ids=['dense', 'two_stage'])
def test_a_killed_training_goes_on_to_the_same_bytes(path, finished, staged, changes, tmp_path):
    class Stop(Exception):
        pass

    done = [0]

    def stop(steps):
        done[0] += steps
        if done[0] == 3:
            raise Stop

    own = settings.read(path, changes)
    with pytest.raises(Stop):
        learn(own, tmp_path / 'a', stop)
    assert (tmp_path / 'a' / loop.CHECKPOINT).is_file()
    again = learn(own, tmp_path / 'a')
    whole = (staged if changes else finished).folder
    assert (again.folder / trained.WEIGHTS).read_bytes() == (whole / trained.WEIGHTS).read_bytes()


def test_training_finds_bars_and_tells_them_apart(recipe, tmp_path):
    """Two people of the test whom training never saw."""
    long = recipe(
        optim__steps=150, run__score_steps=150, net__encoder='resnet18', net__width=32,
        augment__colour=0.5,
    )  # fmt: skip
    found = learn(long, tmp_path / 'long').scores['validation']['asked']
    print(found)
    assert found['detection AP'] > 50
