"""`reid_ros run` and `replay` as a user runs them, with tiny networks on small clips."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import clips
import cv2
import networks
import numpy as np
import pytest
from clips import IMAGE, MS, S, message, paint
from samples import data

from reid_ros.cli import main
from reid_ros.cli.stopping import Stop, Stopped

LONG = 4000
FILES = ['events.jsonl', 'identities.json', 'report.html', 'sightings.csv', 'tracks']


@pytest.fixture(scope='session')
def models(tmp_path_factory):
    """A detector that always sees one person, and an appearance network."""
    folder = tmp_path_factory.mktemp('models')
    person = np.array([[[10, 10, 30, 60, 0.9, 0]]], np.float32)
    networks.constant(folder / 'one.onnx', {'rows': person})
    networks.write(folder, networks.detector('yolo_nms', 'one'))
    networks.convolutions(folder / 'look.onnx')
    look = networks.appearance('look', input={'height': 32, 'width': 16}, output={'vector': 24})
    networks.write(folder, look)
    return folder


@pytest.fixture
def call(models, tmp_path):
    """Run a verb in this process; returns its exit status."""

    def run(verb, *arguments, out='out'):
        return main([
            verb, *map(str, arguments), '--out', str(tmp_path / out), '--quiet',
            '--detector', str(models / 'one.onnx'), '--appearance', str(models / 'look.onnx'),
            '--backend', 'cpu',
        ])  # fmt: skip

    return run


@pytest.fixture
def told(tmp_path):
    def read(out='out'):
        return json.loads((tmp_path / out / 'identities.json').read_text())

    return read


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def test_videos_become_identities_videos_mot_text_and_a_page(tmp_path, call, told, capsys):
    clip = clips.video(tmp_path / 'door.avi', 20)
    assert call('run', clip, f'hall={clip}') == 0
    assert left(tmp_path / 'out') == sorted(
        [*FILES, 'door.mp4', 'door.txt', 'hall.mp4', 'hall.txt']
    )
    assert left(tmp_path / 'out' / 'tracks') == ['door.txt', 'hall.txt']
    content = told()
    assert [c['camera'] for c in content['cameras']] == ['door', 'hall']
    assert (content['complete'], content['frames']) == (True, 40)
    assert len((tmp_path / 'out' / 'tracks' / 'door.txt').read_text().splitlines()) >= 18
    printed = capsys.readouterr().out
    assert '40 frames' in printed
    assert 'report.html' in printed


def test_the_result_can_be_had_as_json(tmp_path, call, capsys):
    assert call('run', clips.video(tmp_path / 'a.avi', 5), '--json', '--no-video') == 0
    assert json.loads(capsys.readouterr().out)['frames'] == 5
    assert not (tmp_path / 'out' / 'a.mp4').exists()


def test_a_clip_may_stand_in_for_a_second_camera_later(tmp_path, call, told):
    clip = clips.video(tmp_path / 'a.avi', 10)
    assert call('run', f'a={clip}', f'b={clip}', '--offset', 'b=60', '--no-video') == 0
    assert [c['first_ns'] for c in told()['cameras']] == [0, 60 * S]
    assert call('run', f'a={clip}', f'b={clip}', '--one-after-another', '7', '--no-video') == 0
    assert [c['first_ns'] for c in told()['cameras']] == [0, 8 * S]


def test_a_bag_of_a_video_gives_the_very_rows_of_the_video(tmp_path, call):
    clip = clips.video(tmp_path / 'a.avi', 20)
    assert main(['bag', 'make', '--quiet', str(clip), str(tmp_path / 'a.mcap')]) == 0
    assert call('run', clip, '--no-video', out='video') == 0
    assert call('replay', tmp_path / 'a.mcap', '--no-video', out='bag') == 0

    def rows(out):
        lines = (tmp_path / out / 'sightings.csv').read_text().splitlines()[1:]
        return [line.split(',')[:3] + line.split(',')[4:] for line in lines]

    assert len(rows('video')) >= 18
    assert rows('video') == rows('bag')


def test_a_bag_with_every_kind_of_bad_message_is_processed_and_said(tmp_path, call, told, capsys):
    stamps = [S + i * 100 * MS for i in range(20)]
    content = [('/good/image', t, message(IMAGE, t, paint(i))) for i, t in enumerate(stamps)]
    bad = [('/bad/image', t, message(IMAGE, t, paint(i))) for i, t in enumerate(stamps)]
    bad[3] = ('/bad/image', stamps[3], message(IMAGE, 0, paint(3)))
    bad[5] = ('/bad/image', stamps[5], message(IMAGE, 2**30 * S, paint(5)))
    bad[7] = ('/bad/image', stamps[7], message(IMAGE, stamps[6], paint(7)))
    bad[9] = ('/bad/image', stamps[9], message(IMAGE, stamps[9], paint(9, 96, 48)))
    bad[11] = ('/bad/image', stamps[11], message(IMAGE, stamps[11], b''))
    for i in range(12, 20):  # its clock is set back
        bad[i] = (
            '/bad/image',
            stamps[i],
            message(IMAGE, stamps[i] - S * 3 // 2, paint(i)),
        )
    path = clips.bag(tmp_path / 'bag', [item for pair in zip(content, bad) for item in pair])
    assert call('replay', path, '--no-video') == 0
    cameras = {c['camera']: c for c in told()['cameras']}
    assert cameras['good']['frames'] == 20
    notes = '\n'.join(cameras['bad']['notes'])
    for words in (
        'no stamp', 'in the future', 'not later', 'changed from 64 x 48 to 96 x 48',
        'cannot be read', 'jumped back',
    ):  # fmt: skip
        assert words in notes
    assert 'bad: ' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('verb', 'arguments', 'says'),
    [
        ('run', ['gone.mp4'], 'gone.mp4: no such file'),
        ('run', ['text.mp4'], 'text.mp4: cannot be opened as a video'),
        ('run', ['empty'], 'empty: no pictures in this folder'),
        ('run', ['a=clip.avi', 'a=clip.avi'], "two sources are named 'a'"),
        ('run', ['clip.avi', '--offset', 'b=3'], "no camera is named 'b'; there are clip"),
        ('run', ['clip.avi', '--offset', 'clip=soon'], "'soon' is no number"),
        ('run', ['clip.avi', '--rate', '-1'], '--rate -1'),
        ('run', ['clip.avi', '--config', 'bad.yaml'], "did you mean 'identity'?"),
        ('run', ['clip.avi', '--config', 'gone.yaml'], 'gone.yaml'),
        ('run', ['clip.avi', '--backend', 'gpu'], '--backend'),
        ('run', ['clip.avi', '--detector', 'gone.onnx'], 'gone.onnx'),
        ('run', ['63'], 'webcam 63 cannot be opened'),
        ('replay', ['gone'], 'gone: no such bag'),
        ('replay', ['empty'], 'it is no bag'),
        ('replay', ['clip.avi'], 'no ROS 2 bag'),
    ],
)
def test_a_mistake_is_told_with_status_2_and_nothing_is_written(
    tmp_path, call, monkeypatch, capsys, verb, arguments, says
):
    monkeypatch.chdir(tmp_path)
    clips.video(tmp_path / 'clip.avi', 3)
    (tmp_path / 'text.mp4').write_text('no video')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'bad.yaml').write_text('identiy: {}\n')
    if '--detector' in arguments or '--backend' in arguments:
        status = main([verb, *arguments, '--out', 'out'])
    else:
        status = call(verb, *arguments)
    assert status == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith(f'reid_ros {verb}: ')
    assert not (tmp_path / 'out').exists()


def test_a_folder_that_cannot_be_written_is_told_before_anything_runs(tmp_path, call, capsys):
    (tmp_path / 'out').write_text('a file')
    assert call('run', clips.video(tmp_path / 'a.avi', 3)) == 2
    assert 'out is a file: give a folder' in capsys.readouterr().err


def test_a_cut_off_video_is_processed_as_far_as_it_goes_and_said(tmp_path, call, told, capsys):
    clip = clips.video(tmp_path / 'a.avi', 24, width=320, height=240)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    assert call('run', clip, '--no-video') == 0
    (camera,) = told()['cameras']
    assert 5 < camera['frames'] < 24
    assert 'cut off or damaged' in camera['notes'][0]
    assert 'a: cut off or damaged' in capsys.readouterr().err


# -- signals -----------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """A sequence that takes several seconds."""
    folder = tmp_path_factory.mktemp('long')
    one = folder / 'one'
    one.write_bytes(cv2.imencode('.jpg', paint(9, 320, 240))[1].tobytes())
    result = folder / 'pictures'
    result.mkdir()
    for i in range(LONG):
        (result / f'{i}.jpg').symlink_to(one)
    return result


@pytest.fixture
def running(models, tmp_path, pictures):
    """Starts a long run in a process of its own."""
    processes = []

    def start(*arguments):
        environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[1])}
        process = subprocess.Popen(
            [
                sys.executable, '-m', 'reid_ros', 'run', str(pictures), '--rate', '10',
                '--out', str(tmp_path / 'out'), '--detector', str(models / 'one.onnx'),
                '--appearance', str(models / 'look.onnx'), '--backend', 'cpu',
                '--gallery', str(tmp_path / 'gallery.db'), *arguments,
            ],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'nothing happened in time'
        time.sleep(0.01)


def recorded(out, least=50):
    path = out / 'sightings.csv'
    return path.exists() and path.stat().st_size > 100 * least


@pytest.mark.parametrize(
    ('signals', 'status'),
    [([signal.SIGINT], 130), ([signal.SIGINT] * 3, 130), ([signal.SIGTERM, signal.SIGINT], 143)],
)
def test_a_signal_leaves_finished_files_and_a_readable_gallery(tmp_path, running, signals, status):
    process = running()
    out = tmp_path / 'out'
    wait_until(lambda: recorded(out) or process.poll() is not None)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.05)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == status, errors
    assert 'Traceback' not in errors
    assert 'the files are being finished' in errors
    assert left(out) == sorted([*FILES, 'pictures.mp4', 'pictures.txt'])
    told = json.loads((out / 'identities.json').read_text())
    assert (told['complete'], told['stopped']) == (False, signals[0].name)
    assert 0 < told['frames'] < LONG
    rows = (out / 'sightings.csv').read_text().splitlines()
    assert told['frames'] - 3 <= len(rows) - 1 <= told['frames']
    gallery = sqlite3.connect(tmp_path / 'gallery.db')
    assert gallery.execute('PRAGMA integrity_check').fetchone() == ('ok',)
    gallery.close()


def test_a_signal_while_the_run_starts_leaves_nothing(tmp_path, running):
    process = running()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode in (143, -signal.SIGTERM), errors
    assert 'Traceback' not in errors
    if (tmp_path / 'out').exists():  # it was faster than the signal
        assert 'identities.json' in left(tmp_path / 'out')


def test_a_signal_that_python_swallows_while_the_run_starts_ends_it_all_the_same():
    with Stop() as stop:
        with contextlib.suppress(Stopped):  # as the callback of a weak reference would
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped) as stopped:
            stop.gently()
    assert stopped.value.status == 143


def test_a_signal_of_which_an_import_makes_an_error_of_its_own_is_still_that_signal():
    def initialised():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException as error:  # as an extension module does
            raise ImportError('initialization failed') from error

    with pytest.raises(Stopped) as stopped, Stop():
        initialised()
    assert stopped.value.status == 143


# -- the samples -------------------------------------------------------------------------------


@pytest.fixture
def sample_models():
    return [
        '--detector', str(data('models', 'yolox_nano_416x416.onnx')),
        '--appearance', str(data('models', 'osnet_x0_25_msmt17.onnx')),
    ]  # fmt: skip


@pytest.mark.slow
def test_four_cameras_share_their_people(tmp_path, sample_models, told):
    videos = [str(data('multicam', f'cam0{i}.mp4')) for i in range(1, 5)]
    out = str(tmp_path / 'out')
    assert main(['run', *videos, *sample_models, '--out', out, '--quiet']) == 0
    in_all = [p for p in told()['persons'] if len(p['cameras']) == 4]
    assert len(in_all) == 2
    assert all(p['sightings'] > 350 for p in in_all)
