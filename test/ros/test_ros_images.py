"""Images over real DDS, from other processes, and what bad ones do."""

import json
import time
from array import array

import pytest
from rclpy.qos import ReliabilityPolicy
from ros_builders import Diagnosis, config, detections, header, image, reid_node
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from reid_ros.config import CameraConfig
from reid_ros.ros.table import cloud_to_table, detections_table, table_to_cloud

S = 1_000_000_000
BLIND = CameraConfig(detections='none')


def now_ns():
    return time.time_ns()


@pytest.mark.parametrize(
    ('arguments', 'transport', 'tuned'),
    [
        ((), 'raw', False),
        (('--best-effort',), 'raw', True),
        (('--compressed',), 'compressed', False),
        (('--compressed', '--best-effort'), 'compressed', True),
    ],
    ids=['raw-reliable-untuned', 'raw-best-effort-tuned', 'jpeg-reliable', 'jpeg-best-effort'],
)
def test_every_image_of_other_processes_reaches_the_slot(ros, arguments, transport, tuned):
    camera = CameraConfig(detections='none', transport=transport)
    node = reid_node(ros, config('a', 'b', camera=camera))
    publishers = [
        ros.process(
            '-m',
            'reid_ros.ros.publish',
            name,
            '--images',
            '12',
            '--rate',
            '6',
            *arguments,
            tuned=tuned,
        )
        for name in 'ab'
    ]
    for publisher in publishers:
        assert ros.finished(publisher) == 0, publisher.stdout.read()
        sent = json.loads(publisher.stdout.read().splitlines()[-1])
        for name, number in sent.items():
            camera = node.cameras[name]
            assert camera.health.counts['received'] == number == 12
            assert camera.missing == camera.images.lost == 0
            used = camera.health.counts['processed'] + camera.health.counts['dropped_by_policy']
            assert used == 12
            assert camera.images.reliable == ('--best-effort' not in arguments)


def test_images_lost_by_an_untuned_best_effort_publisher_are_counted_and_told(ros):
    node = reid_node(ros, config('a', camera=BLIND))
    diagnosis = Diagnosis(ros)
    arguments = ('a', '--images', '40', '--rate', '15', '--best-effort')
    publisher = ros.process('-m', 'reid_ros.ros.publish', *arguments, tuned=False)
    assert ros.finished(publisher) == 0, publisher.stdout.read()
    received = node.cameras['a'].health.counts['received']
    assert received < 38
    ros.spin_until(lambda: diagnosis.says('a', 'the segment of the *publisher* counts'))
    assert int(diagnosis.value('a', 'lost_before_slot')) >= 6


def test_process_all_uses_every_image_in_moments(ros):
    node = reid_node(ros, config('a', 'b', camera=BLIND, late_frame_policy='process_all'))
    sightings = {name: ros.heard(PointCloud2, f'{name}/sightings') for name in 'ab'}
    senders = {name: ros.publisher(Image, f'{name}/image') for name in 'ab'}
    ros.spin_until(lambda: all(p.get_subscription_count() for p in senders.values()))
    ros.spin_until(lambda: all(c.images.publishers() for c in node.cameras.values()))
    start = now_ns() - S
    for i in range(30):  # faster than they can be used one by one in a slot
        for sender in senders.values():
            sender.publish(image(start + i * S // 30))
        ros.executor.spin_once(timeout_sec=0.01)
    node.cameras['a'].opened_s = node.cameras['b'].opened_s = 0.0
    ros.spin_until(lambda: all(len(heard) == 30 for heard in sightings.values()))
    stamps = [m.header.stamp.sec * S + m.header.stamp.nanosec for m in sightings['a']]
    assert stamps == [start + i * S // 30 for i in range(30)]


def test_a_silent_camera_does_not_hold_up_the_others_under_process_all(ros):
    settings = config(
        'a', 'mute', camera=BLIND, late_frame_policy='process_all', silent_after_s=0.3
    )
    reid_node(ros, settings)
    heard = ros.heard(PointCloud2, 'a/sightings')
    sender = ros.publisher(Image, 'a/image')
    ros.spin_until(sender.get_subscription_count)
    sender.publish(image(now_ns() - S))
    ros.spin_until(lambda: len(heard) == 1, 5.0)


def test_a_clock_that_was_never_set_does_not_hold_up_the_others_under_process_all(ros):
    policy = {'late_frame_policy': 'process_all', 'queue_images': 10}
    reid_node(ros, config('right', 'unset', camera=BLIND, **policy))
    heard = ros.heard(PointCloud2, 'right/sightings')
    diagnosis = Diagnosis(ros)
    right, unset = (ros.publisher(Image, f'{name}/image') for name in ('right', 'unset'))
    ros.spin_until(lambda: right.get_subscription_count() and unset.get_subscription_count())
    start = now_ns() - 10 * S
    for i in range(40):
        right.publish(image(start + i * S // 10))
        unset.publish(image(100 * S + i * S // 10))
        ros.spin_for(0.02)
    ros.spin_until(lambda: len(heard) >= 15)
    ros.spin_until(lambda: diagnosis.says('right', 'far ahead of those of other cameras'))
    assert int(diagnosis.value('right', 'dropped_by_policy')) == 10


def send(ros, sender, *messages):
    for message in messages:
        sender.publish(message)
        ros.spin_for(0.03)


def jpeg(stamp_ns, data):
    message = CompressedImage(header=header(stamp_ns), format='jpeg')
    message.data = array('B', data)
    return message


def cut(message):
    message.data = message.data[:100]
    return message


BAD = {
    'zero stamp': (lambda: [image(0)], 'stamp 0', 'bad_stamps'),
    'future stamp': (lambda: [image(now_ns() + 60 * S)], 'synchronise the clocks', 'bad_stamps'),
    'jump back': (
        lambda: [image(now_ns()), image(now_ns() - 100 * S)],
        'stamps jumped back',
        'jumps',
    ),
    'twice': (lambda: [image(5 * S), image(5 * S)], 'out of order or twice', 'bad_stamps'),
    'resolution': (
        lambda: [image(now_ns()), image(now_ns() + S // 10, 96, 128)],
        'resolution changed',
        'resolution_changes',
    ),
    'too little data': (lambda: [cut(image(now_ns()))], 'cut off', 'undecodable'),
    'unknown encoding': (
        lambda: [image(now_ns(), encoding='bayer_rggb8')],
        'cv_bridge',
        'undecodable',
    ),
}


@pytest.mark.parametrize(('messages', 'words', 'count'), BAD.values(), ids=BAD.keys())
def test_a_bad_image_is_told_and_the_other_camera_goes_on(ros, messages, words, count):
    node = reid_node(ros, config('bad', 'good', camera=BLIND))
    diagnosis = Diagnosis(ros)
    good = ros.heard(PointCloud2, 'good/sightings')
    senders = [ros.publisher(Image, f'{name}/image') for name in ('bad', 'good')]
    ros.spin_until(lambda: all(sender.get_subscription_count() for sender in senders))
    send(ros, senders[0], *messages())
    ros.spin_until(lambda: diagnosis.says('bad', words), why=words)
    assert node.cameras['bad'].health.counts[count] == 1
    assert diagnosis.status('bad').level != b'\x00'
    before = len(good)
    send(ros, senders[1], image(now_ns()))
    ros.spin_until(lambda: len(good) > before)
    # The bad camera is used again as soon as it sends a good image.
    used = node.cameras['bad'].health.counts['processed']
    send(ros, senders[0], image(now_ns() + S // 2))
    ros.spin_until(lambda: node.cameras['bad'].health.counts['processed'] > used)


@pytest.mark.parametrize('data', [b'', b'\xff\xd8 no picture', b'\xff\xd8' + bytes(500)])
def test_empty_and_corrupt_jpegs_are_told(ros, data):
    camera = CameraConfig(detections='none', transport='compressed')
    node = reid_node(ros, config('a', camera=camera))
    diagnosis = Diagnosis(ros)
    sender = ros.publisher(CompressedImage, 'a/image/compressed')
    ros.spin_until(sender.get_subscription_count)
    send(ros, sender, jpeg(now_ns(), data))
    ros.spin_until(lambda: diagnosis.says('a', 'cannot be decoded'))
    assert node.cameras['a'].health.counts['undecodable'] == 1


def test_a_camera_that_never_sends_is_told_and_the_visible_topics_are_listed(ros, capfd):
    reid_node(ros, config('hall', camera=BLIND, silent_after_s=0.5))
    diagnosis = Diagnosis(ros)
    other = ros.publisher(Image, '/lobby/image_raw')
    ros.spin_until(lambda: diagnosis.says('hall', 'nobody publishes /hall/image'))
    assert diagnosis.status('hall').level == b'\x02'
    said = ''

    def hinted():
        nonlocal said
        said += ''.join(capfd.readouterr())
        return 'image_topic: /lobby/image_raw' in said

    ros.spin_until(hinted)
    assert 'camera_names: [cam1]' in said
    assert other.topic_name == '/lobby/image_raw'


def test_auto_takes_reliable_images_and_follows_a_best_effort_publisher(ros):
    node = reid_node(ros, config('a', camera=BLIND))
    images = node.cameras['a'].images
    first = ros.publisher(Image, 'a/image')
    ros.spin_until(first.get_subscription_count)
    assert images.reliable
    second = ros.publisher(Image, 'a/image', reliability=ReliabilityPolicy.BEST_EFFORT)
    ros.spin_until(second.get_subscription_count, 5.0, 'auto follows')
    assert not images.reliable
    ros.node.destroy_publisher(second)
    ros.spin_until(lambda: images.reliable, 5.0, 'auto goes back')
    assert images.mismatches == 0


def test_a_qos_misfit_is_a_named_error(ros):
    node = reid_node(ros, config('a', camera=CameraConfig(detections='none', qos='reliable')))
    diagnosis = Diagnosis(ros)
    ros.publisher(Image, 'a/image', reliability=ReliabilityPolicy.BEST_EFFORT)
    ros.spin_until(lambda: diagnosis.says('a', 'incompatible QoS on /a/image'))
    assert 'reliability' in diagnosis.status('a').message
    assert node.cameras['a'].images.mismatches == 1


def test_a_qos_override_settles_the_reliability(ros):
    node = reid_node(
        ros,
        config('a', camera=BLIND),
        '-p',
        'qos_overrides./a/image.subscription.reliability:=best_effort',
    )
    sender = ros.publisher(Image, 'a/image')
    ros.spin_until(sender.get_subscription_count)
    info = node.get_subscriptions_info_by_topic('/a/image')
    assert [i.qos_profile.reliability for i in info] == [ReliabilityPolicy.BEST_EFFORT]


def test_images_are_thinned_to_max_rate(ros):
    camera = CameraConfig(detections='none', max_rate_hz=10.0)
    node = reid_node(ros, config('a', camera=camera, late_frame_policy='process_all'))
    sender = ros.publisher(Image, 'a/image')
    ros.spin_until(sender.get_subscription_count)
    start = now_ns() - 2 * S
    for i in range(31):
        sender.publish(image(start + i * S // 30))
    counts = node.cameras['a'].health.counts
    ros.spin_until(lambda: counts['received'] == 31)
    assert counts['thinned'] == 20


def test_detections_from_elsewhere_join_their_image_and_become_tracks(ros):
    reid_node(ros, config('a'))
    heard = ros.heard(PointCloud2, 'a/sightings')
    images = ros.publisher(Image, 'a/image')
    tables = ros.publisher(PointCloud2, 'a/detections_table')
    ros.spin_until(lambda: images.get_subscription_count() and tables.get_subscription_count())
    start = now_ns() - 2 * S
    for i in range(12):
        stamp = start + i * S // 10
        images.publish(image(stamp))
        if i % 3 < 2:  # a detector that skips every third image
            found = detections((10 + i, 5, 30 + i, 45))
            tables.publish(table_to_cloud(detections_table(found), header(stamp)))
        ros.spin_for(0.03)
    ros.spin_until(lambda: len(heard) == 8)
    row = cloud_to_table(heard[-1])[0]
    assert heard[-1].header == header(start + 10 * S // 10)
    assert (row['x0'], row['y0'], row['x1'], row['y1']) == pytest.approx((20, 5, 40, 45), abs=1)
    assert row['track'] == 1


def test_a_table_without_a_score_is_told(ros):
    reid_node(ros, config('a'))
    diagnosis = Diagnosis(ros)
    tables = ros.publisher(PointCloud2, 'a/detections_table')
    ros.spin_until(tables.get_subscription_count)
    table = detections_table(detections((1, 2, 3, 4)))[['x0', 'y0', 'x1', 'y1']]
    tables.publish(table_to_cloud(table, header(S)))
    ros.spin_until(lambda: diagnosis.says('a', 'lacks score'))


def test_sim_time_without_a_clock_is_told(ros):
    reid_node(ros, config('a', camera=BLIND), '-p', 'use_sim_time:=true')
    diagnosis = Diagnosis(ros)
    sender = ros.publisher(Image, 'a/image')
    ros.spin_until(sender.get_subscription_count)
    send(ros, sender, image(now_ns()))
    ros.spin_until(lambda: diagnosis.says('a', 'use_sim_time is set but /clock says nothing'))
