"""Whether tracks of two cameras stand on one spot of the floor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_ros.meeting import MOST, Trail, llr

S = 1_000_000_000
SURE = np.eye(2) * 0.1**2


def trail(spots, start_s=100.0, rate_hz=10.0, spread=SURE):
    result = Trail()
    for i, spot in enumerate(spots):
        result.add(round((start_s + i / rate_hz) * S), np.array(spot, np.float64), spread)
    return result


def walk(n=25, aside=0.0, noise=0.05, seed=0):
    """A walk along x at 1.2 m/s, so far to the side."""
    draws = np.random.default_rng(seed)
    return np.array([(0.12 * i, aside) for i in range(n)]) + draws.normal(0, noise, (n, 2))


def test_one_person_whom_two_cameras_see_is_likely_one():
    assert llr(trail(walk(seed=1)), trail(walk(seed=2))) > 4


@pytest.mark.parametrize(('aside', 'low', 'high'), [(0.7, -3, 2), (1.5, -9, -1), (6, -3, -2)])
def test_two_people_are_the_less_likely_one_the_farther_apart(aside, low, high):
    value = llr(trail(walk(seed=1)), trail(walk(aside=aside, seed=2)))
    assert low < value < high


def test_nobody_is_compared_with_who_was_there_before():
    early, late = trail(walk()), trail(walk(), start_s=110.0)
    assert llr(early, late) == 0.0
    assert llr(Trail(), late) == 0.0
    assert not Trail()


def test_longer_agreement_says_more_but_not_without_end():
    values = [llr(trail(walk(n, seed=1)), trail(walk(n, seed=2))) for n in (4, 9, 19, 60)]
    assert values == sorted(values)
    assert values[-1] < MOST**0.5 * values[0] * 1.3


def test_longer_disagreement_says_no_more():
    """Whoever stands behind a table seems to stand elsewhere for as long."""
    values = [llr(trail(walk(n, seed=1)), trail(walk(n, 6.0, seed=2))) for n in (4, 9, 19, 60)]
    assert values == pytest.approx([values[0]] * 4, abs=0.05)


def test_cameras_that_do_not_trigger_at_once_are_no_two_people():
    """Half a frame apart, a person has walked a little: that is allowed for."""
    assert llr(trail(walk(seed=1)), trail(walk(seed=2), start_s=100.05)) > 3


def test_a_far_and_unsure_position_says_little():
    sure = llr(trail(walk(seed=1)), trail(walk(seed=2)))
    vague = llr(trail(walk(seed=1), spread=np.eye(2) * 2.0), trail(walk(seed=2)))
    assert 0 <= vague < sure / 2


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(0.01, 3), st.floats(0.01, 3))
def test_the_evidence_is_symmetric_bounded_and_a_number(x, y, a, b):
    spread = np.array([[a * a, 0.3 * a * b], [0.3 * a * b, b * b]])
    one, other = trail([(0, 0)] * 30), trail([(x, y)] * 30, spread=spread)
    value = llr(one, other)
    assert value == pytest.approx(llr(other, one))
    assert -6 < value < 10
