"""Masks become silhouettes by the rule of the public gait sets."""

import numpy as np
import pytest

from reid_ros.silhouette import SIZE, align, aligned


def bar(height=200, width=120, top=20, bottom=180, left=40, right=80):
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def by_the_public_rule(mask):
    """OpenGait's datasets/pretreatment.py, pixel by pixel, without the cubic interpolation."""
    rows = np.flatnonzero(mask.sum(axis=1))
    body = mask[rows[0] : rows[-1] + 1].astype(np.float64)
    across = round(body.shape[1] * 64 / body.shape[0])
    scaled = np.zeros((64, across))
    for i in range(64):
        for j in range(across):
            y0, y1 = i * body.shape[0] / 64, (i + 1) * body.shape[0] / 64
            x0, x1 = j * body.shape[1] / across, (j + 1) * body.shape[1] / across
            scaled[i, j] = body[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))].mean()
    mass = scaled.sum(axis=0).cumsum()
    middle = next(k for k in range(across) if mass[k] > mass[-1] / 2)
    wide = np.zeros((64, across + 64))
    wide[:, 32:-32] = scaled
    return wide[:, middle : middle + 64][:, 10:-10]


def test_a_body_fills_all_rows_and_stands_in_the_middle():
    found = align(bar())
    assert found.shape == SIZE
    assert found.dtype == np.uint8
    assert found.any(axis=1).all()
    columns = np.flatnonzero(found.any(axis=0))
    # 40 of 160 pixels: a quarter of the height.
    assert len(columns) == 16
    assert abs(columns.mean() - 21.5) <= 1.0


def test_alignment_is_that_of_the_public_sets():
    draw = np.random.default_rng(0)
    for _ in range(5):
        mask = np.zeros((192, 96), np.uint8)
        for _ in range(6):
            y, x = draw.integers(0, 150), draw.integers(10, 70)
            mask[y : y + draw.integers(10, 42), x : x + draw.integers(8, 26)] = 255
        found = align(mask).astype(np.float64)
        assert np.abs(found - by_the_public_rule(mask)).mean() < 12.0


@pytest.mark.parametrize('scale', [1, 2, 3])
@pytest.mark.parametrize('shift', [0, 17])
def test_neither_place_nor_size_of_a_mask_matters(scale, shift):
    small = bar()
    moved = np.zeros_like(small)
    moved[:, shift:] = small[:, : small.shape[1] - shift]
    large = np.kron(moved, np.ones((scale, scale), np.uint8))
    assert np.abs(align(large).astype(int) - align(small).astype(int)).max() <= 2


def test_bools_and_grey_values_are_taken_alike():
    mask = bar()
    soft = np.where(mask > 0, 200, 60).astype(np.uint8)
    assert np.array_equal(align(mask > 0), align(mask))
    assert np.array_equal(align(soft), align(mask))


def test_pixels_that_are_not_square_are_stretched():
    mask = bar()
    squeezed = np.ascontiguousarray(mask[:, ::2])
    assert np.abs(aligned(squeezed, 2.0).astype(int) - align(mask).astype(int)).mean() < 2


def test_a_far_speck_does_not_push_the_body_away():
    mask = np.zeros((100, 2000), np.uint8)
    mask[10:90, 100:130] = 255
    mask[50:52, 1990:] = 255
    assert align(mask)[:, 18:26].all()


@pytest.mark.parametrize(
    'mask',
    [
        np.zeros((50, 30), np.uint8),
        np.zeros((0, 0), np.uint8),
        np.full((50, 30), 127, np.uint8),
        np.kron(np.eye(2, dtype=np.uint8) * 255, np.pad([[1]], 20)).astype(np.uint8),
    ],
    ids=['empty', 'without pixels', 'too dark', 'two pixels'],
)
def test_where_nothing_is_there_is_no_silhouette(mask):
    assert align(mask) is None


def test_a_single_pixel_fills_the_silhouette_and_does_not_crash():
    mask = np.zeros((64, 44), np.uint8)
    mask[30, 20] = 255
    assert align(mask).shape == SIZE


def test_a_mask_of_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r'two axes, not the shape \(3, 4, 5\)'):
        align(np.zeros((3, 4, 5), np.uint8))
