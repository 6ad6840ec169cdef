"""Whether a long run is judged by what it shows."""

import numpy as np
import pytest

from reid_ros.bench.soak import trend, trends
from reid_ros.bench.soak_cameras import Judge
from reid_ros.types import Sightings
from reid_ros.world.values import Truth


def wandering(n, draw, share=0.6):
    """Noise that remembers what it was."""
    result = np.zeros(n)
    for i in range(1, n):
        result[i] = share * result[i - 1] + draw.normal()
    return result


@pytest.mark.parametrize('slope', [0.0, 0.6])
def test_the_true_slope_lies_between_the_bounds_as_often_as_they_say(slope):
    draw, seconds = np.random.default_rng(0), np.arange(100) * 15.0
    found = [trend(seconds, slope * seconds / 60 + wandering(100, draw)) for _ in range(300)]
    inside = np.mean([one.low <= slope <= one.high for one in found])
    assert 0.85 <= inside < 1.0
    assert np.mean([one.per_min for one in found]) == pytest.approx(slope, abs=0.05)


def test_what_does_not_change_has_no_slope_and_no_doubt():
    found = trend(np.arange(50) * 15.0, np.full(50, 21.0))
    assert found.per_min == found.low == found.high == 0.0


def test_growth_in_the_warm_up_does_not_count():
    kinds = ('own_mb', 'rss_mb', 'threads', 'files', 'blocks', 'persons')
    samples = [
        {'seconds': 15.0 * i, **dict.fromkeys(kinds, min(100.0 + 10 * i, 300.0))}
        for i in range(120)
    ]
    assert trends(samples)['own_mb'].high == pytest.approx(0.0, abs=1e-6)
    assert trends(samples[:8]) == {}


def test_who_was_taken_for_whom_is_told():
    boxes = np.array([[0, 0, 10, 20], [50, 0, 60, 20]], np.float32)
    ones, numbers = np.ones(2, np.float32), np.array([1, 2], np.uint32)
    truth = Truth(
        numbers, boxes, ones, np.zeros((2, 3)), ones, np.zeros(2, np.uint8),
        np.zeros((40, 80), np.uint8),
    )  # fmt: skip
    judge, yes, nobody = Judge(['a']), np.ones(2, bool), np.zeros(2, np.uint32)
    for stamp in range(10):
        said = np.array([7, 7] if stamp == 4 else [7, 8], np.uint32)
        judge.send('a', stamp + 1, truth)
        judge.hear(
            Sightings(
                'a',
                stamp + 1,
                stamp,
                boxes,
                ones,
                numbers,
                said,
                ones,
                yes,
                ~yes,
                nobody,
                0 * ones,
            ),
            stamp + 1,
        )
    result = judge.result()
    assert result['rows_with_a_wrong_person'] == 1
    assert result['mistaken'] == [{'person': 2, 'taken_for': 1, 'rows': 1, 'numbers': 1}]
