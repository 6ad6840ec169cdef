"""`reid_ros bench follow`. No verb of its own."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_ros.cli.arguments import number
from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.bench.following.drives import Drive
    from reid_ros.bench.following.score import Score
    from reid_ros.world.live import LiveWorld

_ABOUT = """\
A robot with a camera, two fixed cameras, eight people who come and go, two pairs of them in the
same clothes: in a closed loop the robot follows one who has a look-alike. Tracks, identities, the
target, its place and the speeds are what the node runs. People give way to the robot, as to each
other; furniture and people stop it.

Without --pictures there are no images: true boxes disturbed as by a detector, and vectors that
tell who somebody is. With it images are rendered and the shipped network makes the vectors. With
--live the world runs in real time before the live node and follow_node, each a process of its
own, over ROS 2 topics: cmd_vel drives the robot. The live node is reid_node; without pictures it
is identity_node, and the world says what a sight node would. In lockstep ways round furniture
stand in for Nav2; live, without Nav2, the robot stops before it.

locked: share of the time that the target is half in view of a camera. wrong: share of the locked
time in which the box aimed at was somebody else's. returns: times the target came back after a
second or more out of sight, and how many of them were locked within 3 s. pushed: least distance
to the target at which the robot drove forward; nearest: least distance at all.

Rendering takes most of the time. Drives that were recorded once are replayed within seconds, with
vectors of every box as they were; that shows what a change of tracks or identities does, but not
what a robot sees that follows somebody else:

  reid_ros bench follow --pictures --split validation --seeds 11 12 --record out/drives
  reid_ros bench follow --replay out/drives --split validation --seeds 11 12
"""
_MODES = ('wire', 'pictures', 'live wire', 'live pictures', 'replay')
_HEAD = (
    '         mode  seed  visible s  locked %  wrong %  returns in time  longest s  released  '
    'pushed m  nearest m  error m'
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
    part.add_argument(
        '--seconds', type=number(float, 1.0, 36000.0), default=180.0, help='of each world (180)'
    )
    part.add_argument('--split', choices=('train', 'validation', 'test'), default='test')
    part.add_argument('--pictures', action='store_true', help='render images, use the network')
    part.add_argument('--live', action='store_true', help='over ROS 2, in real time')
    part.add_argument('--replay', type=Path, metavar='DIR', help='drives that --record kept there')
    part.add_argument(
        '--record', type=Path, metavar='DIR',
        help='keep what the cameras saw, while the robot is told where its target truly is',
    )  # fmt: skip
    part.add_argument(
        '--rate', type=number(float, 0.5, 60.0), metavar='HZ',
        help='of each camera (10; live pictures 5)',
    )  # fmt: skip
    part.add_argument(
        '--video', metavar='FILE.mp4', help='what the robot saw and a map, of the first seed'
    )
    part.add_argument(
        '--out', metavar='FILE', help='JSON file for the rows; of others it keeps those it has'
    )
    part.add_argument('--json', action='store_true')
    part.add_argument('--quiet', action='store_true', help='show no progress')
    part.set_defaults(call=_follow)


def _follow(args: argparse.Namespace) -> int:
    from reid_ros import results
    from reid_ros.bench.following.chase import chase_world

    results.commit()
    mode = _mode(args)
    rate = args.rate or (5.0 if args.live and args.pictures else 10.0)
    rows: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    if args.out:
        known = results.rows(args.out, {'mode': str, 'seed': int})
        kept = [row for row in known if row['mode'] != mode or row['seed'] not in args.seeds]
    if not args.json:
        print(_HEAD)
    for seed in args.seeds:
        drive = _drive(args.replay, args.split, seed) if args.replay else None
        world = (
            drive.world() if drive else chase_world(seed, args.seconds, args.split, rate_hz=rate)
        )
        began = time.process_time()
        score = _run(world, mode, args, args.video if seed == args.seeds[0] else None, drive)
        row = {'mode': mode, **score.row(), 'cpu_s': round(time.process_time() - began)}
        rows.append({**row, 'commit': results.commit(), 'command': _command(args, rate, [seed])})
        if not args.json:
            print(line(mode, score), flush=True)
        if args.out:
            everything = sorted([*kept, *rows], key=_place)
            seeds = sorted({one['seed'] for one in everything})
            command = _command(args, rate, args.seeds)
            if kept:
                command = 'reid_ros bench follow: each row has its own'
            results.write(args.out, results.document(command, seeds, everything))
    if args.json:
        print(json.dumps(rows, indent=1))
    return 0


def _mode(args: argparse.Namespace) -> str:
    if args.replay and (args.live or args.pictures):
        raise ReidError('--replay: drives have their vectors; leave --live and --pictures out')
    if args.record and (args.live or args.replay):
        other = '--live' if args.live else '--replay'
        raise ReidError(f'--record: {other} takes no new pictures in lockstep; leave one out')
    if args.replay:
        return 'replay'
    return ('live ' if args.live else '') + ('pictures' if args.pictures else 'wire')


def _drive(folder: Path, split: str, seed: int) -> Drive:
    from reid_ros.bench.following.drives import Drive

    return Drive.load(folder / f'{split}-{seed}.npz')


def _run(
    world: LiveWorld,
    mode: str,
    args: argparse.Namespace,
    video: str | None,
    drive: Drive | None = None,
) -> Score:
    from reid_ros.bench.following.film import film
    from reid_ros.progress import Progress

    quiet = args.quiet or args.json
    with film(None if video is None else Path(video), world) as show:
        if args.live:
            from reid_ros.bench.following.live import Live

            return Live(world, show, args.pictures).run()
        from reid_ros.bench.following.chase import Chase
        from reid_ros.bench.following.drives import Recording
        from reid_ros.bench.following.eyes import Eyes, Pictures, Wire
        from reid_ros.bench.following.robot import STEP_S

        eyes: Eyes = Pictures(world) if args.pictures else Wire(world)
        recording = Recording(world, eyes) if args.record else None
        if drive is not None:
            chase = drive.chase(world, show)
        elif recording is not None:
            chase = recording.chase(show)
        else:
            chase = Chase(world, eyes, show=show)
        steps = round(world.scenario.seconds / STEP_S)
        shown = Progress(None if quiet else sys.stderr, steps, f'steps of seed {world.seed}')
        score = chase.run(shown.add)
        shown.close()
        if recording is not None:
            recording.save(args.record / f'{world.split}-{world.seed}.npz')
        return score


def _place(row: dict[str, Any]) -> tuple[int, int]:
    """Of a row in the table."""
    known = row['mode'] in _MODES
    return _MODES.index(row['mode']) if known else len(_MODES), row['seed']


def _command(args: argparse.Namespace, rate: float, seeds: Sequence[int]) -> str:
    """What prints the same rows again."""
    result = f'reid_ros bench follow --seconds {args.seconds:g} --split {args.split} '
    result += ('--live ' if args.live else '') + ('--pictures ' if args.pictures else '')
    result += f'--replay {args.replay} ' if args.replay else ''
    result += f'--record {args.record} ' if args.record else ''
    return f'{result}--rate {rate:g} --seeds {" ".join(map(str, seeds))}'


def line(mode: str, score: Score) -> str:
    """One row of the table."""
    locked = 100 * score.right / max(score.visible, 1e-9)
    wrong = 100 * score.wrong / max(score.locked, 1e-9)
    return (
        f'{mode:>13}  {score.seed:4d}  {score.visible:9.0f}  {locked:8.1f}  {wrong:7.2f}  '
        f'{score.found:6d} of {score.returns:<6d}  {max(score.waits, default=0.0):9.1f}  '
        f'{score.released:8d}  {score.pushed_m:8.2f}  {score.nearest_m:9.2f}  '
        f'{score.error_m:7.2f}'
    )
