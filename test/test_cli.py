"""The command as a whole: every verb answers, and mistakes end in words and a status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import reid_ros
from reid_ros.cli import VERBS, main, parser

ROOT = Path(__file__).parents[1]


def command(*arguments, env=None, cwd=ROOT):
    return subprocess.run(
        [sys.executable, '-m', 'reid_ros', *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def parsers(root):
    """(words, parser) of every verb and its parts."""
    for action in root._subparsers._group_actions if root._subparsers else ():
        for name, child in action.choices.items():
            yield (name,), child
            yield from (((name, *words), part) for words, part in parsers(child))


PARSERS = dict(parsers(parser()))


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as done:
        main(['--version'])
    assert done.value.code == 0
    assert capsys.readouterr().out.strip() == reid_ros.__version__


def test_help_lists_every_verb(capsys):
    with pytest.raises(SystemExit) as done:
        main(['--help'])
    assert done.value.code == 0
    said = capsys.readouterr().out
    assert len(VERBS) >= 5
    for verb in VERBS:
        assert [line for line in said.splitlines() if line.split()[:1] == [verb]], verb


@pytest.mark.parametrize('words', PARSERS, ids=' '.join)
def test_every_verb_and_part_has_help_and_a_function(words, capsys):
    with pytest.raises(SystemExit) as done:
        main([*words, '--help'])
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith(f'usage: reid_ros {words[0]}')
    child = PARSERS[words]
    assert callable(child.get_default('call')) or child._subparsers


@pytest.mark.parametrize('arguments', [[], ['no-such-verb'], ['doctor', '--no-such-option']])
def test_a_wrong_command_is_bad_input(arguments, capsys):
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 2
    assert 'usage: reid_ros' in capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments',
    [
        ['models', 'describe', 'yolox_nan'],
        ['models', 'pull', 'yolox_nan'],
        ['run', '/nowhere/clip.mp4', '--out', '/nowhere/out'],
        ['replay', '/nowhere/bag.mcap', '--out', '/nowhere/out'],
        ['bag', 'make', '/nowhere/clip.mp4', '/nowhere/out.mcap'],
        ['doctor', '--config', '/nowhere/cameras.yaml'],
        ['node', '--config', '/nowhere/cameras.yaml'],
    ],
    ids=lambda arguments: ' '.join(arguments[:2]),
)
def test_a_mistake_ends_in_one_message_and_status_2(arguments, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f'reid_ros {arguments[0]}: ')
    assert (
        arguments[1].rpartition('/')[2] in said.err
        or 'nowhere' in said.err
        or ('yolox_nan' in said.err)
    )
    assert said.out == ''


@pytest.mark.parametrize('module', ['onnxruntime', 'cv2', 'rosbags'])
def test_a_missing_package_is_named_with_the_command_that_installs_it(module, tmp_path):
    (tmp_path / f'{module}.py').write_text(
        f'raise ModuleNotFoundError("No module named {module!r}", name={module!r})'
    )
    arguments = ['models', 'check', 'yolox_nano']
    if module == 'rosbags':
        arguments = ['replay', str(tmp_path), '--out', str(tmp_path / 'out')]
        (tmp_path / 'metadata.yaml').write_text('rosbag2_bagfile_information: {}\n')
    done = command(*arguments, env={'PYTHONPATH': str(tmp_path)})
    assert done.returncode == 1, done.stderr
    assert f"No module named '{module}'" in done.stderr
    assert ' install ' in done.stderr
    assert 'reid_ros doctor' in done.stderr
    assert 'Traceback' not in done.stderr


def test_training_without_torch_says_how_to_get_it(tmp_path):
    (tmp_path / 'torch.py').write_text(
        'raise ModuleNotFoundError("No module named \'torch\'", name="torch")'
    )
    (tmp_path / 'recipe.yaml').write_text('{}')
    words = ('train', 'run', str(tmp_path / 'recipe.yaml'), '--out', str(tmp_path / 'out'))
    done = command(*words, env={'PYTHONPATH': str(tmp_path)})
    assert done.returncode == 1
    assert 'reid_ros[train]' in done.stderr
    assert not (tmp_path / 'out').exists()


def test_a_bug_is_not_dressed_up_as_a_missing_package(tmp_path):
    (tmp_path / 'onnxruntime.py').write_text('import no_such_thing_at_all')
    done = command('models', 'check', 'yolox_nano', env={'PYTHONPATH': str(tmp_path)})
    assert done.returncode == 1
    assert 'Traceback' in done.stderr
    assert 'no_such_thing_at_all' in done.stderr


def test_a_node_without_ros_says_how_to_get_it(tmp_path):
    (tmp_path / 'rclpy.py').write_text(
        'raise ModuleNotFoundError("No module named \'rclpy\'", name="rclpy")'
    )
    done = command('node', env={'PYTHONPATH': str(tmp_path)})
    assert done.returncode == 2
    assert 'source a ROS 2' in done.stderr


def test_the_command_runs_from_any_folder(tmp_path):
    done = command('--version', env={'PYTHONPATH': str(ROOT)}, cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, reid_ros.__version__)
