"""Faults around the gallery and the parameters of a live node: nothing is lost, or wrong."""

import contextlib
import json
import resource
import sqlite3
import subprocess
import time

import numpy as np
import pytest
from players import Players, settings
from ros_builders import Diagnosis, reid_node
from std_srvs.srv import Trigger

from reid_ros.card import find
from reid_ros.colour import Colour
from reid_ros.config import GalleryConfig
from reid_ros.gallery import Gallery
from reid_ros.gallery_store import GalleryStore, ModelId

PEOPLE = {'a': (0, 1), 'b': (2, 3)}
YAML = """
camera_names: [a, b]
model: {{detector: none, appearance: colour}}
gallery: {{path: {path}}}
late_frame_policy: process_all
silent_after_s: 0.5
cameras:
  a: {{detections: table}}
  b: {{detections: table}}
"""
START = (
    'import sys; from reid_ros.config import read; from reid_ros.ros.node import main; '
    'sys.exit(main(["node"], read(sys.argv[1])))'
)


def start(ros, folder):
    """A node process with its gallery in the folder."""
    config = folder / 'node.yaml'
    config.write_text(YAML.format(path=folder / 'people.db'))
    return ros.process('-c', START, str(config))


def stored(file):
    """The persons in a gallery and how many vectors each has; fails where it is damaged."""
    with contextlib.closing(sqlite3.connect(f'file:{file}?mode=ro', uri=True, timeout=5)) as db:
        assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
        rows = db.execute(
            'SELECT person.number, count(*) FROM person JOIN prototype USING (number) GROUP BY 1'
        )
        return dict(rows.fetchall())


def everybody(known):
    return {number for people in known.values() for number in people.values()}


def test_a_node_killed_at_any_moment_knows_everybody_again(ros, tmp_path):
    process, file = start(ros, tmp_path), tmp_path / 'people.db'
    players, draw = Players(ros, 'a', 'b', ago_s=3600), np.random.default_rng(4)
    save = ros.node.create_client(Trigger, 'reid_node/save_gallery')
    players.connect()
    known = players.know(PEOPLE)
    ros.spin_until(save.service_is_ready)
    ros.spin_until(save.call_async(Trigger.Request()).done)
    for _ in range(3):
        assert set(stored(file)) == everybody(known)
        players.show(int(draw.integers(5, 20)), PEOPLE)
        for _ in range(30):  # it is killed in the midst of saving
            save.call_async(Trigger.Request())
        ros.spin_for(float(draw.uniform(0.0, 0.03)))
        process.kill()
        process.wait(10)
        process = start(ros, tmp_path)
        assert players.know(PEOPLE) == known
    assert all(len(numbers) == 1 for numbers in players.numbers().values())
    assert all(vectors >= 1 for vectors in stored(file).values())
    players.check()


@contextlib.contextmanager
def limited(process, folder):
    """No file of the process may grow."""
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, before[1]))
    yield
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def filled(process, folder):
    """Not a byte is left on the disk."""
    filler = folder / 'filler'
    with filler.open('wb', buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))
    yield
    filler.unlink()


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of its own, a megabyte large."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    command = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip('nothing may be mounted here')
    yield folder
    subprocess.run(['umount', '-l', str(folder)], check=True)


@pytest.mark.parametrize('full', [limited, filled])
def test_a_full_disk_stops_nobody_and_everything_is_saved_when_there_is_space(
    ros, tmp_path, full, request
):
    folder = request.getfixturevalue('small_disk') if full is filled else tmp_path
    process, file = start(ros, folder), folder / 'people.db'
    diagnosis = Diagnosis(ros)
    players = Players(ros, 'a', 'b', ago_s=3600)
    players.connect()
    ros.spin_until(lambda: diagnosis.value('node', 'gallery'))
    with full(process, folder):
        known = players.know(PEOPLE)
        players.show(60, PEOPLE)  # beyond the period of saving
        ros.spin_until(lambda: diagnosis.says('node', 'was not saved'))
        assert diagnosis.status('node').level == b'\x01'
        assert players.know(PEOPLE) == known
        assert process.poll() is None
    players.show(60, PEOPLE)
    ros.spin_until(lambda: set(stored(file)) == everybody(known))
    ros.spin_until(lambda: not diagnosis.says('node', 'was not saved'))
    assert players.know(PEOPLE) == known
    assert all(len(numbers) == 1 for numbers in players.numbers().values())
    players.check()


SETTER = """
import json, math
import rclpy
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
rclpy.init()
node = rclpy.create_node('setter')
client = node.create_client(SetParameters, 'reid_node/set_parameters')
assert client.wait_for_service(20.0)
good = {'track.max_age_s': 1.5, 'gallery.ttl_s': 4000.0, 'max_latency_s': 5.0,
        'identity.false_accept': 0.01}
bad = [('track.max_age_s', -1.0), ('identity.false_accept', math.nan), ('gallery.ttl_s', 'long'),
       ('max_batch', 8), ('target.mode', 'everybody'), ('no.such', 1.0),
       ('camera_names', ['x']), ('identity.false_accept', math.inf)]
last, wrong, waiting = {}, [], []
def change(i):
    fine = i % 3 > 0
    name = list(good)[i % len(good)]
    return (name, good[name] * (1 + i / 5000), True) if fine else (*bad[i // 3 % len(bad)], False)
def settle():
    changes, future = waiting.pop(0)
    rclpy.spin_until_future_complete(node, future, timeout_sec=60.0)
    for (name, value, fine), result in zip(changes, future.result().results):
        if result.successful != fine or not (fine or result.reason):
            wrong.append((name, str(value), result.successful, result.reason))
        if result.successful:
            last[name] = value
for i in range(0, 1000, 5):
    changes = [change(k) for k in range(i, i + 5)]
    told = [Parameter(name, value=value).to_parameter_msg() for name, value, _ in changes]
    waiting.append((changes, client.call_async(SetParameters.Request(parameters=told))))
    if len(waiting) == 8:
        settle()
while waiting:
    settle()
print(json.dumps({'last': last, 'wrong': wrong}))
"""


def rss_mb():
    with open('/proc/self/statm', encoding='ascii') as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def test_a_thousand_rapid_parameter_changes_end_at_the_last_good_one(ros):
    node = reid_node(ros, settings('a', 'b'))
    players = Players(ros, 'a', 'b', ago_s=3600)
    players.connect()
    known = players.know(PEOPLE)
    memory = rss_mb()
    setter = ros.process('-c', SETTER)
    while setter.poll() is None:
        players.show(1, PEOPLE, pace_s=0.1)
    told = json.loads(setter.stdout.read().splitlines()[-1])
    assert told['wrong'] == []
    names = {
        'track.max_age_s': lambda c: c.track.max_age_s,
        'gallery.ttl_s': lambda c: c.gallery.ttl_s,
        'max_latency_s': lambda c: c.max_latency_s,
        'identity.false_accept': lambda c: c.identity.false_accept,
    }
    assert set(told['last']) == set(names)
    for name, value in told['last'].items():
        assert node.get_parameter(name).value == pytest.approx(value)
        ros.spin_until(lambda n=name, v=value: names[n](node.config) == pytest.approx(v))
    assert node.pipeline.config.track.max_age_s == node.config.track.max_age_s
    assert rss_mb() - memory < 30
    assert players.know(PEOPLE) == known
    players.answered('a', 'b')
    assert all(len(numbers) == 1 for numbers in players.numbers().values())
    players.check()


def crowd(file, number):
    """A gallery of random people whom nobody here is like."""
    _, card = find('colour', 'appearance')
    gallery, draw = Gallery(), np.random.default_rng(1)
    length, now = card.output.vector, time.time_ns()
    for vector in draw.random((number, length), np.float32):
        person = gallery.born(now)
        person.confirmed, person.crops, person.seen_ns = True, 9, {'a': now}
        gallery.restore(person.number, [('a', 3.0, vector / np.linalg.norm(vector))])
    with GalleryStore(file, ModelId(card.name, length, Colour(card).checksum)) as store:
        store.save(gallery)


def test_ten_thousand_known_people_are_loaded_compared_and_saved_in_real_time(ros, tmp_path):
    file = tmp_path / 'people.db'
    crowd(file, 10_000)
    keep = GalleryConfig(path=str(file), max_persons=20_000, ttl_s=1e8)
    began = time.process_time()
    node = reid_node(ros, settings('a', 'b', gallery=keep))
    assert time.process_time() - began < 8.0
    players = Players(ros, 'a', 'b', ago_s=3600)
    players.connect()
    known = players.know(PEOPLE)
    assert min(everybody(known)) > 10_000
    began, used = node.worker.cpu_s, sum(map(len, players.said.values()))
    players.show(80, PEOPLE)
    players.answered('a', 'b')
    cost_ms = 1e3 * (node.worker.cpu_s - began) / (sum(map(len, players.said.values())) - used)
    assert cost_ms < 30.0
    began = time.process_time()
    with node.exclusive():
        node.pipeline.save()
    assert time.process_time() - began < 0.5
    people = stored(file)
    assert set(people) == {*range(1, 10_001), *everybody(known)}
    assert len(node.pipeline.gallery) == 10_004
    assert players.know(PEOPLE) == known
    players.check()
