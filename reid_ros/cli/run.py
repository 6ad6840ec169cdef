"""`reid_ros run SOURCES...` and `reid_ros replay BAG...`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_ros.cli import arguments, evaluate
from reid_ros.cli.building import building
from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.config import Config
    from reid_ros.evaluate.scores import Scores
    from reid_ros.evaluate.truth import CameraTruth
    from reid_ros.replay.source import Source
    from reid_ros.report.recorder import Outcome

_RUN = """\
SOURCES are video files, folders of pictures and webcams (0 or /dev/video0), each one camera.
Each may be written NAME=SOURCE. Clips are taken to begin at the same time; --offset and
--one-after-another say otherwise, so one clip can also stand in for a second camera later on:

  reid_ros run door.mp4 hall.mp4 --out result
  reid_ros run a=clip.mp4 b=clip.mp4 --offset b=140 --out result
"""
_REPLAY = """\
BAG is a folder from `ros2 bag record`, or one .mcap or .db3 file; no ROS is needed. Every image
topic, raw or compressed, is a camera named after it; --topics chooses and names them:

  reid_ros replay patrol --topics /front/image_raw left=/side/image/compressed --out result

Where the bag has topics CAMERA/truth, the run is scored against them.
"""


def add(verbs: Any) -> None:
    """Add both verbs."""
    run = verbs.add_parser(
        'run',
        help='videos, pictures, webcams -> identities, videos, MOT text, report',
        epilog=_RUN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument('sources', nargs='+', metavar='SOURCE')
    run.add_argument(
        '--offset',
        action='append',
        default=[],
        metavar='NAME=SECONDS',
        help='the clip of this camera begins so much later; may be given several times',
    )
    run.add_argument(
        '--one-after-another',
        nargs='?',
        type=float,
        const=5.0,
        default=None,
        metavar='GAP',
        help='each clip begins GAP seconds (5) after the end of the one before',
    )
    run.add_argument(
        '--rate', type=float, default=0.0, help='stamp frames at this rate, not by their own times'
    )
    _common(run)
    run.set_defaults(call=_run)

    replay = verbs.add_parser(
        'replay',
        help='ROS 2 bags -> the same, without ROS',
        epilog=_REPLAY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    replay.add_argument('bags', nargs='+', metavar='BAG')
    replay.add_argument(
        '--topics', nargs='+', default=[], metavar='TOPIC', help='image topics, or NAME=TOPIC'
    )
    _common(replay)
    replay.set_defaults(call=_replay)


def _common(verb: argparse.ArgumentParser) -> None:
    verb.add_argument('--out', required=True, metavar='DIR', help='folder for the results')
    arguments.networks(verb)
    verb.add_argument('--config', metavar='FILE', help='settings in YAML')
    verb.add_argument('--gallery', metavar='FILE', help='persons known before, and kept after')
    verb.add_argument('--backend', help='auto, tensorrt, ort_tensorrt, ort_cuda or cpu')
    verb.add_argument(
        '--truth',
        metavar='TRUTH',
        help='score against MOT text (a file, or a folder with CAMERA.txt) or a bag with truth',
    )
    evaluate.options(verb)
    verb.add_argument('--no-video', action='store_true', help='write no annotated videos')
    verb.add_argument('--quiet', action='store_true', help='show no progress')
    verb.add_argument('--json', action='store_true', help='print the result as JSON')


def settings(args: argparse.Namespace, cameras: Sequence[str]) -> Config:
    """The settings of a run: the file's, and over them those of the command line.

    Raises:
        ConfigError: a setting that does not exist or is out of range.
    """
    from reid_ros import config

    chosen = config.read(args.config) if args.config else config.Config()
    fields = {f.name: f for f in dataclasses.fields(config.Config)}
    if args.backend:
        backend = config.checked('--backend', args.backend, fields['backend'], str)
        chosen = dataclasses.replace(chosen, backend=backend)
    if args.gallery:
        gallery = dataclasses.replace(chosen.gallery, path=args.gallery)
        chosen = dataclasses.replace(chosen, gallery=gallery)
    return dataclasses.replace(
        chosen,
        model=dataclasses.replace(chosen.model, **arguments.of_networks(args)),
        camera_names=tuple(cameras),
    )


def open_sources(
    texts: Sequence[str],
    offsets: Sequence[str] = (),
    gap_s: float | None = None,
    rate_hz: float = 0.0,
    start_ns: int = 0,
) -> list[Source]:
    """The cameras behind what was typed.

    Args:
        texts: SOURCE or NAME=SOURCE.
        offsets: NAME=SECONDS.
        gap_s: seconds between the end of one clip and the next; None lets all begin together.
        rate_hz: stamps clips and pictures; 0 leaves them their own times.
        start_ns: stamp of the first frame of a clip without offset.

    Raises:
        ReidError: a source that cannot be read, two of one name, an offset for nobody.
    """
    from reid_ros.replay import names
    from reid_ros.replay.folders import Folder
    from reid_ros.replay.videos import Video, Webcam, device

    if rate_hz < 0 or rate_hz > 1000:
        raise ReidError(f'--rate {rate_hz:g}: give frames per second, at most 1000')
    given = [names.given(text) for text in texts]
    cameras = names.unique([g.name for g in given], [names.of_place(g.place) for g in given])
    later = _offsets(offsets, cameras)
    result: list[Source] = []
    next_ns = start_ns
    for camera, place in zip(cameras, (g.place for g in given)):
        begin = next_ns + later.get(camera, 0)
        source: Video | Folder | Webcam
        if device(place) is not None:
            if gap_s is not None or camera in later:
                raise ReidError(f'{place}: a webcam is always now; offsets are for clips')
            source = Webcam(place, camera)
        elif Path(place).is_dir():
            source = Folder(place, camera, begin, rate_hz)
        else:
            source = Video(place, camera, begin, rate_hz)
        result.append(source)
        if gap_s is not None:
            if not source.duration_ns:
                raise ReidError(f'{place}: its length is unknown: place the next with --offset')
            next_ns = begin + source.duration_ns + round(gap_s * 1e9)
    return result


def _offsets(texts: Sequence[str], cameras: Sequence[str]) -> dict[str, int]:
    result = {}
    for text in texts:
        name, _, seconds = text.rpartition('=')
        if name not in cameras:
            raise ReidError(
                f'--offset {text}: no camera is named {name!r}; there are {", ".join(cameras)}'
            )
        try:
            result[name] = round(float(seconds) * 1e9)
        except (ValueError, OverflowError) as error:
            raise ReidError(f'--offset {text}: {seconds!r} is no number of seconds') from error
    return result


def _run(args: argparse.Namespace) -> int:
    return _go(
        args, lambda: open_sources(args.sources, args.offset, args.one_after_another, args.rate)
    )


def _replay(args: argparse.Namespace) -> int:
    def sources() -> list[Source]:
        from reid_ros.replay.topics import cameras

        return list(cameras(args.bags, args.topics, settings(args, ())))

    return _go(args, sources)


def _go(args: argparse.Namespace, find: Callable[[], list[Source]]) -> int:
    """Open, load, run, finish; nothing is written before everything is open and loaded."""
    from reid_ros.cli.stopping import Stop, Stopped

    try:
        with Stop() as stop:
            return _process(args, find, stop)
    except Stopped as stopped:
        return stopped.status


def _process(args: argparse.Namespace, find: Callable[[], list[Source]], stop: Any) -> int:
    from reid_ros.drive import Drive, records
    from reid_ros.engine.progress import watched
    from reid_ros.pipeline import Pipeline
    from reid_ros.progress import Progress
    from reid_ros.report.files import check_writable, out_folder
    from reid_ros.report.recorder import Recorder

    check_writable(args.out)
    sources = find()
    truth = _truth(args.truth, sources)
    config = settings(args, [source.camera for source in sources])
    total = sum(source.length for source in sources)
    known = all(source.length for source in sources)
    with ExitStack() as stack:
        with watched(building()):
            pipeline = stack.enter_context(Pipeline.load(config))
        folder = out_folder(args.out)
        stop.gently()
        recorder = Recorder(folder, records(sources), video=not args.no_video)
        progress = Progress(None if args.quiet else sys.stderr, total if known else 0)
        failure: ReidError | None = None
        try:
            Drive(pipeline, sources, recorder, stop.asked, progress).run()
        except ReidError as error:
            failure = error
        except BaseException:
            recorder.abandon()
            raise
        finally:
            progress.close()
        # The gallery first: it is the smallest and the dearest.
        names, facts = dict(pipeline.names()), dict(pipeline.facts())
        try:
            pipeline.close()
        except ReidError as error:
            failure = failure or error
        outcome = recorder.close(names, facts, str(failure) if failure else stop.reason)
        if failure is not None:
            raise failure
    # find() opens the cameras anew: their frames can be read once.
    scores = evaluate.judge(folder, truth, find, args, stop.asked) if truth else None
    _tell(args, outcome, folder, scores)
    status: int = stop.status
    return status


def _truth(given: str | None, sources: Sequence[Source]) -> dict[str, CameraTruth]:
    """Truth of the cameras: what was given, else what stands in their own bags."""
    from reid_ros.evaluate.truth import of_bag, read_truth
    from reid_ros.replay import names
    from reid_ros.replay.topics import Topic

    if given:
        return read_truth(given, [source.camera for source in sources])
    result: dict[str, CameraTruth] = {}
    for source in sources:
        if isinstance(source, Topic):
            found = of_bag(source.bag, names.of_topic(source.topic))
            if found:
                result[source.camera] = next(iter(found.values()))
    return result


def _tell(args: argparse.Namespace, outcome: Outcome, folder: Path, scores: Scores | None) -> None:
    if args.json:
        text = (folder / 'identities.json').read_text(encoding='utf-8')
        if scores is not None:
            said = json.loads(text) | {'scores': scores.as_json()}
            text = json.dumps(said, indent=1, ensure_ascii=False) + '\n'
        print(text, end='')
        return
    for camera in outcome.cameras:
        for note in camera.notes:
            print(f'{camera.name}: {note}', file=sys.stderr)
    print(table(outcome))
    if scores is not None:
        print(f'\n{evaluate.table(scores)}\n')
    print(f'{folder / "report.html"}')


def table(outcome: Outcome) -> str:
    """The persons of a run for people."""
    from reid_ros.report.timeline import clock

    rows = [('person', 'camera', 'first', 'last', 'frames')]
    for person in outcome.persons:
        label = person.label
        for camera, seen in person.cameras.items():
            first, last = (
                clock((ns - outcome.start_ns) / 1e9) for ns in (seen.first_ns, seen.last_ns)
            )
            rows.append((label, camera, first, last, str(seen.sightings)))
            label = ''
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        f'{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  '
        f'{row[3]:>{widths[3]}}  {row[4]:>{widths[4]}}'
        for row in rows
    ]
    confirmed = sum(person.confirmed for person in outcome.persons)
    provisional = len(outcome.persons) - confirmed
    counts = [f'{confirmed} {"person" if confirmed == 1 else "people"}']
    if provisional:
        counts.append(f'{provisional} provisional')
    if outcome.undecided:
        counts.append(f'{outcome.undecided} undecided tracks')
    speed = f'{outcome.frames} frames, {outcome.rate_hz:.1f} per second'
    return '\n'.join([*(lines if outcome.persons else ()), f'{", ".join(counts)}; {speed}'])
