"""`reid_ros bench follow`. No verb of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reid_ros.bench.follow import Score

_ABOUT = """\
A robot with a camera, two fixed cameras, eight people who come and go, two pairs of them in the
same clothes: in a closed loop without images (true boxes disturbed as by a detector, vectors that
tell who somebody is) the robot follows one who has a look-alike. Tracks, identities, the target,
its place and the speeds are what the node runs; ways round furniture stand in for Nav2. Nobody
steps aside for the robot.

locked: share of the time that the target is half in view of a camera. wrong: share of the locked
time in which the box aimed at was somebody else's. pushed: least distance at which the robot
drove.
"""
_HEAD = (
    'seed  visible s  locked %  wrong %  returns in time  longest s  released  pushed m  error m'
)


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'follow',
        help='a robot that follows one of eight people, in a closed loop',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_argument('--seeds', type=int, nargs='+', default=[101, 102, 103], metavar='N')
    part.add_argument('--seconds', type=float, default=180.0, help='of each world (180)')
    part.add_argument('--split', choices=('train', 'validation', 'test'), default='test')
    part.add_argument('--out', metavar='FILE', help='JSON file for the rows')
    part.add_argument('--json', action='store_true')
    part.add_argument('--quiet', action='store_true', help='show no progress')
    part.set_defaults(call=_follow)


def _follow(args: argparse.Namespace) -> int:
    from reid_ros import results
    from reid_ros.bench.follow import STEP_S, Chase, chase_world
    from reid_ros.progress import Progress

    results.commit()
    scores = []
    quiet = args.quiet or args.json
    for seed in args.seeds:
        chase = Chase(chase_world(seed, args.seconds, args.split))
        steps = round(args.seconds / STEP_S)
        shown = Progress(None if quiet else sys.stderr, steps, f'steps of seed {seed}')
        scores.append(chase.run(shown.add))
        shown.close()
    if not args.json:
        print(_HEAD)
        for score in scores:
            print(line(score))
    rows = [
        {key: None if value == math.inf else value for key, value in row.items()}
        for row in map(dataclasses.asdict, scores)
    ]
    if args.json:
        print(json.dumps(rows, indent=1))
    if args.out:
        command = f'reid_ros bench follow --seconds {args.seconds:g} --split {args.split} --seeds '
        command += ' '.join(map(str, args.seeds))
        results.write(args.out, results.document(command, args.seeds, rows))
    return 0


def line(score: Score) -> str:
    """One row of the table."""
    locked = 100 * score.right / max(score.visible, 1e-9)
    wrong = 100 * score.wrong / max(score.locked, 1e-9)
    return (
        f'{score.seed:4d}  {score.visible:9.0f}  {locked:8.1f}  {wrong:7.2f}  '
        f'{score.found:6d} of {score.returns:<6d}  {max(score.waits, default=0.0):9.1f}  '
        f'{score.released:8d}  {score.pushed_m:8.2f}  {score.error_m:7.2f}'
    )
