"""The node as a process: signals, at any moment, end it cleanly with a readable gallery."""

import signal
import sqlite3
import time

import networks
import numpy as np
import pytest
from ros_builders import Diagnosis, detections, header, image
from sensor_msgs.msg import Image, PointCloud2

from reid_ros.ros.convert import byte_array
from reid_ros.ros.table import detections_table, table_to_cloud

S = 1_000_000_000
YAML = """
camera_names: [a]
model: {{detector: none, appearance: {folder}/look.onnx}}
gallery: {{path: {folder}/gallery.db}}
cameras:
  a: {{detections: table}}
"""
START = (
    'import sys; from reid_ros.config import read; from reid_ros.ros.node import main; '
    'sys.exit(main(["node"], read(sys.argv[1])))'
)


def start(ros, folder):
    """A node process with a tiny appearance network and a gallery in the folder."""
    networks.means(folder / 'look.onnx')
    networks.write(folder, networks.appearance('look'))
    settings = folder / 'node.yaml'
    settings.write_text(YAML.format(folder=folder))
    return ros.process('-c', START, str(settings))


def walk(ros, images, tables, stamp_ns):
    """One image of a coloured person, and where the person is."""
    message = image(stamp_ns, 120, 96)
    pixels = np.full((120, 96, 3), 90, np.uint8)
    pixels[20:100, 30:60] = (200, 40, 10)
    message.data = byte_array(pixels)
    images.publish(message)
    found = detections((30, 20, 60, 100))
    tables.publish(table_to_cloud(detections_table(found), header(stamp_ns)))


def persons(file):
    """Number of persons in a gallery; fails where the file is damaged."""
    with sqlite3.connect(file) as db:
        assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
        return db.execute('SELECT count(*) FROM person').fetchone()[0]


@pytest.mark.parametrize(
    'signals',
    [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,), (signal.SIGINT, signal.SIGTERM)],
    ids=['SIGINT twice', 'SIGTERM', 'both'],
)
def test_signals_end_the_node_cleanly_with_its_persons_saved(ros, tmp_path, signals):
    process = start(ros, tmp_path)
    diagnosis = Diagnosis(ros)
    images = ros.publisher(Image, 'a/image')
    tables = ros.publisher(PointCloud2, 'a/detections_table')
    ros.spin_until(lambda: images.get_subscription_count() and tables.get_subscription_count())
    stamp = time.time_ns() - 10 * S
    for i in range(50):
        walk(ros, images, tables, stamp + i * S // 10)
        ros.spin_for(0.02)
    ros.spin_until(lambda: diagnosis.value('node', 'persons') == '1')
    for number in signals:
        process.send_signal(number)
        time.sleep(0.02)
    assert ros.finished(process) == 0, process.stdout.read()
    assert 'Traceback' not in process.stdout.read()
    assert persons(tmp_path / 'gallery.db') == 1


@pytest.mark.parametrize('delay_s', [1.2, 1.6])
def test_a_signal_while_the_node_starts_ends_it_with_a_readable_gallery(ros, tmp_path, delay_s):
    process = start(ros, tmp_path)
    time.sleep(delay_s)
    process.send_signal(signal.SIGTERM)
    status = ros.finished(process)
    gallery = tmp_path / 'gallery.db'
    assert status in (0, -signal.SIGTERM)  # before main, Python itself ends
    if gallery.exists():
        assert persons(gallery) == 0
