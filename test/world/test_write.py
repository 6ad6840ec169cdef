import hashlib
import json

import cv2
import numpy as np
import pytest

from reid_ros import config
from reid_ros.cli import main
from reid_ros.evaluate.truth import read_truth
from reid_ros.lens import Lens, Pose
from reid_ros.replay.bags import Bag
from reid_ros.replay.clouds import cloud_to_table
from reid_ros.replay.messages import stamped
from reid_ros.replay.topics import cameras
from reid_ros.replay.writer import BagWriter
from reid_ros.topology import Topology
from reid_ros.world.scenario import START_NS, Scenario
from reid_ros.world.world import World
from reid_ros.world.write import write

SMALL = Scenario(
    people=3, at_once=3, seconds=1.0, overlapping=0, apart=1, portrait=0, robot=True,
    width=320, height=240, rate_hz=6.0, loss=0.0,
)  # fmt: skip


@pytest.fixture(scope='module')
def world():
    return World(SMALL, 5)


@pytest.fixture(scope='module')
def folder(world, tmp_path_factory):
    out = tmp_path_factory.mktemp('worlds') / 'one'
    write(world, out, videos=True, silhouettes=True)
    return out


def hashes(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob('*'))
        if p.is_file()
    }


def test_the_same_world_gives_the_same_bytes(folder, tmp_path):
    seen = []
    written = write(
        World(SMALL, 5), tmp_path / 'two', videos=True, silhouettes=True, tell=seen.append
    )
    assert hashes(tmp_path / 'two') == hashes(folder)
    assert list(written.files) == sorted(hashes(folder))
    assert sum(seen) == written.images
    assert [p.name for p in tmp_path.iterdir()] == ['two']


def test_the_bag_shows_the_very_images_and_stamps(world, folder):
    sources = {source.camera: source for source in cameras([folder / 'world.mcap'])}
    assert set(sources) == {'cam1', 'robot'}
    for name, source in sources.items():
        frames = list(source.frames())
        assert [f.stamp_ns for f in frames] == world.stamps[name].tolist()
        for frame in frames:
            np.testing.assert_array_equal(frame.image, world.shot(name, frame.index).frame.image)


def test_truth_in_the_bag_and_as_text_are_those_of_the_shots(world, folder):
    names = ['cam1', 'robot']
    of_bag = read_truth(folder / 'world.mcap', names)
    of_text = read_truth(folder / 'truth', names)
    rows = 0
    for name in names:
        shots = list(world.shots([name]))
        expected = np.concatenate([shot.truth.boxes for shot in shots])
        persons = np.concatenate([shot.truth.persons for shot in shots])
        visible = np.concatenate([shot.truth.visible for shot in shots])
        np.testing.assert_allclose(of_bag[name].boxes, expected)
        np.testing.assert_allclose(of_text[name].boxes, expected, atol=0.011)
        for truth in (of_bag[name], of_text[name]):
            np.testing.assert_array_equal(truth.persons, persons)
            np.testing.assert_allclose(truth.visible, visible, atol=1e-4)
        np.testing.assert_array_equal(of_bag[name].images, world.stamps[name])
        rows += len(persons)
    assert rows > 5


def test_the_bag_has_lenses_odometry_the_true_base_and_frames(world, folder):
    bag = Bag(folder / 'world.mcap')
    lens = world.cameras[1].lens
    info = stamped(next(bag.messages('/robot/camera_info')))[0]
    np.testing.assert_array_equal(Lens.of(info, 240, 320).matrix, lens.matrix)
    np.testing.assert_array_equal(info.d, lens.distortion)
    for topic, poses in (
        ('/odom', world.walks.robot.drifting),
        ('/truth/odom', world.walks.robot.base),
    ):
        messages = [stamped(raw) for raw in bag.messages(topic)]
        assert len(messages) == 51
        for message, stamp_ns in messages[::10]:
            at, turned = message.pose.pose.position, message.pose.pose.orientation
            pose = Pose.of((at.x, at.y, at.z, turned.x, turned.y, turned.z, turned.w))
            expected = poses((stamp_ns - START_NS) / 1e9)
            np.testing.assert_allclose(pose.position, expected.position)
            np.testing.assert_allclose(pose.rotation, expected.rotation, atol=1e-9)
    assert bag.counts['/tf_static'] == 1
    assert bag.counts['/tf'] == 51


def test_silhouettes_and_boxes_in_the_bag_fit_the_truth(world, folder):
    bag = Bag(folder / 'world.mcap')
    labels = [stamped(raw)[0] for raw in bag.messages('/cam1/truth/labels')]
    for index, message in enumerate(labels):
        image = cv2.imdecode(np.asarray(message.data), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(image, world.shot('cam1', index).truth.labels)
    boxes = [
        len(cloud_to_table(stamped(raw)[0])) for raw in bag.messages('/cam1/detections_table')
    ]
    assert len(boxes) == len(labels) == len(world.stamps['cam1'])
    assert sum(boxes) > 0


def test_videos_have_every_frame_and_their_stamps(world, folder):
    for name, stamps in world.stamps.items():
        video = cv2.VideoCapture(str(folder / f'{name}.mp4'))
        count = 0
        while video.read()[0]:
            count += 1
        video.release()
        told = (folder / f'{name}.stamps.txt').read_text().split()
        assert count == len(told) == len(stamps)
        assert list(map(int, told)) == stamps.tolist()


def test_the_settings_can_be_read_and_belong_to_the_world(world, folder):
    read = config.read(folder / 'config.yaml')
    assert read.camera_names == ('cam1', 'robot')
    assert read.cameras['robot'].mount == pytest.approx(world.cameras[1].pose.numbers())
    assert read.cameras['cam1'].pose == pytest.approx(world.cameras[0].pose.numbers())
    assert Topology(read.topology, read.camera_names).overlap('cam1', 'robot')
    facts = json.loads((folder / 'world.json').read_text())
    assert facts['scenario']['people'] == 3
    assert facts['seed'] == 5
    assert [c['name'] for c in facts['cameras']] == ['cam1', 'robot']
    assert all(person['visits_s'] for person in facts['people'])


def test_nothing_is_left_when_rendering_breaks_off(world, tmp_path):
    def full(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(world, tmp_path / 'out', tell=full)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('fault', ['open', 'write'])
def test_a_full_disk_is_told_and_leaves_nothing(world, tmp_path, monkeypatch, capsys, fault):
    from reid_ros.replay import writer

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(writer.Writer, fault, full)
    assert main([*SHORT, '--out', str(tmp_path / 'out')]) == 2
    assert 'No space left on device' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


SHORT = [
    'world',
    '--quiet',
    '--scenario',
    'demo',
    '--seconds',
    '1',
    '--rate',
    '2',
    '--cameras',
    '1',
]


def test_the_command_writes_a_world_and_says_what(tmp_path, capsys):
    out = tmp_path / 'out'
    assert main([*SHORT, '--people', '4', '--bag', 'jpeg', '--out', str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith('4 people, 1 s, ')
    assert str(out / 'world.mcap') in said
    assert Bag(out / 'world.mcap').types['/cam1/image/compressed'].endswith('CompressedImage')
    assert not list(out.glob('*.mp4'))
    assert main([*SHORT, '--out', str(out)]) == 2
    assert 'delete it or choose another' in capsys.readouterr().err


def test_without_a_bag_there_is_truth_alone(tmp_path, capsys):
    out = tmp_path / 'out'
    assert main([*SHORT, '--bag', 'none', '--json', '--out', str(out)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told['messages'] == 0
    assert told['files'] == ['config.yaml', 'truth/cam1.txt', 'world.json']


def test_scenarios_are_listed(capsys):
    assert main(['world', '--list']) == 0
    assert 'look_alikes  12 people  3 cameras' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--people', '0'], 'people: 0 is outside 1 to 250'),
        (['--people', '240', '--at-once', '240'], 'people do not fit'),
        (['--cameras', '0'], '--cameras: 0 is outside 1 to 9'),
        (['--cameras', '2', '--apart', '1'], 'says how many stand'),
        (['--seconds', '-3'], 'seconds: -3.0 is outside 1.0 to 3600'),
        (['--rate', '0'], 'rate_hz: 0.0 is outside 0.5 to 120'),
        (['--place', 'moon'], "place: 'moon'"),
        (['--scenario', 'crosing'], "did you mean 'crossing'"),
        (['--split', 'tset'], 'valid are train, validation, test'),
        (['--seed', '-1'], 'valid are 0 to'),
        (['--bag', 'gif'], 'valid are raw, jpeg, none'),
    ],
)
def test_bad_parameters_are_refused_with_what_is_valid(tmp_path, capsys, arguments, said):
    out = ['--out', str(tmp_path / 'out')]
    assert main(['world', '--quiet', *arguments, *out]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_asked_for(capsys):
    assert main(['world']) == 2
    assert '--out' in capsys.readouterr().err


def test_a_table_without_columns_is_refused(tmp_path):
    with BagWriter(tmp_path / 'bag') as writer, pytest.raises(ValueError, match='no columns'):
        writer.table('/t', 'f', 1, np.zeros(3))
