"""One vector of several views, against the same sums written as a loop."""

import numpy as np
import pytest

from reid_ros.embed import GATE
from reid_ros.gather import Gathered
from reid_ros.types import Tracks

NOBODY = np.empty(0, np.int64)


def tracks(*numbers, detection=None, confirmed=True, ended=()):
    n = len(numbers)
    return Tracks(
        np.array(numbers, np.uint32),
        np.tile(np.array([0, 0, 40, 120], np.float32), (n, 1)),
        np.full(n, 0.9, np.float32),
        np.arange(n) if detection is None else np.array(detection),
        np.full(n, confirmed),
        np.array(ended, np.uint32),
    )


def qualities(*values):
    return np.array(values, np.float32)


def unit(*values):
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_a_vector_is_the_mean_by_quality_of_all_good_views_since_the_last():
    draw = np.random.default_rng(1)
    gathered, sums, counted = Gathered(), {3: np.zeros(8), 7: np.zeros(8)}, 0
    for step in range(40):
        order = [1, 0] if step % 3 else [0, 1]  # detections stand in any order
        vectors = draw.normal(size=(2, 8)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        good = qualities(*draw.uniform(0.0, 1.0, 2))
        due = np.array([row for row in range(2) if good[row] >= GATE and step % (4 + row) == 0])
        due = due.astype(np.int64)
        found = gathered.mean(tracks(3, 7, detection=order), good, vectors, due)
        for row, number in enumerate((3, 7)):
            if good[row] >= GATE:
                sums[number] = sums[number] + good[row] * vectors[order[row]]
        for row, vector in zip(due.tolist(), found):
            number = (3, 7)[row]
            np.testing.assert_allclose(vector, unit(*sums[number]), atol=1e-5)
            sums[number], counted = np.zeros(8), counted + 1
    assert counted > 10


def test_views_of_another_do_not_count():
    """Too poor, not confirmed, without a vector, or of a track that ended."""
    gathered, right, wrong = Gathered(), unit(1, 0), unit(0, 1)
    nothing = np.full(2, np.nan, np.float32)
    for vector, good, seen in (
        (wrong, GATE / 2, tracks(1)),
        (wrong, 0.9, tracks(1, confirmed=False)),
        (nothing, 0.9, tracks(1)),
        (wrong, 0.9, tracks(4)),
    ):
        gathered.mean(seen, qualities(good), vector[None], NOBODY)
    found = gathered.mean(tracks(1), qualities(0.9), right[None], np.array([0]))
    np.testing.assert_allclose(found, right[None])
    gathered.mean(tracks(), qualities(), np.empty((0, 2), np.float32), NOBODY)
    gathered.mean(tracks(9, ended=(4,)), qualities(0.9), right[None], NOBODY)
    again = gathered.mean(tracks(4), qualities(0.9), right[None], np.array([0]))
    np.testing.assert_allclose(again, right[None], err_msg='what a track was before it ended')


def test_a_track_that_nobody_could_see_has_no_vector():
    gathered = Gathered()
    nothing = np.full((1, 2), np.nan, np.float32)
    found = gathered.mean(tracks(1), qualities(0.9), nothing, np.array([0]))
    assert np.isnan(found).all()
    gathered.mean(tracks(1), qualities(0.9), unit(3, 4)[None], NOBODY)
    found = gathered.mean(tracks(1), qualities(0.9), nothing, np.array([0]))
    np.testing.assert_allclose(found, [[0.6, 0.8]], err_msg='the view before is still good')


@pytest.mark.parametrize('n', [0, 3])
def test_frames_without_a_due_track_answer_nothing(n):
    vectors = np.tile(unit(1, 0), (n, 1)).reshape(n, 2)
    found = Gathered().mean(tracks(*range(1, n + 1)), qualities(*[0.9] * n), vectors, NOBODY)
    assert found.shape == (0, 2)
