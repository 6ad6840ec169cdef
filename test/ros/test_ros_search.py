"""A search network in the nodes: one pass over all cameras, and its vectors between machines."""

import networks
import numpy as np
import pytest
from machines import LENS, S, ended, identity, sight
from people import CLEAR
from ros_builders import Diagnosis, reid_node

from reid_ros.boxes import iou
from reid_ros.config import Config, ModelConfig
from reid_ros.lens import Pose, View
from reid_ros.ros.stage import Stage
from reid_ros.ros.table import sightings_table
from reid_ros.types import Detections, Frame
from reid_ros.world.values import Shot, Truth

SIZES = {'a': (240, 320), 'b': (180, 400)}
"""Height and width of each camera's images."""
RED, GREEN, BLUE = (40, 40, 220), (40, 220, 40), (220, 40, 40)
MOMENTS = 48
SIM = ('-p', 'use_sim_time:=true')


@pytest.fixture
def toy(tmp_path):
    networks.blobs(tmp_path / 'toy.onnx')
    networks.write(tmp_path, networks.search(calibration=CLEAR.to_json()))
    return str(tmp_path / 'toy.onnx')


def settings(toy, *names):
    return Config(
        backend='cpu',
        model=ModelConfig(detector=toy, appearance=toy),
        camera_names=names,
        late_frame_policy='process_all',
        silent_after_s=60.0,
    )


def seen_by(camera, moment):
    """(colour, left edge) of the people whom a camera sees."""
    step = 3 * moment
    if camera == 'a':
        return [(GREEN, 200), *([(RED, 20 + step)] if moment < 24 else [])]
    return [(BLUE, 40), *([(RED, 330 - step)] if moment > 28 else [])]


def box(camera, x):
    height, width = SIZES[camera]
    return (x, height // 4, min(x + 40, width), height - 20)


def shots():
    nothing, empty = np.zeros(0, np.float32), np.zeros((0, 4), np.float32)
    for moment in range(MOMENTS):
        for k, (camera, (height, width)) in enumerate(SIZES.items()):
            image = np.full((height, width, 3), 90, np.uint8)
            boxes = [(*box(camera, x), colour) for colour, x in seen_by(camera, moment)]
            for x0, y0, x1, y1, colour in boxes:
                image[y0:y1, x0:x1] = colour
            stamp = 100 * S + moment * S // 10 + 2_000_000 * k
            truth = Truth(
                np.zeros(0, np.uint32), empty, nothing, np.zeros((0, 3)), nothing,
                np.zeros(0, np.uint8), np.zeros((height, width), np.uint8),
            )  # fmt: skip
            view = View(width, height, LENS, Pose.of((0.0, 0.0, 1.5, -0.5, 0.5, -0.5, 0.5)))
            found = Detections(
                np.array([b[:4] for b in boxes], np.float32).reshape(-1, 4),
                np.full(len(boxes), 0.9, np.float32),
            )
            yield Shot(Frame(camera, stamp, image, moment), truth, view), found


def played(ros):
    stage = Stage(ros.node, ros.executor, list(SIZES), clock=True)
    stage.wait(10.0)
    for node in ros.nodes[1:]:
        for source in node.cameras.values():
            ros.spin_until(source.stream.publishers, why=source.stream.topic)
    ros.spin_for(0.4)
    return list(stage.play(shots()))


def person(answers, camera, colour, since=0):
    """The one number that a person had in a camera, whenever it was decided."""
    numbers = set()
    for one in answers:
        if one.sightings.camera != camera or one.shot.frame.index < since:
            continue
        places = [box(camera, x) for c, x in seen_by(camera, one.shot.frame.index) if c == colour]
        if places and len(one.sightings):
            near = iou(one.sightings.boxes, np.array(places, np.float32))[:, 0] > 0.6
            numbers |= set(one.sightings.persons[near].tolist()) - {0}
    assert len(numbers) == 1, (camera, colour, numbers)
    return numbers.pop()


def test_one_pass_of_the_live_node_knows_people_in_both_cameras_as_do_several_machines(ros, toy):
    """Two sight nodes and an identity node say exactly what one node says."""
    node = reid_node(ros, settings(toy, 'a', 'b'), *SIM)
    diagnosis = Diagnosis(ros)
    alone = played(ros)
    assert person(alone, 'a', RED) == person(alone, 'b', RED)
    others = {person(alone, 'a', GREEN), person(alone, 'b', BLUE)}
    assert len(others | {person(alone, 'a', RED)}) == 3
    ros.spin_until(lambda: diagnosis.value('node', 'detector') == 'toy')
    assert diagnosis.value('node', 'appearance') == 'toy'
    ended(ros, node)
    for host in 'ab':
        sight(ros, settings(toy, host), *SIM, name=f'sight_{host}')
    identity(ros, settings(toy, 'a', 'b'), *SIM)
    apart = played(ros)
    tables, again = ([sightings_table(p.sightings).tolist() for p in x] for x in (alone, apart))
    assert again == tables
    events, events_again = ([event for p in x for event in p.events] for x in (alone, apart))
    assert events_again == events
