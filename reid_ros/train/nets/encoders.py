"""Encoders by name: one frame to one feature."""

from __future__ import annotations

from collections.abc import Callable

from reid_ros.config import nearest
from reid_ros.train.nets import mobile, osnet, resnet, transformer
from reid_ros.train.nets.encoder import Encoder
from reid_ros.train.nets.public import PREFIX, Public
from reid_ros.train.settings import NetConfig
from reid_ros.types import ReidError

Make = Callable[[NetConfig, tuple[int, int]], Encoder]
CONVOLUTIONS: dict[str, Make] = {
    **mobile.NETWORKS,
    **osnet.NETWORKS,
    **resnet.NETWORKS,
}
ENCODERS: dict[str, Make] = {**CONVOLUTIONS, **transformer.NETWORKS}
"""Our own definitions; `timm:NAME` is any other."""


def encoder(settings: NetConfig, size: tuple[int, int]) -> Encoder:
    """The encoder of a recipe, with random weights.

    Args:
        settings: which.
        size: height and width of the crops, pixels.

    Raises:
        ReidError: no encoder has that name, or it cannot be as asked.
    """
    name = settings.encoder
    if name.startswith(PREFIX):
        make: Make | None = Public
    else:
        make = ENCODERS.get(name)
    if make is None:
        near = nearest(name, list(ENCODERS))
        raise ReidError(f'net.encoder: {name!r}: {near} (or {PREFIX}NAME, any network of timm)')
    if settings.side and name not in transformer.NETWORKS:
        raise ReidError(
            f'net.side: {name} has no camera embeddings; set it to 0, or net.encoder to one of '
            f'{", ".join(transformer.NETWORKS)}'
        )
    if settings.drop and name in CONVOLUTIONS:
        raise ReidError(f'net.drop: {name} has no stochastic depth; set it to 0')
    return make(settings, size)
