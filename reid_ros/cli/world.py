"""`reid_ros world --scenario NAME --seed S --out DIR`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reid_ros.types import Detections
    from reid_ros.world.scenario import Scenario
    from reid_ros.world.values import Shot
    from reid_ros.world.world import World
    from reid_ros.world.write import Written

_ABOUT = """\
People walk about before cameras, and who is where is known exactly. DIR gets world.mcap (images,
camera_info, boxes of a detector that errs, odometry, truth), truth/CAMERA.txt (MOT text),
world.json and config.yaml; with --videos also CAMERA.mp4. The same arguments give the same bytes.

  reid_ros world --scenario demo --seed 1 --out world
  reid_ros replay world/world.mcap --config world/config.yaml --out result

With --live the cameras publish on real topics instead (CAMERA/image, CAMERA/detections_table,
CAMERA/truth, odom):

  reid_ros world --scenario robot --live free
"""
WAIT_S = 60.0
"""Longest wait for a node, in lockstep."""
# Option -> setting of a scenario.
_SETTINGS = {
    'people': (int, 'N', 'how many different people come'),
    'at-once': (int, 'N', 'how many of them are there at once, on average'),
    'seconds': (float, 'S', 'length'),
    'overlapping': (int, 'N', 'fixed cameras that see common ground'),
    'apart': (int, 'N', 'fixed cameras that see ground of their own alone'),
    'rate': (float, 'HZ', 'frames per second of each camera'),
    'jitter': (float, 'SHARE', 'standard deviation of a stamp, in frame intervals'),
    'loss': (float, 'SHARE', 'share of frames that never arrive'),
    'place': (str, 'KIND', 'hall, office, corridor, shop, yard, ...'),
}


def add(verbs: Any) -> None:
    """Add the verb."""
    world = verbs.add_parser(
        'world',
        help='render a world with known truth: bag, videos, MOT text',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    world.add_argument('--list', action='store_true', help='list the scenarios and end')
    world.add_argument('--scenario', default='demo', metavar='NAME', help='(demo)')
    world.add_argument('--seed', type=int, default=1, metavar='S', help='(1)')
    world.add_argument('--split', default='test', help='train, validation or test (test)')
    world.add_argument('--out', metavar='DIR', help='folder for the world; must not hold anything')
    world.add_argument('--bag', default='raw', help='images in it: raw, jpeg; none = no bag (raw)')
    world.add_argument('--videos', action='store_true', help='write CAMERA.mp4 too')
    world.add_argument(
        '--silhouettes', action='store_true', help='put CAMERA/truth/labels into the bag'
    )
    world.add_argument('--cameras', type=int, metavar='N', help='fixed cameras, as many as fit')
    for name, (kind, unit, meaning) in _SETTINGS.items():
        world.add_argument(f'--{name}', type=kind, metavar=unit, help=meaning)
    world.add_argument(
        '--live',
        choices=('free', 'lockstep'),
        help='publish on ROS 2 topics instead of writing files: in real time, or driving /clock '
        "and waiting for the node's sightings",
    )
    world.add_argument('--compressed', action='store_true', help='with --live: JPEG images')
    world.add_argument('--quiet', action='store_true', help='show no progress')
    world.add_argument('--json', action='store_true', help='print the result as JSON')
    world.set_defaults(call=_world)


def scenario(args: argparse.Namespace) -> Scenario:
    """The scenario of the arguments.

    Raises:
        WorldError: an unknown one, or a value out of its range.
    """
    from reid_ros.world.scenario import WorldError, named

    chosen = named(args.scenario)
    changes: dict[str, Any] = {}
    for name in _SETTINGS:
        value = getattr(args, name.replace('-', '_'))
        if value is not None:
            changes['rate_hz' if name == 'rate' else name.replace('-', '_')] = value
    if args.cameras is not None:
        if 'overlapping' in changes or 'apart' in changes:
            raise WorldError('--cameras: says how many stand with --overlapping and --apart')
        changes.update(_split(args.cameras, chosen))
    fixed = changes.get('overlapping', chosen.overlapping) + changes.get('apart', chosen.apart)
    changes['portrait'] = min(chosen.portrait, max(fixed, 0))
    people = changes.get('people', chosen.people)
    if 'people' in changes and people > 0:
        # What was drawn up for more people is kept in proportion.
        share = people / chosen.people
        changes.setdefault('at_once', max(1, round(chosen.at_once * share)))
        changes['look_alikes'] = min(chosen.look_alikes, people // 2)
        changes['same_body'] = min(chosen.same_body, people)
    return chosen.custom(**changes)


def _split(cameras: int, chosen: Scenario) -> dict[str, int]:
    """So many fixed cameras; the last stands apart where one does in the scenario."""
    from reid_ros.world.scenario import WorldError

    least = 0 if chosen.robot else 1
    if not least <= cameras <= 9:
        raise WorldError(f'--cameras: {cameras} is outside {least} to 9 (fixed cameras)')
    apart = min(chosen.apart, 1) if cameras > 2 else int(cameras == 1)
    return {'overlapping': cameras - apart, 'apart': apart}


def _world(args: argparse.Namespace) -> int:
    from reid_ros.cli.stopping import Stop, Stopped

    if args.list:
        _list()
        return 0
    try:
        with Stop() as stop:
            return _live(args, stop) if args.live else _render(args)
    except Stopped as stopped:
        return stopped.status


def _render(args: argparse.Namespace) -> int:
    from reid_ros.progress import Progress
    from reid_ros.report.files import check_writable
    from reid_ros.world.scenario import WorldError
    from reid_ros.world.world import World
    from reid_ros.world.write import write

    if not args.out:
        raise WorldError('--out: name a folder for the world')
    _check(args)
    check_writable(args.out)
    world = World(scenario(args), args.seed, args.split)
    progress = Progress(None if args.quiet else sys.stderr, len(world), 'images')
    try:
        written = write(world, args.out, args.bag, args.videos, args.silhouettes, progress.add)
    finally:
        progress.close()
    _tell(args, world, written)
    return 0


def _live(args: argparse.Namespace, stop: Any) -> int:
    from reid_ros.progress import Progress
    from reid_ros.ros.stage import opened
    from reid_ros.world.world import World

    _check(args)
    world = World(scenario(args), args.seed, args.split)
    names = [camera.name for camera in world.cameras]
    progress = Progress(None if args.quiet else sys.stderr, len(world), 'images')
    lockstep = args.live == 'lockstep'
    stop.gently()

    def shots() -> Iterator[tuple[Shot, Detections]]:
        for shot in world.shots():
            if stop.asked():
                return
            yield shot, world.detected(shot).detections
            progress.add(1)

    try:
        with opened(names, clock=lockstep, compressed=args.compressed, answers=lockstep) as stage:
            if lockstep:
                stage.wait(WAIT_S)
                images = sum(1 for _ in stage.play(shots()))
            else:
                images = stage.perform(shots())
    finally:
        progress.close()
    print(f'{images} images of {", ".join(names)}')
    status: int = stop.status
    return status


def _check(args: argparse.Namespace) -> None:
    from reid_ros.world.scenario import WorldError
    from reid_ros.world.seeds import SPLITS

    for name, choices in (('bag', ('raw', 'jpeg', 'none')), ('split', SPLITS)):
        if getattr(args, name) not in choices:
            raise WorldError(f'--{name} {getattr(args, name)}: valid are {", ".join(choices)}')
    if not 0 <= args.seed < 2**31:
        raise WorldError(f'--seed {args.seed}: valid are 0 to {2**31 - 1}')


def _tell(args: argparse.Namespace, world: World, written: Written) -> None:
    if args.json:
        facts = {
            'folder': str(written.folder),
            'images': written.images,
            'messages': written.messages,
            'files': list(written.files),
        }
        print(json.dumps(facts))
        return
    seen = ', '.join(f'{name} {len(stamps)}' for name, stamps in world.stamps.items())
    print(
        f'{len(world.people)} people, {world.scenario.seconds:g} s, {written.images} images '
        f'({seen})'
    )
    for name in written.files:
        print(written.folder / name)


def _list() -> None:
    from reid_ros.world.scenario import SCENARIOS

    width = max(map(len, SCENARIOS))
    for one in SCENARIOS.values():
        print(
            f'{one.name:<{width}}  {one.people:2d} people  {one.cameras} cameras  '
            f'{one.seconds:3.0f} s  {one.meaning}'
        )
