"""Which crops are worth a look, and the vectors of those."""

import cv2
import networks
import numpy as np
import onnxruntime
import pytest
from people import NS, tracks

from reid_ros.card import Card
from reid_ros.config import EmbedConfig
from reid_ros.embed import FIRST_CROPS, GATE, Embedder, Glances, Schedule, look_at, quality
from reid_ros.model import Model
from reid_ros.types import Detections, Frame

WIDTH, HEIGHT = 640, 480
WHOLE = (100, 100, 160, 280)


def value(*boxes, **columns):
    """Qualities of boxes in one image."""
    found = quality(tracks(range(1, len(boxes) + 1), boxes, **columns), WIDTH, HEIGHT, 24)
    return found.tolist()


# -- quality -------------------------------------------------------------------------------------


def test_a_whole_person_is_worth_most_then_a_cut_then_a_covered_then_a_tiny_one():
    (whole,) = value(WHOLE)
    (cut,) = value((0, 100, 60, 280))
    covered, nearer = value(WHOLE, (110, 110, 170, 300))
    (tiny,) = value((100, 100, 106, 118))
    assert whole == pytest.approx(0.9)
    assert whole > cut > covered > tiny == 0
    assert nearer == pytest.approx(whole)


def test_only_the_one_behind_is_covered():
    behind, before = value((100, 100, 160, 250), (120, 100, 180, 280))
    assert behind < 0.5
    assert before == pytest.approx(0.9)


def test_the_more_is_covered_the_less_it_is_worth():
    values = [value(WHOLE, (160 - x, 100, 220 - x, 300))[0] for x in (0, 15, 30, 45, 60)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(0.9)
    assert values[-1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize('box', [(0, 100, 60, 280), (580, 100, 640, 280), (100, 300, 160, 480)])
def test_a_person_cut_by_the_image_is_worth_less(box):
    assert value(box)[0] < 0.7 * value(WHOLE)[0]


def test_a_person_whose_head_touches_the_upper_edge_is_whole():
    assert value((100, 0, 160, 180)) == value(WHOLE)


def test_smaller_people_are_worth_less_down_to_the_smallest_that_counts():
    values = [value((100, 100, 100 + h / 3, 100 + h))[0] for h in (200, 128, 64, 32, 24, 23)]
    assert values[0] == values[1]
    assert values[1:] == sorted(values[1:], reverse=True)
    assert values[-2] > 0
    assert values[-1] == 0


def test_a_shape_that_is_no_standing_person_is_worth_less():
    assert value((100, 100, 280, 280))[0] < value(WHOLE)[0]
    assert value((100, 100, 120, 280))[0] < value(WHOLE)[0]


def test_predicted_boxes_are_worth_nothing_and_hide_nobody():
    alone = value(WHOLE)[0]
    found = value(WHOLE, (110, 110, 170, 300), visible=[True, False])
    assert found == [pytest.approx(alone), 0.0]
    assert value(WHOLE, visible=[False]) == [0.0]


def test_a_surer_detection_is_worth_more_and_nothing_is_worth_more_than_one():
    assert value(WHOLE, scores=[0.5])[0] == pytest.approx(0.5)
    assert value(WHOLE, scores=[7.0])[0] == pytest.approx(1.0)


def test_nobody_has_no_quality():
    assert value() == []


@pytest.mark.parametrize('seed', range(3))
def test_quality_lies_between_nothing_and_one_wherever_boxes_lie(seed):
    draw = np.random.default_rng(seed)
    low = draw.uniform(-100, 600, (200, 2))
    boxes = np.hstack([low, low + draw.uniform(0, 300, (200, 2))])
    found = np.array(value(*boxes, visible=draw.random(200) < 0.8))
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()


# -- schedule ------------------------------------------------------------------------------------


class Watch:
    """Asks a schedule at 20 Hz about tracks with the given qualities."""

    def __init__(self, start_ns=0, **config):
        self.schedule = Schedule(EmbedConfig(**config))
        self.now_ns = start_ns

    def frame(self, qualities, boxes=None, ids=None, **columns):
        n = len(qualities)
        boxes = boxes or [(200 * i, 100, 200 * i + 60, 280) for i in range(n)]
        found = tracks(range(1, n + 1) if ids is None else ids, boxes, **columns)
        due = self.schedule.due(found, np.array(qualities, np.float32), self.now_ns)
        self.now_ns += NS // 20
        return due.tolist()

    def looks(self, seconds, *args, **kwargs):
        """Times in seconds at which track 1 was due."""
        start = self.now_ns
        result = []
        while self.now_ns < start + seconds * NS:
            at = (self.now_ns - start) / NS
            if 0 in self.frame(*args, **kwargs):
                result.append(at)
        return result


def test_a_new_track_is_looked_at_often_and_then_once_a_period():
    times = Watch(period_s=0.5).looks(3, [0.8])
    assert times[:FIRST_CROPS] == pytest.approx([k / 10 for k in range(FIRST_CROPS)])
    assert np.diff(times[FIRST_CROPS - 1 :]) == pytest.approx(0.5)


def test_a_clearly_better_crop_is_looked_at_at_once():
    watch = Watch(period_s=60)
    watch.looks(3, [0.4])
    assert watch.frame([0.45]) == []
    assert watch.frame([0.6]) == [0]
    watch.looks(1, [0.4])
    assert watch.frame([0.7]) == []


def test_a_track_that_is_about_to_be_hidden_is_looked_at():
    apart = [(100, 100, 160, 280), (300, 100, 360, 280)]
    touching = [(100, 100, 160, 280), (152, 100, 212, 280)]
    hidden = [(100, 100, 160, 280), (105, 100, 165, 280)]
    watch = Watch(period_s=60)
    watch.looks(3, [0.8, 0.8], apart)
    assert watch.frame([0.8, 0.8], apart) == []
    assert watch.frame([0.8, 0.8], touching) == [0, 1]
    watch.looks(1, [0.8, 0.8], hidden)
    assert watch.looks(1, [0.8, 0.8], hidden) == []


def test_bad_crops_and_tracks_on_probation_are_not_looked_at():
    watch = Watch()
    assert watch.looks(2, [GATE - 0.01]) == []
    assert watch.looks(2, [0.9], confirmed=[False]) == []
    assert watch.frame([0.9]) == [0]


def test_each_track_has_its_own_times():
    watch = Watch()
    watch.looks(2, [0.8])
    assert 1 in watch.frame([0.8, 0.8])


def test_ended_tracks_are_forgotten():
    watch = Watch(period_s=60)
    for number in range(1, 200):
        assert watch.frame([0.8], ids=[number], ended=[number - 1]) == [0]
    assert len(watch.schedule._looked) == 1


@pytest.mark.parametrize('start_ns', [0, 1, 1_763_700_000_123_456_789])
def test_the_schedule_does_not_depend_on_absolute_time(start_ns):
    assert Watch(start_ns).looks(4, [0.6]) == Watch(5 * NS).looks(4, [0.6])


def test_an_empty_frame_asks_for_nothing():
    due = Watch().frame([])
    assert due == []


# -- vectors -------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def embedder(tmp_path_factory):
    path = networks.convolutions(tmp_path_factory.mktemp('net') / 'toy.onnx')
    card = networks.appearance(
        input={'height': 32, 'width': 16, 'mean': [120, 110, 100], 'std': [60, 50, 40]},
        output={'vector': 24},
    )
    with Model.load(path, Card.of(card), backend='cpu', max_batch=4) as model:
        yield Embedder(model)


def image(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
    return cv2.resize(noise, (WIDTH, HEIGHT))


def plain(embedder, frame, box):
    """One crop through the same network by plain numpy."""
    x0, y0, x1, y1 = box
    crop = cv2.resize(frame.image[y0:y1, x0:x1], (16, 32))
    if frame.order == 'bgr':
        crop = crop[..., ::-1]
    wide = (crop.astype(np.float32) - [120, 110, 100]) / [60, 50, 40]
    session = onnxruntime.InferenceSession(
        str(embedder.model.path), providers=['CPUExecutionProvider']
    )
    vector = session.run(None, {'image': wide.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize('order', ['bgr', 'rgb'])
def test_vectors_are_those_of_plain_numpy_one_crop_at_a_time(embedder, order):
    frames = [Frame('hall', 0, image(0), order=order), Frame('yard', 0, image(1), order=order)]
    boxes = [
        [(10, 20, 70, 200), (300, 100, 380, 400)],
        [(0, 0, 64, 128), (500, 300, 640, 480), (320, 200, 336, 232)],
    ]
    found = embedder.vectors([(f, np.array(b, np.float32)) for f, b in zip(frames, boxes)])
    for frame, places, vectors in zip(frames, boxes, found):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
        for box, vector in zip(places, vectors):
            np.testing.assert_allclose(vector, plain(embedder, frame, box), atol=2e-3)


def test_a_vector_does_not_depend_on_what_else_is_in_the_batch(embedder):
    frame = Frame('hall', 0, image(2))
    boxes = np.array([(i * 40, 10, i * 40 + 50, 150) for i in range(11)], np.float32)
    (together,) = embedder.vectors([(frame, boxes)])
    alone = np.concatenate([embedder.vectors([(frame, box[None])])[0] for box in boxes])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_frames_without_crops_keep_their_place(embedder):
    frame = Frame('hall', 0, image(3))
    nobody = np.empty((0, 4), np.float32)
    one = np.array([[10, 20, 70, 200]], np.float32)
    found = embedder.vectors([(frame, nobody), (frame, one), (frame, nobody)])
    assert [len(vectors) for vectors in found] == [0, 1, 0]
    assert [len(vectors) for vectors in embedder.vectors([(frame, nobody)])] == [0]
    assert embedder.vectors([]) == []


def test_boxes_beyond_the_image_give_vectors_of_what_is_inside(embedder):
    frame = Frame('hall', 0, image(4))
    boxes = np.array([(-50, -50, 60, 100), (600, 400, 900, 700)], np.float32)
    inside = np.array([(0, 0, 60, 100), (600, 400, 640, 480)], np.float32)
    beyond, within = embedder.vectors([(frame, boxes), (frame, inside)])
    np.testing.assert_allclose(beyond, within, atol=1e-5)


def test_a_network_that_answers_nothing_gives_nan_and_no_warning(tmp_path):
    path = networks.constant(
        tmp_path / 'zero.onnx', {'vector': np.zeros((1, 3), np.float32)}, height=8, width=4
    )
    with Model.load(path, Card.of(networks.appearance('zero')), backend='cpu') as model:
        (found,) = Embedder(model).vectors(
            [(Frame('hall', 0, image(5)), np.array([[10, 20, 70, 200]], np.float32))]
        )
    assert np.isnan(found).all()


# -- glances -------------------------------------------------------------------------------------


class Counted:
    """An embedder that counts the crops it is asked for."""

    def __init__(self, embedder):
        self.embedder, self.crops = embedder, 0

    def vectors(self, wanted):
        self.crops += sum(len(boxes) for _, boxes in wanted)
        return self.embedder.vectors(wanted)


def glance(embedder, count=3, vectors=None):
    image = np.random.default_rng(count).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    boxes = np.array([(50 * k, 20, 50 * k + 40, 120) for k in range(count)], np.float32)
    found = Detections(boxes, np.full(count, 0.9, np.float32), vectors)
    return Glances(Frame('hall', 0, image), found, embedder)


def test_every_detection_is_embedded_at_most_once(embedder):
    counted = Counted(embedder)
    first = glance(counted)
    some = first(np.array([2]))
    again = first(np.array([2, 0]))
    assert counted.crops == 2
    assert np.array_equal(again[0], some[0])
    alone = embedder.vectors([(first.frame, first.boxes)])[0]
    assert np.allclose(again, alone[[2, 0]], atol=1e-6)


def test_what_several_frames_lack_is_one_batch(embedder):
    counted = Counted(embedder)
    frames = [glance(counted, 3), glance(counted, 2), glance(counted, 4)]
    frames[0](np.array([1]))
    found = look_at(counted, frames, [np.array([0, 1]), np.zeros(0, np.int64), np.array([3])])
    assert [len(vectors) for vectors in found] == [2, 0, 1]
    assert counted.crops == 3
    assert np.isfinite(found[0]).all()
    assert np.isfinite(found[2]).all()


def test_vectors_of_the_detector_itself_are_taken():
    own = np.eye(3, 8, dtype=np.float32)
    found = look_at(None, [glance(None, 3, own)], [np.array([2, 0])])
    assert np.array_equal(found[0], own[[2, 0]])
