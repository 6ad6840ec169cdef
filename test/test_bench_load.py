"""`reid_ros bench load`: what counts as kept, and how it is told."""

from dataclasses import replace

import pytest

from reid_ros.bench import load
from reid_ros.cli import bench_load

GOOD = load.Row(2.0, 0.3, 8, 60.0, 0.9, 0.8, 90.0, 210.0, 280.0, 1.0, 0.3, 0.1, 2, 70.0, 'work')


@pytest.mark.parametrize(
    ('change', 'broken'),
    [
        ({}, None),
        ({'p95_ms': 301.0}, 'p95 under the limit'),
        ({'processed': 0.39}, 'at least 40 % of the images processed'),
        ({'least': 0.0}, 'every camera served'),
        ({'p95_ms': float('nan')}, 'p95 under the limit'),
        ({'p95_ms': 900.0, 'limit_s': 0.0}, None),
        ({'p95_ms': 900.0, 'load': 3.0}, None),
    ],
)
def test_goals_hold_up_to_twice_the_capacity_with_a_limit(change, broken):
    goals = bench_load.goals([GOOD, replace(GOOD, **change)])
    assert [goal for goal, kept in goals.items() if not kept] == [broken] * (broken is not None)


def test_a_row_tells_shares_in_percent_under_the_words_of_the_head():
    assert load.line(GOOD).split() == [
        '2.0', '300', '8', '60.0', '90', '80', '90', '210', '280', '100', '30', '10', '70.0',
    ]  # fmt: skip
    assert load.line(replace(GOOD, limit_s=0.0)).split()[1] == 'none'
    assert len(load.line(GOOD)) == len(load.HEAD)


def test_ratios_compare_each_load_with_and_without_the_limit():
    free = replace(GOOD, limit_s=0.0, p95_ms=420.0, processed=0.5, idf1=0.0)
    assert bench_load.ratios([GOOD, free, replace(GOOD, load=3.0)]) == [
        {'load': 2.0, 'p95': 0.5, 'processed': 1.8, 'idf1': None}
    ]
