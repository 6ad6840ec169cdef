"""`reid_ros bench silhouette`. No verb of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_ros.cli.arguments import number
from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.bench.silhouette import Agreement, Score, Seen, Speed
    from reid_ros.silhouette import Silhouetter

DATA = 'REID_ROS_DATA'
"""Name of the environment variable that stands in for --data."""
USUAL = ('silhouette', 'seg_selfie_segmentation')
FOOTAGE = ('one-by-one', 'multicam')
BATCHES = (1, 8)

_ABOUT = """\
How well silhouette networks cut people out. On rendered people of the test split, in boxes as a
detector gives them: mean overlap (intersection over union) with the true mask, also of the aligned
silhouettes, and whether the judgement of quality keeps whole people and refuses hidden ones. With
--data, on real development footage, where there is no truth: how alike the networks are, and,
before the one fixed camera, how alike what differs from the empty place. --sheet writes contact
sheets.
"""


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'silhouette',
        help='how well silhouette networks cut people out, and how fast',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_argument('networks', nargs='*', metavar='NETWORK', help='a card or an .onnx file')
    part.add_argument(
        '--people', type=number(int, 1, 10_000), default=150, metavar='N',
        help='rendered people of each of three sets (default 150)',
    )  # fmt: skip
    part.add_argument(
        '--data', metavar='DIR', help=f'folder with video/ and multicam/ (default ${DATA})'
    )
    part.add_argument('--sheet', metavar='DIR', help='write pictures of real silhouettes there')
    part.add_argument('--quiet', action='store_true', help='show no progress')
    part.add_argument('--json', action='store_true')
    part.add_argument('--out', metavar='FILE', help='write the rows, with how to repeat them')
    part.set_defaults(call=_silhouette)


def _silhouette(args: argparse.Namespace) -> int:
    import cv2

    from reid_ros import results
    from reid_ros.bench import silhouette as bench
    from reid_ros.progress import Progress

    results.commit()
    cv2.setNumThreads(1)
    networks = _loaded(args.networks)
    folder = args.data or os.environ.get(DATA, '')
    progress = Progress(None if args.quiet else sys.stderr, 0, 'pictures')
    try:
        sets = {name: bench.truth(name, args.people) for name in bench.SETS}
        scores = [
            bench.score(name, network, pictures, true, progress.add)
            for pictures, true in sets.items()
            for name, (_, network) in networks.items()
        ]
        speeds = [
            bench.speed(name, path, network, batch, sets['usual'])
            for batch in BATCHES
            for name, (path, network) in networks.items()
        ]
        nets = {name: network for name, (_, network) in networks.items()}
        alike: list[Agreement] = []
        for name in FOOTAGE if folder else ():
            seen = bench.footage(name, Path(folder).expanduser(), nets, progress.add)
            alike += _pairs(name, seen)
            if args.sheet:
                _write(Path(args.sheet) / f'{name}.png', seen)
    finally:
        progress.close()
    return _told(args, scores, alike, speeds)


def _told(
    args: argparse.Namespace,
    scores: Sequence[Score],
    alike: Sequence[Agreement],
    speeds: Sequence[Speed],
) -> int:
    from reid_ros import results
    from reid_ros.bench import silhouette as bench

    content = results.document(
        _command(args),
        [bench.SEED],
        [dataclasses.asdict(row) for row in scores],
        ('onnxruntime',),
        people=args.people,
        footage=[dataclasses.asdict(row) for row in alike],
        speed=[dataclasses.asdict(row) for row in speeds],
    )
    if args.out:
        results.write(args.out, content)
    print(json.dumps(content, indent=1) if args.json else table(scores, alike, speeds))
    return 0


def _loaded(given: Sequence[str]) -> dict[str, tuple[Path, Silhouetter]]:
    """Networks by name: those asked for, or the shipped one and the selfie model where it is."""
    from reid_ros import card as cards
    from reid_ros.model import Model
    from reid_ros.silhouette import Silhouetter

    found = {}
    for name in given or USUAL:
        if not given and cards.onnx_of(cards.named(name)) is None:
            print(f'{name} is not here and left out', file=sys.stderr)
            continue
        path, card = cards.find(name, 'silhouette')
        model = Model.load(path, card, backend='cpu', threads=1)
        found[card.name] = path, Silhouetter(model)
    return found


def _pairs(name: str, seen: Sequence[Seen]) -> list[Agreement]:
    from reid_ros.bench import silhouette as bench

    if not seen:
        return []
    names = list(seen[0].silhouettes)
    return [
        bench.agreement(name, seen, one, other)
        for k, one in enumerate(names)
        for other in names[k + 1 :]
    ]


def _write(path: Path, seen: Sequence[Seen], most: int = 42) -> None:
    import cv2

    from reid_ros.bench import silhouette as bench

    some = [seen[k * len(seen) // most] for k in range(most)] if len(seen) > most else seen
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), bench.sheet(some)):
        raise ReidError(f'--sheet: cannot write {path}')


def table(scores: Sequence[Score], alike: Sequence[Agreement], speeds: Sequence[Speed]) -> str:
    """The results for people."""
    wide = max((len(row.network) for row in scores), default=8)
    lines = [
        f'{"network":{wide}}  pictures  crops  overlap  whole  hidden  aligned  kept  refused'
    ]
    lines += [
        f'{row.network:{wide}}  {row.pictures:8}  {row.crops:5d}  {100 * row.overlap:7.1f}  '
        f'{100 * row.overlap_whole:5.1f}  {100 * row.overlap_hidden:6.1f}  '
        f'{100 * row.overlap_aligned:7.1f}  {100 * row.kept:4.0f}  {100 * row.refused:7.0f}'
        for row in scores
    ]
    lines += [
        f'{pair.footage}: {pair.one} and {pair.other} overlap {100 * pair.overlap:.1f} % in '
        f'{pair.crops} crops; kept {100 * pair.kept_one:.0f} and {100 * pair.kept_other:.0f} %'
        for pair in alike
    ]
    lines += [
        f'{one.network}, {one.megabytes:g} MB, batch {one.batch}: {one.ms:.2f} ms a silhouette, '
        f'{one.network_ms:.2f} of it the network'
        for one in speeds
    ]
    return '\n'.join(lines)


def _command(args: argparse.Namespace) -> str:
    words = ['reid_ros bench silhouette', *args.networks, f'--people {args.people}']
    # Where the footage lies is this machine's own affair.
    if args.data or os.environ.get(DATA):
        words.append('--data DIR')
    if args.out:
        words.append(f'--out {args.out}')
    return ' '.join(words)
