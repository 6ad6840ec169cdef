"""The long run as a process: what it has started ends with it."""

import os
import signal
import time
from pathlib import Path

import pytest


def children(number):
    """Numbers of the processes that one has started."""
    return [int(n) for n in Path(f'/proc/{number}/task/{number}/children').read_text().split()]


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_long_run_leaves_no_camera_behind(ros, number):
    run = ros.process('-m', 'reid_ros.bench.soak', '--minutes', '1')

    def cameras():
        return [n for n in children(run.pid) if 'soak_cameras' in _command(n)]

    ros.spin_until(cameras, 30.0, 'the cameras are started')
    (started,) = cameras()
    run.send_signal(number)
    assert ros.finished(run) == 130, run.stdout.read()
    end = time.monotonic() + 5.0
    while os.path.exists(f'/proc/{started}') and time.monotonic() < end:
        time.sleep(0.05)
    assert 'soak_cameras' not in _command(started)


def _command(number):
    try:
        return Path(f'/proc/{number}/cmdline').read_text()
    except FileNotFoundError:
        return ''
