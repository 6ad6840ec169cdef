"""`reid_ros export TRAINING --out FILE.onnx`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_ros.cli import gait, searcher, silhouette
from reid_ros.cli.arguments import number
from reid_ros.types import ReidError

if TYPE_CHECKING:
    from reid_ros.card import Card
    from reid_ros.train.artefact import Made

_ABOUT = """\
Writes the network of a finished training as a file that a robot runs, with its card beside it:
crops as a camera gives them go in, vectors come out. Every file is compared with torch, and with
fp32 on the people of data.validation; a precision that loses too much is refused.

  fp32           as trained
  fp16           weights stored in 16 bits: half the file, as fast on a CPU
  fp16-tensorrt  arithmetic in 16 bits too: for TensorRT and CUDA, slow on a CPU
  int8           8 bits, for ONNX Runtime on a CPU: a quarter of the file; plain convolutions take
                 half the time, many small ones with gates (OSNet) more than before
  int8-tensorrt  8 bits, symmetric, for TensorRT, slow on a CPU

  reid_ros export out/train/student --out appearance.onnx --precision int8
  reid_ros models check appearance.onnx
"""
DRAWN = {'gait': 'walks', 'search': 'pictures'}
"""What is drawn where it is not yet, of tasks other than appearance."""
PRECISIONS = ('fp32', 'fp16', 'fp16-tensorrt', 'int8', 'int8-tensorrt')


def add(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        'export',
        help='a trained network as a file for a robot, with its card',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument('training', metavar='TRAINING', help='folder of a finished training')
    verb.add_argument('--out', metavar='FILE', required=True, help='the .onnx file to write')
    verb.add_argument('--precision', choices=PRECISIONS, default='fp32', help='default fp32')
    verb.add_argument('--name', default='', help='of the network; without, that of the file')
    verb.add_argument('--note', default='', help='what a user of it should know')
    verb.add_argument(
        '--resize',
        choices=('linear', 'area'),
        default='linear',
        help='how a robot shrinks crops (default linear; area is smoother, and far slower)',
    )
    verb.add_argument(
        '--clip',
        type=number(int, 0, 64),
        default=0,
        metavar='T',
        help='a network of clips of T frames, with its attention over time; not for robots',
    )
    verb.add_argument(
        '--crops',
        type=number(int, 16),
        default=512,
        metavar='N',
        help='training crops that 8 bits are calibrated on (default 512)',
    )
    limits = (('rank1', 'rank-1', 0.5), ('map', 'mAP', 1.0))
    for name, measure, default in limits:
        verb.add_argument(
            f'--max-{name}-loss',
            type=number(float, 0.0, 100.0),
            default=default,
            metavar='POINTS',
            help=f'points of {measure} that may be lost to fp32 (default {default})',
        )
    verb.add_argument(
        '--max-mb',
        type=number(float, 0.0),
        default=0.0,
        metavar='MB',
        help='refuse a larger file (default 0: any)',
    )
    verb.add_argument(
        '--rendered',
        action='store_true',
        help="calibrate it in rendered worlds, as 'reid_ros calibrate --rendered' does; without, "
        'on the people of data.validation',
    )
    verb.add_argument(
        '--silhouette',
        default='',
        metavar='CARD',
        help='of a gait network: calibrate it on walks as this silhouette network sees them; '
        'without, on the masks of its recipe',
    )
    verb.add_argument('--threads', type=number(int, 0), default=0, metavar='N', help='of the CPU')
    verb.add_argument('--quiet', action='store_true', help='show no progress')
    verb.add_argument('--json', action='store_true', help='print the result as JSON')
    verb.set_defaults(call=_export)


def _export(args: argparse.Namespace) -> int:
    from reid_ros.progress import Progress
    from reid_ros.train import saved
    from reid_ros.train.artefact import Wanted, exported

    task = saved.task(Path(args.training))
    if task == 'silhouette':
        return silhouette.export(args, _command(args))
    if args.silhouette and task != 'gait':
        raise ReidError('--silhouette has a meaning for gait networks only')
    if task == 'gait':
        exported = gait.exported(args)
    elif task == 'search':
        exported = searcher.exported(args)
    wanted = Wanted(
        precision=args.precision,
        clip=args.clip,
        name=args.name,
        crops=args.crops,
        rank1_loss=args.max_rank1_loss,
        map_loss=args.max_map_loss,
        megabytes=args.max_mb,
        resize=args.resize,
        note=args.note,
        command=_command(args),
        threads=args.threads,
    )
    progress = Progress(None if args.quiet else sys.stderr, 0, DRAWN.get(task, 'tracklets'))
    try:
        made = exported(Path(args.training), Path(args.out), wanted, progress.add)
    finally:
        progress.close()
    if args.rendered and not args.clip:
        card = _calibrated(made, args)
        made = dataclasses.replace(made, card=card, said=[])
    if args.json:
        facts = {'file': str(made.path), 'megabytes': round(made.megabytes, 3)}
        print(json.dumps({**facts, 'card': made.card.to_json(), 'notes': made.said}))
        return 0
    print('\n'.join(_lines(made)))
    return 0


def _calibrated(made: Made, args: argparse.Namespace) -> Card:
    """The card with what angles mean in rendered worlds, written again."""
    from reid_ros.bench import contenders, fitting
    from reid_ros.embed import Embedder
    from reid_ros.model import Model
    from reid_ros.progress import Progress
    from reid_ros.train.artefact import rounded

    progress = Progress(None if args.quiet else sys.stderr, 0, 'images')
    try:
        if made.card.kind == 'gait':
            path, seer = str(made.path), args.silhouette or 'silhouette'
            found, _ = fitting.fitted(
                None, tell=progress.add, walks=lambda: contenders.seeing(path, seer, args.threads)
            )
        else:
            with Model.load(made.path, made.card, backend='cpu', threads=args.threads) as model:
                found, _ = fitting.fitted(Embedder(model), tell=progress.add)
    finally:
        progress.close()
    card = dataclasses.replace(made.card, calibration=rounded(found.to_json()))
    card.write(made.path.with_suffix('.json'))
    return card


def _lines(made: Made) -> list[str]:
    spec, precision = made.card.input, made.card.training['precision']
    clip = f'clips of {spec.frames} crops' if spec.frames else 'crops'
    clip = {'gait': 'walks of silhouettes', 'search': 'pictures'}.get(made.card.kind, clip)
    lines = [
        f'{made.path}: {made.megabytes:.2f} MB, {precision}, {made.card.output.vector} numbers of '
        f'{clip} of {spec.width} x {spec.height}'
    ]
    for name, full in made.full.items():
        own = made.scores[name]
        parts = [f'{key} {own[key]:.2f} %' for key in full]
        if precision != 'fp32':
            parts = [
                f'{part} (fp32 {full[key]:.2f}, lost {full[key] - own[key]:.2f})'
                for key, part in zip(full, parts)
            ]
        lines.append(f'{name}: {", ".join(parts)}')
    lines.append(f'card: {made.path.with_suffix(".json")}')
    return lines + [f'note: {text}' for text in made.said]


def _command(args: argparse.Namespace) -> str:
    words = ['reid_ros', 'export', args.training, '--out', args.out]
    words += ['--precision', args.precision]
    usual = (('clip', 0), ('crops', 512), ('max_rank1_loss', 0.5), ('max_map_loss', 1.0))
    for name, default in usual:
        value = getattr(args, name)
        if value != default:
            words += [f'--{name.replace("_", "-")}', str(value)]
    words += ['--silhouette', args.silhouette] if args.silhouette else []
    return shlex.join([*words, *(['--rendered'] if args.rendered else [])])
