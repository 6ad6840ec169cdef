"""`reid_ros calibrate SOURCES... --out FILE`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_ros.cli import arguments
from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.calibration import Calibration, Condition

_EPILOG = """\
SOURCES are videos, folders of pictures or bags, recorded where the robot works while several
people are in view; nobody has to be labelled. Cameras without common ground teach more: name
them in the settings (topology.unlisted: apart). Then put the file into the settings:

  reid_ros calibrate hall.mp4 door.mp4 --config site.yaml --out site.json
  identity: {calibration: site.json}
"""


def add(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        'calibrate',
        help='fit the scores to a site, from its own footage',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument('sources', nargs='*', metavar='SOURCE')
    verb.add_argument('--out', required=True, metavar='FILE', help='calibration file to write')
    verb.add_argument(
        '--rendered',
        action='store_true',
        help='fit on rendered people instead of footage: for the card of a network, not of a site',
    )
    verb.add_argument('--config', metavar='FILE', help='settings in YAML')
    arguments.networks(verb)
    verb.add_argument('--backend', help='auto, tensorrt, ort_tensorrt, ort_cuda or cpu')
    verb.add_argument('--topics', nargs='+', default=[], metavar='TOPIC', help='of a bag')
    verb.add_argument('--quiet', action='store_true', help='show no progress')
    verb.add_argument('--json', action='store_true', help='print the result as JSON')
    verb.set_defaults(call=_calibrate, gallery=None)


def _calibrate(args: argparse.Namespace) -> int:
    from reid_ros.calibrate import Collector
    from reid_ros.cli.run import open_sources, settings
    from reid_ros.drive import Drive, records
    from reid_ros.pipeline import Pipeline
    from reid_ros.progress import Progress
    from reid_ros.replay.source import Source
    from reid_ros.replay.topics import cameras

    if args.rendered:
        return _rendered(args)
    if not args.sources:
        raise ReidError('name footage to calibrate on, or give --rendered')
    bags = [text for text in args.sources if is_bag(text)]
    if bags and len(bags) < len(args.sources):
        raise ReidError('give either bags or videos: their clocks cannot be compared')
    sources: list[Source] = (
        list(cameras(bags, args.topics, settings(args, ())))
        if bags
        else list(open_sources(args.sources))
    )
    config = settings(args, [source.camera for source in sources])
    if config.model.appearance == 'none':
        raise ReidError('model.appearance is "none": there is nothing to calibrate without it')
    total = sum(source.length for source in sources)
    with Pipeline.load(config) as pipeline:
        collector = Collector(pipeline, config.topology, records(sources))
        progress = Progress(None if args.quiet else sys.stderr, total)
        try:
            Drive(pipeline=collector, sources=sources, recorder=collector, progress=progress).run()
        finally:
            progress.close()
        before = pipeline.calibration
        found = collector.fit(before)
    for camera in collector.cameras.values():
        for note in camera.notes:
            print(f'{camera.name}: {note}', file=sys.stderr)
    _write(Path(args.out), json.dumps(found.calibration.to_json(), indent=2) + '\n')
    counts = {'same': found.same_pairs, 'cross': found.cross_pairs, 'tracks': found.tracks}
    if args.json:
        print(json.dumps({'pairs': counts, 'calibration': found.calibration.to_json()}))
        return 0
    print(
        f'{found.same_pairs} pairs of strangers within a camera, {found.cross_pairs} across '
        f'cameras, {found.tracks} tracks compared with themselves'
    )
    print(_table(before, found.calibration))
    print(f"{args.out}: set 'identity.calibration' to it")
    return 0


def _rendered(args: argparse.Namespace) -> int:
    """Fit on worlds of the split `validation`."""
    from reid_ros.bench import fitting
    from reid_ros.cli.run import settings
    from reid_ros.pipeline import Pipeline
    from reid_ros.progress import Progress

    if args.sources:
        raise ReidError('--rendered takes no footage: leave the sources out')
    config = settings(args, ['cam'])
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, detector='none'))
    with Pipeline.load(config) as pipeline:
        if pipeline.embedder is None:
            raise ReidError('model.appearance is "none": there is nothing to calibrate without it')
        card = pipeline.embedder.model.card
        if card.kind == 'search':
            raise ReidError(
                f'{card.name} sees whole pictures and no crops: its export fits the calibration '
                'of its card; leave --rendered out to fit one to footage'
            )
        progress = Progress(None if args.quiet else sys.stderr, 0, 'images')
        try:
            found, tracks = fitting.fitted(pipeline.embedder, tell=progress.add)
        finally:
            progress.close()
        before = pipeline.calibration
    _write(Path(args.out), json.dumps(found.to_json(), indent=2) + '\n')
    people = len(set(tracks.persons.tolist()))
    if args.json:
        facts = {'tracks': len(tracks.persons), 'people': people, 'calibration': found.to_json()}
        print(json.dumps(facts))
        return 0
    print(f'{len(tracks.persons)} tracks of {people} rendered people')
    print(_table(before, found))
    return 0


def is_bag(text: str) -> bool:
    """Whether a source is a bag, by its name alone."""
    path = Path(text)
    return path.suffix in ('.mcap', '.db3') or (path / 'metadata.yaml').is_file()


def _write(path: Path, text: str) -> None:
    """All of it or nothing."""
    part = path.with_name(path.name + '.part')
    try:
        part.write_text(text, encoding='utf-8')
        os.replace(part, path)
    except OSError as error:
        raise ReidError(f'{path}: {error.strerror}') from error


def _table(before: Calibration, after: Calibration) -> str:

    def line(name: str, condition: Condition) -> str:
        genuine, impostor = condition.genuine, condition.impostor
        return (
            f'{name:<22}{genuine.mean:6.1f} ± {genuine.sd:4.1f}  {impostor.mean:6.1f} ± '
            f'{impostor.sd:4.1f}  {_limit(condition, 10):9.1f}  {_limit(condition, 100):10.1f}'
        )

    return '\n'.join(
        [
            'angles in degrees       one person     strangers   accepted below, of 10   of 100',
            line('one camera, before', before.same_camera),
            line('one camera, now', after.same_camera),
            line('two cameras, before', before.cross_camera),
            line('two cameras, now', after.cross_camera),
        ]
    )


def _limit(condition: Condition, people: int, false_accept: float = 0.01) -> float:
    """The angle below which somebody is accepted in a gallery of so many people."""
    import numpy as np

    grid = np.linspace(0.0, 90.0, 901)
    accepted = (condition.log_p(grid) <= np.log(false_accept / people)) & (condition.llr(grid) > 0)
    return float(grid[accepted].max(initial=0.0))
