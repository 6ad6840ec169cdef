"""`reid_ros bench render`. No verb of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser('render', help='how fast a world is drawn, one thread')
    part.add_argument('--people', type=int, default=8, metavar='N', help='in view (8)')
    part.add_argument(
        '--repeats', type=int, default=3, help='rounds; of each image the fastest counts (3)'
    )
    part.add_argument('--json', action='store_true')
    part.set_defaults(call=_render)


def _render(args: argparse.Namespace) -> int:
    from reid_ros.bench import alone, render

    rows = alone(render.measure, args.people, args.repeats)
    if args.json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=1))
        return 0
    print('camera  people in view  images  median ms  mean ms  p95 ms  per second')
    for row in rows:
        print(
            f'{row.camera:6}  {row.people:14.1f}  {row.images:6d}  {row.median_ms:9.1f}  '
            f'{row.mean_ms:7.1f}  {row.p95_ms:6.1f}  {row.per_second:10.1f}'
        )
    return 0
