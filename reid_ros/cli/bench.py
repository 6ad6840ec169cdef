"""`reid_ros bench tracker|pipeline|node`: speed tables."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reid_ros.cli import (
    bench_appearance,
    bench_engine,
    bench_follow,
    bench_footage,
    bench_gait,
    bench_identity,
    bench_load,
    bench_openset,
    bench_render,
    bench_search,
    bench_silhouette,
    bench_world,
)
from reid_ros.cli.arguments import number
from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.bench.tracker import Score


def add(verbs: Any) -> None:
    """Add the verb and its parts."""
    bench = verbs.add_parser('bench', help='how fast and how good this machine makes it')
    parts = bench.add_subparsers(dest='part', required=True, metavar='PART')
    _add_tracker(parts)
    _add_pipeline(parts)
    _add_node(parts)
    bench_appearance.add(parts)
    bench_engine.add(parts)
    bench_follow.add(parts)
    bench_footage.add(parts)
    bench_gait.add(parts)
    bench_identity.add(parts)
    bench_load.add(parts)
    bench_openset.add(parts)
    bench_render.add(parts)
    bench_search.add(parts)
    bench_silhouette.add(parts)
    bench_world.add(parts)


def _add_tracker(parts: Any) -> None:
    part = parts.add_parser(
        'tracker',
        help='tracking within one camera, one thread',
        description='Time and IDF1 of tracking 450 synthetic frames of 1920x1080 at 30 Hz, with '
        'occlusion, 3 %% misses and 2 %% clutter. With --conditions: IDF1 only, of 20 people at '
        'the frame rates and turns of a robot, beside the peers that are installed.',
    )
    part.add_argument('--people', type=number(int, 1), nargs='+', default=[20, 100], metavar='N')
    part.add_argument('--peers', action='store_true', help='trackers and norfair, if installed')
    part.add_argument(
        '--repeats',
        type=number(int, 1),
        default=3,
        help='runs of which the fastest counts (default 3)',
    )
    part.add_argument('--json', action='store_true')
    part.add_argument('--conditions', action='store_true', help='frame rates, jitter and turns')
    part.add_argument(
        '--seeds',
        type=number(int, 0),
        nargs='+',
        metavar='N',
        help='of --conditions (default 0 to 7)',
    )
    part.add_argument(
        '--seconds',
        type=number(float, 1.0, 600.0),
        help='length of a scene of --conditions (default 15)',
    )
    part.add_argument('--out', metavar='FILE', help='write what --conditions found as JSON')
    part.set_defaults(call=_tracker)


def _tracker(args: argparse.Namespace) -> int:
    if args.conditions:
        return _conditions(args)
    for option in ('seeds', 'seconds', 'out'):
        if getattr(args, option) is not None:
            raise ReidError(f'--{option} needs --conditions')
    from reid_ros.bench import alone, tracker

    found = alone(tracker.scores, args.people, args.peers, args.repeats)
    if args.json:
        print(json.dumps([dataclasses.asdict(one) for one in found], indent=1))
    else:
        print(_table(found))
    if args.peers:
        _tell_missing()
    return 0


def _conditions(args: argparse.Namespace) -> int:
    from reid_ros import results
    from reid_ros.bench import alone, conditions

    seeds = args.seeds or conditions.SEEDS
    seconds = args.seconds or conditions.SECONDS
    rows = alone(conditions.scores, seeds, seconds)
    command = f'reid_ros bench tracker --conditions --seeds {" ".join(map(str, seeds))}'
    found = results.document(
        command if seconds == conditions.SECONDS else f'{command} --seconds {seconds:g}',
        seeds,
        [dataclasses.asdict(row) for row in rows],
        ('trackers', 'norfair'),
        people=conditions.PEOPLE,
        seconds=seconds,
        goals=conditions.goals(rows),
    )
    if args.out is not None:
        results.write(args.out, found)
    print(json.dumps(found, indent=1) if args.json else conditions.table(rows))
    _tell_missing()
    return 0


def _tell_missing() -> None:
    from reid_ros.bench import tracker

    for name in tracker.missing():
        print(f'{name} is not installed: pip install {name}', file=sys.stderr)


def _table(found: Sequence[Score]) -> str:
    wide = max(len(one.tracker) for one in found)
    rows = [f'{"tracker":{wide}}  {"given":25} people  median ms  mean ms   p95 ms   IDF1']
    rows += [
        f'{one.tracker:{wide}}  {one.features:25} {one.people:6d}  {one.median_ms:9.3f}  '
        f'{one.mean_ms:7.3f}  {one.p95_ms:7.3f}  {one.idf1:5.1f}'
        for one in found
    ]
    return '\n'.join(rows)


def _add_pipeline(parts: Any) -> None:
    part = parts.add_parser(
        'pipeline',
        help='a frame around the networks, one thread',
        description='Time of everything but the networks on drawn VGA frames at 30 Hz, and the '
        "networks' share where their files are at hand.",
    )
    part.add_argument('--people', type=number(int, 1), nargs='+', default=[20], metavar='N')
    part.add_argument('--cameras', type=number(int, 1), nargs='+', default=[1, 4], metavar='N')
    part.add_argument(
        '--repeats',
        type=number(int, 1),
        default=3,
        help='runs of which the fastest counts (default 3)',
    )
    part.add_argument('--json', action='store_true')
    part.set_defaults(call=_pipeline)


def _pipeline(args: argparse.Namespace) -> int:
    from reid_ros.bench import pipeline

    rows = [
        pipeline.measure(people, cameras, args.repeats)
        for people in args.people
        for cameras in args.cameras
    ]
    if args.json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=1))
    else:
        print(pipeline.table(rows))
    return 0


def _add_node(parts: Any) -> None:
    part = parts.add_parser(
        'node',
        help='receiving images over real DDS (needs ROS 2)',
        description='The node and cameras as processes of their own: images lost before the slot, '
        'dropped by policy, processor time per image, latency.',
    )
    part.add_argument('--cameras', type=number(int, 1), default=4, metavar='N')
    part.add_argument('--seconds', type=float, default=15.0)
    part.add_argument('--rate', type=float, default=30.0, help='images per second of a camera')
    part.add_argument('--size', default='640x480')
    part.add_argument('--compressed', action='store_true', help='JPEG instead of raw images')
    part.add_argument('--detector', default='none', help='model; none receives and decodes only')
    part.add_argument('--appearance', default='none')
    part.add_argument('--json', action='store_true')
    part.set_defaults(call=_node)


def _node(args: argparse.Namespace) -> int:
    from reid_ros.bench import node

    rows = [
        node.measure(
            how,
            number=args.cameras,
            seconds=args.seconds,
            rate=args.rate,
            size=args.size,
            compressed=args.compressed,
            detector=args.detector,
            appearance=args.appearance,
        )
        for how in node.PUBLISHERS
    ]
    print(json.dumps(rows) if args.json else node.table(rows))
    return 0
