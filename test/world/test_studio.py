"""Crops, silhouettes and images that the world serves to training."""

import numpy as np
import pytest

from reid_ros.types import ReidError
from reid_ros.world import cast, crops, frames, raster, stands
from reid_ros.world.scenario import Scenario, WorldError
from reid_ros.world.seeds import SPLITS, generator
from reid_ros.world.silhouettes import GaitStudio
from reid_ros.world.studio import Studio, _Actor, stroll
from reid_ros.world.tracklets import dataset
from reid_ros.world.values import Canvas


def made(split='train', **more):
    """A studio that is quickly painted."""
    return Studio(split, **{'cameras': 2, 'kinds': ('corridor',), 'size': (320, 240), **more})


@pytest.fixture(scope='module')
def studio():
    return made()


@pytest.fixture(scope='module')
def tracklets(studio):
    return dataset('train', 4, studio, per_camera=2, frames=3, size=(64, 32))


def test_a_data_set_has_every_person_before_every_camera(tracklets):
    labels = tracklets.labels
    assert len(tracklets) == 4 * 2 * 2
    found = set(zip(labels.persons.tolist(), labels.cameras.tolist(), labels.walks.tolist()))
    assert found == {(p, c, w) for p in range(4) for c in range(2) for w in range(2)}


def test_a_tracklet_is_what_its_label_says(tracklets):
    one = tracklets[5]
    labels = tracklets.labels
    assert one.crops.shape == (3, 64, 32, 3)
    assert one.crops.dtype == np.uint8
    assert one.masks.shape == (3, 64, 32)
    assert set(np.unique(one.masks)) <= {0, 255}
    assert (one.person, one.camera, one.walk) == (
        labels.persons[5],
        labels.cameras[5],
        labels.walks[5],
    )
    assert ((one.views >= 0) & (one.views <= 180)).all()
    assert (one.quality <= one.visible + 1e-6).all()
    assert (one.visible > 0.2).all()
    assert np.allclose(np.diff(one.times_s), 0.2)


def test_the_mask_covers_the_person_and_the_box_fits_it(tracklets):
    """A box that is a little wrong still holds most of the person, and is well filled by it."""
    whole = [t for t in tracklets if t.visible.min() > 0.9]
    share = np.array([t.masks.mean() / 255 for t in whole])
    assert len(whole) >= 8
    assert (share > 0.25).all()
    assert (share < 0.75).all()


def test_a_tracklet_is_the_same_whatever_was_drawn_before(studio, tracklets):
    again = dataset('train', 4, studio, per_camera=2, frames=3, size=(64, 32))
    assert np.array_equal(again[9].crops, tracklets[9].crops)
    assert np.array_equal(tracklets[-7].boxes, again[9].boxes)
    assert not np.array_equal(tracklets[8].crops, tracklets[9].crops)


def test_a_photo_is_the_part_of_the_whole_picture(studio):
    """Drawn with a moved centre and into a piece, or whole: the same pixels, box and share."""
    stand = studio.stands[0]
    who = cast.person('train', 3)
    photo = studio.photograph(
        stroll(who, who.outfits[0], generator('train', 'a')),
        0,
        generator('train', 'way'),
        1,
        5.0,
        alone=True,
    )[0]
    height, width = photo.mask.shape
    x, y = photo.corner
    # Drawn again in whole: the same way, taken from the same random numbers.
    step = stroll(who, who.outfits[0], generator('train', 'a'))
    rng = generator('train', 'way')
    empty = studio.empty(0)
    times = np.zeros(1)
    way = stands.path(stand, empty.depth, studio.level.pixels, step.speed * times, None, rng)
    canvas = Canvas(empty.image.copy(), empty.depth.copy())
    figure = _Actor.of(step, way, times).figure(0)
    drawn = raster.draw(canvas, [figure], stand.view, stand.light)
    part = drawn.labels[y : y + height, x : x + width] == 1
    assert part.sum() == drawn.seen[0]
    assert ((photo.mask > 0) != part).mean() < 0.002
    assert np.allclose(drawn.boxes[0], photo.box, atol=0.1)
    assert photo.visible == pytest.approx(drawn.seen[0] / drawn.whole[0], abs=0.03)


def test_drawing_leaves_the_empty_place_alone(studio):
    before = studio.empty(0).image.copy()
    dataset('train', 1, studio, frames=2, size=(32, 16))[0]
    assert np.array_equal(before, studio.empty(0).image)


def test_clothes_change_from_walk_to_walk_where_people_have_two_outfits(studio):
    found = dataset('train', 1, studio, per_camera=2, frames=1, outfits=2)
    assert [t.outfit for t in found] == [0, 1, 0, 1]


@pytest.mark.parametrize('condition', crops.CONDITIONS)
def test_a_tracklet_is_in_the_condition_asked_for(studio, condition):
    found = dataset('train', 6, studio, frames=1, conditions=(condition,), seen_by=1)
    assert {t.condition for t in found} == {condition}


def test_normal_and_bag_are_the_same_clothes():
    worn = cast.person('train', 0).outfits[0]
    normal = crops.dressed(worn, 'normal', generator('train', 1))
    bag = crops.dressed(worn, 'bag', generator('train', 1))
    assert normal.upper == bag.upper
    assert normal.lower == bag.lower
    assert normal.bag == 'none' != bag.bag


def test_fewer_cameras_may_see_a_person():
    found = dataset('train', 30, Studio('train', 5, kinds=('corridor',)), seen_by=2).labels
    by_person = [set(found.cameras[found.persons == k].tolist()) for k in range(30)]
    assert {len(cameras) for cameras in by_person} == {2}
    assert set().union(*by_person) == set(range(5))


def test_splits_share_no_person_place_or_camera():
    people = [cast.person(split, 7) for split in SPLITS]
    assert len({p.body.stature for p in people}) == len({p.outfits[0] for p in people}) == 3
    studios = [made(split) for split in SPLITS]
    assert len({s._places[0].size for s in studios}) == 3
    assert len({s.stands[0].view.pose.position.tobytes() for s in studios}) == 3
    assert len({s.stands[0].sensor for s in studios}) == 3
    assert len({s._passer(0).body.stature for s in studios}) == 3
    textures = [s._places[0].quads[0].surface for s in studios]
    assert textures[0] != textures[1] != textures[2] != textures[0]


def test_another_seed_gives_other_cameras_but_the_same_people(studio):
    other = made(seed=1)
    assert other.stands[0].sensor != studio.stands[0].sensor
    assert (other.stands[0].view.pose.position != studio.stands[0].view.pose.position).any()


def test_harsh_pictures_are_lower_and_more_often_hidden():
    low = {}
    for name in ('clean', 'harsh'):
        found = dataset('train', 12, made(cameras=1, randomise=name), frames=1, size=(64, 32))
        low[name] = [t.visible.min() for t in found], [np.ptp(t.boxes[:, [1, 3]]) for t in found]
    assert np.mean(low['harsh'][1]) < 0.9 * np.mean(low['clean'][1])
    assert min(low['harsh'][0]) < min(low['clean'][0])


@pytest.fixture(scope='module')
def gait(studio):
    return GaitStudio('train', 12, (64, 44), studio=studio)


def test_walks_turn_and_cameras_hang_as_they_are_told(studio, gait):
    turning = GaitStudio('train', 12, (64, 44), studio=studio, turn_deg=60.0)
    turned = []
    for walks in (gait, turning):
        views = [walks.sequence(k, 'normal', 0, 90).views for k in range(12)]
        assert all(view[6] == pytest.approx(90, abs=1) for view in views)
        turned.append(np.mean([np.abs(view[-1] - view[0]) for view in views]))
    assert turned[1] > turned[0] + 5
    high = GaitStudio('train', 12, (64, 44), cameras=4, heights_m=(2.0, 2.2))
    assert all(2.0 <= stand.view.pose.position[2] <= 2.6 for stand in high.studio.stands)


def test_a_silhouette_fills_its_height_and_stands_in_the_middle(gait):
    one = gait.sequence(0, 'normal', 0, 90)
    assert one.masks.shape == (12, 64, 44)
    assert one.crops.shape == (12, 64, 44, 3)
    rows = np.flatnonzero(one.masks[0].any(axis=1))
    assert rows[0] <= 3
    assert rows[-1] >= 59
    weight = one.masks.sum(axis=(0, 1)).astype(float)
    assert 17 < (weight * np.arange(44)).sum() / weight.sum() < 27


def test_outlines_alone_are_those_of_the_pictures(gait):
    """Only sums of floats in another order tell them apart."""
    camera, painted = gait.photos(3, 'bag', 0, 36)
    again, plain = gait.photos(3, 'bag', 0, 36, painted=False)
    assert again == camera
    wrong = there = 0
    for one, other in zip(painted, plain):
        assert other.image.size == 0
        assert np.allclose(one.box, other.box, atol=0.01)
        assert abs(one.visible - other.visible) < 0.01
        whole = [np.zeros((480, 640), bool) for _ in range(2)]
        for picture, photo in zip(whole, (one, other)):
            x, y = photo.corner
            height, width = photo.mask.shape
            picture[y : y + height, x : x + width] = photo.mask > 0
        wrong += (whole[0] != whole[1]).sum()
        there += whole[0].sum()
    assert there > 5000
    assert wrong < 1e-4 * there


def test_views_are_what_was_asked_for(gait):
    for view in (0, 90, 180):
        one = gait.sequence(1, 'normal', 0, view)
        assert abs(one.views[6] - view) < 3


def test_a_stride_is_wide_from_the_side_and_narrow_from_the_front(gait):
    def widest(view):
        feet = gait.sequence(0, 'normal', 1, view).masks[:, 52:].any(axis=1)
        return feet.sum(axis=1).max()

    assert widest(90) > 1.4 * widest(0)


def test_views_show_one_walk_and_walks_differ(gait):
    same = gait.sequence(0, 'normal', 0, 90)
    assert np.array_equal(gait.sequence(0, 'normal', 0, 90).masks, same.masks)
    assert (gait.sequence(0, 'normal', 1, 90).masks != same.masks).mean() > 0.005


def test_sequences_come_for_every_condition_walk_and_view(gait):
    found = [
        (s.person, s.condition, s.walk, s.view)
        for s in gait.sequences([2], {'normal': 2, 'coat': 1}, (0, 90))
    ]
    assert found == [
        (2, 'normal', 0, 0),
        (2, 'normal', 0, 90),
        (2, 'normal', 1, 0),
        (2, 'normal', 1, 90),
        (2, 'coat', 0, 0),
        (2, 'coat', 0, 90),
    ]


@pytest.mark.parametrize(
    ('call', 'named'),
    [
        (lambda s: dataset('test', 2, s), "split 'train'"),
        (lambda s: dataset('train', 0, s), 'people: 0'),
        (lambda s: dataset('train', [1, 1], s), 'must differ'),
        (lambda s: dataset('train', 2, s, per_camera=0), 'per_camera: 0'),
        (lambda s: dataset('train', 2, s, frames=0), 'frames: 0'),
        (lambda s: dataset('train', 2, s, seen_by=3), 'seen_by: 3 is outside 1 to 2'),
        (lambda s: dataset('train', 2, s, outfits=2), 'outfits: 2 is outside 1 to 1'),
        (lambda s: dataset('train', 2, s, size=(4, 64)), '8 to 1024'),
        (lambda s: dataset('train', 2, s, conditions=('hat',)), 'hat'),
        (lambda s: Studio('train', 0), 'cameras: 0'),
        (lambda s: Studio('train', 2, randomise='wild'), 'clean, usual, harsh'),
        (lambda s: s.empty(9), '0 to 1'),
        (lambda s: s.photograph(None, 0, None, 1, 10.0, painted=False), 'alone=True'),
        (lambda s: GaitStudio('train', 200, studio=s), '4 seconds'),
        (lambda s: GaitStudio('test', 20, studio=s), "split 'train'"),
        (lambda s: GaitStudio('train', 9, studio=s).sequence(0, 'normal', 0, 270), '0 to 180'),
        (lambda s: GaitStudio('train', 9, studio=s).sequence(0, 'hat', 0, 0), 'normal, bag, coat'),
    ],
)
def test_an_impossible_wish_is_refused_by_its_name(studio, call, named):
    with pytest.raises(ReidError, match=named):
        call(studio)


def test_search_frames_have_boxes_and_identities():
    base = Scenario(
        'tiny', people=5, at_once=3, seconds=11.0, rate_hz=1.0, overlapping=2, apart=0,
        width=320, height=240, place='corridor', absence_s=2.0,
    )  # fmt: skip
    kinds = {s.place for s in frames.scenarios('train', 5, base=base)}
    assert len(kinds) == 5
    found = list(frames.frames('train', 1, base=base, unlabelled=0.5))
    persons = np.concatenate([f.persons for f in found])
    assert len(found) >= 16
    assert {f.camera for f in found} == {0, 1}
    assert (persons == frames.UNKNOWN).any()
    assert (persons > 0).any()
    for frame in found:
        assert frame.boxes.shape == (len(frame.persons), 4)
        assert (frame.boxes[:, 2:] <= (frame.image.shape[1], frame.image.shape[0])).all()
        assert (frame.visible >= 0.2).all()
    with pytest.raises(WorldError, match='worlds: 0'):
        list(frames.frames('train', 0))
