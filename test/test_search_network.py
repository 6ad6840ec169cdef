"""One network that finds people and tells their looks in a single pass."""

import dataclasses
import json

import cv2
import networks
import numpy as np
import pytest
from people import CLEAR, NS

from reid_ros import cli, loading
from reid_ros.boxes import iou
from reid_ros.card import Card, CardError
from reid_ros.config import Config, DetectConfig, build
from reid_ros.decode import decoder
from reid_ros.detect import Detector
from reid_ros.doctor import probes
from reid_ros.model import Model
from reid_ros.pipeline import Pipeline
from reid_ros.spot import Spotter
from reid_ros.types import Detections, Frame

RED, GREEN, BLUE, YELLOW = ((220, 40, 40), (40, 220, 40), (40, 40, 220), (210, 210, 40))


@pytest.fixture
def toy(tmp_path):
    """A search network that finds blocks of colour."""
    return network(tmp_path, 'toy')


def network(folder, name, **entries):
    path = networks.blobs(folder / f'{name}.onnx')
    networks.write(folder, networks.search(name, calibration=CLEAR.to_json(), **entries))
    return path


def config(path, **settings):
    model = {'detector': str(path), 'appearance': str(path), **settings.pop('model', {})}
    return build(Config, {'backend': 'cpu', 'model': model, **settings})


def picture(*people, width=640, height=480):
    """(height, width, 3) rgb, a block of colour per (colour, x): 60 x 200 pixels of 640 x 480."""
    result = np.full((height, width, 3), 90, np.uint8)
    sx, sy = width / 640, height / 480
    for colour, x in people:
        x0, y0, x1, y1 = box(x)
        result[round(y0 * sy) : round(y1 * sy), round(x0 * sx) : round(x1 * sx)] = colour
    return result


def box(x):
    return x, 180, x + 60, 380


def frame(camera, stamp_ns, *people, index=0, **size):
    return Frame(camera, stamp_ns, picture(*people, **size), index, order='rgb')


def looking(path, config=None, looks=True):
    return Detector(Model.load(path, cardof(path), backend='cpu'), config or DetectConfig(), looks)


def cardof(path):
    return Card.read(path.with_suffix('.json'))


class Counted:
    """A model that counts how often it is asked."""

    def __init__(self, model):
        self.calls = self.images = 0
        self._model = model

    def __getattr__(self, name):
        return getattr(self._model, name)

    def infer(self, batch):
        self.calls += 1
        self.images += len(batch)
        return self._model.infer(batch)


def counted(pipeline):
    """The pipeline's one network, from now on counted."""
    result = pipeline.detector.model = Counted(pipeline.detector.model)
    return result


class Film:
    """Steps a pipeline at 10 Hz."""

    def __init__(self, pipeline):
        self.pipeline, self.now_ns, self.moments = pipeline, 0, []

    def play(self, seconds, **cast):
        for _ in range(round(10 * seconds)):
            frames = [frame(camera, self.now_ns, *who) for camera, who in cast.items()]
            self.moments.append(self.pipeline.step(frames))
            self.now_ns += NS // 10
        return self.moments[-1]

    def number(self, camera, x):
        found = next(s for s in self.moments[-1].sightings if s.camera == camera)
        return int(found.persons[np.argmin(np.abs(found.boxes[:, 0] - x))])


# -- the card and its outputs --------------------------------------------------------------------


@pytest.mark.parametrize(
    ('entries', 'words'),
    [
        ({'output': {'vector': 0}}, 'output.vector: missing; say how long the vectors'),
        ({'output': {'decoder': 'yolov8'}}, "'yolov8' does not go with a network of kind search"),
        ({'kind': 'detector'}, "'search' does not go with a network of kind detector"),
    ],
)
def test_a_card_that_contradicts_itself_is_told(entries, words):
    with pytest.raises(CardError, match=words):
        Card.of(networks.search(**entries))


def test_rows_with_nobody_are_no_people_even_where_every_score_passes():
    boxes = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    scores = np.array([[0.0, 0.4, 0.9]], np.float32)
    vectors = np.array([[[0, 0, 0], [3, 4, 0], [0, 0, 0]]], np.float32)
    reader = decoder(Card.of(networks.search()))
    for least, rows in ((0.0, [1, 2]), (0.5, [2])):
        found, likely = reader.read([boxes, scores, vectors], least)[0]
        looks = reader.vectors([boxes, scores, vectors], least)[0]
        np.testing.assert_array_equal(found, boxes[0, rows])
        np.testing.assert_array_equal(likely, scores[0, rows])
        assert len(looks) == len(rows)
    assert np.isnan(looks).all(), 'a vector without length has no direction'
    np.testing.assert_allclose(
        reader.vectors([boxes, scores, vectors], 0.0)[0][0], [0.6, 0.8, 0.0]
    )


def test_each_box_keeps_its_own_vector_through_order_suppression_and_border(tmp_path):
    """Twelve places: twins, weak ones, one outside the picture, in no order."""
    boxes = np.zeros((1, 12, 4), np.float32)
    scores = np.zeros((1, 12), np.float32)
    vectors = np.tile(np.eye(12, dtype=np.float32), (1, 1, 1))
    for row, (x, score) in {9: (0, 0.5), 2: (40, 0.9), 7: (42, 0.8), 4: (20, 0.7)}.items():
        boxes[0, row], scores[0, row] = (x, 20, x + 15, 60), score
    boxes[0, 11], scores[0, 11] = (70, 0, 90, 60), 0.95
    path = networks.constant(
        tmp_path / 'toy.onnx', {'boxes': boxes, 'scores': scores, 'vectors': vectors}
    )
    size = {'height': 64, 'width': 64, 'dtype': 'float32', 'fit': 'stretch'}
    networks.write(tmp_path, networks.search(input=size, output={'vector': 12}))
    found = looking(path).detect([frame('a', 0, width=128, height=128)])[0]
    np.testing.assert_allclose(found.scores, [0.9, 0.7, 0.5])
    assert found.vectors.argmax(axis=1).tolist() == [2, 4, 9]
    np.testing.assert_allclose(found.boxes[0], [80, 40, 110, 120])
    assert looking(path, looks=False).detect([frame('a', 0)])[0].vectors is None


def test_boxes_and_vectors_are_the_pictures_own_in_a_batch_of_cameras_of_all_sizes(toy):
    wide = frame('wide', 0, (RED, 80), (BLUE, 400), width=960, height=400)
    tall = frame('tall', 0, (GREEN, 300), width=300, height=400)
    nobody = frame('empty', 0)
    find = looking(toy)
    first, second, third = find.detect([wide, tall, nobody])
    assert (len(first), len(second), len(third)) == (2, 1, 0)
    drawn = np.array(box(300)) * np.tile([300 / 640, 400 / 480], 2)
    np.testing.assert_allclose(second.boxes[0], drawn, atol=5)
    order = np.argsort(first.boxes[:, 0])
    red, blue = first.vectors[order]
    green = second.vectors[0]
    assert (red.argmax(), green.argmax(), blue.argmax()) == (0, 1, 2)
    for one, alone in zip((wide, tall), (first, second)):
        again = find.detect([one])[0]
        np.testing.assert_allclose(again.boxes, alone.boxes)
        np.testing.assert_allclose(again.vectors, alone.vectors, atol=1e-6)


@pytest.mark.parametrize('layout', ['NCHW', 'NHWC'])
def test_either_layout_is_fed_as_the_card_says(tmp_path, layout):
    path = networks.blobs(tmp_path / 'toy.onnx', layout=layout)
    networks.write(tmp_path, networks.search(input={'layout': layout}))
    found = looking(path).detect([frame('a', 0, (RED, 200))])[0]
    assert iou(found.boxes, np.array([box(200)], np.float32))[0, 0] > 0.85
    assert found.vectors[0].argmax() == 0


# -- the pipeline --------------------------------------------------------------------------------


def test_one_pass_finds_people_and_knows_them_again_in_the_other_camera(toy):
    with Pipeline.load(config(toy)) as pipeline:
        model = counted(pipeline)
        film = Film(pipeline)
        film.play(3, hall=[(RED, 100), (GREEN, 400)], door=[(BLUE, 50)])
        assert model.calls == 30, 'one inference a moment, nothing for the vectors'
        assert model.images == 60
        red, green = film.number('hall', 100), film.number('hall', 400)
        assert len({red, green, film.number('door', 50), 0}) == 4
        film.play(1, hall=[], door=[])
        film.play(2, hall=[(BLUE, 300)], door=[(GREEN, 200)])
        assert film.number('door', 200) == green
        assert pipeline.facts()['detector'] == pipeline.facts()['appearance'] == 'toy'


def test_the_vectors_of_a_gallery_are_bound_to_the_search_network(tmp_path, toy):
    settings = config(toy, gallery={'path': str(tmp_path / 'g.sqlite')})
    with Pipeline.load(settings) as pipeline:
        Film(pipeline).play(3, hall=[(RED, 100)])
        assert pipeline.embedder.model.checksum == pipeline.detector.model.checksum
    parts = loading.parts(settings)
    assert parts.looks_id.name == 'toy'
    assert parts.looks_id.length == 3
    assert parts.looks_id.sha256 == pipeline.detector.model.checksum
    assert parts.calibration == CLEAR


def test_the_same_network_by_its_name_and_by_its_path_is_one(toy, monkeypatch):
    monkeypatch.chdir(toy.parent)
    by_path = config(toy, model={'appearance': './toy.onnx'})
    parts = loading.parts(by_path)
    assert parts.embedder.model is parts.detector.model


def test_as_a_plain_detector_it_leaves_looks_to_the_other_network(tmp_path, toy):
    networks.means(tmp_path / 'mean.onnx')
    networks.write(tmp_path, networks.appearance('mean', calibration=CLEAR.to_json()))
    settings = config(toy, model={'appearance': str(tmp_path / 'mean.onnx')})
    with Pipeline.load(settings) as pipeline:
        assert not pipeline.detector.looks
        film = Film(pipeline)
        film.play(2, hall=[(RED, 100)], door=[(RED, 300)])
        assert film.number('hall', 100) == film.number('door', 300) != 0
        assert pipeline.facts()['appearance'] == 'mean'


def test_without_recognition_no_vector_is_read(toy):
    with Pipeline.load(config(toy, model={'appearance': 'none'})) as pipeline:
        film = Film(pipeline)
        film.play(2, hall=[(RED, 100)])
        assert [len(o.rows) for o in pipeline.observations] == [0]


def test_people_found_by_somebody_else_get_the_vector_that_the_network_has_for_them(toy):
    """One camera brings boxes, the other none; the same person is the same in both."""
    with Pipeline.load(config(toy)) as pipeline:
        model = counted(pipeline)
        for i in range(20):
            boxes = np.array([box(100), (500, 20, 560, 220)], np.float32)
            given = Detections(boxes + i % 3, np.full(2, 0.9, np.float32))
            there = dataclasses.replace(frame('table', i * NS // 10, (RED, 100)), detections=given)
            moment = pipeline.step([frame('own', i * NS // 10, (RED, 320)), there])
        own, table = moment.sightings
        assert len(table) == 2
        assert own.persons.tolist() == [table.persons[0]] != [0]
        assert table.persons[1] != own.persons[0], 'where it finds nobody, nobody is known'
        assert 20 < model.calls < 40, 'the table camera is looked at when a track is due'


def test_one_person_never_lends_the_vector_to_two_boxes(toy):
    spotter = Spotter(looking(toy))
    one = frame('a', 0, (RED, 100), (BLUE, 300))
    x0, y0, x1, y1 = box(100)
    boxes = [(x0, y0, x1, y1), (x0 + 8, y0, x1 + 8, y1), box(300), box(500)]
    (vectors,) = spotter.vectors([(one, np.array(boxes, np.float32))])
    assert np.isfinite(vectors).all(axis=1).tolist() == [True, False, True, False]
    assert (vectors[0].argmax(), vectors[2].argmax()) == (0, 2)
    nothing, rest = np.empty((0, 4), np.float32), np.array(boxes[2:], np.float32)
    empty, same = spotter.vectors([(one, nothing), (one, rest)])
    assert empty.shape == (0, 3)
    np.testing.assert_array_equal(same[0], vectors[2])


def test_who_is_cut_off_or_covered_gives_no_vector(toy):
    """A box that the picture cuts below and at the side is too poor to be learnt from."""
    learnt = []
    with Pipeline.load(config(toy)) as pipeline:
        for i in range(5):
            image = picture((GREEN, 300))
            image[400:480, 0:30] = RED  # the upper part of somebody, in the corner
            shown = Frame('hall', i * NS // 10, image, order='rgb')
            pipeline.step([shown])
            (seen,) = pipeline.observations
            assert len(seen.tracks) == 2
            learnt.append((seen.tracks.boxes[seen.rows, 0] > 200).tolist())
        assert [row for rows in learnt for row in rows] == [True] * sum(map(len, learnt))
        assert sum(map(len, learnt)) >= 3


# -- the commands --------------------------------------------------------------------------------


def test_models_describe_and_check_know_the_kind(toy, capsys, tmp_path):
    assert cli.main(['models', 'describe', str(toy)]) == 0
    said = capsys.readouterr().out
    assert 'a vector of 3 numbers of each person' in said
    assert cli.main(['models', 'check', str(toy), '--json']) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict['ok']
    assert any('finds' in line for line in verdict['fits'])


def test_check_looks_at_the_vectors_of_a_real_crowd_of_colours(toy, capsys, tmp_path):
    people = [(RED, 40), (GREEN, 200), (BLUE, 360), (YELLOW, 520)]
    cv2.imwrite(str(tmp_path / 'crowd.png'), picture(*people)[..., ::-1])
    assert cli.main(['models', 'check', str(toy), '--image', str(tmp_path / 'crowd.png')]) == 0
    said = capsys.readouterr().out
    assert 'finds 4 people above 0.25' in said
    assert 'vectors of length 3; cosines among 4 people from -' in said


def test_one_vector_for_everybody_is_a_problem(tmp_path, capsys):
    boxes = np.array([[[0, 0, 9, 30], [20, 0, 29, 30]]], np.float32)
    outputs = {
        'boxes': boxes,
        'scores': np.full((1, 2), 0.9, np.float32),
        'vectors': np.ones((1, 2, 3), np.float32),
    }
    path = networks.constant(tmp_path / 'toy.onnx', outputs)
    size = {'height': 64, 'width': 64, 'dtype': 'float32'}
    networks.write(tmp_path, networks.search(input=size))
    assert cli.main(['models', 'check', str(path)]) == 2
    assert 'one vector for 2 people' in capsys.readouterr().out


def test_the_doctor_takes_it_for_either(toy):
    for kind in ('detector', 'appearance'):
        facts = probes.network(str(toy), kind)
        assert (facts['card'], facts['calibrated']) == ('toy', True)


def folder_of(path, *moments):
    """A folder of pictures, one per moment."""
    path.mkdir()
    for i, people in enumerate(moments):
        cv2.imwrite(str(path / f'{i:03d}.png'), picture(*people)[..., ::-1])
    return str(path)


def test_run_takes_one_network_in_the_place_of_both(tmp_path, toy, capsys):
    hall = folder_of(tmp_path / 'hall', *[[(RED, 100 + 4 * i), (GREEN, 400)] for i in range(25)])
    yard = folder_of(tmp_path / 'yard', *[[(GREEN, 100 + 4 * i)] for i in range(25)])
    out = str(tmp_path / 'out')
    call = ['run', hall, yard, '--rate', '10', '--out', out, '--no-video', '--quiet', '--json']
    assert cli.main([*call, '--model', str(toy), '--backend', 'cpu']) == 0
    told = json.loads(capsys.readouterr().out)
    seen = sorted(sorted(c['camera'] for c in p['cameras']) for p in told['persons'])
    assert seen == [['hall'], ['hall', 'yard']]
    assert told['ran']['detector'] == told['ran']['appearance'] == 'toy'


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--model', 'TOY', '--detector', 'yolox_nano'], 'in the place of --detector'),
        (['--model', 'appearance'], 'is of kind appearance and cannot serve as a search network'),
        (['--model', 'no_such'], "no model 'no_such'"),
    ],
)
def test_what_does_not_go_together_is_told(tmp_path, toy, capsys, words, said):
    hall = folder_of(tmp_path / 'hall', [(RED, 100)])
    words = [str(toy) if word == 'TOY' else word for word in words]
    assert cli.main(['run', hall, '--out', str(tmp_path / 'out'), *words]) == 2
    assert said in capsys.readouterr().err
