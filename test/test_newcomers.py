"""How rare strangers are, and what that is worth."""

import math

import numpy as np
import pytest

from reid_ros.evidence import Scores
from reid_ros.newcomers import MOST, Newcomers


def test_odds_follow_what_comes():
    found = Newcomers()
    assert found.log_odds == 0.0
    for _ in range(30):
        found.note(1.0)
    assert found.log_odds < math.log(0.2)
    for _ in range(60):
        found.note(0.0)
    assert found.log_odds == math.log(MOST)


def test_somebody_who_was_not_recognised_is_no_stranger_after_all():
    found, other = Newcomers(), Newcomers()
    for each in (found, other):
        for _ in range(5):
            each.note(0.9)
    found.mistaken()
    assert found.log_odds > other.log_odds
    for _ in range(50):
        found.mistaken()
    assert found.log_odds <= math.log(MOST)


def _scores(llr, log_p, log_odds):
    share = np.full((1, 2), math.log(0.1))
    return Scores(np.array([1, 2]), np.array([llr]), np.array([log_p]), share, share, log_odds)


def test_where_strangers_are_rare_less_is_enough():
    llr, log_p = [5.5, -np.inf], [math.log(0.004), 0.0]
    assert not _scores(llr, log_p, -math.inf).accepted(0.01).any()
    assert not _scores(llr, log_p, 0.0).accepted(0.01).any()
    assert _scores(llr, log_p, math.log(10)).accepted(0.01).tolist() == [[True, False]]
    assert not _scores([-1.0, -np.inf], log_p, math.log(20)).accepted(0.01).any()


def test_of_those_who_are_taken_for_somebody_so_few_are_strangers():
    """By simulation: evidence of known people and strangers at the odds that are told."""
    draw = np.random.default_rng(5)
    odds, fa, n = 9.0, 0.02, 200000
    known = draw.random(n) < odds / (1 + odds)
    # llr of one of ten equally likely persons: normal, of mean +-d²/2 and variance d²
    d = 3.0
    llr = np.where(known, 1, -1) * d * d / 2 + d * draw.standard_normal(n)
    # a stranger may be taken for any of the ten
    others = -d * d / 2 + d * draw.standard_normal((n, 9))
    table = np.column_stack([llr, others])
    share = np.full((n, 10), math.log(0.1))
    found = Scores(np.arange(10), table, np.zeros((n, 10)), share, share, math.log(odds))
    taken = found.accepted(fa).any(axis=1)
    assert taken.mean() > 0.3
    assert (taken & ~known).sum() / taken.sum() < 1.3 * fa


def test_the_probability_of_a_stranger_is_what_is_left():
    found = _scores([math.log(30.0), math.log(10.0)], [-3.0, -2.0], 0.0)
    assert found.stranger(0) == pytest.approx(1 / (1 + 3 + 1))
    nobody = _scores([-np.inf, -np.inf], [0.0, 0.0], 0.0)
    assert nobody.stranger(0) == pytest.approx(1.0)
