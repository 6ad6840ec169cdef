"""`reid_ros bench gait`. No verb of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

from reid_ros.cli.arguments import number

_ABOUT = """\
Milliseconds per track and second of video that gait takes: with the running maximum over a
track's newest silhouettes, where each silhouette is looked at once, and without it, where each
vector looks at its whole window anew. A period of 0 asks for a vector with every silhouette.
"""


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser('gait', help='what gait costs, with and without its cache',
                            description=_ABOUT)  # fmt: skip
    part.add_argument('network', nargs='?', default='gait', help='a card or an .onnx file')
    part.add_argument('--tracks', type=number(int, 1), nargs='+', default=[1, 8], metavar='N')
    part.add_argument('--threads', type=number(int, 1), nargs='+', default=[1, 2], metavar='N')
    part.add_argument(
        '--periods', type=number(float, 0.0), nargs='+', default=[0.5, 0.0], metavar='S',
        help='seconds between two vectors of a track (default 0.5 and 0)',
    )  # fmt: skip
    part.add_argument(
        '--repeats', type=number(int, 1), default=3, help='runs of which the fastest counts'
    )
    part.add_argument('--json', action='store_true')
    part.add_argument('--out', metavar='FILE', help='write the rows, with how to repeat them')
    part.set_defaults(call=_gait)


def _gait(args: argparse.Namespace) -> int:
    from reid_ros import results
    from reid_ros.bench import alone, gait

    rows = []
    for threads in args.threads:
        for tracks in args.tracks:
            for period_s in args.periods:
                runs = [
                    alone(gait.measure, args.network, tracks, threads, 16.0, period_s,
                          threads=threads)
                    for _ in range(args.repeats)
                ]  # fmt: skip
                best = min(runs, key=lambda run: run.cached_ms)
                whole = min(run.whole_ms for run in runs)
                rows.append(dataclasses.replace(best, whole_ms=whole))
    plain = [dataclasses.asdict(row) for row in rows]
    if args.out is not None:
        words = ['reid_ros bench gait', args.network]
        for name in ('tracks', 'threads', 'periods'):
            words += [f'--{name}', *(f'{value:g}' for value in getattr(args, name))]
        words += ['--repeats', str(args.repeats), '--out', args.out]
        found = results.document(' '.join(words), [0], plain, ('onnxruntime',))
        results.write(args.out, found)
    print(json.dumps(plain, indent=1) if args.json else gait.table(rows))
    return 0
