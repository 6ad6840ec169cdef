"""The networks that come with the package: whole, small, described, and better than colours."""

import cv2
import numpy as np
import pytest

from reid_ros.card import find, sha256
from reid_ros.check import check
from reid_ros.colour import Colour
from reid_ros.evaluate.retrieval import Protocol, Samples, retrieve_vectors
from reid_ros.model import Model
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


def test_the_network_fits_its_card(shipped):
    path, card = shipped
    picture = np.random.default_rng(0).integers(0, 256, (128, 64, 3), np.uint8)
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
