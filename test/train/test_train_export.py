"""An exported network answers what torch answers, fits its card, and serves a robot."""

import copy
import dataclasses
import json
from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
onnx = pytest.importorskip('onnx', reason='export needs onnx')

import exported as toys  # noqa: E402

from reid_ros import cli  # noqa: E402
from reid_ros.bench import fitting  # noqa: E402
from reid_ros.calibration import CAUTIOUS, Calibration  # noqa: E402
from reid_ros.card import Card, CardError, find, sha256  # noqa: E402
from reid_ros.embed import Embedder  # noqa: E402
from reid_ros.images import crop_batch  # noqa: E402
from reid_ros.model import Model  # noqa: E402
from reid_ros.train import artefact, export, saved, settings  # noqa: E402
from reid_ros.train.artefact import Data, Wanted  # noqa: E402
from reid_ros.train.export import ExportError  # noqa: E402
from reid_ros.train.history import history  # noqa: E402
from reid_ros.train.settings import Recipe  # noqa: E402
from reid_ros.types import Frame  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope='module')
def plain():
    """As training leaves it."""
    return toys.network().train().to(memory_format=torch.channels_last)


@pytest.fixture(scope='module')
def before(plain):
    return {name: value.clone() for name, value in plain.state_dict().items()}


@pytest.fixture(scope='module')
def trial():
    return toys.trial(people=36)


@pytest.fixture(scope='module')
def data(trial):
    return Data({'chosen': trial}, artefact.some(toys.Coloured(seed=1), 36))


@pytest.fixture(scope='module')
def graph(plain, before):
    return export.graph(plain)


@pytest.fixture
def traced(monkeypatch, graph):
    """`artefact` has the graph of `plain` already: tracing takes seconds."""
    monkeypatch.setattr(artefact, 'graph', lambda network, clip: graph)


def operators(graph):
    return Counter(node.op_type for node in graph.graph.node)


def answers(network, images):
    module = export.Crops(copy.deepcopy(network)).eval()
    with torch.inference_mode():
        return module(torch.from_numpy(images)).numpy()


def noise(*shape, seed=3):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['mobile_s', 'osnet_x0_25', 'resnet18', 'resnet26'])
def test_every_student_answers_as_in_torch(name):
    network = toys.thinned(toys.network(name, size=(64, 32)))
    found = export.graph(network)
    images = noise(3, 64, 32, 3)
    wanted = answers(network.eval(), images)
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(
        export.Runner(found, 1)(images), wanted, atol=1e-4 * max(1.0, np.abs(wanted).max())
    )
    assert not {'BatchNormalization', 'Identity', 'Dropout'} & set(operators(found))


@pytest.mark.slow
def test_a_teacher_with_attention_answers_as_in_torch():
    network = toys.thinned(toys.network('vit_small_stem')).eval()
    images = noise(3, 32, 16, 3)
    wanted = answers(network, images)
    found = export.Runner(export.graph(network), 1)(images)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * max(1.0, np.abs(wanted).max()))


def test_the_graph_is_what_old_runtimes_read_and_has_nothing_to_spare(graph):
    assert graph.ir_version == 8
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [('', 18)]
    entry, answer = graph.graph.input[0], graph.graph.output[0]
    assert (entry.name, answer.name) == ('images', 'vectors')
    kind = entry.type.tensor_type
    assert kind.elem_type == onnx.TensorProto.UINT8
    assert [axis.dim_param or axis.dim_value for axis in kind.shape.dim] == ['n', 32, 16, 3]
    assert answer.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert not {'BatchNormalization', 'Identity'} & set(operators(graph))
    assert operators(graph)['Conv'] == 3
    used = {name for node in graph.graph.node for name in node.input}
    assert {entry.name for entry in graph.graph.initializer} <= used
    text = str(graph)
    assert 'pkg.torch' not in text
    assert '.py' not in text


@pytest.mark.parametrize('number', [1, 2, 5, 9])
def test_any_number_of_crops_can_be_asked_at_once(plain, graph, number):
    images = noise(number, *toys.SIZE, 3)
    found = export.Runner(graph, 1)(images)
    np.testing.assert_allclose(found, answers(plain, images), atol=1e-4)
    assert found.shape == (number, 48)


def test_a_network_is_left_as_it_was(graph, plain, before):
    assert plain.training
    assert plain.encoder.inner.weight.is_contiguous(memory_format=torch.channels_last)
    assert not plain.encoder.inner.weight.is_contiguous()
    assert all(torch.equal(before[name], value) for name, value in plain.state_dict().items())


class Restless(toys.Tiny):
    def forward(self, images, cameras=None):
        return super().forward(images + torch.rand_like(images))


class Choosy(toys.Tiny):
    def forward(self, images, cameras=None):
        return super().forward(images if float(images.mean()) > 0 else -images)


@pytest.mark.parametrize(
    ('encoder', 'words'),
    [(Restless, 'differs from torch by .* and 0.0001 is allowed'), (Choosy, 'cannot be exported')],
)
def test_what_does_not_survive_the_export_is_refused(encoder, words):
    network = toys.network()
    network.encoder = encoder()
    with pytest.raises(ExportError, match=words):
        export.graph(network)


def test_a_network_of_clips_pools_over_time_as_in_torch(tmp_path, data, capsys):
    network = toys.network(temporal='attention').eval()
    path = tmp_path / 'clips.onnx'
    made = artefact.export(network, path, Wanted(clip=3, threads=1), data)
    clips = noise(4, 3, *toys.SIZE, 3)
    with torch.inference_mode():
        wanted = network(torch.from_numpy(clips)).vector.numpy()
    found = export.Runner(onnx.load(path), 1)(clips)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * max(1.0, np.abs(wanted).max()))
    frames = np.stack([answers(network, clip) for clip in clips])
    assert np.abs(frames.mean(1) - found).max() > 1e-2, 'the attention does nothing here'
    assert made.card.input.frames == 3
    assert not made.card.calibration
    assert cli.main(['models', 'check', str(path)]) == 0
    assert 'clips of 3' in capsys.readouterr().out
    with pytest.raises(CardError, match='takes clips of 3 frames'):
        find(str(path), 'appearance')


PRECISIONS = [
    ('fp32', 1.0, 0.9999999),
    ('fp16', 0.52, 0.99999),
    ('fp16-tensorrt', 0.52, 0.9999),
    ('int8', 0.31, 0.97),
    ('int8-tensorrt', 0.31, 0.97),
]


@pytest.mark.parametrize(('precision', 'share', 'cosine'), PRECISIONS)
def test_every_precision_fits_its_card_and_tells_people_apart(
    tmp_path, plain, traced, data, capsys, precision, share, cosine
):
    path = tmp_path / 'toy.onnx'
    wanted = Wanted(precision=precision, threads=1)
    made = artefact.export(plain, path, wanted, data)
    assert cli.main(['models', 'check', str(path), '--backend', 'cpu']) == 0
    capsys.readouterr()
    assert sorted(file.name for file in tmp_path.iterdir()) == ['toy.json', 'toy.onnx']
    weights = sum(value.numel() for value in plain.encoder.parameters())
    assert made.megabytes < 4e-6 * share * weights + 0.04
    images = data.crops
    wanted_vectors, found = answers(plain, images), export.Runner(onnx.load(path), 1)(images)
    found, wanted_vectors = found.astype(np.float64), wanted_vectors.astype(np.float64)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted_vectors, axis=1)
    assert ((found * wanted_vectors).sum(1) / lengths).min() > cosine
    assert made.full['chosen']['rank-1'] > 80
    assert made.scores['chosen']['rank-1'] >= made.full['chosen']['rank-1'] - 0.5
    assert made.card.training['precision'] == precision


def test_the_card_says_how_to_feed_it_and_what_its_angles_mean(tmp_path, plain, traced, data):
    path = tmp_path / 'toy.onnx'
    facts = {'encoder': 'tiny', 'commit': 'abc'}
    wanted = Wanted(name='student', note='for tests', command='reid_ros export x', threads=1)
    artefact.export(plain, path, wanted, data, facts)
    card = Card.read(path.with_suffix('.json'))
    assert (card.name, card.kind, card.file, card.licence) == (
        'student', 'appearance', 'toy.onnx', 'Apache-2.0',
    )  # fmt: skip
    entry = card.input
    assert (entry.layout, entry.dtype, entry.order, entry.fit) == (
        'NHWC',
        'uint8',
        'bgr',
        'stretch',
    )
    assert (entry.height, entry.width, card.output.vector) == (32, 16, 48)
    assert card.sha256 == sha256(path)
    assert card.note == 'for tests'
    assert card.command == 'reid_ros export x'
    assert card.training.items() >= facts.items()
    assert card.training['validation']['chosen']['rank-1'] > 80
    found = Calibration.from_json(card.calibration, 'card')
    for condition in (found.same_camera, found.cross_camera):
        assert condition.genuine.mean < condition.impostor.mean - 5
    assert found.cross_camera.genuine.mean > found.same_camera.genuine.mean
    assert found.cross_camera.impostor.left, 'the tail of strangers was measured and is not kept'


def test_a_robot_sees_with_it_what_training_saw(tmp_path, plain, traced, data):
    path = tmp_path / 'toy.onnx'
    card = artefact.export(plain, path, Wanted(threads=1), data).card
    image = noise(90, 70, 3)
    boxes = np.array([[5, 10, 45, 88], [20, 0, 60, 50]], np.float32)
    with Model.load(path, card, backend='cpu', threads=1) as model:
        found = Embedder(model).vectors([(Frame('a', 1, image), boxes)])[0]
    wanted = answers(plain, crop_batch(image, boxes, card.input))
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def left(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize(
    ('how', 'change', 'words'),
    [
        ({'megabytes': 0.01}, {}, r'would be \d\.\d+ MB, and 0.01 are allowed'),
        (
            {'precision': 'int8-tensorrt'},
            {'crops': np.full((8, *toys.SIZE, 3), 116, np.uint8)},  # nobody to be seen
            r'loses \d\.\d+ points of rank-1 on chosen \(100.00 to 9.* %\), and 0.5 are allowed',
        ),
        ({'precision': 'int8'}, {'crops': None}, 'no training crops to calibrate 8 bits on'),
        ({'precision': 'int8'}, {'trials': {}}, 'data.validation names no set'),
        ({'precision': 'fp16'}, {'trials': {}}, 'data.validation names no set'),
    ],
)
def test_a_refused_network_leaves_the_old_one_as_it_is(
    tmp_path, plain, traced, data, how, change, words
):
    path = tmp_path / 'toy.onnx'
    path.write_bytes(b'old')
    path.with_suffix('.json').write_bytes(b'card')
    before = left(tmp_path)
    with pytest.raises(ExportError, match=words):
        artefact.export(plain, path, Wanted(threads=1, **how), dataclasses.replace(data, **change))
    assert left(tmp_path) == before


def test_a_network_that_does_not_fit_its_card_is_not_written(tmp_path, plain, graph, monkeypatch):
    silent = onnx.ModelProto()
    silent.CopyFrom(graph)
    last = next(node for node in silent.graph.node if 'vectors' in node.output)
    for entry in silent.graph.initializer:
        if entry.name in last.input:
            zeros = np.zeros(entry.dims, np.float32)
            entry.CopyFrom(onnx.numpy_helper.from_array(zeros, entry.name))
    monkeypatch.setattr(artefact, 'graph', lambda network, clip: silent)
    with pytest.raises(ExportError, match='does not fit its card: a vector is all zero'):
        artefact.export(plain, tmp_path / 'toy.onnx', Wanted(threads=1), Data())
    assert not left(tmp_path)


def test_without_people_to_calibrate_on_it_says_so(tmp_path, plain, traced):
    made = artefact.export(plain, tmp_path / 'toy.onnx', Wanted(threads=1), Data())
    assert not made.card.calibration
    assert 'no calibration' in made.said[0]
    assert "'reid_ros calibrate --rendered'" in made.said[0]
    assert cli.main(['models', 'check', str(made.path)]) == 0


def test_a_precision_that_does_not_exist_is_refused():
    with pytest.raises(ExportError, match='choose fp32, fp16, fp16-tensorrt, int8, int8-tensorrt'):
        Wanted(precision='int4')


@pytest.mark.parametrize(
    ('training', 'out', 'words'),
    [
        ('nowhere', 'a.onnx', 'holds no recipe.yaml: it is no folder of a training'),
        ('begun', 'a.onnx', 'weights.safetensors is missing: finish that training'),
        ('begun', 'a.pt', 'the file must end in .onnx'),
        ('begun', 'gone/a.onnx', 'there is no folder'),
    ],
)
def test_what_cannot_be_exported_is_told(tmp_path, capsys, training, out, words):
    begun = tmp_path / 'begun'
    begun.mkdir()
    settings.write(Recipe(), begun / 'recipe.yaml')
    command = ['export', str(tmp_path / training), '--out', str(tmp_path / out), '--quiet']
    assert cli.main(command) == 2
    assert words in capsys.readouterr().err


RECIPE = {
    'data.sets': {
        'few': {'people': 4, 'cameras': 3, 'seen_by': 3, 'frames': 2, 'seed': 1},
        'chosen': {
            'split': 'validation', 'people': 6, 'cameras': 3, 'seen_by': 3, 'frames': 2, 'seed': 2,
        },
    },
    'data.train': ['few'],
    'data.validation': ['chosen'],
    'data.score_frames': 2,
    'data.height': 32,
    'data.width': 16,
    'net.encoder': 'resnet18',
    'net.embed': 32,
}  # fmt: skip


@pytest.mark.slow
def test_the_command_exports_a_training_and_prints_what_was_lost(tmp_path, capsys, monkeypatch):
    folder, path = tmp_path / 'training', tmp_path / 'student.onnx'
    folder.mkdir()
    kept = []
    monkeypatch.setattr(
        artefact,
        'graph',
        lambda network, clip: kept.append(export.graph(network, clip)) or kept[0],
    )
    file = tmp_path / 'recipe.yaml'
    file.write_text('{}')
    recipe = settings.read(file, {**RECIPE, 'data.cache': str(tmp_path / 'cache')})
    network = toys.network('resnet18', embed=32)
    settings.write(recipe, folder / 'recipe.yaml')
    saved.save(folder, network.state_dict())
    scores = {'command': 'reid_ros train run x', 'commit': 'abc', 'steps': 7}
    (folder / 'scores.json').write_text(json.dumps(scores))
    words = ['export', str(folder), '--out', str(path), '--quiet', '--threads', '1']
    limits = ['--max-rank1-loss', '100', '--max-map-loss', '100', '--crops', '16']
    assert cli.main([*words, '--precision', 'int8', *limits]) == 0
    said = capsys.readouterr().out
    assert 'MB, int8, 32 numbers of crops of 16 x 32' in said
    assert 'chosen: rank-1 ' in said
    assert ', lost ' in said
    card = Card.read(path.with_suffix('.json'))
    assert card.command.startswith(f'reid_ros export {folder} --out {path} --precision int8')
    facts = card.training
    assert facts['command'] == ['reid_ros train run x']
    assert (facts['commit'], facts['steps'], facts['encoder']) == ('abc', [7], 'resnet18')
    assert 'share' not in facts
    assert cli.main(['models', 'check', str(path)]) == 0
    capsys.readouterr()
    monkeypatch.setattr(artefact, 'graph', lambda network, clip: kept[-1])
    # The worlds themselves take minutes; that they are asked and their answer is kept is shown.
    asked = []
    monkeypatch.setattr(fitting, 'fitted', lambda who, tell: (asked.append(who), CAUTIOUS)[1:] * 2)
    assert cli.main([*words, '--precision', 'fp16', *limits, '--rendered', '--json']) == 0
    told = json.loads(capsys.readouterr().out)
    assert told['card']['calibration'] == CAUTIOUS.to_json()
    card = Card.read(path.with_suffix('.json'))
    assert card.calibration == CAUTIOUS.to_json()
    assert card.sha256 == sha256(path)
    assert asked[0].model.checksum == card.sha256


def test_the_history_names_every_training_that_led_to_a_network(tmp_path):
    pytest.importorskip('torch_pruning', reason='pruning needs torch-pruning')
    from reid_ros.train.prune.graph import slim, widths

    whole = toys.network('resnet18', embed=16)
    shorter = slim(whole, {found.name: np.arange(16) for found in widths(whole)[:1]})
    stages = {
        'dense': ({}, whole),
        'pruned': ({'start': str(tmp_path / 'dense'), 'prune.criterion': 'fpgm'}, shorter),
        'student': (
            {
                'start': str(tmp_path / 'pruned'),
                'distil.teacher': str(tmp_path / 'dense'),
                'distil.schedule': 'progressive',
                'run.seed': 3,
            },
            shorter,
        ),
    }
    base = tmp_path / 'base.yaml'
    base.write_text('{net: {encoder: resnet18, embed: 16}, data: {height: 32, width: 16}}')
    for name, (changes, network) in stages.items():
        (tmp_path / name).mkdir()
        settings.write(settings.read(base, changes), tmp_path / name / 'recipe.yaml')
        saved.save(tmp_path / name, network.state_dict())
        told = {'command': f'make {name}', 'steps': len(name), 'commit': name}
        (tmp_path / name / 'scores.json').write_text(json.dumps(told))
    folder = tmp_path / 'student'
    facts = history(folder, saved.recipe(folder), saved.load(folder))
    assert facts['criterion'] == 'fpgm'
    assert 0.5 < facts['share'] < 1
    assert (facts['teacher'], facts['schedule'], facts['seed']) == ('resnet18', 'progressive', 3)
    assert facts['command'] == ['make dense', 'make pruned', 'make student']
    assert facts['steps'] == [5, 6, 7]
    assert facts['commit'] == 'student'
    moved = tmp_path / 'elsewhere'
    moved.mkdir()
    for name in stages:
        (tmp_path / name).rename(moved / name)
    folder = moved / 'student'
    assert history(folder, saved.recipe(folder), saved.load(folder)) == facts
    (moved / 'dense').rename(tmp_path / 'dense')
    alone = history(folder, saved.recipe(folder), saved.load(folder))
    assert alone['criterion'] == 'fpgm'
    assert alone['command'] == facts['command']
    dense = history(tmp_path / 'dense', saved.recipe(tmp_path / 'dense'), whole)
    assert not {'criterion', 'share', 'teacher'} & set(dense)
    assert dense['flops'] > facts['flops']
    assert dense['parameters'] > facts['parameters']
