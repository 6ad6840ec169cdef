"""What receiving images costs the node: cameras are processes of their own, over real DDS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, Any

from reid_ros.config import config_dir
from reid_ros.types import ReidError

# Until Jazzy, and from Kilted on.
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
# glibc gives an image's memory back and asks for it again, image by image, unless told not to.
ALLOCATOR = {'MALLOC_MMAP_THRESHOLD_': '67108864', 'MALLOC_TRIM_THRESHOLD_': '268435456'}
# How camera drivers are found in the field: tuned as `doctor` says, and as they come.
PUBLISHERS = {
    'tuned, best effort': (True, ('--best-effort',)),
    'tuned, reliable': (True, ()),
    'untuned, reliable': (False, ()),
}
START_S = 30.0


def environment(domain: int, *, tuned: bool) -> dict[str, str]:
    """The environment of a process in a ROS domain of our own."""
    result = {**os.environ, 'ROS_DOMAIN_ID': str(domain), **ALLOCATOR}
    result.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    return profiled(result, tuned=tuned)


def profiled(env: Mapping[str, str], *, tuned: bool) -> dict[str, str]:
    """An environment in which Fast DDS has the profile of ours, or none."""
    result = {name: value for name, value in env.items() if name not in PROFILES}
    if tuned:
        result.update(dict.fromkeys(PROFILES, str(config_dir() / 'fastdds.xml')))
    return result


@contextmanager
def applied(wanted: Mapping[str, str]) -> Iterator[None]:
    """This process with such an environment: Fast DDS reads it when a node is made."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def process(
    module: str, *arguments: str, env: Mapping[str, str], errors: int | IO[bytes] = subprocess.PIPE
) -> Iterator[Any]:
    """A Python process that does not outlive the block; its complaints go to `errors`."""
    running: subprocess.Popen[str] | None = None
    try:
        with _undisturbed():
            running = subprocess.Popen(
                [sys.executable, '-m', module, *arguments],
                env=dict(env),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        yield running
    finally:
        if running is not None:
            if running.poll() is None:
                running.kill()
            running.communicate()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals wait for the block's end: amid a start they would leave a process to nobody."""
    came: list[int] = []
    wanted = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, lambda number, frame: came.append(number)) for n in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for late in came:
        signal.raise_signal(late)


def domain() -> int:
    """A ROS domain that is probably free."""
    return 1 + (os.getpid() + int(time.monotonic())) % 100


@contextmanager
def cameras(
    names: Sequence[str],
    number: int,
    rate: float,
    size: str,
    arguments: Sequence[str],
    env: Mapping[str, str],
) -> Iterator[list[Any]]:
    """One publishing process per camera; each sends so many images and ends."""
    common = ['--images', str(number), '--rate', str(rate), '--size', size]
    common += ['--wait', str(START_S), *arguments]
    with ExitStack() as stack:
        yield [
            stack.enter_context(process('reid_ros.ros.publish', name, *common, env=env))
            for name in names
        ]


def sent(publishers: Sequence[Any]) -> int:
    """Images that the publishers say they sent.

    Raises:
        ReidError: one of them failed.
    """
    total = 0
    for publisher in publishers:
        out, errors = publisher.communicate()
        if publisher.returncode:
            raise ReidError(f'a publisher failed: {errors.strip()[-400:]}')
        total += sum(json.loads(out.splitlines()[-1]).values())
    return total


def measure(
    how: str,
    *,
    number: int = 4,
    seconds: float = 15.0,
    rate: float = 30.0,
    size: str = '640x480',
    compressed: bool = False,
    detector: str = 'none',
    appearance: str = 'none',
) -> dict[str, Any]:
    """One row of the table: the node and `number` cameras for so many seconds.

    Args:
        how: a key of PUBLISHERS.
        detector, appearance: models; none receives and decodes only.

    Raises:
        ReidError: the node or a publisher could not run; says why.
    """
    tuned, arguments = PUBLISHERS[how]
    names = [f'cam{i}' for i in range(1, number + 1)]
    where = domain()
    extra = ['--compressed'] if compressed else []
    options = ['--transport', 'compressed' if compressed else 'raw', '--detector', detector]
    options += ['--appearance', appearance]
    with (
        process(
            'reid_ros.ros.measure', *names, *options, env=environment(where, tuned=True)
        ) as node,
        cameras(
            names,
            round(seconds * rate),
            rate,
            size,
            [*arguments, *extra],
            environment(where, tuned=tuned),
        ) as publishers,
    ):
        total = sent(publishers)
        out, errors = node.communicate()
    if node.returncode:
        raise ReidError(f'the node could not be measured: {errors.strip()[-400:]}')
    result = json.loads(out.splitlines()[-1])['result']
    return {
        'publishers': how,
        'cameras': number,
        'size': size,
        'transport': 'compressed' if compressed else 'raw',
        'detector': detector,
        'sent': total,
        'lost_before_slot': total - result['received'],
        **result,
    }


COLUMNS = {
    'publishers': 'publishers',
    'sent': 'sent',
    'lost_before_slot': 'lost',
    'dropped_by_policy': 'dropped',
    'rate_hz': 'images/s',
    'receive_ms_per_image': 'receive ms',
    'cpu_ms_per_image': 'all CPU ms',
    'latency_p50_ms': 'p50 ms',
    'latency_p95_ms': 'p95 ms',
}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows for people; `receive` is processor time per image to receive and decode it."""
    lines = [f'{"publishers":<20}' + ''.join(f'{t:>14}' for t in list(COLUMNS.values())[1:])]
    for row in rows:
        cells = [row[name] for name in list(COLUMNS)[1:]]
        texts = [f'{c:.2f}' if isinstance(c, float) else str(c) for c in cells]
        lines.append(f'{row["publishers"]:<20}' + ''.join(f'{text:>14}' for text in texts))
    return '\n'.join(lines)
