import numpy as np
import pytest

from reid_ros.world.clutter import Detector, disturb
from reid_ros.world.seeds import generator
from reid_ros.world.values import Truth

WIDTH, HEIGHT = 640, 480


def truth(boxes, visible=None):
    """People as whole rectangles; of a hidden one the lower part is hidden."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    n = len(boxes)
    visible = np.ones(n, np.float32) if visible is None else np.array(visible, np.float32)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for row, (x0, y0, x1, y1) in enumerate(boxes.astype(int)):
        labels[y0 : y0 + round(visible[row] * (y1 - y0)), x0:x1] = row + 1
    return Truth(
        np.arange(1, n + 1, dtype=np.uint32), boxes, visible, np.zeros((n, 3)),
        np.zeros(n, np.float32), np.zeros(n, np.uint8), labels,
    )  # fmt: skip


def often(scene, times=600, **quality):
    """Disturbances of one scene."""
    rng = generator('test', 'clutter', str(quality))
    detector = Detector(**quality)
    return [disturb(scene, WIDTH, HEIGHT, rng, detector) for _ in range(times)]


def found(runs, row=0):
    """Boxes and scores of one row over the runs, and the share of runs that have it."""
    boxes = np.concatenate([r.detections.boxes[r.rows == row] for r in runs])
    scores = np.concatenate([r.detections.scores[r.rows == row] for r in runs])
    return boxes, scores, np.mean([(r.rows == row).any() for r in runs])


ONE = [(200, 100, 280, 340)]


def test_people_in_full_view_are_rarely_missed_and_their_boxes_are_good():
    boxes, scores, share = found(often(truth(ONE), clutter=0.0))
    assert 0.96 < share < 0.995
    assert (np.abs(boxes - ONE[0]).mean(axis=0) < [2, 5, 2, 5]).all()
    assert np.abs(boxes.mean(axis=0) - ONE[0]).max() < 1.0
    assert 0.8 < scores.mean() < 0.95


def test_the_less_is_seen_the_more_are_missed_the_less_sure_and_the_worse_the_box():
    shares, sures, errors = [], [], []
    for visible in (1.0, 0.6, 0.35, 0.15):
        boxes, scores, share = found(often(truth(ONE, [visible]), clutter=0.0, double=0.0))
        shares.append(share)
        sures.append(scores.mean())
        errors.append(np.abs(boxes - ONE[0]).mean())
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.95
    assert shares[-1] < 0.3
    assert sures == sorted(sures, reverse=True)
    assert errors == sorted(errors)


def test_a_box_of_a_hidden_person_shrinks_towards_what_is_seen():
    boxes, _, _ = found(often(truth(ONE, [0.5]), clutter=0.0))
    bottoms = boxes[:, 3]
    assert bottoms.max() < 340 + 60
    assert 250 < np.median(bottoms) < 310  # between the seen 220 and the whole 340
    assert np.abs(np.median(boxes[:, 1]) - 100) < 3


def test_small_people_are_missed():
    _, _, share = found(often(truth([(200, 100, 208, 120)]), clutter=0.0))
    assert share < 0.3


def test_nobody_is_reported_of_whom_next_to_nothing_is_seen():
    _, _, share = found(often(truth(ONE, [0.03]), clutter=0.0))
    assert share == 0


def test_ghosts_come_as_often_as_ordered_and_belong_to_nobody():
    runs = often(truth(ONE), clutter=0.5)
    ghosts = [r.detections.scores[r.rows == -1] for r in runs]
    assert np.mean([len(g) for g in ghosts]) == pytest.approx(0.5, abs=0.1)
    scores = np.concatenate(ghosts)
    assert scores.min() >= 0.1
    assert scores.max() <= 0.75


def test_doubles_are_weaker_and_of_the_same_person():
    runs = often(truth(ONE), clutter=0.0, double=1.0)
    pairs = [r for r in runs if len(r.rows) == 2]
    assert len(pairs) > 500
    for run in pairs:
        assert run.rows.tolist() == [0, 0]
    high = np.mean([r.detections.scores.max() for r in pairs])
    low = np.mean([r.detections.scores.min() for r in pairs])
    assert high - low > 0.2


def test_boxes_stay_within_the_image_and_scores_within_their_range():
    scene = truth([(0, 20, 60, 300), (600, 200, 640, 480)], [0.6, 0.9])
    for run in often(scene, clutter=1.0, shake=0.2):
        boxes = run.detections.boxes
        assert boxes.dtype == np.float32
        assert (boxes >= 0).all()
        assert (boxes <= [WIDTH, HEIGHT, WIDTH, HEIGHT]).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (run.detections.scores <= 0.98).all()
        assert len(run.rows) == len(run.detections)


def test_an_empty_image_is_an_image():
    run = disturb(truth([]), WIDTH, HEIGHT, generator('test', 'empty'), Detector(clutter=0.0))
    assert len(run.detections) == 0
    assert run.rows.dtype == np.int64


def test_the_same_random_numbers_give_the_same_boxes():
    scene = truth([*ONE, (400, 90, 470, 330)], [0.9, 0.5])
    first, second = (disturb(scene, WIDTH, HEIGHT, generator('test', 7)) for _ in range(2))
    np.testing.assert_array_equal(first.detections.boxes, second.detections.boxes)
    np.testing.assert_array_equal(first.rows, second.rows)
