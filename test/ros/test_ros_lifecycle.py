"""Parameters, transitions, and what many of them leave behind."""

import gc
import resource

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from ros_builders import Diagnosis, config, reid_node
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from reid_ros.config import CameraConfig, Config, ConfigError, ModelConfig
from reid_ros.ros.node import ReidNode

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


def refused(node, name, value):
    """The reason for which the node refuses a parameter."""
    result = node.set_parameters([Parameter(name, value=value)])[0]
    assert not result.successful
    return result.reason


@pytest.mark.parametrize(
    ('override', 'words'),
    [
        ('cameras.hal.qos:=auto', "no camera of that name in camera_names; did you mean 'hall'"),
        ('cameras.hall.max_rat:=3.0', "did you mean 'cameras.hall.max_rate_hz'"),
        ('identity.false_acept:=0.1', "did you mean 'identity.false_accept'"),
        ('max_batch:=900', 'max_batch: 900 is outside 1 to 64'),
        ('cameras.hall.qos:=best', 'cameras.hall.qos'),
        ('cameras.hall.pose:=[1.0, 2.0]', 'needs x y z qx qy qz qw'),
        ('camera_names:=[hall, "a b"]', 'letters, digits'),
        ('track.max_age_s:=long', "'long' is not a float"),
    ],
)
def test_a_bad_parameter_fails_configure_by_name_and_leaves_the_node_alive(ros, override, words):
    node = reid_node(ros, config('hall'), '-p', override, start=False)
    diagnosis = Diagnosis(ros)
    assert node.trigger_configure() == FAILURE
    assert words in node.problem
    ros.spin_until(lambda: diagnosis.says('node', words))


def test_parameters_of_files_take_whole_numbers_for_decimals_and_whole_blocks(ros, tmp_path):
    file = tmp_path / 'cameras.yaml'
    file.write_text(
        '/**:\n  ros__parameters:\n    camera_names: [hall, door]\n'
        '    model: {detector: none, appearance: none}\n'
        '    cameras:\n      hall: {max_rate_hz: 5, detections: table}\n'
        '      door: {pose: [0, 0, 1, 0, 0, 0, 1], detections: none}\n'
    )
    node = reid_node(ros, Config(), '--params-file', str(file))
    assert node.config.cameras['hall'].max_rate_hz == 5.0
    assert node.config.cameras['door'].pose == (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def test_a_model_that_is_missing_fails_configure_and_can_be_mended_without_a_restart(ros):
    settings = config('a', model=ModelConfig(detector='nowhere.onnx', appearance='none'))
    node = reid_node(ros, settings, start=False)
    assert node.trigger_configure() == FAILURE
    assert 'nowhere.onnx' in node.problem
    node.set_parameters([Parameter('model.detector', value='none')])
    assert node.start()


def test_every_parameter_says_what_it_means_and_numbers_have_ranges(ros):
    node = reid_node(ros, config('a'), start=False)
    for name in node.parameters.config().cameras:
        assert name == 'a'
    described = node.describe_parameters(['identity.false_accept', 'max_batch', 'camera_names'])
    assert all(d.description for d in described)
    assert described[0].floating_point_range[0].to_value == pytest.approx(0.2)
    assert described[1].integer_range[0].to_value == 64
    assert described[2].read_only


def test_live_settings_change_while_active_and_the_others_do_not(ros):
    node = reid_node(ros, config('a'))
    assert 'read in configure' in refused(node, 'max_batch', 8)
    node.set_parameters([Parameter('identity.false_accept', value=0.05)])
    ros.spin_until(lambda: node.config.identity.false_accept == 0.05)
    assert 'out of range' in refused(node, 'identity.false_accept', 0.9)
    assert "did you mean 'nearest'" in refused(node, 'target.mode', 'neerest')


def test_no_camera_lists_the_topics_that_are_there(ros):
    from sensor_msgs.msg import CompressedImage

    ros.publisher(CompressedImage, '/porch/image_raw/compressed')
    node = reid_node(ros, Config(), start=False)
    assert node.trigger_configure() == FAILURE
    assert 'image_topic: /porch/image_raw/compressed' in node.problem
    assert 'transport: compressed' in node.problem


def test_a_camera_without_anybody_to_find_people_is_refused(ros):
    node = reid_node(ros, config('a', camera=CameraConfig()), start=False)
    assert node.trigger_configure() == FAILURE
    assert 'cameras.a.detections' in node.problem


def test_a_transition_that_is_not_possible_is_answered_and_harms_nobody(ros):
    reid_node(ros, config('a'), start=False)
    client = ros.node.create_client(ChangeState, '/reid_node/change_state')
    ros.spin_until(client.service_is_ready)
    answers = []
    for number in (Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_CONFIGURE):
        request = ChangeState.Request(transition=Transition(id=number))
        future = client.call_async(request)
        ros.spin_until(future.done)
        answers.append(future.result().success)
    assert answers == [False, True]


def rss_mb():
    with open('/proc/self/statm', encoding='ascii') as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def test_300_cycles_leave_nothing_behind(ros):
    node = reid_node(ros, config('a', 'b'), start=False)

    def entities():
        lists = (node.publishers, node.subscriptions, node.timers, node.services, node.clients)
        return [len(list(entity)) for entity in lists] + [len(node._managed_entities)]

    def cycle():
        assert node.start()
        ros.executor.spin_once(timeout_sec=0)
        assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS

    for _ in range(100):  # the allocator and DDS settle
        cycle()
    gc.collect()
    before, memory = entities(), rss_mb()
    for _ in range(200):
        cycle()
    gc.collect()
    assert entities() == before
    assert rss_mb() - memory < 12


def call(ros, kind, name, request):
    client = ros.node.create_client(kind, f'/reid_node/{name}')
    ros.spin_until(client.service_is_ready)
    future = client.call_async(request)
    ros.spin_until(future.done)
    return future.result()


def test_services_answer_in_words(ros, tmp_path):
    reid_node(ros, config('a'))
    assert call(ros, SetBool, 'enable', SetBool.Request(data=False)).success
    assert call(ros, Trigger, 'reset_tracks', Trigger.Request()).success
    saved = call(ros, Trigger, 'save_gallery', Trigger.Request())
    assert not saved.success
    assert 'gallery.path' in saved.message
    assert call(ros, Trigger, 'clear_gallery', Trigger.Request()).message == '0 persons forgotten'


@pytest.mark.parametrize(
    ('text', 'mode', 'person'),
    [('7', 'id', '7'), ('ann', 'id', 'ann'), ('nearest', 'nearest', ''), ('', 'off', '')],
)
def test_a_target_is_selected_by_number_or_name_and_released(ros, text, mode, person):
    node = reid_node(ros, config('a'))
    if not text:
        node.set_parameters([Parameter('target.mode', value='nearest')])
    sender = ros.publisher(String, '/reid_node/select_target')
    ros.spin_until(sender.get_subscription_count)
    sender.publish(String(data=text))
    ros.spin_until(lambda: node.get_parameter('target.mode').value == mode)
    ros.spin_until(lambda: node.get_parameter('target.person_id').value == person)
    target = node.target.config
    assert (target.mode, target.person_id) == (mode, person)


def test_a_plain_error_in_the_worker_ends_the_node_instead_of_hiding(ros, monkeypatch):
    import time

    from ros_builders import image
    from sensor_msgs.msg import Image

    node = reid_node(ros, config('a', camera=CameraConfig(detections='none')))

    def broken(*_):
        raise ZeroDivisionError('a bug')

    monkeypatch.setattr(node.pipeline, 'step', broken)
    sender = ros.publisher(Image, 'a/image')
    ros.spin_until(sender.get_subscription_count)
    sender.publish(image(time.time_ns()))
    with pytest.raises(ZeroDivisionError):
        ros.spin_for(5.0)


def test_misspelt_settings_are_config_errors(ros):
    node = ReidNode(config('a'), context=ros.context, cli_args=['--ros-args', '-p', 'x:=1'])
    ros.add(node)
    with pytest.raises(ConfigError, match='no such parameter'):
        node.parameters.config()
