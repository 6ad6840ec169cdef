"""An identity node that believes the made-up vectors of people of wire.

python -m reid_ros.bench.following.believing CONFIG [--ros-args ...]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from reid_ros.bench.following.eyes import WIRE_LOOKS
from reid_ros.config import Config, read
from reid_ros.pipeline import Pipeline


def main(args: Sequence[str]) -> int:
    """Run the node until SIGINT or SIGTERM."""
    from reid_ros.ros.identity_node import IdentityNode
    from reid_ros.ros.managed import run

    name, config, *rest = args
    return run(lambda: IdentityNode(read(config), _load), [name, *rest])


def _load(config: Config) -> Pipeline:
    return Pipeline(config, calibration=WIRE_LOOKS)


if __name__ == '__main__':
    raise SystemExit(main(sys.argv))
