"""What the README promises: which parameters are live, and services that answer in every state."""

import sqlite3

import networks
import pytest
from rclpy.parameter import Parameter
from ros_builders import config, reid_node
from std_srvs.srv import SetBool, Trigger

from reid_ros.config import GalleryConfig, ModelConfig
from reid_ros.ros.parameters import FIXED

LIVE = {
    'identity.false_accept',
    'gait.min_frames',
    'track.max_age_s',
    'gallery.ttl_s',
    'target.mode',
    'target.person_id',
    'target.lost_timeout_s',
    'max_latency_s',
}
SERVICES = {
    'enable': SetBool,
    'reset_tracks': Trigger,
    'save_gallery': Trigger,
    'load_gallery': Trigger,
    'clear_gallery': Trigger,
    'enroll_target': Trigger,
    'release_target': Trigger,
    'forget_target': Trigger,
}
NEEDS_CONFIGURED = {
    'save_gallery',
    'load_gallery',
    'clear_gallery',
    'enroll_target',
    'forget_target',
}


def test_live_parameters_change_while_active_and_all_others_refuse_with_the_reason(ros):
    node = reid_node(ros, config('a'))
    live = set()
    for name in node.parameters._settings:
        value = node.get_parameter_or(name, None)
        if value is None or value.value is None:
            continue  # a list that is empty
        (result,) = node.set_parameters([Parameter(name, value=value.value)])
        if result.successful:
            live.add(name)
        elif name not in FIXED:
            assert 'clean the node up first' in result.reason, name
    assert live == LIVE
    node.trigger_deactivate()
    node.trigger_cleanup()
    (result,) = node.set_parameters([Parameter('max_batch', value=8)])
    assert result.successful, result.reason


def call(ros, name, request=None):
    kind = SERVICES[name]
    client = ros.node.create_client(kind, f'/reid_node/{name}')
    ros.spin_until(client.service_is_ready)
    future = client.call_async(request or kind.Request())
    ros.spin_until(future.done)
    return future.result()


def test_every_service_answers_in_words_before_the_node_is_configured(ros):
    node = reid_node(ros, config('a'), start=False)
    for name in SERVICES:
        answer = call(ros, name)
        assert answer.message, name
        if name in NEEDS_CONFIGURED:
            assert not answer.success
            assert 'not configured' in answer.message
    assert node._state == 'unconfigured'


@pytest.fixture
def remembering(ros, tmp_path):
    """A node with a file and two confirmed persons, ann among them."""
    networks.means(tmp_path / 'look.onnx')
    networks.write(tmp_path, networks.appearance('look'))
    settings = config(
        'a',
        model=ModelConfig('none', str(tmp_path / 'look.onnx')),
        gallery=GalleryConfig(path=str(tmp_path / 'gallery.db')),
    )
    node = reid_node(ros, settings)
    gallery = node.pipeline.gallery
    for _ in range(2):
        gallery.confirm(gallery.born(0).number)
    gallery.name(1, 'ann')
    return node


def test_a_gallery_is_loaded_as_it_was_saved(ros, remembering):
    gallery = remembering.pipeline.gallery
    assert '2 persons' in call(ros, 'save_gallery').message
    gallery.forget(2)
    gallery.name(1, '')
    third = gallery.born(0).number
    gallery.confirm(third)
    answer = call(ros, 'load_gallery')
    assert answer.success
    assert '2 persons loaded from' in answer.message
    assert {p.number: p.name for p in gallery} == {1: 'ann', 2: ''}
    assert gallery.born(0).number > third, 'a number is never used again'
    assert '3 persons' in call(ros, 'save_gallery').message
    assert '2 persons' in call(ros, 'load_gallery').message, 'provisional persons are not kept'


def test_a_damaged_gallery_is_not_loaded_and_costs_nobody(ros, remembering):
    call(ros, 'save_gallery')
    path = remembering.config.gallery.path
    with sqlite3.connect(path) as file:
        file.execute("UPDATE person SET seen_ns = 'x'")
    answer = call(ros, 'load_gallery')
    assert not answer.success
    assert 'damaged' in answer.message
    assert {p.name for p in remembering.pipeline.gallery} == {'ann', ''}


def test_without_a_file_there_is_nothing_to_load(ros):
    reid_node(ros, config('a'))
    answer = call(ros, 'load_gallery')
    assert not answer.success
    assert 'gallery.path is empty' in answer.message
