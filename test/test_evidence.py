"""What speaks for whom: shares, margins, one-to-one, and how often a stranger is accepted."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from people import CLEAR, Population
from scipy import stats

from reid_ros.calibration import Calibration, Condition, Spread
from reid_ros.evidence import (
    FEWEST,
    MARGIN,
    SMALLEST_GALLERY,
    Evidence,
    Scores,
    joined,
    matches,
    scores,
)
from reid_ros.gallery import Closeness, Gallery

NAN = float('nan')

# A network as the card of a small one tells it, from few pairs.
SMALL = Calibration(
    Condition(Spread(15.0, 6.0, 12), Spread(55.0, 8.0, 15)),
    Condition(Spread(25.0, 6.0, 12), Spread(58.0, 6.0, 24)),
)


def closeness(same, cross):
    """From angles in degrees, nan where there is no prototype."""
    same, cross = (np.cos(np.radians(np.atleast_2d(a))).astype(np.float32) for a in (same, cross))
    return Closeness(np.arange(1, same.shape[1] + 1), same, cross)


def evidence(same, cross=None, *, calibration=CLEAR, impossible=None, recent=None):
    cross = np.full_like(np.atleast_2d(same), NAN, dtype=float) if cross is None else cross
    found = closeness(same, cross)
    shape = found.same.shape
    impossible = np.zeros(shape, bool) if impossible is None else np.atleast_2d(impossible)
    recent = np.zeros(shape) if recent is None else np.atleast_2d(recent)
    return scores(found, calibration, impossible, recent.astype(float))


def given_scores(llr, log_p=-50.0):
    """Scores in which whatever speaks for a person is enough."""
    llr = np.atleast_2d(np.array(llr, float))
    return Scores(
        np.arange(1, llr.shape[1] + 1),
        llr,
        np.where(llr > 0, log_p, 0.0),
        np.full(llr.shape, -np.log(10)),
        np.full(llr.shape, -np.log(10)),
    )


# -- evidence ------------------------------------------------------------------------------------


def test_a_closer_vector_is_never_weaker_evidence():
    grid = np.linspace(0, 120, 241)
    for same, cross in ((grid[None], None), (np.full((1, 241), NAN), grid[None])):
        found = evidence(same, cross)
        assert (np.diff(found.llr[0]) <= 1e-9).all()
        assert (np.diff(found.log_p[0]) >= -1e-9).all()


def test_without_a_vector_there_is_no_evidence():
    found = evidence([[NAN]], [[NAN]])
    assert found.llr[0, 0] == -np.inf
    assert not found.accepted(0.2).any()
    assert not found.nearly(0.2).any()


def test_an_impossible_person_is_never_accepted_however_alike():
    found = evidence([[0.0, 0.0]], impossible=[[True, False]])
    assert found.accepted(0.2).tolist() == [[False, True]]


def test_the_own_camera_decides_where_it_knows_the_person():
    alone = evidence([[15.0]])
    other_view = evidence([[15.0]], [[62.0]])
    look_alike = evidence([[62.0]], [[10.0]])
    assert alone.accepted(0.01).all()
    assert other_view.accepted(0.01).all()
    assert not look_alike.accepted(0.01).any()


def test_a_smaller_share_of_false_accepts_never_accepts_more():
    found = evidence(np.linspace(0, 90, 50)[None])
    before = found.accepted(0.2)
    for p in (0.1, 0.01, 1e-4, 1e-6):
        now = found.accepted(p)
        assert not (now & ~before).any()
        before = now


@pytest.mark.parametrize('n', [1, 5, 10, 11, 100, 1000])
def test_the_shares_of_all_persons_sum_to_at_most_one(n):
    draw = np.random.default_rng(n)
    for recent in (np.zeros(n), (draw.random(n) < 0.3).astype(float), np.ones(n), draw.random(n)):
        shut = draw.random(n) < 0.2
        found = evidence(np.full((1, n), 20.0), impossible=shut, recent=recent)
        assert np.exp(found.log_share[0][~shut]).sum() <= 1 + 1e-9


def test_a_person_who_just_left_gets_a_larger_share():
    found = evidence(np.full((1, 50), 20.0), recent=np.eye(50)[0])
    assert found.log_share[0, 0] > np.log(0.5)
    assert (found.log_share[0, 1:] < np.log(1 / 50)).all()


def test_the_share_of_one_person_in_a_tiny_gallery_is_bounded():
    found = evidence([[20.0]])
    assert found.log_share[0, 0] == pytest.approx(-np.log(SMALLEST_GALLERY))
    assert found.log_prior[0, 0] == pytest.approx(-np.log(FEWEST))
    many = evidence(np.full((1, 50), 20.0))
    np.testing.assert_array_equal(many.log_prior, many.log_share)


def test_where_strangers_are_rare_it_takes_less_to_be_one_of_a_few():
    for people, enough in ((3, True), (10, False)):
        found = dataclasses.replace(
            evidence(np.full((1, people), 30.0)),
            llr=np.full((1, people), 3.2),
            log_p=np.zeros((1, people)),
            log_odds=math.log(20.0),
        )
        assert (found.accepted(0.01) == enough).all()


def test_a_probability_lies_between_nothing_and_one():
    found = evidence([[0.0, 20.0, 45.0, 90.0, NAN]])
    values = [found.probability(0, column) for column in range(5)]
    assert values == sorted(values, reverse=True)
    assert 0.99 < values[0] <= 1.0
    assert 0.0 <= values[-1] < 1e-6


# -- matching ------------------------------------------------------------------------------------


def test_an_empty_gallery_and_no_tracks_match_nothing():
    assert matches(evidence(np.empty((0, 0))), 0.01) == []
    assert [m.column for m in matches(evidence(np.empty((2, 0))), 0.01)] == [-1, -1]


def test_the_best_person_must_beat_the_second_by_a_margin():
    sure = matches(given_scores([[10.0, 10.0 - MARGIN - 0.1]]), 0.01)[0]
    unsure = matches(given_scores([[10.0, 10.0 - MARGIN + 0.1]]), 0.01)[0]
    assert (sure.column, sure.ambiguous, sure.undecided) == (0, False, False)
    assert (unsure.column, unsure.ambiguous, unsure.undecided, unsure.rival) == (0, True, True, 1)


def test_a_second_best_that_would_not_be_accepted_still_counts_against_the_best():
    found = given_scores([[5.0, 4.0]])
    found.log_p[0, 1] = -1.0
    assert not found.accepted(0.01)[0, 1]
    assert matches(found, 0.01)[0].ambiguous


def test_looks_do_not_prevail_over_places_however_alike():
    """Somebody else may wear the same."""
    found = evidence([[4.0, 60.0]])
    assert found.llr[0, 0] > 20
    assert found.accepted(0.01)[0, 0]
    there = found.beside(np.array([[-3.0, 0.0]]))
    assert there.accepted(0.01)[0, 0]
    elsewhere = found.beside(np.array([[-5.0, 0.0]]))
    assert not elsewhere.accepted(0.01).any()
    assert not elsewhere.nearly(0.01).any()
    assert matches(elsewhere, 0.01)[0].column == -1


def test_a_person_goes_to_one_track_only():
    found = matches(given_scores([[20.0, -5.0], [10.0, -5.0]]), 0.01)
    assert [m.column for m in found] == [0, -1]


def test_who_is_held_by_a_better_track_is_no_rival():
    """Two alike persons and a track for each: together they are clear, alone they are not."""
    together = matches(given_scores([[20.0, 18.0], [9.0, 16.0]]), 0.01)
    assert [(m.column, m.ambiguous) for m in together][1] == (1, False)
    assert matches(given_scores([[20.0, 18.0]]), 0.01)[0].ambiguous


def test_two_tracks_that_could_be_exchanged_are_both_in_doubt():
    """Each holds whom the other may be as well; one of the four pairs alone is not accepted."""
    found = given_scores([[9.1, 6.8], [4.8, 2.8]])
    found.log_p[1, 1] = -1.0
    assert found.accepted(0.01).tolist() == [[True, True], [True, False]]
    told = matches(found, 0.01)
    assert [(m.column, m.ambiguous) for m in told] == [(1, True), (0, True)]
    assert [m.margin for m in told] == pytest.approx([-0.3, -0.3])
    # A third person whom the first may be all the same frees the second one.
    third = matches(given_scores([[9.0, 0.0, 9.0], [2.0, 8.0, 0.0]]), 0.01)
    assert (third[1].column, third[1].margin) == (1, pytest.approx(6.0))


def test_the_assignment_is_the_best_of_all():
    """Against every assignment, unknown included, of small random scenes."""
    draw = np.random.default_rng(0)
    for _ in range(100):
        m, n = draw.integers(1, 4, 2)
        found = given_scores(draw.normal(5, 8, (m, n)))
        accepted = found.accepted(0.01)
        chosen = [match.column for match in matches(found, 0.01)]
        value = sum(found.llr[row, c] for row, c in enumerate(chosen) if c >= 0)
        assert all(accepted[row, c] for row, c in enumerate(chosen) if c >= 0)
        taken = [c for c in chosen if c >= 0]
        assert len(set(taken)) == len(taken)
        best = 0.0
        for columns in itertools.product(range(-1, n), repeat=m):
            used = [c for c in columns if c >= 0]
            if len(set(used)) == len(used) and all(
                accepted[row, c] for row, c in enumerate(columns) if c >= 0
            ):
                best = max(best, sum(found.llr[row, c] for row, c in enumerate(columns) if c >= 0))
        assert value == pytest.approx(best)


def test_one_lucky_pair_of_prototypes_merges_nobody():
    same = np.full((4, 1), NAN)
    cross = np.array([[15.0], [60.0], [62.0], [61.0]])
    weights, nobody = np.full(4, 0.25), np.zeros((1, 1))

    def merged(cross):
        looks = Evidence.mean(closeness(same, cross), CLEAR, weights)
        return joined(np.array([7]), looks, nobody.astype(bool), nobody)

    found = merged(cross)
    assert not found.accepted(0.01).any()
    found = merged(np.full((4, 1), 25.0))
    assert found.accepted(0.01).all()


def test_evidence_is_that_of_a_plain_loop():
    """The mean of both kinds of evidence; the share of strangers lies between the two."""
    draw = np.random.default_rng(4)
    same, cross = draw.uniform(0, 90, (2, 6, 9))
    same[draw.random((6, 9)) < 0.3] = NAN
    cross[draw.random((6, 9)) < 0.3] = NAN
    found = evidence(same, cross)
    for i, j in itertools.product(range(6), range(9)):
        llr, log_p = [], []
        for angle, condition in (
            (same[i, j], CLEAR.same_camera),
            (cross[i, j], CLEAR.cross_camera),
        ):
            if not np.isnan(angle):
                llr.append(float(condition.llr(np.array(angle))))
                log_p.append(float(condition.log_p(np.array(angle))))
        if llr:
            assert found.llr[i, j] == pytest.approx(np.mean(llr), rel=1e-3, abs=1e-3)
            assert min(log_p) - 0.1 <= found.log_p[i, j] <= max(log_p) + 0.1
        else:
            assert found.llr[i, j] == -np.inf


# -- how often a stranger is taken for somebody --------------------------------------------------


def _drawn(spread, shape, draw):
    """Angles from the predictive distribution of a calibrated sample."""
    scale = spread.sd * np.sqrt(1 + 1 / spread.n)
    values = stats.t(spread.n - 1, spread.mean, scale).rvs(shape, random_state=draw)
    return np.clip(values, 0, 180)


def _upper(n, p):
    """So many of n happen by chance at probability p, but for one in a thousand."""
    return int(stats.binom.ppf(0.999, n, p))


@pytest.mark.parametrize('calibration', [CLEAR, SMALL], ids=['clear', 'small'])
@pytest.mark.parametrize('condition', ['same', 'cross', 'both'])
@pytest.mark.parametrize('n', [1, 10, 100])
def test_no_more_strangers_are_accepted_than_asked_for_and_known_people_are(
    calibration, condition, n
):
    draw = np.random.default_rng(n)
    p, strangers = 0.01, 2000

    def angles_of(kind, rows):
        result = {}
        for name in ('same', 'cross'):
            spread = getattr(getattr(calibration, f'{name}_camera'), kind)
            use = condition in (name, 'both')
            result[name] = _drawn(spread, (rows, n), draw) if use else np.full((rows, n), NAN)
        return result

    found = evidence(**angles_of('impostor', strangers), calibration=calibration)
    taken = sum(
        matches(found.row(row), p)[0].column >= 0
        for row in np.flatnonzero(found.accepted(p).any(axis=1))
    )
    assert taken <= _upper(strangers, p)

    genuine, stranger = angles_of('genuine', 300), angles_of('impostor', 300)
    for name in genuine:
        stranger[name][:, 0] = genuine[name][:, 0]
    found = evidence(**stranger, calibration=calibration)
    answers = [matches(found.row(row), p)[0] for row in range(300)]
    right = sum(a.column == 0 and not a.ambiguous for a in answers)
    wrong = sum(a.column > 0 and not a.ambiguous for a in answers)
    least = {CLEAR: {1: 0.97, 10: 0.97, 100: 0.9}, SMALL: {1: 0.6, 10: 0.6, 100: 0.25}}
    assert right >= least[calibration][n] * 300, f'only {right} of 300 known people'
    assert wrong <= _upper(300, p)


@pytest.mark.parametrize('p', [0.001, 0.01, 0.1])
def test_the_setting_is_not_only_a_bound_but_about_the_rate(p):
    """With ten persons and more, strangers are accepted at about the rate that was asked for."""
    draw = np.random.default_rng(5)
    n, strangers = 50, 20_000
    wide = Condition(Spread(40.0, 12.0, 200), Spread(60.0, 6.0, 500))
    same = _drawn(wide.impostor, (strangers, n), draw)
    rate = evidence(same, calibration=Calibration(wide, wide)).accepted(p).any(axis=1).mean()
    assert 0.6 * p <= rate <= 1.3 * p


# -- the same from real vectors ------------------------------------------------------------------


@pytest.mark.parametrize(
    'n',
    [
        1,
        10,
        100,
    ],
)
def test_strangers_of_a_population_are_accepted_as_rarely_as_asked_for(n):
    """Galleries of real vectors, with several prototypes each, against fresh people."""
    population = Population(seed=n)
    calibration, p = population.calibration(), 0.01
    gallery = Gallery()
    known = []
    for _ in range(n):
        person = population.person()
        number = gallery.born(0).number
        known.append(person)
        for camera in ('hall', 'hall', 'yard'):
            gallery.learn(number, population.track(person, camera), camera, 3.0)

    def answer(person, camera):
        vector = population.track(person, camera)[None]
        found = gallery.closeness(vector, [camera])
        nothing = np.zeros((1, n))
        match = matches(scores(found, calibration, nothing > 0, nothing), p)[0]
        return 0 if match.ambiguous else match.column + 1

    strangers = 1500
    taken = sum(answer(population.person(), 'hall') > 0 for _ in range(strangers))
    assert taken <= _upper(strangers, p)
    probes = [i % n for i in range(200)]
    right = sum(answer(known[i], 'hall') == i + 1 for i in probes)
    assert right >= 180, f'only {right} of 200 known people'


def test_what_speaks_against_weighs_as_much_as_what_speaks_for():
    share = np.array([[np.log(0.1)]])
    found = Scores(np.array([1]), np.array([[6.0]]), np.array([[-8.0]]), share, share)
    assert found.accepted(0.01).all()
    against = found.beside(np.array([[-3.6]]))
    assert against.llr[0, 0] == pytest.approx(2.4)
    assert against.log_p[0, 0] == pytest.approx(-4.4)
    assert not against.accepted(0.01).any()
    assert found.beside(np.array([[-20.0]])).log_p[0, 0] == 0.0
    assert found.beside(np.array([[3.6]])).log_p[0, 0] < -8.0
