import numpy as np
import pytest

from reid_ros.world.odometry import ERROR, RobotPath
from reid_ros.world.seeds import generator

RATE_HZ = 60.0


def drive(error=ERROR, seed=0):
    """A minute over an eight at 0.5 m/s: 30 m, and 5 full turns one way or the other."""
    time_s = np.arange(0, 60, 1 / RATE_HZ)
    heading = 1.0 + 0.5 * np.where(time_s < 30, time_s, 60 - time_s)
    along = (heading + np.append(heading[0], heading[:-1])) / 2
    step = 0.5 / RATE_HZ * np.stack((np.cos(along), np.sin(along)), axis=1)
    rng = generator('test', 'odometry', seed)
    return RobotPath.of(RATE_HZ, 3 + np.cumsum(step, axis=0), heading, rng, error)


def far(path):
    return np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1).sum()


def test_odometry_without_error_is_the_truth():
    path = drive(error=0.0)
    np.testing.assert_allclose(path.told, path.true, atol=1e-5)


def test_odometry_errs_by_a_twentieth_of_distance_and_turn():
    ways, turns = [], []
    for seed in range(20):
        path = drive(seed=seed)
        ways.append(far(path.told) / far(path.true) - 1)
        half = len(path.true) // 2
        turns.append(
            (path.told[half, 2] - path.told[0, 2]) / (path.true[half, 2] - path.true[0, 2]) - 1
        )
    for errors in (np.array(ways), np.array(turns)):
        assert 0.02 < np.abs(errors).mean() < 0.06
        assert np.abs(errors).max() < 0.09
        assert (errors > 0).any()
        assert (errors < 0).any()


def test_odometry_begins_at_the_true_pose_and_drifts_without_leaps():
    path = drive()
    np.testing.assert_array_equal(path.told[0], path.true[0])
    assert np.linalg.norm(path.told[-1, :2] - path.true[-1, :2]) > 0.2
    assert np.abs(np.diff(path.told[:, :2], axis=0)).max() < 0.02


def test_poses_lie_between_those_that_are_stored_and_end_with_them():
    path = drive()
    between = path.base(10.0 + 0.25 / RATE_HZ)
    expected = 0.75 * path.true[600] + 0.25 * path.true[601]
    np.testing.assert_allclose(between.position, [*expected[:2], 0])
    np.testing.assert_allclose(
        between.rotation[:2, 0], np.r_[np.cos(expected[2]), np.sin(expected[2])]
    )
    np.testing.assert_allclose(path.base(999.0).position[:2], path.true[-1, :2])
    np.testing.assert_allclose(path.drifting(-1.0).position[:2], path.told[0, :2])


def test_speed_is_that_of_the_wheels():
    forward, turn = drive(error=0.0).speed(10.0)
    assert forward == pytest.approx(0.5, abs=1e-3)
    assert turn == pytest.approx(0.5, abs=1e-6)
    forward, turn = drive(error=0.0).speed(50.0)
    assert turn == pytest.approx(-0.5, abs=1e-6)


def test_one_pose_is_a_path():
    path = RobotPath.of(RATE_HZ, np.zeros((1, 2)), np.zeros(1), generator('test', 'odometry'))
    assert path.base(3.0).position.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r'expected \(n, 3\)'):
        RobotPath(RATE_HZ, np.zeros((2, 3)), np.zeros((1, 3)))
