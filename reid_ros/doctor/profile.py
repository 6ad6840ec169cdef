"""What a file of Fast DDS profiles says about shared memory.

Meaning of the elements: Fast DDS documentation, 'XML profiles', transport descriptors and
DomainParticipant profiles. Only the participant profile with is_default_profile counts for ROS 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as Tree

DEFAULT_SEGMENT = 512 * 1024


class ProfileError(Exception):
    """A file of profiles that Fast DDS ignores; no ReidError, whose module needs numpy."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The transports of the default participant.

    Attributes:
        default: there is a default participant profile; without one the file changes nothing.
        shm: shared memory is among its transports.
        segment: bytes of the largest shared-memory segment, 0 without shared memory.
        own: the file sets the segment; else Fast DDS takes its default.
        builtin: Fast DDS's own transports stay beside those of the file.
        missing: transports that the participant names and nobody describes.
    """

    default: bool
    shm: bool
    segment: int
    own: bool
    builtin: bool
    missing: tuple[str, ...] = ()


def read(path: str | Path) -> Profile:
    """The profile in a file.

    Raises:
        ProfileError: no such file, no XML, no profiles, or a size that is no number.
    """
    path = Path(path)
    try:
        root = Tree.fromstring(path.read_bytes())
    except OSError as error:
        raise ProfileError(f'{path}: {error.strerror}') from error
    except Tree.ParseError as error:
        raise ProfileError(f'{path} is no XML: {error}') from error
    for element in root.iter():
        element.tag = element.tag.rpartition('}')[2]
    profiles = root if root.tag == 'profiles' else root.find('profiles')
    if profiles is None:
        raise ProfileError(f'{path} holds no <profiles>: it is no file of Fast DDS')
    segments = _segments(profiles, path)
    for participant in profiles.iter('participant'):
        if participant.get('is_default_profile', '').strip() == 'true':
            return _profile(participant, segments)
    return Profile(False, True, DEFAULT_SEGMENT, False, True)


def _segments(profiles: Tree.Element, path: Path) -> dict[str, int | None]:
    """Transport id -> segment size; 0 means the default, None that it is no shared memory."""
    found: dict[str, int | None] = {}
    for descriptor in profiles.iter('transport_descriptor'):
        name = _text(descriptor, 'transport_id')
        size = _text(descriptor, 'segment_size')
        if _text(descriptor, 'type') != 'SHM':
            found[name] = None
        elif size and not size.isdigit():
            raise ProfileError(f'{path}: segment_size {size!r} of {name} is no number of bytes')
        else:
            found[name] = int(size or 0)
    return found


def _profile(participant: Tree.Element, segments: dict[str, int | None]) -> Profile:
    used = [(e.text or '').strip() for e in participant.findall('.//userTransports/transport_id')]
    builtin = next(participant.iter('useBuiltinTransports'), None)
    keeps = builtin is None or (builtin.text or '').strip() not in ('false', '0')
    kinds = next(participant.iter('builtinTransports'), None)
    kind = (kinds.text or '').strip() if kinds is not None else 'DEFAULT'
    sizes = [size for name in used if (size := segments.get(name)) is not None]
    with_builtin = keeps and has_shm(kind)
    own = max(sizes, default=0)
    return Profile(
        default=True,
        shm=bool(sizes) or with_builtin,
        segment=own or (DEFAULT_SEGMENT if sizes or with_builtin else 0),
        own=own > 0,
        builtin=keeps,
        missing=tuple(name for name in used if name not in segments),
    )


def has_shm(builtin_transports: str) -> bool:
    """Whether a value of FASTDDS_BUILTIN_TRANSPORTS or <builtinTransports> has shared memory."""
    kind = builtin_transports.partition('?')[0].strip().upper()
    return kind not in ('UDPV4', 'UDPV6', 'P2P', 'NONE')


def _text(element: Tree.Element, name: str) -> str:
    child = element.find(name)
    return (child.text or '').strip() if child is not None else ''
