"""`reid_ros train run` and `reid_ros export` of gait networks. No verb of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reid_ros.cli.arguments import changes


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


def line(name: str, found: Mapping[str, Any]) -> str:
    """One set's score, for people."""
    low, high = found['intervals']['rank-1']
    parts = [f'{condition} {value:.1f}' for condition, value in found['conditions'].items()]
    return (
        f'{name}: rank-1 {found["rank-1"]:.1f} % ({low:.1f} to {high:.1f}; {", ".join(parts)}), '
        f'mAP {found["mAP"]:.1f} %, {found["queries"]} probes of {found["people"]} people'
    )
