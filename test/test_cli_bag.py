import json
import os

import clips
import numpy as np
import pytest
import yaml
from clips import MS
from rosbags.rosbag2 import Reader

from reid_ros.cli import main
from reid_ros.cli.bag import START_S
from reid_ros.replay.topics import cameras
from reid_ros.replay.videos import Video

START_NS = round(START_S * 1e9)


@pytest.fixture
def videos(tmp_path):
    return [
        str(clips.video(tmp_path / 'door.avi', 12, rate=10)),
        str(clips.video(tmp_path / 'hall.mp4', 8, rate=20)),
    ]


def make(*arguments):
    return main(['bag', 'make', '--quiet', *map(str, arguments)])


def test_a_raw_bag_shows_the_very_pixels_and_times_of_the_videos(tmp_path, videos, capsys):
    out = tmp_path / 'out.mcap'
    assert make(*videos, out) == 0
    assert capsys.readouterr().out == f'{out}: 20 messages on /door/image, /hall/image\n'
    assert out.is_file()
    for camera, video in zip(cameras([out]), videos):
        expected = list(Video(video, camera.camera, START_NS).frames())
        got = list(camera.frames())
        assert [f.stamp_ns for f in got] == [f.stamp_ns for f in expected]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(got, expected))


@pytest.mark.parametrize('encoding', ['jpeg', 'png'])
def test_a_compressed_bag_has_compressed_topics(tmp_path, videos, encoding):
    assert make('--encoding', encoding, *videos, tmp_path / 'out.mcap') == 0
    first, _ = cameras([tmp_path / 'out.mcap'])
    assert first.topic == '/door/image/compressed'
    assert [clips.number_of(f.image) for f in first.frames()] == list(range(12))


def test_a_folder_is_what_ros2_bag_makes(tmp_path, videos):
    out = tmp_path / 'patrol'
    assert make(*videos, out) == 0
    assert sorted(p.name for p in out.iterdir()) == ['metadata.yaml', 'patrol.mcap']
    told = yaml.safe_load((out / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert told['relative_file_paths'] == ['patrol.mcap']
    assert (told['storage_identifier'], told['message_count']) == ('mcap', 20)
    assert os.stat(out).st_mode & 0o077  # others may read it, as with ros2 bag


def test_messages_are_in_the_order_of_their_stamps_with_frame_and_qos(tmp_path, videos):
    assert make(*videos, tmp_path / 'out.mcap') == 0
    with Reader(tmp_path / 'out.mcap') as reader:
        messages = list(reader.messages())
        stamps = [stamp for _, stamp, _ in messages]
        assert stamps == sorted(stamps)
        (qos,) = reader.connections[0].ext.offered_qos_profiles
        assert (qos.reliability.name, qos.durability.name, qos.depth) == (
            'RELIABLE',
            'VOLATILE',
            10,
        )
        connection, stamp, data = messages[0]
        image = clips.STORE.deserialize_cdr(data, connection.msgtype)
    assert image.header.frame_id == 'door_optical_frame'
    assert image.header.stamp.sec * clips.S + image.header.stamp.nanosec == stamp == START_NS
    assert (image.encoding, image.step) == ('bgr8', 64 * 3)


def test_start_rate_offset_and_names_are_as_typed(tmp_path, videos, capsys):
    out = tmp_path / 'out.mcap'
    assert make(
        '--start', 5, '--rate', 2, '--offset', 'late=1.5', '--json',
        f'early={videos[0]}', f'late={videos[0]}', out,
    ) == 0  # fmt: skip
    assert json.loads(capsys.readouterr().out)['topics'] == {
        'early': '/early/image', 'late': '/late/image',
    }  # fmt: skip
    early, late = ([f.stamp_ns for f in c.frames()] for c in cameras([out]))
    assert early[:3] == [5000 * MS, 5500 * MS, 6000 * MS]
    assert late[:2] == [6500 * MS, 7000 * MS]


@pytest.mark.parametrize(
    ('arguments', 'says'),
    [
        (['gone.avi', 'out.mcap'], 'gone.avi: no such file'),
        (['VIDEO', 'there.mcap'], 'there.mcap exists'),
        (['VIDEO', 'out.db3'], 'name it out.mcap'),
        (['VIDEO', 'no/such/folder/out.mcap'], 'cannot be written'),
        (['--start', '0', 'VIDEO', 'out.mcap'], '--start 0'),
        (['--offset', 'x=1', 'VIDEO', 'out.mcap'], "no camera is named 'x'"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_left(
    tmp_path, videos, monkeypatch, capsys, arguments, says
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'there.mcap').write_text('mine')
    before = sorted(tmp_path.iterdir())
    assert make(*[videos[0] if a == 'VIDEO' else a for a in arguments]) == 2
    assert says in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / 'there.mcap').read_text() == 'mine'


def test_nothing_is_left_when_writing_breaks_off(tmp_path, videos, monkeypatch):
    from reid_ros.replay import writer as maker

    close = maker.Writer.close

    def full(writer):
        close(writer)
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(maker.Writer, 'close', full)
    before = sorted(tmp_path.iterdir())
    assert make(*videos, tmp_path / 'out.mcap') == 2
    assert sorted(tmp_path.iterdir()) == before
