"""Arguments that several verbs share. No verb of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TypeVar

from reid_ros.types import ReidError

Number = TypeVar('Number', int, float)


def number(kind: type[Number], low: Number, high: Number | None = None) -> Callable[[str], Number]:
    """A type of argparse: a number of at least `low`, and at most `high` where that is given."""

    def read(text: str) -> Number:
        value = kind(text)
        if high is None and not value >= low:
            raise argparse.ArgumentTypeError(f'must be {low} or more')
        if high is not None and not low <= value <= high:
            raise argparse.ArgumentTypeError(f'must be {low} to {high}')
        return value

    read.__name__ = kind.__name__  # argparse names it where the text is no number at all
    return read


def contenders(part: argparse.ArgumentParser, default: Sequence[str], more: str = '') -> None:
    """The options `--contenders` and `--calibration` of the benchmarks of vectors."""
    part.add_argument(
        '--contenders',
        nargs='+',
        default=list(default),
        metavar='NAME',
        help=f'appearance networks, colour, oracle{more} (default: {" ".join(default)})',
    )
    part.add_argument(
        '--calibration',
        action='append',
        default=[],
        metavar='NAME=FILE',
        help="calibration of a contender instead of its card's; may be given several times",
    )


def calibrations(texts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """The file of each NAME=FILE.

    Raises:
        ReidError: no such contender, or no file.
    """
    result = {}
    for text in texts:
        name, _, file = text.partition('=')
        if name not in names or not file:
            raise ReidError(
                f'--calibration {text}: give NAME=FILE, with a name of {", ".join(names)}'
            )
        result[name] = file
    return result
