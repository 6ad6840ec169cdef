"""The client of Nav2's FollowObject, on a class with exactly the fields of the official action."""

import sys
import time
from dataclasses import dataclass, field
from types import ModuleType

import pytest
from builtin_interfaces.msg import Duration
from std_msgs.msg import Bool

from reid_ros.ros.follow_object import FollowObject, MissingNav2Error, action, goal, reason


@dataclass(slots=True)
class Goal:
    pose_topic: str = ''
    tracked_frame: str = ''
    max_duration: Duration = field(default_factory=Duration)


@dataclass
class Result:
    total_elapsed_time: Duration = field(default_factory=Duration)
    error_code: int = 0
    num_retries: int = 0
    error_msg: str = ''


CODES = {
    'NONE': 0, 'GOAL_REJECTED': 1, 'SEND_GOAL_FAILURE': 2, 'TF_ERROR': 901,
    'FAILED_TO_DETECT_OBJECT': 902, 'FAILED_TO_CONTROL': 903, 'TIMEOUT': 904, 'UNKNOWN': 999,
}  # fmt: skip
for _name, _code in CODES.items():
    setattr(Result, _name, _code)


class Action:
    """nav2_msgs/action/FollowObject."""

    Goal, Result = Goal, Result


class Future:
    def __init__(self):
        self.callbacks, self.value = [], None

    def add_done_callback(self, callback):
        self.callbacks.append(callback)

    def done(self, value):
        self.value = value
        for callback in self.callbacks:
            callback(self)

    def result(self):
        return self.value


class Handle:
    def __init__(self, accepted=True):
        self.accepted, self.cancelled, self.end = accepted, 0, Future()

    def cancel_goal_async(self):
        self.cancelled += 1

    def get_result_async(self):
        return self.end


class Server:
    """Stands in for rclpy's ActionClient: actions need a type support that the wheels lack."""

    def __init__(self):
        self.ready, self.goals = True, []

    def __call__(self, node, kind, name):
        self.made = (kind, name)
        return self

    def server_is_ready(self):
        return self.ready

    def send_goal_async(self, wanted):
        self.goals.append((wanted, Future()))
        return self.goals[-1][1]


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def node(ros, server):
    return ros.add(FollowObject(Action, server, context=ros.context))


@pytest.fixture
def say(ros, node):
    sender = ros.publisher(Bool, 'reid/target/locked')
    ros.spin_until(sender.get_subscription_count)

    def locked(value, until, timeout_s=5.0):
        end = time.monotonic() + timeout_s
        while not until():
            assert time.monotonic() < end
            sender.publish(Bool(data=value))
            ros.spin_for(0.05)

    return locked


def test_a_goal_has_the_fields_of_the_action():
    wanted = goal(Action, '/reid/target/pose', max_s=2.5)
    assert wanted == Goal('/reid/target/pose', '', Duration(sec=2, nanosec=500_000_000))
    assert goal(Action, '', 'person_7').tracked_frame == 'person_7'


def test_an_end_is_told_in_the_word_of_the_action():
    assert reason(Action, Result(error_code=902, error_msg='gone')) == (
        'FAILED_TO_DETECT_OBJECT: gone'
    )
    assert reason(Action, Result()) == 'NONE'


def test_nav2_is_asked_while_the_target_is_locked_and_told_to_stop_in_doubt(say, node, server):
    say(False, lambda: node.state == 'waits for the target')
    assert server.goals == []
    say(True, lambda: len(server.goals) == 1)
    assert server.made == (Action, 'follow_object')
    assert server.goals[0][0].pose_topic == '/reid/target/pose'
    handle = Handle()
    server.goals[0][1].done(handle)
    assert node.state == 'Nav2 follows'
    say(False, lambda: handle.cancelled == 1)
    handle.end.done(type('Answer', (), {'result': Result(error_code=902)}))
    assert node.state == 'Nav2 ended: FAILED_TO_DETECT_OBJECT'
    say(True, lambda: len(server.goals) == 2)


def test_a_goal_that_is_accepted_too_late_is_cancelled(say, node, server):
    say(True, lambda: len(server.goals) == 1)
    handle = Handle()
    say(False, lambda: not node._locked)
    server.goals[0][1].done(handle)
    say(False, lambda: handle.cancelled == 1)


def test_a_dead_reid_node_stops_nav2(ros, say, node, server):
    say(True, lambda: len(server.goals) == 1)
    handle = Handle()
    server.goals[0][1].done(handle)
    ros.spin_until(lambda: handle.cancelled == 1, 3.0)


def test_without_nav2_the_error_says_what_to_install():
    with pytest.raises(MissingNav2Error, match='nav2-msgs'):
        action()


@pytest.mark.parametrize('package', ['nav2_msgs', 'opennav_following_msgs'])
def test_the_action_is_found_where_the_distribution_has_it(monkeypatch, package):
    module = ModuleType(f'{package}.action')
    module.FollowObject = Action
    monkeypatch.setitem(sys.modules, package, ModuleType(package))
    monkeypatch.setitem(sys.modules, f'{package}.action', module)
    assert action() is Action
