"""People before cameras, whom the node knows by their clothes, and what it says of them.

Stamps are the players' own time, which begins some minutes ago and passes as fast as it is shown.
"""

import time
from collections import Counter, defaultdict

import numpy as np
from machines import CLOTHES
from ros_builders import detections, header
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Bool

from reid_ros.boxes import iou
from reid_ros.config import CameraConfig, Config, ModelConfig
from reid_ros.ros.convert import byte_array, stamp_ns
from reid_ros.ros.table import cloud_to_table, detections_table, table_to_cloud

S = 1_000_000_000
HEIGHT, WIDTH = 180, 240
STEP_NS = S // 10
PACE_S = 0.012
AHEAD = 30


def settings(*names, **more):
    """People from tables, vectors of their colours; cameras that see places of their own."""
    more = {'late_frame_policy': 'process_all', 'silent_after_s': 0.5, **more}
    return Config(
        model=ModelConfig(detector='none', appearance='colour'),
        camera_names=names,
        cameras=dict.fromkeys(names, CameraConfig(detections='table')),
        **more,
    )


def box(person, moment):
    """Where somebody of CLOTHES is at a moment, pixels."""
    x = 12 + 56 * person + (moment % 20 if moment % 40 < 20 else 20 - moment % 20) // 2
    return (x, 50, x + 38, 160)


def picture(people, moment, scale=1):
    """(h, w, 3) BGR."""
    noise = np.random.default_rng(moment).integers(-6, 7, (HEIGHT, WIDTH, 3))
    image = np.full((HEIGHT, WIDTH, 3), (150, 160, 165), np.int64) + noise
    for person in people:
        shirt, trousers = CLOTHES[person]
        x0, y0, x1, y1 = box(person, moment)
        tall = y1 - y0
        image[y0 : y0 + tall // 6, x0:x1] = (120, 150, 190)
        image[y0 + tall // 6 : y0 + tall // 2, x0:x1] = shirt
        image[y0 + tall // 2 : y1, x0:x1] = trousers
    image = np.clip(image, 0, 255).astype(np.uint8)
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def message(image, stamp, encoding='bgr8'):
    result = Image(header=header(stamp), height=image.shape[0], width=image.shape[1])
    result.encoding, result.step = encoding, 3 * image.shape[1]
    result.data = byte_array(image if encoding == 'bgr8' else image[..., ::-1])
    return result


class Players:
    """Shows people, hears of them, and remembers what is true.

    Attributes:
        now_ns: time of the players; each camera's may be shifted by `shift_ns`.
        said: by camera, (stamp, rows, who truly is in each row) of every answer.
    """

    def __init__(self, ros, *names, ago_s=200):
        self.ros, self.names = ros, names
        self.now_ns, self.moment = time.time_ns() - ago_s * S, 0
        self.shift_ns = dict.fromkeys(names, 0)
        self.scale, self.encoding = dict.fromkeys(names, 1), dict.fromkeys(names, 'bgr8')
        self.said = defaultdict(list)
        self.faults = Counter()
        self._true, self._last = {}, dict.fromkeys(names, None)
        self.images = {name: ros.publisher(Image, f'{name}/image') for name in names}
        self.tables = {n: ros.publisher(PointCloud2, f'{n}/detections_table') for n in names}
        for name in names:
            ros.node.create_subscription(PointCloud2, f'{name}/sightings', self._ear(name), 100)
        self.locked = ros.heard(Bool, 'reid/target/locked')
        self.clock = None
        self.sent = Counter()
        self._given_up = 0

    def connect(self):
        senders = [*self.images.values(), *self.tables.values()]
        self.ros.spin_until(lambda: all(s.get_subscription_count() for s in senders), 30.0)
        self.ros.spin_for(0.3)

    def show(self, moments, people, names=None, pace_s=PACE_S):
        """Show people, numbers by camera, for so many tenths of a second of their time."""
        for _ in range(moments):
            self.now_ns, self.moment = self.now_ns + STEP_NS, self.moment + 1
            self.tell_time()
            for name in names or self.names:
                self._send(name, people[name])
            self.ros.spin_for(pace_s)
            self._keep_pace()

    def _keep_pace(self):
        """On a busy machine, show no faster than the node uses what it is shown."""
        name, end = self.names[-1], time.monotonic() + 1.0
        while self.sent[name] - len(self.said[name]) - self._given_up > AHEAD:
            before = len(self.said[name])
            self.ros.spin_for(0.02)
            if len(self.said[name]) > before:
                end = time.monotonic() + 1.0
            elif time.monotonic() > end:  # the node was killed
                self._given_up = self.sent[name] - len(self.said[name])

    def answered(self, *names):
        """Every image of these cameras has been answered."""
        for name in names:
            self.ros.spin_until(
                lambda name=name: len(self.said[name]) >= self.sent[name],
                why=f'{self.sent[name]} answers of {name}',
            )
            assert len(self.said[name]) == self.sent[name]

    def tell_time(self):
        if self.clock is not None:
            self.clock.publish(Clock(clock=header(self.now_ns).stamp))
            self.ros.spin_for(0.002)

    def _send(self, name, people):
        self.sent[name] += 1
        stamp, scale = self.now_ns + self.shift_ns[name], self.scale[name]
        boxes = [tuple(v * scale for v in box(person, self.moment)) for person in people]
        self._true[name, stamp] = people, np.array(boxes, np.float32).reshape(-1, 4)
        cloud = table_to_cloud(detections_table(detections(*boxes)), header(stamp))
        self.tables[name].publish(cloud)
        self.images[name].publish(
            message(picture(people, self.moment, scale), stamp, self.encoding[name])
        )

    def _ear(self, name):
        def hear(cloud):
            stamp, table = stamp_ns(cloud.header), cloud_to_table(cloud)
            true = self._true.get((name, stamp))
            if true is None:
                self.faults['of no image'] += 1
                return
            if self._last[name] == stamp:
                self.faults['twice'] += 1
            self._last[name] = stamp
            who = [None] * len(table)
            if len(table) and len(true[0]):
                boxes = np.stack([table[n] for n in ('x0', 'y0', 'x1', 'y1')], axis=-1)
                best = iou(boxes.astype(np.float32), true[1])
                found = best.argmax(axis=1)
                who = [true[0][k] if best[i, k] > 0.4 else None for i, k in enumerate(found)]
            self.said[name].append((stamp, table, who))

        return hear

    def numbers(self, name=None, since=0):
        """Of each person, the numbers that were said of them, and how often."""
        result = defaultdict(Counter)
        for camera in [name] if name else self.names:
            for _, table, who in self.said[camera][since:]:
                for row, person in zip(table, who):
                    if person is not None and row['person']:
                        result[person][int(row['person'])] += 1
        return result

    def latest(self, name):
        """Who the last answer of a camera is taken for: person -> number, 0 = undecided."""
        if not self.said[name]:
            return {}
        _, table, who = self.said[name][-1]
        return {person: int(row['person']) for row, person in zip(table, who)}

    def know(self, people, timeout_s=30.0):
        """Show people until all are known and confirmed; returns their numbers by camera."""
        before = {name: len(self.said[name]) for name in self.names}
        end = time.monotonic() + timeout_s
        while not all(self._settled(n, people[n], before[n]) for n in self.names):
            assert time.monotonic() < end, f'not known: {[self.said[n][-1:] for n in self.names]}'
            self.show(5, people)
        return {name: self.latest(name) for name in self.names}

    def _settled(self, name, people, before):
        if len(self.said[name]) <= before:
            return False
        _, table, who = self.said[name][-1]
        known = {p for p, row in zip(who, table) if row['person'] and row['confirmed']}
        return known >= set(people)

    def check(self, locked=False):
        """Nothing wrong was said: no number of two people, nothing of no image, no target."""
        assert not self.faults, self.faults
        owners = defaultdict(set)
        for person, said in self.numbers().items():
            for number in said:
                owners[number].add(person)
        assert all(len(people) == 1 for people in owners.values()), dict(owners)
        if not locked:
            assert not any(m.data for m in self.locked)
