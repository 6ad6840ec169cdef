"""Nodes, messages and values that the tests of the node draw."""

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from reid_ros.config import CameraConfig, Config, ModelConfig
from reid_ros.ros.convert import byte_array
from reid_ros.ros.node import ReidNode
from reid_ros.types import Detections, Sightings

BARE = ModelConfig(detector='none', appearance='none')


def config(*names, camera=None, **settings):
    """A node without networks; people come from tables unless the camera says otherwise."""
    camera = camera or CameraConfig(detections='table')
    return Config(
        model=settings.pop('model', BARE),
        camera_names=names,
        cameras=dict.fromkeys(names, camera),
        **settings,
    )


def reid_node(ros, settings, *arguments, start=True):
    """The node on the test's executor, active unless start is False."""
    node = ReidNode(settings, context=ros.context, cli_args=['--ros-args', *arguments])
    ros.add(node)
    if start:
        assert node.start(), node.problem
    return node


def header(stamp_ns, frame='lens'):
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame)


def image(stamp_ns, height=48, width=64, encoding='bgr8'):
    message = Image(header=header(stamp_ns), height=height, width=width, encoding=encoding)
    message.step = width * 3
    message.data = byte_array(np.full((height, width, 3), 90, np.uint8))
    return message


def detections(*boxes, score=0.9):
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), score, np.float32)
    )


def sightings(camera, *rows, stamp_ns=1_000_000_000, **columns):
    """Rows are (track, person, box); all confirmed and seen unless columns say otherwise."""
    n = len(rows)
    values = {
        'confirmed': np.ones(n, bool),
        'predicted': np.zeros(n, bool),
        **{name: np.asarray(value) for name, value in columns.items()},
    }
    return Sightings(
        camera,
        stamp_ns,
        0,
        np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        np.full(n, 0.9, np.float32),
        np.array([row[0] for row in rows], np.uint32),
        np.array([row[1] for row in rows], np.uint32),
        np.full(n, 0.8, np.float32),
        values['confirmed'],
        values['predicted'],
        np.zeros(n, np.uint32),
        np.zeros(n, np.float32),
    )


class Diagnosis:
    """The latest /diagnostics of a test."""

    def __init__(self, ros):
        self._messages = ros.heard(DiagnosticArray, '/diagnostics')

    def status(self, camera):
        """The latest status of a camera, or of 'node'; None where there is none yet."""
        for message in reversed(self._messages):
            for status in message.status:
                if status.name.endswith(f': {camera}'):
                    return status
        return None

    def says(self, camera, words):
        status = self.status(camera)
        return status is not None and words in status.message

    def value(self, camera, key):
        status = self.status(camera)
        return next((v.value for v in status.values if v.key == key), None) if status else None
