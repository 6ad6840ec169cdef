"""Tracks as a robot sums them up, and what the angles between them mean."""

import numpy as np
import pytest

pytest.importorskip('torch', reason='training needs torch')

import exported as toys

from reid_ros.calibration import Calibration, CalibrationError, angles
from reid_ros.evaluate.retrieval import Protocol
from reid_ros.train import worth
from reid_ros.train.clips import Trial
from reid_ros.train.worth import Seen

DRAW = np.random.default_rng(5)
MATRIX = DRAW.normal(size=(6, 5)).astype(np.float32)


def run(images):
    """Vectors of what is above and below in a crop; any length."""
    flat = images.reshape(-1, *images.shape[-3:]).astype(np.float32)
    halves = flat.reshape(len(flat), 2, -1, 3).mean(2).reshape(len(flat), 6) - 120
    found = halves @ MATRIX
    clips = images.shape[1] if images.ndim == 5 else 1
    return found.reshape(-1, clips, 5).mean(1)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.fixture(scope='module')
def source():
    return toys.Coloured(people=24, frames=5)


def by_hand(source, row, which):
    total = np.zeros(5)
    qualities = source.quality[row, which]
    for moment, quality in zip(which, qualities):
        if quality >= worth.GATE or quality == qualities.max():
            total += quality * unit(run(source.frames(row, np.array([moment])))[0])
    return unit(total)


def test_a_track_is_the_mean_of_its_crops_by_quality(source):
    source.quality[3] = [0.1, 0.0, 0.05, 0.12, 0.08]  # all below the gate: the best one counts
    source.quality[4] = [0.1, 0.9, 0.1, 0.1, 0.5]
    found = Seen.of(run, source, 5).vectors
    for row in (0, 3, 4, len(source.people) - 1):
        np.testing.assert_allclose(found[row], by_hand(source, row, range(5)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_fewer_frames_are_evenly_spaced_and_keep_their_quality(source):
    found = Seen.of(run, source, 2).vectors
    np.testing.assert_allclose(found[7], by_hand(source, 7, (1, 3)), atol=1e-5)


def test_crops_that_nobody_graded_count_alike(source):
    class Plain:
        people, cameras, lengths = source.people, source.cameras, source.lengths
        frames = staticmethod(source.frames)

    found = Seen.of(run, Plain(), 5).vectors
    wanted = unit(unit(run(source.frames(2, np.arange(5)))).mean(0))
    np.testing.assert_allclose(found[2], wanted, atol=1e-5)


def test_a_network_of_clips_looks_once(source):
    found = Seen.of(run, source, 4, clip=3)
    assert found.crops.shape == (len(source.people), 1, 5)
    wanted = unit(run(source.frames(1, np.array([0, 2, 4]))[None])[0])
    np.testing.assert_allclose(found.vectors[1], wanted, atol=1e-5)


def looked(*trials):
    named = {str(k): trial for k, trial in enumerate(trials)}
    return named, worth.look(run, named, 4)


def test_scores_are_those_of_a_plain_search():
    source = toys.Coloured(people=30, seed=3, light=0.4)
    trials, seen = looked(Trial(source, source, toys.RULES))
    vectors = seen['0'].query.vectors
    firsts, precisions = [], []
    for row, vector in enumerate(vectors):
        others = (source.people != source.people[row]) | (source.cameras != source.cameras[row])
        order = np.argsort(-(vectors[others] @ vector), kind='stable')
        right = source.people[others][order] == source.people[row]
        firsts.append(right[0])
        precisions.append(((np.arange(right.sum()) + 1) / (np.flatnonzero(right) + 1)).mean())
    wanted = {'rank-1': 100 * np.mean(firsts), 'mAP': 100 * np.mean(precisions)}
    assert wanted['rank-1'] < 100, 'a test in which nobody is mistaken shows nothing'
    assert worth.scores(trials, seen)['0'] == pytest.approx(wanted, abs=0.01)


def test_people_filmed_twice_by_a_camera_calibrate_it_alone():
    source = toys.Coloured(people=25, walks=2)
    trials, seen = looked(Trial(source, source, toys.RULES))
    wanted = Calibration.of(seen['0'].query.vectors, source.people, source.cameras)
    assert worth.calibration(trials, seen) == wanted


def test_halves_of_a_tracklet_stand_for_two_tracks_where_nobody_came_twice():
    source = toys.Coloured(people=25)
    trials, seen = looked(Trial(source, source, toys.RULES))
    found, query = worth.calibration(trials, seen), seen['0'].query
    own = angles(np.sum(query.half(False) * query.half(True), axis=1))
    assert found.same_camera.genuine.mean == pytest.approx(own.mean(), abs=1e-3)
    vectors = query.vectors
    strangers = [
        float(angles(vectors[i] @ vectors[j]))
        for i in range(len(vectors))
        for j in range(i)
        if source.people[i] != source.people[j] and source.cameras[i] == source.cameras[j]
    ]
    assert found.same_camera.impostor.mean == pytest.approx(np.mean(strangers), abs=1e-3)
    assert found.cross_camera.genuine.n == 25


def test_query_and_gallery_are_compared_but_not_two_sets():
    one, two = toys.Coloured(people=12), toys.Coloured(people=12, seed=8)
    other = toys.Coloured(people=12, seed=0)
    other.cameras = other.cameras + 10
    trials, seen = looked(Trial(one, other, toys.RULES), Trial(two, two, toys.RULES))
    found = worth.calibration(trials, seen)
    assert found.cross_camera.genuine.n == 24
    pairs = [(seen['0'].query, seen['0'].gallery), (seen['1'].query, seen['1'].query)]
    strangers = []
    for first, second in pairs:
        sides = [first] if first is second else [first, second]
        vectors = np.concatenate([side.vectors for side in sides])
        people = np.concatenate([side.people for side in sides])
        cameras = np.concatenate([side.cameras for side in sides])
        i, j = np.triu_indices(len(people), 1)
        apart = (people[i] != people[j]) & (cameras[i] != cameras[j])
        strangers += angles((vectors[i] * vectors[j]).sum(1))[apart].tolist()
    assert found.cross_camera.impostor.mean == pytest.approx(np.mean(strangers), abs=1e-3)


def test_junk_and_distractors_are_nobody():
    source = toys.Coloured(people=26)
    rules = Protocol('odd', junk=0, distractor=1)
    trials, seen = looked(Trial(source, source, rules))
    assert worth.calibration(trials, seen).cross_camera.genuine.n == 24


def test_a_large_set_is_thinned_by_people(monkeypatch):
    monkeypatch.setattr(worth, 'TRACKS', 40)
    source = toys.Coloured(people=26)
    trials, seen = looked(Trial(source, source, toys.RULES))
    assert worth.calibration(trials, seen).cross_camera.genuine.n == 13


@pytest.mark.parametrize('number', [0, 2])
def test_too_few_people_are_told(number):
    source = toys.Coloured(people=2)
    trials, seen = looked(*[Trial(source, source, toys.RULES)] * min(number, 1))
    with pytest.raises(CalibrationError, match=r'names no set|at least 3'):
        worth.calibration(trials, seen)
