"""What a camera does to a picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reid_ros.world import sensor
from reid_ros.world.seeds import generator


def _rng(*labels):
    return generator('train', 'sensor', *labels)


def _plain(**changes):
    """A sensor that changes nothing but what is named."""
    settings = {
        'gain': 1.0,
        'balance': (1.0, 1.0, 1.0),
        'saturation': 1.0,
        'turn': 0.0,
        'gamma': 1.0,
        'contrast': 0.0,
        'vignette': 0.0,
        'blur_px': 0.0,
        'read': 0.0,
        'shot': 0.0,
        'exposure_s': 0.01,
        'quality': None,
        'drift': 0.0,
        'drift_s': 30.0,
        'drift_at': 0.0,
    }
    return sensor.Sensor(**{**settings, **changes})


def _grey(level=100, height=120, width=160):
    return np.full((height, width, 3), level, np.uint8)


def test_a_sensor_without_faults_gives_the_picture_back():
    image = _rng('image').integers(0, 256, (60, 80, 3), np.uint8)
    assert (_plain().expose(image, _rng()) == image).all()


@pytest.mark.parametrize('level', sensor.LEVELS)
@pytest.mark.parametrize('shape', [(480, 640, 3), (640, 480, 3), (37, 1101, 3)])
def test_shape_and_kind_of_the_picture_stay(level, shape):
    image = np.full(shape, 90, np.uint8)
    shot = sensor.draw(_rng(level), level).expose(image, _rng(1), velocity=(300, -200))
    assert shot.shape == shape
    assert shot.dtype == np.uint8
    assert (image == 90).all()


def test_the_same_random_numbers_give_the_same_sensor_and_the_same_bytes():
    image = _rng('image').integers(0, 256, (60, 80, 3), np.uint8)
    one, two = (sensor.draw(_rng(5), 'harsh') for _ in range(2))
    assert one == two
    assert one != sensor.draw(_rng(6), 'harsh')
    assert (one.expose(image, _rng(1)) == two.expose(image, _rng(1))).all()


def test_the_mean_follows_the_exposure():
    seen = sensor.draw(_rng(1), 'clean')
    means = [seen.expose(_grey(), _rng(2), exposure).mean() for exposure in (0.5, 1.0, 1.5)]
    assert means[0] == pytest.approx(means[1] / 2, rel=0.15)
    assert means[2] == pytest.approx(means[1] * 1.5, rel=0.15)


def test_automatic_exposure_wanders_and_comes_back():
    seen = _plain(drift=0.1, drift_s=20.0)
    means = [seen.expose(_grey(), _rng(), time_s=t).mean() for t in (0.0, 5.0, 15.0)]
    assert means[1] == pytest.approx(100 * np.exp(0.1), abs=1.5)
    assert means[2] == pytest.approx(100 * np.exp(-0.1), abs=1.5)
    assert means[0] == pytest.approx(100, abs=1.5)


def test_the_balance_changes_colours_and_saturation_zero_removes_them():
    blue, green, red = _plain(balance=(1.2, 1.0, 0.8)).expose(_grey(), _rng())[0, 0]
    assert (blue, green, red) == (120, 100, 80)
    colourful = np.full((8, 8, 3), (30, 90, 180), np.uint8)
    assert np.ptp(_plain(saturation=0.0).expose(colourful, _rng())[0, 0]) <= 1


def test_noise_has_the_strength_that_the_sensor_says_in_the_dark_and_in_the_light():
    seen = _plain(read=2.0, shot=5.0)
    for level in (40, 200):
        shot = seen.expose(_grey(level, 480, 640), _rng(level)).astype(float)
        wanted = np.hypot(2.0, 5.0 * np.sqrt(level / 255))
        assert shot.std() == pytest.approx(wanted, rel=0.06)
        assert shot.mean() == pytest.approx(level, abs=0.3)


def test_noise_is_no_fingerprint_of_the_camera():
    seen = _plain(read=4.0)
    rng = _rng(3)
    frames = np.array([seen.expose(_grey(), rng).astype(float) - 100 for _ in range(24)])
    pairs = np.corrcoef(frames.reshape(24, -1))[np.triu_indices(24, 1)]
    assert np.abs(pairs).max() < 0.05
    # What stays in the mean of many frames is what is left of independent noise.
    assert frames.mean(axis=0).std() < 1.3 * 4.0 / np.sqrt(24)


def test_corners_are_darker_by_the_vignette():
    shot = _plain(vignette=0.4).expose(_grey(200), _rng())
    assert shot[60, 80, 0] >= 199
    assert shot[0, 0, 0] == pytest.approx(200 * 0.6, abs=3)


@pytest.mark.parametrize('velocity', [(1200, 0), (0, -1200), (850, 850), (-850, 850)])
def test_motion_smears_a_point_along_the_motion_and_keeps_its_middle(velocity):
    image = np.zeros((61, 61, 3), np.uint8)
    image[30, 30] = 255
    shot = _plain(exposure_s=0.01).expose(image, _rng(), velocity=velocity)[..., 0].astype(float)
    y, x = np.nonzero(shot)
    weight = shot[y, x] / shot.sum()
    assert (weight @ x, weight @ y) == pytest.approx((30, 30), abs=1)
    direction = np.array(velocity) / np.hypot(*velocity)
    along = (x - 30) * direction[0] + (y - 30) * direction[1]
    across = (x - 30) * direction[1] - (y - 30) * direction[0]
    assert np.ptp(along) == pytest.approx(12, abs=3)
    assert np.ptp(across) <= 1.5


def test_jpeg_of_low_quality_costs_detail():
    image = cv2.resize(_rng('image').integers(0, 256, (30, 40, 3), np.uint8), (160, 120))
    errors = [
        np.abs(_plain(quality=quality).expose(image, _rng()).astype(int) - image).mean()
        for quality in (95, 30)
    ]
    assert 0 < errors[0] < errors[1]


def test_an_unknown_level_is_refused_with_those_that_exist():
    with pytest.raises(sensor.SensorError, match=r"'grim'.*clean, usual, harsh"):
        sensor.draw(_rng(), 'grim')
