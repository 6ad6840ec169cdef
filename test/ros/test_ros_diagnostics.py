import yaml

from reid_ros.config import Config, build, plain
from reid_ros.ros.diagnostics import advice, image_topics


def test_advice_is_yaml_that_the_node_reads_and_names_each_picture_once():
    seen = [
        ('/tf', ['tf2_msgs/msg/TFMessage']),
        ('/front/image_raw/compressed', ['sensor_msgs/msg/CompressedImage']),
        ('/front/image_raw', ['sensor_msgs/msg/Image']),
        ('/door/picture/compressed', ['sensor_msgs/msg/CompressedImage']),
    ]
    text = advice(image_topics(seen))
    config = build(Config, plain(yaml.safe_load(text[text.index('/**:') :])))
    cameras = [(c.image_topic, c.transport) for c in config.cameras.values()]
    assert cameras == [('/door/picture/compressed', 'compressed'), ('/front/image_raw', 'raw')]
    assert set(config.cameras) == set(config.camera_names)


def test_without_any_topic_the_advice_is_to_start_cameras():
    assert 'no image topic is visible' in advice([])
