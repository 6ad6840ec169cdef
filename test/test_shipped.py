"""The networks that come with the package: whole, small, described, and better than colours."""

import cv2
import numpy as np
import pytest

from reid_ros.boxes import iou
from reid_ros.card import find, sha256
from reid_ros.check import check
from reid_ros.colour import Colour
from reid_ros.config import DetectConfig, TrackConfig
from reid_ros.detect import Detector
from reid_ros.evaluate.retrieval import Protocol, Samples, retrieve_vectors
from reid_ros.model import Model
from reid_ros.types import Frame
from reid_ros.world.frames import frames
from reid_ros.world.scenario import Scenario
from reid_ros.world.tracklets import dataset

LIMIT = 4_000_000
"""Bytes of the appearance network."""


@pytest.fixture(scope='module')
def shipped():
    return find('appearance', 'appearance')


def test_the_file_is_the_one_of_the_card_and_small(shipped):
    path, card = shipped
    assert sha256(path) == card.sha256
    assert path.stat().st_size <= LIMIT


def test_the_card_says_how_the_network_came_to_be(shipped):
    training = shipped[1].training
    assert training['criterion'] == 'l1'
    assert 0.3 < training['share'] < 0.9
    assert training['teacher']
    assert len(training['commit']) == 40
    assert training['precision'] == 'int8'
    assert any('reid_ros prune run' in command for command in training['command'])
    assert not any('/work' in command for command in training['command'])


@pytest.mark.parametrize('name', ['appearance', 'search'])
def test_the_network_fits_its_card(name):
    path, card = find(name)
    size = (card.input.height, card.input.width, 3)
    picture = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    assert check(path, card, picture).problems == []


@pytest.mark.slow
def test_the_student_finds_rendered_people_again_where_colours_do_not(shipped):
    path, card = shipped
    people = dataset('validation', 40, 6, frames=2, seed=77, seen_by=3)
    tracklets = list(people)
    crops = np.concatenate([tracklet.crops for tracklet in tracklets])
    small = np.stack([cv2.resize(crop, (32, 64), interpolation=cv2.INTER_AREA) for crop in crops])
    who = Samples(people.labels.persons, people.labels.cameras)
    rank1 = {}
    with Model.load(path, card, backend='cpu', threads=1) as student:
        answers = {
            'student': student.infer(crops)[0],
            'colour': Colour(find('colour')[1]).infer(small)[0],
        }
    for name, answer in answers.items():
        unit = answer / np.linalg.norm(answer, axis=1, keepdims=True)
        vectors = unit.reshape(len(tracklets), 2, -1).mean(1)
        found = retrieve_vectors(vectors, vectors, who, who, Protocol('world'))
        rank1[name] = found.scores()['rank-1']
    assert rank1['student'] > 0.7
    assert rank1['student'] > rank1['colour'] + 0.1


SEARCH_LIMIT = 8_000_000
"""Bytes of the search network."""


@pytest.fixture(scope='module')
def searching():
    return find('search', 'search')


def test_the_search_network_is_small_whole_and_tells_how_it_came_to_be(searching):
    path, card = searching
    assert sha256(path) == card.sha256
    assert path.stat().st_size <= SEARCH_LIMIT
    training = card.training
    assert len(training['commit']) == 40
    assert training['command'].startswith('reid_ros train run config/train/search_student.yaml')
    assert training['detector teacher']
    assert training['identity teacher']
    assert card.command.startswith('reid_ros export')
    assert not any('/work' in command for command in (training['command'], card.command))
    assert card.calibration


@pytest.mark.slow
def test_the_search_network_finds_rendered_people_and_tells_those_of_one_place(searching):
    path, card = searching
    base = Scenario(
        'search', 'of a test', people=8, at_once=6, seconds=12.0, rate_hz=0.5, overlapping=2,
        apart=1, absence_s=4.0, loss=0.0,
    )  # fmt: skip
    shown = list(frames('validation', 3, 901, 0.0, 0.5, base))
    vectors, people, scenes, there = [], [], [], 0
    with Model.load(path, card, backend='cpu', threads=1) as model:
        detector = Detector(model, DetectConfig(score=0.3), looks=True)
        surest = 0.0
        for frame in shown:
            found = detector.detect([Frame('a', 0, frame.image)])[0]
            there += len(frame.boxes)
            surest = max(surest, float(found.scores.max(initial=0.0)))
            overlap = iou(frame.boxes, found.boxes)
            for row in np.flatnonzero(overlap.max(axis=1, initial=0.0) >= 0.5):
                vectors.append(found.vectors[overlap[row].argmax()])
                people.append(frame.persons[row])
                scenes.append(frame.scene)
    assert len(vectors) > 0.6 * there
    assert surest > TrackConfig().new_score, 'or no track would ever begin'
    cosine = np.stack(vectors) @ np.stack(vectors).T
    who, where = np.array(people), np.array(scenes)
    mine = who[:, None] == who
    strangers = (where[:, None] == where) & ~mine
    own = mine & ~np.eye(len(who), dtype=bool)
    assert cosine[own].mean() > cosine[strangers].mean() + 0.25
