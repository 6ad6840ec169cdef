"""Random numbers by name: what one part of the world draws never shifts what another draws."""

from __future__ import annotations

import zlib
from typing import Literal, get_args

import numpy as np

Split = Literal['train', 'validation', 'test']
SPLITS: tuple[Split, ...] = get_args(Split)
"""People, places, textures and camera poses of one split never occur in another."""


def generator(split: Split, *labels: str | int) -> np.random.Generator:
    """The random numbers of one thing, e.g. ('test', 'world', 7, 'sensor', 'hall', 120).

    Raises:
        ValueError: an unknown split.
    """
    words = [SPLITS.index(split)]
    words += [zlib.crc32(str(label).encode()) for label in labels]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))
