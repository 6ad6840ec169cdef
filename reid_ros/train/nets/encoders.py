"""Encoders by name: one frame to one feature."""

from __future__ import annotations

from reid_ros.train.nets.encoder import Encoder
from reid_ros.train.settings import NetConfig


def encoder(settings: NetConfig, size: tuple[int, int]) -> Encoder:
    raise NotImplementedError
