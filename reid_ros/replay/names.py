"""Names of cameras from files, topics and what the user typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_ros.types import ReidError

_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*')


@dataclass(frozen=True, slots=True)
class Given:
    """One source as typed: `NAME=PLACE`, or `PLACE` alone with name ''."""

    name: str
    place: str


def given(text: str) -> Given:
    """The name and the place in `NAME=PLACE` or `PLACE`.

    A text that exists as a file is a place, whatever it contains.

    Raises:
        ReidError: the name is no valid ROS name.
    """
    name, equals, place = text.partition('=')
    if not equals or Path(text).exists() or '/' in name:
        return Given('', text)
    if not _NAME.fullmatch(name) or '__' in name:
        raise ReidError(
            f'{text}: {name!r} is no name for a camera: use letters, digits and single _, '
            'with a letter first'
        )
    return Given(name, place)


def valid(text: str) -> str:
    """The nearest valid ROS name: letters, digits and single _, a letter first."""
    name = re.sub(r'_+', '_', re.sub(r'[^A-Za-z0-9_]', '_', text)).strip('_')
    if not name:
        return 'camera'
    return name if name[0].isalpha() else f'cam_{name}'


def of_place(place: str) -> str:
    """Camera name from a file, a folder or a webcam: /dev/video2 and 2 are webcam2."""
    number = re.fullmatch(r'(?:/dev/video)?(\d+)', place)
    if number:
        return f'webcam{int(number[1])}'
    path = Path(place)
    return valid(path.name if path.is_dir() else path.stem)


def of_topic(topic: str) -> str:
    """Camera name from an image topic: /front/camera/image/compressed is front_camera."""
    parts = [part for part in topic.split('/') if part]
    if parts and parts[-1] in ('compressed', 'raw'):
        parts.pop()
    if len(parts) > 1 and parts[-1].startswith('image'):
        parts.pop()
    return valid('_'.join(parts))


def unique(typed: Sequence[str], derived: Sequence[str]) -> list[str]:
    """One name per source: the typed one, else the derived one, numbered where it is taken.

    Raises:
        ReidError: the same name was typed twice.
    """
    twice = sorted({name for name in typed if name and typed.count(name) > 1})
    if twice:
        raise ReidError(f'two sources are named {twice[0]!r}: give each camera its own name')
    taken = {name for name in typed if name}
    result = []
    for name, fallback in zip(typed, derived):
        if not name:
            name, number = fallback, 2
            while name in taken:
                name, number = f'{fallback}_{number}', number + 1
            taken.add(name)
        result.append(name)
    return result
