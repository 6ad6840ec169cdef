"""People drawn into a picture, and what is said about them."""

from dataclasses import replace

import numpy as np
import pytest

from reid_ros.lens import Lens, Pose, View
from reid_ros.world import body as bodies
from reid_ros.world import outfit as outfits
from reid_ros.world import raster, walk
from reid_ros.world.figure import figure, look
from reid_ros.world.seeds import generator
from reid_ros.world.values import Canvas, Light

FACING = np.pi  # towards the camera, which looks along x
LIGHT = Light(
    np.array([0.3, 0.3, 0.9]) / np.linalg.norm([0.3, 0.3, 0.9]),
    0.5, 0.5, np.ones(3, np.float32), np.zeros((0, 3)), 0.0,
)  # fmt: skip


def view(height=1.5, pitch=0.1, focal=500.0, distortion=()):
    """A camera above (0, 0) that looks along x, and down by pitch radians."""
    c, s = np.cos(pitch), np.sin(pitch)
    axes = np.array([[0, -s, c], [-1.0, 0, 0], [0, -c, -s]])
    matrix = np.array([[focal, 0, 320], [0, focal, 240], [0, 0, 1.0]])
    return View(640, 480, Lens(matrix, np.array(distortion)), Pose(axes, np.array([0, 0, height])))


def canvas(depth=50.0):
    return Canvas(np.full((480, 640, 3), 128, np.uint8), np.full((480, 640), depth, np.float32))


def someone(x, y=0.0, heading=FACING, seed=1, phase=0.1, speed=1.3, outfit=None):
    rng = generator('train', 'someone', seed)
    body = bodies.draw(rng)
    gait = walk.draw(rng, body)
    worn = outfits.draw(rng) if outfit is None else outfit
    moment = [np.array([value]) for value in (phase, speed, 0.0)]
    return figure(body, worn, walk.skeleton(body, gait, *moment), 0, x, y, heading)


def dressed(seed=1, **changes):
    return replace(outfits.draw(generator('train', 'dressed', seed)), **changes)


def draw(figures, where=None, on=None, light=LIGHT):
    on = canvas() if on is None else on
    return on, raster.draw(on, figures, view() if where is None else where, light)


def extent(mask):
    ys, xs = np.nonzero(mask)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])


def test_a_picture_of_nobody_stays_as_it_was():
    picture, drawn = draw([])
    assert (picture.image == 128).all()
    assert not drawn.labels.any()
    assert drawn.boxes.shape == (0, 4)
    assert len(drawn.whole) == len(drawn.seen) == 0


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_who_is_nearer_hides_who_is_farther(order):
    people = [someone(4.0, seed=1), someone(5.5, seed=2)]
    _, drawn = draw([people[k] for k in order])
    near, far = order.index(0), order.index(1)
    assert drawn.seen[near] == drawn.whole[near]
    assert drawn.seen[far] < 0.5 * drawn.whole[far]
    alone = draw([people[1]])[1]
    assert drawn.whole[far] == alone.whole[0] == alone.seen[0]
    np.testing.assert_array_equal(drawn.boxes[far], alone.boxes[0])


def test_arms_of_two_people_side_by_side_hide_each_other_by_depth_not_by_order():
    apart = [someone(4.0, 0.0, np.pi / 2, seed=3), someone(4.2, 0.35, np.pi / 2, seed=4)]
    one, other = draw(apart)[1], draw(apart[::-1])[1]
    swapped = np.array([0, 2, 1], np.uint8)[other.labels]
    assert (one.labels != swapped).mean() < 1e-5


def test_furniture_hides_the_part_behind_it():
    on = canvas()
    on.depth[300:] = 3.0
    before = on.image.copy()
    _, drawn = draw([someone(5.0)], on=on)
    alone = draw([someone(5.0)])[1]
    assert not drawn.labels[300:].any()
    np.testing.assert_array_equal(drawn.labels[:300], alone.labels[:300])
    assert drawn.whole[0] == alone.whole[0] > drawn.seen[0] > 0
    np.testing.assert_array_equal(on.image[302:], before[302:])


def test_the_canvas_takes_the_depth_of_what_is_drawn():
    picture, drawn = draw([someone(5.0)])
    at = picture.depth[drawn.labels == 1]
    assert at.min() > 4.2
    assert at.max() < 5.8
    assert (picture.depth[drawn.labels == 0] == 50).all()


@pytest.mark.parametrize('heading', [0.0, 0.8, np.pi / 2, FACING, 4.0])
@pytest.mark.parametrize('x', [4.5, 12.0])
@pytest.mark.parametrize('distortion', [(), (-0.25, 0.08, 0.0, 0.0, 0.0)])
def test_labels_fill_their_boxes(heading, x, distortion):
    _, drawn = draw([someone(x, 0.3, heading)], view(distortion=distortion))
    assert np.abs(extent(drawn.labels == 1) - drawn.boxes[0]).max() <= 2.0
    assert drawn.seen[0] == (drawn.labels == 1).sum() == drawn.whole[0]


def test_a_person_is_as_high_as_the_camera_says():
    person = someone(8.0, phase=0.0, speed=0.0)
    _, drawn = draw([person])
    ends = np.array([[8.0, 0, 0], [8.0, 0, person.height]])
    pixels, _ = view().look(ends)
    assert abs(drawn.boxes[0, 3] - pixels[0, 1]) < 8
    assert abs(drawn.boxes[0, 1] - pixels[1, 1]) < 5


def test_the_same_people_give_the_same_bytes():
    first, a = draw([someone(4.0, seed=5), someone(6.0, 1.0, seed=6)])
    look.cache_clear()
    second, b = draw([someone(4.0, seed=5), someone(6.0, 1.0, seed=6)])
    assert first.image.tobytes() == second.image.tobytes()
    assert first.depth.tobytes() == second.depth.tobytes()
    assert a.labels.tobytes() == b.labels.tobytes()


def test_who_is_behind_the_camera_is_not_drawn():
    picture, drawn = draw([someone(-3.0), someone(5.0, seed=2)])
    assert drawn.seen[0] == drawn.whole[0] == 0
    assert set(np.unique(drawn.labels)) == {0, 2}
    alone, _ = draw([someone(5.0, seed=2)])
    np.testing.assert_array_equal(picture.image, alone.image)


@pytest.mark.parametrize('x', [-0.4, -0.1, 0.0, 0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize('distortion', [(), (-0.3, 0.1, 0.0, 0.0, 0.0)])
def test_who_stands_in_the_lens_does_no_harm(x, distortion):
    where = view(distortion=distortion)
    _, drawn = draw([someone(x, 0.1), someone(5.0, seed=2)], where)
    assert np.isfinite(drawn.boxes).all()
    assert np.isfinite(drawn.whole).all()
    assert (drawn.whole >= drawn.seen).all()


def test_half_outside_the_image_the_box_goes_on_and_the_whole_is_estimated():
    inside = draw([someone(5.0, 0.0)])[1]
    _, drawn = draw([someone(5.0, 3.18)])
    assert drawn.boxes[0, 0] < 0 < drawn.boxes[0, 2]
    assert drawn.labels[:, 0].any()
    assert abs(extent(drawn.labels == 1)[2] - drawn.boxes[0, 2]) <= 2
    assert 0 < drawn.seen[0] < 0.8 * drawn.whole[0]
    assert abs(drawn.whole[0] / inside.whole[0] - 1) < 0.3


def test_far_outside_a_bent_lens_nobody_is_folded_into_the_image():
    for y in (8.0, 20.0, -30.0):
        _, drawn = draw([someone(4.0, y)], view(distortion=(-0.4, 0.12, 0, 0, 0)))
        assert not drawn.labels.any()


def test_a_person_looks_different_from_behind():
    jacket = replace(dressed().upper, kind='jacket', colour='black', bgr=(40, 36, 36), limb=1.97)
    worn = dressed(upper=jacket, is_open=True, inner=(225, 225, 225), bag='none', hem=0.2)
    chests = []
    for heading in (FACING, 0.0):
        picture, drawn = draw([someone(4.0, heading=heading, outfit=worn)])
        x0, y0, x1, y1 = drawn.boxes[0]
        middle, top = int((x0 + x1) / 2), int(y0 + 0.3 * (y1 - y0))
        chests.append(picture.image[top : top + 12, middle - 3 : middle + 4].mean())
    assert chests[0] > chests[1] + 30


def test_a_backpack_is_seen_from_behind_only():
    plain, packed = (dressed(bag=bag, bag_bgr=(30, 30, 200)) for bag in ('none', 'backpack'))
    differing = []
    for heading in (0.0, FACING):
        images = [
            draw([someone(4.0, heading=heading, outfit=worn)])[0].image.astype(int)
            for worn in (plain, packed)
        ]
        differing.append((np.abs(images[0] - images[1]).max(axis=2) > 40).sum())
    assert differing[0] > 3 * differing[1] > 0


def test_two_phases_of_a_walk_are_two_silhouettes():
    masks = [draw([someone(5.0, heading=np.pi / 2, phase=p)])[1].labels for p in (0.0, 0.25)]
    assert (masks[0] != masks[1]).sum() > 0.15 * masks[0].sum()
    widths = [np.ptp(extent(mask)[[0, 2]]) for mask in masks]
    assert widths[0] > 1.25 * widths[1]  # both feet down, and one leg passing the other


def test_less_light_makes_a_darker_person_and_the_side_to_the_lamp_is_lighter():
    bright, drawn = draw([someone(4.0)])
    dim = draw([someone(4.0)], light=replace(LIGHT, ambient=0.2, diffuse=0.2))[0]
    mask = drawn.labels == 1
    assert dim.image[mask].mean() < 0.6 * bright.image[mask].mean()
    sides = []
    for y in (1.0, -1.0):  # y is to the left in the image
        sun = replace(LIGHT, direction=np.array([0.0, y, 0.0]), ambient=0.2, diffuse=0.8)
        picture, _ = draw([someone(4.0, speed=0.0)], light=sun)
        half = np.zeros_like(mask)
        half[:, :320] = True
        sides.append(picture.image[mask & half].mean() - picture.image[mask & ~half].mean())
    assert sides[0] > sides[1] + 10


def test_a_shadow_darkens_the_floor_but_not_what_stands_on_it():
    person = someone(5.0)
    picture, drawn = draw([person])
    feet = int(drawn.boxes[0, 3])
    around = picture.image[feet - 12 : feet + 8, 250:390][
        drawn.labels[feet - 12 : feet + 8, 250:390] == 0
    ]
    assert around.min() < 100
    assert (picture.image[:100] == 128).all()
    on = canvas(depth=2.0)
    draw([person], on=on)
    assert (on.image == 128).all()


def test_too_many_people_are_refused():
    with pytest.raises(ValueError, match='at most 250'):
        raster.draw(canvas(), [someone(5.0)] * 251, view(), LIGHT)


def test_a_canvas_that_is_a_view_is_refused():
    picture = canvas()
    strided = Canvas(picture.image[:, ::2], picture.depth[:, ::2])
    with pytest.raises(ValueError, match='copy it'):
        raster.draw(strided, [someone(5.0)], view(), LIGHT)


def test_every_kind_of_clothes_can_be_drawn():
    rng = generator('validation', 'parade')
    for k in range(60):
        worn = outfits.draw(rng)
        _, drawn = draw([someone(6.0, heading=float(k), outfit=worn, seed=k % 4, phase=0.13 * k)])
        x0, y0, x1, y1 = drawn.boxes[0]
        assert 0.15 < drawn.whole[0] / ((x1 - x0) * (y1 - y0)) < 0.75


def test_people_right_beside_the_lens_never_break_the_picture():
    """A limb whose far side lies behind the camera has no outline there."""
    draws = np.random.default_rng(0)
    for k in range(120):
        around, away = draws.uniform(0, 2 * np.pi), draws.uniform(0, 1.0)
        spot = away * np.cos(around), away * np.sin(around)
        bent = view(draws.uniform(0.5, 1.6), 0.0, distortion=(-0.1, 0.007, 0, 0, 0))
        _, drawn = draw([someone(*spot, heading=around + k, seed=k % 3)], bent)
        assert np.isfinite(drawn.boxes).all()
        assert np.isfinite(drawn.whole).all()
