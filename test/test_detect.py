import cv2
import networks
import numpy as np
import pytest
from networks import detector
from samples import data

from reid_ros.boxes import iou
from reid_ros.card import Card, card_of
from reid_ros.config import DetectConfig
from reid_ros.detect import Detector
from reid_ros.model import Model
from reid_ros.types import Detections, Frame


def frame(height=48, width=64, camera='a', order='bgr', value=0):
    return Frame(camera, 0, np.full((height, width, 3), value, np.uint8), order=order)


def rows(*people, batch=1):
    """An answer of yolo_nms: x0 y0 x1 y1 score class, then empty rows."""
    table = np.zeros((batch, 10, 6), np.float32)
    for i, person in enumerate(people):
        table[:, i] = person
    return table


def stub(tmp_path, table, decoder='yolo_nms', config=None, **entries):
    """A detector over a network that always answers the table."""
    batch = entries.pop('batch', 1)
    path = networks.constant(tmp_path / 'toy.onnx', {'rows': table}, batch=batch)
    model = Model.load(path, Card.of(detector(decoder, **entries)), backend='cpu')
    return Detector(model, config or DetectConfig())


def test_people_come_best_first_in_pixels_of_the_image(tmp_path):
    table = rows([10, 10, 20, 30, 0.5, 0], [32, 8, 64, 48, 0.9, 0])
    find = stub(tmp_path, table, input={'fit': 'letterbox_topleft'})
    found = find.detect([frame(96, 128)])[0]  # twice the network's size
    np.testing.assert_allclose(found.scores, [0.9, 0.5])
    np.testing.assert_allclose(found.boxes, [[64, 16, 128, 96], [20, 20, 40, 60]])


def test_the_border_of_a_letterbox_is_taken_off(tmp_path):
    find = stub(tmp_path, rows([0, 0, 64, 64, 0.9, 0]), input={'fit': 'letterbox_centre'})
    tall, wide = find.detect([frame(128, 64), frame(64, 128)])
    np.testing.assert_allclose(tall.boxes, [[0, 0, 64, 128]])
    np.testing.assert_allclose(wide.boxes, [[0, 0, 128, 64]])


def test_other_classes_and_weak_boxes_are_no_people(tmp_path):
    table = rows([1, 1, 9, 9, 0.9, 2], [1, 1, 9, 9, 0.29, 0], [1, 1, 9, 9, 0.31, 0])
    found = stub(tmp_path, table, config=DetectConfig(score=0.3)).detect([frame()])[0]
    np.testing.assert_allclose(found.scores, [0.31])


def test_an_empty_image_is_an_answer(tmp_path):
    found = stub(tmp_path, rows()).detect([frame()])
    assert len(found) == 1
    assert isinstance(found[0], Detections)
    assert found[0].boxes.shape == (0, 4)


def test_no_images_give_no_answers(tmp_path):
    assert stub(tmp_path, rows()).detect([]) == []


def test_a_box_outside_the_image_is_dropped(tmp_path):
    table = rows([10, 60, 20, 64, 0.9, 0], [10, 10, 20, 20, 0.8, 0])  # the first lies in the grey
    find = stub(tmp_path, table, input={'fit': 'letterbox_topleft'})
    np.testing.assert_allclose(find.detect([frame(48, 64)])[0].scores, [0.8])


@pytest.mark.parametrize(('threshold', 'number'), [(0.5, 1), (0.7, 2)])
def test_one_person_in_two_boxes_is_one_where_the_network_suppresses_nothing(
    tmp_path, threshold, number
):
    table = np.zeros((1, 10, 8), np.float32)
    table[0, 0] = [20, 20, 10, 20, 1, 0.9, 0, 0]
    table[0, 1] = [20, 25, 10, 20, 1, 0.8, 0, 0]  # overlaps by 0.6
    find = stub(tmp_path, table, 'yolov5', DetectConfig(nms_iou=threshold))
    assert len(find.detect([frame()])[0]) == number


def test_no_more_people_than_allowed(tmp_path):
    people = [[5 * i, 0, 5 * i + 4, 20, 0.2 + 0.1 * i, 0] for i in range(6)]
    found = stub(tmp_path, rows(*people), config=DetectConfig(max_people=2)).detect([frame()])[0]
    np.testing.assert_allclose(found.scores, [0.7, 0.6])


def test_cameras_of_all_sizes_share_one_batch(tmp_path):
    table = np.concatenate([rows([0, 0, 32, 32, 0.1 * i, 0]) for i in range(1, 4)])
    find = stub(
        tmp_path, table, batch=3, config=DetectConfig(score=0.05), input={'fit': 'stretch'}
    )
    frames = [frame(48, 64), frame(128, 32, 'b'), frame(480, 640, 'c')]
    first, second, third = find.detect(frames)
    np.testing.assert_allclose([f.scores[0] for f in (first, second, third)], [0.1, 0.2, 0.3])
    np.testing.assert_allclose(first.boxes, [[0, 0, 32, 24]])
    np.testing.assert_allclose(second.boxes, [[0, 0, 16, 64]])
    np.testing.assert_allclose(third.boxes, [[0, 0, 320, 240]])


def test_a_picture_is_one_picture_in_either_colour_order(tmp_path):
    find = stub(tmp_path, rows(), input={'order': 'rgb'})
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    swapped = np.ascontiguousarray(image[..., ::-1])
    batch, _ = find.prepare([Frame('a', 0, image), Frame('b', 0, swapped, order='rgb')])
    np.testing.assert_array_equal(batch[0], batch[1])
    np.testing.assert_allclose(batch[0].mean((1, 2)), image.mean((0, 1))[::-1], rtol=0.02)


def real(name, **config):
    path = data('models', name)
    return Detector(Model.load(path, card_of(path), backend='cpu'), DetectConfig(**config))


def vtest():
    """Frames with ground truth: (image, boxes (n, 4), ignored (n,))."""
    truth = {}
    for line in data('video', 'vtest_gt_sparse.txt').read_text().splitlines():
        number, _, x, y, w, h, counts = (float(v) for v in line.split(',')[:7])
        truth.setdefault(int(number), []).append((x, y, x + w, y + h, counts == 0))
    capture = cv2.VideoCapture(str(data('video', 'vtest.avi')))
    for number in range(1, 321):
        _, image = capture.read()
        if number in truth:
            table = np.array(truth[number])
            yield image, table[:, :4].astype(np.float32), table[:, 4] > 0
    capture.release()


def score(detector_, scenes):
    """Precision and recall at an overlap of 0.5."""
    hit = wrong = missed = 0
    for image, truth, ignored in scenes:
        found = detector_.detect([Frame('a', 0, image)])[0]
        overlap, free = iou(found.boxes, truth), np.ones(len(truth), bool)
        for row in overlap:
            best = int(np.argmax(np.where(free, row, -1)))
            if free[best] and row[best] >= 0.5:
                free[best] = False
                hit += not ignored[best]
            else:
                wrong += 1
        missed += int((free & ~ignored).sum())
    return hit / (hit + wrong), hit / (hit + missed)


@pytest.mark.parametrize(
    ('name', 'least', 'precision', 'recall'),
    [('yolox_nano_416x416.onnx', 0.35, 0.74, 0.90), ('FastestDet.onnx', 0.55, 0.53, 0.76)],
)
def test_real_networks_find_real_people(name, least, precision, recall):
    """Within 0.05 of the figures measured once with other code (samples' README)."""
    real_precision, real_recall = score(real(name, score=least), list(vtest()))
    assert real_precision > precision - 0.05
    assert real_recall > recall - 0.05


def test_a_real_image_gives_the_same_beside_others_and_in_either_colour_order():
    find = real('yolox_nano_416x416.onnx')
    capture = cv2.VideoCapture(str(data('video', 'vtest.avi')))
    images = [capture.read()[1] for _ in range(3)]
    capture.release()
    frames = [Frame(str(i), 0, image) for i, image in enumerate(images)]
    frames[1] = Frame('1', 0, np.ascontiguousarray(images[1][..., ::-1]), order='rgb')
    together = find.detect(frames)
    for image, found in zip(images, together):
        alone = find.detect([Frame('x', 0, image)])[0]
        assert len(found) > 2
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        np.testing.assert_array_equal(found.scores, alone.scores)
