from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_ros.ground import by_height, on_ground
from reid_ros.lens import Lens, Pose, rotation

# Looks along x of the ground frame, from 1.5 m height: z forward, x right, y down.
LEVEL = Pose.of((0.0, 0.0, 1.5, -0.5, 0.5, -0.5, 0.5))


def info(**values):
    k = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]
    plain = {'height': 480, 'width': 640, 'k': k, 'distortion_model': 'plumb_bob', 'd': []}
    return SimpleNamespace(**{**plain, **values})


LENS = Lens.of(info(), 480, 640)


def box(distance, side, height=1.7, eye=1.5):
    """The box of a person who stands so far ahead and so far to the left."""
    u = 320 - 500 * side / distance
    foot = 240 + 500 * eye / distance
    return [u - 20, foot - 500 * height / distance, u + 20, foot]


@given(st.floats(2.9, 40), st.floats(-2, 2))
def test_feet_on_the_ground_give_the_place(distance, side):
    boxes = np.array([box(distance, side)], np.float32)
    places = on_ground(boxes, LENS, LEVEL, 100000)
    assert places.sure[0]
    assert places.positions[0] == pytest.approx([distance, side, 0], abs=0.02 * distance)


def test_feet_that_are_cut_off_or_at_the_horizon_are_not_sure():
    boxes = np.array(
        [[300, 100, 340, 480], [300, 100, 340, 239], [300, 240, 340, 242]], np.float32
    )
    assert on_ground(boxes, LENS, LEVEL, 480).sure.tolist() == [False, False, False]


def test_the_height_of_a_box_gives_the_distance():
    places = by_height(np.array([box(5.0, 1.0)], np.float32), LENS, 1.7)
    assert places.positions[0] == pytest.approx([-1.0, 0.65, 5.0], abs=0.01)
    assert not places.sure[0]


def test_uncertainty_grows_with_distance_and_is_a_covariance():
    boxes = np.array([box(3.0, 0.0), box(12.0, 0.0)], np.float32)
    for places in (on_ground(boxes, LENS, LEVEL, 480), by_height(boxes, LENS, 1.7)):
        near, far = (np.trace(c) for c in places.covariances)
        assert far > 4 * near > 0
        assert np.linalg.eigvalsh(places.covariances).min() > -1e-9


def test_an_image_of_another_size_than_camera_info_scales_the_lens():
    half = Lens.of(info(), 240, 320)
    assert half.matrix[0, 0] == 250
    assert half.rays(np.array([[160.0, 120.0]]))[0] == pytest.approx([0, 0, 1])


def test_distortion_is_undone():
    import cv2

    d = [0.1, -0.05, 0.001, 0.001, 0.0]
    lens = Lens.of(info(d=d), 480, 640)
    point = np.array([[0.3, -0.2, 1.0]])
    pixel, _ = cv2.projectPoints(point, np.zeros(3), np.zeros(3), lens.matrix, np.array(d))
    assert lens.rays(pixel.reshape(1, 2))[0] == pytest.approx(point[0], abs=1e-3)


def test_an_empty_camera_info_is_no_lens_and_nobody_has_no_place():
    assert Lens.of(info(k=[0.0] * 9), 480, 640) is None
    assert len(on_ground(np.empty((0, 4), np.float32), LENS, LEVEL, 480).positions) == 0


def test_a_rotation_is_orthonormal():
    matrix = rotation((-0.5, 0.5, -0.5, 0.5))
    assert matrix @ matrix.T == pytest.approx(np.eye(3))
    assert matrix @ [0, 0, 1] == pytest.approx([1, 0, 0])
