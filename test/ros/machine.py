"""One machine of a test, as a process: `machine.py sight BEGIN END` or `machine.py identity N`.

The sight machine shows its node a part of the film, between `shows` and `shown`, and goes on until
it is killed.
The identity machine writes what was said of N images as JSON.
"""

import json
import sys
import time
from collections import Counter

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from machines import film, settings
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from reid_ros.ros.convert import stamp_ns
from reid_ros.ros.identity_node import IdentityNode
from reid_ros.ros.sight_node import SightNode
from reid_ros.ros.stage import Stage, camera_info
from reid_ros.ros.table import cloud_to_table

WHOLE = 120
PACE_S = 0.06
WAIT_S = 60.0


def until(executor, condition):
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            sys.exit('nothing came')
        executor.spin_once(timeout_sec=0.02)


def sight(executor, begin, end):
    node = SightNode(settings('a', 'b'))
    executor.add_node(node)
    node.start() or sys.exit(node.problem)
    world = rclpy.create_node('world')
    executor.add_node(world)
    stage = Stage(world, executor, ['a', 'b'], answers=False)
    stage.wait(10.0)
    shots = [pair for pair in film(WHOLE) if begin <= pair[0].frame.index < end]
    publishers = node.tables.publishers.values()
    until(executor, lambda: all(p.get_subscription_count() for p in publishers))
    until(executor, lambda: tell_lenses(stage, shots, node))
    print('shows', flush=True)
    started = time.monotonic()
    for i, (shot, found) in enumerate(shots):
        due = started + i // 2 * PACE_S
        while time.monotonic() < due:
            executor.spin_once(timeout_sec=0.01)
        stage.publish(shot, found)
    print('shown', flush=True)
    while True:
        executor.spin_once(timeout_sec=0.1)


def tell_lenses(stage, shots, node):
    """Say which lens each camera has until the node has heard it."""
    for shot, _ in shots[:2]:
        name = shot.frame.camera
        stage._infos[name].publish(camera_info(shot.view, Header(frame_id=name)))
    return all(camera.info for camera in node.cameras.values())


def identity(executor, number):
    node = IdentityNode(settings('a', 'b', silent_after_s=60.0))
    executor.add_node(node)
    node.start() or sys.exit(node.problem)
    ear = rclpy.create_node('ear')
    executor.add_node(ear)
    told, problems = {'a': {}, 'b': {}}, []
    for name, tables in told.items():
        ear.create_subscription(
            PointCloud2,
            f'{name}/sightings',
            lambda cloud, t=tables: t.update(
                {stamp_ns(cloud.header): cloud_to_table(cloud).tolist()}
            ),
            100,
        )

    def diagnose(array):
        problems.extend(s.message for s in array.status if s.level != b'\x00')

    ear.create_subscription(DiagnosticArray, '/diagnostics', diagnose, 10)
    print('ready', flush=True)
    until(executor, lambda: sum(map(len, told.values())) >= number)
    counts = {}
    for name, link in node.cameras.items():
        counts[name] = dict(Counter(link.health.counts) + link._order.counts)
        offset = link.machine.offset
        counts[name]['offset_s'], counts[name]['error_s'] = offset.seconds, offset.error_s
    print(json.dumps({'told': told, 'counts': counts, 'problems': sorted(set(problems))}))
    node.close()


def main(role, *numbers):
    rclpy.init(args=[])
    executor = SingleThreadedExecutor()
    {'sight': sight, 'identity': identity}[role](executor, *map(int, numbers))
    executor.shutdown()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main(*sys.argv[1:])
