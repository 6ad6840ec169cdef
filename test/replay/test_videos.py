import shutil
import struct

import clips
import cv2
import numpy as np
import pytest
from clips import MS

from reid_ros.replay.folders import Folder, natural, stamp_of
from reid_ros.replay.source import Ahead, SourceError
from reid_ros.replay.videos import Video, Webcam, device


def test_a_video_gives_its_frames_with_the_times_of_the_container(tmp_path):
    source = Video(clips.video(tmp_path / 'a.mp4', 12, rate=25), 'a', start_ns=7)
    frames = list(source.frames())
    assert [clips.number_of(f.image) for f in frames] == list(range(12))
    assert [f.index for f in frames] == list(range(12))
    assert [round((f.stamp_ns - 7) / MS) for f in frames] == [40 * i for i in range(12)]
    assert (source.length, source.rate_hz, source.notes) == (12, 25.0, [])


def test_a_rate_that_is_given_stamps_the_frames(tmp_path):
    source = Video(clips.video(tmp_path / 'a.mp4', 4, rate=25), 'a', rate_hz=3)
    assert [f.stamp_ns for f in source.frames()] == [0, 333333333, 666666667, 1000000000]


def test_a_file_that_is_missing_or_no_video_is_an_error_with_its_name(tmp_path):
    with pytest.raises(SourceError, match=r'gone\.mp4: no such file'):
        Video(tmp_path / 'gone.mp4', 'a')
    text = tmp_path / 'text.mp4'
    text.write_text('not a video at all')
    with pytest.raises(SourceError, match=r'text\.mp4: cannot be opened as a video'):
        Video(text, 'a')


def test_a_video_cut_off_before_its_index_is_refused(tmp_path):
    whole = clips.video(tmp_path / 'whole.mp4', 12).read_bytes()
    cut = tmp_path / 'cut.mp4'
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match='cannot be opened'):
        Video(cut, 'a')


def test_what_is_readable_of_a_cut_off_video_is_used_and_said(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / 'noise.avi'
    writer = cv2.VideoWriter(str(path), int.from_bytes(b'MJPG', 'little'), 10, (64, 48))
    for _ in range(30):
        writer.write(rng.integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = Video(path, 'a')
    frames = list(source.frames())
    assert 5 < len(frames) < 25
    assert source.notes == [
        f'cut off or damaged: {len(frames)} of 30 frames could be decoded, and those were used'
    ]


def test_reading_ahead_keeps_the_order_and_only_a_few_frames(tmp_path):
    ahead = Ahead(Video(clips.video(tmp_path / 'a.avi', 24), 'a'))
    numbers = []
    while not ahead.ended:
        frame = ahead.take(5.0)
        if frame is not None:
            numbers.append(frame.index)
        assert ahead._frames.qsize() <= 9
    ahead.close()
    assert numbers == list(range(24))


def test_what_a_source_raises_comes_out_where_its_frames_are_taken(tmp_path):
    path = clips.video(tmp_path / 'a.avi')
    source = Video(path, 'a')
    path.unlink()
    ahead = Ahead(source)
    with pytest.raises(SourceError, match='cannot be opened'):
        ahead.take(5.0)
    assert ahead.ended
    ahead.close()


class Ticks:
    """A live source that runs as fast as it can."""

    camera, place, live, rate_hz, length, notes = 'a', 'ticks', True, 0.0, 0, []

    def frames(self):
        for index in range(100):
            yield clips.frame('a', index)


def test_of_a_live_source_the_oldest_frames_give_way():
    ahead = Ahead(Ticks())
    ahead._thread.join(5.0)
    left = []
    while not ahead.ended:
        frame = ahead.take(0.0)
        if frame is not None:
            left.append(frame.index)
    assert left == list(range(92, 100))
    assert ahead.dropped == 92
    ahead.close()


def test_a_reader_is_released_while_nobody_takes_its_frames(tmp_path):
    ahead = Ahead(Video(clips.video(tmp_path / 'a.avi', 24), 'a'))
    ahead.close()
    assert not ahead._thread.is_alive()


@pytest.mark.parametrize(
    ('place', 'number'), [('0', 0), ('/dev/video3', 3), ('clip.mp4', None), ('/dev/sda', None)]
)
def test_a_number_or_a_video_device_is_a_webcam(place, number):
    assert device(place) == number


def test_a_webcam_that_is_not_there_is_an_error():
    with pytest.raises(SourceError, match='webcam 63 cannot be opened'):
        Webcam('63', 'a')


def test_pictures_are_sorted_as_people_count(tmp_path):
    folder = clips.pictures(tmp_path / 'p', ['f1.png', 'f2.png', 'f10.png', 'F3.jpg'])
    source = Folder(folder, 'a', rate_hz=5)
    assert [clips.number_of(f.image) for f in source.frames()] == [0, 1, 3, 2]
    assert [f.stamp_ns for f in source.frames()] == [0, 200 * MS, 400 * MS, 600 * MS]
    assert sorted(['b10', 'a2', 'b9', '10', '9'], key=natural) == ['9', '10', 'a2', 'b9', 'b10']


@pytest.mark.parametrize(
    ('stem', 'stamp'),
    [
        ('1700000000123456789', 1700000000123456789),
        ('1700000000123456', 1700000000123456000),
        ('1700000000123', 1700000000123000000),
        ('1700000000', 1700000000000000000),
        ('1700000000.25', None),
        ('1700000000.250', 1700000000250000000),
        ('000042', None),
        ('frame', None),
    ],
)
def test_a_file_name_may_be_a_time(stem, stamp):
    assert stamp_of(stem) == stamp


def test_times_in_file_names_stamp_the_pictures_and_order_them(tmp_path):
    names = [f'{1700000000000 + ms}.png' for ms in (300, 0, 100)]
    source = Folder(clips.pictures(tmp_path / 'p', names), 'a')
    frames = list(source.frames())
    assert [clips.number_of(f.image) for f in frames] == [1, 2, 0]
    assert [f.stamp_ns - 1700000000 * clips.S for f in frames] == [0, 100 * MS, 300 * MS]
    assert source.notes == []


def test_a_folder_without_times_says_which_rate_it_assumes(tmp_path):
    source = Folder(clips.pictures(tmp_path / 'p', ['a.png', 'b.png']), 'a')
    assert 'no times in the file names: 10 pictures per second' in source.notes[0]


def test_a_picture_that_cannot_be_read_is_left_out_and_said(tmp_path):
    folder = clips.pictures(tmp_path / 'p', ['0.png', '1.png', '2.png'])
    (folder / '1.png').write_bytes(b'')
    source = Folder(folder, 'a', rate_hz=10)
    assert [f.index for f in source.frames()] == [0, 2]
    assert (
        '1 of 3 pictures cannot be read and were left out, first 1.png: empty' in source.notes[0]
    )


def test_a_folder_without_readable_pictures_is_an_error(tmp_path):
    (tmp_path / 'p').mkdir()
    (tmp_path / 'p' / 'readme.txt').touch()
    with pytest.raises(SourceError, match=r'no pictures in this folder .* holds readme\.txt'):
        Folder(tmp_path / 'p', 'a')
    (tmp_path / 'p' / 'a.jpg').write_bytes(b'nothing')
    with pytest.raises(SourceError, match='none of its pictures can be read'):
        Folder(tmp_path / 'p', 'a')
    shutil.rmtree(tmp_path / 'p')
    with pytest.raises(SourceError, match='no such folder'):
        Folder(tmp_path / 'p', 'a')


def test_a_container_whose_times_stand_still_is_stamped_by_its_rate(tmp_path):
    """The sample times of an mp4 are its 'stts' box: (count, duration) pairs."""
    path = clips.video(tmp_path / 'a.mp4', 10, rate=10)
    data = bytearray(path.read_bytes())
    at = data.index(b'stts')
    count, duration = struct.unpack_from('>II', data, at + 12)
    assert count == 10
    struct.pack_into('>II', data, at + 12, count, 0)
    path.write_bytes(data)
    source = Video(path, 'a', rate_hz=0)
    stamps = [f.stamp_ns for f in source.frames()]
    assert stamps == sorted(set(stamps))
    assert len(stamps) >= 9
    assert duration > 0
