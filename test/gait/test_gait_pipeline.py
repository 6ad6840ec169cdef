"""From frames with masks to persons by gait, with real networks."""

import dataclasses

import cv2
import gait_graphs
import networks
import numpy as np
import pytest

from reid_ros import loading
from reid_ros.background import Background
from reid_ros.calibration import Calibration, CalibrationError, Condition, Spread, angles
from reid_ros.card import find, onnx_of
from reid_ros.config import Config, ConfigError, build
from reid_ros.pipeline import Pipeline
from reid_ros.silhouette import Given, Silhouetter
from reid_ros.types import Detections, Frame

NS = 1_000_000_000
RATE_HZ = 12.0
# Of the toy network's vectors of the two drawn people, as measured below.
TOY = Calibration(
    Condition(Spread(1.5, 1.0, 500), Spread(16.0, 2.0, 500)),
    Condition(Spread(1.5, 1.0, 500), Spread(16.0, 2.0, 500)),
)
SLIM, WIDE = (4, 5), (11, 9)


def crop(person, phase):
    """(160, 64) mask of a box: somebody from the side; slim or wide, thin or thick legs."""
    width, leg = person
    mask = np.zeros((160, 64), np.uint8)
    cv2.ellipse(mask, (32, 15), (9, 13), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (32, 58), (2 * width, 34), 0, 0, 360, 255, -1)
    for side in (-1, 1):
        foot = 32 + side * 20.0 * np.sin(2 * np.pi * phase)
        cv2.line(mask, (32, 84), (round(foot), 154), 255, 2 * leg)
    return mask


@pytest.fixture
def toy(tmp_path):
    return gait_graphs.write(tmp_path, calibration=TOY.to_json())


def config(network, appearance='none', **settings):
    model = {'detector': 'none', 'appearance': str(appearance), 'gait': str(network)}
    model.update(settings.pop('model', {}))
    return build(Config, {'backend': 'cpu', 'model': model, **settings})


class Film:
    """People who walk past cameras at 12 Hz; all else is grey."""

    def __init__(self, pipeline, start_ns=1000 * NS):
        self.pipeline, self.now_ns, self.step, self.moments = pipeline, start_ns, 0, []

    def frame(self, camera, people):
        boxes, masks = [], []
        for i, person in enumerate(people):
            x, y = 20 + 9.0 * (self.step % 50), 20 + 200 * i
            boxes.append((x, y, x + 64, y + 160))
            masks.append(crop(person, self.step / RATE_HZ))
        found = Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(len(boxes), 0.9, np.float32),
            masks=np.array(masks, np.uint8).reshape(-1, 160, 64),
        )
        image = np.full((480, 640, 3), 90, np.uint8)
        return Frame(camera, self.now_ns, image, self.step, detections=found)

    def play(self, seconds, **cast):
        for _ in range(round(seconds * RATE_HZ)):
            frames = [self.frame(camera, people) for camera, people in cast.items()]
            self.moments.append(self.pipeline.step(frames))
            self.now_ns += round(NS / RATE_HZ)
            self.step += 1
        return self.moments[-1]

    def walk_past(self, **cast):
        """From one side of the picture to the other, then out of it."""
        self.step = 0
        last = self.play(3.5, **cast)
        self.play(2.5, **dict.fromkeys(cast, ()))
        return last


def test_the_drawn_people_walk_as_differently_as_the_calibration_says(toy):
    with Pipeline.load(config(toy)) as pipeline:
        film, vectors = Film(pipeline), {SLIM: [], WIDE: []}
        for person in vectors:
            film.walk_past(hall=[person])
            film.step = 0
            for _ in range(40):
                film.play(1 / RATE_HZ, hall=[person])
                gait = pipeline.observations[0].gait
                vectors[person] += list(gait.vectors)
    slim, wide = (np.stack(vectors[person]) for person in (SLIM, WIDE))
    within = np.concatenate([angles(slim @ slim.T), angles(wide @ wide.T)])
    between = angles(slim @ wide.T)
    assert len(slim) == len(wide) == 5
    assert within.max() < 3
    assert between.min() > 14


def test_without_looks_people_keep_their_numbers_over_visits_and_cameras(toy):
    with Pipeline.load(config(toy)) as pipeline:
        film = Film(pipeline)
        first = film.walk_past(hall=[SLIM, WIDE]).sightings[0]
        assert set(first.persons.tolist()) == {1, 2}
        again = film.walk_past(door=[WIDE, SLIM]).sightings[0]
        assert again.persons.tolist() == first.persons.tolist()[::-1]
        assert again.gait_persons.tolist() == again.persons.tolist()
        assert (again.gait_scores > 0.9).all()
        assert again.confirmed.all()
        assert len(pipeline.gallery) == 2


def test_gait_beside_looks_knows_who_changed_clothes(toy, tmp_path):
    """The looks come from a network that answers the mean colour, and the picture is all grey."""
    folder = tmp_path / 'looks'
    folder.mkdir()
    looks = networks.means(folder / 'toy.onnx')
    networks.write(folder, networks.appearance(calibration=TOY.to_json()))
    for gait, numbers in ((toy, 2), ('none', 1)):
        with Pipeline.load(config(gait, looks)) as pipeline:
            film = Film(pipeline)
            film.walk_past(hall=[SLIM])
            film.walk_past(hall=[WIDE])
            assert len(pipeline.gallery) == numbers


def test_a_moment_tells_what_gait_cost_and_the_facts_why_there_was_none(toy):
    with Pipeline.load(config(toy)) as pipeline:
        film = Film(pipeline)
        moment = film.play(2, hall=[SLIM], door=[])
        assert set(moment.cost_s) == {'detect', 'track', 'embed', 'gait', 'identify'}
        facts = pipeline.facts()
        assert facts['gait'] == 'walk'
        assert facts['silhouette'] == 'given'
        assert facts['gait_hall'] == 'good 13, few 11'
        pipeline.reset_camera('hall')
        film.play(0.5, hall=[SLIM])
        assert pipeline.observations[0].gait.reasons == ('few',)


def test_without_a_gait_network_nobody_asks_for_masks_or_pays_for_gait():
    with Pipeline.load(config('none')) as pipeline:
        moment = Film(pipeline).play(3, hall=[SLIM])
        assert 'gait' not in moment.cost_s
        assert 'gait' not in pipeline.facts()
        assert pipeline.observations[0].gait is None
        assert moment.sightings[0].gait_persons.tolist() == [0]


def test_the_least_number_of_silhouettes_changes_live(toy):
    with Pipeline.load(config(toy, gait={'min_frames': 60})) as pipeline:
        film = Film(pipeline)
        film.play(3, hall=[SLIM])
        assert pipeline.observations[0].gait.reasons == ('few',)
        wanted = dataclasses.replace(pipeline.config.gait, min_frames=12)
        pipeline.configure(dataclasses.replace(pipeline.config, gait=wanted))
        film.play(0.1, hall=[SLIM])
        assert pipeline.observations[0].gait.reasons == ('',)


def test_two_cameras_share_each_batch(toy):
    with Pipeline.load(config(toy)) as pipeline:
        calls = []
        gaits = pipeline.sight.walks.gaits
        infer = gaits.frames.infer
        gaits.frames.infer = lambda batch: calls.append(len(batch)) or infer(batch)
        Film(pipeline).play(1, hall=[SLIM, WIDE], door=[SLIM])
        assert calls == [3] * 12


@pytest.mark.parametrize(
    'mask',
    [
        np.zeros((160, 64), np.uint8),
        np.pad(np.full((1, 1), 255, np.uint8), ((80, 79), (30, 33))),
        np.zeros((0, 0), np.uint8),
        np.full((1, 1), 255, np.uint8),
        None,
    ],
    ids=['empty', 'a pixel', 'no size', 'of one pixel', 'none'],
)
def test_masks_that_show_nobody_give_no_vector_and_no_crash(toy, mask):
    with Pipeline.load(config(toy)) as pipeline:
        film = Film(pipeline)
        for _ in range(30):
            frame = film.frame('hall', [SLIM])
            masks = None if mask is None else mask[None]
            found = dataclasses.replace(frame.detections, masks=masks)
            pipeline.step([dataclasses.replace(frame, detections=found)])
            gait = pipeline.observations[0].gait
            assert len(gait.rows) == 0
            film.now_ns += round(NS / RATE_HZ)
            film.step += 1
        assert gait.reasons[0] not in ('', 'few')
        assert sum(pipeline.sight.walks.gaits.counts['hall'].values()) >= 25


def test_the_gallery_keeps_gait_without_looks(toy, tmp_path):
    settings = config(toy, gallery={'path': str(tmp_path / 'g.db')})
    with Pipeline.load(settings) as pipeline:
        Film(pipeline).walk_past(hall=[SLIM, WIDE])
    with Pipeline.load(settings) as pipeline:
        assert len(pipeline.gallery) == 2
        seen = Film(pipeline, 2000 * NS).walk_past(hall=[WIDE]).sightings[0]
        assert seen.persons.tolist() == [2]
        assert len(pipeline.gallery) == 2


def test_a_gallery_needs_some_vectors(tmp_path):
    with pytest.raises(ConfigError, match=r'model\.appearance and model\.gait are "none"'):
        Pipeline.load(config('none', gallery={'path': str(tmp_path / 'g.db')}))


def test_a_gait_network_without_a_calibration_is_refused(tmp_path):
    with pytest.raises(CalibrationError, match='there is no calibration'):
        Pipeline.load(config(gait_graphs.write(tmp_path)))


def test_silhouettes_come_from_where_the_settings_say(toy):
    kinds = {'none': Given, 'background': Background}
    if onnx_of(find('silhouette', 'silhouette')[1]):
        kinds['silhouette'] = Silhouetter
    for name, kind in kinds.items():
        assert isinstance(loading.silhouettes(config(toy, model={'silhouette': name})), kind)
