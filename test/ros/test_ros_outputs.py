"""What the node says about a moment, heard over DDS."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from ros_builders import config, header, sightings
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from reid_ros.config import CameraConfig, TargetConfig
from reid_ros.lens import seen
from reid_ros.replay.encodings import decode_compressed, image_view
from reid_ros.ros.outputs import Outputs, Shot
from reid_ros.ros.table import cloud_to_table
from reid_ros.ros.target import TargetTopics
from reid_ros.types import Event, Frame, Moment

S = 1_000_000_000
LEVEL = (0.0, 0.0, 1.5, -0.5, 0.5, -0.5, 0.5)
K = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]
INFO = CameraInfo(height=480, width=640, k=K)
# A person of 1.7 m, 5 m ahead of a camera at 1.5 m height.
BOX = (300, 220, 340, 390)


class Stage:
    """Outputs of cameras a (with a pose) and b (without), and a way to play moments to them."""

    def __init__(self, ros, target=None):
        self.ros = ros
        self.settings = config('a', 'b', target=target or TargetConfig())
        cameras = {'a': CameraConfig(pose=LEVEL), 'b': CameraConfig()}
        object.__setattr__(self.settings, 'cameras', cameras)
        self.outputs = Outputs(ros.node, ('a', 'b'))
        self.outputs.configure(self.settings)
        self.target = TargetTopics(ros.node, ('a', 'b'))
        self.target.configure(self.settings)

    def play(self, *found, events=(), info=INFO, names=None):
        shots = [
            Shot(self.frame(f, info), header(f.stamp_ns, f'{f.camera}_optical'), info)
            for f in found
        ]
        moment = Moment(list(found), list(events))
        self.outputs.publish(shots, moment, self.target, names or {})

    def frame(self, found, info):
        """As the worker makes it: with a view where pose and lens are known."""
        image = np.full((480, 640, 3), 60, np.uint8)
        view = seen(info, LEVEL, 480, 640) if info and found.camera == 'a' else None
        return Frame(found.camera, found.stamp_ns, image, view=view)


def heard(ros, kind, topic):
    """Messages of a topic that the outputs publish, once both sides know each other."""
    messages = ros.heard(kind, topic)
    ros.spin_until(lambda: ros.node.count_publishers(topic) and ros.node.count_subscribers(topic))
    ros.spin_for(0.3)
    return messages


@pytest.fixture
def stage(ros):
    return Stage(ros, TargetConfig(mode='id', person_id='7'))


def test_sightings_bear_the_header_of_the_image(ros, stage):
    clouds = heard(ros, PointCloud2, '/a/sightings')
    stage.play(sightings('a', (3, 7, BOX), (4, 0, BOX), stamp_ns=5 * S))
    ros.spin_until(lambda: clouds)
    assert clouds[0].header == header(5 * S, 'a_optical')
    assert cloud_to_table(clouds[0])['person'].tolist() == [7, 0]


def test_an_empty_frame_is_told_too(ros, stage):
    clouds = heard(ros, PointCloud2, '/a/sightings')
    stage.play(sightings('a'))
    ros.spin_until(lambda: clouds)
    assert clouds[0].width == 0


def test_markers_stand_on_the_ground_and_are_deleted_on_loss(ros, stage):
    arrays = heard(ros, MarkerArray, '/reid/people/markers')
    stage.play(sightings('a', (3, 7, BOX), (4, 0, BOX)), names={7: 'ann'})
    ros.spin_until(lambda: arrays)
    body, text = (m for m in arrays[0].markers if m.id == 7)
    assert (body.ns, body.action, body.header.frame_id) == ('people', Marker.ADD, 'map')
    position = body.pose.position
    assert (position.x, position.y, position.z) == pytest.approx((5.0, 0.0, 0.85), abs=0.01)
    assert text.text == 'ann'
    stage.play(sightings('a', (4, 0, BOX)))
    ros.spin_until(lambda: len(arrays) == 2)
    gone = [(m.ns, m.id) for m in arrays[1].markers if m.action == Marker.DELETE]
    assert gone == [('people', 7), ('people/text', 7)]


def test_a_person_whom_another_camera_still_sees_keeps_the_marker(ros, stage):
    arrays = heard(ros, MarkerArray, '/reid/people/markers')
    stage.play(sightings('a', (3, 7, BOX)), sightings('b', (1, 7, BOX)))
    stage.play(sightings('b'))
    stage.play(sightings('a'))
    ros.spin_until(lambda: len(arrays) == 2)
    actions = [{m.action for m in array.markers} for array in arrays]
    assert actions == [{Marker.ADD}, {Marker.DELETE}]


def test_without_a_pose_people_stand_in_the_optical_frame(ros, stage):
    arrays = heard(ros, MarkerArray, '/reid/people/markers')
    poses = heard(ros, PoseArray, '/reid/people/poses')
    stage.play(sightings('b', (3, 7, BOX)))
    ros.spin_until(lambda: arrays)
    body = arrays[0].markers[0]
    assert body.header.frame_id == 'b_optical'
    assert body.pose.position.z == pytest.approx(5.0)
    ros.spin_for(0.2)
    assert poses == []


def test_poses_hold_each_sure_person_once(ros, stage):
    poses = heard(ros, PoseArray, '/reid/people/poses')
    rows = [(3, 7, BOX), (4, 8, (400, 250, 430, 330)), (5, 9, (100, 200, 140, 400)), (6, 0, BOX)]
    stage.play(sightings('a', *rows, predicted=[False, False, True, False]))
    ros.spin_until(lambda: poses)
    assert poses[0].header.frame_id == 'map'
    assert sorted(p.position.x for p in poses[0].poses) == pytest.approx([5.0, 8.33], abs=0.01)


def test_events_are_told_with_their_person_and_camera(ros, stage):
    events = heard(ros, DiagnosticArray, '/reid/events')
    happened = [
        Event('handover', 7, 5 * S, 'a', 3, score=0.9, margin=4.0),
        Event('merged', 2, 5 * S, 'a', 4, previous=9),
    ]
    stage.play(sightings('a', stamp_ns=5 * S), events=happened, names={7: 'ann'})
    ros.spin_until(lambda: events)
    first, second = events[0].status
    assert first.message == 'person 7 (ann) handover at a'
    assert {v.key: v.value for v in first.values}['margin'] == '4'
    assert second.message == 'person 2 merged at a, was 9'
    assert events[0].header.stamp.sec == 5


def test_debug_images_are_drawn_only_for_subscribers(ros, stage):
    raw = heard(ros, Image, '/a/debug_image')
    jpeg = heard(ros, CompressedImage, '/a/debug_image/compressed')
    stage.play(sightings('a', (3, 7, BOX)), sightings('b', (3, 7, BOX)))
    ros.spin_until(lambda: raw and jpeg)
    image, _ = image_view('bgr8', 480, 640, raw[0].step, raw[0].data)
    assert (image[220, 305] != 60).any()
    assert (image[10, 10] == 60).all()
    assert decode_compressed(jpeg[0].data).shape == (480, 640, 3)
