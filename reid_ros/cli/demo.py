"""`reid_ros demo`: a rendered world on real ROS 2 topics, the live node, the score."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from reid_ros.cli import evaluate
from reid_ros.cli.arguments import one_network

_ABOUT = """\
Three rendered cameras watch ten people, two of whom wear the same clothes. Their images travel
over real ROS 2 topics to the live node; its answers are scored against the truth.

DIR gets report.html, a video and MOT text per camera, scores.json, picture.jpg, config.yaml (the
node's settings) and node.log.
"""


def add(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        'demo',
        help='a rendered world on real ROS 2 topics, the live node, the score',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument('--out', default='reid_ros_demo', metavar='DIR', help='(reid_ros_demo)')
    verb.add_argument('--scenario', default='demo', help='world to play (demo)')
    verb.add_argument('--seed', type=int, default=1)
    verb.add_argument('--seconds', type=float, metavar='S', help='length of the world')
    verb.add_argument(
        '--model', metavar='SEARCH',
        help='a network of kind search that finds people and tells their looks in one pass, '
        'instead of true boxes and the shipped student',
    )  # fmt: skip
    verb.add_argument('--no-video', action='store_true', help='write no annotated videos')
    verb.add_argument('--quiet', action='store_true', help='show no progress')
    evaluate.options(verb)
    verb.set_defaults(call=_demo)


def _demo(args: argparse.Namespace) -> int:
    from reid_ros.cli.stopping import Stop, Stopped

    try:
        with Stop() as stop:
            return _play(args, stop)
    except Stopped as stopped:
        return stopped.status


def _play(args: argparse.Namespace, stop: Any) -> int:
    from reid_ros import demo
    from reid_ros.cli.run import table
    from reid_ros.progress import Progress
    from reid_ros.report.files import check_writable, out_folder
    from reid_ros.world.scenario import named

    def say(text: str) -> None:
        if not args.quiet:
            print(text, file=sys.stderr, flush=True)

    begun = time.monotonic()
    search = one_network(args.model)['detector'] if args.model else ''
    check_writable(args.out)
    scenario = named(args.scenario)
    if args.seconds is not None:
        scenario = scenario.custom(seconds=args.seconds)
    folder = out_folder(args.out)
    progress = Progress(None if args.quiet else sys.stderr, 0, 'images')
    stop.gently()
    try:
        show, outcome = demo.play(
            scenario,
            args.seed,
            Path(folder),
            search=search,
            video=not args.no_video,
            tell=progress.add,
            say=say,
            stop=stop.asked,
        )
    finally:
        progress.close()
    say('scoring')
    scores = evaluate.judge(Path(folder), show.truth(), show.sources, args)
    print(table(outcome))
    print()
    print(evaluate.table(scores))
    print(f'\n{_who_looked(search)}')
    print(f'{time.monotonic() - begun:.0f} s')
    for name in ('report.html', 'picture.jpg', *(f'{c.name}.mp4' for c in outcome.cameras)):
        if (folder / name).is_file():
            print(folder / name)
    status: int = stop.status
    return status


def _who_looked(search: str) -> str:
    """What a viewer should know about where boxes and vectors came from."""
    if search:
        return (
            f'Boxes and vectors are those of {search}, both from one pass over each moment;\nthe '
            "cameras' poses are known."
        )
    return (
        'The boxes were the true ones, disturbed with misses, shaking edges and ghosts; the '
        'vectors\nare those of the shipped student, which has seen other rendered people only; '
        "the cameras'\nposes are known."
    )
