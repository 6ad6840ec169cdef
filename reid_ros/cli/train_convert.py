"""`reid_ros train convert-gait`. No verb of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from reid_ros.cli.arguments import number

_ABOUT = """\
Turns folders of silhouette images, person/kind/view/*.png, into the pickles that gait recipes and
other tools read: person/kind/view/view.pkl, aligned, 64 by 64. Walks that are there already stay.

  reid_ros train convert-gait CASIA-B/output data/casia_b
"""


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'convert-gait',
        help='silhouette images as the pickles that gait recipes read',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_argument('source', type=Path, metavar='SOURCE', help='holds person/kind/view/*.png')
    part.add_argument('target', type=Path, metavar='TARGET', help='folder of the pickles')
    part.add_argument(
        '--processes', type=number(int, 0), default=0, metavar='N', help='0 = one a core'
    )
    part.add_argument('--quiet', action='store_true', help='show no progress')
    part.set_defaults(call=_convert)


def _convert(args: argparse.Namespace) -> int:
    from reid_ros.progress import Progress
    from reid_ros.train.gait.data.convert import convert

    progress = Progress(None if args.quiet else sys.stderr, 0, 'walks')
    try:
        done = convert(args.source, args.target, args.processes, progress.add)
    finally:
        progress.close()
    print(f'{args.target}: {done.walks} walks; {done.frames} silhouettes written')
    if done.empty:
        print(f'{done.empty} images show too little of anybody and are left out')
    for walk in done.lost:
        print(f'{walk}: nobody is seen in it')
    return 0
