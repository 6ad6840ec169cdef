"""From frames to persons: the order of the rooms, with real networks."""

import dataclasses
import sqlite3
from collections import Counter

import cv2
import networks
import numpy as np
import onnxruntime
import pytest
from people import CLEAR, NS, figures
from samples import data

from reid_ros.config import Config, ConfigError, build
from reid_ros.gallery import GalleryError
from reid_ros.gallery_store import GalleryStore
from reid_ros.pipeline import Pipeline
from reid_ros.types import Detections, Frame, ReidError

# A person is a block of colour; the network answers its mean colour.
RED, GREEN, BLUE = (250, 20, 20), (20, 250, 20), (20, 20, 250)
WHERE = {RED: (40, 60, 100, 220), GREEN: (180, 60, 240, 220), BLUE: (320, 60, 380, 220)}


@pytest.fixture
def toy(tmp_path):
    """An appearance network that answers the mean colour of a crop."""
    return _network(tmp_path, 'toy')


def _network(folder, name, **entries):
    path = networks.means(folder / f'{name}.onnx')
    networks.write(folder, networks.appearance(name, calibration=CLEAR.to_json(), **entries))
    return path


def config(appearance, **settings):
    model = {'detector': 'none', 'appearance': str(appearance)}
    return build(Config, {'backend': 'cpu', 'model': model, **settings})


def image(*colours):
    picture = np.full((300, 480, 3), 90, np.uint8)
    for colour in colours:
        x0, y0, x1, y1 = WHERE[colour]
        picture[y0:y1, x0:x1] = colour
    return picture


def detections(*colours, vectors=None):
    boxes = np.array([WHERE[colour] for colour in colours], np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(boxes), 0.9, np.float32), vectors)


def frame(camera, stamp_ns, *colours, index=0):
    return Frame(
        camera, stamp_ns, image(*colours), index, order='rgb', detections=detections(*colours)
    )


class Film:
    """Steps a pipeline at 10 Hz."""

    def __init__(self, pipeline, start_ns=1000 * NS):
        self.pipeline = pipeline
        self.now_ns = start_ns
        self.moments = []

    def play(self, seconds, **cast):
        for _ in range(round(seconds * 10)):
            frames = [frame(camera, self.now_ns, *who) for camera, who in cast.items()]
            self.moments.append(self.pipeline.step(frames))
            self.now_ns += NS // 10
        return self.moments[-1]

    def number(self, camera, colour):
        found = next(s for s in self.moments[-1].sightings if s.camera == camera)
        row = np.argmin(np.abs(found.boxes - WHERE[colour]).sum(axis=1))
        return int(found.persons[row])

    @property
    def events(self):
        return [event for moment in self.moments for event in moment.events]


# -- moments -------------------------------------------------------------------------------------


def test_people_get_one_number_over_all_cameras(toy):
    with Pipeline.load(config(toy)) as pipeline:
        film = Film(pipeline)
        film.play(3, hall=[RED, GREEN], door=[GREEN, BLUE])
        assert film.number('hall', GREEN) == film.number('door', GREEN)
        numbers = {film.number('hall', RED), film.number('hall', GREEN), film.number('door', BLUE)}
        assert len(numbers - {0}) == 3


def test_a_moment_answers_in_the_order_of_its_frames(toy):
    with Pipeline.load(config(toy)) as pipeline:
        for i in range(20):
            frames = [
                frame('yard', i * NS // 10, RED, index=i + 7),
                frame('hall', i * NS // 10 + 1000, GREEN, BLUE, index=i),
            ]
            moment = pipeline.step(frames)
        assert [(s.camera, s.stamp_ns, s.index) for s in moment.sightings] == [
            (f.camera, f.stamp_ns, f.index) for f in frames
        ]
        assert [len(s) for s in moment.sightings] == [1, 2]
        np.testing.assert_allclose(moment.sightings[1].boxes[0], WHERE[GREEN], atol=2)
        assert moment.sightings[0].persons.dtype == np.uint32
        assert set(moment.cost_s) == {'detect', 'track', 'embed', 'identify'}
        assert all(cost >= 0 for cost in moment.cost_s.values())


def test_a_camera_may_miss_moments_and_come_back(toy):
    with Pipeline.load(config(toy)) as pipeline:
        film = Film(pipeline)
        film.play(2, hall=[RED], door=[RED])
        number = film.number('hall', RED)
        film.play(5, door=[RED])
        film.play(2, hall=[RED])
        film.play(2, hall=[RED], door=[RED])
        assert film.number('hall', RED) == film.number('door', RED) == number
        assert len(pipeline.gallery) == 1


def test_empty_moments_and_empty_frames_are_fine(toy):
    with Pipeline.load(config(toy)) as pipeline:
        assert pipeline.step([]).sightings == []
        film = Film(pipeline)
        moment = film.play(1, hall=[])
        assert len(moment.sightings[0]) == 0
        assert film.events == []


def test_who_left_is_recognised_on_return(toy):
    with Pipeline.load(config(toy)) as pipeline:
        film = Film(pipeline)
        film.play(3, hall=[RED])
        number = film.number('hall', RED)
        film.play(2, hall=[])
        film.now_ns += 60 * NS
        film.play(2, hall=[GREEN, RED])
        assert film.number('hall', RED) == number
        assert film.number('hall', GREEN) not in (0, number)
        assert [e.kind for e in film.events] == [
            'born', 'confirmed', 'lost', 'reacquired', 'born', 'confirmed',
        ]  # fmt: skip


def test_the_same_frames_twice_give_the_same_answers_bit_by_bit(toy):
    def run():
        with Pipeline.load(config(toy)) as pipeline:
            film = Film(pipeline)
            film.play(3, hall=[RED, GREEN], door=[GREEN])
            film.play(2, hall=[], door=[BLUE])
            film.play(2, hall=[BLUE, RED], door=[RED])
        return film

    first, second = run(), run()
    assert first.events == second.events
    for one, two in zip(first.moments, second.moments):
        for a, b in zip(one.sightings, two.sightings):
            for field in dataclasses.fields(a):
                left, right = getattr(a, field.name), getattr(b, field.name)
                if isinstance(left, np.ndarray):
                    assert left.tobytes() == right.tobytes()
                else:
                    assert left == right


def test_without_an_appearance_network_tracks_are_still_told_apart():
    with Pipeline.load(config('none')) as pipeline:
        film = Film(pipeline)
        film.play(3, hall=[RED, GREEN])
        assert {film.number('hall', RED), film.number('hall', GREEN)} == {1, 2}
        assert pipeline.facts()['appearance'] == 'none'


def test_vectors_that_come_with_the_detections_are_used():
    looks = {colour: f.look for colour, f in zip(WHERE, figures('a', 'b', 'c'))}

    def moment(pipeline, stamp_ns, *colours):
        vectors = np.array([looks[c] for c in colours], np.float32).reshape(-1, 64)
        found = detections(*colours, vectors=vectors)
        return pipeline.step([Frame('hall', stamp_ns, image(), detections=found)])

    with Pipeline(config('none'), calibration=CLEAR) as pipeline:
        for i in range(20):
            first = moment(pipeline, i * NS // 10, RED, GREEN)
        for i in range(20, 50):
            moment(pipeline, i * NS // 10)
        for i in range(1000, 1020):
            last = moment(pipeline, i * NS // 10, GREEN)
        assert last.sightings[0].persons.tolist() == first.sightings[0].persons[1:].tolist()


def test_a_real_detector_finds_who_brings_no_detections(tmp_path, toy):
    rows = np.array([[[5, 8, 14, 28, 0.9, 0], [40, 8, 49, 28, 0.8, 1]]], np.float32)
    networks.constant(tmp_path / 'eye.onnx', {'found': rows})
    card = networks.detector('yolo_nms', 'eye', input={'fit': 'letterbox_topleft'})
    networks.write(tmp_path, card)
    settings = config(toy)
    model = dataclasses.replace(settings.model, detector=str(tmp_path / 'eye.onnx'))
    with Pipeline.load(dataclasses.replace(settings, model=model)) as pipeline:
        for i in range(20):
            stamp = i * NS // 10
            bare = Frame('hall', stamp, np.full((512, 512, 3), 90, np.uint8))
            moment = pipeline.step([bare, frame('yard', stamp, RED)])
        hall, yard = moment.sightings
        np.testing.assert_allclose(hall.boxes, [[40, 64, 112, 224]], atol=1)
        np.testing.assert_allclose(yard.boxes, [WHERE[RED]], atol=1)
        assert pipeline.facts()['detector'] == 'eye'


# -- refusals ------------------------------------------------------------------------------------


def test_a_network_that_cannot_run_a_crowd_is_refused_before_the_crowd_comes(tmp_path):
    path = networks.alone(tmp_path / 'look.onnx')
    networks.write(tmp_path, networks.appearance('look', calibration=CLEAR.to_json()))
    with pytest.raises(ReidError, match='fails with 2 images at once'):
        Pipeline.load(config(path))
    with Pipeline.load(config(path, max_batch=1)) as pipeline:
        found = pipeline.step([frame('hall', 0, RED, GREEN)])
    assert len(found.sightings) == 1


def test_two_frames_of_one_camera_are_refused(toy):
    with Pipeline.load(config(toy)) as pipeline, pytest.raises(ValueError, match='two frames'):
        pipeline.step([frame('hall', 0, RED), frame('hall', 1, RED)])


def test_a_stamp_that_runs_backwards_is_refused_until_the_camera_is_reset(toy):
    with Pipeline.load(config(toy)) as pipeline:
        film = Film(pipeline)
        film.play(3, hall=[RED])
        number = film.number('hall', RED)
        with pytest.raises(ValueError, match='before the last frame'):
            pipeline.step([frame('hall', film.now_ns - NS, RED)])
        film.now_ns -= 500 * NS
        pipeline.reset_camera('hall')
        film.play(2, hall=[RED])
        assert film.number('hall', RED) == number


def test_a_refused_moment_leaves_the_other_cameras_as_they_were(toy):
    """The good camera stands before the bad one in the moment, and its next frame is older."""
    with Pipeline.load(config(toy)) as pipeline:
        film = Film(pipeline)
        film.play(2, hall=[RED], door=[GREEN])
        late = [frame('hall', film.now_ns + NS, RED), frame('door', film.now_ns - NS, GREEN)]
        with pytest.raises(ValueError, match='before the last frame'):
            pipeline.step(late)
        film.play(1, hall=[RED], door=[GREEN])
        assert len(pipeline.gallery) == 2


def test_a_frame_without_detections_needs_a_detector(toy):
    with (
        Pipeline.load(config(toy)) as pipeline,
        pytest.raises(ValueError, match=r'camera hall brings no detections .* model\.detector'),
    ):
        pipeline.step([Frame('hall', 0, image(RED))])


def test_a_gallery_needs_an_appearance_network(tmp_path):
    with pytest.raises(ConfigError, match=r'gallery\.path is set but model\.appearance'):
        Pipeline.load(config('none', gallery={'path': str(tmp_path / 'g.sqlite')}))


def test_a_camera_that_does_not_exist_is_refused_and_the_gallery_let_go(tmp_path, toy):
    path = tmp_path / 'g.sqlite'
    settings = {
        'gallery': {'path': str(path)},
        'camera_names': ['hall'],
        'topology': {'overlap': ['hall cellar']},
    }
    with pytest.raises(ConfigError, match="no camera is called 'cellar'"):
        Pipeline.load(config(toy, **settings))
    GalleryStore(path).close()


def test_a_missing_calibration_is_refused(toy):
    with pytest.raises(ReidError, match=r'none\.json'):
        Pipeline.load(config(toy, identity={'calibration': '/nowhere/none.json'}))


# -- the gallery ---------------------------------------------------------------------------------


def test_people_keep_their_numbers_over_a_restart(tmp_path, toy):
    settings = config(toy, gallery={'path': str(tmp_path / 'g.sqlite')})
    with Pipeline.load(settings) as pipeline:
        film = Film(pipeline)
        film.play(3, hall=[RED, GREEN])
        before = {colour: film.number('hall', colour) for colour in (RED, GREEN)}
        pipeline.gallery.name(before[GREEN], 'Greta')
    with Pipeline.load(settings) as pipeline:
        film = Film(pipeline, start_ns=film.now_ns + 600 * NS)
        film.play(3, yard=[GREEN, BLUE, RED])
        assert {c: film.number('yard', c) for c in (RED, GREEN)} == before
        assert film.number('yard', BLUE) == 3
        assert pipeline.names() == {before[GREEN]: 'Greta'}


def test_another_network_is_refused_by_a_filled_gallery(tmp_path, toy):
    gallery = {'path': str(tmp_path / 'g.sqlite')}
    with Pipeline.load(config(toy, gallery=gallery)) as pipeline:
        Film(pipeline).play(3, hall=[RED])
    folder = tmp_path / 'other'
    folder.mkdir()
    with pytest.raises(GalleryError, match='holds 1 persons by toy'):
        Pipeline.load(config(_network(folder, 'other'), gallery=gallery))


def test_the_gallery_is_saved_every_few_seconds_of_stamps(tmp_path, toy):
    path = tmp_path / 'g.sqlite'
    with Pipeline.load(config(toy, gallery={'path': str(path)})) as pipeline:
        film = Film(pipeline)
        film.play(4, hall=[RED])
        assert _stored(path) == 0
        film.play(2, hall=[RED])
        assert _stored(path) == 1
        film.play(3, hall=[RED, GREEN])
        assert _stored(path) == 1
        pipeline.save()
        assert _stored(path) == 2


def _stored(path):
    db = sqlite3.connect(f'file:{path}?mode=ro', uri=True)
    try:
        return db.execute('SELECT count(*) FROM person').fetchone()[0]
    finally:
        db.close()


def test_a_full_disk_does_not_stop_the_robot(tmp_path, toy):
    path = tmp_path / 'g.sqlite'
    pipeline = Pipeline.load(config(toy, gallery={'path': str(path)}))
    db = pipeline._store._db
    db.execute(f'PRAGMA max_page_count = {db.execute("PRAGMA page_count").fetchone()[0]}')
    for figure in range(40):  # more people than fit into the pages that are left
        person = pipeline.gallery.born(1000 * NS)
        pipeline.gallery.name(person.number, f'{figure} ' + 'x' * 200)
    film = Film(pipeline)
    film.play(7, hall=[RED, GREEN])
    assert film.number('hall', RED) != film.number('hall', GREEN)
    assert 'was not saved: database or disk is full' in pipeline.save_error
    assert pipeline.facts()['gallery_error'] == pipeline.save_error
    with pytest.raises(GalleryError, match='disk is full'):
        pipeline.save()
    db.execute('PRAGMA max_page_count = 100000')
    film.play(6, hall=[RED, GREEN])
    assert pipeline.save_error == ''
    assert 'gallery_error' not in pipeline.facts()
    pipeline.close()
    assert _stored(path) == 42


def test_closing_with_a_full_disk_says_so_and_lets_the_file_go(tmp_path, toy):
    path = tmp_path / 'g.sqlite'
    pipeline = Pipeline.load(config(toy, gallery={'path': str(path)}))
    db = pipeline._store._db
    db.execute(f'PRAGMA max_page_count = {db.execute("PRAGMA page_count").fetchone()[0]}')
    for _ in range(200):
        pipeline.gallery.name(pipeline.gallery.born(0).number, f'{len(pipeline.gallery):0200d}')
    with pytest.raises(GalleryError, match='disk is full'):
        pipeline.close()
    pipeline.close()
    GalleryStore(path).close()


def test_closing_twice_is_fine_and_the_file_is_free_afterwards(tmp_path, toy):
    path = tmp_path / 'g.sqlite'
    pipeline = Pipeline.load(config(toy, gallery={'path': str(path)}))
    with pytest.raises(GalleryError, match='in use by process'):
        Pipeline.load(config(toy, gallery={'path': str(path)}))
    pipeline.close()
    pipeline.close()
    with Pipeline.load(config(toy, gallery={'path': str(path)})):
        pass


def test_clearing_forgets_everybody_also_on_disk_and_no_number_comes_back(tmp_path, toy):
    path = tmp_path / 'g.sqlite'
    with Pipeline.load(config(toy, gallery={'path': str(path)})) as pipeline:
        film = Film(pipeline)
        film.play(3, hall=[RED, GREEN])
        pipeline.save()
        assert pipeline.clear() == 2
        assert len(pipeline.gallery) == 0
        film.play(3, hall=[RED, GREEN])
        assert {film.number('hall', RED), film.number('hall', GREEN)} == {3, 4}
    assert _stored(path) == 2


def test_settings_change_while_it_runs(toy):
    with Pipeline.load(config(toy)) as pipeline:
        film = Film(pipeline)
        film.play(3, hall=[RED])
        changed = config(toy, gallery={'ttl_s': 5}, identity={'false_accept': 0.001})
        pipeline.configure(changed)
        assert pipeline.config.identity.false_accept == 0.001
        film.play(2, hall=[])
        assert len(pipeline.gallery) == 1
        film.now_ns += 6 * NS
        film.play(1.5, hall=[])  # a second goes by until it is surely no camera's clock alone
        assert len(pipeline.gallery) == 0


def test_facts_tell_what_runs_here(tmp_path, toy):
    path = tmp_path / 'g.sqlite'
    with Pipeline.load(config(toy, gallery={'path': str(path)})) as pipeline:
        film = Film(pipeline)
        film.play(2, hall=[RED])
        facts = pipeline.facts()
        assert facts['numpy'] == np.__version__
        assert facts['onnxruntime'] == onnxruntime.__version__
        assert facts['persons'] == '1'
        assert facts['detector'] == 'none'
        assert facts['appearance'] == 'toy'
        assert facts['appearance_provider'] == 'cpu'
        assert facts['gallery'] == str(path)
        assert 'gallery_error' not in facts
        undecided = sum(s.persons[0] == 0 for m in film.moments for s in m.sightings if len(s))
        assert float(facts['undecided_ratio']) == pytest.approx(undecided / 20, abs=1e-3)


# -- real footage --------------------------------------------------------------------------------


def real(**settings):
    model = {
        'detector': str(data('models', 'yolox_nano_416x416.onnx')),
        'appearance': str(data('models', 'osnet_x0_25_msmt17.onnx')),
    }
    return build(Config, {'backend': 'cpu', 'model': model, **settings})


def frames_of(path, camera, rate_hz, start_s=0):
    video = cv2.VideoCapture(str(path))
    index = 0
    while True:
        found, picture = video.read()
        if not found:
            return
        yield Frame(camera, round((start_s + index / rate_hz) * NS), picture, index)
        index += 1


# Read off the pictures: which part of each camera's image the two people keep to.
WALKER = {
    'cam01': lambda x0, y0, x1, y1: y0 > 700,
    'cam02': lambda x0, y0, x1, y1: x0 < 100 and y0 > 550,
    'cam03': lambda x0, y0, x1, y1: x0 < 230 and x1 < 430 and y0 > 450,
    'cam04': lambda x0, y0, x1, y1: x0 > 540,
}
HELPER = {
    'cam01': lambda x0, y0, x1, y1: 1000 < y1 < 1400 and x1 >= 200 and y0 <= 700,
    'cam02': lambda x0, y0, x1, y1: 100 < x0 < 480 and y1 > 1000,
    'cam03': lambda x0, y0, x1, y1: y1 > 1100 and x1 > 450,
    'cam04': lambda x0, y0, x1, y1: x0 < 400 and y1 > 1100,
}
BYSTANDER = {
    'cam01': lambda x0, y0, x1, y1: x1 < 200 and y0 <= 700,
    'cam02': lambda x0, y0, x1, y1: x0 > 650,
}


def test_two_people_are_one_identity_each_in_four_cameras_and_a_bystander_is_neither():
    seen = {'walker': {}, 'helper': {}, 'bystander': {}}
    with Pipeline.load(real()) as pipeline:
        videos = [frames_of(data('multicam', f'{c}.mp4'), c, 60) for c in WALKER]
        for frames in zip(*videos):
            for found in pipeline.step(frames).sightings:
                for box, person, hidden in zip(found.boxes, found.persons, found.predicted):
                    for name, places in (
                        ('walker', WALKER),
                        ('helper', HELPER),
                        ('bystander', BYSTANDER),
                    ):
                        if not hidden and found.camera in places and places[found.camera](*box):
                            seen[name].setdefault(found.camera, Counter())[int(person)] += 1
    walker, helper = (
        {n for persons in seen[name].values() for n in persons if n}
        for name in ('walker', 'helper')
    )
    assert len(walker) == len(helper) == 1, seen
    assert walker != helper
    for name in ('walker', 'helper'):
        assert set(seen[name]) == set(WALKER)
        for camera, persons in seen[name].items():
            assert sum(persons.values()) > 60, (name, camera, persons)
            assert any(n for n in persons), (name, camera, persons)
    bystander = {n for persons in seen['bystander'].values() for n in persons}
    assert seen['bystander']
    assert not bystander & (walker | helper), seen


@pytest.mark.slow
def test_six_visitors_are_six_identities_also_when_they_come_to_a_second_camera_later():
    """The same clip again as another camera, 200 s later; detected once, for both."""
    path = data('video', 'one-by-one-person-detection.mp4')
    rows = data('video', 'one-by-one.visits.tsv').read_text().splitlines()[1:]
    visits = [(int(first), int(last)) for _, first, last in map(str.split, rows)]
    found, taken, became = [], {}, {}
    with Pipeline.load(real()) as pipeline:
        for camera, start_s in (('first', 0), ('again', 200)):
            for frame_ in frames_of(path, camera, 10, start_s):
                if camera == 'first':
                    found += pipeline.detector.detect([frame_])
                moment = pipeline.step(
                    [dataclasses.replace(frame_, detections=found[frame_.index])]
                )
                became.update({e.previous: e.person for e in moment.events if e.kind == 'merged'})
                who = [v for v, (a, z) in enumerate(visits) if a <= frame_.index + 1 <= z]
                for person in moment.sightings[0].persons.tolist():
                    if who and person:
                        taken.setdefault((camera, who[0]), Counter())[person] += 1
            known = [p.number for p in pipeline.gallery if p.confirmed]
            assert len(known) == len(visits), (camera, known)
    assert len(found) == 1394

    def last(number):
        return last(became[number]) if number in became else number

    persons = {
        key: {last(number) for number in numbers if numbers[number] > 1}
        for key, numbers in taken.items()
    }
    assert all(len(numbers) == 1 for numbers in persons.values()), taken
    first, again = (
        [persons[camera, visit].pop() for visit in range(len(visits))]
        for camera in ('first', 'again')
    )
    assert len(set(first)) == len(visits)
    assert again == first
