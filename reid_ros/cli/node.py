"""`reid_ros node`: the ROS node without the launch system."""

from __future__ import annotations

import argparse
from typing import Any


def add(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        'node',
        help='the ROS node without the launch system',
        description='Run the node; what follows --ros-args goes to ROS 2.',
        usage='reid_ros node [--config FILE] [--ros-args ...]',
    )
    verb.add_argument(
        '--config',
        metavar='FILE',
        help='YAML of settings, plain or as ROS parameters; --ros-args overrides it',
    )
    verb.add_argument(
        '--ros-args', nargs=argparse.REMAINDER, help='parameters, remappings and more, for ROS 2'
    )
    verb.set_defaults(call=run)


def run(args: argparse.Namespace) -> int:
    """Run the node until it is stopped."""
    from reid_ros.config import read
    from reid_ros.types import ReidError

    defaults = read(args.config) if args.config else None
    extra = [] if args.ros_args is None else ['--ros-args', *args.ros_args]
    try:
        from reid_ros.ros.node import main
    except ModuleNotFoundError as error:
        raise ReidError(
            f'{error}: source a ROS 2 (. /opt/ros/$ROS_DISTRO/setup.sh), or use ./dev run'
        ) from error
    return main(['reid_ros', *extra], defaults)
