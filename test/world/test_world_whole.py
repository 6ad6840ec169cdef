"""A whole world: people, places and cameras joined, and its truth."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_ros.world.scenario import SCENARIOS, SUITE, WorldError
from reid_ros.world.sheet import sheet
from reid_ros.world.world import World

SMALL = {'width': 320, 'height': 240, 'seconds': 20.0}


@pytest.fixture(scope='module')
def demo():
    return World(SCENARIOS['demo'], 5)


@pytest.fixture(scope='module')
def robot():
    return World(SCENARIOS['robot'].custom(**SMALL), 5)


def some(world, count=12):
    """Shots of all cameras, spread over time."""
    for camera in world.cameras:
        for i in np.linspace(0, len(world.stamps[camera.name]) - 1, count).astype(int):
            yield world.shot(camera.name, int(i))


def test_the_same_image_is_the_same_whatever_was_asked_before(demo):
    name = demo.cameras[1].name
    first = demo.shot(name, 70)
    again = World(SCENARIOS['demo'], 5).shot(name, 70)
    np.testing.assert_array_equal(first.frame.image, again.frame.image)
    np.testing.assert_array_equal(first.truth.labels, again.truth.labels)
    assert first.truth.table().tobytes() == again.truth.table().tobytes()


def test_another_seed_or_split_is_another_world(demo):
    image = demo.shot('cam1', 50).frame.image
    for other in (World(SCENARIOS['demo'], 6), World(SCENARIOS['demo'], 5, 'train')):
        assert np.abs(other.shot('cam1', 50).frame.image[:400, :400].astype(int)
                      - image[:400, :400]).mean() > 5  # fmt: skip
        assert other.people[0].body != demo.people[0].body


def test_shots_come_in_the_order_of_their_stamps(demo):
    shots = demo.shots(['cam3', 'cam1'])
    stamps = [next(shots).frame.stamp_ns for _ in range(30)]
    assert stamps == sorted(stamps)
    assert len(demo) == sum(len(stamps) for stamps in demo.stamps.values())


def test_what_is_seen_of_a_person_lies_in_their_box(demo):
    seen = 0
    for shot in some(demo):
        for row, box in enumerate(shot.truth.boxes):
            ys, xs = np.nonzero(shot.truth.silhouette(row))
            if not len(xs):
                assert shot.truth.visible[row] < 0.02
                continue
            seen += 1
            assert xs.min() >= box[0] - 2
            assert ys.min() >= box[1] - 2
            assert xs.max() <= box[2] + 2
            assert ys.max() <= box[3] + 2
    assert seen > 20


def test_who_is_seen_whole_fills_the_box(demo):
    whole = 0
    for shot in some(demo):
        height, width = shot.truth.labels.shape
        for row, box in enumerate(shot.truth.boxes):
            inside = box[0] > 1 and box[1] > 1 and box[2] < width - 1 and box[3] < height - 1
            if not inside or shot.truth.visible[row] < 0.995:
                continue
            ys, xs = np.nonzero(shot.truth.silhouette(row))
            whole += 1
            found = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
            np.testing.assert_allclose(found, box, atol=2.5)
    assert whole > 10


def test_boxes_stand_where_the_ground_is_seen(demo):
    """The foot of a person who is in view lies at the pixel of their place on the floor."""
    checked = 0
    for shot in some(demo):
        truth = shot.truth
        for row in np.flatnonzero(truth.visible > 0.98):
            (x, y), depth = (v[0] for v in shot.view.look(truth.ground[row : row + 1]))
            box = truth.boxes[row]
            tall = box[3] - box[1]
            if box[3] >= shot.view.height - 1:
                continue
            checked += 1
            assert depth > 0
            assert abs(x - (box[0] + box[2]) / 2) < 0.3 * tall
            assert abs(y - box[3]) < 0.2 * tall
    assert checked > 10


def test_people_of_another_camera_have_the_same_number(demo):
    """Both overlapping cameras place somebody they both see at the same spot of the floor."""
    a, b = (c.name for c in demo.cameras[:2])
    together = 0
    for i in range(10, 200, 10):
        one = demo.shot(a, i)
        j = int(np.abs(demo.stamps[b] - one.frame.stamp_ns).argmin())
        two = demo.shot(b, j)
        for person in set(one.truth.persons.tolist()) & set(two.truth.persons.tolist()):
            spots = [s.truth.ground[s.truth.persons.tolist().index(person)] for s in (one, two)]
            assert np.linalg.norm(spots[0] - spots[1]) < 0.25
            together += 1
    assert together > 5


def test_a_camera_on_the_robot_moves_and_its_ego_motion_is_told(robot):
    camera = next(c for c in robot.cameras if c.moving)
    count = len(robot.stamps[camera.name])
    places = np.array([robot.base(camera.name, i).position for i in range(count)])
    assert np.ptp(places[:, :2], axis=0).max() > 1.0
    assert robot.shot(camera.name, 0).frame.ego is None
    # It knows its own place by drifting odometry alone; a fixed camera knows where it hangs.
    assert robot.shot(camera.name, 0).frame.view is None
    assert robot.shot('cam1', 0).frame.view is robot.cameras[0].fixed_view
    # What stands far away moves in the picture as the homography says, but for odometry's error.
    errors, moves = [], []
    for i in range(1, count, 7):
        before, now = (robot.view(camera.name, k) for k in (i - 1, i))
        ego = robot.shot(camera.name, i).frame.ego
        far = before.pose.position + 500 * before.pose.rotation[:, 2][None]
        (was,), (is_,) = before.look(far)[0], now.look(far)[0]
        told = ego @ np.array([*was, 1.0])
        errors.append(np.linalg.norm(told[:2] / told[2] - is_))
        moves.append(np.linalg.norm(was - is_))
    assert max(moves) > 4
    assert np.mean(errors) < 0.15 * np.mean(moves) + 0.3
    assert robot.shot('cam1', 5).frame.ego is None
    drift = robot.odometry(camera.name, count - 1).position - places[-1]
    assert 0.0 < np.linalg.norm(drift) < 3.0


@pytest.mark.slow
@pytest.mark.parametrize('name', SUITE)
def test_every_world_of_the_suite_can_be_drawn(name):
    """And is kept as a contact sheet where $REID_ROS_ARTEFACTS names a folder."""
    folder = os.environ.get('REID_ROS_ARTEFACTS')
    world = World(SCENARIOS[name], 1)
    picture = sheet(world, 4 if folder else 1)
    assert picture.shape[0] >= 240 * len(world.cameras)
    assert picture.std() > 20
    if folder:
        assert cv2.imwrite(str(Path(folder) / f'world-{name}.png'), picture)


def test_people_who_do_not_fit_are_refused_with_what_would():
    with pytest.raises(WorldError, match=r'do not fit on .* valid are 1 to'):
        World(SCENARIOS['demo'].custom(people=250, at_once=240), 1)
