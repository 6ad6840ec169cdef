"""Tables in the order in which they were made, and clocks of other machines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_ros.ros.intake import Arrival, InTurn
from reid_ros.ros.offset import Offset
from reid_ros.ros.order import LIMIT, PATIENCE_S, Order

MS = 1_000_000


def numbers(turns):
    return [turn.item for turn in turns]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_shuffled_and_doubled_tables_come_out_once_and_in_order(jumps, random):
    sequence = [(i + jump, i) for i, jump in enumerate(jumps)]  # nobody overtakes more than five
    arriving = [0] + [i for _, i in sorted(sequence) if i]
    arriving = [i for number in arriving for i in [number] * random.choice((1, 1, 2))]
    order = Order(0.2)
    out = [i for number in arriving for i in numbers(order.put(7, number, number, 0.0))]
    assert out == list(range(len(jumps)))
    assert order.counts['duplicated'] == len(arriving) - len(jumps)
    assert order.counts['lost'] == order.counts['late'] == 0


def test_a_missing_table_is_waited_for_and_then_given_up():
    order = Order(0.2)
    order.put(1, 10, 'ten', 0.0)
    assert order.put(1, 12, 'twelve', 0.1) == []
    assert order.due(0.25) == []
    turn, after = order.due(0.31) + order.put(1, 13, 'thirteen', 0.32)
    assert (turn.item, turn.missed, turn.restarted) == ('twelve', 1, False)
    assert (after.item, after.missed) == ('thirteen', 0)
    assert order.counts['lost'] == 1
    assert order.put(1, 11, 'eleven', 0.4) == []
    assert order.counts['late'] == 1
    assert order.counts['lost'] == 0
    assert order.put(1, 11, 'eleven', 0.5) == []
    assert order.counts['duplicated'] == 1


def test_no_more_than_a_limit_waits_for_a_table_that_never_comes():
    order = Order(60.0)
    out = numbers(order.put(1, 0, 0, 0.0))
    for number in range(2, LIMIT + 10):
        out += numbers(order.put(1, number, number, 0.0))
    assert out == [0, *range(2, LIMIT + 10)]
    assert order.counts['lost'] == 1


def test_another_run_begins_at_once_and_the_old_one_is_not_heard_any_more():
    order = Order(0.2)
    order.put(1, 500, 'old', 0.0)
    order.put(1, 502, 'waits', 0.0)
    held, new = order.put(2, 0, 'new', 0.1)
    assert (held.item, held.missed) == ('waits', 1)
    assert (new.item, new.restarted) == ('new', True)
    assert order.put(1, 503, 'stray', 0.2) == []
    assert order.counts['stale'] == 1
    assert numbers(order.put(2, 1, 'next', 0.2)) == ['next']


def test_a_run_that_was_replaced_by_mistake_is_taken_up_again():
    order = Order(0.2)
    order.put(1, 5, 'good', 0.0)
    order.put(2, 0, 'a second sight node, soon stopped', 0.1)
    assert order.put(1, 6, 'good', 1.0) == []
    later = 0.2 + PATIENCE_S
    assert order.put(1, 5, 'a late copy', later) == []
    (turn,) = order.put(1, 7, 'good', later)
    assert turn.restarted


def test_a_long_silence_of_the_network_is_one_gap():
    order = Order(0.2)
    order.put(1, 0, 0, 0.0)
    order.put(1, 4_000_000_000, 1, 9.0)
    (turn,) = order.due(9.3)
    assert turn.missed == order.counts['lost'] == 4_000_000_000 - 1


def test_what_is_here_is_given_out_by_moments_and_nobody_is_waited_for():
    dropped = []
    intake = InTurn(('a', 'b', 'c'), 3, dropped.append)
    for camera, stamp in (('b', 130), ('a', 100), ('b', 164), ('a', 133), ('a', 166), ('a', 199)):
        intake.put(Arrival(camera, stamp * MS, None))
    assert dropped == ['a'], 'the oldest gives way'
    assert intake.waiting('a') == 3
    moments = []
    while moment := intake.take(0.0):
        moments.append([(arrival.camera, arrival.stamp_ns // MS) for arrival in moment])
    assert moments == [
        [('a', 133), ('b', 130)],
        [('a', 166), ('b', 164)],
        [('a', 199)],
    ]


def answers(offset_s, delays, seed=0, begin_s=0.0):
    """Questions a second apart, each with its two delays, to a clock that is ahead."""
    draw = np.random.default_rng(seed)
    found = Offset()
    for i, longest in enumerate(delays):
        there, back = draw.uniform(0.0, longest, 2)
        asked = begin_s + i
        seen = asked + there + offset_s
        found.hear(*(round(t * 1e9) for t in (asked, seen, asked + there + back)))
    return found


@pytest.mark.parametrize('offset_s', [-3600.0, -0.08, 0.0, 0.0004, 0.25])
def test_the_offset_is_known_within_its_error(offset_s):
    found = answers(offset_s, [0.2, 0.01, 0.3, 0.15])
    assert found.known
    assert abs(found.seconds - offset_s) <= found.error_s
    assert found.error_s < 0.011


def test_a_slow_network_never_makes_a_good_clock_bad():
    found = Offset()
    for asked in range(0, 5000, 1000):  # all of the delay is on the way there
        found.hear(asked * MS, (asked + 800) * MS, (asked + 801) * MS)
    assert found.seconds == pytest.approx(0.4, abs=0.001)
    assert not found.surely_beyond(0.1)
    assert answers(0.5, [0.01]).surely_beyond(0.1)


def test_a_clock_that_is_set_is_believed_at_once():
    found = answers(0.0, [0.004] * 5)
    found.hear(5_000 * MS, 5_502 * MS, 5_004 * MS)
    assert found.seconds == pytest.approx(0.5, abs=0.001)


def test_old_answers_and_a_clock_of_ours_that_was_set_back_are_forgotten():
    found = answers(0.0, [0.001])
    found.hear(100_000 * MS, 100_090 * MS, 100_100 * MS)
    assert found.seconds == pytest.approx(0.04, abs=1e-6)
    found.hear(100_500 * MS, 100_500 * MS, 99_000 * MS)
    assert not found.known
