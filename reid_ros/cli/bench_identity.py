"""`reid_ros bench identity`. No verb of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reid_ros.cli import arguments

if TYPE_CHECKING:
    from reid_ros.bench.identity import Row

NAMES = ('appearance', 'appearance+ground', 'colour', 'colour+ground', 'oracle')
_ABOUT = """\
Renders the worlds of the standard suite, whose seeds nothing was chosen on, and shows them to a
pipeline per contender: same images, same boxes (the true ones with misses, shaking edges and
ghosts). `oracle` has vectors that tell who somebody is, so what it loses is lost by tracking and
identity; `appearance` is the shipped student, `colour` the built-in baseline without a network;
every other name is that of an appearance network, and `none` sees no looks at all.
NAME+ground also knows where the fixed cameras stand. NAME+gait also sees how people walk, by the
shipped networks; NAME+gaitoracle is told, with the noise of a small network and of those alone who
are seen to walk.
"""


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'identity',
        help='who is who over all cameras, in rendered worlds with known truth',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.contenders(part, NAMES, ', or none; each also with +ground, +gait or +gaitoracle')
    part.add_argument('--worlds', nargs='+', metavar='NAME', help='default: the standard suite')
    part.add_argument('--seeds', type=int, nargs='+', metavar='N')
    part.add_argument('--split', choices=('train', 'validation', 'test'), default='test')
    part.add_argument('--quiet', action='store_true', help='show no progress')
    part.add_argument('--json', action='store_true')
    part.add_argument('--out', metavar='FILE', help='write the rows, with how to repeat them')
    part.set_defaults(call=_identity)


def _identity(args: argparse.Namespace) -> int:
    from reid_ros import results
    from reid_ros.bench import identity
    from reid_ros.bench.contenders import contender
    from reid_ros.progress import Progress
    from reid_ros.world.scenario import SUITE, named

    results.commit()
    files = arguments.calibrations(args.calibration, args.contenders)
    worlds, seeds = args.worlds or list(SUITE), args.seeds or list(identity.SEEDS)
    for world in worlds:
        named(world)
    contenders = [contender(name, files.get(name, '')) for name in args.contenders]
    total = sum(
        round(named(world).seconds * named(world).rate_hz * named(world).cameras)
        for world in worlds
    )
    progress = Progress(None if args.quiet else sys.stderr, total * len(seeds), 'images')
    try:
        rows = identity.suite(contenders, worlds, seeds, args.split, progress.add)
    finally:
        progress.close()
    plain = [dataclasses.asdict(row) for row in rows]
    means = identity.means(rows)
    if args.out:
        command = 'reid_ros bench identity --contenders ' + ' '.join(args.contenders)
        if args.worlds:
            command += ' --worlds ' + ' '.join(worlds)
        command += ''.join(f' --calibration {text}' for text in args.calibration)
        command += f' --seeds {" ".join(map(str, seeds))} --split {args.split} --out {args.out}'
        content = results.document(command, seeds, plain, ('onnxruntime',), means=means)
        results.write(args.out, content)
    if args.json:
        print(json.dumps({'means': means, 'rows': plain}, indent=1))
    else:
        print(table(rows, means))
    return 0


def table(rows: Sequence[Row], means: Sequence[Mapping[str, Any]]) -> str:
    """The rows for people, then each contender's means."""
    wide = max(len(row.contender) for row in rows)
    head = (
        f'{"contender":{wide}}  world        seed   IDF1   live   AssA  switches  handover     '
        "return       confirm  confirmed  wrong  another's  numbers  clashes"
    )
    lines = [
        f'{row.contender:{wide}}  {row.world:11} {row.seed:5d}  '
        + _figures(dataclasses.asdict(row))
        + f'  {row.persons:3d}/{row.people:<3d}  '
        + _clashes(dataclasses.asdict(row))
        for row in rows
    ]
    lines += [
        f'{mean["contender"]:{wide}}  {"all":11} {mean["worlds"]:5d}  '
        + _figures(mean)
        + '           '
        + _clashes(mean)
        for mean in means
    ]
    return '\n'.join([head, *lines])


def _figures(row: Mapping[str, Any]) -> str:
    confirm = '   never' if row['confirm_s'] is None else f'{row["confirm_s"]:6.2f} s'
    kept = '  '.join(
        f'{row[share]:5.1f} of {row[count]:<3d}' if row[count] else '    -       '
        for share, count in (('handover', 'handovers'), ('reacquired', 'returns'))
    )
    return (
        f'{row["idf1"]:5.1f}  {row["live_idf1"]:5.1f}  {row["assa"]:5.1f}  {row["switches"]:8d}  '
        f'{kept}  {confirm}  {row["confirmed"]:9.1f}  {row["wrong"]:5.1f}  '
        f'{row["another"]:9.1f}'
    )


def _clashes(row: Mapping[str, Any]) -> str:
    return f'{row["duplicates"] + row["confused"] + row["apart"]:7d}'
