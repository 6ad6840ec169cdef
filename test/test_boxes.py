import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reid_ros.boxes import area, claimed, clip, coverage, inside, iou, letterbox, nms

numbers = st.integers(-50 * 64, 150 * 64).map(lambda steps: steps / 64)  # of a 64th of a pixel


@st.composite
def some_boxes(draw, most=12):
    n = draw(st.integers(0, most))
    corners = draw(arrays(np.float32, (n, 4), elements=numbers))
    return np.concatenate(
        [np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])],
        axis=1,
    )


def plain_iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union > 0 else 0.0


def plain_nms(boxes, scores, threshold):
    """Greedy suppression as torchvision.ops.nms documents it, box by box."""
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if all(plain_iou(boxes[i], boxes[k]) <= threshold for k in kept):
            kept.append(i)
    return kept


@given(some_boxes(), some_boxes())
def test_overlap_is_what_a_plain_loop_says(a, b):
    expected = [[plain_iou(p, q) for q in b.astype(float)] for p in a.astype(float)]
    assert iou(a, b).shape == (len(a), len(b))
    np.testing.assert_allclose(
        iou(a, b), np.array(expected).reshape(len(a), len(b)), atol=1e-4, rtol=1e-3
    )


@given(some_boxes(), some_boxes())
def test_overlap_is_symmetric_and_between_zero_and_one(a, b):
    overlap = iou(a, b)
    np.testing.assert_allclose(overlap, iou(b, a).T, atol=1e-6)
    assert np.all((overlap >= 0) & (overlap <= 1 + 1e-5))


def test_a_box_overlaps_itself_fully_and_an_empty_box_nothing():
    boxes = np.array([[0, 0, 10, 20], [5, 5, 5, 5]], np.float32)
    np.testing.assert_array_equal(np.diag(iou(boxes, boxes)), [1, 0])
    np.testing.assert_array_equal(area(boxes), [200, 0])


def test_coverage_is_measured_against_the_box_itself():
    small, large = np.array([[0, 0, 10, 10]], np.float32), np.array([[0, 0, 20, 10]], np.float32)
    assert coverage(small, large)[0, 0] == 1.0
    assert coverage(large, small)[0, 0] == 0.5
    assert coverage(np.zeros((1, 4), np.float32), large)[0, 0] == 0.0


@given(some_boxes())
def test_clipped_boxes_lie_in_the_image(boxes):
    clipped = clip(boxes, 100, 60)
    assert np.all(clipped >= 0)
    assert np.all(clipped[:, ::2] <= 100)
    assert np.all(clipped[:, 1::2] <= 60)


@given(some_boxes())
def test_the_pixels_of_a_box_are_its_rounded_corners_inside_the_image(boxes):
    for box, clipped in zip(boxes, clip(boxes, 100, 60)):
        found = inside(box, 100, 60)
        assert [type(value) for value in found] == [int] * 4
        assert list(found) == np.round(clipped).tolist()


@pytest.mark.parametrize('n', [0, 1, 40, 300])
@pytest.mark.parametrize('threshold', [0.3, 0.6])
def test_suppression_is_what_a_plain_loop_says(n, threshold):
    draw = np.random.default_rng(n)
    corner = draw.uniform(0, 200, (n, 2))
    boxes = np.concatenate([corner, corner + draw.uniform(10, 60, (n, 2))], 1).astype(np.float32)
    scores = draw.choice(np.linspace(0.1, 1, 30), n).astype(np.float32)  # with equal ones
    expected = plain_nms(boxes.astype(float), scores, threshold)
    assert nms(boxes, scores, threshold).tolist() == expected
    assert nms(boxes, scores, threshold, most=3).tolist() == expected[:3]


FITS = ['letterbox_topleft', 'letterbox_centre', 'stretch']


@given(
    st.integers(9, 4000), st.integers(9, 4000), st.sampled_from(FITS),
    st.sampled_from([(416, 416), (352, 352), (640, 384), (128, 256)]), st.data(),
)  # fmt: skip
def test_a_box_comes_back_from_the_letterbox_within_a_pixel(width, height, fit, size, data):
    place = letterbox(width, height, *size, fit)
    x0, x1 = sorted(data.draw(st.tuples(*[st.floats(0, width)] * 2)))
    y0, y1 = sorted(data.draw(st.tuples(*[st.floats(0, height)] * 2)))
    boxes = np.array([[x0, y0, x1, y1]], np.float32)
    there = place.to_input(boxes)
    assert np.all(there >= -1e-3)
    assert np.all(there[:, ::2] <= size[0] + 1e-2)
    assert np.all(there[:, 1::2] <= size[1] + 1e-2)
    np.testing.assert_allclose(place.to_image(there), boxes, atol=1.0)


def test_boxes_of_the_letterboxs_border_end_at_the_images_border():
    place = letterbox(640, 480, 416, 416, 'letterbox_centre')
    whole = place.to_image(np.array([[0, 0, 416, 416]], np.float32))
    np.testing.assert_allclose(whole, [[0, 0, 640, 480]])


def test_the_surest_box_takes_the_person_and_nobody_else_may():
    true = np.array([[0, 0, 10, 20], [20, 0, 30, 20]], np.float32)
    found = np.array(
        [[0, 0, 10, 18], [0, 0, 10, 20], [21, 0, 31, 20], [50, 0, 60, 20]], np.float32
    )
    scores = np.array([0.9, 0.8, 0.3, 0.95], np.float32)
    assert claimed(found, scores, true, 0.5).tolist() == [0, -1, 1, -1]
    assert claimed(found, scores[[1, 0, 2, 3]], true, 0.5).tolist() == [-1, 0, 1, -1]
    assert claimed(found, scores, true, 0.85).tolist() == [0, -1, -1, -1]
    assert claimed(found, scores, true[:0], 0.5).tolist() == [-1] * 4
    assert claimed(found[:0], scores[:0], true, 0.5).tolist() == []
