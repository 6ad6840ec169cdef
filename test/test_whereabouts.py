"""Places of one person: feet and heads, several cameras, smooth in time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_ros.lens import Lens, Pose
from reid_ros.whereabouts import GATE, STRAY, Whereabouts, places

S = 1_000_000_000
LENS = Lens(np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]), np.zeros(0))
TALL = 1.7


def pose(eye):
    """Looks along x from a height."""
    return Pose.of((0.0, 0.0, eye, -0.5, 0.5, -0.5, 0.5))


def box(distance, side=0.0, eye=1.0, tall=TALL, low=0.0):
    """Of somebody so far ahead, so far to the left, who is seen from `low` metres up."""
    u, wide = 320 - 500 * side / distance, 500 * 0.25 / distance
    foot, head = (240 + 500 * (eye - z) / distance for z in (low, tall))
    return [u - wide, head, u + wide, foot]


def place(*boxes, eye=1.0, height=480):
    return places(np.array(boxes, np.float32), LENS, pose(eye), height, TALL)


@given(st.floats(3.0, 12), st.floats(-2, 2), st.sampled_from([0.5, 1.0, 2.6]))
def test_feet_and_head_agree_on_the_place(distance, side, eye):
    found = place(box(distance, side, eye), eye=eye, height=5000)
    assert found.sure[0]
    assert found.positions[0] == pytest.approx([distance, side, 0], abs=0.02 * distance)


def test_a_head_places_whose_feet_are_hidden_by_a_table_or_out_of_view():
    hidden, cut = box(4.0, low=0.8, eye=2.6), box(4.0, eye=2.6)
    cut[3] = 480
    found = place(hidden, cut, eye=2.6)
    assert found.sure.tolist() == [True, True]
    assert found.positions[:, 0] == pytest.approx([4.0, 4.0], abs=0.25)


def test_feet_place_whose_head_is_out_of_view():
    high = box(2.2, eye=0.6)
    high[1] = 0
    found = place(high, eye=0.6)
    assert found.sure[0]
    assert found.positions[0, 0] == pytest.approx(2.2, abs=0.05)


def test_with_both_ends_out_of_view_the_direction_is_known_and_nothing_is_sure():
    near = box(0.9, side=0.2)
    near[1], near[3] = 0, 480
    found = place(near)
    assert not found.sure[0]
    x, y, _ = found.positions[0]
    assert np.arctan2(y, x) == pytest.approx(np.arctan2(0.2, 0.9), abs=0.02)
    assert found.covariances[0, 0, 0] > 10 * found.covariances[0, 1, 1]


@pytest.mark.parametrize('gap', [0, 5, 15])
def test_an_edge_that_shakes_near_the_border_is_no_head_and_no_feet(gap):
    """Taken for a head, the upper edge would place somebody at 0.8 m far behind."""
    near = box(0.8)
    near[1], near[3] = gap, 480 - gap
    found = place(near)
    assert not found.sure[0]
    assert found.positions[0, 0] == pytest.approx(0.8, abs=0.1)


def test_nobody_has_no_place():
    assert len(places(np.empty((0, 4), np.float32), LENS, pose(1.0), 480, TALL).positions) == 0


def test_two_cameras_at_right_angles_are_surer_than_each():
    filtered = Whereabouts()
    filtered.add(S, np.array([5.0, 0.0]), np.diag([1.0, 0.01]))
    alone = np.trace(filtered.at(S).covariance[:2, :2])
    filtered.add(S, np.array([4.0, 1.0]), np.diag([0.01, 1.0]))
    both = filtered.at(S)
    assert both.position == pytest.approx([4.01, 0.01], abs=0.01)
    assert np.trace(both.covariance[:2, :2]) < 0.03 * alone


def walk(filtered, stamps, seed=0, sd=0.1, speed=1.0):
    draws = np.random.default_rng(seed)
    for stamp in stamps:
        spot = np.array([speed * stamp / S, 2.0]) + draws.normal(0, sd, 2)
        filtered.add(stamp, spot, sd * sd * np.eye(2))
    return filtered


STAMPS = [S * i // 10 for i in range(40)]


def test_a_walk_is_smoother_than_its_places_and_its_speed_is_known():
    errors = []
    for seed in range(20):
        estimate = walk(Whereabouts(), STAMPS, seed).at(STAMPS[-1])
        errors.append(estimate.mean - [3.9, 2.0, 1.0, 0.0])
    spread = np.sqrt(np.mean(np.square(errors), axis=0))
    assert spread[:2].max() < 0.08
    assert spread[2:].max() < 0.3


def test_places_in_any_order_give_the_estimate_of_the_right_order():
    order = [*STAMPS[:20], *STAMPS[21:24], STAMPS[20], *STAMPS[24:]]
    given_in_order = walk(Whereabouts(), STAMPS, sd=1e-6).at(STAMPS[-1])
    given_late = walk(Whereabouts(), order, sd=1e-6).at(STAMPS[-1])
    assert given_late.mean == pytest.approx(given_in_order.mean, abs=1e-4)
    assert given_late.covariance == pytest.approx(given_in_order.covariance, rel=1e-6)


def test_a_place_that_belongs_to_somebody_else_is_left_out_until_it_lasts():
    filtered = walk(Whereabouts(), STAMPS)
    far, sure = np.array([12.0, 2.0]), 0.01 * np.eye(2)
    answers = [filtered.add(STAMPS[-1] + i * S // 10, far, sure) for i in range(1, STRAY + 1)]
    assert answers == [False] * (STRAY - 1) + [True]
    assert filtered.at(STAMPS[-1] + S).position == pytest.approx(far)
    assert GATE > 9


def test_after_long_silence_nothing_is_known_and_the_next_place_begins_anew():
    filtered = walk(Whereabouts(), STAMPS)
    ahead = filtered.at(STAMPS[-1] + S)
    assert ahead.position[0] == pytest.approx(4.9, abs=0.4)
    assert np.trace(ahead.spread) > np.trace(filtered.at(STAMPS[-1]).spread)
    assert filtered.at(STAMPS[-1] + 3 * S) is None
    assert filtered.add(STAMPS[-1] + 4 * S, np.array([-7.0, 0.0]), np.eye(2))
    assert filtered.at(STAMPS[-1] + 4 * S).position == pytest.approx([-7.0, 0.0])


def test_a_place_from_too_long_ago_is_refused():
    filtered = walk(Whereabouts(), STAMPS)
    assert not filtered.add(STAMPS[-1] - 3 * S // 2, np.array([2.4, 2.0]), np.eye(2))


@given(
    st.lists(st.tuples(st.integers(0, 40), st.floats(-50, 50), st.floats(-50, 50)), max_size=60)
)
def test_the_covariance_stays_one_whatever_comes(rows):
    filtered = Whereabouts()
    for tenths, x, y in rows:
        filtered.add(tenths * S // 10, np.array([x, y]), 0.04 * np.eye(2))
        estimate = filtered.at(tenths * S // 10)
        if estimate is not None:
            assert np.linalg.eigvalsh(estimate.covariance).min() > 0
            assert np.isfinite(estimate.mean).all()


def test_each_stands_where_somebody_of_their_own_height_would():
    short, long = box(4.0, side=1.0, eye=2.6, tall=1.5), box(4.0, side=-1.0, eye=2.6, tall=1.9)
    short[3] = long[3] = 480  # the feet are out of view
    boxes = np.array([short, long], np.float32)
    alike = places(boxes, LENS, pose(2.6), 480, TALL)
    assert alike.positions[0, 0] < 3.5  # from above, a low head seems to be near
    assert alike.positions[1, 0] > 4.5
    each = places(boxes, LENS, pose(2.6), 480, np.array([1.5, 1.9]))
    assert each.sure.all()
    np.testing.assert_allclose(each.positions, [[4, 1, 0], [4, -1, 0]], atol=0.05)
