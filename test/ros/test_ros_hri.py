"""ROS4HRI, on classes with exactly the fields of hri_msgs; pictures and persons over real DDS."""

import sys
import time
from types import ModuleType

import numpy as np
import official
import pytest
import rclpy
from geometry_msgs.msg import TransformStamped
from official import Recording, hri_msgs, recorded
from rclpy.qos import DurabilityPolicy
from ros_builders import config, header, reid_node, sightings
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Bool, Float32, String

from reid_ros.config import CameraConfig, HriConfig, ModelConfig
from reid_ros.lens import seen
from reid_ros.ros import hri, humans, persons
from reid_ros.ros.humans import BodyTopics
from reid_ros.ros.outputs import Outputs, Shot
from reid_ros.ros.target import TargetTopics
from reid_ros.types import Event, Frame, Moment

S = 1_000_000_000
LEVEL = (0.0, 0.0, 1.5, -0.5, 0.5, -0.5, 0.5)
INFO = CameraInfo(height=480, width=640, k=[500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0])
# A person of 1.7 m, 5 m ahead of a camera at 1.5 m height.
BOX = (300, 220, 340, 390)
LATCHED = {'durability': DurabilityPolicy.TRANSIENT_LOCAL}


class Tf2(ModuleType):
    """Records what is broadcast; the wheels have no tf2_ros."""

    def __init__(self):
        super().__init__('tf2_ros')
        self.sent = sent = []

        class TransformBroadcaster:
            def __init__(self, node):
                self.node = node

            def sendTransform(self, transform):
                assert isinstance(transform, TransformStamped)
                official.check(transform)
                sent.append(transform)

        self.TransformBroadcaster = TransformBroadcaster

    def frames(self):
        """child -> (parent, x, y, z) of the newest of each."""
        return {
            t.child_frame_id: (
                t.header.frame_id,
                *(round(getattr(t.transform.translation, axis), 2) for axis in 'xyz'),
            )
            for t in self.sent
        }


class Stage:
    """Outputs of camera a (with a pose) and b (without), with hri_msgs 'installed'."""

    def __init__(self, ros, monkeypatch, pictures=True, **hri):
        official.install(monkeypatch, 'hri_msgs')
        self.node, self.recording = ros.node, Recording(ros.node)
        settings = config('a', 'b', hri=HriConfig(enabled=True, **hri))
        cameras = {'a': CameraConfig(pose=LEVEL), 'b': CameraConfig()}
        object.__setattr__(settings, 'cameras', cameras)
        self.outputs = Outputs(ros.node, ('a', 'b'))
        self.outputs.configure(settings)
        self.target = TargetTopics(ros.node, ('a', 'b'))
        self.target.configure(settings)
        self.bodies = BodyTopics(ros.node, settings, self.target.frames, pictures=pictures)
        self.outputs.bodies = self.bodies
        self.now_ns = 10 * S
        self.gallery = set(range(1, 100))

    def play(self, events=(), names=None, order='bgr', info=INFO, **cameras):
        """Each camera's rows are (track, person, box)."""
        self.now_ns += S // 10
        shots, found = [], []
        for name, rows in cameras.items():
            image = np.zeros((480, 640, 3), np.uint8)
            image[220:390, 300:340] = (10, 20, 30)
            view = seen(info, LEVEL, 480, 640) if info and name == 'a' else None
            frame = Frame(name, self.now_ns, image, view=view, order=order)
            shots.append(Shot(frame, header(self.now_ns, f'{name}_optical'), info))
            found.append(sightings(name, *rows, stamp_ns=self.now_ns))
        self.outputs.publish(shots, Moment(found, list(events)), self.target, names or {})

    def tend(self):
        self.bodies.tend(self.gallery.__contains__)

    def topic(self, name):
        return self.recording.made[f'/humans/{name}']

    def matches(self):
        """What was said since the last call: (id1, type, id2, type, confidence)."""
        topic = self.topic('candidate_matches')
        said, topic.messages = topic.messages, []
        return [(m.id1, m.id1_type, m.id2, m.id2_type, pytest.approx(m.confidence)) for m in said]


@pytest.fixture
def stage(ros, monkeypatch):
    return Stage(ros, monkeypatch, publish_persons='never')


# -- bodies ---------------------------------------------------------------------------------------


def test_tracked_bodies_are_listed_with_the_time_of_the_image(stage):
    stage.play(a=[(1, 7, BOX), (2, 0, (0, 0, 40, 100))])
    tracked = stage.topic('bodies/tracked')
    assert tracked.last == hri_msgs.IdsList(header=header(stage.now_ns, ''), ids=['b1', 'b2'])
    stage.play(a=[])
    assert tracked.last.ids == []


def test_a_region_is_a_share_of_the_image_under_the_header_of_the_image(stage):
    stage.play(a=[(1, 7, (-64, 240, 320, 600))])
    roi = stage.topic('bodies/b1/roi').last
    assert roi.header == header(stage.now_ns, 'a_optical')
    assert (roi.xmin, roi.ymin, roi.xmax, roi.ymax) == (0.0, 0.5, 0.5, 1.0)
    assert roi.c == pytest.approx(0.9)


@pytest.mark.parametrize(('order', 'encoding'), [('bgr', 'bgr8'), ('rgb', 'rgb8')])
def test_a_picture_is_what_the_box_holds(ros, stage, order, encoding):
    stage.play(a=[(1, 7, BOX)])
    pictures = ros.heard(Image, '/humans/bodies/b1/cropped')
    ros.spin_until(lambda: ros.node.count_subscribers('/humans/bodies/b1/cropped'))
    ros.spin_for(0.3)
    stage.play(a=[(1, 7, BOX)], order=order)
    ros.spin_until(lambda: pictures)
    picture = pictures[-1]
    assert picture.header == header(stage.now_ns, 'a_optical')
    assert (picture.height, picture.width, picture.step) == (170, 40, 120)
    assert picture.encoding == encoding
    assert bytes(picture.data) == bytes((10, 20, 30)) * (170 * 40)


def test_one_body_of_two_cameras_is_shown_by_the_better_one(stage):
    stage.play(a=[(1, 7, BOX)], b=[(4, 7, (0, 0, 100, 400))])
    assert stage.topic('bodies/tracked').last.ids == ['b1']
    assert stage.topic('bodies/b1/roi').last.header.frame_id == 'b_optical'
    said = len(stage.topic('bodies/b1/roi').messages)
    stage.play(a=[(1, 7, BOX)])
    assert len(stage.topic('bodies/b1/roi').messages) == said, 'the worse camera says nothing'


def test_an_identity_node_has_no_pictures(ros, monkeypatch):
    stage = Stage(ros, monkeypatch, pictures=False)
    stage.play(a=[(1, 7, BOX)])
    assert stage.topic('bodies/b1/roi').messages
    assert ros.node.count_publishers('/humans/bodies/b1/cropped') == 0


def test_bodies_that_are_gone_leave_nothing_behind(ros, stage):
    def left():
        names = set(ros.node._parameters)
        return len(list(ros.node.publishers)), len(stage.recording.made), names

    stage.play(a=[(1, 7, BOX)])
    before = left()
    for track in range(2, 60):
        stage.play(a=[(track, 0, BOX)])
    assert set(stage.topic('bodies/tracked').last.ids) == {'b59'}
    assert left() == before


def test_nobody_is_tracked_where_images_stay_away(stage, monkeypatch):
    stage.play(a=[(1, 7, BOX)])
    stage.tend()
    assert stage.topic('bodies/tracked').last.ids == ['b1']
    monkeypatch.setattr(humans, 'SILENT_S', -1.0)
    stage.tend()
    assert stage.topic('bodies/tracked').last.ids == []
    assert stage.matches()[-1] == ('b1', 3, 'p7', 1, 0.0)
    stage.play(a=[(1, 7, BOX)])
    assert stage.topic('bodies/tracked').last.ids == ['b2'], 'a name is never used again'


def test_two_who_publish_bodies_are_told_once(ros, stage, capfd):
    stage.tend()
    assert '/humans/bodies/tracked' not in capfd.readouterr().err
    other = ros.add(rclpy.create_node('other', context=ros.context))
    other.create_publisher(Bool, '/humans/bodies/tracked', 1)
    ros.spin_until(lambda: ros.node.count_publishers('/humans/bodies/tracked'))
    for _ in range(2):
        stage.bodies._looked_s = 0.0
        stage.tend()
    told = capfd.readouterr()
    assert (told.out + told.err).count('somebody else publishes /humans/bodies/tracked') == 1


# -- matches --------------------------------------------------------------------------------------


def test_a_body_is_matched_with_its_person_and_released_when_it_is_gone(stage):
    body, person = hri_msgs.IdsMatch.BODY, hri_msgs.IdsMatch.PERSON
    stage.play(a=[(1, 7, BOX), (2, 0, (0, 0, 40, 100))])
    assert stage.matches() == [('b1', body, 'p7', person, 0.8)]
    stage.play(a=[(1, 0, BOX)])
    assert stage.matches() == [('b1', body, 'p7', person, 0.0)]
    stage.play(a=[(1, 9, BOX)])
    stage.play(a=[])
    assert stage.matches() == [('b1', body, 'p9', person, 0.8), ('b1', body, 'p9', person, 0.0)]


def test_two_numbers_of_one_person_are_merged(stage):
    stage.play(a=[(1, 7, BOX)])
    stage.matches()
    merged = Event('merged', 2, stage.now_ns, 'a', 1, previous=7, score=0.75)
    unheard = Event('merged', 2, stage.now_ns, 'a', 1, previous=55, score=0.75)
    stage.play(a=[(1, 2, BOX)], events=[merged, unheard])
    assert stage.matches() == [
        ('p7', 1, 'p2', 1, 0.75),
        ('b1', 3, 'p7', 1, 0.0),
        ('b1', 3, 'p2', 1, 0.8),
    ]


# -- frames ---------------------------------------------------------------------------------------


@pytest.fixture
def tf2(monkeypatch):
    result = Tf2()
    monkeypatch.setitem(sys.modules, 'tf2_ros', result)
    return result


def test_a_body_on_the_ground_has_hips_and_a_head_there(ros, monkeypatch, tf2):
    stage = Stage(ros, monkeypatch, publish_persons='always')
    stage.tend()
    stage.play(a=[(1, 7, BOX), (2, 0, (100, 220, 140, 390))])
    frames = tf2.frames()
    assert frames['body_b1'] == ('map', 5.0, 0.0, 0.9)
    assert frames['head_b1'] == ('body_b1', 0.0, 0.0, 0.68)
    assert frames['person_p7'] == ('map', 5.0, 0.0, 1.58)
    assert frames['body_b2'][0] == 'map'
    assert 'person_p0' not in frames
    stamps = {(t.header.stamp.sec, t.header.stamp.nanosec) for t in tf2.sent}
    assert stamps == {(stage.now_ns // S, stage.now_ns % S)}


def test_without_a_pose_a_body_stands_before_its_camera_and_faces_it(ros, monkeypatch, tf2):
    stage = Stage(ros, monkeypatch)
    stage.play(b=[(1, 7, BOX)])
    assert tf2.frames()['body_b1'][0] == 'b_optical'
    turn = tf2.sent[0].transform.rotation
    x, y, z, w = turn.x, turn.y, turn.z, turn.w
    forward = (1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w))
    up = (2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y))
    assert (forward, up) == ((0, 0, -1), (0, -1, 0)), 'towards the camera, and against its y'


def test_without_camera_info_nobody_says_where_bodies_are(ros, monkeypatch, tf2):
    stage = Stage(ros, monkeypatch)
    stage.play(b=[(1, 7, BOX)], info=None)
    assert tf2.sent == []
    assert stage.topic('bodies/b1/roi').messages


def test_where_a_person_was_is_repeated_until_nobody_can_tell_any_more(ros, monkeypatch, tf2):
    stage = Stage(ros, monkeypatch, publish_persons='always')
    stage.tend()
    stage.play(a=[(1, 7, BOX)])
    stage.play(a=[])
    tf2.sent.clear()
    known = stage.bodies.humans.persons._known[7]
    for left, repeated in ((0.97, 0), (0.5, 1), (0.0, 1)):
        known.seen_s = time.monotonic() - (1.0 - left) * persons.LEFT_S
        stage.tend()
        assert [t.child_frame_id for t in tf2.sent] == ['person_p7'] * repeated


# -- persons --------------------------------------------------------------------------------------


def test_persons_are_published_where_nobody_manages_them(ros, monkeypatch):
    monkeypatch.setattr(humans, 'MANAGER_S', -1.0)
    stage = Stage(ros, monkeypatch)
    stage.tend()
    tracked, known = stage.topic('persons/tracked'), stage.topic('persons/known')
    assert (tracked.last.ids, known.last.ids) == ([], [])
    assert tracked.qos.durability == known.qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
    stage.play(a=[(1, 7, BOX), (2, 0, (0, 0, 40, 100))], names={7: 'ann'})
    assert (tracked.last.ids, known.last.ids) == (['p7'], ['p7'])
    late = {
        name: ros.heard(kind, f'/humans/persons/p7/{name}', **LATCHED)
        for name, kind in (
            ('anonymous', Bool), ('body_id', String), ('alias', String), ('name', String),
        )
    }  # fmt: skip
    ros.spin_until(lambda: all(late.values()), why='what is latched reaches late comers')
    said = {name: messages[-1].data for name, messages in late.items()}
    assert said == {'anonymous': False, 'body_id': 'b1', 'alias': '', 'name': 'ann'}
    stage.play(a=[])
    ros.spin_until(lambda: late['body_id'][-1].data == '')
    assert (tracked.last.ids, known.last.ids) == ([], ['p7'])
    stage.gallery.remove(7)
    stage.tend()
    assert known.last.ids == []
    assert ros.node.count_publishers('/humans/persons/p7/body_id') == 0


def test_how_well_it_is_known_where_a_person_is_falls_from_1_to_0(ros, monkeypatch):
    stage = Stage(ros, monkeypatch, publish_persons='always')
    stage.tend()
    stage.play(a=[(1, 7, BOX)])
    heard = ros.heard(Float32, '/humans/persons/p7/location_confidence')
    ros.spin_until(lambda: ros.node.count_subscribers('/humans/persons/p7/location_confidence'))
    ros.spin_for(0.3)
    known = stage.bodies.humans.persons._known[7]
    for left in (1.0, 0.4, 0.0, 0.0):
        now = time.monotonic()
        known.seen_s, known.told_s = now - (1.0 - left) * persons.LEFT_S, now - 2.0
        stage.tend()
    ros.spin_until(lambda: len(heard) == 3)
    assert [m.data for m in heard] == pytest.approx([1.0, 0.4, 0.0], abs=0.01)


def test_a_merged_person_becomes_an_alias(ros, monkeypatch):
    stage = Stage(ros, monkeypatch, publish_persons='always')
    stage.tend()
    stage.play(a=[(1, 7, BOX), (2, 2, (0, 0, 40, 100))])
    alias = ros.heard(String, '/humans/persons/p7/alias', **LATCHED)
    stage.gallery.remove(7)
    merged = Event('merged', 2, stage.now_ns, 'a', 1, previous=7, score=0.75)
    stage.play(a=[(1, 2, BOX)], events=[merged])
    stage.tend()
    ros.spin_until(lambda: alias and alias[-1].data == 'p2')
    assert sorted(stage.topic('persons/known').last.ids) == ['p2', 'p7']
    stage.play(a=[(1, 7, BOX)])  # a gallery was loaded from before
    ros.spin_until(lambda: alias[-1].data == '')
    stage.gallery.remove(2)
    stage.play(a=[])
    stage.tend()
    assert stage.topic('persons/known').last.ids == []


def test_a_person_manager_takes_the_persons_over_and_may_leave_again(ros, monkeypatch):
    monkeypatch.setattr(humans, 'MANAGER_S', -1.0)
    monkeypatch.setattr(humans, 'MANAGE_S', 0.0)
    stage = Stage(ros, monkeypatch)
    stage.tend()
    stage.play(a=[(1, 7, BOX)])
    tracked, known = stage.topic('persons/tracked'), stage.topic('persons/known')
    manager = ros.add(rclpy.create_node('manager', context=ros.context))
    manager.create_publisher(Bool, '/humans/persons/tracked', 1)
    ros.spin_until(lambda: ros.node.count_publishers('/humans/persons/tracked'))
    stage.tend()
    assert (tracked.last.ids, known.last.ids) == ([], [])
    assert '/humans/persons/tracked' not in stage.recording.made
    stage.play(a=[(1, 7, BOX)])
    assert ros.node.count_publishers('/humans/persons/p7/body_id') == 0
    ros.executor.remove_node(manager)
    manager.destroy_node()
    ros.nodes.remove(manager)
    ros.spin_until(lambda: not ros.node.count_publishers('/humans/persons/tracked'))
    stage.tend()
    stage.play(a=[(1, 7, BOX)])
    assert stage.topic('persons/tracked').last.ids == ['p7']


def test_a_node_s_own_persons_are_not_those_of_a_manager(ros):
    topic = '/humans/persons/tracked'
    assert not hri.others(ros.node, topic)
    ros.publisher(Bool, topic)
    ros.spin_until(lambda: ros.node.count_publishers(topic) == 1)
    assert not hri.others(ros.node, topic)
    namesake = ros.add(rclpy.create_node('tester', namespace='/elsewhere', context=ros.context))
    namesake.create_publisher(Bool, topic, 1)
    ros.spin_until(lambda: ros.node.count_publishers(topic) == 2)
    assert hri.others(ros.node, topic)


def test_topics_of_persons_are_bounded_and_leave_nothing_behind(ros, monkeypatch):
    monkeypatch.setattr(persons, 'MOST', 3)
    stage = Stage(ros, monkeypatch, publish_persons='always')
    stage.tend()
    for number in range(1, 20):
        stage.play(a=[(number, number, BOX)])
    assert stage.topic('persons/known').last.ids == ['p17', 'p18', 'p19']
    before = len(list(ros.node.publishers)), len(ros.node._parameters)
    for number in range(20, 40):
        stage.play(a=[(number, number, BOX)])
    assert (len(list(ros.node.publishers)), len(ros.node._parameters)) == before


# -- the node -------------------------------------------------------------------------------------


@pytest.mark.parametrize('missing', [True, False])
def test_without_hri_msgs_only_the_setting_that_needs_it_fails(ros, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, 'hri_msgs', None)
    monkeypatch.setitem(sys.modules, 'hri_msgs.msg', None)
    node = reid_node(ros, config('a', hri=HriConfig(enabled=missing)), start=False)
    assert node.start() is not missing
    if missing:
        assert 'ros-$ROS_DISTRO-hri-msgs' in node.problem
        assert node._state == 'unconfigured'


@pytest.mark.parametrize(
    ('names', 'hri', 'model', 'words'),
    [
        ((), {'enabled': False}, {}, 'hri.enabled is not'),
        (('a',), {}, {}, 'leave camera_names empty'),
        ((), {}, {'appearance': 'none'}, 'name an appearance network'),
    ],
)
def test_settings_of_identify_only_that_contradict_are_refused(
    ros, monkeypatch, names, hri, model, words
):
    official.install(monkeypatch, 'hri_msgs')
    settings = HriConfig(**{'enabled': True, 'identify_only': True, **hri})
    node = reid_node(
        ros, config(*names, hri=settings, model=ModelConfig('none', **model)), start=False
    )
    assert not node.start()
    assert words in node.problem


def test_the_node_begins_and_ends_the_topics_with_its_states(ros, monkeypatch):
    node, recording = recorded(
        ros, monkeypatch, config('a', hri=HriConfig(enabled=True)), 'hri_msgs'
    )
    monkeypatch.setattr(humans, 'MANAGER_S', -1.0)
    ros.spin_until(lambda: '/humans/persons/known' in recording.made)
    before = len(list(node.publishers))
    for _ in range(3):
        node.trigger_deactivate()
        assert '/humans/persons/known' not in recording.made
        node.trigger_cleanup()
        assert not any(topic.startswith('/humans') for topic in recording.made)
        assert node.start()
    ros.spin_until(lambda: '/humans/persons/known' in recording.made)
    assert len(list(node.publishers)) == before


def test_a_walk_through_the_node_is_a_body_with_a_person(ros, monkeypatch, tmp_path):
    """Pictures and boxes in over DDS; a colour network, so that somebody is recognised."""
    import networks
    from sensor_msgs.msg import PointCloud2
    from test_ros_process import walk

    networks.means(tmp_path / 'look.onnx')
    networks.write(tmp_path, networks.appearance('look'))
    model = ModelConfig('none', str(tmp_path / 'look.onnx'))
    settings = config('a', hri=HriConfig(enabled=True), model=model, max_future_s=60.0)
    node, recording = recorded(ros, monkeypatch, settings, 'hri_msgs')
    images = ros.publisher(Image, 'a/image')
    tables = ros.publisher(PointCloud2, 'a/detections_table')
    ros.spin_until(lambda: images.get_subscription_count() and tables.get_subscription_count())
    start = node.get_clock().now().nanoseconds
    matches = recording.made['/humans/candidate_matches']
    for i in range(60):
        walk(ros, images, tables, start + i * S // 10)
        ros.spin_for(0.03)
        if matches.messages:
            break
    match = matches.last
    assert (match.id1_type, match.id2_type) == (3, 1)
    assert match.id2.startswith('p')
    assert match.id1 in recording.made['/humans/bodies/tracked'].last.ids
    roi = recording.made[f'/humans/bodies/{match.id1}/roi'].last
    assert (roi.xmin, roi.xmax) == pytest.approx((30 / 96, 60 / 96), abs=0.02)


# -- identify only --------------------------------------------------------------------------------


class Elsewhere:
    """Somebody else's bodies: pictures over DDS, lists and regions handed to the node."""

    def __init__(self, ros, monkeypatch, folder, **more):
        import networks

        networks.means(folder / 'look.onnx')
        networks.write(folder, networks.appearance('look'))
        model = ModelConfig('none', str(folder / 'look.onnx'))
        hri = HriConfig(enabled=True, identify_only=True, publish_persons='never')
        settings = config(hri=hri, model=model, **more)
        self.ros = ros
        self.node, self.recording = recorded(ros, monkeypatch, settings, 'hri_msgs')
        self.heard = self.recording.heard
        # What the middleware cannot send is counted, too: somebody finds bodies.
        monkeypatch.setattr(self.node, 'count_publishers', lambda topic: 1)
        self.topic = self.recording.made['/humans/candidate_matches']
        self.pictures = {}
        self.now_ns = 100 * S

    def track(self, *names):
        message = hri_msgs.IdsList(header=header(self.now_ns, ''), ids=list(names))
        self.heard['/humans/bodies/tracked'](message)
        for name in names:
            if name not in self.pictures:
                self.pictures[name] = self.ros.publisher(Image, f'/humans/bodies/{name}/cropped')
                self.ros.spin_until(self.pictures[name].get_subscription_count)

    def show(self, seconds, frame='lens', **colours):
        """Pictures of bodies, ten a second by their stamps."""
        for _ in range(round(seconds * 10)):
            self.now_ns += S // 10
            for i, (name, colour) in enumerate(colours.items()):
                message = Image(header=header(self.now_ns, frame), height=120, width=48, step=144)
                message.encoding = 'bgr8'
                message.data = bytes(np.full((120, 48, 3), colour, np.uint8).tobytes())
                left = 0.1 + 0.3 * i
                roi = hri_msgs.NormalizedRegionOfInterest2D(
                    header=message.header, xmin=left, ymin=0.2, xmax=left + 0.1, ymax=0.7, c=0.9
                )
                self.heard[f'/humans/bodies/{name}/roi'](roi)
                self.pictures[name].publish(message)
            processed = self.node.eyes.counts['processed'] + len(colours)
            self.ros.spin_until(lambda n=processed: self.node.eyes.counts['processed'] >= n)

    def matches(self):
        """Who each body is, by what was said last; None where it was taken back."""
        result = {}
        for m in self.topic.messages:
            result[m.id1] = m.id2 if m.confidence else None
        return result


RED, BLUE = (30, 30, 220), (220, 60, 30)


@pytest.fixture
def elsewhere(ros, monkeypatch, tmp_path):
    return Elsewhere(ros, monkeypatch, tmp_path)


def test_bodies_of_somebody_else_are_recognised_by_their_pictures(elsewhere):
    elsewhere.track('body_x', 'body_y')
    elsewhere.show(2.5, body_x=RED, body_y=BLUE)
    first = elsewhere.matches()
    assert set(first) == {'body_x', 'body_y'}
    assert len(set(first.values())) == 2
    elsewhere.track('body_y')
    elsewhere.show(0.3, body_y=BLUE)
    assert elsewhere.matches() == {'body_x': None, 'body_y': first['body_y']}
    elsewhere.track('body_y', 'body_z')
    elsewhere.show(2.0, body_y=BLUE, body_z=RED)
    assert elsewhere.matches()['body_z'] == first['body_x'], 'a new body, the same person'
    assert not any(topic.startswith('/humans/bodies') for topic in elsewhere.recording.made)


def test_bodies_that_nobody_tracks_leave_no_subscriptions(elsewhere):
    node, heard = elsewhere.node, elsewhere.heard

    def left():
        return len(list(node.subscriptions)), len(heard), len(node._parameters)

    before = left()
    for i in range(20):
        elsewhere.heard['/humans/bodies/tracked'](hri_msgs.IdsList(ids=[f'b{i}', f'c{i}']))
    assert len(heard) == before[1] + 2
    elsewhere.heard['/humans/bodies/tracked'](hri_msgs.IdsList())
    assert left() == before


def test_bad_names_and_pictures_are_told_and_harm_nobody(elsewhere):
    elsewhere.track('body_x')
    elsewhere.heard['/humans/bodies/tracked'](hri_msgs.IdsList(ids=['7 up', 'body_x']))
    elsewhere.pictures['body_x'].publish(Image(header=header(0), height=4, width=4))
    elsewhere.pictures['body_x'].publish(
        Image(header=header(5 * S), height=4, width=4, encoding='bgr8', step=12)
    )
    counts = elsewhere.node.eyes.counts
    elsewhere.ros.spin_until(lambda: counts['bad_stamps'] and counts['undecodable'])
    assert counts['bad_names'] == 1
    elsewhere.show(2.0, body_x=RED)
    assert elsewhere.matches().get('body_x', '').startswith('p')


def test_pictures_without_regions_are_enough(elsewhere, monkeypatch):
    elsewhere.track('body_x', 'body_y')
    for name in ('body_x', 'body_y'):
        elsewhere.heard[f'/humans/bodies/{name}/roi'] = lambda message: None
    elsewhere.show(2.5, body_x=RED, body_y=BLUE)
    said = elsewhere.matches()
    assert len({said['body_x'], said['body_y']} - {None}) == 2


def test_a_clock_that_jumps_back_does_not_end_it(elsewhere):
    elsewhere.track('body_x')
    elsewhere.show(2.0, body_x=RED)
    person = elsewhere.matches()['body_x']
    elsewhere.now_ns -= 50 * S
    elsewhere.show(0.3, body_x=RED)
    elsewhere.track('body_x', 'body_y')
    elsewhere.show(2.5, body_x=RED, body_y=BLUE)
    said = elsewhere.matches()
    assert said['body_x'] == person
    assert said['body_y'] not in (None, person)


def test_when_disabled_everything_is_taken_back(elsewhere):
    elsewhere.track('body_x')
    elsewhere.show(2.0, body_x=RED)
    elsewhere.node.enabled = False
    elsewhere.heard['/humans/bodies/tracked'](hri_msgs.IdsList(ids=['body_x']))
    elsewhere.ros.spin_until(lambda: elsewhere.matches()['body_x'] is None)
