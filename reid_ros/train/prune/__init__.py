"""Smaller networks from larger ones: which filters go, when, and what is left."""

from reid_ros.types import ReidError


class PruneError(ReidError):
    """A network, share or setting with which pruning cannot be done."""
