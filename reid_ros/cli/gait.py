"""`reid_ros train run` and `reid_ros export` of gait networks. No verb of its own."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_ros.cli.arguments import changes
from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.train.artefact import Made


def train(args: argparse.Namespace, command: str) -> int:
    """Train as a recipe of `task: gait` says."""
    from reid_ros.progress import Progress
    from reid_ros.train import loop
    from reid_ros.train.gait import settings, walking
    from reid_ros.train.gait.final import final_scores

    recipe = settings.read(args.recipe, changes(args.set))
    folder = Path(args.out)
    stream = None if args.quiet else sys.stderr
    drawing = Progress(stream, 0, 'walks')
    progress = Progress(stream, recipe.optim.steps, 'steps')
    try:
        kind = walking.kind(drawing.add)
        done = loop.learn(kind, recipe, folder, progress.add, command=command)
        if not done.scores:
            return 0  # one of several processes, not the first
        found = dict(done.scores['validation'])
        if args.test:
            found |= final_scores(folder, drawing.add)
    finally:
        drawing.close()
        progress.close()
    for name, values in found.items():
        print(line(name, values))
    print(f'results: {folder}')
    return 0


def is_one(folder: str) -> bool:
    """Whether a folder holds the training of a gait network."""
    from reid_ros.train.gait import saved

    return saved.is_one(Path(folder))


def exported(args: argparse.Namespace) -> Callable[..., Made]:
    """What exports a gait network.

    Raises:
        ReidError: an option that has no meaning for one.
    """
    from reid_ros.train.gait.artefact import PRECISIONS, exported

    for option in ('clip', 'rendered'):
        if getattr(args, option):
            raise ReidError(f'--{option} has no meaning for a gait network')
    if args.precision not in PRECISIONS:
        raise ReidError(
            f'--precision {args.precision}: gait networks have {", ".join(PRECISIONS)}'
        )
    return functools.partial(exported, silhouette=args.silhouette)


def line(name: str, found: Mapping[str, Any]) -> str:
    """One set's score, for people."""
    low, high = found['intervals']['rank-1']
    parts = [f'{condition} {value:.1f}' for condition, value in found['conditions'].items()]
    return (
        f'{name}: rank-1 {found["rank-1"]:.1f} % ({low:.1f} to {high:.1f}; {", ".join(parts)}), '
        f'mAP {found["mAP"]:.1f} %, {found["queries"]} probes of {found["people"]} people'
    )
