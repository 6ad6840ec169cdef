"""`reid_ros train table`. No verb of its own."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_ros.cli.arguments import number
from reid_ros.types import ReidError


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'table',
        help='finished trainings side by side, on the people kept for the end',
        description='Scores finished trainings on data.test and sets them side by side: size, '
        'cost, rank-1 and mAP with 95 %% intervals, by bootstrap over people, and the gates that '
        'each has failed. Of gait networks also rank-1 of single frames, of frames in any order, '
        'and with the other kind of masks: what each goes by. Of networks of person search also '
        'what is found of whom in true boxes, in their own, and in those of a detector; beside '
        'them a network of appearance is scored in true boxes.',
    )
    part.add_argument('trainings', nargs='+', type=Path, metavar='TRAINING')
    part.add_argument(
        '--frames', nargs='+', type=number(int, 1, 64), default=[], metavar='N',
        help='of each tracklet (default: as in its recipe); of appearance',
    )  # fmt: skip
    part.add_argument(
        '--sets', nargs='+', default=[], metavar='NAME',
        help='of the recipes, in place of data.test; of gait',
    )  # fmt: skip
    part.add_argument(
        '--detector', type=Path, metavar='TRAINING', help='whose boxes are told, too; of search'
    )
    part.add_argument(
        '--score', type=number(float, 0.0, 1.0), default=0.0, metavar='S',
        help='from which detections count (default: as in its recipe); of search',
    )  # fmt: skip
    part.add_argument('--quiet', action='store_true', help='show no progress')
    part.add_argument('--json', action='store_true')
    part.add_argument('--out', metavar='FILE', help='write the rows, with how to repeat them')
    part.set_defaults(call=_table)


def _table(args: argparse.Namespace) -> int:
    from reid_ros import results
    from reid_ros.progress import Progress

    kind = _kind(args)
    results.commit()
    total = len(args.trainings) * len(args.frames or [0])
    progress = Progress(None if args.quiet else sys.stderr, total, 'scores')
    try:
        rows = _rows(args, kind, progress.add)
    finally:
        progress.close()
    seeds = sorted({row['seed'] for row in rows})
    content = results.document(_command(args), seeds, rows, ('torch',))
    if args.out:
        results.write(args.out, content)
    text = {'gait': _gait_text, 'search': _search_text}.get(kind, _text)(rows)
    print(json.dumps(content, indent=1) if args.json else text)
    return 0


def _kind(args: argparse.Namespace) -> str:
    """The task of all trainings; '' = appearance, which may stand beside search, too.

    Raises:
        ReidError: of several tasks, or an option that has no meaning for them.
    """
    from reid_ros.train import saved

    tasks = [saved.task(folder) for folder in args.trainings]
    kind = tasks[0]
    if kind not in ('', 'gait', 'search') or not {*tasks} <= {kind, *[''] * (kind == 'search')}:
        raise ReidError(
            'TRAINING: a table is of appearance networks, of gait networks, or of networks of '
            'person search and after them those of appearance'
        )
    for option, its in (
        ('frames', ''),
        ('sets', 'gait'),
        ('detector', 'search'),
        ('score', 'search'),
    ):
        if kind != its and getattr(args, option):
            raise ReidError(f'--{option} has no meaning for these networks')
    return kind


def _rows(
    args: argparse.Namespace, kind: str, tell: Callable[[int], None]
) -> list[dict[str, Any]]:
    from reid_ros.train import table
    from reid_ros.train.gait import table as walks
    from reid_ros.train.search import table as searches

    if kind == 'gait':
        return walks.rows(args.trainings, args.sets, tell)
    if kind == 'search':
        return searches.rows(args.trainings, args.detector, args.score, tell)
    return table.rows(args.trainings, args.frames or [0], tell)


def _command(args: argparse.Namespace) -> str:
    words = ['reid_ros', 'train', 'table', *map(str, args.trainings)]
    words += ['--frames', *map(str, args.frames)] if args.frames else []
    words += ['--sets', *args.sets] if args.sets else []
    words += ['--detector', str(args.detector)] if args.detector else []
    words += ['--score', f'{args.score:g}'] if args.score else []
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


def _gait_text(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        'training         network        M     GFLOPs  set       walks of     rank-1  conditions'
    ]
    for row in rows:
        for name, ways in row['test'].items():
            for way, found in ways.items():
                what = f'{row["masks"]} masks' if way == 'whole' else way
                each = ', '.join(
                    f'{key} {value:.1f}' for key, value in found['conditions'].items()
                )
                lines.append(
                    f'{row["name"]:16} {row["encoder"]:11} {row["parameters"] / 1e6:5.2f}  '
                    f'{row["gflops"]:8.4f}  {name:8}  {what:11}  {found["rank-1"]:6.1f}  {each}'
                )
        lines += [f'  failed: {gate}' for gate in row['gates_failed']]
    return '\n'.join(lines)


def _search_text(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ['training         network     set      boxes      top-1    mAP   AP     recall']
    for row in rows:
        for name, found in row['test'].items():
            boxes = row.get('boxes', {}).get(name, {'true' if 'note' in row else 'own': found})
            for origin, values in boxes.items():
                own = found if origin in ('own', 'joint') else {}
                cells = [
                    f'{part[key]:5.1f}' if key in part else '  -  '
                    for part, key in (
                        (values, 'rank-1'), (values, 'mAP'), (own, 'detection AP'),
                        (own, 'detection recall'),
                    )
                ]  # fmt: skip
                lines.append(
                    f'{row["name"]:16} {row["encoder"]:10}  {name:7}  {origin:9}  '
                    + '  '.join(cells)
                )
        for name, found in row.get('on site', {}).items():
            lines.append(
                f'  {name}: rank-1 {found["rank-1"]} % of {found["tracks"]} tracks before another '
                'camera of the site'
            )
        lines += [f'  failed: {gate}' for gate in row['gates_failed']]
    return '\n'.join(lines)
