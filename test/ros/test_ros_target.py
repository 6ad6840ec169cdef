"""The target over DDS: chosen, placed, told, and silent when unsure."""

import sys
import time
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TransformStamped
from nav_msgs.msg import Odometry
from rclpy.parameter import Parameter
from ros_builders import Diagnosis, config, header, image, reid_node, sightings
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, RegionOfInterest
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from reid_ros.config import CameraConfig, TargetConfig
from reid_ros.lens import Pose, seen
from reid_ros.ros.cameras import Camera
from reid_ros.ros.frames import Standpoint
from reid_ros.ros.outputs import Outputs, Shot
from reid_ros.ros.table import detections_table, table_to_cloud
from reid_ros.ros.target import TargetTopics
from reid_ros.target import OPERATOR
from reid_ros.types import Detections, Event, Frame, Moment

S = 1_000_000_000
LEVEL = (0.0, 0.0, 1.5, -0.5, 0.5, -0.5, 0.5)
K = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]
INFO = CameraInfo(height=480, width=640, k=K)
# A person of 1.7 m, 5 m ahead of a camera at 1.5 m height.
BOX = (300, 220, 340, 390)


class Play:
    """Outputs and a target of cameras a (with a pose), b (without) and c (on a robot)."""

    def __init__(self, ros, person='7', **settings):
        self.settings = config('a', 'b', target=TargetConfig(mode='id', person_id=person))
        cameras = {'a': CameraConfig(pose=LEVEL), 'b': CameraConfig()}
        object.__setattr__(self.settings, 'cameras', cameras)
        for name, value in settings.items():
            object.__setattr__(self.settings, name, value)
        names = tuple(self.settings.cameras)
        self.outputs = Outputs(ros.node, names)
        self.outputs.configure(self.settings)
        self.target = TargetTopics(ros.node, names)
        self.target.configure(self.settings)

    def __call__(self, *found, events=(), names=None, standpoint=None):
        shots = []
        for one in found:
            view = seen(INFO, LEVEL, 480, 640) if one.camera == 'a' else None
            frame = Frame(one.camera, one.stamp_ns, np.zeros((480, 640, 3), np.uint8), view=view)
            shots.append(
                Shot(frame, header(one.stamp_ns, f'{one.camera}_optical'), INFO, standpoint)
            )
        self.outputs.publish(shots, Moment(list(found), list(events)), self.target, names or {})


def heard(ros, kind, topic):
    messages = ros.heard(kind, topic)
    ros.spin_until(lambda: ros.node.count_publishers(topic) and ros.node.count_subscribers(topic))
    ros.spin_for(0.3)
    return messages


@pytest.fixture
def play(ros):
    return Play(ros)


def at(message):
    position = message.pose.position
    return position.x, position.y, position.z


def test_the_target_has_a_pose_a_region_and_a_covariance(ros, play):
    pose = heard(ros, PoseStamped, '/reid/target/pose')
    cov = heard(ros, PoseWithCovarianceStamped, '/reid/target/pose_cov')
    roi = heard(ros, RegionOfInterest, '/a/target_roi')
    play(sightings('a', (2, 6, BOX), (3, 7, (-20, 220, 20, 390)), stamp_ns=9 * S))
    ros.spin_until(lambda: pose and cov and roi)
    assert pose[0].header == cov[0].header == header(9 * S, 'map')
    assert at(pose[0]) == pytest.approx((5.0, 3.2, 0.0), abs=0.02)
    matrix = np.array(cov[0].pose.covariance).reshape(6, 6)
    assert 0 < matrix[0, 0] < 1
    assert matrix[5, 5] > 100, 'who stands has no heading'
    assert (roi[0].x_offset, roi[0].width, roi[0].height) == (0, 20, 170)


@pytest.mark.parametrize(
    'found',
    [
        sightings('a', (3, 6, BOX)),
        sightings('a', (3, 7, BOX), predicted=[True]),
        sightings('a', (3, 7, BOX), confirmed=[False]),
        sightings('a', (3, 0, BOX)),
    ],
    ids=['somebody else', 'predicted', 'provisional', 'undecided'],
)
def test_the_target_is_silent_when_unsure(ros, play, found):
    pose = heard(ros, PoseStamped, '/reid/target/pose')
    roi = heard(ros, RegionOfInterest, '/a/target_roi')
    clouds = heard(ros, PointCloud2, '/a/sightings')
    play(found)
    ros.spin_until(lambda: clouds)
    ros.spin_for(0.2)
    assert pose == roi == []
    assert not play.target.locked()


def walker(x, camera='a', **options):
    """Person 7 at a distance."""
    foot, tall, wide = 240 + 750 / x, 850 / x, 100 / x
    return sightings(camera, (3, 7, (320 - wide, foot - tall, 320 + wide, foot)), **options)


def test_a_walk_has_a_heading_and_a_steady_place(ros, play):
    pose = heard(ros, PoseStamped, '/reid/target/pose')
    cov = heard(ros, PoseWithCovarianceStamped, '/reid/target/pose_cov')
    for i in range(20):
        play(walker(8.0 - 0.1 * i, stamp_ns=S + i * S // 10))
    ros.spin_until(lambda: len(cov) == 20 and len(pose) == 20)
    assert at(pose[-1])[0] == pytest.approx(6.1, abs=0.15)
    turned = pose[-1].pose.orientation
    assert 2 * np.arctan2(turned.z, turned.w) == pytest.approx(np.pi, abs=0.3)
    assert cov[-1].pose.covariance[35] < 0.3
    assert cov[-1].pose.covariance[0] < cov[0].pose.covariance[0]


def test_without_a_standpoint_the_target_is_placed_before_the_camera(ros, play):
    pose = heard(ros, PoseStamped, '/reid/target/pose')
    play(sightings('b', (3, 7, BOX), stamp_ns=2 * S))
    ros.spin_until(lambda: pose)
    assert pose[0].header == header(2 * S, 'b_optical')
    assert pose[0].pose.position.z == pytest.approx(5.0)


def test_beside_a_robots_camera_nobody_is_placed_before_one_whose_pose_is_not_known(ros):
    play = Play(ros, cameras={'b': CameraConfig(), 'c': CameraConfig(mount=LEVEL)})
    pose = heard(ros, PoseStamped, '/reid/target/pose')
    roi = heard(ros, RegionOfInterest, '/b/target_roi')
    play(sightings('b', (3, 7, BOX), stamp_ns=2 * S))
    play(sightings('c', (3, 7, BOX), stamp_ns=2 * S + S // 10))
    play(sightings('c', (3, 7, BOX), stamp_ns=2 * S + 4 * S // 10))
    ros.spin_until(lambda: pose and roi)
    assert pose[0].header.frame_id == 'c_optical'


def test_two_cameras_are_fused_and_hand_the_target_over(ros, play):
    """Camera b is on a robot 10 m ahead that looks back; its odometry is that of the map."""
    pose = heard(ros, PoseStamped, '/reid/target/pose')
    robot = Pose.planar(10.0, 0.0, np.pi) @ Pose.of(LEVEL)
    standpoint = Standpoint(seen(INFO, robot.numbers(), 480, 640), 'map')
    for i in range(6):
        play(walker(5.0, stamp_ns=S + i * S // 10))
    for i in range(6, 12):
        play(walker(5.0, 'b', stamp_ns=S + i * S // 10), standpoint=standpoint)
    ros.spin_until(lambda: len(pose) >= 9)
    assert {message.header.frame_id for message in pose} == {'map'}
    assert [at(message)[0] for message in pose] == pytest.approx([5.0] * len(pose), abs=0.05)
    assert play.target.target.state == 'locked'


def test_a_place_in_another_frame_is_said_in_that_frame(ros, play):
    pose = heard(ros, PoseStamped, '/reid/target/pose')
    standpoint = Standpoint(seen(INFO, LEVEL, 480, 640), 'odom')
    play(walker(4.0, 'b'), standpoint=standpoint)
    ros.spin_until(lambda: pose)
    assert pose[0].header.frame_id == 'odom'


def test_another_choice_begins_at_another_place(ros, play):
    pose = heard(ros, PoseStamped, '/reid/target/pose')
    for i in range(5):
        play(walker(5.0, stamp_ns=S + i * S // 10))
    play.target.choose('id', '8')
    other = sightings('a', (4, 8, (480, 235, 500, 299)), stamp_ns=2 * S)
    play(other)
    ros.spin_until(lambda: len(pose) == 6)
    assert at(pose[-1])[0] == pytest.approx(12.7, abs=0.3)


# -- TF, on the message that tf2_ros takes; the wheels have no tf2_ros ---------------------------


class Tf2(ModuleType):
    """Records what is broadcast, and knows one transform."""

    class TransformException(Exception):
        pass

    def __init__(self):
        super().__init__('tf2_ros')
        self.sent = sent = []
        error = self.TransformException

        class TransformBroadcaster:
            def __init__(self, node):
                self.node = node

            def sendTransform(self, transform):
                assert isinstance(transform, TransformStamped)
                sent.append(transform)

        class Buffer:
            def lookup_transform(self, target_frame, source_frame, time, timeout):
                if (target_frame, source_frame) != ('map', 'b_optical'):
                    raise error('unknown')
                assert time.nanoseconds == 3 * S
                assert timeout.nanoseconds == S // 20
                x, y, z, *turned = LEVEL
                numbers = dict(zip('xyzw', turned))
                return SimpleNamespace(
                    transform=SimpleNamespace(
                        translation=SimpleNamespace(x=x, y=y, z=z),
                        rotation=SimpleNamespace(**numbers),
                    )
                )

        class TransformListener:
            def __init__(self, buffer, node):
                self.buffer = buffer

        self.TransformBroadcaster, self.Buffer = TransformBroadcaster, Buffer
        self.TransformListener = TransformListener


@pytest.fixture
def tf2(monkeypatch):
    result = Tf2()
    monkeypatch.setitem(sys.modules, 'tf2_ros', result)
    return result


def test_the_target_is_a_frame_where_tf2_ros_is_installed(ros, tf2):
    play = Play(ros)
    play(walker(5.0, stamp_ns=9 * S))
    (transform,) = tf2.sent
    assert (transform.header, transform.child_frame_id) == (header(9 * S, 'map'), 'person_7')
    assert transform.transform.translation.x == pytest.approx(5.0, abs=0.05)
    manager = ros.add(rclpy.create_node('manager', context=ros.context))
    manager.create_publisher(Bool, '/humans/persons/tracked', 1)
    ros.spin_until(lambda: ros.node.count_publishers('/humans/persons/tracked'))
    play(walker(5.0, stamp_ns=10 * S))
    assert len(tf2.sent) == 1, 'a person manager owns these frames'


def test_a_camera_without_a_pose_is_placed_by_tf_at_the_stamp_of_the_image(ros, tf2):
    play = Play(ros, tf_timeout_s=0.05)
    pose = heard(ros, PoseStamped, '/reid/target/pose')
    play(walker(5.0, 'b', stamp_ns=3 * S))
    ros.spin_until(lambda: pose)
    assert pose[0].header.frame_id == 'map'
    assert at(pose[0])[0] == pytest.approx(5.0, abs=0.05)


def test_without_tf2_ros_nothing_is_missed(ros, play):
    assert not play.target.frames.installed
    play(walker(5.0))
    assert play.target.target.state == 'locked'


# -- the node ------------------------------------------------------------------------------------


def test_locked_is_repeated_by_the_node_and_falls_with_the_timeout(ros):
    node = reid_node(ros, config('a'))
    locked = ros.heard(Bool, '/reid/target/locked')
    ros.spin_until(lambda: len(locked) > 0)
    before = len(locked)
    ros.spin_for(1.0)
    assert len(locked) - before >= 5
    assert not locked[-1].data
    node.set_parameters(
        [
            Parameter('target.mode', value='id'),
            Parameter('target.person_id', value='7'),
            Parameter('target.lost_timeout_s', value=0.4),
        ]
    )
    ros.spin_until(lambda: node.target.config.lost_timeout_s == 0.4)
    found = sightings('a', (3, 7, BOX))
    frame = Frame('a', found.stamp_ns, np.zeros((480, 640, 3), np.uint8))
    shot = Shot(frame, header(found.stamp_ns), None)
    node.target.publish([shot], Moment([found]), {}, [None])
    ros.spin_until(lambda: locked[-1].data, 2.0)
    ros.spin_until(lambda: not locked[-1].data, 2.0)


def call(ros, name):
    client = ros.node.create_client(Trigger, f'/reid_node/{name}')
    ros.spin_until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    ros.spin_until(future.done)
    return future.result()


def show(node, *rows, stamp_ns=1_000_000_000, events=()):
    """What the worker would publish of one image."""
    found = sightings('a', *rows, stamp_ns=stamp_ns)
    frame = Frame('a', stamp_ns, np.zeros((480, 640, 3), np.uint8))
    shot = Shot(frame, header(stamp_ns), None)
    names = dict(node.pipeline.names())
    node.target.publish([shot], Moment([found], list(events)), names, [None])


def test_an_operator_is_enrolled_followed_released_and_forgotten(ros, tmp_path):
    node = reid_node(ros, config('a'))
    refused = call(ros, 'enroll_target')
    assert not refused.success
    assert 'stand before the camera' in refused.message
    gallery = node.pipeline.gallery
    for _ in range(7):
        gallery.confirm(gallery.born(0).number)
    show(node, (3, 7, BOX), (4, 6, (0, 200, 20, 280)))
    answer = call(ros, 'enroll_target')
    assert answer.message == 'person 7 is the operator and is followed'
    assert gallery[7].name == OPERATOR
    assert node.get_parameter('target.mode').value == 'enrolled'
    show(node, (3, 7, BOX))
    assert node.target.locked()
    assert 'person 7' in call(ros, 'release_target').message
    show(node, (3, 7, BOX))
    assert (node.target.person, node.target.locked()) == (0, False)
    assert call(ros, 'forget_target').message == 'person 7 is forgotten'
    assert 7 not in gallery
    assert not call(ros, 'forget_target').success


def test_the_operator_changes_only_by_another_enrolment(ros):
    node = reid_node(ros, config('a'))
    gallery = node.pipeline.gallery
    for _ in range(3):
        gallery.confirm(gallery.born(0).number)
    for person, stamp in ((1, 1), (2, 2)):
        show(node, (3, person, BOX), stamp_ns=stamp * S)
        call(ros, 'release_target')
        show(node, (3, person, BOX), stamp_ns=stamp * S + S // 2)
        assert call(ros, 'enroll_target').success
    assert (gallery[1].name, gallery[2].name) == ('', OPERATOR)


def test_a_choice_ends_what_was_chosen_before_at_once(ros):
    node = reid_node(ros, config('a'))
    sender = ros.publisher(String, '/reid_node/select_target')
    ros.spin_until(sender.get_subscription_count)
    sender.publish(String(data='nearest'))
    ros.spin_until(lambda: node.target.config.mode == 'nearest')
    show(node, (3, 7, BOX))
    assert node.target.locked()
    sender.publish(String(data=''))
    ros.spin_until(lambda: node.target.config.mode == 'off')
    assert not node.target.locked()
    show(node, (3, 7, BOX), stamp_ns=2 * S)
    assert not node.target.locked()


def test_diagnostics_say_why_a_choice_ended(ros):
    node = reid_node(ros, config('a', target=TargetConfig(mode='nearest')))
    diagnosis = Diagnosis(ros)
    show(node, (3, 7, BOX))
    ros.spin_until(lambda: diagnosis.value('node', 'target') == '7')
    show(node, events=[Event('forgotten', 7, 0)], stamp_ns=2 * S)
    ros.spin_until(lambda: 'known no more' in (diagnosis.value('node', 'target_state') or ''))


def test_a_camera_on_a_robot_places_people_in_the_frame_of_its_odometry(ros):
    """Images, boxes, camera_info and odometry over DDS: where the node saw the image from."""
    camera = CameraConfig(detections='table', mount=LEVEL)
    node = reid_node(ros, config('a', camera=camera, late_frame_policy='process_all'))
    seen_from = []
    publish = node.target.publish

    def record(shots, *rest):
        seen_from.extend(shot.standpoint for shot in shots)
        publish(shots, *rest)

    node.target.publish = record
    images = ros.publisher(Image, 'a/image')
    tables = ros.publisher(PointCloud2, 'a/detections_table')
    infos = ros.publisher(CameraInfo, 'a/camera_info')
    base = ros.publisher(Odometry, 'odom')
    senders = (images, tables, infos, base)
    ros.spin_until(lambda: all(sender.get_subscription_count() for sender in senders))
    infos.publish(INFO)
    ros.spin_until(lambda: node.cameras['a'].info is not None)
    stamp = time.time_ns() - S
    for i in range(8):
        at_ns = stamp + i * S // 20
        odometry = Odometry(header=header(at_ns, 'odom'))
        odometry.pose.pose.position.x = 3.0
        odometry.pose.pose.orientation.z = odometry.pose.pose.orientation.w = 0.5**0.5
        base.publish(odometry)
        empty = Detections.none()
        tables.publish(table_to_cloud(detections_table(empty), header(at_ns)))
        images.publish(image(at_ns))
        ros.spin_for(0.02)
    ros.spin_until(lambda: any(one is not None for one in seen_from))
    found = next(one for one in seen_from if one is not None)
    assert found.frame == 'odom'
    assert found.view.pose.position == pytest.approx([3.0, 0.0, 1.5])
    assert found.view.pose.rotation @ [0, 0, 1] == pytest.approx([0, 1, 0])
    assert isinstance(node.cameras['a'], Camera)
