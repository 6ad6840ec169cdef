"""Which room may import which, read from the source of every module."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'reid_ros'

# Room -> the rooms of ours that it may import besides itself. A room is a module or a folder.
# '+' before a name: only inside a function, because it is heavy or optional there.
ROOMS = {
    # Values and settings: below everything.
    'types': (),
    'settings': ('types',),
    'config': ('settings',),
    # Geometry and pixels.
    'boxes': ('types',),
    'images': ('boxes', 'card', 'types'),
    'lens': ('types',),
    'ground': ('lens', 'types'),
    'meeting': ('types',),
    'stature': ('boxes', 'types'),
    # The one person whom a robot follows: who it is, where, and how fast to drive.
    'standing': ('ground', 'types'),
    'claim': ('types',),
    'target': ('claim', 'config', 'ground', 'standing', 'types'),
    'whereabouts': ('ground', 'lens', 'stature', 'types'),
    'follow': ('config',),
    'ego': ('lens', 'types'),
    'odometry': ('ego', 'lens', 'moments', 'types'),
    # A network and its card: what is known about it, how it is read, run, checked and downloaded.
    'card_entries': ('config',),
    'card': ('card_entries', 'config', 'types'),
    'decode': ('card', 'types'),
    'fit': ('card', 'decode', 'images', 'types'),
    'session': ('card', 'fit', 'types'),
    'engine': ('card', 'fit', 'session', 'types'),
    'model': ('card', 'engine', 'fit', 'session', 'types'),
    'colour': ('card', 'types'),
    'check': (
        'boxes', 'card', 'colour', 'decode', 'fit', 'images', 'model', 'session', 'types',
    ),
    'pull': ('card', 'types'),
    # Perception: on the rows above, never on each other. kalman and match are parts of track,
    # gather of embed; outline and background are parts of silhouette.
    'detect': ('boxes', 'config', 'decode', 'images', 'model', 'types'),
    'kalman': ('types',),
    'match': ('types',),
    'track': ('boxes', 'config', 'kalman', 'match', 'types'),
    # Joins finding and looks where one network does both.
    'spot': ('boxes', 'detect', 'embed', 'types'),
    'embed': ('boxes', 'card', 'config', 'images', 'types'),
    'gather': ('embed', 'types'),
    'outline': ('types',),
    'silhouette': ('boxes', 'card', 'images', 'outline', 'types'),
    'background': ('boxes', 'silhouette', 'types'),
    'pace': ('types',),
    # What is done and what is left out under load; pure, told the time by whoever asks.
    'costs': (),
    'budget': ('costs',),
    'gait': ('card', 'config', 'model', 'pace', 'silhouette', 'types'),
    'prototypes': ('types',),
    'gallery': ('prototypes', 'types'),
    'gallery_store': ('gallery', 'types'),
    # Identity: calibration, likeness, evidence, topology, scene and what they use are parts of it.
    'calibration': ('types',),
    'topology': ('config', 'types'),
    'evidence': ('calibration', 'gallery', 'types'),
    'seen': ('boxes', 'ground', 'meeting', 'pace', 'stature', 'types'),
    'presence': ('meeting', 'seen', 'stature', 'types'),
    'scene': ('boxes', 'gallery', 'meeting', 'pace', 'presence', 'seen', 'topology', 'types'),
    'absence': ('gallery',),
    'newcomers': (),
    'patience': ('evidence', 'seen'),
    'likeness': ('calibration', 'evidence', 'gallery', 'newcomers', 'scene', 'types'),
    'walkers': ('evidence', 'gallery', 'likeness', 'scene'),
    'exchange': ('gallery', 'likeness', 'scene', 'seen'),
    'identify': (
        'absence', 'calibration', 'config', 'embed', 'evidence', 'exchange', 'gallery',
        'likeness', 'newcomers', 'patience', 'presence', 'scene', 'seen', 'topology', 'types',
        'walkers',
    ),
    # The order of it all; sight is the half of it that stands beside the cameras.
    'sight': (
        'boxes', 'budget', 'config', 'detect', 'embed', 'gait', 'gather', 'ground', 'scene',
        'silhouette', 'track', 'types',
    ),
    'loading': (
        'background', 'calibration', 'card', 'colour', 'config', 'detect', 'embed', 'gait',
        'gallery_store', 'images', 'model', 'sight', 'silhouette', 'spot',
    ),
    'pipeline': (
        'budget', 'calibration', 'config', 'detect', 'embed', 'gallery', 'gallery_store',
        'identify', 'loading', 'scene', 'sight', 'topology', 'types',
    ),
    # Sources, sinks, and the offline run that joins them to the pipeline.
    'replay': ('boxes', 'config', 'images', 'lens', 'moments', 'odometry', 'types'),
    'report': ('boxes', 'config', 'images', 'types'),
    'moments': (),
    'progress': (),
    'results': ('types',),
    'drive': ('moments', 'progress', 'replay', 'report', 'types'),
    # Fits a site's scores: runs a pipeline as a run does, and looks at what it observed.
    'calibrate': (
        'boxes', 'calibration', 'config', 'embed', 'pipeline', 'report', 'scene', 'topology',
        'types',
    ),
    # Finds one person in footage, likewise.
    'search': (
        'calibration', 'evidence', 'pipeline', 'report', 'scene', 'types',
    ),
    # A rendered world with known truth; it knows nothing of the runtime.
    'world': ('boxes', 'config', 'ego', 'images', 'lens', 'replay', 'types'),
    # Pictures of people whom somebody else follows.
    'crops': ('config', 'embed', 'scene', 'types'),
    # The only place of rclpy. Of scene it takes the observations that a pipeline hands out.
    'ros': (
        'boxes', 'budget', 'config', 'crops', 'engine', 'follow', 'ground', 'lens', 'moments',
        'odometry', 'pipeline', 'replay', 'scene', 'stature', 'target', 'types', 'whereabouts',
        'world',
    ),
    # Scores against truth: of saved runs, bags and arrays.
    'evaluate': ('boxes', 'config', 'images', 'replay', 'types'),
    # The world before the live node; only what plays it needs ROS 2.
    'demo': ('evaluate', 'report', 'types', 'world', '+ros'),
    # Tools over the whole runtime. The doctor starts with nothing installed, so it imports late.
    'bench': (
        'background', 'boxes', 'calibration', 'card', 'config', 'detect', 'ego', 'embed',
        'evaluate', 'evidence', 'follow', 'gait', 'gallery', 'identify', 'images', 'lens',
        'likeness', 'loading', 'model', 'moments', 'pace', 'patience', 'pipeline', 'report',
        'results', 'scene', 'sight', 'silhouette', 'target', 'topology', 'track', 'types',
        'stature', 'whereabouts', 'world', '+ros',
    ),
    # The only place of torch; a robot never imports it.
    'train': (
        'boxes', 'calibration', 'card', 'check', 'config', 'evaluate', 'images', 'model',
        'progress', 'results', 'silhouette', 'types', 'world',
    ),
    'doctor': (
        'types', '+calibration', '+card', '+colour', '+config', '+engine', '+gallery_store',
        '+model', '+ros',
    ),
}  # fmt: skip
# Commands may import everything, but slow and optional things only when they are called.
ANYTHING = ('cli', '__main__')

# Packages of others -> the rooms that may import them; None: every room.
OTHERS = {
    'numpy': None,
    'scipy': None,
    'cv2': None,
    'yaml': ('config', 'cli', 'train'),
    'onnxruntime': ('session', 'model', 'pipeline', 'doctor', 'train'),
    'tensorrt': ('engine',),
    'rosbags': ('replay',),
    # Needs of rosbags itself, so they are there where it is: SQLite and the codecs of bags.
    'apsw': ('replay',),
    'lz4': ('replay',),
    'backports': ('replay',),
    'compression': ('replay',),  # backports.zstd under its name in Python 3.14
    # Reads files of MATLAB 7.3, where somebody has one.
    'h5py': ('train',),
    'trackers': ('bench',),
    'supervision': ('bench',),
    'norfair': ('bench',),
}
# rclpy and everything that only a ROS 2 brings; the doctor's probes try them in another process.
ROS = (
    'rclpy', 'ament_index_python', 'builtin_interfaces', 'cv_bridge', 'diagnostic_msgs',
    'geometry_msgs', 'hri_msgs', 'launch', 'launch_ros', 'lifecycle_msgs', 'nav2_msgs', 'nav_msgs',
    'rcl_interfaces', 'rosgraph_msgs', 'sensor_msgs', 'std_msgs', 'std_srvs', 'tf2_ros',
    'vision_msgs', 'visualization_msgs',
)  # fmt: skip
TRAINING = (
    'torch',
    'torchvision',
    'timm',
    'torch_pruning',
    'safetensors',
    'onnx',
    'onnxscript',
    'tensorboard',
    'matplotlib',
    'faiss',
)

# Most lines of a module; a longer one is listed with its reason.
LINES = 400
LONGER: dict[str, str] = {}


def module_name(path):
    """'ros.node' of reid_ros/ros/node.py, 'ros' of its __init__, '' of the package's own."""
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob('*.py'))}


def room_of(module):
    return module.split('.')[0]


def imports(path):
    """(name, whether inside a function) of everything that a module imports."""
    found = []

    def visit(node, inside):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == 'TYPE_CHECKING':
                continue
            if isinstance(child, ast.Import):
                found.extend((alias.name, inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f'{path}: relative import'
                found.append((child.module, inside))
                if child.module == 'reid_ros':
                    found.extend((f'reid_ros.{alias.name}', inside) for alias in child.names)
            elif isinstance(child, ast.Call) and ast.unparse(child.func).endswith('import_module'):
                found.extend(
                    (argument.value, inside)
                    for argument in child.args[:1]
                    if isinstance(argument, ast.Constant)
                )
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            visit(child, inside or function)

    visit(ast.parse(path.read_text(encoding='utf-8')), False)
    return found


def ours(path):
    """(room of ours, whether inside a function) of everything of ours that a module imports."""
    rooms = {room_of(module) for module in MODULES if module}
    return [
        (name.split('.')[1], inside)
        for name, inside in imports(path)
        if name.startswith('reid_ros.') and name.split('.')[1] in rooms
    ]


def test_every_module_stands_in_the_table():
    rooms = {room_of(module) for module in MODULES if module}
    assert rooms - set(ANYTHING) == set(ROOMS), 'give a new room its row, take out a gone one'


def test_the_table_has_no_circle():
    """A lower room never reaches a higher one, not even through others."""
    done, left = set(), dict(ROOMS)
    while left:
        ready = [room for room, may in left.items() if {name.lstrip('+') for name in may} <= done]
        assert ready, f'these rooms import each other in a circle: {sorted(left)}'
        done.update(ready)
        for room in ready:
            del left[room]


@pytest.mark.parametrize('module', [m for m in MODULES if room_of(m) in ROOMS])
def test_a_room_imports_only_what_the_table_allows(module):
    room = room_of(module)
    wrong = [
        name + (' at the top' if not inside else '')
        for name, inside in ours(MODULES[module])
        if name != room and name not in ROOMS[room] and not (inside and f'+{name}' in ROOMS[room])
    ]
    assert not wrong, f'{module} imports {wrong}'


@pytest.mark.parametrize('module', MODULES)
def test_packages_of_others_stay_in_their_rooms(module):
    room = room_of(module)
    for name, _ in imports(MODULES[module]):
        top = name.split('.')[0]
        if top in sys.stdlib_module_names or top == 'reid_ros':
            continue
        if top in TRAINING:
            assert room == 'train', f'{module} imports {top}, which no robot has'
            continue
        if top in ROS:
            assert module.startswith('ros') or module == 'doctor.probes', f'{module}: {top}'
            continue
        assert top in OTHERS, f'{module} imports {top}, which is no run-time dependency'
        assert OTHERS[top] is None or room in OTHERS[top], f'{module} imports {top}'


def test_packages_that_the_doctor_calls_unused_are_unused():
    from reid_ros.doctor.middleware import EXTRAS

    unused = {extra.module for extra in EXTRAS if not extra.cost}
    imported = {n.split('.')[0] for path in MODULES.values() for n, _ in imports(path)}
    launched = {n.split('.')[0] for p in (ROOT / 'launch').glob('*.py') for n, _ in imports(p)}
    assert not unused & (imported | launched)


def python(code):
    """Run Python code in a process of its own; its stdout."""
    done = subprocess.run(
        [sys.executable, '-W', 'error', '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {names}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Blocked())
"""


def test_every_runtime_module_imports_without_optional_packages():
    """ROS 2 and torch are optional too: the node and training are the rooms that need them."""
    names = {*ROS, *TRAINING, 'tensorrt', 'trackers', 'supervision', 'norfair', 'trackeval'}
    elsewhere = ('ros.', 'ros', 'train.', 'train', '__main__')
    modules = [m for m in MODULES if m and not m.startswith(elsewhere)]
    code = BLOCK.format(names=names) + 'import importlib\n'
    code += f'for name in {modules}: importlib.import_module("reid_ros." + name)\n'
    code += f'print(sorted(set(sys.modules) & {names}))'
    assert len(modules) > 50
    assert python(code).strip() == '[]'


@pytest.mark.parametrize('module', ['ros.convert', 'ros.table', 'ros.vision'])
def test_the_parts_of_the_node_that_only_compute_import_without_ros(module):
    python(BLOCK.format(names=set(ROS)) + f'import reid_ros.{module}')


def test_the_doctor_imports_with_nothing_installed():
    names = {'numpy', 'scipy', 'cv2', 'yaml', 'onnxruntime', 'rosbags', *ROS}
    python(BLOCK.format(names=names) + 'import reid_ros.doctor')


def test_help_needs_no_heavy_package():
    """So that it answers at once, and on a machine where something is missing."""
    names = {'scipy', 'cv2', 'onnxruntime', 'rosbags', *ROS}
    said = python(
        BLOCK.format(names=names) + 'from reid_ros.cli import main\n'
        'try: main(["--help"])\nexcept SystemExit as done: assert done.code == 0'
    )
    assert 'doctor' in said


@pytest.mark.parametrize('module', [m for m in MODULES if room_of(m) not in ANYTHING])
def test_only_commands_print(module):
    tree = ast.parse(MODULES[module].read_text(encoding='utf-8'))
    command = any(
        isinstance(node, ast.If) and '__name__' in ast.unparse(node.test) for node in tree.body
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) != 'print', f'{module}:{node.lineno} prints'
        if isinstance(node, ast.Attribute) and not command:
            assert ast.unparse(node) != 'sys.stdout', f'{module}:{node.lineno} writes to stdout'


@pytest.mark.parametrize('module', MODULES)
def test_no_module_asserts(module):
    """A user's mistake raises an error with a text; an assert vanishes under -O."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding='utf-8'))):
        assert not isinstance(node, ast.Assert), f'{module}:{node.lineno} asserts'


@pytest.mark.parametrize('module', MODULES)
def test_modules_stay_short(module):
    length = len(MODULES[module].read_text(encoding='utf-8').splitlines())
    assert length <= LINES or module in LONGER, f'{length} lines: this is two ideas'


def test_longer_modules_that_became_short_leave_the_list():
    for module in LONGER:
        assert len(MODULES[module].read_text(encoding='utf-8').splitlines()) > LINES, module
