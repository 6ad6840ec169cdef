"""Encoders by name: one frame to one feature."""

from __future__ import annotations

from collections.abc import Callable

from reid_ros.config import nearest
from reid_ros.train.nets import osnet, resnet
from reid_ros.train.nets.encoder import Encoder
from reid_ros.train.nets.mobile import MobileSmall
from reid_ros.train.nets.transformer import StemTransformer
from reid_ros.train.settings import NetConfig
from reid_ros.types import ReidError

ENCODERS: dict[str, Callable[[NetConfig, tuple[int, int]], Encoder]] = {
    'mobile_s': MobileSmall,
    **osnet.NETWORKS,
    **resnet.NETWORKS,
    'vit_small_stem': StemTransformer,
}


def encoder(settings: NetConfig, size: tuple[int, int]) -> Encoder:
    """The encoder of a recipe, with random weights.

    Args:
        settings: which.
        size: height and width of the crops, pixels.

    Raises:
        ReidError: no encoder has that name, or it cannot be as asked.
    """
    make = ENCODERS.get(settings.encoder)
    if make is None:
        raise ReidError(
            f'net.encoder: {settings.encoder!r}: {nearest(settings.encoder, list(ENCODERS))}'
        )
    return make(settings, size)
