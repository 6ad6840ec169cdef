"""Gait trainings learn, go on after a kill as if nothing had been, and heed their teachers."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from gait_trees import casia_b  # noqa: E402

from reid_ros import cli  # noqa: E402
from reid_ros.bench import fitting  # noqa: E402
from reid_ros.calibration import CAUTIOUS  # noqa: E402
from reid_ros.train import ablate, curves, loop  # noqa: E402
from reid_ros.train import saved as trained  # noqa: E402
from reid_ros.train.checkpoint import TrainError  # noqa: E402
from reid_ros.train.gait import final, saved, score, settings, walking  # noqa: E402
from reid_ros.train.gait.data.batches import GaitBatches, chosen  # noqa: E402
from reid_ros.train.gait.data.sources import learnt, trials  # noqa: E402
from reid_ros.train.teacher import TeacherError  # noqa: E402

pytestmark = pytest.mark.slow

RECIPE = """
task: gait
data:
  sets:
    few: {layout: casia_b, path: ROOT}
    asked: {layout: casia_b, path: ROOT, split: test}
  train: [few]
  validation: [asked]
  test: [asked]
  people: 4
  walks: 2
  frames: 3
  skip: 1
  views: 2
  workers: 0
net: {encoder: base, width: 2, parts: 4, embed: 8}
optim: {steps: 8, rate: 5.0e-3}
run: {device: cpu, log_steps: 2, score_steps: 4, save_s: 0.0, threads: 1}
"""
QUEUE = """
recipe: recipe.yaml
plain: alone
headline: both
rivals: [feature]
seeds: 1
inits: {pair: {distil.teachers: [TEACHER]}}
arms:
  alone: {distil.teachers: []}
  both: {}
  feature: {distil.decision: 0.0, distil.boundary: 0.0, distil.feature: 1.0}
"""


@pytest.fixture(scope='module', autouse=True)
def no_pictures():
    """Of curves: the loop's own tests have them, and they take most of the time of these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, '_draw', lambda path, state: path.write_bytes(b''))
        yield


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    """A recipe file, and the walks of eight people beside it."""
    folder = tmp_path_factory.mktemp('recipe')
    people = ('001', '002', '003', '004', '101', '102', '103', '104')
    root = casia_b(folder / 'walks', people)
    (folder / 'recipe.yaml').write_text(RECIPE.replace('ROOT', str(root)))
    return folder / 'recipe.yaml'


@pytest.fixture
def recipe(path):
    return lambda **changes: settings.read(
        path, {name.replace('__', '.'): value for name, value in changes.items()}
    )


def learn(recipe, folder, tell=lambda steps: None):
    return loop.learn(walking.kind(), recipe, folder, tell)


@pytest.fixture(scope='module')
def finished(path, tmp_path_factory):
    """The recipe, trained without a stop."""
    return learn(settings.read(path), tmp_path_factory.mktemp('whole'))


def test_a_finished_training_tells_what_it_found(finished):
    told = trained.scores(finished.folder)
    found = told['validation']['asked']
    assert set(found['conditions']) == {'normal', 'bag', 'coat'}
    assert found['rank-1'] == pytest.approx(np.mean(list(found['conditions'].values())), abs=0.01)
    assert (found['queries'], found['people'], found['frames']) == (4 * 6 * 2, 4, 5.0)
    low, high = found['intervals']['rank-1']
    assert low <= found['rank-1'] <= high
    assert [point['step'] for point in told['points']] == [4, 8]
    assert told['flops'] > 0
    assert told['teacher_calls'] == 0
    assert trained.task(finished.folder) == 'gait'


def test_a_killed_training_goes_on_to_the_same_bytes(recipe, finished, tmp_path):
    class Stop(Exception):
        pass

    def stop(steps, done=[0]):  # noqa: B006
        done[0] += steps
        if done[0] == 5:
            raise Stop

    with pytest.raises(Stop):
        learn(recipe(), tmp_path / 'a', stop)
    assert (tmp_path / 'a' / loop.CHECKPOINT).is_file()
    again = learn(recipe(), tmp_path / 'a')
    names = (trained.WEIGHTS,)
    for name in names:
        assert (again.folder / name).read_bytes() == (finished.folder / name).read_bytes()
    assert again.scores['validation'] == finished.scores['validation']
    with pytest.raises(TrainError, match=r'optim\.steps'):
        learn(recipe(optim__steps=9), tmp_path / 'a')


def test_training_tells_bars_apart_and_chance_does_not(recipe, tmp_path):
    """Everybody is as wide as nobody else."""
    long = recipe(optim__steps=60, run__score_steps=60)
    found = learn(long, tmp_path / 'long').scores['validation']['asked']
    assert found['rank-1'] > 60


def test_one_frame_any_order_and_all_frames_are_scored(recipe, finished):
    network = saved.load(finished.folder)
    sets = trials(recipe().data, ['asked'])
    whole, single, shuffled = (
        score.scores(network, sets, way=way)['asked'] for way in ('whole', 'single', 'shuffled')
    )
    # Its maximum over frames knows no order.
    assert shuffled['rank-1'] == whole['rank-1']
    rows = np.arange(6)
    walks = sets['asked'].walks
    vectors = [score.vectors(network, walks, rows, way=way) for way in ('whole', 'single')]
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4
    assert np.linalg.norm(vectors[0], axis=1) == pytest.approx(1, abs=1e-5)
    assert single['queries'] == whole['queries']


def test_scores_of_walks_of_many_lengths_are_those_of_each_alone(recipe, finished):
    network = saved.load(finished.folder)
    walks = trials(recipe().data, ['asked'])['asked'].walks

    class Cut:
        labels = walks.labels

        def length(self, row):
            return 1 + row % 5

        def frames(self, row, which):
            return walks.frames(row, which)

    rows = np.arange(12)
    together = score.vectors(network, Cut(), rows)
    for row in (3, 7, 11):
        whole = torch.from_numpy(walks.frames(row, np.arange(1 + row % 5)))[None]
        with torch.no_grad():
            alone = network.vector(network(whole).embedding)[0].numpy()
        assert together[row] == pytest.approx(alone, abs=1e-5)


def test_a_closer_look_is_kept_apart_from_the_one_test(recipe, finished):
    first = final.final_scores(finished.folder)
    assert json.loads((finished.folder / 'test.json').read_text())['test'] == first
    closer = final.closer(finished.folder)
    assert list(closer['asked']) == ['whole', 'single', 'shuffled']
    assert closer['asked']['whole']['rank-1'] == first['asked']['rank-1']


def test_a_table_says_what_gait_networks_go_by(finished, tmp_path, capsys):
    out = tmp_path / 'table.json'
    words = ['train', 'table', str(finished.folder), '--sets', 'asked', '--quiet']
    assert cli.main([*words, '--out', str(out)]) == 0
    (row,) = json.loads(out.read_text())['rows']
    assert list(row['test']['asked']) == ['whole', 'single', 'shuffled']
    assert row['gflops'] > 0
    assert any('fewer than' in gate for gate in row['gates_failed'])
    assert 'shuffled' in capsys.readouterr().out
    assert cli.main([*words, '--frames', '4']) == 2
    assert '--frames has no meaning' in capsys.readouterr().err


def test_a_student_listens_to_its_teacher_and_asks_it_once(recipe, finished, tmp_path):
    taught = recipe(distil__teachers=[str(finished.folder)], net__width=3, run__log_steps=1)
    done = learn(taught, tmp_path / 'a')
    first = done.scores['teacher_calls']
    assert first > 0
    assert done.scores['positive'][0]['mean'] > 0
    rows = (tmp_path / 'a' / 'curves.csv').read_text().splitlines()
    assert {'decision', 'boundary'} <= set(rows[0].split(','))
    again = learn(replace(taught, run=replace(taught.run, seed=0)), tmp_path / 'b')
    assert again.scores['teacher_calls'] == 0, 'all answers were stored'
    assert (tmp_path / 'a' / trained.WEIGHTS).read_bytes() == (
        tmp_path / 'b' / trained.WEIGHTS
    ).read_bytes()
    live = learn(recipe(**{**_taught(finished), 'data__views': 0}), tmp_path / 'c')
    assert live.scores['teacher_calls'] == 8, 'every step asks'
    watched = learn(recipe(**_taught(finished), distil__attention=1.0), tmp_path / 'd')
    assert watched.scores['teacher_calls'] == 8, 'maps are not stored'


def _taught(finished):
    return {'distil__teachers': [str(finished.folder)], 'net__width': 3}


def test_stored_answers_are_what_the_teacher_says(recipe, finished, tmp_path):
    """So a student learns the same of a store as of the network itself."""
    found = []
    for number, store in enumerate(('', str(tmp_path / 'store'))):
        taught = replace(recipe(**_taught(finished)), store=store)
        folder = tmp_path / str(number)
        found.append(learn(taught, folder).scores['validation'])
    assert found[0] == found[1]
    assert any((tmp_path / 'store' / 'answers').iterdir())


def test_teachers_of_other_people_and_unfinished_ones_are_refused(recipe, finished, tmp_path):
    with pytest.raises(TrainError, match='of a gait network'):
        learn(recipe(distil__teachers=[str(tmp_path)]), tmp_path / 'a')
    fewer = recipe(**_taught(finished), data__sets__few__held_out=0.25, data__people=3)
    with pytest.raises(TeacherError, match='learnt from other people'):
        learn(fewer, tmp_path / 'b')


def test_a_start_gives_its_weights_but_for_the_classifier(recipe, finished):
    state = saved.load(finished.folder).state_dict()
    begun = walking._started(recipe(start=str(finished.folder)), 7)
    for name, value in begun.state_dict().items():
        if name.startswith('classifier.'):
            assert value.shape[-1] == 7
        else:
            assert torch.equal(value, state[name]), name
    with pytest.raises(TrainError, match='is not the network'):
        walking._started(recipe(start=str(finished.folder), net__width=3), 7)


def test_batches_are_the_same_for_all_who_ask(recipe):
    source = learnt(recipe().data)
    batches = GaitBatches(recipe(), source)
    one, other = batches[3], GaitBatches(recipe(net__width=9), source)[3]
    assert torch.equal(one.walks, other.walks)
    assert one.walks.shape == (8, 3, 64, 44)
    assert one.walks.dtype == torch.uint8
    assert np.bincount(one.people.numpy()).tolist() == [2, 2, 2, 2]
    assert set(one.views.tolist()) <= {0, 1}
    other = GaitBatches(recipe(run__seed=1), source)[3]
    assert not torch.equal(one.walks, other.walks)
    row, view = int(one.rows[5]), int(one.views[5])
    assert torch.equal(torch.from_numpy(batches.walk(row, view)), one.walks[5])


def test_frames_are_chosen_in_order_from_one_window_or_at_will(recipe):
    data = recipe().data
    draw = np.random.default_rng(0)
    for _ in range(50):
        which = chosen(10, data, draw)
        assert len(which) == 3
        assert (np.diff(which) > 0).all()
        assert which[-1] - which[0] <= 3
        assert 0 <= which[0] <= which[-1] < 10
    assert {int(chosen(10, data, draw)[0]) for _ in range(200)} >= {0, 6}
    assert chosen(2, data, draw).tolist() == [0, 1, 0], 'a short walk begins again'
    free = replace(data, ordered=False)
    found = [chosen(10, free, draw) for _ in range(50)]
    assert all(len(set(which.tolist())) == 3 for which in found)
    assert any((np.diff(which) < 0).any() for which in found)
    assert len(chosen(2, free, draw)) == 3


def test_a_study_of_gait_ends_in_a_table_with_its_gates(path, finished, tmp_path):
    queue = path.parent / 'queue.yaml'
    queue.write_text(QUEUE.replace('TEACHER', str(finished.folder)))
    plan = ablate.read(queue)
    assert plan.teachers == {'pair': finished.folder}
    records = ablate.run(plan, tmp_path / 'out')
    assert [record.get('failed') for record in records] == [None] * 4
    content = ablate.document(plan, tmp_path / 'out', 'x')
    rows = {row['arm']: row for row in content['rows'] if row['split'] == 'test'}
    assert set(rows) == {'alone', 'both', 'feature'}
    assert rows['alone']['headline - this, rank-1']['pairs'] == 1
    assert any('not 50 to 85' in gate or 'the teacher' in gate for gate in rows['both']['gates'])
    assert content['teachers']['teacher']['validation']['asked']['people'] == 4
    assert content['cells'][1]['flops'] == content['cells'][0]['flops']


def test_the_commands_train_score_and_export_gait(path, tmp_path, capsys, monkeypatch):
    out = str(tmp_path / 'out')
    words = ['train', 'run', str(path), '--out', out, '--quiet', '--test']
    words += ['--set', 'optim.steps=2']
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert 'rank-1' in said
    assert 'coat' in said
    assert '48 probes of 4 people' in said
    target = tmp_path / 'walker.onnx'
    assert cli.main(['export', out, '--out', str(target), '--quiet']) == 0
    assert 'walks of silhouettes' in capsys.readouterr().out
    card = json.loads(target.with_suffix('.json').read_text())
    assert card['kind'] == 'gait'
    assert (tmp_path / card['head']).is_file()
    # The worlds themselves take minutes; that they are asked and their answer is kept is shown.
    asked = []

    def fitted(embedder, tell, walks):
        asked.append((embedder, walks()))
        return CAUTIOUS, None

    monkeypatch.setattr(fitting, 'fitted', fitted)
    assert cli.main(['export', out, '--out', str(target), '--rendered', '--quiet']) == 0
    card = json.loads(target.with_suffix('.json').read_text())
    assert card['calibration'] == CAUTIOUS.to_json()
    assert card['command'].endswith('--rendered')
    assert asked[0][0] is None
    assert asked[0][1].gaits.card.sha256 == card['sha256']
    capsys.readouterr()
    assert cli.main(['export', out, '--out', str(target), '--clip', '4']) == 2
    assert 'no meaning for a gait network' in capsys.readouterr().err
