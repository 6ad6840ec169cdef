"""Arguments that several verbs share. No verb of its own."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

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


def networks(verb: argparse.ArgumentParser) -> None:
    """The options that name networks: `--detector` and `--appearance`, or `--model` for both."""
    verb.add_argument('--detector', help='model file or name of a card')
    verb.add_argument('--appearance', help='model file or name of a card; none = no recognition')
    verb.add_argument(
        '--model', metavar='SEARCH', help='one network of kind search in the place of both'
    )


def of_networks(args: argparse.Namespace) -> dict[str, str]:
    """The settings `model.*` of these options.

    Raises:
        ReidError: --model beside one of the others, or a model of another kind.
    """
    given = {name: getattr(args, name) for name in ('detector', 'appearance')}
    given = {name: value for name, value in given.items() if value}
    if not args.model:
        return given
    if given:
        both = ' and '.join(f'--{name}' for name in given)
        raise ReidError(f'--model {args.model} stands in the place of {both}: give one or other')
    return one_network(args.model)


def one_network(model: str) -> dict[str, str]:
    """The settings `model.*` of one network that finds people and tells their looks.

    Raises:
        ReidError: there is none of that name, or it is of another kind.
    """
    from reid_ros.card import find

    find(model, 'search')
    return {'detector': model, 'appearance': model}


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


def changes(words: Sequence[str]) -> dict[str, Any]:
    """Settings by dotted name, of NAME=VALUE; values are read as YAML.

    Raises:
        ReidError: a word of another form.
    """
    import yaml

    found: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition('=')
        if not sign or not name:
            raise ReidError(f'--set {word}: expected NAME=VALUE, for example optim.steps=200')
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ReidError(f'--set {word}: the value is no YAML: {error}') from error
    return found


def study(part: argparse.ArgumentParser) -> None:
    """The options of a study: a queue of cells, and the table that they make."""
    part.add_argument('queue', type=Path, metavar='QUEUE.yaml')
    part.add_argument('--out', type=Path, required=True, metavar='DIR', help='of the cells')
    part.add_argument('--table', type=Path, metavar='FILE', help='write the results as they come')
    part.add_argument(
        '--set', nargs='+', default=[], metavar='NAME=VALUE', help='settings of every training'
    )
    part.add_argument('--again', action='store_true', help='run failed cells once more')
    part.add_argument(
        '--only', nargs='+', default=['*'], metavar='CELL',
        help='work on these cells alone; * stands for anything, as in \'random-A[04]-*\'',
    )  # fmt: skip
    part.add_argument('--show', action='store_true', help='run nothing, tell what is there')
    part.add_argument('--json', action='store_true')


def of_study(args: argparse.Namespace, *words: str) -> str:
    """The command that repeats a study, from the words of its part."""
    found = ['reid_ros', *words, str(args.queue), '--out', str(args.out)]
    found += ['--set', *args.set] if args.set else []
    return shlex.join([*found, *(['--table', str(args.table)] if args.table else [])])
