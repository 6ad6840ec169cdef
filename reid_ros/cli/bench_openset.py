"""`reid_ros bench openset`. No verb of its own."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_ros.cli import arguments
from reid_ros.cli.arguments import number
from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.bench.openset import Decided, Outcome, Scored
    from reid_ros.bench.tails import Tail

_ABOUT = """\
Enrols 10, 100 and 1,000 rendered people, each from one track before one camera, and shows the
system other tracks of theirs, before other cameras, and 5,000 of 1,000 strangers. Told are
- scores: who is found (TPIR) at the threshold that keeps the share of strangers who are taken for
  somebody (FPIR);
- decisions: both shares where the system decides by itself, for the false_accept it is set to;
- tails: how many strangers really are as close as the calibration says so few are.
`oracle` has vectors that tell who somebody is; `colour` is the built-in baseline; every other name
is that of an appearance network. Intervals are of 95 %, by bootstrap over people.

Drawing is most of the cost: about 9,000 tracks of four crops, 5 minutes on one free core, and
3,000 more with --fit; a network costs its time for 4 crops a track on top. --cache keeps the
vectors, so that only a contender who is new has to be shown the pictures.
"""


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'openset',
        help='known people and strangers: who is found, who is taken for somebody',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.contenders(part, ('appearance', 'colour', 'oracle'))
    part.add_argument(
        '--fit', action='store_true',
        help='calibrate on people of the split train, too, and tell both',
    )  # fmt: skip
    part.add_argument(
        '--fit-people', type=number(int, 3), metavar='N', help='of --fit (default 500, quick 20)'
    )
    part.add_argument(
        '--enrol', type=int, choices=(1, 2), default=1,
        help='tracks that a person is enrolled from, each before another camera (default 1)',
    )  # fmt: skip
    part.add_argument('--quick', action='store_true', help='a few people: shows that it runs')
    part.add_argument('--split', choices=('train', 'validation', 'test'), default='test')
    part.add_argument('--seed', type=number(int, 0), help='of cameras, places, walks (default 1)')
    part.add_argument('--cache', metavar='DIR', help='keep vectors, and take those that are there')
    part.add_argument('--quiet', action='store_true', help='show no progress')
    part.add_argument('--json', action='store_true')
    part.add_argument('--out', metavar='FILE', help='write the rows, with how to repeat them')
    part.set_defaults(call=_openset)


def _openset(args: argparse.Namespace) -> int:
    import dataclasses

    from reid_ros import results
    from reid_ros.bench import openset
    from reid_ros.bench.contenders import contender
    from reid_ros.progress import Progress

    if args.fit_people is not None and not args.fit:
        raise ReidError('--fit-people needs --fit')
    seed = openset.SEED if args.seed is None else args.seed
    sizes = openset.QUICK if args.quick else openset.Sizes()
    total = sizes.enrol + sizes.probes
    sizes = dataclasses.replace(
        sizes, enrol=args.enrol, probes=total - args.enrol, fit=args.fit_people or sizes.fit
    )
    files = arguments.calibrations(args.calibration, args.contenders)
    results.commit()
    contenders = [contender(name, files.get(name, '')) for name in args.contenders]
    groups = [*sizes.groups(args.split, seed), *([sizes.training(seed)] if args.fit else [])]
    progress = Progress(None if args.quiet else sys.stderr, sum(map(len, groups)), 'tracks')
    cache = None if args.cache is None else Path(args.cache)
    try:
        outcomes, fits = openset.run(
            contenders, sizes, args.split, seed, args.fit, files, cache, progress.add
        )
    finally:
        progress.close()
    content = results.document(
        _command(args, seed),
        [seed],
        [row for outcome in outcomes for row in outcome.rows()],
        ('onnxruntime',),
        split=args.split,
        sizes=dataclasses.asdict(sizes),
        goals=[outcome.goals() for outcome in outcomes],
        fitted=fits,
        det=[curve for outcome in outcomes for curve in outcome.curves],
    )
    if args.out:
        results.write(args.out, content)
    print(json.dumps(content, indent=1) if args.json else table(outcomes))
    return 0


def _command(args: argparse.Namespace, seed: int) -> str:
    words = ['reid_ros bench openset --contenders', *args.contenders]
    words += [f'--calibration {text}' for text in args.calibration]
    words += ['--fit'] * args.fit
    words += [f'--fit-people {args.fit_people}'] * bool(args.fit_people)
    words += [f'--enrol {args.enrol}'] * (args.enrol != 1)
    words += ['--quick'] * args.quick
    words += [f'--split {args.split} --seed {seed}']
    words += [f'--out {args.out}'] * bool(args.out)
    return ' '.join(words)


def table(outcomes: Sequence[Outcome]) -> str:
    """Scores, decisions and tails for people."""
    lines = ['scores    people  at FPIR    TPIR']
    for outcome in outcomes:
        lines += _headed(outcome.scored, _score)
    lines += ['', 'decisions people  set to     FPIR                     TPIR'
              '                     wrong']  # fmt: skip
    for outcome in outcomes:
        lines += _headed(outcome.decided, _decision)
    lines += ['', 'tails     of pairs in       said      really       pairs   angle  said']
    for outcome in outcomes:
        lines += _headed(outcome.tails, _tail)
    return '\n'.join(lines)


def _headed(rows: Sequence[Any], text: Any) -> list[str]:
    if not rows:
        return []
    return [f'{rows[0].contender}, calibration: {rows[0].calibration}', *map(text, rows)]


def _score(row: Scored) -> str:
    return f'  {row.score:8}  {row.people:4d}  {100 * row.at:5.1f} %  {_rate(row.tpir)}'


def _decision(row: Decided) -> str:
    mark = '  ' if row.kept else '!!'
    return (
        f'            {row.people:4d}  {100 * row.configured:5.1f} %  {_rate(row.fpir)} {mark} '
        f'{_rate(row.tpir)}  {_rate(row.wrong)}'
    )


def _tail(row: Tail) -> str:
    place = row.condition.replace('_', ' ')
    return (
        f'            {place:12}  {row.said:8.0e}  {row.realised:10.2e}  {row.pairs:10d}  '
        f'{row.angle_deg:5.1f}  {row.said_deg:5.1f}'
    )


def _rate(rate: Any) -> str:
    return f'{100 * rate.value:6.2f} ({100 * rate.low:5.2f} to {100 * rate.high:5.2f})'
