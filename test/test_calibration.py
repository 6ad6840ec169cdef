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


# -- a left side that is not normal ---------------------------------------------------------------


@st.composite
def bent(draw):
    """Spreads with a left side of two to six knots that rise."""
    number = draw(st.integers(2, 6))
    steps = st.lists(st.floats(0.05, 2.0), min_size=number, max_size=number)
    where, score = (-np.cumsum(draw(steps))[::-1] + draw(st.floats(-0.3, 0.3)) for _ in range(2))
    left = tuple(zip(where.tolist(), score.tolist()))
    return Spread(
        draw(st.floats(20, 120)), draw(st.floats(1, 20)), draw(st.integers(30, 999)), left
    )


@given(st.builds(Condition, spreads, bent()), st.lists(st.floats(0, 180), min_size=2, max_size=30))
def test_evidence_never_rises_with_the_angle_where_the_tail_is_bent(condition, values):
    ordered = np.sort(np.array(values))
    assert (np.diff(condition.llr(ordered)) <= 1e-9).all()
    assert (np.diff(condition.log_p(ordered)) >= -1e-9).all()


def alike(draw, number):
    """Angles of strangers of whom one couple in fifty looks alike: a heavy left side."""
    lookalike = draw.random(number) < 0.02
    return np.where(lookalike, draw.normal(42, 6, number), draw.normal(60, 6, number))


def test_the_left_side_is_kept_as_far_out_as_couples_were_measured():
    draw = np.random.default_rng(0)
    values = alike(draw, 300_000)
    fine = Spread.of(values, n=800, couples=300_000)
    scores = [score for _, score in fine.left]
    np.testing.assert_allclose(
        scores, stats.norm.ppf([1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.02, 0.05, 0.2, 0.5]), atol=1e-4
    )
    assert len(Spread.of(values, n=800, couples=10_000).left) == 7
    assert Spread.of(values, n=25, couples=300).left == ()
    assert Spread.of(values).left == ()


def test_a_bent_tail_is_true_of_strangers_it_has_not_seen():
    draw = np.random.default_rng(1)
    spread = Spread.of(alike(draw, 300_000), n=800, couples=300_000)
    others = np.sort(alike(draw, 3_000_000))
    plain = Spread(spread.mean, spread.sd, spread.n)
    for share in (1e-2, 1e-3, 1e-4, 1e-5):
        close = others[int(share * len(others))]
        assert share / 1.5 < float(spread.below(close)) < share * 1.5
        if share <= 1e-3:
            assert float(plain.below(close)) < share / 5
    density = np.gradient(spread.below(np.arange(0, 70, 0.01)), 0.01)
    np.testing.assert_allclose(
        np.exp(spread.log_density(np.arange(0, 70, 0.01)))[1:-1],
        density[1:-1],
        rtol=0.02,
        atol=1e-9,
    )


def test_people_are_calibrated_with_the_tail_of_their_couples():
    draw = np.random.default_rng(2)
    people, dimensions = 60, 24
    looks = draw.normal(size=(people, dimensions))
    looks[:10] = looks[0] + 0.5 * draw.normal(size=(10, dimensions))  # in one uniform
    rows = np.repeat(np.arange(people), 4)
    vectors = looks[rows] + 0.3 * draw.normal(size=(len(rows), dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    fitted = Calibration.of(vectors, rows, np.tile([0, 0, 1, 1], people))
    assert fitted.same_camera.genuine.left == fitted.cross_camera.genuine.left == ()
    for condition in (fitted.same_camera, fitted.cross_camera):
        assert len(condition.impostor.left) == 5  # 1770 couples: down to one in a hundred
    assert Calibration.from_json(json.loads(json.dumps(fitted.to_json())), 'text') == fitted


@pytest.mark.parametrize(
    'left',
    [
        ((0.0, 0.0),),
        ((0.0, 0.0), (-1.0, -1.0)),
        ((-1.0, 0.0), (0.0, 0.0)),
        ((-1.0, -1.0), (float('nan'), 0.0)),
        ((-1.0, -1.0, 2.0), (0.0, 0.0, 1.0)),
    ],
)
def test_a_left_side_that_does_not_rise_is_refused(left):
    with pytest.raises(CalibrationError, match='left side'):
        Spread(50, 5, 100, left)


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
        (lambda d: d['same_camera']['impostor'].update(left=[[1, 2]]), 'left side'),
        (lambda d: d['same_camera']['impostor'].update(left=[[1, 2, 3], 4]), 'misspells'),
        (lambda d: d['same_camera']['impostor'].update(left=7), 'misspells'),
        (lambda d: d['same_camera']['impostor'].update(left=None), 'misspells'),
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
