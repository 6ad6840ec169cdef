"""Trainings of person search learn, go on after a kill, and become files that a robot runs."""

import json

import numpy as np
import onnx
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from search_recipes import QUEUE, RECIPE, TWO_STAGE  # noqa: E402
from search_trees import prw  # noqa: E402

from reid_ros import cli  # noqa: E402
from reid_ros.card import Card  # noqa: E402
from reid_ros.config import DetectConfig  # noqa: E402
from reid_ros.detect import Detector  # noqa: E402
from reid_ros.model import Model  # noqa: E402
from reid_ros.train import ablate, curves, loop  # noqa: E402
from reid_ros.train import saved as trained  # noqa: E402
from reid_ros.train.artefact import Wanted, refuse_loss  # noqa: E402
from reid_ros.train.checkpoint import TrainError  # noqa: E402
from reid_ros.train.export import ExportError  # noqa: E402
from reid_ros.train.search import (  # noqa: E402
    artefact,
    final,
    saved,
    score,
    searching,
    settings,
    worth,
)
from reid_ros.train.search.data.sources import trials  # noqa: E402
from reid_ros.train.search.export import Asker  # noqa: E402
from reid_ros.types import Frame  # noqa: E402

pytestmark = pytest.mark.slow


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
    (folder / 'recipe.yaml').write_text(RECIPE.replace('ROOT', str(prw(folder / 'prw'))))
    return folder / 'recipe.yaml'


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


@pytest.fixture(scope='module')
def able(path, tmp_path_factory):
    """A network that finds bars."""
    changes = {'optim.steps': 50, 'run.score_steps': 50, 'optim.rate': 4e-3, 'net.width': 32}
    return learn(settings.read(path, changes), tmp_path_factory.mktemp('able'))


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

    own = settings.read(path, {**changes, 'run.save_s': 0.0})
    with pytest.raises(Stop):
        learn(own, tmp_path / 'a', stop)
    assert (tmp_path / 'a' / loop.CHECKPOINT).is_file()
    again = learn(own, tmp_path / 'a')
    whole = (staged if changes else finished).folder
    assert (again.folder / trained.WEIGHTS).read_bytes() == (whole / trained.WEIGHTS).read_bytes()
    with pytest.raises(TrainError, match=r'optim\.steps'):
        learn(settings.read(path, {**changes, 'optim.steps': 9}), tmp_path / 'a')


def test_training_finds_people_whom_it_never_saw(able):
    found = able.scores['validation']['asked']
    assert found['detection AP'] > 40
    assert found['detection recall'] > 60


def test_the_test_is_looked_at_once(able):
    first = final.final_scores(able.folder)
    assert first['asked']['mAP'] == able.scores['validation']['asked']['mAP']
    (able.folder / trained.RECIPE).rename(able.folder / 'away')
    assert final.final_scores(able.folder) == first, 'read, not looked at'
    (able.folder / 'away').rename(able.folder / trained.RECIPE)


@pytest.fixture(scope='module')
def file(able, tmp_path_factory):
    """What the command makes of it; torch takes long for that, so it is made once."""
    path = tmp_path_factory.mktemp('exported') / 'search.onnx'
    assert cli.main(['export', str(able.folder), '--out', str(path), '--quiet']) == 0
    return path


def test_a_robot_finds_the_same_people_with_the_same_vectors(able, file, path):
    card = Card.read(file.with_suffix('.json'))
    assert (card.kind, card.output.decoder, card.output.vector) == ('search', 'search', 16)
    assert card.training['precision'] == 'fp32'
    told = card.training['validation']['asked']['detection AP']
    wanted = able.scores['validation']['asked']['detection AP']
    assert told == pytest.approx(wanted, abs=0.1)
    image = trials(settings.read(path).data, ['asked'])['asked'].pictures.image(0)
    model = Model.load(file, card, backend='cpu', threads=1)
    frames = [Frame(camera, 0, image) for camera in 'ab']
    one, two = Detector(model, DetectConfig(score=0.05, nms_iou=0.5), True).detect(frames)
    assert len(one.boxes)
    assert one.boxes == pytest.approx(two.boxes)
    network = saved.load(able.folder)
    network.rescale(**card.training['logits'])
    with torch.no_grad():
        own = network.detect(torch.from_numpy(image)[None])
    assert one.scores[0] == pytest.approx(own.scores[0, 0].item(), abs=1e-3)
    assert one.boxes[0] == pytest.approx(own.boxes[0, 0].numpy(), abs=0.05)
    assert one.vectors[0] == pytest.approx(own.vectors[0, 0].numpy(), abs=1e-3)


def test_smaller_numbers_still_find_people_and_nobody_loses_much_unseen(file, path, able):
    recipe = settings.read(path)
    trial = trials(recipe.data, ['asked'])['asked']
    limits = score.limits(recipe.data)
    plain = onnx.load(file)
    full = worth.look(Asker(plain, 1).people, trial, limits)
    sizes = {}
    for precision in ('fp16', 'int8'):
        shown = artefact.some(trial.pictures, 4)
        found = artefact.lowered(plain, precision, shown)
        sizes[precision] = found.ByteSize() / plain.ByteSize()
        seen = worth.look(Asker(found, 1).people, trial, limits)
        told = worth.scores({'a': trial}, {'a': seen}, limits)['a']
        wanted = worth.scores({'a': trial}, {'a': full}, limits)['a']
        assert told['detection AP'] == pytest.approx(wanted['detection AP'], abs=20)
    assert sizes['fp16'] < 0.6
    assert sizes['int8'] < 0.45
    with pytest.raises(ExportError, match='no training pictures'):
        artefact.lowered(plain, 'int8')
    lost = {'asked': {'rank-1': 50.0, 'mAP': 50.0}}
    best = {'asked': {'rank-1': 51.0, 'mAP': 50.0}}
    with pytest.raises(ExportError, match=r'int8 loses 1\.00 points of rank-1'):
        refuse_loss(best, lost, Wanted('int8'))


def test_what_no_robot_can_run_is_not_exported(staged, path, tmp_path):
    with pytest.raises(ExportError, match=r'net\.head: two_stage'):
        artefact.exported(staged.folder, tmp_path / 'a.onnx', Wanted())
    alone = learn(settings.read(path, {'net.embed': 0, 'optim.steps': 1}), tmp_path / 'alone')
    assert set(alone.scores['validation']['asked']) == {
        'detection AP', 'detection recall', 'detection precision', 'pictures',
    }  # fmt: skip
    with pytest.raises(ExportError, match=r'net\.embed: 0'):
        artefact.exported(alone.folder, tmp_path / 'a.onnx', Wanted())
    assert not (tmp_path / 'a.onnx').exists()
    begun = settings.read(path, {'start': str(alone.folder), 'optim.steps': 1})
    assert learn(begun, tmp_path / 'begun').scores['validation']['asked']['queries'] == 6
    other = settings.read(path, {'start': str(alone.folder), 'net.width': 24})
    with pytest.raises(TrainError, match=r'net\.width: 24'):
        learn(other, tmp_path / 'other')


def test_commands_train_score_and_refuse(path, tmp_path, capsys):
    out = tmp_path / 'run'
    arguments = ['train', 'run', str(path), '--out', str(out), '--quiet', '--test']
    assert cli.main([*arguments, '--set', 'optim.steps=1']) == 0
    assert 'asked: top-1' in capsys.readouterr().out
    assert (out / 'test.json').is_file()
    command = ['export', str(out), '--out', str(tmp_path / 's.onnx'), '--quiet']
    assert cli.main([*command, '--clip', '4']) != 0
    assert 'clip has no meaning' in capsys.readouterr().err
    assert cli.main([*command, '--precision', 'int8-tensorrt']) != 0
    assert 'have fp32, fp16, int8' in capsys.readouterr().err


def test_a_study_trains_its_arms_and_judges_them(path, finished, tmp_path):
    queue = path.with_name('queue.yaml')
    queue.write_text(QUEUE.replace('TEACHER', str(finished.folder)))
    plan = ablate.read(queue)
    records = ablate.run(plan, tmp_path / 'out')
    assert [record.get('failed') for record in records] == [None] * 4
    told = {record['arm']: record for record in records if 'arm' in record}
    assert told['alone']['teacher_calls'] == told['table']['teacher_calls'] == 0
    assert told['both']['teacher_calls'] == 2
    assert sum(record['lookups'] for record in told.values()) == 1, 'one table for all'
    document = ablate.document(plan, tmp_path / 'out', 'command')
    rows = [row for row in document['rows'] if row['split'] == 'test']
    assert {row['arm'] for row in rows} == {'alone', 'both', 'table'}
    assert all(row['gates'] for row in rows), 'two steps prove nothing'
    assert np.isfinite([row['rank-1'] for row in rows]).all()


def test_a_table_says_what_is_lost_by_finding(finished, able, tmp_path, capsys):
    out = tmp_path / 'table.json'
    words = ['train', 'table', str(finished.folder), str(able.folder), '--quiet']
    assert cli.main([*words, '--detector', str(able.folder), '--out', str(out)]) == 0
    rows = json.loads(out.read_text())['rows']
    assert [row['name'] for row in rows] == [finished.folder.name, able.folder.name]
    boxes = rows[1]['boxes']['asked']
    assert list(boxes) == ['truth', 'joint', 'detector']
    assert (
        boxes['truth']['recall'] == 100 > boxes['joint']['recall'] == boxes['detector']['recall']
    )
    assert rows[1]['test']['asked']['detection AP'] > 0
    assert any('fewer than' in gate for gate in rows[0]['gates_failed'])
    assert 'truth' in capsys.readouterr().out
    assert cli.main([*words, '--frames', '4']) == 2
    assert '--frames has no meaning' in capsys.readouterr().err
