"""Training learns, goes on after a kill as if nothing had been, and stops when it diverges."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros import cli  # noqa: E402
from reid_ros.train import loop, saved, settings  # noqa: E402
from reid_ros.train.checkpoint import TrainError  # noqa: E402
from reid_ros.train.hooks import Hook  # noqa: E402
from reid_ros.train.loop import Diverged, train  # noqa: E402
from reid_ros.train.weights import started  # noqa: E402

pytestmark = pytest.mark.slow
torch.set_num_threads(1)

RECIPE = """
data:
  sets:
    few: {people: 4, cameras: 3, seen_by: 3, frames: 2, seed: 1}
    chosen: {split: validation, people: 6, cameras: 3, seen_by: 3, frames: 2, seed: 2}
  train: [few]
  validation: [chosen]
  test: [chosen]
  height: 32
  width: 16
  people: 4
  clips: 2
  frames: 2
  score_frames: 2
  workers: 0
net: {embed: 24}
augment: {erase: 0.0, pad: 1}
optim: {steps: 10, rate: 3.0e-3, average: 0.9}
run: {device: cpu, log_steps: 2, score_steps: 4, save_s: 0.0, threads: 1}
"""


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    """A recipe file; the rendered people are drawn once for all tests."""
    folder = tmp_path_factory.mktemp('recipe')
    cache = f'\n  cache: {folder / "cache"}\n'
    (folder / 'recipe.yaml').write_text(RECIPE.replace('\n  height', f'{cache}  height'))
    return folder / 'recipe.yaml'


@pytest.fixture
def recipe(path):
    return lambda **changes: settings.read(
        path, {name.replace('__', '.'): value for name, value in changes.items()}
    )


@pytest.fixture(scope='module')
def finished(path, tmp_path_factory):
    """The recipe, trained without a stop."""
    return train(settings.read(path), tmp_path_factory.mktemp('whole'))


class Stop(Exception):
    """What ends a training in the midst of it."""


class StopAfter(Hook):
    def __init__(self, step):
        self.step = step

    def after_step(self, step, progress, network, optimiser):
        if step == self.step:
            raise Stop


class Spoil(Hook):
    """Adds something to the loss from a progress on."""

    def __init__(self, begin, value):
        self.since, self.value = begin, value

    def penalty(self, network, progress):
        return torch.tensor(self.value) if progress >= self.since else None


def same(a, b):
    one, two = saved.weights(a), saved.weights(b)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_few_people_are_learnt(recipe, tmp_path):
    done = train(recipe(optim__steps=40, run__score_steps=1000), tmp_path)
    with (tmp_path / 'curves.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]['right']) > 0.9
    assert float(rows[-1]['loss']) < 0.7 * float(rows[0]['loss'])
    assert done.scores['steps'] == 40


def test_the_folder_holds_recipe_weights_scores_and_curves(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = finished.folder
    assert (folder / 'curves.png').read_bytes()[:4] == b'\x89PNG'
    points = finished.scores['points']
    assert [point['step'] for point in points] == [4, 8, 10]
    assert points[-1]['chosen rank-1'] == finished.scores['validation']['chosen']['rank-1']
    assert saved.recipe(folder).optim.steps == 10
    assert not (folder / 'last.pt').exists(), 'a finished training needs no checkpoint'
    events = EventAccumulator(str(folder))
    events.Reload()
    assert [event.step for event in events.Scalars('loss')] == [2, 4, 6, 8, 10]


def test_a_finished_training_is_only_read(recipe, finished):
    before = (finished.folder / saved.WEIGHTS).stat().st_mtime_ns
    again = train(recipe(), finished.folder)
    assert again.scores == finished.scores
    assert (finished.folder / saved.WEIGHTS).stat().st_mtime_ns == before


@pytest.mark.parametrize('step', [1, 4, 7, 10])
def test_a_training_that_was_stopped_goes_on_to_the_same_result(recipe, finished, tmp_path, step):
    with pytest.raises(Stop):
        train(recipe(), tmp_path, hooks=[StopAfter(step)])
    done = train(recipe(), tmp_path)
    assert same(tmp_path, finished.folder)
    assert done.scores['points'] == finished.scores['points']
    assert (tmp_path / 'curves.csv').read_text() == (finished.folder / 'curves.csv').read_text()


@pytest.mark.parametrize('step', [1, 7])
def test_tensorboard_shows_one_curve_of_a_stopped_training(recipe, tmp_path, step, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(loop, 'SHOW_S', 0.0)
    with pytest.raises(Stop):
        train(recipe(run__save_s=0.0), tmp_path, hooks=[StopAfter(step)])
    train(recipe(run__save_s=0.0), tmp_path)
    files = sorted(tmp_path.glob('*tfevents*'))
    assert len(files) == (1 if step == 1 else 2), 'one file of each process, not of each save'
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [event.step for event in events.Scalars('loss')] == [2, 4, 6, 8, 10]
    assert [event.step for event in events.Scalars('chosen rank-1')] == [4, 8, 10]


def test_a_killed_process_loses_nothing_that_was_saved(path, finished, tmp_path):
    words = [sys.executable, '-m', 'reid_ros', 'train', 'run', str(path), '--out', str(tmp_path)]
    running = subprocess.Popen([*words, '--quiet'])
    try:
        until = time.monotonic() + 60
        while not (tmp_path / 'last.pt').exists() and time.monotonic() < until:
            time.sleep(0.005)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert running.returncode == -signal.SIGKILL, 'it was done before it was killed'
    train(settings.read(path), tmp_path)
    assert same(tmp_path, finished.folder)


def test_another_seed_gives_other_weights(recipe, finished, tmp_path):
    train(recipe(run__seed=1), tmp_path)
    assert not same(tmp_path, finished.folder)


def test_a_folder_of_another_recipe_is_refused(recipe, finished):
    with pytest.raises(TrainError, match=r'optim.rate differ'):
        train(recipe(optim__rate=1e-4), finished.folder)


def test_how_it_runs_may_change_when_it_goes_on(recipe, tmp_path):
    with pytest.raises(Stop):
        train(recipe(), tmp_path, hooks=[StopAfter(4)])
    assert train(recipe(run__save_s=100.0), tmp_path).scores['steps'] == 10


def test_a_loss_that_is_no_number_stops_with_the_last_good_checkpoint(recipe, tmp_path):
    with pytest.raises(Diverged, match=r'step 6: the loss is nan; .*last good checkpoint'):
        train(recipe(), tmp_path, hooks=[Spoil(0.6, float('nan'))])
    held = torch.load(tmp_path / 'last.pt', weights_only=True)
    assert held['step'] == 6
    tensors = held['tensors']['network'].values()
    assert all(torch.isfinite(value).all() for value in tensors if value.is_floating_point())
    assert not (tmp_path / saved.WEIGHTS).exists()


def test_a_growing_loss_stops(recipe, tmp_path):
    with pytest.raises(Diverged, match='the loss has grown from'):
        train(recipe(optim__steps=50), tmp_path, hooks=[Spoil(0.5, 500.0)])


def test_bfloat16_learns_nearly_the_same(recipe, tmp_path):
    losses = []
    for name in ('float32', 'bfloat16'):
        # At a low rate, since a step of Adam also goes where gradients are noise.
        changes = {'run__amp': name, 'data__width': 32, 'optim__steps': 4, 'optim__rate': 3e-4}
        train(recipe(**changes), tmp_path / name)
        with (tmp_path / name / 'curves.csv').open() as file:
            losses.append([float(row['loss']) for row in csv.DictReader(file)])
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_float16_is_refused_on_a_cpu(recipe, tmp_path):
    with pytest.raises(TrainError, match='take bfloat16'):
        train(recipe(run__amp='float16'), tmp_path)


def test_bfloat16_is_refused_where_a_cpu_would_lose_gradients(recipe, tmp_path):
    with pytest.raises(TrainError, match=r'narrower than 32 pixels, data\.width is 16'):
        train(recipe(run__amp='bfloat16', data__width=16), tmp_path)


def test_accumulated_batches_are_all_used(recipe, tmp_path):
    done = train(recipe(optim__accumulate=3, optim__steps=4), tmp_path)
    assert done.scores['steps'] == 4
    other = tmp_path / 'other'
    train(recipe(optim__accumulate=2, optim__steps=4), other)
    assert not same(tmp_path, other)


def test_a_start_is_another_trainings_network(recipe, finished, tmp_path):
    train(recipe(start=str(finished.folder), optim__rate=1e-8, optim__average=0.0), tmp_path)
    one, two = saved.weights(finished.folder), saved.weights(tmp_path)
    name = 'embed.weight'
    assert torch.allclose(one[name], two[name], atol=1e-5)


def test_attention_begins_as_the_mean_of_its_start(recipe, finished):
    attends = recipe(start=str(finished.folder), net__temporal='attention')
    one, two = saved.load(finished.folder), started(attends, 4).eval()
    assert 'time.hidden.weight' in two.state_dict()
    clips = torch.randint(0, 256, (2, 3, 32, 16, 3), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.allclose(one(clips).vector, two(clips).vector, atol=1e-6)


def test_a_start_of_another_network_is_refused(recipe, finished, tmp_path):
    with pytest.raises(TrainError, match=r'net.embed: 32, but .* has 24'):
        train(recipe(start=str(finished.folder), net__embed=32), tmp_path)
    assert not [*tmp_path.iterdir()]  # and so the right one may follow


def test_the_command_scores_the_last_people_once(path, finished, capsys):
    folder = finished.folder
    words = ['train', 'run', str(path), '--out', str(folder), '--test', '--quiet']
    assert cli.main(words) == 0
    kept = json.loads((folder / 'test.json').read_text())
    assert kept['test']['chosen']['queries'] == 18
    assert 'chosen: rank-1' in capsys.readouterr().out


def test_finished_trainings_stand_side_by_side(finished, tmp_path, capsys):
    words = ['train', 'table', str(finished.folder), '--frames', '1', '2', '--quiet']
    assert cli.main([*words, '--out', str(tmp_path / 'table.json')]) == 0
    rows = json.loads((tmp_path / 'table.json').read_text())['rows']
    assert [row['test']['chosen']['frames'] for row in rows] == [1, 2]
    assert {row['encoder'] for row in rows} == {'mobile_s'}
    assert any('fewer than 200 and 3000' in gate for gate in rows[0]['gates_failed'])
    assert 'mobile_s' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('word', 'message'),
    [
        ('optim.stepps=3', "did you mean 'steps'"),
        ('optim.steps', 'expected NAME=VALUE'),
        ('net.encoder=mobile_x', 'mobile_s'),
        ('data.train=[nobody]', "no set is called 'nobody'"),
        ('data.people=40', 'a batch of 40 people, but there are 4'),
    ],
)
def test_a_wrong_setting_is_named_and_leaves_no_folder(path, tmp_path, capsys, word, message):
    folder = tmp_path / 'out'
    assert cli.main(['train', 'run', str(path), '--out', str(folder), '--set', word]) == 2
    assert message in capsys.readouterr().err
    assert not folder.exists()


def test_two_processes_learn_one_network(path, tmp_path):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONWARNINGS': 'ignore'}
    launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2']
    words = ['-m', 'reid_ros', 'train', 'run', str(path), '--out', str(tmp_path), '--quiet']
    done = subprocess.run(
        [sys.executable, *launcher, *words, '--set', 'optim.steps=3'],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('rank-1') == 1, 'the first process alone reports'
    assert torch.isfinite(saved.weights(tmp_path)['embed.weight']).all()
