"""`reid_ros train run` and `reid_ros export` of silhouette networks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reid_ros.cli.learnable import Learnable
from reid_ros.types import ReidError


def learnable() -> Learnable:
    """`task: silhouette`."""
    from reid_ros.train.segment import final, masking

    return Learnable(masking.kind, final.final_scores, line, 'pictures')


def line(name: str, found: Mapping[str, Any]) -> str:
    """One set's score, for people."""
    parts = [f'mean overlap with the true mask {100 * found["iou"]:.1f} %']
    for key, words in (('iou_clear', 'in full view'), ('iou_hidden', 'partly hidden')):
        if key in found:
            parts.append(f'{words} {100 * found[key]:.1f}')
    return f'{name}: {", ".join(parts)}, a tenth below {100 * found["tenth"]:.1f}'


def export(args: argparse.Namespace, command: str) -> int:
    """Write a silhouette network as a file that a robot runs."""
    from reid_ros.progress import Progress
    from reid_ros.train.segment.export import Wanted, exported

    for option in ('clip', 'rendered'):
        if getattr(args, option):
            raise ReidError(f'--{option} has no meaning for a silhouette network')
    wanted = Wanted(
        precision=args.precision,
        name=args.name,
        note=args.note,
        command=command,
        crops=args.crops,
        threads=args.threads,
    )
    progress = Progress(None if args.quiet else sys.stderr, 0, 'pictures')
    try:
        made = exported(Path(args.training), Path(args.out), wanted, progress.add)
    finally:
        progress.close()
    if args.json:
        facts = {'file': str(made.path), 'megabytes': round(made.megabytes, 3)}
        print(json.dumps({**facts, 'card': made.card.to_json()}))
        return 0
    spec = made.card.input
    print(
        f'{made.path}: {made.megabytes:.2f} MB, {args.precision}, masks of crops of '
        f'{spec.width} x {spec.height}'
    )
    for name, values in made.scores.items():
        print(f'{line(name, values)} (fp32 {100 * made.full[name]["iou"]:.1f})')
    print(f'card: {made.path.with_suffix(".json")}')
    return 0
