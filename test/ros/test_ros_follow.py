"""The follow node over DDS: it drives while the target is fresh and sure, else it stands."""

import signal
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, Twist, TwistStamped
from nav_msgs.msg import Odometry
from rclpy.parameter import Parameter
from ros_builders import header, sightings
from sensor_msgs.msg import CameraInfo, PointCloud2
from std_msgs.msg import Bool
from std_srvs.srv import SetBool

from reid_ros.config import ConfigError
from reid_ros.ros.diagnostics import event_status
from reid_ros.ros.follow import FollowNode
from reid_ros.ros.table import sightings_table, table_to_cloud
from reid_ros.types import Event

S = 1_000_000_000
K = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]


class Robot:
    """The follow node, and what a robot and a reid node say to it."""

    def __init__(self, ros, *arguments, command=Twist):
        self.ros = ros
        self.node = FollowNode(context=ros.context, cli_args=['--ros-args', *arguments])
        ros.add(self.node)
        self.commands = ros.heard(command, 'cmd_vel')
        kinds = {
            'reid/target/pose': PoseStamped,
            'reid/target/locked': Bool,
            'odom': Odometry,
            'front/sightings': PointCloud2,
            'front/camera_info': CameraInfo,
            'reid/events': DiagnosticArray,
        }
        heard = {s.topic_name for s in self.node.subscriptions}
        self.senders = {t: ros.publisher(k, t) for t, k in kinds.items() if f'/{t}' in heard}
        ros.spin_until(lambda: all(s.get_subscription_count() for s in self.senders.values()))
        ros.spin_until(lambda: ros.node.count_publishers('cmd_vel'))
        ros.spin_for(0.3)

    def say(self, place=(5.0, 0.0), *, locked=True, frame='base_link', age_s=0.0, base=None):
        stamp = time.time_ns() - round(age_s * S)
        if base is not None:
            message = Odometry(header=header(time.time_ns(), 'odom'))
            message.pose.pose.position.x, message.pose.pose.position.y, heading = base
            message.pose.pose.orientation.z = float(np.sin(heading / 2))
            message.pose.pose.orientation.w = float(np.cos(heading / 2))
            self.senders['odom'].publish(message)
        if place is not None:
            message = PoseStamped(header=header(stamp, frame))
            message.pose.position.x, message.pose.position.y = place[:2]
            message.pose.position.z = place[2] if len(place) > 2 else 0.0
            self.senders['reid/target/pose'].publish(message)
        if locked is not None:
            self.senders['reid/target/locked'].publish(Bool(data=locked))

    def go(self, seconds, **said):
        """Say the same for a while; the commands that came."""
        before, end = len(self.commands), time.monotonic() + seconds
        while time.monotonic() < end:
            self.say(**said)
            self.ros.spin_for(0.04)
        return self.commands[before:]

    def speed(self):
        return self.commands[-1].linear.x if self.commands else 0.0

    def stands(self, within_s):
        self.ros.spin_until(lambda: self.speed() == 0.0, within_s)


@pytest.fixture
def robot(ros):
    return Robot(ros)


def test_it_drives_to_who_is_locked_and_no_harder_than_it_may(robot):
    speeds = [command.linear.x for command in robot.go(1.6)]
    assert max(speeds) == pytest.approx(0.8, abs=0.1)
    assert max(np.diff(speeds)) < 0.6 * 0.1 + 0.01
    assert all(command.linear.y == command.angular.x == 0.0 for command in robot.commands)


def test_it_turns_to_the_side_where_the_person_is(robot):
    assert robot.go(0.8, place=(3.0, 3.0))[-1].angular.z > 0.5
    assert robot.go(1.2, place=(3.0, -3.0))[-1].angular.z < -0.5


DOUBTS = [
    ({'locked': False}, 'not locked'),
    ({'locked': None}, 'is the reid node alive'),
    ({'place': None}, 'not surely seen'),
    ({'age_s': 2.0}, 'synchronise the clocks'),
    ({'age_s': -3.0}, 'synchronise the clocks'),
    ({'frame': 'somewhere'}, "frame 'somewhere'"),
]


def test_it_stops_on_doubt_and_on_stale_data_and_goes_on_after_it(robot):
    for said, reason in DOUBTS:
        robot.go(0.6)
        assert robot.speed() > 0.15
        robot.go(1.4, **said)
        assert robot.speed() == 0.0, said
        assert reason in robot.node.reason
    robot.go(1.0, locked=False)
    quiet = len(robot.commands)
    robot.go(0.4, locked=False)
    assert len(robot.commands) == quiet, 'after a while others may drive'


def test_a_place_that_is_not_well_known_is_given_more_room(ros, robot):
    sender = ros.publisher(PoseWithCovarianceStamped, 'reid/target/pose_cov')
    ros.spin_until(sender.get_subscription_count)
    assert robot.go(0.5, place=(2.6, 0.0))[-1].linear.x > 0.1
    message = PoseWithCovarianceStamped()
    message.pose.covariance[0] = 0.8**2
    sender.publish(message)
    assert robot.go(0.8, place=(2.6, 0.0))[-1].linear.x == 0.0


def test_nothing_is_said_to_a_base_that_was_never_driven(robot):
    assert robot.go(0.6, locked=False) == []


def test_places_in_the_frame_of_the_odometry_are_seen_from_the_base(robot):
    """The base stands at (2, 3) and looks along y: who is at (2, 8) is straight ahead."""
    robot.go(0.3, place=None, locked=None, base=(2.0, 3.0, np.pi / 2))
    commands = robot.go(1.0, place=(2.0, 8.0), frame='odom', base=(2.0, 3.0, np.pi / 2))
    assert commands[-1].linear.x > 0.3
    assert commands[-1].angular.z == pytest.approx(0.0, abs=0.01)


def test_without_odometry_a_place_in_its_frame_is_no_place(robot):
    robot.go(0.3, place=None, locked=None, base=(2.0, 3.0, 0.0))
    assert robot.go(1.5, place=(9.0, 3.0), frame='odom')[-1].linear.x == 0.0
    assert '/odom is silent' in robot.node.reason


def test_a_pose_in_an_optical_frame_is_turned_to_the_base(robot):
    commands = robot.go(0.8, place=(-1.0, 0.0, 4.0), frame='front_optical')
    assert commands[-1].angular.z > 0.2
    assert commands[-1].linear.x > 0.2


def test_twists_are_stamped_where_that_is_wanted(ros):
    robot = Robot(ros, '-p', 'stamped:=true', command=TwistStamped)
    (command, *_) = robot.go(0.5)
    assert command.header.frame_id == 'base_link'
    assert abs(command.header.stamp.sec - time.time()) < 5
    assert robot.commands[-1].twist.linear.x > 0.0


def test_limits_change_live_within_their_range_and_fixed_settings_do_not(ros, robot):
    set_ = robot.node.set_parameters
    assert set_([Parameter('speed_mps', value=0.3)])[0].successful
    assert max(command.linear.x for command in robot.go(1.2)) == pytest.approx(0.3)
    assert 'out of range' in set_([Parameter('keep_m', value=0.1)])[0].reason
    assert 'at start' in set_([Parameter('source', value='sightings')])[0].reason


def test_a_service_stops_and_allows(ros, robot):
    robot.go(0.8)
    client = ros.node.create_client(SetBool, '/follow_node/enable')
    ros.spin_until(client.service_is_ready)
    future = client.call_async(SetBool.Request(data=False))
    ros.spin_until(future.done)
    assert robot.go(1.2)[-1].linear.x == 0.0
    assert robot.node.reason == 'disabled'
    assert set(np.unique([c.linear.x for c in robot.go(0.5)])) <= {0.0}


def see(robot, *rows, events=()):
    stamp = time.time_ns()
    robot.senders['front/camera_info'].publish(
        CameraInfo(header=header(stamp), height=480, width=640, k=K)
    )
    if events:
        message = DiagnosticArray(status=[event_status(event, {}) for event in events])
        robot.senders['reid/events'].publish(message)
        robot.ros.spin_for(0.05)
    cloud = table_to_cloud(sightings_table(sightings('front', *rows)), header(stamp))
    robot.senders['front/sightings'].publish(cloud)
    robot.ros.spin_for(0.05)


NEAR, FAR = (220, 170, 300, 430), (450, 200, 480, 300)


def test_sightings_alone_suffice_and_the_nearest_is_kept(ros):
    robot = Robot(ros, '-p', 'source:=sightings', '-p', 'camera:=front')
    for _ in range(16):
        see(robot, (1, 5, NEAR), (2, 6, FAR))
    assert robot.commands[-1].linear.x > 0.2
    assert robot.commands[-1].angular.z > 0.0, 'person 5 is to the left'
    for _ in range(20):
        see(robot, (2, 6, NEAR))
    assert robot.speed() == 0.0, 'nobody is followed in the place of another'
    assert 'not locked' in robot.node.reason
    see(robot, (2, 6, NEAR), events=[Event('merged', 6, 0, 'front', 2, previous=5)])
    ros.spin_until(lambda: 'released: merged with person 6' in robot.node.reason)


def test_sightings_need_a_camera(ros):
    with pytest.raises(ConfigError, match='camera: name the camera'):
        FollowNode(context=ros.context, cli_args=['--ros-args', '-p', 'source:=sightings'])


def test_the_process_stops_the_base_when_it_ends(ros):
    commands = ros.heard(Twist, 'cmd_vel')
    process = ros.process('-m', 'reid_ros.ros.follow')
    pose = ros.publisher(PoseStamped, 'reid/target/pose')
    locked = ros.publisher(Bool, 'reid/target/locked')
    ros.spin_until(pose.get_subscription_count)

    def moving():
        message = PoseStamped(header=header(time.time_ns(), 'base_link'))
        message.pose.position.x = 6.0
        pose.publish(message)
        locked.publish(Bool(data=True))
        return commands and commands[-1].linear.x > 0.2

    ros.spin_until(moving)
    process.send_signal(signal.SIGTERM)
    assert ros.finished(process) == 0, process.stdout.read()
    ros.spin_until(lambda: commands[-1].linear.x == 0.0)
    ros.spin_for(0.2)
    assert commands[-1].linear.x == 0.0
