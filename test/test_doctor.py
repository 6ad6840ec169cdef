"""The doctor, in environments with something wrong in them."""

import fcntl
import hashlib
import importlib.util
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from reid_ros.cli.doctor import table
from reid_ros.config import Config, GalleryConfig, IdentityConfig, ModelConfig
from reid_ros.doctor import Finding, able, dds, inference, middleware, profile, software, store
from reid_ros.doctor.finding import tried
from reid_ros.doctor.network import SIDE, VECTOR, convolution
from reid_ros.doctor.probes import SHM
from reid_ros.gallery_store import GalleryStore, ModelId

ROOT = Path(__file__).parents[1]
PROFILE = ROOT / 'config' / 'fastdds.xml'
MB = 1 << 20
DDS_VARIABLES = (
    dds.OLD, dds.NEW, 'FASTDDS_BUILTIN_TRANSPORTS', 'ROS_AUTOMATIC_DISCOVERY_RANGE',
    'ROS_LOCALHOST_ONLY', 'RMW_IMPLEMENTATION', 'MALLOC_MMAP_THRESHOLD_',
    'MALLOC_TRIM_THRESHOLD_', 'PYTHONPATH',
)  # fmt: skip
needs_fastdds = pytest.mark.skipif(
    importlib.util.find_spec('rmw_fastrtps_cpp') is None
    and importlib.util.find_spec('rclpy') is None,
    reason='no ROS 2 here',
)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """As on a machine where nobody has set anything."""
    for name in DDS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('ROS_DOMAIN_ID', '91')


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Puts a module before all others of that name, for processes that are started from now."""
    folder = tmp_path / 'modules'
    folder.mkdir()
    monkeypatch.setenv('PYTHONPATH', str(folder))

    def make(name, code):
        (folder / f'{name}.py').write_text(code)

    return make


def absent(name):
    return f'raise ModuleNotFoundError("No module named {name!r}", name={name!r})'


def doctor(*arguments, expected):
    done = subprocess.run(
        [sys.executable, '-m', 'reid_ros', 'doctor', *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def by_subject(findings):
    return {finding.subject: finding for finding in findings}


def only(findings, subject):
    found = [finding for finding in findings if finding.subject == subject]
    assert len(found) == 1, f'{subject} in {[f.subject for f in findings]}'
    return found[0]


@pytest.fixture
def settings(tmp_path):
    """A file of settings whose models are small real networks."""
    networks.convolutions(tmp_path / 'small.onnx', height=32, width=16, length=24)
    card = networks.appearance('small', input={'height': 32, 'width': 16}, output={'vector': 24})
    networks.write(tmp_path, card)
    path = tmp_path / 'cameras.yaml'
    path.write_text(f'model: {{detector: none, appearance: {tmp_path}/small.onnx}}\n')
    return path


# The command ------------------------------------------------------------------------------


@needs_fastdds
def test_on_a_machine_that_is_set_up_the_node_can_run(settings, monkeypatch):
    for name in dds.OLD, dds.NEW:
        monkeypatch.setenv(name, str(PROFILE))
    for name, value in dds.MALLOC.items():
        monkeypatch.setenv(name, str(value))
    report = json.loads(doctor('--json', '--config', settings, expected=0).stdout)
    assert report['able'] is True
    found = {row['subject']: row for row in report['findings']}
    for subject in ('numpy', 'OpenCV', 'onnxruntime', 'cpu', 'appearance', 'rclpy', 'node'):
        assert found[subject]['level'] == 'ok', found[subject]
        assert found[subject]['step'] == 'nothing to do'
    assert '32 MB' in found['segment']['found']
    assert found['segment']['level'] == found['MALLOC_*']['level'] == 'ok'
    assert 'PUBLISHER' in found['publishers']['found']
    assert f'={PROFILE}' in found['publishers']['step']


def test_missing_and_broken_packages_are_named_with_the_command_that_helps(module, settings):
    module('onnxruntime', absent('onnxruntime'))
    module('cv2', 'raise ImportError("libGL.so.1: cannot open shared object file: No such file")')
    module('rclpy', absent('rclpy'))
    report = json.loads(doctor('--json', '--config', settings, expected=1).stdout)
    found = {row['subject']: row for row in report['findings']}
    assert report['able'] is False
    assert found['onnxruntime']['found'] == 'not installed: no network runs'
    assert 'pip install --no-deps onnxruntime' in found['onnxruntime']['step']
    assert 'libGL.so.1' in found['OpenCV']['found']
    assert found['rclpy']['stops']
    assert 'source a ROS 2' in found['rclpy']['step']
    assert 'cv2, onnxruntime' in found['models']['found']


def test_a_misspelt_setting_is_bad_input(tmp_path):
    path = tmp_path / 'cameras.yaml'
    path.write_text('identity: {false_acept: 0.1}\n')
    done = doctor('--config', path, expected=2)
    assert "did you mean 'false_accept'" in done.stderr
    assert not done.stdout


def test_the_table_fits_a_terminal_and_every_line_says_what_to_do():
    long = 'word ' * 60 + '/a/path/that/is/never/broken/' + 'x' * 120
    findings = [
        Finding('software', 'numpy', 'ok', '2.4.6'),
        Finding('DDS', dds.OLD, 'problem', long, 'export A=/a/path'),
        Finding('DDS', 'profile', 'note', 'none', long),
    ]
    lines = table(findings)
    for line in lines:
        assert len(line) <= 100 or len(line.split()) == 1 or line.strip().startswith('/a/path')
    text = '\n'.join(lines)
    assert '2.4.6; nothing to do' in text
    assert '-> export A=/a/path' in text
    assert lines[-1] == 'The node can run: 1 problems, 1 notes.'


def test_only_what_stops_the_node_makes_it_unable():
    assert able([Finding('a', 'b', 'problem', 'images are lost', 'x')])
    assert not able([Finding('a', 'b', 'problem', 'no model', 'x', stops=True)])


# Probes -----------------------------------------------------------------------------------


def test_a_package_that_kills_its_process_does_not_kill_the_doctor(module):
    module('crash', 'import os, signal; os.kill(os.getpid(), signal.SIGSEGV)')
    assert tried('imported', 'crash').error == 'the process died of SIGSEGV'


def test_a_package_that_hangs_is_given_up(module):
    module('hang', 'import time; time.sleep(60)')
    assert tried('imported', 'hang', timeout_s=1.0).error == 'gave no answer within 1 s'


def test_a_package_that_talks_while_it_is_imported_does_not_spoil_the_answer(module):
    module('talk', '__version__ = "1.2"\nprint("hello {")')
    trial = tried('imported', 'talk')
    assert trial.facts['version'] == '1.2'
    assert 'hello {' in trial.said


# Software ---------------------------------------------------------------------------------

NUMPY = software.PACKAGES[0]


@pytest.mark.parametrize(
    ('version', 'level'),
    [
        ('1.20.3', 'problem'),
        ('1.21.0', 'ok'),
        ('1.21', 'ok'),
        ('2.4.6', 'ok'),
        ('2.5.0rc1', 'ok'),
        ('3.0.0', 'note'),
        ('unknown', 'ok'),
    ],
)
def test_a_version_is_judged_by_its_numbers(version, level):
    finding = software.judged(NUMPY, version)
    assert finding.level == level
    assert bool(finding.step) == (level != 'ok')


def test_a_wheel_that_hides_the_systems_own_copy_is_seen(tmp_path):
    (tmp_path / 'cv2.cpython-310-x86_64-linux-gnu.so').touch()
    (tmp_path / 'numpy').mkdir()
    assert software.hides('cv2', '/home/me/.local/lib/cv2/__init__.py', tmp_path)
    assert software.hides('numpy', '/home/me/.local/lib/numpy/__init__.py', tmp_path)
    assert not software.hides('numpy', str(tmp_path / 'numpy' / '__init__.py'), tmp_path)
    assert not software.hides('scipy', '/home/me/.local/lib/scipy/__init__.py', tmp_path)


def test_this_environment_is_fit():
    found, missing = software.findings(os.environ)
    assert not missing
    assert [f for f in found if f.stops] == []


# Inference --------------------------------------------------------------------------------


def test_the_small_network_is_valid_onnx_and_computes_what_numpy_does(tmp_path):
    draw = np.random.RandomState(2)
    weights = draw.rand(VECTOR, 3, SIDE, SIDE).astype(np.float32)
    image = draw.rand(1, 3, SIDE, SIDE).astype(np.float32)
    data = convolution(weights)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    session = ort.InferenceSession(data, providers=['CPUExecutionProvider'])
    (answer,) = session.run(None, {'image': image})
    np.testing.assert_allclose(answer[0, :, 0, 0], np.tensordot(weights, image[0], 3), rtol=1e-4)


def test_every_listed_provider_is_tried_for_real():
    found = by_subject(inference.findings(Config(model=ModelConfig('none', 'none'))))
    assert found['cpu'].level == 'ok'
    assert 'ran a real convolution' in found['cpu'].found


@pytest.mark.parametrize('strict', [False, True])
def test_a_backend_that_does_not_run_stops_a_strict_node_only(strict):
    if 'TensorrtExecutionProvider' in ort.get_available_providers():
        pytest.skip('this onnxruntime has TensorRT')
    config = Config(
        backend='ort_tensorrt', backend_strict=strict, model=ModelConfig('none', 'none')
    )
    finding = only(inference.findings(config), 'backend')
    assert finding.stops == strict
    assert finding.level == ('problem' if strict else 'note')


def models(detector, appearance='none'):
    config = Config(model=ModelConfig(detector, appearance))
    return by_subject(inference.models(config))


def test_a_model_that_is_not_here_is_named_with_the_command_that_gets_it(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.delenv('REID_ROS_MODELS', raising=False)
    found = models('yolox_nano')
    assert found['detector'].stops
    assert found['detector'].step == "get it with 'reid_ros models pull yolox_nano'"
    assert 'nobody is recognised' in found['appearance'].found


def test_a_misspelt_model_is_answered_with_the_nearest():
    assert "did you mean 'yolox_nano'" in models('yolox_nan')['detector'].step


def test_a_model_that_does_not_fit_its_card_stops_the_node(tmp_path):
    networks.means(tmp_path / 'toy.onnx', height=8, width=4)
    networks.write(tmp_path, networks.appearance(output={'vector': 7}))
    finding = models('none', str(tmp_path / 'toy.onnx'))['appearance']
    assert finding.stops
    assert '7' in finding.found
    assert 'models check' in finding.step


def test_an_appearance_model_without_calibration_is_noted(tmp_path):
    networks.means(tmp_path / 'toy.onnx', height=8, width=4)
    networks.write(tmp_path, networks.appearance())
    found = models('none', str(tmp_path / 'toy.onnx'))
    assert found['appearance'].level == 'ok'
    assert "'reid_ros calibrate'" in found['calibration'].step


def test_a_calibration_file_that_is_not_there_stops_the_node(settings):
    config = Config(
        model=ModelConfig('none', str(settings.parent / 'small.onnx')),
        identity=IdentityConfig(calibration='/nowhere.json'),
    )
    finding = only(inference.models(config), 'calibration')
    assert finding.stops
    assert '/nowhere.json' in finding.found


def test_a_jetson_says_its_model_and_jetpack(tmp_path):
    (tmp_path / 'etc').mkdir()
    (tmp_path / 'etc' / 'nv_tegra_release').write_text(
        '# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n'
    )
    (tmp_path / 'proc' / 'device-tree').mkdir(parents=True)
    (tmp_path / 'proc' / 'device-tree' / 'model').write_bytes(b'NVIDIA Jetson Orin Nano\0')
    found, has_gpu = inference.gpu(tmp_path)
    assert has_gpu
    assert found[0].found == 'NVIDIA Jetson Orin Nano, Jetson Linux 36.4.3 (JetPack 6)'
    assert found[1].subject == 'tensorrt'


def fake_smi(tmp_path, monkeypatch, script):
    path = tmp_path / 'nvidia-smi'
    path.write_text(f'#!/bin/sh\n{script}\n')
    path.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')


def test_a_gpu_that_onnxruntime_cannot_use_lies_idle(tmp_path, monkeypatch):
    if 'CUDAExecutionProvider' in ort.get_available_providers():
        pytest.skip('this onnxruntime has CUDA')
    fake_smi(tmp_path, monkeypatch, 'echo "NVIDIA RTX 4000, 550.54, 20475 MiB"')
    found = by_subject(inference.findings(Config(model=ModelConfig('none', 'none'))))
    assert 'RTX 4000' in found['GPU'].found
    assert 'lies idle' in found['ort_cuda'].found


def test_a_driver_that_fails_is_quoted(tmp_path, monkeypatch):
    fake_smi(tmp_path, monkeypatch, 'echo "Failed to initialize NVML" >&2; exit 18')
    found, has_gpu = inference.gpu()
    assert not has_gpu
    assert 'Failed to initialize NVML' in found[0].found


def test_tensorrt_names_the_library_that_it_misses(tmp_path, monkeypatch, module):
    fake_smi(tmp_path, monkeypatch, 'echo "NVIDIA RTX 4000, 550.54, 20475 MiB"')
    module(
        'tensorrt',
        'raise ImportError("libnvdla_compiler.so: cannot open shared object file: No such file '
        'or directory")',
    )
    finding = only(inference.gpu()[0], 'tensorrt')
    assert finding.level == 'note'
    assert 'libnvdla_compiler.so' in finding.found


# Shared memory ----------------------------------------------------------------------------


def changed(*replacements):
    text = PROFILE.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text


NO_SHM = changed(
    ('<type>SHM</type>', '<type>UDPv4</type>'), ('<segment_size>33554432</segment_size>', '')
)
PROFILES = {
    'ours': (PROFILE.read_text(), 32 * MB),
    'small': (changed(('33554432', '1048576')), 1 * MB),
    'rooted in dds': (
        changed(('<profiles', '<dds><profiles'), ('</profiles>', '</profiles></dds>')),
        32 * MB,
    ),
    'default segment': (changed(('<segment_size>33554432</segment_size>', '')), 512 * 1024),
    'beside the built-in ones': (changed(('>false<', '>true<')), 32 * MB),
    'no default participant': (changed((' is_default_profile="true"', '')), 512 * 1024),
    'no shared memory': (NO_SHM, 0),
}  # fmt: skip


@pytest.mark.parametrize('name', PROFILES)
def test_a_profile_is_read_as_it_is_meant(name, tmp_path):
    text, segment = PROFILES[name]
    path = tmp_path / 'profile.xml'
    path.write_text(text)
    found = profile.read(path)
    assert found.segment == segment
    assert found.shm == (segment > 0)
    assert found.default == (name != 'no default participant')


@needs_fastdds
@pytest.mark.parametrize('name', PROFILES)
def test_fast_dds_itself_does_what_we_read_from_a_profile(name, tmp_path, monkeypatch):
    text, segment = PROFILES[name]
    path = tmp_path / 'profile.xml'
    path.write_text(text)
    for variable in dds.OLD, dds.NEW:
        monkeypatch.setenv(variable, str(path))
    trial = tried('ros')
    if 'fastrtps' not in trial.facts['rmw']:
        pytest.skip(f'{trial.facts["rmw"]} is no Fast DDS')
    assert max(trial.facts['segments'], default=0) == pytest.approx(segment, rel=0.01)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('<profiles><particip', 'is no XML'),
        ('<dds><log/></dds>', 'holds no <profiles>'),
        (changed(('33554432', '32 MB')), "segment_size '32 MB'"),
    ],
)
def test_a_broken_profile_is_quoted(text, words, tmp_path):
    path = tmp_path / 'profile.xml'
    path.write_text(text)
    with pytest.raises(profile.ProfileError, match=words):
        profile.read(path)


def setup(env, distro='jazzy', segments=(512 * 1024,), said='', cameras=4):
    return dds.Setup(env, distro, PROFILE, segments, said, cameras)


def judged(env, **rest):
    return by_subject(dds.findings(setup(env, **rest)))


def test_without_a_profile_the_command_that_sets_ours_is_given():
    found = judged({})
    assert found['profile'].step == f'export {dds.OLD}={PROFILE}'
    assert found['segment'].level == 'note'
    assert 'not even one VGA image' in found['segment'].found


def test_a_path_with_a_space_can_be_copied_into_a_shell():
    step = dds.Setup({}, 'jazzy', Path('/my robot/fastdds.xml'), None, '', 1).export
    assert step == f"export {dds.OLD}='/my robot/fastdds.xml'"


def test_an_empty_variable_is_to_be_unset():
    found = judged({dds.OLD: ''})[dds.OLD]
    assert (found.level, found.step.startswith(f'unset {dds.OLD}')) == ('problem', True)


def test_a_file_that_is_not_there_is_named():
    found = judged({dds.OLD: '/nowhere.xml'})[dds.OLD]
    assert found.level == 'problem'
    assert '/nowhere.xml: No such file' in found.found


@pytest.mark.parametrize(
    ('distro', 'read', 'unread'), [('humble', dds.OLD, dds.NEW), ('lyrical', dds.NEW, dds.OLD)]
)
def test_the_variable_of_another_distribution_is_told_from_the_right_one(distro, read, unread):
    wrong = judged({unread: str(PROFILE)}, distro=distro)[unread]
    assert wrong.level == 'problem'
    assert f'{distro} does not read it' in wrong.found
    assert wrong.step == f'export {read}={PROFILE}'
    right = judged({read: str(PROFILE)}, distro=distro, segments=(32 * MB,))
    assert right[read].level == right['segment'].level == 'ok'
    both = judged({read: str(PROFILE), unread: str(PROFILE)}, distro=distro)
    assert unread not in both


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('no default participant', 'changes nothing'),
        ('no shared memory', 'no transport of type SHM'),
        ('small', 'segments of 1 MB'),
    ],
)
def test_a_profile_that_does_not_help_is_a_problem(name, words, tmp_path):
    path = tmp_path / 'profile.xml'
    path.write_text(PROFILES[name][0])
    found = judged({dds.OLD: str(path)})[dds.OLD]
    assert found.level == 'problem'
    assert words in found.found


def test_a_transport_that_nobody_describes_is_named(tmp_path):
    path = tmp_path / 'profile.xml'
    path.write_text(changed(('<transport_id>udp</transport_id>\n      <type>', '<type>')))
    assert 'udp' in judged({dds.OLD: str(path)})[dds.OLD].found


def test_a_segment_is_told_in_images():
    assert dds.capacity(32 * MB).startswith('36 VGA, 12 HD, 5 full HD')
    assert not dds.room(2 * MB)
    assert dds.room(4 * MB)


def test_no_segment_at_all_is_a_problem():
    assert judged({}, segments=())['segment'].level == 'problem'


def test_the_publishers_owner_is_told_which_variable_to_set():
    found = judged({dds.OLD: str(PROFILE)}, segments=(32 * MB,))['publishers']
    assert "PUBLISHER's" in found.found
    assert f'camera driver: export {dds.OLD}={PROFILE}' in found.step


@needs_fastdds
def test_what_the_middleware_complains_about_is_repeated(monkeypatch):
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', 'BOGUS')
    trial = tried('ros')
    if "'BOGUS'" not in trial.said:
        pytest.skip('this middleware says nothing')
    found = dds.findings(setup({}, said=trial.said))
    (line,) = [f for f in found if f.subject == 'middleware']
    assert "Wrong value 'BOGUS'" in line.found
    assert '\x1b' not in line.found


@pytest.mark.parametrize(
    ('value', 'level'), [('UDPv4', 'problem'), ('LARGE_DATA', 'ok'), ('DEFAULT', 'ok')]
)
def test_builtin_transports_without_shared_memory_are_a_problem(value, level):
    assert judged({'FASTDDS_BUILTIN_TRANSPORTS': value})['FASTDDS_BUILTIN_TRANSPORTS'].level == (
        level
    )


def test_localhost_makes_builtin_transports_ignored():
    env = {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4', 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    found = judged(env)
    assert 'is ignored' in found['FASTDDS_BUILTIN_TRANSPORTS'].found
    assert 'other machines' in found['ROS_AUTOMATIC_DISCOVERY_RANGE'].found


@pytest.mark.parametrize(
    ('name', 'value', 'level'),
    [
        ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'OFF', 'problem'),
        ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCAL', 'problem'),
        ('ROS_LOCALHOST_ONLY', '1', 'note'),
        ('ROS_DOMAIN_ID', '9999', 'problem'),
        ('ROS_DOMAIN_ID', 'one', 'problem'),
        ('ROS_DOMAIN_ID', '120', 'note'),
        ('ROS_DOMAIN_ID', '42', 'ok'),
    ],
)
def test_variables_that_hide_cameras_are_told(name, value, level):
    assert judged({name: value})[name].level == level


def test_the_allocators_variables_are_asked_for_where_they_are_missing_or_low():
    complete = {name: str(value) for name, value in dds.MALLOC.items()}
    assert judged(complete)['MALLOC_*'].level == 'ok'
    low = judged({**complete, 'MALLOC_TRIM_THRESHOLD_': '1000'})['MALLOC_*']
    assert low.step == 'export MALLOC_TRIM_THRESHOLD_=268435456'


def segment(folder, name, size, *, held):
    """A segment's file and its lock, as Fast DDS makes them; returns the lock while it is held."""
    path = folder / f'fastrtps_{name:016x}'
    with path.open('wb') as file:
        file.truncate(size * 67 // 64)
    lock = path.with_name(f'{path.name}_el').open('w')
    if not held:
        lock.close()
        return None
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def test_segments_of_running_and_of_killed_processes_are_counted(tmp_path):
    locks = [segment(tmp_path, 1, 512 * 1024, held=True), segment(tmp_path, 2, 32 * MB, held=True)]
    for i in range(3, 6):
        segment(tmp_path, i, 32 * MB, held=False)
    found = by_subject(dds.memory(setup({}), tmp_path))
    for lock in locks:
        lock.close()
    assert '1 of 2 running participants' in found['segments now'].found
    assert found['leftovers'].step.startswith('fastdds shm clean')
    assert '3 segments' in found['leftovers'].found


def test_too_little_shared_memory_is_told_by_the_number_of_cameras(tmp_path):
    few = by_subject(dds.memory(setup({}, cameras=1), tmp_path))[str(tmp_path)]
    many = by_subject(dds.memory(setup({}, cameras=10**7), tmp_path))[str(tmp_path)]
    assert few.level == 'ok'
    assert many.level == 'problem'
    assert '--shm-size' in many.step


PARTICIPANT = """
import os, re, sys, time, rclpy
rclpy.init(args=[])
node = rclpy.create_node('left')
maps = open('/proc/self/maps').read()
print(*set(re.findall(r'/dev/shm/((?:fastrtps|fastdds)_[0-9a-f]{16})', maps)), flush=True)
time.sleep(60)
"""


@needs_fastdds
def test_the_lock_of_a_segment_tells_whether_its_process_lives():
    process = subprocess.Popen(
        [sys.executable, '-c', PARTICIPANT], stdout=subprocess.PIPE, text=True
    )
    try:
        names = process.stdout.readline().split()
        if not names:
            pytest.skip('this middleware makes no segment')
        # Segments of others may be mapped too; ours is the one whose state changes.
        living = [name for name in names if dds._held(SHM / f'{name}_el')]
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
    left = [name for name in living if not dds._held(SHM / f'{name}_el')]
    for name in left:
        for file in SHM / name, SHM / f'{name}_el':
            file.unlink(missing_ok=True)
    assert left


# ROS 2 ------------------------------------------------------------------------------------


def ros(**env):
    return middleware.findings({**os.environ, **env}, PROFILE, 2)


def test_a_sourced_ros_that_this_python_does_not_find_is_explained(module):
    module('rclpy', absent('rclpy._rclpy_pybind11'))
    finding = only(ros(ROS_DISTRO='humble'), 'rclpy')
    assert finding.stops
    assert 'humble is sourced' in finding.found
    assert '--system-site-packages' in finding.step


@needs_fastdds
def test_a_middleware_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_none_such_cpp')
    finding = only(ros(), 'rclpy')
    assert finding.stops
    assert 'ros-$ROS_DISTRO-rmw-none-such-cpp, or unset' in finding.step


@needs_fastdds
def test_transports_that_let_no_node_start_are_named(monkeypatch):
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', 'NONE')
    found = ros()
    if only(found, 'rclpy').level == 'ok':
        pytest.skip('this middleware does not heed the variable')
    assert only(found, 'rclpy').step == 'unset FASTDDS_BUILTIN_TRANSPORTS'


@needs_fastdds
def test_a_message_package_that_the_node_misses_is_named(module):
    module('visualization_msgs', absent('visualization_msgs'))
    finding = only(ros(), 'node')
    assert finding.stops
    assert finding.step == 'apt install ros-$ROS_DISTRO-visualization-msgs'


@needs_fastdds
def test_a_cv_bridge_built_for_numpy_1_is_recognised(module, monkeypatch):
    module('cv_bridge', 'def CvBridge(): raise AttributeError("_ARRAY_API not found")')
    monkeypatch.syspath_prepend(os.environ['PYTHONPATH'])
    finding = only(ros(), 'cv_bridge')
    assert finding.level == 'note'
    assert 'built for numpy 1' in finding.found
    assert 'numpy<2' in finding.step


def test_optional_packages_say_what_their_absence_costs():
    found = {f.subject: f for f in ros() if f.section == middleware.OPTIONAL}
    assert set(found) == {extra.module for extra in middleware.EXTRAS}
    for extra in middleware.EXTRAS:
        if extra.cost and not middleware.installed(extra.module):
            assert extra.cost in found[extra.module].found
            assert found[extra.module].step.endswith(extra.module.replace('_', '-'))
            assert not found[extra.module].stops


def test_a_folder_of_the_same_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / 'launch_none_such').mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not middleware.installed('launch_none_such')


# Gallery ----------------------------------------------------------------------------------


@pytest.fixture
def kept(settings, tmp_path):
    """Settings with a gallery that was made by their model."""
    model = settings.parent / 'small.onnx'
    path = tmp_path / 'people' / 'gallery.db'
    checksum = hashlib.sha256(model.read_bytes()).hexdigest()
    GalleryStore(path, ModelId('small', 24, checksum)).close()
    return Config(
        model=ModelConfig('none', str(model)), gallery=GalleryConfig(path=str(path))
    )  # fmt: skip


def content(folder):
    return {p.name: (p.stat().st_mtime_ns, p.stat().st_mode) for p in folder.iterdir()}


def test_a_gallery_is_looked_at_without_being_touched(kept):
    folder = Path(kept.gallery.path).parent
    before = content(folder)
    found = store.findings(kept)
    assert {f.level for f in found} == {'ok'}
    assert '0 persons' in only(found, 'gallery').found
    assert content(folder) == before


def test_a_gallery_that_others_can_read_is_a_problem(kept):
    path = Path(kept.gallery.path)
    path.chmod(0o644)
    finding = only(store.findings(kept), 'access')
    assert (finding.level, finding.step) == ('problem', f'chmod 600 {path}')
    assert not finding.stops


def test_a_gallery_in_use_is_said_to_be(kept):
    with GalleryStore(kept.gallery.path):
        assert 'in use' in only(store.findings(kept), 'gallery').found


def test_a_gallery_of_another_model_stops_the_node(kept):
    model = ModelId('other', 24, 'f' * 64)
    with GalleryStore(kept.gallery.path, model) as opened:
        opened._db.execute(
            'INSERT INTO person (number, name, confirmed, born_ns, seen_ns, crops, never, merged) '
            "VALUES (1, 'Ann', 1, 0, '{}', 1, '[]', '[]')"
        )  # fmt: skip
    finding = only(store.findings(kept), 'gallery')
    assert finding.stops
    assert '1 persons, 1 of them named, made by other' in finding.found
    assert 'gallery clear' in finding.step


def database(path):
    with sqlite3.connect(path) as db:
        db.execute('CREATE TABLE songs (title TEXT)')
    db.close()


@pytest.mark.parametrize('make', [lambda path: path.write_text('no database ' * 9), database])
def test_a_file_that_is_no_gallery_stops_the_node(kept, make):
    path = Path(kept.gallery.path)
    path.unlink()
    make(path)
    finding = only(store.findings(kept), 'gallery')
    assert finding.stops
    assert 'cannot be read' in finding.found


def test_an_empty_file_is_a_gallery_of_nobody(kept):
    path = Path(kept.gallery.path)
    path.write_bytes(b'')
    assert only(store.findings(kept), 'gallery').level == 'ok'
    GalleryStore(path).close()  # the node agrees


def test_a_gallery_of_a_newer_format_stops_the_node(kept):
    with sqlite3.connect(kept.gallery.path) as db:
        db.execute('PRAGMA user_version = 99')
    db.close()
    assert only(store.findings(kept), 'gallery').step.startswith('update reid_ros')


def test_a_gallery_that_will_be_made_needs_a_folder_to_write_to(tmp_path):
    new = Config(gallery=GalleryConfig(path=str(tmp_path / 'a' / 'b' / 'g.db')))
    assert only(store.findings(new), 'gallery').level == 'ok'
    (tmp_path / 'file').touch()
    under_a_file = Config(gallery=GalleryConfig(path=str(tmp_path / 'file' / 'g.db')))
    assert only(store.findings(under_a_file), 'gallery').stops


def test_without_a_file_everybody_is_forgotten():
    finding = only(store.findings(Config()), 'gallery')
    assert 'forgotten' in finding.found
