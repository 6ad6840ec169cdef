"""Real data for tests, where it is on this machine."""

import os
from pathlib import Path

import pytest


def data(*parts: str) -> Path:
    """Path of a sample; skips the test where the samples are not here."""
    beside = Path(__file__).parents[1] / '..' / 'shared' / 'data'
    root = Path(os.environ.get('REID_ROS_DATA') or beside).resolve()
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f'no sample data: {path} is missing (set REID_ROS_DATA)')
    return path
