"""A corridor before two cameras, and the nodes of several machines in one test."""

import dataclasses
import functools

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.time import Time
from ros_builders import Diagnosis
from sensor_msgs.msg import CameraInfo, PointCloud2
from std_msgs.msg import Header

from reid_ros.config import CameraConfig, Config, LinkConfig, ModelConfig
from reid_ros.lens import Lens, Pose, View
from reid_ros.pipeline import Pipeline
from reid_ros.ros.convert import stamp_ns
from reid_ros.ros.diagnostics import status_event
from reid_ros.ros.identity_node import IdentityNode
from reid_ros.ros.observed import Report, Serial, networks, report_table
from reid_ros.ros.sight_node import SightNode
from reid_ros.ros.stage import camera_info
from reid_ros.ros.table import cloud_to_table, sightings_table, table_to_cloud
from reid_ros.types import Detections, Frame
from reid_ros.world.values import Shot, Truth

S = 1_000_000_000
HEIGHT, WIDTH = 180, 240
LENS = Lens(np.array([[200.0, 0, 120], [0, 200, 90], [0, 0, 1]]), np.zeros(5))
# Level, 1.5 m above the floor.
POSE = (0.0, 0.0, 1.5, -0.5, 0.5, -0.5, 0.5)
CLOTHES = (
    ((30, 30, 200), (40, 40, 40)),
    ((200, 60, 20), (160, 160, 150)),
    ((40, 180, 60), (20, 30, 90)),
    ((210, 210, 210), (120, 40, 120)),
)
"""Shirt and trousers of each person, BGR."""
WINDOW = {'a': 0.0, 'b': 360.0}
"""Where each camera's image begins along the corridor, pixels."""


def _people(moment):
    """(x, foot, height) of everybody along the corridor, nearest last."""
    t = moment / 10
    whole = 600 - 60
    people = []
    for i in range(len(CLOTHES)):
        turns = (t * (48 + 14 * i) + 190 * i) / whole
        x = 30 + whole * abs(turns % 2 - 1)
        people.append((x, 140 + 8 * i, 90 + 6 * i))
    return people


def _picture(camera, moment, draw):
    image = np.full((HEIGHT, WIDTH, 3), (150, 160, 165), np.uint8)
    boxes = []
    for (x, foot, tall), (shirt, trousers) in zip(_people(moment), CLOTHES):
        x0 = int(x - WINDOW[camera] - tall // 6)
        x1, y0 = x0 + tall // 3, foot - tall
        box = [max(x0, 0), y0, min(x1, WIDTH), foot]
        if box[2] - box[0] < 8:
            continue
        middle, neck = y0 + tall // 2, y0 + tall // 6
        image[y0:neck, box[0] : box[2]] = (120, 150, 190)
        image[neck:middle, box[0] : box[2]] = shirt
        image[middle:foot, box[0] : box[2]] = trousers
        for other in boxes:
            wide = min(other[2], box[2]) - max(other[0], box[0])
            if wide > 0.6 * (other[2] - other[0]):
                boxes.remove(other)
                break
        boxes.append(box)
    noise = draw.integers(-9, 10, image.shape)
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    boxes = [box for box in boxes if draw.random() > 0.04]
    shaken = np.array(boxes, np.float32).reshape(-1, 4) + draw.normal(0, 0.7, (len(boxes), 4))
    return image, Detections(
        shaken.astype(np.float32), draw.uniform(0.6, 0.95, len(boxes)).astype(np.float32)
    )


@functools.lru_cache(maxsize=2)
def film(moments, begin_ns=100 * S):
    """(shot, detections) of both cameras in turn, ten moments a second; nobody for a while."""
    draw = np.random.default_rng(5)
    result = []
    for moment in range(moments):
        for k, camera in enumerate('ab'):
            image, found = _picture(camera, moment, draw)
            if 40 <= moment < 46:
                found = Detections.none()
            stamp = begin_ns + moment * S // 10 + k * 2_000_000
            frame = Frame(camera, stamp, image, moment)
            nothing = np.zeros(0, np.float32)
            truth = Truth(
                np.zeros(0, np.uint32), np.zeros((0, 4), np.float32), nothing,
                np.zeros((0, 3)), nothing, np.zeros(0, np.uint8),
                np.zeros((HEIGHT, WIDTH), np.uint8),
            )  # fmt: skip
            view = View(WIDTH, HEIGHT, LENS, Pose.of(POSE))
            result.append((Shot(frame, truth, view), found))
    return result


@functools.lru_cache(maxsize=2)
def seen(moments, cameras='ab', after=0):
    """What one sight observes of the film from a moment on, in its order."""
    with Pipeline.load(settings(*cameras)) as pipeline:
        frames = [
            dataclasses.replace(shot.frame, detections=found, view=shot.view)
            for shot, found in film(moments)
            if shot.frame.camera in cameras and shot.frame.index >= after
        ]
        steps = [frames[i : i + len(cameras)] for i in range(0, len(frames), len(cameras))]
        return [observation for step in steps for observation in pipeline.observe(step)]


def said(observations, pipeline):
    """What one pipeline says of them: tables by image, and events."""
    moments = {}
    for one in observations:
        moments.setdefault(one.stamp_ns // (S // 20), []).append(one)
    tables, events = {}, []
    for moment in moments.values():
        result = pipeline.identify(moment)
        events += result.events
        for found in result.sightings:
            tables[found.camera, found.stamp_ns] = sightings_table(found).tolist()
    return tables, events


class Sender:
    """A sight node's tables, sent as a test wants them to arrive.

    Attributes:
        told: by camera and stamp, what the identity node said.
        events: the same.
    """

    def __init__(self, ros, node, session=7):
        self.ros, self.node, self.session = ros, node, session
        self.networks = networks(node.pipeline)
        self.count, self.epoch = dict.fromkeys('ab', 0), dict.fromkeys('ab', 0)
        self.senders = {name: ros.publisher(PointCloud2, f'{name}/observations') for name in 'ab'}
        self.clouds = {name: ros.heard(PointCloud2, f'{name}/sightings') for name in 'ab'}
        self._events = ros.heard(DiagnosticArray, 'reid/events')
        ros.spin_until(lambda: all(s.get_subscription_count() for s in self.senders.values()))
        ros.spin_for(0.3)

    def messages(self, observations):
        """Their tables, numbered on."""
        result = []
        for one in observations:
            name = one.camera
            serial = Serial(self.session, self.count[name], self.epoch[name], *self.networks)
            self.count[name] += 1
            table = report_table(Report(serial, WIDTH, HEIGHT, one))
            stamp = Time(nanoseconds=one.stamp_ns).to_msg()
            result.append((name, table_to_cloud(table, Header(stamp=stamp, frame_id='lens'))))
        return result

    def send(self, messages):
        for name, cloud in messages:
            self.senders[name].publish(cloud)
            self.ros.executor.spin_once(timeout_sec=0.0)

    def hear(self, number):
        """Until so many tables came back; they are given by camera and stamp."""
        self.ros.spin_until(lambda: sum(map(len, self.clouds.values())) >= number)
        return self.told

    @property
    def told(self):
        return {
            (name, stamp_ns(cloud.header)): cloud_to_table(cloud).tolist()
            for name, clouds in self.clouds.items()
            for cloud in clouds
        }

    @property
    def events(self):
        return [status_event(status) for array in self._events for status in array.status]

    def counts(self, name):
        return self.node.cameras[name]._order.counts


class Told(Diagnosis):
    """What the identity node diagnoses; a sight node speaks of the same cameras."""

    def status(self, camera):
        for message in reversed(self._messages):
            for status in message.status:
                if status.name == f'identity_node: {camera}':
                    return status
        return None


def settings(*names, wait_s=0.2, max_offset_s=0.1, pretend_offset_s=0.0, **more):
    """Cameras with known poses, people from tables, vectors of their colours."""
    camera = CameraConfig(detections='table', pose=POSE)
    more = {'late_frame_policy': 'process_all', 'silent_after_s': 60.0, **more}
    return Config(
        model=ModelConfig(detector='none', appearance=more.pop('appearance', 'colour')),
        camera_names=names,
        cameras=dict.fromkeys(names, camera),
        link=LinkConfig(wait_s, max_offset_s, pretend_offset_s),
        **more,
    )


def started(ros, kind, config, *arguments):
    """A node on the test's executor, active."""
    node = kind(config, context=ros.context, cli_args=['--ros-args', *arguments])
    ros.add(node)
    assert node.start(), node.problem
    return node


def sight(ros, config, *arguments, name='sight'):
    return started(ros, SightNode, config, '-r', f'__node:={name}', *arguments)


def identity(ros, config, *arguments):
    return started(ros, IdentityNode, config, *arguments)


def ended(ros, node):
    """The node is gone, as after a kill: it says no farewell."""
    ros.executor.remove_node(node)
    ros.nodes.remove(node)
    node.close()


def lenses(ros, cameras='ab'):
    """Every camera has said which lens it has, to everybody."""
    shots = {shot.frame.camera: shot for shot, _ in film(1)}
    for name in cameras:
        sender = ros.publisher(CameraInfo, f'{name}/camera_info')
        ros.spin_until(sender.get_subscription_count)
        ros.spin_for(0.2)
        sender.publish(camera_info(shots[name].view, Header(frame_id=f'{name}_optical_frame')))
    ros.spin_until(
        lambda: all(
            node.cameras[name].info is not None
            for node in ros.nodes
            for name in getattr(node, 'cameras', {})
        )
    )
