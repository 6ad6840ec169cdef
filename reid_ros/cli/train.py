"""`reid_ros train run`, and the verb's other parts."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reid_ros.cli import gait, searcher, silhouette, train_ablate, train_convert, train_table
from reid_ros.cli.arguments import changes
from reid_ros.cli.learnable import Learnable

_ABOUT = """\
Trains a network as a recipe says: a YAML file with data, network, losses, schedule and run; every
setting has a default, and the recipe as it was used is saved beside the results. Recipes of ours
stand in config/train. A killed training goes on where it stood when it is started again; with
`torchrun` in place of `python`, several processes learn together:

  reid_ros train run config/train/teacher.yaml --out runs/teacher
  reid_ros train run config/train/dense.yaml --out runs/quick --set optim.steps=200 run.seed=1
  torchrun --nproc-per-node 4 -m reid_ros train run config/train/teacher.yaml --out runs/teacher
"""


def add(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser('train', help='train networks, and compare ways to train them')
    parts = verb.add_subparsers(title='parts', dest='part', required=True, metavar='PART')
    _add_run(parts)
    train_ablate.add(parts)
    train_table.add(parts)
    train_convert.add(parts)


def _add_run(parts: Any) -> None:
    verb = parts.add_parser(
        'run',
        help='train a network as a recipe says',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument('recipe', metavar='RECIPE', help='a YAML file')
    verb.add_argument('--out', metavar='DIR', required=True, help='folder of the results')
    verb.add_argument(
        '--set', nargs='+', default=[], metavar='NAME=VALUE', help='settings in place of its own'
    )
    verb.add_argument(
        '--test', action='store_true', help='afterwards score data.test, once, into test.json'
    )
    verb.add_argument('--quiet', action='store_true', help='show no progress')
    verb.set_defaults(call=_train)


def _learnable(task: str) -> Learnable:
    tasks = {
        'gait': gait.learnable,
        'search': searcher.learnable,
        'silhouette': silhouette.learnable,
    }
    return tasks.get(task, _appearance)()


def _appearance() -> Learnable:
    from reid_ros.train import final, recognition

    return Learnable(
        lambda tell: recognition.kind(), lambda folder, tell: final.final_scores(folder), line, ''
    )


def _train(args: argparse.Namespace) -> int:
    from reid_ros.progress import Progress
    from reid_ros.train import loop, settings

    task = _learnable(settings.task(args.recipe))
    folder, stream = Path(args.out), None if args.quiet else sys.stderr
    drawing = Progress(stream, 0, task.drawn)
    kind = task.kind(drawing.add)
    recipe = kind.read(args.recipe, changes(args.set))
    progress = Progress(stream, recipe.optim.steps, 'steps')
    try:
        done = loop.learn(kind, recipe, folder, progress.add, command=_command(args))
        if not done.scores:
            return 0  # one of several processes, not the first
        found = dict(done.scores['validation'])
        if args.test:
            found |= task.final(folder, drawing.add)
    finally:
        drawing.close()
        progress.close()
    for name, values in found.items():
        print(task.line(name, values))
    print(f'results: {folder}')
    return 0


def _command(args: argparse.Namespace) -> str:
    words = ['reid_ros', 'train', 'run', args.recipe, '--out', args.out]
    return shlex.join([*words, *(['--set', *args.set] if args.set else [])])


def line(name: str, found: Mapping[str, Any]) -> str:
    """One set's score, for people."""
    low, high = found['intervals']['rank-1']
    return (
        f'{name}: rank-1 {found["rank-1"]:.1f} % ({low:.1f} to {high:.1f}), mAP {found["mAP"]:.1f}'
        f' %, {found["queries"]} queries of {found["people"]} people, {found["frames"]} frames'
    )
