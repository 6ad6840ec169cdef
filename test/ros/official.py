"""Classes with exactly the fields of the official messages that are not on PyPI.

The tables below are the fields of vision_msgs 4 (4.0.0 to 4.2.0: Humble to Lyrical have the same
ones) and of those messages of hri_msgs 2 (2.0.0 to 2.3.2) that we use. The classes made of them
refuse what rosidl's refuse: a field that does not exist, and a value of another type.
"""

import array
import math
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
from geometry_msgs.msg import Pose, PoseWithCovariance, Vector3
from ros_builders import reid_node
from std_msgs.msg import Header

from reid_ros.ros.outputs import Outputs

VISION_MSGS = {
    'Point2D': 'float64 x, float64 y',
    'Pose2D': 'Point2D position, float64 theta',
    'BoundingBox2D': 'Pose2D center, float64 size_x, float64 size_y',
    'BoundingBox3D': 'geometry_msgs/Pose center, geometry_msgs/Vector3 size',
    'ObjectHypothesis': 'string class_id, float64 score',
    'ObjectHypothesisWithPose': (
        'ObjectHypothesis hypothesis, geometry_msgs/PoseWithCovariance pose'
    ),
    'Detection2D': (
        'std_msgs/Header header, ObjectHypothesisWithPose[] results, BoundingBox2D bbox, string id'
    ),
    'Detection2DArray': 'std_msgs/Header header, Detection2D[] detections',
    'Detection3D': (
        'std_msgs/Header header, ObjectHypothesisWithPose[] results, BoundingBox3D bbox, string id'
    ),
    'Detection3DArray': 'std_msgs/Header header, Detection3D[] detections',
    'VisionInfo': (
        'std_msgs/Header header, string method, string database_location, int32 database_version'
    ),
}
HRI_MSGS = {
    'IdsList': 'std_msgs/Header header, string[] ids',
    'IdsMatch': (
        'int8 UNSET=0, int8 PERSON=1, int8 FACE=2, int8 BODY=3, int8 VOICE=4, '
        'string id1, int8 id1_type, string id2, int8 id2_type, float32 confidence'
    ),
    'NormalizedRegionOfInterest2D': (
        'std_msgs/Header header, float32 xmin, float32 ymin, float32 xmax, float32 ymax, float32 c'
    ),
}
INSTALLED = {
    'std_msgs/Header': Header,
    'geometry_msgs/Pose': Pose,
    'geometry_msgs/PoseWithCovariance': PoseWithCovariance,
    'geometry_msgs/Vector3': Vector3,
}
BITS = {'int8': 7, 'int32': 31, 'uint8': 8, 'uint32': 32}
MOST = {'float': 3.402823466e38, 'float32': 3.402823466e38}


class WrongFieldError(Exception):
    """A value that rosidl would refuse, or that would not survive the way."""


def verify(value, kind, where=''):
    """Refuse a value that is not of a field's type, however deep, and whatever class holds it."""
    if kind.endswith(']'):
        item, _, count = kind.rstrip(']').partition('[')
        if isinstance(value, (str, dict)) or not hasattr(value, '__len__'):
            raise WrongFieldError(f'{where}: {value!r} is no {kind}')
        if count and len(value) != int(count):
            raise WrongFieldError(f'{where}: {len(value)} values of {kind}')
        if isinstance(value, (np.ndarray, array.array, bytes)):
            return
        for i, one in enumerate(value):
            verify(one, item, f'{where}[{i}]')
    elif kind.startswith('sequence<'):
        verify(value, f'{kind[9:-1].partition(",")[0]}[]', where)
    elif kind == 'string':
        _refuse_unless(isinstance(value, str), where, value, kind)
    elif kind in ('bool', 'boolean'):
        _refuse_unless(isinstance(value, bool), where, value, kind)
    elif kind in ('float', 'double', 'float32', 'float64'):
        _refuse_unless(isinstance(value, float), where, value, kind)
        _refuse_unless(math.isfinite(value), where, value, kind)
        _refuse_unless(abs(value) <= MOST.get(kind, math.inf), where, value, kind)
    elif kind in BITS:
        whole = isinstance(value, int) and not isinstance(value, bool)
        low = 0 if kind.startswith('u') else -(1 << BITS[kind])
        _refuse_unless(whole and low <= value < 1 << BITS[kind], where, value, kind)
    else:
        _refuse_unless(type(value).__name__ == kind.rpartition('/')[2], where, value, kind)
        check(value, where)


def check(message, where=''):
    """Verify every field of a message, ours or an installed one."""
    for name, kind in message.get_fields_and_field_types().items():
        verify(getattr(message, name), kind, f'{where or type(message).__name__}.{name}')


def _refuse_unless(fits, where, value, kind):
    if not fits:
        raise WrongFieldError(f'{where}: {value!r} ({type(value).__name__}) is no {kind}')


def module(package, table):
    """The module `<package>.msg`, with a class for each message of a table."""
    result = ModuleType(f'{package}.msg')
    for name, fields in table.items():
        setattr(result, name, _message(package, name, fields, vars(result)))
    return result


def _message(package, name, fields, others):
    constants, kinds = {}, {}
    for field in fields.split(', '):
        kind, what = field.split(' ')
        if '=' in what:
            key, _, value = what.partition('=')
            constants[key] = int(value)
        else:
            kinds[what] = kind

    def __init__(self, **values):
        for field, kind in kinds.items():
            setattr(self, field, values.pop(field) if field in values else default(kind))
        if values:
            raise WrongFieldError(f'{name} has no {", ".join(values)}')

    def default(kind):
        if kind.endswith('[]'):
            return []
        made = INSTALLED.get(kind) or others.get(kind)
        return made() if made else {'string': ''}.get(kind, 0.0 if 'float' in kind else 0)

    def __setattr__(self, field, value):
        if field not in kinds:
            raise AttributeError(f'{name} has no field {field}')
        verify(value, kinds[field], f'{name}.{field}')
        object.__setattr__(self, field, value)

    def __eq__(self, other):
        return type(self) is type(other) and all(
            getattr(self, field) == getattr(other, field) for field in kinds
        )

    return type(
        name,
        (),
        {
            '__slots__': tuple(kinds),
            '__module__': f'{package}.msg._{name.lower()}',
            '__hash__': None,
            '__init__': __init__,
            '__setattr__': __setattr__,
            '__eq__': __eq__,
            '__repr__': lambda self: f'{name}({ {f: getattr(self, f) for f in kinds} })',
            'get_fields_and_field_types': classmethod(lambda _: dict(kinds)),
            **constants,
        },
    )


vision_msgs = module('vision_msgs', VISION_MSGS)
hri_msgs = module('hri_msgs', HRI_MSGS)


def install(monkeypatch, package):
    """Let `import <package>.msg` find the classes; returns the module."""
    made = {'vision_msgs': vision_msgs, 'hri_msgs': hri_msgs}[package]
    above = ModuleType(package)
    above.msg, above.__spec__ = made, ModuleSpec(package, None)
    monkeypatch.setitem(sys.modules, package, above)
    monkeypatch.setitem(sys.modules, f'{package}.msg', made)
    return made


class Sent:
    """A publisher that keeps what it is given, and refuses what could not be sent."""

    def __init__(self, kind, topic, qos):
        self.kind, self.topic, self.qos = kind, topic, qos
        self.messages = []
        self.listeners = 1

    @property
    def last(self):
        return self.messages[-1]

    def publish(self, message):
        _refuse_unless(type(message) is self.kind, self.topic, message, self.kind.__name__)
        check(message)
        self.messages.append(message)

    def get_subscription_count(self):
        return self.listeners


class Heard:
    """A subscription that hears what a test hands to it."""

    def __init__(self, topic):
        self.topic = topic
        self.event_handlers = []


class Recording:
    """Stands before a node: publishers and subscriptions of classes from above are recorded,
    because the middleware cannot send them; all others are the node's own."""

    def __init__(self, node):
        self.node = node
        self.made, self.heard = {}, {}
        self._publisher, self._subscription = node.create_publisher, node.create_subscription
        self._ended = node.destroy_publisher, node.destroy_subscription
        node.create_publisher, node.create_subscription = self.publisher, self.subscription
        node.destroy_publisher, node.destroy_subscription = self.unpublish, self.unsubscribe

    @staticmethod
    def ours(kind):
        return kind in {*vars(vision_msgs).values(), *vars(hri_msgs).values()}

    def publisher(self, kind, topic, qos, **more):
        if not self.ours(kind):
            return self._publisher(kind, topic, qos, **more)
        assert topic not in self.made, f'{topic} is published twice'
        result = self.made[topic] = Sent(kind, topic, qos)
        return result

    def subscription(self, kind, topic, callback, qos, **more):
        if not self.ours(kind):
            return self._subscription(kind, topic, callback, qos, **more)
        self.heard[topic] = callback
        return Heard(topic)

    def unpublish(self, publisher):
        if not isinstance(publisher, Sent):
            return self._ended[0](publisher)
        return self.made.pop(publisher.topic) is publisher

    def unsubscribe(self, subscription):
        if not isinstance(subscription, Heard):
            return self._ended[1](subscription)
        return self.heard.pop(subscription.topic, None) is not None


def recorded(ros, monkeypatch, settings, *packages, **more):
    """A node with packages 'installed', and what it publishes with them."""
    for package in packages:
        install(monkeypatch, package)
    made = []
    begin = Outputs.__init__

    def hooked(self, node, *args, **values):
        made.append(Recording(node))
        begin(self, node, *args, **values)

    monkeypatch.setattr(Outputs, '__init__', hooked)
    node = reid_node(ros, settings, **more)
    monkeypatch.setattr(Outputs, '__init__', begin)
    return node, made[0]
