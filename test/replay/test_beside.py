"""Odometry, lens and people of a bag go with the images of a camera on a robot."""

import dataclasses
import itertools

import clips
import numpy as np
import pytest
import turning
from clips import MS, S

from reid_ros import ego
from reid_ros.drive import Drive
from reid_ros.lens import Lens, Pose
from reid_ros.pipeline import Pipeline
from reid_ros.replay.source import SourceError
from reid_ros.replay.topics import cameras


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    return clips.bag(tmp_path_factory.mktemp('turning') / 'bag', turning.content())


def eye(path, config=None, **changes):
    (found,) = cameras([path], config=config or turning.settings(**changes))
    return found


def played(path, config):
    source = eye(path, config)
    notebook = turning.Notebook([source])
    with Pipeline.load(config) as pipeline:
        Drive(pipeline, [source], notebook).run()
    return notebook


def test_frames_of_a_bag_get_the_homography_of_their_poses(path):
    frames = list(eye(path).frames())
    assert len(frames) == 40
    assert frames[0].ego is None
    for before, now in itertools.pairwise(frames):
        poses = [turning.base((f.stamp_ns - turning.BEGIN_NS) / S) for f in (before, now)]
        exact = ego.between(turning.LENS, *(pose @ turning.MOUNT for pose in poses))
        corners = np.array([[60.0, 60, 1], [260, 60, 1], [160, 200, 1]]).T
        moved, expected = now.ego @ corners, exact @ corners
        np.testing.assert_allclose(moved[:2] / moved[2], expected[:2] / expected[2], atol=0.3)


def test_people_come_from_the_table_of_the_bag(path):
    for i, frame in enumerate(eye(path).frames()):
        np.testing.assert_allclose(frame.detections.boxes, turning.people(i * 0.2)[0], rtol=1e-6)


def test_tracks_on_a_turning_robot_last_with_its_odometry_alone(path):
    with_it = played(path, turning.settings()).sightings
    without = played(path, turning.settings(mount=False)).sightings
    assert len(with_it) == len(without) == 40
    assert turning.switches(with_it) == 0
    assert turning.switches(without) > 20


@pytest.mark.parametrize(
    ('missing', 'words'),
    [
        ('/odom', 'no odometry on /odom'),
        ('/eye/camera_info', 'no usable camera_info'),
    ],
)
def test_a_bag_without_odometry_or_lens_is_tracked_without_and_says_so(tmp_path, missing, words):
    path = clips.bag(tmp_path / 'bag', turning.content(5, without=(missing,)))
    source = eye(path)
    assert all(frame.ego is None for frame in source.frames())
    assert words in source.notes[0]


def test_odometry_under_another_name_is_named(tmp_path):
    content = [('/wheels' if t == '/odom' else t, r, m) for t, r, m in turning.content(5)]
    path = clips.bag(tmp_path / 'bag', content)
    assert 'but on /wheels: set odom_topic' in eye(path).notes[0]
    source = eye(path, odom_topic='wheels')
    assert source.notes == []
    assert all(frame.ego is not None for frame in list(source.frames())[1:])


def test_the_block_of_a_camera_is_found_by_its_topic_too(path):
    config = turning.settings()
    block = dataclasses.replace(config.cameras['eye'], image_topic='/eye/image')
    source = eye(path, dataclasses.replace(config, cameras={'left': block}))
    assert next(itertools.islice(source.frames(), 1, None)).ego is not None


def test_a_gap_in_the_odometry_is_counted_and_said(tmp_path):
    hole = range(turning.BEGIN_NS + 930 * MS, turning.BEGIN_NS + 1700 * MS)
    content = [c for c in turning.content(20) if c[0] != '/odom' or c[1] not in hole]
    source = eye(clips.bag(tmp_path / 'bag', content))
    lacking = [frame.index for frame in source.frames() if frame.ego is None]
    # The motion up to 0.905 s is carried on to the image at 1.0 s, and no farther.
    assert lacking == [0, 6, 7, 8, 9]
    assert source.notes == [
        '4 images have no odometry near their stamp: tracked as if the camera stood still'
    ]


def test_poses_that_were_recorded_late_and_mixed_serve_as_well(tmp_path, path):
    mixed = [
        (t, r + (i * 37 % 90) * MS if t == '/odom' else r, m)
        for i, (t, r, m) in enumerate(turning.content())
    ]
    other = clips.bag(tmp_path / 'bag', sorted(mixed, key=lambda item: item[1]))
    for one, two in zip(eye(path).frames(), eye(other).frames()):
        assert one.index == two.index
        if one.ego is not None:
            moved = np.linalg.inv(one.ego) @ two.ego
            np.testing.assert_allclose(moved / moved[2, 2], np.eye(3), atol=2.0)


def test_a_clock_that_jumps_back_begins_anew(tmp_path):
    once = turning.content(10)
    again = [(t, r + 10 * S, m) for t, r, m in turning.content(10)]
    frames = list(eye(clips.bag(tmp_path / 'bag', once + again)).frames())
    assert [f.index for f in frames if f.ego is None] == [0, 10]


def test_images_without_people_of_their_stamp_are_left_out(tmp_path):
    stamp = turning.BEGIN_NS + 400 * MS + 3 * MS
    content = [
        item for item in turning.content(6) if item[0] != '/eye/detections_table' or
        item[1] != stamp
    ]  # fmt: skip
    source = eye(clips.bag(tmp_path / 'bag', content))
    frames = list(source.frames())
    assert [frame.index for frame in frames] == [0, 1, 3, 4, 5]
    whole = list(eye(clips.bag(tmp_path / 'whole', turning.content(6))).frames())
    bridged = whole[3].ego @ whole[2].ego
    np.testing.assert_allclose(frames[2].ego, bridged / bridged[2, 2], rtol=0.02, atol=2.0)
    assert source.notes[0].startswith('1 images have no people of their stamp')


def test_a_table_that_is_not_there_is_an_error_where_nobody_else_finds_people(tmp_path):
    path = clips.bag(tmp_path / 'bag', turning.content(3, without=('/eye/detections_table',)))
    with pytest.raises(SourceError, match=r'no topic /eye/det.* set model\.detector'):
        eye(path)


def test_no_mount_no_homography(path):
    assert all(frame.ego is None for frame in eye(path, mount=False).frames())


def test_a_robot_that_knows_the_map_sees_the_floor_from_where_it_is(path):
    """Odometry in the frame of the map; in a frame of its own it drifts, and says nothing."""
    for frame in eye(path, target_frame='odom').frames():
        exact = turning.base((frame.stamp_ns - turning.BEGIN_NS) / S) @ turning.MOUNT
        np.testing.assert_allclose(frame.view.pose.position, exact.position, atol=0.01)
        np.testing.assert_allclose(frame.view.pose.rotation, exact.rotation, atol=0.01)
        assert frame.ego is not None or frame.index == 0
    assert all(frame.view is None for frame in eye(path, target_frame='elsewhere').frames())


def test_a_lens_is_that_of_the_image_size():
    info = turning.camera_info(S)
    assert Lens.of(info, 480, 640).matrix[0, 0] == 600.0
    assert Pose.of(turning.MOUNT.numbers()).position.tolist() == [0.12, 0.0, 1.0]


def test_a_camera_with_a_pose_and_a_lens_sees_the_floor(path):
    pose = (1.0, 2.0, 2.5, -0.5, 0.5, -0.5, 0.5)
    frame = next(eye(path, mount=False, pose=pose).frames())
    assert frame.ego is None
    assert (frame.view.width, frame.view.height) == frame.image.shape[1::-1]
    np.testing.assert_allclose(frame.view.pose.numbers(), pose)
    np.testing.assert_array_equal(frame.view.lens.matrix, turning.LENS.matrix)
    assert next(eye(path, mount=False).frames()).view is None
