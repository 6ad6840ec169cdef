"""`reid_ros <verb>`: arguments only; the work is done in the rooms."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from reid_ros import __version__
from reid_ros.types import ReidError

# Each module has `add(verbs)`, which adds its parsers and sets `call`, a function of the parsed
# arguments that returns the exit status. Heavy imports stay inside that function.
VERBS = (
    'demo', 'run', 'search', 'evaluate', 'world', 'bag', 'node', 'models', 'gallery', 'calibrate',
    'doctor', 'bench', 'train', 'prune', 'export',
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    result = argparse.ArgumentParser(
        prog='reid_ros', description='One identity per person across all cameras of a robot.'
    )
    result.add_argument('--version', action='version', version=__version__)
    verbs = result.add_subparsers(title='verbs', dest='verb', required=True, metavar='VERB')
    for name in VERBS:
        importlib.import_module(f'reid_ros.cli.{name}').add(verbs)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status.

    0 = done, 1 = cannot be done here, 2 = bad input, 130 = interrupted; stderr says why.
    """
    args = parser().parse_args(arguments)
    try:
        status: int = args.call(args)
    except ReidError as error:
        print(f'reid_ros {args.verb}: {error}', file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        from reid_ros.doctor.software import how_to_get

        step = how_to_get((error.name or '').partition('.')[0])
        if not step:
            raise
        print(f'reid_ros {args.verb}: {error}: {step}', file=sys.stderr)
        print("'reid_ros doctor' says what else is missing", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status
