import numpy as np
import pytest

from reid_ros.evaluate.ranking import ProtocolError
from reid_ros.evaluate.searchprotocol import (
    Found,
    Queries,
    Truth,
    every_frame,
    galleries,
    least_iou,
    search,
)

IMAGES, PEOPLE = 24, 9
LENGTH = 16  # signs at length 1 are then exact: +-0.25


def overlap(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def plain_loop(found, truth, query, person, images, least_score):
    """(first, recall, ap) of one query, from the rules; None where nobody is to be found."""
    answers, boxes, hits = [], 0, 0
    for image in images:
        rows = [
            d
            for d in range(len(found.images))
            if found.images[d] == image and found.scores[d] >= least_score
        ]
        near = {d: float(found.vectors[d] @ query) for d in rows}
        right = None
        for t in range(len(truth.images)):
            if truth.images[t] != image or truth.ids[t] != person:
                continue
            boxes += 1
            x0, y0, x1, y1 = truth.boxes[t].tolist()
            w, h = x1 - x0, y1 - y0
            least = min(0.5, w * h / ((w + 10) * (h + 10)))
            for d in sorted(rows, key=lambda d: -near[d]):
                if overlap(found.boxes[d].tolist(), truth.boxes[t].tolist()) >= least:
                    right, hits = d, hits + 1
                    break
        answers += [(-near[d], d == right) for d in rows]
    if not boxes:
        return None
    answers.sort()
    ap, good, first = 0.0, 0, 0
    for rank, (_, right) in enumerate(answers, 1):
        if right:
            good += 1
            first = first or rank
            ap += good / rank / hits
    return first, hits / boxes, ap * hits / boxes


def scene(seed, ties=False):
    """Images with people, their detections (some missed, some doubled, some of nothing)."""
    draw = np.random.default_rng(seed)
    looks = draw.normal(size=(PEOPLE + 1, LENGTH))
    truth, found = [], []
    for image in range(IMAGES):
        for person in draw.choice(np.arange(1, PEOPLE + 1), draw.integers(0, 4), replace=False):
            x, y = draw.uniform(0, 600, 2)
            w = draw.choice([12.0, 40.0])  # small boxes need less overlap
            box = np.array([x, y, x + w, y + 2.5 * w])
            truth.append((image, box, person))
            for _ in range(draw.integers(0, 3)):
                moved = box + draw.normal(size=4) * w / 6
                if (moved[2:] > moved[:2]).all():
                    found.append((image, moved, looks[person]))
        for _ in range(draw.integers(0, 3)):
            x, y = draw.uniform(0, 600, 2)
            found.append((image, np.array([x, y, x + 30, y + 80]), draw.normal(size=LENGTH)))
    vectors = np.array([v for *_, v in found]) + 1.5 * draw.normal(size=(len(found), LENGTH))
    if ties:
        vectors = np.sign(vectors)
    order = draw.permutation(len(found))
    cameras = np.arange(IMAGES) % 3
    shown = Truth(
        np.array([i for i, *_ in truth]),
        np.array([b for _, b, _ in truth]),
        np.array([p for *_, p in truth]),
        cameras,
    )
    seen = Found(
        np.array([i for i, *_ in found])[order],
        np.array([b for _, b, _ in found])[order],
        draw.uniform(0.3, 1, len(found)),
        vectors[order],
    )
    asked = draw.choice(len(truth), 15, replace=False)
    looked = looks[shown.ids[asked]] + draw.normal(size=(15, LENGTH))
    return (
        seen,
        shown,
        Queries(shown.ids[asked], shown.images[asked], np.sign(looked) if ties else looked),
    )


@pytest.mark.parametrize('ties', [False, True])
@pytest.mark.parametrize('rule', ['prw', 'prw other cameras', 'cuhk'])
@pytest.mark.parametrize('seed', range(5))
def test_searches_are_those_of_a_plain_loop(seed, rule, ties):
    found, truth, queries = scene(seed, ties)
    if rule == 'cuhk':
        images = galleries(queries, truth, 14, np.random.default_rng(seed))
    else:
        images = every_frame(queries, truth, other_cameras='other' in rule)
    result = search(found, truth, queries, images)
    expected = {}
    for row in range(len(queries)):
        answer = plain_loop(found, truth, queries.vectors[row], queries.ids[row], images[row], 0.5)
        if answer is not None:
            expected[row] = answer
    assert result.queries.tolist() == list(expected)
    assert result.skipped == len(queries) - len(expected)
    first, recall, ap = np.array(list(expected.values())).T
    np.testing.assert_array_equal(result.first, first)
    np.testing.assert_allclose(result.recall, recall)
    np.testing.assert_allclose(result.ap, ap)
    scores = result.scores()
    assert scores['mAP'] == pytest.approx(ap.mean())
    assert scores['top-1'] == pytest.approx((first == 1).mean())
    assert result.intervals(np.random.default_rng(0))['mAP'].value == pytest.approx(ap.mean())


def test_a_small_box_needs_less_overlap():
    boxes = np.array([[0, 0, 10, 20], [0, 0, 100, 200]], np.float32)
    np.testing.assert_allclose(least_iou(boxes), [200 / (20 * 30), 0.5])


def one_person(boxes, vectors):
    """Person 1 in images 0 (the query) and 1; detections in image 1."""
    box = np.array([0.0, 0.0, 40.0, 100.0])
    truth = Truth(np.array([0, 1]), np.stack([box, box]), np.array([1, 1]), np.array([0, 1]))
    queries = Queries(np.array([1]), np.array([0]), np.array([[1.0, 0.0]]))
    n = len(boxes)
    found = Found(np.ones(n, np.int64), np.array(boxes), np.ones(n), np.array(vectors))
    return search(found, truth, queries, every_frame(queries, truth))


def test_the_second_detection_of_a_person_is_wrong():
    box = [0.0, 0.0, 40.0, 100.0]
    twice = one_person([box, box], [[1.0, 0.2], [1.0, 0.1]])
    assert (twice.first[0], twice.ap[0]) == (1, 1.0)
    behind = one_person([[200.0, 0.0, 240.0, 100.0], box], [[1.0, 0.0], [1.0, 0.1]])
    assert (behind.first[0], behind.ap[0]) == (2, 0.5)


def test_a_missed_person_scores_nothing_and_is_counted():
    missed = one_person([[200.0, 0.0, 240.0, 100.0]], [[1.0, 0.0]])
    assert missed.scores() == {'mAP': 0, 'top-1': 0, 'top-5': 0, 'top-10': 0, 'recall': 0}
    nothing = one_person(np.empty((0, 4)), np.empty((0, 2)))
    assert nothing.scores()['recall'] == 0


def test_galleries_hold_the_person_elsewhere_and_the_size_asked_for():
    _, truth, queries = scene(0)
    for row, images in enumerate(galleries(queries, truth, 12, np.random.default_rng(1))):
        shown = truth.images[truth.ids == queries.ids[row]]
        assert len(np.unique(images)) == len(images) == 12
        assert queries.images[row] not in images
        assert set(shown) - {queries.images[row]} == set(shown) & set(images)
    with pytest.raises(ProtocolError, match=r'no gallery of 500 images for person \d'):
        galleries(queries, truth, 500, np.random.default_rng(1))


def test_data_that_break_a_rule_are_named():
    found, truth, queries = scene(0)
    everything = [np.arange(IMAGES)] * len(queries)
    with pytest.raises(ProtocolError, match='query 0 was cut from an image of its own gallery'):
        search(found, truth, queries, everything)
    short = Queries(queries.ids, queries.images, queries.vectors[:, :4])
    with pytest.raises(ProtocolError, match='two networks'):
        search(found, truth, short, every_frame(short, truth))
    with pytest.raises(ProtocolError, match='1 galleries for 15 queries'):
        search(found, truth, queries, everything[:1])
    nowhere = [np.setdiff1d(np.arange(IMAGES), truth.images[truth.ids == p]) for p in queries.ids]
    with pytest.raises(ProtocolError, match='none of 15 people'):
        search(found, truth, queries, nowhere)
    with pytest.raises(ProtocolError, match='person 1 stands in image 0 more than once'):
        Truth(np.array([0, 0]), np.array([[0, 0, 9, 9]] * 2), np.array([1, 1]), np.array([0]))
    with pytest.raises(ProtocolError, match='box 0 of truth is empty'):
        Truth(np.array([0]), np.array([[9, 0, 9, 9]]), np.array([1]), np.array([0]))
