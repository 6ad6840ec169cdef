"""People walk on their feet, each in his own way."""

from dataclasses import replace

import numpy as np
import pytest

from reid_ros.types import ReidError
from reid_ros.world import body, gait, walk
from reid_ros.world.seeds import generator

RATE_HZ = 60
ROW = {name: row for row, name in enumerate(walk.JOINTS)}
BONES = [('pelvis', 'waist'), ('waist', 'chest'), ('chest', 'neck'), ('neck', 'head')] + [
    (f'{side}_{start}', f'{side}_{end}')
    for side in ('left', 'right')
    for start, end in (
        ('shoulder', 'elbow'), ('elbow', 'wrist'), ('wrist', 'hand'), ('hip', 'knee'),
        ('knee', 'ankle'), ('ankle', 'heel'), ('ankle', 'toe'), ('heel', 'toe'),
    )
]  # fmt: skip
SPEEDS = (0.3, 0.8, 1.3, 1.8)


def person(number):
    build = body.draw(generator('train', 'body', number))
    return build, walk.draw(generator('train', 'gait', number), build)


def walked(number, speed, seconds=3.0):
    """A person's walk at one speed: body, gait, phases, skeleton."""
    build, own = person(number)
    today = walk.vary(own, generator('train', 'walk', number))
    speeds = np.full(int(seconds * RATE_HZ), speed)
    phases = walk.phases(today, build, speeds, 1 / RATE_HZ)
    times = np.arange(len(speeds)) / RATE_HZ
    return build, today, phases, walk.skeleton(build, today, phases, speeds, times)


def joint(skeleton, name):
    return skeleton.joints[:, ROW[name]]


def flexion(skeleton, side):
    """(n, 3) degrees in the sagittal plane: thigh, knee, foot."""
    hip, knee, ankle, heel, toe = (
        joint(skeleton, f'{side}_{name}') for name in ('hip', 'knee', 'ankle', 'heel', 'toe')
    )
    thigh, shank, foot = knee - hip, ankle - knee, toe - heel
    upper = np.arctan2(thigh[:, 0], -thigh[:, 2])
    lower = np.arctan2(shank[:, 0], -shank[:, 2])
    sole = np.arctan2(foot[:, 2], np.hypot(foot[:, 0], foot[:, 1]))
    return np.degrees(np.stack([upper, upper - lower, sole], axis=1))


@pytest.mark.parametrize('speed', [0.0, *SPEEDS])
def test_bones_keep_their_lengths(speed):
    for number in range(10):
        _, _, _, skeleton = walked(number, speed)
        for start, end in BONES:
            lengths = np.linalg.norm(joint(skeleton, start) - joint(skeleton, end), axis=1)
            assert np.ptp(lengths) < 1e-9, (start, end)


def test_bones_are_those_of_the_body():
    build, _, _, skeleton = walked(3, 1.3)
    for start, end, length in (
        ('left_hip', 'left_knee', build.thigh),
        ('right_knee', 'right_ankle', build.shank),
        ('left_shoulder', 'left_elbow', build.upper_arm),
        ('right_elbow', 'right_wrist', build.forearm),
        ('right_wrist', 'right_hand', build.hand),
        ('left_heel', 'left_toe', build.foot),
        ('left_hip', 'right_hip', build.hip_spacing),
    ):
        apart = joint(skeleton, start) - joint(skeleton, end)
        assert np.linalg.norm(apart, axis=1) == pytest.approx(length)


@pytest.mark.parametrize('speed', [0.0, *SPEEDS])
def test_a_foot_is_on_the_floor_and_none_below(speed):
    for number in range(40):
        _, _, _, skeleton = walked(number, speed)
        soles = np.stack(
            [joint(skeleton, f'{side}_{end}')[:, 2] for side in ('left', 'right')
             for end in ('heel', 'toe')]
        )  # fmt: skip
        assert soles.min() > -0.01
        assert soles.min(axis=0).max() < 0.01


@pytest.mark.parametrize('speed', SPEEDS)
def test_feet_that_bear_weight_do_not_slide(speed):
    for number in range(40):
        build, today, phases, skeleton = walked(number, speed)
        way = speed * np.arange(len(phases)) / RATE_HZ
        step = today.stride_m(np.array([speed]), build)[0] / 2
        stance = today.stance(np.array([speed]))[0]
        for side, shift in (('left', 0.0), ('right', 0.5)):
            cycle = (phases + shift) % 1.0
            for end, first, last in (('heel', 0.0, 0.28), ('toe', 0.13, stance)):
                rows = np.flatnonzero((cycle > first) & (cycle < last))
                for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
                    place = joint(skeleton, f'{side}_{end}')[run, :2].copy()
                    place[:, 0] += way[run]
                    assert np.ptp(place, axis=0).max() < 0.15 * step


def test_stride_times_cadence_is_the_speed():
    build, own = person(5)
    speeds = np.linspace(0.05, walk.MOST_MPS, 40)
    product = own.stride_m(speeds, build) * own.cadence_hz(speeds, build)
    assert product == pytest.approx(speeds)
    # Natural cadence of adults: 90 to 135 steps a minute.
    steps = [
        120 * own.cadence_hz(np.array([own.preferred_mps]), build)[0]
        for build, own in map(person, range(100))
    ]
    assert 103 < np.mean(steps) < 120
    assert min(steps) > 85
    assert max(steps) < 145


def test_phases_add_up_cadence():
    build, own = person(5)
    phases = walk.phases(own, build, np.full(601, 1.2), 1 / RATE_HZ)
    assert phases[0] == 0
    assert phases[-1] == pytest.approx(10 * own.cadence_hz(np.array([1.2]), build)[0])


@pytest.mark.parametrize('speed', SPEEDS)
def test_nothing_jumps_between_samples(speed):
    for number in range(40):
        _, _, _, skeleton = walked(number, speed)
        moved = np.linalg.norm(np.diff(skeleton.joints, axis=0), axis=2)
        # A swinging foot passes the body at about twice the walking speed, its heel faster.
        assert moved.max() < (3.3 * speed + 2.0) / RATE_HZ
        assert np.abs(np.diff(joint(skeleton, 'head'), axis=0)).max() < 0.03


def test_starting_and_stopping_are_smooth():
    build, own = person(7)
    times = np.arange(360) / RATE_HZ
    speeds = 1.3 * np.clip(np.minimum(times - 1.0, 5.0 - times), 0.0, 1.0)
    phases = walk.phases(own, build, speeds, 1 / RATE_HZ)
    skeleton = walk.skeleton(build, own, phases, speeds, times)
    assert np.linalg.norm(np.diff(skeleton.joints, axis=0), axis=2).max() < 0.11


def test_knees_bend_and_never_backwards():
    peaks = []
    for number in range(60):
        _, today, _, _ = walked(number, 1.3)
        _, _, _, skeleton = walked(number, today.preferred_mps)
        for side in ('left', 'right'):
            knee = flexion(skeleton, side)[:, 1]
            assert knee.min() > 1.0
            peaks.append(knee.max())
    # Bovi et al. (2011): about 60 degrees in swing.
    assert 55 < np.mean(peaks) < 66


def test_a_step_begins_on_the_heel_and_ends_on_the_toes():
    for number in range(20):
        build, today, _, _ = walked(number, 1.3)
        phases = np.array([0.0, 0.25, 0.6, 0.8])
        skeleton = walk.skeleton(build, today, phases, np.full(4, 1.3), np.zeros(4))
        heel, toe = (joint(skeleton, f'left_{end}')[:, 2] for end in ('heel', 'toe'))
        assert toe[0] > heel[0] + 0.01
        assert heel[1] == pytest.approx(0.0, abs=0.01)
        assert toe[1] == pytest.approx(0.0, abs=0.01)
        assert heel[2] > toe[2] + 0.08
        assert min(heel[3], toe[3]) > 0.004


def test_arms_swing_against_the_legs():
    for number in range(20):
        _, _, _, skeleton = walked(number, 1.3)
        for side in ('left', 'right'):
            leg = joint(skeleton, f'{side}_ankle')[:, 0]
            arm = joint(skeleton, f'{side}_wrist')[:, 0]
            assert np.corrcoef(leg, arm)[0, 1] < -0.7


def test_a_bag_stills_its_arm_only():
    build, own = person(2)
    phases, speeds = np.linspace(0, 4, 200), np.full(200, 1.3)

    def swing(how, side):
        wrist = joint(walk.skeleton(build, how, phases, speeds, phases), f'{side}_wrist')
        return np.ptp(wrist[:, 0])

    with_bag = own.carry('bag', 'left')
    assert swing(with_bag, 'left') < 0.5 * swing(own, 'left')
    assert swing(with_bag, 'right') == pytest.approx(swing(own, 'right'))


def test_who_stands_has_straight_legs_and_both_feet_flat_and_is_not_frozen():
    for number in range(20):
        _, _, _, skeleton = walked(number, 0.0, seconds=20.0)
        for side in ('left', 'right'):
            assert flexion(skeleton, side)[:, 1].max() < 20
            for end in ('ankle', 'heel', 'toe'):
                place = joint(skeleton, f'{side}_{end}')
                assert np.ptp(place, axis=0).max() < 0.002
            assert np.abs(joint(skeleton, f'{side}_heel')[:, 2]).max() < 0.002
        assert 0.004 < np.ptp(joint(skeleton, 'pelvis')[:, 1]) < 0.12
        assert joint(skeleton, 'head')[:, 2].min() > joint(skeleton, 'neck')[:, 2].max()


def test_the_head_is_as_high_as_the_body_is_tall():
    for number in range(40):
        build, _, _, skeleton = walked(number, 0.0)
        top = joint(skeleton, 'head')[:, 2].mean() + build.head_height / 2
        assert top == pytest.approx(build.stature, abs=0.06)


def angles(build, how, phases):
    speeds = np.full(len(phases), 1.3)
    skeleton = walk.skeleton(build, how, phases, speeds, np.zeros(len(phases)))
    return np.concatenate([flexion(skeleton, side) for side in ('left', 'right')], axis=1)


def test_people_differ_more_than_the_walks_of_one_by_the_stated_ratio():
    build, _ = person(0)  # One body, so that only the gait differs.
    phases = np.linspace(0, 1, 40, endpoint=False)
    walks = []
    for number in range(90):
        own = walk.draw(generator('train', 'gait', number), build)
        ways = [walk.vary(own, generator('train', 'walk', number, day)) for day in range(4)]
        walks.append([angles(build, way, phases) for way in ways])
    walks = np.array(walks)  # (people, walks, phases, angles)
    within = walks.var(axis=1, ddof=1).mean(axis=0)
    between = walks.mean(axis=1).var(axis=0, ddof=1) - within / walks.shape[1]
    ratio = np.sqrt(within.mean() / between.mean())
    assert ratio == pytest.approx(gait.WITHIN['sagittal curves'], abs=0.05)
    assert 2.5 < np.sqrt(between.mean()) < 7.0  # Degrees: the bands of Bovi et al. (2011).


@pytest.mark.parametrize('name', ['preferred_mps', 'step_width_m', 'left_arm_deg', 'slouch_deg'])
def test_traits_vary_within_a_person_by_the_stated_ratio(name):
    build, _ = person(0)
    rng = generator('train', 'traits', name)
    trait = gait.TRAITS[name]
    middle = replace(walk.draw(rng, build), **{name: trait.mean})
    values = [getattr(walk.vary(middle, rng), name) for _ in range(400)]
    assert np.std(values) / trait.spread == pytest.approx(gait.WITHIN[trait.kind], rel=0.15)


def test_the_same_seed_walks_the_same_way():
    first, second = walked(4, 1.2)[3], walked(4, 1.2)[3]
    assert np.array_equal(first.joints, second.joints)
    assert not np.allclose(first.joints, walked(5, 1.2)[3].joints)


def test_moments_do_not_depend_on_each_other():
    build, own = person(9)
    phases, speeds = np.linspace(0.3, 2.7, 9), np.linspace(0.0, 2.0, 9)
    together = walk.skeleton(build, own, phases, speeds, phases).joints
    for row in range(9):
        one = slice(row, row + 1)
        alone = walk.skeleton(build, own, phases[one], speeds[one], phases[one]).joints
        assert np.allclose(alone[0], together[row], atol=1e-12)
    none = np.zeros(0)
    assert walk.skeleton(build, own, none, none, none).joints.shape == (0, 23, 3)


def test_axes_are_rotations_and_the_hips_lie_along_them():
    build, _, _, skeleton = walked(6, 1.3)
    for axes in (skeleton.pelvis, skeleton.chest, skeleton.head):
        assert np.allclose(axes @ axes.transpose(0, 2, 1), np.eye(3))
        assert np.allclose(np.linalg.det(axes), 1.0)
    across = joint(skeleton, 'left_hip') - joint(skeleton, 'right_hip')
    assert np.allclose(across, build.hip_spacing * skeleton.pelvis[:, :, 1])


def test_what_is_no_walk_is_refused():
    build, own = person(1)
    one = np.zeros(1)
    with pytest.raises(ReidError, match=r'0 to 2\.3 m/s'):
        walk.skeleton(build, own, one, one + 3.0, one)
    with pytest.raises(ValueError, match='differ'):
        walk.skeleton(build, own, one, np.zeros(2), one)
    with pytest.raises(ReidError, match=r'gait\.lean_deg is 80'):
        replace(own, lean_deg=80.0)
