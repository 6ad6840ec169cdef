import numpy as np
import pytest

from reid_ros import ego
from reid_ros.lens import Lens, Pose

MATRIX = np.array([[500.0, 0, 330], [0, 502, 235], [0, 0, 1]])
RATIONAL = (0.45, -2.4, 1e-3, -4e-4, 1.4, 0.33, -2.2, 1.35)
AHEAD = Pose(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.zeros(3))


def turned(yaw, pitch=0.0):
    c, s = np.cos(pitch), np.sin(pitch)
    nod = Pose(np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.zeros(3))
    return Pose.planar(0, 0, yaw) @ nod @ AHEAD


def through(matrix, pixels):
    moved = np.column_stack([pixels, np.ones(len(pixels))]) @ matrix.T
    return moved[:, :2] / moved[:, 2:]


@pytest.mark.parametrize('distortion', [(), (-0.12, 0.01, 3e-4, -2e-4, 0.0), RATIONAL])
@pytest.mark.parametrize(('yaw', 'pitch'), [(0.08, 0.0), (-0.05, 0.03), (0.2, -0.02)])
def test_far_points_move_as_the_homography_says(distortion, yaw, pitch):
    lens = Lens(MATRIX, np.array(distortion))
    before, now = turned(0.3), turned(0.3 + yaw, pitch)
    far = before.position + 1e6 * (lens.rays(grid()) @ before.rotation.T)
    expected = lens.pixels(now.inside(far))
    inside = ((expected > 0) & (expected < [640, 480])).all(axis=1)
    assert inside.sum() > 30
    moved = through(ego.between(lens, before, now), grid())
    worst = np.abs(moved - expected)[inside].max()
    assert worst < (2.5 if distortion else 1e-6)


def grid():
    return np.stack(np.meshgrid(np.linspace(20, 620, 9), np.linspace(20, 460, 7)), -1).reshape(
        -1, 2
    )


def test_a_turn_to_the_left_moves_the_picture_to_the_right():
    moved = through(
        ego.between(Lens(MATRIX, np.zeros(5)), turned(0.0), turned(0.1)), np.array([[330.0, 235]])
    )
    assert moved[0, 0] == pytest.approx(330 + 500 * np.tan(0.1))
    assert moved[0, 1] == pytest.approx(235)


def test_a_camera_that_stands_still_leaves_the_picture_as_it_is():
    for distortion in (np.zeros(0), np.array([-0.1, 0.01, 0, 0, 0])):
        matrix = ego.between(Lens(MATRIX, distortion), turned(1.0), turned(1.0))
        np.testing.assert_allclose(through(matrix, grid()), grid(), atol=1e-3)


@pytest.mark.parametrize('yaw', [1.2, 3.1])
def test_a_far_turn_still_gives_a_finite_homography(yaw):
    lens = Lens(MATRIX, np.array([-0.1, 0.01, 0, 0, 0]))
    matrix = ego.between(lens, turned(0.0), turned(yaw))
    assert np.isfinite(matrix).all()
    assert abs(np.linalg.det(matrix)) > 1e-9


def test_a_fisheye_is_taken_for_straight_in_its_middle():
    lens = Lens(MATRIX, np.array([0.02, 0.0, 0.0, 0.0]), fisheye=True)
    plain = ego.between(Lens(MATRIX, np.zeros(0)), turned(0.0), turned(0.1))
    np.testing.assert_allclose(ego.between(lens, turned(0.0), turned(0.1)), plain)
