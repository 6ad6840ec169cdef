"""`reid_ros train ablate`. No verb of its own."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_ros.cli import arguments

_ABOUT = """\
Trains every cell of a queue file: each arm, from each start, with each seed. A done cell is
not done again, an interrupted one goes on where it stopped, and a failed one is noted. Several of
these commands may share a folder, to use several cores. After each cell the table is written to
--table, with paired differences, their 95 % intervals, and the gates that a claim must pass.
"""


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'ablate',
        help='train the cells of a study and compare its arms',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.study(part)
    part.add_argument(
        '--known', type=Path, metavar='FILE',
        help='a table of this study: its cells are taken where recipe, teacher and start are '
        'equal, so that a study goes on when its folder is lost, or on another machine',
    )  # fmt: skip
    part.set_defaults(call=_ablate)


def _ablate(args: argparse.Namespace) -> int:
    from reid_ros.train import ablate

    plan = ablate.read(args.queue, arguments.changes(args.set))
    command = arguments.of_study(args, 'train', 'ablate')

    def after(record: Mapping[str, Any]) -> None:
        if args.table:
            ablate.write(plan, args.out, command, args.table)
        print(_cell(record), file=sys.stderr, flush=True)

    if not args.show:
        ablate.run(plan, args.out, after, args.again, command, args.only, args.known)
    if args.table:
        content = ablate.write(plan, args.out, command, args.table)
    else:
        content = ablate.document(plan, args.out, command)
    if args.json:
        print(json.dumps(content, ensure_ascii=False, indent=1))
    else:
        _print(content, plan.question.headline)
    return 1 if content['failed'] else 0


def _cell(record: Mapping[str, Any]) -> str:
    if 'failed' in record:
        return f'{record["cell"]}: failed: {record["failed"]}'
    split = 'test' if record.get('test') else 'validation'
    scores = [
        f'{name} rank-1 {found["rank-1"]:.1f} mAP {found["mAP"]:.1f}'
        for name, found in record[split].items()
    ]
    return f'{record["cell"]}: {", ".join(scores)}, {record["wall_s"]:.0f} s'


def _print(content: Mapping[str, Any], headline: str) -> None:
    print(content['done'])
    place = None
    for row in content['rows']:
        if (row['split'], row['set']) != place:
            place = row['split'], row['set']
            print(f'\n{row["split"]} on {row["set"]}, mean and deviation over seeds, %')
            print(
                f'{"start":12} {"arm":12} seeds  rank-1         mAP           '
                f' rank-1 of {headline or "-"} less this     moved  seconds'
            )
        print(_line(row))
    _tell('cosine of the gradients of task and distillation', list(_angles(content['rows'])))
    _tell('failed', [f'{name}: {why}' for name, why in content['failed'].items()])
    for claim in content['claims']:
        where = f'{claim["split"]} on {claim["set"]}, {claim["init"]}'
        says = {None: 'may not be judged yet', True: 'holds', False: 'does not hold'}
        print(f'\n{where}: that {headline} beats its rivals {says[claim["holds"]]}')
        _tell('beaten', claim['beaten'])
        _tell('gates that failed', claim['gates_failed'])


def _line(row: Mapping[str, Any]) -> str:
    gap = row.get('headline - this, rank-1')
    if gap is None:
        between = ''
    elif gap['low'] is None:
        between = f'{gap["mean"]:+.2f}'
    else:
        between = f'{gap["mean"]:+.2f} ({gap["low"]:+.2f} to {gap["high"]:+.2f})'
    spreads = [_number(row[name], row[f'{name} sd']) for name in ('rank-1', 'mAP')]
    moved = '-' if row.get('moved') is None else f'{row["moved"]:.2f}'
    wall = f'{row["wall_s"]:.0f}' if 'wall_s' in row else '-'
    return (
        f'{row["init"]:12} {row["arm"]:12} {len(row["seeds"]):5d}  {spreads[0]:13}  '
        f'{spreads[1]:13}  {between:28}  {moved:>5}  {wall:>7}'
    )


def _angles(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of each start and arm; rows of other sets say the same."""
    for row in rows:
        if (row['split'], row['set']) != (rows[0]['split'], rows[0]['set']):
            return
        found = {key[8:]: value for key, value in row.items() if key.startswith('cosine, ')}
        parts = [
            f'{phase} {value["mean"]:+.2f} ({100 * value["negative"]:.0f} % of {value["looks"]} '
            'below 0)'
            for phase, value in found.items()
        ]
        if parts:
            yield f'{row["init"]} {row["arm"]}: {", ".join(parts)}'


def _number(mean: float | None, deviation: float | None) -> str:
    if mean is None:
        return '-'
    return f'{mean:.2f}' if deviation is None else f'{mean:.2f} ± {deviation:.2f}'


def _tell(title: str, lines: Sequence[str]) -> None:
    if lines:
        print(f'{title}:')
        for line in lines:
            print(f'  {line}')
