"""What this machine can run, and what to do about the rest.

Everything is tried for real where that is possible: providers run a network, a node starts, and
the size of its shared memory is looked up. Imports of what may be missing stand inside functions.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from reid_ros.doctor import inference, middleware, software, store
from reid_ros.doctor.finding import Finding

__all__ = ['Finding', 'able', 'examine']


def examine(config_file: str | Path | None = None) -> list[Finding]:
    """Everything there is to say about this machine and these settings.

    Args:
        config_file: YAML of settings; None takes the defaults.

    Raises:
        ReidError: the file cannot be read, or holds a bad setting.
    """
    config = None
    with contextlib.suppress(ImportError):  # PyYAML or numpy is missing: its own line says so
        from reid_ros import config as settings

        config = settings.read(config_file) if config_file else settings.Config()
    found, missing = software.findings(os.environ)
    cameras = len(config.camera_names) if config else 0
    if software.needed(missing):
        found.append(
            Finding(
                inference.SECTION,
                'models',
                'note',
                f'not tried: {", ".join(software.needed(missing))} cannot be imported',
                'mend that first, then ask again',
            )
        )
        found += inference.gpu()[0]
    else:
        found += inference.findings(config)
    found += middleware.findings(os.environ, _profiles(config is not None), cameras)
    if config is not None:
        found += store.findings(config)
    return found


def able(found: list[Finding]) -> bool:
    """Whether the node can run."""
    return not any(finding.stops for finding in found)


def _profiles(readable: bool) -> Path | None:
    """The file of Fast DDS profiles that reid_ros brings."""
    if not readable:
        return None
    from reid_ros.config import ConfigError, config_dir

    try:
        path = config_dir() / 'fastdds.xml'
    except ConfigError:
        return None
    return path if path.is_file() else None
