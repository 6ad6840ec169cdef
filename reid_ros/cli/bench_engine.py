"""`reid_ros bench engine`. No verb of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import Any

from reid_ros.cli.arguments import number
from reid_ros.cli.building import building

_ABOUT = """\
Build the TensorRT engines of networks, prove them against ONNX Runtime, keep them, and time every
backend of this machine beside the others. The first build of a network takes minutes; afterwards
`backend: tensorrt`, and `backend: auto` too, start with the kept engine.

Exit status 1 where a backend that was named does not run. Without a network: those of the
settings.
"""


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'engine',
        help='build TensorRT engines, and time every backend',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_argument('networks', nargs='*', metavar='NETWORK', help='a card or an .onnx file')
    part.add_argument('--config', metavar='FILE', help='YAML of settings, instead of the defaults')
    part.add_argument(
        '--backend', nargs='+', metavar='NAME',
        help='of tensorrt, ort_tensorrt, ort_cuda and cpu; default all, those that do not run are '
        'told with their reason',
    )  # fmt: skip
    part.add_argument(
        '--batch', type=number(int, 1, 64), nargs='+', metavar='N', help='default 1 4 16'
    )
    part.add_argument('--precision', choices=('fp16', 'fp32'), help='of engines')
    part.add_argument(
        '--typical', type=number(int, 1, 64), default=0, metavar='N',
        help='images in most inferences, which the engine is tuned for: the number of cameras for '
        'a detector (default: as many as the settings name, or by kind)',
    )  # fmt: skip
    part.add_argument(
        '--rounds', type=number(int, 3), metavar='N', help='calls of every batch (default 50)'
    )
    part.add_argument('--threads', type=number(int, 0), default=0, metavar='N', help='of the CPU')
    part.add_argument('--json', action='store_true')
    part.add_argument('--out', metavar='FILE', help='write the rows, with how to repeat them')
    part.set_defaults(call=_engine)


def _engine(args: argparse.Namespace) -> int:
    from reid_ros import config, results
    from reid_ros.bench import engines
    from reid_ros.card import CardError, find
    from reid_ros.model import BACKENDS

    results.commit()
    settings = config.read(args.config) if args.config else config.Config()
    fields = {field.name: field for field in dataclasses.fields(config.Config)}
    for name in args.backend or ():
        config.checked('--backend', name, fields['backend'], str)
    wanted = engines.Wanted(
        backends=args.backend or BACKENDS,
        batches=args.batch or engines.BATCHES,
        rounds=args.rounds or engines.ROUNDS,
        precision=args.precision or settings.precision,
        max_batch=settings.max_batch,
        cache_dir=settings.engine_cache_dir,
        threads=args.threads,
    )
    rows = []
    model = settings.model
    usual = [model.detector, model.appearance, model.gait, model.silhouette]
    for name in args.networks or usual:
        if not args.networks:
            try:
                if name in ('none', 'background') or find(name)[1].built_in:
                    continue
            except CardError as error:
                print(f'left out: {error}', file=sys.stderr)
                continue
        typical = args.typical
        if not typical and find(name)[1].kind in ('detector', 'search'):
            typical = len(settings.camera_names)
        rows += engines.measure(name, dataclasses.replace(wanted, typical=typical), building())
    content = results.document(
        _command(args), [], [dataclasses.asdict(row) for row in rows],
        ('onnxruntime', 'onnxruntime-gpu', 'tensorrt'),
    )  # fmt: skip
    if args.out:
        results.write(args.out, content)
    print(json.dumps(content, indent=1) if args.json else engines.table(rows))
    return 1 if args.backend and any(row.reason for row in rows) else 0


def _command(args: argparse.Namespace) -> str:
    words = ['reid_ros bench engine', *args.networks]
    for option in ('config', 'backend', 'batch', 'precision', 'typical', 'rounds', 'threads'):
        value = getattr(args, option)
        if value:
            words.append(f'--{option}')
            words += map(str, value if isinstance(value, list) else [value])
    return ' '.join(words)
