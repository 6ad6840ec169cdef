"""`reid_ros prune run` and `reid_ros prune study`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_ros.cli import arguments
from reid_ros.cli.arguments import number

_RUN = """\
Takes filters out of the network of a finished training, and trains what is left. The result is a
folder like any other of `reid_ros train run`; pruned.json in it says how large the network is now.
How the rest is trained, a teacher too, says the recipe; without one, as the network was trained:

  reid_ros prune run runs/dense --flops 0.5 --out runs/half
  reid_ros prune run runs/dense --criterion psfp --scope all --recipe retrain.yaml --out runs/small
"""
_STUDY = """\
Trains every cell of a queue file: networks x criteria x scenarios x targets. A done cell is not
done again, an interrupted one goes on where it stopped, a failed one is noted, and trainings that
several cells begin with are done once. Several of these commands may share a folder, to use
several cores. After each cell the table is written to --table; times are taken at the end:

  reid_ros prune study config/train/prune_study.yaml --out out/prune \\
    --table docs/results/pruning.json
"""
_CRITERIA = ('l1', 'taylor', 'entropy', 'fpgm', 'auto_balanced', 'psfp', 'random')


def add(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser('prune', help='make trained networks smaller, and compare ways to')
    parts = verb.add_subparsers(title='parts', dest='part', required=True, metavar='PART')
    _add_run(parts)
    _add_study(parts)


def _add_run(parts: Any) -> None:
    part = parts.add_parser(
        'run',
        help='prune the network of a training and train what is left',
        description=_RUN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_argument('training', metavar='TRAINING', help='folder of a finished training')
    part.add_argument('--out', metavar='DIR', required=True, help='folder of the results')
    part.add_argument('--recipe', metavar='FILE', help='how what is left is trained')
    part.add_argument('--criterion', choices=_CRITERIA, help='what makes a filter dispensable')
    part.add_argument(
        '--flops', type=number(float, 0.0, 1.0), metavar='SHARE', help='of the FLOPs that stays'
    )
    part.add_argument('--scope', choices=('inner', 'all'), help='all: sums of blocks shrink too')
    part.add_argument(
        '--round', type=number(int, 1, 256), metavar='N', help='widths become multiples of this'
    )
    part.add_argument(
        '--iterations', type=number(int, 1, 100), metavar='N', help='of ranking and removing'
    )
    part.add_argument(
        '--set', nargs='+', default=[], metavar='NAME=VALUE', help='settings of the recipe'
    )
    part.add_argument('--quiet', action='store_true', help='show no progress')
    part.set_defaults(call=_run)


def _add_study(parts: Any) -> None:
    part = parts.add_parser(
        'study',
        help='train the cells of a study and write its table',
        description=_STUDY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.study(part)
    part.add_argument('--clock', action='store_true', help='take all times anew, in one run')
    part.set_defaults(call=_study)


def _run(args: argparse.Namespace) -> int:
    # Not at the top: that module is a verb of its own.
    from reid_ros.cli.train import line
    from reid_ros.progress import Progress
    from reid_ros.train import saved, settings
    from reid_ros.train.prune.plan import facts, pruned, updates

    given = {
        f'prune.{name}': getattr(args, name)
        for name in ('criterion', 'flops', 'scope', 'round', 'iterations')
        if getattr(args, name) is not None
    }
    training = Path(args.training)
    wanted = {**arguments.changes(args.set), **given, 'start': str(training)}
    saved.recipe(training)  # says so where that is no training
    recipe = settings.read(args.recipe or training / saved.RECIPE, wanted)
    folder = Path(args.out)
    progress = Progress(None if args.quiet else sys.stderr, updates(recipe), 'steps')
    try:
        done = pruned(recipe, folder, progress.add, _command(args))
    finally:
        progress.close()
    if not done.scores:
        return 0  # one of several processes, not the first
    told = facts(folder)
    print(
        f'{100 * told["share"]:.1f} % of the FLOPs: {told["gflops"]:.4f} of '
        f'{told["gflops_dense"]:.4f} G; {told["parameters"] / 1e6:.2f} of '
        f'{told["parameters_dense"] / 1e6:.2f} M parameters'
    )
    for name, found in done.scores['validation'].items():
        print(line(name, found))
    print(f'results: {folder}')
    return 0


def _command(args: argparse.Namespace) -> str:
    words = ['reid_ros', 'prune', 'run', args.training, '--out', args.out]
    for name in ('recipe', 'criterion', 'flops', 'scope', 'round', 'iterations'):
        if getattr(args, name) is not None:
            words += [f'--{name}', str(getattr(args, name))]
    return shlex.join([*words, *(['--set', *args.set] if args.set else [])])


def _study(args: argparse.Namespace) -> int:
    from reid_ros.train.prune import study

    parts = study.read(args.queue, arguments.changes(args.set))
    command = arguments.of_study(args, 'prune', 'study')

    def after(record: Mapping[str, Any]) -> None:
        if args.table:
            study.write(parts, args.out, command, args.table)
        print(_cell(record), file=sys.stderr, flush=True)

    if not args.show:
        study.run(parts, args.out, after, args.again, command, only=args.only)
        study.timed(parts, args.out, args.clock)
    content = study.document(parts, args.out, command)
    if args.table and not args.show:
        study.write(parts, args.out, command, args.table)
    print(json.dumps(content, indent=1) if args.json else _table(content))
    return 1 if content['failed'] else 0


def _cell(record: Mapping[str, Any]) -> str:
    if 'failed' in record:
        return f'{record["cell"]}: failed: {record["failed"]}'
    found = next(iter(record['test'].values()))
    return (
        f'{record["cell"]}: rank-1 {found["rank-1"]:.1f} %, mAP {found["mAP"]:.1f} %, '
        f'{100 * record["share"]:.1f} % of the FLOPs, {record["wall_s"]:.0f} s'
    )


_COLUMNS = (
    ('net', 12), ('criterion', 14), ('scenario', 9), ('target', 12), ('scope', 6), ('share', 7),
    ('M parameters', 13), ('GFLOPs', 8), ('ms', 8), ('mAP', 7), ('rank-1', 7),
    ('rank-1 - dense', 15), ('seeds', 9),
)  # fmt: skip


def _table(content: Mapping[str, Any]) -> str:
    """The rows for people."""
    lines = [content['done'], ''.join(name.ljust(width + 1) for name, width in _COLUMNS)]
    rows: Sequence[Mapping[str, Any]] = content['rows']
    for row in rows:
        words = ['' if row[name] is None else str(row[name]) for name, _ in _COLUMNS]
        lines.append(''.join(w.ljust(width + 1) for w, (_, width) in zip(words, _COLUMNS)))
    lines += [f'failed: {cell}: {why}' for cell, why in content['failed'].items()]
    return '\n'.join(line.rstrip() for line in lines)
