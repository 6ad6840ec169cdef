"""What an exported network's angles mean is learnt from what it finds itself."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch')

from reid_ros.calibration import CalibrationError  # noqa: E402
from reid_ros.evaluate.searchprotocol import Found  # noqa: E402
from reid_ros.train.search import worth  # noqa: E402
from reid_ros.train.search.data.pictures import SearchTrial, Standing  # noqa: E402
from reid_ros.train.search.onsite import onsite  # noqa: E402
from reid_ros.train.search.score import Limits  # noqa: E402

PEOPLE, CAMERAS, TIMES = 30, 2, 4


@pytest.fixture(scope='module')
def crowd():
    """Everybody before both cameras in all pictures of them, and who is found, with vectors."""
    draw = np.random.default_rng(7)
    pictures = CAMERAS * TIMES
    x = 20.0 * np.arange(PEOPLE)
    boxes = np.stack([x, 0 * x, x + 15, 0 * x + 40], 1).astype(np.float32)
    where = Standing(
        np.arange(pictures + 1) * PEOPLE, np.tile(boxes, (pictures, 1)),
        np.tile(np.arange(PEOPLE), pictures), np.arange(pictures) % CAMERAS,
        np.ones(pictures, bool),
    )  # fmt: skip

    class Held:
        standing = where

    own = draw.normal(size=(PEOPLE, 64))
    shown = np.repeat(np.arange(pictures), PEOPLE)
    light = 0.6 * draw.normal(size=(CAMERAS, PEOPLE, 64))
    vectors = own[where.people] + light[where.cameras[shown], where.people]
    vectors += 0.3 * draw.normal(size=vectors.shape)
    moved = where.boxes + draw.uniform(-1, 1, where.boxes.shape).astype(np.float32)
    moved[0] += 300.0  # one detection stands beside its person
    found = Found(shown, moved, np.full(len(moved), 0.9, np.float32), vectors)
    return SearchTrial(Held(), np.array([0]), [np.array([1])]), found


def test_a_track_is_what_was_found_of_a_person_before_a_camera(crowd):
    trial, found = crowd
    vectors, people, cameras = worth.tracks(trial, found)
    assert vectors.shape == (PEOPLE * CAMERAS, worth.LOOKS, 64)
    assert sorted(zip(people, cameras)) == [(p, c) for p in range(PEOPLE) for c in range(CAMERAS)]
    row = int(np.flatnonzero((people == 3) & (cameras == 1))[0])
    own = found.vectors[(found.images % 2 == 1) & (np.arange(len(found.images)) % PEOPLE == 3)]
    assert len(own) == TIMES
    assert vectors[row] == pytest.approx(own[[0, 0, 1, 1, 2, 2, 3, 3]])


def test_one_person_is_nearer_to_itself_than_to_others_and_nearest_before_one_camera(crowd):
    trial, found = crowd
    seen = {'a': worth.Seen(found, found.vectors[:1])}
    told = worth.calibration({'a': trial}, seen).to_json()
    same, cross = told['same_camera']['genuine'], told['cross_camera']['genuine']
    strangers = told['cross_camera']['impostor']
    assert same['mean'] < cross['mean'] < strangers['mean']
    assert strangers['mean'] == pytest.approx(90, abs=8)


def test_too_few_people_give_no_calibration(crowd):
    trial, found = crowd
    few = Found(found.images[:2], found.boxes[:2], found.scores[:2], found.vectors[:2])
    with pytest.raises(CalibrationError, match='nobody was found in two pictures'):
        worth.calibration({'a': trial}, {'a': worth.Seen(few, found.vectors[:1])})
    with pytest.raises(CalibrationError, match='names no set'):
        worth.calibration({}, {})


def test_scores_become_how_likely_a_detection_is_right():
    draw = np.random.default_rng(3)
    pictures, each = 200, 12
    x = 40.0 * np.arange(each)
    boxes = np.stack([x, 0 * x, x + 20, 0 * x + 40], 1).astype(np.float32)
    where = Standing(
        np.arange(pictures + 1) * each, np.tile(boxes, (pictures, 1)),
        np.zeros(pictures * each, np.int64), np.zeros(pictures, np.int64), np.ones(pictures, bool),
    )  # fmt: skip

    class Held:
        standing = where

        def image(self, row):
            return np.full((1, 1, 3), row, np.uint8)

    def run(images):
        logits = draw.uniform(-3, 1.5, (len(images), each))
        right = draw.random(logits.shape) < 1 / (1 + np.exp(-(2.0 * logits + 1.0)))
        told = np.where(right[..., None], boxes, boxes + np.float32([0, 100, 0, 100]))
        scores = 1 / (1 + np.exp(-logits))
        return told, scores.astype(np.float32), np.ones((*logits.shape, 4), np.float32)

    trial = SearchTrial(Held(), np.array([0]), [np.arange(1, pictures)])
    scale, shift = worth.meaning(run, {'a': trial}, Limits(0.3, 0.5))
    assert (scale, shift) == pytest.approx((2, 1), abs=0.35)
    same = worth.meant(Limits(0.3, 0.5), scale, shift)
    assert np.log(same.score / (1 - same.score)) == pytest.approx(scale * np.log(3 / 7) + shift)
    assert worth.meaning(run, {}, Limits()) == (1.0, 0.0)


def test_cameras_that_saw_one_person_are_a_site():
    people = np.array([0, 1, 1, 2, 5, -1, -1])
    where = Standing(
        np.arange(8), np.tile(np.float32([0, 0, 5, 9]), (7, 1)), people,
        np.array([0, 0, 1, 1, 3, 3, 1]), np.ones(7, bool),
    )  # fmt: skip
    found = worth.sites(where)
    assert found[0] == found[1], 'by person 1'
    assert len({found[0], found[2], found[3]}) == 3, 'whoever has no label joins nothing'


def test_who_tells_places_alone_tells_nobody_on_a_site():
    draw = np.random.default_rng(5)
    places, people, cameras = 6, 10, 2
    who = np.repeat(np.arange(places * people), cameras)
    place = who // people
    camera = place * cameras + np.tile(np.arange(cameras), places * people)
    where = Standing(
        np.arange(len(who) + 1), np.tile(np.float32([0, 0, 5, 9]), (len(who), 1)), who, camera,
        np.ones(len(who), bool),
    )  # fmt: skip
    rows = np.arange(len(who))
    own, ground = draw.normal(size=(60, 32)), draw.normal(size=(6, 32))
    noise = 0.1 * draw.normal(size=(len(who), 32))
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (
        own[who] + noise, ground[place] + noise,
    )]  # fmt: skip
    told = [onsite(vectors, where, rows) for vectors in unit]
    assert told[0]['rank-1'] == 100
    assert told[1]['rank-1'] < 30
    assert told[1]['angles']['two people, one site'] < 20
    assert told[1]['angles']['two people, two sites'] > 70
    assert told[0]['tracks'] == len(who)
