"""`reid_ros train table`. No verb of its own."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_ros.cli.arguments import number


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'table',
        help='finished trainings side by side, on the people kept for the end',
        description='Scores finished trainings on data.test and sets them side by side: size, '
        'cost, rank-1 and mAP with 95 %% intervals, by bootstrap over people, and the gates that '
        'each has failed.',
    )
    part.add_argument('trainings', nargs='+', type=Path, metavar='TRAINING')
    part.add_argument(
        '--frames', nargs='+', type=number(int, 1, 64), default=[], metavar='N',
        help='of each tracklet (default: as in its recipe)',
    )  # fmt: skip
    part.add_argument('--quiet', action='store_true', help='show no progress')
    part.add_argument('--json', action='store_true')
    part.add_argument('--out', metavar='FILE', help='write the rows, with how to repeat them')
    part.set_defaults(call=_table)


def _table(args: argparse.Namespace) -> int:
    from reid_ros import results
    from reid_ros.progress import Progress
    from reid_ros.train import table

    frames: list[int] = args.frames or [0]
    results.commit()
    total = len(args.trainings) * len(frames)
    progress = Progress(None if args.quiet else sys.stderr, total, 'scores')
    try:
        rows = table.rows(args.trainings, frames, progress.add)
    finally:
        progress.close()
    seeds = sorted({row['seed'] for row in rows})
    content = results.document(_command(args), seeds, rows, ('torch',))
    if args.out:
        results.write(args.out, content)
    print(json.dumps(content, indent=1) if args.json else _text(rows))
    return 0


def _command(args: argparse.Namespace) -> str:
    words = ['reid_ros', 'train', 'table', *map(str, args.trainings)]
    words += ['--frames', *map(str, args.frames)] if args.frames else []
    return shlex.join([*words, *(['--out', args.out] if args.out else [])])


def _text(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ['training         network          M     GFLOPs  frames  rank-1                 mAP']
    for row in rows:
        for found in row['test'].values():
            low, high = found['intervals']['rank-1']
            rank1 = f'{found["rank-1"]:.1f} ({low:.1f} to {high:.1f})'
            lines.append(
                f'{row["name"]:16} {row["encoder"]:14} {row["parameters"] / 1e6:5.2f}  '
                f'{row["gflops"]:8.4f}  {found["frames"]:6d}  {rank1:21}  {found["mAP"]:.1f}'
            )
        lines += [f'  failed: {gate}' for gate in row['gates_failed']]
    return '\n'.join(lines)
