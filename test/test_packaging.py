"""The package as colcon and pip see it."""

import ast
import configparser
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import reid_ros

ROOT = Path(__file__).parents[1]
MANIFEST = ElementTree.parse(ROOT / 'package.xml').getroot()
# catkin_pkg.package.Person.validate: where it does not match, colcon silently takes the package
# for plain Python and installs no executables for `ros2 run`.
EMAIL = re.compile(r'^[-a-zA-Z0-9_%+]+(\.[-a-zA-Z0-9_%+]+)*@[-a-zA-Z0-9%]+(\.[-a-zA-Z0-9%]+)*\.[a-zA-Z]{2,}$')  # noqa: E501  # fmt: skip


def setup_arguments():
    """name -> source of the arguments of setup()."""
    tree = ast.parse((ROOT / 'setup.py').read_text(encoding='utf-8'))
    (call,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'setup'
    ]
    return {keyword.arg: keyword.value for keyword in call.keywords}


SETUP = setup_arguments()


def names(requirements):
    return {re.split(r'[<>=!~;\[ ]', text)[0].lower() for text in requirements}


def test_the_manifest_is_of_format_3_and_built_by_ament_python():
    assert MANIFEST.tag == 'package'
    assert MANIFEST.get('format') == '3'
    assert MANIFEST.findtext('export/build_type') == 'ament_python'
    assert MANIFEST.findtext('name') == 'reid_ros'


def test_the_maintainers_address_is_one_that_catkin_pkg_accepts():
    (maintainer,) = MANIFEST.findall('maintainer')
    assert EMAIL.match(maintainer.get('email'))
    assert maintainer.text.strip()
    assert not EMAIL.match('maintainers@localhost')


def test_the_version_is_the_same_everywhere():
    version = reid_ros.__version__
    assert MANIFEST.findtext('version') == version
    assert ast.literal_eval(SETUP['version']) == version
    changes = (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8')
    newest = re.search(r'^(Forthcoming|\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\))$', changes, re.MULTILINE)
    assert newest, 'the changelog has no heading that catkin tools read'
    if newest.group() != 'Forthcoming':
        assert newest.group().startswith(f'{version} (')


def test_the_licence_is_the_one_that_lies_here():
    assert MANIFEST.findtext('license') == ast.literal_eval(SETUP['license']) == 'Apache-2.0'
    text = (ROOT / MANIFEST.find('license').get('file')).read_text(encoding='utf-8')
    assert 'Apache License' in text
    assert 'Version 2.0' in text


def test_run_time_needs_stand_in_the_manifest_by_rosdep_keys():
    needs = {element.text for element in MANIFEST.findall('exec_depend')}
    assert needs >= {
        'rclpy', 'sensor_msgs', 'vision_msgs', 'cv_bridge', 'launch_ros', 'python3-numpy',
        'python3-opencv', 'python3-scipy', 'python3-yaml',
    }  # fmt: skip
    # These have no rosdep key that works on every platform: the README tells how to get them.
    assert not [need for need in needs if 'onnx' in need or 'rosbags' in need]


def test_every_message_package_that_the_node_imports_stands_in_the_manifest():
    needs = {element.text for element in MANIFEST.findall('exec_depend')}
    files = [*(ROOT / 'reid_ros' / 'ros').glob('*.py'), *(ROOT / 'launch').glob('*.py')]
    imported = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module.split('.')[0])
            elif isinstance(node, ast.Import):
                imported.update(alias.name.split('.')[0] for alias in node.names)
    ros = {name for name in imported if name.endswith('_msgs') or name.endswith('_interfaces')}
    ros |= imported & {'rclpy', 'launch', 'launch_ros', 'ament_index_python', 'std_srvs'}
    assert 'sensor_msgs' in ros
    assert ros <= needs, f'package.xml lacks {ros - needs}'


def test_nothing_that_pip_installs_unasked_hides_what_ros_brings():
    """A numpy or OpenCV from the package index over the distribution's breaks cv_bridge."""
    needs = names(ast.literal_eval(SETUP['install_requires']))
    assert needs <= {'setuptools'}
    extras = ast.literal_eval(SETUP['extras_require'])
    assert names(extras['standalone']) == {
        'numpy', 'scipy', 'opencv-python-headless', 'pyyaml', 'onnxruntime', 'rosbags',
    }  # fmt: skip


def test_a_robot_installs_no_torch_and_a_training_machine_does():
    extras = {k: names(v) for k, v in ast.literal_eval(SETUP['extras_require']).items()}
    assert {'torch', 'torch-pruning', 'safetensors'} <= extras['train']
    assert not extras['standalone'] & {'torch', 'timm', 'safetensors', 'matplotlib'}


def test_colcon_test_finds_pytest():
    """Named only in package.xml, `colcon test` would run nothing and report success."""
    assert 'pytest' in names(ast.literal_eval(SETUP['extras_require'])['test'])


def test_the_doctor_and_setup_agree_on_the_oldest_versions():
    from reid_ros.doctor.software import PACKAGES, numbers

    asked = {}
    for text in ast.literal_eval(SETUP['extras_require'])['standalone']:
        name, _, version = text.partition('>=')
        asked[name.lower()] = numbers(version)
    modules = {'cv2': 'opencv-python-headless', 'yaml': 'pyyaml'}
    assert {modules.get(p.module, p.module): p.low for p in PACKAGES} == asked


def test_executables_go_where_ros2_run_looks():
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    assert config['develop']['script_dir'] == '$base/lib/reid_ros'
    assert config['install']['install_scripts'] == '$base/lib/reid_ros'


@pytest.mark.parametrize(
    'script', ast.literal_eval(SETUP['entry_points'])['console_scripts'], ids=str
)
def test_every_executable_exists(script):
    name, target = (part.strip() for part in script.split('='))
    module, function = target.split(':')
    if '.ros.' in module:
        pytest.importorskip('rclpy', reason='no ROS 2 here')
    assert callable(getattr(importlib.import_module(module), function))
    files = sorted((ROOT / 'launch').glob('*.launch.py'))
    launch = '\n'.join(path.read_text(encoding='utf-8') for path in files)
    assert name == 'reid_ros' or f"'{name}'" in launch


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """Names of the files that setup.py really installs, from a copy of the source."""
    pytest.importorskip('setuptools')
    folder = tmp_path_factory.mktemp('install')
    source, target = folder / 'source', folder / 'target'
    source.mkdir()
    skip = shutil.ignore_patterns('__pycache__')
    for part in ('reid_ros', 'launch', 'config', 'resource'):
        shutil.copytree(ROOT / part, source / part, ignore=skip)
    for part in ('setup.py', 'setup.cfg', 'package.xml', 'pyproject.toml', 'README.md'):
        shutil.copy(ROOT / part, source / part)
    return files_of(source, target)


def files_of(source, target):
    """What running setup.py in a folder installs into another."""
    command = ['setup.py', '-q', 'build_py', '-d', str(target), 'install_data', '-d', str(target)]
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', *command],
        cwd=source, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {str(path.relative_to(target)) for path in target.rglob('*') if path.is_file()}


def below(folder):
    """Files under a folder of the source, by their path from the root."""
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }


@pytest.mark.parametrize('folder', ['launch', 'config'])
def test_every_shared_file_is_installed(installed, folder):
    wanted = below(folder)
    assert wanted
    assert {f'share/reid_ros/{name}' for name in wanted} <= installed


def test_the_markers_of_the_ament_index_are_installed(installed):
    assert 'share/ament_index/resource_index/packages/reid_ros' in installed
    assert 'share/reid_ros/package.xml' in installed


def test_every_module_is_installed_and_nothing_else(installed):
    wanted = below('reid_ros')
    assert len(wanted) > 50
    assert wanted == {name for name in installed if not name.startswith('share/')}


def test_colcons_links_install_the_same(installed, tmp_path):
    """colcon build --symlink-install runs a link to setup.py, without the README beside it."""
    build = tmp_path / 'build'
    build.mkdir()
    for part in ('reid_ros', 'launch', 'config', 'resource', 'setup.py', 'setup.cfg'):
        (build / part).symlink_to(ROOT / part)
    (build / 'package.xml').symlink_to(ROOT / 'package.xml')
    links = files_of(build, tmp_path / 'target')
    assert {name for name in installed if name.startswith('share/')} <= links
