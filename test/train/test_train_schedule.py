"""When a student listens to its teacher: the phases, their rivals, and the learning rate."""

import numpy as np
import pytest

pytest.importorskip('torch', reason='training needs torch')

from hypothesis import given, settings
from hypothesis import strategies as st

from reid_ros.config import ConfigError
from reid_ros.train import course
from reid_ros.train.schedule import Phases, Weights, mean
from reid_ros.train.settings import DistilConfig, OptimConfig

GRID = np.linspace(0, 1, 1001)
ARMS = ('none', 'constant', 'equal_dose', 'equal_dose_rate', 'linear', 'progressive', 'reversed',
        'hard', 'all_terms')  # fmt: skip


def phases(schedule='progressive', optim=None, **settings):
    return Phases(DistilConfig(schedule=schedule, **settings), optim or OptimConfig())


def curve(plan, grid=GRID):
    """(3, points): logit, relation, feature."""
    found = [plan.weights(share) for share in grid]
    return np.array([[w.logit, w.relation, w.feature] for w in found]).T


@st.composite
def corners(draw):
    """Corners of a schedule in their order, with room for the ramp."""
    f1 = draw(st.floats(0, 0.8))
    f2 = draw(st.floats(f1 + 0.05, 0.9))
    ramp = draw(st.floats(0.02, 1 - f2))
    partial = draw(st.floats(0, 1))
    return {'introduction': f1, 'refinement': f2, 'ramp': ramp, 'partial': partial}


@settings(max_examples=50, deadline=None)
@given(corners())
def test_the_phases_rise_from_nothing_to_everything(chosen):
    plan = phases(**chosen)
    found = curve(plan)
    assert (np.diff(found, axis=1) >= -1e-12).all()
    f1, f2, ramp = (chosen[name] for name in ('introduction', 'refinement', 'ramp'))
    assert (found[:, f1 > GRID] == 0).all()
    assert found[:, f2 + ramp + 1e-9 < GRID] == pytest.approx(1)
    # Introduction is partial in kind and in weight.
    assert (found[1:, f2 > GRID] == 0).all()
    assert (found[0, f2 > GRID] <= chosen['partial']).all()
    assert plan.weights(f2).logit == pytest.approx(chosen['partial'])


@settings(max_examples=15, deadline=None)
@given(corners())
def test_the_phases_never_jump(chosen):
    """On a grid four times as fine the greatest step is about four times as small."""
    plan = phases(**chosen)
    coarse, fine = (
        np.abs(np.diff(curve(plan, np.linspace(0, 1, n)), axis=1)).max() for n in (2001, 8001)
    )
    # The slope is at most that of the ramp, 2 / ramp, or of the cosine, pi / 2 / 0.05.
    assert coarse <= (2 / chosen['ramp'] + np.pi / 2 / 0.05) / 2000
    assert fine <= coarse / 3


def test_the_middle_of_introduction_has_half_of_the_partial_weight():
    found = phases().weights(0.35)
    assert (found.logit, found.relation, found.feature) == (pytest.approx(0.25), 0, 0)


def test_relation_and_feature_terms_come_in_twice_gently():
    """Their own gate opens while the common weight still rises."""
    found = phases().weights(0.525)
    assert found.logit == pytest.approx(0.75)
    assert found.relation == found.feature == pytest.approx(0.375)


@pytest.mark.parametrize('settings', [{}, {'introduction': 0.0, 'refinement': 0.3, 'ramp': 0.2}])
def test_an_equal_dose_holds_each_term_at_its_own_mean(settings):
    dose, plan = curve(phases('equal_dose', **settings)), phases(**settings)
    integral = curve(plan, (np.arange(40_000) + 0.5) / 40_000).mean(1)
    assert dose == pytest.approx(np.tile(integral[:, None], (1, 1001)), abs=1e-5)
    assert dose[0, 0] > dose[1, 0] + 0.02
    if not settings:
        # By hand: half of 0.5 over 0.3; 0.75 and 1/2 (1/2 + 2/3 of 1/2) over 0.05; 1 over 0.45.
        assert integral[0] == pytest.approx(0.075 + 0.0375 + 0.45, abs=1e-5)
        assert integral[1] == pytest.approx(0.05 * (0.25 + 1 / 6) + 0.45, abs=1e-5)


def test_an_equal_dose_by_rate_counts_moments_by_their_learning_rate():
    optim = OptimConfig(course='cosine', warmup=0.1)
    dose = phases('equal_dose_rate', optim).weights(0.3)
    middles = (np.arange(40_000) + 0.5) / 40_000
    rates = np.array([course.rate(optim, share) for share in middles])
    wanted = (curve(phases(), middles) * rates).sum(1) / rates.sum()
    assert [dose.logit, dose.relation, dose.feature] == pytest.approx(wanted, abs=1e-5)
    # Late moments count little under a cosine: about half of the plain dose.
    plain = phases('equal_dose').weights(0.3)
    assert 0.3 < dose.relation / plain.relation < 0.6
    # Under a constant rate both are one.
    steady = OptimConfig(course='constant', warmup=0.0)
    assert phases('equal_dose_rate', steady).weights(0).logit == pytest.approx(plain.logit)


@pytest.mark.parametrize('schedule', ARMS)
def test_a_cool_down_takes_nothing_from_the_phases(schedule):
    """Their corners are shares of the training in which the network moves."""
    optim = OptimConfig(course='cosine', cooldown=0.2)
    assert curve(phases(schedule, optim), GRID * 0.8) == pytest.approx(
        curve(phases(schedule, OptimConfig(course='cosine', warmup=0.05 / 0.8))), abs=1e-6
    )
    last = curve(phases(schedule, optim), [0.8, 0.9, 1.0])
    assert (last == last[:, :1]).all()
    assert phases(schedule, optim).phase(0.39) == 'introduction'
    assert phases(schedule, optim).phase(0.41) == 'refinement'


def test_no_other_course_has_a_cool_down():
    assert course.moving(OptimConfig(course='steps', cooldown=0.2)) == 1.0


def test_the_rivals_have_their_shapes():
    assert (curve(phases('none')) == 0).all()
    assert (curve(phases('constant')) == 1).all()
    assert (curve(phases('linear')) == np.minimum(GRID / 0.08, 1)).all()
    assert (curve(phases('hard')) == (GRID >= 0.2)).all()
    assert curve(phases('reversed')) == pytest.approx(curve(phases())[:, ::-1])
    both = curve(phases('all_terms'))
    assert (both == curve(phases())[0]).all()


def test_a_reversed_schedule_has_the_dose_of_the_phases():
    forward, backward = mean(phases().weights), mean(phases('reversed').weights)
    assert (forward.logit, forward.feature) == pytest.approx((backward.logit, backward.feature))


@pytest.mark.parametrize('schedule', ARMS)
def test_the_teacher_is_asked_exactly_where_a_term_counts(schedule):
    plan = phases(schedule)
    counts = curve(plan).max(0) > 0
    assert [plan.active(share) for share in GRID] == counts.tolist()
    if schedule in ('progressive', 'hard', 'all_terms'):
        assert not any(plan.active(share) for share in GRID[GRID < 0.2])
        assert plan.active(0.21)


def test_a_term_without_weight_asks_no_teacher():
    # The logit term is the only one of Introduction.
    plan = phases(logit=0.0)
    assert not plan.active(0.4)
    assert plan.active(0.51)
    assert not phases(logit=0.0, relation=0.0, feature=0.0).active(0.9)


def test_weights_multiply_those_of_the_settings():
    distil = DistilConfig(logit=0.1, relation=2.0, feature=3.0)
    assert Weights(0.5, 1.0, 0.0).times(distil) == Weights(0.05, 2.0, 0.0)


def test_phases_are_named_alike_for_every_schedule():
    for schedule in ARMS:
        plan = phases(schedule)
        names = [plan.phase(share) for share in (0.0, 0.19, 0.2, 0.49, 0.5, 1.0)]
        assert names == ['foundation'] * 2 + ['introduction'] * 2 + ['refinement'] * 2


@pytest.mark.parametrize(
    ('settings', 'named'),
    [
        ({'introduction': 0.5, 'refinement': 0.5}, 'distil.introduction'),
        ({'introduction': 0.4, 'refinement': 0.3}, 'distil.introduction'),
        ({'refinement': 0.98}, 'distil.ramp'),
    ],
)
def test_corners_in_the_wrong_order_are_refused(settings, named):
    with pytest.raises(ConfigError, match=named):
        phases(**settings)


@pytest.mark.parametrize('name', ['cosine', 'steps', 'constant'])
def test_the_rate_warms_up_and_never_leaves_0_to_1(name):
    optim = OptimConfig(course=name, warmup=0.1, milestones=(0.5, 0.8))
    found = np.array([course.rate(optim, share) for share in GRID])
    rising = GRID < 0.1
    assert (np.diff(found[rising]) > 0).all()
    assert (np.diff(found[~rising]) <= 0).all()
    assert found[0] == pytest.approx(0.01)
    assert found.max() == 1.0
    assert found.min() >= 0
    assert course.rate(optim, 0.1) == 1.0


def test_the_rate_follows_its_course():
    cosine = OptimConfig(warmup=0.0)
    assert [course.rate(cosine, s) for s in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    later = OptimConfig(warmup=0.2)
    assert course.rate(later, 0.6) == pytest.approx(0.5)
    steps = OptimConfig(warmup=0.0, course='steps', milestones=(0.4, 0.8), factor=0.1)
    assert [course.rate(steps, s) for s in (0.39, 0.4, 0.8)] == pytest.approx([1, 0.1, 0.01])
    assert course.rate(OptimConfig(warmup=0.0, course='constant'), 1.0) == 1.0
    rest = OptimConfig(warmup=0.1, course='cosine', cooldown=0.2, floor=0.01)
    found = [course.rate(rest, s) for s in (0.1, 0.45, 0.8, 0.9, 1.0)]
    assert found == pytest.approx([1, 0.505, 0.01, 0.01, 0.01])
    full = OptimConfig(warmup=0.5, course='cosine', cooldown=0.6, floor=0.1)
    assert course.rate(full, 0.6) == pytest.approx(0.1)
