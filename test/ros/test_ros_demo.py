"""The demo: a rendered world, real topics, the live node in a process of its own."""

import json

import cv2
import numpy as np
import pytest

from reid_ros import demo
from reid_ros.cli import main
from reid_ros.config import Config, build
from reid_ros.world.scenario import SCENARIOS
from reid_ros.world.world import World

SMALL = SCENARIOS['demo'].custom(
    people=4, at_once=4, seconds=3.0, overlapping=0, apart=1, portrait=0, look_alikes=0,
    width=320, height=240,
)  # fmt: skip


@pytest.fixture
def domain(ros, monkeypatch):
    """The demo's processes talk in the domain of this test."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(ros.domain))


def test_a_world_goes_through_the_live_node_and_is_scored(domain, tmp_path):
    show, outcome = demo.play(SMALL, 3, tmp_path)
    images = len(World(SMALL, 3))
    assert outcome.frames == images
    assert {'report.html', 'cam1.mp4', 'cam1.txt', 'config.yaml', 'node.log', 'picture.jpg'} <= {
        path.name for path in tmp_path.iterdir()
    }
    truth = show.truth()['cam1']
    assert len(truth.images) == images
    assert len(truth.persons) > images / 2
    read = [frame.index for frame in show.sources()[0].frames()]
    assert read == sorted(read)
    assert len(read) == images
    picture = cv2.imread(str(tmp_path / 'picture.jpg'))
    assert picture.shape[0] == demo.PICTURE_HEIGHT
    assert np.ptp(picture) > 100


def test_a_node_that_cannot_start_is_told_with_its_own_words(domain, tmp_path, monkeypatch):
    monkeypatch.setattr(
        demo, 'parameters', lambda world, search, was=demo.parameters: was(world, 'nonsense')
    )
    with pytest.raises(demo.DemoError, match='nobody subscribes') as error:
        demo.play(SMALL, 3, tmp_path, video=False)
    assert 'nonsense' in str(error.value)


def test_the_settings_of_the_demo_are_good_settings():
    settings = demo.parameters(World(SMALL, 3))
    made = build(Config, json.loads(json.dumps(settings)))
    assert made.camera_names == ('cam1',)
    assert made.cameras['cam1'].detections == 'table'
    assert made.late_frame_policy == 'process_all'
    one_pass = build(Config, demo.parameters(World(SMALL, 3), 'search.onnx'))
    assert one_pass.model.detector == one_pass.model.appearance == 'search.onnx'
    assert one_pass.cameras['cam1'].detections == 'model'


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--scenario', 'demoo'], "did you mean 'demo'"),
        (['--seconds', '0'], '1.0 to 3600.0'),
        (['--out', '/dev/null/x'], 'is a file'),
    ],
)
def test_a_bad_argument_is_refused_before_anything_starts(arguments, said, tmp_path, capsys):
    out = [] if '--out' in arguments else ['--out', str(tmp_path / 'out')]
    assert main(['demo', *arguments, *out]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
