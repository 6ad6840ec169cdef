"""What is decided before an engine is built or run: its sizes, its memory, its name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from reid_ros.card import Card
from reid_ros.fit import Port, example, image_port

FORMAT = 1
"""Of what we make of a graph; another number builds every engine anew."""
OLDEST, NEWEST = (10, 3), 11
"""TensorRT's versions that this package was written against: from the oldest to this major."""
PRECISIONS = ('fp16', 'fp32')
# A detector sees one image per camera, the others what is due of some people in one moment.
_TYPICAL = {'detector': 1, 'search': 1}
_CROPS = 4
_WORKSPACE = 1 << 30

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """What an engine is bound to.

    Attributes:
        gpu: its name.
        capability: its generation, like '8.7'.
        processors: its number of multiprocessors: the same name is sold in sizes.
        tensorrt: its version.
    """

    gpu: str
    capability: str
    processors: int
    tensorrt: str


@dataclass(frozen=True, slots=True)
class Profile:
    """The sizes that an engine takes.

    Attributes:
        shapes: input -> least, typical and largest shape; what a build is tuned for is the
            typical one.
        buckets: batches that get a captured graph of their own, rising.
    """

    shapes: Mapping[str, tuple[Shape, Shape, Shape]]
    buckets: tuple[int, ...]


def profile(inputs: Sequence[Port], card: Card, typical: int, max_batch: int) -> Profile:
    """The sizes of a network; of a fixed batch there is one.

    Args:
        inputs: of the network.
        card: its card.
        typical: images in most inferences, 0 = as usual for its kind.
        max_batch: most images in one inference.
    """
    fixed = image_port(inputs, card.input).shape[0]
    steps = (fixed,) * 3 if fixed else (1, typical_batch(card.kind, typical, max_batch), max_batch)
    found = [example(inputs, card, n) for n in steps]
    shapes = {
        name: (found[0][name].shape, found[1][name].shape, found[2][name].shape)
        for name in found[0]
    }
    return Profile(shapes, (fixed,) if fixed else buckets(max_batch))


def typical_batch(kind: str, typical: int, max_batch: int) -> int:
    """Images in most inferences of a network of that kind.

    Args:
        kind: of its card.
        typical: what the caller knows, 0 = nothing.
        max_batch: most images in one inference.
    """
    return max(1, min(typical or _TYPICAL.get(kind, _CROPS), max_batch))


def buckets(max_batch: int) -> tuple[int, ...]:
    """Batches that are run as they are: powers of two, and the largest."""
    powers = [1 << k for k in range(max_batch.bit_length()) if 1 << k < max_batch]
    return (*powers, max_batch)


def bucket(n: int, found: Sequence[int]) -> int:
    """The least of the rising buckets that holds n images; the largest for more."""
    return next((size for size in found if size >= n), found[-1])


def workspace(free: int) -> int:
    """Bytes that TensorRT may use for scratch while it tries ways to compute.

    A Jetson shares its memory with everything else, and TensorRT takes all of it where unasked.

    Args:
        free: bytes free on the GPU.
    """
    return min(_WORKSPACE, free // 4)


def facts(machine: Machine, checksum: str, wanted: Profile, precision: str) -> dict[str, object]:
    """Everything that makes an engine another one.

    Args:
        machine: that runs it.
        checksum: of the model file.
        wanted: its sizes.
        precision: asked for.
    """
    shapes = {name: [list(shape) for shape in three] for name, three in wanted.shapes.items()}
    return {
        'format': FORMAT,
        'machine': asdict(machine),
        'model': checksum,
        'profile': shapes,
        'precision': precision,
    }


def key(content: Mapping[str, object]) -> str:
    """A name for facts that can be part of a file's."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def version_problem(version: str) -> str:
    """Why this version of TensorRT is not used, '' where it is."""
    found = re.match(r'(\d+)\.(\d+)', version)
    numbers = (int(found[1]), int(found[2])) if found else (0, 0)
    if numbers < OLDEST:
        return f'TensorRT {version} is older than 10.3: upgrade JetPack to 6.1 or later'
    if numbers[0] > NEWEST:
        return f'TensorRT {version} is not known to reid_ros, 10.3 to 11 are: set backend: auto'
    return ''
