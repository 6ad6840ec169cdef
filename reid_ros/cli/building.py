"""The bar of an engine that is being built. No verb of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable

from reid_ros.progress import Progress


def building() -> Callable[[float, str], None]:
    """Follows the builds of engines, one after the other, on the terminal.

    It takes a share from 0 to 1, and the file's name before a colon.
    """
    bars: dict[str, Progress] = {}
    done = 0

    def tell(share: float, what: str) -> None:
        nonlocal done
        name = what.partition(':')[0]
        if name not in bars:
            for bar in bars.values():
                bar.close()
            bars[name] = Progress(sys.stderr, 100, f'% of the TensorRT engine of {name}')
            done = 0
        now = round(100 * share)
        bars[name].add(now - done)
        done = now
        if share >= 0.9:  # TensorRT tells of no steps in what follows
            bars[name].close()

    return tell
