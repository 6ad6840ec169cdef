"""`reid_ros bag make VIDEOS... OUT.mcap`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from reid_ros.types import ReidError

START_S = 1704067200.0  # 2024-01-01T00:00:00Z: a fixed time, so that the same clips make one bag


def add(verbs: Any) -> None:
    """Add the verb and its part."""
    bag = verbs.add_parser('bag', help='make a ROS 2 bag')
    parts = bag.add_subparsers(dest='part', required=True, metavar='PART')
    make = parts.add_parser(
        'make',
        help='synchronised videos -> a bag',
        epilog=(
            'OUT.mcap makes that one file, which ros2 bag and reid_ros replay read; any other '
            'name makes a bag folder with its metadata.yaml. The topics are /CAMERA/image, or '
            '/CAMERA/image/compressed for jpeg and png.'
        ),
    )
    make.add_argument('sources', nargs='+', metavar='VIDEO', help='or NAME=VIDEO; or folders')
    make.add_argument('out', metavar='OUT.mcap')
    make.add_argument('--encoding', choices=('raw', 'jpeg', 'png'), default='raw')
    make.add_argument(
        '--rate', type=float, default=0.0, help='stamp frames at this rate, not by their own times'
    )
    make.add_argument(
        '--start', type=float, default=START_S, help='stamp of the first frame, seconds since 1970'
    )
    make.add_argument('--offset', action='append', default=[], metavar='NAME=SECONDS')
    make.add_argument('--quiet', action='store_true', help='show no progress')
    make.add_argument('--json', action='store_true', help='print the result as JSON')
    make.set_defaults(call=_make)


def _make(args: argparse.Namespace) -> int:
    from reid_ros.cli.run import open_sources
    from reid_ros.cli.stopping import Stop, Stopped
    from reid_ros.progress import Progress
    from reid_ros.replay import make

    if not 0 < args.start < 2**31:
        raise ReidError(f'--start {args.start:g}: give seconds since 1970, above 0')
    try:
        with Stop():
            sources = open_sources(
                args.sources, args.offset, rate_hz=args.rate, start_ns=round(args.start * 1e9)
            )
            live = [source.place for source in sources if source.live]
            if live:
                raise ReidError(f'{live[0]}: a webcam has no end: give videos')
            total = sum(source.length for source in sources)
            progress = Progress(None if args.quiet else sys.stderr, total)
            try:
                number = make.write(sources, args.out, args.encoding, progress.add)
            finally:
                progress.close()
    except Stopped as stopped:
        return stopped.status
    topics = {source.camera: make.topic(source.camera, args.encoding) for source in sources}
    for source in sources:
        for note in source.notes:
            print(f'{source.camera}: {note}', file=sys.stderr)
    if args.json:
        print(json.dumps({'bag': args.out, 'messages': number, 'topics': topics}))
    else:
        print(f'{args.out}: {number} messages on {", ".join(topics.values())}')
    return 0
