"""`reid_ros bench world`. No verb of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import Any

from reid_ros.cli.arguments import number

_ABOUT = """\
Audits the rendered world: whether backgrounds, noise or floors give people or cameras away, how
well a network of real people tells its people apart, and whether gait is in how they move.
Association and the colour baseline are read from what `reid_ros bench identity --out` wrote.
Ends with 1 where an audit fails.
"""


def add(parts: Any) -> None:
    """Add the part."""
    part = parts.add_parser(
        'world',
        help='audits of the rendered world: what gives nobody away, what must',
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_argument(
        '--audits', nargs='+', metavar='NAME',
        help='background noise looks gait identity (default: all)',
    )  # fmt: skip
    part.add_argument('--quick', action='store_true', help='a few people: shows that it runs')
    part.add_argument('--seed', type=number(int, 0), help='of cameras, places, walks (default 1)')
    part.add_argument(
        '--model', metavar='NAME',
        help='network trained on real people (default osnet_x0_25_msmt17, where it is at hand)',
    )  # fmt: skip
    part.add_argument(
        '--identity', metavar='FILE', default='docs/results/identity.json',
        help='results of bench identity (default docs/results/identity.json)',
    )  # fmt: skip
    part.add_argument('--json', action='store_true')
    part.add_argument('--out', metavar='FILE', help='write the rows, with how to repeat them')
    part.set_defaults(call=_world)


def _world(args: argparse.Namespace) -> int:
    from reid_ros import card, results
    from reid_ros.bench import world_audit

    results.commit()
    model = args.model
    if model is None and card.onnx_of(card.named(world_audit.NETWORK)) is not None:
        model = world_audit.NETWORK
    seed = world_audit.SEED if args.seed is None else args.seed
    parts = args.audits or list(world_audit.PARTS)
    sizes = world_audit.QUICK if args.quick else world_audit.Sizes()
    rows = world_audit.findings(parts, sizes, seed, model, args.identity, _tell)
    if model is None:
        print(
            f'no network of real people: {world_audit.NETWORK} is not on this machine (its card '
            'tells where to get it); put its folder in REID_ROS_MODELS, or give --model',
            file=sys.stderr,
        )
    command = f'reid_ros bench world --seed {seed}' + (' --quick' if args.quick else '')
    command += f' --audits {" ".join(args.audits)}' if args.audits else ''
    content = results.document(
        command,
        [seed],
        [dataclasses.asdict(row) for row in rows],
        ('onnxruntime',),
        network=model or '',
        sizes=dataclasses.asdict(sizes),
    )
    if args.out:
        results.write(args.out, content)
    print(json.dumps(content, indent=1) if args.json else world_audit.table(rows))
    return 1 if any(row.passed is False for row in rows) else 0


def _tell(part: str) -> None:
    print(f'{part} ...', file=sys.stderr)
