"""ROS 2: the distribution, rclpy, the node's imports, and the optional packages."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reid_ros.doctor import dds
from reid_ros.doctor.finding import Finding, Trial, tried
from reid_ros.doctor.software import numbers

SECTION = 'ROS 2'
OPTIONAL = 'optional packages'
# rclpy by its major number.
_DISTROS = {3: 'humble', 4: 'iron', 7: 'jazzy', 9: 'kilted'}
_ROOT = Path('/opt/ros')


@dataclass(frozen=True, slots=True)
class Extra:
    """A package that the node uses where it is installed.

    Attributes:
        module: what is imported.
        gives: what the node does with it.
        cost: what does not work without it; '' where nothing of reid_ros uses it.
    """

    module: str
    gives: str
    cost: str

    @property
    def apt(self) -> str:
        """How it is installed."""
        return f'apt install ros-$ROS_DISTRO-{self.module.replace("_", "-")}'


EXTRAS = (
    Extra(
        'vision_msgs',
        'publishes <camera>/tracks, <camera>/identities, <camera>/gait, reid/people and '
        'reid/vision_info, reads <camera>/detections',
        'no <camera>/tracks, <camera>/identities, <camera>/gait, reid/people, reid/vision_info '
        'and <camera>/detections; <camera>/sightings carries the boxes and persons',
    ),
    Extra(
        'cv_bridge',
        'converts rare image encodings',
        'images of bayer, 16 bit and other rare encodings are refused; the usual ones and '
        'compressed ones work',
    ),
    Extra('launch', 'starts the node', "no 'ros2 launch reid_ros ...'; 'reid_ros node' works"),
    Extra('launch_ros', 'starts the node', "no 'ros2 launch reid_ros ...'; 'reid_ros node' works"),
    Extra(
        'tf2_ros',
        'broadcasts the target as person_<id>, and bodies (hri.enabled); finds cameras in TF '
        '(tf_timeout_s)',
        'no frame person_<id>; cameras that are to place people need a pose or a mount',
    ),
    Extra(
        'hri_msgs',
        'publishes bodies and candidate matches for ROS4HRI (hri.enabled)',
        'no /humans: hri.enabled must stay false',
    ),
)


def distribution(env: Mapping[str, str]) -> str:
    """Name of the ROS 2 distribution in lower case, '' where none is found."""
    if env.get('ROS_DISTRO'):
        return env['ROS_DISTRO'].lower()
    for wheel in ('rclpy', 'ros-rclpy'):
        try:
            version = numbers(importlib.metadata.version(wheel))
        except importlib.metadata.PackageNotFoundError:
            continue
        return _DISTROS.get(version[0], '') if version else ''
    return ''


def installed(module: str) -> bool:
    """Whether a package is there; a mere folder of its name on the path, as `launch`, is not."""
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None


def findings(env: Mapping[str, str], ours: Path | None, cameras: int) -> list[Finding]:
    """ROS 2, then how images travel, then the optional packages.

    Args:
        env: variables of this process.
        ours: the file of profiles that reid_ros brings, None where it is not found.
        cameras: how many cameras are configured.
    """
    distro = distribution(env)
    trial = tried('ros')
    found = [_distro(env, distro), _rclpy(trial, env, distro)]
    rmw = trial.facts.get('rmw', '')
    if not trial.error:
        found += [_node(), Finding(SECTION, 'middleware', 'ok', rmw)]
    if rmw and 'fastrtps' not in rmw:
        found += dds.others(rmw, env)
    elif installed('rclpy'):
        segments = trial.facts.get('segments')
        found += dds.findings(dds.Setup(env, distro, ours, segments, trial.said, cameras))
    return found + list(_extras(env, distro))


def _distro(env: Mapping[str, str], distro: str) -> Finding:
    if env.get('ROS_DISTRO'):
        return Finding(SECTION, 'distribution', 'ok', f'{distro} is sourced')
    if distro:
        return Finding(SECTION, 'distribution', 'ok', f'{distro}, as wheels')
    here = sorted(path.name for path in _ROOT.glob('*') if (path / 'setup.sh').is_file())
    if here:
        return Finding(
            SECTION, 'distribution', 'note', f'{", ".join(here)} is installed but not sourced',
            f'. {_ROOT}/{here[-1]}/setup.sh',
        )  # fmt: skip
    return Finding(
        SECTION, 'distribution', 'note', "none found: 'run', 'replay' and 'bag' work without",
        'for the node install ROS 2, or use ./dev run, which brings it as wheels',
    )  # fmt: skip


def _rclpy(trial: Trial, env: Mapping[str, str], distro: str) -> Finding:
    def broken(text: str, step: str) -> Finding:
        return Finding(SECTION, 'rclpy', 'problem', text, step, stops=True)

    error = trial.error
    if not error:
        return Finding(SECTION, 'rclpy', 'ok', f'a node starts ({trial.facts["file"]})')
    python = '.'.join(map(str, sys.version_info[:2]))
    if "No module named 'rclpy" in error:
        if env.get('ROS_DISTRO'):
            return broken(
                f'Python {python} ({sys.executable}) does not find it, though {distro} is '
                f'sourced: {error}',
                'use the Python of the system, or a virtual environment made by it with '
                '--system-site-packages',
            )
        return broken(
            'not installed: no node runs',
            'source a ROS 2 (. /opt/ros/$ROS_DISTRO/setup.sh), or use ./dev run',
        )
    rmw = env.get('RMW_IMPLEMENTATION', '')
    if rmw and (rmw in error or rmw in trial.said):
        return broken(
            f'RMW_IMPLEMENTATION={rmw} does not start: {_short(error)}',
            f'apt install ros-$ROS_DISTRO-{rmw.replace("_", "-")}, or unset RMW_IMPLEMENTATION',
        )
    if env.get('FASTDDS_BUILTIN_TRANSPORTS') and 'participant' in error:
        return broken(
            f'no node starts with FASTDDS_BUILTIN_TRANSPORTS={env["FASTDDS_BUILTIN_TRANSPORTS"]}',
            'unset FASTDDS_BUILTIN_TRANSPORTS',
        )
    return broken(
        f'no node starts: {_short(error)}',
        "python3 -c 'import rclpy; rclpy.init()' shows all of it; reinstall ros-$ROS_DISTRO-rclpy",
    )


def _short(error: str) -> str:
    return re.sub(r', at /\S+', '', error)


def _node() -> Finding:
    trial = tried('node')
    if not trial.error:
        return Finding(SECTION, 'node', 'ok', 'its messages are installed')
    match = re.search(r"No module named '(\w+)", trial.error)
    name = match.group(1) if match else ''
    step = f'apt install ros-$ROS_DISTRO-{name.replace("_", "-")}' if name else ''
    return Finding(
        SECTION, 'node', 'problem', f'cannot be imported: {trial.error}',
        step or 'mend what the lines above say', stops=True,
    )  # fmt: skip


def _extras(env: Mapping[str, str], distro: str) -> Iterator[Finding]:
    for extra in EXTRAS:
        here = installed(extra.module)
        if not extra.cost:
            state = 'installed' if here else 'not installed, which costs nothing'
            yield Finding(OPTIONAL, extra.module, 'ok', f'{state}: reid_ros does not use it')
        elif not here:
            yield Finding(
                OPTIONAL, extra.module, 'note', f'not installed: {extra.cost}',
                f'if you need it: {extra.apt}',
            )  # fmt: skip
        elif extra.module == 'cv_bridge':
            yield _cv_bridge(tried('cv_bridge'), distro)
        else:
            yield _loaded(extra, tried('imported', extra.module))


def _loaded(extra: Extra, trial: Trial) -> Finding:
    if trial.error:
        return Finding(
            OPTIONAL, extra.module, 'note', f'installed but broken ({trial.error}): {extra.cost}',
            f'install it anew: {extra.apt}',
        )  # fmt: skip
    return Finding(OPTIONAL, extra.module, 'ok', extra.gives)


def _cv_bridge(trial: Trial, distro: str) -> Finding:
    extra = next(extra for extra in EXTRAS if extra.module == 'cv_bridge')
    if not trial.error:
        return Finding(OPTIONAL, 'cv_bridge', 'ok', extra.gives)
    if '_ARRAY_API' in trial.error + trial.said or 'NumPy 1.x' in trial.said:
        return Finding(
            OPTIONAL, 'cv_bridge', 'note',
            f'that of {distro or "this ROS 2"} is built for numpy 1 and fails with numpy 2: '
            f'{extra.cost}',
            "pip uninstall numpy (the distribution's comes back), or pip install 'numpy<2'",
        )  # fmt: skip
    return _loaded(extra, trial)
