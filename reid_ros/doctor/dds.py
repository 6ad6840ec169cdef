"""How images travel: the transport of Fast DDS, its shared memory, and the variables around it.

Measured with rclpy and Fast DDS, best-effort images at 30 Hz: with the default segment of 512 kB
49 to 86 % of VGA images are lost, with 32 MB at the publisher none, whatever the subscriber has.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_ros.doctor import profile
from reid_ros.doctor.finding import Finding
from reid_ros.doctor.probes import SEGMENT, SHM, segment_size
from reid_ros.doctor.software import in_container

SECTION = 'DDS'
OLD, NEW = 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'
# Fast DDS 2 reads the old variable and Fast DDS 3 (from Kilted on) the new one.
READS_OLD = ('humble', 'iron', 'jazzy')
READS_NEW = ('kilted', 'lyrical', 'rolling')
IMAGES = {'VGA': 640 * 480 * 3, 'HD': 1280 * 720 * 3, 'full HD': 1920 * 1080 * 3}
# A writer needs room for the next image while readers still hold the ones before.
ROOM = 4
MALLOC = {'MALLOC_MMAP_THRESHOLD_': 67108864, 'MALLOC_TRIM_THRESHOLD_': 268435456}
MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Setup:
    """What the findings rest on.

    Attributes:
        env: variables of this process.
        distro: name of the ROS 2 distribution in lower case, '' where unknown.
        ours: the file of profiles that reid_ros brings, None where it is not found.
        segments: bytes of the segments that a real participant made here; None where none ran.
        said: what the middleware wrote while it started.
        cameras: how many cameras are configured.
    """

    env: Mapping[str, str]
    distro: str
    ours: Path | None
    segments: Sequence[int] | None
    said: str
    cameras: int

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that this distribution reads."""
        if self.distro in READS_OLD:
            return (OLD,)
        return (NEW,) if self.distro in READS_NEW else (OLD, NEW)

    @property
    def export(self) -> str:
        """The command that sets our profile."""
        path = self.ours or '$(ros2 pkg prefix reid_ros)/share/reid_ros/config/fastdds.xml'
        value = shlex.quote(str(path)) if self.ours else f'"{path}"'
        return ' '.join(['export', *(f'{name}={value}' for name in self.names)])


def findings(setup: Setup) -> list[Finding]:
    """Everything about Fast DDS; for other middlewares there is `others`."""
    return [
        *_profiles(setup),
        *_segment(setup),
        *_said(setup),
        _publisher(setup),
        *_builtin(setup.env),
        *memory(setup),
        *surroundings(setup.env),
    ]


def others(rmw: str, env: Mapping[str, str]) -> list[Finding]:
    """What there is to say about a middleware that we have not measured."""
    buffers = Path('/proc/sys/net/core/rmem_max')
    size = int(buffers.read_text()) if buffers.is_file() else 0
    hint = f' (net.core.rmem_max is {size} bytes here)' if size else ''
    step = 'if /diagnostics says that images are lost, see "DDS tuning" of the ROS 2 documentation'
    text = f'{rmw} was not measured by us: large images may need its own tuning{hint}'
    return [Finding(SECTION, 'transport', 'note', text, step), *surroundings(env)]


def _profiles(setup: Setup) -> Iterator[Finding]:
    env = setup.env
    for name in (OLD, NEW):
        if name not in env:
            continue
        if name not in setup.names:
            if not any(env.get(read) for read in setup.names):
                yield Finding(
                    SECTION, name, 'problem',
                    f'set, but ROS 2 {setup.distro} does not read it', setup.export,
                )  # fmt: skip
        elif not env[name]:
            yield Finding(
                SECTION, name, 'problem', 'set but empty: Fast DDS prints an error and goes '
                'without', f'unset {name}, or {setup.export}',
            )  # fmt: skip
        else:
            yield _profile(name, env[name], setup)
    if not any(name in env for name in (OLD, NEW)):
        here = Path('DEFAULT_FASTRTPS_PROFILES.xml'), Path('DEFAULT_FASTDDS_PROFILES.xml')
        found = next((path for path in here if path.is_file()), None)
        if found:
            yield _profile(str(found), str(found), setup)
            return
        yield Finding(
            SECTION, 'profile', 'note',
            f'none set: segments of {profile.DEFAULT_SEGMENT // 1024} kB, too small for an image; '
            "'ros2 launch reid_ros' sets ours for the node, not for the camera drivers",
            setup.export,
        )  # fmt: skip


def _profile(name: str, path: str, setup: Setup) -> Finding:
    def broken(text: str, step: str = '') -> Finding:
        return Finding(SECTION, name, 'problem', text, step or setup.export)

    try:
        found = profile.read(path)
    except profile.ProfileError as error:
        return broken(f'{error}; Fast DDS goes without it')
    if not found.default:
        return broken(
            f'{path} has no participant with is_default_profile="true": it changes nothing'
        )
    if found.missing:
        return broken(
            f'{path} uses transports that it does not describe: {", ".join(found.missing)}',
            f'mend the file, or {setup.export}',
        )
    if not found.shm:
        return broken(
            f'{path} has no transport of type SHM: images go through the network stack',
            f'add one as {setup.ours or "config/fastdds.xml"} does, or use that file',
        )
    if not room(found.segment):
        return broken(
            f'{path} gives segments of {mb(found.segment)}: {capacity(found.segment)}',
            f'raise segment_size to {32 * MB} (32 MB), or {setup.export}',
        )
    return Finding(SECTION, name, 'ok', f'{path}: segments of {mb(found.segment)}')


def _segment(setup: Setup) -> Iterator[Finding]:
    if setup.segments is None:
        return
    if not setup.segments:
        yield Finding(
            SECTION, 'segment', 'problem',
            'a participant started here makes no shared memory: images go through the network '
            'stack',
            f'{setup.export}; unset FASTDDS_BUILTIN_TRANSPORTS',
        )  # fmt: skip
        return
    size = max(setup.segments)
    text = f'a participant started here really has {mb(size)}: {capacity(size)}'
    if room(size):
        yield Finding(SECTION, 'segment', 'ok', text)
    else:
        yield Finding(
            SECTION, 'segment', 'note',
            f'{text}; images of best-effort publishers with such a segment are mostly lost',
            setup.export,
        )  # fmt: skip


def room(segment: int) -> bool:
    """Whether a segment carries a camera of VGA without loss."""
    return segment >= ROOM * IMAGES['VGA']


def mb(size: int) -> str:
    """Bytes in words: 32 MB, 512 kB."""
    return f'{size // MB} MB' if size >= MB else f'{size // 1024} kB'


def capacity(segment: int) -> str:
    """What a segment holds, in words."""
    counts = [f'{segment // size} {name}' for name, size in IMAGES.items() if segment >= size]
    if not counts:
        return 'not even one VGA image'
    return f'{", ".join(counts)} colour images (a camera needs {ROOM})'


def _said(setup: Setup) -> Iterator[Finding]:
    """Errors that the middleware itself prints, which scroll away in a launch."""
    plain = re.sub(r'\x1b\[[0-9;]*m', '', setup.said)
    lines = [
        line for line in plain.splitlines() if re.search(r'\bError\]|\[ERROR\]|\[WARN\]', line)
    ]
    for line in dict.fromkeys(re.sub(r'^[-\d:. ]*|\[[\d.]+\] ', '', line) for line in lines):
        yield Finding(
            SECTION, 'middleware', 'note', f'it says at start: {line.strip()}',
            'mend the variable or file that it speaks of (see the other lines)',
        )  # fmt: skip


def _publisher(setup: Setup) -> Finding:
    return Finding(
        SECTION,
        'publishers',
        'note',
        "the segment that counts is the PUBLISHER's: where images are lost, nothing set for "
        'reid_ros helps, only what is set for the camera driver',
        f'in the terminal, launch file or service that starts the camera driver: {setup.export}; '
        'or let the driver publish reliably, but then images come late in bursts',
    )


def _builtin(env: Mapping[str, str]) -> Iterator[Finding]:
    name, value = 'FASTDDS_BUILTIN_TRANSPORTS', env.get('FASTDDS_BUILTIN_TRANSPORTS', '')
    if not value:
        return
    if env.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == 'LOCALHOST':
        yield Finding(
            SECTION, name, 'note',
            f'{value} is ignored: ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST makes rmw_fastrtps set '
            'up its own transports (those of an XML profile still apply)',
            f'unset one of the two; for shared memory use the profile and unset {name}',
        )  # fmt: skip
    elif not profile.has_shm(value):
        yield Finding(
            SECTION, name, 'problem', f'{value} switches shared memory off', f'unset {name}'
        )
    else:
        yield Finding(SECTION, name, 'ok', value)


def surroundings(env: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that count for every middleware."""
    reach = env.get('ROS_AUTOMATIC_DISCOVERY_RANGE', '')
    variable = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
    if reach == 'OFF':
        yield Finding(
            SECTION, variable, 'problem', 'OFF: no other node is found, so no camera either',
            'set it to LOCALHOST or SUBNET',
        )  # fmt: skip
    elif reach not in ('', 'LOCALHOST', 'SUBNET', 'SYSTEM_DEFAULT'):
        yield Finding(
            SECTION, variable, 'problem', f'{reach!r} is no range: ROS 2 takes LOCALHOST',
            'set it to LOCALHOST, SUBNET or SYSTEM_DEFAULT',
        )  # fmt: skip
    elif reach == 'LOCALHOST' or env.get('ROS_LOCALHOST_ONLY') == '1':
        which = variable if reach else 'ROS_LOCALHOST_ONLY'
        yield Finding(
            SECTION, which, 'note', f'{reach or 1}: cameras of other machines are not found',
            'nothing to do where all cameras are on this machine; else set '
            'ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET',
        )  # fmt: skip
    yield from _domain(env.get('ROS_DOMAIN_ID', ''))
    yield _allocator(env)


def _domain(value: str) -> Iterator[Finding]:
    if not value:
        return
    # 7400 + 250 * domain + 2 * participant must stay a port, and on Linux below those that the
    # system hands out (32768 and up).
    if not value.isdigit() or int(value) > 232:
        yield Finding(
            SECTION, 'ROS_DOMAIN_ID', 'problem', f'{value!r} is no number from 0 to 232',
            'set one from 0 to 101, the same as the cameras have',
        )  # fmt: skip
    elif int(value) > 101:
        yield Finding(
            SECTION, 'ROS_DOMAIN_ID', 'note',
            f'{value}: its ports may be taken by other programs',
            'take one from 0 to 101, the same as the cameras have',
        )  # fmt: skip
    else:
        yield Finding(SECTION, 'ROS_DOMAIN_ID', 'ok', f'{value}; the cameras must have the same')


def _allocator(env: Mapping[str, str]) -> Finding:
    wanted = {
        name: value
        for name, value in MALLOC.items()
        if not env.get(name, '').isdigit() or int(env[name]) < value
    }
    if not wanted:
        return Finding(
            SECTION, 'MALLOC_*', 'ok', 'set: memory of images is kept for the next ones'
        )
    return Finding(
        SECTION,
        'MALLOC_*',
        'note',
        'memory is given back after every image, which more than doubles the CPU time per image; '
        "'ros2 launch reid_ros' sets the variables, 'reid_ros node' does not",
        'export ' + ' '.join(f'{name}={value}' for name, value in wanted.items()),
    )


def memory(setup: Setup, shm: Path = SHM) -> Iterator[Finding]:
    """Whether the machine's shared memory holds the segments."""
    if not shm.is_dir():
        yield Finding(
            SECTION, str(shm), 'problem', 'does not exist: no shared memory',
            'mount a tmpfs there',
        )  # fmt: skip
        return
    state = os.statvfs(shm)
    total, free = state.f_frsize * state.f_blocks, state.f_frsize * state.f_bavail
    segment = max(setup.segments or (), default=32 * MB)
    cameras = max(setup.cameras, 1)
    wanted = (cameras + 1) * max(segment, 32 * MB)
    text = f'{mb(free)} of {mb(total)} free'
    need = f'{cameras + 1} segments of 32 MB (one per camera driver and the node)'
    if free < wanted:
        yield Finding(
            SECTION, str(shm), 'problem', f'{text}, less than {need}',
            'in a container: docker run --shm-size=1g; else mount -o remount,size=1g '
            f'{shm}; remove leftovers: fastdds shm clean',
        )  # fmt: skip
    else:
        yield Finding(SECTION, str(shm), 'ok', f'{text}, enough for {need}')
    yield from _others_segments(shm)
    if in_container():
        yield Finding(
            SECTION, 'container', 'note',
            'shared memory does not reach camera drivers outside of this container, though they '
            'are found',
            'with drivers outside: docker run --ipc=host --net=host, as the same user; else '
            'nothing to do',
        )  # fmt: skip


def _others_segments(shm: Path) -> Iterator[Finding]:
    """Segments of processes that run now, and of those that were killed."""
    alive: list[int] = []
    dead: list[int] = []
    for path in sorted(shm.iterdir()):
        if SEGMENT.fullmatch(path.name):
            size = segment_size(path)
            (alive if _held(path.with_name(f'{path.name}_el')) else dead).append(size)
    small = sum(not room(size) for size in alive)
    if small:
        yield Finding(
            SECTION, 'segments now', 'note',
            f'{small} of {len(alive)} running participants have a segment too small for images',
            'if a camera driver is among them, set its variable as said above and start it anew',
        )  # fmt: skip
    elif alive:
        yield Finding(
            SECTION, 'segments now', 'ok',
            f'all {len(alive)} running participants have room for images',
        )  # fmt: skip
    if sum(dead) > 64 * MB:
        yield Finding(
            SECTION, 'leftovers', 'note',
            f'{len(dead)} segments of killed processes take {mb(sum(dead))}',
            f'fastdds shm clean; or, while nothing of ROS 2 runs, rm {shm}/fastrtps_*',
        )  # fmt: skip


def _held(lock: Path) -> bool:
    """Whether a living process holds a segment's lock; of one we may not open we assume it."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
