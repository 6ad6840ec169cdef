"""`reid_ros bench load`. No verb of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from typing import TYPE_CHECKING, Any

from reid_ros.cli.arguments import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reid_ros.bench.load import Row

_ABOUT = """\
What the live node gives up when more images come than this machine can carry, over real DDS.

First the node's throughput with all stages (appearance, silhouettes, gait; boxes from the truth
of a rendered world, disturbed, unless a detector is named) is measured: load 1. Then that many
times as many images are sent, by more cameras, once with a limit of latency and once without.

processed: share of the images that got an answer. least: of the camera that got the fewest.
given up: share of what was asked for. IDF1: of the images that got an answer.
"""


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'load',
        help='latency under more load than the machine can carry (needs ROS 2)',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_argument(
        '--loads', type=number(float, 0.1, 20.0), nargs='+', metavar='X',
        help='times the capacity (0.5 1 1.5 2 3)',
    )  # fmt: skip
    part.add_argument('--limit', type=number(float, 0.01, 60.0), default=0.3, help='seconds (0.3)')
    part.add_argument('--seconds', type=number(float, 1.0, 600.0), default=6.0, help='a run (6)')
    part.add_argument('--seed', type=int, default=101)
    part.add_argument('--detector', default='none', help='network; none takes disturbed truth')
    part.add_argument('--out', metavar='FILE', help='JSON file for the rows')
    part.add_argument('--json', action='store_true')
    part.set_defaults(call=_load)


def _load(args: argparse.Namespace) -> int:
    from reid_ros import results
    from reid_ros.bench import load

    results.commit()
    shown = sys.stderr if not args.json else None

    def tell(text: str) -> None:
        if shown is not None:
            print(text, file=shown, flush=True)

    loads = args.loads or load.LOADS
    capacity, rows = load.measure(
        loads, seed=args.seed, seconds=args.seconds, limit_s=args.limit,
        detector=args.detector, tell=tell,
    )  # fmt: skip
    words = ['reid_ros bench load --loads', *(f'{x:g}' for x in loads)]
    words += [f'--limit {args.limit:g} --seconds {args.seconds:g} --seed {args.seed}']
    words += [f'--detector {args.detector}'] * (args.detector != 'none')
    found = results.document(
        ' '.join(words),
        [args.seed],
        [_plain(row) for row in rows],
        ('onnxruntime', 'ros-rclpy'),
        capacity_hz=round(capacity, 2),
        goals=goals(rows),
        ratios=ratios(rows),
    )
    if args.out is not None:
        results.write(args.out, found)
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        print(f'capacity: {capacity:.1f} images a second')
        print(load.HEAD)
        print('\n'.join(map(load.line, rows)))
        for one in found['ratios']:
            print(
                f'load {one["load"]:g}, limit to none: p95 x{one["p95"]}, processed '
                f'x{one["processed"]}, IDF1 x{one["idf1"]}'
            )
        for goal, kept in found['goals'].items():
            print(f'{goal}: {"kept" if kept else "NOT kept"}')
    return 0


def goals(rows: Sequence[Row]) -> dict[str, bool]:
    """What must hold at loads of up to twice the capacity, where a limit is set."""
    held = [row for row in rows if row.limit_s and row.load <= 2.0]
    return {
        'p95 under the limit': all(row.p95_ms < 1e3 * row.limit_s for row in held),
        'at least 40 % of the images processed': all(row.processed >= 0.4 for row in held),
        'every camera served': all(row.least > 0.1 for row in held),
    }


def ratios(rows: Sequence[Row]) -> list[dict[str, float | None]]:
    """Of each load, what the limit makes of the figures without it."""
    free = {row.load: row for row in rows if not row.limit_s}
    pairs = [(row, free[row.load]) for row in rows if row.limit_s and row.load in free]
    return [
        {
            'load': row.load,
            'p95': _ratio(row.p95_ms, other.p95_ms),
            'processed': _ratio(row.processed, other.processed),
            'idf1': _ratio(row.idf1, other.idf1),
        }
        for row, other in pairs
    ]


def _ratio(value: float, other: float) -> float | None:
    result = value / other if other else math.nan
    return round(result, 3) if math.isfinite(result) else None


def _plain(row: Row) -> dict[str, Any]:
    values = dataclasses.asdict(row)
    for key, value in values.items():
        if isinstance(value, float):
            values[key] = round(value, 3) if math.isfinite(value) else None
    return values
