"""`reid_ros bench footage`. No verb of its own."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_ros.types import ReidError

DATA = 'REID_ROS_DATA'
"""Name of the environment variable that stands in for --data."""

_ABOUT = """\
How well appearance networks tell real people apart: AUC of genuine against impostor pairs, rank-1
and mAP, crop by crop and by the mean vectors of pieces of a second, every person counting alike.

Development footage:
- one-by-one: six people come and go, none comes twice; pairs of one person lie 3 s apart or more.
  Boxes of a detector. Two of the men are in black.
- multicam: four synchronised cameras for 1.7 s, pairs from two cameras. One real man, one woman
  who was drawn into the films, and a bystander whom two cameras see.
Final footage, scored only with --final, at the very end, to choose nothing by it:
- vtest: ten people seen from above, boxes and identities by hand; 3 s apart or more.

So few people say little: intervals (95 %, by bootstrap over people) tell how much hangs on who
happened to be there, and those of three people are no promise. The colour baseline was tuned on
the development footage; the networks of other people were not.

A network is the name of a card or a path of an .onnx file with its card beside it. The baselines,
colour and OSNet x0.25, are scored too where they are here. --cache keeps the crops, so that only
the networks themselves cost time from then on.
"""


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'footage',
        help='how well appearance networks tell people apart on real footage',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_argument('networks', nargs='*', metavar='NETWORK', help='a card or an .onnx file')
    part.add_argument(
        '--data', metavar='DIR', help=f'folder with video/ and multicam/ (default ${DATA})'
    )
    part.add_argument('--final', action='store_true', help='score the final footage, too')
    part.add_argument('--detector', metavar='NAME', help='of people (default yolox_nano)')
    part.add_argument('--cache', metavar='DIR', help='keep crops, and take those that are there')
    part.add_argument('--quiet', action='store_true', help='show no progress')
    part.add_argument('--json', action='store_true')
    part.add_argument('--out', metavar='FILE', help='write the rows, with how to repeat them')
    part.set_defaults(call=_footage)


def _footage(args: argparse.Namespace) -> int:
    from reid_ros import results
    from reid_ros.bench import encoders, footage
    from reid_ros.bench.reel import DETECTOR
    from reid_ros.progress import Progress

    results.commit()
    folder = args.data or os.environ.get(DATA)
    if not folder:
        raise ReidError(
            f'no footage: give --data DIR, a folder that holds video/ and multicam/, or set {DATA}'
        )
    names = networks(args.networks)
    parts = [footage.DEVELOPMENT, footage.FINAL][: 1 + args.final]
    if args.final:
        print('vtest is final footage: choose nothing by its scores', file=sys.stderr)
    progress = Progress(None if args.quiet else sys.stderr, 0, 'images and crops')
    try:
        scores = footage.measure(
            encoders.load(names),
            Path(folder).expanduser(),
            parts,
            args.detector or DETECTOR,
            Path(args.cache).expanduser() if args.cache else None,
            progress.add,
        )
    finally:
        progress.close()
    rows = footage.rows(scores)
    content = results.document(
        _command(args, names),
        [],
        rows,
        ('onnxruntime',),
        parts=parts,
        detector=args.detector or DETECTOR,
        files=encoders.files(names),
    )
    if args.out:
        results.write(args.out, content)
    print(json.dumps(content, indent=1) if args.json else table(rows))
    if not args.json and not args.final:
        print('development footage only; vtest is scored with --final, at the very end')
    return 0


def networks(given: Sequence[str]) -> list[str]:
    """The networks asked for, or the shipped ones; and the baselines that are here."""
    from reid_ros.bench import encoders, footage

    here = encoders.at_hand()
    shipped = here[: here.index(encoders.COLOUR)]
    names = list(given) or shipped
    labels = encoders.labels(names)
    more = [name for name in footage.BASELINES if name in here and name not in labels]
    if not given and footage.RETAIL in here:
        more.append(footage.RETAIL)
    return [*names, *more]


def _command(args: argparse.Namespace, names: Sequence[str]) -> str:
    words = ['reid_ros bench footage', *names, '--data DIR']
    words += ['--final'] * args.final
    words += [f'--detector {args.detector}'] * bool(args.detector)
    words += [f'--out {args.out}'] * bool(args.out)
    return ' '.join(words)


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """The rows for people."""
    from reid_ros.bench.footage import MEASURES

    wide = max(len('network'), *(len(row['network']) for row in found))
    lines = []
    for key in dict.fromkeys((row['footage'], row['level']) for row in found):
        some = [row for row in found if (row['footage'], row['level']) == key]
        first = some[0]
        lines += [
            f'{key[0]}, by {key[1]}: {first["people"]} people, {first["units"]} {key[1]}s, '
            f'{first["genuine"]} genuine and {first["impostor"]} impostor pairs',
            f'  {"network":{wide}}  {"AUC":22}  {"rank-1":22}  {"mAP":22}  hardest',
        ]
        for row in some:
            numbers = '  '.join(
                f'{100 * row[name]:5.1f} ({100 * row[f"{name}_interval"][0]:5.1f} to '
                f'{100 * row[f"{name}_interval"][1]:5.1f})'
                for name in MEASURES
            )
            lines.append(
                f'  {row["network"]:{wide}}  {numbers}  {row["hardest"]} '
                f'{100 * row["hardest_auc"]:.1f}'
            )
        lines += _differences(some, wide)
    return '\n'.join(lines)


def _differences(some: Sequence[Mapping[str, Any]], wide: int) -> list[str]:
    from reid_ros.bench.encoders import COLOUR
    from reid_ros.bench.footage import BASELINES, MEASURES

    lines = []
    for baseline in BASELINES:
        for row in some:
            above = row.get(f'above_{baseline}')
            if above and row['network'] != COLOUR:
                numbers = '  '.join(
                    f'{100 * above[name][0]:+5.1f} ({100 * above[name][1]:+5.1f} to '
                    f'{100 * above[name][2]:+5.1f})'
                    for name in MEASURES
                )
                lines.append(f'  {row["network"]:{wide}}  {numbers}  above {baseline}')
    return lines
