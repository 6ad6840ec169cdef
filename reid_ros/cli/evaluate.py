"""`reid_ros evaluate DIR --truth ...`: score what a run left behind."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.evaluate.scores import Scores
    from reid_ros.evaluate.truth import CameraTruth
    from reid_ros.replay.source import Source

_ABOUT = """\
DIR is the folder that `reid_ros run` or `reid_ros replay` wrote. The truth is MOT text (a file for
one camera, a folder with CAMERA.txt for more) or a bag with topics CAMERA/truth:

  reid_ros evaluate result --truth truth/
  reid_ros evaluate result --truth world.mcap --json

The scores go to DIR/scores.json and into DIR/report.html.
"""


def add(verbs: Any) -> None:
    """Add the verb."""
    evaluate = verbs.add_parser(
        'evaluate',
        help='a saved run and its truth -> scores',
        epilog=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate.add_argument('folder', metavar='DIR', help='what a run wrote')
    evaluate.add_argument(
        '--truth', required=True, metavar='TRUTH', help='MOT text, a folder of it, or a bag'
    )
    options(evaluate)
    evaluate.add_argument('--json', action='store_true', help='print the scores as JSON')
    evaluate.set_defaults(call=_evaluate)


def options(verb: argparse.ArgumentParser) -> None:
    """The options of every verb that scores."""
    verb.add_argument(
        '--iou', type=float, default=0.5, help='overlap from which on a box is on a person (0.5)'
    )
    verb.add_argument(
        '--visible',
        type=float,
        default=0.25,
        metavar='SHARE',
        help='people of whom a smaller share can be seen do not count (0.25)',
    )
    verb.add_argument(
        '--apart',
        action='append',
        default=[],
        metavar='CAMERA,CAMERA',
        help='these two cameras see no common ground; may be given several times',
    )


def _evaluate(args: argparse.Namespace) -> int:
    from reid_ros.evaluate.saved import read_run
    from reid_ros.evaluate.truth import is_bag, read_truth

    run = read_run(args.folder)
    truth = read_truth(args.truth, run.cameras)

    def sources() -> Sequence[Source]:
        from reid_ros.replay.topics import cameras

        if not is_bag(args.truth):
            return []
        try:
            return cameras([args.truth])
        except ReidError:  # a bag of truth alone: then there are no pictures
            return []

    scores = judge(Path(args.folder), truth, sources, args)
    if args.json:
        print(json.dumps(scores.as_json(), indent=1))
    else:
        print(table(scores))
    return 0


def judge(
    folder: Path,
    truth: Mapping[str, CameraTruth],
    sources: Callable[[], Iterable[Source]],
    args: argparse.Namespace,
    stop: Callable[[], bool] = lambda: False,
) -> Scores:
    """Score a folder; writes scores.json, and the verdict into report.html where that is.

    Args:
        truth: of the cameras that have one.
        sources: opens the cameras again, for pictures of the worst moments.
        args: with `iou`, `visible` and `apart`.
        stop: where it is true, no further pictures are looked for.

    Raises:
        ReidError: run and truth do not belong together; a file cannot be written.
    """
    from reid_ros.cli.verdict import verdict
    from reid_ros.evaluate.saved import read_run
    from reid_ros.evaluate.scores import score_run
    from reid_ros.report.files import whole
    from reid_ros.report.verdict import insert

    run = read_run(folder)
    scores = score_run(run, truth, args.iou, args.visible, pairs(args.apart))
    with whole(folder / 'scores.json') as file:
        json.dump(scores.as_json(), file, indent=1)
        file.write('\n')
    page = folder / 'report.html'
    if page.is_file():
        insert(page, verdict(run, scores, sources, stop))
    if scores.unknown:
        print(f'no truth for {", ".join(scores.unknown)}: not scored', file=sys.stderr)
    return scores


def pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """The cameras of each `CAMERA,CAMERA`.

    Raises:
        ReidError: not two names.
    """
    result = []
    for text in texts:
        names = [name.strip() for name in text.split(',')]
        if len(names) != 2 or not all(names) or names[0] == names[1]:
            raise ReidError(f"--apart {text}: write it as 'hall,garage', two cameras")
        result.append((names[0], names[1]))
    return result


def table(scores: Scores) -> str:
    """The scores for people, as text."""
    from reid_ros.cli.verdict import tables

    blocks = []
    for block in tables(scores):
        rows = [
            (block.title, *block.columns),
            *((line.name, *line.values) for line in block.lines),
        ]
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        meanings = ('', *(line.meaning for line in block.lines))
        blocks.append(
            '\n'.join(
                (
                    f'{row[0]:<{widths[0]}}  '
                    + '  '.join(f'{v:>{w}}' for v, w in zip(row[1:], widths[1:]))
                    + f'   {meaning}'
                ).rstrip()
                for row, meaning in zip(rows, meanings)
            )
        )
    return '\n\n'.join(blocks)
