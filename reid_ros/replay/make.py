"""Frames -> a ROS 2 bag in mcap, without ROS."""

from __future__ import annotations

import heapq
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from reid_ros.replay.source import Source, SourceError
from reid_ros.replay.topics import COMPRESSED, IMAGE
from reid_ros.replay.writer import BagWriter, Encoding


def topic(camera: str, encoding: Encoding) -> str:
    """Image topic of a camera in a bag that is made here."""
    return f'/{camera}/image' if encoding == 'raw' else f'/{camera}/image/compressed'


def write(
    sources: Sequence[Source],
    out: str | Path,
    encoding: Encoding = 'raw',
    tell: Callable[[int], None] = lambda frames: None,
) -> int:
    """Write the frames of all sources, in the order of their stamps.

    rosbags makes a folder with metadata.yaml and one mcap file in it. For `NAME.mcap` that file
    alone is kept, for any other name the folder. Both appear under their name when they are whole.

    Args:
        sources: one per camera; a stamp of 0 would be read as none, so begin later.
        out: NAME.mcap or a folder; neither may exist.
        tell: called with the number of frames added.

    Returns:
        Number of messages.

    Raises:
        SourceError: out exists or cannot be written.
    """
    out = Path(out)
    if out.exists():
        raise SourceError(f'{out} exists: delete it or choose another name')
    if out.suffix == '.db3':
        raise SourceError(f'{out}: bags are written as mcap: name it {out.stem}.mcap')
    try:
        workshop = Path(tempfile.mkdtemp(prefix=f'.{out.stem}.', dir=out.absolute().parent))
    except OSError as error:
        raise SourceError(f'{out} cannot be written: {error.strerror}') from error
    try:
        name = out.stem if out.suffix == '.mcap' else out.name
        bag = workshop / name
        number = _fill(bag, sources, encoding, tell)
        made = bag / f'{name}.mcap' if out.suffix == '.mcap' else bag
        made.rename(out)
    except OSError as error:
        raise SourceError(f'{out} cannot be written: {error.strerror}') from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return number


def _fill(
    bag: Path, sources: Sequence[Source], encoding: Encoding, tell: Callable[[int], None]
) -> int:
    with BagWriter(bag) as writer:
        for source in sources:
            writer.announce(
                topic(source.camera, encoding), IMAGE if encoding == 'raw' else COMPRESSED
            )
        merged = heapq.merge(*(source.frames() for source in sources), key=lambda f: f.stamp_ns)
        for frame in merged:
            writer.image(
                topic(frame.camera, encoding),
                f'{frame.camera}_optical_frame',
                frame.stamp_ns,
                frame.image,
                encoding,
                frame.order,
            )
            tell(1)
        return writer.messages
