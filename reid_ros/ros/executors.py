"""What waits for messages."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node


def executor_of(node: Node, wanted: str) -> Any:
    """The executor that is asked for, or the nearest that this ROS 2 has, with the node in it.

    Args:
        wanted: 'events' (Jazzy and later) or 'single_threaded'.
    """
    kind: Any = SingleThreadedExecutor
    if wanted == 'events':
        with contextlib.suppress(ImportError):  # Humble has none
            kind = importlib.import_module('rclpy.experimental').EventsExecutor
    executor = kind()
    executor.add_node(node)
    return executor
