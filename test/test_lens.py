"""How cameras project, and where they stand."""

import cv2
import numpy as np
import pytest

from reid_ros.lens import Lens, Pose, View, quaternion, rotation

MATRIX = np.array([[400.0, 0, 321], [0, 410, 239], [0, 0, 1]])
BENT = np.array([-0.21, 0.06, 0.001, -0.002, -0.01])
RATIONAL = np.array([0.45, -2.4, 1e-3, -4e-4, 1.4, 0.33, -2.2, 1.35])  # of a depth camera


def turned(rng):
    matrix, _ = cv2.Rodrigues(rng.normal(0, 1.5, 3))
    return matrix


@pytest.mark.parametrize('distortion', [np.zeros(0), np.zeros(5), BENT[:4], BENT, RATIONAL])
def test_pixels_are_those_of_opencv(distortion):
    points = np.random.default_rng(0).uniform([-1, -1, 1.5], [1, 1, 6], (50, 3))
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), MATRIX, distortion)
    found = Lens(MATRIX, distortion).pixels(points)
    np.testing.assert_allclose(found, expected[:, 0], atol=1e-9)


def test_rays_lead_back_to_the_points():
    points = np.random.default_rng(1).uniform([-1, -1, 1.5], [1, 1, 6], (50, 3))
    lens = Lens(MATRIX, BENT)
    np.testing.assert_allclose(lens.rays(lens.pixels(points)), points / points[:, 2:], atol=2e-3)


def test_what_lies_behind_the_camera_has_no_pixel():
    for distortion in (BENT, RATIONAL):
        pixels = Lens(MATRIX, distortion).pixels(np.array([[0.1, 0.2, -1.0], [0, 0, 2.0]]))
        assert np.isnan(pixels[0]).all()
        assert pixels[1].tolist() == [321.0, 239.0]


def test_a_fisheye_is_refused_by_name():
    with pytest.raises(ValueError, match='no projection'):
        Lens(MATRIX, np.zeros(4), fisheye=True).pixels(np.ones((1, 3)))


def test_a_quaternion_and_its_rotation_are_one():
    rng = np.random.default_rng(2)
    for _ in range(100):
        matrix = turned(rng)
        numbers = quaternion(matrix)
        assert numbers[3] >= 0
        np.testing.assert_allclose(rotation(numbers), matrix, atol=1e-12)


def test_poses_chain_like_transforms():
    rng = np.random.default_rng(3)
    a, b = (Pose(turned(rng), rng.normal(size=3)) for _ in range(2))
    points = rng.normal(size=(10, 3))
    np.testing.assert_allclose((a @ b).inside(points), b.inside(a.inside(points)), atol=1e-12)
    again = Pose.of((a @ b).numbers())
    np.testing.assert_allclose(again.rotation, (a @ b).rotation, atol=1e-12)


def test_a_view_sees_what_stands_before_it():
    # At 1 m height, looking along x: the optical axes are x = -y, y = -z, z = x of the world.
    eye = Pose(np.array([[0, 0, 1.0], [-1, 0, 0], [0, -1, 0]]), np.array([0, 0, 1.0]))
    view = View(640, 480, Lens(MATRIX, np.zeros(5)), eye)
    pixels, depths = view.look(
        np.array([[5.0, 0, 1.0], [5.0, 1.0, 1.0], [5.0, 0, 0.0], [-1, 0, 1]])
    )
    assert depths.tolist() == [5.0, 5.0, 5.0, -1.0]
    np.testing.assert_allclose(pixels[:3], [[321, 239], [321 - 80, 239], [321, 239 + 82]])
    assert np.isnan(pixels[3]).all()
    base = Pose.planar(1.0, 2.0, np.pi / 2)
    np.testing.assert_allclose(
        (base @ eye).inside(np.array([[1.0, 7.0, 1.0]])), [[0, 0, 5.0]], atol=1e-12
    )
