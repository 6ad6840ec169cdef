"""A robot follows one person among others, in a closed loop without images."""

import json

import numpy as np
import pytest

from reid_ros.bench.following import drives
from reid_ros.bench.following.chase import Chase, chase_world
from reid_ros.bench.following.eyes import Pictures, Wire
from reid_ros.bench.wireframe import figures
from reid_ros.cli import main
from reid_ros.follow import FollowConfig
from reid_ros.lens import Lens, Pose, View

LENS = Lens(np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]), np.zeros(0))
VIEW = View(640, 480, LENS, Pose.of((0.0, 0.0, 1.2, -0.5, 0.5, -0.5, 0.5)))
NOTHING = np.empty((0, 4))


def seen(*spots, furniture=NOTHING):
    spots = np.array(spots, np.float64)
    return figures(VIEW, spots, np.full(len(spots), 1.7), np.ones(len(spots), bool), furniture)


def test_a_body_of_wire_has_the_box_of_a_person_and_is_hidden_by_who_is_nearer():
    alone = seen((5.0, 0.0))
    x0, y0, x1, y1 = alone.boxes[0]
    assert alone.visible[0] == 1.0
    assert (x0 + x1) / 2 == pytest.approx(320)
    assert (y0, y1) == pytest.approx((240 - 50, 240 + 120), abs=5)
    both = seen((5.0, 0.0), (3.0, 0.1))
    assert both.visible.tolist()[1] == 1.0
    assert both.visible[0] < 0.4
    assert both.hider[0] == 1


def test_a_table_hides_legs_and_nobody_behind_the_camera_is_seen():
    table = np.array([[3.0, -1.0, 3.6, 1.0]])
    behind = seen((5.0, 0.0), (-5.0, 0.0), furniture=table)
    assert behind.persons.tolist() == [0]
    assert 0.3 < behind.visible[0] < 0.8
    assert behind.shown[0, 3] < behind.boxes[0, 3] - 20


def test_the_command_prints_a_row_and_writes_it(tmp_path, capsys):
    out = tmp_path / 'follow.json'
    arguments = ['--seeds', '3', '--seconds', '3', '--split', 'validation', '--quiet']
    arguments += ['--rate', '5']
    assert main(['bench', 'follow', *arguments, '--out', str(out)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ['mode', 'seed']
    assert row.split()[:2] == ['wire', '3']
    content = json.loads(out.read_text(encoding='utf-8'))
    assert content['command'].endswith('--seconds 3 --split validation --rate 5 --seeds 3')
    assert content['rows'][0]['total'] > 0
    # Another run adds its rows, and replaces its own.
    arguments[1] = '2'
    for _ in range(2):
        assert main(['bench', 'follow', *arguments, '--out', str(out)]) == 0
    rows = json.loads(out.read_text(encoding='utf-8'))['rows']
    assert [(row['mode'], row['seed']) for row in rows] == [('wire', 2), ('wire', 3)]
    assert [row['command'].split()[-1] for row in rows] == ['2', '3']


@pytest.mark.parametrize(
    'text',
    [
        '',
        '{}',
        '[]',
        '{"rows": [{"seed": 1}]}',
        '{"rows": 5}',
        '{"rows": [{"mode": "wire", "seed": "x"}]}',
    ],
)
def test_a_file_that_is_no_table_is_refused_before_anything_is_measured(text, tmp_path, capsys):
    out = tmp_path / 'notes.json'
    out.write_text(text, encoding='utf-8')
    assert main(['bench', 'follow', '--seconds', '3', '--out', str(out)]) == 2
    captured = capsys.readouterr()
    assert 'no table of results' in captured.err
    assert captured.out == ''
    assert out.read_text(encoding='utf-8') == text


@pytest.mark.slow
@pytest.mark.parametrize('seed', [1, 2])
def test_the_target_is_followed_through_its_absences_and_never_somebody_else(seed):
    world = chase_world(seed, 34.0, 'validation', people=5, at_once=4, absence_s=4.0, rate_hz=6.0)
    score = Chase(world).run()
    assert score.chosen >= 1
    assert score.visible > 8.0
    assert score.right > 0.8 * score.visible
    assert score.wrong <= 0.005 * score.locked
    assert score.found == score.returns
    assert score.pushed_m > FollowConfig().keep_m - 0.4
    assert score.error_m < 0.4


def follow(*arguments):
    usual = ['--split', 'validation', '--seeds', '5', '--quiet', '--json']
    return main(['bench', 'follow', *usual, *map(str, arguments)])


def test_a_recorded_drive_is_replayed_as_it_was(tmp_path, capsys):
    """Vectors, boxes and the robot's way come from the file; what is decided, from the code."""
    kept = tmp_path / 'deep' / 'drives'
    assert follow('--seconds', 6, '--rate', 5, '--record', kept) == 0
    recorded = json.loads(capsys.readouterr().out)[0]
    assert [path.name for path in kept.iterdir()] == ['validation-5.npz']
    assert follow('--replay', kept) == 0
    replayed = json.loads(capsys.readouterr().out)[0]
    assert (recorded['mode'], replayed['mode']) == ('wire', 'replay')
    told = {'mode', 'cpu_s', 'commit', 'command'}
    assert {k: recorded[k] for k in recorded if k not in told} == {
        k: replayed[k] for k in replayed if k not in told
    }
    assert recorded['locked'] > 0


def test_a_guided_robot_goes_to_its_target_though_nobody_is_known():
    driven = []
    for guided in (True, False):
        world = chase_world(5, 8.0, 'validation', rate_hz=5.0)
        chase = drives.Recording(world, Wire(world)).chase() if guided else Chase(world)
        chase._choose = lambda *a: None  # nobody ever tells whom to follow
        assert chase.run().locked == 0
        driven.append(chase.robot.driven_m)
    assert driven[0] > 0.2
    assert driven[1] == 0


def test_rendered_pictures_are_recorded_with_the_vectors_of_the_network(tmp_path):
    world = chase_world(5, 5.0, 'validation', rate_hz=5.0)
    recording = drives.Recording(world, Pictures(world))
    first = recording.chase().run()
    recording.save(tmp_path / 'd.npz')
    drive = drives.Drive.load(tmp_path / 'd.npz')
    vectors = drive.arrays['vectors']
    assert vectors.shape == (len(drive.arrays['boxes']), 256)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-3)
    again = drive.chase(drive.world()).run()
    assert first.locked > 1.0, 'while it is recorded, everything else is as ever'
    assert again.locked == pytest.approx(first.locked, abs=1.0)


@pytest.mark.parametrize(
    ('content', 'said'),
    [(None, 'no such drive'), (b'PK', 'is no recorded drive'), (b'', 'is no recorded drive')],
)
def test_a_drive_that_cannot_be_read_says_what_to_do(tmp_path, capsys, content, said):
    if content is not None:
        (tmp_path / 'validation-5.npz').write_bytes(content)
    assert follow('--replay', tmp_path) != 0
    error = capsys.readouterr().err
    assert said in error
    assert 'record it' in error


def test_a_drive_of_another_world_is_refused(tmp_path):
    world = chase_world(5, 1.0, 'validation', rate_hz=5.0)
    recording = drives.Recording(world, Wire(world))
    recording.chase().run()
    recording.save(tmp_path / 'd.npz')
    drive = drives.Drive.load(tmp_path / 'd.npz')
    drive.facts['rate_hz'] = 8.0
    with pytest.raises(drives.DriveError, match='world has changed'):
        drive.chase(drive.world()).run()


def test_recording_is_for_lockstep(tmp_path, capsys):
    assert follow('--live', '--record', tmp_path) != 0
    assert '--record' in capsys.readouterr().err


def test_drives_are_replayed_with_the_vectors_that_they_have(tmp_path, capsys):
    assert follow('--pictures', '--replay', tmp_path) != 0
    assert '--replay' in capsys.readouterr().err
