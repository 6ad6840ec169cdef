import cv2
import numpy as np
import pytest

from reid_ros.card import Input
from reid_ros.images import crop_batch, input_buffer, letterbox_into, normalise

IMAGENET = {'mean': (123.675, 116.28, 103.53), 'std': (58.395, 57.12, 57.375)}
SCALES = [{}, {'std': (255.0, 255.0, 255.0)}, IMAGENET]


def picture(height=60, width=90, seed=0):
    small = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def drawn(image, spec, order='bgr'):
    out = np.full((spec.height, spec.width, 3), 77, np.uint8)
    return out, letterbox_into(image, out, spec, order)


@pytest.mark.parametrize('layout', ['NCHW', 'NHWC'])
@pytest.mark.parametrize('dtype', ['float32', 'float16'])
@pytest.mark.parametrize('scale', SCALES, ids=['pixels', 'unit', 'imagenet'])
def test_normalising_is_what_the_formula_says(layout, dtype, scale):
    spec = Input(layout=layout, height=16, width=8, dtype=dtype, **scale)
    batch = np.random.default_rng(1).integers(0, 256, (3, 16, 8, 3), dtype=np.uint8)
    expected = (batch.astype(np.float64) - spec.mean) / spec.std
    if layout == 'NCHW':
        expected = expected.transpose(0, 3, 1, 2)
    result = normalise(batch, spec)
    assert result.dtype == dtype
    assert result.flags.c_contiguous
    loose = 2e-3 if dtype == 'float16' else 1e-6
    np.testing.assert_allclose(result, expected, rtol=loose, atol=10 * loose)


def test_a_network_of_bytes_gets_the_pixels_themselves():
    batch = np.random.default_rng(2).integers(0, 256, (2, 16, 8, 3), dtype=np.uint8)
    rows = normalise(batch, Input(layout='NHWC', height=16, width=8, dtype='uint8'))
    planes = normalise(batch, Input(layout='NCHW', height=16, width=8, dtype='uint8'))
    assert rows is batch
    np.testing.assert_array_equal(planes, batch.transpose(0, 3, 1, 2))


@pytest.mark.parametrize('layout', ['NCHW', 'NHWC'])
def test_a_buffer_is_used_again_and_only_as_far_as_needed(layout):
    spec = Input(layout=layout, height=16, width=8, **IMAGENET)
    buffer = input_buffer(spec, 4)
    batch = np.random.default_rng(3).integers(0, 256, (2, 16, 8, 3), dtype=np.uint8)
    result = normalise(batch, spec, buffer)
    assert len(result) == 2
    assert np.shares_memory(result, buffer)
    np.testing.assert_array_equal(result, normalise(batch, spec))


@pytest.mark.parametrize('order', ['bgr', 'rgb'])
@pytest.mark.parametrize('wanted', ['bgr', 'rgb'])
def test_colours_reach_the_network_in_its_own_order(order, wanted):
    image = np.zeros((40, 30, 3), np.uint8)
    image[..., 0 if order == 'rgb' else 2] = 200  # red
    spec = Input(height=16, width=8, order=wanted)
    red = 0 if wanted == 'rgb' else 2
    for pixels in (
        drawn(image, spec, order)[0],
        crop_batch(image, np.array([[3, 3, 20, 30]], np.float32), spec, order)[0],
    ):
        assert np.all(pixels[..., red] == 200)
        assert np.all(np.delete(pixels, red, axis=2) == 0)


@pytest.mark.parametrize('fit', ['letterbox_topleft', 'letterbox_centre', 'stretch'])
@pytest.mark.parametrize(('height', 'width'), [(480, 640), (641, 359), (50, 30)])
def test_what_is_seen_lies_where_the_geometry_says(fit, height, width):
    """A bright box is found again, by its mass, at the place that the geometry gives it."""
    box = np.array([[width * 0.3, height * 0.2, width * 0.7, height * 0.6]]).round()
    x0, y0, x1, y1 = box[0].astype(int)
    image = np.zeros((height, width, 3), np.uint8)
    image[y0:y1, x0:x1] = 255
    spec = Input(height=208, width=320, fit=fit, pad=0)
    out, place = drawn(image, spec)
    mass = out[..., 0] / 255.0
    across, down = mass.max(axis=0), mass.max(axis=1)
    expected = place.to_input(box.astype(np.float32))[0]
    for profile, low, high in ((across, *expected[::2]), (down, *expected[1::2])):
        length = profile.sum()
        middle = profile @ (np.arange(len(profile)) + 0.5) / length
        assert abs(length - (high - low)) < 1.0
        assert abs(middle - (low + high) / 2) < 0.2


def test_the_rest_of_a_letterbox_is_grey_even_in_a_used_buffer():
    spec = Input(height=64, width=64, fit='letterbox_topleft', pad=114)
    out, _ = drawn(np.full((30, 60, 3), 9, np.uint8), spec)
    assert np.all(out[:32] == 9)
    assert np.all(out[32:] == 114)
    spec = Input(height=64, width=64, fit='letterbox_centre', pad=3)
    out, _ = drawn(np.full((60, 30, 3), 9, np.uint8), spec)
    assert np.all(out[:, 16:48] == 9)
    assert np.all(out[:, :16] == 3)
    assert np.all(out[:, 48:] == 3)


def strided():
    whole = np.zeros((60, 100, 3), np.uint8)
    whole[:, 5:95] = picture()
    view = whole[:, 5:95]  # rows with a gap, as in a message with padding
    view.flags.writeable = False
    return view


@pytest.mark.parametrize('view', [strided(), picture()[::-1][::-1], picture()])
def test_a_view_into_a_message_is_read_in_place(view):
    before = view.copy()
    spec = Input(height=40, width=40, fit='letterbox_topleft', order='rgb')
    np.testing.assert_array_equal(drawn(view, spec)[0], drawn(picture(), spec)[0])
    boxes = np.array([[3, 3, 70, 50]], np.float32)
    np.testing.assert_array_equal(
        crop_batch(view, boxes, spec), crop_batch(picture(), boxes, spec)
    )
    np.testing.assert_array_equal(view, before)


def test_an_image_of_the_right_size_is_taken_over_pixel_by_pixel():
    image = picture(40, 24)
    spec = Input(height=40, width=24, order='bgr')
    np.testing.assert_array_equal(drawn(image, spec)[0], image)
    whole = np.array([[0, 0, 24, 40]], np.float32)
    np.testing.assert_array_equal(crop_batch(image, whole, spec)[0], image)


@pytest.mark.parametrize(
    ('resize', 'way'),
    [('linear', cv2.INTER_LINEAR), ('area', cv2.INTER_AREA), ('cubic', cv2.INTER_CUBIC)],
)
def test_the_card_chooses_the_interpolation(resize, way):
    image = np.random.default_rng(4).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    spec = Input(height=20, width=30, order='bgr', resize=resize)
    np.testing.assert_array_equal(
        drawn(image, spec)[0], cv2.resize(image, (30, 20), interpolation=way)
    )


def test_crops_are_cut_at_the_images_border():
    image = picture(60, 90)
    spec = Input(height=20, width=10, order='bgr')
    boxes = np.array([[-30, -10, 40, 30], [80, 50, 200, 90], [500, 500, 600, 700]], np.float32)
    inside = np.array([[0, 0, 40, 30], [80, 50, 90, 60], [89, 59, 90, 60]], np.float32)
    crops = crop_batch(image, boxes, spec)
    np.testing.assert_array_equal(crops, crop_batch(image, inside, spec))
    assert np.all(crops[2] == image[59, 89])


def test_no_boxes_give_no_crops():
    spec = Input(height=20, width=10)
    assert crop_batch(picture(), np.empty((0, 4), np.float32), spec).shape == (0, 20, 10, 3)
    assert normalise(np.empty((0, 20, 10, 3), np.uint8), spec).shape == (0, 3, 20, 10)
