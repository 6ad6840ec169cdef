"""`reid_ros bench search`. No verb of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_ros.types import ReidError

_ABOUT = """\
A search network as a robot meets it. In worlds of the standard suite it finds and tells people in
one pass, beside the same network as a plain detector with an appearance network for the crops;
each with vectors where they are due, and with one of every box. All see the same images, in turns.

With --film and --truth also how well it finds real people, beside other detectors: NAME or
NAME@SCORE, the score from which detections count (default 0.5) for precision and recall.
"""
SCORE = 0.5
LEAST = 0.05  # of detections that average precision is made of


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'search',
        help='one network that finds and tells people, beside two',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_argument('network', nargs='?', default='search', metavar='SEARCH')
    part.add_argument('--appearance', default='appearance', metavar='NAME')
    part.add_argument('--worlds', nargs='*', metavar='NAME', help='default: the standard suite')
    part.add_argument('--seeds', type=int, nargs='+', default=[101], metavar='N')
    part.add_argument('--split', choices=('train', 'validation', 'test'), default='test')
    part.add_argument('--film', type=Path, metavar='FILE')
    part.add_argument('--truth', type=Path, metavar='FILE', help='MOT text of the film')
    part.add_argument('--detectors', nargs='+', default=[], metavar='NAME')
    part.add_argument('--quiet', action='store_true', help='show no progress')
    part.add_argument('--json', action='store_true')
    part.add_argument('--out', metavar='FILE', help='write the rows, with how to repeat them')
    part.set_defaults(call=_search)


def _search(args: argparse.Namespace) -> int:
    from reid_ros import results
    from reid_ros.card import find

    if (args.film is None) != (args.truth is None):
        raise ReidError('--film needs --truth, its boxes as MOT text, and the other way round')
    results.commit()
    find(args.network, 'search')
    rows = _worlds(args)
    film = _film(args) if args.film else []
    content = results.document(_command(args), args.seeds, rows, ('onnxruntime',), film=film)
    if args.out:
        results.write(args.out, content)
    print(json.dumps(content, indent=1) if args.json else _text(rows, film))
    return 0


def _worlds(args: argparse.Namespace) -> list[dict[str, Any]]:
    from reid_ros.bench import onepass
    from reid_ros.progress import Progress
    from reid_ros.world.scenario import SUITE, named
    from reid_ros.world.world import World

    names = list(SUITE) if args.worlds is None else args.worlds
    worlds = [named(name) for name in names]
    pairs = (('one pass', args.network), ('two networks', args.appearance))
    contenders = [
        onepass.Networks(name + ', every box' * every, args.network, looks, every)
        for every in (False, True)
        for name, looks in pairs
    ]
    total = sum(round(world.seconds * world.rate_hz * world.cameras) for world in worlds)
    progress = Progress(None if args.quiet else sys.stderr, total * len(args.seeds), 'images')
    rows: list[dict[str, Any]] = []
    try:
        for world in worlds:
            for seed in args.seeds:
                found = onepass.watch(World(world, seed, args.split), contenders, progress.add)
                rows += [dataclasses.asdict(row) for row in found]
    finally:
        progress.close()
    return rows


def _film(args: argparse.Namespace) -> list[dict[str, Any]]:
    from reid_ros.bench import film
    from reid_ros.card import find
    from reid_ros.config import DetectConfig
    from reid_ros.detect import Detector
    from reid_ros.model import Model

    shown = film.scenes(args.film, args.truth)
    rows = []
    for text in (args.network, *args.detectors):
        name, _, least = text.partition('@')
        path, card = find(name, 'detector', 'search')
        with Model.load(path, card, backend='cpu') as model:
            found = film.score(
                Detector(model, DetectConfig(score=LEAST)), shown, float(least or SCORE)
            )
        rows.append({'detector': card.name, **dataclasses.asdict(found)})
    return rows


def _command(args: argparse.Namespace) -> str:
    words = ['reid_ros', 'bench', 'search', args.network, '--appearance', args.appearance]
    words += ['--worlds', *args.worlds] if args.worlds is not None else []
    words += ['--seeds', *map(str, args.seeds), '--split', args.split]
    if args.film:
        words += ['--film', args.film.name, '--truth', args.truth.name]
        words += (
            ['--detectors', *(Path(name).name for name in args.detectors)]
            if args.detectors
            else []
        )
    return shlex.join([*words, *(['--out', args.out] if args.out else [])])


def _text(rows: Sequence[Mapping[str, Any]], film: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f'{row["networks"]:24} {row["world"]:11} {row["seed"]:4d}  IDF1 {row["idf1"]:5.1f}  '
        f'wrong {row["wrong"]:5.1f} %  {row["frame_ms"]:6.1f} ms a frame, {row["boxes"]:.1f} '
        f'boxes, {row["vectors"]:.1f} vectors'
        for row in rows
    ]
    lines += [
        f'{row["detector"]:24} precision {row["precision"]:5.1f} %, recall {row["recall"]:5.1f} '
        f'% from {row["score"]:g}; average precision {row["average"]:5.1f} %'
        for row in film
    ]
    return '\n'.join(lines)
