"""A world on real topics and the real node: what is published comes back as sightings."""

import time

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from ros_builders import config, reid_node
from sensor_msgs.msg import CameraInfo, PointCloud2

from reid_ros.lens import Lens, Pose, View
from reid_ros.ros.stage import Stage, StageError
from reid_ros.ros.table import cloud_to_table
from reid_ros.types import Detections, Frame
from reid_ros.world.values import Shot, Truth

S = 1_000_000_000
LENS = Lens(np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]]), np.array([0.1, 0, 0, 0, 0]))


def shot(camera, number, stamp_ns, robot=None):
    """One person who walks to the right."""
    box = np.array([[40 + 2 * number, 50, 90 + 2 * number, 200]], np.float32)
    truth = Truth(
        np.array([7], np.uint32),
        box,
        np.ones(1, np.float32),
        np.array([[1.0, 2.0, 0.0]]),
        np.zeros(1, np.float32),
        np.zeros(1, np.uint8),
        np.zeros((240, 320), np.uint8),
    )
    view = View(320, 240, LENS, Pose(np.eye(3), np.zeros(3)))
    image = np.full((240, 320, 3), number % 250, np.uint8)
    frame = Frame(camera, stamp_ns, image, number)
    return Shot(frame, truth, view, robot, robot), Detections(box, np.full(1, 0.9, np.float32))


def film(count, cameras=('a', 'b'), robot=None):
    return [
        shot(name, i, 100 * S + i * S // 10 + k * S // 25, robot)
        for i in range(count)
        for k, name in enumerate(cameras)
    ]


def test_every_image_comes_back_with_its_sightings_in_order(ros):
    settings = config('a', 'b', late_frame_policy='process_all', silent_after_s=60.0)
    node = reid_node(ros, settings, '-p', 'use_sim_time:=true')
    stage = Stage(ros.node, ros.executor, ['a', 'b'], clock=True)
    stage.wait(10.0)
    played = list(stage.play(film(20)))
    assert [(p.shot.frame.camera, p.shot.frame.index) for p in played] == [
        (name, i) for i in range(20) for name in 'ab'
    ]
    assert all(p.sightings.stamp_ns == p.shot.frame.stamp_ns for p in played)
    late = [p for p in played if p.shot.frame.index >= 5]
    assert all(len(p.sightings) == 1 for p in late)
    for p in late:
        np.testing.assert_allclose(p.sightings.boxes, p.shot.truth.boxes, atol=8)
    assert sum(c.health.counts['dropped_by_policy'] for c in node.cameras.values()) == 0


def test_how_fast_the_world_is_drawn_changes_nothing(ros):
    """The last images of all cameras come back too, although nobody may call a camera silent."""
    answers = []
    for stall_s, names in ((0.0, ('a', 'b')), (1.0, ('c', 'd'))):
        settings = config(*names, late_frame_policy='process_all', silent_after_s=60.0)
        node = reid_node(ros, settings, '-p', 'use_sim_time:=true')
        stage = Stage(ros.node, ros.executor, names, clock=True)
        stage.wait(10.0)
        played = stage.play(stalled(film(8, names), stall_s))
        answers.append([(p.sightings.tracks.tolist(), p.sightings.boxes.tolist()) for p in played])
        assert len(answers[-1]) == 16
        node.close()
        ros.nodes.remove(node)
        ros.executor.remove_node(node)
    assert answers[0] == answers[1]


def stalled(shots, seconds):
    for i, one in enumerate(shots):
        time.sleep(seconds if i in (1, 9) else 0.0)
        yield one


def test_truth_lens_and_odometry_are_published_with_the_image(ros):
    heard = ros.heard(PointCloud2, 'a/truth')
    infos = ros.heard(CameraInfo, 'a/camera_info')
    drives = ros.heard(Odometry, 'odom')
    stage = Stage(ros.node, ros.executor, ['a'], answers=False)
    ros.spin_for(0.5)
    one, _ = shot('a', 3, 5 * S + 7, Pose.planar(1.0, 2.0, np.pi / 2))
    stage.publish(one)
    ros.spin_until(lambda: heard and infos and drives)
    row = cloud_to_table(heard[0])[0]
    assert (row['person'], row['x0'], row['y'], row['visible']) == (7, 46.0, 2.0, 1.0)
    assert (heard[0].header.stamp.sec, heard[0].header.stamp.nanosec) == (5, 7)
    assert Lens.of(infos[0], 240, 320).matrix.tolist() == LENS.matrix.tolist()
    assert infos[0].d[0] == 0.1
    turned = drives[0].pose.pose
    assert (turned.position.x, turned.position.y) == (1.0, 2.0)
    assert turned.orientation.z == pytest.approx(np.sqrt(0.5))


def test_a_free_running_world_is_stamped_with_the_present(ros):
    heard = ros.heard(PointCloud2, 'a/truth')
    stage = Stage(ros.node, ros.executor, ['a'], answers=False)
    ros.spin_for(0.5)
    before = ros.node.get_clock().now().nanoseconds
    assert stage.perform(film(10, 'a')) == 10
    ros.spin_until(lambda: len(heard) == 10)
    stamps = [m.header.stamp.sec * S + m.header.stamp.nanosec for m in heard]
    assert before <= stamps[0] < before + S
    assert stamps[-1] - stamps[0] == 9 * S // 10


def test_a_world_that_nobody_watches_says_so(ros):
    stage = Stage(ros.node, ros.executor, ['a'])
    with pytest.raises(StageError, match='nobody subscribes to the images of a'):
        stage.wait(0.3)
    with pytest.raises(StageError, match='no sightings came for the image of a'):
        list(stage.play(film(2, 'a'), timeout_s=0.3))
