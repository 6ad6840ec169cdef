"""The built-in appearance vector: what moves it and what does not."""

import dataclasses
import json

import cv2
import networks
import numpy as np
import pytest

from reid_ros.calibration import Calibration, CalibrationError
from reid_ros.card import Card, CardError, card_dirs, checksum, find, named
from reid_ros.colour import COLOURS, LENGTH, Colour, votes
from reid_ros.config import Config, build
from reid_ros.embed import Embedder
from reid_ros.gallery import GalleryError
from reid_ros.pipeline import Pipeline
from reid_ros.types import Detections, Frame

NS = 1_000_000_000
SKIN, HAIR = (150, 175, 215), (40, 45, 60)
BLACK, GREY, WHITE = (35, 32, 30), (128, 126, 124), (225, 225, 225)
RED, BLUE, JEANS = (45, 40, 170), (160, 80, 40), (110, 75, 55)


@pytest.fixture(scope='module')
def colour():
    return Colour(named('colour'))


def person(image, x, y, height, top, bottom, stride=0.0):
    """Draw somebody whose feet stand at x, y; returns the box."""
    h = height

    def part(points, paint):
        cv2.fillPoly(image, [np.round(np.array(points)).astype(np.int32)], paint)

    for side in (-1, 1):
        foot = x + side * (0.05 + 0.12 * stride) * h
        hip = x + side * 0.05 * h
        part([(hip - 0.045 * h, y - 0.48 * h), (hip + 0.045 * h, y - 0.48 * h),
              (foot + 0.03 * h, y), (foot - 0.03 * h, y)], bottom)  # fmt: skip
        hand = x + side * (0.15 + 0.06 * stride) * h
        part([(x + side * 0.1 * h, y - 0.82 * h), (x + side * 0.14 * h, y - 0.8 * h),
              (hand, y - 0.45 * h), (hand - side * 0.05 * h, y - 0.45 * h)], top)  # fmt: skip
    part([(x - 0.12 * h, y - 0.83 * h), (x + 0.12 * h, y - 0.83 * h),
          (x + 0.1 * h, y - 0.46 * h), (x - 0.1 * h, y - 0.46 * h)], top)  # fmt: skip
    head = (round(x), round(y - 0.91 * h))
    cv2.ellipse(image, head, (round(0.055 * h), round(0.08 * h)), 0, 0, 360, SKIN, -1)
    cv2.ellipse(image, head, (round(0.055 * h), round(0.08 * h)), 0, 180, 360, HAIR, -1)
    return [x - 0.22 * h, y - h, x + 0.22 * h, y]


def room(seed=0, width=480, height=360):
    """A textured wall and floor."""
    draw = np.random.default_rng(seed)
    image = np.empty((height, width, 3), np.float32)
    image[: height // 2] = draw.uniform(120, 200, 3)
    image[height // 2 :] = draw.uniform(70, 150, 3)
    image += (
        cv2.resize(draw.normal(size=(40, 60)).astype(np.float32), (width, height))[..., None] * 15
    )
    return np.clip(image, 0, 255).astype(np.uint8)


def vectors(colour, image, boxes):
    frame = Frame('hall', 0, image)
    return Embedder(colour).vectors([(frame, np.array(boxes, np.float32))])[0]


def vector(colour, *clothes, seed=0, **pose):
    image = room(seed)
    height = pose.pop('height', 280)  # the horizon stays at one height of the body
    box = person(image, 240, 180 + height * 150 / 280, height, *clothes, **pose)
    return vectors(colour, image, [box])[0]


def degrees(a, b):
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


def test_vectors_have_their_length_and_depend_on_nothing_else(colour):
    crops = np.random.default_rng(0).integers(0, 256, (9, 64, 32, 3), np.uint8)
    crops[0], crops[1] = 0, 255
    (found,) = colour.infer(crops)
    assert found.shape == (9, LENGTH) == (9, named('colour').output.vector)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(Colour(named('colour')).infer(crops)[0], found)
    for crop, one in zip(crops, found):
        np.testing.assert_array_equal(colour.infer(crop[None])[0][0], one)
    assert colour.infer(crops[:0])[0].shape == (0, LENGTH)


def test_every_pixel_has_one_vote(colour):
    table = votes()
    assert table.shape == (32768, COLOURS)
    assert table.min() >= 0
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-6)
    # Of grey pixels every vote is for a grey, of vivid ones none.
    greys = [33 * 32 * step + step for step in range(32)]
    np.testing.assert_allclose(table[greys, :6].sum(axis=1), 1, atol=1e-6)
    assert table[31, :6].sum() < 1e-6, 'pure red'


@pytest.mark.parametrize('clothes', [(RED, JEANS), (BLACK, GREY), (WHITE, BLACK)])
def test_clothes_move_the_vector_more_than_light_size_pose_or_place(colour, clothes):
    here = vector(colour, *clothes)
    image = room()
    box = person(image, 240, 330, 280, *clothes)
    dark = vectors(colour, (image * 0.8).astype(np.uint8), [box])[0]
    assert degrees(here, dark) < 12
    small = vector(colour, *clothes, height=90)
    strides = vector(colour, *clothes, stride=1.0)
    shifted = vectors(colour, image, np.add(box, (14, -10, 14, 8))[None])[0]
    moved = max(degrees(here, other) for other in (small, strides, shifted))
    others = [(BLUE, JEANS), (RED, BLACK), (GREY, WHITE), (BLUE, WHITE)]
    changed = min(degrees(here, vector(colour, *other)) for other in others)
    assert moved < 22
    assert changed > 2 * moved


def test_a_shirt_and_trousers_that_change_places_are_another_person(colour):
    assert degrees(vector(colour, RED, WHITE), vector(colour, WHITE, RED)) > 30


def test_another_wall_moves_the_vector_less_than_other_clothes(colour):
    walls = [vector(colour, RED, JEANS, seed=seed) for seed in range(6)]
    same = np.mean([degrees(walls[0], other) for other in walls[1:]])
    other = np.mean([degrees(walls[0], vector(colour, BLACK, GREY, seed=s)) for s in range(1, 6)])
    assert other > same + 8


def test_rgb_and_bgr_images_give_one_vector(colour):
    image = room()
    box = person(image, 240, 330, 280, RED, JEANS)
    swapped = Frame('hall', 0, np.ascontiguousarray(image[..., ::-1]), order='rgb')
    found = Embedder(colour).vectors([(swapped, np.array([box], np.float32))])[0]
    np.testing.assert_array_equal(found, vectors(colour, image, [box]))


# -- in the place of a network -------------------------------------------------------------------


def test_it_is_found_by_its_name_with_its_calibration():
    path, card = find('colour', 'appearance')
    assert path == card.path == card_dirs()[0] / 'colour.json'
    assert Calibration.from_json(card.calibration, 'card').same_camera.impostor.mean > 20


def test_its_checksum_follows_what_it_computes_and_not_its_calibration(colour, tmp_path):
    data = json.loads(colour.path.read_text())
    data['calibration'] = {}
    other = tmp_path / 'colour.json'
    other.write_text(json.dumps(data))
    assert Colour(Card.read(other)).checksum == colour.checksum
    named_file = dataclasses.replace(colour.card, built_in='', file='x.onnx')
    assert checksum(other, named_file) != colour.checksum


@pytest.mark.parametrize(
    ('entry', 'words'),
    [
        ({'output': {'vector': 512}}, 'output.vector is 512, but colour-1 gives 324'),
        ({'input': {'height': 64, 'width': 32}}, 'reads NHWC, bgr, uint8'),
        ({'file': 'colour.onnx'}, 'is built in and has none'),
        ({'kind': 'gait'}, 'of kind appearance, not gait'),
        ({'built_in': 'colour-0'}, "did you mean 'colour-1'"),
        ({'built_in': ''}, 'file: missing'),
    ],
)
def test_a_card_that_says_something_else_is_refused(colour, entry, words):
    data = {**json.loads(colour.path.read_text()), **entry}
    with pytest.raises(CardError, match=words):
        Colour(Card.of(data))


def test_the_pipeline_knows_people_again_by_their_clothes(tmp_path):
    """Two people walk past, leave, and come back in the other order."""
    settings = {
        'backend': 'cpu',
        'model': {'detector': 'none', 'appearance': 'colour'},
        'gallery': {'path': str(tmp_path / 'gallery.db')},
    }
    clothes = {'red': (RED, JEANS), 'white': (WHITE, BLACK)}
    seen = {name: set() for name in clothes}
    with Pipeline.load(build(Config, settings)) as pipeline:
        facts = pipeline.facts()
        assert (facts['appearance'], facts['appearance_provider']) == ('colour', 'cpu')
        assert 'appearance_fallback' not in facts
        for step in range(160):
            order = ('red', 'white') if step < 60 else ('white', 'red') if step >= 100 else ()
            image = room(3)
            boxes = [
                person(image, 120 + 220 * i + step % 60, 330, 240, *clothes[name], step % 4 / 4)
                for i, name in enumerate(order)
            ]
            found = Detections(
                np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32)
            )
            frame = Frame('hall', step * NS // 10, image, step, detections=found)
            (sightings,) = pipeline.step([frame]).sightings
            for row in np.flatnonzero(~sightings.predicted & (sightings.persons > 0)):
                nearest = np.abs(np.array(boxes) - sightings.boxes[row]).sum(axis=1).argmin()
                seen[order[nearest]].add(int(sightings.persons[row]))
    assert [len(numbers) for numbers in seen.values()] == [1, 1]
    assert seen['red'] != seen['white']
    with Pipeline.load(build(Config, settings)) as again:  # the stored vectors are its own
        assert len(again.gallery) == 2
    settings['model']['appearance'] = str(networks.means(tmp_path / 'toy.onnx'))
    networks.write(tmp_path, networks.appearance('toy'))
    with pytest.raises(GalleryError, match='324'):
        Pipeline.load(build(Config, settings))


# -- calibration from known people ---------------------------------------------------------------


def test_a_calibration_of_known_people_has_their_angles():
    draw = np.random.default_rng(0)
    persons, cameras = np.repeat(np.arange(12), 4), np.tile([0, 0, 1, 1], 12)
    looks, tints = draw.normal(size=(12, 40)), 0.4 * draw.normal(size=(2, 40))
    rows = looks[persons] + tints[cameras] + 0.2 * draw.normal(size=(48, 40))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = Calibration.of(rows, persons, cameras)
    wanted = {(same, near): [] for same in (True, False) for near in (True, False)}
    for i in range(48):
        for j in range(i):
            key = persons[i] == persons[j], cameras[i] == cameras[j]
            wanted[key].append(degrees(rows[i], rows[j]))
    for near, condition in ((True, found.same_camera), (False, found.cross_camera)):
        for same, spread in ((True, condition.genuine), (False, condition.impostor)):
            assert spread.mean == pytest.approx(np.mean(wanted[same, near]))
            assert spread.sd == pytest.approx(max(2.0, np.std(wanted[same, near], ddof=1)))
            assert spread.n == 12
    with pytest.raises(CalibrationError, match='one person in two cameras: 0 pairs of 0 people'):
        Calibration.of(rows[cameras == 0], persons[cameras == 0], cameras[cameras == 0])
