"""Silhouettes that show no whole person alone say so."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

from reid_ros.background import Background
from reid_ros.card import Card, Input, Output
from reid_ros.silhouette import (
    REASONS,
    Given,
    SilhouetteError,
    Silhouetter,
    Silhouettes,
    align,
    around,
)
from reid_ros.types import Detections, Frame

HEIGHT, WIDTH = 240, 320


def person(image, x, foot, tall=150, value=255):
    """Draw somebody whose feet stand at (x, foot): head, trunk and two legs."""
    unit = tall / 150

    def at(dx, up):
        return round(x + dx * unit), round(foot - up * unit)

    cv2.circle(image, at(0, 138), round(12 * unit), value, -1)
    cv2.rectangle(image, at(-19, 126), at(19, 70), value, -1)
    cv2.rectangle(image, at(-17, 72), at(-4, 0), value, -1)
    cv2.rectangle(image, at(4, 72), at(17, 0), value, -1)
    return np.array([x - 20 * unit, foot - 150 * unit, x + 20 * unit, foot], np.float32)


def scene(*people, tall=150):
    """(h, w) mask of everybody at these (x, foot), and the boxes."""
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    boxes = [person(image, x, foot, tall) for x, foot in people]
    return image, np.array(boxes, np.float32).reshape(-1, 4)


@dataclass
class Bright:
    """A network that takes bright pixels for people."""

    scores: str = 'probability'
    least: int = 127
    card: Card = field(init=False)
    calls: list = field(default_factory=list)

    def __post_init__(self):
        self.card = Card(
            name='bright', kind='silhouette', file='bright.onnx',
            input=Input(layout='NHWC', height=128, width=64, order='bgr', dtype='uint8'),
            output=Output(scores=self.scores),
        )  # fmt: skip

    def infer(self, batch):
        self.calls.append(len(batch))
        values = batch.mean(axis=3)
        if self.scores == 'sigmoid':
            return [((values - self.least) / 4.0).astype(np.float32)]
        return [(values > self.least).astype(np.float32)[:, None]]


class Shades(Bright):
    """A network whose certainty is the brightness."""

    def infer(self, batch):
        return [batch.mean(axis=3).astype(np.float32) / 255]


def frame(mask, camera='hall', index=0, **more):
    return Frame(camera, index, np.repeat(mask[..., None], 3, axis=2), index, **more)


def overlap(one, other):
    one, other = one > 127, other > 127
    return (one & other).sum() / (one | other).sum()


def look(mask, boxes, network=None):
    return Silhouetter(network or Bright()).look([(frame(mask), boxes)])[0]


def test_somebody_in_full_view_is_good():
    mask, boxes = scene((160, 220))
    found = look(mask, boxes)
    assert found.reasons == ('',)
    assert 0.5 < found.quality[0] <= 1
    assert found.masks[0].any(axis=1).all()


@pytest.mark.parametrize('scores', ['probability', 'sigmoid'])
def test_masks_and_their_logits_are_read_as_the_card_says(scores):
    mask, boxes = scene((160, 220))
    assert look(mask, boxes, Bright(scores)).reasons == ('',)


def test_a_box_that_is_a_little_off_still_gives_the_whole_person():
    mask, boxes = scene((160, 220))
    exact = look(mask, boxes).masks[0]
    found = look(mask, boxes + np.array([[2, 6, -1, -4]], np.float32))
    assert found.reasons == ('',)
    # The median column of a body as wide as 15 pixels may be the next one.
    alike = [overlap(np.roll(found.masks[0], shift, axis=1), exact) for shift in (-1, 0, 1)]
    assert max(alike) > 0.85


def test_nobody_is_empty():
    mask, _ = scene()
    found = look(mask, np.array([[100, 50, 140, 200]], np.float32))
    assert found.reasons == ('empty',)
    assert not found.masks.any()
    assert not found.quality.any()


def test_who_is_far_away_is_small():
    mask, boxes = scene((160, 220), tall=36)
    assert look(mask, boxes).reasons == ('small',)


@pytest.mark.parametrize(
    ('x', 'foot', 'tall'),
    [(4, 220, 150), (160, 290, 150), (160, 130, 190)],
    ids=['side', 'below', 'above'],
)
def test_who_is_cut_by_the_image_is_truncated(x, foot, tall):
    mask, boxes = scene((x, foot), tall=tall)
    boxes = np.clip(boxes, 0, [WIDTH, HEIGHT] * 2)
    assert look(mask, boxes).reasons == ('truncated',)


def test_who_is_half_hidden_by_a_thing_is_truncated():
    mask, boxes = scene((160, 220))
    mask[140:] = 0
    assert look(mask, boxes).reasons == ('truncated',)


def test_who_stands_behind_somebody_is_truncated_and_the_other_is_not():
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    back = person(mask, 150, 210)
    front = person(mask, 175, 225)
    found = look(mask, np.stack([back, front]))
    assert found.reasons[0] == 'truncated'


def test_two_heads_are_merged():
    mask, boxes = scene((140, 220), (172, 220))
    both = np.array([[*boxes[0, :2], *boxes[1, 2:]]], np.float32)
    assert look(mask, both).reasons == ('merged',)


def test_raised_legs_of_a_long_stride_are_good():
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(mask, (160, 82), 12, 255, -1)
    cv2.rectangle(mask, (144, 94), (176, 150), 255, -1)
    for foot in (125, 195):
        cv2.line(mask, (160, 150), (foot, 218), 255, 14)
    box = np.array([[115, 70, 205, 225]], np.float32)
    assert look(mask, box).reasons == ('',)


def test_an_unsure_outline_is_blurred():
    mask, boxes = scene((160, 220))
    soft = cv2.GaussianBlur(mask, (0, 0), 9)
    assert look(soft, boxes, Bright('sigmoid', 100)).reasons == ('',)
    assert look(soft, boxes, Shades()).reasons == ('blurred',)


def test_a_hole_that_the_network_is_unsure_of_is_body_and_a_sure_gap_is_none():
    mask, boxes = scene((160, 220))
    whole = look(mask, boxes, Shades())
    hair, gap = mask.copy(), mask.copy()
    hair[100:140, 150:170] = 60
    gap[100:140, 150:170] = 0
    unsure, open_ = look(hair, boxes, Shades()), look(gap, boxes, Shades())
    assert np.array_equal(unsure.masks > 127, whole.masks > 127)
    assert unsure.reasons == open_.reasons == ('',)
    assert unsure.quality[0] == pytest.approx(whole.quality[0], abs=0.05)
    assert (whole.masks > 127).sum() - (open_.masks > 127).sum() > 100


def test_what_is_unsure_outside_of_the_body_is_no_body():
    mask, boxes = scene((160, 220))
    clean = look(mask, boxes, Shades())
    mask[(mask == 0) & (np.arange(WIDTH) < 150)] = 60
    found = look(mask, boxes, Shades()).masks
    # Outlines move by part of a pixel, as the crop is resized; the shade would be ten times that.
    assert (found > 127).sum() == pytest.approx((clean.masks > 127).sum(), rel=0.06)


def test_specks_are_left_out():
    mask, boxes = scene((160, 220))
    clean = look(mask, boxes).masks
    mask[80:84, 140:143] = 255
    assert np.array_equal(look(mask, boxes).masks, clean)


def test_all_cameras_go_in_one_batch_and_answers_keep_their_order():
    network = Bright()
    one, boxes = scene((60, 220), (220, 220))
    other, _ = scene()
    wanted = [(frame(one), boxes), (frame(other, 'yard'), boxes[:1]),
              (frame(other, 'gate'), boxes[:0])]  # fmt: skip
    found = Silhouetter(network).look(wanted)
    assert network.calls == [3]
    assert [each.reasons for each in found] == [('', ''), ('empty',), ()]


def test_no_boxes_at_all_ask_no_network():
    network = Bright()
    mask, boxes = scene()
    assert len(Silhouetter(network).look([(frame(mask), boxes)])[0]) == 0
    assert network.calls == []


@pytest.mark.parametrize(
    'box',
    [[-50, -50, -10, -10], [400, 300, 420, 380], [100, 100, 100, 100], [0, 0, 320, 240],
     [10, 0, 10.4, 240]],
    ids=['outside', 'beyond', 'a point', 'the image', 'a line'],
)  # fmt: skip
def test_impossible_boxes_are_no_crash(box):
    mask, _ = scene((160, 220))
    found = look(mask, np.array([box], np.float32))
    assert found.reasons[0] in REASONS


def test_what_is_looked_at_stays_in_the_image_and_has_pixels():
    boxes = np.array([[-5, -5, 3, 900], [319.5, 10, 320, 11]], np.float32)
    found = around(boxes, WIDTH, HEIGHT)
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2:] <= [WIDTH, HEIGHT]).all()
    assert (found[:, 2:] - found[:, :2] >= 1).all()


def test_a_network_of_another_kind_is_refused():
    network = Bright()
    network.card = Card(
        name='other', kind='gait', file='a.onnx', head='b.onnx',
        input=Input(layout='NHW', height=64, width=44, dtype='uint8'), output=Output(vector=8),
    )  # fmt: skip
    with pytest.raises(SilhouetteError, match='other is of kind gait'):
        Silhouetter(network)


def test_masks_of_a_wrong_size_are_refused():
    class Short(Bright):
        def infer(self, batch):
            return [np.zeros((len(batch), 5, 5), np.float32)]

    mask, boxes = scene((160, 220))
    with pytest.raises(SilhouetteError, match=r'gives \(1, 5, 5\) for 1 crops'):
        look(mask, boxes, Short())


def test_silhouettes_check_their_shapes():
    with pytest.raises(ValueError, match='masks are'):
        Silhouettes(np.zeros((2, 64, 64), np.uint8), np.zeros(2, np.float32), ('', ''))
    with pytest.raises(ValueError, match='quality'):
        Silhouettes(np.zeros((1, 64, 44), np.uint8), np.zeros(2, np.float32), ('',))


# -- masks that came along -----------------------------------------------------------------------


def given(mask, boxes, size=(96, 48)):
    crops = []
    for x0, y0, x1, y1 in boxes.astype(int):
        crops.append(cv2.resize(mask[y0:y1, x0:x1], size[::-1], interpolation=cv2.INTER_AREA))
    return Detections(boxes, np.ones(len(boxes), np.float32), masks=np.stack(crops))


def test_given_masks_are_those_of_a_network_that_sees_the_same():
    mask, boxes = scene((60, 220), (220, 220))
    found = Given().look([(frame(mask, detections=given(mask, boxes)), boxes[::-1].copy())])[0]
    assert found.reasons == ('', '')
    seen = look(mask, boxes[::-1].copy())
    assert overlap(found.masks, seen.masks) > 0.85


def test_a_box_without_a_detection_has_no_given_mask():
    mask, boxes = scene((60, 220), (220, 220))
    here = frame(mask, detections=given(mask, boxes[:1]))
    assert Given().look([(here, boxes)])[0].reasons == ('', 'empty')


def test_frames_without_masks_give_empty_silhouettes():
    mask, boxes = scene((60, 220))
    plain = Detections(boxes, np.ones(1, np.float32))
    for found in (None, plain, Detections.none()):
        assert Given().look([(frame(mask, detections=found), boxes)])[0].reasons == ('empty',)


@pytest.mark.parametrize('masks', [np.zeros((2, 5, 5), np.uint8), np.zeros((1, 5, 5), bool)])
def test_detections_refuse_masks_of_another_length_or_type(masks):
    with pytest.raises(ValueError, match=r'expected uint8 \(1, h, w\)'):
        Detections(np.zeros((1, 4), np.float32), np.zeros(1, np.float32), masks=masks)


# -- before a fixed camera -----------------------------------------------------------------------


def place(draw, light=1.0):
    """A tiled floor, with noise."""
    rows, columns = np.indices((HEIGHT, WIDTH)) // 20
    floor = 90.0 + 50.0 * ((rows + columns) % 2)
    image = floor[..., None] * np.array([0.9, 1.0, 0.95]) * light
    return np.clip(image + draw.normal(0, 3, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)


def walked(background, frames=14, shadow=False, camera='hall'):
    """Somebody in blue crosses the place; the last silhouettes and the true mask."""
    draw = np.random.default_rng(1)
    found = mask = None
    for index in range(frames):
        image = place(draw)
        mask, boxes = scene((30 + 18 * index, 220))
        if shadow:
            dark = np.zeros((HEIGHT, WIDTH), np.uint8)
            cv2.ellipse(dark, (60 + 18 * index, 218), (40, 8), 0, 0, 360, 1, -1)
            image[dark > 0] = (image[dark > 0] * 0.6).astype(np.uint8)
        image[mask > 0] = (150, 60, 30)
        found = background.look([(Frame(camera, index, image, index), boxes)])[0]
    return found, mask


@pytest.mark.parametrize('shadow', [False, True])
def test_a_fixed_camera_cuts_out_who_walks_without_their_shadow(shadow):
    found, mask = walked(Background(), shadow=shadow)
    assert found.reasons == ('',)
    assert overlap(found.masks[0], align(mask)) > 0.85


def test_the_first_frames_of_a_camera_have_no_silhouettes():
    background = Background()
    assert walked(background, frames=2)[0].reasons == ('empty',)
    # Another camera knows nothing of the first.
    walked(background, frames=10)
    assert walked(background, frames=1, camera='yard')[0].reasons == ('empty',)


def test_people_who_stand_do_not_become_background():
    background, draw = Background(), np.random.default_rng(2)
    for index in range(5):
        background.look([(Frame('hall', index, place(draw)), np.empty((0, 4), np.float32))])
    mask, boxes = scene((160, 220))
    for index in range(60):
        image = place(draw)
        image[mask > 0] = (150, 60, 30)
        found = background.look([(Frame('hall', 5 + index, image), boxes)])[0]
    assert found.reasons == ('',)


def test_when_the_light_goes_on_the_background_is_learnt_anew():
    background, draw = Background(), np.random.default_rng(3)
    walked(background)
    nobody = np.empty((0, 4), np.float32)
    for index in range(6):
        background.look([(Frame('hall', 100 + index, place(draw, 1.6)), nobody)])
    image = place(draw, 1.6)
    mask, boxes = scene((160, 220))
    image[mask > 0] = (150, 60, 30)
    assert background.look([(Frame('hall', 200, image), boxes)])[0].reasons == ('',)


def test_a_camera_that_moves_has_no_background():
    background = Background()
    walked(background)
    mask, boxes = scene((160, 220))
    moving = frame(mask, ego=np.eye(3))
    assert background.look([(moving, boxes)])[0].reasons == ('empty',)
