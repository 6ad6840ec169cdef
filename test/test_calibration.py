"""From angles to evidence."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reid_ros.calibration import (
    CAUTIOUS,
    Calibration,
    CalibrationError,
    Condition,
    Spread,
    angles,
)

spreads = st.builds(Spread, st.floats(0, 180), st.floats(0.5, 90), st.integers(3, 10_000))
conditions = st.builds(Condition, spreads, spreads)


def test_angles_of_cosines_are_degrees_and_rounding_beyond_one_is_forgiven():
    cosines = np.array([1.0, 1.0000001, 0.5, 0.0, -1.0, -1.0000001])
    np.testing.assert_allclose(angles(cosines), [0, 0, 60, 90, 180, 180], atol=1e-9)


@given(conditions, st.lists(st.floats(0, 180), min_size=2, max_size=30))
def test_evidence_never_rises_with_the_angle(condition, values):
    ordered = np.sort(np.array(values))
    assert (np.diff(condition.llr(ordered)) <= 1e-9).all()
    assert (np.diff(condition.log_p(ordered)) >= -1e-9).all()


@given(spreads, st.floats(0, 180))
def test_the_tail_is_that_of_the_posterior_predictive_distribution(spread, angle):
    """Against scipy's Student t with the scale sd sqrt(1 + 1/n)."""
    scale = spread.sd * math.sqrt(1 + 1 / spread.n)
    known = stats.t(spread.n - 1, spread.mean, scale)
    assert float(spread.below(np.array(angle))) == pytest.approx(known.cdf(angle), abs=1e-9)
    assert float(spread.log_density(np.array(angle))) == pytest.approx(known.logpdf(angle))


def test_few_observations_ask_for_more_likeness():
    """The angle that one stranger in a thousand comes within shrinks with the sample."""
    grid = np.linspace(0, 90, 2000)

    def limit(n):
        return grid[np.searchsorted(Spread(60, 6, n).below(grid), 1e-3)]

    limits = [limit(n) for n in (5, 15, 100, 10_000)]
    assert limits == sorted(limits)
    assert limits[0] < limits[-1] - 5


def test_the_density_is_one_in_sum():
    grid = np.linspace(-2000, 2000, 400_001)
    for n in (3, 10, 1000):
        total = np.exp(Spread(50, 8, n).log_density(grid)).sum() * 0.01
        assert total == pytest.approx(1.0, abs=2e-3)


def test_a_spread_is_that_of_its_sample_with_a_floor():
    spread = Spread.of([10.0, 20.0, 30.0])
    assert (spread.mean, spread.sd, spread.n) == (20.0, 10.0, 3)
    assert Spread.of([10.0, 10.1, 10.2]).sd == 2.0
    assert Spread.of([10.0, 20.0, 30.0, 40.0], n=3).n == 3


@pytest.mark.parametrize(
    ('mean', 'sd', 'n'), [(-1, 5, 10), (181, 5, 10), (50, 0, 10), (50, 91, 10), (50, 5, 2)]
)
def test_a_spread_out_of_range_is_refused(mean, sd, n):
    with pytest.raises(CalibrationError, match='at least 3 observations'):
        Spread(mean, sd, n)


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_a_spread_that_is_no_number_is_refused(bad):
    for values in ((bad, 5.0, 10), (50.0, bad, 10)):
        with pytest.raises(CalibrationError):
            Spread(*values)


def test_the_strict_calibration_needs_more_than_any_measured_one():
    """Without a calibration of its own a network must rather say 'unknown'."""
    for condition in (CAUTIOUS.same_camera, CAUTIOUS.cross_camera):
        accepted = condition.log_p(np.array([5.0, 15.0, 25.0, 35.0])) <= math.log(1e-3)
        assert accepted[0]
        assert not accepted[-1]


# -- files ---------------------------------------------------------------------------------------


def test_a_calibration_survives_a_file(tmp_path):
    path = tmp_path / 'site.json'
    path.write_text(json.dumps(CAUTIOUS.to_json()))
    assert Calibration.read(path) == CAUTIOUS


def _broken(change):
    data = CAUTIOUS.to_json()
    change(data)
    return data


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda d: d.pop('same_camera'), 'same_camera'),
        (lambda d: d['cross_camera'].pop('impostor'), 'impostor'),
        (lambda d: d['cross_camera']['genuine'].pop('sd'), 'sd'),
        (lambda d: d.update(same_camera=[1, 2]), 'misspells'),
        (lambda d: d.update(same_camera=None), 'misspells'),
        (lambda d: d['same_camera']['genuine'].update(mean='far'), "'reid_ros calibrate'"),
        (lambda d: d['same_camera']['genuine'].update(n=2), 'at least 3 observations'),
    ],
)
def test_a_broken_calibration_says_what_is_wrong(change, words):
    with pytest.raises(CalibrationError, match=words):
        Calibration.from_json(_broken(change), 'site.json')


@pytest.mark.parametrize('text', ['', '{', 'hello', '[]', '3', '"text"', 'null'])
def test_a_file_that_is_no_calibration_is_refused_with_its_name(tmp_path, text):
    path = tmp_path / 'site.json'
    path.write_text(text)
    with pytest.raises(CalibrationError, match=r'site\.json'):
        Calibration.read(path)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / 'site.json'
    path.write_bytes(bytes(range(256)))
    with pytest.raises(CalibrationError, match='no JSON'):
        Calibration.read(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CalibrationError, match='No such file'):
        Calibration.read(tmp_path / 'none.json')
