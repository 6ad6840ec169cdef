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
VERBS = ('run', 'bag', 'models', 'node', 'doctor')


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
    """Run one verb; 0 = done, 2 = bad input (with the reason on stderr), 130 = interrupted."""
    args = parser().parse_args(arguments)
    try:
        status: int = args.call(args)
    except ReidError as error:
        print(f'reid_ros {args.verb}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status
