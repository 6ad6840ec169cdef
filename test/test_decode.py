"""Every reader against a plain loop written from the definition of the network's authors.

The source of each definition stands beside its loop.
"""

import numpy as np
import pytest
from networks import detector, search

from reid_ros.card import Card
from reid_ros.decode import MAKERS, decoder

LEAST = 0.3
SIDE = 64
CLASSES = 3


def card(name, **output):
    builder = search if name == 'search' else detector
    return Card.of(builder(name, output={'decoder': name, **output}))


def logits(seed, *shape):
    return np.random.default_rng(seed).normal(0, 1.5, shape).astype(np.float32)


def chances(seed, *shape):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.float64(x)))


def softmax(values):
    powers = np.exp(np.float64(values) - np.max(values))
    return powers / powers.sum()


def corners(cx, cy, width, height):
    return [cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2]


def same(found, expected):
    """The reader's answer for one image is the loop's list of (box, score), in any order."""
    boxes, scores = found
    assert boxes.dtype == scores.dtype == np.float32
    assert boxes.shape == (len(scores), 4)
    assert len(scores) == len(expected)
    assert len(expected) > 3, 'the scene is too empty to tell anything'
    key = [*np.argsort(-scores, kind='stable')]
    expected = sorted(expected, key=lambda pair: -pair[1])
    np.testing.assert_allclose(scores[key], [s for _, s in expected], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(boxes[key], [b for b, _ in expected], rtol=1e-4, atol=2e-3)


# Megvii-BaseDetection/YOLOX, yolox/utils/demo_utils.py demo_postprocess and
# multiclass_nms_class_aware: a box counts for a class by objectness * class score.
@pytest.mark.parametrize('person', [0, 2])
def test_yolox_raw(person):
    output = chances(1, 2, 84, 5 + CLASSES)
    output[..., :4] = logits(2, 2, 84, 4)
    found = decoder(card('yolox_raw', person=person)).read([output], LEAST)
    for image, rows in zip(found, output):
        expected, i = [], 0
        for stride in (8, 16, 32):
            for row in range(SIDE // stride):
                for column in range(SIDE // stride):
                    x, y, w, h, obj, *classes = (float(v) for v in rows[i])
                    i += 1
                    if obj * classes[person] < LEAST:
                        continue
                    cx, cy = (x + column) * stride, (y + row) * stride
                    box = corners(cx, cy, np.exp(w) * stride, np.exp(h) * stride)
                    expected.append((box, obj * classes[person]))
        assert i == len(rows)
        same(image, expected)


# Megvii-BaseDetection/YOLOX, yolox/models/yolo_head.py decode_outputs; and
# ultralytics/yolov5, utils/general.py non_max_suppression: conf = obj_conf * cls_conf, boxes
# centre and size in pixels of the input.
@pytest.mark.parametrize('name', ['yolox', 'yolov5'])
def test_boxes_with_objectness(name):
    output = chances(3, 2, 100, 5 + CLASSES)
    output[..., :4] *= SIDE
    found = decoder(card(name, person=1)).read([output], LEAST)
    for image, rows in zip(found, output):
        expected = [
            (corners(*map(float, row[:4])), float(row[4] * row[6]))
            for row in rows
            if row[4] * row[6] >= LEAST
        ]
        same(image, expected)


def test_boxes_in_fractions_of_the_input_where_the_card_says_so():
    output = chances(4, 1, 50, 5 + CLASSES)
    pixels = output.copy()
    pixels[..., :4] *= SIDE
    fraction = decoder(card('yolov5', units='fraction')).read([output], LEAST)[0]
    plain = decoder(card('yolov5')).read([pixels], LEAST)[0]
    np.testing.assert_allclose(fraction[0], plain[0], rtol=1e-5)


# ultralytics/ultralytics, ultralytics/utils/ops.py non_max_suppression: prediction (batch,
# 4 + classes, boxes), no objectness, boxes centre and size in pixels.
@pytest.mark.parametrize('transposed', [False, True])
def test_yolov8(transposed):
    output = chances(5, 2, 4 + CLASSES, 40)
    output[:, :4] *= SIDE
    given = np.ascontiguousarray(output.transpose(0, 2, 1)) if transposed else output
    found = decoder(card('yolov8', person=2)).read([given], LEAST)
    for image, columns in zip(found, output):
        expected = []
        for i in range(columns.shape[1]):
            cx, cy, w, h, *classes = (float(v) for v in columns[:, i])
            if classes[2] >= LEAST:
                expected.append((corners(cx, cy, w, h), classes[2]))
        same(image, expected)


def rows_with_class(seed):
    rows = chances(seed, 2, 60, 6)
    rows[..., :4] *= SIDE
    rows[..., 5] = np.random.default_rng(seed).integers(0, CLASSES, (2, 60))
    rows[:, 50:] = 0  # the rest of the table is empty
    return rows


# ultralytics/ultralytics, ultralytics/engine/exporter.py NMSModel (nms=True), and the end2end
# heads of v10 and later: rows x0 y0 x1 y1 score class, best first, the rest zero.
def test_yolo_with_suppression_in_the_graph():
    output = rows_with_class(6)
    found = decoder(card('yolo_nms', person=1)).read([output], LEAST)
    for image, rows in zip(found, output):
        expected = [
            ([float(v) for v in row[:4]], float(row[4]))
            for row in rows
            if row[4] >= LEAST and row[5] == 1
        ]
        same(image, expected)


# NVIDIA/TensorRT, plugin/efficientNMSPlugin/README.md: num_detections (n, 1), detection_boxes
# (n, k, 4), detection_scores (n, k), detection_classes (n, k); only the first num are valid.
@pytest.mark.parametrize('flat', [False, True])
def test_efficient_nms(flat):
    rows = rows_with_class(7)
    counts = np.array([[40], [25]], np.int32)
    if flat:
        counts = counts[:, 0]
    outputs = [counts, rows[..., :4], rows[..., 4], rows[..., 5].astype(np.int32)]
    found = decoder(card('efficient_nms', person=0)).read(outputs, LEAST)
    for image, count, table in zip(found, (40, 25), rows):
        expected = [
            ([float(v) for v in row[:4]], float(row[4]))
            for row in table[:count]
            if row[4] >= LEAST and row[5] == 0
        ]
        same(image, expected)


def top_pairs(boxes, scores, number):
    """The best (query, class) pairs of one image, as DETR-like postprocessors pick them."""
    pairs = [(s, q, c) for q, row in enumerate(scores) for c, s in enumerate(row)]
    pairs.sort(key=lambda pair: -pair[0])
    return [
        (c, [v * SIDE for v in corners(*map(float, boxes[q]))], s) for s, q, c in pairs[:number]
    ]


# roboflow/rf-detr, rfdetr/models/lwdetr.py PostProcess: sigmoid, the best 300 pairs of query and
# class, boxes centre and size in fractions; lyuwenyu/RT-DETR rtdetr_postprocessor.py likewise.
@pytest.mark.parametrize('together', [False, True])
def test_detr(together):
    boxes, values = chances(8, 2, 30, 4), logits(9, 2, 30, CLASSES)
    outputs = [np.concatenate([boxes, values], axis=2)] if together else [boxes, values]
    found = decoder(card('detr', person=1)).read(outputs, LEAST)
    for image, own_boxes, own_values in zip(found, boxes, values):
        pairs = top_pairs(own_boxes, sigmoid(own_values), 300)
        same(image, [(box, s) for c, box, s in pairs if c == 1 and s >= LEAST])


def test_detr_with_probabilities_in_the_graph():
    boxes, values = chances(8, 1, 30, 4), chances(9, 1, 30, CLASSES)
    found = decoder(card('detr', scores='probability')).read([boxes, values], LEAST)
    pairs = top_pairs(boxes[0], values[0].astype(float), 300)
    same(found[0], [(box, s) for c, box, s in pairs if c == 0 and s >= LEAST])


# facebookresearch/detr, models/detr.py PostProcess: softmax, the last class is no object.
def test_detr_with_softmax():
    boxes, values = chances(10, 1, 60, 4), logits(11, 1, 60, CLASSES + 1)
    found = decoder(card('detr', scores='softmax', person=2)).read([boxes, values], LEAST)
    expected = []
    for box, row in zip(boxes[0], values[0]):
        score = softmax(row)[2]
        if score >= LEAST:
            expected.append(([v * SIDE for v in corners(*map(float, box))], score))
    same(found[0], expected)


# lyuwenyu/RT-DETR, rtdetrv2_pytorch/src/zoo/rtdetr/rtdetr_postprocessor.py in deploy mode:
# labels, boxes (corners, in pixels of orig_target_sizes), scores.
def test_rtdetr_with_its_postprocessor_in_the_graph():
    boxes, values = chances(12, 2, 30, 4), logits(13, 2, 30, CLASSES)
    graph = [top_pairs(b, sigmoid(v), 50) for b, v in zip(boxes, values)]
    outputs = [
        np.array([[c for c, _, _ in image] for image in graph], np.int64),
        np.array([[box for _, box, _ in image] for image in graph], np.float32),
        np.array([[s for _, _, s in image] for image in graph], np.float32),
    ]
    reader = decoder(card('rtdetr_deploy', person=1))
    for image, pairs in zip(reader.read(outputs, LEAST), graph):
        same(image, [(box, s) for c, box, s in pairs if c == 1 and s >= LEAST])


# PaddlePaddle/PaddleDetection, ppdet/modeling/post_process.py DETRPostProcess: bbox (sum of
# counts, 6) rows label, score, corners; bbox_num (n,).
def test_paddle_detection():
    rows = rows_with_class(14)
    counts = np.array([45, 30], np.int32)
    table = np.concatenate([image[:count] for image, count in zip(rows, counts)])
    output = np.concatenate([table[:, 5:], table[:, 4:5], table[:, :4]], axis=1)
    found = decoder(card('paddle_nms')).read([output, counts], LEAST)
    for image, own, count in zip(found, rows, counts):
        expected = [
            ([float(v) for v in row[:4]], float(row[4]))
            for row in own[:count]
            if row[4] >= LEAST and row[5] == 0
        ]
        same(image, expected)


def nanodet_loop(values, sides, strides, offset):
    expected, i = [], 0
    for stride in strides:
        for row in range(-(-SIDE // stride)):
            for column in range(-(-SIDE // stride)):
                score = float(values[i][0])
                if score >= LEAST:
                    x, y = (column + offset) * stride, (row + offset) * stride
                    far = [
                        stride * sum(k * p for k, p in enumerate(softmax(side)))
                        for side in np.reshape(sides[i], (4, 8))
                    ]
                    box = [x - far[0], y - far[1], x + far[2], y + far[3]]
                    expected.append(([min(max(v, 0), SIDE) for v in box], score))
                i += 1
    assert i == len(values)
    return expected


# RangiLyu/nanodet, nanodet/model/head/nanodet_plus_head.py get_bboxes and
# get_single_level_center_priors (a cell's corner is its centre, sigmoid in _forward_onnx).
def test_nanodet_plus():
    strides = (8, 16, 32, 64)
    output = np.concatenate([chances(15, 2, 85, CLASSES), logits(16, 2, 85, 32)], axis=2)
    found = decoder(card('nanodet', strides=list(strides))).read([output], LEAST)
    for image, rows in zip(found, output):
        same(image, nanodet_loop(rows[:, :CLASSES], rows[:, CLASSES:], strides, 0.0))


# RangiLyu/nanodet, nanodet/model/head/gfl_head.py get_single_level_center_point (the middle of a
# cell) and tools/export_onnx.py generate_ouput_names (first the classes of all levels).
def test_nanodet_of_one_output_per_level():
    strides = (8, 16, 32)
    values, sides = chances(17, 2, 84, CLASSES), logits(18, 2, 84, 32)
    cuts = [64, 80]
    outputs = [*np.split(values, cuts, axis=1), *np.split(sides, cuts, axis=1)]
    found = decoder(card('nanodet', cell_offset=0.5)).read(outputs, LEAST)
    for image, own_values, own_sides in zip(found, values, sides):
        same(image, nanodet_loop(own_values, own_sides, strides, 0.5))


# dog-qiuqiu/FastestDet, example/ncnn/FastestDet.cpp: plane 0 objectness, 1 to 4 the box (tanh,
# sigmoid), then a softmax over the classes; score = class^0.4 * objectness^0.6. In
# example/onnx-runtime/runtime.py it is the plain product.
@pytest.mark.parametrize(('a', 'b'), [(0.6, 0.4), (1.0, 1.0)])
def test_fastestdet(a, b):
    output = chances(19, 2, 5 + CLASSES, 8, 8)
    output[:, 1:5] = logits(20, 2, 4, 8, 8)
    powers = np.exp(3 * output[:, 5:])
    output[:, 5:] = powers / powers.sum(axis=1, keepdims=True)
    reader = decoder(card('fastestdet', strides=[8], objectness_power=a, class_power=b))
    for image, planes in zip(reader.read([output], LEAST), output):
        expected = []
        for row in range(8):
            for column in range(8):
                obj, x, y, w, h, *classes = (float(v) for v in planes[:, row, column])
                score = obj**a * max(classes) ** b
                if score < LEAST or classes.index(max(classes)) != 0:
                    continue
                cx, cy = (column + np.tanh(x)) / 8 * SIDE, (row + np.tanh(y)) / 8 * SIDE
                expected.append((corners(cx, cy, sigmoid(w) * SIDE, sigmoid(h) * SIDE), score))
        same(image, expected)


SHAPES = {
    'yolox_raw': [(84, 8)], 'yolox': [(84, 8)], 'yolov5': [(84, 8)], 'yolov8': [(7, 84)],
    'yolo_nms': [(20, 6)], 'efficient_nms': [(1,), (20, 4), (20,), (20,)],
    'detr': [(20, 4), (20, 3)], 'rtdetr_deploy': [(20,), (20, 4), (20,)],
    'nanodet': [(84, 35)], 'fastestdet': [(8, 8, 8)],
    'search': [(20, 4), (20,), (20, 3)],
}  # fmt: skip


@pytest.mark.parametrize('name', sorted(MAKERS))
def test_nobody_is_an_answer_of_every_reader(name):
    strides = [8] if name == 'fastestdet' else [8, 16, 32]
    reader = decoder(card(name, strides=strides, scores='probability'))
    if name == 'paddle_nms':
        outputs = [np.zeros((0, 6), np.float32), np.zeros(2, np.int32)]
    else:
        outputs = [np.zeros((2, *shape), np.float32) for shape in SHAPES[name]]
    for boxes, scores in reader.read(outputs, LEAST):
        assert boxes.shape == (0, 4)
        assert scores.shape == (0,)


@pytest.mark.parametrize('name', sorted(MAKERS))
def test_half_precision_outputs_are_read_as_well(name):
    if name == 'paddle_nms':
        pytest.skip('paddle writes float32 only')
    strides = [8] if name == 'fastestdet' else [8, 16, 32]
    reader = decoder(card(name, strides=strides, scores='probability'))
    draw = np.random.default_rng(3)
    wide = [
        draw.random((2, *shape)).astype(np.float16).astype(np.float32) for shape in SHAPES[name]
    ]
    wide[0] = np.full((2, 1), 20, np.float32) if name == 'efficient_nms' else wide[0]
    half = [output.astype(np.float16) for output in wide]
    for a, b in zip(reader.read(wide, 0.05), reader.read(half, 0.05)):
        assert b[0].dtype == b[1].dtype == np.float32
        np.testing.assert_allclose(np.sort(a[1])[-5:], np.sort(b[1])[-5:], rtol=2e-3)
