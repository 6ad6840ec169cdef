"""Two graphs of a gait network: they answer as torch does, fit their card, and serve a robot."""

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
onnx = pytest.importorskip('onnx', reason='export needs onnx')

from test_gait_nets import settle  # noqa: E402

from reid_ros import cli  # noqa: E402
from reid_ros.calibration import Calibration, angles  # noqa: E402
from reid_ros.card import find, head_of, sha256  # noqa: E402
from reid_ros.model import Model  # noqa: E402
from reid_ros.train.artefact import Wanted  # noqa: E402
from reid_ros.train.export import ExportError, Runner  # noqa: E402
from reid_ros.train.gait import artefact, worth  # noqa: E402
from reid_ros.train.gait.configs import GaitDistilConfig, GaitNetConfig  # noqa: E402
from reid_ros.train.gait.data.sequences import GaitTrial, Labels, Question  # noqa: E402
from reid_ros.train.gait.distillation import GaitDistillation  # noqa: E402
from reid_ros.train.gait.export import Pair, Walker, apart, graphs  # noqa: E402
from reid_ros.train.gait.nets.network import GaitNetwork  # noqa: E402
from reid_ros.world.seeds import generator  # noqa: E402

torch.set_num_threads(1)

pytestmark = pytest.mark.slow

ALL = Wanted(frames=0)


class Bars:
    """Walks of people, each a bar of their own that swings; views and walks only shift it."""

    def __init__(self, people=14, seed=0):
        rows = [
            (who, condition, walk, view)
            for who in range(people)
            for condition, walk in (('normal', 0), ('normal', 1), ('bag', 0), ('coat', 0))
            for view in (0, 90)
        ]
        who, conditions, walks, views = zip(*rows)
        self.labels = Labels(np.array(who), np.array(views), conditions, np.array(walks))
        self.lengths = np.array([5 + k % 3 for k in range(len(rows))])
        self.rows, self.seed = rows, seed

    def length(self, row):
        return int(self.lengths[row])

    def frames(self, row, which):
        who, condition, _, view = self.rows[row]
        draw = generator('train', 'gait bars', self.seed, row)
        masks = np.zeros((int(self.lengths[row]), 64, 44), np.uint8)
        for t, mask in enumerate(masks):
            wide, low = 4 + who % 5, 8 + 3 * (who % 14)
            left = 12 + 2 * t + view // 45 + draw.integers(0, 2)
            mask[4:60, 18 : 18 + wide] = 255
            mask[low : low + 5, left : left + 8] = 255
            mask[20:24, : 4 * (condition == 'bag')] = 255
        return masks[which]


@pytest.fixture(scope='module')
def network():
    """As training leaves it: a student that has learnt something by way of projections."""
    torch.manual_seed(1)
    student = settle(GaitNetwork(GaitNetConfig(width=6, parts=8, embed=16), 30)).train()
    teacher = GaitNetwork(GaitNetConfig(width=8, parts=4, embed=9), 30).eval()
    terms = GaitDistillation(GaitDistilConfig(boundary=1.0), student, [teacher], 16.0)
    walks = torch.randint(0, 256, (4, 2, 64, 44), dtype=torch.uint8)
    learnt = [*student.parameters(), *terms.parameters()]
    loss = terms(student(walks), [teacher(walks)], torch.arange(4)).total
    with torch.no_grad():
        for weight, slope in zip(learnt, torch.autograd.grad(loss, learnt)):
            weight -= 0.01 * slope
    assert sum(p.numel() for p in terms.parameters()) == 8 * 16 * 9
    return student.to(memory_format=torch.channels_last)


@pytest.fixture(scope='module')
def before(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.fixture(scope='module')
def pair(network, before):
    return graphs(network)


@pytest.fixture(scope='module')
def trial():
    walks = Bars()
    words = np.array(walks.labels.conditions)
    stored = (words == 'normal') & (walks.labels.walks == 0)
    questions = [
        Question(name, np.flatnonzero((words == name) & ~stored), np.flatnonzero(stored))
        for name in ('normal', 'bag', 'coat')
    ]
    return GaitTrial(walks, tuple(questions))


@pytest.fixture
def traced(monkeypatch, pair):
    """Tracing takes seconds, and it is the same network."""
    monkeypatch.setattr(artefact, 'graphs', lambda network: pair)


def test_the_graphs_say_what_goes_in_and_comes_out(pair):
    def said(value):
        kind = value.type.tensor_type
        return (
            value.name, kind.elem_type, [d.dim_param or d.dim_value for d in kind.shape.dim],
        )  # fmt: skip

    frames, head = pair.frames.graph, pair.head.graph
    assert [said(v) for v in frames.input] == [('masks', onnx.TensorProto.UINT8, ['n', 64, 44])]
    assert [said(v) for v in frames.output] == [
        ('features', onnx.TensorProto.FLOAT, ['n', 48, 16, 11])
    ]
    assert [said(v) for v in head.input] == [
        ('features', onnx.TensorProto.FLOAT, ['n', 48, 16, 11])
    ]
    assert [said(v) for v in head.output] == [('vector', onnx.TensorProto.FLOAT, ['n', 128])]


def test_nothing_of_training_and_no_projection_is_in_the_graphs(network, pair):
    names = [v.name for part in (pair.frames, pair.head) for v in part.graph.initializer]
    assert not [name for name in names if 'neck' in name or 'classifier' in name]
    held = sum(np.prod(v.dims) for p in (pair.frames, pair.head) for v in p.graph.initializer)
    # Weights of convolutions, biases that batch normalisation became, and a handful of shapes.
    convolutions = [p for p in network.encoder.parameters() if p.ndim > 1]
    norms = [m for m in network.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    wanted = sum(p.numel() for p in convolutions) + sum(m.num_features for m in norms)
    wanted += network.embed.weight.numel() + network.length  # the neck is a shift of the layer
    assert wanted <= held < wanted + 32


def test_the_maximum_of_features_gives_the_vector_of_the_whole_network(network, pair):
    plain = network.__class__(network.settings, 30)
    plain.load_state_dict(network.state_dict())
    plain.eval()
    walk = Bars(seed=3).frames(9, np.arange(5))
    with torch.inference_mode():
        whole = plain.vector(plain(torch.from_numpy(walk)[None]).embedding).numpy()
    frames, head = Runner(pair.frames), Runner(pair.head)
    window = frames(walk[:1])
    for k in range(1, len(walk)):
        window = np.maximum(window, frames(walk[k : k + 1]))
    assert np.abs(head(window) - whole).max() < 1e-4
    assert np.abs(Walker(pair)([walk, walk[:2]])[0] - whole[0]).max() < 1e-4
    assert apart(pair, plain) < 1e-4
    other = onnx.ModelProto()
    other.CopyFrom(pair.frames)
    weights = next(v for v in other.graph.initializer if len(v.dims) == 4)
    values = onnx.numpy_helper.to_array(weights) * 1.01
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    assert apart(Pair(other, pair.head), plain) > 1e-4


def test_exporting_leaves_the_network_alone(network, before, pair):
    assert network.training
    assert network.encoder.stem.conv.weight.is_contiguous(memory_format=torch.channels_last)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize('encoder', ['p3d', 'transformer'])
def test_a_network_of_whole_walks_cannot_be_exported(encoder):
    network = GaitNetwork(GaitNetConfig(encoder=encoder, width=8, parts=1, embed=4), 3)
    with pytest.raises(ExportError, match="distil it into a student of encoder 'base'"):
        graphs(network)


def test_an_export_is_two_graphs_and_a_card_that_fit(network, trial, traced, tmp_path, capsys):
    path = tmp_path / 'walk.onnx'
    command = 'reid_ros export out/student --out walk.onnx'
    wanted = dataclasses.replace(ALL, command=command, note='a toy')
    made = artefact.export(network, path, wanted, {'bars': trial}, None, {'steps': 7})
    found, card = find(str(path), 'gait')
    assert found == path
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'walk.json', 'walk.onnx', 'walk_head.onnx',
    ]  # fmt: skip
    data = json.loads((tmp_path / 'walk.json').read_text())
    assert data['kind'] == 'gait'
    assert data['head'] == 'walk_head.onnx'
    assert data['output'] == {'vector': 128}
    entry = {key: data['input'][key] for key in ('layout', 'height', 'width', 'dtype')}
    assert entry == {'layout': 'NHW', 'height': 64, 'width': 44, 'dtype': 'uint8'}
    assert card.sha256 == sha256(path)
    assert (card.command, card.note, card.name) == (command, 'a toy', 'walk')
    facts = {'encoder': 'base', 'width': 6, 'parts': 8, 'steps': 7, 'precision': 'fp32'}
    assert facts.items() <= card.training.items()
    assert card.training['validation'] == made.scores
    assert set(made.scores['bars']) == {
        'rank-1', 'mAP', 'rank-1 normal', 'rank-1 bag', 'rank-1 coat',
    }  # fmt: skip
    assert cli.main(['models', 'check', str(path)]) == 0
    assert 'vector of length 128, norm 1' in capsys.readouterr().out


def test_the_card_is_calibrated_on_the_walks_of_validation_people(
    network, trial, pair, traced, tmp_path
):
    made = artefact.export(network, tmp_path / 'walk.onnx', ALL, {'bars': trial})
    found = Calibration.from_json(made.card.calibration, 'the card')
    walks = trial.walks
    rows = [walks.frames(k, np.arange(n)) for k, n in enumerate(walks.lengths)]
    vectors = Walker(pair)(rows)
    between = angles(vectors @ vectors.T)
    first, second = np.triu_indices(len(vectors), 1)
    one = walks.labels.people[first] == walks.labels.people[second]
    within = walks.labels.views[first] == walks.labels.views[second]
    for condition, rest in ((found.same_camera, within), (found.cross_camera, within | True)):
        for spread, chosen in ((condition.genuine, one), (condition.impostor, ~one)):
            wanted = between[first[rest & chosen], second[rest & chosen]].mean()
            assert spread.mean == pytest.approx(wanted, abs=0.01)
            assert spread.n == 14
    assert not made.said


def test_people_of_two_sets_are_not_mixed_up(pair):
    walks = [Bars(4, seed=seed) for seed in (0, 1)]
    trials = {
        str(k): GaitTrial(one, (Question('any', np.arange(2, 32), np.arange(2)),))
        for k, one in enumerate(walks)
    }
    seen = {name: worth.look(Walker(pair), trial.walks) for name, trial in trials.items()}
    found = worth.calibration(trials, seen)
    assert found.cross_camera.genuine.n == 8
    assert found.cross_camera.impostor.n == 8
    alone = worth.calibration({'0': trials['0']}, seen)
    assert alone.cross_camera.genuine.n == 4


def test_without_validation_the_card_has_no_calibration_and_says_so(network, traced, tmp_path):
    made = artefact.export(network, tmp_path / 'walk.onnx', ALL, {})
    assert made.card.calibration == {}
    assert 'data.validation names no set' in made.said[0]


@pytest.mark.parametrize('precision', ['fp16', 'int8'])
def test_a_lower_precision_is_smaller_and_says_what_it_loses(
    network, trial, traced, tmp_path, precision
):
    wanted = dataclasses.replace(ALL, precision=precision, rank1_loss=100, map_loss=100, crops=64)
    full = artefact.export(network, tmp_path / 'full.onnx', ALL, {'bars': trial})
    made = artefact.export(network, tmp_path / 'small.onnx', wanted, {'bars': trial}, Bars(seed=1))
    assert made.megabytes < 0.7 * full.megabytes
    assert made.full == full.scores
    lost = {k: round(v - made.scores['bars'][k], 2) for k, v in full.scores['bars'].items()}
    assert made.card.training['lost'] == {'bars': lost}
    path, card = find(str(tmp_path / 'small.onnx'), 'gait')
    walk = trial.walks.frames(4, np.arange(5))
    vectors = []
    for place, one in ((path, card), find(str(tmp_path / 'full.onnx'), 'gait')):
        with Model.load(place, one, backend='cpu') as frames:
            features = frames.infer(walk)[0]
        with Model.load(*head_of(place, one, features.shape[1:]), backend='cpu') as head:
            vectors.append(head.infer(features.max(axis=0)[None])[0][0])
    assert vectors[0] @ vectors[1] > 0.99


@pytest.mark.parametrize(
    ('changes', 'with_trial', 'said'),
    [
        ({'precision': 'int8-tensorrt'}, True, 'choose fp32, fp16, int8'),
        ({'clip': 4}, True, 'without --clip'),
        ({'precision': 'fp16'}, False, 'data.validation names no set'),
        ({'precision': 'int8'}, True, 'no training walks'),
        (
            {'precision': 'fp16', 'rank1_loss': -1.0},
            True,
            'fp16 loses .* points of rank-1 on bars',
        ),
        ({'megabytes': 0.01}, True, r'would be 0\.\d+ MB, and 0\.01 are allowed'),
    ],
)
def test_what_cannot_be_exported_leaves_no_file(
    network, trial, traced, tmp_path, changes, with_trial, said
):
    wanted = dataclasses.replace(ALL, **changes)
    trials = {'bars': trial} if with_trial else {}
    with pytest.raises(ExportError, match=said):
        artefact.export(network, tmp_path / 'walk.onnx', wanted, trials)
    assert list(tmp_path.iterdir()) == []


def test_frames_of_calibration_come_from_all_walks_and_moments():
    walks = Bars()
    found = artefact.some(walks, 1000)
    assert found.shape == (112, 64, 44)
    assert np.array_equal(found[7], walks.frames(7, np.array([7 % walks.lengths[7]]))[0])
    assert artefact.some(walks, 10).shape == (10, 64, 44)
