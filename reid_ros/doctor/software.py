"""Python and the packages under us: versions, and copies that hide each other."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_ros.doctor.finding import Finding, Trial, tried, tried_all

SECTION = 'software'
# Where apt puts Python packages.
SYSTEM = Path('/usr/lib/python3/dist-packages')


@dataclass(frozen=True, slots=True)
class Package:
    """A package that reid_ros imports at run time.

    Attributes:
        module: what is imported.
        low, high: versions from low up to, not including, high are known to work.
        get: how it is installed.
        cost: what does not work without it.
        needed: the node does not start without it.
        name: as people know it, '' where it is the module's.
        wheels: distributions of the package index that bring the module; two of them in one
            environment overwrite each other's files.
    """

    module: str
    low: tuple[int, ...]
    high: tuple[int, ...]
    get: str
    cost: str
    needed: bool = True
    name: str = ''
    wheels: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.name or self.module


PACKAGES = (
    Package(
        'numpy', (1, 21), (3,), 'apt install python3-numpy', 'nothing works', wheels=('numpy',)
    ),
    Package('scipy', (1, 8), (2,), 'apt install python3-scipy', 'nobody is matched'),
    Package(
        'cv2',
        (4, 5),
        (6,),
        'apt install python3-opencv',
        'no image is resized or decoded',
        name='OpenCV',
        wheels=(
            'opencv-python',
            'opencv-python-headless',
            'opencv-contrib-python',
            'opencv-contrib-python-headless',
        ),
    ),
    Package(
        'onnxruntime',
        (1, 15),
        (2,),
        'pip install --no-deps onnxruntime (so that numpy stays as it is); on a Jetson see '
        "'Installation on a robot' in the README",
        'no network runs',
        wheels=('onnxruntime', 'onnxruntime-gpu', 'onnxruntime-openvino'),
    ),
    Package(
        'yaml', (5, 4), (7,), 'apt install python3-yaml', 'no settings are read', name='PyYAML'
    ),
    Package(
        'rosbags',
        (0, 11, 7),
        (1,),
        "pip install 'rosbags>=0.11.7'",
        "'reid_ros replay' and 'reid_ros bag' do not work; the node does",
        needed=False,
    ),
)

TRAINING = (
    'torch', 'torch_pruning', 'safetensors', 'onnx', 'onnxscript', 'matplotlib', 'tensorboard',
)  # fmt: skip
"""What `train`, `prune` and `export` need besides; no robot does, so nobody is told they miss."""
GET_TRAINING = (
    "pip install 'reid_ros[train]', on the machine that trains and not on the robot; without a "
    'GPU, before it: pip install torch --index-url https://download.pytorch.org/whl/cpu'
)


def findings(env: Mapping[str, str]) -> tuple[list[Finding], frozenset[str]]:
    """What there is to say, and the modules that cannot be imported."""
    trials = tried_all('imported', [package.module for package in PACKAGES])
    found = [_python()]
    for package in PACKAGES:
        trial = trials[package.module]
        found.append(_package(package, trial))
        found += _copies(package, trial, env)
    missing = frozenset(module for module, trial in trials.items() if trial.error)
    if 'cv2' not in missing:
        found += _video()
    return found, missing


def _python() -> Finding:
    version = '.'.join(map(str, sys.version_info[:3]))
    text = f'{version} ({sys.executable})'
    if sys.version_info[:2] > (3, 14):
        return Finding(
            SECTION, 'Python', 'note', f'{text}: newer than 3.14, the newest that is tested',
            'if something fails, use Python 3.10 to 3.14',
        )  # fmt: skip
    return Finding(SECTION, 'Python', 'ok', f'{text}; 3.10 to 3.14 work')


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: 2.4.0rc1 is (2, 4, 0)."""
    match = re.match(r'\d+(?:\.\d+)*', version)
    return tuple(map(int, match.group().split('.'))) if match else ()


def judged(package: Package, version: str) -> Finding:
    """Whether the version of a package that can be imported is one that works."""
    low, high = ('.'.join(map(str, v)) for v in (package.low, package.high))
    real = numbers(version)
    if not real:
        return Finding(SECTION, package.title, 'ok', f'of unknown version; from {low} on works')
    if real < package.low:
        return Finding(
            SECTION, package.title, 'problem', f'{version} is older than {low}',
            f'update it: {package.get}',
        )  # fmt: skip
    if real >= package.high:
        return Finding(
            SECTION, package.title, 'note',
            f'{version} is newer than what is tested (below {high})',
            f'if something fails, install a version below {high}',
        )  # fmt: skip
    return Finding(SECTION, package.title, 'ok', f'{version}; from {low} to below {high} works')


def _package(package: Package, trial: Trial) -> Finding:
    if not trial.error:
        return judged(package, trial.facts['version'])
    absent = f'No module named {package.module!r}' in trial.error
    text = 'not installed' if absent else f'cannot be imported: {trial.error}'
    return Finding(
        SECTION,
        package.title,
        'problem' if package.needed else 'note',
        f'{text}: {package.cost}',
        package.get if absent else f'install it anew: {package.get}',
        stops=package.needed,
    )


def _copies(package: Package, trial: Trial, env: Mapping[str, str]) -> Iterator[Finding]:
    """Several copies of one package, of which only one can win."""
    owners = [name for name in package.wheels if _installed(name)]
    if len(owners) > 1:
        yield Finding(
            SECTION,
            package.title,
            'problem',
            f'{" and ".join(owners)} are installed over each other: their files are mixed',
            f'pip uninstall {" ".join(owners)}, then install one of them',
        )
    file = trial.facts.get('file', '')
    if package.wheels and env.get('ROS_DISTRO') and hides(package.module, file, SYSTEM):
        yield Finding(
            SECTION,
            package.title,
            'note',
            f'{Path(file).parent} hides the one that ROS 2 {env["ROS_DISTRO"]} was built with: '
            'cv_bridge and others that are compiled against it may fail',
            f'pip uninstall {" ".join(owners) or package.module}, unless it is there on purpose',
        )


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def hides(module: str, file: str, system: Path) -> bool:
    """Whether the imported file keeps the system's own copy of the module from being seen."""
    if not file or system in Path(file).parents:
        return False
    return (system / module).is_dir() or any(system.glob(f'{module}.*so'))


def _video() -> Iterator[Finding]:
    trial = tried('opencv')
    can = [name for name, yes in trial.facts.items() if yes]
    if can:
        yield Finding(SECTION, 'videos', 'ok', f'OpenCV reads them by {" and ".join(can)}')
    elif trial.facts:
        yield Finding(
            SECTION, 'videos', 'note',
            "this OpenCV was built without FFMPEG and GStreamer: 'reid_ros run' reads no videos",
            'install another OpenCV: apt install python3-opencv',
        )  # fmt: skip


def needed(missing: Sequence[str] | frozenset[str]) -> list[str]:
    """Those of the missing modules without which nothing runs."""
    return [package.module for package in PACKAGES if package.needed and package.module in missing]


def how_to_get(module: str) -> str:
    """The command that installs a module, '' where it is none of ours."""
    for package in PACKAGES:
        if package.module == module:
            return package.get
    return GET_TRAINING if module in TRAINING else ''


def in_container(root: Path = Path('/')) -> bool:
    """Whether this runs in a container."""
    marks = ('.dockerenv', 'run/.containerenv')
    return any((root / mark).exists() for mark in marks) or 'container' in os.environ
