"""`reid_ros search QUERY SOURCES...`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_ros.cli import arguments
from reid_ros.cli.building import building
from reid_ros.types import ReidError, UInt8Array

if TYPE_CHECKING:
    from reid_ros.replay.source import Source
    from reid_ros.report.sheet import Hit, Looked
    from reid_ros.search import Query, Search

_EPILOG = """\
QUERY is a picture of one person: a crop, or a scene in which the largest person is meant; --box
says who else. SOURCES are videos, folders of pictures and bags, together in any number:

  reid_ros search visitor.jpg hall.mp4 yard.mp4 patrol --model search --out found
  reid_ros search scene.png hall.mp4 --box 410,96,482,301 --top 5 --json

A hit is a track, from somebody's coming into view to their going. Its score is the probability
that it shows the person, were they among the tracks once; hits are marked sure where in a search
among strangers alone only identity.false_accept of all searches would mark anybody.
"""


def add(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        'search',
        help='a picture of a person -> when and where videos or bags show them',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument('query', metavar='QUERY', help='picture of the person')
    verb.add_argument('sources', nargs='+', metavar='SOURCE')
    verb.add_argument(
        '--box', type=_box, metavar='X0,Y0,X1,Y1', help='where in QUERY the person is, pixels'
    )
    verb.add_argument(
        '--top', type=arguments.number(int, 1, 1000), default=20, metavar='K', help='hits (20)'
    )
    verb.add_argument(
        '--out', default='reid_ros_search', metavar='DIR',
        help='folder for hits.html and hits.json (reid_ros_search)',
    )  # fmt: skip
    arguments.networks(verb)
    verb.add_argument('--config', metavar='FILE', help='settings in YAML')
    verb.add_argument('--backend', help='auto, tensorrt, ort_tensorrt, ort_cuda or cpu')
    verb.add_argument(
        '--topics', nargs='+', default=[], metavar='TOPIC', help='image topics of bags'
    )
    verb.add_argument(
        '--rate', type=float, default=0.0, help='stamp frames at this rate, not by their own times'
    )
    verb.add_argument('--quiet', action='store_true', help='show no progress')
    verb.add_argument('--json', action='store_true', help='print the hits as JSON')
    verb.set_defaults(call=_search, gallery=None)


def _box(text: str) -> tuple[float, ...]:
    numbers = tuple(float(part) for part in text.split(','))
    if len(numbers) != 4:
        raise argparse.ArgumentTypeError(f'{text}: give four numbers, x0,y0,x1,y1 in pixels')
    return numbers


def _search(args: argparse.Namespace) -> int:
    from reid_ros.cli.stopping import Stop, Stopped

    try:
        with Stop() as stop:
            return _process(args, stop)
    except Stopped as stopped:
        return stopped.status


def _process(args: argparse.Namespace, stop: Any) -> int:
    """Open, load, look for the person in the query; then nothing but footage can be wrong."""
    from reid_ros.cli.run import settings
    from reid_ros.drive import Drive, records
    from reid_ros.engine.progress import watched
    from reid_ros.pipeline import Pipeline
    from reid_ros.progress import Progress
    from reid_ros.report.files import check_writable, out_folder
    from reid_ros.search import Query, Search

    check_writable(args.out)
    image = _picture(args.query)
    sources = _sources(args)
    config = settings(args, [source.camera for source in sources])
    with watched(building()):
        pipeline = Pipeline.load(config)
    with pipeline:
        query = Query.of(pipeline, image, args.query, args.box)
        search = Search(pipeline, query, records(sources), args.top)
        known = all(source.length for source in sources)
        total = sum(source.length for source in sources)
        progress = Progress(None if args.quiet else sys.stderr, total if known else 0)
        stop.gently()
        try:
            Drive(search, sources, search, stop.asked, progress).run()
        finally:
            progress.close()
        hits = search.hits()
        looked = _looked(args.query, query, search, pipeline.facts(), stop.reason)
    _tell(args, out_folder(args.out), query, looked, hits)
    status: int = stop.status
    return status


def _looked(name: str, query: Query, search: Search, facts: Any, stopped: str) -> Looked:
    from reid_ros.report.sheet import Looked

    cameras = list(search.cameras.values())
    notes = [*query.notes, *(f'{c.name}: {note}' for c in cameras for note in c.notes)]
    ran = {key: v for key, v in facts.items() if key not in ('persons', 'undecided_ratio')}
    return Looked(
        Path(name).name, query.jpeg, notes, search.tracks, search.unseen, search.frames,
        len(cameras), ran, stopped,
    )  # fmt: skip


def _picture(name: str) -> UInt8Array:
    import cv2
    import numpy as np

    if not Path(name).is_file():
        raise ReidError(f'{name}: no such picture: give a .jpg or .png of the person')
    image = cv2.imread(name, cv2.IMREAD_COLOR)
    if image is None:
        raise ReidError(f'{name}: no picture that can be read: give a .jpg or .png of the person')
    return np.asarray(image, np.uint8)


def _sources(args: argparse.Namespace) -> list[Source]:
    """Bags by their topics and the rest by itself; no two cameras of one name."""
    from reid_ros.cli.calibrate import is_bag
    from reid_ros.cli.run import open_sources, settings
    from reid_ros.replay import names
    from reid_ros.replay.topics import cameras

    bags = [text for text in args.sources if is_bag(text)]
    videos = [text for text in args.sources if text not in bags]
    found: list[Source] = []
    if bags:
        found += cameras(bags, args.topics, settings(args, ()))
    elif args.topics:
        raise ReidError(f'--topics {" ".join(args.topics)}: none of the sources is a bag')
    taken = [source.camera for source in found]
    others = open_sources(videos, rate_hz=args.rate)
    derived = [source.camera for source in others]
    camera_names = names.unique([*taken, *[''] * len(others)], [*taken, *derived])
    for source, camera in zip(others, camera_names[len(taken) :]):
        source.camera = camera
    return [*found, *others]


def _tell(
    args: argparse.Namespace, folder: Path, query: Query, looked: Looked, hits: Sequence[Hit]
) -> None:
    from reid_ros.report import sheet
    from reid_ros.report.files import whole

    content = {
        'query': {
            'picture': args.query,
            'box': [round(float(v), 1) for v in query.box],
        },
        'complete': not looked.stopped,
        'stopped': looked.stopped,
        'hits': [hit.as_json(rank) for rank, hit in enumerate(hits, 1)],
        'tracks': looked.tracks,
        'unseen_tracks': looked.unseen,
        'frames': looked.frames,
        'notes': list(looked.notes),
        'ran': dict(looked.facts),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + '\n'
    with whole(folder / 'hits.json') as file:
        file.write(text)
    sheet.write(folder / 'hits.html', looked, hits)
    for note in looked.notes:
        print(note, file=sys.stderr)
    if args.json:
        print(text, end='')
        return
    print(table(hits))
    poor = f', {looked.unseen} too poor to compare' if looked.unseen else ''
    print(f'{looked.tracks} tracks compared{poor}, {looked.frames} frames')
    print(folder / 'hits.html')


def table(hits: Sequence[Hit]) -> str:
    """The hits for people; a line divides those that are sure from the others."""
    if not hits:
        return 'no track was seen'
    rows = [('', 'score', 'camera', 'when', 'frames', 'source')]
    rows += [
        (
            str(rank),
            f'{hit.score:.2f}' if hit.score < 0.995 else '>.99',
            hit.camera,
            hit.span,
            str(hit.frames),
            hit.place,
        )
        for rank, hit in enumerate(hits, 1)
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        f'{a:>{widths[0]}}  {b:>{widths[1]}}  {c:<{widths[2]}}  {d:<{widths[3]}}  '
        f'{e:>{widths[4]}}  {f}'
        for a, b, c, d, e, f in rows
    ]
    sure = sum(hit.sure for hit in hits)
    if sure < len(hits):
        lines.insert(sure + 1, '-- not sure, or somebody else')
    return '\n'.join(lines)
