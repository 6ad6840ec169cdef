"""Faults of the field before the live node: what must go on goes on, and nothing wrong is said."""

import resource
import struct
import time

import pytest
import rclpy
from players import Players, S, message, picture, settings
from rclpy.qos import ReliabilityPolicy
from rclpy.serialization import serialize_message
from ros_builders import Diagnosis, header, image, reid_node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from reid_ros.config import CameraConfig, GalleryConfig
from reid_ros.ros import picture as pictures
from reid_ros.ros.convert import byte_array
from reid_ros.ros.subscribe import Subscription

PEOPLE = {'a': (0, 1), 'b': (2, 3)}
HOUR_NS = 3600 * S


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def rss_mb():
    with open('/proc/self/statm', encoding='ascii') as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def started(ros, *arguments, **more):
    node = reid_node(ros, settings('a', 'b', **more), *arguments)
    players = Players(ros, 'a', 'b', ago_s=3 * 3600)
    players.connect()
    return node, players


def test_a_camera_that_goes_and_comes_back_otherwise_finds_its_people_again(ros):
    node, players = started(ros)
    diagnosis = Diagnosis(ros)
    known = players.know(PEOPLE)
    ros.node.destroy_publisher(players.images['a'])
    players.show(100, PEOPLE, names=['b'])
    players.answered('b')
    ros.spin_until(lambda: diagnosis.says('a', 'nobody publishes /a/image'))
    assert 'publishes' not in diagnosis.status('b').message
    players.images['a'] = ros.publisher(Image, 'a/image')
    players.scale['a'], players.encoding['a'] = 2, 'rgb8'
    players.connect()
    assert players.know(PEOPLE) == known
    assert node.cameras['a'].health.counts['resolution_changes'] == 1
    assert all(len(numbers) == 1 for numbers in players.numbers().values())
    players.check()


@pytest.mark.parametrize(('ago_s', 'words'), [(0.0, ''), (1.0, 'segment'), (60.0, 'clocks')])
def test_images_that_come_late_are_told_with_the_likely_reason(ros, ago_s, words):
    reid_node(ros, settings('a', max_latency_s=0.9))
    images, diagnosis = ros.publisher(Image, 'a/image'), Diagnosis(ros)
    ros.spin_until(images.get_subscription_count)
    for _ in range(20):
        images.publish(image(time.time_ns() - round(ago_s * S)))
        ros.spin_for(0.02)

    def told():
        return diagnosis.value('a', 'received') == '20'

    ros.spin_until(told, why='all images are counted')
    said = diagnosis.status('a').message
    assert ('after their stamp' in said) == bool(words)
    assert words in said
    assert float(diagnosis.value('a', 'arrival_p95_ms')) >= 1e3 * ago_s


def raw(**changes):
    result = image(time.time_ns())
    for name, value in changes.items():
        setattr(result, name, value)
    return result


def stamped(sec, nanosec):
    result = image(time.time_ns())
    result.header.stamp.sec, result.header.stamp.nanosec = sec, nanosec
    return result


def compressed(data):
    return CompressedImage(header=header(time.time_ns()), format='jpeg', data=byte_array(data))


def jpeg(height, width):
    """A small JPEG that says it is of another size."""
    data = bytes(pictures.jpeg(header(0), picture((), 0)).data)
    at = data.index(b'\xff\xc0') + 5
    return data[:at] + struct.pack('>HH', height, width) + data[at + 4 :]


def nameless():
    """An image whose frame is no UTF-8, as a C++ driver may send it."""
    data = serialize_message(message(picture((), 0), time.time_ns()))
    assert data.count(b'lens') == 1
    return data.replace(b'lens', b'\xff\xfe\x80s')


UNDECODABLE = {
    'short rows': lambda: raw(step=5),
    'no data': lambda: raw(data=[]),
    'no picture': lambda: raw(height=0, width=0),
    'huge': lambda: raw(height=2**31, width=2**31, step=2**32 - 1),
    'huge without a step': lambda: raw(height=2**31, width=2**30, step=0),
    'an encoding of noise': lambda: raw(encoding='\x00\x7f' * 200),
    'odd chroma': lambda: raw(encoding='nv12', height=47, width=63, step=63),
}
BAD_STAMPS = {
    'before time': lambda: stamped(-5, 0),
    'no nanoseconds': lambda: stamped(int(time.time()) - 5, 4_000_000_000),
    'the end of time': lambda: stamped(2**31 - 1, 999_999_999),
}
BAD_FILES = {
    'nothing': lambda: compressed(b''),
    'cut': lambda: compressed(jpeg(180, 240)[:-2000]),
    'a bomb': lambda: compressed(jpeg(65000, 65000)),
    'a wide bomb': lambda: compressed(jpeg(30000, 30000)),
}


def test_garbage_images_cost_nothing_and_say_nothing(ros):
    blind = CameraConfig(detections='none')
    config = settings('a', 'b', 'raw', 'jpeg', late_frame_policy='drop_oldest')
    config.cameras.update(raw=blind, jpeg=CameraConfig(detections='none', transport='compressed'))
    node = reid_node(ros, config)
    players = Players(ros, 'a', 'b')
    said = {name: ros.heard(PointCloud2, f'{name}/sightings') for name in ('raw', 'jpeg')}
    raws = ros.publisher(Image, 'raw/image')
    jpegs = ros.publisher(CompressedImage, 'jpeg/image/compressed')
    players.connect()
    ros.spin_until(lambda: raws.get_subscription_count() and jpegs.get_subscription_count())
    known = players.know(PEOPLE)
    peak = peak_mb()
    garbage = [*UNDECODABLE.values(), *BAD_STAMPS.values()]
    counts = {name: camera.health.counts for name, camera in node.cameras.items()}
    for i, make in enumerate(2 * garbage):
        raws.publish(make())
        jpegs.publish(list(BAD_FILES.values())[i % len(BAD_FILES)]())
        players.show(2, PEOPLE)
        ros.spin_until(
            lambda i=i: counts['raw']['received'] == counts['jpeg']['undecodable'] == i + 1
        )
    assert counts['raw']['undecodable'] == 2 * len(UNDECODABLE)
    assert peak_mb() - peak < 120
    assert players.know(PEOPLE) == known
    # Two of the bad stamps are times: the image is good, and nobody is in it.
    assert all(cloud.width == 0 for cloud in said['raw'])
    assert said['jpeg'] == []
    used = len(said['raw'])
    raws.publish(nameless())
    jpegs.publish(pictures.jpeg(header(time.time_ns()), picture((), 0)))
    ros.spin_until(lambda: len(said['raw']) > used and said['jpeg'])
    players.check()


@pytest.mark.parametrize('hours', [-2, 2])
def test_a_camera_whose_clock_jumps_keeps_its_people_and_spares_the_others(ros, hours):
    node, players = started(ros, late_frame_policy='drop_oldest')  # the live node's
    known = players.know(PEOPLE)
    for shift in (hours * HOUR_NS, 0):
        players.shift_ns['a'] = shift
        before = len(players.said['b'])
        players.show(40, PEOPLE)
        assert players.know(PEOPLE) == known
        assert set(players.numbers('b', since=before)[2]) == {known['b'][2]}
    assert node.cameras['a'].health.counts['jumps'] == 1
    assert all(len(numbers) == 1 for numbers in players.numbers().values())
    players.check()


def test_a_camera_in_the_future_is_told_and_not_used(ros):
    _, players = started(ros)
    diagnosis = Diagnosis(ros)
    known = players.know(PEOPLE)
    players.answered('a', 'b')
    players.shift_ns['a'] = 24 * HOUR_NS
    before = len(players.said['a'])
    players.show(30, PEOPLE)
    ros.spin_until(lambda: diagnosis.says('a', 'synchronise the clocks'))
    assert len(players.said['a']) == before
    players.shift_ns['a'] = 0
    assert players.know(PEOPLE) == known
    players.check()


@pytest.mark.parametrize('hours', [-5, 5])
def test_simulated_time_that_jumps_leaves_everybody_who_they_are(ros, hours):
    node, players = started(ros, '-p', 'use_sim_time:=true', gallery=GalleryConfig(ttl_s=86400.0))
    players.clock = ros.publisher(Clock, '/clock')
    players.tell_time()
    ros.spin_until(lambda: node.get_clock().now().nanoseconds > 0)
    known = players.know(PEOPLE)
    for jump in (hours, -hours):
        players.now_ns += jump * HOUR_NS
        players.tell_time()
        players.show(30, PEOPLE)
        assert players.know(PEOPLE) == known
    assert all(len(numbers) == 1 for numbers in players.numbers().values())
    players.check()


def test_a_subscription_made_anew_while_it_is_spoken_to_ends_nobody(ros):
    """rclpy's events executor looks at events of subscriptions destroyed a moment before."""
    experimental = pytest.importorskip('rclpy.experimental')
    node = rclpy.create_node('listener', context=ros.context)
    executor = experimental.EventsExecutor(context=ros.context)
    executor.add_node(node)
    sender = ros.publisher(Image, 'x', reliability=ReliabilityPolicy.BEST_EFFORT)
    subscription = Subscription(node, Image, 'x', print, 'auto', 5, watched=True)

    def again():
        subscription.destroy()
        subscription._open()  # reliable: does not fit

    node.create_timer(0.01, again)
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        sender.publish(Image())
        executor.spin_once(timeout_sec=0.005)
    executor.shutdown()
    node.destroy_node()
    assert subscription.unsettled
