"""How the process of a node begins, and how a signal ends it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def until_signalled(args: Sequence[str] | None) -> Iterator[Callable[[], bool]]:
    """With rclpy, until SIGINT or SIGTERM; further signals do not disturb the ending.

    Args:
        args: of the command line; None = those of the process.

    Yields:
        What says whether to go on.
    """
    stopped = False

    def stop(number: int, frame: Any) -> None:
        nonlocal stopped
        stopped = True

    for number in _SIGNALS:
        signal.signal(number, stop)
    rclpy.init(
        args=sys.argv if args is None else list(args),
        signal_handler_options=SignalHandlerOptions.NO,
    )
    try:
        yield lambda: rclpy.ok() and not stopped
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
        for number in _SIGNALS:
            # Python gives handlers of its own up before DDS has ended; this one stays.
            signal.signal(number, signal.SIG_IGN)
