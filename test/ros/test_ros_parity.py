"""The live node gives the same identities, row by row, as the same images offline."""

import shutil

import cv2
import numpy as np
import pytest
from ros_builders import header, reid_node
from samples import data
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from reid_ros.config import CameraConfig, Config, GalleryConfig, ModelConfig
from reid_ros.pipeline import Pipeline
from reid_ros.replay.encodings import decode_compressed
from reid_ros.ros.convert import byte_array
from reid_ros.ros.table import cloud_to_table, sightings_table
from reid_ros.types import Frame

S = 1_000_000_000
CAMERAS = ('cam01', 'cam02', 'cam03', 'cam04')
MOMENTS = {'raw': 200, 'compressed': 60}  # times four cameras


def pictures():
    """Moments of four pictures at a third of the size: every other frame, there and back."""
    captures = [cv2.VideoCapture(str(data('multicam', f'{name}.mp4'))) for name in CAMERAS]
    result = []
    for _ in range(50):
        moment = []
        for capture in captures:
            ok, image = capture.read()
            assert ok
            moment.append(cv2.resize(image, (360, 640), interpolation=cv2.INTER_AREA))
            capture.grab()
        result.append(moment)
    for capture in captures:
        capture.release()
    return (result + result[::-1]) * 2


def message(image, stamp_ns, transport):
    """The image as a message, and as the node will see it."""
    if transport == 'raw':
        height, width = image.shape[:2]
        raw = Image(header=header(stamp_ns), height=height, width=width, encoding='bgr8')
        raw.step, raw.data = 3 * width, byte_array(image)
        return raw, image
    _, jpeg = cv2.imencode('.jpg', image)
    compressed = CompressedImage(header=header(stamp_ns), format='jpeg')
    compressed.data = byte_array(np.asarray(jpeg))
    return compressed, decode_compressed(compressed.data)


def stamps(moment):
    """Cameras that trigger together, but for some milliseconds."""
    return [100 * S + moment * S // 30 + camera * 2_000_000 for camera in range(len(CAMERAS))]


def offline(settings, seen):
    with Pipeline.load(settings) as pipeline:
        tables = {name: [] for name in CAMERAS}
        for i, moment in enumerate(seen):
            frames = [
                Frame(name, stamp, image, i)
                for name, stamp, image in zip(CAMERAS, stamps(i), moment)
            ]
            for found in pipeline.step(frames).sightings:
                tables[found.camera].append(sightings_table(found))
    return tables


def settings(file, transport='raw'):
    return Config(
        model=ModelConfig(
            detector=str(data('models', 'yolox_nano_416x416.onnx')),
            appearance=str(data('models', 'osnet_x0_25_msmt17.onnx')),
        ),
        gallery=GalleryConfig(path=str(file)),
        camera_names=CAMERAS,
        cameras=dict.fromkeys(CAMERAS, CameraConfig(transport=transport)),
        late_frame_policy='process_all',
        silent_after_s=1.0,
    )


@pytest.fixture(scope='module')
def film():
    return pictures()


@pytest.fixture(scope='module')
def filled(film, tmp_path_factory):
    """A gallery that knows the people of the film."""
    file = tmp_path_factory.mktemp('gallery') / 'filled.db'
    offline(settings(file), film[:50])
    return file


@pytest.mark.parametrize('transport', MOMENTS)
def test_the_live_node_and_the_pipeline_agree_row_by_row(ros, tmp_path, film, filled, transport):
    moments = [
        [message(image, stamp, transport) for image, stamp in zip(moment, stamps(i))]
        for i, moment in enumerate(film[: MOMENTS[transport]])
    ]
    seen = [[image for _, image in moment] for moment in moments]
    for copy in ('offline.db', 'live.db'):
        shutil.copy(filled, tmp_path / copy)
    expected = offline(settings(tmp_path / 'offline.db', transport), seen)
    assert sum((t['person'] > 0).sum() for tables in expected.values() for t in tables) > 50

    node = reid_node(ros, settings(tmp_path / 'live.db', transport))
    heard = {name: ros.heard(PointCloud2, f'{name}/sightings') for name in CAMERAS}
    kind, suffix = (Image, '') if transport == 'raw' else (CompressedImage, '/compressed')
    senders = [ros.publisher(kind, f'{name}/image{suffix}') for name in CAMERAS]
    ros.spin_until(lambda: all(sender.get_subscription_count() for sender in senders))
    ros.spin_for(0.5)
    for i, moment in enumerate(moments):
        for sender, (sent, _) in zip(senders, moment):
            sender.publish(sent)
        # Slower than real time where the machine is: a few moments may wait, not all.
        ros.spin_until(lambda i=i: min(map(len, heard.values())) >= i - 8, 60.0)
    ros.spin_until(lambda: all(len(clouds) == len(moments) for clouds in heard.values()), 60.0)
    assert sum(c.health.counts['dropped_by_policy'] for c in node.cameras.values()) == 0
    for name in CAMERAS:
        for i, (cloud, table) in enumerate(zip(heard[name], expected[name])):
            live = cloud_to_table(cloud)
            assert live.tolist() == table.tolist(), f'{name}, frame {i}'
