import shutil
import sqlite3

import clips
import numpy as np
import pytest
from clips import COMPRESSED, IMAGE, MS, S, film, message, paint

from reid_ros.replay.bags import Bag
from reid_ros.replay.salvage import Damage, mcap_messages
from reid_ros.replay.source import SourceError
from reid_ros.replay.topics import StampCheck, cameras

RAW, JPEG = '/cam0/image_raw', '/side/image/compressed'


def two_cameras(path, storage='mcap', number=12):
    pairs = zip(film(RAW, number), film(JPEG, number, COMPRESSED))
    return clips.bag(path, [item for pair in pairs for item in pair], storage)


def numbers(camera):
    return [clips.number_of(frame.image) for frame in camera.frames()]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('single', [False, True])
def test_raw_and_compressed_topics_become_cameras(tmp_path, storage, single):
    path = two_cameras(tmp_path / 'bag', storage)
    if single:
        path = next(p for p in path.iterdir() if p.suffix in ('.mcap', '.db3'))
    found = cameras([path])
    assert [c.camera for c in found] == ['cam0', 'side']
    for camera in found:
        frames = list(camera.frames())
        assert [clips.number_of(f.image) for f in frames] == list(range(12))
        assert [f.stamp_ns for f in frames] == [S + i * 100 * MS for i in range(12)]
        assert (camera.length, camera.rate_hz, camera.notes) == (12, 10.0, [])


def test_raw_images_are_views_into_the_message_in_its_own_order_of_colours(tmp_path):
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[..., 0] = 200
    path = clips.bag(tmp_path / 'bag', [('/c/image', S, message(IMAGE, S, rgb, 'rgb8'))])
    (frame,) = cameras([path])[0].frames()
    assert frame.order == 'rgb'
    assert np.array_equal(frame.image, rgb)
    assert not frame.image.flags.owndata


def test_topics_can_be_chosen_and_named(tmp_path):
    path = two_cameras(tmp_path / 'bag')
    assert [c.camera for c in cameras([path], [f'left={JPEG}'])] == ['left']
    with pytest.raises(SourceError, match=r'topic /nose is not in .* are /cam0/image_raw, /side'):
        cameras([path], ['/nose'])


def test_the_same_camera_raw_and_compressed_is_one_camera(tmp_path):
    path = clips.bag(tmp_path / 'bag', [*film(RAW, 3), *film(RAW + '/compressed', 3, COMPRESSED)])
    (camera,) = cameras([path])
    assert camera.topic == RAW
    assert f'{RAW}/compressed was left out: {RAW} shows the same camera' in camera.notes[0]


def test_two_bags_with_the_same_topic_are_two_cameras(tmp_path):
    bags = [clips.bag(tmp_path / name, film(RAW, 2)) for name in ('a', 'b')]
    assert [c.camera for c in cameras(bags)] == ['cam0', 'cam0_2']


def test_a_bag_without_images_lists_what_it_holds(tmp_path):
    text = clips.STORE.types['std_msgs/msg/String']('hello')
    path = clips.bag(tmp_path / 'bag', [('/chatter', S, text)])
    with pytest.raises(SourceError, match=r'no image topic .* /chatter \(std_msgs/msg/String\)'):
        cameras([path])


def test_a_depth_camera_is_left_out_beside_a_colour_camera_and_refused_alone(tmp_path):
    depth = message(IMAGE, S, np.zeros((48, 64, 2), np.uint8), '16UC1')
    path = clips.bag(tmp_path / 'bag', [('/depth/image', S, depth), *film(RAW, 2)])
    (camera,) = cameras([path])
    assert camera.camera == 'cam0'
    assert '/depth/image was left out' in camera.notes[0]
    assert "'16UC1'" in camera.notes[0]
    with pytest.raises(SourceError, match=r"/depth/image: encoding '16UC1' is not supported"):
        cameras([path], ['/depth/image'])
    alone = clips.bag(tmp_path / 'alone', [('/depth/image', S, depth)])
    with pytest.raises(SourceError, match="'16UC1' is not supported: have the camera send one of"):
        cameras([alone])


def test_images_that_cannot_be_read_are_left_out_and_said(tmp_path):
    content = film(JPEG, 6, COMPRESSED)
    content[2] = (JPEG, content[2][1], message(COMPRESSED, content[2][1], b''))
    content[4] = (JPEG, content[4][1], message(COMPRESSED, content[4][1], b'\xff\xd8\xff rubbish'))
    (camera,) = cameras([clips.bag(tmp_path / 'bag', content)])
    frames = list(camera.frames())
    assert [f.index for f in frames] == [0, 1, 3, 5]
    assert (
        '2 of 6 images cannot be read and were left out, first message 3: empty'
        in (camera.notes[0])
    )


def test_an_empty_topic_is_left_out_or_an_error(tmp_path):
    path = clips.bag(tmp_path / 'bag', film(RAW, 2), kinds={JPEG: COMPRESSED})
    (camera,) = cameras([path])
    assert 'the topic is empty' in camera.notes[0]
    with pytest.raises(SourceError, match='not one of its 0 images'):
        cameras([path], [JPEG])


def test_zero_stamps_are_replaced_by_the_time_of_reception_and_said(tmp_path):
    content = [(RAW, 9 * S + i * S, message(IMAGE, 0, paint(i))) for i in range(3)]
    (camera,) = cameras([clips.bag(tmp_path / 'bag', content)])
    assert [f.stamp_ns for f in camera.frames()] == [9 * S, 10 * S, 11 * S]
    assert camera.notes[0].startswith('3 images have no stamp')


def test_a_zero_stamp_among_good_ones_stays_in_the_clock_of_the_camera():
    check = StampCheck()
    assert check.judge(5 * S, 1000 * S) == 5 * S
    assert check.judge(0, 1001 * S) == 6 * S
    assert check.judge(7 * S, 1002 * S) == 7 * S


def test_a_stamp_in_the_future_is_left_out_until_the_next_agrees():
    check = StampCheck()
    judged = [
        check.judge(header * S, received * S)
        for header, received in [(1, 1), (900, 2), (3, 3), (904, 4), (905, 5), (906, 6), (2, 7)]
    ]
    assert judged == [S, None, 3 * S, None, 905 * S, 906 * S, 2 * S]
    assert check.future == 2


def test_a_pause_of_the_recording_is_no_stamp_in_the_future():
    check = StampCheck()
    assert check.judge(1 * S, 1 * S) == S
    assert check.judge(500 * S, 500 * S) == 500 * S


# -- damage ------------------------------------------------------------------------------------


def one_file(folder):
    return next(p for p in folder.iterdir() if p.suffix in ('.mcap', '.db3'))


@pytest.mark.parametrize('compressed', [False, True])
def test_of_an_mcap_cut_off_in_the_middle_what_is_there_is_used(tmp_path, compressed):
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8)
    content = [
        (RAW, S + i * MS, message(IMAGE, S + i * MS, noise + np.uint8(i))) for i in range(30)
    ]
    path = clips.bag(tmp_path / 'bag', content, compressed=compressed)
    data = one_file(path).read_bytes()
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(data[: len(data) * 6 // 10])
    (camera,) = cameras([cut])
    frames = list(camera.frames())
    assert 12 <= len(frames) < 24
    assert [f.stamp_ns for f in frames] == [S + i * MS for i in range(len(frames))]
    for i, frame in enumerate(frames):
        assert np.array_equal(frame.image, noise + np.uint8(i))
    assert 'cut.mcap is damaged' in camera.notes[0]
    assert 'is cut off in the middle' in camera.notes[0]


def test_a_folder_whose_recorder_was_killed_has_no_metadata_and_is_read_all_the_same(tmp_path):
    path = two_cameras(tmp_path / 'bag')
    (path / 'metadata.yaml').unlink()
    found = cameras([path])
    assert [numbers(c) for c in found] == [list(range(12))] * 2
    assert 'metadata' in found[0].notes[0]
    assert found[1].notes == []


def test_a_split_bag_without_one_of_its_files_is_read_without_it(tmp_path):
    first = clips.bag(tmp_path / 'first', film(RAW, 3))
    metadata = first / 'metadata.yaml'
    metadata.write_text(
        metadata.read_text().replace('- first.mcap', '- first.mcap\n  - second.mcap')
    )
    (camera,) = cameras([first])
    assert numbers(camera) == [0, 1, 2]
    assert 'second.mcap' in camera.notes[0]


def test_a_damaged_block_is_left_out_and_reading_goes_on_behind_it(tmp_path):
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    content = [(RAW, S + i * MS, message(IMAGE, S + i * MS, noise)) for i in range(12)]
    path = clips.bag(tmp_path / 'bag', content, compressed=True)
    file = one_file(path)
    data = bytearray(file.read_bytes())
    at = [i for i in range(len(data) - 4) if data[i : i + 4] == b'\x28\xb5\x2f\xfd'][2]
    data[at] ^= 0xFF  # the magic number of the third zstd frame
    file.write_bytes(data)
    (camera,) = cameras([path])
    frames = list(camera.frames())
    assert 8 <= len(frames) < 12
    assert frames[-1].stamp_ns == S + 11 * MS
    assert 'is damaged' in camera.notes[0]


@pytest.mark.parametrize('size', [0, 5, 60])
def test_a_bag_of_which_nothing_is_left_is_an_error(tmp_path, size):
    path = tmp_path / 'a.mcap'
    path.write_bytes(one_file(clips.bag(tmp_path / 'bag', film(RAW, 2))).read_bytes()[:size])
    with pytest.raises(SourceError, match=r'a\.mcap: nothing in this bag can be read'):
        Bag(path)


def test_of_a_torn_database_what_is_readable_is_used(tmp_path):
    path = one_file(two_cameras(tmp_path / 'bag', 'sqlite3', 25))
    data = path.read_bytes()
    cut = tmp_path / 'cut.db3'
    cut.write_bytes(data[: len(data) * 6 // 10])
    found = cameras([cut])
    total = sum(len(list(c.frames())) for c in found)
    assert 10 < total < 50
    assert 'cut.db3 is damaged' in found[0].notes[0]


def test_a_database_that_was_never_closed_is_read_with_its_log(tmp_path):
    whole = one_file(two_cameras(tmp_path / 'bag', 'sqlite3'))
    writer = sqlite3.connect(whole)
    writer.execute('PRAGMA journal_mode=WAL')
    ((topic,),) = writer.execute('SELECT id FROM topics WHERE name = ?', (RAW,))
    stamp = S + 1200 * MS
    data = clips.STORE.serialize_cdr(message(IMAGE, stamp, paint(12)), IMAGE)
    writer.execute(
        'INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)', (topic, stamp, data)
    )
    writer.commit()
    killed = tmp_path / 'killed'
    killed.mkdir()
    for part in tmp_path.glob('bag/bag.db3*'):
        shutil.copy(part, killed)
    writer.close()
    found = cameras([killed])
    assert numbers(found[0]) == list(range(13))
    assert 'never closed' in found[0].notes[0]


@pytest.mark.parametrize(
    ('name', 'says'),
    [('gone', 'no such bag'), ('old.bag', 'ROS 1 bag'), ('clip.mp4', 'no ROS 2 bag')],
)
def test_what_is_no_bag_is_refused_with_the_next_step(tmp_path, name, says):
    if name != 'gone':
        (tmp_path / name).write_bytes(b'x')
    with pytest.raises(SourceError, match=says):
        Bag(tmp_path / name)


def test_a_folder_without_bag_files_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r'no \.mcap or \.db3 file in this folder'):
        Bag(tmp_path)


def test_a_large_length_in_a_damaged_file_does_not_fill_the_memory(tmp_path):
    path = tmp_path / 'a.mcap'
    path.write_bytes(b'\x89MCAP0\r\n' + b'\x05' + (1 << 60).to_bytes(8, 'little') + b'x' * 50)
    damage = Damage()
    assert list(mcap_messages(path, damage)) == []
    assert damage.reasons == ['is cut off in the middle']
