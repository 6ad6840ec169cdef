"""The vision_msgs adapter, on classes with exactly the fields of the official definitions."""

import sys
from dataclasses import dataclass, field
from types import ModuleType

import pytest
from ros_builders import header, sightings

from reid_ros.ros import vision


@dataclass(slots=True)
class Point2D:
    x: float = 0.0
    y: float = 0.0


@dataclass(slots=True)
class Pose2D:
    position: Point2D = field(default_factory=Point2D)
    theta: float = 0.0


@dataclass(slots=True)
class BoundingBox2D:
    center: Pose2D = field(default_factory=Pose2D)
    size_x: float = 0.0
    size_y: float = 0.0


@dataclass(slots=True)
class ObjectHypothesis:
    class_id: str = ''
    score: float = 0.0


@dataclass(slots=True)
class ObjectHypothesisWithPose:
    hypothesis: ObjectHypothesis = field(default_factory=ObjectHypothesis)
    pose: object = None


@dataclass(slots=True)
class Detection2D:
    header: object = None
    results: list = field(default_factory=list)
    bbox: BoundingBox2D = field(default_factory=BoundingBox2D)
    id: str = ''


@dataclass(slots=True)
class Detection2DArray:
    header: object = None
    detections: list = field(default_factory=list)


@dataclass(slots=True)
class VisionInfo:
    header: object = None
    method: str = ''
    database_location: str = ''
    database_version: int = 0


class Messages:
    """As vision_msgs.msg of version 4."""

    Detection2D = Detection2D
    Detection2DArray = Detection2DArray
    ObjectHypothesisWithPose = ObjectHypothesisWithPose
    VisionInfo = VisionInfo


def found(*hypotheses):
    result = Detection2D(bbox=BoundingBox2D(Pose2D(Point2D(50.0, 60.0)), 20.0, 40.0))
    result.results = [ObjectHypothesisWithPose(ObjectHypothesis(*h)) for h in hypotheses]
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
    people = vision.detections(Detection2DArray(None, [found(*hypotheses)]), ('person', '0'))
    assert len(people) == taken
    if taken:
        assert people.boxes.tolist() == [[40, 40, 60, 80]]


def test_tracks_and_identities_bear_the_header_and_the_ids():
    rows = sightings('hall', (17, 3, (40, 40, 60, 80)), (18, 0, (0, 0, 10, 20)))
    tracks = vision.tracks(Messages, header(5), rows)
    assert [d.id for d in tracks.detections] == ['hall_17', 'hall_18']
    assert tracks.header == tracks.detections[0].header == header(5)
    assert tracks.detections[0].results[0].hypothesis.class_id == 'person'
    known = vision.identities(Messages, header(5), rows)
    assert [d.id for d in known.detections] == ['3', '']
    assert known.detections[0].results[0].hypothesis.class_id == '3'
    assert known.detections[0].results[0].hypothesis.score == pytest.approx(0.8)
    assert known.detections[1].results == []
    box = known.detections[0].bbox
    assert (box.center.position.x, box.center.position.y, box.size_x, box.size_y) == (
        50, 60, 20, 40,
    )  # fmt: skip


def test_vision_info_says_where_the_persons_are():
    info = vision.info(Messages, header(0), '/data/gallery.db', 4)
    assert (info.database_location, info.database_version) == ('/data/gallery.db', 4)


def test_without_vision_msgs_the_setting_that_needs_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', None)
    with pytest.raises(vision.MissingMessagesError, match='detections: table'):
        vision.messages()


def test_with_vision_msgs_its_messages_are_taken(monkeypatch):
    package, module = ModuleType('vision_msgs'), ModuleType('vision_msgs.msg')
    monkeypatch.setitem(sys.modules, 'vision_msgs', package)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', module)
    assert vision.messages() is module
