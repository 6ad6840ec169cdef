"""Why there is no engine."""

from __future__ import annotations

from reid_ros.types import ReidError


class EngineError(ReidError):
    """TensorRT cannot run a network here; the text says why and what to do."""


class NoEngineError(EngineError):
    """No engine is built yet, and none was to be built."""
