"""`reid_ros bench appearance`. No verb of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from reid_ros.cli.arguments import number
from reid_ros.types import ReidError

BUSY = 0.3
"""Programs per core that want to run besides: from here on, times are told to be doubtful."""
_ABOUT = """\
Milliseconds per crop and crops per second of appearance networks on the processor, from the frame
to the vector: cutting the crops out and making them ready is told separately too. All networks
take turns in one run; told are the fastest and the middle call, and the ratio to OSNet x0.25 (or
to the first network), which is the middle one of all rounds.

A network is the name of a card (`reid_ros models list`) or a path of an .onnx file whose card lies
beside it; fp32 and INT8 are two files. Without a name: the shipped networks, the colour baseline,
and every network of other people whose file is here (REID_ROS_MODELS names folders to look in).
"""


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'appearance',
        help='how fast appearance networks turn crops into vectors',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_argument('networks', nargs='*', metavar='NETWORK', help='a card or an .onnx file')
    part.add_argument(
        '--batch', type=number(int, 1, 1024), nargs='+', metavar='N', help='default 1 8 32'
    )
    part.add_argument('--threads', type=number(int, 1), metavar='N', help='default 2')
    part.add_argument(
        '--rounds', type=number(int, 1), metavar='N', help='turns of every network (default 20)'
    )
    part.add_argument(
        '--size', type=size, metavar='WxH', help='of the frame with the crops (default 640x480)'
    )
    part.add_argument(
        '--against', metavar='NETWORK', help='that ratios compare with (default OSNet x0.25)'
    )
    part.add_argument('--json', action='store_true')
    part.add_argument('--out', metavar='FILE', help='write the rows, with how to repeat them')
    part.set_defaults(call=_appearance)


def size(text: str) -> tuple[int, int]:
    """Width and height of a text like 640x480."""
    found = re.fullmatch(r'(\d+)x(\d+)', text)
    if found is None or min(int(found[1]), int(found[2])) < 64:
        raise argparse.ArgumentTypeError('must be WIDTHxHEIGHT, each 64 or more, like 640x480')
    return int(found[1]), int(found[2])


def networks(given: Sequence[str]) -> list[str]:
    """The networks asked for, else those that are here; says where there is only the baseline."""
    from reid_ros.bench import encoders

    if given:
        return list(given)
    names = encoders.at_hand()
    if names == [encoders.COLOUR]:
        print(
            'no appearance network is on this machine, only the colour baseline: give the path of '
            "an .onnx file, get one with 'reid_ros models pull', or put the folder that holds one "
            'into REID_ROS_MODELS',
            file=sys.stderr,
        )
    return names


def _appearance(args: argparse.Namespace) -> int:
    from reid_ros import results
    from reid_ros.bench import alone, appearance, encoders

    results.commit()
    names = networks(args.networks)
    files = encoders.files(names)  # refuses what is missing before a process is begun
    labels = list(files)
    against = args.against
    if against is not None and against not in labels:
        if against not in names:
            raise ReidError(f'--against {against}: not among {", ".join(labels)}')
        against = labels[names.index(against)]
    batches = args.batch or list(appearance.BATCHES)
    threads = args.threads or appearance.THREADS
    rounds = args.rounds or appearance.ROUNDS
    frame = args.size or appearance.SIZE
    load = appearance.busy()
    if load > BUSY:
        print(
            f'others keep this machine busy (load {load:g} per core): times will be too long and '
            'ratios shaky; repeat it when they are done',
            file=sys.stderr,
        )
    rows = alone(
        appearance.measure, names, batches, threads, rounds, frame, against, threads=threads
    )
    content = results.document(
        _command(args, names),
        [],
        [dataclasses.asdict(row) for row in rows],
        ('onnxruntime',),
        load_per_core=load,
        threads=threads,
        rounds=rounds,
        frame=f'{frame[0]}x{frame[1]}',
        files=files,
    )
    if args.out:
        results.write(args.out, content)
    print(json.dumps(content, indent=1) if args.json else appearance.table(rows))
    return 0


def _command(args: argparse.Namespace, names: Sequence[str]) -> str:
    words = ['reid_ros bench appearance', *names]
    if args.batch:
        words += ['--batch', *map(str, args.batch)]
    if args.size:
        words += ['--size', 'x'.join(map(str, args.size))]
    for option in ('threads', 'rounds', 'against', 'out'):
        if getattr(args, option) is not None:
            words += [f'--{option}', str(getattr(args, option))]
    return ' '.join(words)
