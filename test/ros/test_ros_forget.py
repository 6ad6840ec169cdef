"""Privacy over DDS: who is forgotten leaves memory, database and log of a running node."""

import numpy as np
import pytest
from ros_builders import reid_node
from std_msgs.msg import String
from std_srvs.srv import Trigger

from reid_ros.cli import main
from reid_ros.config import CameraConfig, Config, GalleryConfig, ModelConfig
from reid_ros.gallery import Gallery
from reid_ros.gallery_store import GalleryStore
from reid_ros.loading import parts
from reid_ros.world.seeds import generator

NAMES = ('Ada Lovelace of Marylebone', 'Grace Hopper of Arlington')


def secrets(gallery, number):
    """What stands in the file of a person: the name, and the ends of every vector."""
    result = {gallery[number].name.encode()}
    for kind in ('look', 'gait'):
        for _, _, vector in gallery.prototypes(number, kind):
            result |= {vector.tobytes()[:16], vector.tobytes()[-16:]}
    return result


def traces(file, wanted):
    raw = b''.join(path.read_bytes() for path in file.parent.iterdir())
    return {secret for secret in wanted if secret in raw}


@pytest.fixture
def house(tmp_path):
    """Settings with a gallery of two named persons; what stands in it of each."""
    file = tmp_path / 'people.db'
    settings = Config(
        model=ModelConfig(detector='none', appearance='colour', gait='gait'),
        gallery=GalleryConfig(path=str(file)),
        camera_names=('cam',),
        cameras={'cam': CameraConfig(detections='table')},
    )
    networks = parts(settings)
    random = generator('test', 'forget')
    gallery = Gallery()
    for number, name in enumerate(NAMES, 1):
        person = gallery.born(10**9)
        gallery.name(person.number, name)
        for kind, made_by in (('look', networks.looks_id), ('gait', networks.gait_id)):
            for camera in ('cam', 'yard'):
                vector = random.normal(size=made_by.length).astype(np.float32)
                gallery.learn(number, vector / np.linalg.norm(vector), camera, 1.0, kind)
    with GalleryStore(file, networks.looks_id, networks.gait_id) as store:
        store.save(gallery)
    return settings, file, [secrets(gallery, number) for number in (1, 2)]


def call(ros, name):
    client = ros.node.create_client(Trigger, f'/reid_node/{name}')
    ros.spin_until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    ros.spin_until(future.done)
    return future.result()


def test_forget_target_and_clear_leave_no_byte_while_the_node_holds_the_file(ros, house, capsys):
    settings, file, (ada, grace) = house
    node = reid_node(ros, settings)
    node.pipeline.gallery.learn(1, *last_prototype(node.pipeline.gallery, 1))
    assert call(ros, 'save_gallery').success
    ada |= secrets(node.pipeline.gallery, 1)
    assert traces(file, ada) >= {NAMES[0].encode()}

    assert main(['gallery', 'forget', str(file), '1']) == 2
    assert '~/forget_target' in capsys.readouterr().err
    assert traces(file, ada)

    chosen = ros.publisher(String, '/reid_node/select_target')
    ros.spin_until(chosen.get_subscription_count)
    chosen.publish(String(data=NAMES[0]))
    ros.spin_until(lambda: node.get_parameter('target.person_id').value == NAMES[0])
    answer = call(ros, 'forget_target')
    assert answer.success, answer.message
    assert answer.message == 'person 1 is forgotten', 'not in view, but named'
    assert traces(file, ada) == set()
    assert traces(file, grace) == grace
    assert 1 not in node.pipeline.gallery

    assert call(ros, 'clear_gallery').success
    assert traces(file, grace) == set()
    node.close()
    assert traces(file, ada | grace) == set()


def last_prototype(gallery, number):
    """One more vector of a person, so that the log holds another version of their page."""
    camera, weight, vector = gallery.prototypes(number)[-1]
    return np.roll(vector, 1), camera, weight
