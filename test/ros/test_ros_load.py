"""A node under load over DDS: what it gives up, what it says of it, and when nothing."""

import pytest
from rclpy.parameter import Parameter
from ros_builders import Diagnosis, detections, header, image, reid_node
from sensor_msgs.msg import Image, PointCloud2

from reid_ros.config import CameraConfig, Config, ModelConfig
from reid_ros.ros.table import detections_table, table_to_cloud

PERSON = (10.0, 4.0, 26.0, 46.0)


def settings(**changes):
    return Config(
        model=ModelConfig(detector='none', appearance='colour', gait='gait'),
        camera_names=('a', 'b'),
        cameras=dict.fromkeys(('a', 'b'), CameraConfig(detections='table')),
        **changes,
    )


class Cameras:
    """Two cameras that see one person each."""

    def __init__(self, ros):
        self.ros = ros
        self.images = {n: ros.publisher(Image, f'/{n}/image') for n in 'ab'}
        self.tables = {n: ros.publisher(PointCloud2, f'/{n}/detections_table') for n in 'ab'}
        self.clouds = {n: ros.heard(PointCloud2, f'/{n}/sightings') for n in 'ab'}

    def send(self, times):
        for _ in range(times):
            stamp = self.ros.node.get_clock().now().nanoseconds
            for name in 'ab':
                found = detections_table(detections(PERSON))
                self.tables[name].publish(table_to_cloud(found, header(stamp)))
                self.images[name].publish(image(stamp))
            self.ros.spin_for(0.04)


@pytest.fixture
def cameras(ros):
    return Cameras(ros)


def ready(ros, node, cameras):
    ros.spin_until(
        lambda: all(
            p.get_subscription_count()
            for p in (*cameras.images.values(), *cameras.tables.values())
        )
    )
    ros.spin_for(0.3)


def while_sending(cameras, condition):
    """Send until condition() is true."""
    for _ in range(60):
        cameras.send(10)
        if condition():
            return
    pytest.fail('not within 600 images')


def test_a_node_that_cannot_keep_its_limit_says_what_it_gives_up_and_serves_everybody(
    ros, cameras
):
    node = reid_node(ros, settings(max_latency_s=0.0005))
    told = Diagnosis(ros)
    ready(ros, node, cameras)
    while_sending(cameras, lambda: int(told.value('a', 'gait_wanted') or 0) > 5)
    ros.spin_for(1.2)
    assert told.value('a', 'gait_given_up') == told.value('a', 'gait_wanted')
    assert float(told.value('a', 'given_up_gait')) == 1.0
    assert told.value('node', 'given_up_reason').startswith('work asks for')
    ros.spin_until(lambda: len(cameras.clouds['a']) > 3 and len(cameras.clouds['b']) > 3)

    node.set_parameters([Parameter('max_latency_s', value=30.0)])
    ros.spin_for(0.5)
    before = int(told.value('a', 'gait_given_up'))
    wanted = int(told.value('a', 'gait_wanted'))
    while_sending(cameras, lambda: int(told.value('a', 'gait_wanted')) > wanted + 5)
    assert int(told.value('a', 'gait_given_up')) == before, 'there is time for everything now'


def test_without_a_limit_and_for_bags_nothing_is_given_up(ros, cameras):
    node = reid_node(ros, settings(late_frame_policy='process_all', max_latency_s=0.0005))
    assert node.eyes.budget is None
    told = Diagnosis(ros)
    ready(ros, node, cameras)
    cameras.send(8)
    ros.spin_until(lambda: told.value('a', 'processed') not in (None, '0'))
    assert told.value('a', 'given_up_gait') is None
    node.trigger_deactivate()
    node.trigger_cleanup()
    node.set_parameters(
        [
            Parameter('late_frame_policy', value='drop_oldest'),
            Parameter('max_latency_s', value=0.0),
        ]
    )
    assert node.start(), node.problem
    ready(ros, node, cameras)
    cameras.send(8)
    ros.spin_until(lambda: told.value('node', 'given_up_reason') == 'max_latency_s is 0')
    ros.spin_until(lambda: told.value('a', 'given_up_gait') is not None)
    assert float(told.value('a', 'given_up_gait')) == 0.0
    assert told.value('a', 'gait_wanted') == '0', 'nobody counts where nothing is given up'
