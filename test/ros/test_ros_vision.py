"""The vision_msgs adapter, on classes with exactly the fields of the official definitions."""

import sys
from types import ModuleType

import numpy as np
import official
import pytest
from official import Recording, WrongFieldError, recorded, vision_msgs
from ros_builders import config, header, reid_node, sightings
from sensor_msgs.msg import CameraInfo

from reid_ros.config import CameraConfig, TargetConfig
from reid_ros.lens import seen
from reid_ros.ros import vision
from reid_ros.ros.outputs import Outputs, Shot
from reid_ros.ros.target import TargetTopics
from reid_ros.types import Candidates, Event, Frame, Moment

S = 1_000_000_000
LEVEL = (0.0, 0.0, 1.5, -0.5, 0.5, -0.5, 0.5)
OPPOSITE = (10.0, 0.0, 1.5, -0.5, 0.5, 0.5, -0.5)
INFO = CameraInfo(height=480, width=640, k=[500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0])
# A person of 1.7 m, 5 m ahead of a camera at 1.5 m height.
BOX = (300, 220, 340, 390)


def found(*hypotheses):
    result = vision_msgs.Detection2D()
    result.bbox.center.position.x, result.bbox.center.position.y = 50.0, 60.0
    result.bbox.size_x, result.bbox.size_y = 20.0, 40.0
    for name, score in hypotheses:
        one = vision_msgs.ObjectHypothesisWithPose()
        one.hypothesis.class_id, one.hypothesis.score = name, score
        result.results.append(one)
    return result


@pytest.mark.parametrize(
    ('hypotheses', 'taken'),
    [
        ([('person', 0.9)], True),
        ([('0', 0.9)], True),
        ([('dog', 0.9)], False),
        ([('dog', 0.9), ('person', 0.3)], False),
        ([('dog', 0.2), ('person', 0.3)], True),
        ([], False),
    ],
)
def test_a_detection_counts_where_its_best_hypothesis_is_a_person(hypotheses, taken):
    message = vision_msgs.Detection2DArray(detections=[found(*hypotheses)])
    people = vision.detections(message, ('person', '0'))
    assert len(people) == taken
    if taken:
        assert people.boxes.tolist() == [[40, 40, 60, 80]]


def test_the_stand_ins_refuse_what_rosidl_refuses():
    message = vision_msgs.Detection2D()
    with pytest.raises(AttributeError):
        message.tracking_id = 'x'
    with pytest.raises(WrongFieldError, match='float32'):
        message.bbox.size_x = np.float32(1.0)
    with pytest.raises(WrongFieldError, match='is no string'):
        message.id = 7
    message.results = [vision_msgs.ObjectHypothesisWithPose()]
    message.results[0].pose.pose.position.x = 1  # an installed class does not look by itself
    with pytest.raises(WrongFieldError, match='is no double'):
        official.check(message)


ROWS = sightings('hall', (17, 3, (40, 40, 60, 80)), (18, 0, (0, 0, 10, 20)))


def ranked(rows):
    """Each row: (person, score) pairs."""
    numbers = [[n for n, _ in row] for row in rows]
    return Candidates(
        np.array(numbers, np.uint32), np.array([[s for _, s in row] for row in rows], np.float32)
    )


def told(message):
    """(id, [(class, score)]) of each detection."""
    official.check(message)
    return [
        (d.id, [(r.hypothesis.class_id, round(r.hypothesis.score, 2)) for r in d.results])
        for d in message.detections
    ]


def test_tracks_bear_the_header_the_box_and_the_class():
    message = vision.tracks(vision_msgs, header(5), ROWS)
    assert told(message) == [('hall_17', [('person', 0.9)]), ('hall_18', [('person', 0.9)])]
    first = message.detections[0]
    assert message.header == first.header == header(5)
    box = first.bbox
    assert (box.center.position.x, box.center.position.y, box.size_x, box.size_y) == (
        50, 60, 20, 40,
    )  # fmt: skip
    assert box.center.theta == 0.0


def test_identities_name_who_was_accepted_and_rank_who_else_it_may_be():
    candidates = ranked([[(9, 0.95), (3, 0.7), (0, 0.0)], [(4, 0.4), (9, 0.2), (0, 0.0)]])
    message = vision.identities(vision_msgs, header(5), ROWS, candidates)
    assert told(message) == [
        ('3', [('3', 0.8), ('9', 0.95)]),  # the decision comes first, with its own score
        ('', [('4', 0.4), ('9', 0.2)]),
    ]
    assert told(vision.identities(vision_msgs, header(5), ROWS)) == [('3', [('3', 0.8)]), ('', [])]


def test_who_was_accepted_takes_the_place_of_the_least_likely():
    message = vision.identities(
        vision_msgs, header(5), ROWS, ranked([[(9, 0.9), (4, 0.5)], [(4, 0.4), (9, 0.2)]])
    )
    assert told(message)[0] == ('3', [('3', 0.8), ('9', 0.9)])


def test_gait_tells_of_gait_alone():
    rows = sightings('hall', (17, 3, BOX), (18, 0, BOX))
    rows.gait_persons[:], rows.gait_scores[:] = (5, 0), (0.6, 0.0)
    message = vision.gaits(vision_msgs, header(5), rows, ranked([[(5, 0.6)], [(2, 0.1)]]))
    assert told(message) == [('5', [('5', 0.6)]), ('', [('2', 0.1)])]


# -- what the node's outputs make of it ----------------------------------------------------------


class Stage:
    """Outputs of cameras a and b that look at one another, with vision_msgs 'installed'."""

    def __init__(self, ros, monkeypatch):
        official.install(monkeypatch, 'vision_msgs')
        self.recording = Recording(ros.node)
        settings = config('a', 'b', target=TargetConfig())
        self.poses = {'a': LEVEL, 'b': OPPOSITE}
        cameras = {name: CameraConfig(pose=pose) for name, pose in self.poses.items()}
        object.__setattr__(settings, 'cameras', cameras)
        self.outputs = Outputs(ros.node, ('a', 'b'))
        self.outputs.configure(settings)
        self.target = TargetTopics(ros.node, ('a', 'b'))
        self.target.configure(settings)

    def play(self, *sighted, events=(), info=INFO):
        shots = []
        for one in sighted:
            view = seen(info, self.poses[one.camera], 480, 640) if info else None
            frame = Frame(one.camera, one.stamp_ns, np.zeros((480, 640, 3), np.uint8), view=view)
            shots.append(Shot(frame, header(one.stamp_ns, f'{one.camera}_optical'), info))
        self.outputs.publish(shots, Moment(list(sighted), list(events)), self.target, {})

    def people(self):
        return self.recording.made['reid/people'].messages


@pytest.fixture
def stage(ros, monkeypatch):
    return Stage(ros, monkeypatch)


def test_people_are_fused_over_cameras_and_have_a_covariance(stage):
    for i in range(4):
        stage.play(
            sightings('a', (3, 7, BOX), (4, 0, (100, 200, 140, 380)), stamp_ns=S + i * S // 10)
        )
    alone = stage.people()[-1].detections[0]
    for i in range(4, 8):
        stamp = S + i * S // 10
        stage.play(sightings('a', (3, 7, BOX), stamp_ns=stamp), sightings('b', stamp_ns=stamp))
    for i in range(8, 12):
        stamp = S + i * S // 10
        stage.play(
            sightings('a', (3, 7, BOX), stamp_ns=stamp),
            sightings('b', (9, 7, BOX), stamp_ns=stamp + S // 100),
        )
    message = stage.people()[-1]
    assert message.header == header(S + 11 * S // 10 + S // 100, 'map')
    (one,) = message.detections
    assert (one.header, one.id) == (message.header, '7')
    assert [(r.hypothesis.class_id, r.hypothesis.score) for r in one.results] == [
        ('7', pytest.approx(0.8))
    ]
    pose = one.results[0].pose
    centre = (pose.pose.position.x, pose.pose.position.y, pose.pose.position.z)
    assert centre == pytest.approx((5.0, 0.0, 0.85), abs=0.05)
    assert pose.pose == one.bbox.center
    assert (one.bbox.size.x, one.bbox.size.y, one.bbox.size.z) == (0.5, 0.5, 1.7)
    spread, before = np.reshape(pose.covariance, (6, 6)), alone.results[0].pose.covariance
    assert 0.01 <= spread[0, 0] < before[0], 'a second camera narrows it down'
    assert spread[5, 5] > 100, 'who stands has no heading'


def test_people_are_those_who_are_seen_now(stage):
    stage.play(sightings('a', (3, 7, BOX), stamp_ns=S))
    stage.play(sightings('a', stamp_ns=S + 3 * S // 10))
    stage.play(sightings('a', stamp_ns=S + 8 * S // 10))
    assert [len(m.detections) for m in stage.people()] == [1, 1, 0]


def test_people_with_another_number_begin_anew(stage):
    stage.play(sightings('a', (3, 7, BOX), stamp_ns=S))
    merged = Event('merged', 2, S, 'a', 3, previous=7)
    stage.play(sightings('a', (3, 2, BOX), stamp_ns=S + S // 10), events=[merged])
    assert [d.id for d in stage.people()[-1].detections] == ['2']


def test_what_nobody_listens_to_is_not_written(stage):
    made = stage.recording.made
    made['a/identities'].listeners = made['a/gait'].listeners = 0
    stage.play(sightings('a', (3, 7, BOX)))
    written = {name: len(made[f'a/{name}'].messages) for name in ('tracks', 'identities', 'gait')}
    assert written == {'tracks': 1, 'identities': 0, 'gait': 0}


def test_nobody_works_out_where_people_are_for_nobody(stage):
    stage.recording.made['reid/people'].listeners = 0
    stage.play(sightings('a', (3, 7, BOX)))
    assert stage.people() == []


def test_without_a_pose_of_a_camera_nobody_claims_to_know_where_people_are(stage):
    stage.play(sightings('a', (3, 7, BOX)), info=None)
    assert stage.people() == []
    assert len(stage.recording.made['a/tracks'].messages) == 1


# -- the node ------------------------------------------------------------------------------------


def test_vision_info_tells_late_comers_of_every_change_of_the_gallery(ros, monkeypatch):
    node, recording = recorded(ros, monkeypatch, config('a'), 'vision_msgs')
    info = recording.made['reid/vision_info']
    assert info.qos.durability.name == 'TRANSIENT_LOCAL'
    ros.spin_until(lambda: info.messages)
    first = info.last.database_version
    assert (info.last.method, info.last.database_location) == ('reid_ros', '')
    ros.spin_for(0.5)
    assert len(info.messages) == 1, 'nothing changed'
    person = node.pipeline.gallery.born(S).number
    ros.spin_until(lambda: info.last.database_version > first)
    second = info.last.database_version
    node.pipeline.gallery.name(person, 'ann')
    ros.spin_until(lambda: info.last.database_version > second)


def test_candidates_are_asked_for_only_where_somebody_listens(ros, monkeypatch):
    node, recording = recorded(ros, monkeypatch, config('a'), 'vision_msgs')
    asked = []
    empty = ranked([[(4, 0.5)]])

    def candidates(found, *, gait=False):
        asked.append(gait)
        return empty

    monkeypatch.setattr(node.pipeline, 'candidates', candidates)
    moment = Moment([sightings('a', (3, 7, BOX))])
    topics = node._outputs.vision
    for listeners in ((0, 0), (1, 0), (0, 1)):
        recording.made['a/identities'].listeners, recording.made['a/gait'].listeners = listeners
        looks, gaits = topics.ranked(node.pipeline, moment)['a']
        assert (looks is empty, gaits is empty) == (bool(listeners[0]), bool(listeners[1]))
    assert asked == [False, True]


def test_detections_of_vision_msgs_are_joined_with_the_image_of_their_stamp(ros, monkeypatch):
    from ros_builders import image
    from sensor_msgs.msg import Image, PointCloud2

    settings = config('a', camera=CameraConfig(detections='vision_msgs'))
    node, recording = recorded(ros, monkeypatch, settings, 'vision_msgs')
    rows = ros.heard(PointCloud2, '/a/sightings')
    images = ros.publisher(Image, 'a/image')
    ros.spin_until(images.get_subscription_count)
    now = node.get_clock().now().nanoseconds
    stamps = [now + i * S // 10 - S for i in range(6)]
    for stamp in stamps:
        images.publish(image(stamp, 480, 640))
    ros.spin_until(lambda: node.cameras['a'].health.counts['received'] == len(stamps))
    assert rows == [], 'an image waits for its detections'
    for stamp in stamps[1:]:
        people = vision_msgs.Detection2DArray(
            header=header(stamp), detections=[found(('person', 0.9))]
        )
        recording.heard['a/detections'](people)
    ros.spin_until(lambda: len(rows) >= 1)
    counts = node.cameras['a'].health.counts
    ros.spin_until(lambda: counts['unmatched'] == 1)
    got = [r.header.stamp.sec * S + r.header.stamp.nanosec for r in rows]
    assert set(got) <= set(stamps[1:])


def test_without_vision_msgs_the_setting_that_needs_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', None)
    with pytest.raises(vision.MissingMessagesError, match='detections: table'):
        vision.messages()


def test_a_camera_that_needs_vision_msgs_fails_configure_without_them(ros, monkeypatch):
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', None)
    settings = config('a', camera=CameraConfig(detections='vision_msgs'))
    node = reid_node(ros, settings, start=False)
    assert not node.start()
    assert 'ros-$ROS_DISTRO-vision-msgs' in node.problem
    assert node._state == 'unconfigured'


def test_with_vision_msgs_its_messages_are_taken(monkeypatch):
    package, module = ModuleType('vision_msgs'), ModuleType('vision_msgs.msg')
    monkeypatch.setitem(sys.modules, 'vision_msgs', package)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', module)
    assert vision.messages() is module
