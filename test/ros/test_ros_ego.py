"""A robot's cameras are tracked with its odometry, live as in replay."""

import threading
import time

import clips
import pytest
import turning
from clips import MS, STORE, S
from nav_msgs.msg import Odometry
from ros_builders import Diagnosis, reid_node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from reid_ros.drive import Drive
from reid_ros.pipeline import Pipeline
from reid_ros.replay.topics import cameras
from reid_ros.ros.base import Base
from reid_ros.ros.table import cloud_to_table, sightings_table, table_sightings

KINDS = {
    '/eye/image': Image,
    '/eye/detections_table': PointCloud2,
    '/eye/camera_info': CameraInfo,
    '/odom': Odometry,
}


class Player:
    """Publishes the messages of a bag as they are, in lockstep with the node's sightings."""

    def __init__(self, ros, node):
        self.ros = ros
        self.heard = ros.heard(PointCloud2, 'eye/sightings')
        self.senders = {topic: ros.publisher(kind, topic) for topic, kind in KINDS.items()}
        wanted = [s for t, s in self.senders.items() if t != '/odom' or node.eyes.base is not None]
        ros.spin_until(lambda: all(sender.get_subscription_count() for sender in wanted))
        ros.spin_for(0.4)

    def play(self, content, ahead=3):
        """Publish; at most `ahead` images wait for their sightings."""
        images = 0
        for topic, _, message in content:
            if topic == '/eye/image':
                images += 1
                self.ros.spin_until(lambda n=images: len(self.heard) >= n - ahead)
            self.send(topic, message)
        return images

    def drip(self, node, content):
        """Publish, and let every message do its work before the next."""
        poses = images = 0
        for topic, _, message in content:
            self.send(topic, message)
            poses += topic == '/odom'
            images += topic == '/eye/image'
            self.ros.spin_until(lambda n=poses: node.eyes.base._odometry.received >= n)
            if topic == '/eye/detections_table':
                self.ros.spin_until(lambda n=images: len(self.heard) >= n)
        return images

    def send(self, topic, message):
        self.senders[topic].publish(bytes(STORE.serialize_cdr(message, message.__msgtype__)))
        self.ros.executor.spin_once(timeout_sec=0.0)

    def sightings(self, number):
        self.ros.spin_until(lambda: len(self.heard) >= number)
        result = []
        for cloud in self.heard:
            stamp = cloud.header.stamp.sec * S + cloud.header.stamp.nanosec
            result.append(table_sightings(cloud_to_table(cloud), 'eye', stamp))
        return result


def replayed(path, config):
    sources = cameras([path], config=config)
    notebook = turning.Notebook(sources)
    with Pipeline.load(config) as pipeline:
        Drive(pipeline, sources, notebook).run()
    return notebook.sightings


def settings(**changes):
    return turning.settings(late_frame_policy='process_all', silent_after_s=5.0, **changes)


def test_a_bag_played_to_the_node_and_replayed_gives_equal_sightings(ros, tmp_path, monkeypatch):
    # How long is waited is tested below; here a busy machine must not be taken for a silent base.
    monkeypatch.setattr('reid_ros.ros.base.WAIT_S', 5.0)
    monkeypatch.setattr('reid_ros.ros.base.WAIT_BURST_S', 60.0)
    content = turning.content()
    expected = replayed(clips.bag(tmp_path / 'bag', content), settings())
    node = reid_node(ros, settings())
    player = Player(ros, node)
    live = player.sightings(player.play(content))
    assert node.cameras['eye'].health.counts['no_odometry'] == 0
    for one, other in zip(live, expected):
        assert sightings_table(one).tolist() == sightings_table(other).tolist()
    assert len(live) == len(expected) == 40
    assert turning.switches(live) == 0


def test_without_a_mount_the_same_people_change_their_numbers(ros):
    node = reid_node(ros, settings(mount=False))
    player = Player(ros, node)
    live = player.sightings(player.play(turning.content()))
    assert turning.switches(live) > 20


def test_the_live_policy_carries_the_last_motion_on_and_bridges_what_was_dropped(ros):
    """Odometry comes 45 ms late, which nobody waits for; every fifth image is not there."""
    node = reid_node(ros, turning.settings())
    player = Player(ros, node)
    content = turning.content(late_ns=45 * MS, step_ns=100 * MS)
    kept = [
        item for item in content if item[0] != '/eye/image' or (item[1] // (100 * MS)) % 5
    ]  # fmt: skip
    live = player.sightings(player.drip(node, kept))
    assert node.cameras['eye'].health.counts['no_odometry'] == 0
    assert len(live) == 32
    assert turning.switches(live) == 0


@pytest.mark.parametrize(
    ('missing', 'words'),
    [
        ('/odom', 'nothing came on /odom: start the base, or set odom_topic'),
        ('/eye/camera_info', 'no usable camera_info on /eye/camera_info'),
    ],
)
def test_what_is_missing_is_counted_and_said(ros, missing, words):
    node = reid_node(ros, settings())
    diagnosis = Diagnosis(ros)
    player = Player(ros, node)
    player.sightings(player.play(turning.content(8, without=(missing,))))
    ros.spin_until(lambda: diagnosis.says('eye', words))
    kind = 'no_odometry' if missing == '/odom' else 'no_camera_info'
    ros.spin_until(lambda: diagnosis.value('eye', kind) == '7')


def waited(base, stamp_ns):
    began = time.monotonic()
    base.expect({'eye': stamp_ns})
    return time.monotonic() - began


def test_late_odometry_is_waited_for_and_silent_odometry_is_not(ros, monkeypatch):
    monkeypatch.setattr('reid_ros.ros.base.WAIT_S', 1.0)
    monkeypatch.setattr('reid_ros.ros.base.WAIT_BURST_S', 60.0)
    base = Base(ros.node, settings())
    assert waited(base, S) > 0.9
    assert waited(base, S) < 0.5
    base._on_odometry(turning.odometry(S, turning.base(0.0)))
    assert waited(base, S) < 0.5
    assert waited(base, 2 * S) > 0.9
    assert waited(base, 3 * S) < 0.5
    timer = threading.Timer(0.1, base._on_odometry, [turning.odometry(4 * S, turning.base(3.0))])
    base._on_odometry(turning.odometry(3 * S, turning.base(2.0)))
    timer.start()
    assert 0.05 < waited(base, 4 * S) < 0.9
    base.destroy()


def test_odometry_that_is_always_too_late_takes_a_small_share_of_the_time(ros):
    base = Base(ros.node, settings())
    total = 0.0
    for i in range(1, 40):
        base._on_odometry(turning.odometry(i * S, turning.base(0.0)))
        total += waited(base, i * S + MS)
    assert total < 0.9
    base.destroy()


def test_the_live_policy_waits_for_nothing(ros):
    base = Base(ros.node, turning.settings())
    assert waited(base, S) < 0.05
    base.destroy()


def test_the_node_hears_odometry_only_for_cameras_that_ride(ros):
    node = reid_node(ros, settings(mount=False), start=False)
    assert node.start()
    assert node.eyes.base is None
    assert not [i for i in node.subscriptions if i.topic_name == '/odom']
    node.trigger_deactivate()
    node.trigger_cleanup()


def test_an_activation_subscribes_and_a_deactivation_leaves(ros):
    node = reid_node(ros, settings(odom_topic='wheels/odom'))
    assert [i.topic_name for i in node.subscriptions if 'odom' in i.topic_name] == ['/wheels/odom']
    node.trigger_deactivate()
    assert not [i for i in node.subscriptions if 'odom' in i.topic_name]
