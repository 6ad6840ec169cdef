"""Poses by stamp, and the homographies that they give."""

import numpy as np
import pytest

from reid_ros import ego
from reid_ros.lens import Lens, Pose
from reid_ros.odometry import Motion, Odometry

S = 1_000_000_000
MS = 1_000_000
LENS = Lens(np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]), np.zeros(5))
AHEAD = Pose(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([0.1, 0, 1.0]))


def base(seconds):
    """Where a base is that drives a curve."""
    return Pose.planar(2 * np.sin(seconds), 0.3 * seconds, 0.8 * np.sin(1.3 * seconds))


def told(stamps_ns, pose=base):
    result = Odometry()
    for stamp in stamps_ns:
        assert result.add(stamp, pose((stamp - S) / S).numbers())
    return result


def heading(pose):
    return np.arctan2(pose.rotation[1, 0], pose.rotation[0, 0])


def regular(count, step_ns=20 * MS, first_ns=S):
    return [first_ns + i * step_ns for i in range(count)]


def test_between_two_poses_the_base_turns_and_drives_evenly():
    odometry = told(regular(60))
    for seconds in (0.0, 0.013, 0.51, 1.18):
        found = odometry.at(S + round(seconds * S))
        assert heading(found) == pytest.approx(heading(base(seconds)), abs=1e-4)
        np.testing.assert_allclose(found.position, base(seconds).position, atol=1e-3)


def test_a_pose_that_was_sent_is_given_back_as_it_is():
    odometry = told(regular(9))
    again = Pose.of(base(0.08).numbers())
    assert odometry.at(S + 80 * MS).rotation.tolist() == again.rotation.tolist()


def test_the_order_of_arrival_does_not_matter():
    stamps = regular(50)
    mixed = np.random.default_rng(0).permutation(stamps).tolist()
    one, other = told(stamps), told([*mixed, *mixed])
    for stamp in range(S, S + 980 * MS, 7 * MS):
        assert one.at(stamp).numbers() == other.at(stamp).numbers()


def test_a_base_that_turns_over_the_back_takes_the_shorter_way():
    odometry = told(regular(3, 100 * MS), lambda t: Pose.planar(0, 0, np.pi - 0.05 + t))
    assert abs(heading(odometry.at(S + 50 * MS))) == pytest.approx(np.pi, abs=1e-9)


@pytest.mark.parametrize(('ahead_ms', 'known'), [(1, True), (99, True), (101, False)])
def test_the_last_motion_is_carried_on_for_a_while(ahead_ms, known):
    odometry = told(regular(30))
    newest = odometry.newest_ns
    found = odometry.at(newest + ahead_ms * MS)
    assert (found is not None) == known
    if known:
        truly = base((newest - S) / S + ahead_ms / 1e3)
        assert heading(found) == pytest.approx(heading(truly), abs=0.02)


def test_what_comes_after_a_gap_changes_nothing_before_it():
    early, late = told(regular(30)), told([*regular(30), 4 * S])
    stamp = early.newest_ns + 60 * MS
    assert early.at(stamp).numbers() == late.at(stamp).numbers()


def test_before_the_first_pose_and_after_one_alone_nothing_is_known():
    odometry = told([S])
    assert odometry.at(S - 1) is None
    assert odometry.at(S) is not None
    assert odometry.at(S + 1) is None


@pytest.mark.parametrize(('gap_ms', 'known'), [(290, True), (310, False)])
def test_a_gap_is_not_bridged_but_its_ends_count(gap_ms, known):
    odometry = told([S, S + 20 * MS, S + (20 + gap_ms) * MS])
    assert (odometry.at(S + 150 * MS) is not None) == known
    assert odometry.at(S + (20 + gap_ms) * MS) is not None
    assert odometry.joined(S + 20 * MS, S + (20 + gap_ms) * MS)


@pytest.mark.parametrize(
    'leap', [Pose.planar(5, 0, 0), Pose.planar(0, 0, 1.0)], ids=['place', 'heading']
)
def test_nothing_is_known_across_a_leap(leap):
    odometry = told(regular(100), lambda t: leap @ base(t) if t > 1 else base(t))
    motion = Motion(odometry, AHEAD)
    given = [motion.step(S + i * 50 * MS + 7 * MS, LENS) is not None for i in range(38)]
    assert [i for i, there in enumerate(given) if not there] == [0, 20, 21]


def test_a_base_that_was_silent_for_long_may_count_from_elsewhere():
    odometry = told([*regular(10), *regular(10, first_ns=4 * S)])
    motion = Motion(odometry, AHEAD)
    assert motion.step(S + 100 * MS, LENS) is None
    assert motion.step(4 * S + 20 * MS, LENS) is None
    assert motion.lacking == 'no_odometry'
    assert motion.step(4 * S + 60 * MS, LENS) is not None


def test_a_clock_that_is_set_back_begins_a_new_history():
    odometry = told([*regular(10, first_ns=50 * S), *regular(10)])
    assert odometry.newest_ns == S + 180 * MS
    assert odometry.at(50 * S) is None
    assert odometry.at(S + 90 * MS) is not None


def test_old_poses_are_forgotten():
    odometry = told(regular(6000))
    assert len(odometry._stamps) == len(odometry._poses) <= 1001
    assert odometry.at(odometry.newest_ns - 9 * S) is not None


@pytest.mark.parametrize(
    ('stamp', 'numbers'),
    [
        (0, (0, 0, 0, 0, 0, 0, 1)),
        (S, (0, 0, 0, 0, 0, 0, 0)),
        (S, (np.nan, 0, 0, 0, 0, 0, 1)),
        (S, (0, 0, 0, 0, 0, np.inf, 1)),
    ],
)
def test_what_is_no_pose_is_not_taken(stamp, numbers):
    odometry = Odometry()
    assert not odometry.add(stamp, numbers)
    assert odometry.newest_ns is None
    assert odometry.received == 0


def test_the_homography_is_that_of_the_two_poses():
    motion = Motion(told(regular(60)), AHEAD)
    assert motion.step(S, LENS) is None
    assert motion.lacking == ''
    before, now = (Pose.of(base(t).numbers()) @ AHEAD for t in (0.0, 0.1))
    expected = ego.between(LENS, before, now)
    assert motion.step(S + 100 * MS, LENS).tolist() == expected.tolist()


def test_an_image_that_was_left_out_is_bridged():
    odometry = told(regular(60))
    every, some = Motion(odometry, AHEAD), Motion(odometry, AHEAD)
    steps = [every.step(S + i * 100 * MS, LENS) for i in range(4)]
    some.step(S, LENS)
    bridged, expected = some.step(S + 300 * MS, LENS), steps[3] @ steps[2] @ steps[1]
    np.testing.assert_allclose(bridged, expected / expected[2, 2], atol=1e-9)


def test_a_late_image_changes_nothing_and_a_reset_begins_anew():
    odometry = told(regular(60))
    motion, other = Motion(odometry, AHEAD), Motion(odometry, AHEAD)
    for one in (motion, other):
        one.step(S + 300 * MS, LENS)
    assert motion.step(S + 200 * MS, LENS) is None
    assert motion.lacking == ''
    assert motion.step(S + 400 * MS, LENS).tolist() == other.step(S + 400 * MS, LENS).tolist()
    motion.reset()
    assert motion.step(S + 500 * MS, LENS) is None
    assert motion.step(S + 600 * MS, LENS) is not None


def test_odometry_that_came_too_late_for_one_image_serves_the_next():
    odometry = told(regular(2))
    motion = Motion(odometry, AHEAD)
    motion.step(S, LENS)
    assert motion.step(S + 200 * MS, LENS) is None
    assert motion.lacking == 'no_odometry'
    for stamp in regular(30):
        odometry.add(stamp, base((stamp - S) / S).numbers())
    assert motion.step(S + 300 * MS, LENS) is not None


def test_without_a_lens_nothing_is_known_until_it_is_there():
    motion = Motion(told(regular(60)), AHEAD)
    motion.step(S, None)
    assert motion.lacking == ''
    assert motion.step(S + 100 * MS, None) is None
    assert motion.lacking == 'no_camera_info'
    assert motion.step(S + 200 * MS, LENS) is not None
